"""A venue's orders and money, simulated on its public events. Pure: events in, states out, `now_ns` an argument.

Rules:

* Time is the events'. What is asked for reaches the venue `latency_in` later and acts on the book as it is then; what
  came of it is told `latency_out` later. Both are drawn from `seed`: the same events and calls give the same states.
* What one account asks for arrives in its order, and what it is told comes in its order, whatever the latencies.
* Fills are those of `FillSimulator`. A fill that may have happened unseen is told when it is sure; until then the order
  is `unknown`, its `reason` says between which sizes, and `profit` is an interval.
* Everything is paid for: an outcome in full, a contract by its `leverage`. What only closes needs no money.
* A reduce-only order is never larger than what it reduces, also while it rests.
* Nothing is clamped: a configuration out of range is refused, an order off the grid or beyond the money is rejected.
* Orders that ended are remembered up to `MOST_REMEMBERED`, and so are fills in doubt.
"""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, TypeAlias

import msgspec

from ..errors import ConfigurationError
from ..model import (
    EXACT,
    MAX_DECIMALS,
    Balance,
    Fees,
    Fill,
    Instrument,
    Level,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Position,
    QuoteSide,
    check_on_grid,
    rounded,
)
from .fills import Cancels, FillSimulator, SimulatedFill
from .holdings import Doubt, Holding, Profit

__all__ = ["MOST_REMEMBERED", "PaperConfig", "PaperEngine", "PaperState"]

MOST_REMEMBERED: Final = 10_000
"""Orders that ended, and that may still be asked for or be in doubt."""

MAX_LATENCY: Final = 60.0
"""Seconds."""

PaperState: TypeAlias = Order | Fill | Position | Balance
"""What is told of an account."""

_ZERO: Final = Decimal(0)


class PaperConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How it is simulated. `balance`: money to begin with, by currency.

    `latency_in`, `latency_out`: seconds, least and most, to the venue and back. `cancels`: where others withdraw from a
    queue (`FillSimulator`). `fees`: None for those of the venue. `leverage`: of contracts that are no outcomes.
    Raises ConfigurationError.
    """

    balance: Mapping[str, Decimal]
    latency_in: tuple[float, float] = (0.0, 0.0)
    latency_out: tuple[float, float] = (0.0, 0.0)
    cancels: Cancels = "proportional"
    fees: Fees | None = None
    leverage: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        for field in ("latency_in", "latency_out"):
            least, most = getattr(self, field)
            if not 0 <= least <= most <= MAX_LATENCY:
                raise ConfigurationError(
                    field, (least, most), f"seconds, 0 <= least <= most <= {MAX_LATENCY:g}"
                )
        for currency, amount in self.balance.items():
            given: object = amount
            if not isinstance(given, Decimal) or not given.is_finite() or given < 0:
                raise ConfigurationError(
                    "balance", {currency: amount}, "Decimals of zero or more, by currency"
                )
        if not 1 <= self.leverage <= 1000:
            raise ConfigurationError("leverage", self.leverage, "1 to 1000")


class _PaperOrder:
    """One order. `size`: what of it counts; `paid`: what its fills cost, price times size."""

    __slots__ = ("filled", "paid", "reason", "request", "size", "status", "venue_order_id")

    def __init__(self, request: OrderRequest, venue_order_id: str) -> None:
        self.request = request
        self.venue_order_id = venue_order_id
        self.size = request.size
        self.status: OrderStatus = "submitted"
        self.reason = ""
        self.filled = _ZERO
        self.paid = _ZERO


class _Traded:
    """One instrument."""

    __slots__ = ("doubts", "ended", "fees", "holding", "instrument", "mark", "simulator")

    def __init__(self, instrument: Instrument, fees: Fees, simulator: FillSimulator) -> None:
        self.instrument = instrument
        self.fees = fees
        self.simulator = simulator
        self.holding = Holding()
        self.doubts: OrderedDict[str, Doubt] = OrderedDict()  # by our order ids
        self.mark: Decimal | None = None
        self.ended = False


class PaperEngine:
    """One account at one venue.

    ::

        engine = PaperEngine(venue.name, PaperConfig(balance={"USD": Decimal(1000)}), seed=7)
        engine.add(instrument)
        engine.restore(instrument.instrument_id, bids, offers, now_ns)
        engine.place(request, now_ns)
        for state in engine.advance(later_ns): ...

    Give it each public event in the venue's order (`restore`, `change`, `trade`, `lose`, `settle`), then ask `advance`
    for what is to be told by then; `next_due_ns` says when to ask even if nothing happens. Times never go back.
    `fees`: the venue's, where the config states none. `late_prints`: see `FillSimulator`.
    Every method that names an instrument raises ConfigurationError for one that was not added.
    """

    def __init__(
        self,
        venue: str,
        config: PaperConfig,
        *,
        seed: int | str = 1,
        fees: Fees | None = None,
        late_prints: bool = False,
    ) -> None:
        self.venue: str = venue
        self.config: PaperConfig = config
        self._fees = next((each for each in (config.fees, fees) if each is not None), Fees())
        self._late_prints = late_prints
        self._chance = random.Random(f"paper-{seed}")
        self._traded: dict[str, _Traded] = {}
        self._orders: dict[str, _PaperOrder] = {}  # open ones, by our ids
        self._ended: OrderedDict[str, _PaperOrder] = OrderedDict()
        self._asked: deque[tuple[int, Callable[[int], None]]] = deque()
        self._told: deque[PaperState] = deque()
        self._told_until_ns = 0
        self._number = 0
        self._now_ns = 0

    def add(self, instrument: Instrument) -> None:
        """It can be traded from now on. Raises ConfigurationError for one that is there already."""
        if instrument.instrument_id in self._traded:
            raise ConfigurationError("instrument", instrument.instrument_id, "one that was not added before")
        simulator = FillSimulator(
            cancels=self.config.cancels, size_step=instrument.size_step, late_prints=self._late_prints
        )
        self._traded[instrument.instrument_id] = _Traded(instrument, self._fees, simulator)

    # --- what the venue publishes -----------------------------------------------------------------------------------

    def change(self, instrument_id: str, side: QuoteSide, price: Decimal, size: Decimal, now_ns: int) -> None:
        """A level of the book shows `size` now."""
        traded = self._at(instrument_id, now_ns)
        self._met(traded, traded.simulator.change(side, price, size, now_ns))

    def trade(
        self, instrument_id: str, price: Decimal, size: Decimal, taker_side: OrderSide, now_ns: int
    ) -> None:
        """A public print. It is the instrument's mark from now on."""
        traded = self._at(instrument_id, now_ns)
        traded.mark = price
        self._met(traded, traded.simulator.trade(price, size, taker_side, now_ns))

    def lose(self, instrument_id: str, now_ns: int) -> None:
        """The feed of the instrument is not live: nothing fills until `restore`. Idempotent."""
        self._at(instrument_id, now_ns).simulator.lose()

    def restore(
        self, instrument_id: str, bids: Iterable[Level], offers: Iterable[Level], now_ns: int
    ) -> None:
        """The book is proven (again), and is this. What rested through a hole is in doubt from now on."""
        traded = self._at(instrument_id, now_ns)
        self._met(traded, traded.simulator.restore(bids, offers, now_ns))
        for resting in traded.simulator:
            if resting.maybe:
                self._doubt(traded, self._orders[resting.order_id], resting.maybe)

    def settle(self, instrument_id: str, value: Decimal | None, now_ns: int) -> None:
        """The instrument has ended: a contract is worth `value`; None: it is void, and all is given back.

        What rests expires. Later orders are rejected.
        """
        traded = self._at(instrument_id, now_ns)
        for resting in list(traded.simulator):
            traded.simulator.cancel(resting.order_id)
            self._end(self._orders[resting.order_id], "expired", "the market has ended")
        traded.ended, traded.mark = True, value
        traded.holding.settle(value)
        if value is None:
            traded.doubts.clear()
        self._tell_money(traded)

    # --- our orders -------------------------------------------------------------------------------------------------

    def place(self, request: OrderRequest, now_ns: int) -> Order:
        """Send an order; it is `submitted`.

        Raises ConfigurationError for an id that was used before, InvalidField for what is off the instrument's grid.
        """
        traded = self._at(request.instrument_id, now_ns)
        if request.client_order_id in self._orders or request.client_order_id in self._ended:
            raise ConfigurationError(
                "client_order_id", request.client_order_id, "one that was not used before"
            )
        check_on_grid(request, traded.instrument)
        self._number += 1
        order = self._orders[request.client_order_id] = _PaperOrder(request, f"paper-{self._number}")
        self._ask(lambda at_ns: self._arrive(traded, order, at_ns))
        return self._said(order, now_ns)

    def cancel(self, client_order_id: str, now_ns: int) -> Order | None:
        """Ask for an order to be cancelled: as it stands until that arrives; None for one that is not known."""
        self._act(now_ns)
        order = self._orders.get(client_order_id)
        if order is None:
            ended = self._ended.get(client_order_id)
            return None if ended is None else self._said(ended, now_ns)
        self._ask(lambda at_ns: self._withdraw(order))
        return msgspec.structs.replace(self._said(order, now_ns), status="pending_cancel")

    def open_orders(self, now_ns: int) -> list[Order]:
        """Those that have not ended, as the venue has them."""
        self._act(now_ns)
        return [self._said(order, now_ns) for order in self._orders.values()]

    # --- what came of it --------------------------------------------------------------------------------------------

    @property
    def next_due_ns(self) -> int | None:
        """When something arrives or is to be told; None while nothing is under way."""
        due = [self._asked[0][0]] if self._asked else []
        return min([*due, self._told[0].received_at_ns] if self._told else due, default=None)

    def advance(self, now_ns: int) -> list[PaperState]:
        """What is told by `now_ns`, in order."""
        self._act(now_ns)
        told: list[PaperState] = []
        while self._told and self._told[0].received_at_ns <= now_ns:
            told.append(self._told.popleft())
        return told

    def profit(self) -> dict[str, Profit]:
        """What was earned since the beginning, by currency, at the last prints. Currencies are never added together."""
        found: dict[str, Profit] = {}
        for traded in self._traded.values():
            profit = traded.holding.profit(traded.mark, traded.doubts.values())
            currency = traded.instrument.currency
            found[currency] = found[currency] + profit if currency in found else profit
        return found

    def balance(self, currency: str) -> Balance:
        """The money of one currency as the venue has it. `held`: what positions and open orders bind."""
        total, held = self.config.balance.get(currency, _ZERO), Fraction(0)
        for traded in self._traded.values():
            if traded.instrument.currency == currency:
                total = EXACT.add(total, EXACT.subtract(traded.holding.realized, traded.holding.fees))
                held += self._bound(traded)
        return Balance(
            venue=self.venue, currency=currency, total=rounded(total, MAX_DECIMALS),
            held=rounded(held, MAX_DECIMALS, "up"),
            available=rounded(Fraction(total) - held, MAX_DECIMALS, "down"),
            venue_time_ns=self._now_ns, received_at_ns=self._now_ns,
        )  # fmt: skip

    def position(self, instrument_id: str) -> Position:
        """What is held of an instrument as the venue has it."""
        traded = self._traded_of(instrument_id)
        return Position(
            venue=self.venue, instrument_id=instrument_id, size=traded.holding.size,
            average_price=traded.holding.average_price, mark=traded.mark or None,
            realized_pnl=traded.holding.realized, venue_time_ns=self._now_ns, received_at_ns=self._now_ns,
        )  # fmt: skip

    # --- inside: time -----------------------------------------------------------------------------------------------

    def _at(self, instrument_id: str, now_ns: int) -> _Traded:
        self._act(now_ns)
        return self._traded_of(instrument_id)

    def _traded_of(self, instrument_id: str) -> _Traded:
        traded = self._traded.get(instrument_id)
        if traded is None:
            raise ConfigurationError("instrument_id", instrument_id, sorted(self._traded))
        return traded

    def _act(self, now_ns: int) -> None:
        """Whatever reaches the venue by now acts, before anything that happens now."""
        while self._asked and self._asked[0][0] <= now_ns:
            at_ns, act = self._asked.popleft()
            self._now_ns = max(self._now_ns, at_ns)
            act(at_ns)
        self._now_ns = max(self._now_ns, now_ns)

    def _later(self, latency: tuple[float, float]) -> int:
        least, most = latency
        return self._now_ns + int((least if least == most else self._chance.uniform(least, most)) * 1e9)

    def _ask(self, act: Callable[[int], None]) -> None:
        due = self._later(self.config.latency_in)
        self._asked.append((max(due, self._asked[-1][0]) if self._asked else due, act))

    def _tell(self, *states: PaperState) -> None:
        """States that are told together, and never before what was told earlier."""
        self._told_until_ns = max(self._told_until_ns, self._later(self.config.latency_out))
        for state in states:
            self._told.append(msgspec.structs.replace(state, received_at_ns=self._told_until_ns))

    # --- inside: orders ---------------------------------------------------------------------------------------------

    def _arrive(self, traded: _Traded, order: _PaperOrder, at_ns: int) -> None:
        request = order.request
        if request.reduce_only:
            order.size = min(request.size, self._against(traded, request.side))
        reason = self._refusal(traded, order)
        if reason:
            order.size = request.size
            self._end(order, "rejected", reason)
            return
        arrival = traded.simulator.place(
            request.client_order_id, request.side, order.size, request.price, at_ns,
            time_in_force=request.time_in_force, post_only=request.post_only,
        )  # fmt: skip
        if arrival.rests:
            order.status = "accepted"
            self._tell(self._said(order, at_ns))
        self._met(traded, arrival.fills)
        if not arrival.rests and request.client_order_id in self._orders:
            self._end(order, "canceled" if order.filled else "rejected", arrival.reason)

    @staticmethod
    def _against(traded: _Traded, side: OrderSide) -> Decimal:
        """How much an order of that side could close."""
        held = traded.holding.size
        return max(_ZERO, -held if side == "buy" else held)

    def _refusal(self, traded: _Traded, order: _PaperOrder) -> str:
        """Why the venue does not take the order, if it does not."""
        request, instrument = order.request, traded.instrument
        if traded.ended:
            return "the market has ended"
        if not order.size:
            return "reduce-only, and there is nothing to reduce"
        price = request.price or traded.simulator.worst_price(request.side, order.size)
        if price is None:
            return "nobody stands there"
        fee = max(Fraction(0), Fraction(traded.fees.of(price, order.size, "taker")))
        needed = self._bound(traded, (request.side, price, order.size)) - self._bound(traded) + fee
        available = Fraction(self.balance(instrument.currency).available)
        if needed <= available:
            return ""
        free = rounded(available, 8, "down")
        return f"it needs {rounded(needed, 8, 'up')} {instrument.currency}, and {free} is free"

    def _bound(self, traded: _Traded, further: tuple[OrderSide, Decimal, Decimal] | None = None) -> Fraction:
        """What the position and open orders bind, one `further` order among them. What closes binds nothing, once."""
        held, average = traded.holding.size, traded.holding.average_price
        bound = Fraction(0)
        if average is not None:
            bound = abs(Fraction(held)) * self._unit(traded, "buy" if held > 0 else "sell", average)
        closing = {side: Fraction(self._against(traded, side)) for side in ("buy", "sell")}
        orders = [(each.side, each.price, each.remaining) for each in traded.simulator]
        for side, price, size in [*orders, further] if further is not None else orders:
            opening = max(Fraction(0), Fraction(size) - closing[side])
            closing[side] = max(Fraction(0), closing[side] - Fraction(size))
            bound += opening * self._unit(traded, side, price)
        return bound

    def _unit(self, traded: _Traded, side: OrderSide, price: Decimal) -> Fraction:
        """What one unit opened at that price binds."""
        if traded.instrument.kind != "outcome":
            return Fraction(price) / Fraction(self.config.leverage)
        return Fraction(price) if side == "buy" else Fraction(traded.instrument.payout) - Fraction(price)

    def _withdraw(self, order: _PaperOrder) -> None:
        if order.request.client_order_id in self._orders:
            self._traded[order.request.instrument_id].simulator.cancel(order.request.client_order_id)
            self._end(order, "canceled", order.reason)

    def _met(self, traded: _Traded, fills: Iterable[SimulatedFill]) -> None:
        for fill in fills:
            order = self._orders[fill.order_id]
            fee = traded.fees.of(fill.price, fill.size, "maker" if fill.is_maker else "taker")
            order.filled = EXACT.add(order.filled, fill.size)
            order.paid = EXACT.add(order.paid, EXACT.multiply(fill.price, fill.size))
            traded.holding.apply(fill.side, fill.price, fill.size, fee)
            self._settle_doubt(traded, order)
            whole = order.filled == order.size
            order.status = "filled" if whole else "partially_filled"
            if whole:
                self._forget(order)
            self._number += 1
            self._tell(
                self._said(order, fill.at_ns),
                Fill(
                    venue=self.venue, instrument_id=traded.instrument.instrument_id,
                    fill_id=f"paper-{self._number}", client_order_id=order.request.client_order_id,
                    venue_order_id=order.venue_order_id, side=fill.side, price=fill.price, size=fill.size,
                    fee=fee, fee_currency=traded.instrument.currency,
                    liquidity="maker" if fill.is_maker else "taker",
                    venue_time_ns=fill.at_ns, received_at_ns=fill.at_ns, is_reconciled=fill.in_gap,
                ),
            )  # fmt: skip
            self._tell_money(traded)
            self._keep_reducing(traded)

    def _keep_reducing(self, traded: _Traded) -> None:
        """The position has changed: reduce-only orders that rest are no larger than it."""
        for resting in traded.simulator:
            order = self._orders[resting.order_id]
            if order.request.reduce_only:
                most = EXACT.add(order.filled, self._against(traded, resting.side))
                if most > order.filled:
                    resting.size = order.size = min(order.size, most)
                else:
                    traded.simulator.cancel(resting.order_id)
                    self._end(order, "canceled", "reduce-only, and there is nothing left to reduce")

    def _doubt(self, traded: _Traded, order: _PaperOrder, size: Decimal) -> None:
        price = order.request.price
        assert price is not None
        name = order.request.client_order_id
        traded.doubts[name] = Doubt(order.request.side, price, size, traded.fees.of(price, size, "maker"))
        if len(traded.doubts) > MOST_REMEMBERED:
            traded.doubts.popitem(last=False)
        order.status = "unknown"
        order.reason = (
            f"between {order.filled} and {EXACT.add(order.filled, size)} filled while nothing was seen"
        )
        self._tell(self._said(order, self._now_ns))

    def _settle_doubt(self, traded: _Traded, order: _PaperOrder) -> None:
        """A fill is sure: what may have been filled beside it is less, or nothing."""
        name = order.request.client_order_id
        doubt = traded.doubts.get(name)
        if doubt is None:
            return
        left = min(doubt.size, EXACT.subtract(order.size, order.filled))
        if left:
            traded.doubts[name] = Doubt(
                doubt.side, doubt.price, left, traded.fees.of(doubt.price, left, "maker")
            )
        else:
            del traded.doubts[name]
            order.reason = ""

    def _end(self, order: _PaperOrder, status: OrderStatus, reason: str) -> None:
        order.status, order.reason = status, reason
        self._forget(order)
        self._tell(self._said(order, self._now_ns))

    def _forget(self, order: _PaperOrder) -> None:
        name = order.request.client_order_id
        self._ended[name] = self._orders.pop(name)
        if len(self._ended) > MOST_REMEMBERED:
            self._ended.popitem(last=False)

    def _tell_money(self, traded: _Traded) -> None:
        instrument = traded.instrument
        self._tell(self.position(instrument.instrument_id), self.balance(instrument.currency))

    def _said(self, order: _PaperOrder, at_ns: int) -> Order:
        request = order.request
        average = (
            rounded(Fraction(order.paid) / Fraction(order.filled), MAX_DECIMALS) if order.filled else None
        )
        facts: dict[str, Any] = {
            name: getattr(request, name)
            for name in ("venue", "instrument_id", "client_order_id", "side", "kind", "price")
        }
        return Order(
            **facts, size=order.size, venue_order_id=order.venue_order_id, status=order.status,
            filled_size=order.filled, average_price=average, reason=order.reason, venue_time_ns=at_ns,
            received_at_ns=at_ns,
        )  # fmt: skip
