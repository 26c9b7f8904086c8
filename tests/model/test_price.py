"""One axis, and exact conversions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.model import (
    ODDS_SCALE,
    InvalidField,
    american_odds,
    contracts_for,
    decimal_odds,
    liability,
    on_axis,
    opposite,
    parse_scaled_odds,
    probability_from_american,
    probability_from_decimal,
    probability_from_scaled,
    probability_from_stakes,
    scaled_from_probability,
)

scaled = st.integers(1, ODDS_SCALE - 1)
probabilities = scaled.map(probability_from_scaled)


def test_a_bid_is_money_willing_to_back_the_outcome() -> None:
    # A maker backs the outcome at 0.55; another backs the other outcome at 0.42.
    backing = on_axis(Decimal("0.55"), backs=True)
    against = on_axis(Decimal("0.42"), backs=False)
    assert backing == ("bid", Decimal("0.55"))
    assert against == ("offer", Decimal("0.58"))
    # Taking the offer costs more than the bid pays.
    assert backing[1] < against[1]
    # The best bid is the highest price, and the highest price has the shortest odds.
    assert decimal_odds(Decimal("0.55")) < decimal_odds(Decimal("0.50"))


def test_known_odds_of_three_notations_agree() -> None:
    for probability, odds, american in [
        (Fraction(1, 2), Fraction(2), -100),
        (Fraction(3, 4), Fraction(4, 3), -300),
        (Fraction(1, 4), Fraction(4), 300),
        (Fraction(2, 5), Fraction(5, 2), 150),
    ]:
        assert decimal_odds(probability) == odds
        assert american_odds(probability) == american
        assert probability_from_decimal(odds) == probability
        assert probability_from_american(american) == probability
    assert probability_from_american(100) == Fraction(1, 2)


@given(probabilities)
def test_odds_round_trip(probability: Decimal) -> None:
    """A probability written as decimal, American or scaled odds and read back is the same probability, exactly."""
    assert probability_from_decimal(decimal_odds(probability)) == Fraction(probability)
    assert probability_from_american(american_odds(probability)) == Fraction(probability)
    assert probability_from_scaled(scaled_from_probability(probability)) == probability


@given(scaled)
def test_scaled_odds_round_trip(odds: int) -> None:
    """Scaled odds read as a probability and written back are the same digits, and so is their opposite's opposite."""
    assert scaled_from_probability(probability_from_scaled(odds)) == odds
    assert opposite(opposite(probability_from_scaled(odds))) == probability_from_scaled(odds)
    assert probability_from_scaled(odds) + opposite(probability_from_scaled(odds)) == 1
    assert parse_scaled_odds(str(odds)) == odds


@given(probabilities, st.integers(1, 10**12))
def test_the_two_stakes_make_the_payout(probability: Decimal, stake: int) -> None:
    """What backs an outcome and what stands against it add up to the payout, each at its own price."""
    payout = contracts_for(stake, probability)
    assert payout * Fraction(probability) == stake
    assert contracts_for(payout - stake, opposite(probability)) == payout
    assert liability(stake, probability) == payout - stake
    assert liability(liability(stake, probability), opposite(probability)) == stake


@given(scaled)
def test_a_probability_has_no_more_digits_than_it_takes(odds: int) -> None:
    """It is written without an exponent that is above zero, and without a zero behind."""
    written = str(probability_from_scaled(odds))
    assert not written.endswith("0") or "E-" in written
    assert "E+" not in written


@given(scaled, st.integers(1, 10**12))
def test_every_notation_says_the_same_price(odds: int, stake: int) -> None:
    """Scaled, probability, decimal, American, stake and liability, and scaled again: the same digits."""
    probability = probability_from_scaled(odds)
    american = american_odds(probability_from_decimal(decimal_odds(probability)))
    backed = probability_from_american(american)
    assert probability_from_stakes(stake, liability(stake, backed)) == Fraction(probability)
    assert scaled_from_probability(probability_from_stakes(stake, liability(stake, backed))) == odds


@pytest.mark.parametrize(
    "odds",
    [
        0,
        -1,
        10**20,
        "0",
        "-5",
        "+5",
        "5.0",
        "",
        "1e3",
        "\u0663",
        "750000000000000000000",
        0.5,
        True,
        None,
        Decimal(5),
    ],
)
def test_scaled_odds_out_of_range_or_of_another_kind_are_refused(odds: object) -> None:
    with pytest.raises(InvalidField, match="odds="):
        parse_scaled_odds(odds)


def test_what_cannot_be_converted_is_refused_by_name() -> None:
    with pytest.raises(InvalidField, match="probability="):
        decimal_odds(Decimal(1))
    with pytest.raises(InvalidField, match="probability="):
        american_odds(Fraction(0))
    with pytest.raises(InvalidField, match="odds="):
        probability_from_decimal(1)
    with pytest.raises(InvalidField, match="odds="):
        probability_from_american(99)
    with pytest.raises(InvalidField, match="at most 20 decimals"):
        scaled_from_probability(Fraction(1, 3))
    with pytest.raises(InvalidField, match="a float was rounded"):
        decimal_odds(0.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidField, match=r"amount=.*a float was rounded"):
        liability(0.5, Decimal("0.5"))  # type: ignore[arg-type]
    with pytest.raises(InvalidField, match="backed="):
        probability_from_stakes(0, 5)
    with pytest.raises(InvalidField, match="against="):
        probability_from_stakes(5, -1)
