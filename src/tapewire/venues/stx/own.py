"""Own orders, fills, positions and balance: what their channels tell, and what is looked up over HTTP after each join.

Each feed remembers what it told (`market/reconcile.py`), so that a channel and a look-up tell of one thing once. What a
join begins with (`all_orders` and the like) is left to the look-up, which is later. Rules:

* Orders: all that are open and the newest, whatever became of them, as far back as one that is known. An order that was
  open and is in neither list is asked for by its id. The first time those are told that are open, or were placed since
  the feed began.
* Fills: the newest, as far back as one that is known. The first time those are told that were made since the feed
  began. What the channel brings is told in any case.
* Positions and the balance: as they stand. A position that is not listed any more is flat.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from ...clock import Clock
from ...market.reconcile import BalanceMemory, FillMemory, OrderMemory, PositionMemory
from ...model import Balance, Fill, InvalidField, Order, Position
from ...session.consumer import Items
from ..kit.answers import PageTurner, reading
from ..kit.feeds import Port, Source
from ..kit.fields import exact_json
from .api import AsyncSTX
from .errors import STXAnswerException
from .records import Record
from .symbols import Channels
from .translate import field_of, happened_ns, rows_of, to_balance, to_fill, to_order, to_position

__all__ = ["OwnBalance", "OwnFeed", "OwnFills", "OwnOrders", "OwnPositions", "all_pages", "orders_by_id"]

PAGE: Final = 200
MOST_PAGES: Final = 50
CAPACITY: Final = 10_000
IDS: Final = 100
"""Orders that are asked for by id in one call."""

QUIET_SECONDS: Final = 120.0
"""Silence of what is our own is the rule: after so much of it the venue is asked."""

Join = Callable[..., Awaitable[Any]]
"""`join(channel, instrument_id, port.consumer, snapshot=...)`: has a channel of the account feed a consumer.

Raises UnknownInstrument for one that is not there; None are all.
"""


class OwnFeed:
    """One feed of what is our own. `source` says where it comes from; a feed has its own."""

    channel: Channels
    events: frozenset[str]
    """Those that tell a change; everything else on the channel says nothing new."""

    def __init__(
        self, http: AsyncSTX, join: Join, clock: Clock, instrument_id: str | None, currency: str
    ) -> None:
        self._http = http
        self._join = join
        self._clock = clock
        self._instrument_id = instrument_id
        self._currency = currency
        self._port: Port | None = None
        self._began_ns = clock.time_ns()

    @property
    def _markets(self) -> list[str] | None:
        return None if self._instrument_id is None else [self._instrument_id]

    def source(self, name: str, on_ended: Callable[[], Any] | None = None) -> Source:
        """For `VenueMarket.source`."""
        return Source(
            name=name if self._instrument_id is None else f"{name} of {self._instrument_id}",
            subscribe=self._subscribe,
            decode_at=self.decode,
            decode_snapshot=self.decode_snapshot,
            policy="fail",
            capacity=CAPACITY,
            is_state=True,
            quiet=QUIET_SECONDS,
            probe=self._probe,
            on_ended=on_ended,
        )

    async def _subscribe(self, port: Port) -> Any:
        self._port = port
        return await self._join(
            self.channel, self._instrument_id, port.consumer, announce=True, snapshot=self.look_up
        )

    def _of_before(self, listed: Iterable[Record]) -> frozenset[str]:
        """Of what the first look-up lists what was there when the feed began; a failed one may have been before it."""
        return frozenset(row.id for row in listed if (happened_ns(row) or 0) < self._began_ns)

    async def _probe(self) -> bool:
        """True if a look-up says nothing new. Else the state is had anew, and what is new is told of that."""
        port = self._port
        assert port is not None
        if len(port.consumer.buffer) or not port.continuity.is_live:
            return True  # what arrived is still to be taken, or it says already that it is not current
        arrivals = port.arrivals
        if not self.is_news(await self.look_up()) or port.arrivals != arrivals:
            return True
        port.resync_soon()
        return False

    def decode(self, frame: Any, arrived_at_ns: int) -> Items:
        """What is news in one message. Raises ValueError for what cannot be read (InvalidField is one)."""
        if frame.event not in self.events:
            return Items()
        payload = exact_json(frame.payload)
        if not isinstance(payload, Mapping):
            raise InvalidField(frame.event, payload, "an object")
        return Items(self.hear(payload, arrived_at_ns))

    def decode_snapshot(self, listed: Any) -> Any:
        """What is news in a look-up."""
        return self.reconcile(listed, self._clock.time_ns())

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        return self._instrument_id in (None, field_of(row, "market_id"))

    @abstractmethod
    async def look_up(self) -> Any:
        """The state over HTTP."""

    @abstractmethod
    def is_news(self, listed: Any) -> bool:
        """True if a look-up says something that was not told."""

    @abstractmethod
    def hear(self, payload: Mapping[str, Any], at_ns: int) -> Iterable[Any]:
        """What is news in a message of `events`."""

    @abstractmethod
    def reconcile(self, listed: Any, now_ns: int) -> Any:
        """What is news in what `look_up` gave."""


class OwnOrders(OwnFeed):
    """Each state of each order once."""

    channel = Channels.ORDERS
    events = frozenset({"order_update", "new_open_order"})

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = OrderMemory()
        self._before: frozenset[str] = frozenset()  # what had ended when the feed began
        self._listed: frozenset[str] = frozenset()  # by the last look-up
        self._is_first = True

    async def look_up(self) -> list[Record]:
        """Rows of all open orders and of the newest, these first."""
        http, markets = self._http, self._markets
        still_open = await all_pages(lambda page: http.orders(**page, market_ids=markets, status="OPEN"))
        latest = await newest(
            lambda page: http.orders(**page, market_ids=markets), self._listed, self._is_first
        )
        return list({row.id: row for row in (*still_open, *latest)}.values())

    def is_news(self, listed: Sequence[Record]) -> bool:
        """True if other orders are open than were told, or are otherwise."""
        stand = [to_order(row, 0) for row in listed]
        return _standing(self._memory.open) != _standing(order for order in stand if not order.is_final)

    def decode(self, frame: Any, arrived_at_ns: int) -> Items:
        """What is news in one message, or in what was learnt of an order."""
        if not isinstance(frame, Order):
            return super().decode(frame, arrived_at_ns)
        told = self._memory.hear(frame)
        return Items(() if told is None else (told,))

    def learn(self, order: Order) -> None:
        """How an order stands, or that nobody knows: told, if it was not."""
        if self._port is not None and self._instrument_id in (None, order.instrument_id):
            self._port.learn(order)

    def hear(self, payload: Mapping[str, Any], at_ns: int) -> Iterable[Order]:
        """The order, if it was not told yet that it is so."""
        told = self._memory.hear(to_order(payload, at_ns)) if self._is_ours(payload) else None
        return () if told is None else (told,)

    async def reconcile(self, listed: Sequence[Record], now_ns: int) -> list[Order]:
        """What became of them; of what the venue does not know that it is not known."""
        seen = {row.id for row in listed}
        missing = [order.venue_order_id for order in self._memory.open if order.venue_order_id not in seen]
        rows = [*await orders_by_id(self._http, missing), *reversed(listed)]
        orders = [to_order(row, now_ns) for row in rows]
        if self._is_first:
            self._is_first = False
            before = self._of_before(rows)
            self._before = frozenset(each.venue_order_id or "" for each in orders if each.is_final) & before
        self._listed = frozenset(seen)
        news, lost = self._memory.reconcile(
            (order for order in orders if order.venue_order_id not in self._before),
            now_ns,
            self._instrument_id,
        )
        return [*news, *lost]


def _standing(orders: Iterable[Order]) -> set[tuple[Any, ...]]:
    return {
        (order.venue_order_id, order.status, order.filled_size)
        for order in orders
        if order.status != "unknown"  # what the venue does not list at all
    }


class OwnFills(OwnFeed):
    """Each execution once."""

    channel = Channels.TRADES
    events = frozenset({"trade"})

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = FillMemory()
        self._before: frozenset[str] = frozenset()
        self._listed: frozenset[str] = frozenset()
        self._is_first = True

    async def look_up(self) -> list[Record]:
        """Rows of the newest fills."""
        http, markets = self._http, self._markets
        return await newest(
            lambda page: http.trades(**page, market_ids=markets), self._listed, self._is_first
        )

    def is_news(self, listed: Sequence[Record]) -> bool:
        """True if there is a fill that was not told."""
        return not all(map(self._memory.knows, self._since(listed, 0)))

    def hear(self, payload: Mapping[str, Any], at_ns: int) -> Iterable[Fill]:
        """The fill, unless it was told."""
        is_ours = self._is_ours(payload)
        told = self._memory.hear(to_fill(payload, at_ns, currency=self._currency)) if is_ours else None
        return () if told is None else (told,)

    def reconcile(self, listed: Sequence[Record], now_ns: int) -> list[Fill]:
        """Fills that nobody told."""
        self._listed = frozenset(row.id for row in listed)
        if self._is_first:
            self._is_first, self._before = False, self._of_before(listed)
        return self._memory.reconcile(self._since(listed, now_ns))

    def _since(self, listed: Sequence[Record], now_ns: int) -> list[Fill]:
        rows = [
            row for row in reversed(listed) if row.id not in self._before
        ]  # of one moment the earlier first
        return [to_fill(row, now_ns, currency=self._currency) for row in rows]


class OwnPositions(OwnFeed):
    """Each position as it stands and as it changes."""

    channel = Channels.POSITIONS
    events = frozenset({"updated_positions"})

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = PositionMemory()

    async def look_up(self) -> list[Record]:
        """Rows of all positions."""
        http, markets = self._http, self._markets
        return await all_pages(lambda page: http.positions(**page, market_ids=markets))

    def is_news(self, listed: Sequence[Record]) -> bool:
        """True if something else is held than was told."""
        stand = (to_position(row, 0) for row in listed)
        return _holding(self._memory.held) != _holding(each for each in stand if not each.is_flat)

    def hear(self, payload: Mapping[str, Any], at_ns: int) -> Iterable[Position]:
        """Those of a message that changed."""
        rows = [row for row in rows_of(payload.get("positions"), "positions") if self._is_ours(row)]
        heard = [self._memory.hear(to_position(row, at_ns)) for row in rows]
        return [told for told in heard if told is not None]

    def reconcile(self, listed: Sequence[Record], now_ns: int) -> list[Position]:
        """What is held now otherwise, and what no more."""
        stand = [to_position(row, now_ns) for row in listed]
        return self._memory.reconcile(stand, now_ns, self._instrument_id)


def _holding(positions: Iterable[Position]) -> set[tuple[Any, ...]]:
    return {(position.instrument_id, position.size, position.average_price) for position in positions}


class OwnBalance(OwnFeed):
    """The account's money."""

    channel = Channels.PORTFOLIO
    events = frozenset({"update"})

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._memory = BalanceMemory()
        self._told: Balance | None = None

    async def look_up(self) -> Record:
        """The account."""
        return await self._http.account()

    def is_news(self, listed: Record) -> bool:
        """True if it is not what was told."""
        return self._told is None or _amounts(self._balance(listed, 0)) != _amounts(self._told)

    def hear(self, payload: Mapping[str, Any], at_ns: int) -> Iterable[Balance]:
        """The balance, if it changed."""
        self._told = self._balance(payload, at_ns)
        told = self._memory.hear(self._told)
        return () if told is None else (told,)

    def reconcile(self, listed: Record, now_ns: int) -> list[Balance]:
        """The balance, if it is not what was told."""
        self._told = self._balance(listed, now_ns)
        return self._memory.reconcile([self._told])

    def _balance(self, row: Mapping[str, Any], at_ns: int) -> Balance:
        return to_balance(row, at_ns, currency=self._currency)


def _amounts(balance: Balance) -> tuple[Any, ...]:
    return balance.total, balance.available, balance.held


# --- lists over HTTP ------------------------------------------------------------------------------------------------


PageOf = Callable[[dict[str, Any]], Awaitable[Iterable[Record]]]
"""From the arguments that choose a page to its rows."""


async def all_pages(page_of: PageOf) -> list[Record]:
    """All rows of a list. Raises STXAnswerException where it does not end."""
    found: list[Record] = []
    pages = PageTurner(MOST_PAGES)
    for page in count():
        rows = list(await page_of({"pagination": {"page": page, "limit": PAGE}}))
        found += rows
        if len(rows) < PAGE:
            return found
        with reading("a list", b"", STXAnswerException):
            pages.turn(tuple(map(str, rows)))
    raise AssertionError


async def newest(page_of: PageOf, known: Collection[str], is_first: bool) -> list[Record]:
    """The newest rows of a list that has them first: up to a page with one that is `known`; at first one page."""
    found: list[Record] = []
    for page in range(MOST_PAGES):
        rows = list(await page_of({"pagination": {"page": page, "limit": PAGE}}))
        found += rows
        if is_first or len(rows) < PAGE or any(row.id in known for row in rows):
            break
    return found


async def orders_by_id(http: AsyncSTX, ids: Iterable[str | None]) -> list[Record]:
    """Rows of the orders of these ids, as many as the venue has."""
    wanted = [each for each in ids if each]
    found: list[Record] = []
    for start in range(0, len(wanted), IDS):
        found += await http.orders(order_ids=wanted[start : start + IDS])
    return found
