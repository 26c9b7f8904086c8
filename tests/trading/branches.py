"""One history of a played exchange, told twice: as it was without our order, and as it is with it.

The model sees the public events of the first. The second is the truth: the same calls of everybody else, in the same
order, on a copy of the exchange in which our order really rests. So what is measured is the model's error, and not what
others would have done because of us.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tapewire.sandbox.core.events import BookChanged, Event, Traded
from tapewire.sandbox.core.exchange import Exchange
from tapewire.sandbox.core.flow import HOUSE, HOUSE_DEPOSIT, Flow, FlowSettings
from tapewire.trading.fills import FillSimulator, SimulatedFill

ME = "me"
BEGINNING = 20
"""Steps before the first order."""

STEPS_APART = 4
"""Between two orders, each of which lives in a branch of its own."""


class CalledExchange(Exchange):
    """An exchange that notes who asked it for what."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any], str | None]] = []

    def place(self, *given: Any, **options: Any) -> Any:
        order, events = super().place(*given, **options)
        self.calls.append(("place", given, options, order.order_id))
        return order, events

    def cancel(self, *given: Any) -> Any:
        self.calls.append(("cancel", given, {}, None))
        return super().cancel(*given)

    def reduce(self, *given: Any) -> Any:
        calls = list(self.calls)
        result = super().reduce(*given)
        self.calls = [*calls, ("reduce", given, {}, None)]  # and not the cancellation that it may have become
        return result


@dataclass
class Moment:
    """One step of the history: what everybody asked for, and what the public was told."""

    calls: list[Any]
    events: list[Event]


@dataclass
class Truth:
    """The exchange as it would be, at one moment."""

    exchange: Exchange
    ids: dict[str, str] = field(default_factory=dict)

    def follow(self, moment: Moment) -> None:
        for name, given, options, order_id in moment.calls:
            if name == "place":
                placed, _ = self.exchange.place(*given, **options)
                self.ids[order_id] = placed.order_id
            else:
                account, known, *rest = given
                getattr(self.exchange, name)(account, self.ids[known], *rest)

    def branch(self) -> Truth:
        return copy.deepcopy(self)


def history(seed: int, steps: int, **settings: Any) -> tuple[Truth, str, list[Moment]]:
    """The beginning of one market, its id, and what happened in it step by step."""
    exchange = CalledExchange(seed)
    flow = Flow(exchange, lambda number, chance: {}, seed, FlowSettings(markets=1, churn_every=0, **settings))
    moments = [Moment([], flow.open(0))]
    moments[0].calls, exchange.calls = exchange.calls, []
    for number in range(1, steps):
        events = flow.step(number)
        moments.append(Moment(exchange.calls, events))
        exchange.calls = []
    [market_id] = exchange.markets
    beginning = Exchange(seed)
    for name in (*HOUSE, ME):
        beginning.open_account(name, HOUSE_DEPOSIT, watched=False)
    beginning.create_market({}, 0, payout=exchange.markets[market_id].payout, market_id=market_id)
    return Truth(beginning), market_id, moments


class Public:
    """The book as the public is told of it."""

    def __init__(self) -> None:
        self.levels: dict[str, dict[int, int]] = {"buy": {}, "sell": {}}

    def hear(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, BookChanged):
                self.levels[event.side][event.price] = event.quantity

    def side(self, side: str) -> list[tuple[Decimal, Decimal]]:
        levels = ((price, size) for price, size in self.levels[side].items() if size)
        return [(Decimal(p), Decimal(q)) for p, q in sorted(levels, reverse=side == "buy")]


def feed(simulator: FillSimulator, events: list[Event], now_ns: int) -> list[SimulatedFill]:
    """What the public was told, in its order."""
    fills: list[SimulatedFill] = []
    for event in events:
        if isinstance(event, BookChanged):
            side = "bid" if event.side == "buy" else "offer"
            fills += simulator.change(side, Decimal(event.price), Decimal(event.quantity), now_ns)
        elif isinstance(event, Traded):
            trade = event.trade
            fills += simulator.trade(Decimal(trade.price), Decimal(trade.quantity), trade.taker_side, now_ns)
    return fills


@dataclass
class Outcome:
    """When our order was filled whole: the number of the step; None within what was looked at."""

    real: int | None = None
    models: dict[str, int] = field(default_factory=dict)


def outcomes(
    seed: int, *, orders: int, horizon: int, models: dict[str, Callable[[], Any]], **settings: Any
) -> Iterator[Outcome]:
    """Resting orders at random moments, each in a branch of its own, beside what each of `models` says of it."""
    chance = Random(f"calibration-{seed}")
    truth, market_id, moments = history(seed, orders * STEPS_APART + horizon + BEGINNING, **settings)
    public = Public()
    for number, moment in enumerate(moments[: orders * STEPS_APART + BEGINNING]):
        truth.follow(moment)
        public.hear(moment.events)
        if number < BEGINNING or number % STEPS_APART:
            continue
        side = chance.choice(("buy", "sell"))
        levels = public.side(side)
        if levels and public.side("sell" if side == "buy" else "buy"):
            price, size = chance.choice(levels[:3])[0], chance.randint(1, 5)
            following = moments[number + 1 :][:horizon]
            made = {name: make() for name, make in models.items()}
            yield _one(truth.branch(), market_id, following, public, side, price, size, made)


def _one(
    truth: Truth,
    market_id: str,
    moments: list[Moment],
    public: Public,
    side: Any,
    price: Decimal,
    size: int,
    models: dict[str, Any],
) -> Outcome:
    placed, _ = truth.exchange.place(ME, market_id, side, int(price), size, 0)
    assert placed.status == "open"
    for simulator in models.values():
        simulator.restore(public.side("buy"), public.side("sell"), 0)
        simulator.place("mine", side, Decimal(size), price, 0)
    outcome, filled = Outcome(), dict.fromkeys(models, Decimal(0))
    for number, moment in enumerate(moments):
        if outcome.real is None:
            truth.follow(moment)
            if placed.order_id not in truth.exchange.accounts[ME].open_orders:
                outcome.real = number
        for name, simulator in models.items():
            if name not in outcome.models:
                filled[name] += sum(
                    (fill.size for fill in feed(simulator, moment.events, number)), Decimal(0)
                )
                if filled[name] == size:
                    outcome.models[name] = number
        if outcome.real is not None and len(outcome.models) == len(models):
            break
    return outcome


@dataclass
class Calibration:
    """What a model is worth: counts of orders, and by how many steps it was early (below zero) or late."""

    orders: int
    filled: int
    phantom: int
    missed: int
    errors: list[int]

    @property
    def median(self) -> int:
        return sorted(abs(each) for each in self.errors)[len(self.errors) // 2]

    def within(self, steps: int) -> float:
        return sum(abs(each) <= steps for each in self.errors) / len(self.errors)

    @property
    def bias(self) -> float:
        return sum(self.errors) / len(self.errors)


def calibrated(found: list[Outcome], model: str) -> Calibration:
    kinds = Counter((each.real is not None, model in each.models) for each in found)
    return Calibration(
        orders=len(found),
        filled=kinds[True, True] + kinds[True, False],
        phantom=kinds[False, True],
        missed=kinds[True, False],
        errors=[
            each.models[model] - each.real for each in found if each.real is not None and model in each.models
        ],
    )
