"""Numbers that were checked and that nobody has asked for yet: a row of them, and one side of a book.

Rules:

* To whoever asks they are a dict, or a list, of `Decimal`, each made when it is first asked for; by whatever looks at
  more than one of them, all.
* Until then they hold the digits as the venue wrote them. What reads a dict or a list behind its back, as the JSON
  encoders written in C do, finds those, and writes them as it would write a Decimal. Nothing is ever missing.
* What is written to is read before.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

__all__ = ["Levels", "Numbers"]

T = TypeVar("T")

# Each `super()` would cost as much as the Decimal.
_held, _hold = dict.__getitem__, dict.__setitem__
_held_at, _hold_at = list.__getitem__, list.__setitem__


def _reading(method: Callable[..., T]) -> Callable[..., T]:
    """That method of a dict or a list, behind a look at every number."""

    def read_first(unread: Numbers | Levels, *args: Any) -> T:
        return method(unread.read(), *args)

    return read_first


class _ReadNumbers(dict[str, Any]):
    """Each of its numbers is exact: a dict, and nothing else."""

    __slots__ = ()


class Numbers(dict[str, Any]):
    """A row of numbers. `symbol` is a text."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        value = _held(self, name)
        if value.__class__ is Decimal or name == "symbol":
            return value
        number = Decimal(value)
        _hold(self, name, number)
        return number

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - it is `get`

    def read(self) -> Numbers:
        """The same, of which every number was asked for."""
        for name in dict.keys(self):
            self[name]
        self.__class__ = _ReadNumbers  # type: ignore[assignment]
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)

    __iter__ = _reading(dict.__iter__)
    __eq__, __ne__, __repr__ = _reading(dict.__eq__), _reading(dict.__ne__), _reading(dict.__repr__)
    __or__, __ror__, __ior__ = _reading(dict.__or__), _reading(dict.__ror__), _reading(dict.__ior__)  # type: ignore[assignment]
    __setitem__, update = _reading(dict.__setitem__), _reading(dict.update)
    setdefault = _reading(dict.setdefault)
    items, values, copy = _reading(dict.items), _reading(dict.values), _reading(dict.copy)
    pop, popitem = _reading(dict.pop), _reading(dict.popitem)


class _ReadLevels(list[tuple[Decimal, Decimal]]):
    """Each of its numbers is exact: a list, and nothing else."""

    __slots__ = ()


class Levels(list[tuple[Decimal, Decimal]]):
    """Levels of a book, `(price, size)` each."""

    __slots__ = ()

    def __getitem__(self, place: Any) -> Any:
        if place.__class__ is slice:
            return Levels(super().__getitem__(place))
        level: tuple[Any, Any] = _held_at(self, place)
        if level.__class__ is not tuple or level[0].__class__ is not str:
            return level
        exact = Decimal(level[0]), Decimal(level[1])
        _hold_at(self, place, exact)
        return exact

    def read(self) -> Levels:
        """The same, of which every level was asked for."""
        for place in range(len(self)):
            self[place]
        self.__class__ = _ReadLevels  # type: ignore[assignment]
        return self

    def __radd__(self, other: list[Any]) -> list[Any]:
        return other + list(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)

    __iter__, __reversed__, __contains__ = (
        _reading(list.__iter__),
        _reading(list.__reversed__),
        _reading(list.__contains__),
    )
    __eq__, __ne__, __repr__ = _reading(list.__eq__), _reading(list.__ne__), _reading(list.__repr__)
    __lt__, __le__ = _reading(list.__lt__), _reading(list.__le__)
    __gt__, __ge__ = _reading(list.__gt__), _reading(list.__ge__)
    __mul__, __rmul__, __imul__ = _reading(list.__mul__), _reading(list.__rmul__), _reading(list.__imul__)
    __add__, __iadd__ = _reading(list.__add__), _reading(list.__iadd__)  # type: ignore[assignment]
    __setitem__ = _reading(list.__setitem__)
    append, extend, insert = _reading(list.append), _reading(list.extend), _reading(list.insert)
    index, count, remove, pop = (
        _reading(list.index),
        _reading(list.count),
        _reading(list.remove),
        _reading(list.pop),
    )
    sort, copy = _reading(list.sort), _reading(list.copy)
