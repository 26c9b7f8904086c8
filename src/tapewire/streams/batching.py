"""A stream in batches: `size` items, or what came within `seconds` of the first, whichever is sooner.

Rules: one task reads ahead, at most one batch (`size` items: the bound of this buffer); no task and no timer is made
for an item. The deadline runs from the moment at which the batch's first item was read. What was read is delivered
before an end or an error is. A cancelled `anext()` loses nothing. Marks count as items and keep their place.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable
from types import TracebackType
from typing import Generic, Self, TypeVar

from ..errors import ConfigurationError
from .source import leave

__all__ = ["MOST_ITEMS", "Batches", "batched"]

T = TypeVar("T")

MOST_ITEMS = 1_000_000
"""The largest `size`."""


class _Reading(Generic[T]):
    """The living part. The reader's task holds this and users hold `Batches`: dropping that one ends this one."""

    def __init__(self, stream: AsyncIterable[T], size: int, seconds: float) -> None:
        self.stream, self.size, self.seconds = stream, size, seconds
        self.items: list[T] = []
        self.ended = False
        self._error: BaseException | None = None
        self._closing_error: Exception | None = None
        self._stopping = self._begun = self._overdue = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._taker: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    # --- the consumer's side ------------------------------------------------------------------------------------------

    async def next(self) -> list[T]:
        if self._task is None and not self.ended:
            self._task = asyncio.get_running_loop().create_task(self._read())
        while not self._is_ready:
            if self.ended:
                self._raise_the_end()
            if self._taker is not None:
                raise ConfigurationError("consumer", "a second task", "one task at a time for each stream")
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        return self.take()

    def take(self) -> list[T]:
        """What was read, whether the batch is full or not."""
        batch, self.items = self.items, []
        self._overdue = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _wake(self._room)
        return batch

    async def close(self) -> None:
        task = self._task
        if task is None:
            if not self.ended:
                self.ended = True
                await leave(self.stream)
            return
        self.stop()
        # Not `await task`: a cancellation of ours is not mistaken for the reader's.
        await asyncio.wait({task})
        error, self._closing_error = self._closing_error, None
        self._error = None
        if error is not None:
            raise error

    def stop(self) -> None:
        """The reader is to leave. One that has not begun yet does so when it begins."""
        self._stopping = True
        if self._task is not None and self._begun:
            self._task.cancel()

    @property
    def _is_ready(self) -> bool:
        items = self.items
        return len(items) >= self.size or (bool(items) and (self._overdue or self.ended))

    def _raise_the_end(self) -> None:
        error, self._error = self._error or self._closing_error, None
        self._closing_error = None
        if error is not None:
            raise error
        raise StopAsyncIteration

    # --- the reader's side --------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._begun = True
        try:
            if not self._stopping:
                await self._read_to_the_end()
        except asyncio.CancelledError as error:
            if not self._stopping:
                self._error = error  # the stream's own, or the whole loop's: as without batches
        except Exception as error:
            self._error = error
        try:
            await leave(self.stream)
        except Exception as error:
            self._closing_error = error
        finally:
            self.ended = True
            if self._timer is not None:
                self._timer.cancel()
            _wake(self._taker)

    async def _read_to_the_end(self) -> None:
        loop = asyncio.get_running_loop()
        async for item in self.stream:
            self.items.append(item)
            if len(self.items) == 1:
                self._timer = loop.call_later(self.seconds, self._expire)
            # Before the next is read: what is read is never in nobody's hands.
            while len(self.items) >= self.size:
                _wake(self._taker)
                self._room = loop.create_future()
                try:
                    await self._room
                finally:
                    self._room = None

    def _expire(self) -> None:
        self._overdue = True
        _wake(self._taker)


class Batches(Generic[T]):
    """An async iterator of lists. Made by `batched`. One task at a time may iterate.

    It ends when the stream ends, and raises what the stream raises, each behind what was read. Leaving the loop leaves
    the stream as soon as nobody holds this; `async with` or `aclose()` does so at once. `rest()` is what was read and
    not delivered then.
    """

    __slots__ = ("__weakref__", "_reading")

    def __init__(self, stream: AsyncIterable[T], size: int, seconds: float) -> None:
        self._reading = _Reading(stream, size, seconds)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[T]:
        return await self._reading.next()

    def rest(self) -> list[T]:
        """Takes what was read and not delivered yet: at most one batch, without waiting."""
        return self._reading.take()

    async def aclose(self) -> None:
        """Leave the stream at once. Idempotent. Raises what leaving raised. `rest()` may be taken afterwards."""
        await self._reading.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        reading = getattr(self, "_reading", None)
        if reading is not None:
            try:
                reading.stop()
            except RuntimeError:
                return  # the loop has gone, and the reader with it

    def __repr__(self) -> str:
        reading = self._reading
        return f"<Batches of {reading.size} or {reading.seconds:g} s, {len(reading.items)} waiting>"


def batched(stream: AsyncIterable[T], size: int, seconds: float) -> Batches[T]:
    """`stream` in lists of up to `size` items; none waits longer than `seconds` for its batch to fill.

    Iterate what is returned: `async for batch in batched(stream, size=100, seconds=0.5)`. No list is empty, the last
    may be short. Raises ConfigurationError where an argument is wrong.
    """
    if type(size) is not int or not 1 <= size <= MOST_ITEMS:
        raise ConfigurationError("size", size, f"a whole number of items from 1 to {MOST_ITEMS}")
    if type(seconds) not in (int, float) or not 0 < seconds < math.inf:
        raise ConfigurationError("seconds", seconds, "a number above 0")
    if not hasattr(stream, "__aiter__"):
        raise ConfigurationError("stream", stream, "an async iterator")
    return Batches(stream, size, seconds)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
