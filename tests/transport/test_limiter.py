"""How often one may call."""

from __future__ import annotations

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.testing import VirtualClock
from tapewire.transport.limiter import RateLimiter, shared_limiter


def test_a_burst_goes_at_once_and_the_rest_evenly() -> None:
    limiter = RateLimiter(rate=10, per=1.0, burst=3)
    waits = [limiter.reserve(now=0.0) for _ in range(6)]
    assert waits == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3])


def test_an_idle_time_gives_the_burst_back_and_no_more() -> None:
    limiter = RateLimiter(rate=10, per=1.0, burst=2)
    for _ in range(5):
        limiter.reserve(now=0.0)
    assert [limiter.reserve(now=100.0) for _ in range(3)] == pytest.approx([0.0, 0.0, 0.1])


def test_a_hold_delays_everybody_behind_it() -> None:
    limiter = RateLimiter(rate=10, per=1.0, burst=2)
    limiter.hold(now=0.0, seconds=5.0)
    assert [limiter.reserve(now=1.0) for _ in range(3)] == pytest.approx([4.0, 4.0, 4.1])


@given(st.lists(st.floats(0, 3), min_size=1, max_size=80), st.integers(1, 20), st.integers(1, 5))
def test_no_window_ever_holds_more_than_rate_and_burst(pauses: list[float], rate: int, burst: int) -> None:
    """In any span of s seconds at most rate * s + burst calls start."""
    limiter = RateLimiter(rate=rate, per=1.0, burst=burst)
    now, starts = 0.0, []
    for pause in pauses:
        now += pause
        starts.append(now + limiter.reserve(now))
    assert starts == sorted(starts)
    for i, first in enumerate(starts):
        for j in range(i, len(starts)):
            assert j - i + 1 <= rate * (starts[j] - first) + burst + 1e-6


async def test_waiting_takes_its_turn(clock: VirtualClock) -> None:
    limiter = RateLimiter(rate=1, per=2.0)
    start = clock.monotonic()
    await asyncio.gather(*(limiter.wait(clock) for _ in range(4)))
    assert clock.monotonic() - start == pytest.approx(6.0)


def test_a_key_names_one_limiter_for_as_long_as_it_is_used() -> None:
    first = shared_limiter("venue/account", rate=5)
    assert shared_limiter("venue/account", rate=5) is first
    with pytest.raises(ConfigurationError, match="in use already"):
        shared_limiter("venue/account", rate=6)
    del first
    gc.collect()
    assert shared_limiter("venue/account", rate=6).rate == 6


@pytest.mark.parametrize(
    ("argument", "figures"), [("rate", (0, 1, 1)), ("per", (1, 0, 1)), ("burst", (1, 1, 0))]
)
def test_a_figure_that_makes_no_sense_is_named(argument: str, figures: tuple[float, float, int]) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        RateLimiter(*figures)
