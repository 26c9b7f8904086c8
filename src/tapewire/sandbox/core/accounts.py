"""Accounts: cash, escrow, positions, and what happened to them. Pure. Amounts are integer ticks.

An order sets aside what it can cost, and a fill turns that into a position, on the exchange's `Terms`. Contracts of
both outcomes in one hand are worth `payout` at once. The sum of cash, escrow, fees and what positions are worth never
changes but by deposits.
"""

from __future__ import annotations

from collections import deque

from .events import Fill, Position, Settlement
from .matching import Order

__all__ = ["Account"]

ORDER_HISTORY = 1000
"""Finished orders remembered per account."""

FILL_HISTORY = 1000
"""Fills and settlements remembered per account, each."""


class Account:
    """One account. `watched` accounts have events; the house's own do not."""

    def __init__(self, name: str, deposit: int, *, watched: bool) -> None:
        self.name = name
        self.watched = watched
        self.deposited = deposit
        self.cash: int = deposit
        self.escrow: int = 0
        self.settled_profit = 0
        self.fees = 0
        self.open_orders: dict[str, Order] = {}
        self.closed_orders: deque[Order] = deque(maxlen=ORDER_HISTORY)
        self.positions: dict[str, Position] = {}
        self.fills: deque[Fill] = deque(maxlen=FILL_HISTORY)
        self.settlements: deque[Settlement] = deque(maxlen=FILL_HISTORY)

    def orders(self) -> list[Order]:
        """Open and finished orders, the latest first."""
        found = [*self.closed_orders, *self.open_orders.values()]
        return sorted(found, key=lambda order: order.placed_at_ns, reverse=True)

    def holds(self, market_id: str) -> int:
        """Contracts held in the market, whatever side they are on."""
        return sum(abs(each.net) for each in self.positions.values() if each.market_id == market_id)

    def set_aside(self, order: Order, amount: int) -> None:
        """Move `amount` from cash to the order's escrow; a negative amount moves it back."""
        self.cash -= amount
        self.escrow += amount
        order.escrow += amount

    def pay_for(self, order: Order, cost: int) -> None:
        """A fill cost so much of the order's escrow."""
        self.escrow -= cost
        order.escrow -= cost

    def take_contracts(self, market_id: str, change: int, cost: int, payout: int, now_ns: int) -> Position:
        """Add contracts (above zero: the first outcome). Opposite ones cancel out and pay `payout` each."""
        position = self.positions.setdefault(market_id, Position(market_id=market_id))
        opposite = min(abs(position.net), abs(change)) if position.net * change < 0 else 0
        if opposite:
            # What is closed leaves at its average cost; the rest of the new contracts keeps its own price.
            closed = position.cost * opposite // abs(position.net)
            opening = cost * (abs(change) - opposite) // abs(change)
            position.cost -= closed
            position.realized += payout * opposite - closed - (cost - opening)
            self.cash += payout * opposite
            cost = opening
        position.net += change
        position.cost = position.cost + cost if position.net else 0
        position.changed_at_ns = now_ns
        return position

    def __repr__(self) -> str:
        return (
            f"<Account {self.name} cash={self.cash} escrow={self.escrow} open_orders={len(self.open_orders)}>"
        )
