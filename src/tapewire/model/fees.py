"""What a venue takes for a fill, as data."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec

from .account import Liquidity
from .fields import MAX_DECIMALS, InvalidField, check_numbers
from .ticks import rounded

__all__ = ["Fees"]


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of price times size: `maker` for what rested, `taker` for what was met. A rebate is negative."""

    maker: Decimal = Decimal(0)
    taker: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        check_numbers(self, "maker", "taker")
        for field in ("maker", "taker"):
            if abs(getattr(self, field)) >= 1:
                raise InvalidField(field, getattr(self, field), "a share, between -1 and 1")

    def of(self, price: Decimal, size: Decimal, liquidity: Liquidity) -> Decimal:
        """What a fill costs, in the currency of the price; rounded up where it has no end."""
        rate = self.maker if liquidity == "maker" else self.taker
        return rounded(Fraction(rate) * Fraction(price) * Fraction(size), MAX_DECIMALS, "up")
