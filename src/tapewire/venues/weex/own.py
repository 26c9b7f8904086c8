"""Own orders, fills, positions and balances: what their topics tell, and what is looked up over HTTP after each join.

Each feed remembers what it told (`market/reconcile.py`), so that a topic and a look-up tell of one thing once. Rules:

* What is ours begins, and begins again after every loss, with the state over HTTP; what that says of the time in
  between is told once, marked as looked up. Fills and orders are asked for from the moment at which a feed was asked
  for: what happens before the venue serves it is not lost.
* An order that is listed as open no longer is looked up by its id; where that fails it is `unknown`.
* A row of a look-up that cannot be read is a gap without a resync: another look-up would hold the same row.
* Silence is the rule here: after so much of it the venue is asked, and where something was hidden all is had anew.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from ...clock import Clock
from ...errors import TapewireError
from ...market import BalanceMemory, FillMemory, OrderMemory, PositionMemory
from ...marks import Gap, GapReason, Resynced
from ...model import Balance, Fill, InvalidField, Order, Position
from ...session.consumer import Items
from ..kit.feeds import Port
from .account import Balances, Positions
from .message import WeexMessage
from .profile import Profile
from .sources import RowReader
from .translate import to_balance, to_fill, to_order, to_position
from .wire import Frame

__all__ = ["BalanceRows", "FillRows", "OrderRows", "OwnRows", "PositionRows", "Records", "Times"]

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

Row: TypeAlias = dict[str, Any]


class Records(Protocol):
    """What is asked of the venue's HTTP class."""

    async def get_account_balance(self) -> list[Row]: ...
    async def get_all_positions(self) -> list[Row]: ...
    async def get_order(self, order_id: str) -> Row: ...
    async def get_open_orders(self, symbol: str | None = None) -> list[Row]: ...
    async def get_order_history(
        self, symbol: str | None = None, *, since_ms: int | None = None, limit: int = ...
    ) -> list[Row]: ...
    async def get_fills(
        self,
        symbol: str | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = ...,
    ) -> list[Row]: ...


class Times(Protocol):
    """The venue's clock, as far as it is known."""

    def now_ms(self) -> int: ...


class OwnRows(RowReader):
    """What reads one feed of what is ours; a feed has its own."""

    _port: Port

    def __init__(
        self, profile: Profile, instrument_id: str | None, records: Records, times: Times, clock: Clock
    ) -> None:
        super().__init__(profile, instrument_id)
        self._records = records
        self._times = times
        self._clock = clock
        self._asked_ns = clock.time_ns()
        self._began_ms = 0  # by the venue's clock, when the feed was asked for
        self._since_ms: int | None = None
        self._looked_ms = 0

    def serve(self, port: Port) -> None:
        """It reads for that feed."""
        super().serve(port)
        self._port = port

    @abstractmethod
    async def snapshot(self) -> list[Row]:
        """The state over HTTP."""

    @abstractmethod
    def news(self, rows: list[Row]) -> Any:
        """What a snapshot says that was not told; it is told with that."""

    @abstractmethod
    def decode(self, frame: Frame) -> Any:
        """What a frame says that was not told."""

    @abstractmethod
    def _is_news(self, rows: list[Row]) -> bool:
        """True if a snapshot says something that was not told."""

    async def probe(self) -> bool:
        """True if a look-up says nothing new. Else the state is had anew, and what is new is told of that."""
        if len(self._port.consumer.buffer) or not self._port.continuity.is_live:
            return True  # what arrived is still to be taken, or it says already that it is not current
        if not self._is_news(await self.snapshot()):
            return True
        self._port.resync_soon()
        return False

    def _period(self) -> tuple[int, int]:
        """From when on to ask, and until now, by the venue's clock."""
        self._looked_ms = now_ms = self._times.now_ms()
        if self._since_ms is None:
            waited_ms = (self._clock.time_ns() - self._asked_ns) // 1_000_000
            self._since_ms = self._began_ms = now_ms - waited_ms
        return self._since_ms, now_ms

    def _had(self) -> None:
        """What was looked up last is told: the next look need not go back further."""
        self._since_ms = max(self._began_ms, self._looked_ms - MARGIN_MS)

    def _listed(self, rows: Iterable[Row], translate: Callable[[Row], T]) -> tuple[list[T], list[Gap]]:
        """The rows of a snapshot, and a gap for each that cannot be read."""
        found: list[T] = []
        gaps: list[Gap] = []
        for row in rows:
            try:
                found.append(translate(row))
            except InvalidField as error:
                logger.warning("a row that was looked up cannot be read: %s", error)
                gaps.append(self._gap("undecodable", str(error)))
        return found, gaps

    def _gap(self, reason: GapReason, detail: str) -> Gap:
        now_ns = self._clock.time_ns()
        return Gap(reason=reason, since_ns=now_ns, until_ns=now_ns, detail=detail[:200])


class OrderRows(OwnRows):
    """Our orders, each state once."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._memory = OrderMemory()

    def learn(self, order: Order) -> None:
        """It was learnt of in another way: of the answer to a call, or of there being none."""
        self._port.learn(order)

    async def snapshot(self) -> list[Row]:
        """The open orders, and behind them those that were placed since the last look and are over."""
        since_ms, _ = self._period()
        listed = await self._records.get_open_orders(self._instrument_id)
        return listed + await self._records.get_order_history(
            self._instrument_id, since_ms=since_ms, limit=MOST_ORDERS
        )

    def decode(self, frame: Frame | Order) -> Any:
        """The orders of one frame that are news, or one that was learnt of."""
        hear = self._memory.hear
        if isinstance(frame, Order):
            told = hear(frame) if self._instrument_id in (None, frame.instrument_id) else None
            return Items() if told is None else told
        at_ns, venue_time_ms = frame.received_at_ns, frame.venue_time_ms
        return self.items(self.wanted(frame), lambda row, _: hear(to_order(row, at_ns, venue_time_ms)))

    async def news(self, rows: list[Row]) -> Items:
        """What the snapshot says that was not told; what it does not list any more is looked up."""
        told = {order.venue_order_id: order for order in self._memory.open}
        orders, gaps = self._orders(rows)
        news, lost = self._memory.reconcile(orders, self._clock.time_ns(), self._instrument_id)
        self._had()
        items = Items([*gaps, *news])
        for order in self._memory.unknown:
            found = await self._look_up(order)
            if found is None:
                items += [order] if order in lost else []
            elif (heard := self._memory.hear(found)) is not None and not _is_as_told(heard, told):
                items.append(heard)
        return items

    def _orders(self, rows: list[Row]) -> tuple[list[Order], list[Gap]]:
        now_ns = self._clock.time_ns()
        return self._listed(rows, lambda row: to_order(row, now_ns, is_reconciled=True))

    def _is_news(self, rows: list[Row]) -> bool:
        orders, _ = self._orders(rows)
        listed = {order.venue_order_id for order in orders}
        missing = (order for order in self._memory.open if order.status != "unknown")
        return any(map(self._memory.is_news, orders)) or any(
            order.venue_order_id not in listed for order in missing
        )

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


class FillRows(OwnRows):
    """Our executions, each once. `tick_of`: a contract's price tick, None where it is not known."""

    def __init__(self, *given: Any, tick_of: Callable[[str], Decimal | None]) -> None:
        super().__init__(*given)
        self._memory = FillMemory()
        self._tick_of = tick_of
        self._is_cut = False  # there was more than was asked for

    async def snapshot(self) -> list[Row]:
        """What was filled since the last look."""
        since_ms, now_ms = self._period()
        since_ms = max(since_ms, now_ms - LOOKS_BACK_MS)
        rows: list[Row] = []
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
        return rows

    def decode(self, frame: Frame) -> Any:
        """The fills of one frame that are news."""
        at_ns, venue_time_ms, hear = frame.received_at_ns, frame.venue_time_ms, self._memory.hear
        return self.items(self.wanted(frame), lambda row, _: hear(self._fill(row, at_ns, venue_time_ms)))

    def news(self, rows: list[Row]) -> Items:
        """What was filled since the last look and was not told, oldest first."""
        fills, gaps = self._fills(rows)
        self._had()
        if self._is_cut:
            gaps.append(self._gap("reseed failed", f"more than {len(rows)} fills since the last look"))
        return Items([*gaps, *self._memory.reconcile(fills)])

    def _is_news(self, rows: list[Row]) -> bool:
        return not all(map(self._memory.knows, self._fills(rows)[0]))

    def _fills(self, rows: list[Row]) -> tuple[list[Fill], list[Gap]]:
        now_ns = self._clock.time_ns()
        return self._listed(rows, lambda row: self._fill(row, now_ns, None))

    def _fill(self, row: Row, received_at_ns: int, venue_time_ms: int | None) -> Fill:
        tick = self._tick_of(str(row.get("symbol")))
        return to_fill(row, received_at_ns, venue_time_ms, price_tick=tick)


class PositionRows(OwnRows):
    """What we hold; `positions` completes what the wire leaves out."""

    def __init__(self, *given: Any, positions: Positions) -> None:
        super().__init__(*given)
        self._positions = positions
        self._memory = PositionMemory()

    async def snapshot(self) -> list[Row]:
        """What is held now."""
        self._looked_ms = self._times.now_ms()
        rows = await self._records.get_all_positions()
        return [row for row in rows if self._instrument_id in (None, row["symbol"])]

    async def decode(self, frame: Frame) -> Any:
        """The positions of one frame that are news."""
        messages = await self._positions(frame, self._consumer.spoiled)
        wanted = [each for each in messages if self._instrument_id in (None, each.symbol)]
        at_ns, venue_time_ms, hear = frame.received_at_ns, frame.venue_time_ms, self._memory.hear
        return self.items(wanted, lambda each, _: hear(to_position(each.data, at_ns, venue_time_ms)))

    async def news(self, rows: list[Row]) -> Items:
        """The positions that are not as they were told."""
        now_ns = self._clock.time_ns()
        as_of_ns = self._looked_ms * 1_000_000
        snapshot = Resynced(at_ns=now_ns, snapshot=rows)
        messages: list[WeexMessage] = await self._positions(snapshot, self._consumer.spoiled)
        held, gaps = self._held(message.data for message in messages)
        return Items([*gaps, *self._memory.reconcile(held, now_ns, self._instrument_id, as_of_ns=as_of_ns)])

    def _held(self, rows: Iterable[Row]) -> tuple[list[Position], list[Gap]]:
        now_ns = self._clock.time_ns()
        return self._listed(rows, lambda row: to_position(row, now_ns))

    def _is_news(self, rows: list[Row]) -> bool:
        listed = {(each.instrument_id, each.size) for each in self._held(rows)[0] if not each.is_flat}
        return listed != {(each.instrument_id, each.size) for each in self._memory.held}


class BalanceRows(OwnRows):
    """Money; `balances` asks for what is available, which the wire leaves out."""

    def __init__(self, *given: Any, balances: Balances) -> None:
        super().__init__(*given)
        self._balances = balances
        self._memory = BalanceMemory()
        self._totals: dict[str, Decimal] = {}

    async def snapshot(self) -> list[Row]:
        """What there is of each asset now."""
        return await self._records.get_account_balance()

    async def decode(self, frame: Frame) -> Any:
        """The balances of one frame that are news."""
        messages = await self._balances(frame, self._consumer.spoiled)
        at_ns, venue_time_ms = frame.received_at_ns, frame.venue_time_ms
        return self.items(messages, lambda each, _: self._hear(to_balance(each.data, at_ns, venue_time_ms)))

    def news(self, rows: list[Row]) -> Items:
        """The balances that are not as they were told."""
        found, gaps = self._found(rows)
        self._totals |= {balance.currency: balance.total for balance in found}
        return Items([*gaps, *self._memory.reconcile(found)])

    def _hear(self, balance: Balance) -> Balance | None:
        self._totals[balance.currency] = balance.total
        return self._memory.hear(balance)

    def _found(self, rows: list[Row]) -> tuple[list[Balance], list[Gap]]:
        now_ns = self._clock.time_ns()
        return self._listed(rows, lambda row: to_balance(row, now_ns))

    def _is_news(self, rows: list[Row]) -> bool:
        """What is available moves with the prices of what is held: that is pushed by nobody."""
        return any(self._totals.get(each.currency) != each.total for each in self._found(rows)[0])
