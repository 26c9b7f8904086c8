"""Rounding that says which way: to decimals for people, to the grid of a venue for orders. All of it exact."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from ..errors import ConfigurationError
from .fields import EXACT, MAX_DECIMALS, Exact, InvalidField, as_fraction, parse_decimal

__all__ = ["Rounding", "is_on_tick", "round_to_tick", "rounded"]

Rounding: TypeAlias = Literal["down", "up", "nearest"]
"""Towards minus infinity, towards plus infinity, to the nearest with halves to even."""


def rounded(value: Exact, places: int, rounding: Rounding = "nearest") -> Decimal:
    """`value` with `places` decimals."""
    if not 0 <= places <= MAX_DECIMALS:
        raise ConfigurationError("places", places, f"0 to {MAX_DECIMALS}")
    return EXACT.scaleb(Decimal(_whole(as_fraction(value, "value") * 10**places, rounding)), -places)


def is_on_tick(price: Decimal, tick: Decimal) -> bool:
    """True if `price` is a whole number of ticks."""
    return not EXACT.remainder(parse_decimal(price, "price"), _checked(tick))


def round_to_tick(price: Decimal, tick: Decimal, rounding: Rounding = "nearest") -> Decimal:
    """`price` as a whole number of ticks. The result may be 0: check before you send it."""
    return EXACT.multiply(Decimal(_whole(_ticks(price, tick), rounding)), tick)


def _ticks(price: Decimal, tick: Decimal) -> Fraction:
    return as_fraction(price, "price") / Fraction(_checked(tick))


def _checked(tick: Decimal) -> Decimal:
    step = parse_decimal(tick, "tick")
    if step <= 0:
        raise InvalidField("tick", tick, "above zero")
    return step


def _whole(value: Fraction, rounding: Rounding) -> int:
    if rounding == "down":
        return math.floor(value)
    if rounding == "up":
        return math.ceil(value)
    if rounding == "nearest":
        return round(value)
    raise ConfigurationError("rounding", rounding, ("down", "up", "nearest"))
