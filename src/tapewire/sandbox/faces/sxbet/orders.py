"""Makers' orders as SX Bet tells them: an order that was hit is pending first and filled afterwards. Pure.

The exchange fills at once; the venue's chain does not. So a fill adds to `pendingFillAmount` when it happens and moves
over to `fillAmount` when `confirm` is called. Until then an order with nothing left is INACTIVE with something pending,
which is no cancel; it is FILLED only afterwards. Source: sxbet.md 1.3 ("Order update").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from ...core.matching import Order
from .units import BASE_TOKEN, address_of, derived_hash, odds_of, stake_of

__all__ = ["MakerOrder", "MakerOrders", "OrderStatusWord"]

OrderStatusWord: TypeAlias = Literal["ACTIVE", "INACTIVE", "FILLED"]

EXPIRY = 2209006800
"""What `expiry` always says; it is deprecated."""

API_LIFETIME = 24 * 3600
EXECUTOR = derived_hash("executor")[:42]


class MakerOrder(msgspec.Struct, kw_only=True):
    """One order as it was told. `confirmed` contracts are filled for good; `updated_ms` only grows."""

    order: Order
    event_id: str
    confirmed: int = 0
    updated_ms: int = 0

    @property
    def pending(self) -> int:
        """Contracts filled but not confirmed."""
        return self.order.filled - self.confirmed

    @property
    def status(self) -> OrderStatusWord:
        """What the venue says of it."""
        if self.order.status == "open":
            return "ACTIVE"
        return "FILLED" if self.order.status == "filled" and not self.pending else "INACTIVE"

    def update(self) -> dict[str, Any]:
        """The row of the order channels."""
        return {
            **self._common(),
            "status": self.status,
            "updateTime": str(self.updated_ms),
            "sportXeventId": self.event_id,
        }

    def row(self) -> dict[str, Any]:
        """The row of GET /orders: it has another word for the status, and no time."""
        return {
            **self._common(),
            "baseToken": BASE_TOKEN,
            "executor": EXECUTOR,
            "sportXeventId": self.event_id,
            "orderStatus": self.status,
        }

    def _common(self) -> dict[str, Any]:
        order = self.order
        assert order.price is not None
        side, price, digits = order.side, order.price, order.order_id[2:]
        return {
            "orderHash": order.order_id,
            "marketHash": order.market_id,
            "fillAmount": str(stake_of(side, price, self.confirmed)),
            "pendingFillAmount": str(stake_of(side, price, self.pending)),
            "maker": address_of(order.account),
            "totalBetSize": str(stake_of(side, price, order.quantity)),
            "percentageOdds": str(odds_of(side, price)),
            "expiry": EXPIRY,
            "apiExpiry": order.placed_at_ns // 1_000_000_000 + API_LIFETIME,
            "salt": str(int(digits, 16)),
            "isMakerBettingOutcomeOne": side == "buy",
            "signature": f"0x{digits}{digits}1b",
        }


class MakerOrders:
    """Every order that rests, or has something pending. Those that only took from the book are no maker's."""

    def __init__(self) -> None:
        self._known: dict[str, MakerOrder] = {}
        self._pending: dict[str, None] = {}

    def changed(self, order: Order, event_id: str, now_ms: int) -> MakerOrder | None:
        """The order changed: what is to be told of it; None for an order that never rested."""
        known = self._known.get(order.order_id)
        if known is None:
            if order.status != "open":
                return None
            known = self._known[order.order_id] = MakerOrder(order=order, event_id=event_id)
        known.order = order
        if known.pending:
            self._pending[order.order_id] = None
        return self._updated(known, now_ms)

    def confirm(self, now_ms: int) -> list[MakerOrder]:
        """What was pending is filled: the orders to be told of, in the order in which they were hit."""
        pending, self._pending = self._pending, {}
        updates = []
        for order_id in pending:
            known = self._known[order_id]
            known.confirmed = known.order.filled
            updates.append(self._updated(known, now_ms))
        return updates

    def active(self) -> Iterator[MakerOrder]:
        """The orders that can be taken now."""
        return (known for known in self._known.values() if known.status == "ACTIVE")

    def _updated(self, known: MakerOrder, now_ms: int) -> MakerOrder:
        known.updated_ms = max(now_ms, known.updated_ms + 1)
        if known.order.status != "open" and not known.pending:
            self._known.pop(known.order.order_id, None)
        return msgspec.structs.replace(known)

    def __len__(self) -> int:
        return len(self._known)
