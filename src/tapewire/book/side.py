"""One side of an order book: sizes by price, and the prices in order.

The sorted list is touched only when a level appears or vanishes; a size that changes is one store in a dict, of the
pair as it came. The best
is the end or the head of the list, so reading it costs nothing. Prices and sizes are int, float or Decimal, one type in
one book: `book.py` sees to that, and to everything else that a peer might get wrong.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Generic, TypeVar

__all__ = ["BookSide", "Number"]

Number = TypeVar("Number", int, float, Decimal)


class BookSide(Generic[Number]):
    """The bids (`descending`: the highest is best) or the offers. Iterating gives `(price, size)`, best first."""

    __slots__ = ("_levels", "descending", "prices")

    def __init__(self, *, descending: bool) -> None:
        self.descending: bool = descending
        self._levels: dict[Number, tuple[Number, Number]] = {}
        self.prices: list[Number] = []
        """Ascending on both sides, for quick reading; only this class changes it."""

    def apply(self, levels: Iterable[tuple[Number, Number]]) -> None:
        """Each size replaces the one at its price; size 0 removes the level, if there is one."""
        known, prices = self._levels, self.prices
        for level in levels:
            price, size = level
            if size:
                if price not in known:
                    insort(prices, price)
                known[price] = level
            elif price in known:
                del known[price]
                del prices[bisect_left(prices, price)]

    def replace(self, levels: Iterable[tuple[Number, Number]]) -> None:
        """Forget everything; these are the levels now. Of two at one price the later counts, as in `apply`."""
        known: dict[Number, tuple[Number, Number]] = {}
        for level in levels:
            price, size = level
            if size:
                known[price] = level
            else:
                known.pop(price, None)
        self._levels = known
        self.prices = sorted(known)

    def clear(self) -> None:
        """Forget everything."""
        self.replace(())

    @property
    def best_price(self) -> Number | None:
        """The price of the best level, None on an empty side."""
        prices = self.prices
        if not prices:
            return None
        return prices[-1] if self.descending else prices[0]

    @property
    def best(self) -> tuple[Number, Number] | None:
        """Price and size of the best level, None on an empty side."""
        prices = self.prices
        if not prices:
            return None
        return self._levels[prices[-1] if self.descending else prices[0]]

    def size_at(self, price: Number) -> Number | None:
        """The size at `price`, None where no level is."""
        level = self._levels.get(price)
        return None if level is None else level[1]

    def top(self, count: int) -> list[tuple[Number, Number]]:
        """The `count` best levels, best first; fewer where there are fewer."""
        if count <= 0:
            return []
        prices = self.prices
        nearest = prices[: -count - 1 : -1] if self.descending else prices[:count]
        return list(map(self._levels.__getitem__, nearest))

    def __iter__(self) -> Iterator[tuple[Number, Number]]:
        return iter(self.top(len(self.prices)))

    def __len__(self) -> int:
        """The depth: how many levels there are."""
        return len(self.prices)

    def __repr__(self) -> str:
        return f"<{'bids' if self.descending else 'offers'}: {len(self)} levels, best {self.best}>"
