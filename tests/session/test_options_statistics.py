import asyncio

import msgspec
import pytest

from tapewire.session.options import Statistics, SubscriptionStatistics
from tests.session.line import line, take

FIGURES = SubscriptionStatistics(
    topic="t", state="subscribed", policy="fail", buffered=0, delivered=1, dropped=0, marks=0, unseen_marks=0,
    handler_errors=0, undecodable=0,
)  # fmt: skip


def test_figures_are_frozen_and_named():
    with pytest.raises(AttributeError):
        FIGURES.delivered = 2
    with pytest.raises(TypeError):
        SubscriptionStatistics("t")


async def test_the_figures_of_a_session_are_plain_values_that_can_be_written_and_read(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await take(subscription, 1)
        figures = session.statistics()
        assert msgspec.json.decode(msgspec.json.encode(figures), type=Statistics) == figures
        assert (figures.subscriptions, figures.confirmed, figures.connections) == (1, 1, 1)
        assert [detail.topic for detail in figures.details] == ["markets"]


async def test_reading_the_figures_changes_nothing(clock):
    async with line(clock) as (session, _):
        await session.subscribe("markets").confirmed()
        assert session.statistics() == session.statistics()


async def test_the_figures_name_no_secret(clock):
    async with line(clock) as (session, peer):
        peer.abort()
        await asyncio.sleep(1)
        assert session.statistics().last_error != ""
        assert "tok-in-url" not in repr(session.statistics())


async def test_the_figures_count_over_all_connections(clock):
    async with line(clock) as (session, peer):
        session.subscribe("markets")
        counted = []
        for n in (1, 2, 3):
            await peer.joined("markets", n)
            peer.raw(b'["99",null,"markets","tick",{}]')
            peer.broadcast("markets", "tick", {"n": n})
            await asyncio.sleep(0.1)
            counted.append(session.statistics())
            peer.abort()
        assert [figures.stale for figures in counted] == [1, 2, 3]
        assert [figures.publications for figures in counted] == [
            n * counted[0].publications for n in (1, 2, 3)
        ]
        assert [figures.reads for figures in counted] == [n * counted[0].reads for n in (1, 2, 3)]
