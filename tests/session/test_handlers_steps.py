"""Coroutines of handlers, step by step: what is done at once, what waits, and what blocks in between."""

import asyncio

import pytest

from tapewire.session.handlers import step_coroutine, timed_steps
from tapewire.session.loop import BLOCKED_SECONDS, is_cancelled


async def walk(coroutine, clock, blocked):
    rest = step_coroutine(coroutine)
    return "done at once" if rest is None else await timed_steps(*rest, clock.monotonic, blocked.append)


async def test_what_never_waits_is_done_in_one_step(clock):
    done = []

    async def quick():
        done.append(1)

    assert await walk(quick(), clock, []) == "done at once"
    assert done == [1]


async def test_what_waits_is_gone_on_with_and_returns_its_result(clock):
    async def slow():
        await asyncio.sleep(1)
        await asyncio.sleep(1)
        return 5

    assert await walk(slow(), clock, []) == 5


async def test_only_a_step_that_keeps_the_loop_too_long_is_reported(clock):
    async def blocking():
        await asyncio.sleep(10)
        clock.suspend(BLOCKED_SECONDS + 0.1)
        await asyncio.sleep(10)
        clock.suspend(BLOCKED_SECONDS - 0.1)
        await asyncio.sleep(10)

    blocked = []
    await walk(blocking(), clock, blocked)
    assert blocked == [pytest.approx(BLOCKED_SECONDS + 0.1)]


async def test_an_exception_of_what_it_waits_for_reaches_it(clock):
    async def patient():
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(60)
        except TimeoutError:
            return "too late"

    assert await walk(patient(), clock, []) == "too late"


async def test_an_awaitable_that_is_no_coroutine_is_stepped_too_and_a_plain_value_is_not(clock):
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(1, future.set_result, 7)
    assert await walk(future, clock, []) == 7
    assert step_coroutine("plain") is None


async def test_a_task_that_is_cancelled_is_told_from_one_whose_wait_was(clock):
    seen = []

    async def waiting(future):
        try:
            await future
        except asyncio.CancelledError:
            seen.append(is_cancelled())

    for cancel_task in (True, False):
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(waiting(future))
        await asyncio.sleep(0)
        (task if cancel_task else future).cancel()
        await asyncio.wait([task])
    assert seen == [True, False]
