"""A predicate over a stream. Marks always pass: a filter that swallowed a `Gap` would turn a loss into silence."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import TypeVar

from ..errors import ConfigurationError
from ..marks import is_mark
from .source import Derived

__all__ = ["Filtered", "filtered"]

T = TypeVar("T")


class Filtered(Derived[T]):
    """The publications that `wanted` says True to, and every mark, in their order. Made by `filtered`."""

    def __init__(self, stream: AsyncIterable[T], wanted: Callable[[T], object]) -> None:
        super().__init__(stream)
        self.passed_over: int = 0
        """Publications that were not wanted, so far."""
        self._wanted = wanted

    async def __anext__(self) -> T:
        iterator = self._iterator or self._begin()
        while True:
            item = await anext(iterator)
            if is_mark(item) or self._wanted(item):
                return item
            self.passed_over += 1

    def __repr__(self) -> str:
        return f"<Filtered {self.stream!r} passed_over={self.passed_over}>"


def filtered(stream: AsyncIterable[T], wanted: Callable[[T], object]) -> Filtered[T]:
    """`stream` without the publications that `wanted(publication)` is false for.

    `wanted` is never asked about a mark. What it raises is raised to whoever iterates, who may go on behind it.
    Raises ConfigurationError.
    """
    if not callable(wanted):
        raise ConfigurationError("wanted", wanted, "a function of one publication")
    return Filtered(stream, wanted)
