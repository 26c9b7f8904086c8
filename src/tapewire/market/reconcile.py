"""What is news of what is our own, heard or looked up after a gap: each is told once. Pure.

Rules:

* A stream and a look-up tell of the same things. Whoever heard a state of an order, or a fill, from one is not told of
  it by the other: states are compared by what can change (of an order its status, filled size, price, size; of a
  position its size, average and realised profit; of a balance its three amounts), fills by their id.
* A look-up may be older than the stream: what was final stays so, and a smaller filled size is no news. A status from
  which orders come back at a venue (`may_return`) is not final there.
* An order that was open and is not listed any more has ended while nobody listened. How is not known: ask for it by its
  id; until then it is `unknown`. So is one whose answer was lost; of one that was heard meanwhile that is no news.
* An order is known by the venue's id, and by ours until the venue has said its own.
* A position that is not listed any more is flat. What the stream says late of a position, with an older time of the
  venue's than what was told, is no news.
* What is remembered is bounded: of orders that ended and of fills the newest `MOST_REMEMBERED`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

import msgspec

from ..model import Balance, Fill, Order, OrderStatus, Position

__all__ = ["MOST_REMEMBERED", "BalanceMemory", "FillMemory", "OrderMemory", "PositionMemory"]

MOST_REMEMBERED: Final = 10_000
"""Orders that ended, and fills, that are remembered so as to be told once."""


class OrderMemory:
    """Our orders as they were told last. Give it each one heard on the stream, and each list that was looked up."""

    def __init__(
        self, most: int = MOST_REMEMBERED, may_return: Collection[OrderStatus] = frozenset()
    ) -> None:
        self._most = most
        self._may_return = may_return
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, Order] = OrderedDict()
        self._keys: dict[str, str] = {}  # by our ids

    @property
    def open(self) -> list[Order]:
        """Those that have not ended, as told last."""
        return list(self._open.values())

    @property
    def unknown(self) -> list[Order]:
        """Those of which it is not known how they stand: ask for each by its id, and give what you learn to `hear`."""
        return [order for order in self._open.values() if order.status == "unknown"]

    def hear(self, order: Order) -> Order | None:
        """The order if it is news, else None."""
        if not self.is_news(order):
            return None
        self._keep(self._key(order), order)
        return order

    def is_news(self, order: Order) -> bool:
        """True if `hear` would tell it."""
        key = self._key(order)
        known = self._open.get(key) or self._ended.get(key)
        return known is None or self._is_news(known, order)

    def reconcile(
        self, listed: Iterable[Order], now_ns: int, instrument_id: str | None = None
    ) -> tuple[list[Order], list[Order]]:
        """What a list of all open orders says that was not told, and those that are open no more, now `unknown`.

        `listed` may hold ended ones as well. `instrument_id`: the list is of that instrument alone. All are marked
        `is_reconciled`. Ask for each of the second list by its id and give what you learn to `hear`.
        """
        news, seen = [], set()
        for order in listed:
            seen.add(self._key(order))
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
            self._open[self._key(order)] = order
        return news, lost

    def _is_news(self, known: Order, order: Order) -> bool:
        is_final = known.is_final and known.status not in self._may_return
        if is_final or order.filled_size < known.filled_size or order.status == "unknown":
            return False
        return (known.status, known.filled_size, known.price, known.size) != (
            order.status,
            order.filled_size,
            order.price,
            order.size,
        )

    def _key(self, order: Order) -> str:
        """The venue's id. What was told under ours alone moves there as soon as both are known."""
        theirs, ours = order.venue_order_id, order.client_order_id
        if theirs is None:
            return self._keys.get(ours or "") or f"ours {ours}"
        if ours is not None and (former := self._keys.get(ours)) != theirs:
            if former == f"ours {ours}":
                for known in (self._open, self._ended):
                    if former in known:
                        known[theirs] = known.pop(former)
            self._keys[ours] = theirs
        return theirs

    def _keep(self, key: str, order: Order) -> None:
        if order.client_order_id is not None:
            self._keys[order.client_order_id] = key
        if not order.is_final:
            self._ended.pop(key, None)
            self._open[key] = order
            return
        self._open.pop(key, None)
        self._ended[key] = order
        while len(self._ended) > self._most:
            key, order = self._ended.popitem(last=False)
            if order.client_order_id is not None and self._keys.get(order.client_order_id) == key:
                del self._keys[order.client_order_id]


class FillMemory:
    """Fills that were told, by their ids."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._told: OrderedDict[str, None] = OrderedDict()

    def hear(self, fill: Fill) -> Fill | None:
        """The fill if it is news, else None."""
        key = _key_of(fill)
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

    def knows(self, fill: Fill) -> bool:
        """True if it was told."""
        return _key_of(fill) in self._told


def _key_of(fill: Fill) -> str:
    return f"{fill.instrument_id} {fill.fill_id}"


class PositionMemory:
    """Our positions as they were told last, by instrument and side."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], Position] = {}

    @property
    def held(self) -> list[Position]:
        """Those that are not flat, as told last."""
        return [position for position in self._told.values() if not position.is_flat]

    def hear(self, position: Position) -> Position | None:
        """The position if it is news, else None. One that is flat and was never told is none."""
        key = position.instrument_id, position.side
        known = self._told.get(key)
        if position.is_flat and (known is None or known.is_flat):
            return None
        if known is not None and (_facts(known) == _facts(position) or _is_older(position, known)):
            return None
        self._told[key] = position
        return position

    def reconcile(
        self,
        listed: Iterable[Position],
        now_ns: int,
        instrument_id: str | None = None,
        *,
        as_of_ns: int | None = None,
    ) -> list[Position]:
        """What a list of all positions says that was not told, and what is held no more; marked `is_reconciled`.

        `instrument_id`: the list is of that instrument alone. `as_of_ns`: when it was true, by the venue's clock.
        """
        listed = [msgspec.structs.replace(position, is_reconciled=True) for position in listed]
        seen = {(position.instrument_id, position.side) for position in listed}
        gone = [
            Position(
                venue=position.venue,
                instrument_id=position.instrument_id,
                side=position.side,
                size=Decimal(0),
                venue_time_ns=as_of_ns,
                received_at_ns=now_ns,
                is_reconciled=True,
            )
            for key, position in self._told.items()
            if key not in seen and instrument_id in (None, position.instrument_id)
        ]
        return [told for position in (*listed, *gone) if (told := self.hear(position)) is not None]


def _is_older(position: Position, known: Position) -> bool:
    times = position.venue_time_ns, known.venue_time_ns
    return times[0] is not None and times[1] is not None and times[0] < times[1]


def _facts(position: Position) -> tuple[object, ...]:
    return position.size, position.average_price, position.realized_pnl


class BalanceMemory:
    """Our balances as they were told last, by currency."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Decimal, Decimal, Decimal]] = {}

    def hear(self, balance: Balance) -> Balance | None:
        """The balance if it is news, else None."""
        amounts = balance.total, balance.available, balance.held
        if self._told.get(balance.currency) == amounts:
            return None
        self._told[balance.currency] = amounts
        return balance

    def reconcile(self, listed: Iterable[Balance]) -> list[Balance]:
        """What a list of balances says that was not told, marked `is_reconciled`."""
        told = (self.hear(msgspec.structs.replace(balance, is_reconciled=True)) for balance in listed)
        return [balance for balance in told if balance is not None]
