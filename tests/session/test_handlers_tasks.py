"""How the calling of handlers ends: what is buffered has the close's time, and what it takes too long for is said."""

import asyncio

from tests.session.line import line


def ticks(peer, count):
    for n in range(count):
        peer.broadcast("markets", "tick", {"n": n})


def dropped_lines(caplog):
    return [record.getMessage() for record in caplog.records if "not handled" in record.getMessage()]


async def test_close_ends_a_backlog_of_a_plain_handler_at_its_deadline_and_counts_it(clock, caplog):
    def slow(item):
        clock.suspend(0.06)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=slow)
        await subscription.confirmed()
        ticks(peer, 500)
        await asyncio.sleep(1)
        handled, started = subscription.delivered, clock.monotonic()
    assert clock.monotonic() - started < 2 + 2 + 0.5
    statistics = subscription.statistics()
    assert handled < statistics.delivered < 501
    assert statistics.delivered + statistics.dropped == 501
    told = dropped_lines(caplog)
    assert len(told) == 1
    assert f"{statistics.dropped} publications" in told[0]


async def test_what_a_handler_does_within_the_deadline_is_not_dropped_by_close(clock, caplog):
    async def quick(item):
        await asyncio.sleep(0.01)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=quick)
        await subscription.confirmed()
        ticks(peer, 100)
        await asyncio.sleep(0.1)
    assert subscription.delivered == 101
    assert subscription.statistics().dropped == 0
    assert dropped_lines(caplog) == []


async def test_a_handler_left_with_a_backlog_is_called_for_the_closes_time_at_most(clock, caplog):
    async def slow(item):
        await asyncio.sleep(0.5)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=slow)
        await subscription.confirmed()
        ticks(peer, 100)
        await asyncio.sleep(1)
        subscription.unsubscribe()
        await asyncio.sleep(30)
        assert 4 <= subscription.delivered <= 8
        assert subscription.delivered + subscription.statistics().dropped == 101
    assert len(dropped_lines(caplog)) == 1


async def test_one_of_two_consumers_that_leaves_with_a_backlog_is_bounded_too(clock):
    async def slow(item):
        await asyncio.sleep(0.5)

    async with line(clock) as (session, peer):
        subscription, other = session.subscribe("markets", handler=slow), session.subscribe("markets")
        await subscription.confirmed()
        ticks(peer, 100)
        await asyncio.sleep(0.1)
        subscription.unsubscribe()
        await asyncio.sleep(30)
        assert subscription.delivered <= 6
        assert len(other.buffer) == 101


async def test_a_call_that_runs_when_its_topic_is_left_is_not_cancelled(clock):
    done = []

    async def leaving(item):
        subscription.unsubscribe()
        await asyncio.sleep(60)
        done.append(item)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=leaving)
        await subscription.confirmed()
        ticks(peer, 5)
        await asyncio.sleep(70)
        assert len(done) == 1


async def test_a_handler_that_closes_the_session_is_not_called_with_what_was_buffered(clock, caplog):
    got = []

    async def closing(item):
        got.append(item)
        await session.close()

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=closing)
        peer.ignore_join("markets", 9)
        await asyncio.sleep(0.1)
        for _ in range(5):
            subscription.buffer.put(object())
        await session.run_forever()
        await asyncio.sleep(5)
        assert len(got) == 1
        assert subscription.statistics().dropped == 4
    assert len(dropped_lines(caplog)) == 1


async def test_a_venues_end_leaves_a_handler_all_the_time_it_needs(clock):
    async def slow(item):
        await asyncio.sleep(1)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=slow)
        await subscription.confirmed()
        ticks(peer, 20)
        await asyncio.sleep(0.1)
        subscription.finish(None, "the venue is done")
        await asyncio.sleep(30)
        assert subscription.delivered == 21
