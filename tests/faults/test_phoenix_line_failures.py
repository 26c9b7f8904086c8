"""The rows of `test_phoenix_failures.py` that speak of one line: a session and a scripted peer, in virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tapewire.errors import NotSubscribed, RequestTimeout, SessionClosed, TapewireError
from tapewire.marks import Gap
from tapewire.protocols.phoenix import Push
from tapewire.retry import RetryPolicy
from tapewire.session.credentials import Credentials
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import line, make_session, take

QUICK = RetryPolicy(None, 0.5, 2.0, jitter=False)


# 3


async def test_heartbeats_and_replies_bypass_a_full_queue(clock):
    async def never(item):
        await asyncio.sleep(3600)

    async with line(clock) as (session, peer):
        peer.reply_to("ask", {"answer": 1})
        subscription = session.subscribe("markets", handler=never, capacity=5)
        await subscription.confirmed()
        for n in range(50):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(0)
        assert await session.request(Push("markets", "ask", {})) == {"answer": 1}
        await peer.received("phoenix", "heartbeat", 3)
        assert session.statistics().reconnections == 0
        assert session.statistics().heartbeat_rtt is not None
        assert subscription.statistics().dropped > 40


# 4, 5


async def test_broadcasts_arrive_after_a_rejoin_too(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.crash("markets")
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 1})
        peer.push("markets", "tick", {"n": 2})
        items = await take(subscription, 3)
        assert items[1:] == [("tick", {"n": 1}), ("tick", {"n": 2})]


async def test_a_stale_close_frame_or_reply_never_touches_the_new_join(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.crash("markets")
        await peer.joined("markets", 2)
        await subscription.confirmed()
        peer.raw(
            '["1","1","markets","phx_close",{}]',
            '["1","1","markets","phx_error",{}]',
            '["1",null,"markets","tick",{"n":0}]',
            '["1","1","markets","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]',
        )
        peer.broadcast("markets", "tick", {"n": 1})
        items = await take(subscription, 2)
        assert isinstance(items[0], Gap)
        assert items[1] == ("tick", {"n": 1})
        assert (subscription.state, session.statistics().stale) == ("subscribed", 4)


# 6, 7, 8


async def test_a_refused_rejoin_is_visible_and_repeated_with_growing_waits(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.refuse_join("markets", {"reason": "busy"}, times=4)
        peer.abort()
        await peer.received("markets", "phx_join", 4)
        assert subscription.state == "subscribing"
        assert session.statistics().confirmed == 0
        await peer.joined("markets", 2)
        await subscription.confirmed()
        joins = [frame.at for frame in peer.frames if frame.event == "phx_join"][1:]
        assert [after - before for before, after in pairwise(joins)] == pytest.approx([0.5, 1, 2, 2])


async def test_waiting_for_a_rejoin_that_is_refused_for_now_does_not_end_the_subscription(clock):
    async with line(clock, resubscribe=QUICK) as (session, peer):
        subscription = session.subscribe("orders")
        await subscription.confirmed()
        peer.refuse_join("orders", {"reason": "busy"}, times=2)
        peer.abort()
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(
            subscription.confirmed()
        )  # as the keepalive of an orders channel does
        await asyncio.sleep(60)
        await asyncio.gather(waiting, return_exceptions=True)
        assert subscription.state == "subscribed"


async def test_leaving_wins_over_a_rejoin_that_is_due(clock):
    async with line(clock, resubscribe=RetryPolicy(None, 5.0, jitter=False)) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.crash("markets")
        await asyncio.sleep(1)
        subscription.unsubscribe()
        await asyncio.sleep(60)
        assert peer.events("markets") == ["phx_join"]
        assert subscription.state == "unsubscribed"


async def test_concurrent_joins_of_one_topic_are_one_join_on_each_connection(clock):
    async with line(clock) as (session, peer):
        handles = [session.subscribe("markets") for _ in range(3)]
        await asyncio.gather(*(handle.confirmed() for handle in handles))
        peer.abort()
        await peer.joined("markets", 2)
        await asyncio.sleep(60)
        assert [frame.connection for frame in peer.frames if frame.event == "phx_join"] == [1, 2]


# 9


async def test_a_connect_that_hangs_is_given_up_at_its_deadline_and_tried_again(clock):
    network = MemoryNetwork()
    network.hang(times=2)
    endpoint = Endpoint(url="ws://venue.test/socket", open_timeout=4.0)
    fields = {"retry": RetryPolicy(None, 0.0, 0.0), "endpoint": lambda token: endpoint}
    async with PhoenixPeer(network), make_session(clock, network, **fields) as session:
        assert clock.monotonic() - 1000 == pytest.approx(8.0)
        assert "timed out after 4 s" in session.statistics().last_error


# 10, 11


async def test_sessions_that_share_credentials_share_one_refresh(clock):
    asked = []

    async def provider(fresh):
        asked.append(fresh)
        await asyncio.sleep(1)
        return f"token-{len(asked)}"

    network = MemoryNetwork()
    network.refuse(401, times=5)
    credentials = Credentials(provider)
    async with PhoenixPeer(network) as peer:
        sessions = [
            make_session(
                clock,
                network,
                credentials=credentials,
                endpoint=lambda token: Endpoint(url=f"ws://venue.test/?token={token.reveal()}"),
            )
            for _ in range(5)
        ]
        await asyncio.gather(*(session.open() for session in sessions))
        assert asked == [False, True]
        assert {connection.query["token"] for connection in peer.connections} == {"token-2"}
        await asyncio.gather(*(session.close() for session in sessions))


async def test_a_token_that_was_accepted_may_be_refused_and_renewed_again(clock):
    async def provider(fresh):
        return "fresh" if fresh else "at hand"

    fields = {"credentials": Credentials(provider), "retry": QUICK}
    async with line(clock, **fields) as (session, peer):
        for n in (2, 3):  # a server that restarts twice within seconds, and knows no token of before
            peer.network.refuse(401)
            peer.drop(1012)
            await asyncio.sleep(3)
            assert (session.state, len(peer.connections)) == ("up", n)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 504])
async def test_a_transient_status_is_retried(clock, status):
    network = MemoryNetwork()
    network.refuse(status, times=3)
    async with PhoenixPeer(network), make_session(clock, network) as session:
        assert session.connected
        assert network.attempts == 4


# 12


async def test_a_thousand_sessions_dropped_together_come_back_spread(clock):
    network = MemoryNetwork()
    times = []
    async with PhoenixPeer(network) as peer:
        sessions = [make_session(clock, network, retry=RetryPolicy(None, 4.0)) for _ in range(1000)]
        await asyncio.gather(*(session.open() for session in sessions))
        await peer.connected(1000)
        dropped_at = clock.monotonic()
        for connection in tuple(peer.connections):
            connection.link.close(1012)
        for n in range(1001, 2001):
            await peer.connected(n)
            times.append(clock.monotonic() - dropped_at)
        in_a_tenth = [sum(start <= at < start + 0.4 for at in times) for start in (0.0, 0.4, 2.0, 3.2)]
        assert all(50 < count < 160 for count in in_a_tenth), in_a_tenth
        await asyncio.gather(*(session.close() for session in sessions))


# 19


async def test_by_default_the_server_hears_us_twice_in_its_idle_time(clock):
    async with line(clock) as (session, peer):
        session.subscribe("markets")
        await peer.received("phoenix", "heartbeat", 10)
        beats = [frame.at for frame in peer.frames if frame.event == "heartbeat"]
        assert max(after - before for before, after in pairwise([1000.0, *beats])) <= 30.0


# 22


async def test_an_event_nobody_knows_is_delivered_as_it_is(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.raw('[null,null,"markets","phx_something_new",{"n":1},"and a sixth element"]')
        peer.broadcast("markets", "tick", {})
        items = await take(subscription, 3, control=True)
        assert items[1:] == [("phx_something_new", {"n": 1}), ("tick", {})]
        assert session.statistics().undecodable == 0


@pytest.mark.parametrize("response", ["1e999999", "1" * 5000])
async def test_a_reply_that_cannot_be_decoded_fails_its_request_only(clock, response):
    async with line(clock, request_timeout=5) as (session, peer):
        peer.on_push = _answer_with(response)
        await session.subscribe("markets").confirmed()
        async with asyncio.timeout(60):
            with pytest.raises(TapewireError):
                await session.request(Push("markets", "ask", {}))
        assert session.statistics().reconnections == 0


async def test_a_reply_of_endless_depth_is_an_undecodable_frame_and_its_request_times_out(clock):
    async with line(clock, request_timeout=5) as (session, peer):
        peer.on_push = _answer_with("[" * 20_000 + "]" * 20_000)
        await session.subscribe("markets").confirmed()
        with pytest.raises(RequestTimeout):
            await session.request(Push("markets", "ask", {}))
        assert (session.statistics().undecodable, session.statistics().reconnections) == (1, 0)


def _answer_with(response):
    def answer(peer, connection, push):
        reply = f'["1","{push.ref}","markets","phx_reply",{{"status":"ok","response":{response}}}]'
        connection.link.send(reply)

    return answer


# 24


async def test_cancelling_open_leaves_a_session_that_can_be_closed_at_once(clock):
    network = MemoryNetwork()
    network.hang(times=9)
    session = make_session(clock, network)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await session.open()
    await session.close()
    assert clock.monotonic() - 1000 < 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_fails_whoever_waits_with_session_closed(clock):
    async with line(clock) as (session, peer):
        peer.ignore_join("silent", times=9)
        await session.subscribe("markets").confirmed()
        waiting = [
            asyncio.ensure_future(session.subscribe("silent").confirmed()),
            asyncio.ensure_future(session.request(Push("markets", "ask", {}))),
        ]
        await peer.received("markets", "ask")
        await session.close()
        join, request = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(join, SessionClosed | NotSubscribed)
        assert request.sent
