"""Orders are complete when they are made, and say what may still fill."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import pytest

from tapewire.model import FINAL_STATUSES, InvalidField, Order, OrderRequest, OrderStatus

D = Decimal


def request(**changes: Any) -> OrderRequest:
    facts: dict[str, Any] = {
        "client_order_id": "c1",
        "venue": "v",
        "instrument_id": "i",
        "side": "buy",
        "size": D(1),
    }
    return OrderRequest(**{**facts, "price": D("0.5"), **changes})


def order(**changes: Any) -> Order:
    facts: dict[str, Any] = {
        "venue": "v",
        "instrument_id": "i",
        "client_order_id": "c1",
        "venue_order_id": None,
        "side": "sell",
        "size": D(10),
        "status": "accepted",
        "venue_time_ns": 1,
        "received_at_ns": 2,
    }
    return Order(**{**facts, **changes})


def test_a_limit_order_has_a_price_and_a_market_order_has_none() -> None:
    assert request().price == D("0.5")
    assert request(kind="market", price=None).price is None
    with pytest.raises(InvalidField, match="price="):
        request(price=None)
    with pytest.raises(InvalidField, match="price="):
        request(kind="market")


def test_post_only_is_for_orders_that_rest() -> None:
    assert request(post_only=True).post_only
    with pytest.raises(InvalidField, match="post_only="):
        request(post_only=True, time_in_force="ioc")
    with pytest.raises(InvalidField, match="post_only="):
        request(post_only=True, kind="market", price=None)


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (request, "client_order_id", ""), (request, "side", "back"), (request, "size", D(0)), (request, "size", 1.0),
        (request, "price", D(-1)), (request, "kind", "stop"), (request, "time_in_force", "day"),
        (order, "status", "open"), (order, "filled_size", D(-1)), (order, "average_price", D(0)), (order, "reason", 1),
        (order, "received_at_ns", -1), (order, "side", None), (order, "kind", None),
    ],
)  # fmt: skip
def test_a_corrupt_field_is_named(make: Any, field: str, value: object) -> None:
    with pytest.raises(InvalidField) as refusal:
        make(**{field: value})
    assert refusal.value.argument == field


def test_an_order_has_an_id_of_ours_or_of_theirs() -> None:
    assert order(client_order_id=None, venue_order_id="7").venue_order_id == "7"
    with pytest.raises(InvalidField, match="venue_order_id="):
        order(client_order_id=None)


def test_what_remains_is_what_may_still_fill() -> None:
    assert order(filled_size=D(4), status="partially_filled").remaining == 6
    assert order(filled_size=D(4), status="canceled").remaining == 0
    assert order(filled_size=D(11), status="partially_filled").remaining == 0


def test_an_unknown_order_is_not_final() -> None:
    assert not order(status="unknown").is_final
    assert not order(status="pending_cancel").is_final
    final = {status for status in get_args(OrderStatus) if order(status=status).is_final}
    assert final == FINAL_STATUSES == {"rejected", "denied", "filled", "canceled", "expired"}
