"""The fields that an answer has where the caller chooses none: the flat ones of each type of the venue's schema."""

from __future__ import annotations

from .selection import Selection

__all__ = [
    "ACCOUNT",
    "CANCELLED",
    "LOGIN",
    "MARKETS",
    "ORDERS",
    "ORDER_RESULT",
    "POSITIONS",
    "SETTLEMENTS",
    "TRADES",
    "USER_PROFILE",
]

LOGIN = Selection("userId", "userUid", "sessionId", "token", "refreshToken", "promptTwoFactorAuth")

_LEVELS = Selection("price", "quantity")

MARKETS = Selection(
    *(
        "market_id",
        "event_id",
        "symbol",
        "title",
        "short_title",
        "question",
        "status",
        "trading",
        "event_type",
    ),
    *(
        "event_brief",
        "event_start",
        "event_status",
        "sport",
        "competition",
        "home_category",
        "rules",
        "specifier",
    ),
    *("position", "price", "probability", "max_price", "last_traded_price", "price_change_24h", "volume_24h"),
    *("result", "archived", "timestamp", "timestamp_int"),
    bids=_LEVELS,
    offers=_LEVELS,
    recent_trades=Selection("price", "quantity", "liquidity_taker", "timestamp", "timestamp_int"),
)

ORDERS = Selection(
    *("id", "client_order_id", "market_id", "order_type", "action", "price", "quantity", "filled"),
    *("filled_percentage", "avg_price", "total_value", "status", "time", "inserted_at"),
)

ORDER_RESULT = Selection("errors", order=ORDERS)

CANCELLED = Selection("order_id", "status")

TRADES = Selection(
    *("id", "order_id", "client_order_id", "market_id", "action", "price", "filled", "premium", "remaining"),
    *("gross_pnl", "total_fee", "liquidity_action", "time", "inserted_at"),
)

POSITIONS = Selection(
    *(
        "market_id",
        "title",
        "status",
        "position",
        "available_position",
        "average_open_premium",
        "open_premium",
    ),
    *("open_risk", "open_potential_profit", "order_liability", "position_premium_liability", "total_net_pnl"),
    *("total_fees", "updated_at"),
)

SETTLEMENTS = Selection(
    *(
        "id",
        "type",
        "market_id",
        "quantity",
        "opening_price",
        "closing_price",
        "gross_pnl",
        "realized_pnl",
        "fee",
    ),
    *("opening_trade_id", "closing_trade_id", "inserted_at"),
)

ACCOUNT = Selection(
    *("account_balance", "available_balance", "escrow", "buy_order_liability", "sell_order_liability"),
    *(
        "position_premium_liability",
        "total_deposits",
        "total_withdrawals",
        "total_settlement_pnl",
        "total_fees",
    ),
)

USER_PROFILE = Selection(
    *("id", "account_id", "username", "first_name", "last_name", "country", "state", "two_factor_auth"),
)
