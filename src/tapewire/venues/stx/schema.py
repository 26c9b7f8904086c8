"""The types of the venue's schema: the fields of each that answers have where the caller chooses none, and their kinds.

What must not be null is what the thing is nothing without; the venue's schema lets nearly every field be null.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from ..kit.answers import Maybe, Shape, anything
from ..kit.fields import flag, identifier, integer, quantity, sequence, text
from .records import camel
from .selection import Selection

__all__ = [
    "ACCOUNT",
    "CANCELLATION",
    "CANCELLED",
    "LOGIN",
    "MARKET",
    "NEW_TOKEN",
    "ORDER",
    "ORDERS",
    "ORDER_RESULT",
    "POSITION",
    "SETTLEMENT",
    "TRADE",
    "USER_PROFILE",
    "Type",
    "page_of",
    "shape_of",
]

Type: TypeAlias = dict[str, Any]
"""The fields of an object by their names on the wire, each with its shape."""


def _nullable(kind: Any, names: str) -> Type:
    return {camel(name): Maybe(kind) for name in names.split()}


def _required(kind: Any, names: str) -> Type:
    return {camel(name): kind for name in names.split()}


LOGIN: Final = _nullable(text, "user_id user_uid session_id token refresh_token") | _nullable(
    flag, "prompt_two_factor_auth"
)
NEW_TOKEN: Final = _required(text, "token") | _nullable(text, "refresh_token current_login_at")

_LEVEL: Final = _required(quantity, "price quantity")
_RECENT_TRADE: Final = (
    _nullable(quantity, "price quantity")
    | _nullable(text, "liquidity_taker timestamp")
    | _nullable(integer, "timestamp_int")
)

MARKET: Final = (
    _required(identifier, "market_id")
    | _nullable(identifier, "event_id")
    | _nullable(text, "symbol title short_title question status")
    | _nullable(flag, "trading")
    | _nullable(
        text,
        "event_type event_brief event_start event_status sport competition home_category rules specifier",
    )
    | _nullable(text, "position")
    | _nullable(quantity, "price probability max_price last_traded_price price_change_24h volume_24h")
    | _nullable(text, "result")
    | _nullable(flag, "archived")
    | _nullable(text, "timestamp")
    | _nullable(integer, "timestamp_int")
    | {"bids": Maybe([_LEVEL]), "offers": Maybe([_LEVEL]), "recentTrades": Maybe([_RECENT_TRADE])}
)

ORDER: Final = (
    _required(identifier, "id")
    | _nullable(identifier, "client_order_id market_id")
    | _nullable(text, "order_type action")
    | _nullable(quantity, "price quantity filled filled_percentage avg_price total_value")
    | _required(text, "status")
    | _nullable(text, "time")
    | _nullable(integer, "inserted_at")
)
ORDER_RESULT: Final[Type] = {"errors": Maybe([text]), "order": Maybe(ORDER)}
ORDERS: Final[Type] = {"results": [ORDER_RESULT]}

CANCELLATION: Final = _required(text, "status")
CANCELLED: Final = _required(identifier, "order_id") | CANCELLATION

TRADE: Final = (
    _required(identifier, "id")
    | _nullable(identifier, "order_id client_order_id market_id")
    | _nullable(text, "action")
    | _required(quantity, "price filled")
    | _nullable(quantity, "premium remaining gross_pnl total_fee")
    | _nullable(text, "liquidity_action time")
    | _nullable(integer, "inserted_at")
)

POSITION: Final = (
    _required(identifier, "market_id")
    | _nullable(text, "title status")
    | _required(quantity, "position")
    | _nullable(
        quantity, "available_position average_open_premium open_premium open_risk open_potential_profit"
    )
    | _nullable(quantity, "order_liability position_premium_liability total_net_pnl total_fees")
    | _nullable(integer, "updated_at")
)

SETTLEMENT: Final = (
    _required(identifier, "id")
    | _nullable(text, "type")
    | _required(identifier, "market_id")
    | _nullable(quantity, "quantity opening_price closing_price gross_pnl realized_pnl fee")
    | _nullable(identifier, "opening_trade_id closing_trade_id")
    | _nullable(integer, "inserted_at")
)

ACCOUNT: Final = _required(
    quantity,
    "account_balance available_balance escrow buy_order_liability sell_order_liability position_premium_liability"
    " total_deposits total_withdrawals total_settlement_pnl total_fees",
)

USER_PROFILE: Final = (
    _required(identifier, "id")
    | _nullable(identifier, "account_id")
    | _required(text, "username")
    | _nullable(text, "first_name last_name country state")
    | _nullable(flag, "two_factor_auth")
)


def page_of(items: str, count: str, kind: Type) -> Type:
    """A page: how many there are in all, and those that are on it."""
    return {count: sequence, items: [kind]}


def shape_of(selection: Selection, kind: Type) -> dict[str, Shape]:
    """What an answer has to be where `selection` was asked of `kind`: all that was chosen has to be there."""
    shape: dict[str, Shape] = {camel(name): kind.get(camel(name), anything) for name in selection.values}
    for name, inner in selection.nested_values.items():
        shape[camel(name)] = _narrowed(kind.get(camel(name), anything), inner)
    return shape


def _narrowed(shape: Any, selection: Selection) -> Any:
    if isinstance(shape, Maybe):
        return Maybe(_narrowed(shape.shape, selection))
    if isinstance(shape, list):
        return [_narrowed(shape[0], selection)]
    return shape_of(selection, shape) if isinstance(shape, dict) else shape
