"""What happens at an exchange: its nouns and its events, frozen, in no venue's spelling. Times are `now_ns` as given.

Events of an account are made for watched accounts only; the house's own makers and takers would drown them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from .matching import Order, Side

__all__ = [
    "AccountEvent",
    "BalanceChanged",
    "BookChanged",
    "Event",
    "Fill",
    "Filled",
    "MarketClosed",
    "MarketCreated",
    "MarketStatus",
    "OrderChanged",
    "Position",
    "PositionChanged",
    "Settled",
    "Settlement",
    "Trade",
    "Traded",
]

MarketStatus: TypeAlias = Literal["open", "resulted", "voided"]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One public print: no account is named."""

    trade_id: str
    market_id: str
    price: int
    quantity: int
    taker_side: Side
    at_ns: int


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as one account sees it. `cost` is what it paid, `fee` what the venue took for it, `realized` the
    profit on what it closed; in ticks.
    """

    fill_id: str
    trade_id: str
    order_id: str
    client_order_id: str | None
    market_id: str
    side: Side
    price: int
    quantity: int
    cost: int
    is_maker: bool
    at_ns: int
    fee: int = 0
    realized: int = 0


class Position(msgspec.Struct, kw_only=True):
    """Contracts of one account in one market: `net` above zero backs the first outcome, below zero the second.

    `cost` is what the contracts it holds now have cost, `realized` the profit on those that were closed, in ticks.
    """

    market_id: str
    net: int = 0
    cost: int = 0
    realized: int = 0
    changed_at_ns: int = 0

    def copy(self) -> Position:
        """The position as it stands now."""
        return msgspec.structs.replace(self)


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a market's end paid to one account, in ticks. `cost` is what the position had cost."""

    settlement_id: str
    market_id: str
    net: int
    cost: int
    paid: int
    kind: MarketStatus
    at_ns: int


class MarketCreated(msgspec.Struct, frozen=True):
    """A market was listed. It has no orders yet."""

    market_id: str
    facts: Mapping[str, str]


class BookChanged(msgspec.Struct, frozen=True):
    """The total quantity at one price is `quantity` now; 0 means that the level is gone."""

    market_id: str
    side: Side
    price: int
    quantity: int


class Traded(msgspec.Struct, frozen=True):
    """Two orders met."""

    trade: Trade

    @property
    def market_id(self) -> str:
        """Where."""
        return self.trade.market_id


class MarketClosed(msgspec.Struct, frozen=True):
    """A market ended: `outcome` (0 or 1) won, or None where it was voided."""

    market_id: str
    status: MarketStatus
    outcome: int | None


class OrderChanged(msgspec.Struct, frozen=True):
    """An order of a watched account was placed, filled, cancelled or rejected."""

    account: str
    order: Order


class Filled(msgspec.Struct, frozen=True):
    """An order of a watched account was filled, wholly or in part."""

    account: str
    fill: Fill


class PositionChanged(msgspec.Struct, frozen=True):
    """A watched account holds more or fewer contracts."""

    account: str
    position: Position


class BalanceChanged(msgspec.Struct, frozen=True):
    """A watched account's cash or escrow changed. Amounts in ticks."""

    account: str
    cash: int
    escrow: int


class Settled(msgspec.Struct, frozen=True):
    """A watched account was paid for a position in a market that ended."""

    account: str
    settlement: Settlement


AccountEvent: TypeAlias = OrderChanged | Filled | PositionChanged | BalanceChanged | Settled
Event: TypeAlias = MarketCreated | BookChanged | Traded | MarketClosed | AccountEvent
