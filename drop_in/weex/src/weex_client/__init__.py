"""The document's import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `weex_client`: which of the two would answer
then is chance. Uninstall one, or import from `tapewire.venues.weex`.
"""

from __future__ import annotations

from . import _alone  # first: refuse before anything is half imported

_alone.check()

from tapewire import __version__  # noqa: E402
from tapewire.venues.weex import WeexAsyncClient, WeexConfig, WeexWebSocketClient  # noqa: E402

__all__ = ["WeexAsyncClient", "WeexConfig", "WeexWebSocketClient", "__version__"]
