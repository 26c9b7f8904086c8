"""The published limits are kept in every window, and shared by all who use one key."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.secrets import Secret
from tapewire.venues.sxbet.limits import LIMITS, OVERALL, Budget, Budgets, budgets_for


def starts(budgets: Budgets, budget: Budget, moments: list[float]) -> list[float]:
    return [now + budgets.reserve(budget, now) for now in moments]


@pytest.mark.parametrize("budget", list(LIMITS))
def test_a_flood_of_calls_never_exceeds_the_limit_of_a_minute(budget: Budget) -> None:
    limit = LIMITS[budget]
    times = starts(Budgets(), budget, [0.0] * (3 * limit))
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > 60.0


@given(st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=600))
def test_no_window_of_a_minute_holds_more_than_the_limit_however_calls_come(gaps: list[float]) -> None:
    """For any pattern of asking, call n + 200 of trades starts more than a minute after call n."""
    now, moments = 0.0, []
    for gap in gaps:
        now += gap / 10
        moments.append(now)
    times = starts(Budgets(), "trades", moments)
    assert all(beyond - first > 60.0 for first, beyond in zip(times, times[200:], strict=False))


def test_all_kinds_together_stay_within_the_overall_limit() -> None:
    limit, window = OVERALL
    budgets = Budgets()
    times = sorted(budgets.reserve(budget, 0.0) for budget in LIMITS for _ in range(LIMITS[budget] * 10))
    for first, beyond in zip(times, times[limit:], strict=False):
        assert beyond - first > window


def test_a_few_calls_do_not_wait() -> None:
    assert starts(Budgets(), "trades", [0.0] * 20) == [0.0] * 20


def test_a_hold_stops_its_own_kind_only() -> None:
    budgets = Budgets()
    budgets.hold("trades", 0.0, 7.0)
    assert budgets.reserve("trades", 0.0) == 7.0
    assert budgets.reserve("orders", 0.0) == 0.0


def test_budgets_are_shared_by_key_and_origin_and_forgotten_after_use() -> None:
    one = budgets_for("https://a", Secret("the key"))
    assert budgets_for("https://a", Secret("the key")) is one
    assert budgets_for("https://a", Secret("another key")) is not one
    assert budgets_for("https://b", Secret("the key")) is not one
    one.reserve("trades", 0.0)
    del one
    gc.collect()
    assert "the key" not in repr(budgets_for("https://a", Secret("the key")))
