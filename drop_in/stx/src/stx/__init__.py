"""The venue's documents' import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `stx`: which of the two would answer then is
chance. Uninstall one, or import from `tapewire.venues.stx`.
"""

from __future__ import annotations

from . import _alone  # first: refuse before anything is half imported

_alone.check()

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
