"""A book that is watched already is watched once more while it is mute: what is known of it is known of both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tapewire.marks import ContinuityState
from tests.market.played import PLAYED, PlayedMarket, played, shown
from tests.market.watched import Watched

BOOKS = [name for name, kind in PLAYED.items() if "watch_order_book" in kind.watched()]

PROOF_SECONDS = 13.0
"""What a look at the silence and the proof of it may take."""


def is_wrong(watched: Watched, at: PlayedMarket) -> bool:
    view = watched.feed._port.view
    return view.is_live and shown(view) != at.truth(watched.feed.instrument_id)


@pytest.mark.parametrize("name", BOOKS)
async def test_a_book_beside_one_that_fell_mute_is_not_live_and_old(clock: Any, name: str) -> None:
    async with played(clock, name) as at:
        first = Watched(at, "watch_order_book")
        await first.live()
        at.publications.mute(True)
        at.happen("watch_order_book")
        await first.stands(ContinuityState.STALE, at.silences * first.source.quiet + PROOF_SECONDS)
        assert not is_wrong(first, at)
        second = Watched(at, "watch_order_book")
        for _ in range(20):
            await asyncio.sleep(0.1)
            assert not is_wrong(second, at)
        await second.live()
        assert not is_wrong(second, at)


@pytest.mark.parametrize("name", BOOKS)
async def test_the_silence_before_a_book_was_watched_once_more_counts(clock: Any, name: str) -> None:
    async with played(clock, name) as at:
        first = Watched(at, "watch_order_book")
        await first.live()
        at.publications.mute(True)
        at.happen("watch_order_book")
        quiet = at.silences * first.source.quiet
        await asyncio.sleep(0.8 * quiet)
        second = Watched(at, "watch_order_book")
        await asyncio.sleep(0.2 * quiet + PROOF_SECONDS)
        assert not is_wrong(first, at)
        assert not is_wrong(second, at)
