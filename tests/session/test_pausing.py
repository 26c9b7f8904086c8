"""Policy `block` on a connection: who stops the reading, who lets it go on, and what a lost line forgets."""

import asyncio

import pytest

from tapewire.errors import BufferOverflow
from tapewire.protocols.phoenix import Push
from tests.session.line import line, take


def flood(peer, topic, count=20):
    for n in range(count):
        peer.broadcast(topic, "tick", {"n": n})


async def test_reading_goes_on_when_the_last_of_two_full_consumers_has_room(clock):
    async with line(clock, pause_limit=60) as (session, _):
        first, second = (session.subscribe(topic, policy="block", capacity=4) for topic in ("a", "b"))
        await first.confirmed()
        await second.confirmed()
        pausing = session._driver.pausing
        pausing.pause(first)
        pausing.pause(second)
        assert session._driver.connection.paused
        pausing.resume(first)
        assert pausing
        assert session._driver.connection.paused
        pausing.resume(second)
        assert not pausing
        assert not session._driver.connection.paused


async def test_the_next_connection_reads_and_stops_again_with_the_first_that_finds_no_room(clock):
    async with line(clock, pause_limit=60) as (session, peer):
        subscription = session.subscribe("a", policy="block", capacity=4)
        await subscription.confirmed()
        for count in (2, 3, 4):
            flood(peer, "a")
            await asyncio.sleep(0.1)
            assert session._driver.connection.paused
            session.reconnect()
            await peer.joined("a", count)
        held = len(subscription.buffer)
        for n in range(100):
            peer.broadcast("a", "tick", {"n": n})
            await asyncio.sleep(0.1)
        assert session._driver.connection.paused
        assert len(subscription.buffer) <= held + 2


async def test_a_lost_connection_gives_a_stuck_consumer_no_more_time(clock):
    async with line(clock, pause_limit=3) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=4)
        await stuck.confirmed()
        for _ in range(4):
            flood(peer, "a")
            await asyncio.sleep(1)
            session.reconnect()
        with pytest.raises(BufferOverflow):
            await take(stuck, 100)


async def test_a_handler_that_awaits_a_reply_while_it_is_full_gets_it(clock):
    got = []

    async def asking(item):
        if item.event == "tick":
            got.append(await session.request(Push("a", "ask", {})))

    async with line(clock, pause_limit=4) as (session, peer):
        peer.reply_to("ask", {})
        subscription = session.subscribe("a", handler=asking, policy="block", capacity=4)
        await subscription.confirmed()
        flood(peer, "a", 30)
        await asyncio.sleep(5)
        assert len(got) == 30
        assert subscription.state == "subscribed"


async def test_what_a_peer_says_in_the_read_that_fills_a_consumer_counts(clock):
    async with line(clock, pause_limit=4) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        flood(peer, "a", 9)
        peer.drop(1012)
        await asyncio.sleep(20)
        assert session.statistics().reconnections >= 1


async def test_heartbeats_go_on_after_a_pause_in_which_one_was_due(clock):
    async with line(clock, pause_limit=8, heartbeat_interval=5, heartbeat_timeout=3) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        await asyncio.sleep(4.5)
        flood(peer, "a", 9)
        await asyncio.sleep(7)
        await take(stuck, 9)
        beats = peer.events("phoenix").count("heartbeat")
        await asyncio.sleep(20)
        assert session.statistics().reconnections == 0
        assert peer.events("phoenix").count("heartbeat") >= beats + 3


async def test_who_makes_no_room_within_the_limit_ends_and_the_others_go_on(clock):
    async with line(clock, pause_limit=1) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=4)
        other = session.subscribe("b", policy="block", capacity=100)
        await stuck.confirmed()
        await other.confirmed()
        flood(peer, "a")
        await asyncio.sleep(2)
        flood(peer, "b", 3)
        assert len(await take(other, 3)) == 3
        assert not session._driver.connection.paused
        with pytest.raises(BufferOverflow):
            await take(stuck, 100)
