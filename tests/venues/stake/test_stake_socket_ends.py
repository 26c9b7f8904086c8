"""How a channel, an outage and the socket itself end, in virtual time against a scripted venue."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tapewire.errors import (
    BufferOverflow,
    ConfigurationError,
    GaveUp,
    RequestLost,
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import ArgumentError, AuthenticationError, StakeAPIError, StakeWebSocket
from tests.venues.stake.stake_line import TOKEN, URL, Recorder, closed, connected, news, say, sent, subscribe


async def opened(ws, network):
    """Open it; returns the venue's end."""
    opening = asyncio.create_task(ws.open())
    link = await network.accept()
    await opening
    return link


# The socket.


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


async def test_a_hook_for_states_of_ones_own_does_not_take_ours_away(clock, caplog):
    network = MemoryNetwork()
    network.refuse(401, times=5)
    states = []
    options = {"clock": clock, "fraction": lambda: 1.0, "on_state": states.append}
    ws = StakeWebSocket(TOKEN, base_url=URL, connector=network, session_options=options)
    with pytest.raises(AuthenticationError):
        await ws.connect()
    network.restore()
    task, _ = await connected(ws, network)
    await asyncio.sleep(0.1)
    assert ws.ws is not None
    assert states[-1] == "up"
    await closed(ws, task)


def test_session_options_are_checked_by_name():
    async def run(**options):
        await StakeWebSocket(TOKEN, session_options=options).connect()

    for options, named in (({"nonsense": 1}, "session_options"), ({"ping_interval": 0}, "ping_interval")):
        with pytest.raises(ArgumentError, match=named):
            asyncio.run(run(**options))


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


async def test_a_text_of_ones_own_is_for_the_pages_wire_only(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    await asyncio.sleep(0.1)
    with pytest.raises(ConfigurationError, match="subscribe with an Operation"):
        await ws.ws.send("{}")
    line = ws.ws
    link.abort()
    await asyncio.sleep(0.1)
    with pytest.raises(RequestLost):
        await line.send("{}")
    await closed(ws, task)


# The outage.


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


async def test_on_graphql_a_refusal_of_nobody_is_final_at_once(clock, caplog, monkeypatch):
    monkeypatch.delenv("STAKE_ACCESS_TOKEN", raising=False)
    network = MemoryNetwork()
    ws = StakeWebSocket(wire="graphql", base_url=URL, connector=network, session_options={"clock": clock})
    task, link = await connected(ws, network)
    await sent(link)
    link.close(4403, "Forbidden")
    with pytest.raises(AuthenticationError, match="Forbidden"):
        await task
    assert network.attempts == 1


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


async def test_on_graphql_pings_of_the_protocol_follow_the_sockets_times(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql", session_options={"ping_interval": 5.0, "ping_timeout": 2.0})
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    before = asyncio.get_running_loop().time()
    assert (await sent(link))["type"] == "ping"
    assert asyncio.get_running_loop().time() - before == pytest.approx(5, abs=0.1)
    await asyncio.sleep(3)
    assert "no pong in time" in ws.statistics().last_error
    await closed(ws, task)


# A channel.


@pytest.mark.parametrize("hook", [True, False])
async def test_a_channel_that_the_venue_ends_is_said_and_can_be_asked_for_again(clock, caplog, hook):
    network = MemoryNetwork()
    errors = []
    on_error = (lambda error, item: errors.append((type(error), str(error), item))) if hook else None
    ws = Recorder(clock, network, on_error=on_error)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1), {"type": "unsubscribed", "channel": "bets"})
    await asyncio.sleep(0.1)
    assert ws.subscriptions == []
    assert ws.seen == [news("bets", 1)]
    ended = (SubscriptionEnded, "bets: ended by the venue: unsubscribed", None)
    assert errors == ([ended] if hook else [])
    assert [r.levelname for r in caplog.records if "ended by the venue" in r.getMessage()][-1] == "WARNING"
    await ws.subscribe("bets")
    assert await sent(link) == subscribe("bets")
    say(link, news("bets", 2))
    await asyncio.sleep(0.1)
    assert [data["payload"] for data in ws.seen] == [1, 2]
    await closed(ws, task)


async def test_a_channel_left_and_asked_for_again_at_once_is_not_taken_for_ended(clock):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(error))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await ws.unsubscribe("bets")
    await ws.subscribe("bets")
    await asyncio.sleep(0.3)  # what came sooner might be of the subscription before
    say(link, news("bets", 1))
    await asyncio.sleep(0.1)
    assert (ws.subscriptions, ws.seen, errors) == (["bets"], [news("bets", 1)], [])
    await closed(ws, task)


async def test_what_was_buffered_of_a_channel_that_was_left_is_not_given_to_on_message(clock):
    class Slow(Recorder):
        async def on_message(self, data):
            await super().on_message(data["payload"])
            await asyncio.sleep(0.3)

    network = MemoryNetwork()
    ws = Slow(clock, network)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    say(link, *(news("bets", n) for n in range(10)))
    await asyncio.sleep(0.5)
    await ws.unsubscribe("bets")
    await ws.subscribe("bets")
    await asyncio.sleep(0.3)
    say(link, news("bets", 10))
    await asyncio.sleep(20)
    assert ws.seen == [0, 1, 10]
    await closed(ws, task)


async def test_a_refusal_after_a_reconnection_is_told_once(clock, caplog):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(error))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    link.abort()
    link = await network.accept()
    await sent(link)
    say(link, {"type": "error", "channel": "bets", "message": "no more"})
    await asyncio.sleep(1)
    assert [isinstance(error, SubscriptionRefused) for error in errors] == [True]
    assert isinstance(errors[0], StakeAPIError)
    assert ws.subscriptions == []
    await closed(ws, task)


async def test_what_cannot_be_decoded_is_a_gap_for_on_message_too(clock, caplog):
    network = MemoryNetwork()
    marks, errors = [], []
    ws = Recorder(
        clock,
        network,
        wire="graphql",
        on_mark=lambda *mark: marks.append(mark),
        on_error=lambda *e: errors.append(e),
    )
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    operation = await sent(link)
    say(
        link,
        {"id": operation["id"], "type": "next", "payload": {"data": None, "errors": [{"message": "later"}]}},
    )
    await asyncio.sleep(0.1)
    ((channel, mark),) = marks
    assert (channel, type(mark), mark.reason, errors, ws.seen) == ("bets", Gap, "undecodable", [], [])
    assert "later" in mark.detail
    await closed(ws, task)


async def test_without_a_hook_a_mark_is_logged_with_its_channel(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network, retry=RetryPolicy(None, 0.1, 0.1))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await asyncio.sleep(1)
    link.abort()
    link = await network.accept()
    await asyncio.sleep(1)
    (said,) = [record for record in caplog.records if "Gap(" in record.getMessage()]
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith("bets: Gap(reason='connection lost'")
    await closed(ws, task)


async def test_an_error_of_no_channel_is_logged_however_the_socket_is_used(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    link = await opened(ws, network)
    say(link, {"type": "error", "message": f"token {TOKEN} is\nnot enough"}, {"type": "hello"})
    await asyncio.sleep(0.1)
    (said,) = [record.getMessage() for record in caplog.records if "the venue says" in record.getMessage()]
    assert "not enough" in said
    assert TOKEN not in said
    assert "\n" not in said
    assert ws.seen == []
    await ws.close()


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
