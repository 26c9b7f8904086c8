"""Several streams as one: in their own order, nobody held up, nothing lost, and nothing read that nobody takes."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tapewire import merge
from tapewire.errors import ConfigurationError, SubscriptionEnded, WrongLoop
from tapewire.marks import Gap
from tapewire.session.consumer import Consumer, Items, Iteration
from tapewire.streams.merging import MOST_AHEAD
from tapewire.testing import VirtualClock
from tests.session.line import line
from tests.session.slow_consumers import Stalls
from tests.streams.streams import Fed, FedInBatches

GAP = Gap(reason="connection lost", since_ns=1)


async def settled() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)


def consumer(*items: Any, **fields: Any) -> Consumer[Any]:
    made: Consumer[Any] = Consumer("one", **fields)
    for item in items:
        made.put(item)
    return made


def ended(made: Consumer[Any], error: BaseException | None = None) -> Consumer[Any]:
    made.end(error)
    return made


async def taken(merged: Any, count: int) -> list[Any]:
    return [(await anext(merged))[1] for _ in range(count)]


KINDS = {
    "an iterator": lambda *items: Fed(*items).end(),
    "batches": lambda *items: FedInBatches(*items).end(),
    "a consumer": lambda *items: ended(consumer(*items)),
}


# --- what comes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_each_item_comes_with_its_stream_in_the_streams_order_with_marks_in_their_place(
    clock: VirtualClock, kind: str
) -> None:
    first, second = KINDS[kind](1, GAP, 2), KINDS[kind]("a")
    both = [pair async for pair in merge(first, second)]
    assert [item for stream, item in both if stream is first] == [1, GAP, 2]
    assert [item for stream, item in both if stream is second] == ["a"]


async def test_streams_that_have_something_take_turns(clock: VirtualClock) -> None:
    merged = merge(consumer(*range(5)), consumer("a", "b"), consumer(None))
    assert await taken(merged, 8) == [0, "a", None, 1, "b", 2, 3, 4]


async def test_a_stream_with_a_backlog_holds_up_no_reader_of_another(clock: VirtualClock) -> None:
    merged = merge(consumer(*range(200)), Fed(*"abcdef"), Fed(*"uvwxyz"))
    assert {"f", "z"} < set(await taken(merged, 40))


async def test_a_stalled_stream_holds_up_nobody(clock: VirtualClock) -> None:
    stalled, living = Fed(), Fed()
    asyncio.get_running_loop().call_later(3.0, living.put, 1)
    merged = merge(stalled, consumer(), living)
    assert await anext(merged) == (living, 1)
    assert clock.monotonic() == 1003.0
    await merged.aclose()


async def test_a_stream_that_ends_is_over_for_itself(clock: VirtualClock) -> None:
    short, long = Fed().end(), consumer()
    asyncio.get_running_loop().call_later(1.0, long.put, "late")
    asyncio.get_running_loop().call_later(2.0, long.end)
    assert [item async for item in merge(short, long)] == [(long, "late")]


async def test_no_streams_are_over_at_once(clock: VirtualClock) -> None:
    assert [pair async for pair in merge()] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_is_asked_of_a_stream_before_the_first_wait(clock: VirtualClock, kind: str) -> None:
    stream = KINDS[kind](1)
    merge(stream)
    await settled()
    assert [item async for item in stream] == [1]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["an iterator", "batches", "a consumer"])
async def test_a_failure_comes_behind_what_was_there_and_names_its_stream_and_the_others_go_on(
    clock: VirtualClock, kind: str
) -> None:
    error = SubscriptionEnded("topic", "gone")
    failing = {
        "an iterator": lambda: Fed(1, 2).fail(error),
        "batches": lambda: FedInBatches(1, 2).fail(error),
        "a consumer": lambda: ended(consumer(1, 2), error),
    }[kind]()
    other = Fed()
    merged = merge(failing, other)
    assert await taken(merged, 2) == [1, 2]
    with pytest.raises(SubscriptionEnded) as raised:
        await anext(merged)
    assert raised.value.__notes__ == [f"in a merge, of {failing!r}"]
    assert merged.failed == [(failing, error)]
    other.put("a")
    assert await anext(merged) == (other, "a")
    other.end()
    with pytest.raises(StopAsyncIteration):
        await anext(merged)


async def test_what_two_merges_raise_of_one_stream_is_noted_once(clock: VirtualClock) -> None:
    failed = ended(consumer(), OSError("gone"))
    for _ in range(2):
        with pytest.raises(OSError, match="gone") as raised:
            await anext(merge(failed))
    assert len(raised.value.__notes__) == 1


async def test_what_asking_a_stream_raises_is_that_streams_failure(clock: VirtualClock) -> None:
    async with line(clock) as (session, peer):
        handled = session.subscribe("a", handler=print)
        iterated = session.subscribe("b")
        await iterated.confirmed()
        peer.broadcast("b", "tick", {"n": 1})
        async with merge(handled, iterated) as merged:
            with pytest.raises(ConfigurationError, match="no handler"):
                await anext(merged)
            assert (await anext(merged))[0] is iterated


async def test_the_streams_own_cancellation_is_raised_behind_what_was_read(clock: VirtualClock) -> None:
    merged = merge(Fed(1).fail(asyncio.CancelledError()))
    assert await taken(merged, 1) == [1]
    with pytest.raises(asyncio.CancelledError):
        await anext(merged)


async def test_what_leaving_an_ended_stream_raises_is_its_failure(clock: VirtualClock) -> None:
    stream = Fed(1).end()
    stream.close_error = OSError("cannot leave")
    merged = merge(stream)
    assert await taken(merged, 1) == [1]
    with pytest.raises(OSError, match="cannot leave"):
        await anext(merged)


async def test_what_is_no_stream_or_comes_twice_is_refused(clock: VirtualClock) -> None:
    stream = Fed()
    with pytest.raises(ConfigurationError, match="each an argument for itself"):
        merge([stream])  # type: ignore[type-var]
    with pytest.raises(ConfigurationError, match="each stream once"):
        merge(stream, Fed(), stream)


# --- what is not read ahead -------------------------------------------------------------------------------------------


async def test_a_stream_that_nobody_takes_from_is_not_asked(clock: VirtualClock) -> None:
    plain, batches, polled = Fed(*range(9)), FedInBatches(*range(9 * MOST_AHEAD)), consumer(*range(9))
    merged = merge(plain, batches, polled)
    assert {type(stream) for stream, _ in [await anext(merged) for _ in range(3)]} == {
        Fed,
        FedInBatches,
        Consumer,
    }
    await asyncio.sleep(60)
    assert plain.taken <= 2
    assert batches.taken <= MOST_AHEAD
    assert len(polled.buffer) == 8
    await merged.aclose()


async def test_a_feeds_own_policy_holds_in_a_merge(clock: VirtualClock) -> None:
    newest = consumer(policy="conflate", key=lambda item: None)
    merged = merge(newest, Fed())
    newest.put(1)
    assert await taken(merged, 1) == [1]
    for number in range(2, 50):
        newest.put(number)
        await settled()
    assert await taken(merged, 1) == [49]
    await merged.aclose()


async def test_a_wait_that_is_cancelled_loses_nothing(clock: VirtualClock) -> None:
    streams = [Fed(), FedInBatches(), consumer()]
    merged = merge(*streams)
    got = []
    for number in range(60):
        waiting = asyncio.ensure_future(anext(merged))
        await settled()
        streams[number % 3].put(number)
        if number % 2:
            waiting.cancel()
        got += [pair for pair in await asyncio.gather(waiting, return_exceptions=True) if type(pair) is tuple]
    got += [await anext(merged) for _ in range(60 - len(got))]
    for index, stream in enumerate(streams):
        assert [item for of, item in got if of is stream] == list(range(index, 60, 3))
    await merged.aclose()


async def test_a_wait_cancelled_in_the_moment_in_which_something_comes_loses_nothing(
    clock: VirtualClock,
) -> None:
    stream = consumer()
    merged = merge(stream)
    waiting = asyncio.ensure_future(anext(merged))
    await settled()
    stream.put(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await taken(merged, 1) == [1]


async def test_what_takes_a_while_to_decode_or_comes_to_nothing_is_waited_for(clock: VirtualClock) -> None:
    async def slowly(item: int) -> int:
        await asyncio.sleep(item)
        return item

    slow = ended(consumer(1, 2, decode=slowly))
    sparse = ended(consumer(*range(10), decode=lambda item: item if item == 9 else Items()))
    both = [pair async for pair in merge(slow, sparse)]
    assert [item for stream, item in both if stream is slow] == [1, 2]
    assert [item for stream, item in both if stream is sparse] == [9]


# --- leaving ----------------------------------------------------------------------------------------------------------


async def test_leaving_leaves_every_stream_at_once_whatever_one_of_them_raises(clock: VirtualClock) -> None:
    plain, batches, polled, slow = Fed(1), FedInBatches(1, 2), consumer(1), Fed()
    plain.close_error = OSError("cannot leave")
    merged = merge(plain, batches, polled, slow)
    await anext(merged)
    await settled()
    with pytest.raises(OSError, match="cannot leave"):
        await merged.aclose()
    assert (plain.closed, batches.closed, slow.closed) == (1, 1, 1)
    with pytest.raises(StopAsyncIteration):
        await anext(merged)
    await merged.aclose()
    assert plain.closed == 1


async def test_leaving_before_the_first_wait_leaves_the_streams(clock: VirtualClock) -> None:
    async with line(clock) as (session, _):
        stream, subscription = Fed(1), session.subscribe("a")
        merged = merge(stream, subscription)
        await merged.aclose()
        assert [pair async for pair in merged] == []
        await settled()
        assert stream.closed == 1
        assert subscription.state == "unsubscribed"


async def test_leaving_wakes_whoever_waits(clock: VirtualClock) -> None:
    merged = merge(Fed(), consumer())
    waiting = asyncio.ensure_future(anext(merged))
    await settled()
    await merged.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_breaking_out_leaves_what_a_task_reads_and_nothing_else(clock: VirtualClock) -> None:
    read, asked = Fed(1, 2), consumer(*"ab")
    async for _ in merge(asked, read):
        break
    gc.collect()
    await settled()
    assert read.closed == 1
    assert await anext(asked) == "b"


async def test_breaking_out_while_streams_are_silent_leaves_them_to_whoever_comes_next(
    clock: VirtualClock,
) -> None:
    silent = consumer()
    merged = merge(silent)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(merged), 1)
    with pytest.raises(ConfigurationError, match="one task at a time"):
        await anext(silent)
    await asyncio.sleep(0)  # until its next turn the task holds its last cancellation, from Python 3.12 on
    del merged
    asyncio.get_running_loop().call_later(1, silent.put, "later")
    assert await anext(silent) == "later"


async def test_a_stream_that_nobody_but_the_merge_holds_goes_with_it(clock: VirtualClock) -> None:
    source, left = consumer(), []
    iteration: Iteration[Any] = Iteration("it", source, lambda: None, lambda: left.append(True))
    held = weakref.ref(iteration)
    merged = merge(iteration)
    del iteration
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(merged), 1)
    assert held() is not None
    await asyncio.sleep(0)  # until its next turn the task holds its last cancellation, from Python 3.12 on
    gc.disable()
    try:
        del merged
        assert held() is None
    finally:
        gc.enable()
    await settled()
    assert left == [True]


async def test_the_last_reference_may_go_in_another_thread() -> None:
    read = Fed(1)
    holder = [merge(read)]
    await anext(holder[0])
    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()
    await settled()
    assert read.closed == 1


async def test_breaking_out_ends_an_async_generator(clock: VirtualClock) -> None:
    over = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            over.append(True)

    async for _ in merge(numbers()):
        break
    gc.collect()
    await settled()
    assert over == [True]


# --- whoever takes ----------------------------------------------------------------------------------------------------


async def test_a_second_consumer_is_refused(clock: VirtualClock) -> None:
    merged = merge(Fed())
    first = asyncio.ensure_future(anext(merged))
    await settled()
    with pytest.raises(ConfigurationError, match="one task at a time"):
        await anext(merged)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await merged.aclose()


def test_a_merge_belongs_to_the_loop_on_which_it_began() -> None:
    merged = merge(consumer())

    async def once() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(merged), 0.01)

    asyncio.run(once())
    with pytest.raises(WrongLoop):
        asyncio.run(once())


async def test_a_body_that_never_awaits_gives_everybody_else_their_turn(clock: VirtualClock) -> None:
    merged = merge(
        consumer(*range(2_000), capacity=5_000), consumer(*range(2_000), capacity=5_000), consumer()
    )
    async with Stalls(clock) as others:
        await settled()
        for _ in range(2_500):
            await anext(merged)
            clock.suspend(0.001)  # what the body takes
        await asyncio.sleep(0.1)
    assert others.longest < 0.05


async def test_two_nouns_of_subscriptions_merge_over_a_lost_line(clock: VirtualClock) -> None:
    async with line(clock) as (session, peer):
        first, second = session.subscribe("a"), session.subscribe("b")
        await asyncio.gather(first.confirmed(), second.confirmed())
        peer.broadcast("a", "tick", {"n": 1})
        peer.broadcast("b", "tick", {"n": 1})
        await settled()
        peer.abort()
        await asyncio.sleep(60)
        peer.broadcast("b", "tick", {"n": 2})
        got: dict[Any, list[Any]] = {first: [], second: []}
        async with merge(first, second) as merged:
            while len(got[second]) < 5 or len(got[first]) < 4:
                stream, item = await anext(merged)
                got[stream].append(item)
        for stream in (first, second):
            kinds = [item.event if hasattr(item, "event") else type(item).__name__ for item in got[stream]]
            assert kinds[:4] == ["phx_reply", "tick", "Gap", "phx_reply"]
