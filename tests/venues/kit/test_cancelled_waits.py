"""Streams of each venue go on behind waits that were cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tapewire.sandbox import Sandbox
from tapewire.venues.stake import StakeWebSocket
from tapewire.venues.stx import Channels, STXWebSocket, User
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.session.test_consumer_iterations import by_timeout, by_wait_for
from tests.venues.kit.test_errors import close


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
