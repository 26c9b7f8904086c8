"""Believable trading: makers who quote around a wandering fair price, takers who cross, markets that end and begin.

Pure and seeded: `step` does one small thing at one market and returns what happened. Which thing, is decided by the
seed and the calls so far, never by a clock. `churn_every` steps, one market is resulted and another listed: the oldest
in which nobody but the house has an order or a position. With a `market_life` the oldest ends in its time, whoever
holds it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import msgspec

from ...errors import ConfigurationError
from .events import Event
from .exchange import Exchange, Market
from .matching import Side

__all__ = ["HOUSE", "Flow", "FlowSettings"]

HOUSE = ("house-maker", "house-taker")
HOUSE_DEPOSIT = 10**15


class FlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue's markets trade. Prices in ticks; `drift` is the largest step of the fair price.

    `market_life`: seconds from a market's beginning to its end; None: as `churn_every` has it (0: none ever ends).
    """

    payout: int = 100
    markets: int = 6
    depth: int = 5
    gap: int = 1
    spread: int = 1
    drift: int = 1
    lot: int = 25
    take_share: float = 0.25
    churn_every: int = 400
    market_life: float | None = None


class Flow:
    """The house's own trading at `exchange`. `new_facts(number, random)` words the markets that it lists."""

    def __init__(
        self,
        exchange: Exchange,
        new_facts: Callable[[int, random.Random], Mapping[str, str]],
        seed: int | str = 1,
        settings: FlowSettings | None = None,
    ) -> None:
        self.settings: FlowSettings = settings or FlowSettings()
        if self.settings.markets < 1:
            raise ConfigurationError("markets", self.settings.markets, "1 or more")
        self._exchange = exchange
        self._new_facts = new_facts
        self._random = random.Random(f"flow-{seed}")
        self._fair: dict[str, int] = {}
        self._quotes: dict[str, list[str]] = {}
        self._listed = 0
        self._last_end_ns = 0
        self.steps: int = 0
        for name in HOUSE:
            exchange.open_account(name, HOUSE_DEPOSIT, watched=False)

    def open(self, now_ns: int) -> list[Event]:
        """List the first markets and quote them. Call it once, before `step`."""
        self._last_end_ns = now_ns
        events: list[Event] = []
        for _ in range(self.settings.markets):
            events += self.list_market(now_ns)
        return events

    def list_market(self, now_ns: int) -> list[Event]:
        """List one more market, with quotes in it."""
        facts = self._new_facts(self._listed, self._random)
        self._listed += 1
        market, events = self._exchange.create_market(facts, now_ns, payout=self.settings.payout)
        middle = self.settings.payout // 2
        self._fair[market.market_id] = self._random.randint(middle - middle // 2, middle + middle // 2)
        return events + self._requote(market, now_ns)

    def step(self, now_ns: int) -> list[Event]:
        """One thing happens at one market."""
        self.steps += 1
        ending = self._ending(now_ns)
        if ending is not None:
            return self.replace_market(ending, now_ns)
        market = self._random.choice(list(self._exchange.markets.values()))
        if self._random.random() < self.settings.take_share:
            return self._take(market, now_ns) or self._requote(market, now_ns)
        self._wander(market)
        return self._requote(market, now_ns) or self._take(market, now_ns)

    def _ending(self, now_ns: int) -> str | None:
        """The market whose time has come, if one's has: the oldest are first in the exchange's list."""
        settings = self.settings
        if settings.market_life is not None:
            if now_ns - self._last_end_ns < settings.market_life / settings.markets * 1e9:
                return None
            self._last_end_ns = now_ns
            return next(iter(self._exchange.markets), "")
        if not settings.churn_every or self.steps % settings.churn_every:
            return None
        used = self._used()
        return next((market_id for market_id in self._exchange.markets if market_id not in used), None)

    def _used(self) -> set[str]:
        """The markets in which somebody besides the house has an order or a position."""
        users = [owner for name, owner in self._exchange.accounts.items() if name not in HOUSE]
        used = {order.market_id for owner in users for order in owner.open_orders.values()}
        held = (position for owner in users for position in owner.positions.values() if position.net)
        return used | {position.market_id for position in held}

    def replace_market(self, market_id: str, now_ns: int) -> list[Event]:
        """Result a market, rarely void it, and list another. An unknown market is only replaced by nothing."""
        if market_id not in self._exchange.markets:
            return self.list_market(now_ns)
        fair = self._fair.pop(market_id, 0)
        self._quotes.pop(market_id, None)
        draw = self._random.random()
        won = 0 if self._random.randrange(self.settings.payout) < fair else 1
        events = self._exchange.close_market(market_id, now_ns, outcome=None if draw < 0.1 else won)
        return events + self.list_market(now_ns)

    def _wander(self, market: Market) -> None:
        drift, margin = self.settings.drift, self.settings.spread + self.settings.gap
        moved = self._fair.get(market.market_id, market.payout // 2) + self._random.randint(-drift, drift)
        self._fair[market.market_id] = min(max(moved, 1 + margin), market.payout - 1 - margin)

    def _requote(self, market: Market, now_ns: int) -> list[Event]:
        """Withdraw the quotes that are off, and quote the missing levels anew."""
        exchange, settings = self._exchange, self.settings
        fair = self._fair.setdefault(market.market_id, market.payout // 2)
        wanted: dict[tuple[Side, int], None] = {}
        for level in range(settings.depth):
            away = settings.spread + level * settings.gap
            wanted[("buy", fair - away)] = None
            wanted[("sell", fair + away)] = None
        events: list[Event] = []
        kept: list[str] = []
        maker = exchange.accounts["house-maker"]
        for order_id in self._quotes.get(market.market_id, []):
            order = maker.open_orders.get(order_id)
            if order is None or order.price is None:
                continue
            if (order.side, order.price) in wanted:
                del wanted[(order.side, order.price)]
                kept.append(order_id)
            else:
                events += exchange.cancel("house-maker", order_id, now_ns)[1]
        for side, price in wanted:
            if 0 < price < market.payout:
                quantity = self._random.randint(1, 8) * settings.lot
                order, placed = exchange.place("house-maker", market.market_id, side, price, quantity, now_ns)
                events += placed
                kept.append(order.order_id)
        self._quotes[market.market_id] = kept
        return events

    def _take(self, market: Market, now_ns: int) -> list[Event]:
        side: Side = "buy" if self._random.random() < 0.5 else "sell"
        quantity = self._random.randint(1, 6) * max(1, self.settings.lot // 2)
        _, events = self._exchange.place("house-taker", market.market_id, side, None, quantity, now_ns)
        return events
