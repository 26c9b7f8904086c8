"""A book of single orders, for venues that publish the orders themselves: orders by id, added up into levels.

The venue's room translates each update into a `RestingOrder` with the size that can still be taken (0: gone). Rules:

* A frame of updates is applied whole before anyone reads a level.
* An update older than the last one applied to the same order is ignored, also for an order that is gone (the most
  recent of those are remembered); equal times count as newer, so a repeated update changes nothing.
* Sizes are int or Decimal: sums of floats leave levels that nobody stands behind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any, Final, Generic

import msgspec

from ..errors import ConfigurationError
from ..model import QuoteSide
from ..model.fields import MAX_IDENTIFIER
from .book import PRICE_BELOW, BookState, DepthSnapshot, OrderBook
from .sequence import Ignored, Verdict
from .side import Number

__all__ = ["GONE_CAPACITY", "MAX_ORDERS", "RestingOrder", "RestingOrderBook"]

MAX_ORDERS: Final = 50_000
"""Orders of one book."""

GONE_CAPACITY: Final = 10_000
"""Orders remembered after they are gone, so that a late update does not bring them back."""

_FINE: Final = Context(prec=100)


class RestingOrder(msgspec.Struct, Generic[Number], frozen=True, kw_only=True):
    """One order as it stands. `updated_at` is the venue's own clock or counter, only ever compared; None if unsaid."""

    order_id: str
    side: QuoteSide
    price: Number
    size: Number
    updated_at: int | None = None


class RestingOrderBook(Generic[Number]):
    """The orders of one instrument. `levels` is the book they add up to: read the touch, depth and state there.

    Set `may_cross` for a venue that does not match resting orders with each other. On a `Resync`, fetch all orders
    (call `seed` when you ask) and give them to `replace_all`. Until then updates are ignored: hold them, or have the
    session hold them, and apply them behind the snapshot.
    """

    __slots__ = ("_gone", "_orders", "_totals", "levels", "max_orders")

    def __init__(
        self,
        number: type[Number],
        *,
        price_below: int = PRICE_BELOW,
        max_orders: int = MAX_ORDERS,
        may_cross: bool = False,
    ) -> None:
        if number not in (int, Decimal):
            raise ConfigurationError("number", number, ("int", "Decimal"))
        if max_orders < 1:
            raise ConfigurationError("max_orders", max_orders, "1 or more")
        self.max_orders: int = max_orders
        self.levels: OrderBook[Number] = OrderBook(
            number, price_below=price_below, max_levels=2 * max_orders, may_cross=may_cross
        )
        self._orders: dict[str, RestingOrder[Number]] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()
        # Size and number of orders at each price: a level goes with its last order, whatever its sum says.
        self._totals: dict[QuoteSide, dict[Number, tuple[Number, int]]] = {"bid": {}, "offer": {}}

    @property
    def state(self) -> BookState:
        """As of `levels`: only "live" may be traded on."""
        return self.levels.state

    def seed(self) -> None:
        """All orders were asked for. Until they come the book is not tradable."""
        self.levels.seed()

    def invalidate(self, reason: str) -> None:
        """What came before is no longer proven."""
        self.levels.invalidate(reason)

    def upsert(self, order: RestingOrder[Number]) -> Verdict:
        """One update of one order; size 0 removes it."""
        return self.apply((order,))

    def remove(self, order_id: str, updated_at: int | None = None) -> Verdict:
        """The order is gone. Without a time it goes whatever is known of it."""
        fault = _identity_fault(order_id, updated_at)
        if fault is not None:
            return self.levels.quarantine(fault)
        if self.state != "live":
            return Ignored("no snapshot yet")
        order = self._orders.get(order_id)
        if order is None:
            self._remember(order_id, updated_at)
            return Ignored("no such order")
        size: Number = self.levels.number(0)
        return self.apply((msgspec.structs.replace(order, size=size, updated_at=updated_at),))

    def apply(self, orders: Sequence[RestingOrder[Number]]) -> Verdict:
        """One frame of updates."""
        fault = self._fault(orders)
        if fault is not None:
            return self.levels.quarantine(fault)
        if self.state != "live":
            return Ignored("no snapshot yet")
        touched: dict[QuoteSide, set[Number]] = {"bid": set(), "offer": set()}
        newer = [self._put(order, touched) for order in orders]
        if len(self._orders) > self.max_orders:
            return self.levels.quarantine(f"more than {self.max_orders} orders")
        if orders and not any(newer):
            return Ignored("older than what is known")
        return self.levels.apply(self._levels("bid", touched["bid"]), self._levels("offer", touched["offer"]))

    def replace_all(self, orders: Sequence[RestingOrder[Number]]) -> Verdict:
        """All orders there are: every other is gone. Rows without a time keep the time that was known of them."""
        fault = self._fault(orders)
        if fault is not None:
            return self.levels.quarantine(fault)
        before, self._orders = self._orders, {}
        self._totals = {"bid": {}, "offer": {}}
        for order in orders:
            known = before.get(order.order_id)
            if known is not None and self._is_older(order, known.updated_at):
                order = known
            self._put(self._with_time(order, known), None)
        for order_id, known in before.items():
            if order_id not in self._orders:
                self._remember(order_id, known.updated_at)
        return self.levels.replace(
            self._levels("bid", self._totals["bid"]), self._levels("offer", self._totals["offer"])
        )

    def order(self, order_id: str) -> RestingOrder[Number] | None:
        """The order as it stands, None where it is not in the book."""
        return self._orders.get(order_id)

    def orders(self) -> tuple[RestingOrder[Number], ...]:
        """All orders there are now, in no order."""
        return tuple(self._orders.values())

    def snapshot(self, depth: int | None = None) -> DepthSnapshot[Number]:
        """The levels as they are now, as a value."""
        return self.levels.snapshot(depth)

    def __len__(self) -> int:
        return len(self._orders)

    def __repr__(self) -> str:
        return f"<RestingOrderBook of {len(self)} orders: {self.levels!r}>"

    def _put(self, order: RestingOrder[Number], touched: dict[QuoteSide, set[Number]] | None) -> bool:
        order_id = order.order_id
        known = self._orders.get(order_id)
        last = self._gone.get(order_id) if known is None else known.updated_at
        if self._is_older(order, last):
            return False
        if known is not None:
            self._add(known, -1)
            if touched is not None:
                touched[known.side].add(known.price)
        if order.size:
            self._orders[order_id] = order = self._with_time(order, known)
            self._gone.pop(order_id, None)
            self._add(order, 1)
            if touched is not None:
                touched[order.side].add(order.price)
        else:
            self._orders.pop(order_id, None)
            self._remember(order_id, last if order.updated_at is None else order.updated_at)
        return True

    def _with_time(
        self, order: RestingOrder[Number], known: RestingOrder[Number] | None
    ) -> RestingOrder[Number]:
        if order.updated_at is not None:
            return order
        last = self._gone.get(order.order_id) if known is None else known.updated_at
        return order if last is None else msgspec.structs.replace(order, updated_at=last)

    def _remember(self, order_id: str, updated_at: int | None) -> None:
        if updated_at is None:
            return
        last = self._gone.pop(order_id, updated_at)
        self._gone[order_id] = max(last, updated_at)
        if len(self._gone) > GONE_CAPACITY:
            self._gone.popitem(last=False)

    def _add(self, order: RestingOrder[Number], sign: int) -> None:
        totals = self._totals[order.side]
        size, count = totals.get(order.price, (self.levels.number(0), 0))
        if count + sign == 0:
            del totals[order.price]
        else:
            totals[order.price] = (_sum(size, order.size, sign), count + sign)

    def _levels(self, side: QuoteSide, prices: Iterable[Number]) -> list[tuple[Number, Number]]:
        totals, none = self._totals[side], (self.levels.number(0), 0)
        return [(price, totals.get(price, none)[0]) for price in prices]

    @staticmethod
    def _is_older(order: RestingOrder[Number], last: int | None) -> bool:
        return last is not None and order.updated_at is not None and order.updated_at < last

    def _fault(self, orders: Sequence[RestingOrder[Any]]) -> str | None:
        if len(orders) > self.max_orders:
            return f"more than {self.max_orders} orders"
        for order in orders:
            fault = _identity_fault(order.order_id, order.updated_at)
            if fault is None and order.side not in ("bid", "offer"):
                fault = "an order without a side"
            if fault is not None:
                return fault
        return self.levels.fault_in([(order.price, order.size) for order in orders], ())


def _identity_fault(order_id: Any, updated_at: Any) -> str | None:
    if not isinstance(order_id, str) or not 0 < len(order_id) <= MAX_IDENTIFIER:
        return "an order without an id"
    if updated_at is not None and type(updated_at) is not int:
        return "an order with a time that is none"
    return None


def _sum(size: Any, other: Any, sign: int) -> Any:
    if type(size) is Decimal:
        return (_FINE.add if sign > 0 else _FINE.subtract)(size, other)
    return size + sign * other
