"""The line of the documented socket, in virtual time: heartbeats, reconnection, what is replayed, leaving."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from tapewire.errors import GaveUp, SessionClosed
from tapewire.marks import Gap
from tapewire.retry import RetryPolicy
from tapewire.secrets import Secret
from tapewire.session.credentials import Credentials
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stx import Channels, STXAuthenticationFailedException, STXChannelException
from tests.venues.stx.stx_line import HOST, TOKEN, UID, Heard, make_socket, signed_in, stx_line

ORDERS = f"active_orders:{UID}"
PORTFOLIO = f"portfolio:{UID}"

# Heartbeats.


@pytest.mark.parametrize(
    ("fields", "seconds"), [({}, 30), ({"heartbeat_interval": 5}, 5), ({"heartbeat_interval": 3}, 3)]
)
async def test_a_phoenix_heartbeat_goes_out_every_interval(clock, fields, seconds):
    async with stx_line(clock, **fields) as (_, peer):
        beats = [await peer.received("phoenix", "heartbeat", n) for n in (1, 2, 3)]
    assert [round(beat.at - 1000, 3) for beat in beats] == [seconds, 2 * seconds, 3 * seconds]
    assert len(peer.connections) == 1


async def test_a_server_that_answers_no_heartbeat_is_left_for_a_new_connection(clock):
    heard = Heard()
    async with stx_line(clock, heartbeat_interval=5) as (ws, peer):
        await ws.join(Channels.MARKETS, heard)
        peer.mute_heartbeats()
        await peer.connected(2)
        peer.unmute_heartbeats()
        await peer.joined("markets", 2)
        peer.broadcast("markets", "market_updated", {"m": {}})
        await asyncio.sleep(1)
        assert "heartbeat" in ws.statistics().last_error
    assert heard.news == [("market_updated", {"m": {}})]


async def test_a_handler_that_takes_its_time_costs_no_heartbeat(clock):
    async def slow(message):
        await asyncio.sleep(300)

    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, slow)
        await peer.received("phoenix", "heartbeat", 5)
        assert len(peer.connections) == 1


# Reconnecting.


async def test_a_dropped_line_is_tried_again_after_growing_waits(clock):
    attempts = []

    class Noted(MemoryNetwork):
        async def connect(self, endpoint, receiver):
            attempts.append(clock.monotonic())
            return await super().connect(endpoint, receiver)

    network = Noted()
    fields = {"session_options": {"fraction": lambda: 1.0}}
    async with PhoenixPeer(network) as peer, make_socket(clock, network, **fields) as ws:
        await ws.join(Channels.MARKETS, Heard())
        await asyncio.sleep(60)  # the line has lasted
        network.unreachable(times=4)
        peer.abort()
        await peer.joined("markets", 2)
    waits = [round(after - before, 3) for before, after in pairwise(attempts[1:])]
    assert waits == [
        0.5,
        1.0,
        2.0,
        4.0,
    ]  # after the first, of 0.5 s; none is longer than the outage has lasted


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.999])
async def test_every_wait_is_jittered_from_the_first(clock, fraction):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        policy = RetryPolicy(max_attempts=10, initial_backoff=0.5)
        fields = {"retry": policy, "session_options": {"fraction": lambda: fraction}}
        async with make_socket(clock, network, **fields):
            await asyncio.sleep(60)
            lost_at = clock.monotonic()
            peer.abort()
            await peer.connected(2)
            assert clock.monotonic() - lost_at == pytest.approx(0.5 * fraction, abs=1e-6)


async def test_after_max_attempts_everything_that_waits_is_told(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        policy = RetryPolicy(max_attempts=10, initial_backoff=0.5)
        async with make_socket(clock, network, retry=policy) as ws:
            await asyncio.sleep(60)
            subscription = await ws.join(Channels.MARKETS)
            network.unreachable(times=99)
            peer.abort()
            joining = asyncio.ensure_future(ws.join(Channels.PORTFOLIO, Heard()))
            with pytest.raises(GaveUp):
                await ws.run_forever()
            with pytest.raises(GaveUp):
                await joining
            with pytest.raises(GaveUp):
                _ = [item async for item in subscription]
    assert network.attempts == 1 + 10


async def test_a_socket_without_a_policy_never_gives_up(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, make_socket(clock, network):
        network.unreachable(times=200)
        peer.abort()
        await peer.connected(2)
    assert network.attempts == 202


async def test_handlers_keep_firing_on_the_new_socket(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, heard)
        peer.broadcast("markets", "market_updated", {"n": 1})
        await asyncio.sleep(1)
        peer.abort()
        await peer.joined("markets", 2)
        peer.broadcast("markets", "market_updated", {"n": 2})
        await asyncio.sleep(1)
    assert heard.news == [("market_updated", {"n": 1}), ("market_updated", {"n": 2})]


async def test_all_joins_are_replayed_before_any_message_is_dispatched(clock):
    replayed_before = []

    def at_once(peer, connection, join):
        peer.accept(connection, join)
        if connection.number == 2:
            connection.server.broadcast(join.topic, "early", {})
            connection.flush()

    async with stx_line(clock) as (ws, peer):
        peer.on_join = at_once

        def note(message):
            if message.event == "early":
                joins = [frame for frame in peer.frames if (frame.connection, frame.event) == (2, "phx_join")]
                replayed_before.append(len(joins))

        for channel in Channels:
            await ws.join(channel, note)
        peer.abort()
        await peer.connected(2)
        await asyncio.sleep(5)
    assert replayed_before == [len(Channels)] * len(Channels)
    second = [frame.event for frame in peer.frames if frame.connection == 2]
    assert second[: len(Channels)] == ["phx_join"] * len(Channels)


async def test_a_reconnect_drops_backs_off_opens_rejoins_and_resumes_in_that_order(clock):
    states = []
    heard = Heard()
    async with stx_line(clock, on_state=states.append) as (ws, peer):
        await ws.join(Channels.MARKETS, heard, {"fields": ["bids"]})
        await ws.join(Channels.PORTFOLIO, heard)
        first = [frame for frame in peer.frames if frame.event == "phx_join"]
        states.clear()
        peer.drop(1012)
        await peer.joined("markets", 2)
        await peer.joined(PORTFOLIO, 2)
        peer.broadcast("markets", "market_updated", {"n": 1})
        await asyncio.sleep(1)
        again = [frame for frame in peer.frames if frame.event == "phx_join" and frame.connection == 2]
        assert states == ["waiting", "authorizing", "connecting", "greeting", "up"]
        assert peer.connections[0].link.ended is not None
        assert [(frame.topic, frame.payload) for frame in again] == [
            (frame.topic, frame.payload) for frame in first
        ]
        assert {urlsplit(one.endpoint.url).netloc for one in peer.connections} == {urlsplit(HOST).netloc}
    assert heard.news == [("market_updated", {"n": 1})]


async def test_what_was_published_meanwhile_is_lost_and_marked(clock, caplog):
    marked, unmarked, marks = Heard(), Heard(), []
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, marked, on_mark=marks.append)
        await ws.join(Channels.PORTFOLIO, unmarked)
        peer.abort()
        await peer.joined(PORTFOLIO, 2)
        await asyncio.sleep(1)
        assert ws.statistics().details[1].unseen_marks == 1
    assert [(mark.reason, mark.missed) for mark in marks if isinstance(mark, Gap)] == [
        ("connection lost", None)
    ]
    assert "may be missing here" in caplog.text
    assert f"{PORTFOLIO}: gap" in caplog.text


async def test_each_connection_carries_the_token_that_is_good_then(clock):
    asked = []

    async def provider(fresh):
        asked.append(fresh)
        return Secret(f"token-{len(asked)}")

    options = {"credentials": Credentials(provider)}
    async with stx_line(clock, session_options=options) as (_, peer):
        peer.network.refuse(403)
        peer.abort()
        await peer.connected(2)
        tokens = [connection.query["token"] for connection in peer.connections]
    assert asked == [False, False, True]
    assert tokens == ["token-1", "token-3"]


async def test_the_shared_token_identifies_the_user_and_is_told_to_nobody(clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.PORTFOLIO, Heard())
        assert peer.newest.query == {"token": TOKEN, "vsn": "2.0.0"}
        peer.abort()
        await peer.connected(2)
        told = f"{ws!r} {ws.statistics()} {caplog.text}"
    assert TOKEN not in told


async def test_a_token_near_its_end_is_not_used_again(clock):
    network = MemoryNetwork()
    began = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)
    user = signed_in()
    user.set_params({"token": TOKEN, "expiry": began + timedelta(minutes=59)})
    async with PhoenixPeer(network) as peer, make_socket(clock, network, user=user) as ws:
        await asyncio.sleep(3590)
        peer.abort()
        with pytest.raises(STXAuthenticationFailedException, match="not signed in"):
            await ws.run_forever()
        assert len(peer.connections) == 1  # nothing to sign in with, and the old token was not tried


# Handlers.


async def test_an_exception_in_a_handler_is_logged_and_the_next_frame_proceeds(clock, caplog):
    heard, told = [], []

    def buggy(message):
        if message.event == "bad":
            raise ValueError("a bug")
        heard.append(message.event)

    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, buggy, on_error=lambda error, message: told.append((error, message)))
        for event in ("bad", "good"):
            peer.broadcast("markets", event, {})
        await asyncio.sleep(1)
        assert ws.statistics().handler_errors == 1
        assert len(peer.connections) == 1
    assert heard == ["phx_reply", "good"]
    [(error, message)] = told
    assert (str(error), message.event) == ("a bug", "bad")
    [record] = [record for record in caplog.records if "buggy" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert record.exc_info is not None


async def test_each_join_has_its_own_handler_and_all_share_one_socket(clock):
    markets, orders, portfolio = Heard(), Heard(), Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, on_message=markets)
        await ws.join(Channels.ORDERS, on_message=orders)
        await ws.join(Channels.PORTFOLIO, on_message=portfolio)
        peer.push(ORDERS, "order_update", {"n": 1})
        peer.push(PORTFOLIO, "update", {"n": 2})
        peer.broadcast("markets", "market_updated", {"n": 3})
        await asyncio.sleep(1)
        assert len(peer.connections) == 1
    assert markets.news == [("market_updated", {"n": 3})]
    assert orders.news == [("order_update", {"n": 1})]
    assert portfolio.news == [("update", {"n": 2})]


async def test_a_push_inside_a_handler_does_not_hold_up_the_socket(clock):
    answers = []
    async with stx_line(clock) as (ws, peer):
        peer.reply_to("select_fields", {"selected_fields": ["bids"]})

        async def ask(message):
            if message.event == "market_updated":
                answers.append(await ws.request(Channels.MARKETS, "select_fields", {"fields": ["bids"]}))

        await ws.join(Channels.MARKETS, ask)
        peer.broadcast("markets", "market_updated", {})
        await asyncio.sleep(1)
    assert answers == [{"selected_fields": ["bids"]}]


# Leaving.


@pytest.mark.parametrize("how", ["by context", "by hand"])
async def test_each_subscription_is_left_and_then_the_socket_is_closed(clock, how):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        ws = make_socket(clock, network)
        if how == "by context":
            async with ws:
                await ws.join(Channels.MARKETS, Heard())
                await ws.join(Channels.ORDERS, Heard())
        else:
            await ws.connect()
            await ws.join(Channels.MARKETS, Heard())
            await ws.join(Channels.ORDERS, Heard())
            await ws.close()
        assert peer.events("markets") == ["phx_join", "phx_leave"]
        assert peer.events(ORDERS) == ["phx_join", "phx_leave"]
        assert [frame.event for frame in peer.frames][-2:] == ["phx_leave", "phx_leave"]
        assert peer.newest.link.ended.code == 1000
        assert (ws.state, ws.is_connected) == ("closed", False)
        await ws.close()  # once more does no harm


async def test_reconnect_makes_a_new_line_at_once(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, heard)
        ws.reconnect()
        await peer.joined("markets", 2)
        peer.raw(b'[null,null,"markets","market_updated",{"n":1}]')
        await asyncio.sleep(1)
        assert clock.monotonic() - 1000 < 2
    assert heard.news == [("market_updated", {"n": 1})]


@pytest.mark.parametrize("end", ["close", "gave up"])
async def test_behind_an_end_every_call_says_so(clock, end):
    async with stx_line(clock, retry=RetryPolicy(2, 0.1, jitter=False)) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard())
        if end == "close":
            await ws.close()
        else:
            peer.network.unreachable(times=2)
            peer.abort()
            with pytest.raises(GaveUp):
                await ws.run_forever()
        error = SessionClosed if end == "close" else GaveUp
        with pytest.raises(error):
            await ws.connect()
        with pytest.raises(error):
            await ws.join(Channels.ORDERS, Heard())
        with pytest.raises((error, STXChannelException)):
            await ws.push(Channels.MARKETS, "ping")


async def test_a_join_that_waits_while_the_socket_closes_is_told_that_it_closed(clock):
    async with stx_line(clock) as (ws, peer):
        peer.ignore_join("markets")
        joining = asyncio.ensure_future(ws.join(Channels.MARKETS, Heard()))
        await peer.received("markets", "phx_join")
        await ws.close()
        with pytest.raises(SessionClosed):
            await joining


async def test_a_refused_rejoin_is_told_to_on_error_and_in_the_figures(clock, caplog):
    told = []
    async with stx_line(clock) as (ws, peer):
        await ws.join(
            Channels.MARKETS, Heard(), on_error=lambda error, message: told.append((error, message))
        )
        peer.refuse_join("markets", {"reason": "not today"})
        peer.abort()
        await peer.received("markets", "phx_join", 2)
        await asyncio.sleep(0.1)
        assert ws.statistics().last_error == "markets: refused: not today"
        await peer.joined("markets", 2)
    assert [(str(error), error.retryable, message) for error, message in told] == [
        ("markets: refused: not today", True, None)
    ]
    assert "markets: refused: not today; asking again" in caplog.text
