"""`Stream`: what a watch verb gives: an async iterator over what one source brings, item by item.

Rules: nothing is asked for before the first wait. A wait that is cancelled (by a time-out) ends nothing and loses
nothing: the next one goes on where it was. The venue is left when the stream is closed or has ended, when the task that
iterates it is cancelled, and when nobody holds it any more.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from ...session.loop import is_cancelled
from .holding import Holding

__all__ = ["Source", "Stream"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Where a stream gets its items. `start` is called once, `leave` once after it, whatever happens."""

    name: str

    def start(self) -> None:
        """Ask for it at the venue. What it raises is raised to whoever waits."""

    async def take(self) -> Any:
        """The next thing there is, in the order of the wire. Cancelled, it has taken nothing.

        Raises StopAsyncIteration at the end, or what ended it.
        """

    def read(self, taken: Any) -> Iterable[T_co] | Awaitable[Iterable[T_co]]:
        """The items in what was taken; what it raises ends the stream."""
        ...

    @property
    def is_over(self) -> bool:
        """True where nothing follows what was read already."""
        ...

    def leave(self) -> None:
        """Leave the venue."""


class _Core(Generic[T]):
    """The living part: users hold the `Stream`, and whatever else knows of it holds this."""

    def __init__(self, source: Source[T], mapped: Callable[[BaseException], BaseException]) -> None:
        self.holding = Holding(source.name, self.leave, mapped)
        self._mapped = mapped
        self._source = source
        self._items: deque[T] = deque()
        self._reading: asyncio.Future[Iterable[T]] | None = None
        self._started = self._left = False

    def start(self) -> None:
        if not self._started and not self._left:
            self._started = True
            self.holding.begin()
            try:
                self._source.start()
            except BaseException as error:
                self.leave()
                raise self._mapped(error) from error.__cause__

    def leave(self) -> None:
        if self._left:
            return
        self._left = True
        self.holding.end()
        if self._reading is not None:
            self._reading.cancel()
        if self._started:
            self._source.leave()

    async def next(self) -> T:
        self.start()
        self.holding.check()
        while not self._items:
            if self._left or self._source.is_over:
                self.leave()
                raise StopAsyncIteration
            try:
                if self._reading is None:
                    self._read(await self._source.take())
                else:
                    await self._finish_reading()
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self.leave()
                raise self._mapped(error) from error.__cause__
        return self._items.popleft()

    def _read(self, taken: Any) -> None:
        found = self._source.read(taken)
        if inspect.isawaitable(found):
            self._reading = asyncio.ensure_future(found)
        else:
            self._items.extend(found)

    async def _finish_reading(self) -> None:
        """What was taken is in nobody's hands until it is read: a wait that is cancelled leaves it to the next."""
        reading = self._reading
        assert reading is not None
        try:
            self._items.extend(await asyncio.shield(reading))
        except asyncio.CancelledError:
            if is_cancelled() or not reading.cancelled():
                raise  # else it was left meanwhile, and nothing of ours was cancelled
        finally:
            if reading.done() and self._reading is reading:
                self._reading = None


class Stream(Generic[T]):
    """Iterate it with `async for`, one task at a time; `aclose()` or `async with` leaves it at once.

    Leaving the loop leaves the venue as soon as nobody holds the stream. A wait that was cancelled alone, as by
    `asyncio.wait_for(anext(stream), 1)`, ends and loses nothing. `mapped` makes of an error what its user is raised.
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(
        self, source: Source[T], mapped: Callable[[BaseException], BaseException] = lambda error: error
    ) -> None:
        self._core = _Core(source, mapped)

    def __aiter__(self) -> Self:
        self._core.start()
        self._core.holding.iterated_by(asyncio.current_task())
        return self

    async def __anext__(self) -> T:
        return await self._core.next()

    async def aclose(self) -> None:
        """Leave at once. Idempotent."""
        self._core.holding.check()
        self._core.leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None:
            core.holding.dropped()
