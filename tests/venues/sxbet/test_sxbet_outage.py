"""What a watched book says while its line or channel is gone, or its market is not open: in virtual time."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx2
import pytest

from tapewire.errors import GaveUp, SubscriptionEnded, SubscriptionRefused
from tapewire.marks import Gap, Reconnected, Subscribing, is_mark
from tapewire.retry import RetryPolicy
from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.sxbet import SXBetClient, SXBetRequestError, UnauthorizedError, UnknownMarket
from tapewire.venues.sxbet.limits import Budgets
from tests.venues.sxbet.rows import KEY, MARKET, OTHER, market_row, order_row
from tests.venues.sxbet.test_sxbet_document import venue_and_client
from tests.venues.sxbet.test_sxbet_history_overlap import told

BOOK = f"order_book:market_{MARKET}"
MARKETS = "markets:global"
SLOW = RetryPolicy(max_attempts=None, initial_backoff=20, max_backoff=20, jitter=False)


def _reply(body, status=200):
    return httpx2.Response(status, stream=httpx2.ByteStream(json.dumps(body).encode()))


class Http:
    """The venue's HTTP: orders and markets by their hashes; `failures` come first, by path."""

    def __init__(self):
        self.orders = {MARKET: [order_row(1)]}
        self.markets = {MARKET: market_row(1) | {"marketHash": MARKET}}
        self.failures = {}
        self.asked = []

    def __call__(self, request):
        path, query = request.url.path, dict(request.url.params)
        self.asked.append(path)
        if path in self.failures:
            return _reply({"status": "failure", "message": "NO"}, self.failures[path])
        if path.endswith("/api-key"):
            return _reply({"token": "a-token"})
        hashes = query.get("marketHashes", "").split(",")
        table = self.orders if path == "/orders" else {name: [row] for name, row in self.markets.items()}
        rows = [row for name in hashes for row in table.get(name, ())]
        if path == "/orderbook-v3/snapshot":
            return _reply({"error": "Not Found", "message": "MARKET_NOT_FOUND"}, 404)
        return _reply({"status": "success", "data": rows})


class Watched:
    """What `watch_order_book` yielded: whether it could be traded on, and the reason why not."""

    def __init__(self, client, market_hash=MARKET):
        self.book, self.yielded = None, []
        self.task = asyncio.ensure_future(self._watch(client, market_hash))

    async def _watch(self, client, market_hash):
        async for book in client.watch_order_book(market_hash):
            self.book = book
            self.yielded.append((book.is_tradable, book.reason))

    @property
    def sizes(self):
        levels = self.book.levels
        return sorted(size for side in (levels.bids, levels.offers) for _, size in side.top(9))


@asynccontextmanager
async def watching(clock, *, profile="v2", network=None, retry=SLOW, seen=1, **peer):
    """A scripted venue and a book that has been seeded."""
    network, http = network or MemoryNetwork(), Http()
    async with CentrifugoPeer(network, **peer) as venue:
        client = SXBetClient(
            host="http://127.0.0.1:1", api_key=KEY, profile=profile, connector=network, retry=retry, clock=clock,
            session_options={"fraction": lambda: 1.0}, http_transport=httpx2.MockTransport(http), budgets=Budgets(),
        )  # fmt: skip
        async with asyncio.timeout(3600), client:
            watched = Watched(client)
            await asyncio.sleep(1)
            assert len(watched.yielded) == seen
            yield venue, client, http, watched
            watched.task.cancel()
            await asyncio.gather(watched.task, return_exceptions=True)


async def test_a_book_is_not_tradable_from_the_moment_its_line_is_lost_and_says_so_at_once(clock):
    network = MemoryNetwork()
    async with watching(clock, network=network) as (venue, client, _, watched):
        assert watched.yielded == [(True, "")]
        network.unreachable(times=2)
        venue.drop(3001)
        await asyncio.sleep(0.1)
        tradable, reason = watched.yielded[-1]
        assert (tradable, watched.book.state, client.state) == (False, "stale", "connecting")
        assert "connection" in reason
        assert len(watched.yielded) == 2
        assert watched.sizes == [50_000_000], "what was known last can still be looked at"
        await asyncio.sleep(15)
        assert not watched.book.is_tradable
        await asyncio.sleep(60)
        assert watched.yielded[-1] == (True, "")


async def test_a_line_that_falls_silent_makes_the_book_untradable_as_soon_as_that_is_known(clock):
    async with watching(clock) as (venue, _, _, watched):
        venue.mute_pings()
        await asyncio.sleep(30)
        assert watched.book.is_tradable, "the server pings every 25 seconds, and ten more are forgiven"
        await asyncio.sleep(6)
        assert [tradable for tradable, _ in watched.yielded][:2] == [True, False]
        assert watched.yielded[1][1]


async def test_who_looks_at_the_book_and_does_not_iterate_sees_it_too(clock):
    async with watching(clock) as (venue, client, _, watched):
        watched.task.cancel()
        books = client.watch_order_book(MARKET)
        book = await anext(books)
        while not book.is_tradable:
            book = await anext(books)
        venue.drop(3001)
        await asyncio.sleep(0.1)  # nobody takes anything meanwhile
        assert not book.is_tradable
        assert book.reason == "the channel is not subscribed now"
        await books.aclose()
        assert book.reason == "it is not watched any more"


async def test_a_recovered_book_is_tradable_only_behind_all_that_was_missed(clock):
    async with watching(clock) as (venue, _, http, watched):
        venue.drop(3001)
        await asyncio.sleep(1)
        venue.publish(BOOK, told(2, 10, totalBetSize="60000000"), tags={"messageId": "a"})
        venue.publish(BOOK, told(1, 20, fillAmount="10000000"), tags={"messageId": "b"})
        await asyncio.sleep(60)
        assert [tradable for tradable, _ in watched.yielded] == [True, False, False, False, True]
        assert "2 missed updates" in watched.yielded[2][1]
        assert watched.sizes == [100_000_000]
        assert http.asked.count("/orders") == 1, "nothing was seeded anew"


async def test_a_channel_that_is_interrupted_alone_takes_its_book_with_it(clock):
    async with watching(clock) as (venue, client, _, watched):
        venue.refuse_subscribe(BOOK, 100, times=3)
        venue.unsubscribe(BOOK, 2500)
        await asyncio.sleep(0.1)
        assert client.state == "connected"
        assert [tradable for tradable, _ in watched.yielded] == [True, False]
        await asyncio.sleep(60)
        assert any("100" in reason or "internal" in reason for _, reason in watched.yielded)
        assert watched.book.is_tradable


async def test_a_book_whose_history_is_gone_is_tradable_only_with_a_new_snapshot(clock):
    async with watching(clock) as (venue, _, http, watched):
        venue.publish(BOOK, told(2, 10), tags={"messageId": "a"})
        await asyncio.sleep(1)
        http.failures["/orders"] = 503
        venue.restart(BOOK, "another")
        venue.drop(3001)
        await asyncio.sleep(90)
        assert not watched.book.is_tradable
        assert "reseed failed" in watched.book.reason
        del http.failures["/orders"]
        await asyncio.sleep(90)
        assert watched.book.is_tradable


async def test_a_client_that_gives_up_or_leaves_leaves_no_book_that_can_be_traded_on(clock):
    once = RetryPolicy(max_attempts=1, initial_backoff=1, max_backoff=1)
    network = MemoryNetwork()
    async with watching(clock, network=network, retry=once) as (venue, _, _, watched):
        network.unreachable(times=9)
        venue.drop(3001)
        with pytest.raises(GaveUp):
            await watched.task
        assert not watched.book.is_tradable
    async with watching(clock) as (_, client, _, watched):
        await client.disconnect()
        await watched.task
        assert not watched.book.is_tradable


async def test_a_channel_that_is_refused_for_good_raises_and_its_book_is_not_tradable(clock):
    async with watching(clock) as (venue, _, _, watched):
        venue.refuse_subscribe(BOOK, 103)
        venue.drop(3001)
        with pytest.raises(SubscriptionRefused):
            async with asyncio.timeout(60):
                await watched.task
        assert not watched.book.is_tradable


@pytest.mark.parametrize("recovers", [True, False])
async def test_rows_are_followed_by_a_mark_as_soon_as_their_line_is_lost(clock, recovers):
    channel = "recent_trades:global" if recovers else "best_odds:global"
    async with watching(clock) as (venue, client, _, _):
        if not recovers:
            venue.without_history(channel)
        items = []

        async def collect(rows):
            async for item in rows:
                items.append(item)  # noqa: PERF401 - they are looked at while more come

        task = asyncio.ensure_future(collect(client.watch_trades() if recovers else client.watch_best_odds()))
        await asyncio.sleep(1)
        assert items == [], "no mark where nothing was lost"
        venue.drop(3001)
        await asyncio.sleep(0.1)
        assert [type(item) for item in items] == [Subscribing]
        await asyncio.sleep(60)
        assert [type(item) for item in items] == [Subscribing, Reconnected if recovers else Gap]
        assert all(map(is_mark, items))
        task.cancel()


# The market.


async def test_a_market_that_ends_ends_its_book_which_is_not_tradable_with_that_reason(clock):
    async with watching(clock) as (venue, client, _, watched):
        over = market_row(1) | {"marketHash": MARKET, "status": "INACTIVE", "outcome": 1, "reportedDate": 1}
        venue.publish(MARKETS, [market_row(7), over], tags={"messageId": "m"})
        await asyncio.sleep(1)
        assert watched.task.done()
        assert watched.yielded[-1] == (False, "the market has ended: Home")
        assert client.statistics().subscriptions == 0, "nothing is left behind"


async def test_a_market_that_is_suspended_is_not_tradable_until_it_opens_again(clock):
    async with watching(clock) as (venue, _, http, watched):
        row = market_row(1) | {"marketHash": MARKET}
        venue.publish(MARKETS, [row | {"status": "INACTIVE"}], tags={"messageId": "m"})
        await asyncio.sleep(1)
        assert watched.yielded[-1] == (False, "the market is suspended (INACTIVE)")
        venue.publish(BOOK, told(2, 10, totalBetSize="60000000"), tags={"messageId": "a"})
        await asyncio.sleep(1)
        assert not watched.yielded[-1][0]
        http.failures["/orders"] = 503
        venue.publish(MARKETS, [row], tags={"messageId": "n"})
        await asyncio.sleep(0.05)
        assert not watched.book.is_tradable, "what comes while its snapshot is asked for is held"
        http.failures.clear()
        await asyncio.sleep(60)
        assert watched.yielded[-1] == (True, "")


async def test_a_market_that_had_ended_before_gives_one_book_that_is_not_tradable(clock):
    async with watching(clock) as (_, client, http, _):
        http.markets[OTHER] = market_row(2) | {"marketHash": OTHER, "status": "INACTIVE", "outcome": 0}
        watched = Watched(client, OTHER)
        async with asyncio.timeout(5):
            await watched.task
        assert watched.yielded == [(False, "the market has ended: void")]


async def test_a_hash_that_is_no_markets_raises_unknown_market_and_never_an_empty_book(clock):
    async with watching(clock) as (_, client, _, _):
        watched = Watched(client, OTHER)
        with pytest.raises(UnknownMarket, match=OTHER) as caught:
            async with asyncio.timeout(5):
                await watched.task
        assert caught.value.market_hash == OTHER
        assert watched.yielded == []
        assert client.statistics().confirmed == 2, "the other book and the markets go on"


async def test_a_market_that_nobody_quotes_is_looked_up_once_and_proven(clock):
    async with watching(clock) as (_, client, http, _):
        http.markets[OTHER] = market_row(2) | {"marketHash": OTHER}
        asked = http.asked.count("/markets/find")
        watched = Watched(client, OTHER)
        await asyncio.sleep(1)
        assert watched.yielded == [(True, "")]
        assert http.asked.count("/markets/find") == asked + 1
        watched.task.cancel()


async def test_an_empty_book_is_not_proven_while_the_market_cannot_be_looked_up(clock):
    async with watching(clock) as (_, client, http, _):
        http.failures["/markets/find"] = 503
        http.markets[OTHER] = market_row(2) | {"marketHash": OTHER}
        watched = Watched(client, OTHER)
        await asyncio.sleep(20)
        assert watched.yielded
        assert not any(tradable for tradable, _ in watched.yielded)
        del http.failures["/markets/find"]
        await asyncio.sleep(60)
        assert watched.yielded[-1] == (True, "")
        watched.task.cancel()


@pytest.mark.parametrize(
    ("status", "error"), [(400, SXBetRequestError), (401, UnauthorizedError), (403, UnauthorizedError)]
)
async def test_what_the_venue_refuses_the_first_snapshot_for_is_raised(clock, status, error):
    async with watching(clock) as (_, client, http, _):
        http.failures["/orders"] = status
        http.markets[OTHER] = market_row(2) | {"marketHash": OTHER}
        watched = Watched(client, OTHER)
        with pytest.raises(error, match=r"GET .*/orders"):
            async with asyncio.timeout(5):
                await watched.task


async def test_what_the_later_generation_refuses_the_book_of_a_known_market_for_is_raised_as_it_is(clock):
    async with watching(clock, profile="v3", seen=0) as (_, _, _, watched):
        with pytest.raises(SXBetRequestError, match="MARKET_NOT_FOUND"):
            watched.task.result()


async def test_markets_that_changed_unheard_are_looked_up_again(clock):
    async with watching(clock) as (venue, _, http, watched):
        venue.publish(MARKETS, [market_row(7)], tags={"messageId": "m"})
        await asyncio.sleep(1)
        http.markets[MARKET] = http.markets[MARKET] | {"status": "INACTIVE", "outcome": 2}
        venue.restart(MARKETS, "another")
        venue.drop(3001)
        await asyncio.sleep(60)
        assert watched.task.done()
        assert watched.yielded[-1] == (False, "the market has ended: Away")


@pytest.mark.parametrize("garbage", [[{"marketHash": 5}], "nothing", [[]]])
async def test_news_of_markets_that_cannot_be_read_are_looked_up_instead(clock, garbage):
    async with watching(clock) as (venue, _, http, watched):
        http.markets[MARKET] = http.markets[MARKET] | {"status": "INACTIVE"}
        venue.publish(MARKETS, garbage, tags={"messageId": "m"})
        await asyncio.sleep(1)
        assert watched.yielded[-1] == (False, "the market is suspended (INACTIVE)")


@pytest.mark.parametrize("flags", [{}, {"positioned": True}, {"positioned": True, "recoverable": True}])
async def test_the_channel_of_all_markets_is_free_for_whoever_wants_it_with_their_own_flags(clock, flags):
    async with watching(clock) as (venue, client, _, watched):
        heard = []
        channel = client.new_subscription(MARKETS, **flags)
        channel.on("publication", lambda context: heard.append(context.data))
        await channel.ready()
        over = market_row(1) | {"marketHash": MARKET, "status": "INACTIVE"}
        venue.publish(MARKETS, [over], tags={"messageId": "m"})
        await asyncio.sleep(1)
        said = venue.of("subscribe", MARKETS)[-1].command
        assert (said.positioned, said.recoverable) == (bool(flags), len(flags) == 2)
        assert heard == [json.loads(json.dumps([over]))]
        assert not watched.book.is_tradable, "and the books hear of it all the same"
        channel.unsubscribe()
        venue.publish(MARKETS, [over | {"status": "ACTIVE"}], tags={"messageId": "n"})
        await asyncio.sleep(1)
        assert watched.book.is_tradable


async def test_where_the_channel_of_all_markets_is_refused_books_go_on_and_the_log_says_so(clock, caplog):
    network = MemoryNetwork()
    async with watching(clock, network=network) as (venue, client, _, watched):
        watched.task.cancel()
        await asyncio.sleep(1)
        venue.refuse_subscribe(MARKETS, 103)
        again = Watched(client)
        await asyncio.sleep(1)
        assert again.yielded == [(True, "")]
        assert "markets:global: that a market ends is told when its book is seeded next" in caplog.text
        assert client.state == "connected"
        again.task.cancel()


async def test_best_odds_of_v3_are_not_said_to_be_recovered_though_the_venue_says_so(clock):
    """The venue's pages do not say what V3 keeps, so recovery is asked for; a real server then says "recovered"."""
    channel = "best_odds_v3:global"
    async with venue_and_client(clock, profile="v3") as (venue, client):
        venue.without_history(channel, claims=True)
        await client.connect()
        rows = client.watch_best_odds()
        first = asyncio.ensure_future(anext(rows))
        await venue.subscribed(channel)
        venue.publish(channel, [{"marketHash": MARKET, "outcomeOne": None, "outcomeTwo": None}])
        assert (await first).market_hash == MARKET
        venue.drop(3001)
        venue.publish(channel, [{"marketHash": OTHER, "outcomeOne": None, "outcomeTwo": None}])
        assert [type(await anext(rows)) for _ in range(2)] == [Subscribing, Gap]
        await rows.aclose()


# Waits, and ends.


@pytest.mark.parametrize("verb", ["watch_trades", "watch_order_book"])
async def test_a_wait_that_is_cancelled_ends_no_stream_and_leaving_it_leaves_the_channel(clock, verb):
    async with watching(clock) as (venue, client, http, _):
        http.orders[OTHER] = [order_row(2, market_hash=OTHER)]
        http.markets[OTHER] = market_row(2) | {"marketHash": OTHER}
        book = verb == "watch_order_book"
        channel = f"order_book:market_{OTHER}" if book else "recent_trades:global"
        stream = client.watch_order_book(OTHER) if book else client.watch_trades()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.001)
        await venue.subscribed(channel)
        if book:
            await anext(stream)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.02)
        venue.drop(3001)
        async with asyncio.timeout(60):
            await anext(stream)
            await venue.subscribed(channel, 2)
        assert venue.of("unsubscribe", channel) == []
        del stream
        await venue.received("unsubscribe", channel)


async def _last(rows, waiting):
    await waiting
    async for _ in rows:
        pass


@pytest.mark.parametrize("verb", ["watch_trades", "watch_order_book"])
async def test_what_the_venue_ends_is_raised_by_the_verb_that_watches_it(clock, verb):
    async with watching(clock) as (venue, client, _, watched):
        book = verb == "watch_order_book"
        rows = client.watch_trades()
        waiting = watched.task if book else asyncio.ensure_future(anext(rows))
        await asyncio.sleep(1)
        venue.unsubscribe(BOOK if book else "recent_trades:global", 2000)
        with pytest.raises(SubscriptionEnded, match="server unsubscribe"):
            await waiting if book else await _last(rows, waiting)
        assert not (book and watched.book.is_tradable)
