"""Feeds as plain iterators. What is taken of the loop waits in the feed itself, so that leaving a loop loses nothing.

A book is copied when it is taken, in the thread that changes it: the view of a feed stays as it was, and only `is_live`
and `reason` say how the feed is now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from ..errors import ConfigurationError, SessionClosed
from ..market.view import BookView
from ..streams import merge as merged_streams
from .thread import LoopThread, plainly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..market.continuity import Continuity
    from ..market.feed import Feed as AsyncFeed
    from ..marks import Mark
    from ..model import BookSnapshot, Level

__all__ = ["MOST_AHEAD", "Feed", "Merged", "merge"]

T = TypeVar("T")

MOST_AHEAD: Final = 64
"""Items of one feed that are taken of the loop at once and wait here for whoever iterates."""


class Feed(Generic[T]):
    """One thing that is watched: iterate it, in one thread at a time. Made by the verbs of `Venue`.

    `for item in feed` yields items of one noun, and marks between them in their place; it ends with the feed and raises
    what ended it otherwise. A `break` leaves nothing: iterate again and go on. Leave it with `close()` or `with`.
    """

    def __init__(self, thread: LoopThread, feed: AsyncFeed[T], owner: object) -> None:
        self.verb: str = feed.verb
        self.venue: str = feed.venue
        self.instrument_id: str | None = feed.instrument_id
        self._feed = feed
        self._thread = thread
        self._owner = owner  # a feed that is held holds its venue
        self._batches = feed.batches(MOST_AHEAD)
        self._ahead: deque[Any] = deque()

    @property
    def continuity(self) -> Continuity:
        """What the feed is worth now. It costs next to nothing and waits for nobody: ask before every quote."""
        return self._feed.continuity

    @property
    def quiet(self) -> float | None:
        """Seconds for which it may be silent before the venue is asked whether that is right; None: for ever."""
        return self._feed.quiet

    def wait_live(self, timeout: float | None = None) -> None:
        """Wait until it is live; TimeoutError after `timeout` seconds, with the reason. Raises what ended the feed."""
        self._thread.call(self._feed.wait_live, timeout)

    def resync(self) -> None:
        """Ask the venue for the state anew; it is `resyncing` until that is there."""
        self._thread.call(plainly, self._feed.resync)

    def batches(self, limit: int = 1_000) -> Iterator[list[T | Mark]]:
        """Iterate in lists of what is there: at most `limit` items, and never more than `MOST_AHEAD`."""
        if type(limit) is not int or limit < 1:
            raise ConfigurationError("limit", limit, "a whole number from 1")
        return self._in_batches(limit)

    def close(self) -> None:
        """Leave at once. Idempotent."""
        if self._thread.is_alive:
            self._thread.call(self._feed.aclose)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T | Mark:
        while not self._ahead:
            try:
                goes_on = self._thread.call(self._take)
            except SessionClosed:
                if self._thread.is_alive:
                    raise
                goes_on = False  # its venue was closed
            if not goes_on and not self._ahead:
                raise StopIteration
        item: T | Mark = self._ahead.popleft()
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._feed!r}>"

    def _in_batches(self, limit: int) -> Iterator[list[T | Mark]]:
        for item in self:
            batch = [item]
            while self._ahead and len(batch) < limit:
                batch.append(self._ahead.popleft())
            yield batch

    # In the loop's thread: what is taken lies here before whoever waits for it knows.

    async def _take(self) -> bool:
        try:
            batch = [] if self._ahead else await anext(self._batches)
        except StopAsyncIteration:
            return False
        self._ahead.extend(map(self._kept, batch))
        return True

    def _kept(self, item: Any) -> Any:
        if not isinstance(item, BookView):
            return item
        feed = self._feed
        book = _Book(item.snapshot())
        return BookView(item.venue, item.instrument_id, book, lambda: feed.continuity, item.depth)


class _Book:
    """The levels of a book as they were."""

    def __init__(self, book: BookSnapshot) -> None:
        self._book = book
        self.last: int | None = book.last
        self.venue_time_ns: int | None = book.venue_time_ns
        self.received_at_ns: int = book.received_at_ns

    def bids(self, depth: int | None = None) -> Sequence[Level]:
        return self._book.bids[:depth]

    def offers(self, depth: int | None = None) -> Sequence[Level]:
        return self._book.offers[:depth]


class Merged(Generic[T]):
    """Several feeds as one iterator of `(feed, item)`. Made by `merge`; see `tapewire.merge`, whose rules hold.

    What is read and not taken goes back to its feed when this is left, by a `break` or `close()`, which leave no feed.
    """

    def __init__(self, feeds: tuple[Feed[T], ...]) -> None:
        self._feeds = {id(feed._feed): feed for feed in feeds}
        self._thread = feeds[0]._thread if feeds else None
        self._merged = merged_streams(*(feed._feed for feed in feeds))
        self._ahead: deque[tuple[Feed[T], Any]] = deque()
        self._is_left = False

    @property
    def failed(self) -> list[tuple[Feed[T], BaseException]]:
        """The feeds that failed so far, in that order."""
        return [(self._feeds[id(feed)], error) for feed, error in self._merged.failed]

    def close(self) -> None:
        """Take no more of the feeds; they stay as they are. Idempotent."""
        if self._thread is not None and self._thread.is_alive:
            self._thread.call(plainly, self._give_back)  # behind a wait that was interrupted

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Feed[T], T | Mark]:
        while not self._ahead:
            for feed in self._feeds.values():  # what an iteration of its own has left there
                if feed._ahead:
                    return feed, feed._ahead.popleft()
            if self._thread is None or self._is_left or not self._next_of_the_loop():
                raise StopIteration
        return self._ahead.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_is_left"):
            self._give_back()  # nobody else holds it: no wait is under way

    def _give_back(self) -> None:
        self._is_left = True
        self._merged = merged_streams()  # the feeds are free for others
        while self._ahead:
            feed, item = self._ahead.pop()
            feed._ahead.appendleft(item)

    def _next_of_the_loop(self) -> bool:
        assert self._thread is not None
        try:
            return self._thread.call(self._take) or bool(self._ahead)
        except SessionClosed:
            if self._thread.is_alive:
                raise
            return False

    async def _take(self) -> bool:
        if self._ahead:
            return True
        try:
            of, item = await anext(self._merged)
        except StopAsyncIteration:
            return False
        feed = self._feeds[id(of)]
        self._ahead.append((feed, feed._kept(item)))
        return True


def merge(*feeds: Feed[T]) -> Merged[T]:
    """What comes of any of `feeds`, of one venue or of several: `for feed, item in merge(here, there)`.

    One that fails raises its error behind what it had, and `failed` has it; iterate on for the others. Raises
    ConfigurationError where an argument is wrong.
    """
    for feed in feeds:
        given: object = feed
        if not isinstance(given, Feed):
            raise ConfigurationError("feeds", feed, "feeds of tapewire.sync, each an argument for itself")
        if feed._thread is not feeds[0]._thread:
            raise ConfigurationError("feeds", feed, "feeds of venues that are connected")
    return Merged(feeds)
