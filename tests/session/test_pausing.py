"""Policy `block` on a connection: who stops the reading, who lets it go on, and what a lost line forgets."""

import asyncio

import pytest

from tapewire.errors import BufferOverflow
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


async def test_a_lost_line_forgets_who_was_full_and_the_next_one_reads(clock):
    async with line(clock, pause_limit=60) as (session, peer):
        subscription = session.subscribe("a", policy="block", capacity=4)
        await subscription.confirmed()
        flood(peer, "a")
        await asyncio.sleep(0.1)
        assert session._driver.pausing
        session.reconnect()
        await peer.joined("a", 2)
        assert not session._driver.pausing
        assert "unblock" not in session._driver.timers


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
