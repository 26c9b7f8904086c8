"""Handlers that are slow, block or fail: the event loop goes on, the log stays short, the right one is blamed."""

import asyncio
import weakref

from tests.session.line import line
from tests.session.slow_consumers import HOPS, Stalls, feed


async def test_a_plain_handler_slower_than_the_feed_never_keeps_the_loop_longer_than_one_call(clock):
    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe("markets", handler=lambda item: clock.suspend(0.06))
        await subscription.confirmed()
        feed(clock, peer, 30)
        await asyncio.sleep(30)
        assert stalls.longest < 0.06 * HOPS + 0.01
        assert subscription.delivered > 400
        subscription.unsubscribe()


async def test_an_async_handler_that_never_waits_and_an_on_error_that_is_slow_yield_too(clock):
    async def handler(item):
        clock.suspend(0.03)
        raise ValueError("no")

    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe(
            "markets", handler=handler, on_error=lambda error, item: clock.suspend(0.03)
        )
        await subscription.confirmed()
        feed(clock, peer, 30)
        await asyncio.sleep(30)
        assert stalls.longest < 0.06 * HOPS + 0.01
        subscription.unsubscribe()


async def test_a_handler_that_blocks_again_and_again_is_reported_at_powers_of_two(clock, caplog):
    def hogging(item):
        clock.suspend(0.3)

    async with line(clock, ping_interval=None) as (session, peer):
        subscription = session.subscribe("markets", handler=hogging)
        await subscription.confirmed()
        for n in range(63):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(30)
        assert subscription.delivered == 64
    lines = [record.message for record in caplog.records if "blocked the event loop" in record.message]
    assert len(lines) == 8, "the first three, then no. 4, 8, 16, 32, 64"
    assert all("hogging" in text for text in lines)
    assert "64 times" in lines[-1]


async def test_an_on_error_that_waits_long_is_not_taken_for_a_handler_that_blocks(clock, caplog):
    def fragile(item):
        raise ValueError("no")

    async def on_error(error, item):
        await asyncio.sleep(5)

    async with line(clock) as (session, _):
        await session.subscribe("markets", handler=fragile, on_error=on_error).confirmed()
        await asyncio.sleep(10)
    assert "blocked" not in caplog.text


async def test_an_on_error_that_blocks_is_reported_by_name(clock, caplog):
    def fragile(item):
        raise ValueError("no")

    def hogging(error, item):
        clock.suspend(1)

    async with line(clock) as (session, _):
        await session.subscribe("markets", handler=fragile, on_error=hogging).confirmed()
        await asyncio.sleep(1)
    lines = [record.message for record in caplog.records if "blocked the event loop" in record.message]
    assert len(lines) == 1
    assert "on_error" in lines[0]
    assert "hogging" in lines[0]


async def test_an_on_mark_that_blocks_is_blamed_and_not_the_handler(clock, caplog):
    def hogging(mark):
        clock.suspend(1)

    def innocent(item):
        pass

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=innocent, on_mark=hogging).confirmed()
        peer.abort()
        await peer.joined("markets", 2)
        await asyncio.sleep(2)
    lines = [record.message for record in caplog.records if "blocked the event loop" in record.message]
    assert len(lines) == 1
    assert "hogging" in lines[0]
    assert "innocent" not in lines[0]


async def test_what_a_handler_returned_is_not_kept_while_it_waits_for_more(clock):
    class Returned:
        pass

    returned = []

    def handle(_):
        made = Returned()
        returned.append(weakref.ref(made))
        return made

    async with line(clock) as (session, _):
        await session.subscribe("a", handler=handle).confirmed()
        await asyncio.sleep(1)
        assert returned
        assert all(each() is None for each in returned)
