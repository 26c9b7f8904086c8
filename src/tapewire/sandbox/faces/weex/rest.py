"""REST V3 of the played WEEX: the way in, weights and their headers, and the market's side. Shapes: weex.md 3.6.

Every request has a weight; more than `max_weight` in ten seconds is answered with 429 until ten more have passed. Those
of an account are signed. What is refused is `{"code": ..., "msg": ...}` with status 400.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from ...core.exchange import Market
from ...face import FaceContext, Route
from ...net.http import Request, Response
from .account_rest import Act
from .books import DEPTHS
from .contracts import Contract
from .credentials import WeexProblem
from .margin import MAKER_FEE, TAKER_FEE, rate
from .markets import WeexMarkets
from .tape import INTERVALS, Tape

__all__ = ["PREFIX", "WeexRest", "refusal_of"]

PREFIX = "/capi/v3/"
WINDOW_NS = 10_000_000_000
MAX_KLINES = 1000
FUNDING_INTERVAL = 8 * 3600 * 1000

_Market: TypeAlias = Callable[[Mapping[str, str]], Any]


def refusal_of(problem: WeexProblem, status: int | None = None) -> Response:
    """What the venue answers to what it refuses."""
    return Response.of({"code": problem.code, "msg": problem.text}, status or problem.status)


def parameter(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there. Raises WeexProblem."""
    value = query.get(name, "")
    if not value:
        raise WeexProblem(-1141, f"Parameter '{name}' cannot be empty.")
    return value


def limit_of(query: Mapping[str, str], default: int, most: int) -> int:
    """The parameter `limit`. Raises WeexProblem."""
    text = query.get("limit") or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise WeexProblem(-1140, f"Parameter validation failed. limit must be between 1 and {most}.")
    return int(text)


class Venue(Protocol):
    """What the routes need of the face. `account_of` raises WeexProblem; a `book` is as it was published last."""

    name: str
    context: FaceContext
    markets: WeexMarkets

    def now_ns(self) -> int: ...
    def account_of(self, request: Request) -> str: ...
    def book(self, symbol: str, depth: int) -> dict[str, Any]: ...


class WeexRest:
    """The routes of the face; `signed` has weight and function of those of an account."""

    def __init__(
        self, venue: Venue, max_weight: int, signed: Mapping[tuple[str, str], tuple[int, Act]]
    ) -> None:
        self._venue = venue
        self._markets = venue.markets
        self._max_weight = max_weight
        self._used = 0
        self._window_ends_ns = 0
        self._is_banned = False
        self.routes: dict[tuple[str, str], Route] = {}
        for path, (weight, answer) in self._market_table().items():
            self.routes["GET", PREFIX + path] = self._public(weight, answer)
        for (method, path), (weight, act) in signed.items():
            self.routes[method, PREFIX + path] = self._signed(weight, act)

    def _public(self, weight: int, answer: _Market) -> Route:
        async def route(request: Request) -> Response:
            return self._answer(weight, lambda: answer(request.query))

        return route

    def _signed(self, weight: int, act: Act) -> Route:
        async def route(request: Request) -> Response:
            def signed() -> Any:
                account = self._venue.account_of(request)
                return act(account, _body(request) if request.method == "POST" else request.query)

            return self._answer(weight, signed)

        return route

    def _answer(self, weight: int, work: Callable[[], Any]) -> Response:
        now_ns = self._venue.context.clock.time_ns()
        if now_ns >= self._window_ends_ns:
            self._used, self._is_banned, self._window_ends_ns = 0, False, now_ns + WINDOW_NS
        self._used += weight
        if self._used > self._max_weight:
            if not self._is_banned:
                self._is_banned, self._window_ends_ns = True, now_ns + WINDOW_NS
            return self._weighed(refusal_of(WeexProblem(429, "Too many requests."), 429))
        try:
            return self._weighed(Response.of(work()))
        except WeexProblem as problem:
            return self._weighed(refusal_of(problem))

    def _weighed(self, response: Response) -> Response:
        left = max(0, self._max_weight - self._used)
        weights = {"x-used-weight-10s": str(self._used), "x-remaining-weight-10s": str(left)}
        return msgspec.structs.replace(response, headers={**response.headers, **weights})

    # The market

    def _market_table(self) -> dict[str, tuple[int, _Market]]:
        return {
            "market/time": (1, self._time),
            "market/exchangeInfo": (1, self._exchange_info),
            "market/apiTradingSymbols": (5, lambda _: list(self._markets.contracts)),
            "market/depth": (1, self._depth),
            "market/trades": (5, self._trades),
            "market/klines": (1, self._klines),
            "market/ticker/24hr": (40, lambda query: self._of_each(query, self._day)),
            "market/ticker/bookTicker": (1, lambda query: self._of_each(query, self._touch)),
            "market/symbolPrice": (1, self._symbol_price),
            "market/premiumIndex": (1, lambda query: self._of_each(query, self._premium)),
            "market/fundingRate": (5, lambda query: self._of_each(query, self._funding)),
            "market/openInterest": (2, self._open_interest),
        }

    def _now_ms(self) -> int:
        return self._venue.now_ns() // 1_000_000

    def _contract(self, query: Mapping[str, str]) -> Contract:
        contract = self._markets.contracts.get(parameter(query, "symbol"))
        if contract is None:
            raise WeexProblem(-1142, "Parameter 'symbol' is invalid.")
        return contract

    def _of_each(self, query: Mapping[str, str], word: Callable[[Contract, Market, Tape], Any]) -> list[Any]:
        wanted = [self._contract(query)] if query.get("symbol") else list(self._markets.contracts.values())
        return [
            word(each, self._markets.open[each.symbol], self._markets.tapes[each.symbol]) for each in wanted
        ]

    def _time(self, _: Mapping[str, str]) -> Any:
        return {"serverTime": self._now_ms()}

    def _exchange_info(self, query: Mapping[str, str]) -> Any:
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "SECOND", "intervalNum": 10}]
        return {
            "assets": [{"asset": "USDT", "marginAvailable": True}],
            "symbols": self._of_each(query, lambda contract, _, __: _listing(contract)),
            "rateLimits": [{**each, "limit": self._max_weight} for each in limits],
        }

    def _depth(self, query: Mapping[str, str]) -> Any:
        symbol, limit = parameter(query, "symbol"), query.get("limit") or "15"
        if symbol not in self._markets.known_symbols:
            raise WeexProblem(-1142, "Parameter 'symbol' is invalid.")
        if limit not in [str(depth) for depth in DEPTHS]:
            raise WeexProblem(-1142, "Parameter 'limit' is invalid.")
        self._venue.context.carriage.reseed(self._venue.name, f"{symbol}@depth{limit}")
        book = self._venue.book(symbol, int(limit))
        return {"asks": book["a"], "bids": book["b"], "lastUpdateId": book["u"]}

    def _trades(self, query: Mapping[str, str]) -> Any:
        contract, limit = self._contract(query), limit_of(query, 100, 1000)
        return [
            {
                "id": trade.trade_id,
                "price": contract.price(trade.price),
                "qty": contract.size(trade.quantity),
                "quoteQty": contract.money(trade.price * trade.quantity, trade.quantity),
                "time": trade.at_ns // 1_000_000,
                "isBuyerMaker": trade.taker_side == "sell",
                "isBestMatch": True,
            }
            for trade in list(self._markets.open[contract.symbol].trades)[:limit]
        ]

    def _klines(self, query: Mapping[str, str]) -> Any:
        contract, interval = self._contract(query), parameter(query, "interval")
        if interval not in INTERVALS:
            raise WeexProblem(-1142, "Parameter 'interval' is invalid.")
        tape = self._markets.tapes[contract.symbol]
        candles = tape.candles(interval, limit_of(query, 100, MAX_KLINES), self._now_ms())
        return [tape.array(candle, interval) for candle in candles]

    def _day(self, contract: Contract, market: Market, tape: Tape) -> Any:
        row = tape.ticker(market, self._now_ms())
        return {
            "symbol": contract.symbol,
            "priceChange": row["p"],
            "priceChangePercent": row["P"],
            "lastPrice": row["c"],
            "openPrice": row["o"],
            "highPrice": row["h"],
            "lowPrice": row["l"],
            "volume": row["v"],
            "quoteVolume": row["q"],
            "openTime": row["O"],
            "closeTime": row["C"],
            "markPrice": row["m"],
            "indexPrice": row["i"],
        }

    def _touch(self, contract: Contract, market: Market, _: Tape) -> Any:
        touch: dict[str, Any] = {"symbol": contract.symbol}
        for name, side in (("bid", "buy"), ("ask", "sell")):
            best = market.book.levels("buy" if side == "buy" else "sell", 1)
            touch[f"{name}Price"] = contract.price(best[0][0]) if best else "0"
            touch[f"{name}Qty"] = contract.size(best[0][1]) if best else "0"
        return {**touch, "time": self._now_ms()}

    def _symbol_price(self, query: Mapping[str, str]) -> Any:
        contract, kind = self._contract(query), query.get("priceType") or "MARK"
        if kind not in ("MARK", "INDEX"):
            raise WeexProblem(-1142, "Parameter 'priceType' is invalid.")
        tape, market = self._markets.tapes[contract.symbol], self._markets.open[contract.symbol]
        price = tape.mark(market) if kind == "MARK" else tape.index(market)
        return {"symbol": contract.symbol, "price": price, "time": self._now_ms()}

    def _premium(self, contract: Contract, market: Market, tape: Tape) -> Any:
        now_ms = self._now_ms()
        return {
            "symbol": contract.symbol,
            "markPrice": tape.mark(market),
            "indexPrice": tape.index(market),
            "forecastFundingRate": "0.00003489",
            "lastFundingRate": "0.00004879",
            "interestRate": "0.001",
            "nextFundingTime": (now_ms // FUNDING_INTERVAL + 1) * FUNDING_INTERVAL,
            "time": now_ms,
            "collectCycle": 480,
        }

    def _funding(self, contract: Contract, market: Market, tape: Tape) -> Any:
        return {
            "symbol": contract.symbol,
            "fundingRate": "0.00004879",
            "fundingTime": self._now_ms() // FUNDING_INTERVAL * FUNDING_INTERVAL,
            "markPrice": tape.mark(market),
        }

    def _open_interest(self, query: Mapping[str, str]) -> Any:
        contract = self._contract(query)
        held = self._markets.open[contract.symbol].contracts
        return {"symbol": contract.symbol, "openInterest": contract.size(held), "time": self._now_ms()}


def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise WeexProblem(-1045, "Invalid Content-Type, please use application/json.")
    try:
        return msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WeexProblem(-1135, "Invalid JSON request.") from None


def _listing(contract: Contract) -> dict[str, Any]:
    return {
        "symbol": contract.symbol,
        "baseAsset": contract.base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": str(contract.places),
        "quantityPrecision": str(contract.size_places),
        "baseAssetPrecision": str(contract.size_places),
        "quotePrecision": "8",
        "contractVal": contract.size(1),
        "delivery": ["00:00:00", "08:00:00", "16:00:00"],
        "forwardContractFlag": True,
        "minLeverage": "1",
        "maxLeverage": "400",
        "buyLimitPriceRatio": "0.01",
        "sellLimitPriceRatio": "0.01",
        "makerFeeRate": rate(MAKER_FEE),
        "takerFeeRate": rate(TAKER_FEE),
        "minOrderSize": contract.size(1),
        "maxOrderSize": contract.size(10**6),
        "maxPositionSize": contract.size(10**9),
        "marketOpenLimitSize": contract.size(10**6),
    }
