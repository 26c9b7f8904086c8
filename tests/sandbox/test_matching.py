from hypothesis import given
from hypothesis import strategies as st

from tapewire.sandbox.core.matching import Order, RestingOrders, unit_cost


def order(number, side, price, quantity=10, account="a"):
    return Order(
        order_id=f"o{number}",
        account=account,
        market_id="m",
        side=side,
        price=price,
        quantity=quantity,
        placed_at_ns=number,
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


def test_withdrawing_what_does_not_rest_does_nothing():
    book = RestingOrders(100)
    book.withdraw(order(1, "buy", 40))
    assert book.resting() == []


@given(st.integers(1, 99))
def test_both_sides_of_a_contract_pay_its_payout_together(price):
    """unit_cost(buy) + unit_cost(sell) == payout."""
    assert unit_cost("buy", price, 100) + unit_cost("sell", price, 100) == 100
