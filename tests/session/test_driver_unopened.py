"""A session that nobody opens: whoever waits on it is told so in the log, and who opens it in time is not."""

import asyncio

import pytest

from tapewire.session.pool import Pool
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import make_session


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "never opened" in record.getMessage()]


async def iterate(session):
    async for _ in session.subscribe("markets"):
        pass


async def confirm(session):
    await session.subscribe("markets").confirmed()


async def run(session):
    await session.run_forever()


async def handle(session):
    session.subscribe("markets", handler=lambda item: None)
    await asyncio.sleep(3600)


async def batch(session):
    async for _ in session.subscribe("markets").batches():
        pass


@pytest.mark.parametrize("wait", [iterate, confirm, run, handle, batch])
async def test_whoever_waits_on_a_session_that_was_never_opened_is_told_once(clock, caplog, wait):
    session = make_session(clock, MemoryNetwork())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.9):
            await wait(session)
    assert warnings(caplog) == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(600):
            await wait(session)
    assert len(warnings(caplog)) == 1
    assert "async with" in warnings(caplog)[0]
    assert "open()" in warnings(caplog)[0]
    await session.close()


async def test_who_subscribes_and_waits_before_it_is_opened_goes_on_once_it_is(clock, caplog):
    network = MemoryNetwork()
    async with PhoenixPeer(network):
        session = make_session(clock, network)
        waits = asyncio.create_task(confirm(session))
        await asyncio.sleep(0.9)
        async with session:
            await waits
    assert warnings(caplog) == []


async def test_a_session_that_is_opened_and_cannot_connect_is_not_taken_for_one_that_was_not(clock, caplog):
    session = make_session(clock, MemoryNetwork())
    opening = asyncio.create_task(session.open())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await confirm(session)
    await session.close()
    await asyncio.gather(opening, return_exceptions=True)
    assert warnings(caplog) == []


async def test_a_session_closed_without_having_been_opened_says_nothing(clock, caplog):
    session = make_session(clock, MemoryNetwork())
    waits = asyncio.create_task(iterate(session))
    await asyncio.sleep(0.5)
    await session.close()
    await waits
    await asyncio.sleep(5)
    assert warnings(caplog) == []


async def test_the_sessions_of_a_pool_that_opens_them_one_after_the_other_say_nothing(clock, caplog):
    network = MemoryNetwork()

    async def slowly():
        await asyncio.sleep(2)

    async with (
        PhoenixPeer(network),
        Pool(lambda number: make_session(clock, network).options, capacity=1, admit=slowly) as pool,
    ):
        await asyncio.gather(*(pool.subscribe(f"markets:{n}").confirmed() for n in range(4)))
    assert warnings(caplog) == []


async def test_a_pool_that_nobody_opens_says_so(clock, caplog):
    pool = Pool(lambda number: make_session(clock, MemoryNetwork()).options)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await pool.subscribe("markets").confirmed()
    assert len(warnings(caplog)) == 1
    await pool.close()
