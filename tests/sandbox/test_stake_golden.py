"""The two played sockets of Stake, byte for byte: the page's frames, and those of the live site's public clients."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import websockets
from websockets.asyncio.client import connect

from tapewire.sandbox import Sandbox
from tests.sandbox.sandbox_peers import Raw, http

PAGE = "/_api/websocket"
GRAPHQL = "/_api/websockets"
AVAILABLE = (
    "subscription AvailableBalances {\\n  availableBalances {\\n    amount\\n    identifier\\n"
    "    balance { amount currency }\\n  }\\n}\\n"
)
CRASH = (
    "subscription Crash { crash { event { __typename ... on MultiplayerCrash { id status multiplier } } } }"
)
FAUCET = 'mutation { claimFaucet(currency: "usdt") { amount currency } }'


@asynccontextmanager
async def played(path=PAGE, token="tok", **arguments):
    headers = {"x-access-token": token, "Origin": "https://stake.com"} if token and path == PAGE else {}
    subprotocols = ["graphql-transport-ws"] if path == GRAPHQL else None
    async with Sandbox(**{"rate": 0, "venues": ["stake"], **arguments}) as sandbox:
        url = sandbox.url.replace("http", "ws", 1) + path
        async with connect(
            url, additional_headers=headers, subprotocols=subprotocols, proxy=None
        ) as websocket:
            yield sandbox, Raw(websocket)


async def initialised(raw, payload='{"accessToken":"tok","language":"en","lockdownToken":"opaque"}'):
    assert await raw.ask(f'{{"type":"connection_init","payload":{payload}}}') == '{"type":"connection_ack"}'


async def graphql(sandbox, query, token="tok", **variables):
    headers = {"x-access-token": token} if token else {}
    async with http(sandbox) as client:
        return await client.post(
            "/_api/graphql", json={"query": query, "variables": variables}, headers=headers
        )


async def test_a_subscription_of_the_page_is_not_answered_and_brings_channel_and_payload():
    async with played() as (sandbox, raw):
        await raw.send('{"type": "subscribe", "channel": "bets"}')
        await raw.send('{"type": "subscribe", "channel": "game:nope"}')
        assert await raw.take() == ['{"type":"error","channel":"game:nope","message":"no such channel"}']
        while not sandbox.ledger.since("bets"):
            sandbox.step()
        (text,) = await raw.take()
        entry = sandbox.ledger.since("bets")[0]
        assert text == f'{{"channel":"bets","payload":{entry.body.decode()}}}'


async def test_a_balance_is_told_on_the_page_as_a_change_and_what_it_is_now():
    async with played() as (sandbox, raw):
        await raw.send('{"type":"subscribe","channel":"user:balances"}', '{"type":"x"}')
        assert json.loads((await raw.take())[0])["type"] == "error"
        assert (await graphql(sandbox, FAUCET)).json() == {
            "data": {"claimFaucet": {"amount": 0.25, "currency": "usdt"}}
        }
        told = json.loads((await raw.take())[0])
        assert told["channel"] == "user:balances"
        payload = told["payload"]
        assert (payload["wallet"], payload["amount"]) == ("available", 0.25)
        assert payload["balance"] == {"amount": 10000.25, "currency": "usdt"}


@pytest.mark.parametrize(
    ("fault", "frame"),
    [
        ("crash_channel", '{"type":"interrupted","channel":"bets","message":"the channel crashed"}'),
        ("close_channel", '{"type":"unsubscribed","channel":"bets"}'),
    ],
)
async def test_a_channel_of_the_page_can_be_crashed_and_closed_by_order(fault, frame):
    async with played() as (sandbox, raw):
        await raw.send('{"type":"subscribe","channel":"bets"}', '{"type":"x"}')
        await raw.take()
        assert sandbox.inject(fault, topic="bets").hits == 1
        assert await raw.take() == [frame]
        sandbox.step(20)
        assert json.loads(await raw.ask('{"type":"x"}'))["type"] == "error"


async def test_unsubscribing_and_a_refusal_by_order():
    async with played() as (sandbox, raw):
        sandbox.inject("refuse_join", topic="bets", reason="not today")
        assert await raw.ask('{"type":"subscribe","channel":"bets"}') == (
            '{"type":"error","channel":"bets","message":"not today"}'
        )
        await raw.send('{"type":"subscribe","channel":"bets"}', '{"type":"unsubscribe","channel":"bets"}')
        assert json.loads(await raw.ask('{"type":"x"}'))["type"] == "error"
        sandbox.step(20)
        assert json.loads(await raw.ask("nonsense"))["message"].startswith("not a message")


@pytest.mark.parametrize(("token", "status"), [("", 401), ("refused-by-name", 403)])
async def test_the_pages_socket_opens_for_any_token_but_none_and_a_refused_one(token, status):
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        url = sandbox.url.replace("http", "ws", 1) + PAGE
        headers = {"x-access-token": token} if token else {}
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(url, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == status


@pytest.mark.parametrize("origin", ["https://evil.example", "https://stake.com.evil.example"])
async def test_only_the_venues_own_origin_is_taken_beside_this_machines(origin):
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        url = sandbox.url.replace("http", "ws", 1) + PAGE
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(url, additional_headers={"x-access-token": "t"}, origin=origin, proxy=None)
        assert refused.value.response.status_code == 403


async def test_the_origin_of_the_site_opens_sockets_only():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, http(sandbox) as client:
        reply = await client.post("/_api/graphql", json={}, headers={"Origin": "https://stake.com"})
        assert reply.status_code == 403


async def test_graphql_is_initialised_subscribed_and_completed_as_public_clients_do_it():
    async with played(GRAPHQL) as (sandbox, raw):
        assert raw.websocket.subprotocol == "graphql-transport-ws"
        await initialised(raw)
        await raw.send(f'{{"id":"u-1","type":"subscribe","payload":{{"query":"{AVAILABLE}"}}}}')
        assert await raw.ask('{"type":"ping"}') == '{"type":"pong"}'
        await graphql(sandbox, FAUCET)
        told = json.loads((await raw.take())[0])
        identifier = told["payload"]["data"]["availableBalances"].pop("identifier")
        assert len(identifier) == 36
        assert told == {
            "id": "u-1",
            "type": "next",
            "payload": {
                "data": {
                    "availableBalances": {
                        "amount": 0.25,
                        "balance": {"amount": 10000.25, "currency": "usdt"},
                    }
                }
            },
        }
        await raw.send('{"id":"u-1","type":"complete"}')
        await graphql(sandbox, FAUCET)
        assert await raw.ask('{"type":"ping"}') == '{"type":"pong"}'


async def test_what_is_public_needs_no_token_and_what_is_private_does():
    async with played(GRAPHQL) as (sandbox, raw):
        await initialised(raw, "{}")
        await raw.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": CRASH}}))
        refused = await raw.ask(f'{{"id":"2","type":"subscribe","payload":{{"query":"{AVAILABLE}"}}}}')
        assert refused == '{"id":"2","type":"error","payload":[{"message":"unauthorized"}]}'
        while not sandbox.ledger.since("game:crash"):
            sandbox.step()
        event = json.loads((await raw.take())[0])["payload"]["data"]["crash"]["event"]
        assert event.keys() == {"__typename", "id", "status", "multiplier"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type":"connection_init","payload":{"accessToken":"refused-by-name"}}'], 4403),
        (['{"id":"1","type":"subscribe","payload":{"query":"subscription { bets }"}}'], 4401),
        (['{"type":"connection_init"}', '{"type":"connection_init"}'], 4429),
        (["nonsense"], 4400),
    ],
)
async def test_what_breaks_the_protocol_is_closed_with_its_code(messages, code):
    async with played(GRAPHQL) as (_, raw):
        await raw.send(*messages)
        assert await raw.end() == code


async def test_an_id_used_twice_is_4409():
    async with played(GRAPHQL) as (_, raw):
        await initialised(raw)
        await raw.send(*[json.dumps({"id": "1", "type": "subscribe", "payload": {"query": CRASH}})] * 2)
        assert await raw.end() == 4409


async def test_who_does_not_initialise_is_4408():
    async with played(GRAPHQL, settings={"stake": {"init_timeout": 0.05}}) as (_, raw):
        assert await raw.end() == 4408


async def test_without_the_subprotocol_it_is_4406():
    async with (
        Sandbox(rate=0, venues=["stake"]) as sandbox,
        connect(sandbox.url.replace("http", "ws", 1) + GRAPHQL, proxy=None) as websocket,
    ):
        raw = Raw(websocket)
        await raw.send('{"type":"connection_init"}')
        assert await raw.end() == 4406


async def test_a_subscription_can_be_crashed_closed_and_refused_by_order():
    async with played(GRAPHQL) as (sandbox, raw):
        await initialised(raw)
        wire = json.dumps({"id": "%s", "type": "subscribe", "payload": {"query": CRASH}})
        await raw.send(wire % "1")
        assert await raw.ask('{"type":"ping"}') == '{"type":"pong"}'
        sandbox.inject("close_channel", topic="game:crash")
        assert await raw.take() == ['{"id":"1","type":"complete"}']
        await raw.send(wire % "2")
        assert await raw.ask('{"type":"ping"}') == '{"type":"pong"}'
        sandbox.inject("crash_channel", topic="game:crash")
        crashed = '{"id":"2","type":"error","payload":[{"message":"Internal server error: the subscription crashed"}]}'
        assert await raw.take() == [crashed]
        sandbox.inject("refuse_join", topic="game:crash", reason="not today")
        refused = '{"id":"3","type":"error","payload":[{"message":"not today"}]}'
        assert await raw.ask(wire % "3") == refused


async def test_http_says_what_is_wrong_with_a_request():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        assert (await graphql(sandbox, "query { nope }")).status_code == 400
        assert (await graphql(sandbox, "subscription { crash { event { __typename } } }")).status_code == 400
        assert (await graphql(sandbox, "query { user { id } }", token="refused-x")).status_code == 403
        unknown = (await graphql(sandbox, "query { user { id } }", token="")).json()
        assert unknown["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert unknown["data"] == {"user": None}
        async with http(sandbox) as client:
            assert (await client.post("/_api/graphql", content=b"nonsense")).status_code == 400


async def test_money_is_moved_and_never_made():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        exchange = sandbox.faces["stake"].exchange
        vault = 'mutation { createVaultDeposit(currency: "usdt", amount: %s) { amount } }'
        await graphql(sandbox, FAUCET)
        assert (await graphql(sandbox, vault % "2.5")).json()["data"]["createVaultDeposit"]["amount"] == 2.5
        for wrong in ("0", "-1", "1000000"):
            assert "insufficient" in (await graphql(sandbox, vault % wrong)).json()["errors"][0]["message"]
        sandbox.step(500)
        assert exchange.worth() == exchange.deposits
