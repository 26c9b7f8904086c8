"""A venue on paper: the verbs of all venues, the market as it is, the account simulated."""

import asyncio
from decimal import Decimal

import pytest

import tapewire
from tapewire.errors import ConfigurationError, NotSupported, SessionClosed
from tapewire.market import VERBS
from tapewire.marks import ContinuityState
from tapewire.model import Fees
from tapewire.sandbox.core.flow import HOUSE
from tapewire.trading import PaperConfig
from tests.market.played import OWN, shown
from tests.venues.paper.on_paper import AT_ONCE, MONEY, NAMES, Account, best_of, instrument_of, on_paper

ORDERS = {"place_order", "cancel_order", "cancel_all", "open_orders"}
MOMENT = 1.0
LOST_SECONDS = 60.0

each_venue = pytest.mark.parametrize("name", NAMES)


# What passes through, and what does not


@each_venue
async def test_what_is_public_is_the_venues_own_and_what_is_ours_is_simulated(clock, name):
    async with on_paper(clock, name) as at:
        paper = at.market
        assert paper.name == at.venue_name
        assert {verb for verb in VERBS if paper.capabilities[verb].simulated} == OWN | ORDERS
        assert not any(paper.capabilities[verb].private for verb in OWN | ORDERS)
        assert paper.capabilities["watch_order_book"] == paper.inner.capabilities["watch_order_book"]
        assert [market.market_id async for market in paper.markets()]
        assert [one.instrument_id async for one in paper.instruments()][: len(at.instruments)]
        feed = paper.watch_order_book(at.instruments[0])
        await feed.wait_live(30)
        at.take()
        await asyncio.sleep(MOMENT)
        assert shown(await view_of(feed)) == at.truth(at.instruments[0])


async def view_of(feed):
    async for item in feed:
        if hasattr(item, "bids"):
            return item
    raise AssertionError("the feed ended")


@each_venue
async def test_an_order_that_crosses_is_filled_at_once_and_everything_that_is_ours_tells_it(clock, name):
    async with on_paper(clock, name) as at:
        account = Account(at.market)
        _, offer, size = await best_of(at)
        order = await at.market.place_order(at.instruments[0], "buy", size, offer)
        assert (order.status, order.filled_size, order.average_price) == ("filled", size, offer)
        await asyncio.sleep(MOMENT)
        assert [(fill.price, fill.size, fill.liquidity) for fill in account.fills] == [(offer, size, "taker")]
        assert account.states_of(order) == ["filled"]
        assert [position.size for position in account.of("watch_positions")] == [size]
        currency = (await instrument_of(at)).currency
        totals = [each.total for each in account.of("watch_balance") if each.currency == currency]
        assert totals == [MONEY[currency], MONEY[currency] - account.fills[0].fee]
        await account.close()


@each_venue
async def test_an_order_that_rests_waits_in_its_queue_and_is_met_by_what_trades_beyond_it(clock, name):
    async with on_paper(clock, name) as at:
        account = Account(at.market)
        bid, _, size = await best_of(at)
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        assert order.status == "accepted"
        assert [each.client_order_id for each in await at.market.open_orders()] == [order.client_order_id]
        at.take()  # all that stood before it
        await asyncio.sleep(MOMENT)
        assert account.fills == []
        at.take()  # the next bid, which stands beyond
        await asyncio.sleep(MOMENT)
        assert [(fill.price, fill.liquidity) for fill in account.fills][:1] == [(bid, "maker")]
        await account.close()


@each_venue
async def test_what_is_cancelled_ends_and_whoever_comes_later_begins_with_what_is_open(clock, name):
    async with on_paper(clock, name) as at:
        bid, _, size = await best_of(at)
        orders = [await at.market.place_order(at.instruments[0], "buy", size, bid) for _ in range(3)]
        assert (await at.market.cancel_order(orders[0])).status == "canceled"
        account = Account(at.market)
        await asyncio.sleep(MOMENT)
        assert [each.client_order_id for each in account.of("watch_orders")] == [
            each.client_order_id for each in orders[1:]
        ]
        assert {each.status for each in await at.market.cancel_all()} == {"canceled"}
        assert await at.market.open_orders() == []
        again = await at.market.cancel_order(orders[0])
        assert again.status == "canceled"
        await account.close()


async def test_fees_are_those_of_the_venue_unless_others_are_stated(clock):
    for config, rate in (
        (AT_ONCE, "0.0008"),
        (PaperConfig(balance=MONEY, fees=Fees(taker=Decimal("0.01"))), "0.01"),
    ):
        async with on_paper(clock, "weex", config) as at:
            account = Account(at.market)
            _, offer, size = await best_of(at)
            await at.market.place_order(at.instruments[0], "buy", size, offer)
            await asyncio.sleep(MOMENT)
            assert account.fills[0].fee == offer * size * Decimal(rate)
            await account.close()


async def test_handlers_are_called_as_those_of_any_venue_are(clock):
    async with on_paper(clock, "weex") as at:
        told = []
        at.market.watch_orders(handler=lambda order: told.append(order.status))
        bid, _, size = await best_of(at)
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        await at.market.cancel_order(order)
        await asyncio.sleep(MOMENT)
        assert told == ["accepted", "canceled"]


async def test_what_is_asked_for_takes_its_time_there_and_back(clock):
    config = PaperConfig(balance=MONEY, latency_in=(0.2, 0.2), latency_out=(0.3, 0.3))
    async with on_paper(clock, "weex", config) as at:
        bid, _, size = await best_of(at)
        await at.market.place_order(at.instruments[0], "buy", size, bid)
        began = clock.monotonic()
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        assert clock.monotonic() - began == pytest.approx(0.5, abs=0.001)
        assert order.received_at_ns - order.venue_time_ns == pytest.approx(0.3e9, abs=1e6)


# Where it is not whole


@each_venue
async def test_through_a_gap_nothing_fills_and_what_rested_is_in_doubt(clock, name):
    async with on_paper(clock, name) as at:
        account = Account(at.market)
        bid, _, size = await best_of(at)
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        at.kill()
        await asyncio.sleep(0.1)
        states = {verb: feed.continuity.state for verb, feed in account.feeds.items()}
        assert set(states.values()) == {ContinuityState.STALE}
        assert at.instruments[0] in account.feeds["watch_orders"].continuity.reason
        late = await at.market.place_order(at.instruments[0], "buy", size, bid)
        assert (late.status, late.reason) == ("rejected", "the book is not proven")
        await asyncio.sleep(LOST_SECONDS)
        assert account.fills == []
        assert account.feeds["watch_orders"].continuity.is_live
        assert account.states_of(order) == ["accepted", "unknown"]
        at.take()
        at.take()
        await asyncio.sleep(MOMENT)
        currency = (await instrument_of(at)).currency
        profit = at.market.profit()[currency]
        assert profit.worst <= profit.proven <= profit.best
        assert account.fills or profit.worst < profit.best
        await account.close()


@each_venue
async def test_what_the_market_stands_beyond_after_a_gap_was_filled_in_it(clock, name):
    async with on_paper(clock, name) as at:
        account = Account(at.market)
        bid, _, size = await best_of(at)
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        at.publications.mute(True)
        at.kill()
        for _ in range(3):  # the market falls meanwhile
            at.take()
        at._place(HOUSE[0], "sell", at._first.book.best_bid + 1, 100 * at.lots)
        at.publications.mute(False)
        await asyncio.sleep(LOST_SECONDS)
        assert account.states_of(order)[-1] == "filled"
        assert account.fills[0].is_reconciled
        await account.close()


async def test_the_first_order_waits_for_its_market_and_is_rejected_where_that_does_not_come(clock):
    async with on_paper(clock, "weex") as at:
        bid, _, size = await best_of(at)
        at.withhold_snapshots()
        await at.market.instrument(at.instruments[0])
        began = clock.monotonic()
        order = await at.market.place_order(at.instruments[0], "buy", size, bid)
        assert order.status == "rejected"
        assert clock.monotonic() - began == pytest.approx(10.0, abs=0.1)


# Wrong arguments


def test_a_wrong_argument_is_refused_by_name():
    for given, name in (
        (("weex", {"USDT": 1}), "config"),
        (("wex", AT_ONCE), "venue"),
        ((object(), AT_ONCE), "venue"),
        ((tapewire.paper("weex", AT_ONCE), AT_ONCE), "venue"),
    ):
        with pytest.raises(ConfigurationError, match=name):
            tapewire.paper(*given)
    with pytest.raises(ConfigurationError, match="seed"):
        tapewire.paper("weex", AT_ONCE, seed=1.5)
    with pytest.raises(NotSupported, match="stake"):
        tapewire.paper(tapewire.connect("stake", access_token="tok"), AT_ONCE)


async def test_an_order_of_another_venue_and_one_that_was_never_placed_are_refused(clock):
    async with on_paper(clock, "weex") as at, on_paper(clock, "stx") as other:
        bid, _, size = await best_of(other)
        order = await other.market.place_order(other.instruments[0], "buy", size, bid)
        with pytest.raises(ConfigurationError, match="order"):
            await at.market.cancel_order(order)
        async with on_paper(clock, "stx") as third:
            with pytest.raises(ConfigurationError, match="placed here"):
                await third.market.cancel_order(order)


async def test_what_waits_for_an_answer_is_told_that_the_venue_is_closed(clock):
    config = PaperConfig(balance=MONEY, latency_in=(5.0, 5.0))
    async with on_paper(clock, "weex", config) as at:
        bid, _, size = await best_of(at)
        placing = asyncio.ensure_future(at.market.place_order(at.instruments[0], "buy", size, bid))
        await asyncio.sleep(2.0)
    with pytest.raises(SessionClosed):
        await placing


# The end of a market


async def test_a_market_that_ends_pays_what_was_held_and_what_rests_expires(clock):
    for outcome, paid in ((0, 1), (1, 0), (None, None)):
        async with on_paper(clock, "stx") as at:
            account = Account(at.market)
            bid, offer, size = await best_of(at)
            await at.market.place_order(at.instruments[0], "buy", size, offer)
            resting = await at.market.place_order(at.instruments[0], "buy", size, bid)
            at.venue.publish(at.exchange.close_market(at.instruments[0], at.now_ns(), outcome=outcome))
            await asyncio.sleep(MOMENT)
            currency = (await at.market.instrument(resting.instrument_id)).currency
            earned = size * (paid - offer) if paid is not None else 0
            assert at.market.profit()[currency].proven == earned
            assert account.of("watch_balance")[-1].total == MONEY[currency] + earned
            assert account.states_of(resting)[-1] == "expired"
            assert account.feeds["watch_orders"].continuity.is_live
            await account.close()
