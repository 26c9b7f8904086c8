"""Whoever iterates more slowly than the feed comes: the event loop goes on, and the stream stays whole."""

import asyncio

import pytest

from tapewire.session.consumer import Items
from tests.session.line import line, said, take
from tests.session.slow_consumers import HOPS, Stalls, feed


async def test_a_plain_iteration_slower_than_the_feed_never_keeps_the_loop_longer_than_one_item(clock):
    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe("markets")
        feed(clock, peer, 30)
        started = clock.monotonic()
        async for _ in subscription:
            clock.suspend(0.06)
            if clock.monotonic() - started > 30:
                break
        assert stalls.longest < 0.06 * HOPS + 0.01


async def test_what_came_to_nothing_says_nothing_of_how_long_the_body_takes_with_an_item(clock):
    taken = 0

    def decode(item):
        return Items() if said(item)[0] != "tick" else item  # what the venue said first

    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe("markets", decode=decode)
        await subscription.confirmed()
        for n in range(30):
            peer.broadcast("markets", "tick", {"n": n})
        async for _ in subscription:
            clock.suspend(0.06)
            taken += 1
            if taken == 30:
                break
        await asyncio.sleep(0.05)
        assert stalls.longest < 0.06 * HOPS + 0.01


async def test_batches_with_a_plain_body_keep_the_loop_no_longer_than_one_batch(clock):
    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe("markets")
        feed(clock, peer, 20)
        started = clock.monotonic()
        async for _ in subscription.batches(2):
            clock.suspend(0.12)
            if clock.monotonic() - started > 20:
                break
        assert stalls.longest < 0.12 * HOPS + 0.01


async def test_a_batch_whose_decoding_takes_long_ends_early(clock):
    def decode(item):
        clock.suspend(0.001)
        return item

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", decode=decode)
        await subscription.confirmed()
        peer.raw(*[b'[null,null,"markets","tick",{}]'] * 500)
        await asyncio.sleep(0.1)
        sizes = []
        async for batch in subscription.batches(500):
            sizes.append(len(batch))
            if sum(sizes) == 501:
                break
        assert max(sizes) == 64


async def test_a_consumer_cancelled_where_it_yields_loses_nothing(clock):
    got = []

    async def consume(subscription):
        async for item in subscription:
            got.append(said(item))
            clock.suspend(0.02)  # so that it yields before the next

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        await take(subscription, 1, control=True)
        for n in range(30):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(0.05)
        for _ in range(30):
            task = asyncio.create_task(consume(subscription))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert got == [("tick", {"n": n}) for n in range(30)]


async def test_a_body_that_becomes_slow_in_the_midst_of_a_burst_is_noticed_after_a_few_items(clock):
    seen = 0
    async with line(clock) as (session, peer), Stalls(clock) as stalls:
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        for n in range(500):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(0.1)
        stalls.longest = 0.0
        async for _ in subscription:
            seen += 1
            if seen > 300:
                clock.suspend(0.06)
            if seen == 400:
                break
        assert stalls.longest < 0.06 * (8 + HOPS)
