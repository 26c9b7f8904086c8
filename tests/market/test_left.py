"""What is watched and left again and again leaves nothing behind, in memory or at work."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tapewire.market import Verb
from tapewire.venues.kit.feeds import Port
from tests.market.played import played

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


def _ports() -> int:
    gc.collect()
    return sum(isinstance(each, Port) for each in gc.get_objects())
