"""Instruments know their grid; markets know their outcomes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.model import Instrument, InvalidField, Market, Outcome


def instrument(**changes: Any) -> Instrument:
    facts: dict[str, Any] = {
        "venue": "somewhere",
        "instrument_id": "BTCUSDT",
        "kind": "perpetual",
        "currency": "USDT",
        "price_tick": Decimal("0.1"),
        "size_step": Decimal("0.001"),
        "min_size": Decimal("0.01"),
    }
    return Instrument(**{**facts, **changes})


def market(**changes: Any) -> Market:
    facts: dict[str, Any] = {
        "venue": "somewhere",
        "market_id": "m1",
        "outcomes": (Outcome(outcome_id="home"), Outcome(outcome_id="away")),
        "status": "open",
        "venue_time_ns": None,
        "received_at_ns": 1,
    }
    return Market(**{**facts, **changes})


def test_prices_and_sizes_are_checked_against_the_grid() -> None:
    btc = instrument()
    assert btc.allows_price(Decimal("86646.1"))
    assert not btc.allows_price(Decimal("86646.15"))
    assert not btc.allows_price(Decimal(0))
    assert btc.allows_size(Decimal("0.011"))
    assert not btc.allows_size(Decimal("0.0111"))
    assert not btc.allows_size(Decimal("0.009"))
    assert not btc.allows_size(Decimal(0))


def test_without_a_grid_any_positive_number_goes() -> None:
    free = instrument(price_tick=None, size_step=None, min_size=None)
    assert free.allows_price(Decimal("0.123456789"))
    assert free.allows_size(Decimal("0.123456789"))


def test_an_outcome_costs_less_than_it_pays() -> None:
    outcome = instrument(kind="outcome", market_id="m1", price_tick=Decimal("0.01"), payout=Decimal(1))
    assert outcome.allows_price(Decimal("0.99"))
    assert not outcome.allows_price(Decimal("1.00"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("venue", ""), ("instrument_id", "a\nb"), ("instrument_id", "x" * 257), ("currency", None), ("kind", "future"),
        ("kind", ["spot"]), ("price_tick", Decimal(0)), ("price_tick", 0.1), ("size_step", Decimal(-1)),
        ("min_size", Decimal("NaN")), ("payout", None), ("name", "x" * 5000),
    ],
)  # fmt: skip
def test_a_corrupt_field_of_an_instrument_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidField) as refusal:
        instrument(**{field: value})
    assert refusal.value.argument == field


def test_an_outcome_names_its_market() -> None:
    with pytest.raises(InvalidField, match="market_id="):
        instrument(kind="outcome")


def test_a_market_is_tradable_only_while_it_is_open() -> None:
    assert market().is_tradable
    for status in ("suspended", "closed", "settled", "voided"):
        assert not market(status=status).is_tradable


def test_a_settled_market_names_one_of_its_own_outcomes() -> None:
    assert market(status="settled", result="home").result == "home"
    with pytest.raises(InvalidField, match="result="):
        market(status="settled", result="draw")


def test_outcomes_are_there_and_different() -> None:
    with pytest.raises(InvalidField, match="outcomes="):
        market(outcomes=())
    with pytest.raises(InvalidField, match="outcomes="):
        market(outcomes=(Outcome(outcome_id="home"), Outcome(outcome_id="home")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("venue_time_ns", -1),
        ("received_at_ns", None),
        ("received_at_ns", 1.5),
        ("starts_at_ns", True),
        ("status", "x"),
    ],
)
def test_a_corrupt_field_of_a_market_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidField) as refusal:
        market(**{field: value})
    assert refusal.value.argument == field
