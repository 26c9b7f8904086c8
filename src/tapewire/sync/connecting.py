"""`connect` and `paper`: a venue's market for blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import venues
from .thread import plainly
from .venue import Venue

if TYPE_CHECKING:
    from ..trading import PaperConfig, Profit

__all__ = ["PaperVenue", "connect", "paper"]


class PaperVenue(Venue):
    """A venue on paper. Made by `paper`."""

    def profit(self) -> dict[str, Profit]:
        """What the account has earned, by currency: proven, and between which bounds where fills are in doubt."""
        venue: Any = self._venue
        found: dict[str, Profit] = self._call(plainly, venue.profit)
        return found


def connect(venue: str, /, **settings: Any) -> Venue:
    """The market of a venue, by the venue's name: `with tapewire.sync.connect(name) as venue:`.

    `settings`: as of `tapewire.connect`. Raises ConfigurationError for an unknown name (with near ones) or setting.
    """
    return Venue(lambda: venues.connect(venue, **settings))


def paper(venue: str, /, config: PaperConfig, *, seed: int | str = 1, **settings: Any) -> PaperVenue:
    """A venue on paper: `with tapewire.sync.paper(name, config, seed=7) as venue:`. See `tapewire.paper`.

    `settings`: as of `tapewire.connect`. Raises ConfigurationError, and NotSupported for a venue that cannot be.
    """
    from ..venues.paper import paper as on_paper  # what nobody asks for is not waited for

    return PaperVenue(lambda: on_paper(venues.connect(venue, **settings), config, seed=seed))
