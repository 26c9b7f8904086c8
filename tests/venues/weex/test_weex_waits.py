"""Waits for a stream's next message that are cancelled, and who leaves a stream and when."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest

from tapewire.errors import SubscriptionRefused
from tapewire.marks import Gap
from tapewire.streams import filtered
from tapewire.testing import VirtualClock
from tapewire.venues.weex import WeexMessage
from tapewire.venues.weex.streams import Source, Stream, StreamCore
from tests.venues.weex.weex_peer import weex_line


async def by_wait_for(stream: Any) -> Any:
    return await asyncio.wait_for(anext(stream), 0.02)


async def by_timeout(stream: Any) -> Any:
    async with asyncio.timeout(0.02):
        return await anext(stream)


async def by_a_task_that_is_cancelled(stream: Any) -> Any:
    waiting = asyncio.ensure_future(anext(stream))
    done, _ = await asyncio.wait([waiting], timeout=0.02)
    if not done:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        raise TimeoutError
    return waiting.result()


WAITS = [by_wait_for, by_timeout, by_a_task_that_is_cancelled]


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("derived", [False, True])
async def test_a_wait_that_is_cancelled_ends_no_stream(
    clock: VirtualClock, wait: Callable[..., Any], derived: bool
) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT"])
        await stream.confirmed()
        below = filtered(stream, lambda message: True) if derived else stream
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await wait(below)
            await asyncio.sleep(1)
            peer.tick("BTCUSDT")
            assert (await wait(below)).symbol == "BTCUSDT"
        assert peer.asked("UNSUBSCRIBE") == []
        await stream.aclose()
        await peer.left("BTCUSDT@ticker")


class Item:
    received_at_ns = 1

    def __init__(self, number: int) -> None:
        self.number = number


def core_of(convert: Any, source: Source | None = None) -> StreamCore:
    return StreamCore(
        "test", source or Source(), convert, policy="drop_oldest", capacity=10, marks=True, now_ns=lambda: 1
    )


def message(number: int) -> WeexMessage:
    return WeexMessage("test", "", {"n": number}, 0.0)


@pytest.mark.parametrize("wait", WAITS)
async def test_what_was_taken_when_a_wait_is_cancelled_is_the_next_ones(
    clock: VirtualClock, wait: Callable[..., Any]
) -> None:
    converted = []

    async def convert(item: Any, core: StreamCore) -> Iterable[WeexMessage]:
        converted.append(item.number)
        if item.number == 1:
            core.spoiled(ValueError("a corrupt row"))
        await asyncio.sleep(0.05)  # as a price that is asked for over HTTP
        return [message(item.number), message(item.number + 100)]

    core = core_of(convert)
    stream = Stream(core)
    core.start()
    for number in (1, 2):
        core.put(Item(number))
    taken: list[Any] = []
    while len(taken) < 5:
        try:
            heard = await wait(stream)
        except TimeoutError:
            continue
        taken.append("spoiled" if isinstance(heard.mark, Gap) else heard.data["n"])
    assert taken == ["spoiled", 1, 101, 2, 102]
    assert converted == [1, 2]
    await stream.aclose()


async def test_a_conversion_that_is_under_way_when_the_stream_is_left_leaves_no_task(
    clock: VirtualClock,
) -> None:
    async def convert(item: Any, core: StreamCore) -> Iterable[WeexMessage]:
        await asyncio.sleep(3600)
        return []

    core = core_of(convert)
    stream = Stream(core)
    core.start()
    core.put(Item(1))
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        await by_timeout(stream)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading
    assert asyncio.all_tasks() == before


async def test_a_loop_that_is_left_by_a_time_out_can_go_on(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT"])
        for number in range(3):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    async for _ in stream:
                        raise AssertionError("nothing was sent")
            peer.tick("BTCUSDT")
            assert stream.delivered == number
            assert (await anext(stream)).symbol == "BTCUSDT"
        await stream.aclose()


async def test_a_task_holds_no_stream_that_was_left(clock: VirtualClock) -> None:
    """One that lives long and iterates one stream after the other keeps none of them alive."""
    stream = Stream(core_of(lambda item, core: ()))
    core = weakref.ref(stream._core)
    aiter(stream)
    del stream
    await asyncio.sleep(0)
    gc.collect()
    assert core() is None


async def test_a_stream_may_be_dropped_in_any_thread(clock: VirtualClock) -> None:
    left_in = []

    class Noted(Source):
        def stop(self, core: StreamCore) -> None:
            left_in.append(threading.current_thread())

    held = [Stream(core_of(lambda item, core: (), Noted()))]
    aiter(held[0])
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert left_in == []
    await asyncio.sleep(0)
    assert left_in == [threading.main_thread()]


@pytest.mark.parametrize("passes", [True, False])
async def test_a_refusal_that_may_pass_ends_no_stream(clock: VirtualClock, passes: bool) -> None:
    core = core_of(lambda item, core: [message(item.number)])
    core.start()
    refused = SubscriptionRefused("BTCUSDT@ticker", "too many channels", retryable=passes)
    core.fail(refused)
    core.put(Item(1))
    if passes:
        assert (await core.next()).data == {"n": 1}
        core.leave()
    else:
        with pytest.raises(SubscriptionRefused):
            await core.next()


@pytest.mark.parametrize(
    ("topic", "detail", "said"),
    [
        ("test", "code 1006", "test: gap (connection lost; code 1006): "),
        ("test", "", "test: gap (connection lost): "),
        ("ETHUSDT@ticker", "code 1006", "test: gap (connection lost; ETHUSDT@ticker: code 1006): "),
    ],
)
async def test_a_gap_in_the_log_names_its_topic_once(
    clock: VirtualClock, caplog: Any, topic: str, detail: str, said: str
) -> None:
    core = StreamCore(
        "test", Source(), lambda item, core: [message(1)], policy="drop_oldest", capacity=10, marks=False,
        now_ns=lambda: 1,
    )  # fmt: skip
    core.put_mark(Gap(reason="connection lost", since_ns=1, until_ns=2, detail=detail), topic)
    core.put(Item(1))
    await core.next()
    [record] = caplog.records
    assert record.getMessage().startswith(said)
    core.leave()
