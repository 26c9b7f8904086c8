"""One consumer: a bounded buffer, whoever takes from it, its marks and its end. It may be fed with many topics.

Rules:

* The reader only puts into the buffer; what is taken is decoded then, into none, one or many items (`Items`), and marks
  as well where `decode_mark` is given. What takes a while to decode (a coroutine function) is in nobody's hands until
  it is done: a wait that is cancelled leaves it to the next one.
* A consumer ends when its last feed is left, when one of them ends by itself, or by its own `end`. What is buffered
  still comes; then the error is raised. No feed is left behind.
* One topic that is refused for now is asked for again by its session; the others go on meanwhile.
* An iteration whose body never awaits gives the event loop its turn all the same, every `SLICE_SECONDS`.
* What nobody holds any more is left: an `Iteration` watches over that. A wait that is cancelled, as by a time-out, ends
  nothing and loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import suppress
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar

import msgspec

from ..clock import Clock, SystemClock
from ..errors import BufferOverflow, ConfigurationError, NotSubscribed, SessionClosed, WrongLoop, fresh_copy
from ..marks import MARK_KINDS, Gap, Mark, is_mark
from ..reporting import is_worth_a_line
from ..secrets import sanitized
from ..streams.source import SLICE_SECONDS, OnlyByWaiting, Poll, Waiter, polling_of
from .buffers import ASKING, EMPTY, Buffer, Policy, make_buffer
from .loop import is_cancelled

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    Item_co = TypeVarWithDefault("Item_co", covariant=True, default=Any)
else:
    Item_co = TypeVar("Item_co", covariant=True)
    """What is yielded beside marks: the wire's publication, or what `decode` makes of it."""

__all__ = ["Consumer", "Feed", "Item_co", "Items", "Iteration"]

logger = logging.getLogger("tapewire.session")

_LOOK_EVERY = 64
"""Items of one batch between two looks at the clock."""

_QUICK_ITEMS = 8
"""Items of an iteration between two looks at the clock, where the last ones took next to no time."""

T = TypeVar("T")


class Items(list[Any]):
    """What `decode` returns where one publication is none or many items: they are yielded one by one."""


class Feed(Protocol):
    """What puts into a consumer: a subscription, or whatever else can be left. What it need not do it inherits."""

    async def confirmed(self) -> Any:
        """Wait until the venue serves it. Raises what refused it."""
        ...

    def unsubscribe(self) -> None:
        """Leave it; it then parts from its consumer (`Consumer.part`)."""
        ...

    def awaited(self) -> None:
        """The consumer is about to wait for something to come."""
        return

    def full(self) -> None:
        """The consumer's buffer is full: what its policy wants of whoever feeds it."""
        return

    def relieved(self) -> None:
        """Policy `block`: there is room again."""
        return

    async def tell_end(self) -> None:
        """What it ended with is about to be raised."""
        return


class Consumer(Generic[Item_co]):
    """What takes of one topic or of many; of a `Pool` also where those are served by several connections.

    ::

        prices = Consumer("prices", policy="conflate", key=lambda publication: publication.topic)
        for topic in topics:
            session.subscribe(topic, into=prices)
        async for item in prices:
            ...

    `name`: for errors and the log. `policy`, `capacity`, `key`: the buffer, as in `Delivery`; it is one for all topics.
    `decode`: from what was put to what is yielded; `decode_mark` the same for marks, which else are yielded as they
    are. Either may return `Items`, or be a coroutine function that does. What `decode` raises is a `Gap`.
    `on_mark`: called with each mark inside the read, when it has its place.
    `on_ended`: called once, as soon as nothing more comes.
    `names_topics`: a gap says in its detail which topics it is of. Raises ConfigurationError.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_decode",
        "_decode_mark",
        "_decoding",
        "_ended_by",
        "_look_at",
        "_looked",
        "_numbered",
        "_on_ended",
        "_on_mark",
        "_slice_began",
        "_waited_in",
        "buffer",
        "delivered",
        "feeds",
        "key",
        "last",
        "made",
        "marks",
        "name",
        "names_topics",
        "put",
        "undecodable",
    )

    def __init__(
        self,
        name: str,
        *,
        policy: Policy = "drop_oldest",
        capacity: int = 1_000,
        key: Callable[[Any], Hashable] | None = None,
        decode: Callable[[Any], Any] | None = None,
        decode_mark: Callable[[Mark], Any] | None = None,
        on_mark: Callable[[Mark], Any] | None = None,
        on_ended: Callable[[], Any] | None = None,
        names_topics: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.name: str = name
        self.key: Callable[[Any], Hashable] | None = key
        self.names_topics: bool = names_topics
        asking = {"on_full": self._full, "on_relief": self._relieved} if policy in ASKING else {}
        self.buffer: Buffer = make_buffer(policy, capacity, key=key, **asking)
        self.put: Callable[[Any], None] = self.buffer.put
        """Where whoever feeds it puts a publication, inside the read."""
        self.feeds: tuple[Feed, ...] | dict[Feed, None] = ()  # a dict once there are two
        self.delivered: int = 0
        """Items taken so far, without marks."""
        self.marks: int = 0
        self.undecodable: int = 0
        self.last: Any = None
        """The publication that was taken last and carries a number."""
        self._numbered = True  # until a publication shows that it is not
        self._decode = decode
        self._decode_mark = decode_mark
        self._on_ended = on_ended
        self._on_mark = on_mark
        self._clock = clock or SystemClock()
        self.made: deque[Any] = _NONE_MADE
        """Items of the publication taken last that were not given out yet. Put them there with `make`."""
        self._decoding: asyncio.Future[Any] | None = None
        self._ended_by: Feed | None = None  # whose error ended it
        self._slice_began = self._looked = -math.inf
        self._waited_in: asyncio.AbstractEventLoop | None = None
        self._look_at = 0  # an iteration looks at the clock when so many are delivered

    # --- what feeds it ----------------------------------------------------------------------------------------------

    def put_mark(self, mark: Mark, topic: str = "") -> None:
        """A mark takes its place behind what was put."""
        if self.names_topics and topic and isinstance(mark, Gap):
            detail = f"{topic}: {mark.detail}".removesuffix(": ")[:200]
            mark = msgspec.structs.replace(mark, detail=detail)
        self.buffer.put_mark(mark)
        if self._on_mark is not None:
            self._on_mark(mark)

    def add(self, feed: Feed) -> None:
        """`feed` puts into it from now on, and is left when it ends."""
        if isinstance(self.feeds, dict):
            self.feeds[feed] = None
        else:
            self.feeds = (feed,) if not self.feeds else dict.fromkeys((*self.feeds, feed))

    def part(self, feed: Feed, error: BaseException | None = None) -> None:
        """`feed` puts no more. With an `error`, or where it is the last one, all is over."""
        if isinstance(self.feeds, dict):
            self.feeds.pop(feed, None)
        elif feed in self.feeds:
            self.feeds = ()
        if error is not None and not self.buffer.ended:
            self._ended_by = feed
        if error is not None or not self.feeds:
            self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is raised behind what is buffered. Every feed is left. Idempotent."""
        was_ended = self.buffer.ended
        self.buffer.end(error)
        for feed in tuple(self.feeds):
            feed.unsubscribe()
        if not was_ended and self._on_ended is not None:
            self._on_ended()

    def close(self) -> None:
        """End, and drop what is buffered: nobody takes it any more. Idempotent."""
        self.end()
        self.drop()
        if self._decoding is not None:
            self._decoding.cancel()

    def drop(self) -> int:
        """Drop what could still be taken, but for marks. Returns how much that is."""
        lost = self.buffer.clear() + len(self.made)
        self.made = _NONE_MADE
        return lost

    # --- whoever takes ----------------------------------------------------------------------------------------------

    async def confirmed(self) -> None:
        """Wait until the venue serves every topic: from now on nothing is missed.

        Raises what refused one of them, also for now, though that ends nothing; what ended the consumer, SessionClosed
        where it was left. Cancelled, it leaves everything as it is.
        """
        for feed in tuple(self.feeds):
            with suppress(NotSubscribed):  # left meanwhile
                await feed.confirmed()
        if self.buffer.ended:
            raise fresh_copy(self.buffer.error or SessionClosed(f"{self.name}: the stream was left"))

    @property
    def policy(self) -> Policy:
        """What is done when the buffer is full."""
        return self.buffer.policy

    @property
    def is_iterated(self) -> bool:
        """True once somebody iterates it, who is raised what ends it."""
        return bool(self.buffer.is_awaited or self.delivered or self.marks)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item_co | Mark:
        if self.delivered >= self._look_at and self._is_others_turn():
            await self._give_way()  # before anything is taken: a consumer cancelled here has lost nothing
        buffer = self.buffer
        while not self.made:
            if self._decoding is not None:
                await self._finish_decoding()
                self._look_at = 0
            elif (item := buffer.take()) is not EMPTY:
                if (item := self.taken(item)) is not EMPTY:
                    taken: Item_co | Mark = item
                    return taken
                if self._has_nothing() and self._is_others_turn():
                    await self._give_way()
                self._look_at = 0  # that says nothing of how long the body takes with an item
            else:
                self._about_to_wait()
                if not await buffer.wait():
                    await self._end_iteration()
                self._slice_began = self._looked = self._clock.monotonic()
                self._look_at = 0
        made: Item_co | Mark = self.given()
        return made

    def at_once(self) -> Any:
        """The next item, where it can be had without a wait and it is nobody else's turn; else EMPTY: use `anext`."""
        if (
            self.made
            or self._decoding is not None
            or (self.delivered >= self._look_at and self._is_others_turn())
        ):
            return EMPTY
        item = self.buffer.take()
        if item is not EMPTY and (item := self.taken(item)) is EMPTY:
            self._look_at = 0  # as where what was taken came to nothing in a wait
        return item

    def batches(
        self, limit: int = 1_000, *, items: AsyncIterator[Any] | None = None
    ) -> AsyncIterator[list[Item_co | Mark]]:
        """Iterate in lists of what is there, at most `limit` items each: one wakeup for many.

        A batch is shorter where more would be decoded than everybody else can wait for. A wait that is cancelled loses
        nothing and ends nothing. `items`: what waits for the first of each instead, and tells the end. Raises
        ConfigurationError.
        """
        if limit < 1:
            raise ConfigurationError("limit", limit, "a whole number from 1")
        return _Batches(self, limit, items or self)

    def polling(self) -> Poll[Item_co | Mark]:
        """How to take without a wait, for whoever takes of many at once (`tapewire.merge`)."""
        return self._poll

    def fill(self, batch: list[Any], limit: int) -> list[Item_co | Mark]:
        """What can be taken at once, behind what is in the batch already."""
        enough = min(limit, _LOOK_EVERY)
        while True:
            while len(batch) < enough and (item := self._take()) is not EMPTY:
                batch.append(item)
            if len(batch) < enough or enough == limit or self._is_slice_over():
                break
            enough = min(limit, enough + _LOOK_EVERY)
        self._look_at = 0
        return batch

    def taken(self, item: Any) -> Any:
        """What was taken of the buffer, counted and decoded; EMPTY where that is none, many, or takes a while."""
        if item.__class__ in MARK_KINDS:
            self.marks += 1
            return item if self._decode_mark is None else self._one_of(self._decode_mark(item))
        if self._numbered:
            try:
                if item.offset:
                    self.last = item
            except AttributeError:
                self._numbered = False
        if self._decode is not None:
            try:
                item = self._decode(item)
            except (Exception, asyncio.CancelledError) as error:  # whatever it is, it is that function's
                return self._gap_of(error)
            if (kind := item.__class__) is Items or kind is CoroutineType:
                return self._one_of(item)  # counted when they are given out
        self.delivered += 1
        return item

    def spoiled(self, error: BaseException) -> None:
        """A part of what is being decoded is corrupt: a gap says so, before the items that are made of the rest."""
        if (item := self._gap_of(error)) is not EMPTY:
            self.make((item,))

    def make(self, items: Iterable[Any]) -> None:
        """These are given out next, behind those that are waiting for that already."""
        if self.made is _NONE_MADE:  # a queue of its own costs more than the rest of most consumers
            self.made = deque()
        self.made.extend(items)

    def given(self) -> Any:
        """The next of the items that were made already, of which there must be one."""
        item = self.made.popleft()
        if not is_mark(item):
            self.delivered += 1
        return item

    # --- inside -----------------------------------------------------------------------------------------------------

    def _take(self) -> Any:
        """The next item that can be had now, or EMPTY: also where what was taken comes to nothing."""
        if not self.made and self._decoding is None:
            item = self.buffer.take()
            if item is EMPTY or (item := self.taken(item)) is not EMPTY:
                return item
        return self.given() if self.made else EMPTY

    def _poll(self, waiter: Waiter, nothing: Any, /) -> Any:
        if (item := self._take()) is not EMPTY:
            return item
        if self._decoding is not None or (self.buffer.ended and not self.buffer):
            raise OnlyByWaiting
        if self.buffer:  # what was taken came to nothing
            waiter.set_result(None)
            return nothing
        if self.feeds:
            next(iter(self.feeds)).awaited()
        self.buffer.tell(waiter)
        return nothing

    def _one_of(self, made: Any) -> Any:
        if made.__class__ is Items:
            self.make(made)
        elif made.__class__ is CoroutineType:
            self._decoding = asyncio.ensure_future(made)
        else:
            return made
        return EMPTY

    async def _finish_decoding(self) -> None:
        decoding = self._decoding
        assert decoding is not None
        try:
            made = await asyncio.shield(decoding)
        except asyncio.CancelledError:
            if is_cancelled() or not decoding.cancelled():
                raise  # else it was closed meanwhile, and nothing of ours was cancelled
        except Exception as error:
            self.spoiled(error)
        else:
            self.make(made if made.__class__ is Items else (made,))
        finally:
            if decoding.done() and self._decoding is decoding:
                self._decoding = None

    def _has_nothing(self) -> bool:
        """True where what was taken came to nothing."""
        return not self.made and self._decoding is None

    def _about_to_wait(self) -> None:
        """Say so to what feeds it, until something was taken: from then on that matters in another event loop alone."""
        loop = asyncio.get_running_loop()
        if not self.delivered or loop is not self._waited_in:
            self._waited_in = loop
            if self.feeds:
                next(iter(self.feeds)).awaited()

    async def _end_iteration(self) -> None:
        """Raise what ended it, when that was told."""
        if self._ended_by is not None:
            await self._ended_by.tell_end()
        raise self.buffer.error or StopAsyncIteration

    async def _give_way(self) -> None:
        """Everybody else has a turn."""
        await asyncio.sleep(0)
        self._slice_began = self._looked = self._clock.monotonic()

    def _is_others_turn(self) -> bool:
        """True where an iteration has gone on for its slice without a wait; and when to look again."""
        now = self._clock.monotonic()
        if now - self._slice_began > SLICE_SECONDS and (self.made or self.buffer):
            return True
        self._look_at = self.delivered + _QUICK_ITEMS if now - self._looked < SLICE_SECONDS / 10 else 0
        self._looked = now
        return False

    def _is_slice_over(self) -> bool:
        return self._clock.monotonic() - self._slice_began > SLICE_SECONDS

    def _gap_of(self, error: BaseException) -> Any:
        self.undecodable += 1
        self.marks += 1
        self._look_at = 0
        detail = f"{type(error).__name__}: {error}".removesuffix(": ")[:200]
        if is_worth_a_line(self.undecodable, 10):
            logger.warning(
                "%s: publication no. %d could not be decoded: %s",
                *(self.name, self.undecodable, sanitized(detail)),
            )
        now_ns = self._clock.time_ns()
        gap = Gap(reason="undecodable", since_ns=now_ns, until_ns=now_ns, missed=1, detail=detail)
        return gap if self._decode_mark is None else self._one_of(self._decode_mark(gap))

    def _full(self) -> None:
        for feed in tuple(self.feeds):
            feed.full()
        if self.buffer.policy == "fail":
            self.end(BufferOverflow(self.name, self.buffer.capacity))

    def _relieved(self) -> None:
        for feed in tuple(self.feeds):
            feed.relieved()

    def __repr__(self) -> str:
        return f"<Consumer {self.name} buffered={len(self.buffer)} dropped={self.buffer.dropped}>"


_NONE_MADE: Final[deque[Any]] = deque(maxlen=0)
"""What nothing can be put into: of every consumer whose publications are one item each."""


class _Batches(Generic[Item_co]):
    """A consumer in lists. Not a generator: that would be over with the first wait that is cancelled."""

    def __init__(self, consumer: Consumer[Item_co], limit: int, items: AsyncIterator[Any]) -> None:
        self._consumer = consumer
        self._limit = limit
        self._items = items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Item_co | Mark]:
        return self._consumer.fill([await anext(self._items)], self._limit)


_ONE_WAIT: Final = ("__anext__", "_wrap_awaitable")
"""Names of the coroutines of tasks that are one wait for the next item, as `asyncio.wait_for` made them once."""


class Iteration(Generic[T]):
    """What a user holds of a stream that is asked for when it is first waited for: iterate it, one task at a time.

    `begin`: asks for what `items` then brings, once; where they have an `at_once` (as a Consumer has), it is asked
    first. `leave`: called once after that, whatever happens. It is left by
    `aclose()` or `async with` at once, when it has ended, when the task is cancelled whose `async for` it is, and when
    nobody holds it any more; so neither function may hold it. A wait that was cancelled alone, as by
    `asyncio.wait_for(anext(it), 1)`, ends and loses nothing. What ends it is raised once, as `errors` makes it.
    """

    __slots__ = (
        "__weakref__",
        "_as_told",
        "_at_once",
        "_begin",
        "_items",
        "_leave",
        "_loop",
        "_name",
        "_watched",
    )

    def __init__(
        self,
        name: str,
        items: AsyncIterator[Any],
        begin: Callable[[], Any],
        leave: Callable[[], Any],
        errors: Callable[[BaseException], BaseException] = lambda error: error,
    ) -> None:
        self._name = name
        self._items: AsyncIterator[Any] | None = items  # None once it was left
        # A coroutine in a coroutine for each item would cost more than taking it.
        self._at_once: Callable[[], Any] = _nothing_at_once
        self._begin = begin
        self._leave = leave
        self._as_told = errors
        self._loop: asyncio.AbstractEventLoop | None = None  # from the beginning to the end
        self._watched: _Watched | None = None

    def __aiter__(self) -> Self:
        self._ask()
        task = asyncio.current_task()
        if self._loop is None or task is None or getattr(task.get_coro(), "__name__", "") in _ONE_WAIT:
            return self
        if self._watched is None or self._watched.task is not task:
            self._unwatch()
            self._watched = _Watched(task, weakref.ref(self))
        return self

    async def __anext__(self) -> T:
        if self._loop is not asyncio.get_running_loop():  # not for each item: it would cost two calls
            self._ask()
        item: T
        if (item := self._at_once()) is not EMPTY:
            return item
        if self._items is None:
            raise StopAsyncIteration
        try:
            item = await anext(self._items)
            return item
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            if not isinstance(error, ConfigurationError | WrongLoop):  # those ended nothing
                self._end()
            if isinstance(error, StopAsyncIteration):
                raise
            raise self._as_told(error) from error.__cause__

    def polling(self) -> Poll[T]:
        """How to take without a wait, for whoever takes of many at once (`tapewire.merge`). Raises OnlyByWaiting."""
        self._ask()
        return polling_of(self._items)

    async def aclose(self) -> None:
        """Leave at once. Idempotent. Raises WrongLoop."""
        self._check()
        self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if loop is not None:  # it was asked for and not left; this may run in any thread
            try:
                loop.call_soon_threadsafe(_dropped, self._watched, self._leave)
            except RuntimeError:  # the loop has gone, and every socket with it
                logger.debug("%s was dropped behind its event loop", self._name)

    def _ask(self) -> None:
        """Ask for it, the first time. Raises what that raises, and WrongLoop."""
        self._check()
        if self._loop is None and self._items is not None:
            self._loop = asyncio.get_running_loop()
            try:
                self._begin()
            except BaseException as error:
                self._end()
                raise self._as_told(error) from error.__cause__
            self._at_once = getattr(self._items, "at_once", _nothing_at_once)

    def _check(self) -> None:
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise self._as_told(WrongLoop(f"the stream of {self._name}"))

    def _end(self) -> None:
        self._items, self._at_once = None, _nothing_at_once
        self._unwatch()
        if self._loop is not None:
            self._loop = None
            self._leave()

    def _unwatch(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            watched.stop()


class _Watched:
    """The task whose `async for` an iteration is: that is left when the task is cancelled. It holds no iteration."""

    def __init__(self, task: asyncio.Task[Any], iteration: weakref.ref[Iteration[Any]]) -> None:
        self.task = task
        self._iteration = iteration
        task.add_done_callback(self._ended)

    def stop(self) -> None:
        self.task.remove_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() and (iteration := self._iteration()) is not None:
            iteration._end()


def _nothing_at_once() -> Any:
    return EMPTY


def _dropped(watched: _Watched | None, leave: Callable[[], Any]) -> None:
    if watched is not None:
        watched.stop()
    leave()
