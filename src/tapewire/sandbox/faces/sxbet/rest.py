"""The HTTP side of the played SX Bet: tokens, orders, odds, markets, trades, books. Of both generations, read only.

Answers are `{"status": "success", "data": ...}`, the earlier generation's token without that envelope. What is wrong is
told as `{"error", "message", "statusCode"}` with the venue's own word in `message`. Source: sxbet.md 1.1, 1.4, 1.6.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from ....clock import Clock
from ....errors import TapewireError
from ...core.exchange import Exchange
from ...face import Route
from ...net.http import Request, Response
from .bets import Bet, Tape
from .limits import CallLimits
from .messages import Published
from .orders import MakerOrders
from .units import BASE_TOKEN
from .words import best_levels, fixture_record, market_record, sports

__all__ = ["ApiRefusal", "SxBetRest"]

MAX_ORDER_MARKETS = 1000
MAX_FIND_MARKETS = 30
MAX_V3_MARKETS = 100
ORDERS_PAGE = 1000
MARKETS_PAGE = 50
TRADES_PAGE = (100, 300)
V3_PAGE = 100

_Answer: TypeAlias = Callable[[Request], Response]


class ApiRefusal(TapewireError):
    """What the venue answers instead: an HTTP status and its own word."""

    def __init__(self, status: int, word: str) -> None:
        self.status = status
        self.word = word
        super().__init__(f"HTTP {status}: {word}")


class TokenIssuer(Protocol):
    """Who gives tokens for API keys."""

    def admits(self, api_key: str) -> bool: ...
    def token_for(self, api_key: str) -> str: ...


class SxBetRest:
    """The routes. With `limits` None calls are not counted."""

    def __init__(
        self,
        exchange: Exchange,
        orders: MakerOrders,
        tape: Tape,
        published: Published,
        tokens: TokenIssuer,
        limits: CallLimits | None,
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._makers = orders
        self._tape = tape
        self._published = published
        self._tokens = tokens
        self._limits = limits
        self._clock = clock
        answers: dict[str, _Answer] = {
            "/user/realtime-token/api-key": self._token,
            "/user/realtime-token-v3/api-key": self._token_v3,
            "/orders": self._orders,
            "/orders/odds/best": self._best_odds,
            "/markets/active": self._active_markets,
            "/markets/find": self._find_markets,
            "/trades": self._trades,
            "/trades/consolidated": self._consolidated,
            "/fixture/active": self._fixtures,
            "/leagues/active": lambda _: _success(
                [{"leagueId": row["leagueId"], "label": row["leagueLabel"], "sportId": row["sportId"],
                  "active": True} for row in sports()]
            ),
            "/sports": lambda _: _success([{"sportId": row["sportId"], "label": row["label"]} for row in sports()]),
            "/metadata": self._metadata,
            "/metadata/obv3": self._metadata,
            "/orderbook-v3/snapshot": self._book,
            "/orderbook-v3/snapshot/event": self._event_books,
            "/orders-v3/odds/best": self._best_odds_v3,
            "/trades-v3/public": self._public_trades,
        }  # fmt: skip
        self.routes: Mapping[tuple[str, str], Route] = {
            ("GET", path): self._guarded(answer) for path, answer in answers.items()
        }

    def _guarded(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            try:
                if self._limits is not None and not self._limits.admits(
                    request.path, self._clock.time_ns() / 1e9
                ):
                    raise ApiRefusal(429, "TOO_MANY_REQUESTS")
                return answer(request)
            except ApiRefusal as refusal:
                status = refusal.status
                body = {"error": HTTPStatus(status).phrase, "message": refusal.word, "statusCode": status}
                return Response.of(body, status)

        return route

    # Tokens

    def _token(self, request: Request) -> Response:
        return Response.of({"token": self._tokens.token_for(self._key(request, "x-api-key"))})

    def _token_v3(self, request: Request) -> Response:
        return _success({"token": self._tokens.token_for(self._key(request, "x-sx-api-key"))})

    def _key(self, request: Request, header: str) -> str:
        key = request.headers.get(header, "")
        if not self._tokens.admits(key):
            raise ApiRefusal(401, "BAD_AUTH")
        return key

    # Orders and odds

    def _orders(self, request: Request) -> Response:
        query = request.query
        hashes = _hashes(query, "marketHashes", MAX_ORDER_MARKETS, "RATE_LIMIT_ORDER_REQUEST_MARKET_COUNT")
        event, maker = query.get("sportXeventId", ""), query.get("maker", "")
        if hashes and event:
            raise ApiRefusal(400, "BOTH_SPORTXEVENTID_MARKETHASHES_PRESENT")
        wanted, named = set(hashes), _listed(query.get("orderHashes", ""))
        rows = [
            row
            for row in (order.row() for order in self._makers.active())
            if (not wanted or row["marketHash"] in wanted)
            and event in ("", row["sportXeventId"])
            and maker in ("", row["maker"])
            and (not named or row["orderHash"] in named)
            and query.get("baseToken", BASE_TOKEN) == BASE_TOKEN
        ]
        per_page = _number(query, "perPage", ORDERS_PAGE, 1, ORDERS_PAGE)
        start = _number(query, "page", 0, 0, 1_000_000) * per_page
        return _success(rows[start : start + per_page])

    def _best_odds(self, request: Request) -> Response:
        query = request.query
        hashes = _hashes(query, "marketHashes", MAX_ORDER_MARKETS, "BAD_MARKET_HASHES")
        leagues = _listed(query.get("leagueIds", ""))
        if bool(hashes) == bool(leagues):
            raise ApiRefusal(400, "ONE_OF_MARKETHASHES_LEAGUEIDS_REQUIRED")
        chosen = [
            market
            for market in self._exchange.markets.values()
            if (market.market_id in hashes if hashes else market.facts["league_id"] in leagues)
        ]
        rows = [
            {
                "marketHash": market.market_id,
                "baseToken": BASE_TOKEN,
                "outcomeOne": self._published.best_odds(market, "buy"),
                "outcomeTwo": self._published.best_odds(market, "sell"),
            }
            for market in chosen
        ]
        return _success({"bestOdds": rows})

    # Markets

    def _active_markets(self, request: Request) -> Response:
        query = request.query
        markets = self._exchange.markets.values()
        records = [(int(market.facts["number"]), market_record(market)) for market in markets]
        sport_ids, types = _listed(query.get("sportIds", "")), _listed(query.get("type", ""))
        rows = [
            (number, row)
            for number, row in records
            if query.get("eventId", row["sportXEventId"]) == row["sportXEventId"]
            and query.get("leagueId", str(row["leagueId"])) == str(row["leagueId"])
            and (not sport_ids or str(row["sportId"]) in sport_ids)
            and (not types or str(row["type"]) in types)
            and (query.get("onlyMainLine") != "true" or row.get("mainLine", True))
        ]
        size = _number(query, "pageSize", MARKETS_PAGE, 1, MARKETS_PAGE)
        page, more = _page_behind(rows, query, "paginationKey", size)
        return _success({"markets": page, **more})

    def _find_markets(self, request: Request) -> Response:
        hashes = _hashes(request.query, "marketHashes", MAX_FIND_MARKETS, "BAD_MARKET_HASHES")
        if not hashes:
            raise ApiRefusal(400, "BAD_MARKET_HASHES")
        found = (self._exchange.find_market(market_hash) for market_hash in hashes)
        return _success([market_record(market) for market in found if market is not None])

    def _fixtures(self, request: Request) -> Response:
        league = request.query.get("leagueId")
        events = {market.facts["event_id"]: market.facts for market in self._exchange.markets.values()}
        rows = [fixture_record(words, 2) for words in events.values()]
        return _success([row for row in rows if league in (None, str(row["leagueId"]))])

    def _metadata(self, _: Request) -> Response:
        return _success(
            {
                "executorAddress": BASE_TOKEN,
                "oddsLadderStepSize": 25,
                "addresses": {"4162": {"USDC": BASE_TOKEN}},
                "makerOrderMinimums": {BASE_TOKEN: "1000000"},
                "takerMinimums": {BASE_TOKEN: "1000000"},
            }
        )

    # Trades

    def _bets(self, query: Mapping[str, str]) -> Iterator[Bet]:
        hashes = _listed(query.get("marketHashes", "")) or _listed(query.get("marketHash", ""))
        event = query.get("sportXeventId", query.get("eventId", ""))
        since = _number(query, "startDate", 0, 0, 10**11)
        until = _number(query, "endDate", 10**11, 0, 10**11)
        settled = query.get("settled")
        for bet in self._tape.bets:
            if (
                (not hashes or bet.market_id in hashes)
                and event in ("", bet.event_id)
                and since <= bet.placed_at_ns // 1_000_000_000 <= until
                and settled in (None, "true" if bet.outcome is not None else "false")
            ):
                yield bet

    def _trades(self, request: Request) -> Response:
        query = request.query
        if not query.keys() & {"bettor", "marketHashes", "sportXeventId", "startDate"}:
            raise ApiRefusal(400, "FILTER_REQUIRED")
        bettor, maker = query.get("bettor", ""), query.get("maker")
        rows = [
            (int(row["_id"]), row)
            for bet in self._bets(query)
            for row in bet.rows()
            if bettor in ("", row["bettor"]) and maker in (None, "true" if row["maker"] else "false")
        ]
        size = _number(query, "pageSize", *_default_first(TRADES_PAGE))
        page, more = _page_behind(rows, query, "paginationKey", size)
        return _success({"trades": page, "pageSize": size, "count": len(page), **more})

    def _consolidated(self, request: Request) -> Response:
        query = request.query
        rows = [
            bet.consolidated()
            for bet in self._bets(query)
            if query.get("bettor", "") in ("", bet.consolidated()["bettor"])
        ]
        size = _number(query, "perPage", *_default_first(TRADES_PAGE))
        start = _number(query, "page", 0, 0, 1_000_000) * size
        return _success({"trades": rows[start : start + size], "count": len(rows)})

    # The later generation

    def _book(self, request: Request) -> Response:
        market = self._exchange.find_market(request.query.get("marketHash", ""))
        if market is None:
            raise ApiRefusal(404, "MARKET_NOT_FOUND")
        return _success(self._published.whole_book(market))

    def _event_books(self, request: Request) -> Response:
        self._key(request, "x-sx-api-key")
        event = request.query.get("eventId", "")
        markets = self._exchange.markets.values()
        return _success(
            [self._published.whole_book(market) for market in markets if market.facts["event_id"] == event]
        )

    def _best_odds_v3(self, request: Request) -> Response:
        self._key(request, "x-sx-api-key")
        hashes = _hashes(request.query, "marketHashes", MAX_V3_MARKETS, "BAD_MARKET_HASHES")
        markets = self._exchange.markets
        rows = [best_levels(markets[market_hash]) for market_hash in hashes if market_hash in markets]
        return _success({"bestOdds": rows})

    def _public_trades(self, request: Request) -> Response:
        query = request.query
        rows = [(bet.number, bet.public()) for bet in self._bets(query)]
        size = _number(query, "perPage", V3_PAGE, 1, V3_PAGE)
        page, more = _page_behind(rows, query, "nextKey", size)
        return _success({"trades": page, **more})


def _success(data: Any) -> Response:
    return Response.of({"status": "success", "data": data})


def _listed(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _hashes(query: Mapping[str, str], name: str, most: int, word: str) -> list[str]:
    hashes = _listed(query.get(name, ""))
    if len(hashes) > most:
        raise ApiRefusal(400, word)
    return list(dict.fromkeys(hashes))


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ApiRefusal(400, f"{name} must be between {least} and {most}")
    return int(text)


def _default_first(sizes: tuple[int, int]) -> tuple[int, int, int]:
    default, most = sizes
    return default, 1, most


def _page_behind(
    rows: Sequence[tuple[int, dict[str, Any]]], query: Mapping[str, str], key: str, size: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rows numbered higher than the query's key says, and the key of the next page where there is one."""
    last = _number(query, key, -1, 0, 10**12) if query.get(key) else -1
    behind = [(number, row) for number, row in rows if number > last]
    page = behind[:size]
    more = {"nextKey": str(page[-1][0])} if len(behind) > size else {}
    return [row for _, row in page], more
