"""What is watched and left again and again leaves nothing behind, in memory or at work."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest

from tapewire.errors import SessionClosed
from tapewire.market import Verb
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.kit.feeds import Port
from tests.market.played import PLAYED, PlayedVenue, played

MOST_KEPT = 110
"""Subscriptions that have ended and still stand in their session's figures, and a few."""


@pytest.mark.parametrize("verb", ["watch_order_book", "watch_ticker", "watch_trades"])
@pytest.mark.parametrize(
    ("name", "times"), [("stx", 130), ("sxbet-v3", 250), ("weex", 250), ("template", 250)]
)
async def test_feeds_that_are_left_are_kept_by_nobody(clock: Any, name: str, times: int, verb: Verb) -> None:
    async with played(clock, name) as at:
        if verb not in at.watched():
            return
        tasks, others = len(asyncio.all_tasks()), _ports()
        for number in range(times):
            feed = at.watch(verb)
            if number % 3:
                await feed.wait_live(30)
            await feed.aclose()
        del feed
        await asyncio.sleep(60)
        assert len(asyncio.all_tasks()) <= tasks + 5
        assert _ports() - others < MOST_KEPT


@pytest.mark.parametrize("turns", [1, 2, 4, 5, 6, 8, 20])
@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("name", ["stx", "sxbet", "weex", "stake", "template"])
async def test_a_venue_that_is_closed_while_it_connects_is_closed(
    clock: Any, name: str, is_there: bool, turns: int
) -> None:
    kind, network = PLAYED[name], MemoryNetwork()
    async with PlayedVenue(network, clock, kind.venue_name, **kind.settings) as venue:
        if not is_there:
            network.unreachable(times=1_000_000)
        given = {
            "connector": network,
            "clock": clock,
            "http_transport": venue.http,
            "host": "http://127.0.0.1:4999",
        }
        market = kind.connect(**(given | kind.credentials()))
        tasks, began = len(asyncio.all_tasks()), asyncio.get_running_loop().time()
        connecting = asyncio.ensure_future(market.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        await market.close()
        with suppress(SessionClosed):
            await connecting
        assert asyncio.get_running_loop().time() - began < 2
        assert not market.is_connected
        await asyncio.sleep(30)
        assert len(asyncio.all_tasks()) <= tasks
        assert not market.is_connected


def _ports() -> int:
    gc.collect()
    return sum(isinstance(each, Port) for each in gc.get_objects())
