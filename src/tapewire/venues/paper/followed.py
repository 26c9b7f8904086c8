"""One instrument of the venue, told to the engine inside the read: its prints, its book, and whether both are whole.

Rules:

* Nothing is conflated: each change of the book is told as the levels that differ, each print before what follows it.
* It is proven while both feeds are live. From the first that is not, until both are again, nothing is told but that;
  what is told late of a gap, in the read that ends it or behind it, happened before.
* What leaves a full side at its far end is out of sight, and not withdrawn: it stays as it was, up to `MOST_UNSEEN`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from ...market.capabilities import Verb
from ...market.view import BookView
from ...marks import ContinuityChanged, ContinuityState
from ...model import Instrument, Level, OrderSide, QuoteSide, Trade
from ..kit.market import VenueMarket
from .account import PaperAccount

__all__ = ["Followed"]

MOST_UNSEEN: Final = 1_000
"""Levels of a side beyond the venue's depth that are still taken to stand."""

_ZERO: Final = Decimal(0)


class Followed:
    """`on_over`: called once, where the venue has no more of it, with how that was said."""

    def __init__(
        self,
        market: VenueMarket,
        instrument: Instrument,
        account: PaperAccount,
        on_over: Callable[[Followed, str], Any],
    ) -> None:
        self.instrument: Instrument = instrument
        self._name = instrument.instrument_id
        self._account = account
        self._engine = account.engine
        self._on_over = on_over
        self._depth = market.capabilities["watch_order_book"].depth
        self._told: dict[QuoteSide, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}
        self._live: dict[Verb, bool] = {"watch_trades": False, "watch_order_book": False}
        self.is_proven: bool = False
        self._begun = asyncio.Event()
        self._since_ns = 0  # the venue's own time of the book with which it was proven
        self._engine.add(instrument)
        # Prints first: of one message they are what its book is the result of.
        self._trades, self._book = (
            market.taken(verb, self._name, partial(self._take, verb), partial(self._ended, verb))
            for verb in tuple(self._live)
        )

    async def begun(self, seconds: float) -> None:
        """Wait until it is proven for the first time, or so long. Raises what ended one of its feeds before."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return  # what is ordered now is rejected, as while it is lost
        for port in (self._trades, self._book):
            if not self.is_proven and port.consumer.buffer.ended:
                await port.wait_live(None)

    def leave(self) -> None:
        """Follow it no more."""
        self._on_over = _nobody
        for port in (self._trades, self._book):
            port.consumer.close()

    # --- inside the read --------------------------------------------------------------------------------------------

    def _take(self, verb: Verb, batch: Sequence[Any]) -> None:
        now_ns = self._account.now_ns()
        is_changed = False
        for item in batch:
            if isinstance(item, ContinuityChanged):
                self._live[verb] = item.state is ContinuityState.LIVE
                if not self._live[verb]:
                    self._lose(now_ns, item.reason)
            elif isinstance(item, Trade):
                self._print(item, now_ns)
            elif isinstance(item, BookView):
                is_changed = True
        if self.is_proven and is_changed:
            self._change(now_ns)
        elif not self.is_proven and all(self._live.values()):
            asyncio.get_running_loop().call_soon(self._restore)
        self._account.tell()

    def _print(self, trade: Trade, now_ns: int) -> None:
        if trade.venue_time_ns is not None and trade.venue_time_ns <= self._since_ns:
            return  # the book that it was proven with is of later
        side = trade.taker_side or self._side_of(trade.price)
        if side is not None:
            self._engine.trade(self._name, trade.price, trade.size, side, now_ns)

    def _side_of(self, price: Decimal) -> OrderSide | None:
        """Whose print it was, where the venue does not say; None between the best two, where nobody stands."""
        bids, offers = self._told["bid"], self._told["offer"]
        if bids and price <= max(bids):
            return "sell"
        return "buy" if offers and price >= min(offers) else None

    def _change(self, now_ns: int) -> None:
        for side, levels in self._shown():
            for price, size in _changes(self._told[side], levels, self._is_unseen(side, levels)):
                self._engine.change(self._name, side, price, size, now_ns)

    def _restore(self) -> None:
        """Behind the read: what was replayed in it happened before."""
        if self.is_proven or not all(self._live.values()):
            return
        self.is_proven = True
        self._begun.set()
        assert self._book.view is not None
        self._since_ns = self._book.view.venue_time_ns or 0
        now_ns = self._account.now_ns()
        for side, levels in self._shown():
            self._told[side] = dict(levels)
        self._engine.restore(self._name, self._told["bid"].items(), self._told["offer"].items(), now_ns)
        self._account.find(self._name)
        self._account.tell()

    def _lose(self, now_ns: int, reason: str) -> None:
        if self.is_proven:
            self.is_proven = False
            self._engine.lose(self._name, now_ns)
            self._account.lose(self._name, f"{self._name}: {reason}")

    def _ended(self, verb: Verb, reason: str) -> None:
        self._live[verb] = False
        self._begun.set()
        self._lose(self._account.now_ns(), reason)
        on_over, self._on_over = self._on_over, _nobody
        on_over(self, reason)

    def _shown(self) -> Iterable[tuple[QuoteSide, Sequence[Level]]]:
        view = self._book.view
        assert view is not None
        return (("bid", view.bids()), ("offer", view.offers()))

    def _is_unseen(self, side: QuoteSide, levels: Sequence[Level]) -> Callable[[Decimal], bool]:
        """Whether a price lies beyond what the venue shows of that side."""
        if self._depth is None or len(levels) < self._depth:
            return _never
        last = levels[-1][0]
        return (lambda price: price < last) if side == "bid" else (lambda price: price > last)


def _changes(
    told: dict[Decimal, Decimal], levels: Sequence[Level], is_unseen: Callable[[Decimal], bool]
) -> Iterator[Level]:
    """Each level that is another one than was told, 0 where it is gone; `told` is what is told then."""
    shown = dict(levels)
    if told == shown:
        return
    gone = [price for price in told if price not in shown]
    unseen = [price for price in gone if is_unseen(price)]
    if len(unseen) <= MOST_UNSEEN:
        gone = [price for price in gone if not is_unseen(price)]
    for price in gone:
        del told[price]
        yield price, _ZERO
    for price, size in levels:
        if told.get(price) != size:
            told[price] = size
            yield price, size


def _never(price: Decimal) -> bool:
    return False


def _nobody(followed: Followed, reason: str) -> None:
    """Who is told that an instrument is over, where that was told or is of no interest."""
