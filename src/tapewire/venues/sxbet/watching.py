"""The watch verbs: what people want of the venue, as async iterators of typed values and marks.

`watch_order_book` does the documented pattern once and right: subscribe, hold what comes, seed over HTTP (many markets
in one request), put behind it what came shortly before and what was held, go on live; seed anew only where neither
replay nor history closes a gap. A book is yielded after every change, also when it stops being live: look at
`book.is_tradable` before you quote. The other verbs yield rows of the wire, typed, with marks (`tapewire.is_mark`)
where the stream broke: `Subscribing` as soon as it is lost, `Reconnected` or `Gap` when it is back. Leaving an
iteration leaves the channel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, TypeVar

from ...marks import Errored, Gap, Mark, Subscribed, Subscribing, is_mark
from ...protocols.centrifugo import Publication, SeenIds, SubscribeParams
from ...session.delivery import Subscription
from .book import MarketBook
from .levels import LevelBook
from .listings import Listings
from .overlap import Overlaps
from .profile import ChannelKind, Profile
from .symbols import channel_for, checked_address, checked_market_hash
from .watched import SEEN, LevelsWatched, OrdersWatched, Watched, message_id
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
from .wire_v3 import BestOddsV3Row, TradeV3Row

if TYPE_CHECKING:
    from ...session.pool import Pool
    from .http import AsyncSXBet
    from .seeding import SeedBatcher

__all__ = ["Watching"]

T = TypeVar("T")

BOOK_CAPACITY = 5_000
SEED_SECONDS = 30.0
"""How long a seed may take; after a mass reconnection many wait for one request limit."""


class Watching(ABC):
    """Mixed into `SXBetClient`, which has all of these."""

    pool: Pool
    http: AsyncSXBet
    seeds: SeedBatcher
    overlaps: Overlaps
    listings: Listings
    profile: Profile

    def watch_order_book(self, market_hash: str) -> AsyncGenerator[MarketBook | LevelBook, None]:
        """The book of one market, after every change. One object, always the same: take a `snapshot()` to keep one.

        Prices are on the axis of outcome one (NOTES.md). Only a book that `is_tradable` is proven; `book.reason` says
        why it is not: it is seeded, has a gap or an update that cannot be read, its market is suspended, or its line
        is down. That comes as soon as the line is lost, so that you can withdraw your quotes, and again when the book
        is proven anew. A market that has ended ends the iteration, behind its last book. Raises UnknownMarket,
        NotConnected, what the venue refuses the first snapshot for, what ends the channel, and, at once,
        SXBetInvalidParameter for what is no market hash.
        """
        return self._books(checked_market_hash("market_hash", market_hash))

    def watch_trades(self) -> AsyncGenerator[TradeRow | TradeV3Row | Mark, None]:
        """Every trade of the venue: `to_trade` makes one of the domain. A fill comes on placement and settlement."""
        kind: type[Any] = TradeRow if self.profile.book == "orders" else TradeV3Row
        return self._rows("trades", kind, inside="" if self.profile.book == "orders" else "trade")

    def watch_best_odds(self) -> AsyncGenerator[BestOddsRow | BestOddsV3Row | Mark, None]:
        """The best makers' odds, each a full replacement for its market and outcome. This channel keeps no history."""
        kind: type[Any] = BestOddsRow if self.profile.book == "orders" else BestOddsV3Row
        return self._rows("best_odds", kind)

    def watch_markets(self) -> AsyncGenerator[MarketRow | Mark, None]:
        """Markets that are listed, change or end."""
        return self._rows("markets", MarketRow)

    def watch_live_scores(self) -> AsyncGenerator[LiveScoreRow | Mark, None]:
        """Scores of all events: filter by `event_id`. The history of this channel is short."""
        return self._rows("live_scores", LiveScoreRow)

    def watch_parlay_markets(self) -> AsyncGenerator[ParlayRow | Mark, None]:
        """Requests for parlay quotes: each is open for three seconds. This channel keeps no history."""
        return self._rows("parlay_requests", ParlayRow)

    def watch_active_orders(self, maker: str) -> AsyncGenerator[OrderRow | Mark, None]:
        """The orders of one maker's address, as they change. Raises SXBetInvalidParameter for what is no address."""
        address = checked_address("maker", maker)
        return self._rows("own_orders", OrderRow, argument=address, policy="fail", capacity=10_000)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _books(self, market_hash: str) -> AsyncGenerator[MarketBook | LevelBook, None]:
        self.check_connected()
        kind = OrdersWatched if self.profile.book == "orders" else LevelsWatched
        watched: Watched = kind(self, market_hash)
        self.listings.follow(market_hash, watched.told)
        subscription: Subscription | None = None
        try:
            subscription = self._subscribe(
                "order_book", market_hash, snapshot=watched.fetch, policy="resync", capacity=BOOK_CAPACITY,
                snapshot_timeout=SEED_SECONDS, announce=True,
            )  # fmt: skip
            watched.attach(subscription)
            async for item in subscription:
                if is_mark(item):
                    changed = watched.take_mark(item)
                else:
                    changed = True
                    if not watched.take(item):
                        subscription.resync()
                if watched.error is not None:
                    raise watched.error
                if changed or watched.is_over:
                    yield watched.book
                if watched.is_over:
                    return
        finally:
            watched.book.suspend("it is not watched any more")
            self.listings.leave(market_hash, watched.told)
            if subscription is not None:
                subscription.unsubscribe()

    @abstractmethod
    def check_connected(self) -> None:
        """Raise NotConnected where nothing would ever come."""

    def want(self, channel: str, params: SubscribeParams, **delivery: Any) -> Subscription:
        """Subscribe on the connection that has the channel, or has room."""
        with self.listings.stepping_aside(channel):
            return self.pool.subscribe(channel, params, **delivery)

    def _subscribe(self, kind: ChannelKind, argument: str = "", **delivery: Any) -> Subscription:
        channel = channel_for(kind, argument, self.profile)
        recovers = self.profile.recovers(channel)
        return self.want(channel, SubscribeParams(positioned=recovers, recoverable=recovers), **delivery)

    async def _rows(
        self, kind: ChannelKind, row: type[T], *, argument: str = "", inside: str = "", **delivery: Any
    ) -> AsyncGenerator[T | Mark, None]:
        self.check_connected()
        seen = SeenIds(SEEN)
        fields: dict[str, Any] = {"capacity": BOOK_CAPACITY, "announce": True} | delivery
        subscription = self._subscribe(kind, argument, **fields)
        is_up = False
        try:
            async for item in subscription:
                if isinstance(item, Subscribed):
                    is_up = True
                elif isinstance(item, Subscribing):
                    was_up, is_up = is_up, False
                    if was_up:
                        yield item
                elif is_mark(item):
                    if not isinstance(item, Errored):
                        yield item
                elif seen.add(message_id(item)):
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
