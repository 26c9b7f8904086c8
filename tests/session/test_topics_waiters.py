import asyncio

import pytest

from tapewire.errors import NotSubscribed, SessionClosed
from tapewire.session.topics import Waiters


class Named:
    topic = "a"


TOPIC = Named()


async def waiting(waiters, count=2):
    tasks = [asyncio.ensure_future(waiters.wait(TOPIC)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_everyone_who_waits_is_told_once(clock):
    waiters = Waiters()
    tasks = await waiting(waiters)
    assert waiters.any_for(TOPIC)
    waiters.settle([TOPIC], "reply")
    waiters.refuse(TOPIC, SessionClosed())
    assert await asyncio.gather(*tasks) == ["reply", "reply"]
    assert not waiters.any_for(TOPIC)


async def test_a_refusal_is_raised_in_everyone(clock):
    waiters = Waiters()
    tasks = await waiting(waiters)
    waiters.refuse(TOPIC, SessionClosed())
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [SessionClosed, SessionClosed]


async def test_leaving_without_an_error_says_that_it_is_not_subscribed(clock):
    waiters = Waiters()
    (task,) = await waiting(waiters, 1)
    waiters.refuse(TOPIC)
    with pytest.raises(NotSubscribed):
        await task


async def test_one_who_gave_up_waiting_harms_nobody(clock):
    waiters = Waiters()
    first, second = await waiting(waiters)
    first.cancel()
    await asyncio.sleep(0)
    waiters.settle([TOPIC], 1)
    assert await second == 1


async def test_those_who_wait_can_be_moved(clock):
    waiters, other = Waiters(), Waiters()
    (task,) = await waiting(waiters, 1)
    other.put(TOPIC, waiters.take(TOPIC))
    assert not waiters.any_for(TOPIC)
    other.settle([TOPIC], 2)
    assert await task == 2
