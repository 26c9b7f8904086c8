"""How the played WEEX settles: positions on margin, LONG and SHORT apart, fees, realised profit. Pure.

Money is counted in `FINE` parts of a unit (0.00001 USDT), so that fees are whole numbers and an average price stays
where it is when a position is reduced. Whoever opens a position sets aside a twentieth of its value (`LEVERAGE`); what
it was opened for is its `cost`. Only its own side closes a position, and no further than it goes. The house has no
margin and pays no fee, and its positions are netted. Nobody is liquidated: an account that has lost more than it has
goes on below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ...core.accounts import Account
from ...core.events import Position, Trade
from ...core.matching import Order
from ...core.terms import Booked, MarketLike
from .contracts import UNIT_PLACES, Contract, fixed

__all__ = [
    "FINE",
    "LEVERAGE",
    "MAKER_FEE",
    "TAKER_FEE",
    "TIMES_IN_FORCE",
    "MarginPosition",
    "Margined",
    "margin_of",
    "money",
    "position_key",
    "rate",
    "terms_of",
]

FINE_PLACES: Final = 6
FINE: Final = 1_000_000
"""Parts of a unit in which money is kept."""

LEVERAGE = 20

MAKER_FEE, TAKER_FEE = 200, 800
"""Parts of a unit of fee for a unit of value: 0.02 % and 0.08 %, the venue's lowest tier (weex.md 3.6)."""

TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "POST_ONLY")

HIGHEST = 10
"""No price is higher than so many times the middle of the contract's range."""


class MarginPosition(Position, kw_only=True):
    """One side of a contract: `net` above zero is LONG. `cost` is what it was opened for, as is all in fine parts.

    The sums are those since it was opened from nothing.
    """

    is_short: bool = False
    opened_at_ns: int = 0
    open_fee: int = 0
    opened: int = 0
    opened_value: int = 0
    opened_fee: int = 0
    closed: int = 0
    closed_value: int = 0
    closed_fee: int = 0

    def open(self, lots: int, value: int, fee: int, now_ns: int) -> None:
        """Add to it."""
        if not self.net:
            self.opened_at_ns = now_ns
            for name in (
                "cost",
                "open_fee",
                "opened",
                "opened_value",
                "opened_fee",
                "closed",
                "closed_value",
            ):
                setattr(self, name, 0)
            self.closed_fee = 0
        self.net += -lots if self.is_short else lots
        self.cost += value
        self.open_fee += fee
        self.opened += lots
        self.opened_value += value
        self.opened_fee += fee
        self.changed_at_ns = now_ns

    def close(self, lots: int, value: int, fee: int, now_ns: int) -> int:
        """Take from it, at its average price; returns the profit."""
        held = abs(self.net)
        part = self.cost * lots // held
        self.open_fee -= self.open_fee * lots // held
        self.cost -= part
        self.net += lots if self.is_short else -lots
        self.closed += lots
        self.closed_value += value
        self.closed_fee += fee
        self.changed_at_ns = now_ns
        return part - value if self.is_short else value - part


def terms_of(order: Order) -> tuple[str, str, bool]:
    """Position side, time in force and reduce-only of an order: its tag, where the venue's own API placed it."""
    words = order.tag.split()
    if len(words) == 3 and words[1] in TIMES_IN_FORCE:
        return words[0], words[1], words[2] == "reduce"
    return "LONG", "IOC" if order.price is None else "GTC", False


def closes(order: Order) -> bool:
    """True if the order can only reduce: a long is closed by selling it, a short by buying it back."""
    return (terms_of(order)[0] == "LONG") == (order.side == "sell")


def position_key(market_id: str, *, is_short: bool) -> str:
    """The name of a position in its account."""
    return f"{market_id} short" if is_short else market_id


def rate(parts: int) -> str:
    """A fee as the share that the venue words it as: `0.0002`."""
    return fixed(parts, FINE_PLACES).rstrip("0")


def margin_of(position: Position) -> int:
    """What the position holds back of its account."""
    return position.cost // LEVERAGE


def money(amount: int) -> str:
    """An amount in USDT, exactly: five places, and more where there are more."""
    text = fixed(amount, UNIT_PLACES + FINE_PLACES)
    return text.rstrip("0").ljust(len(text) - FINE_PLACES, "0") if amount else "0"


class Margined:
    """`Terms` of contracts, of which `contracts` has each by its symbol."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._contracts = contracts

    def refusal(self, order: Order, owner: Account, market: MarketLike) -> str:
        contract = self._contracts[market.facts["symbol"]]
        if order.price is not None:
            highest = HIGHEST * (contract.floor + market.payout // 2)
            if not 0 < contract.floor + order.price <= highest:
                lowest = contract.price(1 - contract.floor)
                return f"price must be between {lowest} and {contract.price(highest - contract.floor)}"
        if not owner.watched:
            return ""
        if closes(order):
            free = self._closable(order, owner, market)
            if order.quantity > free:
                side = terms_of(order)[0]
                return f"the {side} position has {contract.size(free)} to close, not {contract.size(order.quantity)}"
            return ""
        held_back = sum(margin_of(position) for position in owner.positions.values())
        if self.set_aside(order, owner, market) > owner.cash - held_back:
            return "insufficient funds"
        return ""

    def set_aside(self, order: Order, owner: Account, market: MarketLike) -> int:
        if not owner.watched or closes(order):
            return 0
        contract = self._contracts[market.facts["symbol"]]
        limit = order.price
        filled = _fillable(order, market) if limit is None else [(limit, order.remaining)]
        value: int = sum(contract.value(price * lots, lots) for price, lots in filled) * FINE
        return value // LEVERAGE + value * TAKER_FEE // FINE

    def book(
        self, order: Order, owner: Account, trade: Trade, market: MarketLike, *, is_maker: bool
    ) -> Booked:
        lots = trade.quantity
        value = self._contracts[market.facts["symbol"]].value(trade.price * lots, lots) * FINE
        if not owner.watched:
            return self._net(order, owner, trade, value)
        fee = value * (MAKER_FEE if is_maker else TAKER_FEE) // FINE
        position = self._position(owner, market.market_id, is_short=terms_of(order)[0] == "SHORT")
        profit = 0
        if closes(order):
            profit = position.close(lots, value, fee, trade.at_ns)
        else:
            position.open(lots, value, fee, trade.at_ns)
        self._pay(owner, profit, fee)
        owner.set_aside(
            order, self.set_aside(order, owner, market) - order.escrow if order.price is not None else 0
        )
        return Booked(cost=value, position=position, fee=fee, realized=profit)

    def worth(self, accounts: Iterable[Account], markets: Iterable[MarketLike]) -> int:
        # For each long there is a short: whatever the price, their profits at it are one sum.
        total = 0
        for account in accounts:
            total += account.cash + account.escrow + account.fees
            total -= sum(
                position.cost if position.net > 0 else -position.cost
                for position in account.positions.values()
            )
        return total

    def _net(self, order: Order, owner: Account, trade: Trade, value: int) -> Booked:
        """The house holds long or short, not both: what is too much for the one opens the other."""
        short, long = (
            self._position(owner, trade.market_id, is_short=is_short) for is_short in (True, False)
        )
        opens, closed = (long, short) if order.side == "buy" else (short, long)
        lots, held = trade.quantity, min(trade.quantity, abs(closed.net))
        part, profit = value * held // lots, 0
        if held:
            profit = closed.close(held, part, 0, trade.at_ns)
        if lots > held:
            opens.open(lots - held, value - part, 0, trade.at_ns)
        self._pay(owner, profit, 0)
        return Booked(cost=value, position=opens if lots > held else closed, realized=profit)

    @staticmethod
    def _position(owner: Account, market_id: str, *, is_short: bool) -> MarginPosition:
        key = position_key(market_id, is_short=is_short)
        position = owner.positions.setdefault(key, MarginPosition(market_id=market_id, is_short=is_short))
        assert isinstance(position, MarginPosition)
        return position

    @staticmethod
    def _pay(owner: Account, profit: int, fee: int) -> None:
        owner.cash += profit - fee
        owner.settled_profit += profit
        owner.fees += fee

    @staticmethod
    def _closable(order: Order, owner: Account, market: MarketLike) -> int:
        """What the position still has to close, beside what other open orders are to close of it."""
        side = terms_of(order)[0]
        position = owner.positions.get(position_key(market.market_id, is_short=side == "SHORT"))
        waiting = sum(
            other.remaining
            for other in owner.open_orders.values()
            if other.market_id == market.market_id and closes(other) and terms_of(other)[0] == side
        )
        return (abs(position.net) if position else 0) - waiting


def _fillable(order: Order, market: MarketLike) -> Iterable[tuple[int, int]]:
    """Prices and lots that a market order would meet now."""
    left = order.quantity
    for maker in market.book.facing(order):
        if left and maker.account != order.account and maker.price is not None:
            lots = min(left, maker.remaining)
            left -= lots
            yield maker.price, lots
