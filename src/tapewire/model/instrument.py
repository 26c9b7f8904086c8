"""What can be traded: instruments, and the betting markets whose outcomes are instruments.

An instrument is what an order names. The outcome of a betting market is one; so is a pair or a perpetual contract.
Identifiers are the venue's own; its rules (tick, step, minimum) are kept here because orders are checked against them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from .fields import (
    InvalidField,
    check_choice,
    check_identifiers,
    check_not_negative,
    check_positive,
    check_text,
    check_times,
)
from .ticks import is_on_tick

__all__ = ["MAX_OUTCOMES", "Instrument", "InstrumentKind", "Market", "MarketStatus", "Outcome"]

InstrumentKind: TypeAlias = Literal["outcome", "spot", "perpetual"]

MarketStatus: TypeAlias = Literal["open", "suspended", "closed", "settled", "voided"]
"""Suspended comes back, closed awaits its result, settled and voided are final."""

MAX_OUTCOMES = 1000
"""Outcomes of one market."""

_KINDS = get_args(InstrumentKind)
_STATUSES = get_args(MarketStatus)


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """A tradable thing. `currency` is what prices are in; an outcome also says its `market_id`.

    `price_tick` and `size_step` are the venue's grid, `min_size` and `min_notional` its smallest order: None where the
    venue states none. `payout` is what one contract of an outcome pays, so that price / payout is its probability.
    """

    venue: str
    instrument_id: str
    kind: InstrumentKind
    currency: str
    price_tick: Decimal | None = None
    size_step: Decimal | None = None
    min_size: Decimal | None = None
    min_notional: Decimal | None = None
    payout: Decimal = Decimal(1)
    market_id: str | None = None
    name: str = ""
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id", "currency")
        check_identifiers(self, "market_id", optional=True)
        check_choice(self, "kind", _KINDS)
        check_positive(self, "price_tick", "size_step", optional=True)
        check_not_negative(self, "min_size", "min_notional", optional=True)
        check_positive(self, "payout")
        check_text(self, "name")
        if self.kind == "outcome" and self.market_id is None:
            raise InvalidField("market_id", None, "the market of the outcome")

    def allows_price(self, price: Decimal) -> bool:
        """True if `price` is on the venue's grid, and below the payout where the instrument is an outcome."""
        if price <= 0 or (self.kind == "outcome" and price >= self.payout):
            return False
        return self.price_tick is None or is_on_tick(price, self.price_tick)

    def allows_size(self, size: Decimal) -> bool:
        """True if `size` is on the venue's grid and not below its minimum."""
        if size <= 0 or (self.min_size is not None and size < self.min_size):
            return False
        return self.size_step is None or is_on_tick(size, self.size_step)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome of a market. `outcome_id` is the `instrument_id` an order names.

    Where a venue has one book for two outcomes, the second has an id and no instrument: to back it, sell the first.
    """

    outcome_id: str
    name: str = ""

    def __post_init__(self) -> None:
        check_identifiers(self, "outcome_id")
        check_text(self, "name")


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """A betting market as it stands. `result` is the outcome that won, once it is settled."""

    venue: str
    market_id: str
    outcomes: tuple[Outcome, ...]
    status: MarketStatus
    venue_time_ns: int | None
    received_at_ns: int
    name: str = ""
    starts_at_ns: int | None = None
    is_in_play: bool = False
    result: str | None = None
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "market_id")
        check_identifiers(self, "result", optional=True)
        check_choice(self, "status", _STATUSES)
        check_text(self, "name")
        check_times(self, "starts_at_ns")
        ids = [outcome.outcome_id for outcome in self.outcomes]
        if not 0 < len(ids) <= MAX_OUTCOMES or len(set(ids)) != len(ids):
            raise InvalidField("outcomes", self.outcomes, f"1 to {MAX_OUTCOMES} different outcomes")
        if self.result is not None and self.result not in ids:
            raise InvalidField("result", self.result, "one of the market's own outcomes")

    @property
    def is_tradable(self) -> bool:
        """True if the venue takes orders now."""
        return self.status == "open"
