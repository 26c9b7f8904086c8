"""`AsyncSXBet`: the venue's HTTP API, read only, typed. One client for both generations; `profile` says which.

Every call obeys the venue's limits (`limits.py`) and is repeated after a passing failure. `token_provider` is what a
realtime session asks for its token: 401 and 403 are final there, everything else is this time's failure only and is
the session's to repeat. Iterating methods fetch the next page when it is needed. Close it, or use it as a context
manager.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal, Self, TypedDict, TypeVar, Unpack

import msgspec

from ...clock import Clock
from ...errors import UndecodableFrame
from ...model.fields import InvalidField
from ...retry import NO_RETRY, RetryPolicy
from ...secrets import Secret
from ...transport.http import CallOptions, Reply, Request
from ..kit.answers import PageTurner
from ..kit.dialing import HttpDialing, dialer_of
from ..kit.fields import sequence, time_s
from ..kit.http import Api, Call
from ..kit.settings import Announcement, Sources, clock_of, retry_of, secret
from .answers import Answer, Listed, ListedByMarket, Listing
from .arguments import checked_seconds
from .errors import (
    ERRORS,
    SXBetError,
    SXBetInvalidParameter,
    SXBetRequestError,
    TokenUnavailable,
    UnauthorizedError,
    of_token_error,
)
from .limits import Budgets, Kind, budgets_for
from .paging import MAX_PAGES, chunks, comma_separated, fitting
from .profile import Profile, profile_of
from .symbols import checked_id
from .url import API_KEY, Endpoints, resolve
from .wire import MarketRow, OrderRow, TradeRow, read_object
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
        self._api = Api(
            self.endpoints.api_url,
            dialer_of(settings, SXBetInvalidParameter),
            ERRORS,
            self.announcement,
            policy=retry_of(settings.get("retry"), RetryPolicy()),
            headers=self._headers,
            timeout=checked_seconds("timeout", settings.get("timeout", 10.0)),
            clock=clock,
            allow_plaintext=self.endpoints.allow_plaintext,
        )

    async def realtime_token(self) -> Secret:
        """A fresh token for the realtime connection. Raises UnauthorizedError (final) or TokenUnavailable."""
        if not self._key:
            raise UnauthorizedError("no API key: pass api_key=, or set SXBET_API_KEY")
        try:
            reply = await self._get("rest", self.profile.token_path, policy=NO_RETRY)
            told = read_object(reply.body, TokenReply)
        except SXBetError as error:
            raise of_token_error(error) from None
        except UndecodableFrame:  # its excerpt may hold what should not be shown
            raise TokenUnavailable(
                "the realtime token could not be had; the answer to it cannot be read", status=200
            ) from None
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
        found: list[Listed[BestOddsMarketRow]] = []
        for query in queries:
            page = await self._data("orders", "/orders/odds/best", query | token)
            found.append(page.rows("bestOdds", BestOddsMarketRow))
        return Listed.joined(found)

    def active_markets(self, **which: Unpack[MarketFilter]) -> Listing[MarketRow]:
        """Every active market, page by page."""
        known = {name: _camel(name) for name in MarketFilter.__annotations__}
        query = _query(dict(which), known) | {"pageSize": str(MARKETS_PAGE)}
        pages = self._pages("rest", "/markets/active", query, "paginationKey")
        return _listing(pages, "markets", MarketRow)

    async def markets(self, market_hashes: Sequence[str]) -> Listed[MarketRow]:
        """Markets by their hashes, settled ones too; one that the venue does not know is left out."""
        found: list[Listed[MarketRow]] = []
        for chunk in chunks(list(dict.fromkeys(market_hashes)), FIND_MARKETS):
            query = {"marketHashes": comma_separated("market_hashes", chunk, FIND_MARKETS)}
            found.append((await self._data("rest", "/markets/find", query)).rows("", MarketRow))
        return Listed.joined(found)

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
        pages = self._pages("trades", "/trades", query | {"pageSize": str(page_size)}, "paginationKey")
        return _listing(pages, "trades", TradeRow)

    async def book_snapshot(self, market_hash: str) -> BookV3Row:
        """V3: the whole book of one market, the maker's perspective. Needs no key."""
        data = await self._data(
            "rest", "/orderbook-v3/snapshot", {"marketHash": checked_id("market_hash", market_hash)}
        )
        return data.object(BookV3Row)

    async def event_book_snapshots(self, event_id: str) -> Listed[BookV3Row]:
        """V3: the whole books of an event's markets."""
        data = await self._data(
            "rest", "/orderbook-v3/snapshot/event", {"eventId": checked_id("event_id", event_id)}
        )
        return data.rows("", BookV3Row)

    async def best_odds_v3(self, market_hashes: Sequence[str]) -> Listed[BestOddsV3Row]:
        """V3: the best level of each outcome of each market, the maker's perspective."""
        found: list[Listed[BestOddsV3Row]] = []
        for chunk in chunks(list(dict.fromkeys(market_hashes)), V3_BEST_ODDS):
            query = {"marketHashes": comma_separated("market_hashes", chunk, V3_BEST_ODDS)}
            page = await self._data("orders", "/orders-v3/odds/best", query)
            found.append(page.rows("bestOdds", BestOddsV3Row))
        return Listed.joined(found)

    def public_trades_v3(self, *, market_hash: str = "", event_id: str = "") -> Listing[TradeV3Row]:
        """V3: the public tape, page by page. Needs no key."""
        query = {"perPage": str(V3_PAGE)}
        if market_hash:
            query["marketHash"] = checked_id("market_hash", market_hash)
        if event_id:
            query["eventId"] = checked_id("event_id", event_id)
        pages = self._pages("trades", "/trades-v3/public", query, "nextKey")
        return _listing(pages, "trades", TradeV3Row)

    def own_v3(self, what: Literal["orders", "fills", "trades", "positions"]) -> Listing[dict[str, Any]]:
        """V3: the key's own account, page by page; rows as the venue says them, for their shape is not published."""
        if what not in ("orders", "fills", "trades", "positions"):
            raise SXBetInvalidParameter("what", what, "orders, fills, trades or positions")
        kind: Kind = "orders" if what == "orders" else "trades" if what == "trades" else "rest"
        pages = self._pages(kind, f"/{what}-v3", {"perPage": str(V3_PAGE)}, "nextKey")
        return _listing(pages, what, dict[str, Any])

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

    async def _get(
        self,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None = None,
        policy: RetryPolicy | None = None,
    ) -> Reply:
        """One call. Raises what its failure amounts to."""
        options: CallOptions = {"query": query or {}, "budget": self._budgets.of(kind)}
        if policy is not None:
            options["policy"] = policy
        call = Call(operation=f"GET {path}", method="GET", path=path, read=_whole_reply, options=options)
        return await self._api.call(call)

    async def _data(self, kind: Kind, path: str, query: Mapping[str, str]) -> Answer:
        """What the answer's envelope holds, still unread."""
        answer = Answer(path, await self._get(kind, path, query), self._count)
        envelope = answer.envelope()
        if envelope.status != "success":
            said = str(envelope.message)[:200]
            text = f"GET {path}: {envelope.status[:40]}: {said}"
            raise ERRORS.made(SXBetRequestError, text, status=400, code=said)
        return answer

    async def _pages(
        self, kind: Kind, path: str, query: Mapping[str, str], key_name: str
    ) -> AsyncIterator[Answer]:
        """Page after page until none is named. Raises SXBetAnswerError where they do not end, or go round."""
        key = ""
        turner = PageTurner(MAX_PAGES)
        while True:
            page = await self._data(kind, path, {**query, key_name: key} if key else query)
            yield page
            key = page.next_key()
            if not key:
                return
            with page.reading():
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
        if len(rows) == ORDERS_PAGE:
            # There may be more. Pages shift while orders come and go; smaller requests do not.
            self._markets_per_request = max(MIN_SHARED, min(self._markets_per_request, half))
            return None
        return rows.read

    async def _all_orders(self, query: Mapping[str, str]) -> Listed[OrderRow]:
        found: dict[str, OrderRow] = {}
        unreadable = 0
        turner = PageTurner(MAX_PAGES)
        for page in count():
            rows = await self._orders_page(query, page)
            known = len(found)
            unreadable += rows.read.unreadable
            found.update({row.order_hash: row for row in rows.read})
            if len(rows) < ORDERS_PAGE:
                return Listed.of(found.values(), unreadable)
            if len(rows) > ORDERS_PAGE and len(found) == known:
                return Listed.of(
                    found.values(), unreadable
                )  # a venue that knows no paging gives all there are, each time
            with rows.answer.reading():
                turner.turn(tuple(row.order_hash for row in rows.read))
        raise AssertionError("pages end")

    async def _orders_page(self, query: Mapping[str, str], page: int) -> _OrdersPage:
        answer = await self._data(
            "orders", "/orders", {**query, "page": str(page), "perPage": str(ORDERS_PAGE)}
        )
        return _OrdersPage(answer, answer.rows("", OrderRow))

    def _count(self, unreadable: int) -> None:
        self.unreadable += unreadable


class _OrdersPage(msgspec.Struct, frozen=True):
    """One page of orders: those that could be read, and how many there were."""

    answer: Answer
    read: Listed[OrderRow]

    def __len__(self) -> int:
        return len(self.read) + self.read.unreadable


def _listing(pages: AsyncIterator[Answer], name: str, kind: type[T]) -> Listing[T]:
    async def read() -> AsyncGenerator[Listed[T], None]:
        async for page in pages:
            yield page.rows(name, kind)

    return Listing(read())


def _whole_reply(reply: Reply) -> Reply:
    """It is read part by part (`answers.Answer`)."""
    return reply


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
