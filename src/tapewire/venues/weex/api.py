"""`WeexAsyncClient`: the venue's HTTP API V3 for contracts: markets, account, orders.

Rules: every attempt takes its weight from the address's budget and its signature from the venue's clock; a call that
changes nothing is repeated after a passing failure, an order never: where its answer is lost, `OrderOutcomeUnknown`
says how to look it up. Every order has a `client_order_id`, ours if you give none. All methods raise the tree of
`errors.py`.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import random
from typing import Any, Final, Self, TypeAlias, TypeVar, Unpack

import msgspec

from ...clock import Clock
from ...model.fields import InvalidField
from ...retry import NO_RETRY, RandomFraction, RetryPolicy
from ...transport.http import CallOptions, HttpClient, Method, Request
from ...transport.limiter import Budget
from ..kit.dialing import HttpDialing, dialer_of
from ..kit.fields import identifier, number, plain, time_ms
from ..kit.http import Api, Call
from ..kit.settings import Announcement, clock_of
from .answers import (
    all_canceled_of,
    balances_of,
    canceled_of,
    contracts_of,
    fills_of,
    klines_of,
    levels_of,
    mark_price_of,
    order_of,
    orders_of,
    placed_of,
    positions_of,
    refusal_in,
    ticker_of,
    tickers_of,
    time_of,
    trades_of,
    unwrapped,
)
from .config import WeexConfig
from .errors import (
    BAN_SECONDS,
    ERRORS,
    EXPIRED_TIMESTAMP,
    OrderOutcomeUnknown,
    WEEXAuthenticationError,
    WEEXError,
    WEEXInvalidArgument,
    WEEXNetworkError,
    WEEXParseError,
    WEEXSystemError,
)
from .limits import weight_of
from .signing import USER_AGENT, VenueTime, signed_headers
from .symbols import DEPTHS, INTERVALS, checked_symbol
from .wire import Side

__all__ = ["WeexAsyncClient"]

logger = logging.getLogger("tapewire.venues.weex")

T = TypeVar("T")

Reader: TypeAlias = Callable[[Any], T]

PREFIX: Final = "/capi/v3/"
PUBLIC: Final = PREFIX + "market/"
"""How the paths begin of calls that need no key."""

_SIDES: Final = ("buy", "sell")
_POSITION_SIDES: Final = ("long", "short")
_KINDS: Final = ("limit", "market")
_CLIENT_ORDER_ID: Final = re.compile(r"[ -~]{1,36}")
_TIMES_IN_FORCE: Final = ("gtc", "ioc", "fok", "post_only")


@ERRORS.covers
class WeexAsyncClient:
    """Close it with `close()` or use it as `async with WeexAsyncClient(config)`. Public calls need no key.

    `proxy`, `ssl`, `http_transport`: the way there (kit.dialing.HttpDialing).
    """

    def __init__(
        self,
        config: WeexConfig,
        *,
        clock: Clock | None = None,
        fraction: RandomFraction = random,
        **dialing: Unpack[HttpDialing],
    ) -> None:
        if not isinstance(config, WeexConfig):
            raise WEEXInvalidArgument("config", config, "a WeexConfig, such as WeexConfig.from_env()")
        self.config = config
        self._clock = clock_of(clock)
        self.time: VenueTime = VenueTime(self._clock)
        addresses = config.addresses
        places = [addresses.rest, addresses.public, addresses.private]
        self.announcement: Announcement = Announcement(logger, "weex", places, addresses.source)
        """Says where calls and streams go, once, before the first of them."""
        self._weight = weight_of(config.addresses.rest, self._clock)
        http = HttpClient(
            config.addresses.rest,
            policy=RetryPolicy(max_attempts=config.max_retries + 1, initial_backoff=0.5, max_backoff=8.0),
            headers=self._headers,
            refusal=refusal_in,
            timeout=config.timeout,
            clock=self._clock,
            fraction=fraction,
            **dialer_of(dialing, WEEXInvalidArgument, only=HttpDialing).http,
        )
        self._api = Api(http, ERRORS, self.announcement)

    # --- markets ------------------------------------------------------------------------------------------------------

    async def server_time(self) -> int:
        """The venue's time in milliseconds. It also sets the clock that signatures are made by."""
        asked_ns = self._clock.time_ns()
        told = await self._get("market/time", 1, time_of)
        self.time.learn(told, asked_ns, self._clock.time_ns())
        return told

    async def synchronize(self, *, again: bool = False) -> None:
        """Learn the venue's clock if it is not known, or `again`. A failure leaves our own."""
        if again or not self.time.is_known:
            try:
                await self.server_time()
            except WEEXError:
                self.time.is_known = False

    async def get_contracts(self) -> list[dict[str, Any]]:
        """Every contract, in the venue's own words: symbol, precisions, limits, fees."""
        return await self._get("market/exchangeInfo", 1, contracts_of)

    async def get_order_book(self, symbol: str, limit: int = 15) -> dict[str, Any]:
        """`{"symbol", "bids", "asks", "sequence"}`, of 15 or 200 levels; `sequence` is the socket's number."""
        bids, asks, last = await self.fetch_depth(symbol, limit)
        return {"symbol": checked_symbol(symbol), "bids": bids, "asks": asks, "sequence": last}

    async def fetch_depth(self, symbol: str, limit: int) -> tuple[Side, Side, int]:
        """Bids, asks and the number of that state: what a book is rebuilt from."""
        if limit not in DEPTHS:
            raise WEEXInvalidArgument("limit", limit, DEPTHS)
        query = {"symbol": checked_symbol(symbol), "limit": str(limit)}
        return await self._get("market/depth", 1, levels_of, query)

    async def get_trades(self, symbol: str, limit: int = 100) -> list[dict[str, Any]]:
        """The latest public trades."""
        query = {"symbol": checked_symbol(symbol), "limit": _limit(limit, 1000)}
        return await self._get("market/trades", 5, trades_of, query)

    async def get_kline(self, symbol: str, interval: str, limit: int = 100) -> list[dict[str, Any]]:
        """Candles of an interval such as "1m" or "1d"."""
        if interval not in INTERVALS:
            raise WEEXInvalidArgument("interval", interval, INTERVALS)
        query = {"symbol": checked_symbol(symbol), "interval": interval, "limit": _limit(limit, 1000)}
        return await self._get("market/klines", 1, klines_of, query)

    async def get_ticker(self, symbol: str) -> dict[str, Any]:
        """The last day of one contract, in the words of `stream_tickers`."""
        return await self._get("market/ticker/24hr", 40, ticker_of, {"symbol": checked_symbol(symbol)})

    async def get_all_tickers(self) -> list[dict[str, Any]]:
        """The last day of every contract."""
        return await self._get("market/ticker/24hr", 40, tickers_of)

    async def get_mark_price(self, symbol: str) -> Decimal:
        """The mark price of a contract, now."""
        query = {"symbol": checked_symbol(symbol), "priceType": "MARK"}
        return await self._get("market/symbolPrice", 1, mark_price_of, query)

    # --- account ------------------------------------------------------------------------------------------------------

    async def get_account_balance(self) -> list[dict[str, Any]]:
        """`{"asset", "balance", "available", "frozen", "unrealized_pnl"}` of each asset."""
        return await self._get("account/balance", 10, balances_of)

    async def get_all_positions(self) -> list[dict[str, Any]]:
        """Every open position, in the words of `stream_positions`."""
        return await self._get("account/position/allPosition", 15, positions_of)

    async def get_fills(
        self,
        symbol: str | None = None,
        *,
        order_id: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The latest own executions, the newest first, in the words of `stream_fills`; 100 at most.

        `since_ms`, `until_ms`: none before, none behind that moment, in milliseconds since the epoch; the venue looks
        back for seven days at most. A fill is the stream's where `fill_id` is the same.
        """
        query = _period(symbol, since_ms, until_ms) | {"limit": _limit(limit, 100)}
        if order_id is not None:
            query |= _order_query(order_id, None)
        return await self._get("userTrades", 5, fills_of, query)

    # --- orders -------------------------------------------------------------------------------------------------------

    async def place_order(
        self,
        symbol: str,
        side: str,
        size: Decimal | str | int,
        *,
        price: Decimal | str | int | None = None,
        position_side: str = "long",
        type: str | None = None,  # noqa: A002 - the documents' word
        time_in_force: str | None = None,
        client_order_id: str | None = None,
    ) -> dict[str, Any]:
        """Place one order; returns `{"order_id", "client_order_id"}`.

        `side` "buy" or "sell", `position_side` "long" or "short" (a long is closed by selling it), `size` in base
        coins, `price` for a limit order, none for a market order; numbers are exact: no floats. Raises
        OrderOutcomeUnknown where the answer was lost, else what the venue refused it for. Cancelled, the call cannot
        say what became of the order: give a `client_order_id` of your own where that may happen, and look it up.
        """
        kind = type or ("market" if price is None else "limit")
        for name, value, allowed in (
            ("side", side, _SIDES),
            ("position_side", position_side, _POSITION_SIDES),
            ("type", kind, _KINDS),
            ("time_in_force", time_in_force or "gtc", _TIMES_IN_FORCE),
        ):
            if value not in allowed:
                raise WEEXInvalidArgument(name, value, allowed)
        if (price is None) is not (kind == "market"):
            raise WEEXInvalidArgument("price", price, "a price on a limit order, none on a market order")
        own = _client_order_id(client_order_id)
        body = {
            "symbol": checked_symbol(symbol),
            "side": side.upper(),
            "positionSide": position_side.upper(),
            "type": kind.upper(),
            "quantity": _exact("size", size),
            "newClientOrderId": own,
        }
        if price is not None:
            body |= {"price": _exact("price", price), "timeInForce": (time_in_force or "gtc").upper()}
        what = f"{side} {body['symbol']}"
        call = self._call("POST", "order", 5, placed_of, {}, msgspec.json.encode(body))
        order_id = await self._final(call, what, client_order_id=own)
        return {"order_id": order_id, "client_order_id": own}

    async def cancel_order(
        self, order_id: str | None = None, *, client_order_id: str | None = None
    ) -> dict[str, Any]:
        """Cancel one order by either id. Raises OrderOutcomeUnknown where the answer was lost: look it up."""
        query = _order_query(order_id, client_order_id)
        call = self._call("DELETE", "order", 3, canceled_of, query)
        canceled = await self._final(call, "cancellation", client_order_id=client_order_id, order_id=order_id)
        return canceled | {"client_order_id": canceled["client_order_id"] or client_order_id or ""}

    async def get_order(
        self, order_id: str | None = None, *, client_order_id: str | None = None
    ) -> dict[str, Any]:
        """Look one order up by either id, in the words of `stream_orders`. Raises WEEXNotFoundError."""
        query = _order_query(order_id, client_order_id)
        return await self._get("order", 3, order_of, query)

    async def get_open_orders(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Every open order, of one contract or of all."""
        query = {"symbol": checked_symbol(symbol)} if symbol else {}
        return await self._get("openOrders", 10, orders_of, query)

    async def get_order_history(
        self, symbol: str | None = None, *, since_ms: int | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Orders that are over, in the words of `stream_orders`; 1000 at most.

        `since_ms`: none that was placed before that moment, in milliseconds since the epoch.
        """
        query = _period(symbol, since_ms) | {"limit": _limit(limit, 1000)}
        return await self._get("order/history", 10, orders_of, query)

    async def cancel_all_orders(self, symbol: str | None = None) -> list[str]:
        """Cancel every open order, of one contract or of all; returns the venue's ids of those that were cancelled.

        Raises OrderOutcomeUnknown where the answer was lost: `get_open_orders` says what is left.
        """
        query = {"symbol": checked_symbol(symbol)} if symbol else {}
        call = self._call("DELETE", "allOpenOrders", 10, all_canceled_of, query)
        return await self._final(call, "cancellation of all orders", client_order_id=None)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._api.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"WeexAsyncClient({self.config.addresses.rest})"

    async def _get(
        self, path: str, weight: int, read: Reader[T], query: Mapping[str, str] | None = None
    ) -> T:
        return await self._in_time(self._call("GET", path, weight, read, query or {}))

    async def _final(
        self, call: Call[T], what: str, *, client_order_id: str | None, order_id: str | None = None
    ) -> T:
        """A call that is sent once. Its answer lost, or unreadable, is not an answer."""
        try:
            return await self._in_time(call)
        except (WEEXNetworkError, WEEXSystemError, WEEXParseError) as error:
            if not getattr(error, "sent", True):
                raise
            cause, fault = error.message, getattr(error, "fault", None)
        raise OrderOutcomeUnknown(
            what, client_order_id=client_order_id, order_id=order_id, cause=cause, fault=fault
        )

    async def _in_time(self, call: Call[T]) -> T:
        """Once more by the venue's clock where a signature by ours was refused, for then it was not carried out."""
        if call.path.startswith(PUBLIC):
            return await self._api.call(call)
        self.config.require_credentials(call.path.removeprefix(PREFIX))
        await self.synchronize()
        try:
            return await self._api.call(call)
        except WEEXAuthenticationError as error:
            if error.code != EXPIRED_TIMESTAMP:
                raise
        await self.synchronize(again=True)
        return await self._api.call(call)

    def _call(
        self,
        method: Method,
        path: str,
        weight: int,
        read: Reader[T],
        query: Mapping[str, str],
        body: bytes = b"",
    ) -> Call[T]:
        options: CallOptions = {
            "query": query,
            "body": body,
            "budget": Budget((self._weight,), weight, BAN_SECONDS),
        }
        if method != "GET":  # an order or its end: nobody knows what a second one would do
            options |= {"idempotent": False, "policy": NO_RETRY}
        return Call(
            operation=f"{method} {path}",
            method=method,
            path=PREFIX + path,
            read=lambda reply: read(unwrapped(reply.body)),
            options=options,
        )

    def _headers(self, request: Request) -> dict[str, str]:
        """Those of one attempt: a signature holds a time."""
        kind = {} if request.method == "GET" else {"Content-Type": "application/json"}
        if request.path.startswith(PUBLIC):
            return kind | {"User-Agent": USER_AGENT}
        now = self.time.now_ms()
        return kind | signed_headers(self.config, now, request.method, request.target, request.body)


def _limit(limit: object, most: int) -> str:
    if type(limit) is not int or not 1 <= limit <= most:
        raise WEEXInvalidArgument("limit", limit, f"1 to {most}")
    return str(limit)


def _period(symbol: str | None, since_ms: int | None, until_ms: int | None = None) -> dict[str, str]:
    query = {"symbol": checked_symbol(symbol)} if symbol else {}
    for argument, name, moment in (("since_ms", "startTime", since_ms), ("until_ms", "endTime", until_ms)):
        if moment is None:
            continue
        try:
            query[name] = str(time_ms(moment, argument))
        except InvalidField as error:
            raise WEEXInvalidArgument(argument, moment, error.allowed) from None
    return query


def _client_order_id(given: object) -> str:
    if given is None:
        return uuid.uuid4().hex
    if not isinstance(given, str) or _CLIENT_ORDER_ID.fullmatch(given) is None:
        raise WEEXInvalidArgument("client_order_id", str(given)[:60], "1 to 36 printable ASCII characters")
    return given


def _exact(name: str, value: object) -> str:
    try:
        exact = number(value, name)
    except InvalidField:
        exact = Decimal(0)
    if not 0 < exact < 10**15:
        raise WEEXInvalidArgument(name, str(value)[:40], "an exact number above zero: Decimal, text or int")
    return plain(exact)


def _order_query(order_id: str | int | None, client_order_id: str | None) -> dict[str, str]:
    if (order_id is None) is (client_order_id is None):
        raise WEEXInvalidArgument("order_id", order_id, "either this or client_order_id")
    name, wire = ("client_order_id", "origClientOrderId") if order_id is None else ("order_id", "orderId")
    try:
        return {wire: identifier(client_order_id if order_id is None else order_id, name)}
    except InvalidField as error:
        raise WEEXInvalidArgument(name, error.value, error.allowed) from None
