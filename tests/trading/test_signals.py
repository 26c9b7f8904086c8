"""Each step says what recomputing everything would say, exactly where the numbers are exact."""

from __future__ import annotations

import math
import tracemalloc
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.trading import Change, Crossing, ExponentialAverage, SimpleAverage, compared

PRICES = st.decimals("0.00001", "99999.99999", places=5)
FLOATS = st.floats(-1e9, 1e9)
WINDOWS = st.integers(1, 8)


@given(st.lists(PRICES, max_size=40), WINDOWS)
def test_a_simple_average_of_decimals_is_exactly_the_mean_of_its_window(
    prices: list[Decimal], window: int
) -> None:
    average: SimpleAverage[Decimal] = SimpleAverage(window)
    for count, price in enumerate(prices, 1):
        said = average.update(price)
        assert said == (sum(prices[count - window : count]) / window if count >= window else None)
        assert said is None or type(said) is Decimal
        assert average.value == said


@given(st.lists(FLOATS, max_size=40), WINDOWS)
def test_a_simple_average_of_floats_is_as_near_as_floats_are(numbers: list[float], window: int) -> None:
    average: SimpleAverage[float] = SimpleAverage(window)
    for count, number in enumerate(numbers, 1):
        said = average.update(number)
        if count >= window:
            part = numbers[count - window : count]
            assert said == pytest.approx(
                math.fsum(part) / window, rel=1e-9, abs=1e-15 * max(map(abs, part)) * window
            )


def test_a_rounding_error_does_not_outlive_its_window() -> None:
    average: SimpleAverage[float] = SimpleAverage(3)
    for number in (1.0, 1e300, 1.0, 2.0, 3.0):
        said = average.update(number)
    assert said == 2.0


@given(st.lists(PRICES, min_size=1, max_size=25), WINDOWS)
def test_an_exponential_average_weighs_by_age(prices: list[Decimal], window: int) -> None:
    average: ExponentialAverage[Decimal] = ExponentialAverage(window)
    for price in prices:
        said = average.update(price)
    assert (said is None) is (len(prices) < window)
    alpha = Fraction(2, window + 1)
    age = len(prices) - 1
    exact = Fraction(prices[0]) * (1 - alpha) ** age
    for before, price in enumerate(reversed(prices[1:])):
        exact += alpha * (1 - alpha) ** before * Fraction(price)
    if said is not None:
        assert type(said) is Decimal
        assert abs(Fraction(said) - exact) < Fraction(1, 10**18)


@given(st.lists(PRICES, max_size=30), WINDOWS)
def test_a_change_is_against_the_number_that_many_steps_before(prices: list[Decimal], window: int) -> None:
    change: Change[Decimal] = Change(window)
    for index, price in enumerate(prices):
        said = change.update(price)
        if index < window:
            assert said is None
        else:
            assert said == (price - prices[index - window]) / prices[index - window]


def test_a_change_from_nothing_is_not_known_and_from_a_loss_is_upwards() -> None:
    change: Change[float] = Change()
    assert [change.update(number) for number in (0.0, 5.0, 10.0, -10.0, -5.0)] == [None, None, 1.0, -2.0, 0.5]


def test_comparing_says_where_a_price_stands_at_every_step() -> None:
    band = Decimal("0.02")
    said = [compared(Decimal(price), Decimal(100), band) for price in ("102", "102.01", "103", "98", "97.99")]
    assert said == ["hold", "buy", "buy", "hold", "sell"]
    assert compared(-97.0, -100.0, 0.02) == "buy"
    assert compared(1.0, 1.0) == "hold"


def test_a_crossing_is_said_once_and_not_again_for_trembling() -> None:
    crossing: Crossing[float] = Crossing(0.02)
    prices = [100, 103, 104, 101, 103, 97, 99, 97, 103, 103]
    said = [crossing.update(float(price), 100.0) for price in prices]
    assert said == ["hold", "buy", "hold", "hold", "hold", "sell", "hold", "hold", "buy", "hold"]


def test_where_it_stood_before_the_first_step_is_no_crossing() -> None:
    crossing: Crossing[float] = Crossing()
    assert [crossing.update(price, 10.0) for price in (12.0, 13.0, 8.0)] == ["hold", "hold", "sell"]


@given(st.lists(st.integers(-3, 3), max_size=40))
def test_crossings_alternate_and_are_those_of_the_naive_rule(steps: list[int]) -> None:
    """Invariant: a signal is a step outside behind a last step outside on the other side, or behind a first inside."""
    crossing: Crossing[float] = Crossing()
    said = [crossing.update(100.0 + step, 100.0) for step in steps]
    for index, step in enumerate(steps):
        earlier = [before > 0 for before in steps[:index] if before] or (
            [not step > 0] if steps[0] == 0 else []
        )
        crossed = step != 0 and bool(earlier) and earlier[-1] != (step > 0)
        assert said[index] == (("buy" if step > 0 else "sell") if crossed else "hold")
    signals = [signal for signal in said if signal != "hold"]
    assert all(one != other for one, other in pairwise(signals))


NOT_FINITE = [
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    True,
    "1",
    None,
]


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("series", [SimpleAverage(2), ExponentialAverage(2), Change(1)])
def test_what_is_no_finite_number_is_refused_and_changes_nothing(series: Any, number: Any) -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        series.update(number)
    assert series.value is None
    with pytest.raises(ConfigurationError, match="finite"):
        compared(number, number)


@pytest.mark.parametrize("make", [SimpleAverage, ExponentialAverage, Change])
def test_kinds_are_not_mixed_and_a_mistake_changes_nothing(make: Any) -> None:
    series = make(1)
    series.update(Decimal(4))
    before = series.update(Decimal(5))
    with pytest.raises(ConfigurationError, match="one series"):
        series.update(2.0)
    assert series.value == before
    assert series.update(Decimal(5)) is not None
    with pytest.raises(ConfigurationError, match="one series"):
        compared(1.0, Decimal(1))  # type: ignore[type-var]


@pytest.mark.parametrize("make", [SimpleAverage, ExponentialAverage, Change])
@pytest.mark.parametrize("window", [0, -1, 2.0, True, 10**9])
def test_a_window_is_a_whole_number_of_steps(make: Any, window: Any) -> None:
    with pytest.raises(ConfigurationError, match="window"):
        make(window)


@pytest.mark.parametrize("band", [-0.1, float("nan")])
def test_a_band_is_not_negative(band: float) -> None:
    with pytest.raises(ConfigurationError, match="band"):
        Crossing(band)
    with pytest.raises(ConfigurationError, match="band"):
        compared(1.0, 1.0, band)


def test_memory_is_bounded_by_the_window() -> None:
    series: list[Any] = [SimpleAverage(50), ExponentialAverage(50), Change(50), Crossing(0.01)]

    def feed(count: int) -> None:
        for number in range(count):
            for each in series[:3]:
                each.update(float(number % 997))
            series[3].update(float(number % 97), 50.0)

    feed(500)
    tracemalloc.start()
    try:
        feed(100)
        before, _ = tracemalloc.get_traced_memory()
        feed(20_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 8_192
