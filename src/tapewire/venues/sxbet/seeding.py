"""Many markets asked for with few requests: whoever asks within a few milliseconds shares one.

After a mass reconnection every book wants its snapshot at once, while one request may name a thousand markets. What is
refused is halved until the market that it was refused for stands alone: its book fails, no other does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

from ...errors import TapewireError
from .errors import SXBetInvalidParameter, SXBetRequestError, SXBetTransportError
from .limits import chunks
from .symbols import checked_id
from .wire import OrderRow

__all__ = ["MarketBatcher", "SeedBatcher"]

T = TypeVar("T")

MAX_BATCH: Final = 1000
MAX_WAITING: Final = 50_000
"""Askers waiting at one time."""

_Waiting: TypeAlias = dict[str, list[asyncio.Future[tuple[T, ...]]]]


class MarketBatcher(Generic[T]):
    """Collects requests for `window` seconds, or until `max_batch` markets, then fetches them together.

    At most `in_flight` requests run at once. Close it when no book is seeded any more.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, tuple[T, ...]]]],
        *,
        window: float = 0.005,
        max_batch: int = MAX_BATCH,
        in_flight: int = 4,
    ) -> None:
        if not 0 <= window <= 10:
            raise SXBetInvalidParameter("window", window, "seconds from 0 to 10")
        if not 1 <= max_batch <= MAX_BATCH:
            raise SXBetInvalidParameter("max_batch", max_batch, f"1 to {MAX_BATCH}")
        if in_flight < 1:
            raise SXBetInvalidParameter("in_flight", in_flight, "1 or more")
        self.requests: int = 0
        """Batches fetched so far, halves of refused ones included."""
        self._fetch = fetch
        self._window = window
        self._max_batch = max_batch
        self._free = asyncio.Semaphore(in_flight)
        self._waiting: _Waiting[T] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def rows_of(self, market_hash: str) -> tuple[T, ...]:
        """The rows of one market, as they are after this call was made. Raises what the request raises."""
        checked_id("market_hash", market_hash)
        if self._closed:
            raise SXBetTransportError("the batcher is closed", sent=False)
        if self._count >= MAX_WAITING:
            raise SXBetTransportError(f"more than {MAX_WAITING} markets wait to be asked for", sent=False)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[T, ...]] = loop.create_future()
        self._waiting.setdefault(market_hash, []).append(future)
        self._count += 1
        if len(self._waiting) >= self._max_batch:
            self._start()
        elif self._timer is None:
            self._timer = loop.call_later(self._window, self._start)
        try:
            return await future
        finally:
            self._count -= 1

    async def aclose(self) -> None:
        """Stop; whoever still waits gets SXBetTransportError. Idempotent."""
        self._closed = True
        waiting, self._waiting = self._waiting, {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _fail(waiting, SXBetTransportError("the batcher is closed", sent=False))
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self) -> None:
        """Send off what has been collected, and begin to collect anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        task = asyncio.create_task(self._run(waiting), name="tapewire-seed-batch")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, waiting: _Waiting[T]) -> None:
        try:
            async with self._free:
                # Whoever has gone in the meantime is not asked for.
                wanted = [name for name, futures in waiting.items() if any(not f.done() for f in futures)]
                await self._fetch_all(wanted, waiting)
        finally:
            _fail(waiting, SXBetTransportError("the batch was cancelled", sent=True))

    async def _fetch_all(self, wanted: list[str], waiting: _Waiting[T]) -> None:
        batches = [wanted] if wanted else []
        while batches:
            batch = batches.pop()
            self.requests += 1
            try:
                found = await self._fetch(batch)
            except SXBetRequestError as error:
                if len(batch) > 1:
                    batches += chunks(batch, -(-len(batch) // 2))
                else:
                    _fail({batch[0]: waiting[batch[0]]}, error)
            except TapewireError as error:
                _fail({name: waiting[name] for name in batch}, error)
            except Exception as error:
                text = f"the request failed: {type(error).__name__}"
                _fail({name: waiting[name] for name in batch}, SXBetTransportError(text))
            else:
                for name in batch:
                    for future in waiting[name]:
                        if not future.done():
                            future.set_result(tuple(found.get(name, ())))


class SeedBatcher(MarketBatcher[OrderRow]):
    """The orders of markets, to seed books with. `fetch` is `AsyncSXBet.orders_of_markets`."""

    async def orders_of(self, market_hash: str) -> tuple[OrderRow, ...]:
        """The active orders of one market, as they are after this call was made. Raises what the request raises."""
        return await self.rows_of(market_hash)


def _fail(waiting: _Waiting[T], error: TapewireError) -> None:
    for futures in waiting.values():
        for future in futures:
            if not future.done():
                future.set_exception(error)
