"""Public data is frozen, has two clocks, and is refused by field name where it is corrupt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.model import MAX_LEVELS, BookSnapshot, InvalidField, Ticker, Trade

D = Decimal
SHARED: dict[str, Any] = {"venue": "v", "instrument_id": "i", "venue_time_ns": None, "received_at_ns": 5}


def trade(**changes: Any) -> Trade:
    facts = {**SHARED, "trade_id": "t", "price": D("0.5"), "size": D(2), "taker_side": "buy"}
    return Trade(**{**facts, **changes})


def ticker(**changes: Any) -> Ticker:
    return Ticker(**{**SHARED, **changes})


def snapshot(**changes: Any) -> BookSnapshot:
    facts = {
        **SHARED,
        "bids": ((D(2), D(1)), (D(1), D(1))),
        "offers": ((D(3), D(1)), (D(4), D(1))),
        "last": 7,
    }
    return BookSnapshot(**{**facts, **changes})


def test_events_are_frozen_and_take_keywords_only() -> None:
    with pytest.raises(AttributeError):
        trade().price = D(1)  # type: ignore[misc]
    with pytest.raises(TypeError):
        Trade("v", "i", "t")  # type: ignore[call-arg]


def test_what_is_whole_is_taken() -> None:
    assert trade(taker_side=None).taker_side is None
    assert ticker().last is None
    assert ticker(last=D(1), volume=D(0), change=D("-0.01"), bid=D(1), offer=D(2)).change == D("-0.01")
    assert snapshot(bids=(), offers=(), last=None).bids == ()


def test_an_event_survives_json_exactly() -> None:
    for event in (trade(), ticker(last=D("1.10")), snapshot()):
        assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


def test_corrupt_json_is_refused_when_it_is_decoded() -> None:
    corrupt = msgspec.json.encode(trade()).replace(b'"0.5"', b'"-0.5"')
    with pytest.raises(msgspec.ValidationError, match="price="):
        msgspec.json.decode(corrupt, type=Trade)


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (trade, "price", D(0)), (trade, "price", 0.5), (trade, "price", D("NaN")), (trade, "size", D(0)),
        (trade, "trade_id", ""), (trade, "trade_id", 7), (trade, "taker_side", "BUY"), (trade, "received_at_ns", 2**63),
        (ticker, "last", D(0)), (ticker, "volume", D(-1)), (ticker, "change", D("Infinity")), (ticker, "venue", "\x1b"),
        (snapshot, "bids", ((D(1), D(1)), (D(2), D(1)))), (snapshot, "offers", ((D(3), D(1)), (D(3), D(2)))),
        (snapshot, "bids", ((D(1), D(0)),)), (snapshot, "bids", [(D(1), D(1))]), (snapshot, "bids", ((D(1),),)),
        (snapshot, "bids", (D(1),)), (snapshot, "bids", ((1.0, 2.0),)), (snapshot, "last", True),
        (snapshot, "last", 2**128), (snapshot, "last", -1), (snapshot, "bids", ((D(1), D(1)),) * (MAX_LEVELS + 1)),
        (snapshot, "offers", ((D(-1), D(1)),)), (snapshot, "bids", ((D(1), D(-1)),)), (snapshot, "last", "7"),
        (snapshot, "bids", ((D("NaN"), D(1)),)), (snapshot, "venue_time_ns", "1"),
    ],
)  # fmt: skip
def test_a_corrupt_field_is_named(make: Any, field: str, value: object) -> None:
    with pytest.raises(InvalidField) as refusal:
        make(**{field: value})
    assert refusal.value.argument == field
