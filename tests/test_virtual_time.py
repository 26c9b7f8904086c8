import asyncio
import signal
import time

import pytest

from tapewire.testing import VirtualClock

HOUR = 3600.0


async def test_an_hour_passes_at_once(clock):
    started = time.monotonic()
    await asyncio.sleep(HOUR)
    assert clock.monotonic() == pytest.approx(1000 + HOUR)
    assert time.monotonic() - started < 5


async def test_the_loop_and_the_clock_tell_the_same_time(clock):
    loop = asyncio.get_running_loop()
    assert loop.time() == clock.monotonic()
    await asyncio.sleep(5)
    assert loop.time() == clock.monotonic() == pytest.approx(1005)


async def test_timers_fire_in_the_order_of_their_moments_and_at_them(clock):
    fired = []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        fired.append((seconds, round(clock.monotonic() - 1000, 6)))

    await asyncio.gather(*[wait(seconds) for seconds in (30, 1, 7200, 0.001, 5)])
    assert fired == [(s, s) for s in (0.001, 1, 5, 30, 7200)]


async def test_time_stands_still_while_anything_can_run(clock):
    timer = asyncio.get_running_loop().call_later(0.001, pytest.fail, "fired")
    for _ in range(1000):
        await asyncio.sleep(0)
    assert clock.monotonic() == 1000
    timer.cancel()


async def test_a_deadline_expires_in_virtual_time(clock):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(HOUR):
            await asyncio.sleep(2 * HOUR)
    assert clock.monotonic() == pytest.approx(1000 + HOUR)


async def test_after_a_suspend_overdue_timers_fire_late(clock):
    fired = []
    loop = asyncio.get_running_loop()
    for seconds in (1, 30):
        loop.call_later(seconds, lambda s=seconds: fired.append((s, clock.monotonic())))
    clock.suspend(10)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired == [(1, 1010)]
    await asyncio.sleep(HOUR)
    assert fired[1] == (30, pytest.approx(1030))


async def test_a_jump_of_the_wall_clock_moves_no_timer(clock):
    wall = clock.time_ns()
    clock.jump_wall(-HOUR)
    assert clock.time_ns() == wall - 3600 * 10**9
    await asyncio.sleep(2)
    assert clock.monotonic() == pytest.approx(1002)
    assert clock.time_ns() == pytest.approx(wall - 3598 * 10**9, abs=1000)


async def test_both_readings_advance_together(clock):
    wall = clock.time_ns()
    await asyncio.sleep(1.5)
    assert clock.time_ns() - wall == pytest.approx(1_500_000_000, abs=1000)
    assert type(clock.time_ns()) is int


def test_a_result_is_returned_and_an_exception_propagates():
    async def answer():
        await asyncio.sleep(HOUR)
        return 42

    async def fail():
        await asyncio.sleep(HOUR)
        raise ZeroDivisionError("real")

    assert VirtualClock().run(answer()) == 42
    with pytest.raises(ZeroDivisionError, match="real"):
        VirtualClock().run(fail())


def test_tasks_left_over_are_cancelled_and_may_clean_up():
    ends = []

    async def forever():
        try:
            await asyncio.sleep(1e9)
        finally:
            await asyncio.sleep(HOUR)
            ends.append("clean")

    async def main():
        task = asyncio.ensure_future(forever())
        await asyncio.sleep(1)
        return task

    task = VirtualClock().run(main())
    assert task.cancelled()
    assert ends == ["clean"]


def test_the_same_program_runs_the_same_way_each_time():
    async def program(clock, seen):
        async def worker(n):
            for step in range(5):
                await asyncio.sleep(0.1 * n + step)
                seen.append((n, clock.monotonic()))

        await asyncio.gather(*[worker(n) for n in range(1, 6)])

    runs = []
    for _ in range(3):
        clock, seen = VirtualClock(), []
        clock.run(program(clock, seen))
        runs.append(seen)
    assert runs[0] == runs[1] == runs[2]


def test_a_clock_may_run_again_and_goes_on_from_where_it_was():
    clock = VirtualClock(start=0)
    clock.run(asyncio.sleep(5))
    clock.run(asyncio.sleep(5))
    assert clock.monotonic() == pytest.approx(10)
    assert repr(clock) == "<VirtualClock at 10 s>"


async def test_a_real_socket_works_inside_virtual_time(clock):
    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()


async def test_a_course_is_continued_at_its_moments_behind_the_timers_of_the_same_moment(clock):
    loop, seen = asyncio.get_running_loop(), []

    def course():
        for seconds in (1, 2, 2, 5):
            yield 1000.0 + seconds
            seen.append(("course", clock.monotonic() - 1000))
            loop.call_soon(seen.append, "soon")

    for seconds in (2, 3, 9):
        loop.call_at(1000.0 + seconds, lambda: seen.append(("timer", clock.monotonic() - 1000)))
    assert await clock.follow(course()) is None
    assert seen == [
        *(("course", 1), "soon"),
        *(("timer", 2), ("course", 2), "soon", ("course", 2), "soon"),
        ("timer", 3),
        *(("course", 5), "soon"),
    ]


async def test_a_course_stops_at_what_is_no_moment_and_goes_on_from_there(clock):
    def course():
        yield 1001.0
        yield "wait"
        yield 1002.0
        raise ZeroDivisionError("real")

    steps = course()
    assert await clock.follow(steps) == "wait"
    assert clock.monotonic() == 1001
    await asyncio.sleep(0.5)
    with pytest.raises(ZeroDivisionError, match="real"):
        await clock.follow(steps)
    assert clock.monotonic() == 1002
    assert await clock.follow(steps) is None


async def test_a_course_that_is_given_up_is_not_continued(clock):
    seen = []

    def course():
        yield 1001.0
        seen.append("first")
        yield 1005.0
        seen.append("second")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await clock.follow(course())
    await asyncio.sleep(10)
    assert seen == ["first"]


def test_a_course_passes_as_fast_as_time_does():
    clock = VirtualClock(speed=100)

    def course():
        for seconds in range(1, 6):
            yield 1000.0 + seconds

    started = time.monotonic()
    clock.run(clock.follow(course()))
    assert clock.monotonic() == pytest.approx(1005)
    assert time.monotonic() - started > 0.04


async def test_a_signal_is_heard_however_much_is_to_be_done(clock):
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)

    def course():
        yield 1000.0
        signal.raise_signal(signal.SIGUSR1)
        for step in range(10_000):
            if heard.is_set():
                return
            yield 1000.0 + step
        pytest.fail("nobody heard it")

    try:
        assert await clock.follow(course()) is None
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
