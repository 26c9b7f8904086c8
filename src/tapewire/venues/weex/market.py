"""WEEX under the verbs of all venues: its contracts, books, trades, tickers, and an account's orders and money.

A contract is a market and its one instrument. Public data needs no key. Orders go over HTTP, once; one whose answer was
lost is `unknown`, and looked up by its client order id until it is known. The account is hedged: without `reduce_only`
buying opens a long position and selling a short one; with it, buying closes a short one and selling a long one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar, Unpack

import msgspec

from ...clock import Clock
from ...errors import TapewireError, UnknownInstrument
from ...market import Capability, Verb
from ...model import Instrument, InvalidField, Market, Order, OrderRequest
from ...retry import RandomFraction, RetryPolicy
from ...secrets import Secret
from ...session.options import Statistics
from ..kit.dialing import SocketDialing
from ..kit.feeds import Fed, Port, Source
from ..kit.lookups import LookUps
from ..kit.market import VenueMarket
from .account import Balances, Positions
from .api import WeexAsyncClient
from .config import WeexConfig
from .errors import OrderOutcomeUnknown, WEEXInvalidArgument, WEEXNotFoundError, WEEXRequestError
from .own import BalanceRows, FillRows, OrderRows, OwnRows, PositionRows
from .socket import WeexWebSocketClient
from .sources import BookWatch, TickerRows, TradeRows
from .spec import SPEC
from .symbols import DEPTHS, checked_symbol, depth_for
from .translate import VENUE, position_side, to_instrument, to_market, to_order

__all__ = ["CAPABILITIES", "MarketSettings", "WeexMarket", "connect"]

logger = logging.getLogger("tapewire.venues.weex")

T = TypeVar("T")

CAPABILITIES: Final[Mapping[Verb, Capability]] = {
    "markets": Capability(note="one for each contract that is listed"),
    "instruments": Capability(),
    "watch_order_book": Capability(proof="chained", depth=DEPTHS[-1], conflated_ms=500),
    "watch_trades": Capability(note="what a gap hid is told behind it, as far as the venue still lists it"),
    "watch_ticker": Capability(note="it has no bid and no offer"),
    "watch_orders": Capability(proof="snapshot", private=True),
    "watch_fills": Capability(proof="snapshot", private=True),
    "watch_positions": Capability(proof="snapshot", private=True, note="long and short apart"),
    "watch_balance": Capability(proof="snapshot", private=True),
    "place_order": Capability(
        private=True, note="buying opens a long position, selling a short one; reduce_only turns that round"
    ),
    "cancel_order": Capability(private=True),
    "cancel_all": Capability(private=True),
    "open_orders": Capability(private=True),
}

QUIET_SECONDS: Final = 60.0
"""Silence of public data that is asked about: a contract may be quiet for so long."""

OWN_QUIET_SECONDS: Final = 120.0
"""Silence of what is ours is the rule: after so much of it the venue is asked."""

ON_ITS_WAY_SECONDS: Final = 1.5
"""What HTTP has already may take so long to come: the venue joins 500 ms of a book into one frame."""

SNAPSHOT_SECONDS: Final = 30.0
LISTING_SECONDS: Final = 5.0
"""How long a feed waits for the list of contracts that its own should be in."""

MOST_LISTED: Final = 1_000


class WeexMarket(VenueMarket):
    """Made by `tapewire.connect("weex", ...)`. `socket` and its `http`, its own classes, have what else there is."""

    capabilities: Mapping[Verb, Capability] = CAPABILITIES

    def __init__(self, socket: WeexWebSocketClient, clock: Clock | None = None) -> None:
        super().__init__(SPEC, clock)
        self.socket: WeexWebSocketClient = socket
        self.http: WeexAsyncClient = socket.http
        self._profile = socket.config.profile
        self._order_rows: set[OrderRows] = set()
        self._lookups = LookUps(partial(self._look_up, is_reconciled=True), self._learnt, self.clock)

    # --- the line ---------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        await self.socket.connect()

    async def _close(self) -> None:
        await self._lookups.close()
        await self.socket.disconnect()

    def reconnect(self) -> None:
        """Drop every connection and make new ones at once; feeds go on, and say what that cost."""
        self.socket.reconnect()

    @property
    def is_connected(self) -> bool:
        """True while every connection that is needed is up."""
        return bool(self.socket.is_connected)

    def statistics(self) -> Statistics:
        """Frozen figures of all sockets."""
        return self.socket.statistics()

    # --- what there is ----------------------------------------------------------------------------------------------

    async def list_instruments(self) -> list[Instrument]:
        """Every listed contract."""
        return _readable(await self.http.get_contracts(), to_instrument)

    async def _list_markets(self, *, open: bool) -> AsyncIterator[Market]:  # noqa: A002 - the verb's word
        now_ns = self.clock.time_ns()
        for market in _readable(await self.http.get_contracts(), lambda row: to_market(row, now_ns)):
            yield market

    # --- feeds ------------------------------------------------------------------------------------------------------

    def source(self, verb: Verb, instrument_id: str | None, depth: int | None) -> Source:
        """What feeds a verb. Raises WEEXInvalidArgument, and WEEXAuthenticationError where a key is missing."""
        symbol = None if instrument_id is None else checked_symbol(instrument_id, "instrument_id")
        if symbol != instrument_id:  # another spelling, which the socket would take and answer in its own
            raise UnknownInstrument(VENUE, str(instrument_id), [str(symbol)])
        if CAPABILITIES[verb].private:
            self.http.config.require_credentials(verb)
            makers: Mapping[Verb, Callable[[str | None], Source]] = {
                "watch_orders": self._orders,
                "watch_fills": self._fills,
                "watch_positions": self._positions,
                "watch_balance": self._balance,
            }
            return makers[verb](symbol)
        assert symbol is not None  # only what is ours may be asked for as a whole
        if verb == "watch_order_book":
            return self._book(symbol, DEPTHS[-1] if depth is None else depth_for(depth, "depth"))
        return self._trades(symbol) if verb == "watch_trades" else self._ticker(symbol)

    def _book(self, symbol: str, depth: int) -> Source:
        topic = self._profile.symbol_topic("depth", symbol, depth)
        watch = BookWatch(partial(self.socket._feed, topic, symbol, depth))

        async def subscribe(port: Port) -> Fed:
            await self._check_listed(symbol)
            watch.begin(port)
            return watch

        async def is_newest() -> bool:
            *_, last = await self.http.fetch_depth(symbol, depth)
            if not watch.reaches(last):
                await asyncio.sleep(ON_ITS_WAY_SECONDS)
            return watch.reaches(last)

        return Source(
            name=f"book of {symbol}",
            subscribe=subscribe,
            is_state=True,
            book=watch,
            quiet=QUIET_SECONDS,
            probe=is_newest,
        )

    def _trades(self, symbol: str) -> Source:
        return self._public("trade", symbol, TradeRows(self._profile), policy=SPEC.channels["trade"].policy)

    def _ticker(self, symbol: str) -> Source:
        rows = TickerRows(self._profile)
        return self._public("ticker", symbol, rows, policy="conflate", key=lambda frame: frame.topic)

    def _public(self, channel: str, symbol: str, rows: TradeRows | TickerRows, **buffer: Any) -> Source:
        topic = self._profile.symbol_topic(channel, symbol)

        async def subscribe(port: Port) -> Fed:
            rows.serve(port)
            await self._check_listed(symbol)
            return self.socket._public_lines().subscribe(topic, into=port.consumer, announce=True)

        return Source(
            name=f"{channel} of {symbol}",
            subscribe=subscribe,
            decode=rows.decode,
            capacity=SPEC.channels[channel].capacity,
            quiet=QUIET_SECONDS,
            probe=partial(self._has_not_traded, symbol),
            **buffer,
        )

    async def _has_not_traded(self, symbol: str) -> bool:
        """True if nothing of the contract was traded since long enough ago: then there is nothing to be told."""
        latest = await self.http.get_trades(symbol, 1)
        silent_since_ms = self.http.time.now_ms() - (QUIET_SECONDS - ON_ITS_WAY_SECONDS) * 1000
        return all(row["time"] * 1000 < silent_since_ms for row in latest)

    # --- feeds of what is ours ----------------------------------------------------------------------------------------

    def _orders(self, symbol: str | None) -> Source:
        rows = OrderRows(*self._of_own(symbol))
        return self._private(
            "orders",
            symbol,
            rows,
            on_served=self._order_rows.add,
            on_ended=partial(self._order_rows.discard, rows),
        )

    def _fills(self, symbol: str | None) -> Source:
        return self._private("fill", symbol, FillRows(*self._of_own(symbol), tick_of=self._tick_of))

    def _positions(self, symbol: str | None) -> Source:
        positions = Positions(self._profile, self.socket._public_lines, self.http.get_mark_price)
        rows = PositionRows(*self._of_own(symbol), positions=positions)
        return self._private("positions", symbol, rows, on_ended=positions.close)

    def _balance(self, symbol: str | None) -> Source:
        balances = Balances(self._profile, self.http.get_account_balance)
        return self._private("account", symbol, BalanceRows(*self._of_own(symbol), balances=balances))

    def _of_own(self, symbol: str | None) -> tuple[Any, ...]:
        return self._profile, symbol, self.http, self.http.time, self.clock

    def _private(
        self,
        topic: str,
        symbol: str | None,
        rows: OwnRows,
        *,
        on_served: Callable[[Any], Any] = lambda rows: None,
        on_ended: Callable[[], Any] | None = None,
    ) -> Source:
        async def subscribe(port: Port) -> Fed:
            rows.serve(port)
            if not port.consumer.buffer.ended:
                on_served(rows)
            await self._check_listed(symbol)
            return self.socket._private_lines().subscribe(
                topic,
                into=port.consumer,
                announce=True,
                snapshot=rows.snapshot,
                snapshot_timeout=SNAPSHOT_SECONDS,
            )

        channel = SPEC.channels[topic]
        return Source(
            name=topic if symbol is None else f"{topic} of {symbol}",
            subscribe=subscribe,
            decode=rows.decode,
            decode_snapshot=rows.news,
            policy=channel.policy,
            capacity=channel.capacity,
            is_state=True,
            quiet=OWN_QUIET_SECONDS,
            probe=rows.probe,
            on_ended=on_ended,
        )

    # --- orders -------------------------------------------------------------------------------------------------------

    async def _place(self, request: OrderRequest, instrument: Instrument) -> Order:
        if (
            request.kind == "market" and request.time_in_force == "fok"
        ):  # the venue has none: part of it might fill
            raise InvalidField("time_in_force", "fok", "ioc, or a limit order")
        time_in_force = "post_only" if request.post_only else request.time_in_force
        try:
            placed = await self.http.place_order(
                request.instrument_id,
                request.side,
                request.size,
                price=request.price,
                position_side=position_side(request.side, reduce_only=request.reduce_only),
                time_in_force=time_in_force,
                client_order_id=request.client_order_id,
            )
        except OrderOutcomeUnknown as error:
            order = request.as_order("unknown", self.clock.time_ns(), reason=error.message)
            self._lookups.follow(order)
            for rows in self._order_rows:
                rows.learn(order)
            return order
        return request.as_order("accepted", self.clock.time_ns(), venue_order_id=placed["order_id"])

    async def _cancel(self, order: Order) -> Order:
        try:
            await self.http.cancel_order(**_named(order))
        except OrderOutcomeUnknown as error:
            lost = msgspec.structs.replace(order, status="unknown", reason=error.message)
            self._lookups.follow(lost)
            return await self._as_it_stands(lost)
        except WEEXRequestError as error:  # perhaps because it has ended
            ended = await self._look_up(order)
            if ended is None or not ended.is_final:
                raise error from None
            return ended
        return await self._as_it_stands(msgspec.structs.replace(order, status="pending_cancel"))

    async def _as_it_stands(self, order: Order) -> Order:
        """As the venue has it now, or else `order`. What is open still, though its end was accepted, awaits that."""
        try:
            found = await self._look_up(order)
        except TapewireError as error:
            logger.warning("order %s could not be looked up: %s", order.venue_order_id, error)
            found = None
        if found is None:
            return msgspec.structs.replace(order, received_at_ns=self.clock.time_ns())
        if order.status == "pending_cancel" and not found.is_final:
            return msgspec.structs.replace(found, status="pending_cancel")
        return found

    async def _cancel_all(self, instrument_id: str | None) -> list[Order]:
        before = {order.venue_order_id: order for order in await self._listed_open(instrument_id)}
        canceled = await self.http.cancel_all_orders(instrument_id)
        history = await self.http.get_order_history(instrument_id, limit=MOST_LISTED)
        now_ns = self.clock.time_ns()
        after = {
            order.venue_order_id: order for order in _readable(history, lambda row: to_order(row, now_ns))
        }
        ended = []
        for order_id in canceled:
            if order_id in after:
                ended.append(after[order_id])
            elif order_id in before:
                ended.append(msgspec.structs.replace(before[order_id], status="pending_cancel"))
        return ended

    async def _open_orders(self, instrument_id: str | None) -> list[Order]:
        for order in self._lookups.pending:
            if instrument_id in (None, order.instrument_id):
                await self._lookups.settle(order)
        listed = await self._listed_open(instrument_id)
        known = {order.client_order_id for order in listed}
        return [
            *listed,
            *(
                order
                for order in self._lookups.pending
                if instrument_id in (None, order.instrument_id) and order.client_order_id not in known
            ),
        ]

    async def _listed_open(self, instrument_id: str | None) -> list[Order]:
        rows = await self.http.get_open_orders(instrument_id)
        now_ns = self.clock.time_ns()
        return [to_order(row, now_ns) for row in rows]

    def _follow(self, request: OrderRequest) -> None:
        self._lookups.follow(
            request.as_order("unknown", self.clock.time_ns(), reason="sent by an earlier run")
        )

    async def _look_up(self, order: Order, *, is_reconciled: bool = False) -> Order | None:
        try:
            row = await self.http.get_order(**_named(order))
        except WEEXNotFoundError:
            return None
        return to_order(row, self.clock.time_ns(), is_reconciled=is_reconciled)

    def _learnt(self, order: Order) -> None:
        for rows in self._order_rows:
            rows.learn(order)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _check_listed(self, symbol: str | None) -> None:
        """Raises UnknownInstrument. Where the list cannot be had, the venue's own word on the topic has to do."""
        if symbol is None:
            return
        try:
            async with asyncio.timeout(LISTING_SECONDS):
                await self.instrument(symbol)
        except UnknownInstrument:
            raise
        except (TapewireError, TimeoutError) as error:
            logger.warning("%s: the contracts could not be listed: %s", symbol, error)

    def _tick_of(self, symbol: str) -> Decimal | None:
        instrument = self._instruments.get(symbol)
        return None if instrument is None else instrument.price_tick


def _named(order: Order) -> dict[str, str | None]:
    """What the venue knows it by."""
    if order.venue_order_id is not None:
        return {"order_id": order.venue_order_id}
    return {"client_order_id": order.client_order_id}


def _readable(rows: Iterable[dict[str, Any]], translate: Callable[[dict[str, Any]], T]) -> list[T]:
    """What can be read of a list: one bad row does not hide the others."""
    found: list[T] = []
    for row in rows:
        try:
            found.append(translate(row))
        except InvalidField as error:
            logger.warning("a row cannot be read: %s", error)
    return found


class MarketSettings(SocketDialing, total=False):
    """What `WeexConfig` and `WeexWebSocketClient` take, under the names that it has there; or the `config` itself."""

    config: WeexConfig | None
    api_key: Secret | str
    secret_key: Secret | str
    passphrase: Secret | str
    environment: str
    version: str
    host: str | None
    rest_url: str | None
    ws_public_url: str | None
    ws_private_url: str | None
    timeout: float
    max_retries: int
    max_connections: int
    environ: Mapping[str, str] | None
    retry: RetryPolicy | None
    clock: Clock | None
    fraction: RandomFraction
    connect_timeout: float | None
    session_options: Mapping[str, Any] | None


_OF_CONFIG: Final = frozenset(field.name for field in fields(WeexConfig) if field.init) | {"environ"}


def connect(**settings: Unpack[MarketSettings]) -> WeexMarket:
    """The market of WEEX; nothing is sent before `async with`. Raises WEEXInvalidArgument naming a wrong setting."""
    given: dict[str, Any] = dict(settings)
    config: WeexConfig | None = given.pop("config", None)
    of_config = {name: given.pop(name) for name in _OF_CONFIG & given.keys()}
    if config is not None and of_config:
        raise WEEXInvalidArgument(min(of_config), "", "either config or its fields")
    socket = WeexWebSocketClient(config or WeexConfig(**of_config), **given)
    return WeexMarket(socket, given.get("clock"))
