import asyncio

import pytest

from tapewire.errors import NotSubscribed, RequestLost, RequestRefused, RequestTimeout, SessionClosed
from tapewire.protocols.phoenix import Push
from tests.session.line import line


async def test_a_request_returns_the_decoded_response(clock):
    async with line(clock) as (session, peer):
        peer.reply_to("place", {"id": 7})
        await session.subscribe("orders").confirmed()
        timers = len(session._driver.loop.timers)
        assert await session.request(Push("orders", "place", {"price": 50})) == {"id": 7}
        assert session.statistics().pending_requests == 0
        assert len(session._driver.loop.timers) == timers


async def test_an_error_reply_is_raised_with_what_the_venue_said(clock):
    async with line(clock) as (session, peer):
        peer.reply_to("place", {"reason": "no funds"}, status="error")
        await session.subscribe("orders").confirmed()
        with pytest.raises(RequestRefused, match="no funds") as caught:
            await session.request(Push("orders", "place", {}))
        assert caught.value.reply == {"reason": "no funds"}


async def test_a_request_without_a_reply_ends_at_its_deadline_as_unknown(clock):
    async with line(clock) as (session, _):
        await session.subscribe("orders").confirmed()
        started = clock.monotonic()
        with pytest.raises(RequestTimeout, match="outcome unknown") as caught:
            await session.request(Push("orders", "place", {}), seconds=3)
        assert clock.monotonic() - started == pytest.approx(3)
        assert caught.value.sent


async def test_a_request_lost_to_a_dropped_connection_fails_at_once_and_is_never_sent_again(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("orders").confirmed()
        pending = asyncio.ensure_future(session.request(Push("orders", "place", {"n": 1})))
        await peer.received("orders", "place")
        started = clock.monotonic()
        peer.abort()
        with pytest.raises(RequestLost) as caught:
            await pending
        assert caught.value.sent
        assert clock.monotonic() - started < 0.01
        await peer.joined("orders", 2)
        await asyncio.sleep(5)
        assert peer.events("orders").count("place") == 1


async def test_a_request_held_for_an_unanswered_join_is_lost_unsent(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("orders")
        session.subscribe("orders")
        pending = asyncio.ensure_future(session.request(Push("orders", "place", {"n": 1})))
        await peer.received("orders", "phx_join")
        peer.abort()
        with pytest.raises(RequestLost) as caught:
            await pending
        assert not caught.value.sent


async def test_a_request_while_the_line_is_down_fails_at_once_unsent(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("orders").confirmed()
        peer.network.unreachable(times=3)
        peer.abort()
        await asyncio.sleep(0.001)
        with pytest.raises(RequestLost) as caught:
            await session.request(Push("orders", "place", {}))
        assert not caught.value.sent
        with pytest.raises(RequestLost):
            session.push(Push("orders", "place", {}))


async def test_a_push_on_a_topic_that_is_not_subscribed_is_an_error(clock):
    async with line(clock) as (session, _):
        with pytest.raises(NotSubscribed, match="orders"):
            session.push(Push("orders", "place", {}))


async def test_a_request_fails_when_its_topic_crashes_or_is_left(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("orders")
        await subscription.confirmed()
        crashed = asyncio.ensure_future(session.request(Push("orders", "place", {})))
        await peer.received("orders", "place")
        peer.crash("orders")
        with pytest.raises(RequestLost):
            await crashed
        await peer.joined("orders", 2)
        await subscription.confirmed()
        left = asyncio.ensure_future(session.request(Push("orders", "place", {})))
        await asyncio.sleep(0)
        subscription.unsubscribe()
        with pytest.raises(RequestLost):
            await left


async def test_a_cancelled_request_leaves_nothing_behind(clock):
    async with line(clock) as (session, _):
        await session.subscribe("orders").confirmed()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await session.request(Push("orders", "place", {}))
        assert session.statistics().pending_requests == 0


async def test_a_held_request_that_timed_out_or_was_cancelled_is_never_written(clock):
    async with line(clock, subscribe_timeout=60) as (session, peer):
        peer.on_join = lambda peer_, connection, join: joins.append((connection, join))
        joins = []
        subscription = session.subscribe("orders")
        with pytest.raises(RequestTimeout) as caught:
            await session.request(Push("orders", "place", {"n": 1}), seconds=2)
        assert not caught.value.sent
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await session.request(Push("orders", "place", {"n": 2}))
        peer.accept(*joins[0])
        await subscription.confirmed()
        session.push(Push("orders", "place", {"n": 3}))
        assert (await peer.received("orders", "place")).payload == {"n": 3}


async def test_every_push_carries_the_join_ref_of_its_join(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("orders").confirmed()
        peer.abort()
        await peer.joined("orders", 2)
        await asyncio.sleep(0)
        session.push(Push("orders", "do", {}))
        frame = await peer.received("orders", "do")
        join = next(f for f in peer.frames if f.event == "phx_join" and f.connection == 2)
        assert frame.join_ref == join.join_ref == join.ref


async def test_a_closed_session_says_so(clock):
    async with line(clock) as (session, _):
        pass
    with pytest.raises(SessionClosed):
        session.push(Push("orders", "do", {}))


async def test_what_is_asked_goes_out_in_its_place_and_is_answered_by_a_future(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("orders").confirmed()
        peer.reply_to("ask", {"n": 1})
        peer.reply_to("bad", {"reason": "no"}, status="error")
        answer, refusal = session.ask(Push("orders", "ask")), session.ask(Push("orders", "bad"))
        session.push(Push("orders", "push"))
        assert await answer == {"n": 1}
        with pytest.raises(RequestRefused, match="no"):
            await refusal
        assert peer.events("orders") == ["phx_join", "ask", "bad", "push"]
        session.ask(Push("orders", "silent")).cancel()
        await asyncio.sleep(0)
        assert session.statistics().pending_requests == 0
        await session.close()
        with pytest.raises(SessionClosed):
            session.ask(Push("orders", "ask"))
