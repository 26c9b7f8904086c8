"""The published limits are kept in every window, and shared by all who use one key."""

from __future__ import annotations

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.secrets import Secret
from tapewire.testing import VirtualClock
from tapewire.venues.sxbet.limits import LIMITS, OVERALL, Budgets, Kind, budgets_for

CLOCK = SystemClock()


def starts(budgets: Budgets, asked: list[tuple[float, Kind]]) -> list[float]:
    """When calls start that are asked for at these seconds."""
    clock = VirtualClock(0.0)
    started: list[float] = []

    async def call(moment: float, budget: Kind) -> None:
        await asyncio.sleep(moment)
        await budgets.of(budget).wait(clock)
        started.append(clock.monotonic())

    async def run() -> None:
        await asyncio.gather(*(call(moment, budget) for moment, budget in asked))

    clock.run(run())
    return started


@pytest.mark.parametrize("budget", list(LIMITS))
def test_a_flood_of_calls_never_exceeds_the_limit_of_a_minute(budget: Kind) -> None:
    limit = LIMITS[budget]
    times = starts(Budgets(), [(0.0, budget)] * (2 * limit))
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > 60.0


@given(st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=600))
def test_no_window_of_a_minute_holds_more_than_the_limit_however_calls_come(gaps: list[float]) -> None:
    """For any pattern of asking, call n + 200 of trades starts more than a minute after call n."""
    now, asked = 0.0, []
    for gap in gaps:
        now += gap / 10
        asked.append((now, "trades"))
    times = starts(Budgets(), asked)
    assert all(beyond - first > 60.0 for first, beyond in zip(times, times[200:], strict=False))


def test_all_kinds_together_stay_within_the_overall_limit() -> None:
    limit, window = OVERALL
    times = starts(Budgets(), [(0.0, budget) for budget in LIMITS for _ in range(LIMITS[budget] * 6)])
    assert len(times) > limit
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > window


def test_a_few_calls_do_not_wait() -> None:
    assert starts(Budgets(), [(0.0, "trades")] * 20) == [0.0] * 20


def test_a_hold_stops_its_own_kind_only() -> None:
    budgets = Budgets()
    budgets.of("trades").hold(0.0, 7.0)
    assert starts(budgets, [(0.0, "trades"), (0.0, "orders")]) == [0.0, 7.0]


def test_budgets_are_shared_by_key_origin_and_clock_and_forgotten_after_use() -> None:
    one = budgets_for("https://a", Secret("the key"), CLOCK)
    assert budgets_for("https://a", Secret("the key"), CLOCK) is one
    assert budgets_for("https://a", Secret("another key"), CLOCK) is not one
    assert budgets_for("https://b", Secret("the key"), CLOCK) is not one
    assert budgets_for("https://a", Secret("the key"), SystemClock()) is one, "one time, one budget"
    assert budgets_for("https://a", Secret("the key"), VirtualClock()) is not one
    del one
    gc.collect()
    assert "the key" not in repr(budgets_for("https://a", Secret("the key"), CLOCK))
