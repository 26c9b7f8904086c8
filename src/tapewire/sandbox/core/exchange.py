"""A small exchange: markets, price-time matching, accounts that are settled on `Terms`. Pure and seeded.

It reads no clock (`now_ns` is an argument) and knows no venue's spelling: a face translates. The same seed and the same
calls give the same events, ids included. Every method that changes something returns its events, in order.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from ...errors import ConfigurationError
from .accounts import Account
from .events import (
    BalanceChanged,
    BookChanged,
    Event,
    Fill,
    Filled,
    MarketClosed,
    MarketCreated,
    MarketStatus,
    OrderChanged,
    PositionChanged,
    Settled,
    Settlement,
    Trade,
    Traded,
)
from .matching import Execution, Order, OrderStatus, RestingOrders, Side
from .terms import Collateralised, Terms

__all__ = ["Exchange", "Market"]

RECENT_TRADES = 15
"""Trades remembered per market."""

CLOSED_MARKETS = 200
"""Markets remembered after their end."""

MAX_QUANTITY = 1_000_000
"""Contracts in one order."""


class Market(msgspec.Struct, kw_only=True):
    """One market. `facts` are the words a face needs (title, rules, event, ...); the exchange never reads them."""

    market_id: str
    payout: int
    facts: Mapping[str, str]
    book: RestingOrders
    opened_at_ns: int
    status: MarketStatus = "open"
    outcome: int | None = None
    closed_at_ns: int | None = None
    last_price: int | None = None
    volume: int = 0
    contracts: int = 0
    trades: deque[Trade] = msgspec.field(default_factory=lambda: deque(maxlen=RECENT_TRADES))


class Exchange:
    """Markets, orders and accounts. `seed` decides the ids it gives, `terms` what orders and fills cost."""

    def __init__(self, seed: int | str = 1, terms: Terms | None = None) -> None:
        self._terms: Terms = terms or Collateralised()
        self._ids = random.Random(f"ids-{seed}")
        self.markets: dict[str, Market] = {}
        self.closed_markets: deque[Market] = deque(maxlen=CLOSED_MARKETS)
        self.accounts: dict[str, Account] = {}
        self.deposits: int = 0
        self.trades: int = 0

    def new_id(self) -> str:
        """The next id: a UUID, the same ones for the same seed."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def find_market(self, market_id: str) -> Market | None:
        """The market, open or remembered after its end."""
        open_market = self.markets.get(market_id)
        if open_market is not None:
            return open_market
        return next((market for market in self.closed_markets if market.market_id == market_id), None)

    def open_account(self, name: str, deposit: int = 1_000_000, *, watched: bool = True) -> Account:
        """The account of that name; made, with `deposit` ticks in cash, where there is none yet."""
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(name, deposit, watched=watched)
            self.deposits += deposit
        return account

    def create_market(
        self, facts: Mapping[str, str], now_ns: int, *, payout: int = 100, market_id: str | None = None
    ) -> tuple[Market, list[Event]]:
        """List a market. Prices are 1 to `payout - 1` ticks. Raises ConfigurationError."""
        if payout < 2:
            raise ConfigurationError("payout", payout, "2 or more ticks")
        market_id = market_id or self.new_id()
        if market_id in self.markets:
            raise ConfigurationError("market_id", market_id, "an id that no open market has")
        market = Market(
            market_id=market_id,
            payout=payout,
            facts=dict(facts),
            book=RestingOrders(payout),
            opened_at_ns=now_ns,
        )
        self.markets[market_id] = market
        return market, [MarketCreated(market_id, market.facts)]

    def place(
        self,
        account: str,
        market_id: str,
        side: Side,
        price: int | None,
        quantity: int,
        now_ns: int,
        *,
        client_order_id: str | None = None,
        tag: str = "",
        display: int | None = None,
    ) -> tuple[Order, list[Event]]:
        """Place an order; `price=None` is a market order, whose unfilled rest is cancelled.

        `display`: what of it everybody sees while it rests, at most. The account must be open. What the rules forbid
        comes back with status `rejected` and a `reason`. An order that would meet another of the same account cancels
        that one first.
        """
        order = Order(
            order_id=self.new_id(), account=account, market_id=market_id, side=side, price=price, quantity=quantity,
            placed_at_ns=now_ns, client_order_id=client_order_id, tag=tag, display=display,
        )  # fmt: skip
        owner = self.accounts[account]
        order.reason = self._refusal(order, owner)
        if order.reason:
            order.status = "rejected"
            owner.closed_orders.append(order)
            return order.copy(), [OrderChanged(account, order.copy())] if owner.watched else []
        market = self.markets[market_id]
        events: list[Event] = []
        owner.set_aside(order, self._terms.set_aside(order, owner, market))
        owner.open_orders[order.order_id] = order
        touched = self._meet(order, market, now_ns, events)
        if order.remaining and price is not None:
            market.book.rest(order)
            touched.add((side, price))
        self._after_meeting(order, owner, market, events)
        self._books(market, touched, events)
        if owner.watched:
            events.append(BalanceChanged(account, owner.cash, owner.escrow))
        return order.copy(), events

    def cancel(self, account: str, order_id: str, now_ns: int) -> tuple[Order | None, list[Event]]:
        """Cancel an open order of that account. None where it has no such order; a finished one comes back as it is."""
        owner = self.accounts[account]
        order = owner.open_orders.get(order_id)
        if order is None:
            closed = (order for order in owner.closed_orders if order.order_id == order_id)
            return next(closed, None), []
        events: list[Event] = []
        self._cancel(order, self.markets[order.market_id], events)
        if owner.watched:
            events.append(BalanceChanged(account, owner.cash, owner.escrow))
        return order.copy(), events

    def reduce(
        self, account: str, order_id: str, quantity: int, now_ns: int
    ) -> tuple[Order | None, list[Event]]:
        """Cancel so much of an open order, what is hidden first. The rest keeps its place; without one it is cancelled.

        As `cancel` where there is no such order. Raises ConfigurationError for a quantity below 1.
        """
        if quantity < 1:
            raise ConfigurationError("quantity", quantity, "1 or more")
        owner = self.accounts[account]
        order = owner.open_orders.get(order_id)
        if order is None or quantity >= order.remaining:
            return self.cancel(account, order_id, now_ns)
        market = self.markets[order.market_id]
        order.quantity -= quantity
        order.hidden = max(0, order.hidden - quantity)
        owner.set_aside(order, self._terms.set_aside(order, owner, market) - order.escrow)
        assert order.price is not None
        events: list[Event] = [OrderChanged(account, order.copy())] if owner.watched else []
        self._books(market, {(order.side, order.price)}, events)
        if owner.watched:
            events.append(BalanceChanged(account, owner.cash, owner.escrow))
        return order.copy(), events

    def close_market(self, market_id: str, now_ns: int, *, outcome: int | None = None) -> list[Event]:
        """End a market: `outcome` 0 or 1 has won, None voids it (what it holds is shared by cost).

        Open orders are cancelled first. Raises ConfigurationError for a market that is not open.
        """
        if market_id not in self.markets:
            raise ConfigurationError("market_id", market_id, "the id of an open market")
        if outcome not in (0, 1, None):
            raise ConfigurationError("outcome", outcome, "0, 1 or None")
        market = self.markets[market_id]
        events: list[Event] = []
        for order in market.book.resting():
            self._cancel(order, market, events)
        market.status = "voided" if outcome is None else "resulted"
        market.outcome, market.closed_at_ns = outcome, now_ns
        del self.markets[market_id]
        self.closed_markets.append(market)
        events.append(MarketClosed(market_id, market.status, outcome))
        self._pay_out(market, now_ns, events)
        return events

    def worth(self) -> int:
        """All cash, escrow and positions, and fees paid: always what was deposited."""
        return self._terms.worth(self.accounts.values(), self.markets.values())

    def _refusal(self, order: Order, owner: Account) -> str:
        market = self.markets.get(order.market_id)
        if market is None:
            return "market is not open" if self.find_market(order.market_id) else "market not found"
        if order.side not in ("buy", "sell"):
            return "side must be buy or sell"
        if not 0 < order.quantity <= MAX_QUANTITY:
            return f"quantity must be between 1 and {MAX_QUANTITY}"
        if order.display is not None and order.display < 1:
            return "what is shown must be 1 or more"
        if order.price is None and market.book.next_maker(order) is None:
            return "no liquidity"
        return self._terms.refusal(order, owner, market)

    def _meet(self, order: Order, market: Market, now_ns: int, events: list[Event]) -> set[tuple[Side, int]]:
        touched: set[tuple[Side, int]] = set()
        while order.remaining and (maker := market.book.next_maker(order)) is not None:
            assert maker.price is not None
            if maker.account == order.account:
                self._cancel(maker, market, events)
                continue
            execution = market.book.execute(maker, order)
            touched.add((maker.side, execution.price))
            self._record(execution, market, now_ns, events)
        return touched

    def _record(self, execution: Execution, market: Market, now_ns: int, events: list[Event]) -> None:
        trade = Trade(
            trade_id=self.new_id(), market_id=market.market_id, price=execution.price, quantity=execution.quantity,
            taker_side=execution.taker.side, at_ns=now_ns,
        )  # fmt: skip
        self.trades += 1
        market.trades.appendleft(trade)
        market.last_price = trade.price
        market.volume += trade.quantity
        before = self._held(market.market_id, execution)
        for order in (execution.maker, execution.taker):
            self._book_fill(order, trade, market, order is execution.maker, events)
        market.contracts += (self._held(market.market_id, execution) - before) // 2
        events.append(Traded(trade))

    def _held(self, market_id: str, execution: Execution) -> int:
        names = (execution.maker.account, execution.taker.account)
        return sum(self.accounts[name].holds(market_id) for name in names)

    def _book_fill(
        self, order: Order, trade: Trade, market: Market, is_maker: bool, events: list[Event]
    ) -> None:
        owner = self.accounts[order.account]
        booked = self._terms.book(order, owner, trade, market, is_maker=is_maker)
        if is_maker and not order.remaining:
            self._finish(order, "filled")
        if not owner.watched:
            return
        fill = Fill(
            fill_id=self.new_id(), trade_id=trade.trade_id, order_id=order.order_id,
            client_order_id=order.client_order_id, market_id=market.market_id, side=order.side, price=trade.price,
            quantity=trade.quantity, cost=booked.cost, fee=booked.fee, realized=booked.realized, is_maker=is_maker,
            at_ns=trade.at_ns,
        )  # fmt: skip
        owner.fills.append(fill)
        if is_maker:
            events.append(OrderChanged(owner.name, order.copy()))
        events.append(Filled(owner.name, fill))
        events.append(PositionChanged(owner.name, booked.position.copy()))
        if is_maker:
            events.append(BalanceChanged(owner.name, owner.cash, owner.escrow))

    def _after_meeting(self, order: Order, owner: Account, market: Market, events: list[Event]) -> None:
        if not order.remaining:
            self._finish(order, "filled")
        elif order.price is None:
            self._finish(order, "partly_cancelled" if order.filled else "cancelled")
        else:  # what rests keeps what its own price can cost; a better price gives the difference back
            owner.set_aside(order, self._terms.set_aside(order, owner, market) - order.escrow)
        if owner.watched:
            events.append(OrderChanged(owner.name, order.copy()))

    def _finish(self, order: Order, status: OrderStatus) -> None:
        owner = self.accounts[order.account]
        order.status = status
        owner.set_aside(order, -order.escrow)
        del owner.open_orders[order.order_id]
        owner.closed_orders.append(order)

    def _cancel(self, order: Order, market: Market, events: list[Event]) -> None:
        market.book.withdraw(order)
        self._finish(order, "partly_cancelled" if order.filled else "cancelled")
        if self.accounts[order.account].watched:
            events.append(OrderChanged(order.account, order.copy()))
        assert order.price is not None
        self._books(market, {(order.side, order.price)}, events)

    @staticmethod
    def _books(market: Market, touched: Iterable[tuple[Side, int]], events: list[Event]) -> None:
        for side, price in sorted(touched):
            events.append(BookChanged(market.market_id, side, price, market.book.quantity_at(side, price)))

    def _pay_out(self, market: Market, now_ns: int, events: list[Event]) -> None:
        holders = [owner for owner in self.accounts.values() if market.market_id in owner.positions]
        pot = market.contracts * market.payout
        costs = sum(owner.positions[market.market_id].cost for owner in holders)
        for owner in holders:
            position = owner.positions.pop(market.market_id)
            if not position.net:
                continue
            if market.outcome is None:
                # Whoever closed a position took its profit along, so costs need not sum to the pot: it is shared.
                paid = position.cost * pot // costs if costs else 0
                pot, costs = pot - paid, costs - position.cost
            else:
                won = position.net > 0 if market.outcome == 0 else position.net < 0
                paid = abs(position.net) * market.payout if won else 0
            owner.cash += paid
            owner.settled_profit += paid - position.cost
            if owner.watched:
                settlement = Settlement(
                    settlement_id=self.new_id(), market_id=market.market_id, net=position.net, cost=position.cost,
                    paid=paid, kind=market.status, at_ns=now_ns,
                )  # fmt: skip
                owner.settlements.append(settlement)
                closed = position.copy()
                closed.net = closed.cost = 0
                closed.changed_at_ns = now_ns
                events.append(Settled(owner.name, settlement))
                events.append(PositionChanged(owner.name, closed))
                events.append(BalanceChanged(owner.name, owner.cash, owner.escrow))
        market.contracts = 0
