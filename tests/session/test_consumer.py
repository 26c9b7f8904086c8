"""One consumer of one topic or of many: its buffer, its marks and its end, and who leaves what when."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from tapewire.errors import (
    BufferOverflow,
    ConfigurationError,
    GaveUp,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Errored, Gap, Lagged, Reconnected, Resynced, Subscribing, Unsubscribed, is_mark
from tapewire.retry import RetryPolicy
from tapewire.session.consumer import Consumer, Feed, Items
from tapewire.session.pool import Pool
from tapewire.testing import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import counted, line
from tests.session.numbered_line import RECOVERABLE, numbered_line, publish
from tests.session.slow_consumers import HOPS, Stalls
from tests.session.test_pool import limit_channels, options

QUICK = RetryPolicy(None, 0.5, 4.0, jitter=False)
BUSY = {"reason": "not today"}


def read(frame):
    """A publication as `topic n`; control frames are none."""
    if frame.event.startswith("phx_"):
        return Items()
    return f"{frame.topic} {msgspec.json.decode(frame.payload)['n']}"


def made(clock, **fields):
    return Consumer("both", **({"decode": read, "clock": clock} | fields))


@contextlib.asynccontextmanager
async def two(clock, *, of_topic=None, of_session=None, **fields):
    """A session whose topics `a` and `b` feed one consumer."""
    async with line(clock, **(of_session or {"resubscribe": QUICK})) as (session, peer):
        consumer = made(clock, **fields)
        for topic in ("a", "b"):
            session.subscribe(topic, into=consumer, **(of_topic or {}))
        yield session, peer, consumer


def feeds(consumer):
    return {feed.topic: feed for feed in consumer.feeds}


async def taken(consumer, count):
    return [await anext(consumer) for _ in range(count)]


# --- many topics in one buffer ----------------------------------------------------------------------------------------


async def test_topics_of_one_consumer_come_in_the_order_of_the_wire(clock):
    async with two(clock) as (session, peer, consumer):
        await consumer.confirmed()
        for n in range(3):
            peer.broadcast("a", "tick", {"n": n})
            peer.broadcast("b", "tick", {"n": n})
        assert await taken(consumer, 6) == ["a 0", "b 0", "a 1", "b 1", "a 2", "b 2"]
        assert consumer.delivered == 6
        assert session.statistics().subscriptions == 2


async def test_one_read_of_many_topics_wakes_the_consumer_once(clock):
    async with two(clock) as (_, peer, consumer):
        await consumer.confirmed()
        waits = []
        taking = asyncio.ensure_future(counted(taken(consumer, 60), waits))
        await asyncio.sleep(0.1)
        peer.raw(*(b'[null,null,"%s","tick",{"n":1}]' % topic for topic in (b"a", b"b") for _ in range(30)))
        assert len(await taking) == 60
        assert len(waits) <= 2  # the replies to the joins, and the read


async def test_a_lost_connection_is_marked_once_for_each_topic_and_says_which(clock):
    async with two(clock) as (_, peer, consumer):
        await consumer.confirmed()
        peer.abort()
        await peer.joined("b", 2)
        peer.broadcast("a", "tick", {"n": 2})
        gaps = [item async for item in until(consumer, "a 2") if is_mark(item)]
        assert [(gap.reason, gap.detail[:3]) for gap in gaps] == [
            ("connection lost", "a: "),
            ("connection lost", "b: "),
        ]


async def test_gaps_of_two_topics_that_meet_are_one_that_names_both(clock):
    consumer = made(clock)
    for topic in ("a", "b", "a"):
        consumer.put_mark(Gap(reason="connection lost", since_ns=1, detail="code 1006"), topic)
    assert (await anext(consumer)).detail == "a: code 1006; b: code 1006"
    assert not consumer.buffer


async def collect(consumer, items):
    async for item in consumer:
        items.append(item)


async def until(consumer, last):
    async for item in consumer:
        yield item
        if item == last:
            return


@pytest.mark.parametrize("announce", [True, False])
async def test_a_consumer_of_two_topics_is_given_the_marks_of_both(clock, announce):
    marks = []
    async with two(
        clock, of_topic={"announce": announce}, decode_mark=lambda mark: marks.append(mark) or Items()
    ) as (_, peer, consumer):
        taking = asyncio.ensure_future(taken(consumer, 1))
        await consumer.confirmed()
        await asyncio.sleep(0.1)
        marks.clear()
        peer.abort()
        await peer.joined("b", 2)
        await asyncio.sleep(0.1)
        assert sum(isinstance(mark, Gap) for mark in marks) == 2
        assert any(isinstance(mark, Subscribing) for mark in marks) is announce
        taking.cancel()


async def test_a_pools_topics_may_feed_one_consumer_from_several_connections(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=1) as pool:
        consumer = made(clock)
        for topic in ("a", "b", "c"):
            pool.subscribe(topic, into=consumer)
        await consumer.confirmed()
        assert len(pool.sessions) == 3
        for topic in ("c", "a", "b"):
            peer.broadcast(topic, "tick", {"n": 1})
        assert sorted(await taken(consumer, 3)) == ["a 1", "b 1", "c 1"]
        pool.sessions[0].reconnect()
        await peer.joined("a", 2)
        assert isinstance(await anext(consumer), Gap)
        await pool.sessions[0].close()
        peer.broadcast("b", "tick", {"n": 2})
        assert await anext(consumer) == "b 2"


async def test_a_topic_that_is_moved_to_another_session_goes_on_feeding_its_consumer(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, Pool(options(clock, network), capacity=9) as pool:
        await limit_channels(peer, 1)
        consumer = made(clock)
        for topic in ("a", "b"):
            pool.subscribe(topic, into=consumer)
        await consumer.confirmed()
        assert len(pool.sessions) == 2
        for topic in ("a", "b"):
            peer.broadcast(topic, "tick", {"n": 1})
        assert sorted(await taken(consumer, 2)) == ["a 1", "b 1"]


async def test_each_topic_of_a_consumer_has_a_position_of_its_own(clock):
    async with numbered_line(clock) as (session, peer):
        consumer = Consumer("both", clock=clock)
        a, b = (session.subscribe(topic, RECOVERABLE, into=consumer) for topic in ("a", "b"))
        await consumer.confirmed()
        assert (a.position.offset, b.position.offset) == (0, 0)
        publish(peer, "a", range(3))
        publish(peer, "b", range(2))
        await asyncio.sleep(0.1)
        assert (a.position.offset, b.position.offset) == (0, 0)
        await taken(consumer, 4)
        assert (a.position.offset, b.position.offset) == (3, 1)
        peer.drop()
        await asyncio.sleep(5)
        items = await taken(consumer, 2)
        assert [getattr(item, "offset", item.__class__) for item in items] == [2, Reconnected]


async def test_what_a_consumer_dropped_is_counted_once_however_many_topics_it_has(clock):
    async with two(clock, capacity=3, decode=None) as (session, peer, consumer):
        await consumer.confirmed()
        peer.raw(*[b'[null,null,"a","tick",{"n":1}]'] * 10)
        await asyncio.sleep(0.1)
        assert session.statistics().dropped == consumer.buffer.dropped > 0
        assert isinstance(await anext(consumer), Lagged)


@pytest.mark.parametrize("name", ["handler", "decode", "policy", "capacity", "inline", "on_mark"])
async def test_what_is_the_consumers_cannot_be_said_for_one_topic(clock, name):
    async with two(clock) as (session, _, consumer):
        with pytest.raises(ConfigurationError, match=f"^{name}="):
            session.subscribe("c", into=consumer, **{name: None})
        consumer.end()
        with pytest.raises(ConfigurationError, match=r"^into="):
            session.subscribe("c", into=consumer)


# --- refusals and ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [True, False])
async def test_a_refusal_of_one_topic_for_now_ends_nothing_and_it_is_asked_for_again(clock, waits):
    told = []
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("b", BUSY, times=2)
        consumer = made(clock)
        for topic in ("a", "b"):
            session.subscribe(topic, into=consumer, on_error=lambda error, item: told.append(str(error)))
        if waits:
            with pytest.raises(SubscriptionRefused, match="not today"):
                await consumer.confirmed()
        await peer.joined("a")
        peer.broadcast("a", "tick", {"n": 1})
        assert await anext(consumer) == "a 1"
        await peer.joined("b")
        await consumer.confirmed()
        peer.broadcast("b", "tick", {"n": 2})
        assert await anext(consumer) == "b 2"
        assert told == ["b: refused: not today"] * 2
        assert str(session.last_error) == "b: refused: not today"


async def test_a_refusal_for_now_is_announced_among_the_items_of_all_topics(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("b", BUSY)
        consumer = made(clock)
        for topic in ("a", "b"):
            session.subscribe(topic, into=consumer, announce=True)
        await consumer.confirmed()
        peer.broadcast("b", "tick", {"n": 1})
        items = [item async for item in until(consumer, "b 1")]
        assert [item.reason for item in items if isinstance(item, Errored)] == ["not today"]


async def test_a_refusal_for_good_ends_the_consumer_and_leaves_the_other_topics(clock):
    told = []
    async with two(clock, of_topic={"on_error": lambda error, item: told.append(error)}) as (
        session,
        peer,
        consumer,
    ):
        await consumer.confirmed()
        peer.broadcast("a", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        peer.refuse_join("c")
        session.subscribe("c", into=consumer)
        await peer.left("a")
        await peer.left("b")
        assert await anext(consumer) == "a 1"
        for _ in range(2):
            with pytest.raises(SubscriptionRefused, match=r"^c: refused: unauthorized"):
                await anext(consumer)
        with pytest.raises(SubscriptionRefused, match=r"^c: "):
            await consumer.confirmed()
        assert session.topics == 0
        assert told == []  # those were only left


async def test_whoever_is_told_of_a_topics_end_is_told_when_the_consumer_comes_to_it(clock):
    told = []
    async with line(clock) as (session, peer):
        consumer = made(clock)
        peer.refuse_join("a")
        session.subscribe("a", into=consumer, on_error=lambda error, item: told.append(error))
        await asyncio.sleep(1)
        assert told == []
        with pytest.raises(SubscriptionRefused) as raised:
            await anext(consumer)
        assert told == [raised.value]


async def test_a_topic_that_the_venue_ends_ends_the_consumer_behind_what_is_buffered(clock):
    async with two(clock) as (_, peer, consumer):
        await consumer.confirmed()
        peer.broadcast("b", "tick", {"n": 1})
        peer.close_topic("a", {"reason": "market resulted"})
        await peer.left("b")
        assert await anext(consumer) == "b 1"
        with pytest.raises(SubscriptionEnded, match=r"^a: ended by the venue: market resulted"):
            await anext(consumer)


async def test_leaving_one_topic_leaves_the_others_and_leaving_the_last_ends_the_consumer(clock):
    async with two(clock) as (session, peer, consumer):
        await consumer.confirmed()
        topics = feeds(consumer)
        peer.broadcast("a", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        topics["a"].unsubscribe()
        await peer.left("a")
        assert (topics["a"].state, topics["b"].state, session.topics) == ("unsubscribed", "subscribed", 1)
        peer.broadcast("b", "tick", {"n": 2})
        assert await taken(consumer, 2) == ["a 1", "b 2"]
        await consumer.confirmed()
        session.subscribe("c", into=consumer)
        await peer.joined("c")
        topics["b"].unsubscribe()
        peer.broadcast("c", "tick", {"n": 3})
        assert await anext(consumer) == "c 3"
        feeds(consumer)["c"].unsubscribe()
        assert [item async for item in consumer] == []
        with pytest.raises(SessionClosed, match="both: the stream was left"):
            await consumer.confirmed()


async def test_nothing_of_a_topic_that_was_left_comes_in_with_the_rest_of_its_read(clock):
    async with two(clock) as (session, peer, consumer):
        await consumer.confirmed()
        topics = feeds(consumer)

        def leave(frame):
            if frame.event == "tick":
                topics["a"].unsubscribe()

        session.subscribe("c", inline=True, handler=leave)
        await peer.joined("c")
        await asyncio.sleep(0.1)
        peer.raw(*(b'[null,null,"%s","tick",{"n":1}]' % topic for topic in (b"a", b"c", b"a", b"b")))
        assert await taken(consumer, 2) == ["a 1", "b 1"]
        assert not len(consumer.buffer)


@pytest.mark.parametrize("announce", [True, False])
async def test_an_overflow_under_policy_fail_is_raised_by_the_consumers_name_and_leaves_all(clock, announce):
    async with two(clock, policy="fail", capacity=20, of_topic={"announce": announce}) as (
        session,
        peer,
        consumer,
    ):
        await consumer.confirmed()
        peer.raw(*[b'[null,null,"a","tick",{"n":1}]'] * 40)
        await peer.left("a")
        await peer.left("b")
        items = []
        with pytest.raises(BufferOverflow, match=r"^both: .*20 publications") as raised:
            await collect(consumer, items)
        assert raised.value.capacity == 20
        assert sum(isinstance(item, Unsubscribed) for item in items) == announce
        assert isinstance(session.last_error, BufferOverflow)


async def test_a_consumer_that_no_session_feeds_overflows_and_ends_like_others(clock):
    class Fed(Feed):
        left = False

        async def confirmed(self):
            """At once."""

        def unsubscribe(self):
            self.left = True
            consumer.part(self)

    consumer, fed = Consumer("fed", policy="fail", capacity=2, clock=clock), Fed()
    consumer.add(fed)
    await consumer.confirmed()
    for n in range(3):
        consumer.put(n)
    assert fed.left
    assert await taken(consumer, 2) == [0, 1]
    with pytest.raises(BufferOverflow, match=r"^fed: "):
        await anext(consumer)


async def test_a_topic_that_is_left_while_all_are_waited_for_is_waited_for_no_more(clock):
    async with two(clock) as (_, peer, consumer):
        peer.ignore_join("a")
        waiting = asyncio.ensure_future(consumer.confirmed())
        await peer.joined("b")
        feeds(consumer)["a"].unsubscribe()
        await asyncio.wait_for(waiting, 1)
        peer.broadcast("b", "tick", {"n": 1})
        assert await anext(consumer) == "b 1"


async def test_policy_resync_asks_for_all_topics_anew(clock):
    async with two(clock, policy="resync", capacity=5) as (_, peer, consumer):
        await consumer.confirmed()
        peer.raw(*[b'[null,null,"a","tick",{"n":1}]'] * 40)
        await asyncio.sleep(0.1)
        taking = asyncio.ensure_future(taken(consumer, 3))
        await peer.joined("a", 2)
        await peer.joined("b", 2)
        assert isinstance((await taking)[0], Lagged)


async def test_a_session_that_gives_up_raises_why_to_the_consumer_of_its_topics(clock):
    fields = {"retry": RetryPolicy(2, 0.1, jitter=False)}
    async with two(clock, of_session=fields) as (session, peer, consumer):
        await consumer.confirmed()
        peer.network.unreachable(times=9)
        peer.abort()
        with pytest.raises(GaveUp):
            async for _ in consumer:
                pass
        assert session.unheard is None


async def test_a_consumer_ends_with_its_session_and_leaves_no_task(clock):
    before = asyncio.all_tasks()
    async with two(clock) as (session, peer, consumer):
        await consumer.confirmed()
        peer.broadcast("a", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        started = clock.monotonic()
        await session.close()
        assert clock.monotonic() - started < 3
        assert [item async for item in consumer] == ["a 1"]
    assert asyncio.all_tasks() == before


async def test_a_hundred_topics_are_left_with_the_consumer_that_is_closed(clock):
    ended = []
    async with line(clock) as (session, peer):
        consumer = made(clock, on_ended=lambda: ended.append(len(consumer.feeds)))
        for n in range(100):
            session.subscribe(f"t{n}", into=consumer)
        await consumer.confirmed()
        peer.broadcast("t0", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        consumer.close()
        consumer.close()
        await peer.left("t99")
        assert (session.topics, ended) == (0, [0])
        assert [item async for item in consumer] == []


async def test_a_snapshot_of_one_topic_holds_up_no_other(clock):
    gate = asyncio.Event()

    async def snapshot():
        await gate.wait()
        return "state"

    async with line(clock) as (session, peer):
        consumer = made(clock)
        session.subscribe("a", into=consumer, snapshot=snapshot)
        session.subscribe("b", into=consumer)
        await consumer.confirmed()
        peer.broadcast("a", "tick", {"n": 1})
        peer.broadcast("b", "tick", {"n": 1})
        assert await anext(consumer) == "b 1"
        gate.set()
        resynced, item = await taken(consumer, 2)
        assert (resynced.snapshot, item) == ("state", "a 1")
        assert isinstance(resynced, Resynced)


# --- decoding ---------------------------------------------------------------------------------------------------------


def spread(frame):
    """None of control frames, `n` items of `n`."""
    if frame.event.startswith("phx_"):
        return Items()
    n = msgspec.json.decode(frame.payload)["n"]
    return Items(f"{n}.{i}" for i in range(n))


EXPECTED = ["1.0", "3.0", "3.1", "3.2", "2.0", "2.1"]


@pytest.mark.parametrize("how", ["iterated", "batches", "handler", "inline"])
async def test_one_publication_may_be_decoded_to_none_or_many_items(clock, how):
    got = []
    fields = {"handler": got.append, "inline": how == "inline"} if how in ("handler", "inline") else {}
    async with line(clock) as (session, peer):
        subscription = session.subscribe("a", decode=spread, **fields)
        await subscription.confirmed()
        for n in (1, 0, 3, 2):
            peer.broadcast("a", "tick", {"n": n})
        if how == "iterated":
            got = [await anext(subscription) for _ in EXPECTED]
        elif how == "batches":
            batches = subscription.batches(2)
            while len(got) < len(EXPECTED):
                batch = await anext(batches)
                assert 0 < len(batch) <= 2
                got += batch
        await asyncio.sleep(0.1)
        assert got == EXPECTED
        assert subscription.delivered == 6


async def test_a_handler_that_has_no_time_for_the_rest_of_a_publication_is_called_with_none_of_it(
    clock, caplog
):
    got = []

    async def handler(item):
        got.append(item)
        await asyncio.sleep(1)

    async with line(clock, close_timeout=0.5) as (session, peer):
        subscription = session.subscribe("a", decode=spread, handler=handler)
        await subscription.confirmed()
        peer.broadcast("a", "tick", {"n": 3})
        await asyncio.sleep(0.1)
        subscription.unsubscribe()
        await asyncio.sleep(5)
    assert got == ["3.0"]
    assert "2 publications that were buffered are not handled any more" in caplog.text


async def test_an_inline_handler_that_leaves_is_given_no_more_of_the_same_publication(clock):
    got = []

    def handler(item):
        got.append(item)
        subscription.unsubscribe()

    async with line(clock) as (session, peer):
        subscription = session.subscribe("a", decode=spread, handler=handler, inline=True)
        await subscription.confirmed()
        peer.broadcast("a", "tick", {"n": 3})
        await asyncio.sleep(0.1)
    assert got == ["3.0"]


async def test_publications_that_come_to_nothing_keep_the_loop_no_longer_than_others(clock):
    def nothing(item):
        clock.suspend(0.02)
        return Items()

    consumer = Consumer("silent", decode=nothing, clock=clock)
    async with Stalls(clock) as stalls:
        for n in range(50):
            consumer.put(n)
        taking = asyncio.ensure_future(anext(consumer))
        await asyncio.sleep(2)
        assert not len(consumer.buffer)
        assert stalls.longest < 0.02 * HOPS + 0.01
        taking.cancel()


async def slowly(n):
    await asyncio.sleep(0.05)
    if n == 3:
        raise ValueError("no such number")
    return Items([n, n + 100])


@pytest.mark.parametrize("limit", [0.02, 0.2])
async def test_what_takes_a_while_to_decode_is_the_next_waits_where_one_is_cancelled(clock, limit):
    consumer = Consumer("slow", decode=slowly, clock=clock)
    for n in (1, 3, 2):
        consumer.put(n)
    got = []
    while len(got) < 5:
        with contextlib.suppress(TimeoutError):
            got.append(await asyncio.wait_for(anext(consumer), limit))
    assert got[:2] + got[3:] == [1, 101, 2, 102]
    assert (got[2].reason, got[2].detail) == ("undecodable", "ValueError: no such number")
    assert consumer.undecodable == 1


async def test_what_is_being_decoded_when_a_consumer_is_closed_leaves_no_task(clock):
    consumer = Consumer("slow", decode=slowly, clock=clock)
    consumer.put(1)
    before = asyncio.all_tasks()
    taking = asyncio.ensure_future(anext(consumer))
    await asyncio.sleep(0.01)
    consumer.close()
    with pytest.raises(StopAsyncIteration):
        await taking
    assert asyncio.all_tasks() == before


async def test_what_is_spoiled_is_said_before_the_rest_of_its_publication(clock):
    def decode(n):
        consumer.spoiled(ValueError("half of it"))
        return Items([n])

    consumer = Consumer("half", decode=decode, decode_mark=lambda mark: f"mark {mark.detail}", clock=clock)
    consumer.put(1)
    assert await taken(consumer, 2) == ["mark ValueError: half of it", 1]


async def test_a_mark_is_told_when_it_has_its_place():
    seen, gap = [], Gap(reason="sequence", since_ns=1)
    consumer = Consumer("seen", on_mark=lambda mark: seen.append((mark, len(consumer.buffer))))
    consumer.put(1)
    consumer.put_mark(gap)
    assert seen == [(gap, 2)]
