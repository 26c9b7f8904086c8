"""The HTTP client, under the name that the documents give its module."""

from __future__ import annotations

from tapewire.venues.weex import WeexAsyncClient

__all__ = ["WeexAsyncClient"]
