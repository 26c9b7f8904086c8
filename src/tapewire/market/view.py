"""`BookView`: the order book of a feed, on the model's axis, read at the cost of what is asked.

It is the feed's own living book and always the same object: what you read is how the book stands then. `snapshot()`
keeps it. Bids back the outcome; offers back it not happening (`model/price.py`). Sizes are in the instrument's units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from typing import Protocol

from ..errors import ConfigurationError
from ..marks import ContinuityState
from ..model import EXACT, BookSnapshot, Level, OrderSide
from ..model.fields import MAX_DECIMALS
from .continuity import Continuity

__all__ = ["BookView", "Levels"]


class Levels(Protocol):
    """What a view needs of a venue's book: levels best first, exact, on the axis of the instrument."""

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` bids, or all."""
        ...

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` offers, or all."""
        ...

    @property
    def last(self) -> int | None:
        """The venue's number of this state, None where it has none."""
        ...

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's clock at the last change, None where it says none."""
        ...

    @property
    def received_at_ns(self) -> int:
        """This machine's clock at the last change."""
        ...


class BookView:
    """The book as it stands whenever you look. Quote on it only while it `is_live`."""

    __slots__ = ("_continuity", "_levels", "depth", "instrument_id", "venue")

    def __init__(
        self,
        venue: str,
        instrument_id: str,
        levels: Levels,
        continuity: Callable[[], Continuity],
        depth: int | None = None,
    ) -> None:
        self.venue: str = venue
        self.instrument_id: str = instrument_id
        self.depth: int | None = depth
        """Levels of a side that are shown at most; None for all that the venue gives."""
        self._levels = levels
        self._continuity = continuity

    @property
    def is_live(self) -> bool:
        """True while the book is proven, sane and current."""
        return self._continuity().state is ContinuityState.LIVE

    @property
    def reason(self) -> str:
        """Why it is not live; empty while it is."""
        return self._continuity().reason

    @property
    def last(self) -> int | None:
        """The venue's number of this state, None where it has none."""
        return self._levels.last

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's clock at the last change, None where it says none."""
        return self._levels.venue_time_ns

    @property
    def received_at_ns(self) -> int:
        """This machine's clock at the last change."""
        return self._levels.received_at_ns

    @property
    def best_bid(self) -> Level | None:
        """Price and size of the highest bid."""
        return next(iter(self._levels.bids(1)), None)

    @property
    def best_offer(self) -> Level | None:
        """Price and size of the lowest offer."""
        return next(iter(self._levels.offers(1)), None)

    @property
    def is_crossed(self) -> bool:
        """True if the best bid is at or above the best offer."""
        bids, offers = self._levels.bids(1), self._levels.offers(1)  # asked with every change
        return bool(bids and offers) and bids[0][0] >= offers[0][0]

    @property
    def mid(self) -> Decimal | None:
        """The middle of the best two, exactly; None unless both are there."""
        bid, offer = self.best_bid, self.best_offer
        return None if bid is None or offer is None else EXACT.divide(EXACT.add(bid[0], offer[0]), Decimal(2))

    @property
    def spread(self) -> Decimal | None:
        """Best offer less best bid; None unless both are there."""
        bid, offer = self.best_bid, self.best_offer
        return None if bid is None or offer is None else EXACT.subtract(offer[0], bid[0])

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` bids, best first; all that are shown where None."""
        return self._levels.bids(self._limited(depth))

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` offers, best first; all that are shown where None."""
        return self._levels.offers(self._limited(depth))

    def price_for_size(self, side: OrderSide, size: Decimal) -> Decimal | None:
        """What `size` costs on average if an order took it at once; None where the levels shown do not hold so much.

        A buyer takes offers, a seller bids. Rounded to 20 decimals where it has no end. Raises ConfigurationError.
        """
        if side not in ("buy", "sell"):
            raise ConfigurationError("side", side, ("buy", "sell"))
        given: object = size
        if not isinstance(given, Decimal) or not given.is_finite() or given <= 0:
            raise ConfigurationError("size", size, "a Decimal above zero")
        levels = self.offers() if side == "buy" else self.bids()
        left, paid = size, Decimal(0)
        for price, here in levels:
            taken = min(left, here)
            paid = EXACT.add(paid, EXACT.multiply(price, taken))
            left = EXACT.subtract(left, taken)
            if not left:
                return _divided(paid, size)
        return None

    def snapshot(self, depth: int | None = None) -> BookSnapshot:
        """The book as it stands now, as a value that stays so: the best `depth` levels of each side."""
        return BookSnapshot(
            venue=self.venue,
            instrument_id=self.instrument_id,
            bids=tuple(self.bids(depth)),
            offers=tuple(self.offers(depth)),
            venue_time_ns=self.venue_time_ns,
            received_at_ns=self.received_at_ns,
            last=self.last,
        )

    def __repr__(self) -> str:
        state = self._continuity().state
        return f"<BookView {self.venue}:{self.instrument_id} {state}: {self.best_bid} | {self.best_offer}>"

    def _limited(self, depth: int | None) -> int | None:
        if depth is not None and (type(depth) is not int or depth < 1):
            raise ConfigurationError("depth", depth, "a whole number from 1, or None for all")
        if self.depth is None:
            return depth
        return self.depth if depth is None else min(depth, self.depth)


_PLACES = Decimal(1).scaleb(-MAX_DECIMALS)
_FINE = Context(prec=100)


def _divided(paid: Decimal, size: Decimal) -> Decimal:
    price = _FINE.divide(paid, size)
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int)
    return price if exponent >= -MAX_DECIMALS else _FINE.quantize(price, _PLACES)
