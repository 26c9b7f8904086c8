"""Fills, positions and balances: signed where money is, refused by field name where corrupt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.model import Balance, Fill, InvalidField, Position

D = Decimal
TIMES = {"venue_time_ns": 1, "received_at_ns": 2}


def fill(**changes: Any) -> Fill:
    facts: dict[str, Any] = {
        "venue": "v",
        "instrument_id": "i",
        "fill_id": "f",
        "client_order_id": "c",
        "venue_order_id": None,
        "side": "buy",
        "price": D("0.55"),
        "size": D("10.5"),
        **TIMES,
    }
    return Fill(**{**facts, **changes})


def position(**changes: Any) -> Position:
    return Position(**{"venue": "v", "instrument_id": "i", "size": D(1), **TIMES, **changes})


def balance(**changes: Any) -> Balance:
    return Balance(**{"venue": "v", "currency": "USDC", "total": D(5), "available": D(5), **TIMES, **changes})


def test_the_notional_of_a_fill_is_exact() -> None:
    assert fill().notional == D("5.775")


def test_a_rebate_is_a_negative_fee_and_a_debt_a_negative_balance() -> None:
    assert fill(fee=D("-0.01"), fee_currency="USDC", liquidity="maker").fee == D("-0.01")
    assert balance(available=D(-1), total=D(-1)).available == -1


def test_a_position_is_signed_as_its_side_says() -> None:
    assert position(size=D(-3)).size == -3
    assert position(size=D(0)).is_flat
    assert not position(side="long").is_flat
    with pytest.raises(InvalidField, match="size="):
        position(side="long", size=D(-1))
    with pytest.raises(InvalidField, match="size="):
        position(side="short", size=D(1))


def test_a_fill_names_its_order() -> None:
    with pytest.raises(InvalidField, match="venue_order_id="):
        fill(client_order_id=None)


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (fill, "fill_id", ""), (fill, "price", D(0)), (fill, "size", D(0)), (fill, "fee", 0.1), (fill, "side", "lay"),
        (fill, "liquidity", "both"), (fill, "fee_currency", ""), (position, "side", "flat"), (position, "size", 1),
        (position, "average_price", D(0)), (position, "mark", D(-1)), (position, "unrealized_pnl", D("NaN")),
        (balance, "total", "5"), (balance, "held", D("Infinity")), (balance, "currency", None),
        (balance, "received_at_ns", None),
    ],
)  # fmt: skip
def test_a_corrupt_field_is_named(make: Any, field: str, value: object) -> None:
    with pytest.raises(InvalidField) as refusal:
        make(**{field: value})
    assert refusal.value.argument == field
