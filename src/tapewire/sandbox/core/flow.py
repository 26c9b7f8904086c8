"""Believable trading: makers who quote around a wandering fair price, takers who cross, markets that end and begin.

Queues are real: several makers stand at a level, one behind the other; an order is cut down or withdrawn from the
middle of the queue, others come behind it, and some show a part of themselves only. What is public of all this is the
level's sum.

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
from .events import BookChanged, Event
from .exchange import Exchange, Market
from .matching import Side

__all__ = ["HOUSE", "MAKERS", "Flow", "FlowSettings"]

MAKERS = ("house-maker", "house-maker-2", "house-maker-3")
"""The first quotes every level; the others join it or do not."""

TAKER = "house-taker"
HOUSE = (MAKERS[0], TAKER, *MAKERS[1:])
HOUSE_DEPOSIT = 10**15

_JOINING = 0.5
"""How likely a further maker joins a level."""

_SWEEPING, _SWEEP = 0.15, 8
"""How likely a taker wants so many times more."""


class FlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue's markets trade. Prices in ticks; `drift` is the largest step of the fair price.

    `market_life`: seconds from a market's beginning to its end; None: as `churn_every` has it (0: none ever ends).
    `take_share` of the steps are takers', `queue_share` happen inside a queue; the others move the fair price.
    `queue_share` of 0 and `makers` of 1: a queue is one order. `is_cut`: orders may be cut down and hide a part; a
    venue that shows each order by itself has neither.
    """

    payout: int = 100
    markets: int = 6
    depth: int = 5
    gap: int = 1
    spread: int = 1
    drift: int = 1
    lot: int = 25
    take_share: float = 0.25
    queue_share: float = 0.25
    makers: int = len(MAKERS)
    is_cut: bool = True
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
        if not 1 <= self.settings.makers <= len(MAKERS):
            raise ConfigurationError("makers", self.settings.makers, f"1 to {len(MAKERS)}")
        self._exchange = exchange
        self._new_facts = new_facts
        self._random = random.Random(f"flow-{seed}")
        self._fair: dict[str, int] = {}
        self._quotes: dict[str, dict[str, _Quote]] = {}
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
        draw = self._random.random()
        if draw < self.settings.take_share:
            return self._take(market, now_ns) or self._requote(market, now_ns)
        if draw < self.settings.take_share + self.settings.queue_share and (
            events := self._queue(market, now_ns)
        ):
            return events
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
        settings = self.settings
        fair = self._fair.setdefault(market.market_id, market.payout // 2)
        wanted: dict[tuple[Side, int], None] = {}
        for level in range(settings.depth):
            away = settings.spread + level * settings.gap
            wanted[("buy", fair - away)] = None
            wanted[("sell", fair + away)] = None
        events: list[Event] = []
        for order_id, quote in list(self._standing(market).items()):
            if quote.level not in wanted:
                events += self._withdraw(market, order_id, now_ns)
        quoted = {(quote.maker, quote.level) for quote in self._quotes[market.market_id].values()}
        for maker in MAKERS[: settings.makers]:
            for side, price in wanted:
                if (
                    0 < price < market.payout
                    and (maker, (side, price)) not in quoted
                    and (maker == MAKERS[0] or self._random.random() < _JOINING)
                ):
                    events += self._quote(market, maker, side, price, now_ns)
        return _net(events)

    def _standing(self, market: Market) -> dict[str, _Quote]:
        """The makers' orders in the market; those that have gone are forgotten."""
        accounts = self._exchange.accounts
        quotes = self._quotes[market.market_id] = {
            order_id: quote
            for order_id, quote in self._quotes.get(market.market_id, {}).items()
            if order_id in accounts[quote.maker].open_orders
        }
        return quotes

    def _quote(
        self, market: Market, maker: str, side: Side, price: int, now_ns: int, *, parts: int = 1
    ) -> list[Event]:
        """One more order of a maker. `parts`: how many times what it shows it is."""
        shown = self._random.randint(1, 8) * self.settings.lot
        display = shown if parts > 1 else None
        order, events = self._exchange.place(
            maker, market.market_id, side, price, shown * parts, now_ns, display=display
        )
        if order.status == "open":
            self._quotes[market.market_id][order.order_id] = _Quote(maker, (side, price))
        return events

    def _withdraw(self, market: Market, order_id: str, now_ns: int) -> list[Event]:
        quote = self._quotes[market.market_id].pop(order_id)
        return self._exchange.cancel(quote.maker, order_id, now_ns)[1]

    def _queue(self, market: Market, now_ns: int) -> list[Event]:
        """Inside a queue an order is cut down or withdrawn, or another comes behind it, which may hide a part."""
        standing = list(self._standing(market).items())
        if not standing:
            return []
        order_id, quote = self._random.choice(standing)
        side, price = quote.level
        kinds = ("withdraw", "refill", "cut", "hide") if self.settings.is_cut else ("withdraw", "refill")
        kind = self._random.choice(kinds)
        if kind == "cut":
            order = self._exchange.accounts[quote.maker].open_orders[order_id]
            part = self._random.randint(1, order.remaining)
            return self._exchange.reduce(quote.maker, order_id, part, now_ns)[1]
        if kind == "withdraw":
            return self._withdraw(market, order_id, now_ns)
        maker = self._random.choice(MAKERS[: self.settings.makers])
        parts = self._random.randint(2, 4) if kind == "hide" else 1
        return self._quote(market, maker, side, price, now_ns, parts=parts)

    def _take(self, market: Market, now_ns: int) -> list[Event]:
        side: Side = "buy" if self._random.random() < 0.5 else "sell"
        quantity = self._random.randint(1, 6) * max(1, self.settings.lot // 2)
        if self._random.random() < _SWEEPING:
            quantity *= _SWEEP
        _, events = self._exchange.place(TAKER, market.market_id, side, None, quantity, now_ns)
        return events


class _Quote(msgspec.Struct, frozen=True):
    """A maker's order at a level."""

    maker: str
    level: tuple[Side, int]


def _net(events: list[Event]) -> list[Event]:
    """Of the changes of a level that happen at one blow only the last is told: it says all that is public."""
    last = {
        (event.side, event.price): number
        for number, event in enumerate(events)
        if isinstance(event, BookChanged)
    }
    told = set(last.values())
    return [
        event for number, event in enumerate(events) if number in told or not isinstance(event, BookChanged)
    ]
