"""Batches lose nothing: not at the end, not by an error, not by being cancelled or left."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.marks import Gap
from tapewire.streams import batched
from tapewire.testing import VirtualClock
from tests.streams.streams import Fed

GAP = Gap(reason="connection lost", since_ns=1)


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_batch_is_full_at_its_size_without_waiting(clock: VirtualClock) -> None:
    batches = batched(Fed(1, 2, 3, 4, 5).end(), size=2, seconds=60)
    assert [batch async for batch in batches] == [[1, 2], [3, 4], [5]]
    assert clock.monotonic() == 1000.0


async def test_a_batch_waits_for_its_first_item_and_from_there_no_longer_than_its_seconds(
    clock: VirtualClock,
) -> None:
    stream = Fed()
    loop = asyncio.get_running_loop()
    loop.call_later(100.0, stream.put, "a")
    loop.call_later(100.4, stream.put, "b")
    loop.call_later(100.6, stream.put, "c")
    async with batched(stream, size=10, seconds=0.5) as batches:
        assert await anext(batches) == ["a", "b"]
        assert clock.monotonic() == pytest.approx(1100.5)
        assert await anext(batches) == ["c"]
        assert clock.monotonic() == pytest.approx(1101.1)


async def test_the_deadline_runs_while_the_consumer_is_busy(clock: VirtualClock) -> None:
    stream = Fed("a", "b")
    async with batched(stream, size=2, seconds=5.0) as batches:
        assert await anext(batches) == ["a", "b"]
        stream.put("c")
        await asyncio.sleep(30)
        before = clock.monotonic()
        assert await anext(batches) == ["c"]
        assert clock.monotonic() == before


async def test_it_reads_ahead_one_batch_and_no_more(clock: VirtualClock) -> None:
    stream = Fed(*range(100))
    async with batched(stream, size=3, seconds=1) as batches:
        await anext(batches)
        await asyncio.sleep(60)
        assert stream.taken == 6


async def test_marks_keep_their_place_and_count_as_items(clock: VirtualClock) -> None:
    assert [batch async for batch in batched(Fed(1, GAP, 2).end(), 2, 1.0)] == [[1, GAP], [2]]


async def test_what_was_read_is_delivered_before_the_error_and_the_error_once(clock: VirtualClock) -> None:
    batches = batched(Fed(1, 2, 3).fail(OSError("gone")), size=2, seconds=60)
    assert await anext(batches) == [1, 2]
    assert await anext(batches) == [3]
    with pytest.raises(OSError, match="gone"):
        await anext(batches)
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_the_streams_own_cancellation_is_raised_behind_what_was_read(clock: VirtualClock) -> None:
    batches = batched(Fed(1).fail(asyncio.CancelledError()), size=2, seconds=60)
    assert await anext(batches) == [1]
    with pytest.raises(asyncio.CancelledError):
        await anext(batches)


async def test_a_cancelled_wait_loses_nothing(clock: VirtualClock) -> None:
    stream = Fed("a")
    batches = batched(stream, size=3, seconds=60)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(batches), 1)
    stream.put("b", "c", "d")
    assert await anext(batches) == ["a", "b", "c"]
    await batches.aclose()
    assert batches.rest() + stream.items == ["d"]


async def test_leaving_closes_the_stream_and_keeps_the_rest(clock: VirtualClock) -> None:
    stream = Fed(1, 2, 3)
    async with batched(stream, size=2, seconds=60) as batches:
        await anext(batches)
        await settled()
    assert stream.closed == 1
    assert batches.rest() == [3]
    with pytest.raises(StopAsyncIteration):
        await anext(batches)
    await batches.aclose()
    assert stream.closed == 1


async def test_breaking_out_of_the_loop_closes_the_stream(clock: VirtualClock) -> None:
    stream = Fed(1, 2, 3)
    async for _ in batched(stream, size=2, seconds=60):
        break
    gc.collect()
    await settled()
    assert stream.closed == 1


async def test_breaking_out_ends_an_async_generator(clock: VirtualClock) -> None:
    ended = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            ended.append(True)

    async for _ in batched(numbers(), size=2, seconds=60):
        break
    gc.collect()
    await settled()
    assert ended == [True]


async def test_leaving_before_the_first_read_closes_the_stream(clock: VirtualClock) -> None:
    never, cancelled = Fed(1), Fed(1)
    await batched(never, size=2, seconds=60).aclose()
    batches = batched(cancelled, size=2, seconds=60)
    task = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0)  # the read is asked for and has not begun
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    del batches, task
    gc.collect()
    await settled()
    assert (never.closed, cancelled.closed) == (1, 1)


async def test_what_leaving_raises_is_raised_by_it_or_at_the_end(clock: VirtualClock) -> None:
    left, ended = Fed(1), Fed(1).end()
    left.close_error = ended.close_error = OSError("cannot leave")
    batches = batched(left, size=2, seconds=1)
    await anext(batches)
    with pytest.raises(OSError, match="cannot leave"):
        await batches.aclose()
    batches = batched(ended, size=2, seconds=1)
    assert await anext(batches) == [1]
    with pytest.raises(OSError, match="cannot leave"):
        await anext(batches)


async def test_the_end_of_the_loop_ends_the_reader() -> None:
    stream = Fed(1)
    task = asyncio.ensure_future(anext(batched(stream, size=2, seconds=60)))
    await settled()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    del task
    gc.collect()
    await settled()
    assert stream.closed == 1


async def test_a_second_consumer_is_refused(clock: VirtualClock) -> None:
    batches = batched(Fed(), size=2, seconds=60)
    first = asyncio.ensure_future(anext(batches))
    await settled()
    with pytest.raises(ConfigurationError, match="one task at a time"):
        await anext(batches)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await batches.aclose()


@pytest.mark.parametrize(
    ("size", "seconds", "argument"),
    [
        (0, 1.0, "size"),
        (True, 1.0, "size"),
        (2.5, 1.0, "size"),
        (2, 0, "seconds"),
        (2, float("inf"), "seconds"),
    ],
)
def test_wrong_arguments_are_named(size: Any, seconds: Any, argument: str) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(ConfigurationError) as caught:
        batched(numbers(), size, seconds)
    assert caught.value.argument == argument
    with pytest.raises(ConfigurationError, match="async iterator"):
        batched([1, 2], 1, 1.0)  # type: ignore[arg-type]


@given(
    pauses=st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.51, 2.0]), max_size=30),
    busy=st.lists(st.sampled_from([0.0, 0.3, 1.7]), max_size=10),
    size=st.integers(1, 7),
    fails=st.booleans(),
)
def test_every_item_comes_once_in_order_and_in_time(
    pauses: list[float], busy: list[float], size: int, fails: bool
) -> None:
    """Invariant: what went in comes out, in order, in batches of 1 to `size`, at most 0.5 s and the consumer's own
    time behind; then the error, if there is one."""

    async def numbers() -> AsyncIterator[tuple[int, float]]:
        for number, pause in enumerate(pauses):
            if pause:
                await asyncio.sleep(pause)
            yield number, asyncio.get_running_loop().time()
        if fails:
            raise OSError

    async def main() -> None:
        loop, got, rests = asyncio.get_running_loop(), [], iter(busy)
        free_at = loop.time()
        try:
            async for batch in batched(numbers(), size=size, seconds=0.5):
                assert 1 <= len(batch) <= size
                got += [number for number, _ in batch]
                assert loop.time() <= max(batch[0][1] + 0.5, free_at) + 1e-6
                await asyncio.sleep(next(rests, 0.0))
                free_at = loop.time()
        except OSError:
            assert fails
        else:
            assert not fails
        assert got == list(range(len(pauses)))

    VirtualClock().run(main())
