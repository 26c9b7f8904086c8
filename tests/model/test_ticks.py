"""Rounding goes the way that was asked for, and nowhere else."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.model import InvalidField, is_on_tick, round_to_tick, rounded

prices = st.decimals(min_value="0.00000001", max_value="99999999", places=8)
ticks = st.sampled_from(["0.01", "0.05", "0.125", "1", "2.5", "0.00000001", "1e2"]).map(Decimal)


@given(prices, ticks)
def test_rounding_to_a_tick_brackets_the_price(price: Decimal, tick: Decimal) -> None:
    """Down and up are whole ticks around the price, less than a tick apart from it; nearest is one of the two."""
    down, up = round_to_tick(price, tick, "down"), round_to_tick(price, tick, "up")
    assert is_on_tick(down, tick)
    assert is_on_tick(up, tick)
    assert down <= price <= up
    assert up - down == (0 if is_on_tick(price, tick) else tick)
    nearest = round_to_tick(price, tick)
    assert nearest in (down, up)
    assert abs(nearest - price) * 2 <= tick


@given(st.fractions(min_value=-1000, max_value=1000), st.integers(0, 20))
def test_rounded_stays_within_one_unit(value: Fraction, places: int) -> None:
    """A rounded number has the decimals asked for and lies on the side asked for, less than one unit away."""
    unit = Fraction(1, 10**places)
    assert 0 <= value - Fraction(rounded(value, places, "down")) < unit
    assert 0 <= Fraction(rounded(value, places, "up")) - value < unit
    assert abs(Fraction(rounded(value, places)) - value) <= unit / 2
    assert rounded(value, places).as_tuple().exponent == -places


def test_what_cannot_be_rounded_is_refused_by_name() -> None:
    with pytest.raises(InvalidField, match="tick="):
        round_to_tick(Decimal(1), Decimal(0))
    with pytest.raises(ConfigurationError, match="rounding="):
        round_to_tick(Decimal(1), Decimal(1), "sideways")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="places="):
        rounded(1, 21)
