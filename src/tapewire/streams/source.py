"""What the parts of this room ask of a stream: an async iterator whose items are publications and marks.

A stream is left by its `aclose()`, or by its `unsubscribe()` where it has no `aclose()`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["Derived", "leave"]

T = TypeVar("T")


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
