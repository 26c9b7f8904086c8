"""Waits for a stream's next message that are cancelled, and who leaves a stream and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tapewire.clock import SystemClock
from tapewire.errors import SubscriptionRefused
from tapewire.marks import Gap
from tapewire.protocols.base import Refused
from tapewire.session.consumer import Items
from tapewire.streams import filtered
from tapewire.testing import VirtualClock
from tapewire.venues.weex import WEEXError, WeexMessage
from tapewire.venues.weex.streams import Reader, Stream
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


def reader_of(convert: Any, *, on_mark: Any = None) -> Reader:
    return Reader("test", convert, policy="drop_oldest", capacity=10, on_mark=on_mark, clock=SystemClock())


def message(number: int) -> WeexMessage:
    return WeexMessage("test", "", {"n": number}, 0.0)


@pytest.mark.parametrize("wait", WAITS)
async def test_what_was_taken_when_a_wait_is_cancelled_is_the_next_ones(
    clock: VirtualClock, wait: Callable[..., Any]
) -> None:
    converted = []

    async def convert(item: Any, spoiled: Callable[[Exception], None]) -> Items:
        converted.append(item.number)
        if item.number == 1:
            spoiled(ValueError("a corrupt row"))
        await asyncio.sleep(0.05)  # as a price that is asked for over HTTP
        return Items([message(item.number), message(item.number + 100)])

    taken: list[Any] = []
    reader = reader_of(convert, on_mark=lambda mark: taken.append(mark.reason))
    stream = Stream(reader, lambda consumer: None)
    for number in (1, 2):
        reader.consumer.put(Item(number))
    while len(taken) < 5:
        try:
            heard = await wait(stream)
        except TimeoutError:
            continue
        taken.append(heard.data["n"])
    assert taken == ["undecodable", 1, 101, 2, 102]
    assert converted == [1, 2]
    await stream.aclose()


@pytest.mark.parametrize("wait", WAITS)
async def test_a_wait_that_is_cancelled_while_a_mark_is_told_tells_it_once_and_in_its_place(
    clock: VirtualClock, wait: Callable[..., Any]
) -> None:
    told: list[Any] = []

    async def on_mark(mark: Any) -> None:
        await asyncio.sleep(0.05)
        told.append(type(mark))

    reader = reader_of(lambda item, spoiled: message(item.number), on_mark=on_mark)
    stream = Stream(reader, lambda consumer: None)
    reader.consumer.put(Item(1))
    reader.consumer.put_mark(Gap(reason="sequence", since_ns=1))
    reader.consumer.put(Item(2))
    while len(told) < 3:
        with suppress(TimeoutError):
            told.append((await wait(stream)).data["n"])
    assert told == [1, Gap, 2]
    assert (stream.marks, stream.unseen_marks, stream.delivered) == (1, 0, 2)
    await stream.aclose()


async def test_a_stream_that_is_left_while_a_mark_is_told_ends_and_leaves_no_task(
    clock: VirtualClock,
) -> None:
    async def on_mark(mark: Any) -> None:
        await asyncio.sleep(3600)

    reader = reader_of(lambda item, spoiled: message(item.number), on_mark=on_mark)
    stream = Stream(reader, lambda consumer: None)
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    reader.consumer.put_mark(Gap(reason="sequence", since_ns=1))
    await asyncio.sleep(1)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_conversion_that_is_under_way_when_the_stream_is_left_leaves_no_task(
    clock: VirtualClock,
) -> None:
    async def convert(item: Any, spoiled: Callable[[Exception], None]) -> Items:
        await asyncio.sleep(3600)
        return Items()

    reader = reader_of(convert)
    stream = Stream(reader, lambda consumer: None)
    reader.consumer.put(Item(1))
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


async def test_a_stream_raises_what_ended_it_once_and_is_over_then(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT", "NOPEUSDT"])
        with pytest.raises(SubscriptionRefused, match="NOPEUSDT") as raised:
            await anext(stream)
        assert isinstance(raised.value, WEEXError)
        assert [message async for message in stream] == []
        await peer.left("BTCUSDT@ticker")
        assert client._streams == {}


@pytest.mark.parametrize("book", [True, False])
async def test_a_refusal_that_may_pass_ends_no_stream_and_is_asked_again(
    clock: VirtualClock, book: bool
) -> None:
    async with weex_line(clock) as (client, peer):
        peer.network.to_client.delay = 0.2
        stream = (
            client.stream_order_book("BTCUSDT") if book else client.stream_tickers(["BTCUSDT", "ETHUSDT"])
        )
        aiter(stream)
        await asyncio.sleep(0.1)
        topic = "BTCUSDT@depth15" if book else "ETHUSDT@ticker"
        [session] = client._public._pool.sessions
        session._driver.topics.handle(Refused(topic, "too many channels", retryable=True))
        await asyncio.sleep(5)
        assert sum(topic in topics for topics in peer.asked()) == 2
        await stream.confirmed()
        if book:
            assert (await anext(stream)).channel == "depth"
            await stream.aclose()
            await peer.left(topic)
            return
        for symbol in ("BTCUSDT", "ETHUSDT"):
            peer.tick(symbol)
            assert (await anext(stream)).symbol == symbol
        await stream.aclose()


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
    consumer = reader_of(lambda item, spoiled: [message(1)]).consumer
    consumer.put_mark(Gap(reason="connection lost", since_ns=1, until_ns=2, detail=detail), topic)
    consumer.put(Item(1))
    await anext(consumer)
    [record] = caplog.records
    assert record.getMessage().startswith(said)
