"""Simulated fills of one instrument: what our orders would have met, told from public events alone. Pure.

Rules:

* An order acts on the book of its arrival. What it takes it takes once: a level that we consumed is whole again when
  the venue says its size anew, and not before.
* An order that rests has a place: `ahead` is what stands before it at its level. Prints at the level's own price come
  off the front. What else leaves the level was withdrawn, and where, nobody tells: from the `front`, from the `back`,
  or `proportional`ly. What joins, joins behind. `ahead` is never more than the level shows.
* A print beyond our price, or a level of the other side at our price or beyond, has met us first. One printed or shown
  size serves our orders once, the best price first and of one price the older.
* Our orders change nothing: nobody trades against us who did not trade, and nobody acts otherwise because of us.
* Prints come before the change of the level that they caused: `trade`, then `change`. With `late_prints` they may come
  behind it: what left a level within `LATE_NS` is what a print there tells of, and meets who stood beyond it then.
* While the book is not proven (`lose`) nothing fills. At its return (`restore`) an order beyond which the market stands
  has surely been filled; of every other one that rested all that was left is `maybe` filled, until a fill proves it.

Sources: hftbacktest's queue models and order flow on price-time venues; measured in tests/trading/test_calibration.py.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from ..errors import ConfigurationError
from ..model import EXACT, Level, OrderSide, QuoteSide, TimeInForce

__all__ = ["Arrival", "Cancels", "FillSimulator", "RestingOrder", "SimulatedFill"]

Cancels: TypeAlias = Literal["front", "proportional", "back"]
"""Where in a queue others withdraw: at its front, which is best for us; anywhere; at its back, which is worst."""

LATE_NS: Final = 1_000_000_000
"""So late may a print come behind the change of the level that it caused."""

MOST_UNPRINTED: Final = 1_000
"""Levels that something has left lately, of which a print may tell yet."""

_ZERO: Decimal = Decimal(0)
_SHARE: Context = Context(prec=40, rounding=ROUND_CEILING)


class SimulatedFill(msgspec.Struct, frozen=True):
    """One execution of one of our orders, at the resting side's price. `in_gap`: it happened while nothing was seen."""

    order_id: str
    side: OrderSide
    price: Decimal
    size: Decimal
    is_maker: bool
    at_ns: int
    in_gap: bool = False


class RestingOrder(msgspec.Struct, kw_only=True):
    """One of our orders in its queue. Read it; the simulator changes it.

    `ahead`: what stands before it at its level. `maybe`: what of its rest may have been filled unseen. `since_ns`: when
    it came.
    """

    order_id: str
    side: OrderSide
    price: Decimal
    size: Decimal
    ahead: Decimal
    filled: Decimal = _ZERO
    maybe: Decimal = _ZERO
    since_ns: int = 0

    @property
    def remaining(self) -> Decimal:
        """What is surely not known to be filled."""
        return EXACT.subtract(self.size, self.filled)


class Arrival(msgspec.Struct, frozen=True):
    """What became of an order when it reached the book: its fills, whether it rests, and why not where it does not."""

    fills: tuple[SimulatedFill, ...]
    rests: bool
    reason: str = ""


class _Level:
    """One price of one side. `printed`: traded at it since its size was said; `consumed`: what of it we have taken."""

    __slots__ = ("consumed", "orders", "printed", "size")

    def __init__(self, size: Decimal) -> None:
        self.size = size
        self.printed = _ZERO
        self.consumed = _ZERO
        self.orders: list[RestingOrder] = []

    @property
    def left(self) -> Decimal:
        """What of it is still there for us to take, or before us to wait for."""
        return max(_ZERO, EXACT.subtract(EXACT.subtract(self.size, self.printed), self.consumed))


class _Side:
    """One side of the book, and our orders that rest there. `sign`: by which a better price is a smaller number."""

    __slots__ = ("levels", "name", "prices", "sign")

    def __init__(self, name: QuoteSide) -> None:
        self.name: QuoteSide = name
        self.sign: int = -1 if name == "bid" else 1
        self.levels: dict[Decimal, _Level] = {}
        self.prices: list[Decimal] = []  # of our orders, times `sign`: the best first

    def own_within(self, price: Decimal) -> Iterator[_Level]:
        """Levels with orders of ours at `price` or better, the best first."""
        limit = price * self.sign
        for key in tuple(self.prices):
            if key > limit:
                return
            yield self.levels[key * self.sign]

    def best_first(self) -> list[Decimal]:
        """The prices at which somebody stands."""
        return sorted(
            (price for price, level in self.levels.items() if level.size), key=lambda p: p * self.sign
        )

    def add(self, order: RestingOrder) -> None:
        level = self.levels.get(order.price)
        if level is None:
            level = self.levels[order.price] = _Level(_ZERO)
        if not level.orders:
            insort(self.prices, order.price * self.sign)
        level.orders.append(order)

    def remove(self, order: RestingOrder) -> None:
        level = self.levels[order.price]
        level.orders.remove(order)
        if not level.orders:
            del self.prices[bisect_left(self.prices, order.price * self.sign)]
            if not level.size:
                del self.levels[order.price]


class _Unprinted:
    """What has left levels lately, and no print has told of it: by side and price, the oldest first."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: OrderedDict[tuple[QuoteSide, Decimal], tuple[Decimal, int]] = OrderedDict()

    def add(self, side: QuoteSide, price: Decimal, size: Decimal, now_ns: int) -> None:
        """So much has left the level."""
        before, at_ns = self._left.pop((side, price), (_ZERO, 0))
        if now_ns - at_ns <= LATE_NS:
            size = EXACT.add(size, before)
        self._left[side, price] = (size, now_ns)
        if len(self._left) > MOST_UNPRINTED:
            self._left.popitem(last=False)

    def take(self, side: QuoteSide, price: Decimal, size: Decimal, now_ns: int) -> tuple[Decimal, int]:
        """How much of a print of `size` is what has left the level, and since when that was gone."""
        left, at_ns = self._left.pop((side, price), (_ZERO, 0))
        if now_ns - at_ns > LATE_NS:
            return _ZERO, 0
        if left > size:
            self._left[side, price] = (EXACT.subtract(left, size), at_ns)
        return min(left, size), at_ns

    def clear(self) -> None:
        """Nothing has left any level."""
        self._left.clear()


class FillSimulator:
    """Give it what the venue publishes, in the venue's order, and our orders when they arrive; it says what they meet.

    ::

        simulator = FillSimulator(size_step=instrument.size_step)
        simulator.restore(book.bids(), book.offers(), now_ns)
        arrival = simulator.place("mine", "buy", Decimal(10), Decimal("0.41"), now_ns)
        fills = simulator.trade(Decimal("0.41"), Decimal(25), "sell", now_ns)

    `cancels`: where others are taken to withdraw from a queue. `size_step`: fills are whole numbers of it, None for any
    size. `late_prints`: the venue's prints may come behind the change of the book that they caused. It begins unproven:
    `restore` it with the first book. Raises ConfigurationError.
    """

    def __init__(
        self,
        *,
        cancels: Cancels = "proportional",
        size_step: Decimal | None = None,
        late_prints: bool = False,
    ) -> None:
        if cancels not in get_args(Cancels):
            raise ConfigurationError("cancels", cancels, get_args(Cancels))
        if size_step is not None and not size_step > 0:
            raise ConfigurationError("size_step", size_step, "above zero, or None")
        self.is_proven: bool = False
        self._cancels = cancels
        self._step = size_step
        self._unprinted = _Unprinted() if late_prints else None
        self._sides: dict[QuoteSide, _Side] = {"bid": _Side("bid"), "offer": _Side("offer")}
        self._orders: dict[str, RestingOrder] = {}

    # --- what the venue publishes -----------------------------------------------------------------------------------

    def change(self, side: QuoteSide, price: Decimal, size: Decimal, now_ns: int) -> list[SimulatedFill]:
        """The level shows `size` now, 0 for none. While the book is not proven this is nothing."""
        if not self.is_proven:
            return []
        book = self._sides[side]
        level = book.levels.get(price)
        if level is None:
            if not size:
                return []
            level = book.levels[price] = _Level(size)
        else:
            if self._unprinted is not None:
                gone = EXACT.subtract(EXACT.subtract(level.size, level.printed), size)
                if gone > 0:
                    self._unprinted.add(side, price, gone, now_ns)
            if level.orders:
                self._requeue(level, size)
            level.size, level.printed, level.consumed = size, _ZERO, _ZERO
            if not size and not level.orders:
                del book.levels[price]
        other = self._sides["offer" if side == "bid" else "bid"]
        if size and other.prices and other.prices[0] <= price * other.sign:
            return self._met(other, price, level, now_ns)
        return []

    def trade(self, price: Decimal, size: Decimal, taker_side: OrderSide, now_ns: int) -> list[SimulatedFill]:
        """Somebody took `size` at `price`. While the book is not proven this is nothing."""
        if not self.is_proven:
            return []
        book = self._sides["offer" if taker_side == "buy" else "bid"]
        level = book.levels.get(price)
        fills: list[SimulatedFill] = []
        if self._unprinted is not None:
            late, gone_ns = self._unprinted.take(book.name, price, size, now_ns)
            size = EXACT.subtract(size, late)
            self._print_late(book, price, late, gone_ns, now_ns, fills)
        if size and book.prices and book.prices[0] <= price * book.sign:
            left = size
            for passed in book.own_within(price):
                left = self._print(book, passed, left, now_ns, fills, is_through=passed is not level)
        if level is not None:
            level.printed = EXACT.add(level.printed, size)
        return fills

    def lose(self) -> None:
        """The book is not proven from here on: nothing fills, and what rests is unproven. Idempotent."""
        self.is_proven = False

    def restore(self, bids: Iterable[Level], offers: Iterable[Level], now_ns: int) -> list[SimulatedFill]:
        """The book is proven again, and is this. Returns what must have been filled meanwhile.

        An order that rested before is `maybe` filled in all its rest, unless it surely was.
        """
        was_lost, self.is_proven = not self.is_proven, True
        if self._unprinted is not None:
            self._unprinted.clear()
        for name, levels in (("bid", bids), ("offer", offers)):
            self._show(self._sides[name], levels)  # type: ignore[index]
        fills: list[SimulatedFill] = []
        for order in list(self._orders.values()):
            other = self._sides["offer" if order.side == "buy" else "bid"]
            best = next(iter(other.best_first()), None)
            if best is not None and best * other.sign <= order.price * other.sign:
                self._fill(order, order.remaining, now_ns, fills, in_gap=was_lost)
            elif was_lost:
                order.maybe = order.remaining
        return fills

    # --- our orders -------------------------------------------------------------------------------------------------

    def place(
        self,
        order_id: str,
        side: OrderSide,
        size: Decimal,
        price: Decimal | None,
        now_ns: int,
        *,
        time_in_force: TimeInForce = "gtc",
        post_only: bool = False,
    ) -> Arrival:
        """An order arrives at the book. `price` None: at the market, and what finds nobody is cancelled.

        Raises ConfigurationError for an id that rests already.
        """
        if order_id in self._orders:
            raise ConfigurationError("order_id", order_id, "an id that does not rest already")
        if not self.is_proven:
            return Arrival((), rests=False, reason="the book is not proven")
        facing = self._facing(side, price)
        if post_only and facing:
            return Arrival((), rests=False, reason="a post-only order would have been filled at once")
        if time_in_force == "fok" and sum((level.left for _, level in facing), _ZERO) < size:
            return Arrival((), rests=False, reason="it could not be filled whole at once")
        left, fills = size, []
        for level_price, level in facing:
            part = min(left, level.left)
            level.consumed = EXACT.add(level.consumed, part)
            left = EXACT.subtract(left, part)
            fills.append(SimulatedFill(order_id, side, level_price, part, is_maker=False, at_ns=now_ns))
            if not left:
                break
        if not left:
            return Arrival(tuple(fills), rests=False)
        if price is None or time_in_force != "gtc":
            return Arrival(tuple(fills), rests=False, reason="nobody stood there for the rest")
        self._rest(order_id, side, size, price, EXACT.subtract(size, left), now_ns)
        return Arrival(tuple(fills), rests=True)

    def cancel(self, order_id: str) -> RestingOrder | None:
        """Take an order back; returns it as it stood, None where it does not rest (any more)."""
        order = self._orders.pop(order_id, None)
        if order is not None:
            self._sides["bid" if order.side == "buy" else "offer"].remove(order)
        return order

    def worst_price(self, side: OrderSide, size: Decimal) -> Decimal | None:
        """The last price that `size` would reach at once, or as much as there is; None where nobody stands."""
        reached, left = None, size
        for price, level in self._facing(side, None):
            reached, left = price, EXACT.subtract(left, level.left)
            if left <= 0:
                break
        return reached

    def order(self, order_id: str) -> RestingOrder | None:
        """An order of ours that rests."""
        return self._orders.get(order_id)

    def __iter__(self) -> Iterator[RestingOrder]:
        """Our orders that rest, the oldest first."""
        return iter(tuple(self._orders.values()))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _facing(self, side: OrderSide, price: Decimal | None) -> list[tuple[Decimal, _Level]]:
        book = self._sides["offer" if side == "buy" else "bid"]
        found = []
        for level_price in book.best_first():
            if price is not None and level_price * book.sign > price * book.sign:
                break
            if book.levels[level_price].left:
                found.append((level_price, book.levels[level_price]))
        return found

    def _rest(
        self, order_id: str, side: OrderSide, size: Decimal, price: Decimal, filled: Decimal, now_ns: int
    ) -> None:
        book = self._sides["bid" if side == "buy" else "offer"]
        level = book.levels.get(price)
        order = RestingOrder(
            order_id=order_id, side=side, price=price, size=size, filled=filled, since_ns=now_ns,
            ahead=_ZERO if level is None else level.left,
        )  # fmt: skip
        self._orders[order_id] = order
        book.add(order)

    def _requeue(self, level: _Level, size: Decimal) -> None:
        """The level shows `size`: what left it beside what was printed was withdrawn."""
        expected = max(_ZERO, EXACT.subtract(level.size, level.printed))
        withdrawn = EXACT.subtract(expected, size)
        for order in level.orders:
            if withdrawn > 0:
                order.ahead = self._less(order.ahead, withdrawn, expected)
            if order.ahead > size:
                order.ahead = size

    def _less(self, ahead: Decimal, withdrawn: Decimal, expected: Decimal) -> Decimal:
        """What stands before an order once so much of what was expected has been withdrawn."""
        if self._cancels == "front":
            return max(_ZERO, EXACT.subtract(ahead, withdrawn))
        if self._cancels == "back":
            behind = EXACT.subtract(expected, ahead)
            return EXACT.subtract(ahead, max(_ZERO, EXACT.subtract(withdrawn, behind)))
        return self._whole(
            _SHARE.divide(_SHARE.multiply(ahead, EXACT.subtract(expected, withdrawn)), expected)
        )

    def _whole(self, size: Decimal) -> Decimal:
        """An estimate on the grid: rounded up, against us."""
        if self._step is None:
            return size
        return EXACT.multiply(_SHARE.divide(size, self._step).to_integral_value(ROUND_CEILING), self._step)

    def _print(
        self,
        book: _Side,
        level: _Level,
        size: Decimal,
        now_ns: int,
        fills: list[SimulatedFill],
        *,
        is_through: bool,
    ) -> Decimal:
        """A print meets our orders of a level; returns what of it they left."""
        left, others = size, _ZERO
        for order in tuple(level.orders):
            before = _ZERO if is_through else max(_ZERO, EXACT.subtract(order.ahead, others))
            waited = min(left, before)
            others, left = EXACT.add(others, waited), EXACT.subtract(left, waited)
            order.ahead = EXACT.subtract(before, waited)
            if left and not order.ahead:
                part = min(left, order.remaining)
                left = EXACT.subtract(left, part)
                self._fill(order, part, now_ns, fills)
        return left

    def _print_late(
        self,
        book: _Side,
        price: Decimal,
        size: Decimal,
        gone_ns: int,
        now_ns: int,
        fills: list[SimulatedFill],
    ) -> None:
        """A print of what is gone from its level already has met whoever stood beyond it then."""
        left = size
        for passed in book.own_within(price):
            for order in tuple(passed.orders):
                if left and order.price != price and order.since_ns < gone_ns:
                    part = min(left, order.remaining)
                    left = EXACT.subtract(left, part)
                    self._fill(order, part, now_ns, fills)

    def _met(self, own: _Side, price: Decimal, level: _Level, now_ns: int) -> list[SimulatedFill]:
        """A level of the other side stands at our price or beyond: it has met us first."""
        fills: list[SimulatedFill] = []
        for passed in own.own_within(price):
            for order in tuple(passed.orders):
                part = min(level.left, order.remaining)
                if not part:
                    return fills
                level.consumed = EXACT.add(level.consumed, part)
                self._fill(order, part, now_ns, fills)
        return fills

    def _fill(
        self,
        order: RestingOrder,
        size: Decimal,
        now_ns: int,
        fills: list[SimulatedFill],
        *,
        in_gap: bool = False,
    ) -> None:
        order.filled = EXACT.add(order.filled, size)
        order.maybe = min(order.maybe, order.remaining)
        fills.append(
            SimulatedFill(
                order.order_id, order.side, order.price, size, is_maker=True, at_ns=now_ns, in_gap=in_gap
            )
        )
        if not order.remaining:
            self.cancel(order.order_id)

    def _show(self, book: _Side, levels: Iterable[Level]) -> None:
        """The side is this: our orders keep their place, as far as it can be."""
        shown = dict(levels)
        for price in [price for price in book.levels if price not in shown]:
            level = book.levels[price]
            if level.orders:
                self._requeue(level, _ZERO)
                level.size, level.printed, level.consumed = _ZERO, _ZERO, _ZERO
            else:
                del book.levels[price]
        for price, size in shown.items():
            known = book.levels.get(price)
            if known is None:
                book.levels[price] = _Level(size)
                continue
            self._requeue(known, size)
            known.size, known.printed, known.consumed = size, _ZERO, _ZERO
