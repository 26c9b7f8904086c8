"""One wallet's orders and fills: what the channels tell, and what is looked up over HTTP after each gap.

Each feed remembers what it told (`market/reconcile.py`), so that a channel and a look-up tell of one thing once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...clock import Clock
from ...errors import TapewireError
from ...market.reconcile import FillMemory, OrderMemory
from ...model import Fill, InvalidField, Order, OrderStatus
from ...protocols.centrifugo import Publication, SeenIds
from ...session.subscription import Subscription
from ..kit.errors import AnswerFault
from ..kit.market import Items, Port
from .errors import SXBetAnswerError
from .history_overlap import Seed
from .market_sources import MOST_REMEMBERED, Reader, RowFeed
from .symbols import channel_for
from .translate import (
    BEING_FILLED,
    contract_units,
    nominal,
    order_state,
    parse_amount,
    to_fill,
    to_order,
)
from .watched import message_id
from .wire import OrderRow, Rows, TradeRow, read_rows

if TYPE_CHECKING:
    from .socket import SXBetClient

__all__ = ["OwnFills", "OwnOrders", "fate_of", "open_orders_of"]

logger = logging.getLogger("tapewire.venues.sxbet")

FULL: Final = 100_000
"""An order counts as filled though this part of it is missing: the venue rounds (NOTES.md)."""

_MAY_RETURN: Final[frozenset[OrderStatus]] = frozenset({"canceled"})
"""An order is canceled too while its maker's balance is too small, and comes back under its hash (NOTES.md)."""

LATE_SECONDS: Final = 600
"""How long the chain may take to confirm a bet: a look-up begins so much earlier."""


class OwnOrders(Reader):
    """The orders of one maker: as the channel tells them, and after each gap as they are listed.

    An order that is listed no more is looked for among the trades: what was filled of it says how it ended. `follow` is
    called with each that they do not tell of at once: give what was learnt of it to `learn`.
    """

    def __init__(
        self,
        client: SXBetClient,
        maker: str,
        instrument_id: str | None,
        clock: Clock,
        follow: Callable[[Order], Any],
    ) -> None:
        self._client = client
        self._maker = maker
        self._instrument_id = instrument_id
        self._clock = clock
        self._follow = follow
        self._decimals = client.http.endpoints.network.usdc.decimals
        self._is_later = client.profile.book == "levels"
        self._memory = OrderMemory(may_return=_MAY_RETURN)
        self._followed: set[str | None] = set()  # and nothing was heard of them since
        self._seen = SeenIds(MOST_REMEMBERED)
        self._updated_at: OrderedDict[str, int] = OrderedDict()
        self._subscription: Subscription[Any] | None = None

    def feed(self, port: Port) -> Subscription[Any]:
        """Ask for the maker's channel."""
        self.port = port
        channel = channel_for("own_orders", self._maker, self._client.profile)
        fields: dict[str, Any] = {} if self._is_later else {"snapshot": self._look_up}
        self._subscription = self._client.feed(channel, port.consumer, **fields)
        return self._subscription

    def learn(self, order: Order) -> None:
        """How an order stands that was followed: told, if it is news."""
        if self.port is not None:
            self.port.learn(order)

    def decode(self, publication: Publication | Order, received_at_ns: int) -> Any:
        """The orders of a publication, as far as they are news, or what was learnt of one."""
        if isinstance(publication, Order):
            told = self._memory.hear(publication) if self._is_followed(publication) else None
            return Items() if told is None else told
        if not self._seen.add(message_id(publication)):
            return Items()
        rows = read_rows(publication.data, OrderRow, "order" if self._is_later else "")
        return self.items(_in_time(rows), lambda row: self._news(row, received_at_ns), self._clock)

    async def decode_snapshot(self, seed: Seed) -> list[Order]:
        """What the list of open orders, and what the channel said shortly before, say that was not told."""
        now_ns = self._clock.time_ns()
        before = {order.venue_order_id: order for order in self._memory.open}
        listed = [order for row in seed.snapshot if self._is_ours(order := self._order(row, now_ns))]
        self._followed.difference_update(order.venue_order_id for order in listed)
        news, lost = self._memory.reconcile(listed, now_ns, self._instrument_id)
        for rows in seed.updates:
            news += filter(None, (self._news(row, now_ns) for row in _in_time(rows).rows))
        for order in lost:
            if order in self._memory.unknown:  # else it was heard of since
                fate = await self._first_look(before[order.venue_order_id])
                news.append(order if fate is None else self._memory.hear(fate) or order)
        told: dict[str | None, Order] = before
        changed: list[Order] = []
        for order in news:
            if _state(told.get(order.venue_order_id)) != _state(order):
                told[order.venue_order_id] = order
                changed.append(order)
        return changed

    async def is_current(self) -> bool:
        """True if the venue lists what was told last, or that is still to be taken."""
        rows = await open_orders_of(self._client, self._maker)
        if self.port is None or self.port.consumer.buffer:
            return True
        now_ns = self._clock.time_ns()
        listed = {
            order.venue_order_id: order.filled_size
            for row in rows
            if self._is_ours(order := self._order(row, now_ns))
        }
        known = {order.venue_order_id: order.filled_size for order in self._memory.open}
        missing = (order for order in self._memory.open if order.venue_order_id not in listed)
        return all(known.get(each) == filled for each, filled in listed.items()) and all(
            order.venue_order_id in self._followed or order.reason == BEING_FILLED for order in missing
        )

    async def _look_up(self) -> Seed:
        rows = await open_orders_of(self._client, self._maker)
        return Seed(rows, await self._client.history_overlap.of(self._subscription, _whole_orders))

    def _order(self, row: OrderRow, now_ns: int) -> Order:
        return to_order(row, now_ns, self._decimals)

    def _is_ours(self, order: Order) -> bool:
        return self._instrument_id in (None, order.instrument_id)

    def _news(self, row: OrderRow, now_ns: int) -> Order | None:
        order = self._order(row, now_ns)
        if not self._is_ours(order) or not self._is_in_time(row):
            return None
        self._followed.discard(order.venue_order_id)
        return self._memory.hear(order)

    def _is_followed(self, order: Order) -> bool:
        """True the first time that something was learnt of it, if nothing was heard of it meanwhile."""
        was_followed = order.venue_order_id in self._followed
        self._followed.discard(order.venue_order_id)
        return was_followed

    def _is_in_time(self, row: OrderRow) -> bool:
        """False for what was true before what was told already."""
        if not isinstance(row.update_time, int):
            return True
        if row.update_time < self._updated_at.get(row.order_hash, 0):
            return False
        self._updated_at[row.order_hash] = row.update_time
        self._updated_at.move_to_end(row.order_hash)
        if len(self._updated_at) > MOST_REMEMBERED:
            self._updated_at.popitem(last=False)
        return True

    async def _first_look(self, order: Order) -> Order | None:
        """How an order stands that is not listed any more, as it was told where a fill of it is pending.

        None where the venue does not say. What is not known at once is followed.
        """
        try:
            fate = await fate_of(self._client, self._maker, order, self._clock)
        except TapewireError as error:
            logger.warning("order %s: how it ended could not be looked up: %s", order.venue_order_id, error)
            fate = None
        if fate is not None and fate.status != "unknown":
            self._followed.discard(order.venue_order_id)
            return fate
        self._followed.add(order.venue_order_id)
        self._follow(order)
        return None if fate is None else order


class OwnFills(Reader):
    """The bets of one account that the chain has confirmed: as all trades are told, and after each gap looked up."""

    def __init__(self, client: SXBetClient, account: str, instrument_id: str | None, clock: Clock) -> None:
        self._client = client
        self._account = account.lower()
        self._address = account
        self._instrument_id = instrument_id
        self._clock = clock
        self._decimals = client.http.endpoints.network.usdc.decimals
        self._memory = FillMemory()
        self._began_s = clock.time_ns() // 10**9
        self._looked_at_s = self._began_s
        self._is_primed = False
        self._feed: RowFeed | None = None

    def feed(self, port: Port) -> RowFeed:
        """Ask for the channel of all trades."""
        self.port = port
        self._feed = feed = RowFeed(self._client, port, self._clock, self._address)
        feed.begin(channel_for("trades", profile=self._client.profile), self._look_up)
        return feed

    async def is_current(self) -> bool:
        """True if the venue has no later trade, of anybody, than was heard of."""
        return self._feed is None or await self._feed.has_last_trade()

    def decode(self, publication: Publication, received_at_ns: int) -> Any:
        """The fills of a publication that were not told yet; one that is settled is of long ago."""
        rows = read_rows(publication.data, TradeRow)
        return self.items(
            rows, lambda row: None if row.settled else self._news(row, received_at_ns), self._clock
        )

    def decode_snapshot(self, rows: Iterable[TradeRow]) -> list[Fill]:
        """What was looked up and was not told; the first time what was filled before this feed began is not its."""
        now_ns = self._clock.time_ns()
        news = self._memory.reconcile(fill for row in rows if (fill := self._fill(row, now_ns)) is not None)
        is_first, self._is_primed = not self._is_primed, True
        began_ns = self._began_s * 10**9
        return [fill for fill in news if not is_first or (fill.venue_time_ns or 0) >= began_ns]

    async def _look_up(self) -> list[TradeRow]:
        since_s, now_s = self._looked_at_s - LATE_SECONDS, self._clock.time_ns() // 10**9
        listing = self._client.http.trades(bettor=self._address, start_date=since_s)
        rows = [row async for row in listing]
        _check_list("GET /trades", rows, listing.unreadable, lambda row: self._fill(row, 0))
        self._looked_at_s = now_s
        return rows

    def _fill(self, row: TradeRow, now_ns: int) -> Fill | None:
        if row.bettor.lower() != self._account:
            return None
        fill = to_fill(row, now_ns, self._decimals)
        return fill if fill is not None and self._instrument_id in (None, fill.instrument_id) else None

    def _news(self, row: TradeRow, now_ns: int) -> Fill | None:
        fill = self._fill(row, now_ns)
        return None if fill is None else self._memory.hear(fill)


async def fate_of(client: SXBetClient, maker: str, order: Order, clock: Clock) -> Order | None:
    """How an order of a maker stands that is not listed any more, by its trades. Raises what asking for them raises.

    `unknown` while a fill of it is pending: such a one is not listed, and may be filled yet or come back. None where
    nobody can say, for want of the row that it is of.
    """
    row = order.raw
    if not isinstance(row, OrderRow):
        return None
    decimals = client.http.endpoints.network.usdc.decimals
    state, filled = order_state(row, decimals), 0
    trades = client.http.trades(bettor=maker, market_hashes=[row.market_hash], maker="true")
    async for trade in trades:
        if (trade.order_hash or trade.fill_order_hash) != row.order_hash:
            continue
        if trade.trade_status == "PENDING":
            return msgspec.structs.replace(order, status="unknown", reason=BEING_FILLED)
        if trade.trade_status == "SUCCESS":
            filled += parse_amount(trade.stake, "stake")
    filled = max(filled, state.filled)
    return msgspec.structs.replace(
        order,
        status="filled" if (state.total - filled) * FULL <= state.total else "canceled",
        filled_size=nominal(contract_units(filled, state.odds), decimals),
        received_at_ns=clock.time_ns(),
        is_reconciled=True,
        reason="not listed any more; of its trades",
    )


async def open_orders_of(client: SXBetClient, maker: str) -> list[OrderRow]:
    """A maker's open orders over HTTP. Raises SXBetAnswerError where one cannot be read: a list short of it lies."""
    rows = await client.http.orders(maker=maker)
    decimals = client.http.endpoints.network.usdc.decimals
    _check_list("GET /orders", rows, rows.unreadable, lambda row: to_order(row, 0, decimals))
    return list(rows)


def _check_list(
    operation: str, rows: Iterable[Any], unreadable: int, translate: Callable[[Any], Any]
) -> None:
    """Raise SXBetAnswerError unless every row of a list of our own can be translated."""
    try:
        for row in rows:
            translate(row)
    except InvalidField as error:
        fault = AnswerFault(operation, error.argument, error.allowed, repr(error.value)[:80], "")
        raise SXBetAnswerError(fault) from None
    if unreadable:
        fault = AnswerFault(operation, "", "rows that can be read", f"{unreadable} that cannot", "")
        raise SXBetAnswerError(fault)


def _state(order: Order | None) -> Any:
    return None if order is None else (order.status, order.filled_size, order.size)


def _whole_orders(publication: Publication) -> Rows[OrderRow]:
    return read_rows(publication.data, OrderRow)


def _in_time(rows: Rows[OrderRow]) -> Rows[OrderRow]:
    """Updates of one message in the order of their time."""

    def moment(row: OrderRow) -> int:
        return row.update_time if isinstance(row.update_time, int) else 1 << 62

    return msgspec.structs.replace(rows, rows=tuple(sorted(rows.rows, key=moment)))
