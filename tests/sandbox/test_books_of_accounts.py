"""What the venue keeps consistent, the sandbox does, at every face.

Cash, positions at whatever mark, and the fees that were paid are what was deposited, after each step, whatever users
and house do; and what is told of an account is what its fills add up to.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.sandbox.core.activity import UserActivity
from tapewire.sandbox.core.carriage import Carriage
from tapewire.sandbox.core.events import Filled
from tapewire.sandbox.core.faults import Faults
from tapewire.sandbox.core.ledger import Ledger
from tapewire.sandbox.face import FaceContext
from tapewire.sandbox.faces import FACES, make_face
from tapewire.sandbox.faces.weex.margin import FINE, MarginPosition

USERS = ("ann", "ben")


class Played:
    """A face without a server, two users at its exchange, and what they heard of their fills."""

    def __init__(self, venue: str, seed: int) -> None:
        ledger = Ledger()
        carriage = Carriage(lambda venue, topic: ledger.last_sequence(topic, venue=venue))
        context = FaceContext(
            ledger=ledger, carriage=carriage, faults=Faults(), clock=SystemClock(), seed=seed
        )
        self.face = make_face(venue, context)
        self.exchange = self.face.exchange
        self.now_ns = 0
        self.fills: list[Filled] = []
        self.hear(self.face.flow.open(0))
        deposit = 10**14 if venue == "weex" else 100_000
        for user in USERS:
            self.exchange.open_account(user, deposit)
        self.activity = UserActivity(self.exchange, self.face.flow, seed)

    def hear(self, events: Any) -> None:
        self.face.publish(events, self.now_ns)
        self.fills += [event for event in events if isinstance(event, Filled) and event.account in USERS]

    def act(self, kind: int, user: str, a: int, b: int) -> None:
        """One of a few things: the house trades, a user's order, a cancellation, an order of the house in a name."""
        self.now_ns += 1_000_000
        if kind < 2:
            self.hear(self.face.flow.step(self.now_ns))
        elif kind < 5:
            self.order(user, a, b)
        elif kind == 5:
            for order_id in list(self.exchange.accounts[user].open_orders)[:1]:
                self.hear(self.exchange.cancel(user, order_id, self.now_ns)[1])
        else:
            self.hear(self.activity.step(user, self.now_ns))

    def order(self, user: str, a: int, b: int) -> None:
        markets = list(self.exchange.markets.values())
        market = markets[a % len(markets)]
        best = market.book.best_bid or market.payout // 2
        price = None if b % 3 == 0 else max(1, best + b % 7 - 3)
        side = "buy" if a % 2 else "sell"
        tag = f"{'SHORT' if b % 5 < 2 else 'LONG'} GTC open" if self.face.name == "weex" else ""
        _, events = self.exchange.place(user, market.market_id, side, price, 1 + b % 40, self.now_ns, tag=tag)
        self.hear(events)


def at_marks(exchange: Any, mark: int) -> int:
    """Cash, escrow, fees and the profit of every position where its contract stands at `mark`, whatever that is."""
    total = 0
    for account in exchange.accounts.values():
        total += account.cash + account.escrow + account.fees
        for position in account.positions.values():
            value = abs(position.net) * mark * FINE
            total += position.cost - value if position.is_short else value - position.cost
    return total


acts = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(USERS), st.integers(0, 1000), st.integers(0, 1000)),
    max_size=60,
)


@pytest.mark.parametrize("venue", FACES)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), acts=acts)
def test_cash_positions_and_fees_are_what_was_deposited(venue, seed, acts):
    """Cash + positions x mark + fees is conserved; nobody's escrow outlives their orders."""
    played = Played(venue, seed)
    exchange = played.exchange
    for act in acts:
        played.act(*act)
        assert exchange.worth() == exchange.deposits
        if venue == "weex":
            assert at_marks(exchange, mark=act[2] - 500) == exchange.deposits
        for user in USERS:
            owner = exchange.accounts[user]
            assert owner.escrow == sum(order.escrow for order in owner.open_orders.values())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1000), acts=acts)
def test_a_margined_account_is_what_its_fills_add_up_to(seed, acts):
    """Wallet = deposit + realised profit - fees; a position never changes its side; its margin is that of its cost."""
    played = Played("weex", seed)
    for act in acts:
        played.act(*act)
    for user in USERS:
        owner = played.exchange.accounts[user]
        fills = [event.fill for event in played.fills if event.account == user]
        wallet = owner.deposited + sum(fill.realized - fill.fee for fill in fills)
        assert owner.cash + owner.escrow == wallet
        assert owner.fees == sum(fill.fee for fill in fills) >= 0
        for position in owner.positions.values():
            assert position.net <= 0 if position.is_short else position.net >= 0
            assert (position.cost == 0) == (position.net == 0)
            assert abs(position.net) == position.opened - position.closed
        assert all(fill.fee > 0 for fill in fills)


@settings(deadline=None, max_examples=60)
@given(
    opened=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 10**6)), min_size=1, max_size=5),
    parts=st.lists(st.integers(1, 100), max_size=8),
    is_short=st.booleans(),
)
def test_the_mean_price_of_a_position_stays_when_it_is_reduced(opened, parts, is_short):
    """Closing takes of the cost in proportion: the entry price is that of the fills that opened it."""
    position = MarginPosition(market_id="m", is_short=is_short)
    for lots, price in opened:
        position.open(lots, lots * price * FINE, 0, 0)
    entry = Fraction(position.cost, abs(position.net))
    for part in parts:
        if part < abs(position.net):
            position.close(part, part * 7 * FINE, 0, 0)
            now = Fraction(position.cost, abs(position.net))
            assert abs(now - entry) <= len(parts)
