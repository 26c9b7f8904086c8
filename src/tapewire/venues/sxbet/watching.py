"""The watch verbs: what people want of the venue, as async iterators of typed values and marks.

`watch_order_book` does the documented pattern once and right: subscribe, hold what comes, seed over HTTP (many markets
in one request), put behind it what came shortly before and what was held, go on live; seed anew only where neither
replay nor history closes a gap. A book is yielded after every change, also when it stops being live: look at
`book.is_tradable` before you quote. The other verbs yield rows of the wire, typed, with marks (`tapewire.is_mark`)
where the stream broke. Leaving an iteration leaves the channel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...book import Resync, Verdict
from ...errors import UndecodableFrame
from ...marks import Gap, Lagged, Mark, Resynced, is_mark
from ...protocols.centrifugo import Publication, SeenIds, SubscribeParams
from ...session.delivery import Subscription
from .book import MarketBook
from .levels import LevelBook
from .overlap import Overlaps, Seed
from .profile import ChannelKind, Profile
from .symbols import channel_for
from .wire import (
    BestOddsRow,
    LiveScoreRow,
    MarketRow,
    OrderRow,
    ParlayRow,
    Rows,
    TradeRow,
    read_rows,
)
from .wire_v3 import BestOddsV3Row, BookV3Row, TradeV3Row

if TYPE_CHECKING:
    from ...session.pool import Pool
    from .http import AsyncSXBet
    from .seeding import SeedBatcher

__all__ = ["Watching"]

T = TypeVar("T")

BOOK_CAPACITY = 5_000
SEEN = 1_000
SEED_SECONDS = 30.0
"""How long a seed may take; after a mass reconnection many wait for one request limit."""


class Watching:
    """Mixed into `SXBetClient`: it has the pool, the HTTP client, the batcher of seeds, their overlaps, the profile."""

    pool: Pool
    http: AsyncSXBet
    seeds: SeedBatcher
    overlaps: Overlaps
    profile: Profile

    async def watch_order_book(self, market_hash: str) -> AsyncIterator[MarketBook | LevelBook]:
        """The book of one market, after every change. One object, always the same: take a `snapshot()` to keep one.

        Prices are on the axis of outcome one (NOTES.md). Only a book that `is_tradable` is proven; it is not while it
        is seeded, after a gap, and after what cannot be read. Raises what ends the channel.
        """
        kind = _OrdersWatched if self.profile.book == "orders" else _LevelsWatched
        watched: _Watched = kind(self, market_hash)
        subscription = self._subscribe(
            "order_book", market_hash, snapshot=watched.fetch, policy="resync", capacity=BOOK_CAPACITY,
            snapshot_timeout=SEED_SECONDS,
        )  # fmt: skip
        watched.subscription = subscription
        try:
            async for item in subscription:
                if is_mark(item):
                    changed = watched.take_mark(item)
                else:
                    changed = True
                    if not watched.take(item):
                        subscription.resync()
                if changed:
                    yield watched.book
        finally:
            subscription.unsubscribe()

    def watch_trades(self) -> AsyncIterator[TradeRow | TradeV3Row | Mark]:
        """Every trade of the venue: `to_trade` makes one of the domain. A fill comes on placement and settlement."""
        kind: type[Any] = TradeRow if self.profile.book == "orders" else TradeV3Row
        return self._rows("trades", kind, inside="" if self.profile.book == "orders" else "trade")

    def watch_best_odds(self) -> AsyncIterator[BestOddsRow | BestOddsV3Row | Mark]:
        """The best makers' odds, each a full replacement for its market and outcome. This channel keeps no history."""
        kind: type[Any] = BestOddsRow if self.profile.book == "orders" else BestOddsV3Row
        return self._rows("best_odds", kind)

    def watch_markets(self) -> AsyncIterator[MarketRow | Mark]:
        """Markets that are listed, change or end."""
        return self._rows("markets", MarketRow)

    def watch_live_scores(self) -> AsyncIterator[LiveScoreRow | Mark]:
        """Scores of all events: filter by `event_id`. The history of this channel is short."""
        return self._rows("live_scores", LiveScoreRow)

    def watch_parlay_markets(self) -> AsyncIterator[ParlayRow | Mark]:
        """Requests for parlay quotes: each is open for three seconds. This channel keeps no history."""
        return self._rows("parlay_requests", ParlayRow)

    def watch_active_orders(self, maker: str) -> AsyncIterator[OrderRow | Mark]:
        """The orders of one maker's address, as they change."""
        return self._rows("own_orders", OrderRow, argument=maker, policy="fail", capacity=10_000)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _subscribe(self, kind: ChannelKind, argument: str = "", **delivery: Any) -> Subscription:
        channel = channel_for(kind, argument, self.profile)
        recovers = self.profile.recovers(channel)
        params = SubscribeParams(positioned=recovers, recoverable=recovers)
        return self.pool.subscribe(channel, params, **delivery)

    async def _rows(
        self, kind: ChannelKind, row: type[T], *, argument: str = "", inside: str = "", **delivery: Any
    ) -> AsyncIterator[T | Mark]:
        seen = SeenIds(SEEN)
        subscription = self._subscribe(kind, argument, **({"capacity": BOOK_CAPACITY} | delivery))
        try:
            async for item in subscription:
                if is_mark(item):
                    yield item
                elif seen.add(_message_id(item)):
                    for found in self._read(subscription, item, row, inside):
                        yield found
        finally:
            subscription.unsubscribe()

    def _read(
        self, subscription: Subscription, publication: Publication, row: type[T], inside: str
    ) -> list[Any]:
        """The rows of one publication; what cannot be read is a gap in its place."""
        try:
            rows: Rows[T] = read_rows(publication.data, row, inside)
        except Exception as error:
            return [self._unreadable(subscription, 1, str(error))]
        found: list[Any] = list(rows.rows)
        if rows.unreadable:
            found.append(self._unreadable(subscription, rows.unreadable, rows.fault))
        return found

    def _unreadable(self, subscription: Subscription, count: int, detail: str) -> Gap:
        now_ns = self.pool.sessions[0].options.clock.time_ns()
        return Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=count, detail=detail[:200])


class _Watched(Protocol):
    """A book and what changes it. `subscription` is set as soon as there is one, before anything is fetched."""

    book: Any
    subscription: Subscription | None
    overlaps: Overlaps

    async def fetch(self) -> Seed:
        """The snapshot, and behind it what the stream said shortly before: HTTP may lag."""
        snapshot = await self.fetch_snapshot()
        return Seed(snapshot, await self.overlaps.of(self.subscription, self._read_whole))

    def take_mark(self, mark: Mark) -> bool:
        """What the stream says about itself; False where the book is as before."""
        if isinstance(mark, Resynced):
            self.book.seed(mark.snapshot.snapshot)
            for rows in mark.snapshot.updates:
                self.apply(rows, None)
        elif isinstance(mark, Gap | Lagged):
            self.book.invalidate(mark.reason if isinstance(mark, Gap) else "the local buffer overflowed")
        else:
            return False
        return True

    def take(self, publication: Publication) -> bool:
        """One publication; False where the book needs a snapshot again."""
        try:
            verdict = self.apply(self.read(publication), _message_id(publication))
        except UndecodableFrame as error:
            self.book.invalidate(f"an update that cannot be read: {error.detail}")
            return False
        return not isinstance(verdict, Resync)

    def _read_whole(self, publication: Publication) -> Rows[Any]:
        rows = self.read(publication)
        if rows.unreadable:
            raise UndecodableFrame(rows.fault, bytes(publication.data))
        return rows

    # Each kind of book has its own:

    async def fetch_snapshot(self) -> Any: ...
    def read(self, publication: Publication) -> Rows[Any]: ...
    def apply(self, rows: Rows[Any], message_id: str | None) -> Verdict: ...


class _OrdersWatched(_Watched):
    """A book of single orders: seeded with a market's orders, changed by updates."""

    def __init__(self, watching: Watching, market_hash: str) -> None:
        token = watching.http.endpoints.network.usdc
        self.book = MarketBook(market_hash, decimals=token.decimals, seen=SeenIds(SEEN))
        self.subscription, self.overlaps = None, watching.overlaps
        self._seeds = watching.seeds

    async def fetch_snapshot(self) -> tuple[OrderRow, ...]:
        return await self._seeds.orders_of(self.book.market_hash)

    def read(self, publication: Publication) -> Rows[OrderRow]:
        return read_rows(publication.data, OrderRow)

    def apply(self, rows: Rows[OrderRow], message_id: str | None) -> Verdict:
        return self.book.apply(rows, message_id)


class _LevelsWatched(_Watched):
    """A book that comes whole each time, with a version that only grows: what was lost heals with the next."""

    def __init__(self, watching: Watching, market_hash: str) -> None:
        self.book = LevelBook(market_hash, decimals=watching.http.endpoints.network.usdc.decimals)
        self.subscription, self.overlaps = None, watching.overlaps
        self._http = watching.http

    async def fetch_snapshot(self) -> BookV3Row:
        return await self._http.book_snapshot(self.book.market_hash)

    def read(self, publication: Publication) -> Rows[BookV3Row]:
        rows = read_rows(publication.data, BookV3Row)
        ours = tuple(row for row in rows.rows if row.market_hash == self.book.market_hash)
        return Rows(ours, rows.unreadable or not ours, rows.fault or "no book of this market")

    def apply(self, rows: Rows[BookV3Row], message_id: str | None) -> Verdict:
        if rows.unreadable:
            self.book.invalidate(f"a book that cannot be read: {rows.fault}"[:200])
            return Resync(rows.fault)
        verdicts = [self.book.apply(row) for row in rows.rows]
        return verdicts[-1]


def _message_id(publication: Publication) -> str | None:
    return publication.tags.get("messageId") if publication.tags else None
