"""An order book that is right, or says that it is not.

Only a book whose `state` is "live" may be traded on. Rules:

* A frame is checked whole, then applied whole, both sides, before anyone can read the touch: within one frame a price
  may leave the bids and enter the offers.
* What cannot be (a price of zero, a negative size, NaN, an absurd number, another type, too many levels, a best bid at
  or above the best offer) quarantines the book: the verdict is `Resync`, and only a new snapshot makes it live again.
* Nothing a peer says raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any, Final, Generic, Literal, TypeAlias

import msgspec

from ..errors import ConfigurationError
from ..model import MAX_LEVELS
from .sequence import APPLIED, HOLD_CAPACITY, UNNUMBERED, Applied, Numbering, Resync, Sequencer, Verdict
from .side import BookSide, Number

__all__ = ["PRICE_BELOW", "SIZE_BELOW", "BookState", "DepthSnapshot", "OrderBook"]

BookState: TypeAlias = Literal["empty", "seeding", "live", "stale"]
"""Nothing came yet; waiting for its snapshot; right; not proven (its levels are what was last known)."""

Told: TypeAlias = tuple[Sequence[Any] | None, Sequence[Any] | None]
"""The levels of a frame's bids and offers as reading them is to give them; None where that is as they are."""

_AS_THEY_ARE: Final[Told] = (None, None)

PRICE_BELOW: Final = 10**20
SIZE_BELOW: Final = 10**30
"""What no honest price and no honest size reaches, unless a book is told of a smaller bound."""

# Exact for all honest prices, and rounds where a peer sends a thousand digits.
_FINE: Final = Context(prec=100)


class DepthSnapshot(msgspec.Struct, Generic[Number], frozen=True, kw_only=True):
    """A book as it stood at one moment: levels best first, at most as many as were asked for."""

    bids: tuple[tuple[Number, Number], ...]
    offers: tuple[tuple[Number, Number], ...]
    state: BookState
    last: int | None = None

    @property
    def is_tradable(self) -> bool:
        """True if the book was live."""
        return self.state == "live"


class OrderBook(Generic[Number]):
    """The book of one instrument, of prices and sizes of the type `number` (int, float or Decimal).

    `price_below` bounds prices: 1 where they are probabilities. Set `may_cross` only for a venue that does not match
    resting orders with each other. Feed it in the order of arrival and do what each verdict says: on `Resync`, fetch a
    snapshot (call `seed` when you ask for it) and give it to `replace`.

    `told`, in `replace` and `apply`: the same levels of both sides in another form, which is what reading then gives;
    so doubles may order a book whose levels are read as the venue wrote them. See to it that they tell apart whatever
    that says: 15 digits are exact.
    """

    __slots__ = (
        "_bounds",
        "_may_cross",
        "_sequencer",
        "bids",
        "max_levels",
        "number",
        "offers",
        "reason",
        "state",
    )

    def __init__(
        self,
        number: type[Number],
        *,
        numbering: Numbering = UNNUMBERED,
        price_below: int = PRICE_BELOW,
        max_levels: int = MAX_LEVELS,
        hold_capacity: int = HOLD_CAPACITY,
        may_cross: bool = False,
    ) -> None:
        if number not in (int, float, Decimal):
            raise ConfigurationError("number", number, ("int", "float", "Decimal"))
        if max_levels < 1:
            raise ConfigurationError("max_levels", max_levels, "1 or more")
        self.number: type[Number] = number
        self.max_levels: int = max_levels
        self.bids: BookSide[Number] = BookSide(descending=True)
        self.offers: BookSide[Number] = BookSide(descending=False)
        self.state: BookState = "empty"
        self.reason: str = "no snapshot yet"
        """Why the book is not live; empty while it is."""
        self._bounds: tuple[Number, Number, Number] = (number(0), number(price_below), number(SIZE_BELOW))
        self._may_cross = may_cross
        self._sequencer: Sequencer[tuple[Any, Any, Any]] = Sequencer(numbering, hold_capacity)

    def seed(self) -> None:
        """A snapshot was asked for. Until it comes the book is not tradable, and numbered deltas are held."""
        if self.state == "live":
            self.invalidate("a new snapshot was asked for")
        self.state = "seeding"

    def invalidate(self, reason: str) -> None:
        """What came before is no longer proven (a gap, a new connection): forget numbers and what is held."""
        self._sequencer.reset()
        self.state = "stale" if self.state != "empty" else "empty"
        self.reason = reason

    def quarantine(self, reason: str) -> Resync:
        """Something about the book cannot be (a checksum that differs, say). Returns the verdict to act on."""
        self.invalidate(reason)
        self.state = "stale"
        return Resync(reason)

    def replace(
        self,
        bids: Sequence[tuple[Number, Number]],
        offers: Sequence[tuple[Number, Number]],
        last: int | None = None,
        told: Told | None = None,
    ) -> Verdict:
        """A snapshot, or a whole book of a versioned stream: these are the levels now, and what was held follows."""
        fault = self.fault_in(bids, offers)
        if fault is not None:
            return self.quarantine(fault)
        verdict = self.accept(last)
        if type(verdict) is not Applied:
            return verdict
        told_bids, told_offers = told or _AS_THEY_ARE
        self.bids.replace(bids, told_bids)
        self.offers.replace(offers, told_offers)
        fault = self._change()
        for held in verdict.held:
            fault = fault or self._change(*held)
        return verdict if fault is None else self.quarantine(fault)

    def accept(self, last: int | None) -> Verdict:
        """Whether a whole book of that number counts. If `Applied`, its levels, checked already, go into both sides."""
        verdict = self._sequencer.snapshot(last)
        if type(verdict) is not Applied:
            return self._refused(verdict)
        self.state, self.reason = "live", ""
        return verdict

    def apply(
        self,
        bids: Sequence[tuple[Number, Number]],
        offers: Sequence[tuple[Number, Number]],
        first: int | None = None,
        last: int | None = None,
        told: Told | None = None,
    ) -> Verdict:
        """One frame of changes: absolute sizes, 0 removes a level. On a `Resync` fetch a snapshot of this book."""
        fault = self.fault_in(bids, offers)
        return (
            self.apply_checked(bids, offers, first, last, told) if fault is None else self.quarantine(fault)
        )

    def apply_checked(
        self,
        bids: Sequence[tuple[Number, Number]],
        offers: Sequence[tuple[Number, Number]],
        first: int | None = None,
        last: int | None = None,
        told: Told | None = None,
    ) -> Verdict:
        """The same for whoever has seen to it already that `fault_in` finds nothing, as decoding them may."""
        told = told or _AS_THEY_ARE
        verdict = self._sequencer.delta(first, last, (bids, offers, told))
        if verdict is not APPLIED:
            return self._refused(verdict)
        fault = self._change(bids, offers, told)
        return verdict if fault is None else self.quarantine(fault)

    def fault_in(self, bids: Any, offers: Any) -> str | None:
        """What is insane about these levels of a frame, or None. Changes nothing."""
        number, (zero, price_below, size_below) = self.number, self._bounds
        try:
            if len(bids) > self.max_levels or len(offers) > self.max_levels:
                return f"a frame of more than {self.max_levels} levels"
            for levels in (bids, offers):
                for price, size in levels:
                    if type(price) is not number or type(size) is not number:
                        return f"a level that is not of {number.__name__}"
                    # Refuses NaN, infinities, zero, negative and absurd numbers alike.
                    if not (zero < price < price_below and zero <= size < size_below):
                        return "an insane price or size"
        except (TypeError, ValueError, ArithmeticError):  # not pairs, not numbers, a Decimal NaN
            return "levels that are none"
        return None

    @property
    def last(self) -> int | None:
        """The venue's number of the state the book is in; None where it has none or is not live."""
        return self._sequencer.last

    @property
    def is_tradable(self) -> bool:
        """True while the book is live: nothing else may be traded on."""
        return self.state == "live"

    @property
    def best_bid(self) -> tuple[Number, Number] | None:
        """Price and size of the highest bid."""
        return self.bids.best

    @property
    def best_offer(self) -> tuple[Number, Number] | None:
        """Price and size of the lowest offer."""
        return self.offers.best

    @property
    def mid(self) -> Number | Decimal | None:
        """The middle of the touch, None unless both sides are there. Exact: of int prices it is a Decimal."""
        bid, offer = self.bids.best_price, self.offers.best_price
        if bid is None or offer is None:
            return None
        middle: Number | Decimal = _middle(bid, offer)
        return middle

    @property
    def spread(self) -> Number | None:
        """Best offer less best bid, None unless both sides are there."""
        bid, offer = self.bids.best_price, self.offers.best_price
        if bid is None or offer is None:
            return None
        difference: Number = _difference(offer, bid)
        return difference

    @property
    def is_crossed(self) -> bool:
        """True if the best bid is at or above the best offer: money that would have traded with itself."""
        bid, offer = self.bids.best_price, self.offers.best_price
        return bid is not None and offer is not None and bid >= offer

    def snapshot(self, depth: int | None = None) -> DepthSnapshot[Number]:
        """The book as it is now, as a value that stays so: the best `depth` levels of each side, or all."""
        return DepthSnapshot(
            bids=tuple(self.bids.top(len(self.bids) if depth is None else depth)),
            offers=tuple(self.offers.top(len(self.offers) if depth is None else depth)),
            state=self.state,
            last=self.last,
        )

    def __repr__(self) -> str:
        return f"<OrderBook {self.state}: {self.best_bid} | {self.best_offer}>"

    def _change(self, bids: Any = (), offers: Any = (), told: Told = _AS_THEY_ARE) -> str | None:
        """Apply a frame that was checked; what is wrong with the book as it stands then."""
        if bids:
            self.bids.apply(bids, told[0])
        if offers:
            self.offers.apply(offers, told[1])
        bids, offers = self.bids.prices, self.offers.prices
        if len(bids) > self.max_levels or len(offers) > self.max_levels:
            return f"more than {self.max_levels} levels"
        if bids and offers and bids[-1] >= offers[0] and not self._may_cross:
            return "the book is crossed"
        return None

    def _refused(self, verdict: Verdict) -> Verdict:
        if type(verdict) is Resync:
            self.state, self.reason = "stale", verdict.reason
        return verdict


def _middle(bid: Any, offer: Any) -> Any:
    if type(bid) is float:
        return (bid + offer) / 2
    return _FINE.divide(_FINE.add(Decimal(bid), Decimal(offer)), Decimal(2))


def _difference(offer: Any, bid: Any) -> Any:
    return _FINE.subtract(offer, bid) if type(bid) is Decimal else offer - bid
