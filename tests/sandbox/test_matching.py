from hypothesis import given
from hypothesis import strategies as st

from tapewire.sandbox.core.matching import Order, RestingOrders, unit_cost


def order(number, side, price, quantity=10, account="a", display=None):
    return Order(
        order_id=f"o{number}",
        account=account,
        market_id="m",
        side=side,
        price=price,
        quantity=quantity,
        placed_at_ns=number,
        display=display,
    )


def test_the_best_price_is_met_first_and_at_one_price_the_older_order():
    book = RestingOrders(100)
    resting = [order(1, "sell", 61), order(2, "sell", 60), order(3, "sell", 60), order(4, "sell", 65)]
    for each in resting:
        book.rest(each)
    met = [each.order_id for each in book.facing(order(9, "buy", 62))]
    assert met == ["o2", "o3", "o1"]


def test_a_trade_is_made_at_the_resting_orders_price():
    book = RestingOrders(100)
    maker, taker = order(1, "buy", 70, 5), order(2, "sell", 60, 8)
    book.rest(maker)
    execution = book.execute(maker, taker)
    assert (execution.price, execution.quantity) == (70, 5)
    assert (maker.spent, taker.spent) == (350, 150)
    assert (maker.remaining, taker.remaining) == (0, 3)
    assert book.best_bid is None


def test_levels_are_sorted_best_first_and_hold_what_remains():
    book = RestingOrders(100)
    for number, (side, price) in enumerate(
        [("buy", 40), ("buy", 42), ("buy", 42), ("sell", 45), ("sell", 44)]
    ):
        book.rest(order(number, side, price))
    assert book.levels("buy") == [(42, 20), (40, 10)]
    assert book.levels("sell", depth=1) == [(44, 10)]


def test_of_an_order_that_hides_a_part_only_what_it_shows_stands_in_the_book():
    book = RestingOrders(100)
    book.rest(order(1, "sell", 60, 25, display=10))
    assert book.levels("sell") == [(60, 10)]


def test_an_order_that_hides_a_part_queues_anew_with_each_next_part():
    book = RestingOrders(100)
    hiding, behind = order(1, "sell", 60, 25, display=10), order(2, "sell", 60, 10)
    book.rest(hiding)
    book.rest(behind)
    met = []
    taker = order(9, "buy", 60, 100)
    while (maker := book.next_maker(taker)) is not None:
        met.append((maker.order_id, book.execute(maker, taker).quantity, book.quantity_at("sell", 60)))
    assert met == [("o1", 10, 20), ("o2", 10, 10), ("o1", 10, 5), ("o1", 5, 0)]
    assert (hiding.remaining, taker.filled) == (0, 35)


def test_withdrawing_what_does_not_rest_does_nothing():
    book = RestingOrders(100)
    book.withdraw(order(1, "buy", 40))
    assert book.resting() == []


@given(st.integers(1, 99))
def test_both_sides_of_a_contract_pay_its_payout_together(price):
    """unit_cost(buy) + unit_cost(sell) == payout."""
    assert unit_cost("buy", price, 100) + unit_cost("sell", price, 100) == 100
