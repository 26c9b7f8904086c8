"""The rows of `test_phoenix_failures.py` that speak of a whole client: held by the documented socket of the SDK."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from tapewire.retry import RetryPolicy
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stx import Channels, STXChannelException, STXTransportException, User
from tests.venues.stx.stx_line import TOKEN, UID, Heard, make_socket, stx_line

ORDERS = f"active_orders:{UID}"


async def test_a_lost_request_says_whether_its_outcome_is_unknown(clock):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.ORDERS)
        pending = asyncio.ensure_future(ws.request(Channels.ORDERS, "place", {}))
        await peer.received(ORDERS, "place")
        peer.network.unreachable(times=3)
        peer.abort()
        with pytest.raises(STXTransportException) as caught:
            await pending
        assert (caught.value.sent, caught.value.outcome_unknown) == (True, True)
        with pytest.raises(STXTransportException) as caught:
            await ws.request(Channels.ORDERS, "place", {})
        assert (caught.value.sent, caught.value.outcome_unknown) == (False, False)
        await peer.joined(ORDERS, 2)
        assert peer.events(ORDERS).count("place") == 1


async def test_a_request_on_a_channel_that_is_being_joined_again_is_the_documented_exception(clock):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.ORDERS)
        peer.refuse_join(ORDERS, {"reason": "busy"}, times=9)
        peer.crash(ORDERS)
        await peer.received(ORDERS, "phx_join", 2)
        await asyncio.sleep(0)
        with pytest.raises(STXTransportException) as caught:
            await ws.request(Channels.ORDERS, "place", {})
        assert caught.value.sent is False


async def test_leaving_a_channel_joined_twice_leaves_it_altogether(clock):
    first, second = Heard(), Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, first)
        await ws.join(Channels.MARKETS, second)
        peer.broadcast("markets", "market_updated", {"n": 1})
        await asyncio.sleep(1)
        await ws.leave(Channels.MARKETS)
        await peer.left("markets")
        assert peer.events("markets") == ["phx_join", "phx_leave"]
    assert first.news == second.news == [("market_updated", {"n": 1})]


async def test_a_join_that_fails_takes_nothing_from_one_that_holds(clock):
    async with stx_line(clock) as (ws, peer):
        peer.reply_to("ask", {"answer": 1})
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"]})
        with pytest.raises(ValueError, match="params"):
            await ws.join(Channels.MARKETS, Heard(), {"fields": ["offers"]})
        joining = asyncio.ensure_future(ws.join(Channels.MARKETS, Heard()))
        joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)
        assert await ws.request(Channels.MARKETS, "ask") == {"answer": 1}


async def test_a_heartbeats_reply_is_due_before_the_next_heartbeat(clock):
    for interval in (5.0, 30.0):
        async with stx_line(clock, heartbeat_interval=interval) as (_, peer):
            peer.mute_heartbeats()
            beat = await peer.received("phoenix", "heartbeat")
            await peer.connected(2)
            assert clock.monotonic() - beat.at <= interval + 0.5


async def test_filters_changed_by_a_push_are_asked_for_at_the_rejoin(clock):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"], "rule_filters": ["moneyline"]})
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["offers"]})
        await peer.received("markets", "select_fields")
        peer.network.unreachable(times=1)
        peer.abort()
        await asyncio.sleep(0)
        await ws.push(Channels.MARKETS, "select_rule_filters", {"rule_filters": None})
        await peer.joined("markets", 2)
        rejoin = [frame for frame in peer.frames if frame.event == "phx_join"][-1]
        assert rejoin.payload == {"fields": ["offers"], "rule_filters": None}
        assert peer.events("markets").count("select_fields") == 1


async def test_the_orders_ping_goes_out_at_sixty_percent_of_the_grant_whatever_handlers_do(clock):
    async def never(message):
        await asyncio.sleep(3600)

    async with stx_line(clock) as (ws, peer):
        peer.reply_to("ping", {"ttl": 8000})
        peer.accept_join(ORDERS, {"cancel_on_disconnect": True, "ping_timeout": 8000})
        await ws.join(Channels.ORDERS, never, cancel_on_disconnect=10)
        joined_at = clock.monotonic()
        peer.broadcast(ORDERS, "order_update", {})
        await peer.received(ORDERS, "ping", 4)
        pings = [frame.at for frame in peer.frames if frame.event == "ping"]
        assert [after - before for before, after in pairwise([joined_at, *pings])] == pytest.approx([4.8] * 4)


async def test_an_orders_ping_without_a_reply_delays_none_of_the_next(clock, caplog):
    async with stx_line(clock) as (ws, peer):
        peer.accept_join(ORDERS, {"cancel_on_disconnect": True, "ping_timeout": 10_000})
        await ws.join(Channels.ORDERS, Heard(), cancel_on_disconnect=10)
        await peer.received(ORDERS, "ping", 4)
        pings = [frame.at for frame in peer.frames if frame.event == "ping"]
        assert max(after - before for before, after in pairwise(pings)) < 10
    assert "may cancel your orders" in caplog.text


@pytest.mark.parametrize("granted", ["1e999", "null", "[]", '{"ping_timeout":-1}', '{"ping_timeout":true}'])
async def test_a_grant_that_makes_no_sense_leaves_the_shortest_one(clock, granted):
    def grant(peer, connection, join):
        connection.server.accept(join)
        connection.server.data_to_send()
        reply = f'["{join.join_ref}","{join.ref}","{join.topic}","phx_reply",{{"status":"ok","response":{granted}}}]'
        connection.link.send(reply)

    async with stx_line(clock) as (ws, peer):
        peer.on_join = grant
        peer.reply_to("ping", {})
        await ws.join(Channels.ORDERS, Heard(), cancel_on_disconnect=10)
        joined_at = clock.monotonic()
        ping = await peer.received(ORDERS, "ping")
        assert ping.at - joined_at == pytest.approx(3.0)


async def test_a_cancelled_join_leaves_nothing_behind(clock):
    tasks = asyncio.all_tasks()
    async with stx_line(clock) as (ws, peer):
        peer.ignore_join("markets", times=9)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ws.join(Channels.MARKETS, Heard())
        await peer.left("markets")
        peer.abort()
        await peer.connected(2)
        await asyncio.sleep(60)
        assert peer.events("markets") == ["phx_join", "phx_leave"]
        assert ws.statistics().subscriptions == 0
        with pytest.raises(STXChannelException):
            await ws.push(Channels.MARKETS, "select_fields", {"fields": []})
    assert asyncio.all_tasks() == tasks


async def test_two_sockets_of_two_accounts_share_nothing(clock):
    network = MemoryNetwork()
    ann, bob = User.new(), User.new()
    ann.set_params({"token": "token-of-ann", "uid": "ann"})
    bob.set_params({"token": "token-of-bob", "uid": "bob"})
    async with PhoenixPeer(network) as peer:
        async with make_socket(clock, network, user=ann) as one, make_socket(clock, network, user=bob) as two:
            await one.join(Channels.ORDERS)
            await two.join(Channels.ORDERS)
        joins = [(frame.connection, frame.topic) for frame in peer.frames if frame.event == "phx_join"]
        assert joins == [(1, "active_orders:ann"), (2, "active_orders:bob")]
        assert [connection.query["token"] for connection in peer.connections] == [
            "token-of-ann",
            "token-of-bob",
        ]
    assert User().token is None


async def test_no_log_line_error_or_repr_holds_the_token(clock, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []
    async with stx_line(clock, retry=RetryPolicy(2, 0.1)) as (ws, peer):
        subscription = await ws.join(Channels.ORDERS)
        peer.raw(f'["1",null,"{ORDERS}","half","{TOKEN}')
        peer.push(ORDERS, "order_update", {"token": TOKEN})
        await asyncio.sleep(1)
        shown += [repr(ws), repr(subscription), str(ws.statistics()), repr(peer.newest.endpoint)]
        peer.network.unreachable("no route", times=9)
        peer.abort()
        with pytest.raises(Exception, match="gave up") as caught:
            await ws.run_forever()
        shown += [caplog.text, str(caught.value), repr(caught.value)]
        assert TOKEN not in "\n".join(shown)
