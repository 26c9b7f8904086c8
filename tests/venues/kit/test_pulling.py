"""Streams of the watch verbs: waits that are cancelled, and who leaves a stream and when."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from typing import Any

import pytest

from tapewire.sandbox import Sandbox
from tapewire.testing import VirtualClock
from tapewire.venues.kit.pulling import Stream
from tapewire.venues.stake import StakeWebSocket
from tapewire.venues.stx import Channels, STXWebSocket, User
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.venues.kit.test_errors import close


class Numbers:
    """Brings numbers, a pair for each that is put in; reading one takes a moment where `slow`."""

    def __init__(self, *, slow: bool = False) -> None:
        self.name = "numbers"
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.calls: list[str] = []
        self.is_over = False
        self._slow = slow

    def start(self) -> None:
        self.calls.append("start")

    async def take(self) -> Any:
        item = await self.queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def read(self, taken: int) -> Any:
        return self._read_slowly(taken) if self._slow else [taken, taken + 100]

    async def _read_slowly(self, taken: int) -> list[int]:
        await asyncio.sleep(0.05)
        return [taken, taken + 100]

    def leave(self) -> None:
        self.calls.append("leave")


async def by_wait_for(stream: Any) -> Any:
    return await asyncio.wait_for(anext(stream), 0.02)


async def by_timeout(stream: Any) -> Any:
    async with asyncio.timeout(0.02):
        return await anext(stream)


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("wait", [by_wait_for, by_timeout])
async def test_a_wait_that_is_cancelled_ends_nothing_and_loses_nothing(
    clock: VirtualClock, wait: Any, slow: bool
) -> None:
    source = Numbers(slow=slow)
    stream: Stream[int] = Stream(source)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await wait(stream)
    for number in (1, 2):
        source.queue.put_nowait(number)
    found: list[int] = []
    while len(found) < 4:
        try:
            found.append(await wait(stream))
        except TimeoutError:
            continue
    assert found == [1, 101, 2, 102]
    assert source.calls == ["start"]
    await stream.aclose()
    await stream.aclose()
    assert source.calls == ["start", "leave"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_nobody_holds_is_left_whichever_thread_finds_out(clock: VirtualClock) -> None:
    source = Numbers()

    async def first() -> int:
        async for number in Stream(source):
            return number
        return 0

    source.queue.put_nowait(1)
    assert await first() == 1
    gc.collect()
    await asyncio.sleep(0)
    assert source.calls == ["start", "leave"]
    other = Numbers()
    held = [Stream(other)]
    aiter(held[0])
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    await asyncio.sleep(0.01)
    assert other.calls == ["start", "leave"]


async def test_a_stream_is_left_when_the_task_that_iterates_it_is_cancelled_though_others_hold_it(
    clock: VirtualClock,
) -> None:
    source = Numbers()
    stream: Stream[int] = Stream(source)

    async def consume() -> None:
        async for _ in stream:
            pass

    task = asyncio.ensure_future(consume())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)
    assert source.calls == ["start", "leave"]


async def test_a_stream_that_ends_or_fails_is_left_and_then_only_over(clock: VirtualClock) -> None:
    for end in (ValueError("no more"), StopAsyncIteration()):
        source = Numbers()
        stream: Stream[int] = Stream(source)
        source.queue.put_nowait(end)
        with pytest.raises(type(end)):
            await anext(stream)
        assert source.calls == ["start", "leave"]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_what_was_read_before_the_source_was_over_still_comes(clock: VirtualClock) -> None:
    source = Numbers()
    stream: Stream[int] = Stream(source)
    source.queue.put_nowait(1)
    assert await anext(stream) == 1
    source.is_over = True
    assert [number async for number in stream] == [101]
    assert source.calls == ["start", "leave"]


async def test_a_stream_that_was_never_started_is_left_by_nobody(clock: VirtualClock) -> None:
    source = Numbers()
    await Stream[int](source).aclose()
    assert source.calls == []


# The same of what each venue gives to iterate.


async def of_stx(sandbox: Sandbox) -> tuple[Any, Any]:
    ws = STXWebSocket(host=sandbox.url, user=User.new(), email="a@b.c", password="x")
    await ws.connect()
    return ws, await ws.join(Channels.MARKETS)


async def of_sxbet(sandbox: Sandbox) -> tuple[Any, Any]:
    client = SXBetClient(host=sandbox.url, api_key="any")
    await client.connect()
    return client, client.new_subscription("recent_trades:global")


async def of_sxbets_watch_verb(sandbox: Sandbox) -> tuple[Any, Any]:
    client = SXBetClient(host=sandbox.url, api_key="any")
    await client.connect()
    return client, client.watch_trades()


async def of_stake(sandbox: Sandbox) -> tuple[Any, Any]:
    ws = StakeWebSocket("a-token", base_url=sandbox.url)
    await ws.open()
    return ws, ws.watch("game:crash")


async def of_weex(sandbox: Sandbox) -> tuple[Any, Any]:
    client = WeexWebSocketClient(WeexConfig(host=sandbox.url))
    await client.connect()
    return client, client.stream_tickers(["BTCUSDT"])


@pytest.mark.parametrize(
    ("venue", "opened"),
    [
        *(("stx", of_stx), ("stake", of_stake), ("weex", of_weex)),
        *(("sxbet", of_sxbet), ("sxbet", of_sxbets_watch_verb)),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
@pytest.mark.parametrize("wait", [by_wait_for, by_timeout])
async def test_a_stream_of_each_venue_goes_on_behind_waits_that_timed_out(
    venue: str, opened: Any, wait: Any
) -> None:
    async with Sandbox(rate=0, venues=[venue]) as sandbox:
        made, given = await opened(sandbox)
        stream = aiter(given)
        for _ in range(5):
            with contextlib.suppress(TimeoutError):
                await wait(stream)
        sandbox.rate = 200
        async with asyncio.timeout(10):
            assert len([await anext(stream) for _ in range(20)]) == 20
        await close(made)
