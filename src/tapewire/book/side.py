"""One side of an order book: prices in order, and what is at each.

A change costs a search by halves, and a place in two lists where a level appears or vanishes: a price is compared and
never hashed, for the hash of a Decimal costs ten comparisons. The best is the end or the head of the lists, so reading
it costs nothing, and the best `n` are a slice. Prices and sizes are int, float or Decimal, one type in one book:
`book.py` sees to that, and to everything else that a peer might get wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

__all__ = ["BookSide", "Number"]

Number = TypeVar("Number", int, float, Decimal)


class BookSide(Generic[Number]):
    """The bids (`descending`: the highest is best) or the offers. Iterating gives `(price, size)`, best first.

    `told`, where a change is given it, stands beside each level of it and is what reading gives in its place: the pairs
    as the venue wrote them, say, where those of the book are only what orders them.
    """

    __slots__ = ("_levels", "descending", "prices")

    def __init__(self, *, descending: bool) -> None:
        self.descending: bool = descending
        self._levels: list[Any] = []
        self.prices: list[Number] = []
        """Ascending on both sides, for quick reading; only this class changes it."""

    def apply(self, levels: Sequence[tuple[Number, Number]], told: Sequence[Any] | None = None) -> None:
        """Each size replaces the one at its price; size 0 removes the level, if there is one."""
        prices, known = self.prices, self._levels
        depth = len(prices)
        for (price, size), level in zip(levels, levels if told is None else told, strict=True):
            place = bisect_left(prices, price)
            if place < depth and prices[place] == price:
                if size:
                    known[place] = level
                else:
                    del prices[place], known[place]
                    depth -= 1
            elif size:
                prices.insert(place, price)
                known.insert(place, level)
                depth += 1

    def replace(self, levels: Sequence[tuple[Number, Number]], told: Sequence[Any] | None = None) -> None:
        """Forget everything; these are the levels now. Of two at one price the later counts, as in `apply`."""
        known = {
            price: (size, level)
            for (price, size), level in zip(levels, levels if told is None else told, strict=True)
        }
        self.prices = sorted(price for price, (size, _) in known.items() if size)
        self._levels = [known[price][1] for price in self.prices]

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
        return next(iter(self.top(1)), None)

    def size_at(self, price: Number) -> Number | None:
        """The size at `price`, None where no level is."""
        place = bisect_left(self.prices, price)
        if place == len(self.prices) or self.prices[place] != price:
            return None
        size: Number = self._levels[place][1]
        return size

    def top(self, count: int) -> list[tuple[Number, Number]]:
        """The `count` best levels, best first; fewer where there are fewer."""
        if count <= 0:
            return []
        return self._levels[: -count - 1 : -1] if self.descending else self._levels[:count]

    def __iter__(self) -> Iterator[tuple[Number, Number]]:
        return iter(self.top(len(self.prices)))

    def __len__(self) -> int:
        """The depth: how many levels there are."""
        return len(self.prices)

    def __repr__(self) -> str:
        return f"<{'bids' if self.descending else 'offers'}: {len(self)} levels, best {self.best}>"
