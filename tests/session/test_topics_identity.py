"""What belongs to one attempt of one subscription is never taken for another's, whatever the topic is called."""

import asyncio
from contextlib import suppress

import msgspec
import pytest

from tapewire.errors import (
    ConfigurationError,
    RequestLost,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionRefused,
)
from tapewire.marks import Errored, Gap, Resynced, Unsubscribed, is_mark
from tapewire.protocols.base import StreamPosition
from tapewire.protocols.phoenix import PhoenixClient, Push
from tapewire.retry import RetryPolicy
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import Spent, line, make_session, payload, take
from tests.session.numbered_line import RECOVERABLE, buffered, numbered_line, publish

QUICK = RetryPolicy(None, 0.2, 0.2, jitter=False)


def numbers(items):
    """The numbers of ticks, and marks by their names."""
    return [type(item).__name__ if is_mark(item) else item[1]["n"] for item in items]


class Orders:
    """A venue's state by HTTP: each answer is as of the moment it was asked for, and comes when it is let go."""

    def __init__(self):
        self.asked = []

    async def __call__(self):
        answer = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        return await answer


async def test_the_snapshot_of_a_crashed_channel_does_not_stand_for_the_one_joined_again(clock):
    orders = Orders()
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("orders", snapshot=orders)
        await subscription.confirmed()
        await asyncio.sleep(0.1)
        (first,) = orders.asked
        peer.crash("orders")
        await peer.joined("orders", 2)
        await asyncio.sleep(0.1)
        peer.broadcast("orders", "tick", {"n": 238})
        await asyncio.sleep(0.1)
        if not first.done():
            first.set_result("as of 201")
        await asyncio.sleep(0.1)
        orders.asked[1].set_result("as of 237")
        items = [item for item in await take(subscription, 3) if not isinstance(item, Gap)]
        assert [item.snapshot for item in items if isinstance(item, Resynced)] == ["as of 237"]


class Stubborn(Orders):
    """Its answers come though nobody waits for them any more."""

    async def __call__(self):
        answer = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        with suppress(asyncio.CancelledError):
            return await asyncio.shield(answer)
        return await answer


@pytest.mark.parametrize("late", ["answer", "failure"])
async def test_an_older_snapshot_moves_no_numbered_stream_back_and_ends_none(clock, late):
    states = Stubborn()

    def follows(state, held):
        return [item for item in held if item.offset > state]

    async with numbered_line(clock, resubscribe=QUICK) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=states, reconcile=follows)
        await book.confirmed()
        publish(peer, "book", [1, 2, 3])
        await asyncio.sleep(0.1)
        peer.restart("book", "another life")
        await peer.subscribed("book", 2)
        publish(peer, "book", [4, 5])
        await asyncio.sleep(0.1)
        older, present = states.asked
        if late == "answer":
            older.set_result(0)
        else:
            older.set_exception(OSError("no route"))
        await asyncio.sleep(0.1)
        present.set_result(1)
        await asyncio.sleep(0.1)
        said = buffered(book)
    assert said[-2:] == ["resynced 1", 2]
    assert [word for word in said if str(word).startswith("resynced")] == ["resynced 1"]
    assert said.count("gap reseed failed") == 1, (
        "of the first attempt, whose channel broke; the late failure says nothing"
    )


async def test_a_late_failure_of_an_older_snapshot_says_nothing_of_the_present_one(clock):
    calls = []

    async def orders():
        calls.append(1)
        if len(calls) == 1:
            try:
                await asyncio.sleep(0.8)
            except asyncio.CancelledError:
                await asyncio.sleep(0.8)  # swallowed, and late
            raise OSError("no route")
        await asyncio.sleep(1)
        return "good"

    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("orders", snapshot=orders)
        await subscription.confirmed()
        await asyncio.sleep(0.1)
        peer.crash("orders")
        await asyncio.sleep(5)
        items = buffered_marks(subscription)
        assert [item for item in items if isinstance(item, Resynced)] == [items[-1]]


def buffered_marks(subscription):
    items = []
    while subscription.buffer:
        items.append(subscription.buffer.take())
    return [item for item in items if is_mark(item)]


async def test_an_end_and_the_end_of_the_connection_in_one_read_leave_a_session_that_goes_on(clock, caplog):
    async with numbered_line(clock) as (session, peer):
        ended, other = session.subscribe("ended", RECOVERABLE), session.subscribe("other", RECOVERABLE)
        await ended.confirmed()
        await other.confirmed()
        peer.raw(
            b'{"push":{"channel":"ended","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}',
            b'{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}',
        )
        await peer.subscribed("other", 2)
        publish(peer, "other", [1])
        await asyncio.sleep(0.1)
        assert session.connected
        assert buffered(other)[-1] == 1
        with pytest.raises(SubscriptionEnded):
            await anext(ended)
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_overflow_of_policy_resync_in_the_read_that_ends_the_connection_is_survived(clock):
    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, policy="resync", capacity=2)
        await book.confirmed()
        pushes = [
            b'{"push":{"channel":"book","pub":{"data":{},"offset":%d}}}' % offset for offset in range(1, 6)
        ]
        peer.raw(*pushes, b'{"push":{"disconnect":{"code":3001,"reason":"shutdown"}}}')
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        assert session.connected
        assert book.state == "subscribed"


@pytest.mark.parametrize("inline", [True, False])
async def test_subscribing_again_when_told_of_the_end_is_a_new_subscription(clock, inline):
    again = []

    async with line(clock) as (session, peer):

        def on_mark(mark):
            if isinstance(mark, Unsubscribed) and not again:
                again.append(session.subscribe("markets"))

        first = session.subscribe("markets", handler=print, on_mark=on_mark, inline=inline, announce=True)
        await first.confirmed()
        peer.close_topic("markets")
        await peer.joined("markets", 2)
        await again[0].confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        assert numbers(await take(again[0], 1)) == [1]


async def test_what_inline_code_leaves_and_subscribes_anew_is_not_ended_by_the_close_behind_it(clock):
    later = []

    async with line(clock) as (session, peer):

        def inline(item):
            if item.event == "tick" and not later:
                subscription.unsubscribe()
                later.append(session.subscribe("markets"))

        subscription = session.subscribe("markets", handler=inline, inline=True)
        await subscription.confirmed()
        peer.raw(b'[null,null,"markets","tick",{"n":1}]', b'["1",null,"markets","phx_close",{}]')
        await peer.joined("markets", 2)
        await later[0].confirmed()
        assert later[0].state == "subscribed"
        assert session.statistics().connections == 1


@pytest.mark.parametrize("by", ["inline", "iteration"])
async def test_what_is_left_and_subscribed_anew_amid_a_replay_has_a_stream_of_its_own(clock, by):
    later, got = [], []

    async with numbered_line(clock) as (session, peer):

        def anew(item):
            got.append(item.offset)
            if item.offset == 3 and not later:
                first.unsubscribe()
                position = first.position
                fields = {"handler": lambda item: got.append(item.offset), "inline": True}
                later.append(
                    session.subscribe(
                        "book", RECOVERABLE, position=position, **(fields if by == "inline" else {})
                    )
                )

        first = session.subscribe("book", RECOVERABLE, handler=anew, inline=True)
        await first.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", [2, 3, 4, 5])
        await peer.subscribed("book", 2)
        await asyncio.sleep(1)
        publish(peer, "book", [6])
        await asyncio.sleep(0.1)
        if by == "iteration":
            await session.close()
            async with asyncio.timeout(1):
                got += [item.offset async for item in later[0] if not is_mark(item)]
        assert got == [1, 2, 3, 4, 5, 6]
        assert session.statistics().connections == 2


async def test_a_resync_that_is_asked_for_while_subscribing_loses_nothing(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("book")
        subscription = session.subscribe("book")
        await peer.received("book", "phx_join")
        subscription.resync()
        peer.raw(b'["1","1","book","phx_reply",{"status":"ok","response":{}}]')
        await subscription.confirmed()
        for n in range(3):
            peer.raw(b'[null,null,"book","tick",{"n":%d}]' % n)
        assert numbers(await take(subscription, 3)) == [0, 1, 2]


async def test_a_request_of_a_lost_connection_takes_nothing_from_one_with_its_number_on_the_next(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        first = asyncio.ensure_future(session.request(Push("markets", "slow", {})))
        await peer.received("markets", "slow")
        peer.abort()
        with pytest.raises(RequestLost) as caught:
            await first
        assert caught.value.sent
        await peer.joined("markets", 2)
        await asyncio.sleep(0.1)
        peer.reply_to("quick", {"n": 1})
        assert await session.request(Push("markets", "quick", {})) == {"n": 1}


async def test_a_request_lost_with_its_topic_says_so_and_not_that_the_connection_dropped(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        await session.subscribe("markets").confirmed()
        asking = asyncio.ensure_future(session.request(Push("markets", "slow", {})))
        await peer.received("markets", "slow")
        peer.crash("markets")
        with pytest.raises(RequestLost, match="the topic was lost before the reply; it had been sent"):
            await asking
        assert session.statistics().connections == 1


async def test_who_waits_for_a_confirmation_during_a_close_is_told_of_the_close(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets")
        waiting = asyncio.ensure_future(session.subscribe("markets").confirmed())
        await peer.received("markets", "phx_join")
        await session.close()
        with pytest.raises(SessionClosed):
            await waiting


async def test_a_channel_that_crashes_after_each_join_is_joined_ever_more_slowly(clock):
    joins = []

    def accept_and_crash(peer, connection, join):
        joins.append(clock.monotonic())
        peer.accept(connection, join)
        asyncio.get_running_loop().call_later(0.01, peer.crash, "markets")

    async with line(clock, fraction=lambda: 1.0) as (session, peer):
        peer.on_join = accept_and_crash
        session.subscribe("markets")
        await asyncio.sleep(120)
        assert len(joins) < 15
        assert joins[-1] - joins[-2] > 19


async def test_waits_that_are_polled_leave_nothing_behind(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets", times=1_000)
        subscription = session.subscribe("markets")
        for _ in range(50):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(subscription.confirmed(), 0.01)
        assert not session._driver.topics._waiters._waiting


async def test_opening_that_is_polled_leaves_nothing_behind(clock):
    network = MemoryNetwork()
    network.unreachable(times=1_000)
    session = make_session(clock, network, connect_timeout=None)
    for _ in range(50):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.open(), 0.01)
    assert not session._driver._up_waiters
    await session.close()


async def test_a_position_under_conflation_stands_before_what_is_still_buffered(clock):
    def key(publication):
        return msgspec.json.decode(publication.data)["key"]

    async with numbered_line(clock) as (session, peer):
        quotes = session.subscribe("quotes", RECOVERABLE, policy="conflate", key=key)
        await quotes.confirmed()
        for name in "aba":
            peer.publish("quotes", {"key": name})
        await asyncio.sleep(0.1)
        assert (await anext(quotes)).offset == 3, "the newest of its key"
        assert quotes.position.offset == 1, "the second one is still to be taken"
        assert (await anext(quotes)).offset == 2
        assert quotes.position.offset == 2


async def test_one_consumers_overflow_is_not_raised_for_a_push_on_another_topic(clock):
    async with line(clock) as (session, peer):
        full, other = session.subscribe("full", policy="fail", capacity=2), session.subscribe("other")
        await full.confirmed()
        await other.confirmed()
        for n in range(9):
            peer.broadcast("full", "tick", {"n": n})
        await asyncio.sleep(0.1)
        peer.network.unreachable(times=5)
        peer.abort()
        await asyncio.sleep(0.1)
        assert not session.connected
        with pytest.raises(RequestLost, match="the connection is down; it was never sent"):
            session.push(Push("other", "tell", {}))
        with pytest.raises(RequestLost, match="the connection is down; it was never sent"):
            await session.request(Push("other", "ask", {}))


async def test_publications_that_a_snapshot_holds_already_do_not_come_behind_it(clock):
    async def snapshot():
        return 3

    def follows(state, held):
        return [item for item in held if item.event != "tick" or payload(item)["n"] > state]

    async with line(clock) as (session, peer):
        book = session.subscribe("book", snapshot=snapshot, reconcile=follows)
        await book.confirmed()
        await asyncio.sleep(0.1)
        for n in (2, 3, 4):
            peer.broadcast("book", "tick", {"n": n})
        items = await take(book, 2)
        assert numbers(items) == ["Resynced", 4]


async def test_a_proven_recovery_behind_a_snapshot_brings_nothing_that_it_holds(clock):
    async def snapshot():
        return 3  # the venue's HTTP is ahead of its stream

    def follows(state, held):
        return [item for item in held if not item.offset or item.offset > state]

    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, snapshot=snapshot, reconcile=follows)
        await book.confirmed()
        publish(peer, "book", [1])
        await asyncio.sleep(0.1)
        peer.abort()
        publish(peer, "book", [2, 3, 4])
        await peer.subscribed("book", 2)
        publish(peer, "book", [5])
        await asyncio.sleep(0.1)
        assert buffered(book) == ["resynced 3", "reconnected 3", 4, 5]


async def test_a_position_beside_somebody_elses_stream_is_refused_instead_of_ignored(clock):
    async with numbered_line(clock) as (session, peer):
        first = session.subscribe("book", RECOVERABLE)
        await first.confirmed()
        publish(peer, "book", [1, 2])
        await asyncio.sleep(0.1)
        with pytest.raises(ConfigurationError, match="position"):
            session.subscribe("book", position=StreamPosition(1, "e"))
        first.unsubscribe()
        again = session.subscribe("book", RECOVERABLE, position=first.position)
        await again.confirmed()


async def test_a_consumer_that_leaves_before_the_confirmation_takes_no_mark_of_the_others_with_it(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets")
        stays, leaves = session.subscribe("markets"), session.subscribe("markets")
        await peer.received("markets", "phx_join")
        leaves.unsubscribe()
        peer.raw(b'[null,null,"markets","tick",{"n":1}]')
        await asyncio.sleep(0.1)
        peer.abort()
        await peer.joined("markets")
        peer.broadcast("markets", "tick", {"n": 3})
        assert numbers(await take(stays, 3)) == [1, "Gap", 3]


async def test_a_connection_that_may_ask_for_nothing_more_and_serves_nothing_is_made_anew(clock):
    made = iter([Spent, Spent])
    async with line(clock, protocol=lambda token: next(made, PhoenixClient)(), resubscribe=QUICK) as (
        session,
        _,
    ):
        subscription = session.subscribe("markets", announce=True)
        await subscription.confirmed()
        assert session.statistics().connections == 3


class SpentForOne(Spent):
    only = "markets"


@pytest.mark.parametrize("announce", [False, True])
async def test_of_a_connection_that_may_ask_for_nothing_more_one_is_told_once(clock, caplog, announce):
    told, marks = [], []
    async with line(clock, protocol=lambda token: SpentForOne(), resubscribe=QUICK) as (session, peer):
        await session.subscribe("other").confirmed()
        session.subscribe(
            "markets",
            handler=lambda item: None,
            announce=announce,
            on_mark=marks.append,
            on_error=lambda error, item: told.append(error.reason),
        )
        await asyncio.sleep(300)
        assert peer.events("markets").count("phx_join") > 10, "it is asked again, though"
        assert told == ["no more refusals"]
        peer.abort()
        await asyncio.sleep(300)
        late = session.subscribe("markets")
        with pytest.raises(SubscriptionRefused, match="no more refusals"):
            await late.confirmed()
    assert told == ["no more refusals"] * 3, "of another connection it is said anew, and when somebody comes"
    assert caplog.text.count("asking again") == 3
    assert sum(isinstance(mark, Errored) for mark in marks) == 3 * announce


async def test_what_overtakes_the_answer_to_a_channel_joined_again_comes_behind_the_gap(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.1)

        def answer_late(peer_, connection, join):
            connection.link.send(f'["{join.join_ref}",null,"markets","tick",{{"n":2}}]'.encode())
            asyncio.get_running_loop().call_later(1, peer_.accept, connection, join)

        peer.on_join = answer_late
        peer.crash("markets")
        await peer.joined("markets", 2)
        assert numbers(await take(subscription, 3)) == [1, "Gap", 2]
