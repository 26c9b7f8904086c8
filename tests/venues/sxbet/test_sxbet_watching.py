"""The watch verbs against the played venue: a book is the exchange's, or says that it is not proven."""

import asyncio
from contextlib import aclosing

import pytest

from tapewire.marks import is_mark
from tapewire.venues.sxbet.errors import SXBetInvalidParameter
from tests.venues.sxbet.test_sxbet_client import client_of, played, until


async def hashes(client, count=1):
    rows = [row async for row in client.http.active_markets()]
    return [row.market_hash for row in rows[:count]]


def levels(book):
    return tuple(
        tuple(tuple(level) for level in side.top(10_000)) for side in (book.levels.bids, book.levels.offers)
    )


def truth(sandbox, market_hash):
    book = sandbox.faces["sxbet"].book(market_hash)
    return (tuple(book.bids), tuple(book.offers))


class Watched:
    """A book that somebody watches in a task of its own."""

    def __init__(self, client, market_hash):
        self.book = None
        self.states = []
        self.task = asyncio.ensure_future(self._watch(client, market_hash))

    async def _watch(self, client, market_hash):
        async for book in client.watch_order_book(market_hash):
            self.book = book
            if self.states[-1:] != [book.state]:
                self.states.append(book.state)

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.mark.parametrize("profile", ["v2", "v3"])
async def test_a_watched_book_equals_the_exchanges_level_by_level(profile):
    async with played() as sandbox, client_of(sandbox, profile=profile) as client:
        (market_hash,) = await hashes(client)
        watched = Watched(client, market_hash)
        await until(lambda: watched.book is not None and watched.book.is_tradable)
        await asyncio.sleep(0.3)
        sandbox.rate = 0
        await until(lambda: levels(watched.book) == truth(sandbox, market_hash))
        await watched.stop()


@pytest.mark.parametrize("fault", ["abort", "new_epoch", "prune_history", "insufficient_state"])
async def test_a_book_is_right_again_after_a_fault_and_never_wrong_meanwhile(fault):
    async with played(rate=150) as sandbox, client_of(sandbox) as client:
        (market_hash,) = await hashes(client)
        watched = Watched(client, market_hash)
        await until(lambda: watched.book is not None and watched.book.is_tradable)
        sandbox.inject(fault)
        if fault == "prune_history":
            sandbox.inject("abort")
        await until(lambda: client.statistics()[0].marks >= 1)
        await until(lambda: watched.book.is_tradable)
        sandbox.rate = 0
        await until(lambda: levels(watched.book) == truth(sandbox, market_hash))
        await watched.stop()


async def test_a_seed_that_fails_is_never_called_ready_and_is_tried_again():
    async with played() as sandbox, client_of(sandbox) as client:
        (market_hash,) = await hashes(client)
        sandbox.inject("unavailable", times=30)
        watched = Watched(client, market_hash)
        await until(lambda: watched.book is not None)
        assert not watched.book.is_tradable
        sandbox.lift("unavailable")
        await until(lambda: watched.book.is_tradable, 20)
        await watched.stop()


async def test_many_books_are_seeded_with_one_request():
    async with played() as sandbox, client_of(sandbox) as client:
        names = await hashes(client, 6)
        watched = [Watched(client, name) for name in names]
        await until(lambda: all(one.book is not None and one.book.is_tradable for one in watched))
        assert client.seeds.requests <= 2
        for one in watched:
            await one.stop()


async def test_leaving_an_iteration_leaves_the_channel():
    async with played() as sandbox, client_of(sandbox) as client:
        (market_hash,) = await hashes(client)
        async with aclosing(client.watch_order_book(market_hash)) as books:
            async for _ in books:
                break
        assert client.statistics()[0].subscriptions == 0


@pytest.mark.parametrize(
    "verb", ["watch_trades", "watch_best_odds", "watch_markets", "watch_live_scores", "watch_parlay_markets"]
)
async def test_each_verb_yields_typed_rows(verb):
    async with played(rate=300) as sandbox, client_of(sandbox) as client:
        rows = []
        async with asyncio.timeout(20), aclosing(getattr(client, verb)()) as items:
            async for item in items:
                assert not is_mark(item)
                rows.append(item)
                if len(rows) == 3:
                    break
        assert len({type(row) for row in rows}) == 1
        assert type(rows[0]).__name__.endswith("Row")


async def test_the_orders_of_one_maker_are_watched_by_its_address():
    async with played(rate=300) as sandbox, client_of(sandbox) as client:
        (market_hash,) = await hashes(client)
        maker = (await client.http.orders_of_markets([market_hash]))[market_hash][0].maker
        rows = []
        async with asyncio.timeout(20), aclosing(client.watch_active_orders(maker)) as items:
            async for item in items:
                assert not is_mark(item)
                rows.append(item)
                if len(rows) == 3:
                    break
        assert {row.maker for row in rows} == {maker}


async def test_a_kind_that_the_profile_has_not_is_named():
    async with played() as sandbox, client_of(sandbox) as client:
        with pytest.raises(SXBetInvalidParameter, match="argument"):
            async for _ in client.watch_active_orders(""):
                pass
