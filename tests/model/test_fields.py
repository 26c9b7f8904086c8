"""Numbers are exact or refused, and the refusal names the field and stays small."""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest

from tapewire.errors import ConfigurationError, TapewireError
from tapewire.model import EXACT, InvalidField, parse_decimal


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("1", "1"),
        ("-0.25", "-0.25"),
        ("1.10", "1.10"),
        ("1e-8", "0.00000001"),
        ("2.5E+3", "2500"),
        (7, "7"),
        (-7, "-7"),
        (Decimal("0.1"), "0.1"),
        ("99999999999999999999.99999999999999999999", "99999999999999999999.99999999999999999999"),
    ],
)
def test_text_ints_and_decimals_are_taken_exactly(given: object, number: str) -> None:
    assert parse_decimal(given) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        "", " 1", "1 ", "1_000", "+1", ".5", "1.", "NaN", "Infinity", "-inf", "0x10", "\u0661", "1,5", "1e999999999",
        "1e21", "100000000000000000000", "1e-21", pytest.param("9" * 10_000, id="long text"),
        Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1e20"), Decimal("1e-21"),
        10**20, -(10**20), pytest.param(10**5000, id="huge int"), True, None, b"1", [], {"price": 1},
    ],
)  # fmt: skip
def test_everything_else_is_refused_by_name_in_a_short_text(value: object) -> None:
    with pytest.raises(InvalidField, match=r"^price=") as refusal:
        parse_decimal(value, "price")
    assert refusal.value.argument == "price"
    assert refusal.value.value is value
    assert len(str(refusal.value)) < 300


def test_a_float_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidField, match=r"price=0\.1 .* a float was rounded before it got here"):
        parse_decimal(0.1, "price")


def test_the_refusal_is_a_value_error_and_one_of_ours() -> None:
    assert issubclass(InvalidField, ValueError)
    assert issubclass(InvalidField, TapewireError)
    assert issubclass(InvalidField, ConfigurationError)


def test_control_characters_of_a_peer_are_shown_escaped() -> None:
    with pytest.raises(InvalidField) as refusal:
        parse_decimal("\x1b[31m1")
    assert "\x1b" not in str(refusal.value)


def test_exact_arithmetic_raises_where_it_would_round() -> None:
    largest = parse_decimal("9" * 20 + "." + "9" * 20)
    assert len(EXACT.multiply(largest, largest).as_tuple().digits) == 80
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
