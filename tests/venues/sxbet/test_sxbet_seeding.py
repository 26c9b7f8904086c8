"""Seeds are fetched together, and what is wrong with one market is nobody else's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from tapewire.testing import VirtualClock
from tapewire.venues.sxbet.errors import (
    SXBetInvalidParameter,
    SXBetRequestError,
    SXBetServerError,
    SXBetTransportError,
    UnauthorizedError,
)
from tapewire.venues.sxbet.seeding import SeedBatcher
from tapewire.venues.sxbet.wire import OrderRow
from tests.venues.sxbet.rows import order_row


class Fetcher:
    def __init__(self, seconds: float = 0.1) -> None:
        self.batches: list[list[str]] = []
        self.failure: Exception | None = None
        self.bad: set[str] = set()
        self.seconds = seconds
        self.running = self.most_running = 0

    async def __call__(self, market_hashes: Sequence[str]) -> dict[str, tuple[OrderRow, ...]]:
        self.batches.append(list(market_hashes))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if self.failure:
            raise self.failure
        if self.bad & set(market_hashes):
            raise SXBetRequestError("bad market", status=400)
        return {
            name: (msgspec.convert(order_row(1, name), OrderRow),) for name in market_hashes if name != "none"
        }


async def test_who_asks_within_the_window_shares_a_request(clock: VirtualClock) -> None:
    fetch = Fetcher()
    batcher = SeedBatcher(fetch)

    async def later(name: str, delay: float) -> tuple[OrderRow, ...]:
        await asyncio.sleep(delay)
        return await batcher.orders_of(name)

    found = await asyncio.gather(
        later("a", 0), later("b", 0.004), later("a", 0.004), later("none", 0.001), later("c", 0.02)
    )
    assert fetch.batches == [["a", "none", "b"], ["c"]]
    assert [rows[0].market_hash if rows else None for rows in found] == ["a", "b", "a", None, "c"]
    await batcher.aclose()


async def test_a_full_batch_leaves_at_once(clock: VirtualClock) -> None:
    fetch = Fetcher(seconds=0)
    batcher = SeedBatcher(fetch, window=10, max_batch=3)
    began = clock.monotonic()
    await asyncio.gather(*(batcher.orders_of(f"m{n}") for n in range(6)))
    assert clock.monotonic() - began < 1
    assert [len(batch) for batch in fetch.batches] == [3, 3]
    await batcher.aclose()


async def test_a_thousand_books_are_one_request(clock: VirtualClock) -> None:
    fetch = Fetcher()
    batcher = SeedBatcher(fetch)
    await asyncio.gather(*(batcher.orders_of(f"m{n}") for n in range(1000)))
    assert batcher.requests == 1
    await batcher.aclose()


async def test_a_request_under_way_is_not_joined(clock: VirtualClock) -> None:
    fetch = Fetcher(seconds=5)
    batcher = SeedBatcher(fetch)
    first = asyncio.create_task(batcher.orders_of("a"))
    await asyncio.sleep(1)
    await asyncio.gather(first, batcher.orders_of("a"))
    assert fetch.batches == [["a"], ["a"]]
    await batcher.aclose()


async def test_only_so_many_requests_run_at_once(clock: VirtualClock) -> None:
    fetch = Fetcher(seconds=1)
    batcher = SeedBatcher(fetch, max_batch=1, in_flight=2)
    await asyncio.gather(*(batcher.orders_of(f"m{n}") for n in range(7)))
    assert fetch.most_running == 2
    await batcher.aclose()


async def test_a_refused_market_fails_alone(clock: VirtualClock) -> None:
    fetch = Fetcher()
    fetch.bad = {"m5"}
    batcher = SeedBatcher(fetch)
    found = await asyncio.gather(*(batcher.orders_of(f"m{n}") for n in range(16)), return_exceptions=True)
    assert [n for n, result in enumerate(found) if isinstance(result, SXBetRequestError)] == [5]
    assert sum(isinstance(result, tuple) for result in found) == 15
    assert batcher.requests <= 9
    await batcher.aclose()


@pytest.mark.parametrize(
    "failure",
    [SXBetServerError("503", status=503), UnauthorizedError("403", status=403), ValueError("a bug")],
)
async def test_a_failed_request_fails_all_of_its_books_once(clock: VirtualClock, failure: Exception) -> None:
    fetch = Fetcher()
    fetch.failure = failure
    batcher = SeedBatcher(fetch)
    found = await asyncio.gather(*(batcher.orders_of(f"m{n}") for n in range(4)), return_exceptions=True)
    kind = SXBetTransportError if isinstance(failure, ValueError) else type(failure)
    assert all(type(result) is kind for result in found)
    assert batcher.requests == 1
    await batcher.aclose()


async def test_who_has_gone_is_not_asked_for(clock: VirtualClock) -> None:
    fetch = Fetcher()
    batcher = SeedBatcher(fetch, window=1)
    gone = asyncio.create_task(batcher.orders_of("a"))
    stays = asyncio.create_task(batcher.orders_of("b"))
    await asyncio.sleep(0.5)
    gone.cancel()
    await stays
    assert fetch.batches == [["b"]]
    await batcher.aclose()


async def test_closing_fails_whoever_waits(clock: VirtualClock) -> None:
    batcher = SeedBatcher(Fetcher(seconds=60), window=1)
    early = asyncio.create_task(batcher.orders_of("a"))
    await asyncio.sleep(2)
    late = asyncio.create_task(batcher.orders_of("b"))
    await asyncio.sleep(0.1)
    await batcher.aclose()
    await batcher.aclose()
    for task in (early, late):
        with pytest.raises(SXBetTransportError):
            await task
    with pytest.raises(SXBetTransportError, match="closed"):
        await batcher.orders_of("c")


async def test_a_hash_that_cannot_be_is_refused_before_it_spoils_a_batch(clock: VirtualClock) -> None:
    batcher = SeedBatcher(Fetcher())
    with pytest.raises(SXBetInvalidParameter):
        await batcher.orders_of("a,b")
    await batcher.aclose()


@pytest.mark.parametrize(
    "settings", [{"window": -1}, {"max_batch": 0}, {"max_batch": 1001}, {"in_flight": 0}]
)
def test_settings_are_checked(settings: dict[str, float]) -> None:
    with pytest.raises(SXBetInvalidParameter):
        SeedBatcher(Fetcher(), **settings)  # type: ignore[arg-type]
