"""The documented class, in virtual time against a scripted venue: what the page shows, and what the engine adds."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tapewire.errors import GaveUp
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.secrets import Secret
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    AccessDeniedError,
    AuthenticationError,
    StakeMessage,
    StakeWebSocket,
)
from tests.venues.stake.stake_line import TOKEN, URL, Recorder, closed, connected, news, say, sent, subscribe


def test_the_attributes_are_those_of_the_page():
    ws = StakeWebSocket("token-of-the-page")
    assert (ws.uri, ws.ws, ws.subscriptions) == ("wss://stake.com/_api/websocket", None, [])
    assert (ws.reconnect_delay, ws.max_reconnect_delay) == (1, 60)
    assert isinstance(ws.access_token, Secret)
    assert "token-of-the-page" not in f"{ws!r} {vars(ws)}"


async def test_the_handshake_carries_the_headers_of_the_page_and_the_users_own(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, headers={"X-Lockdown-Token": "abc"}, cookies={"cf": "1", "session": "2"})
    task, link = await connected(ws, network)
    assert link.endpoint.url == "ws://127.0.0.1:4000/_api/websocket"
    assert link.endpoint.headers == {
        "Origin": "https://stake.com",
        "x-access-token": TOKEN,
        "X-Lockdown-Token": "abc",
        "Cookie": "cf=1; session=2",
    }
    assert TOKEN not in repr(link.endpoint)
    await closed(ws, task)


async def test_a_header_of_the_users_replaces_ours(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, headers={"origin": "https://stake.bet"})
    task, link = await connected(ws, network)
    assert link.endpoint.headers == {"x-access-token": TOKEN, "origin": "https://stake.bet"}
    await closed(ws, task)


async def test_what_was_subscribed_before_connecting_is_asked_for_once_the_line_is_up(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    await ws.subscribe("user:balances")
    await ws.subscribe("game:crash")
    await ws.subscribe("user:balances")
    assert ws.subscriptions == ["user:balances", "game:crash"]
    task, link = await connected(ws, network)
    assert [await sent(link), await sent(link)] == [subscribe("user:balances"), subscribe("game:crash")]
    await ws.subscribe("game:dice")
    await ws.subscribe("game:dice")
    await ws.unsubscribe("game:crash")
    await ws.unsubscribe("never")
    assert [await sent(link), await sent(link)] == [
        subscribe("game:dice"),
        {"type": "unsubscribe", "channel": "game:crash"},
    ]
    await closed(ws, task)


async def test_on_message_gets_each_message_whole_also_those_of_no_channel(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    await ws.subscribe("user:balances")
    task, link = await connected(ws, network)
    await sent(link)
    balance = {"channel": "user:balances", "payload": {"amount": 1.5}, "sequence": 7}
    say(link, balance)
    await asyncio.sleep(0.1)
    say(link, {"type": "hello"}, news("nobody:asked", 1))
    await asyncio.sleep(0.1)
    assert ws.seen == [balance, {"type": "hello"}, news("nobody:asked", 1)]
    await closed(ws, task)


async def test_by_default_a_message_is_printed(clock, capsys):
    network = MemoryNetwork()
    options = {"clock": clock}
    ws = StakeWebSocket(TOKEN, base_url=URL, connector=network, session_options=options)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1))
    await asyncio.sleep(0.1)
    await closed(ws, task)
    assert capsys.readouterr().out == "Message: {'channel': 'bets', 'payload': 1}\n"


async def test_it_comes_back_after_a_loss_and_subscribes_anew(clock, caplog):
    network = MemoryNetwork()
    marks = []
    ws = Recorder(clock, network, on_mark=lambda channel, mark: marks.append((channel, type(mark))))
    await ws.subscribe("user:balances")
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
    assert marks == [("user:balances", Gap)]
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


async def test_a_handler_that_raises_costs_one_message_and_no_more(clock, caplog):
    class Failing(Recorder):
        async def on_message(self, data):
            await super().on_message(data)
            raise ValueError("a defect of the user's")

    network = MemoryNetwork()
    errors = []
    ws = Failing(clock, network, on_error=lambda error, item: errors.append(str(error)))
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1), news("bets", 2))
    await asyncio.sleep(0.1)
    assert [data["payload"] for data in ws.seen] == [1, 2]
    assert errors == ["a defect of the user's"] * 2
    assert ws.is_connected
    await closed(ws, task)


async def test_one_message_at_a_time_whatever_the_channel(clock):
    class Slow(Recorder):
        running = most = 0

        async def on_message(self, data):
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(40)
            self.running -= 1
            await super().on_message(data)

    network = MemoryNetwork()
    ws = Slow(clock, network)
    for channel in ("a", "b"):
        await ws.subscribe(channel)
    task, link = await connected(ws, network)
    await sent(link)
    await sent(link)
    say(link, *(news(channel, n) for n in (1, 2) for channel in ("a", "b")))
    await asyncio.sleep(200)
    assert (ws.most, ws.statistics().connections) == (1, 1)
    by_channel = {
        channel: [d["payload"] for d in ws.seen if d["channel"] == channel] for channel in ("a", "b")
    }
    assert by_channel == {"a": [1, 2], "b": [1, 2]}
    await closed(ws, task)


async def test_a_plain_function_may_stand_in_for_on_message(clock):
    class Plain(Recorder):
        def on_message(self, data):
            self.seen.append(data["payload"])

    network = MemoryNetwork()
    ws = Plain(clock, network)
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, news("bets", 1))
    await asyncio.sleep(0.1)
    assert ws.seen == [1]
    await closed(ws, task)


async def test_a_refused_channel_is_said_and_leaves_the_others_alone(clock, caplog):
    network = MemoryNetwork()
    errors = []
    ws = Recorder(clock, network, on_error=lambda error, item: errors.append(str(error)))
    await ws.subscribe("game:nope")
    await ws.subscribe("bets")
    task, link = await connected(ws, network)
    await sent(link)
    await sent(link)
    say(link, {"type": "error", "channel": "game:nope", "message": "no such game"}, news("bets", 1))
    await asyncio.sleep(1)
    assert errors == ["game:nope: refused: no such game"]
    assert ws.subscriptions == ["bets"]
    assert not task.done()
    assert ws.seen == [news("bets", 1)]
    await closed(ws, task)


async def test_account_data_that_nobody_takes_ends_connect_with_an_error(clock, caplog):
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
    with pytest.raises(Exception, match="10000 publications behind"):
        await task


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (403, AccessDeniedError)])
async def test_a_refused_handshake_ends_connect_with_what_it_means(clock, status, error, caplog):
    network = MemoryNetwork()
    network.refuse(status, times=5)
    ws = Recorder(clock, network)
    with pytest.raises(error) as raised:
        await ws.connect()
    assert raised.value.status_code == status
    assert TOKEN not in caplog.text


async def test_with_a_policy_an_outage_ends(clock, caplog):
    network = MemoryNetwork()
    network.unreachable(times=99)
    ws = Recorder(clock, network, retry=RetryPolicy(max_attempts=3, initial_backoff=1))
    with pytest.raises(GaveUp):
        await ws.connect()


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


async def test_the_line_sends_a_text_of_ones_own(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    task, link = await connected(ws, network)
    await asyncio.sleep(0.1)
    assert ws.ws is not None
    await ws.ws.send('{"type":"custom"}')
    assert await sent(link) == {"type": "custom"}
    await closed(ws, task)


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


# The engine's shape.


async def test_a_channel_can_be_iterated_with_its_marks_and_exact_numbers(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    opening = asyncio.create_task(ws.__aenter__())
    link = await network.accept()
    await opening
    subscription = ws.watch("game:crash")
    assert await sent(link) == subscribe("game:crash")
    link.send('{"channel":"game:crash","payload":{"multiplier":1.10}}')
    first = await anext(subscription)
    assert isinstance(first, StakeMessage)
    assert str(first.payload["multiplier"]) == "1.10"
    assert first.data == news("game:crash", {"multiplier": Decimal("1.10")})
    link.abort()
    link = await network.accept()
    assert await sent(link) == subscribe("game:crash")
    say(link, news("game:crash", {}))
    assert isinstance(await anext(subscription), Gap)
    assert (await anext(subscription)).payload == {}
    subscription.unsubscribe()
    assert await sent(link) == {"type": "unsubscribe", "channel": "game:crash"}
    await ws.__aexit__()
