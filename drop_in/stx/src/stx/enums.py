"""The channels, as the documents import them."""

from __future__ import annotations

from tapewire.venues.stx import Channels

__all__ = ["Channels"]
