"""The market of SX Bet against the played venue, on virtual time: what is live is the venue's own, or it says so."""

from __future__ import annotations

import asyncio
import os
import random
from decimal import Decimal
from typing import Any

import pytest

import tapewire
from tapewire.errors import ConfigurationError, NotSupported, UnknownInstrument
from tapewire.market import VERBS, BookView
from tapewire.marks import ContinuityChanged, is_mark
from tapewire.model import Fill, Order, Ticker, Trade
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tapewire.venues.sxbet import SXBetAnswerError, SXBetInvalidParameter, UnauthorizedError
from tapewire.venues.sxbet.market import BOOK_QUIET_SECONDS, QUIET_SECONDS
from tests.venues.in_memory import answered
from tests.venues.sxbet.market_played import MAKER, heard, played, shown, way
from tests.venues.sxbet.rows import MARKET, order_row

PROFILES = ("v2", "v3")
SEEDS = int(os.environ.get("SXBET_MARKET_SEEDS", "2"))
PLACING = ("place_order", "cancel_order", "cancel_all")


def only(items: list[Any]) -> list[Any]:
    return [item for item in items if not is_mark(item)]


def states(items: list[Any]) -> list[str]:
    return [str(item.state) for item in items if isinstance(item, ContinuityChanged)]


def marks(items: list[Any]) -> list[str]:
    """Marks without the changes of continuity."""
    return [
        type(item).__name__ for item in items if is_mark(item) and not isinstance(item, ContinuityChanged)
    ]


# --- what there is ----------------------------------------------------------------------------------------------------


async def asked(verb: Any, *arguments: Any, is_awaited: bool) -> None:
    answer = verb(*arguments)
    if is_awaited:
        await answer


@pytest.mark.parametrize("profile", PROFILES)
async def test_what_it_has_not_is_refused_at_the_call_with_what_comes_nearest(clock, profile):
    async with played(clock, profile=profile) as venue:
        market = venue.market
        missing = [verb for verb in VERBS if not market.capabilities[verb].supported]
        assert {*PLACING, "watch_positions", "watch_balance"} <= {*missing}
        for verb in missing:
            arguments = {"place_order": ("x", "buy", Decimal(1)), "cancel_order": (None,)}.get(verb, ())
            with pytest.raises(NotSupported) as caught:
                await asked(getattr(market, verb), *arguments, is_awaited=verb in (*PLACING, "open_orders"))
            capability = market.capabilities[verb]
            assert (caught.value.verb, caught.value.nearest) == (verb, capability.instead)
            assert market.capabilities[capability.instead].supported
            assert caught.value.why


async def test_markets_and_their_outcomes_are_listed_and_found(clock):
    async with played(clock) as venue:
        listed = [market async for market in venue.market.markets()]
        assert [market.market_id for market in listed] == venue.hashes
        assert all(market.is_tradable and market.raw.market_hash == market.market_id for market in listed)
        name = listed[0].outcomes[0].name
        found = [market async for market in venue.market.markets(search=name.upper())]
        assert found
        assert all(any(name in each.name for each in (market, *market.outcomes)) for market in found)
        assert len(found) < len(listed)
        everything = [each async for each in venue.market.instruments()]
        assert len(everything) == 2 * len(venue.hashes)
        ours = [each async for each in venue.market.instruments(market_id=venue.hashes[2])]
        assert [each.instrument_id for each in ours] == [f"{venue.hashes[2]}:1", f"{venue.hashes[2]}:2"]
        assert await venue.market.instrument(ours[1].instrument_id) == ours[1]
        assert {each.currency for each in everything} == {"USDC"}


async def test_one_market_that_cannot_be_hides_no_other(clock):
    async with played(clock) as venue:
        rows = [
            {"status": "ACTIVE", "marketHash": MARKET, "outcome": 9},
            {"status": "ACTIVE", "marketHash": MARKET},
        ]
        venue.venue.http_answers["/markets/active"] = lambda request: answered(
            {"status": "success", "data": {"markets": rows}}
        )
        assert [market.market_id async for market in venue.market.markets()] == [MARKET]
        assert len([each async for each in venue.market.instruments()]) == 2


@pytest.mark.parametrize("verb", ["watch_order_book", "watch_trades", "watch_ticker"])
async def test_an_unknown_outcome_ends_the_feed_and_names_near_ones(clock, verb):
    async with played(clock) as venue:
        near = f"{venue.hashes[0]}:1"
        wrong = near.replace(near[-3], "e" if near[-3] != "e" else "f")[:66] + ":1"
        feed = getattr(venue.market, verb)(wrong)
        with pytest.raises(UnknownInstrument, match="perhaps") as caught:
            await feed.wait_live(10)
        assert near in caught.value.near
        with pytest.raises(UnknownInstrument):
            _ = [item async for item in feed]
        assert feed.continuity.state == "ended"
        with pytest.raises(UnknownInstrument):
            await venue.market.instrument(wrong)


@pytest.mark.parametrize(
    "verb", ["watch_order_book", "watch_trades", "watch_ticker", "watch_orders", "watch_fills"]
)
@pytest.mark.parametrize("wrong", ["Lakers", f"{MARKET}:3", f"{MARKET}", "0x12:1", f"{MARKET[:-1]}g:1"])
async def test_what_can_be_no_outcome_is_refused_at_the_call(clock, verb, wrong):
    async with played(clock) as venue:
        with pytest.raises(ConfigurationError, match="instrument_id="):
            getattr(venue.market, verb)(wrong)


async def test_own_orders_need_to_know_whose_they_are(clock, monkeypatch):
    async with played(clock, maker=None) as venue:
        for verb in (venue.market.watch_orders, venue.market.watch_fills):
            with pytest.raises(SXBetInvalidParameter, match=r"maker=None .*SXBET_MAKER"):
                verb()
        with pytest.raises(SXBetInvalidParameter, match="maker=None"):
            await venue.market.open_orders()
    monkeypatch.setenv("SXBET_MAKER", MAKER)
    async with played(clock, maker=None) as venue:
        assert venue.market.maker == MAKER


@pytest.mark.parametrize(
    ("settings", "argument"), [({"maker": "0x12"}, "maker"), ({"nework": "mainnet"}, "settings|argument")]
)
async def test_wrong_settings_are_refused_by_name(settings, argument):
    with pytest.raises(SXBetInvalidParameter, match=argument):
        tapewire.connect("sxbet", **settings)


async def test_a_refused_key_is_raised_by_connect(clock):
    with pytest.raises(UnauthorizedError):
        async with played(clock, api_key="refused-key"):
            raise AssertionError


# --- books ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("outcome", [1, 2])
async def test_a_book_is_the_exchanges_own_level_by_level_from_either_outcome(clock, profile, outcome):
    async with played(clock, profile=profile) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:{outcome}")
        assert feed.continuity.state == "syncing"
        await feed.wait_live(5)
        view = await anext(item async for item in feed if isinstance(item, BookView))
        compared = 0
        for _ in range(150):
            venue.step()
            await venue.settle()
            assert feed.continuity.is_live
            assert shown(view) == venue.truth(0, outcome)
            compared += bool(view.best_bid and view.best_offer)
        assert compared > 100
        assert (view.venue, view.instrument_id) == ("sxbet", f"{venue.hashes[0]}:{outcome}")
        assert view.snapshot(3).bids == tuple(venue.truth(0, outcome)[0][:3])
        assert view.received_at_ns <= clock.time_ns()


async def test_a_book_is_right_while_nobody_iterates_and_a_depth_is_kept_to(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1", depth=2)
        await feed.wait_live(5)
        (view,) = only(await heard(feed, 0.1))
        assert 0 <= clock.time_ns() - view.received_at_ns < 10**9
        venue.step(200)
        await venue.settle()
        items = await heard(feed, 0.1)
        (view,) = only(items)
        bids, offers = venue.truth()
        assert shown(view) == (bids[:2], offers[:2])
        assert view.depth == 2
        assert view.venue_time_ns is not None


@pytest.mark.parametrize("outcome", [1, 2])
async def test_a_cut_line_is_stale_at_once_and_what_was_missed_is_replayed(clock, outcome):
    async with played(clock) as venue:
        told: list[ContinuityChanged] = []
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:{outcome}", on_continuity=told.append)
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.step(60)  # nobody hears it
        await venue.settle()
        view = feed.continuity
        assert (view.state, bool(view.reason), view.proof) == ("stale", True, "recoverable")
        items = await heard(feed, 30)
        assert marks(items) == ["Reconnected"]
        assert (states(items)[0], states(items)[-1]) == ("stale", "live")
        assert [change.state for change in told] == ["live", "stale", "live"]
        assert items[-1] is only(items)[-1]
        assert shown(items[-1]) == venue.truth(0, outcome)
        assert feed.continuity.missed == 0


async def test_what_cannot_be_replayed_is_a_gap_and_the_book_is_rebuilt(clock):
    async with played(clock) as venue:
        told: list[ContinuityChanged] = []
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1", on_continuity=told.append)
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.step(60)
        venue.face.prune_history(None, 0)
        items = await heard(feed, 30)
        assert marks(items) == ["Gap", "Resynced"]
        assert [change.state for change in told] == ["live", "stale", "gap", "resyncing", "live"]
        assert shown(only(items)[-1]) == venue.truth()


async def of_one_channel(venue: Any, feed: Any, channel: str, happen: Any) -> list[Any]:
    """Drop one publication on its way, let others follow, and give what the feed says then."""
    await feed.wait_live(10)
    await heard(feed, 0.2)
    is_dropped = venue.swallow(channel)
    while not is_dropped():
        happen()
    assert feed.continuity.is_live, "nobody can know yet"
    happen()
    return await heard(feed, 20)


async def test_one_lost_publication_of_a_book_is_marked_before_the_next_state_of_it(clock):
    """The claim: recoverable, so numbered."""
    async with played(clock) as venue:
        bid = venue.tops()[0]
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        channel = f"order_book:market_{venue.hashes[0]}"
        items = await of_one_channel(venue, feed, channel, lambda: venue.order("buy", bid - 5))
        assert isinstance(items[0], tapewire.Gap)
        assert (items[0].reason, items[0].missed) == ("sequence", 1)
        assert feed.continuity.is_live
        assert feed.continuity.missed == 1
        assert shown(only(items)[-1]) == venue.truth()


def something_else(venue: Any, chance: random.Random, profile: str) -> None:
    """A fault, of the kinds that a venue on the open internet has."""
    path = "/orders" if profile == "v2" else "/orderbook-v3/snapshot"
    kind = chance.choice(("drop", "drop", "prune", "restart", "lose", "http"))
    if kind == "drop":
        venue.network.unreachable(times=chance.randint(1, 3))
        venue.venue.drop(chance.choice([None, 1000, 3001, 3012]))
    elif kind == "prune":
        venue.face.prune_history(None, chance.randint(0, 3))
    elif kind == "restart":
        venue.face.restart_history(None)
    elif kind == "lose":
        venue.face.lose_place(None)
    elif path in venue.venue.http_answers:
        del venue.venue.http_answers[path]
    else:
        venue.venue.http_answers[path] = lambda request: answered({"message": "NO"}, 503)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("profile", PROFILES)
async def test_no_book_is_live_and_wrong_whatever_happens_on_the_wire(clock, profile, seed):
    """Whenever all that was sent has arrived, each book that says it is live equals the exchange's own."""
    chance = random.Random(f"{seed} {profile}")
    async with played(clock, profile=profile) as venue:
        views, live = {}, 0
        for market, outcome in ((0, 1), (0, 2), (1, 1), (2, 2)):
            feed = venue.market.watch_order_book(f"{venue.hashes[market]}:{outcome}")
            await feed.wait_live(10)
            views[market, outcome] = (
                feed,
                await anext(item async for item in feed if isinstance(item, BookView)),
            )
        for _ in range(300):
            act = chance.random()
            if act < 0.75:
                venue.step(chance.randint(1, 4))
            elif act < 0.82:
                something_else(venue, chance, profile)
            else:
                await asyncio.sleep(chance.uniform(0.001, 15))
            await venue.settle()
            for (market, outcome), (feed, view) in views.items():
                if feed.continuity.is_live:
                    live += 1
                    assert shown(view) == venue.truth(market, outcome)
        venue.venue.http_answers.clear()
        for (market, outcome), (feed, view) in views.items():
            await feed.wait_live(300)
            await venue.settle()
            assert shown(view) == venue.truth(market, outcome)
        assert 20 < live < 1200, "it was live for a while, and not all the time"


async def test_an_update_that_cannot_be_read_is_a_gap_of_that_book_alone(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        other = venue.market.watch_order_book(f"{venue.hashes[1]}:1")
        for each in (feed, other):
            await each.wait_live(5)
            await heard(each, 0.1)

        def corrupt(frame: dict[str, Any]) -> dict[str, Any]:
            push = frame.get("push", {})
            if push.get("channel") == f"order_book:market_{venue.hashes[0]}":
                push["pub"]["data"] = [{"orderHash": 5}]
                venue.venue.altered = lambda frame: frame
            return frame

        venue.venue.altered = corrupt
        venue.order("buy", venue.tops()[0] - 3)
        venue.order("buy", venue.tops(1)[0] - 3, market=1)
        items = await heard(feed)
        assert marks(items) == ["Gap", "Resynced"]
        assert items[0].reason == "undecodable"
        assert feed.continuity.is_live
        assert shown(only(items)[-1]) == venue.truth()
        assert marks(await heard(other, 0.1)) == []


async def test_a_whole_book_that_comes_while_its_snapshot_is_not_to_be_had_is_not_live(clock):
    """The session asks for the snapshot again and again, and holds what comes each time: the book would be behind."""
    async with played(clock, profile="v3") as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        venue.venue.http_answers["/orderbook-v3/snapshot"] = lambda request: answered({"message": "NO"}, 503)
        venue.venue.drop()
        await asyncio.sleep(10)
        assert feed.continuity.state == "gap"
        for _ in range(60):
            venue.order("buy", venue.tops()[0] - 5)
            await asyncio.sleep(0.3)
            assert not feed.continuity.is_live
        venue.venue.http_answers.clear()
        await feed.wait_live(60)
        assert shown(only(await heard(feed, 0.1))[-1]) == venue.truth()


async def test_a_whole_book_that_comes_before_the_first_snapshot_is_not_live(clock):
    """What comes is held while the snapshot is asked for again: the book would be behind."""
    async with played(clock, profile="v3") as venue:
        venue.venue.http_answers["/orderbook-v3/snapshot"] = lambda request: answered({"message": "NO"}, 503)
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        for _ in range(60):
            venue.order("buy", venue.tops()[0] - 5)
            await asyncio.sleep(0.3)
            assert not feed.continuity.is_live
        venue.venue.http_answers.clear()
        await feed.wait_live(60)
        assert shown(only(await heard(feed, 0.1))[-1]) == venue.truth()


async def test_a_suspended_market_is_not_live_and_is_again_when_it_opens(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        row = {
            "marketHash": venue.hashes[0],
            "status": "INACTIVE",
            "outcomeOneName": "A",
            "outcomeTwoName": "B",
        }

        async def say(status: str) -> None:
            await venue.say("markets:global", [row | {"status": status}])
            await asyncio.sleep(0.5)

        await say("INACTIVE")
        assert feed.continuity.state == "stale"
        assert feed.continuity.reason == "the market is suspended (INACTIVE)"
        venue.step(20)
        venue.venue.drop()
        await asyncio.sleep(30)
        assert not feed.continuity.is_live
        venue.venue.http_answers["/orders"] = lambda request: answered({"message": "NO"}, 503)
        await say("ACTIVE")
        assert not feed.continuity.is_live, "what comes while the snapshot is asked for is held"
        venue.venue.http_answers.clear()
        await feed.wait_live(60)
        assert shown(only(await heard(feed, 0.1))[-1]) == venue.truth()


async def test_a_market_that_is_suspended_from_the_start_says_why_it_is_not_live(clock):
    async with played(clock) as venue:
        row = {"marketHash": venue.hashes[0], "status": "INACTIVE"}
        venue.venue.http_answers["/markets/find"] = lambda request: answered(
            {"status": "success", "data": [row]}
        )
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        with pytest.raises(TimeoutError, match="syncing: the market is suspended"):
            await feed.wait_live(5)
        assert isinstance(only(await heard(feed, 0.1))[0], BookView)


async def test_the_book_of_a_market_that_ends_ends_behind_its_last_state(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.close_market()
        items = [item async for item in feed]
        assert isinstance(items[-1], BookView)
        assert states(items)[0] == "stale"
        assert (feed.continuity.state, feed.continuity.is_live) == ("ended", False)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("verb", ["watch_trades", "watch_ticker"])
@pytest.mark.parametrize("is_over", [False, True])
async def test_trades_and_ticker_of_a_market_that_ends_end_with_it(clock, profile, verb, is_over):
    async with played(clock, profile=profile) as venue:
        if is_over:
            venue.close_market()
            await venue.settle()
        feed = getattr(venue.market, verb)(f"{venue.hashes[0]}:1")
        other = getattr(venue.market, verb)(f"{venue.hashes[1]}:1")
        if not is_over:
            await feed.wait_live(5)
            venue.order("buy", venue.tops()[1], account="taker")
            venue.close_market()
        items = await asyncio.wait_for(_all(feed), 60)
        assert is_over or only(items)
        assert feed.continuity.state == "ended"
        assert feed.continuity.reason.startswith("the market has ended")
        await other.wait_live(5)
        await asyncio.sleep(5)
        assert other.continuity.is_live


async def _all(feed: Any) -> list[Any]:
    return [item async for item in feed]


async def test_a_crossed_book_is_true_and_not_live(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        offer = venue.tops()[1]
        row = {
            "orderHash": "0x1", "marketHash": venue.hashes[0], "status": "ACTIVE", "fillAmount": "0", "maker": MAKER,
            "totalBetSize": "5000000", "percentageOdds": str((offer + 2) * 10**20 // PAYOUT),
            "isMakerBettingOutcomeOne": True, "updateTime": venue.now_ns // 10**6,
        }  # fmt: skip

        async def say(**changes: Any) -> None:
            await venue.say(f"order_book:market_{venue.hashes[0]}", [row | changes])

        await say()
        assert (feed.continuity.state, feed.continuity.reason) == ("gap", "the book is crossed")
        await say(status="INACTIVE", updateTime=venue.now_ns // 10**6 + 5)
        assert feed.continuity.is_live


async def test_a_mute_book_is_asked_about_over_http_before_it_is_called_stale(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        await asyncio.sleep(2 * BOOK_QUIET_SECONDS + 10)
        assert feed.continuity.is_live, "nothing happened, and the venue said so"
        venue.venue.altered = lambda frame: None if "push" in frame and "pub" in frame["push"] else frame
        venue.order("buy", venue.tops()[0] - 3)
        await asyncio.sleep(2 * BOOK_QUIET_SECONDS)
        assert feed.continuity.state == "stale"
        venue.venue.altered = lambda frame: frame
        feed.resync()
        await feed.wait_live(5)
        assert shown(only(await heard(feed, 0.1))[-1]) == venue.truth()


async def test_a_book_that_was_mute_for_more_than_a_page_is_not_put_back_to_the_midst_of_it(clock):
    """The snapshot is newer than the first page of what its channel said meanwhile."""
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        venue.venue.altered = lambda frame: None if "pub" in frame.get("push", {}) else frame
        placed = [venue.order("buy", venue.tops()[0] - 9) for _ in range(150)]
        for order in placed:
            venue.cancel(order)
        feed.resync()
        await feed.wait_live(10)
        assert shown(only(await heard(feed, 0.1))[-1]) == venue.truth()


async def test_leaving_a_book_leaves_its_channels(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_order_book(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        assert venue.market.statistics().subscriptions == 2
        await feed.aclose()
        await venue.settle()
        assert venue.market.statistics().subscriptions == 0
        assert [item async for item in feed] == []


async def test_what_ends_the_client_ends_its_feeds(clock):
    async with played(clock) as venue:
        feeds = [
            venue.market.watch_order_book(f"{venue.hashes[0]}:1"), venue.market.watch_trades(f"{venue.hashes[0]}:1"),
            venue.market.watch_ticker(f"{venue.hashes[0]}:2"), venue.market.watch_orders(), venue.market.watch_fills(),
        ]  # fmt: skip
        for feed in feeds:
            await feed.wait_live(5)
        await venue.market.client.disconnect()
        await venue.settle()
        assert {str(feed.continuity.state) for feed in feeds} == {"ended"}


# --- prints -----------------------------------------------------------------------------------------------------------


def trade_of(venue: Any, market: int = 0, side: str = "buy") -> None:
    """Somebody takes one contract of a maker of their own."""
    bid, offer = venue.tops(market)
    if side == "buy":
        venue.order("sell", offer - 1, market=market, account="maker of prints" if False else MAKER)
        venue.order("buy", offer - 1, market=market, account="taker")
    else:
        venue.order("buy", bid + 1, market=market)
        venue.order("sell", bid + 1, market=market, account="taker")


@pytest.mark.parametrize("profile", PROFILES)
async def test_each_bet_is_one_print_on_the_axis_of_the_outcome(clock, profile):
    async with played(clock, profile=profile) as venue:
        one = venue.market.watch_trades(f"{venue.hashes[0]}:1")
        two = venue.market.watch_trades(f"{venue.hashes[0]}:2")
        for feed in (one, two):
            await feed.wait_live(5)
        offer = venue.tops()[1]
        trade_of(venue)
        trade_of(venue, market=1)
        trade_of(venue, side="sell")
        now_ns = clock.time_ns()
        await asyncio.sleep(20)
        venue.step(50)  # what was pending is confirmed: the same bets again
        prints = only(await heard(one))
        bought = prints[0]
        assert isinstance(bought, Trade)
        assert (bought.price, bought.size, bought.taker_side) == (Decimal(offer - 1) / PAYOUT, 1, "buy")
        assert prints[1].taker_side == "sell"
        assert bought.received_at_ns == now_ns, "when it came, though it is taken later"
        assert bought.raw.market_hash == venue.hashes[0]
        assert len({each.trade_id for each in prints}) == len(prints)
        mirrored = only(await heard(two))
        assert [(1 - each.price, each.size, each.trade_id) for each in mirrored] == [
            (each.price, each.size, each.trade_id) for each in prints
        ]
        assert [each.taker_side for each in mirrored] == [
            "sell" if each.taker_side == "buy" else "buy" for each in prints
        ]


async def test_what_is_settled_was_a_print_when_it_was_placed_and_is_none_now(clock):
    async with played(clock) as venue:
        trade_of(venue)
        venue.step()
        feed = venue.market.watch_trades(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        venue.close_market()
        assert only(await heard(feed)) == []


async def through_a_broken_line(venue: Any) -> tuple[list[Any], int]:
    """What a feed of prints says of many bets, some of them while the line is down; and all contracts there were."""
    feed = venue.market.watch_trades(f"{venue.hashes[0]}:1", capacity=5000)
    await feed.wait_live(5)
    for _ in range(40):
        venue.step(20)
        await venue.settle()
    venue.network.unreachable(times=1)
    venue.venue.drop()
    venue.step(200)
    items = await heard(feed, 60)
    assert feed.continuity.is_live
    bets = [bet for bet in venue.face.tape.bets if bet.market_id == venue.hashes[0]]
    assert len(bets) > 20
    return items, sum(bet.contracts for bet in bets)


async def test_every_bet_of_a_market_is_told_once_through_a_broken_line(clock):
    async with played(clock) as venue:
        items, contracts = await through_a_broken_line(venue)
        assert sum(each.size for each in only(items)) == contracts
        assert marks(items) == ["Reconnected"]


async def test_what_the_later_generation_does_not_replay_is_a_gap_in_its_place(clock):
    async with played(clock, profile="v3") as venue:
        items, contracts = await through_a_broken_line(venue)
        assert 0 < sum(each.size for each in only(items)) < contracts
        assert marks(items) == ["Gap"]


async def test_one_lost_print_is_marked_before_the_next(clock):
    """The claim: recoverable, so numbered."""
    async with played(clock) as venue:
        feed = venue.market.watch_trades(f"{venue.hashes[0]}:1")
        items = await of_one_channel(venue, feed, "recent_trades:global", lambda: trade_of(venue))
        assert isinstance(items[0], tapewire.Gap)
        assert (items[0].reason, items[0].missed) == ("sequence", 1)
        assert isinstance(only(items)[0], Trade)
        assert feed.continuity.is_live


async def test_a_print_that_cannot_be_read_is_a_gap_and_the_next_one_comes(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_trades(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)

        def corrupt(frame: dict[str, Any]) -> dict[str, Any]:
            data = frame.get("push", {}).get("pub", {}).get("data", {})
            if "stake" in data and not data["maker"]:
                data["odds"] = "750000000000000000000"
            return frame

        venue.venue.altered = corrupt
        trade_of(venue)
        await venue.settle()
        venue.venue.altered = lambda frame: frame
        trade_of(venue)
        items = await heard(feed)
        assert way(items)[:4] == ["syncing > live", "Gap", "live > gap", "gap > live"]
        assert items[1].reason == "undecodable"
        assert [type(each) for each in only(items)] == [Trade, Trade], (
            "confirmed, the first is whole after all"
        )


async def test_others_trades_take_no_place_in_the_buffer(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_trades(f"{venue.hashes[0]}:1", capacity=4)
        await feed.wait_live(5)
        trade_of(venue)
        for _ in range(30):
            trade_of(venue, market=1)
        items = await heard(feed)
        assert marks(items) == []
        assert len(only(items)) == 1


# --- best odds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("outcome", [1, 2])
async def test_a_ticker_is_the_touch_of_the_exchange_and_the_newest_counts(clock, profile, outcome):
    async with played(clock, profile=profile) as venue:
        feed = venue.market.watch_ticker(f"{venue.hashes[0]}:{outcome}")
        await feed.wait_live(5)
        (ticker,) = only(await heard(feed, 0.05))
        for _ in range(60):
            venue.step(3)
            items = await heard(feed, 0.05)
            ticker = only(items)[-1] if only(items) else ticker
            bids, offers = venue.truth(0, outcome)
            assert isinstance(ticker, Ticker)
            assert ticker.bid == (bids[0][0] if bids else None)
            assert ticker.offer == (offers[0][0] if offers else None)
        assert ticker.instrument_id == f"{venue.hashes[0]}:{outcome}"
        assert feed.continuity.is_live


@pytest.mark.parametrize("profile", PROFILES)
async def test_best_odds_that_were_lost_with_the_line_are_looked_up(clock, profile):
    """The claim "snapshot": what is lost with its connection is marked before the next item."""
    async with played(clock, profile=profile) as venue:
        feed = venue.market.watch_ticker(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.order("buy", venue.tops()[0] + 1)
        await venue.settle()
        assert feed.continuity.state == "stale"
        items = await heard(feed, 60)
        assert marks(items)[0] in ("Gap", "Reconnected")
        assert is_mark(items[0])
        assert only(items)[-1].bid == venue.truth()[0][0][0]
        assert feed.continuity.is_live


async def test_best_odds_of_before_and_of_another_token_change_nothing(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_ticker(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        venue.order("buy", venue.tops()[0] + 1)
        before = only(await heard(feed, 0.1))[-1]
        row = venue.venue.sandbox.ledger.since("best_odds:global")[-1].payload[0]
        assert row["marketHash"] == venue.hashes[0]
        lower = row | {"percentageOdds": "1" + "0" * 18}
        await venue.say("best_odds:global", [lower | {"updatedAt": row["updatedAt"] - 1}])
        await venue.say(
            "best_odds:global", [lower | {"updatedAt": row["updatedAt"] + 1, "baseToken": "0xaa99"}]
        )
        assert only(await heard(feed, 0.1)) == []
        await venue.say("best_odds:global", [lower | {"updatedAt": row["updatedAt"] + 1}])
        (after,) = only(await heard(feed, 0.1))
        assert (before.bid, after.bid) == (venue.truth()[0][0][0], Decimal("0.01"))
        assert after.raw.updated_at == row["updatedAt"] + 1


@pytest.mark.parametrize("wrong", [{"percentageOdds": "7.5"}, {"percentageOdds": 7.5}])
async def test_best_odds_that_cannot_be_read_are_a_gap_and_looked_up(clock, wrong):
    async with played(clock) as venue:
        feed = venue.market.watch_ticker(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        await heard(feed, 0.1)

        def corrupt(frame: dict[str, Any]) -> dict[str, Any]:
            push = frame.get("push", {})
            if push.get("channel") == "best_odds:global":
                for row in push["pub"]["data"]:
                    row |= wrong
            return frame

        venue.venue.altered = corrupt
        venue.order("buy", venue.tops()[0] + 1)
        items = await heard(feed)
        assert marks(items) == ["Gap", "Resynced"]
        assert only(items)[-1].bid == venue.truth()[0][0][0]


# --- own orders and fills ---------------------------------------------------------------------------------------------


def in_short(orders: list[Any]) -> list[Any]:
    return [(each.venue_order_id, each.status, each.filled_size) for each in orders]


async def test_own_orders_are_told_as_they_stand_and_then_as_they_change(clock):
    async with played(clock) as venue:
        bid = venue.tops()[0]
        first = venue.order("buy", bid - 9, 10)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        (order,) = only(await heard(feed, 0.1))
        assert isinstance(order, Order)
        assert in_short([order]) == [(first, "accepted", 0)]
        assert (order.price, order.size, order.is_reconciled) == (Decimal(bid - 9) / PAYOUT, 10, True)
        second = venue.order("sell", venue.tops()[1] + 9, 4)
        told = only(await heard(feed, 0.1))
        assert in_short(told) == [(second, "accepted", 0)]
        assert (told[0].instrument_id, told[0].side) == (f"{venue.hashes[0]}:2", "buy")
        assert not told[0].is_reconciled
        venue.cancel(second)
        assert in_short(only(await heard(feed, 0.1))) == [(second, "canceled", 0)]
        opened = await venue.market.open_orders()
        assert in_short(opened) == [(first, "accepted", 0)]
        assert await venue.market.open_orders(f"{venue.hashes[0]}:2") == []


async def test_what_a_gap_hid_of_own_orders_is_looked_up_and_told_once(clock):
    async with played(clock) as venue:
        bid, offer = venue.tops()
        kept, gone = venue.order("buy", bid - 9, 5), venue.order("buy", bid - 8, 5)
        hit = venue.order("sell", offer - 1, 3)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        assert len(only(await heard(feed, 0.1))) == 3
        venue.network.unreachable(times=2)
        venue.venue.drop()
        new = venue.order("buy", bid - 7, 2)
        venue.cancel(gone)
        venue.order("buy", offer - 1, 3, account="taker")
        venue.step()  # which confirms the fill
        venue.face.prune_history(None, 0)
        items = await heard(feed, 60)
        assert marks(items) == ["Gap", "Resynced"]
        assert sorted(in_short(only(items))) == sorted(
            [(new, "accepted", 0), (gone, "canceled", 0), (hit, "filled", 3)]
        )
        assert all(each.is_reconciled for each in only(items))
        assert kept not in [each.venue_order_id for each in only(items)]
        assert feed.continuity.is_live
        venue.venue.drop()
        assert only(await heard(feed, 60)) == []


async def test_an_order_whose_fill_is_pending_is_not_listed_and_has_not_ended(clock):
    async with played(clock) as venue:
        offer = venue.tops()[1]
        order = venue.order("sell", offer - 1, 3)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.order("buy", offer - 1, 3, account="taker")
        venue.face.prune_history(None, 0)
        items = await heard(feed, 60)
        assert marks(items) == ["Gap", "Resynced"]
        assert only(items) == [], "it stands as it was told"
        venue.step()
        assert in_short(only(await heard(feed))) == [(order, "filled", 3)]


async def test_how_an_order_ended_is_unknown_where_nobody_says_it_and_asked_again_until_somebody_does(clock):
    async with played(clock) as venue:
        order = venue.order("buy", venue.tops()[0] - 9, 3)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.cancel(order)
        venue.face.prune_history(None, 0)
        venue.venue.http_answers["/trades"] = lambda request: answered({"message": "NO"}, 404)
        items = await heard(feed, 60)
        assert in_short(only(items)) == [(order, "unknown", 0)]
        assert only(await heard(feed, 60)) == []
        venue.venue.http_answers.clear()
        (told,) = only(await heard(feed, 60))
        assert (in_short([told]), told.is_reconciled) == ([(order, "canceled", 0)], True)
        asked = len(venue.venue.http_calls)
        assert await heard(feed, 200) == []
        assert len(venue.venue.http_calls) == asked, "it is known"


async def test_what_was_looked_up_of_an_order_that_was_heard_of_meanwhile_is_no_news(clock):
    async with played(clock) as venue:
        order = venue.order("buy", venue.tops()[0] - 9, 3)
        (row,) = (each.update() for each in venue.face.orders.active() if each.order.order_id == order)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.cancel(order)
        venue.face.prune_history(None, 0)
        venue.venue.http_answers["/trades"] = lambda request: answered({"message": "NO"}, 404)
        assert in_short(only(await heard(feed, 20))) == [(order, "unknown", 0)]
        await venue.say(f"active_orders:{MAKER}", [row | {"updateTime": str(venue.now_ns // 1_000_000 + 9)}])
        assert in_short(only(await heard(feed, 0.1))) == [(order, "accepted", 0)], "it came back"
        venue.venue.http_answers.clear()
        assert only(await heard(feed, 60)) == []


async def test_an_order_whose_fill_was_pending_is_looked_for_again_where_its_last_update_was_lost(clock):
    async with played(clock) as venue:
        offer = venue.tops()[1]
        order = venue.order("sell", offer - 1, 3)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        venue.order("buy", offer - 1, 3, account="taker")
        venue.face.prune_history(None, 0)
        assert only(await heard(feed, 60)) == [], "it stands as it was told"
        swallowed = venue.swallow(f"active_orders:{MAKER}")
        venue.step()
        assert swallowed()
        assert in_short(only(await heard(feed, 60))) == [(order, "filled", 3)]


async def test_an_order_that_was_told_to_be_open_and_is_not_listed_is_not_current(clock):
    async with played(clock) as venue:
        order = venue.order("buy", venue.tops()[0] - 9, 3)
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        swallowed = venue.swallow(f"active_orders:{MAKER}")
        venue.cancel(order)
        await heard(feed, 2 * QUIET_SECONDS)
        assert swallowed()
        assert feed.continuity.state == "stale"


async def test_a_list_that_lags_behind_the_channel_is_put_right_by_what_that_said(clock):
    async with played(clock) as venue:
        order = venue.order("buy", venue.tops()[0] - 9, 3)
        listed = [each.row() for each in venue.face.orders.active() if each.order.order_id == order]
        venue.cancel(order)
        venue.venue.http_answers["/orders"] = lambda request: answered({"status": "success", "data": listed})
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        assert in_short(only(await heard(feed, 0.1))) == [(order, "accepted", 0), (order, "canceled", 0)]


async def test_own_orders_are_replayed_where_the_venue_can(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_orders(f"{venue.hashes[0]}:1")
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.network.unreachable(times=2)
        venue.venue.drop()
        order = venue.order("buy", venue.tops()[0] - 9)
        venue.order("sell", venue.tops()[1] + 9)  # of the other outcome
        items = await heard(feed, 60)
        assert marks(items) == ["Reconnected"]
        assert in_short(only(items)) == [(order, "accepted", 0)]
        assert not only(items)[0].is_reconciled


async def test_one_lost_update_of_own_orders_is_marked_before_the_next(clock):
    """The claim: recoverable, so numbered."""
    async with played(clock) as venue:
        bid = venue.tops()[0]
        feed = venue.market.watch_orders()
        items = await of_one_channel(
            venue, feed, f"active_orders:{MAKER}", lambda: venue.order("buy", bid - 9)
        )
        assert isinstance(items[0], tapewire.Gap)
        assert (items[0].reason, items[0].missed) == ("sequence", 1)
        assert len(only(items)) == 2, "the one that was lost was looked up"
        assert feed.continuity.is_live


async def test_an_order_that_was_taken_out_may_come_back_and_an_older_update_changes_nothing(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        order = venue.order("buy", venue.tops()[0] - 9)
        (told,) = only(await heard(feed, 0.1))
        entry = venue.venue.sandbox.ledger.since(f"active_orders:{MAKER}")[-1]
        at = int(entry.payload[0]["updateTime"])

        async def say(**changes: Any) -> list[Any]:
            await venue.say(f"active_orders:{MAKER}", [entry.payload[0] | changes])
            return in_short(only(await heard(feed, 0.1)))

        assert told.venue_order_id == order
        assert await say(status="INACTIVE", updateTime=str(at + 10)) == [(order, "canceled", 0)]
        assert await say(status="ACTIVE", updateTime=str(at + 5)) == []
        assert await say(status="ACTIVE", updateTime=str(at + 20)) == [(order, "accepted", 0)]
        total = entry.payload[0]["totalBetSize"]
        assert await say(status="FILLED", fillAmount=total, updateTime=str(at + 30)) == [(order, "filled", 1)]
        assert await say(status="ACTIVE", updateTime=str(at + 40)) == []


async def test_a_row_of_own_orders_that_cannot_be_read_is_a_gap_and_the_list_is_asked_for(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)

        def corrupt(frame: dict[str, Any]) -> dict[str, Any]:
            push = frame.get("push", {})
            if push.get("channel") == f"active_orders:{MAKER}":
                push["pub"]["data"][0]["percentageOdds"] = "0"
            return frame

        venue.venue.altered = corrupt
        order = venue.order("buy", venue.tops()[0] - 9)
        items = await heard(feed)
        assert marks(items) == ["Gap", "Resynced"]
        assert in_short(only(items)) == [(order, "accepted", 0)]


@pytest.mark.parametrize("wrong", [{"orderHash": 5}, {"percentageOdds": "0"}])
async def test_a_list_of_orders_that_lacks_one_proves_nothing(clock, wrong):
    async with played(clock) as venue:
        listed = [order_row(1), order_row(2) | wrong]
        venue.venue.http_answers["/orders"] = lambda request: answered({"status": "success", "data": listed})
        feed = venue.market.watch_orders()
        await heard(feed, 3)
        assert feed.continuity.state == "gap"
        with pytest.raises(SXBetAnswerError):
            await venue.market.open_orders()
        venue.venue.http_answers.clear()
        await feed.wait_live(120)


@pytest.mark.parametrize("wrong", [{"stake": 5.5}, {"stake": "-5"}])
async def test_a_list_of_trades_that_lacks_one_proves_nothing(clock, wrong):
    async with played(clock) as venue:
        trade_of(venue)
        venue.step()
        bettor = {"bettor": MAKER, "tradeStatus": "SUCCESS"}
        listed = [row | bettor for bet in venue.face.tape.bets for row in bet.rows()]
        listed[-1] |= wrong
        venue.venue.http_answers["/trades"] = lambda request: answered(
            {"status": "success", "data": {"trades": listed}}
        )
        feed = venue.market.watch_fills()
        await heard(feed, 3)
        assert feed.continuity.state == "gap"
        venue.venue.http_answers.clear()
        await feed.wait_live(120)


async def test_of_what_nobody_has_taken_yet_nobody_is_asked(clock):
    async with played(clock) as venue:
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        await heard(feed, 0.1)
        venue.order("buy", venue.tops()[0] - 9)
        await asyncio.sleep(2 * QUIET_SECONDS)
        assert feed.continuity.is_live
        assert len(only(await heard(feed, 0.1))) == 1


@pytest.mark.parametrize("verb", ["watch_orders", "watch_fills", "watch_trades", "watch_ticker"])
async def test_silence_is_asked_about_over_http_before_it_is_called_stale(clock, verb):
    async with played(clock) as venue:
        named = () if verb in ("watch_orders", "watch_fills") else (f"{venue.hashes[0]}:1",)
        feed = getattr(venue.market, verb)(*named)
        await feed.wait_live(5)
        await heard(feed, 0.1)
        await asyncio.sleep(2 * QUIET_SECONDS + 10)
        assert feed.continuity.is_live, "nothing happened, and the venue said so"
        trade_of(venue, market=1)
        await asyncio.sleep(2 * QUIET_SECONDS + 10)
        assert feed.continuity.is_live, "others' news were heard, and there are no later ones"
        venue.venue.altered = lambda frame: None if "push" in frame and "pub" in frame["push"] else frame
        await heard(feed, 0.1)
        venue.order("buy", venue.tops()[0] + 1)
        trade_of(venue, market=2)
        await asyncio.sleep(2 * QUIET_SECONDS)
        assert feed.continuity.state == "stale"
        assert "silent" in feed.continuity.reason


@pytest.mark.parametrize("verb", ["watch_fills", "watch_trades", "watch_ticker"])
async def test_nobody_is_asked_while_the_channel_of_all_markets_speaks_of_others(clock, verb):
    async with played(clock) as venue:
        named = () if verb == "watch_fills" else (f"{venue.hashes[0]}:1",)
        feed = getattr(venue.market, verb)(*named)
        await feed.wait_live(5)
        await asyncio.sleep(1)  # whether its market has ended meanwhile is looked up once
        asked = len(venue.venue.http_calls)
        for _ in range(12):
            await asyncio.sleep(QUIET_SECONDS / 4)
            venue.order("buy", venue.tops(1)[0] + 1, market=1)
            taken = venue.exchange.place("taker", venue.hashes[1], "sell", venue.tops(1)[0], 1, venue.now_ns)
            venue.publish(taken[1])
        assert feed.continuity.is_live
        tokens = [call for call in venue.venue.http_calls[asked:] if "token" not in call.url.path]
        assert tokens == []


async def test_own_orders_of_the_later_generation_are_told_as_its_channel_has_them(clock):
    async with played(clock, profile="v3") as venue:
        feed = venue.market.watch_orders()
        await feed.wait_live(5)
        order = venue.order("buy", venue.tops()[0] - 9)
        venue.cancel(order)
        assert in_short(only(await heard(feed))) == [(order, "accepted", 0), (order, "canceled", 0)]


async def test_own_fills_are_told_once_and_when_the_chain_has_confirmed_them(clock):
    async with played(clock) as venue:
        offer = venue.tops()[1]
        old = venue.order("sell", offer - 1, 2)
        venue.order("buy", offer - 1, 2, account="taker")
        venue.step()
        await asyncio.sleep(5)
        feed = venue.market.watch_fills()
        await feed.wait_live(5)
        offer = venue.tops()[1]
        order = venue.order("sell", offer - 1, 3)
        venue.order("buy", offer - 1, 3, account="taker")
        assert only(await heard(feed, 0.5)) == [], "it is pending"
        venue.step(30)
        venue.close_market()  # and settled: the same fill again
        (fill,) = [each for each in only(await heard(feed)) if each.venue_order_id != old]
        assert isinstance(fill, Fill)
        assert (fill.venue_order_id, fill.side, fill.liquidity) == (order, "buy", "maker")
        assert (fill.instrument_id, fill.price, fill.size) == (
            f"{venue.hashes[0]}:2", 1 - Decimal(offer - 1) / PAYOUT, 3
        )  # fmt: skip


async def test_fills_of_before_the_feed_are_not_told_and_those_of_a_gap_are(clock):
    async with played(clock) as venue:
        offer = venue.tops()[1]
        venue.order("sell", offer - 1, 2)
        venue.order("buy", offer - 1, 2, account="taker")
        venue.step()
        await asyncio.sleep(5)
        feed = venue.market.watch_fills()
        await feed.wait_live(5)
        assert only(await heard(feed, 0.1)) == []
        venue.network.unreachable(times=2)
        venue.venue.drop()
        order = venue.order("sell", venue.tops()[1] - 1, 2)
        venue.order("buy", venue.tops()[1], 2, account="taker")
        venue.step()
        venue.face.prune_history(None, 0)
        items = await heard(feed, 60)
        assert marks(items) == ["Gap", "Resynced"]
        assert [(each.venue_order_id, each.size, each.is_reconciled) for each in only(items)] == [
            (order, 2, True)
        ]
        venue.venue.drop()
        assert only(await heard(feed, 60)) == []


async def test_one_lost_fill_is_marked_before_the_next_and_looked_up(clock):
    """The claim: recoverable, so numbered."""
    async with played(clock) as venue:
        feed = venue.market.watch_fills()

        def happen() -> None:
            trade_of(venue)
            venue.step()

        items = await of_one_channel(venue, feed, "recent_trades:global", happen)
        assert isinstance(items[0], tapewire.Gap)
        assert (items[0].reason, items[0].missed) == ("sequence", 1)
        assert len(only(items)) == 2
        assert feed.continuity.is_live


def something_own(venue: Any, chance: random.Random, placed: list[str]) -> None:
    """The maker places, cancels, or is taken."""
    bid, offer = venue.tops()
    act = chance.random()
    if act < 0.4:
        far = chance.randint(1, 9)
        side, price = chance.choice((("buy", bid - far), ("sell", offer + far)))
        placed.append(venue.order(side, price, chance.randint(1, 5)))
    elif act < 0.6 and placed:
        venue.cancel(chance.choice(placed))
    elif offer - bid > 1:
        placed.append(venue.order("sell", offer - 1, 3))
        venue.order("buy", offer - 1, chance.randint(1, 4), account="taker")


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_own_orders_and_fills_add_up_to_what_happened_whatever_happens_on_the_wire(clock, seed):
    """Behind all faults each order was told to its end, each fill once, and no state of an order twice in a row."""
    chance, placed = random.Random(seed), list[str]()
    orders, fills, gaps = list[Any](), list[Any](), 0
    async with played(clock) as venue:
        own_orders, own_fills = venue.market.watch_orders(), venue.market.watch_fills()
        for feed in (own_orders, own_fills):
            await feed.wait_live(10)
        for _ in range(200):
            act = chance.random()
            if act < 0.5:
                something_own(venue, chance, placed)
            elif act < 0.75:
                venue.step(chance.randint(1, 3))
            elif act < 0.82:
                something_else(venue, chance, "v2")
            else:
                await asyncio.sleep(chance.uniform(0.001, 15))
            items = await heard(own_orders, 0.01)
            gaps += "Gap" in marks(items)
            orders += only(items)
            fills += only(await heard(own_fills, 0.01))
        venue.venue.http_answers.clear()
        for feed in (own_orders, own_fills):
            await feed.wait_live(600)
        venue.step(3)  # what is pending is confirmed
        orders += only(await heard(own_orders, 60))
        fills += only(await heard(own_fills, 60))
        truth = {order_id: venue.stands(order_id) for order_id in placed}
    last: dict[str, Any] = {}
    for order in orders:
        state = order.status, order.filled_size
        assert last.get(order.venue_order_id) != state
        last[order.venue_order_id] = state
    unseen = truth.keys() - last.keys()  # they came and went within a gap, which said so
    assert last == {each: stands for each, stands in truth.items() if each not in unseen}
    assert not unseen or gaps
    assert {truth[each][0] for each in unseen} <= {"filled", "canceled"}
    assert len({fill.fill_id for fill in fills}) == len(fills) > 5
    assert sum(fill.size for fill in fills) == sum(filled for _, filled in truth.values())
