"""The document's import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `weex_client`, whichever was installed last,
and names the command that heals. `tapewire.venues.weex` works beside either.
"""

from __future__ import annotations

from tapewire.ownership import check_sole_owner

check_sole_owner("weex_client", "tapewire-weex-client")  # here too, for folders whose .pth files are not read

from tapewire import __version__  # noqa: E402
from tapewire.venues.weex import WeexAsyncClient, WeexConfig, WeexWebSocketClient  # noqa: E402

__all__ = ["WeexAsyncClient", "WeexConfig", "WeexWebSocketClient", "__version__"]
