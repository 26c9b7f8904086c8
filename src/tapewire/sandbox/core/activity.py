"""House orders for a user's own account, so that whoever only listens to orders, fills and balances sees some.

Pure and seeded. Each `step` of an account is the next of a round: an order that rests, one that fills at once, the
cancellation of what rests; and every fifth round a market in which the account holds contracts ends.
"""

from __future__ import annotations

import random
from collections import OrderedDict

from .events import Event
from .exchange import Exchange, Market
from .flow import Flow
from .matching import Side

__all__ = ["UserActivity"]

MAX_ACCOUNTS = 1000
"""Accounts whose place in the round is remembered; the one longest idle is forgotten."""

ROUNDS_TO_SETTLEMENT = 5

TAG = "user-activity"


class UserActivity:
    """What the house does in a user's name. Only its own orders are cancelled, never the user's."""

    def __init__(self, exchange: Exchange, flow: Flow, seed: int | str = 1) -> None:
        self._exchange = exchange
        self._flow = flow
        self._random = random.Random(f"activity-{seed}")
        self._steps: OrderedDict[str, int] = OrderedDict()

    def step(self, account: str, now_ns: int) -> list[Event]:
        """The next thing in that account's name."""
        self._exchange.open_account(account)
        number = self._steps.pop(account, 0)
        self._steps[account] = number + 1
        if len(self._steps) > MAX_ACCOUNTS:
            self._steps.popitem(last=False)
        market = self._random.choice(list(self._exchange.markets.values()))
        phase = number % 3
        if phase == 0:
            return self._rest(account, market, now_ns)
        if phase == 1:
            return self._cross(account, market, now_ns)
        events = self._cancel(account, now_ns)
        if number // 3 % ROUNDS_TO_SETTLEMENT == ROUNDS_TO_SETTLEMENT - 1:
            events += self._settle(account, now_ns)
        return events

    def _rest(self, account: str, market: Market, now_ns: int) -> list[Event]:
        away = self._random.randint(2, 4) * self._flow.settings.gap
        best = market.book.best_bid or market.payout // 2
        return self._exchange.place(
            account, market.market_id, "buy", max(1, best - away), 10, now_ns, tag=TAG
        )[1]

    def _cross(self, account: str, market: Market, now_ns: int) -> list[Event]:
        position = self._exchange.accounts[account].positions.get(market.market_id)
        held = max(0, position.net) if position is not None else 0
        side: Side = "sell" if held else "buy"
        quantity = min(self._random.randint(1, 5), held or 5)  # what is held is sold, and no more
        return self._exchange.place(account, market.market_id, side, None, quantity, now_ns, tag=TAG)[1]

    def _cancel(self, account: str, now_ns: int) -> list[Event]:
        events: list[Event] = []
        for order in list(self._exchange.accounts[account].open_orders.values()):
            if order.tag == TAG:
                events += self._exchange.cancel(account, order.order_id, now_ns)[1]
        return events

    def _settle(self, account: str, now_ns: int) -> list[Event]:
        if not self._flow.settings.churn_every:  # where no market ever ends, none is ended for this
            return []
        held = self._exchange.accounts[account].positions.values()
        market_id = next((position.market_id for position in held if position.net), None)
        return [] if market_id is None else self._flow.replace_market(market_id, now_ns)
