"""What a session does where Centrifugo clients are known to fail: one line and one scripted venue, in virtual time."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tapewire.errors import SessionClosed, SubscriptionEnded, SubscriptionRefused, TapewireError
from tapewire.marks import is_mark
from tapewire.protocols.centrifugo import History, Pacing, Rpc
from tapewire.session.credentials import Credentials
from tapewire.session.pool import Pool
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork
from tests.session.numbered_line import (
    RECOVERABLE,
    buffered,
    make_options,
    numbered_line,
    publish,
    said,
    take,
)


async def confirm_all(session, names, **fields):
    topics = [session.subscribe(name, RECOVERABLE, **fields) for name in names]
    await asyncio.gather(*(topic.confirmed() for topic in topics))
    return topics


# --- slow consumers -------------------------------------------------------------------------------------------------


async def test_slow_snapshots_cost_no_subscription_and_no_connection(clock):
    calls = []

    async def snapshot():
        calls.append(None)
        await asyncio.sleep(9)
        return len(calls)

    async with numbered_line(clock) as (session, peer):
        await confirm_all(session, [f"t{n}" for n in range(20)], snapshot=snapshot)
        await asyncio.sleep(120)
        assert len(calls) == 20
        assert len(peer.connections) == 1


async def test_a_slow_handler_delays_no_pong(clock):
    async def handler(item):
        await asyncio.sleep(60)

    async with numbered_line(clock, peer={"ping_interval": 1, "pong_timeout": 2.0}) as (session, peer):
        await confirm_all(session, ["book"], handler=handler)
        publish(peer, "book", [1, 2])
        await asyncio.sleep(100)
        assert len(peer.connections) == 1
        assert len(peer.of("pong")) > 90


async def test_a_handler_of_marks_that_awaits_a_minute_holds_up_no_subscription(clock):
    async def on_mark(mark):
        await asyncio.sleep(60)

    async with numbered_line(clock) as (session, peer):
        names = [f"t{n}" for n in range(200)]
        await confirm_all(session, names, handler=lambda item: None, on_mark=on_mark, announce=True)
        peer.abort()
        started = clock.monotonic()
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        assert clock.monotonic() - started < 2
        await asyncio.sleep(30)
        assert len(peer.connections) == 2


async def test_any_frame_keeps_the_line_alive_and_silence_ends_it(clock):
    async with numbered_line(clock, ping_interval=None) as (session, peer):
        await confirm_all(session, ["book"])
        peer.mute_pings()
        for n in range(60):
            await asyncio.sleep(20)
            peer.publish("book", n)
        assert len(peer.connections) == 1
        started = clock.monotonic()
        await peer.connected(2)
        assert 35 <= clock.monotonic() - started < 36.5, "the pings' interval of 25 s and 10 s of patience"
        assert session.statistics().last_error == "connection lost: no ping (code 1006)"


async def test_a_half_open_line_is_found_though_the_venue_pings_rarely(clock):
    async with numbered_line(clock) as (session, peer):
        await confirm_all(session, ["book"])
        peer.half_open()
        started = clock.monotonic()
        await peer.connected(2)
        assert clock.monotonic() - started < 17


async def test_a_slow_channel_delays_no_other(clock):
    seen = []

    async def slow(item):
        await asyncio.sleep(2)

    async with numbered_line(clock) as (session, peer):
        await confirm_all(session, ["a"], handler=slow)
        await confirm_all(session, ["b"], handler=lambda item: seen.append(clock.monotonic()))
        publish(peer, "a", range(10))
        peer.publish("b")
        started = clock.monotonic()
        await asyncio.sleep(0.1)
        assert seen
        assert seen[0] - started < 0.01


async def test_a_consumer_that_falls_behind_is_told_how_much_it_lost(clock):
    async with numbered_line(clock) as (session, peer):
        (book,) = await confirm_all(session, ["book"], capacity=100)
        peer.publish_many("book", 20_000)
        await asyncio.sleep(1)
        items = buffered(book)
        assert items == ["lagged", *range(19_901, 20_001)]
        assert book.statistics().dropped == 19_900


async def test_a_thousand_recovered_publications_for_a_slow_handler_come_once_and_harm_nobody(clock):
    seen = []

    async def handler(item):
        await asyncio.sleep(0.006)
        seen.append(said(item))

    async with numbered_line(clock) as (session, peer):
        names = [f"t{n}" for n in range(20)]
        await confirm_all(session, ["book"], handler=handler, on_mark=handler, capacity=5_000)
        others = await confirm_all(session, names)
        peer.abort()
        peer.publish_many("book", 1000)
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        await asyncio.sleep(20)
        assert seen == ["reconnected 1000", *range(1, 1001)]
        assert len(peer.connections) == 2
        assert all(buffered(other) == ["reconnected 0"] for other in others)


async def test_every_call_is_legal_inside_a_handler(clock):
    done = []

    async with numbered_line(clock) as (session, peer):

        async def handler(item):
            page = await session.request(History("book", limit=10))
            other = session.subscribe("other", RECOVERABLE)
            await other.confirmed()
            other.unsubscribe()
            with pytest.raises(TapewireError):
                await session.request(Rpc(method="none"))
            done.append(len(page.publications))
            session.reconnect()
            await asyncio.sleep(1)
            await session.close()

        await confirm_all(session, ["book"], handler=handler)
        publish(peer, "book", [1])
        await asyncio.sleep(20)
        assert done == [1]
        assert session.state == "closed"


# --- frames that are not as they should be --------------------------------------------------------------------------


async def test_what_is_absent_is_zero_and_nobody_stumbles_over_it(clock):
    async with numbered_line(clock) as (session, peer):
        book, gone = await confirm_all(session, ["book", "gone"])
        peer.unsubscribe("book")  # the venue's own side forgets it as well
        peer.raw(b'{"push":{"channel":"gone","unsubscribe":{}}}')
        await asyncio.sleep(0.1)
        with pytest.raises(SubscriptionEnded):
            await gone.confirmed()
        await peer.subscribed("book", 2)
        peer.raw(b'{"push":{"disconnect":{}}}')
        await peer.subscribed("book", 3)
        await asyncio.sleep(0.1)
        assert buffered(book) == ["reconnected 0"]


async def test_an_error_without_words_is_a_refusal_with_its_code(clock):
    async with numbered_line(clock) as (session, peer):
        peer.ignore_subscribe("secret")
        secret = session.subscribe("secret")
        command = await peer.received("subscribe", "secret")
        peer.raw(b'{"id":%d,"error":{"code":103}}' % command.id)
        with pytest.raises(SubscriptionRefused, match="permission denied") as caught:
            await secret.confirmed()
        assert caught.value.code == 103


async def test_a_line_that_cannot_be_read_costs_a_mark_and_never_the_connection(clock, caplog):
    async with numbered_line(clock) as (session, peer):
        book, other = await confirm_all(session, ["book", "other"])
        publish(peer, "book", [1])
        peer.raw(b'{"push":{"channel":"book","pub":{"data":\n{"push":{"channel":"other","pub":{"offset":1}}}')
        publish(peer, "book", [2])
        await asyncio.sleep(0.1)
        assert buffered(book) == [1, "gap undecodable", 2]
        assert buffered(other) == [1]
        assert session.statistics().undecodable == 1
        assert len(peer.connections) == 1
        assert len(caplog.records) == 1


# --- many channels --------------------------------------------------------------------------------------------------


async def test_subscriptions_go_out_in_messages_that_every_venue_takes(clock):
    names = [f"order_book:event_{n:04d}_{'x' * 60}" for n in range(500)]
    async with numbered_line(clock, pacing=Pacing(subscribe_window=500, recovering_window=500)) as (
        session,
        peer,
    ):
        await asyncio.gather(*(session.subscribe(name, RECOVERABLE).confirmed() for name in names))
        for name in names:
            peer.publish(name)
        peer.abort()
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        assert max(peer.sizes) <= 48_000
        assert sum(peer.sizes) > 100_000
        subscribes = {(command.connection, command.message) for command in peer.of("subscribe")}
        assert len(subscribes) <= 6


async def test_a_venue_with_a_smaller_limit_is_asked_for_less_until_it_takes_it(clock):
    names = [f"channel-{n:03d}" for n in range(300)]
    pacing = Pacing(subscribe_window=300)
    async with numbered_line(clock, pacing=pacing, peer={"message_limit": 3_000}) as (session, peer):
        topics = [session.subscribe(name, RECOVERABLE) for name in names]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        assert pacing.max_frame == 3_000
        assert len(peer.connections) == 5, "48000, 24000, 12000 and 6000 were too many bytes"
        assert session.connected


async def test_one_command_too_big_for_the_venue_is_no_endless_loop(clock):
    network = MemoryNetwork()
    async with CentrifugoPeer(network, message_limit=100) as peer:
        session = Session(make_options(clock, network))
        await session.open()
        session.subscribe("x" * 200, RECOVERABLE)
        with pytest.raises(TapewireError, match="1009"):
            await session.run_forever()
        assert len(peer.connections) < 20
        await session.close()


async def test_a_message_of_the_venue_that_is_too_big_for_us_is_a_lost_line_and_no_word_about_ours(clock):
    network, pacing = MemoryNetwork(), Pacing()
    endpoint = Endpoint(url="ws://venue.test/connection/websocket", max_size=1000)
    fields = {"pacing": pacing, "endpoint": lambda _: endpoint}
    async with CentrifugoPeer(network) as peer, Session(make_options(clock, network, **fields)) as session:
        topic = session.subscribe("book", RECOVERABLE)
        await topic.confirmed()
        peer.raw("{" + " " * 1000 + "}")
        await peer.subscribed("book", 2)
        assert "1009" in session.statistics().last_error
        assert pacing.max_frame == Pacing().max_frame
        peer.publish("book", 1)
        assert await take(topic, 2) == ["reconnected 0", 1]


async def test_at_most_a_window_of_subscriptions_is_under_way(clock):
    names = [f"t{n}" for n in range(513)]
    async with numbered_line(clock, peer={"channel_limit": 600}) as (session, peer):
        peer.hold_subscribes()
        topics = [session.subscribe(name, RECOVERABLE) for name in names]
        seen = []
        while sum(seen) < len(names):
            await asyncio.sleep(1)
            seen.append(peer.answer_held())
        assert max(seen) <= 64
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        assert len(peer.connections) == 1, "no deadline runs for what waits for its turn"


async def test_few_channels_recover_at_once_and_fewer_after_the_venue_found_us_slow(clock):
    names = [f"t{n}" for n in range(100)]
    pacing = Pacing()
    async with numbered_line(clock, pacing=pacing) as (session, peer):
        await confirm_all(session, names)
        peer.hold_subscribes()
        peer.abort()
        await peer.connected(2)
        await asyncio.sleep(1)
        assert peer.answer_held() == 16
        peer.drop(3008)
        peer.release_subscribes()
        peer.hold_subscribes()
        await peer.connected(3)
        await asyncio.sleep(1)
        asked = [command for command in peer.of("subscribe") if command.connection == 3]
        assert sum(command.command.recover for command in asked) == 8
        assert {command.channel for command in asked if not command.command.recover} <= set(names)
        peer.answer_held()
        assert (pacing.subscribe_window, pacing.recovering_window) == (32, 8)
        peer.release_subscribes()
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        await asyncio.sleep(130)
        assert (pacing.subscribe_window, pacing.recovering_window) == (64, 16), (
            "a line that lasts is trusted again"
        )


async def test_a_channel_that_a_full_connection_refuses_moves_with_its_position(clock):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network, channel_limit=512) as peer,
        Pool(lambda number: make_options(clock, network), capacity=600) as pool,
    ):
        names = [f"t{n}" for n in range(1_100)]
        topics = [pool.subscribe(name, RECOVERABLE) for name in names]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        assert [session.statistics().confirmed for session in pool.sessions] == [512, 512, 76]
        assert len(peer.connections) == 3, "106 is an answer and costs no connection"
        for connection in tuple(peer.connections):
            peer.abort(connection)
        for name in names:
            peer.publish(name)
        await asyncio.gather(*(peer.subscribed(name, 2) for name in names))
        await asyncio.sleep(1)
        assert all(buffered(topic) == ["reconnected 1", 1] for topic in topics)


async def test_a_channel_that_moves_after_a_reconnection_is_recovered_elsewhere(clock):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: make_options(clock, network), capacity=10) as pool,
    ):
        topics = [pool.subscribe(name, RECOVERABLE) for name in "abc"]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        publish(peer, "c", [1])
        await asyncio.sleep(0.1)
        peer.refuse_subscribe("c", 106)
        peer.abort()
        publish(peer, "c", [2, 3])
        await peer.subscribed("c", 2)
        await asyncio.sleep(0.1)
        publish(peer, "c", [4])
        assert await take(topics[2], 5) == [1, "reconnected 2", 2, 3, 4]
        assert len(pool.sessions) == 2


async def test_what_came_while_a_hole_was_bridged_moves_with_its_channel(clock):
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: make_options(clock, network), capacity=10) as pool,
    ):
        topics = [pool.subscribe(name, RECOVERABLE) for name in "abc"]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        publish(peer, "c", [1])
        await asyncio.sleep(0.1)
        network.to_server.delay = 0.5
        peer.abort()
        peer.publish_many("c", 1100)
        await peer.subscribed("c", 2)
        publish(peer, "c", [2, 3])  # while the pages of what was missed are under way
        await asyncio.sleep(0.1)
        peer.refuse_subscribe("c", 106)
        peer.restart("c", "another")
        await asyncio.sleep(20)
        publish(peer, "c", [4])
        await asyncio.sleep(1)
        assert buffered(topics[2]) == [1, "gap unrecovered", 1102, 1103, "gap unrecovered", 1]
        assert len(pool.sessions) == 2


async def test_where_there_is_no_other_connection_a_full_one_is_a_refusal_that_says_so(clock):
    async with numbered_line(clock, peer={"channel_limit": 2}) as (session, _):
        await confirm_all(session, ["a", "b"])
        with pytest.raises(SubscriptionRefused, match="limit exceeded") as caught:
            await session.subscribe("c").confirmed()
        assert caught.value.code == 106


async def test_five_thousand_channels_come_back_together(clock):
    network = MemoryNetwork()
    names = [f"t{n}" for n in range(5_000)]
    async with (
        CentrifugoPeer(network) as peer,
        Pool(lambda number: make_options(clock, network), capacity=480) as pool,
    ):
        topics = [pool.subscribe(name, RECOVERABLE, capacity=10) for name in names]
        await asyncio.gather(*(topic.confirmed() for topic in topics))
        for connection in tuple(peer.connections):
            peer.abort(connection)
        for name in names[::10]:
            peer.publish(name)
        for name in names:  # one after the other: each change wakes all who wait
            await peer.subscribed(name, 2)
        await asyncio.sleep(1)
        assert [buffered(topic) for topic in topics[:11]] == [
            ["reconnected 1", 1] if n % 10 == 0 else ["reconnected 0"] for n in range(11)
        ]
        assert len(peer.connections) == 22


# --- time and ends --------------------------------------------------------------------------------------------------


async def test_the_first_thing_after_a_suspend_is_to_read_what_has_come(clock):
    async with numbered_line(clock, peer={"pong_timeout": 600.0}, ping_interval=None) as (session, peer):
        (book,) = await confirm_all(session, ["book"])
        await asyncio.sleep(10)
        publish(peer, "book", [1])
        clock.suspend(50)
        publish(peer, "book", [2])
        await asyncio.sleep(60)
        assert len(peer.connections) == 1
        assert buffered(book) == [1, 2]


async def test_the_venue_never_has_a_reason_to_forbid_us_to_come_back(clock):
    """An unrequested pong, a command before connect, or after a refused one, would be 3501."""
    async with numbered_line(clock, peer={"ping_interval": 1, "pong_timeout": 1.5}) as (session, peer):
        await confirm_all(session, [f"t{n}" for n in range(30)])
        for n in range(40):
            await asyncio.sleep(0.37)
            if n % 10 == 3:
                peer.refuse_connect(100)
            (peer.drop if n % 3 else peer.abort)()
            session.subscribe(f"t{n}", RECOVERABLE)
            await peer.connected(len(peer.connections) + 1)
        await asyncio.sleep(60)
        ends = [connection.link.ended for connection in peer.connections]
        assert [end.code for end in ends if end is not None and end.code >= 3500] == []
        assert session.connected


MOMENTS = {
    "before open": lambda session, peer: None,
    "while it asks for its channels": lambda session, peer: peer.hold_subscribes(),
    "while nothing answers": lambda session, peer: peer.half_open() if peer.connections else None,
    "while it waits to come back": lambda session, peer: peer.drop() if peer.connections else None,
    "while a page is under way": lambda session, peer: peer.publish_many("book", 3_000),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.7])
async def test_close_ends_everything_soon_whatever_is_under_way(clock, moment, seconds):
    async def snapshot():
        await asyncio.sleep(30)

    async def handler(item):
        await asyncio.sleep(30)

    network = MemoryNetwork()
    async with CentrifugoPeer(network) as peer:
        session = Session(make_options(clock, network))
        topics = [
            session.subscribe("book", RECOVERABLE),
            session.subscribe("seeded", RECOVERABLE, snapshot=snapshot),
            session.subscribe("handled", RECOVERABLE, handler=handler),
        ]
        if moment != "before open":
            await session.open()
            await asyncio.sleep(0.1)
            peer.publish("handled")
            if moment == "while a page is under way":
                peer.abort()
            MOMENTS[moment](session, peer)
        waits = [asyncio.ensure_future(topic.confirmed()) for topic in topics]
        await asyncio.sleep(seconds)
        started = clock.monotonic()
        await session.close()
        assert clock.monotonic() - started < 6
        await asyncio.wait(waits)
        for wait in waits:
            error = wait.exception()
            assert error is None or isinstance(error, TapewireError)
        with pytest.raises(SessionClosed):
            await session.open()
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("tapewire")] == []


async def test_no_log_line_holds_a_token(clock, caplog):
    async def provider(fresh):
        return "secret-token-of-ours"

    caplog.set_level(logging.DEBUG)
    async with numbered_line(clock, peer={"token_ttl": 60}, credentials=Credentials(provider)) as (
        session,
        peer,
    ):
        (book,) = await confirm_all(session, ["book"])
        await asyncio.sleep(200)
        peer.raw(b'{"push":{"disconnect":{"code":3001,"reason":"token secret-token-of-ours"}}}')
        await peer.connected(2)
        texts = [
            caplog.text,
            repr(session),
            repr(book),
            session.statistics().last_error,
            repr(peer.newest.link),
        ]
        assert len(peer.tokens) > 3
        assert not any(is_mark(item) and "secret-token" in repr(item) for item in book.buffer._items)
        assert "secret-token-of-ours" not in "".join(texts[:3])


async def test_an_unanswered_subscription_is_noticed_though_the_server_sends_no_pings(clock):
    async with numbered_line(clock, peer={"ping_interval": 0}) as (session, peer):
        peer.ignore_subscribe("book")
        await asyncio.wait_for(session.subscribe("book", RECOVERABLE).confirmed(), 30)
        assert len(peer.connections) == 2, "the server may have done it: only a new connection knows"
