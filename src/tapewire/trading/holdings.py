"""What we hold of one instrument, what it has earned, and between which bounds where fills are in doubt. Pure.

Rules:

* A position is one net number; what closes leaves at the average price of what is open, and realizes the difference.
* Exact: averages and profits are fractions inside, and rounded to `MAX_DECIMALS` where they are told.
* A fill that may have happened is a `Doubt`: it is in no position, and profit is an interval with and without it.
* An outcome settles at its payout or at nothing; a market that is voided gives back what was paid, fees as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec

from ..model import EXACT, MAX_DECIMALS, OrderSide, rounded

__all__ = ["Doubt", "Holding", "Profit"]


class Doubt(msgspec.Struct, frozen=True):
    """A fill that may have happened: `size` of it at most. `fee` is what that would have cost."""

    side: OrderSide
    price: Decimal
    size: Decimal
    fee: Decimal


class Profit(msgspec.Struct, frozen=True, kw_only=True):
    """What was earned, fees taken off: `proven` by fills that surely happened; with doubts from `worst` to `best`."""

    proven: Decimal
    worst: Decimal
    best: Decimal

    @property
    def unproven_share(self) -> Decimal:
        """How much of it rests on fills in doubt: the width of the interval beside that and what is proven; 0 to 1."""
        width = EXACT.subtract(self.best, self.worst)
        if not width:
            return Decimal(0)
        return rounded(Fraction(width) / (Fraction(width) + abs(Fraction(self.proven))), 4)

    def __add__(self, other: Profit) -> Profit:
        """Of two instruments of one currency together."""
        return Profit(
            proven=EXACT.add(self.proven, other.proven),
            worst=EXACT.add(self.worst, other.worst),
            best=EXACT.add(self.best, other.best),
        )


class Holding:
    """One instrument's. `apply` each fill once."""

    __slots__ = ("_cost", "_realized", "fees", "size")

    def __init__(self) -> None:
        self.size: Decimal = Decimal(0)
        """Signed: above zero is long, or backs the outcome."""
        self.fees: Decimal = Decimal(0)
        self._cost = Fraction(0)  # of what is open, signed as the size
        self._realized = Fraction(0)

    @property
    def average_price(self) -> Decimal | None:
        """Of what is open; None while nothing is."""
        return rounded(self._cost / Fraction(self.size), MAX_DECIMALS) if self.size else None

    @property
    def realized(self) -> Decimal:
        """Profit of what was closed, fees not taken off."""
        return rounded(self._realized, MAX_DECIMALS)

    def apply(self, side: OrderSide, price: Decimal, size: Decimal, fee: Decimal) -> None:
        """A fill of ours."""
        signed, held = Fraction(size if side == "buy" else -size), Fraction(self.size)
        closing = min(abs(signed), abs(held)) if signed * held < 0 else Fraction(0)
        if closing:
            part = closing if held > 0 else -closing
            self._realized += part * Fraction(price) - self._cost * closing / abs(held)
            self._cost -= self._cost * closing / abs(held)
        opening = abs(signed) - closing
        self._cost += (opening if signed > 0 else -opening) * Fraction(price)
        self.size = EXACT.add(self.size, size if side == "buy" else -size)
        self.fees = EXACT.add(self.fees, fee)

    def settle(self, value: Decimal | None) -> Decimal:
        """It ended: each contract is worth `value`, or with None all is given back. Returns what that realized."""
        before = self._realized - Fraction(self.fees)
        if value is None:
            self._realized, self.fees = Fraction(0), Decimal(0)
        else:
            self._realized += Fraction(self.size) * Fraction(value) - self._cost
        self.size, self._cost = Decimal(0), Fraction(0)
        return rounded(self._realized - Fraction(self.fees) - before, MAX_DECIMALS)

    def profit(self, mark: Decimal | None, doubts: Iterable[Doubt] = ()) -> Profit:
        """What it has earned with what is open worth `mark`; None: as much as it cost."""
        certain = self._realized - Fraction(self.fees)
        if mark is not None:
            certain += Fraction(self.size) * Fraction(mark) - self._cost
        worst = best = certain
        for doubt in doubts:
            worth = Fraction(doubt.price if mark is None else mark) - Fraction(doubt.price)
            change = worth * Fraction(doubt.size) * (1 if doubt.side == "buy" else -1) - Fraction(doubt.fee)
            if change < 0:
                worst += change
            else:
                best += change
        return Profit(
            proven=rounded(certain, MAX_DECIMALS),
            worst=rounded(worst, MAX_DECIMALS, "down"),
            best=rounded(best, MAX_DECIMALS, "up"),
        )
