"""A snapshot that lags behind the stream is followed by what the stream said shortly before it was asked for."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.sxbet.history_overlap import OVERLAP
from tests.venues.sxbet.rows import KEY, MARKET, market_row, order_row, success

BOOK = f"order_book:market_{MARKET}"
LEVELS = f"orderbook_v3:{MARKET}"


def told(number, at, **changes):
    """A publication about one order: its row as the stream has it, at a moment."""
    row = order_row(number, **changes)
    return [row | {"status": row.pop("orderStatus"), "updateTime": str(1_747_490_000_000 + at)}]


def whole(version, size):
    """A book of the later generation: one level."""
    level = {"percentageOdds": "52500000000000000000", "size": str(size)}
    return {"marketHash": MARKET, "version": str(version), "outcomeOne": [level], "outcomeTwo": []}


@asynccontextmanager
async def watched(venue, profile="v2", **peer):
    """The first books that a client yields, with HTTP by `venue` and a stream that is scripted."""
    network = MemoryNetwork()
    venue.at["/markets/find"] = success([market_row(1) | {"marketHash": MARKET}])
    async with CentrifugoPeer(network, **peer) as stream:
        client = SXBetClient(host=venue.url, api_key=KEY, profile=profile, connector=network)

        async def first_live():
            async with aclosing(client.watch_order_book(MARKET)) as books:
                live = (book async for book in books if book.is_tradable)
                levels = (await anext(live)).levels
                return sorted(size for side in (levels.bids, levels.offers) for _, size in side.top(9))

        async def look():
            async with client, asyncio.timeout(5):
                return await first_live()

        yield stream, look


async def test_what_a_lagging_snapshot_does_not_know_yet_comes_from_history(venue):
    venue.at["/orders"] = success(
        [order_row(1), order_row(2, totalBetSize="60000000")]
    )  # as it was some moments ago
    async with watched(venue) as (stream, look):
        stream.publish(BOOK, told(2, 10, totalBetSize="60000000"), tags={"messageId": "a"})
        stream.publish(
            BOOK, told(2, 20, totalBetSize="60000000", orderStatus="INACTIVE"), tags={"messageId": "b"}
        )
        stream.publish(BOOK, told(3, 30, totalBetSize="70000000"), tags={"messageId": "c"})
        stream.publish(BOOK, told(1, 40, fillAmount="10000000"), tags={"messageId": "d"})
        assert await look() == [110_000_000], "40 left of the first, 70 of the third; the second is gone"
        (asked,) = stream.of("history", BOOK)
        assert (asked.command.since.offset, asked.command.limit) == (0, 200)


async def test_a_snapshot_that_does_not_lag_is_what_it_is(venue):
    venue.at["/orders"] = success([order_row(3, totalBetSize="70000000")])
    async with watched(venue) as (stream, look):
        stream.publish(BOOK, told(2, 10, totalBetSize="60000000"))
        stream.publish(BOOK, told(2, 20, totalBetSize="60000000", orderStatus="INACTIVE"))
        stream.publish(BOOK, told(3, 30, totalBetSize="70000000"))
        assert await look() == [70_000_000]


async def test_no_more_is_asked_for_than_a_lag_can_be(venue):
    async with watched(venue) as (stream, look):
        for number in range(100):
            stream.publish(BOOK, told(number, 10 + number))
        assert await look() == [OVERLAP * 50_000_000]
        (asked,) = stream.of("history", BOOK)
        assert asked.command.since.offset == 100 - OVERLAP


@pytest.mark.parametrize("spoil", ["refused", "unreadable", "without history", "nothing published"])
async def test_where_there_is_no_overlap_the_snapshot_stands_alone(venue, spoil):
    venue.at["/orders"] = success([order_row(1)])
    async with watched(venue) as (stream, look):
        if spoil == "without history":
            stream.without_history(BOOK)
        if spoil == "refused":
            stream.refuse_history(103)
        if spoil != "nothing published":
            stream.publish(BOOK, told(2, 10))
        if spoil == "unreadable":
            stream.publish(BOOK, [{"marketHash": 7}])
        assert await look() == [50_000_000]


async def test_a_whole_book_that_lags_is_replaced_by_a_later_one_of_the_history(venue):
    venue.at["/orderbook-v3/snapshot"] = success(whole(5, 10))
    async with watched(venue, profile="v3") as (stream, look):
        stream.publish(LEVELS, whole(4, 9))
        stream.publish(LEVELS, whole(6, 11))
        assert await look() == [11]


async def test_a_whole_book_that_does_not_lag_is_replaced_by_nothing(venue):
    venue.at["/orderbook-v3/snapshot"] = success(whole(7, 12))
    async with watched(venue, profile="v3") as (stream, look):
        stream.publish(LEVELS, whole(6, 11))
        assert await look() == [12]
