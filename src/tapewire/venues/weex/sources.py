"""What the market's feeds are made of: frames and snapshots in, nouns of the model out, each once.

Rules:

* A book is looked at where `BookFeed` keeps it, proven, inside the read; nothing of it is copied before somebody asks.
* A frame is translated when it is taken; a row that cannot be is a gap in its place. In a snapshot it is one without a
  resync: another snapshot would hold the same row.
* What is ours begins, and begins again after every loss, with the state over HTTP; what that says of the time in
  between is told once, marked as looked up. Fills and orders are asked for from the moment at which a feed was asked
  for: what happens before the venue serves it is not lost.
* An order that is listed as open no longer is looked up by its id; where that fails it is `unknown`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from ...clock import Clock
from ...errors import TapewireError
from ...market import BalanceMemory, FillMemory, OrderMemory, PositionMemory
from ...market.continuity import ContinuityInput
from ...marks import ContinuityState, Gap, GapReason, Mark, Resynced, Subscribed
from ...model import Fill, InvalidField, Level, Order
from ...session.consumer import Consumer, Items
from ...session.consumer import Feed as Feeding
from ..kit.feeds import Port
from .account import Balances, Positions
from .books import BookFeed
from .message import NewTrades, rows_of
from .profile import Profile
from .translate import to_balance, to_fill, to_order, to_position, to_ticker, to_trade
from .wire import Frame

__all__ = [
    "AccountRows",
    "BalanceRows",
    "BookWatch",
    "FillRows",
    "OrderRows",
    "PositionRows",
    "Records",
    "TickerRows",
    "TradeRows",
]

logger = logging.getLogger("tapewire.venues.weex")

MARGIN_MS: Final = 5_000
"""What a look-up reaches back beyond the one before: clocks differ, and what is told is known by its id."""

MOST_PAGES: Final = 20
PAGE: Final = 100
"""Fills that one answer holds."""

LOOKS_BACK_MS: Final = 7 * 24 * 3600 * 1000 - 60_000
"""How far back the venue lists fills."""

MOST_ORDERS: Final = 1_000

T = TypeVar("T")


class Records(Protocol):
    """What is asked of the venue's HTTP class."""

    async def get_order(self, order_id: str) -> dict[str, Any]: ...
    async def get_all_positions(self) -> list[dict[str, Any]]: ...
    async def get_account_balance(self) -> list[dict[str, Any]]: ...
    async def get_open_orders(self, symbol: str | None = None) -> list[dict[str, Any]]: ...
    async def get_order_history(
        self, symbol: str | None = None, *, since_ms: int | None = None, limit: int = ...
    ) -> list[dict[str, Any]]: ...
    async def get_fills(
        self,
        symbol: str | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = ...,
    ) -> list[dict[str, Any]]: ...


# --- books ----------------------------------------------------------------------------------------------------------


class BookWatch(Feeding):
    """What feeds the port of a book, and its levels: those of the `BookFeed` that keeps it."""

    def __init__(self, make_feed: Callable[[], BookFeed]) -> None:
        self._make_feed = make_feed
        self._feed: BookFeed | None = None
        self._port: Port | None = None

    def begin(self, port: Port) -> None:
        """Watch from now on."""
        self._port, self._feed = port, self._make_feed()
        port.consumer.add(self)
        self._feed.watch(self)

    # It is the levels of a view.

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` bids, or all."""
        return () if self._feed is None else _top(self._feed.book.bids, depth)

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        """The best `depth` offers, or all."""
        return () if self._feed is None else _top(self._feed.book.offers, depth)

    @property
    def last(self) -> int | None:
        """The venue's number of this state, None while it is not proven."""
        return None if self._feed is None else self._feed.book.last

    @property
    def venue_time_ns(self) -> int | None:
        """The venue's clock at the last change."""
        venue_time_ms = None if self._feed is None else self._feed.venue_time_ms
        return None if venue_time_ms is None else venue_time_ms * 1_000_000

    @property
    def received_at_ns(self) -> int:
        """This machine's clock at the last change."""
        return 0 if self._feed is None else self._feed.received_at_ns

    # It is a viewer of the book.

    def changed(self) -> None:
        """The book is another one, and proven."""
        assert self._port is not None
        self._port.changed(is_right=True)

    def mark(self, mark: Mark) -> None:
        """It takes its place, and says what the feed is worth."""
        assert self._port is not None
        self._port.mark(mark)
        if isinstance(mark, Subscribed) and self._port.continuity.state is ContinuityState.GAP:
            # It was broken when the line was lost; the gap was told then.
            self._port.handle(ContinuityInput.REBUILDING, "the book of a new connection is awaited")

    def end(self, error: BaseException) -> None:
        """Nothing more comes."""
        assert self._port is not None
        self._port.consumer.end(error)

    def reaches(self, last: int) -> bool:
        """True if it is as new as the state of that number, or says itself that it is not proven."""
        return self.last is None or self.last >= last

    # It is what feeds the port.

    async def confirmed(self) -> None:
        """Wait until the venue serves it."""
        if self._feed is not None:
            await self._feed.confirmed()

    def unsubscribe(self) -> None:
        """Watch it no more."""
        if self._feed is not None and self._port is not None:
            self._feed.unwatch(self)
            self._port.consumer.part(self)

    def resync(self) -> None:
        """Have it built anew."""
        if self._feed is not None:
            self._feed.resync(self)


def _top(side: Any, depth: int | None) -> Sequence[Level]:
    levels: Sequence[Level] = side.top(len(side) if depth is None else depth)
    return levels


# --- rows -----------------------------------------------------------------------------------------------------------


class _Rows:
    """What reads the frames of one feed. `serve` says which, before anything is taken."""

    _consumer: Consumer[Any]

    def __init__(self, profile: Profile, instrument_id: str | None = None) -> None:
        self._profile = profile
        self._instrument_id = instrument_id

    def serve(self, port: Port) -> None:
        """It reads for that feed."""
        self._consumer = port.consumer

    def _items(self, rows: Sequence[T], translate: Callable[[T, int], Any]) -> Any:
        """What rows are, one by one; `translate` is given the place of each, and gives None for one that is no news."""
        items = Items()
        for place, row in enumerate(rows):
            try:
                item = translate(row, place)
            except InvalidField as error:
                self._consumer.spoiled(error)
            else:
                if item is not None:
                    items.append(item)
        return items[0] if len(items) == 1 and not self._consumer.made else items

    def _wanted(self, frame: Frame) -> list[dict[str, Any]]:
        """The rows of a frame, but for those of other instruments."""
        rows = rows_of(frame, self._profile, self._consumer.spoiled)
        wanted = self._instrument_id
        return rows if wanted is None else [row for row in rows if row.get("symbol", wanted) == wanted]

    def _listed(
        self, rows: Iterable[dict[str, Any]], translate: Callable[[dict[str, Any]], T], now_ns: int
    ) -> tuple[list[T], list[Gap]]:
        """The rows of a snapshot, and a gap for each that cannot be read."""
        found: list[T] = []
        gaps: list[Gap] = []
        for row in rows:
            if self._instrument_id not in (None, row.get("symbol")):
                continue
            try:
                found.append(translate(row))
            except InvalidField as error:
                logger.warning("a row that was looked up cannot be read: %s", error)
                gaps.append(_gap("undecodable", now_ns, str(error)))
        return found, gaps


def _gap(reason: GapReason, now_ns: int, detail: str) -> Gap:
    return Gap(reason=reason, since_ns=now_ns, until_ns=now_ns, detail=detail[:200])


class TradeRows(_Rows):
    """Public trades, each once. Those of before the subscription are not told, those that a gap hid are."""

    def __init__(self, profile: Profile) -> None:
        super().__init__(profile)
        self._new = NewTrades(profile)

    def decode(self, frame: Frame) -> Any:
        """The trades of one frame."""
        at_ns = frame.received_at_ns
        rows = self._new(frame, self._consumer.spoiled)
        if len(rows) == 1 and not self._consumer.made:  # nearly always
            return to_trade(rows[0], at_ns)
        return self._items(rows, lambda row, place: to_trade(row, at_ns, place))


class TickerRows(_Rows):
    """Tickers."""

    def decode(self, frame: Frame) -> Any:
        """The ticker of one frame."""
        at_ns, venue_time_ms = frame.received_at_ns, frame.venue_time_ms
        return self._items(self._wanted(frame), lambda row, _: to_ticker(row, at_ns, venue_time_ms))


# --- what is ours -----------------------------------------------------------------------------------------------------


class Times(Protocol):
    """The venue's clock, as far as it is known."""

    def now_ms(self) -> int: ...


class _Dated(_Rows):
    """Rows that are looked up from a moment on: the first time that at which the feed was asked for."""

    def __init__(
        self, profile: Profile, instrument_id: str | None, records: Records, times: Times, clock: Clock
    ) -> None:
        super().__init__(profile, instrument_id)
        self._records = records
        self._times = times
        self._clock = clock
        self._asked_ns = clock.time_ns()
        self._since_ms: int | None = None
        self._began_ms = 0

    def _period(self) -> tuple[int, int]:
        """From when on to ask, and now, by the venue's clock."""
        now_ms = self._times.now_ms()
        if self._since_ms is None:
            waited_ms = (self._clock.time_ns() - self._asked_ns) // 1_000_000
            self._since_ms = self._began_ms = now_ms - waited_ms
        return self._since_ms, now_ms

    def _had(self, now_ms: int) -> None:
        self._since_ms = max(self._began_ms, now_ms - MARGIN_MS)


class OrderRows(_Dated):
    """Our orders, each state once."""

    def __init__(
        self, profile: Profile, instrument_id: str | None, records: Records, times: Times, clock: Clock
    ) -> None:
        super().__init__(profile, instrument_id, records, times, clock)
        self._memory = OrderMemory()

    def learn(self, order: Order) -> None:
        """It was learnt of in another way: of the answer to a call, or of there being none."""
        self._consumer.put(order)

    async def snapshot(self) -> list[dict[str, Any]]:
        """The open orders, and behind them those that were placed since the last look and are over."""
        since_ms, now_ms = self._period()
        listed = await self._records.get_open_orders(self._instrument_id)
        over = await self._records.get_order_history(
            self._instrument_id, since_ms=since_ms, limit=MOST_ORDERS
        )
        self._had(now_ms)
        return listed + over

    def decode(self, item: Frame | Order) -> Any:
        """The orders of one frame that are news, or one that was learnt of."""
        if isinstance(item, Order):
            is_wanted = self._instrument_id in (None, item.instrument_id)
            told = self._memory.hear(item) if is_wanted else None
            return Items() if told is None else told
        at_ns, venue_time_ms, hear = item.received_at_ns, item.venue_time_ms, self._memory.hear
        return self._items(self._wanted(item), lambda row, _: hear(to_order(row, at_ns, venue_time_ms)))

    async def news(self, rows: list[dict[str, Any]]) -> Items:
        """What the snapshot says that was not told; what it does not list any more is looked up."""
        now_ns = self._clock.time_ns()
        told = {order.venue_order_id: order for order in self._memory.open}
        orders, gaps = self._listed(rows, lambda row: to_order(row, now_ns, is_reconciled=True), now_ns)
        news, lost = self._memory.reconcile(orders, now_ns, self._instrument_id)
        items = Items([*gaps, *news])
        for order in self._memory.unknown:
            found = await self._look_up(order)
            if found is None:
                items += [order] if order in lost else []
            elif (heard := self._memory.hear(found)) is not None and not _is_as_told(heard, told):
                items.append(heard)
        return items

    async def _look_up(self, order: Order) -> Order | None:
        if order.venue_order_id is None:
            return None  # whoever placed it asks for it
        try:
            row = await self._records.get_order(order.venue_order_id)
            return to_order(row, self._clock.time_ns(), is_reconciled=True)
        except TapewireError as error:
            logger.warning("order %s could not be looked up: %s", order.venue_order_id, error)
            return None


def _is_as_told(order: Order, told: dict[str | None, Order]) -> bool:
    before = told.get(order.venue_order_id)
    return before is not None and (before.status, before.filled_size) == (order.status, order.filled_size)


class FillRows(_Dated):
    """Our executions, each once. `tick_of`: a contract's price tick, None where it is not known."""

    def __init__(
        self,
        profile: Profile,
        instrument_id: str | None,
        records: Records,
        times: Times,
        clock: Clock,
        tick_of: Callable[[str], Decimal | None],
    ) -> None:
        super().__init__(profile, instrument_id, records, times, clock)
        self._memory = FillMemory()
        self._tick_of = tick_of
        self._is_cut = False  # there was more than was asked for

    async def snapshot(self) -> list[dict[str, Any]]:
        """What was filled since the last look."""
        since_ms, now_ms = self._period()
        since_ms = max(since_ms, now_ms - LOOKS_BACK_MS)
        rows: list[dict[str, Any]] = []
        until_ms: int | None = None
        for _ in range(MOST_PAGES):
            page = await self._records.get_fills(
                self._instrument_id, since_ms=since_ms, until_ms=until_ms, limit=PAGE
            )
            rows += page
            oldest_ms = min((round(row["time"] * 1000) for row in page), default=0)
            if len(page) < PAGE or oldest_ms == until_ms:
                break
            until_ms = oldest_ms
        self._is_cut = len(rows) == MOST_PAGES * PAGE
        self._had(now_ms)
        return rows

    def decode(self, frame: Frame) -> Any:
        """The fills of one frame that are news."""
        at_ns, venue_time_ms, hear = frame.received_at_ns, frame.venue_time_ms, self._memory.hear
        return self._items(self._wanted(frame), lambda row, _: hear(self._fill(row, at_ns, venue_time_ms)))

    def news(self, rows: list[dict[str, Any]]) -> Items:
        """What was filled since the last look and was not told, oldest first."""
        now_ns = self._clock.time_ns()
        fills, gaps = self._listed(rows, lambda row: self._fill(row, now_ns, None), now_ns)
        began_ns = self._began_ms * 1_000_000
        news = self._memory.reconcile(fill for fill in fills if (fill.venue_time_ns or began_ns) >= began_ns)
        if self._is_cut:
            gaps.append(
                _gap("reseed failed", now_ns, f"more than {MOST_PAGES * PAGE} fills since the last look")
            )
        return Items([*gaps, *news])

    def _fill(self, data: dict[str, Any], received_at_ns: int, venue_time_ms: int | None) -> Fill:
        tick = self._tick_of(str(data.get("symbol")))
        return to_fill(data, received_at_ns, venue_time_ms, price_tick=tick)


class PositionRows(_Rows):
    """What we hold; `positions` completes what the wire leaves out."""

    def __init__(
        self,
        profile: Profile,
        instrument_id: str | None,
        records: Records,
        times: Times,
        clock: Clock,
        positions: Positions,
    ) -> None:
        super().__init__(profile, instrument_id)
        self._records = records
        self._times = times
        self._clock = clock
        self._positions = positions
        self._memory = PositionMemory()
        self._as_of_ns: int | None = None

    async def snapshot(self) -> list[dict[str, Any]]:
        """What is held now."""
        as_of_ms = self._times.now_ms()
        rows = await self._records.get_all_positions()
        self._as_of_ns = as_of_ms * 1_000_000
        return rows

    async def decode(self, frame: Frame) -> Any:
        """The positions of one frame that are news."""
        messages = await self._positions(frame, self._consumer.spoiled)
        wanted = [each for each in messages if self._instrument_id in (None, each.symbol)]
        at_ns, venue_time_ms, hear = frame.received_at_ns, frame.venue_time_ms, self._memory.hear
        return self._items(wanted, lambda each, _: hear(to_position(each.data, at_ns, venue_time_ms)))

    async def news(self, rows: list[dict[str, Any]]) -> Items:
        """The positions that are not as they were told."""
        now_ns = self._clock.time_ns()
        wanted = [row for row in rows if self._instrument_id in (None, row.get("symbol"))]
        messages = await self._positions(Resynced(at_ns=now_ns, snapshot=wanted), self._consumer.spoiled)
        completed = (message.data for message in messages)
        held, gaps = self._listed(completed, lambda row: to_position(row, now_ns), now_ns)
        news = self._memory.reconcile(held, now_ns, self._instrument_id, as_of_ns=self._as_of_ns)
        return Items([*gaps, *news])


class BalanceRows(_Rows):
    """Money; `balances` asks for what is available, which the wire leaves out."""

    def __init__(self, profile: Profile, records: Records, clock: Clock, balances: Balances) -> None:
        super().__init__(profile)
        self._records = records
        self._clock = clock
        self._balances = balances
        self._memory = BalanceMemory()

    async def snapshot(self) -> list[dict[str, Any]]:
        """What there is of each asset now."""
        return await self._records.get_account_balance()

    async def decode(self, frame: Frame) -> Any:
        """The balances of one frame that are news."""
        messages = await self._balances(frame, self._consumer.spoiled)
        at_ns, venue_time_ms, hear = frame.received_at_ns, frame.venue_time_ms, self._memory.hear
        return self._items(messages, lambda each, _: hear(to_balance(each.data, at_ns, venue_time_ms)))

    def news(self, rows: list[dict[str, Any]]) -> Items:
        """The balances that are not as they were told."""
        now_ns = self._clock.time_ns()
        found, gaps = self._listed(rows, lambda row: to_balance(row, now_ns), now_ns)
        return Items([*gaps, *self._memory.reconcile(found)])


AccountRows: TypeAlias = OrderRows | FillRows | PositionRows | BalanceRows
"""What reads a feed of what is ours."""
