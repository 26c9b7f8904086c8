"""STX under the verbs of all venues: which channel and which operation serves which verb.

Public data comes of the markets channel (`followers.py`), what is our own of the account's channels and of HTTP
(`own.py`), orders go over HTTP. Its prices are on the axis, in dollars: see `translate.py`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from ...clock import Clock
from ...errors import TapewireError, UnknownInstrument
from ...market import Capability, Verb
from ...model import Instrument, InvalidField, Market, Order, OrderRequest
from ...secrets import sanitized
from ...session import Statistics
from ...session.buffers import of_one_key
from ...session.consumer import Consumer
from ...session.subscription import Subscription
from ..kit.lookups import LookUps
from ..kit.market import Source, VenueMarket
from .api import AsyncSTX
from .errors import (
    STXAnswerException,
    STXNotFoundException,
    STXServerException,
    STXTransportException,
    STXValidationException,
)
from .followers import BookFollower, Follower, MarketsChannel, TickerFollower, TradesFollower
from .own import OwnBalance, OwnFeed, OwnFills, OwnOrders, OwnPositions, all_pages, newest, orders_by_id
from .records import Record
from .selection import Selection
from .socket import STXWebSocket
from .spec import SPEC
from .symbols import Channels
from .translate import cents_of, no_of, to_instrument, to_market, to_order
from .url import currency_of
from .user import User

__all__ = ["CAPABILITIES", "STXMarket", "connect"]

logger = logging.getLogger("tapewire.venues.stx")

T = TypeVar("T")

_WINDOW_NOTE: Final = (
    "the venue sends windows of its last 15 trades: a gap where more came between two of them"
)

CAPABILITIES: Final[Mapping[Verb, Capability]] = {
    "markets": Capability(),
    "instruments": Capability(),
    "watch_order_book": Capability(proof="snapshot"),
    "watch_trades": Capability(is_lossy=True, note=_WINDOW_NOTE),
    "watch_ticker": Capability(proof="snapshot"),
    "watch_orders": Capability(proof="snapshot", private=True),
    "watch_fills": Capability(proof="snapshot", private=True),
    "watch_positions": Capability(proof="snapshot", private=True),
    "watch_balance": Capability(proof="snapshot", private=True),
    "place_order": Capability(private=True),
    "cancel_order": Capability(private=True),
    "cancel_all": Capability(private=True),
    "open_orders": Capability(private=True),
}

QUIET_SECONDS: Final = 30.0
"""Silence of one market while the whole channel is silent, after which the venue is asked."""

IN_ONE_CALL: Final = 100
"""Markets whose rows are asked for in one call."""

_LEVEL: Final = Selection("price", "quantity")
_ROW: Final = Selection(
    "market_id", "status", "trading", "result", "last_traded_price", "volume_24h", "timestamp", "timestamp_int",
    bids=_LEVEL,
    offers=_LEVEL,
    recent_trades=Selection("price", "quantity", "liquidity_taker", "timestamp", "timestamp_int"),
)  # fmt: skip
"""What a follower stands on."""

_LISTED: Final = Selection(
    "market_id", "title", "short_title", "question", "symbol", "position", "status", "trading", "result", "event_start",
    "event_status", "home_category", "max_price", "timestamp", "timestamp_int",
)  # fmt: skip

_OWN: Final[Mapping[Verb, tuple[type[OwnFeed], str]]] = {
    "watch_orders": (OwnOrders, "orders"),
    "watch_fills": (OwnFills, "fills"),
    "watch_positions": (OwnPositions, "positions"),
    "watch_balance": (OwnBalance, "balance"),
}


class STXMarket(VenueMarket):
    """Made by `tapewire.connect("stx", ...)`. `socket` and `http`, its own classes, have what else there is."""

    capabilities: Mapping[Verb, Capability] = CAPABILITIES

    def __init__(self, socket: STXWebSocket, clock: Clock | None = None) -> None:
        super().__init__(SPEC, clock)
        self.socket: STXWebSocket = socket
        self.http: AsyncSTX = socket._http  # with the same account
        self._currency = currency_of(self.http.origin)
        self._own_orders: set[OwnOrders] = set()
        self._lookups = LookUps(self._look_up, self._learnt, self.clock)
        self._channel = MarketsChannel(self._join_markets, self._rows, self._missing, self.clock)

    # --- the line ---------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        await self.socket.connect()

    async def _close(self) -> None:
        await self._lookups.close()
        await self.socket.close()

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once; feeds go on, and say what that cost."""
        self.socket.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while the line is up."""
        return self.socket.is_connected

    def statistics(self) -> Statistics:
        """Frozen figures of the line."""
        return self.socket.statistics()

    # --- what there is ----------------------------------------------------------------------------------------------

    async def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002
        rows = await self.http.markets(selections=_LISTED, status="OPEN" if open else None)
        now_ns = self.clock.time_ns()
        for market in _readable(rows, lambda row: to_market(row, now_ns)):
            yield market

    async def list_instruments(self) -> list[Instrument]:
        """Of every market that is not over; one that pays something else than a dollar is left out."""
        rows = await self.http.markets(selections=_LISTED)
        markets = _readable(rows, lambda row: to_market(row, 0))
        living = {market.market_id for market in markets if market.status not in ("settled", "voided")}
        found = _readable(rows, lambda row: to_instrument(row, self._currency))
        return [instrument for instrument in found if instrument.market_id in living]

    async def instrument(self, instrument_id: str) -> Instrument:
        """One instrument by its id, also of a market that has ended. Raises UnknownInstrument with near ones."""
        try:
            return await super().instrument(instrument_id)
        except UnknownInstrument as error:
            market_id = instrument_id.removesuffix(":no")
            try:
                rows = await self.http.markets(market_ids=[market_id], selections=_LISTED)
            except (STXValidationException, STXNotFoundException):  # it can be none
                raise error from None
            found = _readable(rows, lambda row: to_instrument(row, self._currency))
            if not found:
                raise error from None
            if instrument_id == no_of(market_id):
                why = f"this outcome has no book of its own: to back it, sell {market_id}"
                raise UnknownInstrument(self.name, instrument_id, why=why) from None
            return found[0]

    # --- what is watched --------------------------------------------------------------------------------------------

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """The markets channel, or a channel of the account."""
        if verb in _OWN:
            kind, name = _OWN[verb]
            own = kind(self.http, self._join, self.clock, instrument_id, self._currency)
            if isinstance(own, OwnOrders):
                self._own_orders.add(own)
                return own.source(name, partial(self._own_orders.discard, own))
            return own.source(name)
        assert instrument_id is not None  # only what is ours may be asked for as a whole
        if verb == "watch_order_book":
            book = BookFollower(self._channel, instrument_id)
            return self._public(book, f"book of {instrument_id}", is_state=True, book=book.levels)
        if verb == "watch_ticker":
            ticker = TickerFollower(self._channel, instrument_id)
            fields = {"decode": ticker.decode, "policy": "conflate", "key": of_one_key, "capacity": 1}
            return self._public(ticker, f"ticker of {instrument_id}", is_state=True, **fields)
        trades = TradesFollower(self._channel, instrument_id)
        return self._public(trades, f"trades of {instrument_id}", begins_itself=True, decode=trades.decode)

    @staticmethod
    def _public(follower: Follower, name: str, **fields: Any) -> Source:
        return Source(
            name=name, subscribe=follower.begin, quiet=QUIET_SECONDS, probe=follower.probe, **fields
        )

    def _join_markets(self, into: Consumer[Any], **fields: Any) -> Subscription:
        return self.socket.feed(Channels.MARKETS.value, into, **fields)

    async def _join(
        self, channel: Channels, instrument_id: str | None, into: Consumer[Any], **fields: Any
    ) -> Subscription:
        if instrument_id is not None:
            try:
                await self.instrument(instrument_id)
            except UnknownInstrument:
                raise
            except TapewireError as error:  # the join says for itself whether the venue can be had
                logger.warning("%s: the markets could not be listed: %s", instrument_id, error)
        return self.socket.feed(await self.socket._topic(channel), into, **fields)

    async def _rows(self, market_ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(market_ids), IN_ONE_CALL):
            part = list(market_ids[start : start + IN_ONE_CALL])
            try:
                rows = await self.http.markets(market_ids=part, selections=_ROW)
            except (STXAnswerException, STXValidationException, STXNotFoundException) as error:
                if len(part) > 1:
                    for market_id in part:  # one of them is no market, or cannot be read
                        found |= await self._rows([market_id])
                elif isinstance(error, STXAnswerException):
                    found[part[0]] = error
            else:
                found |= {row["market_id"]: row for row in rows}
        return found

    async def _missing(self, market_id: str) -> BaseException:
        """Why a market has no row: the error that ends its feeds."""
        try:
            await self.instrument(market_id)
        except TapewireError as error:
            return error
        return UnknownInstrument(self.name, market_id, [])

    # --- orders -----------------------------------------------------------------------------------------------------

    async def _place(self, request: OrderRequest, instrument: Instrument) -> Order:
        arguments = _order_arguments(request)
        try:
            answer = await self.http.place_order(**arguments)
        except (STXTransportException, STXServerException) as error:
            if not error.outcome_unknown:
                raise
            order = request.as_order("unknown", self.clock.time_ns(), reason=str(error))
            self._lookups.follow(order)
            self._learnt(order)
            return order
        if answer["errors"]:
            raise STXValidationException(f"the order was refused: {'; '.join(answer['errors'])}"[:500])
        return to_order(answer["order"], self.clock.time_ns())

    async def _cancel(self, order: Order) -> Order:
        known = order if order.venue_order_id is not None else await self._look_up(order)
        if known is None or known.venue_order_id is None:
            return msgspec.structs.replace(order, received_at_ns=self.clock.time_ns())  # it may yet arrive
        await self.http.cancel_order(known.venue_order_id)
        return await self._as_it_stands(known)

    async def _as_it_stands(self, order: Order) -> Order:
        """As the venue has it now; where that cannot be had, with its end asked for."""
        try:
            found = await self._look_up(order)
        except TapewireError as error:
            logger.warning("order %s could not be looked up: %s", order.venue_order_id, error)
            found = None
        if found is not None:
            return found
        return msgspec.structs.replace(order, status="pending_cancel", received_at_ns=self.clock.time_ns())

    async def _cancel_all(self, instrument_id: str | None) -> list[Order]:
        if instrument_id is None:
            answers = await self.http.cancel_all_orders()
        else:
            orders = await self._open_orders(instrument_id)  # one whose answer was lost may have no id yet
            ids = [order.venue_order_id for order in orders if order.venue_order_id is not None]
            answers = await self.http.cancel_orders(ids) if ids else []
        rows = await orders_by_id(self.http, [answer["order_id"] for answer in answers])
        return self._orders_of(rows)

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        http, markets = self.http, None if instrument_id is None else [instrument_id]
        rows = await all_pages(lambda page: http.orders(**page, market_ids=markets, status="OPEN"))
        rows += await newest(lambda page: http.orders(**page, market_ids=markets), (), is_first=True)
        found = self._orders_of({row.id: row for row in rows}.values())  # of two rows the later
        listed = [order for order in found if not order.is_final]
        known = {order.client_order_id for order in listed}
        unknown = [
            order
            for order in self._lookups.pending
            if instrument_id in (None, order.instrument_id) and order.client_order_id not in known
        ]
        return [*listed, *unknown]

    def _follow(self, request: OrderRequest) -> None:
        self._lookups.follow(
            request.as_order("unknown", self.clock.time_ns(), reason="sent by an earlier run")
        )

    async def _look_up(self, order: Order) -> Order | None:
        """The order as the venue has it; None where it has none. Raises what the call raises."""
        if order.venue_order_id is not None:
            rows = await self.http.orders(order_ids=[order.venue_order_id])
        else:
            rows = await self.http.orders(client_order_ids=[order.client_order_id or ""])
        return next(iter(self._orders_of(rows)), None)

    def _learnt(self, order: Order) -> None:
        """What was learnt of an order whose answer was lost: told to whoever watches orders."""
        for own in tuple(self._own_orders):
            own.learn(msgspec.structs.replace(order, is_reconciled=order.status != "unknown"))

    def _orders_of(self, rows: Iterable[Record]) -> list[Order]:
        now_ns = self.clock.time_ns()
        return [to_order(row, now_ns) for row in rows]


def connect(**settings: Any) -> STXMarket:
    """The market of this venue. Takes what `STXWebSocket` takes; an account that is named here is apart from others.

    Raises STXInvalidParameterException naming a wrong setting.
    """
    if settings.get("email") and settings.get("user") is None:
        settings["user"] = User.new()
    return STXMarket(STXWebSocket(**settings), settings.get("clock"))


def _readable(rows: Iterable[Record], read: Callable[[Record], T]) -> list[T]:
    """Of the rows those that can be read: one that cannot is not the others' trouble."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except InvalidField as error:
            logger.warning("market %s is left out: %s", sanitized(row.get("market_id")), sanitized(error))
    return found


def _order_arguments(request: OrderRequest) -> dict[str, Any]:
    """As `AsyncSTX.place_order` takes them. Raises InvalidField for what this venue has not."""
    if request.time_in_force != "gtc":
        raise InvalidField("time_in_force", request.time_in_force, "gtc: this venue has no other")
    for name in ("post_only", "reduce_only"):
        if getattr(request, name):
            raise InvalidField(name, True, "False: this venue has no such orders")
    arguments: dict[str, Any] = {
        "market_id": request.instrument_id,
        "order_type": "LIMIT" if request.kind == "limit" else "MARKET",
        "action": request.side.upper(),
        "quantity": _quantity(request.size),
        "client_order_id": request.client_order_id,
    }
    return arguments if request.price is None else {**arguments, "price": cents_of(request.price)}


def _quantity(size: Decimal) -> float:
    """Contracts as the wire has them: whole ones as an int, else a number that says exactly that."""
    if size == int(size):
        return int(size)
    written = float(size)
    if Decimal(repr(written)) != size:
        raise InvalidField("size", size, "contracts with few enough digits for a JSON number")
    return written
