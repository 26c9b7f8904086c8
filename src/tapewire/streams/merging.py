"""Several streams as one: what comes of any of them, with the stream that it is of.

Rules:

* The order within a stream is kept, and marks keep their place. Streams that have something take turns, item by item.
* A `Polled` stream (a feed, a subscription, a consumer) is asked when it is its turn, and nothing of it is read ahead:
  its own buffer, with the policy of that, stays the only one. Every other stream is read by a task of its own, at most
  `MOST_AHEAD` items ahead where it has `batches()` and one where it has not, and is asked for more when all are taken.
* A stream that waits holds up nobody. One that ends is over for itself. One that fails raises its error, once, behind
  what it had; whoever iterates on has the others.
* An iteration whose body never awaits gives the event loop its turn all the same, every `SLICE_SECONDS`.
* A cancelled `anext()` loses nothing: it has taken nothing yet.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, overload

from ..errors import ConfigurationError, WrongLoop
from .source import SLICE_SECONDS, OnlyByWaiting, Poll, Polled, leave, polling_of

__all__ = ["MOST_AHEAD", "Merged", "merge"]

S = TypeVar("S", bound=AsyncIterable[Any])
S1 = TypeVar("S1", bound=AsyncIterable[Any])
S2 = TypeVar("S2", bound=AsyncIterable[Any])
S3 = TypeVar("S3", bound=AsyncIterable[Any])
S_co = TypeVar("S_co", bound=AsyncIterable[Any], covariant=True)
T = TypeVar("T")

MOST_AHEAD: Final = 64
"""Items of one stream that a task has read and nobody has taken: the bound of each of these buffers."""

_QUICK_TURNS: Final = 8
"""Turns between two looks at the clock, where the last ones took next to no time."""

_NOTHING: Final = object()


class _Source:
    """One stream and what is known of it. A `Waiter` of its stream: told that it has something, it gets a turn."""

    __slots__ = (
        "ahead",
        "closing_error",
        "error",
        "has_begun",
        "merging",
        "poll",
        "reader",
        "room",
        "stream",
    )

    def __init__(self, merging: _Merging, stream: Any) -> None:
        self.merging = merging
        self.stream = stream
        self.poll: Poll[Any] | None = None
        # Where there is no `poll`:
        self.reader: asyncio.Task[None] | None = None
        self.has_begun = False
        self.ahead: list[Any] = []  # what comes first stands last
        self.room: asyncio.Future[None] | None = None  # the reader's, until all of it was taken
        self.error: BaseException | None = None
        self.closing_error: Exception | None = None

    def done(self) -> bool:
        return self.merging.is_left

    def set_result(self, result: None = None, /) -> None:
        self.merging.add(self)


class _Merging:
    """The living part. Tasks and streams' buffers hold this, users hold `Merged`: dropping that one ends this one."""

    def __init__(self, streams: tuple[AsyncIterable[Any], ...]) -> None:
        self.sources = tuple(_Source(self, stream) for stream in streams)
        self.ready: deque[_Source] = deque()  # each at most once: it has something, or an end to tell
        self.living = len(self.sources)
        self.turns = 0
        self.look_at = 0  # at which turn the clock is looked at
        self.is_left = False
        self.failed: list[tuple[Any, BaseException]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taker: asyncio.Future[None] | None = None
        self._slice_began = self._looked = -math.inf
        self._is_reader_due = False

    # --- whoever takes ------------------------------------------------------------------------------------------------

    async def wait(self) -> bool:
        """Until a source may have something: True; or until nothing is left: False."""
        loop = asyncio.get_running_loop()
        if self._loop is None and not self.is_left:
            self._loop = loop
            for source in self.sources:
                self._begin(source)
        elif self._loop not in (loop, None):
            raise WrongLoop("what merges streams")
        while not self.ready:
            if not self.living or self.is_left:
                return False
            if self._taker is not None:
                raise ConfigurationError("consumer", "a second task", "one task at a time for each stream")
            self._taker = loop.create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        self._slice_began = self._looked = loop.time()
        return True

    async def look(self) -> None:
        """Give everybody else a turn, where this has gone on for its slice without a wait, or a reader needs one."""
        assert self._loop is not None
        now = self._loop.time()
        self.look_at = self.turns + (_QUICK_TURNS if now - self._looked < SLICE_SECONDS / 10 else 1)
        self._looked = now
        if self._is_reader_due or now - self._slice_began > SLICE_SECONDS:
            self._is_reader_due = False
            await asyncio.sleep(0)
            self._slice_began = self._looked = self._loop.time()

    def take(self, source: _Source) -> Any:
        """The next item of the source whose turn it is, or _NOTHING. Raises what it failed with."""
        if source.poll is not None:
            try:
                item = source.poll(source, _NOTHING)
            except OnlyByWaiting:
                self._read_by_task(source)
                return _NOTHING
            except Exception as error:
                raise self._failed(source, error) from error.__cause__
            if item is not _NOTHING:
                self.ready.append(source)
            return item
        if source.ahead:
            item = source.ahead.pop()
            if source.ahead:
                self.ready.append(source)
            elif source.room is not None and not source.room.done():
                source.room.set_result(None)
                self._let_read()
            return item
        failure = source.error or source.closing_error
        if failure is not None:
            raise self._failed(source, failure) from failure.__cause__
        self.living -= 1
        return _NOTHING

    def _let_read(self) -> None:
        """A reader is to go on: it has its turn when all that are ready have had theirs."""
        self._is_reader_due = True
        self.look_at = min(self.look_at, self.turns + len(self.ready))

    def _failed(self, source: _Source, error: BaseException) -> BaseException:
        self.living -= 1
        self.failed.append((source.stream, error))
        note = f"in a merge, of {source.stream!r}"
        if note not in getattr(error, "__notes__", ()):  # what ended a stream is raised to everybody who asks
            error.add_note(note)
        return error

    # --- the streams --------------------------------------------------------------------------------------------------

    def add(self, source: _Source) -> None:
        """A source gets its turn behind those that have one."""
        if self.is_left:
            return
        self.ready.append(source)
        taker = self._taker
        if taker is not None and not taker.done():
            taker.set_result(None)

    def _begin(self, source: _Source) -> None:
        try:
            source.poll = polling_of(source.stream)
        except OnlyByWaiting:
            self._read_by_task(source)
            return
        except Exception as error:
            source.error = error
        self.add(source)

    def _read_by_task(self, source: _Source) -> None:
        assert self._loop is not None
        source.poll = None
        source.reader = self._loop.create_task(self._read(source))
        self._let_read()

    async def _read(self, source: _Source) -> None:
        source.has_begun = True
        try:
            if not self.is_left:
                await self._read_to_the_end(source)
        except asyncio.CancelledError as error:
            if not self.is_left:
                source.error = error  # the stream's own, or the whole loop's: as without a merge
        except Exception as error:
            source.error = error
        await self._leave(source)
        self.add(source)

    async def _read_to_the_end(self, source: _Source) -> None:
        batches = None if isinstance(source.stream, Polled) else getattr(source.stream, "batches", None)
        if batches is None:
            async for item in source.stream:
                await self._offer(source, [item])
        else:
            async for batch in batches(MOST_AHEAD):
                await self._offer(source, batch[::-1])

    async def _offer(self, source: _Source, ahead: list[Any]) -> None:
        """Until all of it was taken."""
        if not ahead:
            return
        source.ahead = ahead
        source.room = asyncio.get_running_loop().create_future()
        self.add(source)
        try:
            await source.room
        finally:
            source.room = None

    async def _leave(self, source: _Source) -> None:
        try:
            await leave(source.stream)
        except Exception as error:
            source.closing_error = error

    # --- leaving them -------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Leave every stream, whatever the others do. Raises what the first of them raised."""
        if self.is_left:
            return
        self.is_left = True
        self.ready.clear()
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)
        loop = asyncio.get_running_loop()
        leaving = [source.reader or loop.create_task(self._leave(source)) for source in self.sources]
        self.stop_readers()
        if leaving:
            # Not `await task`: none waits for another, and a cancellation of ours is not the task's.
            await asyncio.wait(leaving)
        for source in self.sources:
            if source.closing_error is not None:
                raise source.closing_error

    def drop(self) -> None:
        """Nobody takes any more, and nobody says so. It may be called in any thread."""
        self.is_left = True
        for source in self.sources:
            if source.reader is None:
                source.stream = source.poll = None  # its buffer may hold the source, which is to hold nothing
        if self._loop is not None and any(source.reader is not None for source in self.sources):
            self._loop.call_soon_threadsafe(self.stop_readers)

    def stop_readers(self) -> None:
        """They leave their streams. One that has not begun yet does so when it begins."""
        for source in self.sources:
            if source.reader is not None and source.has_begun:
                source.reader.cancel()


class Merged(Generic[S_co]):
    """An async iterator of `(stream, item)`. Made by `merge`. One task at a time may iterate.

    It ends when every stream has ended. `failed` are those that raised, each with its error. `aclose()` and
    `async with` leave every stream at once. Leaving the loop alone leaves those streams that a task reads, as soon as
    nobody holds this; feeds and subscriptions stay as they are, and lose nothing.
    """

    __slots__ = ("__weakref__", "_merging")

    def __init__(self, streams: tuple[AsyncIterable[Any], ...]) -> None:
        self._merging = _Merging(streams)

    @property
    def failed(self) -> list[tuple[S_co, BaseException]]:
        """The streams that failed so far, in that order."""
        return list(self._merging.failed)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self: Merged[AsyncIterable[T]]) -> tuple[S_co, T]:
        merging = self._merging
        ready = merging.ready
        while ready or await merging.wait():
            if merging.turns >= merging.look_at:
                await merging.look()  # before anything is taken
                continue
            merging.turns += 1
            source = ready.popleft()
            item = merging.take(source)
            if item is not _NOTHING:
                return source.stream, item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave every stream at once. Idempotent. Raises what leaving one of them raised, when all were left."""
        await self._merging.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        merging = getattr(self, "_merging", None)
        if merging is not None and not merging.is_left:
            try:
                merging.drop()
            except RuntimeError:
                return  # the loop has gone, and the readers with it

    def __repr__(self) -> str:
        merging = self._merging
        return f"<Merged {len(merging.sources)} streams, {merging.living} not ended>"


@overload  # streams of two nouns, also for a checker that would join their types to `object`
def merge(first: S1, second: S2, /) -> Merged[S1 | S2]: ...
@overload
def merge(first: S1, second: S2, third: S3, /) -> Merged[S1 | S2 | S3]: ...
@overload
def merge(*streams: S) -> Merged[S]: ...
def merge(*streams: Any) -> Merged[Any]:
    """What comes of any of `streams`, each item with the stream that it is of.

    ::

        async for feed, item in merge(here, there):
            ...

    `streams`: async iterators of publications and marks, each once. One that fails raises its error behind what it had;
    a note of the error says which one it is, and `failed` has them all. Iterate on for the others. Raises
    ConfigurationError where an argument is wrong.
    """
    for stream in streams:
        if not hasattr(stream, "__aiter__"):
            raise ConfigurationError("streams", stream, "async iterators, each an argument for itself")
    if len({id(stream) for stream in streams}) < len(streams):
        raise ConfigurationError("streams", streams, "each stream once")
    return Merged(streams)
