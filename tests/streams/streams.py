"""A stream that a test feeds by hand, and what it saw of its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self


class Fed:
    """`put` items, `fail` or `end` it. `closed` says whether it was left; a cancelled read loses nothing."""

    def __init__(self, *items: Any) -> None:
        self.items: list[Any] = list(items)
        self.taken = 0
        self.closed = 0
        self.close_error: Exception | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._grown = asyncio.Event()

    def put(self, *items: Any) -> None:
        self.items.extend(items)
        self._grown.set()

    def end(self) -> Self:
        self._ended = True
        self._grown.set()
        return self

    def fail(self, error: BaseException) -> Self:
        self._error = error
        return self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self.items:
            if self._ended or self.closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._grown.clear()
            await self._grown.wait()
        self.taken += 1
        return self.items.pop(0)

    async def aclose(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class FedInBatches(Fed):
    """One that gives what is there in lists, and has nothing else."""

    def batches(self, limit: int) -> AsyncIterator[list[Any]]:
        return _InBatches(self, limit)


class _InBatches:
    def __init__(self, fed: FedInBatches, limit: int) -> None:
        self._fed = fed
        self._limit = limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        batch = [await anext(self._fed)]
        while self._fed.items and len(batch) < self._limit:
            batch.append(await anext(self._fed))
        return batch
