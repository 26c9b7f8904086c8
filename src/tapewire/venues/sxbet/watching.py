"""The watch verbs: what people want of the venue, as async iterators of typed values and marks.

`watch_order_book` does the documented pattern once and right: subscribe, hold what comes, seed over HTTP (many markets
in one request), put behind it what came shortly before and what was held, go on live; seed anew only where neither
replay nor history closes a gap. A book is yielded after every change, also when it stops being live: look at
`book.is_tradable` before you quote. The other verbs yield rows of the wire, typed, with marks (`tapewire.is_mark`)
where the stream broke: `Subscribing` as soon as it is lost, `Reconnected` or `Gap` when it is back. Leaving an
iteration leaves the channel; a wait that is cancelled does not (`session.consumer`). What ends the channel is raised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ...clock import Clock
from ...marks import Mark
from ...protocols.centrifugo import Publication, SubscribeParams
from ...session.consumer import Consumer, Iteration
from ...session.subscription import Subscription
from ..kit.connection import HomeLoop
from .book import MarketBook
from .errors import ERRORS
from .history_overlap import HistoryOverlap
from .levels import LevelBook
from .market_status import MarketStatusFeed
from .profile import ChannelKind, Profile
from .sources import BookReader, RowReader
from .spec import SPEC
from .symbols import channel_for, checked_address, checked_market_hash
from .watched import LevelsWatched, OrdersWatched, Sought, Watched
from .wire import BestOddsRow, LiveScoreRow, MarketRow, OrderRow, ParlayRow, TradeRow
from .wire_v3 import BestOddsV3Row, TradeV3Row

if TYPE_CHECKING:
    from ...session.pool import Pool
    from .api import AsyncSXBet
    from .seeding import SeedBatcher

__all__ = ["Watching"]

T = TypeVar("T")

SEED_SECONDS = 30.0
"""How long a seed may take; after a mass reconnection many wait for one request limit."""


@ERRORS.covers_but("want")
class Watching(ABC):
    """Mixed into `SXBetClient`, which has all of these."""

    pool: Pool
    http: AsyncSXBet
    seeds: SeedBatcher
    history_overlap: HistoryOverlap
    market_status: MarketStatusFeed
    profile: Profile
    home: HomeLoop
    clock: Clock

    def watch_order_book(self, market_hash: str) -> Iteration[MarketBook | LevelBook]:
        """The book of one market, after every change. One object, always the same: take a `snapshot()` to keep one.

        Prices are on the axis of outcome one (NOTES.md). Only a book that `is_tradable` is proven; `book.reason` says
        why it is not: it is seeded, has a gap or an update that cannot be read, its market is suspended, or its line
        is down. That comes as soon as the line is lost, so that you can withdraw your quotes, and again when the book
        is proven anew. A market that has ended ends the iteration, behind its last book. Raises UnknownMarket,
        NotConnected, what the venue refuses the first snapshot for, what ends the channel, and, at once,
        SXBetInvalidParameter for what is no market hash.
        """
        return self._books(checked_market_hash("market_hash", market_hash))

    def watch_trades(self) -> Iteration[TradeRow | TradeV3Row | Mark]:
        """Every trade of the venue: `to_trade` makes one of the domain. A fill comes on placement and settlement."""
        kind: type[Any] = TradeRow if self.profile.book == "orders" else TradeV3Row
        return self._rows("trades", kind, inside="" if self.profile.book == "orders" else "trade")

    def watch_best_odds(self) -> Iteration[BestOddsRow | BestOddsV3Row | Mark]:
        """The best makers' odds, each a full replacement for its market and outcome. This channel keeps no history."""
        kind: type[Any] = BestOddsRow if self.profile.book == "orders" else BestOddsV3Row
        return self._rows("best_odds", kind)

    def watch_markets(self) -> Iteration[MarketRow | Mark]:
        """Markets that are listed, change or end."""
        return self._rows("markets", MarketRow)

    def watch_live_scores(self) -> Iteration[LiveScoreRow | Mark]:
        """Scores of all events: filter by `event_id`. The history of this channel is short."""
        return self._rows("live_scores", LiveScoreRow)

    def watch_parlay_markets(self) -> Iteration[ParlayRow | Mark]:
        """Requests for parlay quotes: each is open for three seconds. This channel keeps no history."""
        return self._rows("parlay_requests", ParlayRow)

    def watch_active_orders(self, maker: str) -> Iteration[OrderRow | Mark]:
        """The orders of one maker's address, as they change. Raises SXBetInvalidParameter for what is no address."""
        address = checked_address("maker", maker)
        inside = "" if self.profile.book == "orders" else "order"
        return self._rows("own_orders", OrderRow, argument=address, inside=inside)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _books(self, market_hash: str) -> Iteration[MarketBook | LevelBook]:
        watched = self.watched(market_hash)
        consumer = self._consumer("order_book", market_hash, BookReader(watched))
        followed: list[MarketStatusFeed] = []  # of the line that there is when it is asked for

        def begin() -> None:
            watched.attach(self.feed(consumer.name, consumer, snapshot=watched.fetch))
            followed.append(self.market_status)
            self.market_status.follow(market_hash, watched.told)

        def leave() -> None:
            watched.book.suspend("it is not watched any more")
            for feed in followed:
                feed.leave(market_hash, watched.told)
            consumer.close()

        return Iteration(f"the book of {market_hash}", consumer, begin, leave, ERRORS.mapped)

    def watched(self, market_hash: str) -> Watched:
        """A book of that market, which nothing feeds yet."""
        # What is asked for is asked of the line that there is then: `connect()` may have made another.
        decimals = self.http.endpoints.network.usdc.decimals

        async def market(market_hash: str) -> MarketRow | None:
            return await self.market_status.row_of(market_hash)

        async def overlap(subscription: Subscription | None, read: Callable[[Publication], Any]) -> list[Any]:
            return await self.history_overlap.of(subscription, read)

        async def orders(market_hash: str) -> tuple[OrderRow, ...]:
            return await self.seeds.orders_of(market_hash)

        if self.profile.book == "orders":
            return OrdersWatched(market_hash, decimals, Sought(orders, market, overlap))
        return LevelsWatched(market_hash, decimals, Sought(self.http.book_snapshot, market, overlap))

    @abstractmethod
    def check_connected(self) -> None:
        """Raise NotConnected where nothing would ever come."""

    def want(self, channel: str, params: SubscribeParams, **delivery: Any) -> Subscription:
        """Subscribe on the connection that has the channel, or has room."""
        self.home.check()
        if channel != self.market_status.channel:
            return self.pool.subscribe(channel, params, **delivery)
        with self.market_status.stepping_aside():
            return self.pool.subscribe(channel, params, **delivery)

    def _rows(
        self, kind: ChannelKind, row: type[T], *, argument: str = "", inside: str = ""
    ) -> Iteration[T | Mark]:
        consumer = self._consumer(kind, argument, RowReader(row, inside, self.clock.time_ns))
        return Iteration(
            kind, consumer, lambda: self.feed(consumer.name, consumer), consumer.close, ERRORS.mapped
        )

    def _consumer(
        self, kind: ChannelKind, argument: str, reader: BookReader | RowReader[Any]
    ) -> Consumer[Any]:
        """Of one channel, by whose name it goes."""
        name = channel_for(kind, argument, self.profile)
        buffer = SPEC.channel_of(name)
        return Consumer(
            name,
            policy=buffer.policy,
            capacity=buffer.capacity,
            decode=reader.decode,
            decode_mark=reader.decode_mark,
            names_topics=False,
            clock=self.clock,
        )

    def feed(self, channel: str, into: Consumer[Any], **fields: Any) -> Subscription:
        """Have a channel feed a consumer, undecoded, which is told of its state too. `fields`: as of a `Delivery`.

        A snapshot may take as long as a mass reconnection makes it wait. Raises NotConnected, SXBetInvalidParameter.
        """
        self.check_connected()
        if "snapshot" in fields:
            fields.setdefault("snapshot_timeout", SEED_SECONDS)
        recovers = self.profile.recovers(channel)
        params = SubscribeParams(positioned=recovers, recoverable=recovers)
        return self.want(channel, params, into=into, announce=True, **fields)
