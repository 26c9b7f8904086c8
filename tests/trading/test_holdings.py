"""Positions and profit, exact, and between bounds where fills are in doubt."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tapewire.trading.holdings import Doubt, Holding, Profit


def held(*fills):
    holding = Holding()
    for side, price, size, fee in fills:
        holding.apply(side, Decimal(price), Decimal(size), Decimal(fee))
    return holding


def test_what_closes_leaves_at_the_average_price():
    holding = held(("buy", 40, 10, 0), ("buy", 46, 20, 0), ("sell", 50, 15, 0))
    assert (holding.size, holding.average_price, holding.realized) == (15, 44, 90)


def test_an_order_that_turns_the_position_opens_the_rest_at_its_own_price():
    holding = held(("buy", 40, 10, 0), ("sell", 50, 25, 0))
    assert (holding.size, holding.average_price, holding.realized) == (-15, 50, 100)


def test_profit_is_what_was_realized_and_what_is_open_less_fees():
    holding = held(("sell", 60, 10, 1), ("buy", 50, 4, 1))
    assert holding.profit(Decimal(55)) == Profit(proven=Decimal(68), worst=Decimal(68), best=Decimal(68))
    assert holding.profit(None).proven == 38


def test_an_outcome_settles_at_its_payout_or_at_nothing_and_a_void_gives_all_back():
    for value, profit in ((100, 598), (0, -402), (None, 0)):
        holding = held(("buy", 40, 10, 2))
        holding.settle(None if value is None else Decimal(value))
        assert (holding.size, holding.profit(None).proven) == (0, profit)


def test_each_fill_in_doubt_widens_the_interval_to_its_own_side():
    holding = held(("buy", 40, 10, 0))
    doubts = [
        Doubt("buy", Decimal(40), Decimal(5), Decimal(1)),
        Doubt("sell", Decimal(50), Decimal(2), Decimal(0)),
    ]
    profit = holding.profit(Decimal(60), doubts)
    assert (profit.worst, profit.proven, profit.best) == (180, 200, 299)
    assert profit.unproven_share == Decimal("0.3730")
    assert holding.profit(Decimal(60)).unproven_share == 0


def test_profits_of_one_currency_are_added_bound_by_bound():
    one = Profit(proven=Decimal(1), worst=Decimal(-1), best=Decimal(5))
    assert one + one == Profit(proven=Decimal(2), worst=Decimal(-2), best=Decimal(10))


numbers = st.decimals("0.01", "99.99", places=2)
fills = st.lists(
    st.tuples(st.sampled_from(("buy", "sell")), numbers, numbers, st.just(Decimal("0.01"))), max_size=20
)


@given(fills, numbers)
def test_money_and_inventory_are_conserved(made, mark):
    """Cash paid and received, and what is held at the mark, are the profit: exactly."""
    holding, cash = held(*made), Fraction(0)
    for side, price, size, fee in made:
        cash += Fraction(price) * Fraction(size) * (-1 if side == "buy" else 1) - Fraction(fee)
    assert holding.size == sum(size if side == "buy" else -size for side, _, size, _ in made)
    expected = cash + Fraction(holding.size) * Fraction(mark)
    assert abs(Fraction(holding.profit(mark).proven) - expected) <= Fraction(1, 10**20)
