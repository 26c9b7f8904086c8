"""Order books that are proven: each delta names the state it follows (`U` is the last `u`), or that book is rebuilt.

One `BookFeed` per wire topic keeps the book of everyone who reads it, inside the read, so that a slow consumer costs
no book and no operation: it only misses some of its states, and a mark says so. A reader is given the best levels of
each state; a viewer is only told that it changed, and looks at the book itself. Rules:

* A hole, or a level that cannot be, is a `Gap` at every reader of that one book; `Resynced` comes with the snapshot.
* A rebuild asks the venue to begin the topic anew. Where few operations are left in the connection's hour, or no
  snapshot comes, it is fetched over HTTP, whose numbers are the same. Rebuilds of one book back off from the second on.
* An empty snapshot numbered 0 is a contract that is traded no more: that is the end of the stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from ...book import CHAINED, Applied, OrderBook, Resync, Verdict
from ...clock import Clock
from ...errors import SubscriptionEnded, fresh_copy
from ...marks import Errored, Gap, Mark, Resynced, Subscribed, Subscribing, Unsubscribed
from ...retry import RandomFraction, RetryPolicy
from ...session.consumer import Consumer, Feed, Items
from ...session.subscription import Subscription
from .lines import Lines
from .message import ROW_ERRORS, WeexMessage
from .profile import Profile
from .unread import Levels
from .wire import MAX_ORDERED, Depth, Frame, Side

__all__ = [
    "OPERATIONS_RESERVE",
    "BookFeed",
    "BookMessages",
    "BookReader",
    "BookUpdate",
    "BookViewer",
    "FetchDepth",
]

logger = logging.getLogger("tapewire.venues.weex")

FetchDepth = Callable[[str, int], Awaitable[tuple[Side, Side, int]]]
"""Symbol and depth to bids, asks and the number of that state."""

OPERATIONS_RESERVE: Final = 60
"""With fewer operations left in the hour, books are rebuilt over HTTP."""

SNAPSHOT_SECONDS: Final = 10.0
REST_TRIES: Final = 4
REST_PAUSE: Final = 0.7
STEADY_SECONDS: Final = 30.0
"""A book that was right for so long may be rebuilt at once again."""

MAX_FAILURES: Final = 3
"""Rebuilds without a steady book after which what is held is given up."""

_REBUILD: Final = RetryPolicy(max_attempts=None, initial_backoff=0.5, max_backoff=30.0)


class BookUpdate(msgspec.Struct, gc=False):
    """A book after one frame, for all who read it; what the buffers of their streams hold.

    `depth`: how many of the best levels of each side are here. Nobody changes them.
    """

    topic: str
    symbol: str
    depth: int
    bids: list[tuple[Any, Any]]
    asks: list[tuple[Any, Any]]
    last: int | None
    venue_time_ms: int | None
    raw: bytes
    received_at_ns: int


class BookViewer(Protocol):
    """Who looks at `BookFeed.book` itself. All is called inside the read: return at once."""

    def changed(self) -> None:
        """The book is another one, and proven."""
        ...

    def mark(self, mark: Mark) -> None:
        """A mark of the topic: those of its own state as well, but for renewals that a gap has told of."""
        ...

    def end(self, error: BaseException) -> None:
        """Nothing more comes."""
        ...


class BookFeed:
    """The book of one topic and everyone who reads it. `on_idle` is called when nobody does any more."""

    def __init__(
        self,
        topic: str,
        symbol: str,
        depth: int,
        *,
        lines: Lines,
        profile: Profile,
        fetch: FetchDepth,
        clock: Clock,
        fraction: RandomFraction,
        on_idle: Callable[[BookFeed], Any],
    ) -> None:
        self.topic = topic
        self.symbol = symbol
        self.depth = depth
        self.book: OrderBook[Any] = OrderBook(float, numbering=CHAINED)
        """Doubles order it; what reading it gives is as the venue wrote it, of which `Levels` makes numbers."""
        self._is_wide = False
        self.resyncs = 0
        """How often it was rebuilt after a hole."""
        self.venue_time_ms: int | None = None
        """The venue's clock at the last change, None where it said none."""
        self._lines = lines
        self._levels = profile.levels
        self._fetch = fetch
        self._clock = clock
        self._fraction = fraction
        self._on_idle = on_idle
        # Anew with whoever comes and goes, so that one who goes when he is told changes nothing for the others.
        self._readers: tuple[BookReader, ...] = ()
        self._viewers: tuple[BookViewer, ...] = ()
        self._most = 0  # levels that a reader wants
        self._subscription: Subscription | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.Task[None] | None = None
        self._failures = 0
        self._proven_ns = self._live_since_ns = 0
        self._broken = False  # a gap was said and no `Resynced` yet

    # --- readers ------------------------------------------------------------------------------------------------------

    def join(self, reader: BookReader) -> None:
        """It reads from now on; it begins with the present state, if there is one."""
        self._readers = (*self._readers, reader)
        self._most = max(self._most, reader.level)
        if not self._ask_first() and self.book.is_tradable:
            reader.consumer.put(self._update(None, b"", self._clock.time_ns()))

    def watch(self, viewer: BookViewer, quiet: float) -> None:
        """It is told from now on; at once, where there is a proven book already.

        One that was silent for `quiet` seconds is built anew: whoever reads it already may know that it is mute.
        """
        self._viewers = (*self._viewers, viewer)
        if self._ask_first() or not self.book.is_tradable:
            return
        if self.silent_seconds < quiet:
            viewer.changed()
        else:
            self.resync(viewer)

    @property
    def silent_seconds(self) -> float:
        """For how long nothing has changed it, 0 before there is a book."""
        return (self._clock.time_ns() - self._proven_ns) / 1e9 if self._proven_ns else 0.0

    def _ask_first(self) -> bool:
        """Ask for the topic, unless somebody has: then False."""
        if self._subscription is not None:
            return False
        self._arm(SNAPSHOT_SECONDS, self._no_snapshot)
        self._subscription = self._lines.subscribe(
            self.topic,
            handler=self._take,
            inline=True,
            on_mark=self._mark,
            on_error=self._failed,
            announce=True,
        )
        self._lines.watch_loss(self.topic, self._line_lost)
        return True

    @property
    def received_at_ns(self) -> int:
        """This machine's clock at the last change; 0 before the first."""
        return self._proven_ns

    async def confirmed(self) -> None:
        """Wait until the venue serves the topic. Raises what refused it."""
        if self._subscription is not None:
            await self._subscription.confirmed()

    def leave(self, reader: BookReader) -> None:
        """It reads no more; the last one takes the topic with it."""
        if reader in self._readers:
            self._readers = tuple(each for each in self._readers if each is not reader)
            self._most = max((each.level for each in self._readers), default=0)
            if not self._is_read:
                self._stop()

    def unwatch(self, viewer: BookViewer) -> None:
        """It is told no more; the last one takes the topic with it."""
        if viewer in self._viewers:
            self._viewers = tuple(each for each in self._viewers if each is not viewer)
            if not self._is_read:
                self._stop()

    def resync(self, asker: BookViewer) -> None:
        """Build it anew, though nothing speaks against it: a gap says so to everybody but whoever asks."""
        if self._subscription is None or self._broken:
            return
        now_ns = self._clock.time_ns()
        self.book.invalidate("a new state was asked for")
        mark = Gap(
            reason="interrupted", since_ns=self._proven_ns or now_ns, until_ns=now_ns, detail=self.book.reason
        )
        self._say(mark, asker)
        self._broken = True
        self._rebuild()

    @property
    def _is_read(self) -> bool:
        return bool(self._readers or self._viewers)

    def _stop(self) -> None:
        self._disarm()
        if self._rest is not None:
            self._rest.cancel()
        if self._subscription is not None:
            self._subscription.unsubscribe()
            self._subscription = None
        self._lines.watch_loss(self.topic, None)
        self._on_idle(self)

    # --- the session's calls, inside the read -------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        try:
            depth = self._levels(frame)
        except ROW_ERRORS as error:
            self.book.invalidate("levels that cannot be read")
            self._lost(f"levels that cannot be read: {error}"[:200], "undecodable")
            return
        if frame.is_snapshot:
            if not frame.last and not depth.bids and not depth.offers:
                self._dead()
                return
            verdict = self._replaced(depth, frame.last)
        else:
            if depth.is_wide is not self._is_wide:
                was_proven = self.book.is_tradable
                depth = self._widen(depth)
                if was_proven and not self.book.is_tradable:
                    self._lost(self.book.reason, "sequence")
                    return
            apply = self.book.apply_checked if depth.is_checked else self.book.apply
            verdict = apply(depth.bids, depth.offers, frame.first, frame.last, depth.told)
        self._judge(verdict, frame.venue_time_ms, frame.raw, frame.received_at_ns)

    def _replaced(self, depth: Depth, last: int | None) -> Verdict:
        if depth.is_wide is not self._is_wide:
            depth = self._widen(depth)
        return self.book.replace(depth.bids, depth.offers, last, depth.told)

    def _widen(self, depth: Depth) -> Depth:
        """Doubles do not tell all its numbers apart: from the first such level on, Decimals order the book."""
        if not self._is_wide:
            self._is_wide = True
            self.book = OrderBook(Decimal, numbering=CHAINED)
            self.book.quarantine(f"a number of more than {MAX_ORDERED} digits")
        return depth.widened()

    def _mark(self, mark: Mark) -> None:
        if isinstance(mark, Subscribing | Subscribed | Errored | Unsubscribed):
            self._announce(mark)
            return
        if not (self._broken and isinstance(mark, Gap)):  # until `Resynced` one gap says it all
            self._say(mark)
        if isinstance(mark, Gap):
            if not (
                self._broken and mark.reason == "interrupted"
            ):  # our own renewal: what is held stays held
                self.book.invalidate(mark.reason)
            self._broken = True
            if mark.reason in ("undecodable", "sequence"):
                self._rebuild_later()
            else:
                self._arm(SNAPSHOT_SECONDS, self._no_snapshot)

    def _announce(self, mark: Mark) -> None:
        """Told at once, where `Gap` waits for the line to be back: nobody begins with a book of before the loss."""
        if isinstance(mark, Subscribing) and mark.reason.startswith("connection lost"):
            self.book.invalidate("connection lost")
        for reader in self._readers:
            if reader.announces:
                reader.consumer.put_mark(mark, self.topic)
        if self._broken and isinstance(mark, Subscribing) and not mark.reason.startswith("connection lost"):
            return  # our own renewal
        for viewer in self._viewers:
            viewer.mark(mark)

    def _line_lost(self) -> None:
        """Of a topic that is asked for anew the session does not say that it is lost again."""
        if self._broken:
            for viewer in self._viewers:
                viewer.mark(Subscribing(reason="connection lost"))

    def _say(self, mark: Mark, asker: BookViewer | None = None) -> None:
        for reader in self._readers:
            reader.consumer.put_mark(mark, self.topic)
        for viewer in self._viewers:
            if viewer is not asker:
                viewer.mark(mark)

    def _failed(self, error: BaseException, item: Any) -> None:
        """A refusal that may pass ends nothing: the session asks again."""
        if item is None and (self._subscription is None or self._subscription.ended):
            self._subscription = None
            self._lines.watch_loss(self.topic, None)
            self._end(error)

    def _end(self, error: BaseException) -> None:
        for reader in self._readers:
            reader.consumer.end(fresh_copy(error))
        for viewer in self._viewers:
            viewer.end(fresh_copy(error))

    def _judge(self, verdict: Verdict, venue_time_ms: int | None, raw: bytes, now_ns: int) -> None:
        if type(verdict) is Applied:
            self._proven_ns = now_ns
            self.venue_time_ms = venue_time_ms
            if self._broken or not self._live_since_ns:
                self._live(now_ns)
            if self._readers:
                update = self._update(venue_time_ms, raw, now_ns)
                for reader in self._readers:
                    reader.consumer.put(update)
            for viewer in self._viewers:
                viewer.changed()
        elif type(verdict) is Resync:
            self._lost(verdict.reason, "sequence")

    def _update(self, venue_time_ms: int | None, raw: bytes, now_ns: int) -> BookUpdate:
        book, most = self.book, self._most
        bids, asks = book.bids.top(most), book.offers.top(most)
        return BookUpdate(self.topic, self.symbol, most, bids, asks, book.last, venue_time_ms, raw, now_ns)

    # --- broken and rebuilt -------------------------------------------------------------------------------------------

    def _live(self, now_ns: int) -> None:
        self._disarm()
        if self._broken:
            self._say(Resynced(at_ns=now_ns))
        self._broken = False
        self._live_since_ns = now_ns

    def _lost(self, reason: str, kind: Any) -> None:
        """The book is not proven any more. What came behind the hole is held, to follow the snapshot."""
        now_ns = self._clock.time_ns()
        if self._failures >= MAX_FAILURES:
            self.book.invalidate(reason)  # no snapshot reaches what is held: do without it
        if not self._broken:
            mark = Gap(reason=kind, since_ns=self._proven_ns or now_ns, until_ns=now_ns, detail=reason)
            self._say(mark)
        self._broken = True
        self._rebuild_later()

    def _rebuild_later(self) -> None:
        """At once; but each further time without a steady book in between after a longer pause."""
        steady = self._live_since_ns and self._clock.time_ns() - self._live_since_ns > STEADY_SECONDS * 1e9
        if steady:
            self._failures = 0
        self._failures += 1
        self._live_since_ns = 0
        delay = 0.0 if self._failures == 1 else _REBUILD.delay(self._failures - 1, fraction=self._fraction)
        logger.warning("%s: %s; rebuilding it in %.1f s", self.topic, self.book.reason, delay)
        if delay:
            self._arm(delay, self._rebuild)
        else:
            self._rebuild()

    def _rebuild(self) -> None:
        self.resyncs += 1
        operations = self._lines.operations_of(self.topic)
        if operations is not None and operations.left(self._clock.monotonic()) <= OPERATIONS_RESERVE:
            self._fetch_soon()
        elif self._subscription is not None:
            self._arm(SNAPSHOT_SECONDS, self._no_snapshot)
            self._subscription.resync()

    def _no_snapshot(self) -> None:
        """Nothing came: fetch it. While the line is down none can be had, and the next connection brings one."""
        if self._subscription is not None and self._subscription.state == "subscribed":
            self._fetch_soon()
        else:
            self._arm(SNAPSHOT_SECONDS, self._no_snapshot)

    def _fetch_soon(self) -> None:
        if self._rest is None or self._rest.done():
            self._rest = asyncio.get_running_loop().create_task(
                self._fetch_book(), name=f"weex book {self.topic}"
            )

    async def _fetch_book(self) -> None:
        """A snapshot over HTTP: what came since is held behind it. Where it never fits, the topic is begun anew."""
        for _ in range(REST_TRIES):
            try:
                bids, asks, last = await self._fetch(self.symbol, self.depth)
            except ROW_ERRORS as error:
                logger.warning("%s: no snapshot over HTTP: %s", self.topic, error)
                break
            if self.book.is_tradable or not self._is_read:
                return
            if not last and not bids and not asks:
                self._dead()
                return
            verdict = self._replaced(Depth.of(bids, asks), last)
            if type(verdict) is Applied:
                self._judge(verdict, None, b"", self._clock.time_ns())
                return
            await asyncio.sleep(REST_PAUSE)
        self._arm(SNAPSHOT_SECONDS, self._begin_anew)

    def _begin_anew(self) -> None:
        if self._subscription is not None and not self.book.is_tradable:
            self._arm(SNAPSHOT_SECONDS, self._no_snapshot)
            self._subscription.resync()

    def _dead(self) -> None:
        error = SubscriptionEnded(
            self.topic, "the contract is not traded any more (an empty book, numbered 0)"
        )
        logger.warning("%s", error)
        self._end(error)

    def _arm(self, seconds: float, call: Callable[[], None]) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, call)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __repr__(self) -> str:
        return (
            f"<BookFeed {self.topic} {self.book.state} readers={len(self._readers)} resyncs={self.resyncs}>"
        )


class BookReader(Feed):
    """One stream's place at a feed: the best `level` levels of each state."""

    def __init__(
        self, feed: BookFeed, consumer: Consumer[WeexMessage], level: int, *, announces: bool
    ) -> None:
        self.consumer = consumer
        self.level = level
        self.announces = announces
        """True where marks of the topic's own state are wanted: `Subscribing`, `Subscribed`."""
        self._feed = feed
        consumer.add(self)
        feed.join(self)

    async def confirmed(self) -> None:
        """Wait until the venue serves its topic."""
        await self._feed.confirmed()

    def unsubscribe(self) -> None:
        """Read it no more."""
        self._feed.leave(self)
        self.consumer.part(self)


class BookMessages:
    """What `WeexWebSocketClient.stream_order_book` gives: each state of a book, its best `level` levels."""

    def __init__(self, level: int) -> None:
        self._level = level

    def __call__(self, item: Any, spoiled: Callable[[Exception], None]) -> WeexMessage | Items:
        if item.__class__ is not BookUpdate:
            return Items()
        bids, asks, level = item.bids, item.asks, self._level
        if level < item.depth:  # another reader wants more
            bids, asks = bids[:level], asks[:level]
        when = item.received_at_ns / 1e9 if item.venue_time_ms is None else item.venue_time_ms / 1000
        data = {"symbol": item.symbol, "bids": Levels(bids), "asks": Levels(asks), "sequence": item.last}
        return WeexMessage("depth", item.symbol, data, when, item.raw, item.received_at_ns, item.last)
