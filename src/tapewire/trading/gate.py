"""The gate: the only maker of an approved order, for live and paper alike. Pure: `now_ns` is an argument.

Rules:

* What may happen counts as if it had: an order that was approved, and is not known to have ended, is taken to fill
  whole. One whose answer was lost counts until it is looked up.
* A fill counts once, by its id; it belongs to an order by our name for it, or by the venue's. An order that ended
  counts until the fills that it reports were heard.
* While REDUCING only what makes a position smaller passes; while HALTED nothing. Both are latched: a limit on losses,
  or whoever says so, leads there, and only `resume` with a reason back. `state` is what to keep over a restart.
* What is denied names its rule and the figures. Nothing is clamped, and nothing of what was denied is remembered.
* Data that is not proven, or too old, approves nothing: nobody decides well on what may be wrong.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from ..errors import ConfigurationError, TapewireError
from ..model import EXACT, Fill, Instrument, Order, OrderRequest, OrderSide, check_on_grid
from .holdings import Holding
from .limits import DAY_SECONDS, Limits, Quoted

__all__ = ["RISK_TABLE", "Approved", "Gate", "GateState", "OrderDenied", "RiskInput", "RiskState"]

MOST_FILLS: Final = 100_000
"""Ids of fills that are remembered so as to count each once; and of orders, by the venue's name."""

_ZERO: Final = Decimal(0)

K = TypeVar("K")
V = TypeVar("V")


class RiskState(StrEnum):
    """What may pass. Latched: see docs/states.md."""

    ACTIVE = "active"  # whatever keeps to the limits
    REDUCING = "reducing"  # only what makes a position smaller
    HALTED = "halted"  # nothing


class RiskInput(StrEnum):
    """What leads from one state to another."""

    LOSS = "loss"  # a limit on losses was broken
    REDUCE = "reduce"  # somebody wants positions made smaller only
    HALT = "halt"  # somebody wants nothing more sent
    RESUME = "resume"  # somebody takes responsibility, with a reason


RISK_TABLE: Final = {
    (RiskState.ACTIVE, RiskInput.LOSS): RiskState.REDUCING,
    (RiskState.ACTIVE, RiskInput.REDUCE): RiskState.REDUCING,
    (RiskState.ACTIVE, RiskInput.HALT): RiskState.HALTED,
    (RiskState.ACTIVE, RiskInput.RESUME): RiskState.ACTIVE,
    (RiskState.REDUCING, RiskInput.LOSS): RiskState.REDUCING,
    (RiskState.REDUCING, RiskInput.REDUCE): RiskState.REDUCING,
    (RiskState.REDUCING, RiskInput.HALT): RiskState.HALTED,
    (RiskState.REDUCING, RiskInput.RESUME): RiskState.ACTIVE,
    (RiskState.HALTED, RiskInput.LOSS): RiskState.HALTED,
    (RiskState.HALTED, RiskInput.REDUCE): RiskState.HALTED,
    (RiskState.HALTED, RiskInput.HALT): RiskState.HALTED,
    (RiskState.HALTED, RiskInput.RESUME): RiskState.ACTIVE,
}
"""Every pair of a state and an input. docs/states.md is drawn from it."""


class OrderDenied(TapewireError):
    """An order did not pass: `rule` is the limit's name, `figures` what was wanted and what is allowed."""

    def __init__(self, rule: str, figures: str) -> None:
        super().__init__(f"denied by {rule}: {figures}")
        self.rule = rule
        self.figures = figures


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives a restart: keep it whenever it changes, and give it to the next `Gate`. Profits are by currency."""

    state: RiskState = RiskState.ACTIVE
    reason: str = ""
    since_ns: int = 0
    highest: dict[str, Decimal] = {}
    day: int | None = None
    day_began_with: dict[str, Decimal] = {}


class Approved:
    """An order that may be sent: only a `Gate` makes one. `number` counts them."""

    __slots__ = ("number", "request")

    def __init__(self, maker: object, request: OrderRequest, number: int) -> None:
        if maker is not _MAKER:
            raise ConfigurationError("maker", maker, "a Gate: nothing else approves orders")
        self.request: OrderRequest = request
        self.number: int = number

    def __repr__(self) -> str:
        return f"<Approved {self.number} {self.request.client_order_id}>"


_MAKER: Final = object()


class _Open:
    """An order that may still fill. `filled`: by the fills that were heard; `ends_at`: all of that, once it ended.

    `left`: what may still fill.
    """

    __slots__ = ("ends_at", "filled", "left", "request")

    def __init__(self, request: OrderRequest) -> None:
        self.request = request
        self.filled = _ZERO
        self.ends_at: Decimal | None = None
        self.left = request.size


class _Account:
    """One instrument: what is held, and what may be. `left`: what may still fill of all open orders of a side."""

    __slots__ = ("holding", "instrument", "left", "mark", "open")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.holding = Holding()
        self.mark: Decimal | None = None
        self.open: dict[str, _Open] = {}
        self.left: dict[OrderSide, Decimal] = {"buy": _ZERO, "sell": _ZERO}

    def reach(self, side: OrderSide) -> Decimal:
        """The position if all open orders of that side, and none of the other, fill."""
        left = self.left[side]
        return EXACT.add(self.holding.size, left if side == "buy" else -left)

    def begin(self, request: OrderRequest) -> None:
        """One more may fill."""
        self.open[request.client_order_id] = _Open(request)
        self.left[request.side] = EXACT.add(self.left[request.side], request.size)

    def count(self, kept: _Open) -> None:
        """Its facts have changed: what may still fill follows from them."""
        most, side = kept.request.size if kept.ends_at is None else kept.ends_at, kept.request.side
        left = max(_ZERO, EXACT.subtract(most, kept.filled))
        self.left[side] = EXACT.add(self.left[side], EXACT.subtract(left, kept.left))
        kept.left = left


class Gate:
    """One account's, over any number of venues.

    ::

        gate = Gate(Limits(position=Decimal(100), data_age=2.0, daily_loss=Decimal(500)))
        gate.add(instrument)
        approved = gate.approve(request, Quoted(...), now_ns)   # or raises OrderDenied
        ... send approved.request, then tell what you hear:
        gate.heard(order)
        gate.filled(fill)
        gate.marked(venue, instrument_id, price, now_ns)

    `kept`: the `state` of the last run; then give it the fills of what is held before the first price. Instruments are
    known by venue and id; each must be added. Methods that name one raise ConfigurationError for one that was not.
    """

    def __init__(self, limits: Limits, kept: GateState | None = None) -> None:
        self.limits: Limits = limits
        self._kept = kept or GateState()
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._where: dict[str, _Account] = {}  # of each open order, by our id
        self._fills: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()  # ours, by the venue's ids
        self._nameless: OrderedDict[tuple[str, str], Decimal] = (
            OrderedDict()
        )  # filled of orders of no name as yet
        self._approved: deque[int] = deque()  # when, within the rate's window; bounded by `limits.orders`
        self._number = 0

    def add(self, instrument: Instrument) -> None:
        """Orders for it may pass from now on. Added again, its grid is the new one."""
        key = (instrument.venue, instrument.instrument_id)
        self._accounts.setdefault(key, _Account(instrument)).instrument = instrument

    @property
    def instruments(self) -> list[Instrument]:
        """Those that were added."""
        return [account.instrument for account in self._accounts.values()]

    @property
    def state(self) -> GateState:
        """What to keep over a restart."""
        return self._kept

    # --- orders -----------------------------------------------------------------------------------------------------

    def approve(self, request: OrderRequest, quoted: Quoted, now_ns: int) -> Approved:
        """The order may be sent, and counts from now on. Raises OrderDenied; InvalidField for what is off the grid."""
        account = self._account(request.venue, request.instrument_id)
        if request.client_order_id in self._where:
            raise OrderDenied("client_order_id", f"{request.client_order_id} is open already")
        check_on_grid(request, account.instrument)
        self._check_state(account, request)
        self._check_data(quoted, now_ns)
        price = self._check_price(account, request, quoted)
        self._check_size(account, request, price)
        self._check_reach(account, request, price)
        self._check_pace(now_ns)
        account.begin(request)
        self._where[request.client_order_id] = account
        self._number += 1
        if self.limits.orders is not None:
            self._approved.append(now_ns)
        return Approved(_MAKER, request, self._number)

    def recall(self, request: OrderRequest) -> None:
        """An earlier run has approved it, and did not hear that it ended: it counts whole. Look it up."""
        account = self._account(request.venue, request.instrument_id)
        if request.client_order_id not in self._where:
            account.begin(request)
            self._where[request.client_order_id] = account

    def know(self, order: Order) -> Decimal:
        """Learn what the venue calls an order; returns what was filled of it before anybody knew whose fill it was."""
        name = order.client_order_id
        if name is None or order.venue_order_id is None or name not in self._where:
            return _ZERO
        key = (order.venue, order.venue_order_id)
        _remember(self._names, key, name)
        size = self._nameless.pop(key, _ZERO)
        if size:
            self._count_filled(self._where[name], name, size)
        return size

    def heard(self, order: Order) -> None:
        """How an order of ours stands. Of one that this gate did not approve, nothing."""
        self.know(order)
        account = self._where.get(order.client_order_id or "")
        if account is not None and order.client_order_id is not None:
            kept = account.open[order.client_order_id]
            if order.is_final:
                kept.ends_at = order.filled_size
                account.count(kept)
                self._forget_ended(account, order.client_order_id)

    def filled(self, fill: Fill) -> bool:
        """A fill of ours, whoever sent the order; each counts once: False for one that counted already.

        What it lost is judged at the next price.
        """
        account = self._account(fill.venue, fill.instrument_id)
        key = (fill.venue, fill.fill_id)
        if key in self._fills:
            return False
        _remember(self._fills, key, None)
        account.holding.apply(fill.side, fill.price, fill.size, fill.fee)
        name = self.name_of(fill)
        if name is not None:
            self._count_filled(account, name, fill.size)
        else:
            theirs = (fill.venue, fill.venue_order_id or "")
            _remember(self._nameless, theirs, EXACT.add(self._nameless.get(theirs, _ZERO), fill.size))
        return True

    def marked(self, venue: str, instrument_id: str, price: Decimal, now_ns: int) -> None:
        """What the instrument is worth now: losses are judged, once all that is held in its currency has a price."""
        account = self._account(venue, instrument_id)
        account.mark = price
        currency = account.instrument.currency
        if all(each.mark is not None for each in self._held(currency)):
            self._look_at_losses(currency, now_ns)

    def position(self, venue: str, instrument_id: str) -> Decimal:
        """What is held by the fills that were heard: compare it with the venue's own."""
        return self._account(venue, instrument_id).holding.size

    def open_orders(self) -> list[OrderRequest]:
        """Those that may still fill: after a crash, look each of them up."""
        return [account.open[name].request for name, account in self._where.items()]

    def is_open(self, client_order_id: str | None) -> bool:
        """True while an order counts."""
        return client_order_id in self._where

    def name_of(self, fill: Fill) -> str | None:
        """Which order of ours a fill belongs to; None where that is not known."""
        return fill.client_order_id or self._names.get((fill.venue, fill.venue_order_id or ""))

    def filled_of(self, client_order_id: str) -> Decimal:
        """What was filled of an order that counts, by the fills that were heard; 0 of any other."""
        account = self._where.get(client_order_id)
        return _ZERO if account is None else account.open[client_order_id].filled

    # --- states -----------------------------------------------------------------------------------------------------

    def reduce(self, reason: str, now_ns: int) -> None:
        """From now on only what makes a position smaller passes. Raises ConfigurationError without a reason."""
        self._move(RiskInput.REDUCE, reason, now_ns)

    def halt(self, reason: str, now_ns: int) -> None:
        """From now on nothing passes; cancel what is open yourself. Raises ConfigurationError without a reason."""
        self._move(RiskInput.HALT, reason, now_ns)

    def resume(self, reason: str, now_ns: int) -> None:
        """Everything may pass again; losses count from here. Raises ConfigurationError without a reason."""
        before = self._kept.state
        self._move(RiskInput.RESUME, reason, now_ns)
        if self._kept.state is not before:
            currencies = {each.instrument.currency for each in self._accounts.values()}
            now = {currency: self.profit(currency) for currency in currencies}
            self._kept = msgspec.structs.replace(self._kept, highest=now, day_began_with=dict(now))

    def profit(self, currency: str) -> Decimal:
        """What was earned in that currency, at the last prices."""
        traded = (each for each in self._accounts.values() if each.instrument.currency == currency)
        return sum((each.holding.profit(each.mark).proven for each in traded), _ZERO)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _account(self, venue: str, instrument_id: str) -> _Account:
        account = self._accounts.get((venue, instrument_id))
        if account is None:
            known = sorted(f"{venue}:{name}" for venue, name in self._accounts)
            raise ConfigurationError("instrument_id", f"{venue}:{instrument_id}", known)
        return account

    def _held(self, currency: str) -> list[_Account]:
        return [
            each
            for each in self._accounts.values()
            if each.holding.size and each.instrument.currency == currency
        ]

    def _move(self, received: RiskInput, reason: str, now_ns: int) -> None:
        if not reason:
            raise ConfigurationError("reason", reason, "a reason: it is kept with the state")
        state = RISK_TABLE[self._kept.state, received]
        if state is not self._kept.state:
            self._kept = msgspec.structs.replace(self._kept, state=state, reason=reason, since_ns=now_ns)

    def _check_state(self, account: _Account, request: OrderRequest) -> None:
        if self._kept.state is RiskState.HALTED:
            raise OrderDenied("halted", self._kept.reason)
        if self._kept.state is RiskState.REDUCING or request.reduce_only:
            held = account.holding.size
            against = -held if request.side == "buy" else held
            free = EXACT.subtract(against, account.left[request.side])
            if request.size > free:
                rule = "reduce_only" if request.reduce_only else "reducing"
                why = f"; {self._kept.reason}" if self._kept.reason else ""
                raise OrderDenied(
                    rule, f"{request.size} wanted, {max(free, _ZERO)} would make the position smaller{why}"
                )

    def _check_data(self, quoted: Quoted, now_ns: int) -> None:
        if self.limits.needs_live and not quoted.is_live:
            raise OrderDenied("needs_live", quoted.reason or "the feed is not live")
        age = (now_ns - quoted.received_at_ns) / 1e9
        if self.limits.data_age is not None and age > self.limits.data_age:
            raise OrderDenied("data_age", f"{age:.3f} s old, {self.limits.data_age:g} s allowed")

    def _check_price(self, account: _Account, request: OrderRequest, quoted: Quoted) -> Decimal:
        """What the order may cost a unit. Within the collar, and meeting none of our own."""
        best = quoted.offer if request.side == "buy" else quoted.bid
        price = best if request.price is None else request.price
        if price is None:
            raise OrderDenied("collar", "a market order, and nobody stands on the other side")
        if self.limits.collar is not None and best is not None:
            reach = EXACT.multiply(
                best, EXACT.add(1, self.limits.collar if request.side == "buy" else -self.limits.collar)
            )
            if price > reach if request.side == "buy" else price < reach:
                raise OrderDenied("collar", f"{price}, and {reach} is {self.limits.collar} beyond {best}")
        if account.left["sell" if request.side == "buy" else "buy"]:
            _check_own(account, request)
        return price

    def _check_size(self, account: _Account, request: OrderRequest, price: Decimal) -> None:
        limits = self.limits
        if limits.order_size is not None and request.size > limits.order_size:
            raise OrderDenied("order_size", f"{request.size}, {limits.order_size} allowed")
        notional = EXACT.multiply(price, request.size)
        if limits.order_notional is not None and notional > limits.order_notional:
            raise OrderDenied(
                "order_notional", f"{notional} {account.instrument.currency}, {limits.order_notional} allowed"
            )
        if limits.open_orders is not None and len(self._where) >= limits.open_orders:
            raise OrderDenied("open_orders", f"{len(self._where)} are open, {limits.open_orders} allowed")

    def _check_reach(self, account: _Account, request: OrderRequest, price: Decimal) -> None:
        """What would be held if everything filled."""
        signed = request.size if request.side == "buy" else -request.size
        reach = EXACT.add(account.reach(request.side), signed)
        limits = self.limits
        held = account.holding.size
        is_smaller = reach * held > 0 and abs(reach) <= abs(held)
        if limits.position is not None and abs(reach) > limits.position and not is_smaller:
            raise OrderDenied("position", f"{reach} with all orders filled, {limits.position} allowed")
        if limits.gross is None and limits.net is None:
            return
        long, short = self._exposure(account, request, price)
        currency = account.instrument.currency
        both = EXACT.add(long, short)
        if limits.gross is not None and both > limits.gross:
            raise OrderDenied("gross", f"{both} {currency}, {limits.gross} allowed")
        if limits.net is not None and max(long, short) > limits.net:
            raise OrderDenied("net", f"{max(long, short)} {currency} one way, {limits.net} allowed")

    def _exposure(self, account: _Account, request: OrderRequest, price: Decimal) -> tuple[Decimal, Decimal]:
        """The most that longs, and that shorts, of the currency may be worth, the order among them."""
        long = short = _ZERO
        for each in self._accounts.values():
            if each.instrument.currency != account.instrument.currency:
                continue
            most, least = each.reach("buy"), each.reach("sell")
            worth = each.mark
            if worth is None:
                worth = price if each is account else _dearest(each)
            if each is account:
                most = EXACT.add(most, request.size) if request.side == "buy" else most
                least = EXACT.subtract(least, request.size) if request.side == "sell" else least
            long = EXACT.add(long, EXACT.multiply(max(most, _ZERO), worth))
            short = EXACT.add(short, EXACT.multiply(max(-least, _ZERO), worth))
        return long, short

    def _check_pace(self, now_ns: int) -> None:
        limits = self.limits
        if limits.orders is None:
            return
        began = now_ns - int(limits.seconds * 1e9)
        while self._approved and self._approved[0] <= began:
            self._approved.popleft()
        if len(self._approved) >= limits.orders:
            raise OrderDenied(
                "orders", f"{len(self._approved)} in {limits.seconds:g} s, {limits.orders} allowed"
            )

    def _count_filled(self, account: _Account, client_order_id: str, size: Decimal) -> None:
        kept = account.open.get(client_order_id)
        if kept is not None:
            kept.filled = EXACT.add(kept.filled, size)
            account.count(kept)
            if not kept.left:
                kept.ends_at = kept.filled
            self._forget_ended(account, client_order_id)

    def _forget_ended(self, account: _Account, client_order_id: str) -> None:
        kept = account.open[client_order_id]
        if kept.ends_at is not None and not kept.left:
            del account.open[client_order_id], self._where[client_order_id]

    def _look_at_losses(self, currency: str, now_ns: int) -> None:
        limits, profit = self.limits, self.profit(currency)
        day = (now_ns // 1_000_000_000 - limits.day_begins) // DAY_SECONDS
        kept = self._kept
        if kept.day != day:
            kept = msgspec.structs.replace(kept, day=day, day_began_with={})
        began = kept.day_began_with.get(currency)
        highest = kept.highest.get(currency)
        if began is None:
            kept = msgspec.structs.replace(kept, day_began_with={**kept.day_began_with, currency: profit})
            began = profit
        if highest is None or profit > highest:
            kept = msgspec.structs.replace(kept, highest={**kept.highest, currency: profit})
            highest = profit
        self._kept = kept
        if limits.daily_loss is not None and began - profit > limits.daily_loss:
            self._move(
                RiskInput.LOSS,
                f"daily_loss: {began - profit} {currency}, {limits.daily_loss} allowed",
                now_ns,
            )
        if limits.drawdown is not None and highest - profit > limits.drawdown:
            self._move(
                RiskInput.LOSS, f"drawdown: {highest - profit} {currency}, {limits.drawdown} allowed", now_ns
            )


def _remember(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """The newest are kept."""
    kept[key] = value
    if len(kept) > MOST_FILLS:
        kept.popitem(last=False)


def _check_own(account: _Account, request: OrderRequest) -> None:
    """Raises OrderDenied for an order that would meet one of our own."""
    for other in account.open.values():
        limit = other.request.price
        if other.request.side == request.side or not other.left:
            continue
        if (
            limit is None
            or request.price is None
            or (limit <= request.price if request.side == "buy" else limit >= request.price)
        ):
            raise OrderDenied("self_crossing", f"{other.request.client_order_id} at {limit} would be met")


def _dearest(account: _Account) -> Decimal:
    """What a unit of an instrument without a price may be worth: what it cost, or the highest limit of its orders."""
    average = account.holding.average_price
    prices = [each.request.price for each in account.open.values() if each.request.price is not None]
    return max([*prices, average] if average is not None else prices, default=_ZERO)
