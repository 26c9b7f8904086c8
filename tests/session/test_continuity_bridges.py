"""What is said while a hole is bridged from history, and when."""

import asyncio

import pytest

from tapewire.marks import Subscribed
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
