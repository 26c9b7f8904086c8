"""Orders: what we ask for, and what became of it.

`client_order_id` is ours and is what makes an order safe to look up after a lost reply; `venue_order_id` is theirs.
On an outcome, "buy" backs it and "sell" lays it (`price.py` states the axis).
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
    check_not_negative,
    check_positive,
    check_text,
    check_times,
)
from .instrument import Instrument
from .price import OrderSide

__all__ = [
    "FINAL_STATUSES",
    "Order",
    "OrderKind",
    "OrderRequest",
    "OrderStatus",
    "TimeInForce",
    "check_on_grid",
]

OrderKind: TypeAlias = Literal["limit", "market"]

TimeInForce: TypeAlias = Literal["gtc", "ioc", "fok"]
"""Good till canceled; fill what can be filled now and cancel the rest; fill all now or nothing."""

OrderStatus: TypeAlias = Literal[
    "submitted",  # sent, not yet answered
    "accepted",  # resting at the venue
    "rejected",  # the venue said no
    "denied",  # we said no: it never left
    "partially_filled",
    "filled",
    "pending_cancel",  # we asked to cancel; it may still fill
    "canceled",
    "expired",
    "unknown",  # sent, and the reply was lost: look it up before anything else
]

FINAL_STATUSES: frozenset[OrderStatus] = frozenset({"rejected", "denied", "filled", "canceled", "expired"})
"""Nothing follows these."""

MOST_REASON = 500
"""Characters of a reason that is not ours."""

_SIDES = get_args(OrderSide)
_KINDS = get_args(OrderKind)
_TIMES_IN_FORCE = get_args(TimeInForce)
_STATUSES = get_args(OrderStatus)


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order that somebody wants."""

    client_order_id: str
    venue: str
    instrument_id: str
    side: OrderSide
    size: Decimal
    kind: OrderKind = "limit"
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    reduce_only: bool = False

    def __post_init__(self) -> None:
        check_identifiers(self, "client_order_id", "venue", "instrument_id")
        check_choice(self, "side", _SIDES)
        check_choice(self, "kind", _KINDS)
        check_choice(self, "time_in_force", _TIMES_IN_FORCE)
        check_positive(self, "size")
        check_positive(self, "price", optional=True)
        if (self.price is None) != (self.kind == "market"):
            raise InvalidField("price", self.price, "a price on a limit order, None on a market order")
        if self.post_only and (self.kind == "market" or self.time_in_force != "gtc"):
            raise InvalidField(
                "post_only", self.post_only, "only on a limit order that is good till canceled"
            )

    def as_order(
        self,
        status: OrderStatus,
        received_at_ns: int,
        *,
        venue_order_id: str | None = None,
        reason: str = "",
    ) -> Order:
        """The order as far as it is known without the venue's word: nothing of it is filled. A long reason is cut."""
        return Order(
            venue=self.venue,
            instrument_id=self.instrument_id,
            client_order_id=self.client_order_id,
            venue_order_id=venue_order_id,
            side=self.side,
            size=self.size,
            status=status,
            kind=self.kind,
            price=self.price,
            reason=reason[:MOST_REASON],
            venue_time_ns=None,
            received_at_ns=received_at_ns,
        )


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands. One event: the next state is another `Order` with the same ids.

    `average_price` is that of the filled part. A `filled_size` above `size` is not refused: it is the venue's
    statement, and the one its owner has to hear.
    """

    venue: str
    instrument_id: str
    client_order_id: str | None
    venue_order_id: str | None
    side: OrderSide
    size: Decimal
    status: OrderStatus
    venue_time_ns: int | None
    received_at_ns: int
    kind: OrderKind = "limit"
    price: Decimal | None = None
    filled_size: Decimal = Decimal(0)
    average_price: Decimal | None = None
    reason: str = ""
    is_reconciled: bool = False
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id")
        check_identifiers(self, "client_order_id", "venue_order_id", optional=True)
        check_choice(self, "side", _SIDES)
        check_choice(self, "kind", _KINDS)
        check_choice(self, "status", _STATUSES)
        check_positive(self, "size")
        check_positive(self, "price", "average_price", optional=True)
        check_not_negative(self, "filled_size")
        check_text(self, "reason")
        check_times(self)
        if self.client_order_id is None and self.venue_order_id is None:
            raise InvalidField("venue_order_id", None, "an id of ours or of theirs")

    @property
    def remaining(self) -> Decimal:
        """What may still fill: 0 once the status is final."""
        if self.is_final:
            return Decimal(0)
        return max(Decimal(0), EXACT.subtract(self.size, self.filled_size))

    @property
    def is_final(self) -> bool:
        """True if nothing more will happen to it."""
        return self.status in FINAL_STATUSES


def check_on_grid(request: OrderRequest, instrument: Instrument) -> None:
    """An order must be on its instrument's grid. Raises InvalidField, with the grid in its text."""
    if request.price is not None and not instrument.allows_price(request.price):
        below = f" below {instrument.payout}" if instrument.kind == "outcome" else ""
        tick = f" in steps of {instrument.price_tick}" if instrument.price_tick is not None else ""
        raise InvalidField("price", request.price, f"above zero{below}{tick} {instrument.currency}")
    if not instrument.allows_size(request.size):
        step = f" in steps of {instrument.size_step}" if instrument.size_step is not None else ""
        least = f" of {instrument.min_size} at least" if instrument.min_size is not None else " above zero"
        raise InvalidField("size", request.size, f"a size{least}{step}")
