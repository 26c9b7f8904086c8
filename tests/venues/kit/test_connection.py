"""A line that gives up wakes what waits inside `async with`, unless somebody else was told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tapewire.errors import GaveUp
from tapewire.retry import RetryPolicy
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.kit.connection import Body
from tapewire.venues.stx import Channels
from tests.venues.stake.stake_line import Recorder
from tests.venues.stx.stx_line import Heard, make_socket

TWICE = RetryPolicy(2, 0.1, jitter=False)


def lose(network: MemoryNetwork, peer: PhoenixPeer) -> None:
    network.unreachable(times=9)
    peer.abort()


async def test_the_last_line_of_the_stx_page_ends_when_the_socket_gives_up(clock: Any) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        ws = make_socket(clock, network, retry=TWICE)

        async def program() -> None:
            async with ws:
                await ws.join(Channels.MARKETS, Heard())
                asyncio.get_running_loop().call_later(1, lose, network, peer)
                await asyncio.Future()  # run forever

        with pytest.raises(GaveUp):
            await program()
        assert ws.state == "closed"
        assert clock.monotonic() - 1000 < 5


async def test_stakes_async_with_ends_so_too(clock: Any) -> None:
    network = MemoryNetwork()
    accepting = asyncio.ensure_future(network.accept())
    ws = Recorder(clock, network, retry=TWICE)

    async def program() -> None:
        async with ws:
            ws.watch("bets", lambda message: None)
            network.unreachable(times=9)
            (await accepting).abort()
            await asyncio.Future()

    with pytest.raises(GaveUp):
        await program()
    assert ws.state == "closed"


@pytest.mark.parametrize("who", ["run_forever", "iteration", "busy iteration", "join"])
async def test_whoever_waits_is_told_and_nobody_else_is_cancelled(clock: Any, who: str) -> None:
    network, told = MemoryNetwork(), []
    async with PhoenixPeer(network) as peer, make_socket(clock, network, retry=TWICE) as ws:
        subscription = await ws.join(Channels.MARKETS)

        async def wait() -> None:
            try:
                if who == "run_forever":
                    await ws.run_forever()
                elif who == "join":
                    await ws.join(Channels.ORDERS, Heard())
                else:
                    async for _ in subscription:
                        if who == "busy iteration":
                            await asyncio.sleep(10)
            except GaveUp as error:
                told.append(error)

        if who == "join":
            peer.ignore_join("active_orders:uid-1")
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.1)
        lose(network, peer)
        await waiting
        await asyncio.sleep(30)  # to put things in order is not cut short
    assert len(told) == 1


async def test_an_outage_that_ends_cancels_nobody(clock: Any) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, make_socket(clock, network, retry=TWICE) as ws:
        await ws.join(Channels.MARKETS, Heard())
        await asyncio.sleep(60)
        peer.abort()
        await asyncio.sleep(60)
        assert ws.is_connected


async def test_a_hook_for_states_of_ones_own_still_hears_them(clock: Any) -> None:
    network, states = MemoryNetwork(), []
    async with PhoenixPeer(network) as peer:
        options = {"on_state": states.append}

        async def program() -> None:
            async with make_socket(clock, network, retry=TWICE, session_options=options):
                lose(network, peer)
                await asyncio.Future()

        with pytest.raises(GaveUp):
            await program()
        assert "failed" in states


# The body alone.


async def test_a_cancellation_of_somebody_elses_stays_one(clock: Any) -> None:
    body, instead = Body(), []

    async def inside() -> None:
        body.enter()
        try:
            await asyncio.Future()
        except asyncio.CancelledError as raised:
            instead.append(body.leave(raised))
            raise

    for ours in (False, True):  # alone, or beside ours
        task = asyncio.ensure_future(inside())
        await asyncio.sleep(0)
        if ours:
            body.give_up(GaveUp(1, None))
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    assert instead == [None, None]


async def test_what_the_body_raises_itself_stays(clock: Any) -> None:
    body = Body()

    async def inside() -> None:
        body.enter()
        try:
            await asyncio.Future()
        except asyncio.CancelledError:
            assert body.leave(KeyError()) is None
        await asyncio.sleep(0)  # and nothing of the cancellation is left

    task = asyncio.ensure_future(inside())
    await asyncio.sleep(0)
    body.give_up(GaveUp(1, None))
    await task
    body.give_up(GaveUp(1, None))  # nobody is inside: nobody is cancelled
