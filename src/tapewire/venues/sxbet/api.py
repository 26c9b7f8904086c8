"""`AsyncSXBet`: the venue's HTTP API, read only, typed. One client for both generations; `profile` says which.

Every call obeys the venue's limits (`limits.py`) and is repeated after a passing failure. `token_provider` is what a
realtime session asks for its token: 401 and 403 are final there, everything else is this time's failure only and is
the session's to repeat. Iterating methods fetch the next page when it is needed. Close it, or use it as a context
manager.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal, Self, TypedDict, TypeVar, Unpack

import msgspec

from ...clock import Clock
from ...model.fields import InvalidField
from ...retry import NO_RETRY, RetryPolicy
from ...secrets import Secret
from ...transport.http import HttpClient, Request
from ..kit.answers import PageTurner, read_typed, reading
from ..kit.dialing import HttpDialing, dialer_of
from ..kit.fields import sequence, time_s
from ..kit.http import Api, Call
from ..kit.settings import Announcement, Sources, clock_of, retry_of, secret
from .answers import Answer, Listed, ListedByMarket, Listing
from .arguments import checked_seconds
from .errors import (
    ERRORS,
    SXBetAnswerError,
    SXBetError,
    SXBetInvalidParameter,
    SXBetRequestError,
    TokenUnavailable,
    UnauthorizedError,
    of_token_error,
)
from .limits import MAX_PAGES, Budgets, Kind, budgets_for, chunks, comma_separated, fitting
from .profile import Profile, profile_of
from .symbols import checked_id
from .url import API_KEY, Endpoints, resolve
from .wire import MarketRow, OrderRow, TradeRow
from .wire_v3 import BestOddsMarketRow, BestOddsV3Row, BookV3Row, TokenReply, TradeV3Row

__all__ = ["AccountSettings", "AsyncSXBet", "HttpSettings", "MarketFilter", "TradeFilter"]

T = TypeVar("T")

logger = logging.getLogger("tapewire.venues.sxbet")

MAX_MARKETS: Final = 1000  # of one request for orders
ORDERS_PAGE: Final = 1000
MARKETS_PAGE: Final = 50
FIND_MARKETS: Final = 30
TRADES_PAGE: Final = 300
V3_PAGE: Final = 100
V3_BEST_ODDS: Final = 100
MIN_SHARED: Final = 50
"""Requests for orders are not shrunk for good below this many markets because some market's book is deep."""

_TOO_LONG: Final = (413, 414, 431)
_read_token: Final = msgspec.json.Decoder(TokenReply)
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")


_DATES: Final = ("start_date", "end_date")
_NUMBERS: Final = ("league_id", "sport_ids", "type", *_DATES)


class AccountSettings(HttpDialing, total=False):
    """What the HTTP client and the realtime client take, all optional.

    `api_key` (else SXBET_API_KEY), `profile` ("v2" or "v3"); `network`, `host`, `api_url`, `realtime_url`,
    `allow_plaintext`: where (url.py); `timeout` (seconds of one attempt), `budgets` (else the key's own): how calls are
    made; `proxy`, `ssl`, `http_transport`: the way there (kit.dialing.HttpDialing).
    """

    api_key: str | Secret | None
    profile: Profile | str | None
    network: str | None
    host: str | None
    api_url: str | None
    realtime_url: str | None
    allow_plaintext: bool
    timeout: float
    budgets: Budgets | None
    clock: Clock | None


class HttpSettings(AccountSettings, total=False):
    """What the HTTP client takes: `retry` is the policy of each call."""

    retry: RetryPolicy | None


class MarketFilter(TypedDict, total=False):
    """Which active markets."""

    only_main_line: bool
    event_id: str
    league_id: int
    sport_ids: Sequence[int]
    live_only: bool
    bet_group: str
    type: int | Sequence[int]


class TradeFilter(TypedDict, total=False):
    """Which trades: at least one of the first four (the venue's rule since 2026-05-08). Dates in unix seconds."""

    bettor: str
    market_hashes: Sequence[str]
    event_id: str
    start_date: int
    end_date: int
    settled: bool
    maker: str
    base_token: str


@ERRORS.covers
class AsyncSXBet:
    """The venue's HTTP API. `endpoints` says where it calls, `profile` which generation it speaks.

    All methods raise the tree of `errors.py`.
    """

    def __init__(self, **settings: Unpack[HttpSettings]) -> None:
        known = {*AccountSettings.__annotations__, *HttpSettings.__annotations__}
        unknown = settings.keys() - known
        if unknown:
            allowed = sorted(known)
            raise SXBetInvalidParameter("argument", ", ".join(sorted(unknown)), allowed)
        self.profile: Profile = profile_of(settings.get("profile"))
        self.endpoints: Endpoints = resolve(
            settings.get("network"),
            host=settings.get("host"),
            api_url=settings.get("api_url"),
            realtime_url=settings.get("realtime_url"),
            allow_plaintext=settings.get("allow_plaintext", False),
        )
        key = Sources().take(API_KEY, settings.get("api_key") or None)
        self._key = secret(key, SXBetInvalidParameter)
        where = [self.endpoints.api_url, self.endpoints.realtime_url]
        self.announcement: Announcement = Announcement(logger, "sxbet", where, self.endpoints.source)
        """Says where calls and streams go, once, before the first of them."""
        self.unreadable: int = 0
        """Rows so far, of all calls, that could not be read. A list that lacks some has an `unreadable` of its own."""
        clock = clock_of(settings.get("clock"))
        self._budgets = settings.get("budgets") or budgets_for(self.endpoints.api_url, self._key, clock)
        self._markets_per_request = MAX_MARKETS
        http = HttpClient(
            self.endpoints.api_url,
            policy=retry_of(settings.get("retry"), RetryPolicy()),
            headers=self._headers,
            timeout=checked_seconds("timeout", settings.get("timeout", 10.0)),
            clock=clock,
            allow_plaintext=self.endpoints.allow_plaintext,
            **dialer_of(settings, SXBetInvalidParameter).http,
        )
        self._api = Api(http, ERRORS, self.announcement)

    async def realtime_token(self) -> Secret:
        """A fresh token for the realtime connection. Raises UnauthorizedError (final) or TokenUnavailable."""
        if not self._key:
            raise UnauthorizedError("no API key: pass api_key=, or set SXBET_API_KEY")
        try:
            told = await self._api.call(self._token_call())
        except SXBetError as error:
            raise of_token_error(error) from None
        token = told.token or (told.data.token if told.data else None) or ""
        if not _TOKEN.fullmatch(token):
            raise TokenUnavailable("the realtime token could not be had; the answer holds none", status=200)
        return Secret(token)

    async def token_provider(self, fresh: bool = False) -> Secret:
        """What `Credentials` asks. Tokens are never kept, so each is fresh."""
        return await self.realtime_token()

    async def orders(
        self,
        *,
        market_hashes: Sequence[str] = (),
        maker: str = "",
        event_id: str = "",
        base_token: str = "",
    ) -> Listed[OrderRow]:
        """All active orders of markets, of a maker or of an event. For many markets: `orders_of_markets`."""
        if bool(market_hashes) + bool(event_id) > 1 or not (market_hashes or maker or event_id):
            raise SXBetInvalidParameter(
                "market_hashes", list(market_hashes)[:3], "markets or an event, or a maker"
            )
        hashes = comma_separated("market_hashes", market_hashes, MAX_MARKETS)
        if market_hashes and not maker:
            found = await self.orders_of_markets(market_hashes, base_token=base_token)
            return Listed.of((row for rows in found.values() for row in rows), found.unreadable)
        query = {
            "marketHashes": hashes,
            "maker": maker and checked_id("maker", maker),
            "sportXeventId": event_id and checked_id("event_id", event_id),
            "baseToken": base_token and checked_id("base_token", base_token),
        }
        return await self._all_orders({name: value for name, value in query.items() if value})

    async def orders_of_markets(
        self, market_hashes: Sequence[str], *, base_token: str = ""
    ) -> ListedByMarket[OrderRow]:
        """All active orders of each market, in as few requests as the venue allows; () for a market without any."""
        found: dict[str, list[OrderRow]] = {checked_id("market_hashes", name): [] for name in market_hashes}
        token = {"baseToken": checked_id("base_token", base_token)} if base_token else {}
        waiting = chunks(list(found), fitting(list(found), self._markets_per_request))
        unreadable = 0
        while waiting:
            chunk = waiting.pop(0)
            rows = await self._orders_of_chunk(chunk, token)
            if rows is None:
                waiting[:0] = chunks(chunk, -(-len(chunk) // 2))
                continue
            unreadable += rows.unreadable
            for row in rows:
                if row.market_hash in found:
                    found[row.market_hash].append(row)
        listed = ListedByMarket({market_hash: tuple(rows) for market_hash, rows in found.items()})
        listed.unreadable = unreadable
        return listed

    async def best_odds(
        self, *, market_hashes: Sequence[str] = (), league_ids: Sequence[int] = (), base_token: str = ""
    ) -> Listed[BestOddsMarketRow]:
        """The best makers' odds on each outcome, of markets or of leagues."""
        if bool(market_hashes) == bool(league_ids):
            raise SXBetInvalidParameter("market_hashes", list(market_hashes)[:3], "either this or league_ids")
        token = {"baseToken": checked_id("base_token", base_token or self.endpoints.network.usdc.address)}
        queries = [
            {"marketHashes": comma_separated("market_hashes", chunk, MAX_MARKETS)}
            for chunk in chunks(market_hashes, fitting(market_hashes, MAX_MARKETS))
        ] or [{"leagueIds": ",".join(_whole("league_ids", league) for league in league_ids)}]
        asked = [query | token for query in queries]
        return await self._rows("orders", "/orders/odds/best", asked, "bestOdds", BestOddsMarketRow)

    def active_markets(self, **which: Unpack[MarketFilter]) -> Listing[MarketRow]:
        """Every active market, page by page."""
        known = {name: _camel(name) for name in MarketFilter.__annotations__}
        query = _query(dict(which), known) | {"pageSize": str(MARKETS_PAGE)}
        return Listing(self._pages("rest", "/markets/active", query, "paginationKey", "markets", MarketRow))

    async def markets(self, market_hashes: Sequence[str]) -> Listed[MarketRow]:
        """Markets by their hashes, settled ones too; one that the venue does not know is left out."""
        asked = _by_hashes(market_hashes, FIND_MARKETS)
        return await self._rows("rest", "/markets/find", asked, "", MarketRow)

    def trades(self, *, page_size: int = TRADES_PAGE, **which: Unpack[TradeFilter]) -> Listing[TradeRow]:
        """Trades, page by page, each maker's and taker's side a row of its own."""
        if not 1 <= page_size <= TRADES_PAGE:
            raise SXBetInvalidParameter("page_size", page_size, f"1 to {TRADES_PAGE}")
        known = {name: _camel(name) for name in TradeFilter.__annotations__} | {"event_id": "sportXeventId"}
        query = _query(dict(which), known)
        if not query.keys() & {"bettor", "marketHashes", "sportXeventId", "startDate"}:
            raise SXBetInvalidParameter(
                "trades", "no filter", "bettor, market_hashes, event_id or start_date"
            )
        return Listing(
            self._pages(
                "trades", "/trades", query | {"pageSize": str(page_size)}, "paginationKey", "trades", TradeRow
            )
        )

    async def book_snapshot(self, market_hash: str) -> BookV3Row:
        """V3: the whole book of one market, the maker's perspective. Needs no key."""
        query = {"marketHash": checked_id("market_hash", market_hash)}
        return await self._answer(
            "rest", "/orderbook-v3/snapshot", query, lambda answer: answer.object(BookV3Row)
        )

    async def event_book_snapshots(self, event_id: str) -> Listed[BookV3Row]:
        """V3: the whole books of an event's markets."""
        query = {"eventId": checked_id("event_id", event_id)}
        return await self._rows("rest", "/orderbook-v3/snapshot/event", [query], "", BookV3Row)

    async def best_odds_v3(self, market_hashes: Sequence[str]) -> Listed[BestOddsV3Row]:
        """V3: the best level of each outcome of each market, the maker's perspective."""
        asked = _by_hashes(market_hashes, V3_BEST_ODDS)
        return await self._rows("orders", "/orders-v3/odds/best", asked, "bestOdds", BestOddsV3Row)

    def public_trades_v3(self, *, market_hash: str = "", event_id: str = "") -> Listing[TradeV3Row]:
        """V3: the public tape, page by page. Needs no key."""
        query = {"perPage": str(V3_PAGE)}
        if market_hash:
            query["marketHash"] = checked_id("market_hash", market_hash)
        if event_id:
            query["eventId"] = checked_id("event_id", event_id)
        return Listing(self._pages("trades", "/trades-v3/public", query, "nextKey", "trades", TradeV3Row))

    def own_v3(self, what: Literal["orders", "fills", "trades", "positions"]) -> Listing[dict[str, Any]]:
        """V3: the key's own account, page by page; rows as the venue says them, for their shape is not published."""
        if what not in ("orders", "fills", "trades", "positions"):
            raise SXBetInvalidParameter("what", what, "orders, fills, trades or positions")
        kind: Kind = "orders" if what == "orders" else "trades" if what == "trades" else "rest"
        return Listing(
            self._pages(kind, f"/{what}-v3", {"perPage": str(V3_PAGE)}, "nextKey", what, dict[str, Any])
        )

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._api.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncSXBet({self.endpoints.api_url!r}, profile={self.profile.name!r})"

    def _headers(self, request: Request) -> Mapping[str, str]:
        return {self.profile.key_header: self._key.reveal()} if self._key else {}

    def _token_call(self) -> Call[TokenReply]:
        return Call(
            # As `of_token_error` goes on. A path that ends in `api-key` would take the next word for a key.
            operation="it",
            method="GET",
            path=self.profile.token_path,
            read=lambda reply: read_typed(reply.body, _read_token),
            options={"budget": self._budgets.of("rest"), "policy": NO_RETRY},
            signing_in=True,
        )

    async def _answer(
        self, kind: Kind, path: str, query: Mapping[str, str], read: Callable[[Answer], T]
    ) -> T:
        """What `read` makes of one answer."""
        call = Call(
            operation=f"GET {path}",
            method="GET",
            path=path,
            read=lambda reply: read(Answer(path, reply.body, self._count)),
            options={"query": query, "budget": self._budgets.of(kind)},
        )
        return await self._api.call(call)

    async def _rows(
        self, kind: Kind, path: str, queries: Iterable[Mapping[str, str]], name: str, row: type[T]
    ) -> Listed[T]:
        """The rows of all these queries, one after the other."""
        return Listed.joined(
            [
                await self._answer(kind, path, query, lambda answer: answer.rows(name, row))
                for query in queries
            ]
        )

    async def _pages(
        self, kind: Kind, path: str, query: Mapping[str, str], key_name: str, name: str, row: type[T]
    ) -> AsyncGenerator[Listed[T], None]:
        """Page after page until none is named. Raises SXBetAnswerError where they do not end, or go round."""
        key, turner = "", PageTurner(MAX_PAGES)
        while True:
            asked = {**query, key_name: key} if key else query
            rows, key = await self._answer(
                kind, path, asked, lambda answer: (answer.rows(name, row), answer.next_key())
            )
            yield rows
            if not key:
                return
            with reading(f"GET {path}", b"", SXBetAnswerError):
                turner.turn(key)

    async def _orders_of_chunk(
        self, chunk: Sequence[str], query: Mapping[str, str]
    ) -> Listed[OrderRow] | None:
        """The chunk's orders, or None: ask for fewer markets at once."""
        query = {**query, "marketHashes": ",".join(chunk)}
        if len(chunk) == 1:
            return await self._all_orders(query)
        half = -(-len(chunk) // 2)
        try:
            rows = await self._orders_page(query, 0)
        except SXBetRequestError as error:
            if error.status not in _TOO_LONG:
                raise
            self._markets_per_request = half  # the address is too long, and would be again
            return None
        if rows.given == ORDERS_PAGE:
            # There may be more. Pages shift while orders come and go; smaller requests do not.
            self._markets_per_request = max(MIN_SHARED, min(self._markets_per_request, half))
            return None
        return rows

    async def _all_orders(self, query: Mapping[str, str]) -> Listed[OrderRow]:
        found: dict[str, OrderRow] = {}
        unreadable = 0
        turner = PageTurner(MAX_PAGES)
        for page in count():
            rows = await self._orders_page(query, page)
            known = len(found)
            unreadable += rows.unreadable
            found.update({row.order_hash: row for row in rows})
            if rows.given < ORDERS_PAGE:
                return Listed.of(found.values(), unreadable)
            # A venue that knows no paging gives all there are, each time.
            if rows.given > ORDERS_PAGE and len(found) == known:
                return Listed.of(found.values(), unreadable)
            with reading("GET /orders", b"", SXBetAnswerError):
                turner.turn(tuple(row.order_hash for row in rows))
        raise AssertionError("pages end")

    async def _orders_page(self, query: Mapping[str, str], page: int) -> Listed[OrderRow]:
        query = {**query, "page": str(page), "perPage": str(ORDERS_PAGE)}
        return await self._rows("orders", "/orders", [query], "", OrderRow)

    def _count(self, unreadable: int) -> None:
        self.unreadable += unreadable


def _by_hashes(market_hashes: Sequence[str], limit: int) -> list[dict[str, str]]:
    """Queries for each market once, `limit` at a time."""
    parts = chunks(list(dict.fromkeys(market_hashes)), limit)
    return [{"marketHashes": comma_separated("market_hashes", part, limit)} for part in parts]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _whole(name: str, value: object) -> str:
    """A whole number as the venue takes it. Raises SXBetInvalidParameter."""
    try:
        return str(time_s(value, name) if name in _DATES else sequence(value, name))
    except InvalidField as error:
        raise SXBetInvalidParameter(name, value, error.allowed) from None


def _query(which: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """A filter as the venue spells it. Raises SXBetInvalidParameter for one it has not."""
    query: dict[str, str] = {}
    for name, value in which.items():
        if name not in known:
            raise SXBetInvalidParameter("filter", name, known)
        if isinstance(value, bool):
            query[known[name]] = "true" if value else "false"
        elif name in _NUMBERS and value is not None:
            listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
            query[known[name]] = ",".join(_whole(name, item) for item in listed)
        elif isinstance(value, int | str):
            query[known[name]] = checked_id(name, str(value))
        elif value is not None:
            query[known[name]] = ",".join(checked_id(name, str(item)) for item in value)
    return query
