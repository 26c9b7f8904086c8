"""How often one may call."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.errors import ConfigurationError
from tapewire.testing import VirtualClock
from tapewire.transport.limiter import RateLimiter, shared_limiter, wait_for_all


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


async def test_a_wait_that_is_cancelled_keeps_no_place(clock: VirtualClock) -> None:
    limiter = RateLimiter(rate=1, per=1.0, burst=1)
    through = 0
    for _ in range(200):
        try:
            await asyncio.wait_for(limiter.wait(clock), 0.02)
            through += 1
        except TimeoutError:
            pass
    assert through in (4, 5)  # two hundred tries of 20 ms are four seconds


async def test_who_waits_behind_a_cancelled_one_moves_up(clock: VirtualClock) -> None:
    limiter = RateLimiter(rate=1, per=1.0, burst=1)
    begun, started = clock.monotonic(), {}

    async def call(name: str) -> None:
        await limiter.wait(clock)
        started[name] = clock.monotonic() - begun

    calls = {name: asyncio.ensure_future(call(name)) for name in "abcdefg"}
    await asyncio.sleep(0.5)
    for name in "bce":
        calls[name].cancel()
    await asyncio.sleep(0.1)
    calls["late"] = asyncio.ensure_future(call("late"))
    await asyncio.wait(calls.values())
    assert started == pytest.approx({"a": 0.0, "d": 1.0, "f": 2.0, "g": 3.0, "late": 4.0})


async def test_a_place_taken_for_good_is_never_moved(clock: VirtualClock) -> None:
    limiter = RateLimiter(rate=1, per=1.0, burst=1)
    now = clock.monotonic()
    limiter.reserve(now)
    waiting = asyncio.ensure_future(limiter.wait(clock))
    await asyncio.sleep(0)
    assert limiter.reserve(now) == pytest.approx(2.0)
    behind = asyncio.ensure_future(limiter.wait(clock))
    await asyncio.sleep(0)
    waiting.cancel()
    await behind
    assert clock.monotonic() - now == pytest.approx(3.0), "right behind the one that sleeps already"


async def test_several_places_of_one_call_are_given_back_together(clock: VirtualClock) -> None:
    limiter = RateLimiter(rate=1, per=1.0, burst=1)
    now = clock.monotonic()
    heavy = asyncio.ensure_future(limiter.wait(clock, 10))
    light = asyncio.ensure_future(limiter.wait(clock))
    await asyncio.sleep(4.5)
    heavy.cancel()
    await light
    assert clock.monotonic() - now == pytest.approx(4.5)
    await limiter.wait(clock)
    assert clock.monotonic() - now == pytest.approx(5.5)


async def test_one_wait_for_several_limiters_takes_a_place_in_each_and_gives_back_in_each(
    clock: VirtualClock,
) -> None:
    quick, slow = RateLimiter(rate=10, burst=1), RateLimiter(rate=1, burst=1)
    now = clock.monotonic()
    await wait_for_all(clock, quick, slow)
    assert clock.monotonic() == now
    waiting = asyncio.ensure_future(wait_for_all(clock, quick, slow))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert quick.reserve(clock.monotonic()) == pytest.approx(0.05)
    assert slow.reserve(clock.monotonic()) == pytest.approx(0.95)


def test_who_waits_in_another_thread_moves_up_too() -> None:
    limiter = RateLimiter(rate=1, per=30.0, burst=1)
    limiter.reserve(SystemClock().monotonic() - 29.8)
    placed = threading.Event()

    async def behind() -> None:
        waiting = asyncio.ensure_future(limiter.wait(SystemClock()))
        await asyncio.sleep(0)
        placed.set()
        await waiting

    async def ahead() -> None:
        waiting = asyncio.ensure_future(limiter.wait(SystemClock()))
        await asyncio.sleep(0)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(lambda: asyncio.run(behind()))
            await asyncio.to_thread(placed.wait)
            waiting.cancel()
            await asyncio.wait_for(asyncio.wrap_future(other), 5)  # else it would be 30 seconds

    asyncio.run(ahead())


@given(
    st.lists(st.tuples(st.floats(0, 0.4), st.one_of(st.none(), st.floats(0, 3))), min_size=1, max_size=60),
    st.integers(1, 10),
    st.integers(1, 4),
)
def test_whoever_is_cancelled_the_others_keep_rate_and_order(
    calls: list[tuple[float, float | None]], rate: int, burst: int
) -> None:
    """In any span of s seconds at most rate * s + burst calls start, in the order in which they asked."""
    clock = VirtualClock()
    limiter = RateLimiter(rate=rate, burst=burst)
    started: list[tuple[int, float]] = []

    async def call(number: int, patience: float | None) -> None:
        try:
            async with asyncio.timeout(patience):
                await limiter.wait(clock)
        except TimeoutError:
            return
        started.append((number, clock.monotonic()))

    async def run() -> None:
        tasks = []
        for number, (pause, patience) in enumerate(calls):
            await asyncio.sleep(pause)
            tasks.append(asyncio.ensure_future(call(number, patience)))
        await asyncio.wait(tasks)

    clock.run(run())
    assert [number for number, _ in started] == sorted(number for number, _ in started)
    times = [moment for _, moment in started]
    for i, first in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= rate * (times[j] - first) + burst + 1e-6
    assert len(started) >= sum(patience is None for _, patience in calls)


def test_a_key_names_one_limiter_for_as_long_as_it_is_used(clock: VirtualClock) -> None:
    first = shared_limiter("venue/account", rate=5, clock=clock)
    assert shared_limiter("venue/account", rate=5, clock=clock) is first
    with pytest.raises(ConfigurationError, match="in use already"):
        shared_limiter("venue/account", rate=6, clock=clock)
    del first
    gc.collect()
    assert shared_limiter("venue/account", rate=6, clock=clock).rate == 6


def test_a_clock_of_ones_own_has_limiters_of_its_own(clock: VirtualClock) -> None:
    live = shared_limiter("venue/account", rate=5, clock=SystemClock())
    assert shared_limiter("venue/account", rate=5, clock=SystemClock()) is live, "it is one time"
    replayed = shared_limiter("venue/account", rate=5, clock=clock)
    assert replayed is not live
    assert shared_limiter("venue/account", rate=5, clock=VirtualClock()) is not replayed


@pytest.mark.parametrize(
    ("argument", "figures"), [("rate", (0, 1, 1)), ("per", (1, 0, 1)), ("burst", (1, 1, 0))]
)
def test_a_figure_that_makes_no_sense_is_named(argument: str, figures: tuple[float, float, int]) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        RateLimiter(*figures)


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    limiter = RateLimiter(rate=10)
    limiter.hold(0.0, 10.0)
    limiter.hold(1.0, 2.0)
    assert limiter.reserve(now=1.0) == 9.0
