"""Averages, changes and crossings of a series of numbers, one step at a time. Pure.

Rules: a step costs the same however long the series is (a simple average's on the whole, a single one up to its
window), and memory is bounded by the window. Numbers stay what they are: `Decimal` in, `Decimal` out, rounded only by
the caller's decimal context; `float` in, `float` out. Never both in one series. A number that is not finite, or not of
the series' kind, is refused with ConfigurationError and changes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from ..errors import ConfigurationError

__all__ = ["MOST_STEPS", "Change", "Crossing", "ExponentialAverage", "Signal", "SimpleAverage", "compared"]

N = TypeVar("N", Decimal, float)

Signal: TypeAlias = Literal["buy", "sell", "hold"]

MOST_STEPS: Final = 1_000_000
"""The longest window."""


class SimpleAverage(Generic[N]):
    """The mean of the last `window` numbers. `update` and `value` say None until there are so many."""

    # Sums are only ever added to, never subtracted from, so that no rounding error outlives its window. The window is
    # two parts: `_sums` are the sums of the older part from each of its numbers on, the oldest last; `_newer` are the
    # numbers behind them and `_newer_sum` their sum. When the older part is used up, the newer one takes its place.

    def __init__(self, window: int) -> None:
        self.window: int = _checked_window(window)
        self._sums: list[N] = []
        self._newer: list[N] = []
        self._newer_sum: N | None = None
        self._value: N | None = None

    @property
    def value(self) -> N | None:
        """The average after the last step."""
        return self._value

    def update(self, number: N) -> N | None:
        """One more number. Returns the average of the last `window`, or None where there are fewer yet."""
        _check(number, self._sums[0] if self._sums else self._newer_sum)
        self._newer.append(number)
        self._newer_sum = number if self._newer_sum is None else self._newer_sum + number
        if len(self._sums) + len(self._newer) > self.window:
            self._drop_oldest()
        if len(self._sums) + len(self._newer) == self.window:
            self._value = self._sum() / self.window
        return self._value

    def _drop_oldest(self) -> None:
        if not self._sums:
            self._sums = list(_sums_from_the_end(self._newer))
            self._newer, self._newer_sum = [], None
        self._sums.pop()

    def _sum(self) -> N:
        if not self._sums:
            assert self._newer_sum is not None
            return self._newer_sum
        return self._sums[-1] if self._newer_sum is None else self._sums[-1] + self._newer_sum

    def __repr__(self) -> str:
        return f"<SimpleAverage of {self.window}: {self._value}>"


class ExponentialAverage(Generic[N]):
    """A mean in which each number weighs less than the one behind it: `2 / (window + 1)` of it goes in at each step.

    It begins with the first number; `update` and `value` say None until `window` numbers went in, for before that the
    first one weighs too much.
    """

    def __init__(self, window: int) -> None:
        self.window: int = _checked_window(window)
        self._steps = 0
        self._mean: N | None = None

    @property
    def value(self) -> N | None:
        """The average after the last step."""
        return self._mean if self._steps >= self.window else None

    def update(self, number: N) -> N | None:
        """One more number. Returns the average, or None where there are fewer than `window` yet."""
        mean = self._mean
        _check(number, mean)
        self._mean = number if mean is None else mean + (number - mean) * 2 / (self.window + 1)
        if self._steps < self.window:
            self._steps += 1
        return self.value

    def __repr__(self) -> str:
        return f"<ExponentialAverage of {self.window}: {self.value}>"


class Change(Generic[N]):
    """How much the newest number is above the one `window` steps before, as a part of it: 0.01 is one percent up.

    `update` and `value` say None until there are `window` steps, and where the earlier number is 0.
    """

    def __init__(self, window: int = 1) -> None:
        self.window: int = _checked_window(window)
        self._numbers: deque[N] = deque(maxlen=window + 1)

    @property
    def value(self) -> N | None:
        """The change after the last step."""
        numbers = self._numbers
        if len(numbers) <= self.window or not numbers[0]:
            return None
        return (numbers[-1] - numbers[0]) / abs(numbers[0])

    def update(self, number: N) -> N | None:
        """One more number. Returns its change against the one `window` steps before, or None."""
        _check(number, self._numbers[-1] if self._numbers else None)
        self._numbers.append(number)
        return self.value

    def __repr__(self) -> str:
        return f"<Change over {self.window}: {self.value}>"


def compared(number: N, reference: N, band: N | int = 0) -> Signal:
    """Where `number` stands: "buy" above `reference` by more than `band`, "sell" below it by more, else "hold".

    `band` is a part of the reference: 0.02 is two percent. Says the same at every step while it stays there; for a
    signal at the step at which it gets there, see `Crossing`. Raises ConfigurationError.
    """
    _check(reference, None)
    _check(number, reference)
    _check_band(band)
    width = abs(reference) * band
    if number > reference + width:
        return "buy"
    return "sell" if number < reference - width else "hold"


class Crossing(Generic[N]):
    """One signal each time a series crosses its reference: "buy" where it comes out above the band, "sell" below it,
    "hold" at every other step.

    It has to come out on the other side before there is a signal again, so that a series that trembles at an edge
    gives one. A series that begins outside gives none for that: nobody saw it cross.
    """

    def __init__(self, band: N | int = 0) -> None:
        _check_band(band)
        self.band: N | int = band
        self._side: Signal | None = None

    def update(self, number: N, reference: N) -> Signal:
        """One more step of both. Returns what crossed at this step."""
        side = compared(number, reference, self.band)
        before = self._side
        if before is None or side != "hold":
            self._side = side
        return "hold" if before is None or side == before else side

    def __repr__(self) -> str:
        return f"<Crossing band={self.band} side={self._side}>"


def _sums_from_the_end(numbers: list[N]) -> Iterator[N]:
    """The sum of the last number, of the last two, ... of all."""
    total: N | None = None
    for number in reversed(numbers):
        total = number if total is None else total + number
        yield total


def _checked_window(window: int) -> int:
    if type(window) is not int or not 1 <= window <= MOST_STEPS:
        raise ConfigurationError("window", window, f"a whole number of steps from 1 to {MOST_STEPS}")
    return window


def _check_band(band: Decimal | float) -> None:
    if not band >= 0:
        raise ConfigurationError("band", band, "0 or more, as a part of the reference")


def _check(number: Decimal | float, like: Decimal | float | None) -> None:
    """Refuse what is not finite, and what is not of the kind of `like`."""
    if isinstance(number, Decimal):
        if not number.is_finite():
            raise ConfigurationError("number", number, "a finite Decimal or float")
    elif type(number) not in (int, float) or not math.isfinite(number):
        raise ConfigurationError("number", number, "a finite Decimal or float")
    if like is not None and isinstance(number, Decimal) is not isinstance(like, Decimal):
        raise ConfigurationError("number", number, "Decimals only or floats only in one series")
