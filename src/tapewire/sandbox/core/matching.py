"""One market's resting orders and how a new one meets them: price first, then time. Pure, and of no venue.

A price is an integer tick between 1 and `payout - 1`; who buys one contract pays the price, who sells one pays the
rest, and the winner is paid `payout`. Levels are dicts in order of arrival, so that time priority is their order. An
order may show a part of itself only: what is shown is met, then it queues anew with its next part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

__all__ = ["Execution", "Order", "OrderStatus", "RestingOrders", "Side", "unit_cost"]

Side: TypeAlias = Literal["buy", "sell"]
OrderStatus: TypeAlias = Literal["open", "filled", "cancelled", "partly_cancelled", "rejected"]


class Order(msgspec.Struct, kw_only=True):
    """One order. The exchange changes it in place; what leaves the exchange in an event is a copy.

    `price` is None for a market order. `spent` is what its fills cost in ticks, `escrow` what is still set aside.
    `display` is what a resting order shows at most, None for all of it, and `hidden` what it does not show now.
    """

    order_id: str
    account: str
    market_id: str
    side: Side
    price: int | None
    quantity: int
    placed_at_ns: int
    client_order_id: str | None = None
    filled: int = 0
    value: int = 0
    spent: int = 0
    escrow: int = 0
    status: OrderStatus = "open"
    reason: str = ""
    tag: str = ""
    display: int | None = None
    hidden: int = 0

    @property
    def remaining(self) -> int:
        """Contracts not filled yet."""
        return self.quantity - self.filled

    @property
    def shown(self) -> int:
        """Contracts that everybody sees, and that may be met now."""
        return self.remaining - self.hidden

    @property
    def average_price(self) -> float | None:
        """The mean price of its fills, in ticks; None before the first."""
        return self.value / self.filled if self.filled else None

    def copy(self) -> Order:
        """The order as it stands now."""
        return msgspec.structs.replace(self)


class Execution(msgspec.Struct, frozen=True):
    """`taker` met `maker` at the maker's price."""

    maker: Order
    taker: Order
    price: int
    quantity: int


def unit_cost(side: Side, price: int, payout: int) -> int:
    """What one contract costs that side, in ticks."""
    return price if side == "buy" else payout - price


class RestingOrders:
    """Both sides of one market. `match` takes from it, `rest` adds to it, `withdraw` removes."""

    def __init__(self, payout: int) -> None:
        self.payout = payout
        self._bids: dict[int, dict[str, Order]] = {}
        self._offers: dict[int, dict[str, Order]] = {}

    def _levels(self, side: Side) -> dict[int, dict[str, Order]]:
        return self._bids if side == "buy" else self._offers

    @property
    def best_bid(self) -> int | None:
        """The highest price somebody would pay."""
        return max(self._bids, default=None)

    @property
    def best_offer(self) -> int | None:
        """The lowest price somebody would take."""
        return min(self._offers, default=None)

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[int, int]]:
        """Price and total quantity of each level of that side, the best first."""
        book = self._levels(side)
        prices = sorted(book, reverse=side == "buy")[:depth]
        return [(price, self.quantity_at(side, price)) for price in prices]

    def quantity_at(self, side: Side, price: int) -> int:
        """What everybody sees at that price; 0 where nothing rests."""
        return sum(order.shown for order in self._levels(side).get(price, {}).values())

    def facing(self, order: Order) -> Iterator[Order]:
        """The resting orders that `order` would meet, in the order in which it meets them."""
        opposite: Side = "sell" if order.side == "buy" else "buy"
        book = self._levels(opposite)
        for price in sorted(book, reverse=opposite == "buy"):
            if order.price is not None and (
                price > order.price if order.side == "buy" else price < order.price
            ):
                return
            yield from tuple(book[price].values())

    def cost_now(self, order: Order) -> int:
        """What the part of a market order that can be filled now would cost, in ticks."""
        left, cost = order.quantity, 0
        for maker in self.facing(order):
            if maker.account == order.account:
                continue
            assert maker.price is not None
            quantity = min(left, maker.remaining)
            cost += quantity * unit_cost(order.side, maker.price, self.payout)
            left -= quantity
            if not left:
                break
        return cost

    def next_maker(self, order: Order) -> Order | None:
        """The resting order that `order` meets first, or None."""
        return next(self.facing(order), None)

    def execute(self, maker: Order, taker: Order) -> Execution:
        """Fill both by as much as one shows and the other wants, at the maker's price.

        A filled maker leaves the book; one whose shown part is filled goes behind the others with its next part.
        """
        assert maker.price is not None
        quantity = min(maker.shown, taker.remaining)
        for order in (maker, taker):
            order.filled += quantity
            order.value += quantity * maker.price
            order.spent += quantity * unit_cost(order.side, maker.price, self.payout)
        if not maker.shown:
            self.withdraw(maker)
            if maker.remaining:
                self.rest(maker)
        return Execution(maker, taker, maker.price, quantity)

    def rest(self, order: Order) -> None:
        """Add a limit order behind all others of its price."""
        assert order.price is not None
        order.hidden = 0 if order.display is None else max(0, order.remaining - order.display)
        self._levels(order.side).setdefault(order.price, {})[order.order_id] = order

    def withdraw(self, order: Order) -> None:
        """Take an order out of the book; does nothing where it does not rest."""
        book = self._levels(order.side)
        level = book.get(order.price or 0)
        if level is None or level.pop(order.order_id, None) is None:
            return
        if not level:
            del book[order.price or 0]

    def resting(self) -> list[Order]:
        """Every resting order, bids first."""
        return [
            order
            for book in (self._bids, self._offers)
            for level in book.values()
            for order in level.values()
        ]

    def __repr__(self) -> str:
        return f"<RestingOrders best_bid={self.best_bid} best_offer={self.best_offer}>"
