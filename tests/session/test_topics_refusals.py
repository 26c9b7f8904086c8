"""What is said of a topic that the venue refuses or ends, while somebody goes on waiting for it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tapewire.errors import SessionClosed, SubscriptionEnded, SubscriptionRefused
from tapewire.marks import Errored, Gap
from tapewire.retry import RetryPolicy
from tests.session.line import line, take
from tests.session.numbered_line import numbered_line

QUICK = RetryPolicy(None, 0.5, 4.0, jitter=False)
BUSY = {"reason": "not today"}


@pytest.mark.parametrize("inline", [False, True])
async def test_a_refused_rejoin_is_said_wherever_one_looks(clock, caplog, inline):
    told = []
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe(
            "markets",
            handler=lambda item: None,
            inline=inline,
            on_error=lambda error, item: told.append((error, item)),
        )
        await subscription.confirmed()
        peer.refuse_join("markets", BUSY, times=2)
        peer.abort()
        await peer.received("markets", "phx_join", 3)
        await asyncio.sleep(0.1)
        assert subscription.state == "subscribing"
        assert str(session.last_error) == "markets: refused: not today"
        await peer.joined("markets", 2)
        await asyncio.sleep(1)
        assert subscription.state == "subscribed"
    assert [(str(error), error.retryable, item) for error, item in told] == [
        ("markets: refused: not today", True, None)
    ] * 2
    lines = [
        record.getMessage()
        for record in caplog.records
        if "refused" in record.getMessage().split("(handler")[0]
    ]
    assert lines == [f"markets: refused: not today; asking again (refusal no. {n})" for n in (1, 2)]


async def test_a_first_refusal_that_nobody_waits_for_is_said_too(clock, caplog):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("markets", BUSY, times=100)
        subscription = session.subscribe("markets")
        await asyncio.sleep(300)
        lines = [record for record in caplog.records if "asking again" in record.getMessage()]
        assert 3 < len(lines) < 12  # a line each at first, and then at powers of two
        assert "not today" in session.statistics().last_error
        subscription.unsubscribe()


async def test_a_refusal_that_is_raised_is_not_said_again(clock, caplog):
    told = []
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("markets", BUSY)
        subscription = session.subscribe("markets", on_error=lambda error, item: told.append(error))
        with pytest.raises(SubscriptionRefused, match="not today"):
            await subscription.confirmed()
    assert (told, caplog.text) == ([], "")


async def test_whoever_takes_announcements_is_told_by_them_too_and_goes_on_waiting(clock):
    told = []
    async with line(clock, resubscribe=QUICK) as (session, peer):
        peer.refuse_join("markets", BUSY)
        subscription = session.subscribe(
            "markets", announce=True, on_error=lambda error, item: told.append(error)
        )
        await subscription.confirmed()
        items = await take(subscription, 4)
    assert [item.reason for item in items if isinstance(item, Errored)] == ["not today"]
    assert [error.reason for error in told] == ["not today"]


@pytest.mark.parametrize("final", [False, True])
async def test_the_log_names_the_topic_once(clock, caplog, final):
    caplog.set_level(logging.INFO)
    async with line(clock) as (session, peer):
        subscription = session.subscribe("nope", handler=lambda item: None)
        if final:
            peer.refuse_join("nope", {"reason": "unauthorized"})
        else:
            await subscription.confirmed()
            peer.close_topic("nope", {"reason": "market resulted"})
        await asyncio.sleep(1)
    expected = "nope: refused: unauthorized" if final else "nope: ended by the venue: market resulted"
    assert expected in [record.getMessage() for record in caplog.records]


async def test_what_the_venue_ended_has_its_word_as_the_reason(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("market:1")
        await subscription.confirmed()
        peer.close_topic("market:1", {"reason": "market resulted"})
        with pytest.raises(SubscriptionEnded) as iterated:
            await take(subscription, 9)
        with pytest.raises(SubscriptionEnded) as ended:
            await subscription.confirmed()
    for error in (iterated.value, ended.value):
        assert (error.reason, str(error)) == (
            "market resulted",
            "market:1: ended by the venue: market resulted",
        )


async def test_what_the_venue_ended_ends_no_run_forever_and_is_said_in_the_log(clock, caplog):
    async with line(clock) as (session, peer):
        ended = session.subscribe("market:1", handler=lambda item: None)
        await ended.confirmed()
        running = asyncio.ensure_future(session.run_forever())
        peer.close_topic("market:1", {"reason": "market resulted"})
        await asyncio.sleep(60)
        assert not running.done()
        assert "market:1: ended by the venue: market resulted" in caplog.text
    await running


async def test_who_waits_for_the_venues_word_while_the_session_closes_is_told_that_it_closed(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("markets")
        waiting = asyncio.ensure_future(session.subscribe("markets").confirmed())
        await peer.received("markets", "phx_join")
        await session.close()
        with pytest.raises(SessionClosed):
            await waiting


@pytest.mark.parametrize(
    ("how", "detail"),
    [("reconnect", "reconnect() was called"), ("code", "closed with code 4321"), ("reason", "maintenance")],
)
async def test_a_gap_says_what_ended_this_connection_and_not_one_before_it(clock, how, detail):
    async with line(clock, retry=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.drop(1012, "an older loss")
        await peer.joined("markets", 2)
        await asyncio.sleep(1)
        if how == "reconnect":
            session.reconnect()
        else:
            peer.drop(4321, "maintenance" if how == "reason" else "")
        await peer.joined("markets", 3)
        gaps = [item for item in await take(subscription, 2) if isinstance(item, Gap)]
    assert [gap.detail for gap in gaps] == ["an older loss", detail]


async def test_a_place_that_was_left_a_moment_ago_may_still_be_taken_when_the_next_topic_is_asked_for(clock):
    async with numbered_line(clock) as (session, peer):
        first = session.subscribe("a")
        await first.confirmed()
        first.unsubscribe()
        peer.refuse_subscribe("b", 106, times=2)
        told = []
        second = session.subscribe("b", announce=True, on_error=lambda error, item: told.append(error))
        async with asyncio.timeout(5):
            await second.confirmed()
    assert [error.retryable for error in told] == [True, True]


async def test_a_server_that_stays_full_long_after_a_leave_has_said_its_last_word(clock):
    async with numbered_line(clock) as (session, peer):
        first = session.subscribe("a")
        await first.confirmed()
        first.unsubscribe()
        peer.refuse_subscribe("b", 106, times=100_000)
        with pytest.raises(SubscriptionRefused, match="limit exceeded"):
            async with asyncio.timeout(60):
                await session.subscribe("b", announce=True).confirmed()
        asked = len(peer.of("subscribe", "b"))
        await asyncio.sleep(60)
        assert len(peer.of("subscribe", "b")) == asked
