"""An outage and what ends it: delays, pings, tokens; in virtual time against a scripted venue."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import (
    BufferOverflow,
    GaveUp,
)
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    ArgumentError,
    AuthenticationError,
)
from tests.venues.stake.stake_line import (
    Recorder,
    closed,
    connected,
    news,
    say,
    sent,
    subscribe,
)


async def test_it_comes_back_after_a_loss_and_subscribes_anew(clock, caplog):
    network = MemoryNetwork()
    marks = []
    ws = Recorder(clock, network)
    await ws.subscribe("user:balances", on_mark=lambda mark: marks.append(type(mark)))
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("user:balances", 1))
    await asyncio.sleep(0.1)
    assert ws.ws is not None
    link.close(1000)
    await asyncio.sleep(0.1)
    assert ws.ws is None
    link = await network.accept()
    assert await sent(link) == subscribe("user:balances")
    say(link, news("user:balances", 2))
    await asyncio.sleep(1)
    assert [data["payload"] for data in ws.seen] == [1, 2]
    assert marks == [Gap]
    assert ws.statistics().reconnections == 1
    await closed(ws, task)


async def test_the_delay_doubles_up_to_its_bound_and_is_reset_by_success(clock):
    network = MemoryNetwork()
    network.unreachable(times=7)
    ws = Recorder(clock, network)
    seen = [ws.reconnect_delay]
    task = asyncio.create_task(ws.connect())
    accepted = asyncio.create_task(network.accept())
    while not accepted.done():
        await asyncio.sleep(0.5)
        if ws.reconnect_delay != seen[-1]:
            seen.append(ws.reconnect_delay)
    assert seen == [1, 2, 4, 8, 16, 32, 60, 1]
    await closed(ws, task)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
async def test_the_delay_that_is_shown_is_the_bound_that_is_obeyed(clock, fraction):
    """A server that accepts and drops: the page's class begins anew with each connection, and so do the waits."""
    network = MemoryNetwork()
    ws = Recorder(clock, network, session_options={"fraction": lambda: fraction})
    task, link = await connected(ws, network)
    waits = []
    for delay in (1, 1, 1, 1, 1, 7):
        await asyncio.sleep(0.01)
        assert ws.reconnect_delay == 1
        ws.reconnect_delay = delay
        link.abort()
        before = clock.monotonic()
        link = await network.accept()
        waits.append(round(clock.monotonic() - before, 2))
    assert waits == [round(delay * fraction, 2) for delay in (1, 1, 1, 1, 1, 7)]
    await closed(ws, task)


async def test_the_delays_are_those_given_before_connecting_and_begin_anew_each_time(clock):
    network = MemoryNetwork()
    network.unreachable(times=4)
    ws = Recorder(clock, network)
    ws.reconnect_delay, ws.max_reconnect_delay = 3, 10
    loop = asyncio.get_running_loop()
    before = loop.time()
    task, link = await connected(ws, network)
    assert round(loop.time() - before) == 3 + 6 + 10 + 10
    await asyncio.sleep(0.1)
    assert ws.reconnect_delay == 3
    link.close(1001)
    network.unreachable(times=2)
    await asyncio.sleep(15)
    assert ws.reconnect_delay > 3
    await closed(ws, task)
    assert ws.reconnect_delay == 3


@pytest.mark.parametrize("first", [1, 5])
async def test_a_venue_that_served_us_is_waited_for_no_longer_than_it_was_away(clock, first):
    """Small waits in a row double what is shown; of it only as much is waited as the outage has lasted."""
    network = MemoryNetwork()
    fractions = iter([0.05] * 6)
    ws = Recorder(clock, network, session_options={"fraction": lambda: next(fractions, 1.0)})
    ws.reconnect_delay = first
    task, link = await connected(ws, network)
    await asyncio.sleep(60)
    loop = asyncio.get_running_loop()
    network.unreachable(times=6)
    lost = loop.time()
    link.close(1001)
    link = await network.accept()
    assert first <= loop.time() - lost < 2.5 * first
    await closed(ws, task)


@pytest.mark.parametrize("name", ["reconnect_delay", "max_reconnect_delay"])
@pytest.mark.parametrize("seconds", [0, -1, "1", float("nan")])
async def test_a_delay_that_cannot_be_waited_is_named(clock, name, seconds):
    ws = Recorder(clock, MemoryNetwork())
    setattr(ws, name, seconds)
    with pytest.raises(ArgumentError, match=f"{name}="):
        await ws.connect()


async def test_a_delay_that_was_made_nonsense_of_meanwhile_costs_no_line(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    task, link = await connected(ws, network)
    await asyncio.sleep(0.01)
    ws.reconnect_delay = "soon"
    link.abort()
    link = await network.accept()
    await asyncio.sleep(0.01)
    assert ws.reconnect_delay == 1
    await closed(ws, task)


async def test_with_a_policy_an_outage_ends(clock, caplog):
    network = MemoryNetwork()
    network.unreachable(times=99)
    ws = Recorder(clock, network, retry=RetryPolicy(max_attempts=3, initial_backoff=1))
    with pytest.raises(GaveUp):
        await ws.connect()


async def test_a_dead_line_is_found_by_pings_after_30_and_10_seconds(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    task, link = await connected(ws, network)
    await asyncio.sleep(300)
    assert ws.statistics().connections == 1
    link.half_open()
    await asyncio.sleep(29)
    assert ws.is_connected
    await asyncio.sleep(12)
    assert not ws.is_connected or ws.statistics().connections == 2
    assert "ping" in ws.statistics().last_error
    await closed(ws, task)


async def test_a_handler_that_waits_for_ever_delays_no_ping_and_loses_no_line(clock):
    class Stuck(Recorder):
        async def on_message(self, data):
            await super().on_message(data)
            await asyncio.Event().wait()

    network = MemoryNetwork()
    ws = Stuck(clock, network)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1))
    await asyncio.sleep(305)
    assert (len(ws.seen), link.pings, ws.statistics().connections) == (1, 10, 1)
    link.ping()
    await asyncio.sleep(0.1)
    assert link.pongs == 1
    await closed(ws, task)


async def test_another_token_is_taken_by_the_next_connection(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    task, link = await connected(ws, network)
    ws.access_token = "another-token"
    assert "another-token" not in f"{ws!r} {vars(ws)}"
    link.close(1001)
    link = await network.accept()
    assert link.endpoint.headers["x-access-token"] == "another-token"
    with pytest.raises(ArgumentError, match="access_token"):
        ws.access_token = "a\nb"
    await closed(ws, task)


async def test_a_token_that_ends_on_a_live_line_is_tried_again_before_it_is_final(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    await asyncio.sleep(1)
    assert ws.is_connected
    for attempt in range(3):
        link.close(4401, "Unauthorized")
        if attempt < 2:
            link = await network.accept()
    with pytest.raises(AuthenticationError, match="Unauthorized"):
        await task


async def test_account_data_that_nobody_took_is_asked_for_again_by_the_next_connect(clock, caplog):
    class Stuck(Recorder):
        async def on_message(self, data):
            await asyncio.sleep(1e6)

    network = MemoryNetwork()
    ws = Stuck(clock, network)
    await ws.subscribe("user:balances")
    task, link = await connected(ws, network)
    await sent(link)
    for _ in range(11):
        say(link, *[news("user:balances", 1)] * 1000)
        await asyncio.sleep(0.1)
    with pytest.raises(BufferOverflow):
        await task
    task, link = await connected(ws, network)
    assert await sent(link) == subscribe("user:balances")
    await closed(ws, task)
