"""What users hold of a stream: waits that are cancelled, and who leaves a stream and when."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from tapewire.errors import ConfigurationError, WrongLoop
from tapewire.session.consumer import Consumer, Items, Iteration


class Numbers:
    """A stream of numbers, a pair for each that is put in; reading one takes a moment where `slow`."""

    def __init__(self, clock, *, slow=False):
        self.calls = []
        self.consumer = Consumer("numbers", decode=self._slowly if slow else self._read, clock=clock)

    def stream(self, **fields):
        return Iteration("numbers", self.consumer, lambda: self.calls.append("begin"), self._leave, **fields)

    def _leave(self):
        self.calls.append("leave")
        self.consumer.close()

    def _read(self, number):
        return Items([number, number + 100])

    async def _slowly(self, number):
        await asyncio.sleep(0.05)
        return self._read(number)


async def by_wait_for(stream):
    return await asyncio.wait_for(anext(stream), 0.02)


async def by_timeout(stream):
    async with asyncio.timeout(0.02):
        return await anext(stream)


async def by_a_task_that_is_cancelled(stream):
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait([waiting], timeout=0.02)
    if not done:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        raise TimeoutError
    return waiting.result()


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("wait", [by_wait_for, by_timeout, by_a_task_that_is_cancelled])
async def test_a_wait_that_is_cancelled_ends_nothing_and_loses_nothing(clock, wait, slow):
    numbers = Numbers(clock, slow=slow)
    stream = numbers.stream()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await wait(stream)
    for number in (1, 2):
        numbers.consumer.put(number)
    found = []
    while len(found) < 4:
        try:
            found.append(await wait(stream))
        except TimeoutError:
            continue
    assert found == [1, 101, 2, 102]
    assert numbers.calls == ["begin"]
    await stream.aclose()
    await stream.aclose()
    assert numbers.calls == ["begin", "leave"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_nobody_holds_is_left_whichever_thread_finds_out(clock):
    numbers = Numbers(clock)

    async def first():
        async for number in numbers.stream():
            return number
        return 0

    numbers.consumer.put(1)
    assert await first() == 1
    gc.collect()
    await asyncio.sleep(0)
    assert numbers.calls == ["begin", "leave"]
    other = Numbers(clock)
    held = [other.stream()]
    aiter(held[0])
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert other.calls == ["begin"]  # never in that thread
    await asyncio.sleep(0.01)
    assert other.calls == ["begin", "leave"]


async def test_a_stream_is_left_when_the_task_that_iterates_it_is_cancelled_though_others_hold_it(clock):
    numbers = Numbers(clock)
    stream = numbers.stream()

    async def consume():
        async for _ in stream:
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    assert numbers.calls == ["begin", "leave"]


async def test_a_stream_goes_on_in_another_task_when_the_one_that_iterated_it_first_is_cancelled(clock):
    numbers = Numbers(clock)
    stream = numbers.stream()

    async def consume(seconds):
        async for _ in stream:
            await asyncio.sleep(seconds)
            return

    numbers.consumer.put(1)
    first = asyncio.ensure_future(consume(100))
    await asyncio.sleep(1)
    await consume(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.sleep(0)
    assert numbers.calls == ["begin"]
    await stream.aclose()


async def test_a_stream_that_ends_or_fails_raises_that_once_and_is_left_and_then_only_over(clock):
    for end in (ValueError("no more"), None):
        numbers = Numbers(clock)
        stream = numbers.stream(errors=lambda error: KeyError(str(error)))
        numbers.consumer.put(1)
        aiter(stream)
        numbers.consumer.end(end)
        assert [await anext(stream) for _ in range(2)] == [1, 101]
        with pytest.raises(StopAsyncIteration if end is None else KeyError):
            await anext(stream)
        assert numbers.calls == ["begin", "leave"]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_second_task_that_waits_is_told_so_and_ends_nothing(clock):
    numbers = Numbers(clock)
    stream = numbers.stream()
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError, match="a second task"):
        await anext(stream)
    numbers.consumer.put(1)
    assert await waiting == 1
    assert numbers.calls == ["begin"]
    await stream.aclose()


async def test_what_is_there_is_taken_without_a_coroutine_of_the_items(clock):
    consumer, awaited = Consumer("numbers", clock=clock), []

    class Source:
        at_once = consumer.at_once

        async def __anext__(self):
            awaited.append(True)
            return await anext(consumer)

    stream = Iteration("numbers", Source(), lambda: consumer.put(0), consumer.close)
    assert await anext(stream) == 0
    for number in range(1, 7):
        consumer.put(number)
    taken_before = len(awaited)
    assert [await anext(stream) for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert taken_before == 1
    assert len(awaited) <= 2  # a look at the clock, of which one is for the first of a few
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_cannot_be_asked_for_is_left_and_over(clock):
    calls = []

    def begin():
        raise ValueError("not here")

    stream = Iteration(
        "none",
        Consumer("none", clock=clock),
        begin,
        lambda: calls.append("leave"),
        errors=lambda error: error,
    )
    with pytest.raises(ValueError, match="not here"):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert calls == ["leave"]


async def test_a_stream_that_was_never_started_is_left_by_nobody(clock):
    numbers = Numbers(clock)
    await numbers.stream().aclose()
    assert numbers.calls == []


def test_a_stream_belongs_to_the_event_loop_on_which_it_was_asked_for():
    numbers = Numbers(None)
    stream = numbers.stream()

    async def ask():
        aiter(stream)

    async def use(call):
        with pytest.raises(WrongLoop, match="the stream of numbers"):
            await call

    asyncio.run(ask())
    asyncio.run(use(anext(stream)))
    asyncio.run(use(stream.aclose()))
    assert numbers.calls == ["begin"]


async def test_a_task_holds_no_stream_that_was_left(clock):
    """One that lives long and iterates one stream after the other keeps none of them alive."""
    numbers = Numbers(clock)
    stream = numbers.stream()
    consumer = weakref.ref(numbers.consumer)
    aiter(stream)
    del stream, numbers
    await asyncio.sleep(0)
    gc.collect()
    assert consumer() is None
