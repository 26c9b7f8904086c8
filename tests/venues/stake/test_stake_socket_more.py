"""The documented class, in virtual time against a scripted venue: what the page shows, and what the engine adds."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import ConnectionLost
from tapewire.protocols.graphql_ws import Operation
from tapewire.secrets import Secret
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    ArgumentError,
    AuthenticationError,
    StakeWebSocket,
)
from tapewire.venues.stake.channels import operations_of
from tapewire.venues.stake.errors import ERRORS, NetworkError
from tapewire.venues.stake.protocol_graphql import StakeGraphQLClient
from tests.venues.stake.stake_line import TOKEN, URL, Recorder, news, say, sent


async def connected(ws, network):
    """Start `connect`; returns its task and the venue's end."""
    task = asyncio.create_task(ws.connect())
    return task, await network.accept()


async def closed(ws, task):
    await ws.close()
    await task


async def test_it_counts_as_confirmed_when_nothing_was_said_against_it(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    opening = asyncio.create_task(ws.open())
    await network.accept()
    await opening
    loop = asyncio.get_running_loop()
    before = loop.time()
    await ws.watch("bets", lambda message: None).confirmed()
    assert round(loop.time() - before, 3) == 0.25
    await ws.close()


async def test_what_delivery_does_not_know_is_named(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network)
    with pytest.raises(ArgumentError, match="delivery"):
        ws.watch("bets", nonsense=1)
    await ws.close()


# The live site's wire.


async def test_on_graphql_the_token_goes_with_the_initialisation_and_balances_are_two_operations(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql", init_payload={"lockdownToken": "opaque"})
    await ws.subscribe("user:balances")
    task, link = await connected(ws, network)
    assert link.endpoint.url == "ws://127.0.0.1:4000/_api/websockets"
    assert link.endpoint.subprotocols == ("graphql-transport-ws",)
    payload = {"language": "en", "lockdownToken": "opaque", "accessToken": TOKEN}
    assert await sent(link) == {"type": "connection_init", "payload": payload}
    say(link, {"type": "connection_ack"})
    operations = [await sent(link), await sent(link)]
    assert [one["payload"]["operationName"] for one in operations] == ["AvailableBalances", "VaultBalances"]
    assert (await sent(link))["type"] == "ping"
    data = {"vaultBalances": {"amount": 1}}
    say(link, {"type": "pong"}, {"id": operations[1]["id"], "type": "next", "payload": {"data": data}})
    await asyncio.sleep(0.1)
    assert ws.seen == [news("user:balances", data)]
    await closed(ws, task)


async def test_on_graphql_a_game_without_rounds_is_the_house_bets_of_that_game(clock):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql")
    await ws.subscribe("game:dice")
    task, link = await connected(ws, network)
    await sent(link)
    say(link, {"type": "connection_ack"})
    operation = await sent(link)
    assert "houseBets" in operation["payload"]["query"]
    for name in ("Limbo", "Dice"):
        data = {"houseBets": {"game": {"name": name}, "id": name}}
        say(link, {"id": operation["id"], "type": "next", "payload": {"data": data}})
    await asyncio.sleep(0.1)
    assert [data["payload"]["houseBets"]["id"] for data in ws.seen] == ["Dice"]
    await closed(ws, task)


async def test_on_graphql_a_refused_initialisation_ends_connect(clock, caplog):
    network = MemoryNetwork()
    ws = Recorder(clock, network, wire="graphql")
    task = asyncio.create_task(ws.connect())
    for _ in range(2):
        link = await network.accept()
        await sent(link)
        link.close(4403, "Forbidden")
    with pytest.raises(AuthenticationError):
        await task


async def test_on_graphql_no_token_is_needed_for_what_is_public(clock):
    network = MemoryNetwork()
    options = {"clock": clock}
    ws = StakeWebSocket(wire="graphql", base_url=URL, connector=network, session_options=options)
    opening = asyncio.create_task(ws.open())
    link = await network.accept()
    assert await sent(link) == {"type": "connection_init", "payload": {"language": "en"}}
    assert "x-access-token" not in link.endpoint.headers
    say(link, {"type": "connection_ack"})
    await opening
    await ws.close()


@pytest.mark.parametrize("channel", ["sports:event:1", "anything"])
async def test_a_channel_that_the_live_site_is_not_known_to_have_is_named(channel):
    ws = StakeWebSocket(TOKEN, wire="graphql")
    with pytest.raises(ArgumentError, match=f"channel='{channel}' is not valid.*user:balances"):
        await ws.subscribe(channel)
    assert ws.subscriptions == []


@pytest.mark.parametrize("channel", ["", "*", 7, "x" * 300])
async def test_what_is_no_channel_is_named(channel):
    with pytest.raises(ArgumentError, match="channel"):
        await StakeWebSocket(TOKEN).subscribe(channel)


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


def test_an_operation_is_what_the_public_clients_send():
    (crash,) = operations_of("game:crash")
    assert isinstance(crash, Operation)
    assert "... on MultiplayerCrash" in crash.query
    assert operations_of("chat:english")[0].variables == {"chatId": "english"}


def test_what_is_left_is_selected_no_more():
    client = StakeGraphQLClient(anonymous=True)
    client.subscribe("game:dice", operations_of("game:dice"))
    client.unsubscribe("game:dice")
    client.subscribe("bets", operations_of("bets"))
    assert "game:dice" not in client._selectors


def test_a_lost_connection_says_itself():
    lost = ERRORS.mapped(ConnectionLost("gone", 1012))
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost, NetworkError)
    assert not isinstance(lost, AuthenticationError)
