"""`connect`: a venue's market for blocking code."""

from __future__ import annotations

from typing import Any

from .. import venues
from .venue import Venue

__all__ = ["connect"]


def connect(venue: str, /, **settings: Any) -> Venue:
    """The market of a venue, by the venue's name: `with tapewire.sync.connect(name) as venue:`.

    `settings`: as of `tapewire.connect`. Raises ConfigurationError for an unknown name (with near ones) or setting.
    """
    return Venue(lambda: venues.connect(venue, **settings))
