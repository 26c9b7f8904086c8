"""How the socket is closed, cancelled and opened again, in virtual time against a scripted venue."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import (
    ConnectionLost,
    GaveUp,
)
from tapewire.retry import RetryPolicy
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    AuthenticationError,
)
from tapewire.venues.stake.errors import ERRORS, NetworkError
from tests.venues.stake.stake_line import (
    Recorder,
    closed,
    connected,
    news,
    opened,
    say,
    sent,
    subscribe,
)


async def test_a_cancelled_connect_closes_its_line_leaves_nothing_and_can_be_repeated(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    await ws.subscribe("bets")
    before = asyncio.all_tasks()
    task, link = await connected(ws, network)
    assert await sent(link) == subscribe("bets")
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ws.ws, ws.is_connected, ws.state) == (None, False, "closed")
    assert link.ended.code == 1000
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    task, link = await connected(ws, network)
    assert await sent(link) == subscribe("bets")
    await closed(ws, task)


@pytest.mark.parametrize("when", ["connecting", "waiting"])
async def test_a_connect_cancelled_before_the_line_is_up_leaves_nothing(clock, when):
    network = MemoryNetwork()
    network.hang(times=1) if when == "connecting" else network.unreachable(times=99)
    ws = Recorder(clock, network)
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ws.connect(), 3)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert ws.state == "closed"


async def test_of_two_that_connect_one_cancelled_ends_both(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    first, _ = await connected(ws, network)
    second = asyncio.create_task(ws.connect())
    await asyncio.sleep(1)
    first.cancel()
    await second
    assert network.attempts == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_handler_of_a_channel_may_close_without_waiting_for_itself(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    link = await opened(ws, network)
    loop = asyncio.get_running_loop()
    returned = []

    async def on_message(message):
        before = loop.time()
        await ws.close()
        await ws.close()
        returned.append(loop.time() - before)

    ws.watch("bets", on_message)
    await sent(link)
    say(link, news("bets", 1))
    await asyncio.sleep(0.1)
    await ws.close()
    assert returned == [0]
    assert ws.state == "closed"
    assert "did not return in time" not in caplog.text


async def test_the_figures_of_a_closed_socket_stay(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    assert ws.statistics().connections == 0
    task, _ = await connected(ws, network)
    await asyncio.sleep(1)
    await closed(ws, task)
    assert (ws.statistics().connections, ws.statistics().state) == (1, "closed")


async def test_connect_returns_when_it_is_closed_also_while_it_is_still_trying(clock):
    network = MemoryNetwork()
    network.hang(times=1)
    ws = Recorder(clock, network)
    task = asyncio.create_task(ws.connect())
    await asyncio.sleep(1)
    await closed(ws, task)
    task, _ = await connected(ws, network)  # and it can be connected again
    await closed(ws, task)


async def test_on_message_may_close_and_nothing_more_comes(clock):
    class Closing(Recorder):
        async def on_message(self, data):
            await super().on_message(data)
            await self.close()

    network = MemoryNetwork()
    ws = Closing(clock, network)
    await ws.subscribe("a")
    await ws.subscribe("b")
    task, link = await connected(ws, network)
    await sent(link)
    await sent(link)
    before = asyncio.get_running_loop().time()
    say(link, news("a", 1), news("b", 1), news("a", 2))
    await asyncio.sleep(0.01)
    link.close(1000)
    await task
    assert len(ws.seen) == 1
    assert asyncio.get_running_loop().time() - before < 1


async def test_connecting_a_socket_that_is_open_stays_until_it_is_closed(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    opening = asyncio.create_task(ws.open())
    await network.accept()
    await opening
    tasks = [asyncio.create_task(ws.connect()) for _ in range(2)]
    await asyncio.sleep(5)
    assert not any(task.done() for task in tasks)
    assert ws.statistics().connections == 1
    await ws.close()
    await asyncio.gather(*tasks)


async def test_opening_again_behind_an_end_makes_another_line(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, retry=RetryPolicy(2, 0.1, jitter=False))
    await opened(ws, network)
    stream = ws.watch("bets")
    network.unreachable(times=2)
    ws.reconnect()
    with pytest.raises(GaveUp):
        await anext(aiter(stream))
    with pytest.raises(GaveUp):
        ws.watch("bets")
    for _ in range(2):
        await opened(ws, network)
        assert ws.is_connected
        await ws.close()
        assert ws.state == "closed"


def test_a_lost_connection_says_itself():
    lost = ERRORS.mapped(ConnectionLost("gone", 1012))
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost, NetworkError)
    assert not isinstance(lost, AuthenticationError)
