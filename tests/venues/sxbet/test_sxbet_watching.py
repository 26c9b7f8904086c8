"""The watch verbs against the played venue: a book is the exchange's, or says that it is not proven."""

import asyncio
from contextlib import AsyncExitStack, aclosing

import pytest

from tapewire.marks import is_mark
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.sxbet.errors import NotConnected, SXBetInvalidParameter, UnknownMarket
from tests.venues.sxbet.rows import KEY, MARKET
from tests.venues.sxbet.test_sxbet_client import client_of, played
from tests.waiting import until


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
        await until(lambda: client.statistics().marks >= 1)
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
        await until(lambda: watched.book.is_tradable)
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
        assert client.statistics().subscriptions == 0


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


@pytest.mark.parametrize("profile", ["v2", "v3"])
async def test_the_orders_of_one_maker_are_watched_by_its_address(profile):
    async with played(rate=300) as sandbox, client_of(sandbox, profile=profile) as client:
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


@pytest.mark.parametrize("wrong", ["0xabc", "", "0x" + "g" * 64, "a1" * 32, 5, None, b"0x" + b"a" * 64])
async def test_what_is_no_market_hash_is_named_before_anything_is_asked(venue, wrong):
    client = SXBetClient(host=venue.url, api_key=KEY)
    with pytest.raises(SXBetInvalidParameter, match=r"market_hash=.*0x and 64 hex digits"):
        client.watch_order_book(wrong)
    assert not venue.requests
    await client.disconnect()


@pytest.mark.parametrize("wrong", ["", "0x12", MARKET, 5])
async def test_what_is_no_address_is_named_before_anything_is_asked(venue, wrong):
    client = SXBetClient(host=venue.url, api_key=KEY)
    with pytest.raises(SXBetInvalidParameter, match=r"maker=.*0x and 40 hex digits"):
        client.watch_active_orders(wrong)
    await client.disconnect()


@pytest.mark.parametrize("verb", ["watch_order_book", "watch_trades", "watch_active_orders"])
async def test_watching_with_a_client_that_was_never_connected_says_what_to_do(venue, verb):
    client = SXBetClient(host=venue.url, api_key=KEY)
    given = {"watch_order_book": [MARKET], "watch_active_orders": [MARKET[:42]]}.get(verb, [])
    with pytest.raises(NotConnected, match=r"async with SXBetClient.*await client.connect\(\)"):
        await anext(getattr(client, verb)(*given))
    await client.disconnect()


async def test_a_venue_that_goes_away_takes_its_books_with_it_at_once():
    async with AsyncExitStack() as venue:
        sandbox = await venue.enter_async_context(played())
        async with client_of(sandbox) as client:
            (market_hash,) = await hashes(client)
            watched = Watched(client, market_hash)
            await until(lambda: watched.book is not None and watched.book.is_tradable)
            await venue.aclose()
            await until(lambda: watched.states[-1] == "stale", seconds=1)
            assert not watched.book.is_tradable
            assert watched.book.reason
            await watched.stop()


@pytest.mark.parametrize("profile", ["v2", "v3"])
async def test_a_well_formed_hash_that_no_market_has_raises_unknown_market(profile):
    async with played() as sandbox, client_of(sandbox, profile=profile) as client:
        with pytest.raises(UnknownMarket, match="0xabab"):
            async with asyncio.timeout(5):
                await anext(client.watch_order_book("0x" + "ab" * 32))
        assert client.statistics().subscriptions == 0


@pytest.mark.parametrize("profile", ["v2", "v3"])
async def test_the_book_of_a_market_that_is_settled_ends_untradable(profile):
    often = played(rate=200, settings={"churn_every": 200})
    async with often as sandbox, client_of(sandbox, profile=profile) as client:
        (oldest,) = await hashes(client)
        watched = Watched(client, oldest)
        async with asyncio.timeout(20):
            await watched.task
        assert watched.book.reason.startswith("the market has ended: ")
        assert not watched.book.is_tradable
        again = Watched(client, oldest)
        async with asyncio.timeout(5):
            await again.task
        assert again.states == ["empty"]
        assert again.book.reason == watched.book.reason
