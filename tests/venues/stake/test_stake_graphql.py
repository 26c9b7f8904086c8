"""The live site's wire, in virtual time against a scripted venue."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.protocols.graphql_ws import Operation
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import (
    ArgumentError,
    AuthenticationError,
    StakeWebSocket,
)
from tapewire.venues.stake.channels import operations_of
from tapewire.venues.stake.protocol_graphql import StakeGraphQLClient
from tests.venues.stake.stake_line import (
    TOKEN,
    URL,
    Recorder,
    closed,
    connected,
    news,
    say,
    sent,
)


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


@pytest.mark.parametrize("channel", ["sports:event:1", "anything"])
async def test_a_channel_that_the_live_site_is_not_known_to_have_is_named(channel):
    ws = StakeWebSocket(TOKEN, wire="graphql")
    with pytest.raises(ArgumentError, match=f"channel='{channel}' is not valid.*user:balances"):
        await ws.subscribe(channel)
    assert ws.subscriptions == []
