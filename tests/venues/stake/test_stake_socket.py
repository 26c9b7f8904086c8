"""The documented class, in virtual time against a scripted venue: what the page shows."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import (
    ConfigurationError,
    RequestLost,
)
from tapewire.secrets import Secret
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    AccessDeniedError,
    ArgumentError,
    AuthenticationError,
    StakeWebSocket,
)
from tests.venues.stake.stake_line import (
    TOKEN,
    URL,
    Recorder,
    closed,
    connected,
    news,
    say,
    sent,
    subscribe,
)


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


async def test_the_line_sends_a_text_of_ones_own(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    task, link = await connected(ws, network)
    await asyncio.sleep(0.1)
    assert ws.ws is not None
    await ws.ws.send('{"type":"custom"}')
    assert await sent(link) == {"type": "custom"}
    await closed(ws, task)


def test_wrong_arguments_are_named(monkeypatch):
    monkeypatch.delenv("STAKE_ACCESS_TOKEN", raising=False)
    with pytest.raises(ArgumentError, match="wire"):
        StakeWebSocket(TOKEN, wire="telegraph")
    with pytest.raises(ArgumentError, match="access_token"):
        StakeWebSocket()
    with pytest.raises(ArgumentError, match="cookies"):
        StakeWebSocket(TOKEN, cookies={"a": "b;c"})
    monkeypatch.setenv("STAKE_ACCESS_TOKEN", "of-the-environment")
    assert StakeWebSocket().access_token == Secret("of-the-environment")


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
