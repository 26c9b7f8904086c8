"""The streams, as the document imports them."""

from __future__ import annotations

from tapewire.venues.weex import Stream, WeexMessage, WeexWebSocketClient

__all__ = ["Stream", "WeexMessage", "WeexWebSocketClient"]
