"""What can be done to order books: frames that no book can have, and snapshots that are not to be had at once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tapewire.marks import is_mark
from tapewire.testing import VirtualClock
from tests.venues.sxbet.test_sxbet_client import client_of, played
from tests.venues.sxbet.test_sxbet_watching import Watched, hashes, levels, truth
from tests.venues.weex.weex_peer import Heard, weex_line
from tests.waiting import until

BTC = "BTCUSDT@depth15"


@pytest.mark.parametrize(
    "bids",
    [
        [["99999.5", "1"]],
        [["1000.5", "-1"]],
        [["0", "1"]],
        [["-5", "1"]],
        [["1e999999", "1"]],
        [["NaN", "1"]],
        [["1000.5", "Infinity"]],
        [["1000.5"]],
        [[None, True]],
    ],
    ids=["crossed", "negative", "price zero", "below zero", "huge", "nan", "infinite", "half", "odd"],
)
async def test_a_frame_that_no_book_can_have_is_never_shown_and_the_book_is_rebuilt(
    clock: VirtualClock, bids: list[list[Any]]
) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        other = Heard.with_marks(client.stream_order_book, "ETHUSDT", level=15)
        await heard.until(1)
        await other.until(1)
        book = peer.books["BTCUSDT", 15]
        peer.send(BTC, {"e": "depth", "E": 1, "s": "BTCUSDT", **book.delta(bids)})
        await heard.until(4)
        names = [type(item).__name__ if is_mark(item) else item.channel for item in heard]
        assert names == ["depth", "Gap", "Resynced", "depth"]
        sides = [
            [(str(price), str(size)) for price, size in heard[-1].data[side]] for side in ("bids", "asks")
        ]
        assert sides == [[*map(tuple, side)] for side in truth_of(book)]
        for message in heard[0], heard[3]:
            (bid, _), (ask, _) = message.data["bids"][0], message.data["asks"][0]
            assert Decimal(0) < bid < ask
        assert [item.channel for item in other] == ["depth"]
        assert client.statistics().reconnections == 0
        for each in (heard, other):
            await each.stop()


def truth_of(book: Any) -> tuple[Any, Any]:
    state = book.snapshot()
    return state["b"], state["a"]


async def test_books_whose_snapshots_must_wait_are_not_tradable_before_they_have_them() -> None:
    async with played(rate=100) as sandbox, client_of(sandbox) as client:
        names = await hashes(client, 4)
        watched = [Watched(client, name) for name in names]
        await until(lambda: all(one.book is not None and one.book.is_tradable for one in watched))
        limited = sandbox.inject("http_429", retry_after=0.2, times=3)
        sandbox.inject("new_epoch")
        await until(lambda: limited.hits)
        assert not any(one.book.is_tradable for one in watched)
        await until(lambda: limited.hits == 3 and all(one.book.is_tradable for one in watched))
        sandbox.rate = 0
        await until(lambda: [levels(one.book) for one in watched] == [truth(sandbox, name) for name in names])
        assert client.statistics().reconnections == 0
        await asyncio.gather(*(one.stop() for one in watched))
