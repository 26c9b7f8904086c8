"""Prices, odds and probabilities, exact; and the one axis on which betting prices are read.

The axis: the price of an outcome is its implied probability, what one unit of payout costs. **A bid is money willing to
back the outcome**; an offer is money willing to back it *not* happening, at one minus its own price. So buying is
backing, selling is laying, the best bid is the highest price and has the shortest odds, and a sane book has its best
bid below its best offer. Decimal and American odds are ways to write the same price, never another axis.

Conversions return `Fraction`, because 1/3 has no decimal: they round trip exactly. `ticks.py` rounds.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from .fields import EXACT, MAX_DECIMALS, Exact, InvalidField, as_fraction

__all__ = [
    "ODDS_SCALE",
    "OrderSide",
    "QuoteSide",
    "american_odds",
    "contracts_for",
    "decimal_odds",
    "liability",
    "on_axis",
    "opposite",
    "parse_scaled_odds",
    "probability_from_american",
    "probability_from_decimal",
    "probability_from_scaled",
    "probability_from_stakes",
    "scaled_from_probability",
]

OrderSide: TypeAlias = Literal["buy", "sell"]
"""What an order does; on an outcome, buying is backing it."""

QuoteSide: TypeAlias = Literal["bid", "offer"]
"""Where resting money stands."""

ODDS_SCALE: Final = 10**MAX_DECIMALS
"""Implied probability as an integer, where a wire has it so: 1 is 10^20. Above 2^64, so never a float."""


def parse_scaled_odds(value: object, field: str = "odds") -> int:
    """An implied probability times 10^20 from the wire (digits or int), strictly between 0 and 10^20."""
    if isinstance(value, str) and len(value) <= MAX_DECIMALS and value.isascii() and value.isdigit():
        odds = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        odds = value
    else:
        raise InvalidField(field, value, f"an integer of at most {MAX_DECIMALS} digits, as digits or int")
    if not 0 < odds < ODDS_SCALE:
        raise InvalidField(field, value, f"above 0 and below 10^{MAX_DECIMALS}")
    return odds


def probability_from_scaled(odds: int) -> Decimal:
    """The probability that `odds` (times 10^20) says, with no more digits than it takes."""
    return EXACT.normalize(EXACT.scaleb(Decimal(parse_scaled_odds(odds)), -MAX_DECIMALS))


def scaled_from_probability(probability: Exact) -> int:
    """`probability` times 10^20. Raises `InvalidField` where that is no whole number."""
    scaled = _probability(probability) * ODDS_SCALE
    if scaled.denominator != 1:
        raise InvalidField("probability", probability, f"at most {MAX_DECIMALS} decimals")
    return scaled.numerator


def opposite(probability: Decimal) -> Decimal:
    """The price of the outcome not happening: what backs one side lays the other."""
    _probability(probability)
    return EXACT.subtract(Decimal(1), probability)


def on_axis(probability: Decimal, *, backs: bool) -> tuple[QuoteSide, Decimal]:
    """Where resting money stands in the book of an outcome.

    Money that `backs` the outcome at `probability` is a bid at it. Money that backs the other outcome at
    `probability` is an offer of this one at one minus it.
    """
    if backs:
        _probability(probability)
        return "bid", probability
    return "offer", opposite(probability)


def contracts_for(stake: Exact, probability: Exact) -> Fraction:
    """Units of payout that `stake` buys at `probability`; less the stake, it is the money on the other side."""
    return as_fraction(stake, "amount") / _probability(probability)


def liability(stake: Exact, probability: Exact) -> Fraction:
    """What stands against `stake` at `probability`: what the backer wins, and what whoever lays may lose.

    It is the stake of the other side at the `opposite` price, whose liability is the first stake again.
    """
    return contracts_for(stake, probability) - as_fraction(stake, "amount")


def probability_from_stakes(backed: Exact, against: Exact) -> Fraction:
    """The probability at which `backed` is the stake of an outcome and `against` the liability that it meets."""
    stakes = as_fraction(backed, "backed"), as_fraction(against, "against")
    for name, amount in zip(("backed", "against"), stakes, strict=True):
        if amount <= 0:
            raise InvalidField(name, amount, "above zero")
    return stakes[0] / sum(stakes)


def decimal_odds(probability: Exact) -> Fraction:
    """Payout per unit staked, stake included: always above 1."""
    return 1 / _probability(probability)


def probability_from_decimal(odds: Exact) -> Fraction:
    """The probability that decimal `odds` imply."""
    if as_fraction(odds, "odds") <= 1:
        raise InvalidField("odds", odds, "above 1")
    return 1 / Fraction(odds)


def american_odds(probability: Exact) -> Fraction:
    """-x: stake x to win 100; +x: stake 100 to win x. Even money is written -100, as venues' own formulas have it."""
    p = _probability(probability)
    if 2 * p >= 1:
        return -100 * p / (1 - p)
    return 100 * (1 - p) / p


def probability_from_american(odds: Exact) -> Fraction:
    """The probability that American `odds` imply: +100 and -100 are both one half."""
    american = as_fraction(odds, "odds")
    if -100 < american < 100:
        raise InvalidField("odds", odds, "-100 or less, or 100 or more")
    return 100 / (american + 100) if american > 0 else american / (american - 100)


def _probability(value: Exact) -> Fraction:
    probability = as_fraction(value, "probability")
    if not 0 < probability < 1:
        raise InvalidField("probability", value, "above 0 and below 1")
    return probability
