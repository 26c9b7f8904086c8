"""What the parts of this room ask of a stream: an async iterator whose items are publications and marks.

A stream is left by its `aclose()`, or by its `unsubscribe()` where it has no `aclose()`. A `Polled` one can be asked
for what it has without a wait, so that whoever takes of many needs no task for each.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

__all__ = [
    "SLICE_SECONDS",
    "Derived",
    "OnlyByWaiting",
    "Poll",
    "Polled",
    "Waiter",
    "leave",
    "polling_of",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
N = TypeVar("N")

SLICE_SECONDS = 0.01
"""How long one consumer may go on taking what is buffered before everybody else has a turn."""


class Waiter(Protocol):
    """Who is told, once, that something can be taken: an asyncio.Future, or what acts at once."""

    def done(self) -> bool:
        """True where nobody waits any more."""
        ...

    def set_result(self, result: None, /) -> object:
        """It can be taken, or nothing more comes. Called inside the read: it may do next to nothing, and not raise."""
        ...


class OnlyByWaiting(Exception):
    """It goes on only by a wait (`anext`): it has ended, or what it has takes a while to be decoded."""


class Poll(Protocol[T_co]):
    """How to take of a stream without a wait."""

    def __call__(self, waiter: Waiter, nothing: N, /) -> T_co | N:
        """The next item, or `nothing`: then `waiter` is told, once, when it is worth asking again.

        Raises OnlyByWaiting, and what waiting for the next item would raise at once.
        """
        ...


@runtime_checkable
class Polled(Protocol[T_co]):
    """A stream that can be asked for what it has."""

    def polling(self) -> Poll[T_co]:
        """What to ask; whoever asks is the one that takes. Raises OnlyByWaiting, and what `aiter` would."""
        ...


def polling_of(stream: object) -> Poll[Any]:
    """What to ask `stream` with. Raises OnlyByWaiting where it is not `Polled`, and what its `polling` raises."""
    if isinstance(stream, Polled):
        return stream.polling()
    raise OnlyByWaiting


async def leave(stream: object) -> None:
    """Leave `stream` at once, by its own word for it. One that has none is left by dropping it."""
    close = getattr(stream, "aclose", None) or getattr(stream, "unsubscribe", None)
    if close is not None:
        result = close()
        if inspect.isawaitable(result):
            await result


class Derived(Generic[T]):
    """A stream made of another, item by item. Leaving it (`aclose()`, `async with`) leaves the other.

    It survives a cancelled `anext()` wherever the stream below it does.
    """

    def __init__(self, stream: AsyncIterable[T]) -> None:
        self.stream = stream
        self._iterator: AsyncIterator[T] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await anext(self._iterator or self._begin())

    def _begin(self) -> AsyncIterator[T]:
        """The stream below is not iterated before this one is."""
        self._iterator = iterator = aiter(self.stream)
        return iterator

    async def aclose(self) -> None:
        """Leave at once. Idempotent where the stream below is."""
        if self._iterator is not None and self._iterator is not self.stream:
            await leave(self._iterator)
        await leave(self.stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
