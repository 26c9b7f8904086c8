"""The venue's documents' import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `stx`, whichever was installed last, and
names the command that heals. `tapewire.venues.stx` works beside either.
"""

from __future__ import annotations

from tapewire.ownership import check_sole_owner

check_sole_owner("stx", "tapewire-stx")  # here too, for folders whose .pth files are not read

from tapewire import __version__  # noqa: E402
from tapewire.venues.stx import (  # noqa: E402
    STX,
    AsyncSTX,
    ChannelMessage,
    Page,
    Record,
    Selection,
    STXWebSocket,
)

__all__ = ["STX", "AsyncSTX", "ChannelMessage", "Page", "Record", "STXWebSocket", "Selection", "__version__"]
