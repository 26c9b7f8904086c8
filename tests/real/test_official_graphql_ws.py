"""The official JavaScript client of `graphql-transport-ws` (npm `graphql-ws`) against the played Stake.

The client comes from npm into `.cache/npm` of the project, once; without node or npm these tests skip and say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tapewire.sandbox import Sandbox
from tests.real.official import OfficialClient
from tests.real.packages import node_modules, node_with_websocket

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

VERSION = "6.0.6"
SCRIPT = Path(__file__).with_name("graphql_ws_client.mjs")
DEADLINE = 10.0

CRASH = "subscription { crash { event { ... on MultiplayerCrash { id status multiplier } } } }"
BALANCE = "subscription { availableBalances { amount balance { amount currency } } }"
FAUCET = 'mutation { claimFaucet(currency: "usdt") { amount } }'


def command() -> list[str]:
    """How to run it. Skips the test, saying why, where node or the package cannot be had."""
    module = node_modules(f"graphql-ws@{VERSION}", "graphql@16") / "graphql-ws" / "dist" / "client.js"
    return [*node_with_websocket(), str(SCRIPT), module.as_uri()]


class Client(OfficialClient):
    """`order` tells it to do something; `saw` waits for something it saw that agrees with all facts."""

    def __init__(self) -> None:
        super().__init__(command())


@asynccontextmanager
async def official(**settings: Any) -> AsyncIterator[tuple[Sandbox, Client, str]]:
    async with Sandbox(rate=0, venues=["stake"], settings={"stake": settings}) as sandbox, Client() as client:
        yield sandbox, client, sandbox.url.replace("http", "ws", 1) + "/_api/websockets"


async def claim(sandbox: Sandbox) -> None:
    async with httpx2.AsyncClient(
        base_url=sandbox.url, trust_env=False, headers={"x-access-token": "tok"}
    ) as http:
        await http.post("/_api/graphql", json={"query": FAUCET})


async def subscribed(sandbox: Sandbox, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while sum(client["received"] for client in sandbox.state()["connections"]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_connects_pings_and_streams() -> None:
    async with official() as (sandbox, client, url):
        client.order("connect", url=url, params={"accessToken": "tok"})
        await client.saw("connected")
        client.order("subscribe", key="balance", query=BALANCE)
        client.order("subscribe", key="crash", query=CRASH)
        await client.saw("pong")
        await claim(sandbox)
        told = await client.saw("next", key="balance")
        assert told["result"] == {
            "data": {
                "availableBalances": {"amount": 0.25, "balance": {"amount": 10000.25, "currency": "usdt"}}
            }
        }
        sandbox.step(100)
        await client.saw("next", n=5, key="crash")
        client.order("unsubscribe", key="balance")
        await client.saw("complete", key="balance")
        await client.saw("pong", n=2)
        await claim(sandbox)
        await client.saw("pong", n=4)
        assert sum(seen.get("key") == "balance" and seen["saw"] == "next" for seen in client.seen) == 1


async def test_a_wrong_query_is_an_error_of_that_operation_alone() -> None:
    async with official() as (sandbox, client, url):
        client.order("connect", url=url, params={})
        await client.saw("connected")
        client.order("subscribe", key="wrong", query="subscription { nope }")
        error = await client.saw("error", key="wrong")
        assert "Cannot query field" in error["error"][0]["message"]
        client.order("subscribe", key="private", query=BALANCE)
        assert (await client.saw("error", key="private"))["error"] == [{"message": "unauthorized"}]
        client.order("subscribe", key="crash", query=CRASH)
        await client.saw("pong", n=2)
        sandbox.step(50)
        await client.saw("next", key="crash")


async def test_a_closed_channel_completes_and_a_crashed_one_is_an_error() -> None:
    async with official() as (sandbox, client, url):
        client.order("connect", url=url, params={})
        client.order("subscribe", key="one", query=CRASH)
        await subscribed(sandbox, 2)
        sandbox.inject("close_channel", topic="game:crash")
        await client.saw("complete", key="one")
        client.order("subscribe", key="two", query=CRASH)
        await client.saw("pong", n=3)
        sandbox.inject("crash_channel", topic="game:crash")
        await client.saw("error", key="two")


async def test_a_refused_token_is_4403_and_it_says_so() -> None:
    async with official() as (_, client, url):
        client.order("connect", url=url, params={"accessToken": "refused-by-name"})
        assert (await client.saw("closed"))["code"] == 4403


async def test_it_comes_back_after_the_server_went_away() -> None:
    async with official() as (sandbox, client, url):
        client.order("connect", url=url, params={}, retries=5)
        client.order("subscribe", key="crash", query=CRASH)
        await client.saw("connected")
        sandbox.inject("close", code=1001, reason="going away")
        await client.saw("connected", n=2)
        await client.saw("pong", n=2)
        sandbox.step(100)
        await client.saw("next", key="crash")
