"""What a browser session consists of, as the package of that name has it."""

from __future__ import annotations

from tapewire.venues.stake import AuthManager

__all__ = ["AuthManager"]
