"""The process's user, as the documents import it."""

from __future__ import annotations

from tapewire.venues.stx import User

__all__ = ["User"]
