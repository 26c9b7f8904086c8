import asyncio
import itertools

import pytest

from tapewire.errors import ConfigurationError, SubscriptionRefused
from tapewire.marks import Gap, Reconnected
from tapewire.protocols.base import Refused, StreamPosition
from tapewire.protocols.centrifugo import CentrifugoClient
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import (
    RECOVERABLE,
    buffered,
    make_options,
    numbered_line,
    publish,
    take,
)


def seeds(start=1):
    """A snapshot function that answers 1, 2, …"""
    numbers = itertools.count(start)

    async def snapshot():
        await asyncio.sleep(0.1)
        return next(numbers)

    return snapshot


async def test_a_recovered_stream_is_reconnected_and_then_goes_on_exactly_once(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", [3, 4, 5])
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        publish(peer, "book", [6])
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, 2, "reconnected 3", 3, 4, 5, 6]


async def test_what_was_read_when_the_answers_could_not_be_sent_is_recovered(clock):
    class Failing(CentrifugoClient):
        fails = False

        def data_to_send(self):
            if Failing.fails:
                Failing.fails = False
                raise ValueError("ours")
            return super().data_to_send()

    async with numbered_line(clock, protocol=lambda token: Failing(token=token)) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        Failing.fails = True
        publish(peer, "book", [2])
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "reconnected 1", 2]


async def test_nothing_missed_is_recovered_too(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        publish(peer, "book", [1])
        await book.confirmed()
        peer.drop(3001)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        publish(peer, "book", [2])
        assert await take(book, 2) == ["reconnected 0", 2]


async def test_the_mark_says_since_when_and_until_when(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        await asyncio.sleep(5)
        peer.publish("book")
        await asyncio.sleep(1)
        since = clock.time_ns() - 10**9
        peer.abort()
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        items = [book.buffer.take(), book.buffer.take()]
        mark = items[1]
        assert isinstance(mark, Reconnected)
        assert mark.since_ns == pytest.approx(since, abs=1e7), "the last read proved it"
        assert mark.until_ns > since


@pytest.mark.parametrize("missed", [1001, 2500, 5000])
async def test_a_hole_too_wide_for_a_recovery_is_bridged_from_history(clock, missed):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", missed)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        peer.publish("book")
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, f"reconnected {missed}", *range(2, missed + 3)]
        assert len(peer.of("history")) == -(-missed // 1000)


async def test_what_comes_during_a_bridge_follows_it(clock):
    async with numbered_line(clock) as (session, peer):
        peer.network.to_server.delay = 0.2
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        peer.publish("book")
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", 2000)
        await peer.subscribed("book", 2)
        for _ in range(10):
            peer.publish("book")
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        assert buffered(book) == [1, "reconnected 2000", *range(2, 2012)]


async def test_a_hole_while_a_bridge_is_built_keeps_its_place(clock):
    async with numbered_line(clock) as (session, peer):
        peer.network.to_server.delay = 0.2
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        peer.publish("book")
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        peer.publish("book")
        peer.lose("book")
        peer.publish("book")
        await asyncio.sleep(2)
        assert buffered(book) == [1, "reconnected 1500", *range(2, 1503), "gap sequence 1", 1504]


async def test_an_undecodable_frame_while_a_bridge_is_built_is_not_hidden_by_it(clock):
    async with numbered_line(clock) as (session, peer):
        peer.network.to_server.delay = 0.2
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        peer.raw(b'{"push":{"channel":"book","pub":{"data":')
        await asyncio.sleep(2)
        assert buffered(book) == ["reconnected 1500", *range(1, 1501), "gap undecodable"]


async def test_a_line_lost_while_a_bridge_is_built_recovers_from_before_the_hole(clock):
    async with numbered_line(clock) as (session, peer):
        peer.network.to_server.delay = 0.2
        book = session.subscribe("book", RECOVERABLE, capacity=10_000)
        await book.confirmed()
        peer.publish("book")
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish_many("book", 1500)
        await peer.subscribed("book", 2)
        peer.publish("book")
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.subscribed("book", 3)
        await asyncio.sleep(2)
        assert buffered(book) == [1, "reconnected 1501", *range(2, 1503)]


async def test_a_pruned_history_is_a_gap_and_the_state_is_rebuilt(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=seeds())
        await book.confirmed()
        await asyncio.sleep(1)
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", range(2, 8))
        peer.prune("book", 2)
        await peer.subscribed("book", 2)
        publish(peer, "book", [8])
        await asyncio.sleep(1)
        assert buffered(book) == ["resynced 1", 1, "gap unrecovered", "resynced 2", 8]
        assert len(peer.of("history")) == 1, "a trimmed history is no error to the server: it was looked at"


async def test_a_new_epoch_is_a_gap_however_the_offsets_look(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1, 2, 3])
        await asyncio.sleep(0.1)
        peer.abort()
        peer.history("book").restart("another")
        publish(peer, "book", range(1, 10))
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        publish(peer, "book", [10])
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, 2, 3, "gap unrecovered", 10]
        assert book.position == StreamPosition(10, "another")


async def test_a_stream_that_restarts_on_a_live_line_is_a_gap_too(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=seeds())
        await book.confirmed()
        await asyncio.sleep(1)
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        peer.restart("book", "another")
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        assert buffered(book) == ["resynced 1", 1, 2, "gap unrecovered", "resynced 2", 1]


async def test_an_interrupted_subscription_is_asked_for_with_its_position(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        peer.unsubscribe("book", 2500)
        publish(peer, "book", [3])
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, 2, "reconnected 1", 3]
        again = peer.of("subscribe", "book")[-1].command
        assert (again.recover, again.offset, again.epoch) == (True, 2, "book-1")
        assert len(peer.connections) == 1


async def test_an_invalidated_subscription_starts_anew_and_says_so(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=seeds())
        other = session.subscribe("other", RECOVERABLE)
        await asyncio.gather(book.confirmed(), other.confirmed())
        await asyncio.sleep(1)
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.unsubscribe("book", 2502)
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        assert buffered(book) == ["resynced 1", 1, "gap unrecovered", "resynced 2"]
        assert buffered(other) == []


async def test_an_invalidated_connection_starts_everything_anew(clock):
    async with numbered_line(clock) as (session, peer):
        topics = [session.subscribe(name, RECOVERABLE) for name in "ab"]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        publish(peer, "a", [1])
        publish(peer, "b", [1, 2])
        await asyncio.sleep(0.1)
        peer.drop(3014)
        await asyncio.gather(peer.subscribed("a", 2), peer.subscribed("b", 2))
        await asyncio.sleep(0.1)
        assert [buffered(topic) for topic in topics] == [[1, "gap unrecovered"], [1, 2, "gap unrecovered"]]


async def test_a_jump_of_the_numbers_is_a_gap_that_counts_what_is_missing(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        for _ in range(3):
            peer.lose("book")
        publish(peer, "book", [5])
        await asyncio.sleep(0.1)
        items = [book.buffer.take() for _ in range(3)]
        assert isinstance(items[1], Gap)
        assert (items[1].reason, items[1].missed, items[1].detail) == ("sequence", 3, "expected 2, got 5")
        assert [items[0].offset, items[2].offset] == [1, 5]
        assert len(peer.connections) == 1


async def test_a_jump_rebuilds_what_has_a_snapshot(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=seeds())
        await book.confirmed()
        await asyncio.sleep(1)
        publish(peer, "book", [1])
        peer.lose("book")
        publish(peer, "book", [3, 4])
        await asyncio.sleep(1)
        assert buffered(book) == ["resynced 1", 1, "gap sequence 1", "resynced 2", 3, 4]


async def test_what_comes_twice_is_delivered_once(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        peer.repeat("book")
        peer.repeat("book")
        publish(peer, "book", [2])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", [3, 4])
        peer.duplicate_next_recovery()
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        peer.repeat("book")
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, 2, "reconnected 2", 3, 4]


async def test_a_stream_that_was_never_published_to_takes_its_first_epoch(clock):
    async with numbered_line(clock, peer={"lazy": True}) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        assert await take(book, 1) == [1]
        assert book.position == StreamPosition(1, "book-1")
        peer.abort()
        await peer.subscribed("book", 2)
        assert peer.of("subscribe", "book")[-1].command.epoch == "book-1"
        await asyncio.sleep(0.1)
        assert buffered(book) == ["reconnected 0"]


async def test_a_channel_without_history_is_rebuilt_on_every_subscription(clock):
    async with numbered_line(clock) as (session, peer):
        peer.without_history("odds")
        odds = session.subscribe("odds", RECOVERABLE, snapshot=seeds())
        await odds.confirmed()
        await asyncio.sleep(1)
        peer.publish("odds", "a")
        await asyncio.sleep(0.1)
        peer.abort()
        peer.publish("odds", "lost")
        await peer.subscribed("odds", 2)
        await asyncio.sleep(1)
        assert buffered(odds) == ["resynced 1", "a", "gap connection lost", "resynced 2"]


async def test_a_recovered_stream_needs_no_new_snapshot(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=seeds())
        await book.confirmed()
        await asyncio.sleep(1)
        peer.abort()
        publish(peer, "book", [1])
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        assert buffered(book) == ["resynced 1", "reconnected 1", 1]


async def test_a_position_saved_by_one_process_resumes_the_next(clock):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        async with Session(make_options(clock, network)) as session:
            book = session.subscribe("book", RECOVERABLE)
            await book.confirmed()
            assert book.position == StreamPosition(0, "book-1")
            publish(peer, "book", range(1, 6))
            await asyncio.sleep(0.1)
            assert book.position == StreamPosition(0, "book-1"), "all five are parsed, and none is taken"
            assert await take(book, 2) == [1, 2]
            saved = book.position
        assert saved == book.position == StreamPosition(2, "book-1"), "also after the end"
        publish(peer, "book", [6])
        async with Session(make_options(clock, network)) as session:
            book = session.subscribe("book", RECOVERABLE, position=saved)
            assert book.position == saved
            assert await take(book, 5) == ["reconnected 4", 3, 4, 5, 6]


async def test_a_position_of_a_lost_stream_resumes_with_a_gap(clock):
    async with numbered_line(clock) as (session, peer):
        publish(peer, "book", range(1, 9))
        peer.prune("book", 1)
        book = session.subscribe("book", RECOVERABLE, position=StreamPosition(2, "book-1"), snapshot=seeds())
        await book.confirmed()
        await asyncio.sleep(1)
        assert buffered(book) == ["gap unrecovered", "resynced 1"]
        other = session.subscribe("other", RECOVERABLE, position=StreamPosition(2, "of another life"))
        await other.confirmed()
        assert await take(other, 1) == ["gap unrecovered"]


async def test_a_position_names_the_stream_of_what_was_taken_and_not_of_what_came_since(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        publish(peer, "book", [1, 2])
        assert await take(book, 1) == [1]
        peer.restart("book", "another")
        await peer.subscribed("book", 2)
        publish(peer, "book", [1, 2, 3])
        await asyncio.sleep(0.1)
        assert book.position == StreamPosition(1, "book-1")
        assert buffered(book) == [2, "gap unrecovered", 1, 2, 3]
        assert book.position == StreamPosition(3, "another")


async def test_the_publication_a_handler_was_cancelled_over_was_not_taken(clock):
    started = asyncio.Event()

    async def handler(item):
        if item.offset == 2:
            started.set()
            await asyncio.sleep(3600)

    async with numbered_line(clock, close_timeout=0.5) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, handler=handler)
        await book.confirmed()
        publish(peer, "book", [1, 2])
        await started.wait()
        assert book.position.offset == 2, "the handler itself may save it"
        await session.close()
        assert book.position == StreamPosition(1, "book-1")


async def test_a_reconnection_by_an_inline_handler_repeats_nothing_and_loses_nothing(clock):
    seen = []
    async with numbered_line(clock) as (session, peer):

        def handler(item):
            seen.append(item.offset)
            if item.offset == 3:
                session.reconnect()

        book = session.subscribe("book", RECOVERABLE, handler=handler, inline=True, on_mark=lambda mark: None)
        await book.confirmed()
        peer.publish_many("book", 6)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert seen == [1, 2, 3, 4, 5, 6]


async def test_a_channel_that_no_venue_can_take_ends_alone(clock):
    async with numbered_line(clock) as (session, peer):
        good, bad = session.subscribe("book", RECOVERABLE), session.subscribe("x" * 300, RECOVERABLE)
        await good.confirmed()
        with pytest.raises(ConfigurationError, match="bytes"):
            await bad.confirmed()
        peer.drop()
        await peer.subscribed("book", 2)
        assert session.connected


async def test_a_channel_that_no_venue_can_take_does_not_keep_the_line_down(clock):
    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        session = Session(make_options(clock, network))
        bad, good = session.subscribe("x" * 300), session.subscribe("book", RECOVERABLE)
        async with session:
            await peer.subscribed("book")
            await good.confirmed()
            with pytest.raises(ConfigurationError):
                await anext(aiter(bad))


async def test_an_unrecoverable_position_that_is_refused_is_not_asked_for_for_ever(clock):
    params = type(RECOVERABLE)(positioned=True, recoverable=True, reject_unrecovered=True)
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", params)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", [2, 3])
        peer.prune("book", 0)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "gap connection lost"]
        assert len(peer.of("subscribe", "book")) == 3


async def test_a_subscription_that_stays_unanswered_costs_one_reconnection(clock):
    async with numbered_line(clock) as (session, peer):
        peer.ignore_subscribe("book")
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        assert len(peer.of("subscribe", "book")) == 2


async def test_a_refused_channel_holds_up_no_other(clock):
    async with numbered_line(clock) as (session, peer):
        peer.refuse_subscribe("secret", 103)
        secret, book = session.subscribe("secret"), session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        with pytest.raises(SubscriptionRefused, match="permission denied"):
            await secret.confirmed()


async def test_what_lies_behind_a_broken_protocol_in_one_read_was_not_delivered_and_is_recovered(clock):
    made = []

    class Breaking(CentrifugoClient):
        def receive(self, payloads, now):
            items = super().receive(payloads, now)
            if made[0] is self and len(items) == 3:
                items.insert(1, Refused("book", "nobody asked"))
            return items

    def protocol(token):
        made.append(Breaking(token=token))
        return made[-1]

    async with numbered_line(clock, protocol=protocol) as (session, peer):
        book = session.subscribe("book", RECOVERABLE)
        await book.confirmed()
        peer.publish_many("book", 3)
        await peer.subscribed("book", 2)
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "reconnected 2", 2, 3]
