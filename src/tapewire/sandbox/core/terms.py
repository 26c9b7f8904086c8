"""The money side of an exchange: what an order sets aside, what a fill does to its account, what all is worth. Pure.

Matching knows no money, a venue decides it: a prediction market is `Collateralised`; a face may bring other terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from .accounts import Account
from .events import Position, Trade
from .matching import Order, RestingOrders, unit_cost

__all__ = ["Booked", "Collateralised", "MarketLike", "Terms"]


class MarketLike(Protocol):
    """What terms need to know of a market."""

    @property
    def market_id(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, str]: ...
    @property
    def payout(self) -> int: ...
    @property
    def book(self) -> RestingOrders: ...
    @property
    def contracts(self) -> int: ...


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill did to its account. `fee` was paid for it, `realized` is the profit on what it closed."""

    cost: int
    position: Position
    fee: int = 0
    realized: int = 0


class Terms(Protocol):
    """How one venue settles. Amounts are whole numbers of whatever unit the venue's accounts are kept in."""

    def refusal(self, order: Order, owner: Account, market: MarketLike) -> str:
        """Why the order may not be placed: its price, what its account holds; "" where it may."""

    def set_aside(self, order: Order, owner: Account, market: MarketLike) -> int:
        """What the rest of the order may cost, and must be free in its account."""

    def book(
        self, order: Order, owner: Account, trade: Trade, market: MarketLike, *, is_maker: bool
    ) -> Booked:
        """Settle a fill: the account's cash, escrow and positions are what they are after it."""

    def worth(self, accounts: Iterable[Account], markets: Iterable[MarketLike]) -> int:
        """All cash, escrow and positions, and the fees that were paid: always what was deposited."""


class Collateralised:
    """Of markets with two outcomes: everything is paid for in full, and the winner is paid `payout` a contract."""

    def refusal(self, order: Order, owner: Account, market: MarketLike) -> str:
        if order.price is not None and not 0 < order.price < market.payout:
            return f"price must be between 1 and {market.payout - 1}"
        return "" if self.set_aside(order, owner, market) <= owner.cash else "insufficient funds"

    def set_aside(self, order: Order, owner: Account, market: MarketLike) -> int:
        if order.price is None:
            return market.book.cost_now(order)
        return order.remaining * unit_cost(order.side, order.price, market.payout)

    def book(
        self, order: Order, owner: Account, trade: Trade, market: MarketLike, *, is_maker: bool
    ) -> Booked:
        cost = trade.quantity * unit_cost(order.side, trade.price, market.payout)
        owner.pay_for(order, cost)
        change = trade.quantity if order.side == "buy" else -trade.quantity
        before = owner.positions.get(market.market_id)
        realized = before.realized if before else 0
        position = owner.take_contracts(market.market_id, change, cost, market.payout, trade.at_ns)
        return Booked(cost=cost, position=position, realized=position.realized - realized)

    def worth(self, accounts: Iterable[Account], markets: Iterable[MarketLike]) -> int:
        held = sum(account.cash + account.escrow for account in accounts)
        return held + sum(market.contracts * market.payout for market in markets)
