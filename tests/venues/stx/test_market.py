"""The market of STX against the played venue, on virtual time: each verb, and what a feed says of itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2
import pytest

import tapewire
from tapewire.errors import ConfigurationError, GaveUp, SessionClosed, SubscriptionEnded, UnknownInstrument
from tapewire.market import VERBS, BookView
from tapewire.marks import ContinuityChanged, Resynced, is_mark
from tapewire.model import Fill, InvalidField, Order, Position, Trade
from tapewire.retry import RetryPolicy
from tapewire.sandbox.net.http import Response
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stx import STXException, STXValidationException, User
from tapewire.venues.stx.market import CAPABILITIES, QUIET_SECONDS, STXMarket
from tapewire.venues.stx.merge import WINDOW
from tapewire.venues.stx.own import QUIET_SECONDS as OWN_QUIET_SECONDS
from tapewire.venues.stx.url import currency_of
from tests.venues.in_memory import InMemory, _request, answered

HOST = "http://127.0.0.1:4000"
GRAPHQL = "/api/graphql"
OTHER = "somebody else"
LOST = "live > stale"
CUT = ["live > stale", "Gap", "stale > resyncing", "Resynced"]
"""How a feed that stands for a state tells of a cut; then it is live, and what is new comes."""

ANSWER_SECONDS = 0.02
"""What an answer over HTTP takes."""


class Played:
    """The market, the venue, and hands that trade there: ours by another client, and somebody else's."""

    def __init__(self, market: STXMarket, venue: InMemory) -> None:
        self.market, self.venue = market, venue
        self.exchange = venue.face.exchange
        self.exchange.open_account(OTHER, 10_000_000, watched=False)
        self.uid = market.http.user.uid or ""
        self.answer()

    def answer(self, scripted: Callable[[Any], Awaitable[Any]] | None = None) -> None:
        """HTTP answers as the venue does, after a moment; or as is `scripted`."""
        self.venue.http_answers[GRAPHQL] = scripted or self.answered

    async def answered(self, request: Any, seconds: float = ANSWER_SECONDS) -> Any:
        """As the venue stands when it is asked; on its way for some seconds."""
        asked = _request(request.method, request.url, request.headers, request.content)
        response = await self.venue.sandbox.respond(asked)
        await asyncio.sleep(seconds)
        return answered(response.body, response.status, **response.headers)

    @property
    def ids(self) -> list[str]:
        """The open markets."""
        return list(self.exchange.markets)

    def now_ns(self) -> int:
        return self.venue.sandbox.clock.time_ns()

    def step(self, count: int = 1) -> None:
        """So many things happen at the exchange."""
        for _ in range(count):
            self.venue.publish(self.venue.face.flow.step(self.now_ns()))

    def place(
        self, market_id: str, side: str, price: int | None, quantity: int, *, ours: bool = False
    ) -> Any:
        """An order at the exchange, and what is published of it."""
        owner: Any = self.uid if ours else OTHER
        order, events = self.exchange.place(owner, market_id, side, price, quantity, self.now_ns())
        self.venue.publish(events)
        return order

    def cancel(self, order: Any) -> None:
        self.venue.publish(self.exchange.cancel(order.account, order.order_id, self.now_ns())[1])

    def empty(self, market_id: str) -> None:
        """A market in which nobody has an order."""
        for order in self.exchange.markets[market_id].book.resting():
            self.cancel(order)

    def book(self, market_id: str) -> tuple[Any, Any]:
        """The exchange's own, on the axis."""
        book = self.exchange.find_market(market_id).book
        return tuple(
            [(Decimal(price) / 100, Decimal(size)) for price, size in book.levels(side)]
            for side in ("buy", "sell")
        )  # type: ignore[return-value]

    async def drop(self, *, seconds: float = 0.0, meanwhile: Callable[[], Any] = lambda: None) -> None:
        """Cut the line; `meanwhile` happens while nobody listens."""
        self.venue.drop()
        meanwhile()
        await asyncio.sleep(seconds)


@asynccontextmanager
async def played(clock: VirtualClock, **settings: Any) -> AsyncIterator[Played]:
    network = MemoryNetwork()
    async with InMemory(network, clock, "stx") as venue:
        words: dict[str, Any] = {
            "host": HOST, "email": "ann@example.com", "password": "pw", "connector": network, "clock": clock,
            "http_transport": venue.http, "retry": RetryPolicy(None, 0.5, jitter=False),
        }  # fmt: skip
        async with asyncio.timeout(7200), tapewire.connect("stx", **(words | settings)) as market:
            assert isinstance(market, STXMarket)
            yield Played(market, venue)


def play(scene: Callable[[Played], Awaitable[None]], **settings: Any) -> None:
    """Run a scene on virtual time."""
    clock = VirtualClock()

    async def main() -> None:
        async with played(clock, **settings) as at:
            await scene(at)

    clock.run(main())


async def heard(feed: Any, seconds: float = 1.0) -> list[Any]:
    """What comes of it within some seconds."""
    items = []
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            items.append(await asyncio.wait_for(anext(feed), left))
        except (TimeoutError, StopAsyncIteration):
            break
    return items


async def heard_of(feeds: dict[str, Any], seconds: float) -> dict[str, list[Any]]:
    """What comes of each, side by side: what waits together is told in fewer marks."""
    found = await asyncio.gather(*(heard(feed, seconds) for feed in feeds.values()))
    return dict(zip(feeds, found, strict=True))


def way(items: list[Any]) -> list[Any]:
    """Marks by their kind, changes by their states; of the rest the kind."""
    return [
        f"{item.before} > {item.state}" if isinstance(item, ContinuityChanged) else type(item).__name__
        for item in items
    ]


def told(items: list[Any], kind: type[Any]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]


def shown(view: Any) -> tuple[Any, Any]:
    return [*view.bids()], [*view.offers()]


# --- what there is ----------------------------------------------------------------------------------------------------


def test_every_verb_is_supported_and_said_how_a_hole_is_seen() -> None:
    assert set(CAPABILITIES) == set(VERBS)
    assert CAPABILITIES["watch_order_book"].proof == "snapshot"
    assert CAPABILITIES["watch_trades"].proof == "none"
    assert CAPABILITIES["watch_trades"].is_lossy
    assert {verb for verb, each in CAPABILITIES.items() if each.private} == {
        "watch_orders", "watch_fills", "watch_positions", "watch_balance", "place_order", "cancel_order", "cancel_all",
        "open_orders",
    }  # fmt: skip


def test_markets_and_instruments_are_listed_and_found() -> None:
    async def scene(at: Played) -> None:
        ended = at.ids[0]
        at.venue.publish(at.exchange.close_market(ended, at.now_ns(), outcome=0))
        markets = [market async for market in at.market.markets()]
        assert {market.market_id for market in markets} == set(at.ids)
        [found] = [market async for market in at.market.markets(search=at.ids[0])]
        assert found.name
        every = {market.market_id: market async for market in at.market.markets(open=False)}
        assert (every[ended].status, every[ended].result) == ("settled", ended)
        instruments = [instrument async for instrument in at.market.instruments()]
        assert {instrument.instrument_id for instrument in instruments} == set(at.ids)
        [one] = [instrument async for instrument in at.market.instruments(market_id=at.ids[0])]
        assert (one, one.currency) == (await at.market.instrument(at.ids[0]), "USD")
        with pytest.raises(UnknownInstrument, match=at.ids[0]):
            await at.market.instrument(at.ids[0][:-1] + "?")

    play(scene)


def test_an_instrument_of_a_market_that_has_ended_is_found_by_its_id() -> None:
    async def scene(at: Played) -> None:
        ended = at.ids[0]
        known = await at.market.instrument(ended)
        at.venue.publish(at.exchange.close_market(ended, at.now_ns(), outcome=0))
        at.market._listed_at = -1e9
        found = await at.market.instrument(ended)
        assert (found.instrument_id, found.name, found.currency) == (ended, known.name, "USD")
        assert ended not in {instrument.instrument_id async for instrument in at.market.instruments()}

    play(scene)


@pytest.mark.parametrize("verb", ["instrument", "watch_order_book", "watch_orders"])
def test_the_other_outcome_is_no_instrument_and_said_how_it_is_backed(verb: str) -> None:
    async def scene(at: Played) -> None:
        market_id = at.ids[0]
        found = getattr(at.market, verb)(f"{market_id}:no")
        waited = found if verb == "instrument" else found.wait_live(5)
        with pytest.raises(UnknownInstrument, match=f"has no book of its own: to back it, sell {market_id}"):
            await waited

    play(scene)


def test_a_market_that_cannot_be_read_or_pays_no_dollar_is_left_out() -> None:
    async def scene(at: Played) -> None:
        [good, bad, dear, *_] = at.ids

        async def odd(request: Any) -> Any:
            answer = await at.answered(request)
            body = json.loads(b"".join([part async for part in answer.stream]))
            for row in body.get("data", {}).get("marketInfosWithCount", {}).get("marketInfos", []):
                row["status"] = "WONDERFUL" if row["marketId"] == bad else row["status"]
                row["maxPrice"] = 10_000 if row["marketId"] == dear else row["maxPrice"]
            return answered(body)

        at.answer(odd)
        markets = {market.market_id async for market in at.market.markets(open=False)}
        assert markets == set(at.ids) - {bad}
        instruments = {instrument.instrument_id async for instrument in at.market.instruments()}
        assert instruments == set(at.ids) - {bad, dear}
        assert good in instruments

    play(scene)


@pytest.mark.parametrize(
    ("origin", "currency"),
    [("https://api.on.sportsxapp.com", "CAD"), ("https://demo.stxapp.io", "USD"), (HOST, "USD")],
)
def test_dollars_are_those_of_the_region(origin: str, currency: str) -> None:
    assert currency_of(origin) == currency


@pytest.mark.parametrize("verb", ["watch_orders", "watch_fills", "watch_positions"])
def test_what_is_our_own_of_a_market_that_is_not_there_ends_with_near_names(verb: str) -> None:
    async def scene(at: Played) -> None:
        feed = getattr(at.market, verb)(at.ids[0][:-1] + "?")
        with pytest.raises(UnknownInstrument, match=f"perhaps {at.ids[0]}"):
            await feed.wait_live(5)

        async def down(request: Any) -> Any:
            return answered({"errors": [{"message": "down"}]}, 500)

        at.answer(down)
        at.market._listed_at = -1e9
        late = getattr(at.market, verb)(at.ids[0])
        await asyncio.sleep(10)
        at.answer()
        await late.wait_live(60)

    play(scene)


@pytest.mark.parametrize("verb", ["watch_order_book", "watch_trades", "watch_ticker"])
def test_a_market_that_is_not_there_ends_its_feed_with_near_names(verb: str) -> None:
    async def scene(at: Played) -> None:
        feed = getattr(at.market, verb)(at.ids[0][:-1] + "?")
        with pytest.raises(UnknownInstrument, match=f"perhaps {at.ids[0]}") as caught:
            await feed.wait_live(5)
        assert isinstance(caught.value, STXException)
        assert feed.continuity.state == "ended"
        with pytest.raises(ConfigurationError):
            getattr(at.market, verb)(None)

    play(scene)


# --- the book ---------------------------------------------------------------------------------------------------------


def test_the_book_is_the_exchange_s_own_whenever_it_is_live() -> None:
    async def scene(at: Played) -> None:
        feeds = {market_id: at.market.watch_order_book(market_id) for market_id in at.ids[:3]}
        views: dict[str, BookView] = {}
        lived = 0
        for step in range(400):
            at.step(1 + step % 3)
            if step in (90, 210):
                at.venue.drop()
            await asyncio.sleep(0.01)
            for market_id, feed in feeds.items():
                if market_id not in views:
                    shows = [item for item in await heard(feed, 0.01) if isinstance(item, BookView)]
                    views |= dict.fromkeys([market_id] if shows else [], shows[-1] if shows else None)
                elif feed.continuity.is_live:
                    lived += 1
                    assert shown(views[market_id]) == at.book(market_id)
        assert len(views) == 3
        assert lived > 500
        assert at.market.statistics().reconnections == 2

    play(scene)


def test_a_change_is_in_the_book_inside_the_read_though_nobody_iterates() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_order_book(market_id, depth=1)
        await feed.wait_live(5)
        view = next(item for item in await heard(feed, 0.1) if isinstance(item, BookView))
        order = at.place(market_id, "buy", int(view.best_bid[0] * 100) + 1, 7)  # type: ignore[index]
        await asyncio.sleep(0.01)
        assert view.best_bid == (Decimal(order.price) / 100, 7)
        assert [*view.bids()] == [view.best_bid]
        assert view.received_at_ns >= (view.venue_time_ns or 0) > 0
        at.cancel(order)
        await asyncio.sleep(0.01)
        assert view.best_bid != (Decimal(order.price) / 100, 7)
        assert way(await heard(feed, 0.1)) == ["BookView"]  # the newest state counts

    play(scene)


def test_a_cut_is_told_in_its_order_before_anything_of_after_it() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        changes: list[ContinuityChanged] = []
        feed = at.market.watch_order_book(market_id, on_continuity=changes.append)
        await feed.wait_live(5)
        await heard(feed, 0.1)
        await at.drop(meanwhile=lambda: at.place(market_id, "buy", 1, 3))
        await asyncio.sleep(0.1)
        assert (feed.continuity.state, feed.continuity.is_live) == ("stale", False)
        assert feed.continuity.reason.startswith("connection lost")
        items = await heard(feed, 5)
        assert way(items) == [*CUT, "resyncing > live", "BookView"]
        assert shown(items[-1])[0][-1] == (Decimal("0.01"), 3)
        assert [change.state for change in changes] == ["live", "stale", "gap", "resyncing", "live"]

    play(scene)


def test_who_comes_later_is_given_a_row_of_its_own_in_one_call_for_all() -> None:
    async def scene(at: Played) -> None:
        first = at.market.watch_order_book(at.ids[0])
        await first.wait_live(5)
        await heard(first, 0.1)
        calls = len(at.venue.http_calls)
        feeds = [at.market.watch_order_book(market_id) for market_id in at.ids[1:]]
        feeds.append(at.market.watch_order_book(at.ids[0]))
        for feed in feeds:
            await feed.wait_live(5)
        assert len(at.venue.http_calls) <= calls + 2
        assert way(await heard(first, 0.1)) == []
        [view] = [item for item in await heard(feeds[0], 0.1) if isinstance(item, BookView)]
        assert shown(view) == at.book(at.ids[1])
        for feed in (*feeds, first):
            await feed.aclose()
        await asyncio.sleep(0.1)
        assert not at.venue.face.topics.of("markets")

    play(scene)


def test_what_comes_while_a_row_is_fetched_follows_it_and_what_it_holds_does_not() -> None:
    async def scene(at: Played) -> None:
        [first_id, market_id, *_] = at.ids
        first = at.market.watch_order_book(first_id)
        await first.wait_live(5)
        answering = asyncio.Event()

        async def late(request: Any) -> Any:
            asyncio.get_running_loop().call_soon(answering.set)
            return await at.answered(request, 1)

        at.answer(late)
        feed = at.market.watch_order_book(market_id)
        before = at.place(market_id, "buy", 2, 1)  # the row will have it, and its message is held
        await answering.wait()
        at.place(market_id, "buy", 3, 1)
        at.cancel(before)
        assert feed.continuity.state == "syncing"
        await feed.wait_live(5)
        [view] = [item for item in await heard(feed, 0.1) if isinstance(item, BookView)]
        assert shown(view) == at.book(market_id)

    play(scene)


def test_who_comes_while_the_line_is_down_waits_for_it() -> None:
    async def scene(at: Played) -> None:
        [first_id, market_id, third_id, *_] = at.ids
        first = at.market.watch_order_book(first_id)
        await first.wait_live(5)
        at.answer(lambda request: at.answered(request, 0.2))
        early = at.market.watch_order_book(market_id)
        await asyncio.sleep(0.1)
        at.venue.drop()  # its row is on the way
        await asyncio.sleep(0.05)
        late = at.market.watch_order_book(third_id)
        for _ in range(6):
            await asyncio.sleep(0.05)
            assert (early.continuity.state, late.continuity.state) == ("syncing", "syncing")
        at.place(market_id, "buy", 1, 1)
        for feed, asked_for in ((early, market_id), (late, third_id)):
            await feed.wait_live(5)
            items = await heard(feed, 0.1)
            assert way(items) == [
                "Resynced",
                "syncing > live",
                "BookView",
            ]  # nothing was there that could break
            assert shown(items[-1]) == at.book(asked_for)
        assert at.market.statistics().reconnections == 1

    play(scene)


def test_a_row_that_was_asked_for_before_a_cut_makes_no_book_live_after_it() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_order_book(market_id)
        await feed.wait_live(5)
        at.answer(lambda request: at.answered(request, 0.3))
        feed.resync()
        await asyncio.sleep(0.1)
        at.venue.drop()
        at.place(market_id, "buy", 1, 1)
        for _ in range(8):
            await asyncio.sleep(0.05)
            assert not feed.continuity.is_live
        await feed.wait_live(5)
        [view] = [item for item in await heard(feed, 0.1) if isinstance(item, BookView)]
        assert shown(view) == at.book(market_id)

    play(scene)


def test_who_comes_while_the_rows_of_others_are_fetched_has_one_of_its_own() -> None:
    async def scene(at: Played) -> None:
        asked = asyncio.Event()

        async def late(request: Any) -> Any:
            asyncio.get_running_loop().call_soon(asked.set)
            return await at.answered(request, 0.5)

        at.answer(late)
        first = at.market.watch_order_book(at.ids[0])
        await asked.wait()
        second = at.market.watch_order_book(at.ids[1])
        for feed in (first, second):
            await feed.wait_live(5)

    play(scene)


def test_a_message_without_a_level_wakes_nobody_who_watches_the_book() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_order_book(market_id)
        await feed.wait_live(5)
        await heard(feed, 0.1)

        def without(frame: Any) -> Any:
            if frame[3] == "market_updated":
                for side in ("bids", "offers"):
                    frame[4][market_id].pop(side, None)
            return frame

        at.venue.altered = without
        at.place(market_id, "buy", 1, 1)
        assert await heard(feed, 0.5) == []

    play(scene)


def test_a_row_that_is_missing_ends_nothing_while_nobody_can_say_that_there_is_none() -> None:
    async def scene(at: Played) -> None:
        feed = at.market.watch_order_book(at.ids[0])
        await feed.wait_live(5)
        at.market._listed_at = -1e9

        async def confused(request: Any) -> Any:
            if b"marketIds" not in request.content:
                return answered({"errors": [{"message": "down"}]}, 500)
            return answered({"data": {"marketInfosWithCount": {"count": 0, "marketInfos": []}}})

        at.answer(confused)
        at.venue.drop()
        await asyncio.sleep(20)
        assert feed.continuity.state == "gap"
        at.answer()
        await feed.wait_live(60)
        assert shown(told(await heard(feed, 0.1), BookView)[-1]) == at.book(at.ids[0])

    play(scene)


def test_a_market_that_the_venue_cannot_be_asked_for_is_not_the_others_trouble() -> None:
    async def scene(at: Played) -> None:
        [good, bad, unreadable, *_] = at.ids

        async def picky(request: Any) -> Any:
            wanted = json.loads(request.content)["variables"].get("input", {}).get("marketIds", [])
            if "no id" in wanted:
                return answered({"errors": [{"message": "marketIds: not a UUID"}]}, 400)
            answer = await at.answered(request)
            if unreadable in wanted:
                body = json.loads(b"".join([part async for part in answer.stream]))
                for row in body["data"]["marketInfosWithCount"]["marketInfos"]:
                    row["bids"] = 7 if row["marketId"] == unreadable else row["bids"]
                return answered(body)
            return answer

        at.answer(picky)
        feeds = [at.market.watch_order_book(each) for each in (good, bad, "no id", unreadable)]
        for feed in feeds[:2]:
            await feed.wait_live(5)
        with pytest.raises(UnknownInstrument):
            await feeds[2].wait_live(5)
        assert (feeds[3].continuity.state, "bids" in feeds[3].continuity.reason) == ("resyncing", True)
        at.answer()
        await feeds[3].wait_live(60)

    play(scene)


def test_a_change_that_cannot_be_read_is_a_gap_of_that_feed_alone() -> None:
    async def scene(at: Played) -> None:
        [bad, good, *_] = at.ids
        feeds = {market_id: at.market.watch_order_book(market_id) for market_id in (bad, good)}
        for feed in feeds.values():
            await feed.wait_live(5)
            await heard(feed, 0.1)

        def spoil(frame: Any) -> Any:
            if frame[3] == "market_updated" and bad in frame[4]:
                frame[4][bad]["bids"] = [{"price": 200, "quantity": 1}]
            return frame

        at.venue.altered = spoil
        at.place(bad, "buy", 1, 1)
        at.venue.altered = lambda frame: frame
        at.place(good, "buy", 1, 1)
        items = await heard(feeds[bad], 1)
        assert way(items) == ["Gap", "live > resyncing", "Resynced", "resyncing > live", "BookView"]
        assert items[0].reason == "undecodable"
        assert "bids.price" in items[0].detail
        assert shown(items[-1]) == at.book(bad)
        assert way(await heard(feeds[good], 1)) == ["BookView"]

    play(scene)


def test_a_market_whose_row_is_never_readable_is_asked_for_ever_more_seldom_however_late_it_is() -> None:
    async def scene(at: Played) -> None:
        await asyncio.sleep(1_000)
        calls = len(at.venue.http_calls)

        async def spoiled(request: Any) -> Any:
            answer = await at.answered(request)
            body = json.loads(b"".join([part async for part in answer.stream]))
            for row in body.get("data", {}).get("marketInfosWithCount", {}).get("marketInfos", []):
                row["status"] = "WONDERFUL"
            return answered(body)

        at.answer(spoiled)
        feed = at.market.watch_order_book(at.ids[0])
        with pytest.raises(TimeoutError):
            await feed.wait_live(60)
        assert 5 <= len(at.venue.http_calls) - calls < 20
        at.answer()
        await feed.wait_live(60)

    play(scene)


def test_a_market_that_is_never_readable_is_asked_for_ever_more_seldom() -> None:
    async def scene(at: Played) -> None:
        [bad, *_] = at.ids
        feed = at.market.watch_order_book(bad)
        await feed.wait_live(5)
        calls = len(at.venue.http_calls)

        def spoil(frame: Any) -> Any:
            if frame[3] == "market_updated" and bad in frame[4]:
                frame[4][bad]["offers"] = "none"
            return frame

        at.venue.altered = spoil
        for _ in range(100):
            at.place(bad, "buy", 1, 1)
            await asyncio.sleep(0.2)
        assert 3 <= len(at.venue.http_calls) - calls < 20
        at.venue.altered = lambda frame: frame
        await asyncio.sleep(40)
        at.place(bad, "buy", 1, 1)
        await feed.wait_live(5)

    play(scene)


@pytest.mark.parametrize("crossed", [{"price": 99, "quantity": 1}])
def test_a_crossed_book_is_never_live(crossed: Any) -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_order_book(market_id)
        await feed.wait_live(5)
        await heard(feed, 0.1)

        def cross(frame: Any) -> Any:
            if frame[3] == "market_updated":
                frame[4][market_id]["bids"] = [crossed]
            return frame

        at.venue.altered = cross
        at.place(market_id, "buy", 1, 1)
        await asyncio.sleep(0.1)
        assert (feed.continuity.state, feed.continuity.reason) == ("gap", "the book is crossed")
        at.venue.altered = lambda frame: frame
        at.place(market_id, "buy", 1, 1)
        items = await heard(feed, 0.1)
        assert feed.continuity.is_live
        assert way(items)[-1] == "BookView"
        assert shown(items[-1]) == at.book(market_id)

    play(scene)


def test_a_book_without_its_row_is_no_book_until_there_is_one() -> None:
    async def scene(at: Played) -> None:
        [market_id, other, *_] = at.ids

        async def down(request: Any) -> Any:
            return answered({"errors": [{"message": "down"}]}, 500)

        at.answer(down)
        feed = at.market.watch_order_book(market_id)
        await asyncio.sleep(5)
        assert (feed.continuity.state, "reseed failed" in feed.continuity.reason) == ("gap", True)
        at.step(10)
        assert not feed.continuity.is_live
        at.answer()
        await feed.wait_live(60)
        at.answer(down)
        late = at.market.watch_order_book(other)
        with pytest.raises(TimeoutError, match="is gap: reseed failed"):
            await late.wait_live(5)
        at.answer()
        await late.wait_live(60)
        assert feed.continuity.is_live

    play(scene)


def test_resync_has_the_book_anew() -> None:
    async def scene(at: Played) -> None:
        feed = at.market.watch_order_book(at.ids[0])
        await feed.wait_live(5)
        await heard(feed, 0.1)
        feed.resync()
        assert feed.continuity.state == "resyncing"
        assert way(await heard(feed, 1)) == ["live > resyncing", "Resynced", "resyncing > live", "BookView"]

    play(scene)


WATCHED = ("watch_order_book", "watch_trades", "watch_ticker")


def test_a_market_that_ends_ends_its_feeds_behind_their_last_and_says_how_it_ended() -> None:
    async def scene(at: Played) -> None:
        [market_id, other, *_] = at.ids
        feeds = [getattr(at.market, verb)(market_id) for verb in WATCHED]
        lasting = at.market.watch_order_book(other)
        for feed in (*feeds, lasting):
            await feed.wait_live(5)
        at.venue.publish(at.exchange.close_market(market_id, at.now_ns(), outcome=1))
        for feed in feeds:
            items = [item async for item in feed]
            assert (feed.continuity.state, feed.continuity.reason) == ("ended", "the market has ended: no")
            if feed.verb == "watch_order_book":
                assert shown(items[-1]) == ([], [])
        assert lasting.continuity.is_live

    play(scene)


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("verb", WATCHED)
def test_a_market_that_is_over_when_it_is_asked_for_or_ends_in_a_cut_says_so_and_is_not_live(
    verb: str, is_cut: bool
) -> None:
    async def scene(at: Played) -> None:
        market_id = at.ids[0]
        told: list[ContinuityChanged] = []
        feed = getattr(at.market, verb)(market_id, on_continuity=told.append) if is_cut else None
        if feed is not None:
            await feed.wait_live(5)
            at.venue.network.unreachable(times=1)
            at.venue.drop()
            await asyncio.sleep(0)
            told.clear()
        at.venue.publish(at.exchange.close_market(market_id, at.now_ns(), outcome=1))
        if feed is None:
            feed = getattr(at.market, verb)(market_id, on_continuity=told.append)
            with pytest.raises(SessionClosed, match="the market has ended"):
                await feed.wait_live(30)
        _ = [item async for item in feed]
        assert [change.state for change in told if change.state == "live"] == []
        assert feed.continuity.reason.startswith("the market has ended")

    play(scene)


def test_the_end_of_the_channel_ends_whoever_follows_it() -> None:
    async def scene(at: Played) -> None:
        feed = at.market.watch_order_book(at.ids[0])
        await feed.wait_live(5)
        at.venue.face.end_topic("markets", crashed=False)
        with pytest.raises(STXException) as caught:
            async for _ in feed:
                pass
        assert isinstance(caught.value, SubscriptionEnded) or "markets" in str(caught.value)
        again = at.market.watch_order_book(at.ids[0])
        await again.wait_live(5)

    play(scene)


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_mute_channel_is_found_out_and_its_book_had_anew() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        changes: list[Any] = []
        feed = at.market.watch_order_book(market_id, on_continuity=changes.append)
        await feed.wait_live(5)
        view = next(item for item in await heard(feed, 0.1) if isinstance(item, BookView))
        at.venue.altered = lambda frame: None if frame[3] == "market_updated" else frame
        at.place(market_id, "buy", 1, 9)
        await asyncio.sleep(QUIET_SECONDS + 5)
        assert [change.state for change in changes] == ["live", "stale", "resyncing", "live"]
        assert "the venue does not say that nothing is new" in changes[1].reason
        assert shown(view) == at.book(market_id)

    play(scene)


def test_silence_that_the_venue_confirms_is_no_news() -> None:
    async def scene(at: Played) -> None:
        changes: list[Any] = []
        feeds = [
            getattr(at.market, verb)(at.ids[0], on_continuity=changes.append)
            for verb in ("watch_order_book", "watch_trades", "watch_ticker")
        ]
        for feed in feeds:
            await feed.wait_live(5)
        calls = len(at.venue.http_calls)
        await asyncio.sleep(4 * QUIET_SECONDS)
        assert [change.state for change in changes] == ["live"] * 3
        assert 3 <= len(at.venue.http_calls) - calls <= 15

    play(scene)


def test_a_quiet_market_of_a_busy_channel_costs_no_call() -> None:
    async def scene(at: Played) -> None:
        [quiet, busy, *_] = at.ids
        feed = at.market.watch_order_book(quiet)
        await feed.wait_live(5)
        calls = len(at.venue.http_calls)
        for _ in range(20):
            at.place(busy, "buy", 1, 1)
            await asyncio.sleep(QUIET_SECONDS / 5)
        assert feed.continuity.is_live
        assert len(at.venue.http_calls) == calls

    play(scene)


# --- trades and ticker ------------------------------------------------------------------------------------------------


def test_each_trade_comes_once_and_those_of_before_do_not() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.place(market_id, "buy", None, 1)
        feed = at.market.watch_trades(market_id)
        await feed.wait_live(5)
        for side, size in (("buy", 2), ("sell", 3), ("buy", 2)):
            at.place(market_id, side, None, size)
        trades = told(await heard(feed, 0.5), Trade)
        assert [(trade.taker_side, trade.size) for trade in trades] == [("buy", 2), ("sell", 3), ("buy", 2)]
        tape = list(at.exchange.markets[market_id].trades)[2::-1]
        assert [trade.price for trade in trades] == [Decimal(each.price) / 100 for each in tape]
        assert len({trade.trade_id for trade in trades}) == 3
        assert way(await heard(feed, 0.5)) == []

    play(scene)


def test_trades_of_a_cut_come_behind_its_gap() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_trades(market_id)
        await feed.wait_live(5)
        at.place(market_id, "buy", None, 1)
        await heard(feed, 0.5)
        await at.drop(
            meanwhile=lambda: [at.place(market_id, "sell", None, 2), at.place(market_id, "buy", None, 3)]
        )
        items = await heard(feed, 5)
        assert way(items) == [LOST, "Gap", "stale > gap", "Resynced", "Trade", "Trade", "gap > live"]
        assert [trade.size for trade in told(items, Trade)] == [2, 3]
        assert CAPABILITIES["watch_trades"].proof == "none"  # the window may have been too short

    play(scene)


def test_trades_of_a_market_that_was_settled_in_a_cut_are_told_before_the_end() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_trades(market_id)
        await feed.wait_live(5)
        at.place(market_id, "buy", None, 1)
        await heard(feed, 0.5)

        def last() -> None:
            at.place(market_id, "sell", None, 2)
            at.venue.publish(at.exchange.close_market(market_id, at.now_ns(), outcome=1))

        await at.drop(meanwhile=last)
        items = [item async for item in feed]
        assert [trade.size for trade in told(items, Trade)] == [2]
        assert "live" not in [change.state for change in told(items, ContinuityChanged)]
        assert feed.continuity.reason == "the market has ended: no"

    play(scene)


def test_a_window_that_does_not_reach_back_is_a_gap() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        changes: list[Any] = []
        feed = at.market.watch_trades(market_id, on_continuity=changes.append)
        await feed.wait_live(5)
        at.place(market_id, "sell", 50, 100, ours=True)
        at.place(market_id, "buy", 50, 1)
        assert len(told(await heard(feed, 0.5), Trade)) == 1
        at.venue.altered = lambda frame: None if frame[3] == "market_updated" else frame
        for size in range(1, WINDOW + 2):
            await asyncio.sleep(0.01)
            at.place(market_id, "buy", 50, 1 + size % 2)
        at.venue.altered = lambda frame: frame
        at.place(market_id, "buy", 50, 3)
        items = await heard(feed, 0.5)
        assert way(items) == ["Gap", "live > gap", "gap > live", *["Trade"] * WINDOW]
        assert [change.state for change in changes] == ["live", "gap", "live"]
        assert items[-1].size == 3
        assert feed.continuity.is_live

    play(scene)


def test_a_trade_that_cannot_be_read_is_a_gap_and_is_told_with_the_next() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_trades(market_id)
        await feed.wait_live(5)

        def spoil(frame: Any) -> Any:
            if frame[3] == "market_updated" and "recent_trades" in frame[4][market_id]:
                frame[4][market_id]["recent_trades"][0]["price"] = "much"
            return frame

        at.venue.altered = spoil
        at.place(market_id, "buy", None, 2)
        at.venue.altered = lambda frame: frame
        at.place(market_id, "buy", None, 3)
        items = (await heard(feed, 0.5))[2:]
        assert way(items) == ["Gap", "live > gap", "gap > live", "Trade", "Trade"]
        assert items[0].reason == "undecodable"
        assert [trade.size for trade in told(items, Trade)] == [2, 3]

    play(scene)


def test_trades_that_are_asked_for_anew_are_live_behind_it() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_trades(market_id)
        await feed.wait_live(5)
        at.place(market_id, "buy", None, 1)
        await heard(feed, 0.1)
        feed.resync()
        assert feed.continuity.state == "resyncing"
        assert way(await heard(feed, 0.5)) == ["live > resyncing", "Resynced", "resyncing > live"]

    play(scene)


def test_messages_that_a_row_has_overtaken_are_no_news() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        trades, book = at.market.watch_trades(market_id), at.market.watch_order_book(market_id)
        for feed in (trades, book):
            await feed.wait_live(5)
        view = next(item for item in await heard(book, 0.1) if isinstance(item, BookView))
        await heard(trades, 0.1)
        at.venue.network.to_client.delay = 0.5
        for size in (1, 2):
            at.place(market_id, "buy", None, size)
        for feed in (trades, book):
            feed.resync()
        items = await heard(trades, 0.2)
        assert [trade.size for trade in told(items, Trade)] == [1, 2]
        for _ in range(8):
            await asyncio.sleep(0.1)
            assert book.continuity.is_live
            assert shown(view) == at.book(market_id)
        assert await heard(trades, 1) == []

    play(scene)


def test_a_message_that_is_no_list_of_markets_is_a_gap_of_all_of_them() -> None:
    async def scene(at: Played) -> None:
        feeds = {"first": at.market.watch_order_book(at.ids[0]), "other": at.market.watch_trades(at.ids[1])}
        for feed in feeds.values():
            await feed.wait_live(5)
        await heard_of(feeds, 0.1)
        at.venue.altered = lambda frame: (
            [*frame[:4], ["no market"]] if frame[3] == "market_updated" else frame
        )
        at.place(at.ids[2], "buy", 1, 1)
        at.venue.altered = lambda frame: frame
        found = await heard_of(feeds, 1)
        assert way(found["first"]) == ["Gap", "live > resyncing", "Resynced", "resyncing > live", "BookView"]
        assert way(found["other"]) == ["Gap", "live > gap", "Resynced", "gap > live"]

    play(scene)


def test_the_ticker_is_the_newest_line_and_nothing_else_makes_one() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_ticker(market_id)
        await feed.wait_live(5)
        first = await heard(feed, 0.1)
        assert way(first) == ["Resynced", "syncing > live", "Ticker"]
        bids, offers = at.book(market_id)
        assert (first[-1].bid, first[-1].bid_size, first[-1].offer) == (*bids[0], offers[0][0])
        at.place(market_id, "buy", None, 1)
        at.place(market_id, "buy", None, 2)
        [ticker] = await heard(feed, 0.5)
        market = at.exchange.markets[market_id]
        assert (ticker.last, ticker.volume) == (Decimal(market.last_price) / 100, market.volume)
        assert (ticker.raw["market_id"], ticker.raw["volume_24h"]) == (market_id, market.volume)
        at.place(market_id, "buy", 1, 1)  # behind the touch
        assert await heard(feed, 0.5) == []

    play(scene)


# --- what is our own --------------------------------------------------------------------------------------------------


def test_orders_that_are_open_come_first_and_then_each_state_once() -> None:
    async def scene(at: Played) -> None:
        [market_id, other, *_] = at.ids
        gone = at.place(market_id, "buy", None, 1, ours=True)
        at.empty(market_id)
        rested = at.place(market_id, "buy", 1, 10, ours=True)
        await asyncio.sleep(1)
        feed = at.market.watch_orders()
        alone = at.market.watch_orders(other)
        await feed.wait_live(5)
        first = told(await heard(feed, 0.1), Order)
        assert [(order.venue_order_id, order.status) for order in first] == [(rested.order_id, "accepted")]
        assert first[0].is_reconciled
        assert gone.order_id not in {order.venue_order_id for order in first}
        at.place(market_id, "sell", 1, 4)
        at.cancel(rested)
        at.place(other, "buy", 1, 2, ours=True)
        states = told(await heard(feed, 0.5), Order)
        assert [(order.status, order.filled_size) for order in states][-3:] == [
            *(("partially_filled", 4), ("canceled", 4), ("accepted", 0)),
        ]
        assert not any(order.is_reconciled for order in states)
        assert [order.instrument_id for order in told(await heard(alone, 0.5), Order)] == [other]

    play(scene)


def test_an_order_that_was_filled_in_a_cut_is_told_once_and_as_looked_up() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        feeds = {
            verb: getattr(at.market, f"watch_{verb}")()
            for verb in ("orders", "fills", "positions", "balance")
        }
        for feed in feeds.values():
            await feed.wait_live(5)
        rested = at.place(market_id, "buy", 40, 10, ours=True)
        partly = at.place(market_id, "buy", 39, 10, ours=True)
        before = await heard_of(feeds, 0.2)
        assert [order.status for order in told(before["orders"], Order)] == ["accepted", "accepted"]
        await at.drop(meanwhile=lambda: at.place(market_id, "sell", 39, 14))
        after = await heard_of(feeds, 5)
        for items in after.values():
            first = next(number for number, item in enumerate(items) if not is_mark(item))
            assert way(items[:first]) == CUT
            assert way(items)[-1] == "resyncing > live"
            assert all(item.is_reconciled for item in items if not is_mark(item))
        orders = {order.venue_order_id: order for order in told(after["orders"], Order)}
        assert {key: (order.status, order.filled_size) for key, order in orders.items()} == {
            rested.order_id: ("filled", 10), partly.order_id: ("partially_filled", 4),
        }  # fmt: skip
        fills = told(after["fills"], Fill)
        assert [(fill.size, fill.price) for fill in fills] == [(10, Decimal("0.4")), (4, Decimal("0.39"))]
        [position] = told(after["positions"], Position)
        assert (position.size, position.average_price) == (14, Decimal("0.3971"))
        [balance] = [item for item in after["balance"] if not is_mark(item)]
        assert balance.held == Decimal("2.34")
        at.venue.drop()  # nothing happened meanwhile: nothing is told again
        again = await heard_of(feeds, 5)
        assert all(all(map(is_mark, items)) for items in again.values())

    play(scene)


def test_fills_of_before_are_not_told_and_each_later_one_is_once() -> None:
    async def scene(at: Played) -> None:
        [market_id, other, *_] = at.ids
        at.place(market_id, "buy", None, 1, ours=True)
        await asyncio.sleep(1)
        feed, alone = at.market.watch_fills(), at.market.watch_fills(other)
        await feed.wait_live(5)
        assert told(await heard(feed, 0.1), Fill) == []
        at.place(market_id, "sell", None, 2, ours=True)
        at.place(other, "sell", None, 3, ours=True)
        fills = told(await heard(feed, 0.5), Fill)
        assert [fill.size for fill in fills] == [2, 3]
        assert {fill.side for fill in fills} == {"sell"}
        assert not any(fill.is_reconciled for fill in fills)
        assert [fill.instrument_id for fill in told(await heard(alone, 0.5), Fill)] == [other]

    play(scene)


def test_a_cut_that_hid_more_than_a_page_is_told_whole() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        feeds = {"orders": at.market.watch_orders(), "fills": at.market.watch_fills()}
        for feed in feeds.values():
            await feed.wait_live(5)
        at.place(market_id, "sell", 50, 500)
        at.place(market_id, "buy", 50, 1, ours=True)
        await heard_of(feeds, 0.1)

        def much() -> None:
            for _ in range(250):
                at.place(market_id, "buy", 50, 1, ours=True)

        await at.drop(meanwhile=much)
        found = await heard_of(feeds, 5)
        for name, kind in (("orders", Order), ("fills", Fill)):
            ids = {item.venue_order_id for item in told(found[name], kind)}
            assert len(ids) == len(told(found[name], kind)) == 250

    play(scene)


def test_what_happens_between_the_join_and_the_look_up_is_told() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        rested = at.place(market_id, "buy", 40, 10, ours=True)
        asked = asyncio.Event()

        async def late(request: Any) -> Any:
            asked.set()
            await asyncio.sleep(1)
            return await at.answered(request)

        at.answer(late)
        orders, fills = at.market.watch_orders(), at.market.watch_fills()
        await asked.wait()
        at.place(market_id, "sell", 40, 10)
        filled = told(await heard(orders, 9), Order)
        assert [(order.venue_order_id, order.status) for order in filled] == [(rested.order_id, "filled")]
        assert [fill.size for fill in told(await heard(fills, 0.5), Fill)] == [10]

    play(scene)


def test_what_a_cut_hid_is_told_also_where_nothing_could_be_looked_up_before_it() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.place(market_id, "buy", None, 1, ours=True)
        await asyncio.sleep(1)

        async def down(request: Any) -> Any:
            return answered({"errors": [{"message": "down"}]}, 500)

        feeds = {"orders": at.market.watch_orders(), "fills": at.market.watch_fills()}
        at.answer(down)
        await asyncio.sleep(1)
        await at.drop(seconds=0.1, meanwhile=lambda: at.place(market_id, "sell", None, 2, ours=True))
        await asyncio.sleep(5)
        at.answer()
        found = await heard_of(feeds, 60)
        assert [(order.size, order.status) for order in told(found["orders"], Order)] == [(2, "filled")]
        assert [fill.size for fill in told(found["fills"], Fill)] == [2]

    play(scene)


def test_a_position_that_is_settled_in_a_cut_is_flat() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.place(market_id, "buy", None, 5, ours=True)
        feed = at.market.watch_positions()
        await feed.wait_live(5)
        assert [position.size for position in told(await heard(feed, 0.1), Position)] == [5]
        await at.drop(
            meanwhile=lambda: at.venue.publish(at.exchange.close_market(market_id, at.now_ns(), outcome=0))
        )
        [position] = told(await heard(feed, 5), Position)
        assert (position.is_flat, position.is_reconciled, position.instrument_id) == (True, True, market_id)

    play(scene)


@pytest.mark.parametrize("verb", ["watch_orders", "watch_fills", "watch_positions", "watch_balance"])
def test_who_is_too_slow_for_what_is_their_own_is_ended_and_not_lied_to(verb: str) -> None:
    async def scene(at: Played) -> None:
        feed = getattr(at.market, verb)(capacity=3)
        await feed.wait_live(5)
        for _ in range(8):
            at.place(at.ids[0], "buy", None, 1, ours=True)
        await asyncio.sleep(0.1)
        assert feed.continuity.state == "ended"
        with pytest.raises(STXException, match="3"):
            await heard(feed, 1)

    play(scene)


def test_an_order_that_no_list_has_any_more_is_asked_for_and_else_unknown() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        kept, gone = (at.place(market_id, "buy", price, 1, ours=True) for price in (1, 2))
        await asyncio.sleep(1)
        for _ in range(450):  # refused: finished orders that fill the first pages
            at.place(market_id, "buy", 100, 1, ours=True)
        await asyncio.sleep(1)
        feed = at.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        calls = len(at.venue.http_calls)

        def end_both() -> None:
            at.cancel(kept)
            at.cancel(gone)
            closed = at.exchange.accounts[at.uid].closed_orders
            closed.remove(next(each for each in closed if each.order_id == gone.order_id))

        await at.drop(meanwhile=end_both)
        orders = {order.venue_order_id: order for order in told(await heard(feed, 5), Order)}
        assert {key: order.status for key, order in orders.items()} == {
            kept.order_id: "canceled", gone.order_id: "unknown",
        }  # fmt: skip
        assert orders[gone.order_id].is_reconciled
        assert len(at.venue.http_calls) - calls == 3  # what is open, the newest page, and these two
        assert await heard(feed, 3 * OWN_QUIET_SECONDS) == []  # that it is not known is no news each time

    play(scene)


def test_a_row_of_ours_that_cannot_be_read_is_a_gap_and_the_state_is_had_anew() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)

        def spoil(frame: Any) -> Any:
            if frame[3] == "order_update":
                frame[4]["quantity"] = "many"
            return frame

        at.venue.altered = spoil
        order = at.place(market_id, "buy", 1, 3, ours=True)
        items = await heard(feed, 1)
        assert way(items) == ["Gap", "live > gap", "gap > resyncing", "Resynced", "Order", "resyncing > live"]
        assert (items[4].venue_order_id, items[4].is_reconciled) == (order.order_id, True)

    play(scene)


def test_a_mute_channel_of_the_account_is_found_out_and_what_it_hid_is_told() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        changes: list[Any] = []
        feeds = {
            verb: getattr(at.market, f"watch_{verb}")(on_continuity=changes.append)
            for verb in ("orders", "fills", "positions", "balance")
        }
        for feed in feeds.values():
            await feed.wait_live(5)
            await heard(feed, 0.1)
        await asyncio.sleep(3 * OWN_QUIET_SECONDS)
        assert [change.state for change in changes] == ["live"] * 4  # silence that was confirmed
        at.venue.altered = lambda frame: frame if frame[3] == "phx_reply" else None
        at.place(market_id, "buy", 40, 10, ours=True)
        at.place(market_id, "sell", 40, 4)
        await asyncio.sleep(OWN_QUIET_SECONDS + 20)
        assert (
            sorted(change.state for change in changes[4:]) == ["live"] * 4 + ["resyncing"] * 4 + ["stale"] * 4
        )
        found = {
            verb: [item for item in await heard(feed, 0.5) if not is_mark(item)]
            for verb, feed in feeds.items()
        }
        assert {verb: len(items) for verb, items in found.items()} == dict.fromkeys(feeds, 1)
        assert all(items[0].is_reconciled for items in found.values())

    play(scene)


# --- orders -----------------------------------------------------------------------------------------------------------


def test_orders_are_placed_looked_up_and_cancelled() -> None:
    async def scene(at: Played) -> None:
        [market_id, other, *_] = at.ids
        order = await at.market.place_order(
            market_id, "buy", Decimal(5), Decimal("0.01"), client_order_id="mine"
        )
        assert (order.status, order.price, order.client_order_id) == ("accepted", Decimal("0.01"), "mine")
        taken = await at.market.place_order(market_id, "sell", Decimal(2))
        assert (taken.status, taken.filled_size, taken.kind) == ("filled", 2, "market")
        assert [each.venue_order_id for each in await at.market.open_orders()] == [order.venue_order_id]
        assert await at.market.open_orders(other) == []
        canceled = await at.market.cancel_order(order)
        assert (canceled.venue_order_id, canceled.status) == (order.venue_order_id, "canceled")
        placed = [
            await at.market.place_order(each, "buy", Decimal(1), Decimal("0.02"))
            for each in (market_id, other)
        ]
        [first] = await at.market.cancel_all(other)
        assert (first.venue_order_id, first.status) == (placed[1].venue_order_id, "canceled")
        assert [each.venue_order_id for each in await at.market.cancel_all()] == [placed[0].venue_order_id]
        assert await at.market.cancel_all(other) == []
        assert await at.market.open_orders() == []

    play(scene)


@pytest.mark.parametrize("is_filled", [False, True])
def test_an_order_that_has_ended_is_returned_as_it_stands_by_a_cancel(is_filled: bool) -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        at.empty(market_id)
        order = await at.market.place_order(market_id, "buy", Decimal(2), Decimal("0.40"))
        if is_filled:
            at.place(market_id, "sell", 40, 2)
        else:
            await at.market.cancel_order(order)
        ended = await at.market.cancel_order(order)
        assert (ended.venue_order_id, ended.status) == (
            order.venue_order_id,
            "filled" if is_filled else "canceled",
        )

    play(scene)


def test_an_order_off_the_grid_or_of_a_kind_that_is_not_there_is_refused_before_it_is_sent() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        one = Decimal(1)
        for price in ("0.005", "0.505", "1", "0"):
            with pytest.raises(InvalidField, match=r"below 1 in steps of 0\.01 USD|above zero"):
                await at.market.place_order(market_id, "buy", one, Decimal(price))
        with pytest.raises(InvalidField, match="of 1 at least"):
            await at.market.place_order(market_id, "buy", Decimal("0.5"), Decimal("0.5"))
        with pytest.raises(InvalidField, match="few enough digits"):
            await at.market.place_order(market_id, "buy", Decimal("1.12345678901234567"), Decimal("0.5"))
        for words in ({"time_in_force": "ioc"}, {"post_only": True}, {"reduce_only": True}):
            with pytest.raises(InvalidField, match=f"{next(iter(words))}.*this venue has no"):
                await at.market.place_order(market_id, "buy", one, Decimal("0.5"), **words)  # type: ignore[arg-type]
        with pytest.raises(UnknownInstrument):
            await at.market.place_order("nowhere", "buy", one, Decimal("0.5"))
        assert not any(b"confirmOrder" in call.content for call in at.venue.http_calls)

    play(scene)


def test_what_the_venue_refuses_an_order_for_is_raised() -> None:
    async def scene(at: Played) -> None:
        with pytest.raises(STXValidationException, match="the order was refused: insufficient funds"):
            await at.market.place_order(at.ids[0], "buy", Decimal(900_000), Decimal("0.5"))

    play(scene)


def test_the_orders_of_a_market_are_cancelled_though_of_another_it_is_not_known_whether_it_is_there() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        placed = await at.market.place_order(market_id, "buy", Decimal(5), Decimal("0.01"))

        async def lose(request: Any) -> Any:
            at.answer()
            return answered(b"<html>bad gateway</html>", 502)

        at.answer(lose)
        lost = await at.market.place_order(market_id, "buy", Decimal(5), Decimal("0.02"))
        assert lost.status == "unknown"
        canceled = await at.market.cancel_all(market_id)
        assert [(each.venue_order_id, each.status) for each in canceled] == [
            (placed.venue_order_id, "canceled")
        ]
        assert await at.market.cancel_all(market_id) == []

    play(scene)


@pytest.mark.parametrize("is_mute", [True, False])
def test_an_order_whose_answer_was_lost_is_unknown_until_it_is_known(is_mute: bool) -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        await at.market.instrument(market_id)
        if is_mute:  # then it is learnt by asking alone
            at.venue.altered = lambda frame: frame if frame[3] == "phx_reply" else None

        async def lose(request: Any) -> Any:
            at.answer()
            await at.answered(request)
            return answered(b"<html>bad gateway</html>", 502)

        at.answer(lose)
        order = await at.market.place_order(market_id, "buy", Decimal(5), Decimal("0.01"))
        assert (order.status, order.venue_order_id) == ("unknown", None)
        assert not order.is_final
        *unknown, known = told(await heard(feed, 30), Order)
        assert [(each.client_order_id, each.status, each.is_reconciled) for each in unknown] == [
            (order.client_order_id, "unknown", False)
        ] * is_mute
        assert (known.client_order_id, known.status) == (order.client_order_id, "accepted")
        assert known.is_reconciled is is_mute
        [listed] = await at.market.open_orders()
        assert listed.venue_order_id == known.venue_order_id
        canceled = await at.market.cancel_order(order)
        assert (canceled.status, canceled.client_order_id) == ("canceled", order.client_order_id)
        assert sum(b"confirmOrder" in call.content for call in at.venue.http_calls) == 1

    play(scene)


def test_an_order_that_was_never_sent_is_raised_and_not_unknown() -> None:
    async def scene(at: Played) -> None:
        await at.market.instrument(at.ids[0])

        async def unreachable(request: Any) -> Any:
            raise httpx2.ConnectError("nobody there", request=request)

        at.answer(unreachable)
        with pytest.raises(STXException, match=r"nobody there|connect"):
            await at.market.place_order(at.ids[0], "buy", Decimal(1), Decimal("0.01"))

    play(scene)


def test_an_order_that_never_arrived_is_unknown_first_and_rejected_when_that_is_sure() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        feed = at.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        await at.market.instrument(market_id)

        async def lose(request: Any) -> Any:
            at.answer()
            return answered(b"", 502)

        at.answer(lose)
        order = await at.market.place_order(market_id, "buy", Decimal(5), Decimal("0.01"))
        assert [each.status for each in await at.market.open_orders()] == ["unknown"]
        assert await at.market.open_orders(at.ids[1]) == []
        assert (await at.market.cancel_order(order)).status == "unknown"
        states = told(await heard(feed, 60), Order)
        assert [each.status for each in states] == ["unknown", "rejected"]
        assert await at.market.open_orders() == []

    play(scene)


def test_a_cancel_that_failed_is_raised_and_one_that_cannot_be_looked_up_is_pending() -> None:
    async def scene(at: Played) -> None:
        [market_id, *_] = at.ids
        order = await at.market.place_order(market_id, "buy", Decimal(5), Decimal("0.01"))
        failing = ["cancelOrder"]

        async def lose(request: Any) -> Any:
            if json.loads(request.content)["operationName"] in failing:
                return answered(b"", 502)
            return await at.answered(request)

        at.answer(lose)
        with pytest.raises(STXException, match="502"):
            await at.market.cancel_order(order)
        failing[:] = ["myOrderHistory"]
        assert (await at.market.cancel_order(order)).status == "pending_cancel"
        failing.clear()
        assert (await at.market.cancel_order(order)).status == "canceled"

    play(scene)


# --- the line ---------------------------------------------------------------------------------------------------------


def test_a_handler_is_called_with_items_and_marks_in_their_places() -> None:
    async def scene(at: Played) -> None:
        items: list[Any] = []
        at.market.watch_orders(handler=items.append, on_mark=items.append)
        await asyncio.sleep(1)
        at.place(at.ids[0], "buy", 1, 1, ours=True)
        await asyncio.sleep(0.1)
        at.market.reconnect()
        await asyncio.sleep(5)
        assert way(items) == ["Resynced", "syncing > live", "Order", *CUT, "resyncing > live"]
        assert at.market.is_connected

    play(scene)


def test_giving_up_ends_every_feed_with_what_it_gave_up_for() -> None:
    async def scene(at: Played) -> None:
        feeds = [
            at.market.watch_order_book(at.ids[0]),
            at.market.watch_orders(),
            at.market.watch_trades(at.ids[1]),
        ]
        for feed in feeds:
            await feed.wait_live(5)
        at.venue.face.accept = lambda *_: Response(status=503, headers={}, body=b"")
        at.venue.drop()
        for feed in feeds:
            with pytest.raises(GaveUp):
                async for _ in feed:
                    pass
            assert feed.continuity.state == "ended"

    play(scene, retry=RetryPolicy(2, 0.5, jitter=False))


def test_a_frame_of_nobody_knows_what_is_a_gap_of_every_feed() -> None:
    async def scene(at: Played) -> None:
        feeds = {verb: getattr(at.market, f"watch_{verb}")() for verb in ("orders", "balance")}
        feeds["book"] = at.market.watch_order_book(at.ids[0])
        feeds["trades"] = at.market.watch_trades(at.ids[0])
        for feed in feeds.values():
            await feed.wait_live(5)
        await heard_of(feeds, 0.1)
        at.venue.open[0].say('["1", "2", "markets"')
        found = await heard_of(feeds, 1)
        assert way(found["trades"]) == ["Gap", "live > gap", "Resynced", "gap > live"]
        for name in ("orders", "balance"):
            assert way(found[name]) == ["Gap", "live > resyncing", "Resynced", "resyncing > live"]
        assert way(found["book"]) == ["Gap", "live > resyncing", "Resynced", "resyncing > live", "BookView"]
        assert {items[0].reason for items in found.values()} == {"undecodable"}

    play(scene)


def test_closing_ends_every_feed_and_leaves_no_task() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with played(clock) as at:
            feeds = [
                at.market.watch_order_book(at.ids[0]),
                at.market.watch_orders(),
                at.market.watch_trades(at.ids[1]),
            ]
            for feed in feeds:
                await feed.wait_live(5)
            await at.market.instrument(at.ids[0])

            async def lose(request: Any) -> Any:
                at.answer()
                return answered(b"", 502)

            at.answer(lose)
            order = await at.market.place_order(at.ids[0], "buy", Decimal(1), Decimal("0.01"))
            assert order.status == "unknown"  # and is asked for
        assert [feed.continuity.state for feed in feeds] == ["ended"] * 3
        assert not at.market.is_connected
        await asyncio.sleep(1)
        left = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]
        assert not left

    clock.run(main())


def test_an_account_that_is_named_is_apart_from_the_process_s_own() -> None:
    async def scene(at: Played) -> None:
        assert at.market.http.user is not User()
        assert User().uid is None
        with pytest.raises(ConfigurationError, match="colour"):
            tapewire.connect("stx", colour="red")

    play(scene)


def test_the_samples_are_as_the_venue_has_them() -> None:
    """The scenes above alter frames by their place: `[join_ref, ref, topic, event, payload]`."""

    async def scene(at: Played) -> None:
        frames: list[Any] = []

        def keep(frame: Any) -> Any:
            frames.append(json.loads(json.dumps(frame)))
            return frame

        at.venue.altered = keep
        feed = at.market.watch_order_book(at.ids[0])
        await feed.wait_live(5)
        at.place(at.ids[0], "buy", 1, 1)
        assert (frames[-1][2], frames[-1][3], list(frames[-1][4])) == (
            "markets",
            "market_updated",
            [at.ids[0]],
        )
        assert isinstance((await heard(feed, 0.1))[0], Resynced)

    play(scene)
