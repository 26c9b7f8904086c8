import asyncio
import contextlib
import logging

import pytest

from tapewire.errors import (
    ConnectFailed,
    CredentialsError,
    CredentialsRefused,
    GaveUp,
    HandshakeRefused,
    NeverConnected,
    SessionClosed,
)
from tapewire.marks import Gap
from tapewire.protocols.base import Failed, Ready
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.retry import RetryPolicy
from tapewire.session.credentials import Credentials
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import LinkFaults, MemoryNetwork
from tests.session.line import URL, line, make_session, take

STEADY = RetryPolicy(max_attempts=None, initial_backoff=1.0, max_backoff=8.0, jitter=False)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 3000, 4500])
async def test_whatever_close_code_we_did_not_ask_for_leads_to_a_new_connection(clock, code):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.drop(code)
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 1})
        items = await take(subscription, 2)
        assert isinstance(items[0], Gap)
        assert items[1] == ("tick", {"n": 1})


async def test_a_reset_without_a_close_frame_leads_to_a_new_connection(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("markets").confirmed()
        peer.abort()
        await peer.joined("markets", 2)
        assert session.statistics().reconnections == 1


async def test_the_first_retry_is_jittered_too(clock):
    waits = []
    for fraction in (0.0, 0.25, 0.9):
        async with line(clock, retry=RetryPolicy(None, 2.0, 8.0), fraction=lambda f=fraction: f) as (_, peer):
            before = clock.monotonic()
            peer.drop(1012)
            await peer.connected(2)
            waits.append(clock.monotonic() - before)
    assert waits == pytest.approx([0.0, 0.5, 1.8])


async def test_the_delays_grow_while_the_venue_is_away_and_start_again_after_a_stable_line(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, make_session(clock, network, retry=STEADY, stable_after=10) as _:
        await asyncio.sleep(11)
        network.unreachable(times=4)
        started = clock.monotonic()
        peer.drop(1012)
        await peer.connected(2)
        assert clock.monotonic() - started == pytest.approx(1 + 2 + 4 + 8 + 8)
        await asyncio.sleep(11)
        started = clock.monotonic()
        peer.drop(1012)
        await peer.connected(3)
        assert clock.monotonic() - started == pytest.approx(1)


async def test_a_line_that_flaps_does_not_reset_the_delays(clock):
    async with line(clock, retry=STEADY, stable_after=10) as (_, peer):
        waits = []
        for n in range(2, 6):
            await asyncio.sleep(5)
            started = clock.monotonic()
            peer.drop(1012)
            await peer.connected(n)
            waits.append(clock.monotonic() - started)
        assert waits == pytest.approx([1, 2, 4, 8])


async def test_without_a_policy_a_session_never_gives_up(clock):
    network = MemoryNetwork()
    network.unreachable(times=500)
    async with PhoenixPeer(network), make_session(clock, network, connect_timeout=None) as session:
        assert session.connected
    assert clock.monotonic() > 3600


async def test_a_first_connection_that_never_comes_is_raised_with_what_went_wrong_last(clock):
    network = MemoryNetwork()
    network.unreachable(times=500)
    started = clock.monotonic()
    with pytest.raises(NeverConnected, match=r"no connection within 30 s .*connection refused") as caught:
        async with make_session(clock, network):
            pass
    assert clock.monotonic() - started == pytest.approx(30)
    assert isinstance(caught.value.last, ConnectFailed)


async def test_only_the_first_connection_has_such_a_limit(clock):
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, make_session(clock, network, connect_timeout=5) as session:
        network.unreachable(times=20)
        peer.abort()
        await peer.connected(2)
        assert session.connected
        assert clock.monotonic() > 30


async def test_giving_up_is_raised_in_everything_that_waits(clock):
    async with line(clock, retry=RetryPolicy(3, 0.1)) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.ignore_join("silent")
        peer.on_push = lambda *_: None
        never = session.subscribe("silent")
        waiting = [
            asyncio.ensure_future(session.run_forever()),
            asyncio.ensure_future(never.confirmed()),
            asyncio.ensure_future(_exhaust(subscription)),
        ]
        await asyncio.sleep(1)
        peer.network.unreachable("no route", times=100)
        peer.abort()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [GaveUp, GaveUp, GaveUp]
        assert results[0].attempts == 3
        assert isinstance(results[0].last, ConnectFailed)
        with pytest.raises(GaveUp):
            session.subscribe("another")
        with pytest.raises(GaveUp):
            await session.open()


async def _exhaust(subscription):
    async for _ in subscription:
        pass


async def test_max_attempts_counts_one_outage(clock):
    async with line(clock, retry=RetryPolicy(3, 0.1), stable_after=5) as (session, peer):
        for n in range(2, 8):
            await asyncio.sleep(6)
            peer.network.unreachable(times=2)
            peer.abort()
            await peer.connected(n)
        assert session.statistics().reconnections == 6


async def test_a_refused_connection_names_host_and_cause_and_never_the_token(clock, caplog):
    network = MemoryNetwork()
    network.unreachable("connection refused", times=9)
    session = make_session(clock, network, retry=RetryPolicy(2, 0.1))
    with pytest.raises(GaveUp) as caught:
        await session.open()
    text = str(caught.value) + caplog.text
    assert "venue.test" in text
    assert "connection refused" in text
    assert "tok-in-url" not in text
    await session.close()


class Tokens:
    def __init__(self):
        self.asked = []

    async def __call__(self, fresh):
        self.asked.append(fresh)
        return f"token-{len(self.asked)}"


def with_token(token):
    return Endpoint(url=f"ws://venue.test/?token={token.reveal()}")


async def test_the_token_is_asked_for_on_every_attempt(clock):
    tokens = Tokens()
    async with line(clock, credentials=Credentials(tokens), endpoint=with_token) as (_, peer):
        peer.abort()
        await peer.connected(2)
        assert [connection.query["token"] for connection in peer.connections] == ["token-1", "token-2"]
        assert tokens.asked == [False, False]


async def test_an_unauthorized_handshake_is_tried_once_with_a_fresh_token(clock):
    network, tokens = MemoryNetwork(), Tokens()
    network.refuse(403)
    fields = {"credentials": Credentials(tokens), "endpoint": with_token}
    async with PhoenixPeer(network) as peer, make_session(clock, network, **fields):
        assert tokens.asked == [False, True]
        assert peer.newest.query["token"] == "token-2"


async def test_a_second_unauthorized_answer_is_final_and_no_storm(clock):
    network, tokens = MemoryNetwork(), Tokens()
    network.refuse(401, times=50)
    session = make_session(clock, network, credentials=Credentials(tokens), endpoint=with_token)
    with pytest.raises(HandshakeRefused, match="401"):
        await session.open()
    assert tokens.asked == [False, True]
    await session.close()


@pytest.mark.parametrize("status", [400, 404])
async def test_a_handshake_that_no_retry_heals_is_final(clock, status):
    network = MemoryNetwork()
    network.refuse(status, times=50)
    session = make_session(clock, network)
    with pytest.raises(HandshakeRefused, match=str(status)):
        await session.open()
    await session.close()


async def test_retry_after_of_a_429_is_waited_for(clock):
    network = MemoryNetwork()
    network.refuse(429, retry_after=60)
    started = clock.monotonic()
    retry = RetryPolicy(None, 0.5, 1.0)
    async with PhoenixPeer(network), make_session(clock, network, retry=retry, connect_timeout=None):
        assert 60 <= clock.monotonic() - started <= 61


async def test_a_retry_after_of_ten_days_is_not_waited_for_in_full(clock):
    network = MemoryNetwork()
    network.refuse(503, retry_after=864_000)
    started = clock.monotonic()
    retry = RetryPolicy(None, 0.5, 1.0)
    async with PhoenixPeer(network), make_session(clock, network, retry=retry, connect_timeout=None):
        assert 900 <= clock.monotonic() - started <= 901


async def test_a_503_is_retried(clock):
    network = MemoryNetwork()
    network.refuse(503, times=3)
    async with PhoenixPeer(network), make_session(clock, network) as session:
        assert session.connected


async def test_refused_credentials_stop_the_session_with_their_own_error(clock):
    async def refuse(fresh):
        raise CredentialsRefused("the password is wrong")

    session = make_session(clock, MemoryNetwork(), credentials=Credentials(refuse))
    with pytest.raises(CredentialsRefused, match="password is wrong"):
        await session.open()
    await session.close()


async def test_a_token_endpoint_that_fails_is_asked_again(clock):
    asked = []

    async def flaky(fresh):
        asked.append(fresh)
        if len(asked) < 4:
            raise CredentialsError("busy")
        return "token"

    async with line(clock, credentials=Credentials(flaky)) as (session, _):
        assert session.connected
        assert len(asked) == 4


async def test_a_half_open_line_is_found_within_ping_interval_and_timeout(clock):
    async with line(clock, retry=RetryPolicy(None, 0.0, 0.0)) as (session, peer):
        await session.subscribe("markets").confirmed()
        await asyncio.sleep(3)
        peer.half_open()
        started = clock.monotonic()
        await peer.joined("markets", 2)
        assert clock.monotonic() - started <= 15.0


async def test_a_living_downlink_does_not_hide_a_dead_uplink(clock):
    async with line(clock, retry=RetryPolicy(None, 0.0, 0.0)) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        await asyncio.sleep(3)
        peer.deafen()
        started, first = clock.monotonic(), peer.newest
        while len(peer.connections) == 1 and clock.monotonic() - started < 60:
            peer.broadcast("markets", "tick", {})
            await asyncio.sleep(0.5)
        assert clock.monotonic() - started <= 15.5
        assert first is not peer.newest
        assert "ping" in session.statistics().last_error


async def with_a_late_pong(clock, peer, seconds):
    """Wait until the first ping is out, whose pong arrives after `seconds`; the pongs after it come at once."""
    peer.newest.link.to_client = LinkFaults(delay=seconds)
    await asyncio.sleep(1010.1 - clock.monotonic())
    assert peer.newest.link.pings == 1
    peer.newest.link.to_client = LinkFaults()


async def test_after_a_suspend_a_ping_that_was_out_is_judged_by_what_still_comes(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("markets").confirmed()
        await with_a_late_pong(clock, peer, 3600.5)
        clock.suspend(3600)
        await asyncio.sleep(60)
        assert session.statistics().reconnections == 0


async def test_while_reading_is_paused_no_pong_is_waited_for(clock):
    async with line(clock, heartbeat_interval=300) as (session, peer):
        await session.subscribe("markets").confirmed()
        await with_a_late_pong(clock, peer, 32)
        connection = session._driver.connection
        connection.pause()
        await asyncio.sleep(30)
        connection.resume()
        session._driver.loop.rearm()
        await asyncio.sleep(60)
        assert session.statistics().reconnections == 0


async def test_an_unanswered_heartbeat_ends_the_connection_though_pongs_come(clock):
    async with line(clock, heartbeat_interval=30, heartbeat_timeout=10) as (session, peer):
        peer.mute_heartbeats()
        await peer.connected(2)
        assert "heartbeat" in session.statistics().last_error
        assert 40 <= clock.monotonic() - 1000 <= 42


async def test_a_quiet_market_does_not_flap(clock):
    async with line(clock) as (session, _):
        await session.subscribe("markets").confirmed()
        await asyncio.sleep(6 * 3600)
        assert session.statistics().reconnections == 0


async def test_after_a_suspend_the_socket_is_drained_before_a_timer_is_judged(clock):
    async with line(clock) as (session, _):
        await session.subscribe("markets").confirmed()
        for _ in range(20):
            await asyncio.sleep(7.3)
            clock.suspend(3600)
        await asyncio.sleep(60)
        assert session.statistics().reconnections == 0


async def test_a_wall_clock_that_jumps_moves_no_timer(clock):
    async with line(clock) as (session, _):
        await session.subscribe("markets").confirmed()
        clock.jump_wall(-3600)
        await asyncio.sleep(120)
        clock.jump_wall(7200)
        await asyncio.sleep(120)
        assert session.statistics().reconnections == 0


async def test_what_an_older_connection_still_reports_is_discarded(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        old = session._driver.connection
        session.reconnect()
        await peer.joined("markets", 2)
        before = session.statistics().publications
        old.received([b'[null,null,"markets","tick",{"late":true}]'])
        old.lost(ConnectFailed("x", "late"))
        assert session.statistics().publications == before
        assert session.connected


async def test_a_peer_that_never_greets_is_left_after_the_deadline(clock):
    class Shy(PhoenixClient):
        def hello(self, now):
            super().hello(now)
            return []

    made = []

    def protocol(token):
        made.append(token)
        return Shy() if len(made) == 1 else PhoenixClient()

    async with line(clock, protocol=protocol, greeting_timeout=7) as (session, _):
        assert len(made) == 2
        assert clock.monotonic() - 1000 >= 7
        assert "greet" in session.statistics().last_error


async def test_a_peer_that_forbids_to_come_back_is_not_asked_again(clock):
    class Banned(PhoenixClient):
        def hello(self, now):
            return [Ready(), Failed("invalid token", 3500, terminal=True)]

    network = MemoryNetwork()
    session = make_session(clock, network, protocol=lambda token: Banned())
    await session.open()
    with pytest.raises(GaveUp, match="invalid token"):
        await session.run_forever()
    await session.close()


@pytest.mark.parametrize("when", ["connecting", "backing off", "authorizing"])
async def test_close_returns_soon_whatever_the_session_is_doing(clock, when):
    network = MemoryNetwork()
    fields = {}
    if when == "connecting":
        network.hang(times=9)
    elif when == "backing off":
        network.unreachable(times=9)
        fields["retry"] = RetryPolicy(None, 60.0, 60.0, jitter=False)
    else:

        async def slow(fresh):
            await asyncio.sleep(3600)

        fields["credentials"] = Credentials(slow, timeout=7200)
    session = make_session(clock, network, **fields)
    opening = asyncio.ensure_future(session.open())
    await asyncio.sleep(1)
    started = clock.monotonic()
    await session.close()
    assert clock.monotonic() - started < 2
    with pytest.raises(SessionClosed):
        await opening
    assert session.state == "closed"


async def test_close_leaves_each_topic_and_then_closes_the_socket(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("a").confirmed()
        await session.subscribe("b").confirmed()
        await session.close()
        assert peer.events("a") == ["phx_join", "phx_leave"]
        assert peer.events("b") == ["phx_join", "phx_leave"]
        assert peer.newest.link.ended.code == 1000


async def test_close_is_bounded_when_the_peer_is_gone_and_idempotent(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("a").confirmed()
        peer.half_open()
        started = clock.monotonic()
        await asyncio.gather(session.close(), session.close())
        await session.close()
        assert clock.monotonic() - started <= 2.5


async def test_no_task_is_left_after_close(clock):
    before = asyncio.all_tasks()
    async with line(clock) as (session, _):
        session.subscribe("a", handler=lambda item: None)
        session.subscribe("b", handler=lambda item: None)
        await asyncio.sleep(1)
    assert asyncio.all_tasks() == before


async def test_the_states_are_told_as_they_come(clock):
    states = []
    async with line(clock, on_state=states.append, retry=RetryPolicy(None, 1.0, jitter=False)) as (_, peer):
        peer.abort()
        await peer.connected(2)
        await asyncio.sleep(1)
    assert states == [
        *("authorizing", "connecting", "greeting", "up"),
        *("waiting", "authorizing", "connecting", "greeting", "up"),
        *("closing", "closed"),
    ]


async def test_a_defect_while_a_read_is_dispatched_is_logged_and_the_line_made_anew(clock, caplog):
    class Broken(PhoenixClient):
        def receive(self, payloads, now):
            raise RuntimeError("a defect")

    made = []

    def protocol(token):
        made.append(1)
        return Broken() if len(made) == 1 else PhoenixClient()

    async with line(clock, protocol=protocol) as (session, _):
        await session.subscribe("a").confirmed()
        assert len(made) == 2
    assert any(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_the_url_of_these_tests_holds_a_token():
    assert "tok-in-url" in URL


async def test_close_is_polite_also_after_a_subscription_has_failed(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("a").confirmed()
        failing = session.subscribe("orders", policy="fail", capacity=1)
        await failing.confirmed()
        for _ in range(3):
            peer.broadcast("orders", "order", {})
        await peer.left("orders")
        await session.close()
        assert peer.events("a") == ["phx_join", "phx_leave"]
        assert peer.newest.link.ended.code == 1000


async def test_a_heartbeat_goes_out_every_interval_without_pings(clock):
    async with line(clock, heartbeat_interval=3, ping_interval=None) as (_, peer):
        beats = [await peer.received("phoenix", "heartbeat", n) for n in (1, 2, 3)]
    assert [round(beat.at - 1000, 3) for beat in beats] == [3, 6, 9]


async def test_a_line_of_the_log_never_ends_where_it_should_begin_to_say_something(clock, caplog):
    async def provider(fresh):
        raise TimeoutError

    session = make_session(
        clock, MemoryNetwork(), credentials=Credentials(provider), retry=RetryPolicy(2, 0.1)
    )
    with pytest.raises(GaveUp, match="TimeoutError"):
        await session.open()
    lines = [record.getMessage() for record in caplog.records]
    assert any("TimeoutError" in line for line in lines)
    assert not [line for line in lines if ": ;" in line or line.rstrip().endswith(":")]


async def test_after_a_pause_the_reply_to_a_heartbeat_has_its_whole_time_anew(clock):
    fields = {"heartbeat_interval": 30, "heartbeat_timeout": 10, "ping_interval": None}
    async with line(clock, **fields) as (session, peer):
        await session.subscribe("markets").confirmed()
        peer.newest.link.to_client = LinkFaults(delay=12)
        await asyncio.sleep(1031 - clock.monotonic())
        assert peer.events("phoenix") == ["heartbeat"]
        connection = session._driver.connection
        connection.pause()
        await asyncio.sleep(8.5)
        connection.resume()
        session._driver.loop.rearm()
        await asyncio.sleep(15)
        assert session.statistics().reconnections == 0


async def test_a_transport_that_comes_when_nobody_waits_for_it_any_more_is_dropped(clock):
    network = MemoryNetwork()

    class Stubborn:
        async def connect(self, endpoint, receiver):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            return await network.connect(endpoint, receiver)

    async with PhoenixPeer(network) as peer:
        session = make_session(clock, Stubborn())
        opening = asyncio.create_task(session.open())
        await asyncio.sleep(1)
        await session.close()
        with pytest.raises(SessionClosed):
            await opening
        await asyncio.sleep(1)
        assert [connection.is_open for connection in peer.connections] == [False]
