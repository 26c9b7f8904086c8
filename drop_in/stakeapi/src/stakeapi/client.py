"""The client, as the package of that name has it."""

from __future__ import annotations

from tapewire.venues.stake import StakeAPI

__all__ = ["StakeAPI"]
