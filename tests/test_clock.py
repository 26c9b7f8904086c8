import asyncio
import time

from tapewire.clock import Clock, SystemClock
from tapewire.testing import VirtualClock


def test_the_system_clock_reads_the_machines_two_clocks():
    clock = SystemClock()
    before, wall_before = time.monotonic(), time.time_ns()
    now, wall = clock.monotonic(), clock.time_ns()
    assert before <= now <= time.monotonic()
    assert wall_before - 10**9 <= wall <= time.time_ns() + 10**9
    assert type(wall) is int


async def test_the_system_clock_and_the_running_loop_share_a_scale():
    assert abs(SystemClock().monotonic() - asyncio.get_running_loop().time()) < 1


def test_both_clocks_are_clocks_and_other_things_are_not():
    assert isinstance(SystemClock(), Clock)
    assert isinstance(VirtualClock(), Clock)
    assert not isinstance(object(), Clock)
    assert repr(SystemClock()) == "SystemClock()"
