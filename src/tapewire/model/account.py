"""What is ours: fills, positions, balances. Never mixed with the public prints of `market.py`.

A fill names the order it belongs to and has an id of its own, by which it is counted once however often it is told.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from .fields import (
    EXACT,
    InvalidField,
    check_choice,
    check_identifiers,
    check_numbers,
    check_positive,
    check_times,
)
from .price import OrderSide

__all__ = ["Balance", "Fill", "Liquidity", "Position", "PositionSide"]

Liquidity: TypeAlias = Literal["maker", "taker"]

PositionSide: TypeAlias = Literal["net", "long", "short"]
"""Net where the venue keeps one position for each instrument; long and short where it keeps two (hedged)."""

_SIDES = get_args(OrderSide)
_POSITION_SIDES = get_args(PositionSide)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one of our orders. `fee` is what it cost us; a rebate is negative."""

    venue: str
    instrument_id: str
    fill_id: str
    client_order_id: str | None
    venue_order_id: str | None
    side: OrderSide
    price: Decimal
    size: Decimal
    venue_time_ns: int | None
    received_at_ns: int
    fee: Decimal = Decimal(0)
    fee_currency: str | None = None
    liquidity: Liquidity | None = None
    is_reconciled: bool = False
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id", "fill_id")
        check_identifiers(self, "client_order_id", "venue_order_id", "fee_currency", optional=True)
        check_choice(self, "side", _SIDES)
        check_choice(self, "liquidity", (*get_args(Liquidity), None))
        check_positive(self, "price", "size")
        check_numbers(self, "fee")
        check_times(self)
        if self.client_order_id is None and self.venue_order_id is None:
            raise InvalidField("venue_order_id", None, "an id of the order, ours or theirs")

    @property
    def notional(self) -> Decimal:
        """Price times size, exactly."""
        return EXACT.multiply(self.price, self.size)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What we hold of one instrument. `size` is signed: above zero backs the outcome, or is long.

    `average_price` is None for a flat position; `unrealized_pnl` only where the venue says it or a mark gave it.
    """

    venue: str
    instrument_id: str
    size: Decimal
    venue_time_ns: int | None
    received_at_ns: int
    side: PositionSide = "net"
    average_price: Decimal | None = None
    mark: Decimal | None = None
    realized_pnl: Decimal = Decimal(0)
    unrealized_pnl: Decimal | None = None
    is_reconciled: bool = False
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id")
        check_choice(self, "side", _POSITION_SIDES)
        check_numbers(self, "size", "realized_pnl")
        check_numbers(self, "unrealized_pnl", optional=True)
        check_positive(self, "average_price", "mark", optional=True)
        check_times(self)
        if (self.side == "long" and self.size < 0) or (self.side == "short" and self.size > 0):
            raise InvalidField("size", self.size, f"signed as its side {self.side!r} says")

    @property
    def is_flat(self) -> bool:
        """True if nothing is held."""
        return not self.size


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one currency. `total` is all of it, `held` what open orders bind, `available` what may still be used.

    The three are the venue's own statements: they need not add up, and a debt is negative.
    """

    venue: str
    currency: str
    total: Decimal
    available: Decimal
    venue_time_ns: int | None
    received_at_ns: int
    held: Decimal = Decimal(0)
    is_reconciled: bool = False
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "currency")
        check_numbers(self, "total", "available", "held")
        check_times(self)
