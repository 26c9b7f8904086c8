"""What an account allows itself, as data, and whether one order keeps to it. Pure.

A limit that is None does not exist. Amounts are in the instruments' currency and never added over currencies.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ..errors import ConfigurationError

__all__ = ["DAY_SECONDS", "Limits", "Quoted"]

DAY_SECONDS = 86_400


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """The data on which an order was decided: the best prices, whether they are proven, and when they arrived.

    `is_live`: the feed's continuity is LIVE; else `reason` says why not. `received_at_ns`: of the last change heard.
    """

    bid: Decimal | None
    offer: Decimal | None
    is_live: bool
    received_at_ns: int
    reason: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed.

    `order_size`, `order_notional`: of one order. `position`: of one instrument, either way, all open orders filled.
    `gross`, `net`: what the positions of one currency are worth at their last prices, all open orders filled: both ways
    together, and either way alone. `open_orders`: at a time. `orders`: so many in `seconds`.
    `collar`: how far beyond the best price of the other side an order may reach, as a share of it. `data_age`: seconds
    since the data that an order is decided on changed or was heard; `needs_live`: it must be proven.
    `daily_loss`: since the day began, `day_begins` seconds behind midnight UTC. `drawdown`: below the highest profit.
    Raises ConfigurationError for what is out of range; nothing is clamped.
    """

    order_size: Decimal | None = None
    order_notional: Decimal | None = None
    position: Decimal | None = None
    gross: Decimal | None = None
    net: Decimal | None = None
    open_orders: int | None = None
    orders: int | None = None
    seconds: float = 1.0
    collar: Decimal | None = None
    data_age: float | None = None
    needs_live: bool = True
    daily_loss: Decimal | None = None
    day_begins: int = 0
    drawdown: Decimal | None = None

    def __post_init__(self) -> None:
        for field in (
            "order_size",
            "order_notional",
            "position",
            "gross",
            "net",
            "collar",
            "daily_loss",
            "drawdown",
        ):
            amount = getattr(self, field)
            if amount is not None and not (
                isinstance(amount, Decimal) and amount.is_finite() and amount >= 0
            ):
                raise ConfigurationError(field, amount, "a Decimal of zero or more, or None")
        for field in ("open_orders", "orders"):
            count = getattr(self, field)
            if count is not None and (type(count) is not int or not 0 <= count <= 1_000_000):
                raise ConfigurationError(field, count, "a whole number from 0 to 1000000, or None")
        if not 0 < self.seconds <= DAY_SECONDS:
            raise ConfigurationError("seconds", self.seconds, f"above 0, to {DAY_SECONDS}")
        if self.data_age is not None and not self.data_age > 0:
            raise ConfigurationError("data_age", self.data_age, "seconds above 0, or None")
        if type(self.day_begins) is not int or not 0 <= self.day_begins < DAY_SECONDS:
            raise ConfigurationError("day_begins", self.day_begins, f"seconds, 0 to {DAY_SECONDS - 1}")
