"""The configuration, as the document imports it."""

from __future__ import annotations

from tapewire.venues.weex import WeexConfig

__all__ = ["WeexConfig"]
