import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.sandbox.core.activity import UserActivity
from tapewire.sandbox.core.events import (
    BookChanged,
    Filled,
    MarketClosed,
    MarketCreated,
    OrderChanged,
    Settled,
    Traded,
)
from tapewire.sandbox.core.exchange import Exchange
from tapewire.sandbox.core.flow import MAKERS, Flow, FlowSettings


def new_facts(number, chance):
    return {"title": f"market {number}", "draw": str(chance.randint(0, 9))}


def opened(seed=1, **settings):
    exchange = Exchange(seed)
    flow = Flow(exchange, new_facts, seed, FlowSettings(**settings))
    return exchange, flow, flow.open(0)


def test_every_market_is_quoted_on_both_sides_from_the_start():
    exchange, _, events = opened()
    assert sum(isinstance(event, MarketCreated) for event in events) == 6
    for market in exchange.markets.values():
        assert market.book.best_bid < market.book.best_offer


def test_every_step_changes_some_book():
    _, flow, _ = opened()
    for number in range(1000):
        assert any(isinstance(event, BookChanged | MarketClosed) for event in flow.step(number))


@given(st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_trading(seed):
    """Two flows of one seed make the same events."""
    runs = []
    for _ in range(2):
        _, flow, events = opened(seed, churn_every=50)
        runs.append([events, *(flow.step(number) for number in range(120))])
    assert runs[0] == runs[1]


def test_another_seed_gives_other_trading():
    runs = [[flow.step(number) for number in range(20)] for flow in (opened(1)[1], opened(2)[1])]
    assert runs[0] != runs[1]


def test_there_are_trades_and_the_books_stay_uncrossed_and_paid_for():
    exchange, flow, _ = opened(3)
    events = [event for number in range(2000) for event in flow.step(number)]
    assert sum(isinstance(event, Traded) for event in events) > 200
    for market in exchange.markets.values():
        assert market.book.best_bid < market.book.best_offer
    assert exchange.worth() == exchange.deposits


def test_markets_end_and_others_begin():
    exchange, flow, _ = opened(churn_every=10)
    events = [event for number in range(100) for event in flow.step(number)]
    assert sum(isinstance(event, MarketClosed) for event in events) == 10
    assert len(exchange.markets) == 6


def test_no_market_ends_in_which_somebody_besides_the_house_has_an_order_or_a_position():
    exchange, flow, _ = opened(churn_every=10)
    exchange.open_account("you")
    ordered, held = list(exchange.markets)[:2]
    exchange.place("you", ordered, "buy", 1, 1, 0)
    exchange.place("you", held, "buy", None, 1, 0)
    for number in range(200):
        flow.step(number)
    assert {ordered, held} <= exchange.markets.keys()
    assert exchange.accounts["you"].positions[held].net == 1
    [order] = exchange.accounts["you"].open_orders
    exchange.cancel("you", order, 0)
    for number in range(20):
        flow.step(number)
    assert ordered not in exchange.markets
    assert held in exchange.markets


def test_with_a_life_of_its_own_a_market_ends_in_its_time_whoever_holds_it():
    exchange, flow, _ = opened(churn_every=10, market_life=60.0)
    exchange.open_account("you")
    first, second = list(exchange.markets)[:2]
    exchange.place("you", first, "buy", None, 1, 0)
    for _ in range(50):
        flow.step(int(9.9e9))
    assert first in exchange.markets
    flow.step(int(10e9))  # six markets: one ends each ten seconds
    flow.step(int(10.1e9))
    assert first not in exchange.markets
    assert second in exchange.markets
    assert exchange.worth() == exchange.deposits


def test_queues_are_real_several_makers_stand_at_a_level_and_some_hide_a_part():
    exchange, flow, _ = opened(7)
    longest, hidden, makers = 0, 0, set()
    for number in range(600):
        flow.step(number)
        for market in exchange.markets.values():
            for order in market.book.resting():
                hidden += order.hidden > 0
                makers.add(order.account)
                at_level = [
                    each
                    for each in market.book.resting()
                    if (each.side, each.price) == (order.side, order.price)
                ]
                longest = max(longest, len(at_level))
    assert makers == set(MAKERS)
    assert longest >= 4
    assert hidden


def test_orders_are_cut_down_in_the_middle_of_a_queue_and_nothing_is_traded_by_it():
    exchange, flow, _ = opened(7, take_share=0.0, queue_share=1.0, churn_every=0)
    before = {
        order.order_id: order.quantity
        for market in exchange.markets.values()
        for order in market.book.resting()
    }
    cut = 0
    for number in range(300):
        flow.step(number)
        standing = {
            order.order_id: order.quantity
            for market in exchange.markets.values()
            for order in market.book.resting()
        }
        cut += sum(before[each] > quantity for each, quantity in standing.items() if each in before)
        before = standing
    assert cut > 20
    assert exchange.trades == 0


def test_a_venue_that_shows_each_order_has_no_hidden_parts_and_none_is_cut_down():
    exchange, flow, _ = opened(7, is_cut=False)
    for number in range(600):
        flow.step(number)
        for market in exchange.markets.values():
            assert not any(order.hidden for order in market.book.resting())


def test_a_single_maker_makes_queues_of_one_order():
    exchange, flow, _ = opened(7, makers=1, queue_share=0.0)
    for number in range(300):
        flow.step(number)
    for market in exchange.markets.values():
        resting = market.book.resting()
        assert len({(order.side, order.price) for order in resting}) == len(resting)
    with pytest.raises(ConfigurationError, match="1 to 3"):
        opened(makers=4)


def test_what_is_said_of_a_level_at_one_blow_is_what_it_has_become():
    """The last word on each level builds the exchange's own book, whatever was left out before."""
    exchange, flow, events = opened(5, churn_every=0)
    built = {}
    for number in range(400):
        for event in events:
            if isinstance(event, BookChanged):
                built[event.market_id, event.side, event.price] = event.quantity
        events = flow.step(number)
        told = [(each.side, each.price) for each in events if isinstance(each, BookChanged)]
        assert len(told) == len(set(told)) or any(isinstance(each, Traded) for each in events)
    for event in events:
        if isinstance(event, BookChanged):
            built[event.market_id, event.side, event.price] = event.quantity
    for market in exchange.markets.values():
        for side in ("buy", "sell"):
            levels = {p: q for (m, s, p), q in built.items() if (m, s) == (market.market_id, side) and q}
            assert levels == dict(market.book.levels(side))


def test_wide_ticks_and_gaps_trade_as_well():
    exchange, flow, _ = opened(payout=1_000_000, gap=50, spread=25, drift=200)
    for number in range(500):
        flow.step(number)
    assert exchange.trades > 50


def test_an_account_that_only_listens_sees_orders_fills_and_settlements():
    exchange, flow, _ = opened()
    activity = UserActivity(exchange, flow)
    events = [event for number in range(45) for event in activity.step("ann", number)]
    statuses = {event.order.status for event in events if isinstance(event, OrderChanged)}
    assert {"open", "filled", "cancelled"} <= statuses
    assert any(isinstance(event, Filled) for event in events)
    assert any(isinstance(event, Settled) for event in events)
    assert exchange.worth() == exchange.deposits


def test_the_houses_activity_leaves_the_users_own_orders_alone():
    exchange, flow, _ = opened()
    exchange.open_account("ann")
    market_id = next(iter(exchange.markets))
    order, _ = exchange.place("ann", market_id, "buy", 1, 1, 0)
    activity = UserActivity(exchange, flow)
    for number in range(12):
        activity.step("ann", number)
    assert order.order_id in exchange.accounts["ann"].open_orders
