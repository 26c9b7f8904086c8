"""What is said while a hole is bridged from history, and when."""

import asyncio

import pytest

from tapewire.errors import RequestLost
from tapewire.marks import Subscribed
from tapewire.protocols.centrifugo import History
from tapewire.retry import RetryPolicy
from tapewire.transport.base import Endpoint
from tests.session.numbered_line import RECOVERABLE, buffered, numbered_line, publish, said


@pytest.mark.parametrize(("keep", "recovered"), [(5000, True), (100, False)])
async def test_a_subscription_is_announced_when_it_is_known_whether_its_hole_was_bridged(
    clock, keep, recovered
):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, announce=True, capacity=10_000)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        assert buffered(book) == ["subscribing", "subscribed", 1]
        peer.network.to_server.delay = 0.2
        peer.abort()
        peer.publish_many("book", 1500)
        peer.prune("book", keep)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert buffered(book) == ["subscribing"], "the pages are still under way"
        publish(peer, "book", [1502])
        await asyncio.sleep(1)
        items = [book.taken(book.buffer.take()) for _ in range(len(book.buffer))]
        assert isinstance(items[0], Subscribed)
        assert (items[0].was_recovering, items[0].recovered) == (True, recovered)
        brought = ["reconnected 1500", *range(2, 1502)] if recovered else ["gap unrecovered"]
        assert [said(item) for item in items[1:]] == [*brought, 1502]


async def test_a_subscription_whose_bridge_the_line_did_not_outlive_is_announced_once(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, announce=True, capacity=10_000)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        buffered(book)
        peer.network.to_server.delay = 0.5
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.subscribed("book", 3)
        await asyncio.sleep(5)
        marks_and_first = buffered(book)[:4]
        assert marks_and_first == ["subscribing", "subscribed", "reconnected 1500", 2]


@pytest.mark.parametrize("ends", ["line", "topic"])
@pytest.mark.parametrize("hole", ["closes after all", "stays"])
async def test_what_came_while_a_bridge_was_built_is_lost_with_no_bridge(clock, ends, hole):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.network.to_server.delay = 0.5
        peer.abort()
        for attempt in (2, 3):
            peer.publish_many("book", 1100)
            await peer.subscribed("book", attempt)
            publish(peer, "book", [1, 2])  # held, for the pages are still under way
            await asyncio.sleep(0.1)
            if attempt == 3 and hole == "stays":
                peer.restart("book", "another")
            elif ends == "line":
                peer.abort()
            else:
                peer.unsubscribe("book", 2500)
        await peer.subscribed("book", 4)
        await asyncio.sleep(10)
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        first, *others = offsets_and_marks(book)
        assert first == range(1, 2)
        if hole == "stays":
            held = [range(1102, 1104), "gap unrecovered", range(2204, 2206)]
            assert others == ["gap unrecovered", *held, "gap unrecovered", range(1, 2)]
        else:
            assert others == ["reconnected 2204", range(2, 2207)]


async def test_what_came_while_a_bridge_was_built_comes_before_the_snapshot_that_mends_the_hole(clock):
    snapshots = iter(("first", "second"))

    async def snapshot():
        return next(snapshots)

    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000, snapshot=snapshot)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.network.to_server.delay = 0.5
        peer.abort()
        peer.publish_many("book", 1100)
        await peer.subscribed("book", 2)
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        peer.restart("book", "another")
        await peer.subscribed("book", 3)
        await asyncio.sleep(10)
        before, after = ["resynced first", range(1, 2)], ["gap unrecovered", "resynced second"]
        assert offsets_and_marks(book) == [*before, "gap unrecovered", range(1102, 1104), *after]


@pytest.mark.parametrize("over", ["the venue ends it", "the session gives up", "the session is refused"])
async def test_what_came_while_a_bridge_was_built_is_delivered_where_all_ends(clock, over):
    retry = RetryPolicy(1, 0.1, jitter=False)
    async with numbered_line(clock, retry=retry) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.network.to_server.delay = 0.5
        peer.abort()
        peer.publish_many("book", 1100)
        await peer.subscribed("book", 2)
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        if over == "the venue ends it":
            peer.unsubscribe("book", 2000)
        elif over == "the session is refused":
            peer.drop(3500)
        else:
            peer.network.unreachable(times=9)
            peer.abort()
        await asyncio.sleep(1)
        gap, *others = offsets_and_marks(book)[1:]
        assert gap.startswith("gap")
        assert others[0] == range(1102, 1104)
        assert book.buffer.ended


async def test_leaving_while_a_bridge_is_built_harms_nobody_who_comes_after(clock):
    async with numbered_line(clock) as (session, peer):
        peer.network.to_server.delay = 0.2
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.01)
        book.unsubscribe()
        again = session.subscribe("book", RECOVERABLE)
        await again.confirmed()
        await asyncio.sleep(1)
        peer.publish("book")
        await asyncio.sleep(0.1)
        assert buffered(again) == [1501]
        assert list(session._driver.topics.continuity._bridges) == []


# What is too large for one answer.

TEXT = "x" * 1100


def published(peer, channel, count, text=TEXT):
    for _ in range(count):
        peer.publish(channel, text)


def offsets_and_marks(subscription):
    """What can be taken, its publications told as the number of those that followed each other."""
    said_of = []
    for item in buffered(subscription):
        if isinstance(item, int) and said_of and isinstance(said_of[-1], range) and said_of[-1].stop == item:
            said_of[-1] = range(said_of[-1].start, item + 1)
        else:
            said_of.append(range(item, item + 1) if isinstance(item, int) else item)
    return said_of


async def test_what_is_larger_than_the_servers_queue_comes_by_smaller_parts_and_harms_nobody(clock):
    async with numbered_line(clock, peer={"queue_limit": 1_000_000}) as (session, peer):
        large = session.subscribe("large", RECOVERABLE, capacity=10_000)
        others = [session.subscribe(f"other {n}", RECOVERABLE) for n in range(19)]
        await asyncio.gather(*(each.confirmed() for each in (large, *others)))
        published(peer, "large", 1)
        await asyncio.sleep(0.1)
        peer.abort()
        published(peer, "large", 2500)
        for _ in range(600):
            await asyncio.sleep(0.1)
            for n in range(19):
                peer.publish(f"other {n}", "x")
        await asyncio.sleep(1)
        assert len(peer.connections) <= 4
        assert offsets_and_marks(large) == [range(1, 2), "reconnected 2500", range(2, 2502)]
        for other in others:
            first, *rest = buffered(other)
            assert [first, *rest][-1] == 600
            assert not [item for item in rest if "gap" in str(item)]


async def test_an_answer_larger_than_we_take_is_asked_for_by_smaller_parts(clock):
    endpoint = Endpoint(url="ws://venue.test/connection/websocket", max_size=1_000_000)
    async with numbered_line(clock, endpoint=lambda token: endpoint) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        published(peer, "book", 1)
        await asyncio.sleep(0.1)
        peer.abort()
        published(peer, "book", 900, "x" * 5000)
        await asyncio.sleep(120)
        assert len(peer.connections) <= 4
        assert offsets_and_marks(book) == [range(1, 2), "reconnected 900", range(2, 902)]


async def test_a_topic_whose_replay_fails_however_small_goes_on_alone_with_a_gap(clock):
    async with numbered_line(clock, peer={"queue_limit": 1_000_000}) as (session, peer):
        book, other = (session.subscribe(name, RECOVERABLE) for name in ("book", "other"))
        await asyncio.gather(book.confirmed(), other.confirmed())
        published(peer, "book", 1)
        published(peer, "other", 1)
        await asyncio.sleep(0.1)
        peer.abort()
        published(peer, "book", 2, "x" * 2_000_000)
        published(peer, "other", 3)
        await asyncio.sleep(120)
        assert len(peer.connections) <= 8
        published(peer, "book", 1)
        published(peer, "other", 1)
        await asyncio.sleep(1)
        assert offsets_and_marks(book) == [range(1, 2), "gap unrecovered", range(4, 5)]
        assert offsets_and_marks(other) == [range(1, 2), "reconnected 3", range(2, 6)]
        peer.abort()  # and the next outage is recovered as any
        published(peer, "book", 2)
        await asyncio.sleep(10)
        assert offsets_and_marks(book) == ["reconnected 2", range(5, 7)]


async def test_a_user_who_asks_for_a_page_too_large_ends_no_replay(clock):
    async with numbered_line(clock, peer={"queue_limit": 1_000_000}) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        published(peer, "book", 1500)
        await asyncio.sleep(0.1)
        with pytest.raises(RequestLost):
            await session.request(History("book", limit=1000))
        await asyncio.sleep(30)
        page = await session.request(History("book", limit=1000))
        assert 0 < len(page.publications) < 1000
        assert len(peer.connections) == 2, "the next page is smaller"
        published(peer, "book", 1)
        await asyncio.sleep(1)
        assert offsets_and_marks(book) == [range(1, 1501), "reconnected 0", range(1501, 1502)]


# What was missed and the buffer it is meant for.


@pytest.mark.parametrize("missed", [1000, 1001, 4000])
@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "fail", "block"])
async def test_what_is_replayed_never_overflows_the_buffer_of_whoever_comes_late_to_it(clock, missed, policy):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, policy=policy)
        await book.confirmed()
        peer.publish_many("book", 900)
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", missed)
        await peer.subscribed("book", 2)
        await asyncio.sleep(2)
        peer.publish_many("book", 100)
        await asyncio.sleep(0.1)
        last = 900 + missed
        assert offsets_and_marks(book) == [range(1, 901), f"reconnected {missed}", range(901, last + 101)]


async def test_what_was_held_for_a_snapshot_does_not_overflow_the_buffer_behind_it(clock):
    async def snapshot():
        await asyncio.sleep(5)
        return "state"

    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=snapshot)
        await book.confirmed()
        peer.publish_many("book", 3000)
        await asyncio.sleep(10)
        assert offsets_and_marks(book) == ["resynced state", range(1, 3001)]


# Recovery where no number moves.


@pytest.mark.parametrize("keeps", [True, False])
async def test_a_server_that_says_recovered_of_a_channel_it_keeps_nothing_of_is_not_believed(clock, keeps):
    async with numbered_line(clock) as (session, peer):
        if not keeps:
            peer.without_history("odds", claims=True)
        odds = session.subscribe("odds", RECOVERABLE, announce=True)
        await odds.confirmed()
        await asyncio.sleep(0.1)
        buffered(odds)
        peer.abort()
        if not keeps:
            peer.publish("odds", 1)  # and nobody can tell
        await peer.subscribed("odds", 2)
        await asyncio.sleep(1)
        items = [odds.taken(odds.buffer.take()) for _ in range(len(odds.buffer))]
        assert [said(item) for item in items] == [
            "subscribing",
            "subscribed",
            "reconnected 0" if keeps else "gap unrecovered",
        ]
        assert (items[1].was_recovering, items[1].recovered) == (True, keeps)


async def test_a_channel_of_which_some_publications_have_no_number_is_never_said_to_be_recovered(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.publish_many("book", 2)
        peer.raw(b'{"push":{"channel":"book","pub":{"data":9}}}')
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, 2, 9]
        peer.abort()
        peer.publish_many("book", 2)
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        assert buffered(book) == ["gap unrecovered", 3, 4]
