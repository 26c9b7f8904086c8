"""The checks on an order's arguments, before anything is sent. Each error names the argument and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from .errors import STXInvalidParameterException
from .records import camel, snake

__all__ = ["checked_id", "checked_ids", "checked_order", "given", "one_of"]

_ORDER_FIELDS = (
    "market_id", "order_type", "action", "price", "quantity", "client_order_id", "cancel_on_disconnect",
)  # fmt: skip
MAX_ID_LENGTH = 256


def given(**arguments: Any) -> dict[str, Any]:
    """Those arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def one_of(name: str, value: object, allowed: Sequence[str]) -> str:
    """`value`, if it is one of the words allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise STXInvalidParameterException(name, value, allowed)
    return value


def checked_id(name: str, value: object) -> str:
    """`value`, if it can be an id: text of 1 to 256 printable characters."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH or not value.isprintable():
        raise STXInvalidParameterException(name, value, f"text of 1 to {MAX_ID_LENGTH} printable characters")
    return value


def checked_ids(name: str, value: object) -> list[str]:
    """`value` as a list, if each of its members can be an id and there is at least one."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise STXInvalidParameterException(name, value, "a list of ids, at least one")
    return [checked_id(name, member) for member in value]


def checked_order(order: object) -> dict[str, Any]:
    """The order as the wire wants it, with a client_order_id. Raises STXInvalidParameterException."""
    if not isinstance(order, Mapping):
        raise STXInvalidParameterException("user_order", order, f"a dict of {', '.join(_ORDER_FIELDS)}")
    fields = given(**{snake(str(name)): value for name, value in order.items()})
    unknown = fields.keys() - set(_ORDER_FIELDS)
    if unknown:
        raise STXInvalidParameterException("user_order", ", ".join(sorted(unknown)), _ORDER_FIELDS)
    checked_id("market_id", fields.get("market_id"))
    one_of("action", fields.get("action"), ("BUY", "SELL"))
    if one_of("order_type", fields.get("order_type"), ("LIMIT", "MARKET")) == "MARKET":
        fields.pop("price", None)  # the venue ignores it
    elif not _is_number(fields.get("price"), int) or not 1 <= fields["price"] <= 99:
        allowed = "whole cents, 1 to 99, for a LIMIT order"
        raise STXInvalidParameterException("price", fields.get("price"), allowed)
    quantity: Any = fields.get("quantity")
    if not _is_number(quantity, int | float) or not 1 <= quantity < math.inf:
        raise STXInvalidParameterException("quantity", quantity, "a number from 1")
    if not isinstance(fields.get("cancel_on_disconnect", False), bool):
        raise STXInvalidParameterException(
            "cancel_on_disconnect", fields["cancel_on_disconnect"], "True or False"
        )
    checked_id("client_order_id", fields.setdefault("client_order_id", str(uuid4())))
    return {camel(name): fields[name] for name in _ORDER_FIELDS if name in fields}


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
