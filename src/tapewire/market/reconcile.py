"""What is news of our own orders and fills, heard or looked up after a gap: each is told once. Pure.

Rules:

* A stream and a look-up tell of the same things. Whoever heard a state of an order, or a fill, from one is not told of
  it by the other: states are compared by what can change (status, filled size, price, size), fills by their id.
* A look-up may be older than the stream: what was final stays so, and a smaller filled size is no news.
* An order that was open and is not listed any more has ended while nobody listened. How is not known: ask for it by its
  id; until then it is `unknown`.
* What is remembered is bounded: of orders that ended and of fills the newest `MOST_REMEMBERED`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import msgspec

from ..model import Fill, Order

__all__ = ["MOST_REMEMBERED", "FillMemory", "OrderMemory"]

MOST_REMEMBERED: Final = 10_000
"""Orders that ended, and fills, that are remembered so as to be told once."""


class OrderMemory:
    """Our orders as they were told last. Give it each one heard on the stream, and each list that was looked up."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, Order] = OrderedDict()

    @property
    def open(self) -> list[Order]:
        """Those that have not ended, as told last."""
        return list(self._open.values())

    def hear(self, order: Order) -> Order | None:
        """The order if it is news, else None."""
        key = _key(order)
        known = self._open.get(key) or self._ended.get(key)
        if known is not None and not _is_news(known, order):
            return None
        self._keep(key, order)
        return order

    def reconcile(
        self, listed: Iterable[Order], now_ns: int, instrument_id: str | None = None
    ) -> tuple[list[Order], list[Order]]:
        """What a list of all open orders says that was not told, and those that are open no more, now `unknown`.

        `listed` may hold ended ones as well. `instrument_id`: the list is of that instrument alone. All are marked
        `is_reconciled`. Ask for each of the second list by its id and give what you learn to `hear`.
        """
        news, seen = [], set()
        for order in listed:
            seen.add(_key(order))
            told = self.hear(msgspec.structs.replace(order, is_reconciled=True))
            if told is not None:
                news.append(told)
        lost = [
            msgspec.structs.replace(
                order,
                status="unknown",
                is_reconciled=True,
                received_at_ns=now_ns,
                reason="not listed any more",
            )
            for key, order in self._open.items()
            if key not in seen and instrument_id in (None, order.instrument_id) and order.status != "unknown"
        ]
        for order in lost:
            self._open[_key(order)] = order
        return news, lost

    def _keep(self, key: str, order: Order) -> None:
        if not order.is_final:
            self._ended.pop(key, None)
            self._open[key] = order
            return
        self._open.pop(key, None)
        self._ended[key] = order
        while len(self._ended) > self._most:
            self._ended.popitem(last=False)


class FillMemory:
    """Fills that were told, by their ids."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._told: OrderedDict[str, None] = OrderedDict()

    def hear(self, fill: Fill) -> Fill | None:
        """The fill if it is news, else None."""
        key = f"{fill.instrument_id} {fill.fill_id}"
        if key in self._told:
            return None
        self._told[key] = None
        while len(self._told) > self._most:
            self._told.popitem(last=False)
        return fill

    def reconcile(self, listed: Iterable[Fill]) -> list[Fill]:
        """What a list of recent fills says that was not told, oldest first, marked `is_reconciled`."""
        oldest_first = sorted(listed, key=lambda fill: fill.venue_time_ns or 0)
        told = (self.hear(msgspec.structs.replace(fill, is_reconciled=True)) for fill in oldest_first)
        return [fill for fill in told if fill is not None]


def _key(order: Order) -> str:
    return order.venue_order_id or f"ours {order.client_order_id}"


def _is_news(known: Order, order: Order) -> bool:
    if known.is_final or order.filled_size < known.filled_size:
        return False
    return (known.status, known.filled_size, known.price, known.size) != (
        order.status,
        order.filled_size,
        order.price,
        order.size,
    )
