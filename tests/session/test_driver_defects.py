"""Functions of the owner's that fail, and defects of ours: each ends in one place, and no state is a dead end."""

import asyncio
import random
from decimal import InvalidOperation

import pytest

from tapewire.errors import OwnerCancelled, WrongLoop
from tapewire.marks import Gap
from tapewire.protocols.base import Failed
from tapewire.protocols.centrifugo import CentrifugoClient
from tapewire.protocols.phoenix import PhoenixClient, Push
from tapewire.retry import RetryPolicy
from tapewire.session.credentials import Credentials
from tapewire.session.pool import Pool
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import line, make_session, take
from tests.session.numbered_line import RECOVERABLE, buffered, numbered_line, publish, said

# --- decode and handlers ------------------------------------------------------------------------------------


class Decoding:
    """Fails at the second publication."""

    def __init__(self, error):
        self.error = error

    def __call__(self, publication):
        if publication.offset == 2:
            raise self.error
        return publication


DECODING_ERRORS = [
    AttributeError("x"),
    IndexError(3),
    InvalidOperation(),
    asyncio.CancelledError(),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", DECODING_ERRORS, ids=repr)
@pytest.mark.parametrize("inline", [True, False])
async def test_whatever_decode_raises_is_a_gap_in_its_place_and_costs_nothing_else(clock, error, inline):
    got = []
    async with numbered_line(clock) as (session, peer):
        subscription = session.subscribe(
            "book",
            RECOVERABLE,
            handler=lambda item: got.append(said(item)),
            on_mark=lambda mark: got.append(said(mark)),
            decode=Decoding(error),
            inline=inline,
        )
        await subscription.confirmed()
        publish(peer, "book", [1, 2, 3, 4])
        await asyncio.sleep(1)
        assert got == [1, "gap undecodable 1", 3, 4]
        assert session.statistics().connections == 1
        assert subscription.statistics().undecodable == 1


async def test_an_inline_handler_that_raises_the_cancelled_error_of_another_future_costs_no_connection(clock):
    got, cancelled = [], []

    def inline(item):
        if item.offset == 4:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            future.result()
        got.append(item.offset)

    async with numbered_line(clock) as (session, peer):
        subscription = session.subscribe(
            "book",
            RECOVERABLE,
            handler=inline,
            inline=True,
            on_error=lambda error, item: cancelled.append(error),
        )
        await subscription.confirmed()
        publish(peer, "book", range(1, 8))
        await asyncio.sleep(1)
        assert got == [1, 2, 3, 5, 6, 7]
        assert [type(error) for error in cancelled] == [asyncio.CancelledError]
        assert session.statistics().connections == 1


async def test_a_strict_handlers_cancelled_error_cancels_nobody(clock):
    async def handler(item):
        raise asyncio.CancelledError

    async with line(clock, strict=True) as (session, _):
        session.subscribe("markets", handler=handler)
        with pytest.raises(OwnerCancelled):
            await session.run_forever()


# --- what makes a connection --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [TypeError("takes no arguments"), AttributeError("tokn"), NameError("x")])
@pytest.mark.parametrize("role", ["token", "endpoint", "protocol", "admit"])
async def test_an_error_of_programming_ends_the_session_with_that_error(clock, error, role):
    async def token(fresh):
        raise error

    def factory(*given):
        raise error

    async def admit():
        raise error

    field = {
        "token": {"credentials": Credentials(token)},
        "endpoint": {"endpoint": factory},
        "protocol": {"protocol": factory},
        "admit": {"admit": admit},
    }[role]
    network = MemoryNetwork()
    async with PhoenixPeer(network):
        started = clock.monotonic()
        with pytest.raises(type(error)) as caught:
            async with make_session(clock, network, **field):
                pass
        assert caught.value is error
        assert clock.monotonic() - started < 1


async def test_an_admit_that_is_cancelled_by_itself_is_tried_again(clock):
    calls = []

    async def admit():
        calls.append(1)
        if len(calls) == 1:
            raise asyncio.CancelledError

    network = MemoryNetwork()
    async with PhoenixPeer(network), make_session(clock, network, admit=admit) as session:
        assert session.connected


async def test_a_snapshot_that_is_cancelled_by_itself_is_a_failed_snapshot(clock):
    calls = []

    async def snapshot():
        calls.append(1)
        if len(calls) == 1:
            raise asyncio.CancelledError
        return "good"

    async with line(clock) as (session, peer):
        subscription = session.subscribe("book", snapshot=snapshot)
        await subscription.confirmed()
        peer.broadcast("book", "tick", {"n": 1})
        items = await take(subscription, 3)
        assert isinstance(items[0], Gap)
        assert items[0].reason == "reseed failed"
        assert items[1] == ("tick", {"n": 1})
        assert items[2].snapshot == "good"


class CancelledOnce:
    """Ends with the cancellation of something else the first time, and is `then` from there on."""

    def __init__(self, then, times=1):
        self.then, self.left = then, times

    def __call__(self, *given, **named):
        if self.left:
            self.left -= 1
            raise asyncio.CancelledError
        return self.then(*given, **named)


async def awaited_token(fresh):
    return "token"


@pytest.mark.parametrize("role", ["token", "endpoint", "protocol", "connector"])
async def test_what_makes_a_connection_and_is_cancelled_by_itself_is_no_dead_end(clock, role):
    network = MemoryNetwork()
    usual = make_session(clock, network).options
    once = {
        "token": CancelledOnce(awaited_token),
        "endpoint": CancelledOnce(usual.endpoint),
        "protocol": CancelledOnce(usual.protocol),
        "connector": CancelledOnce(network.connect),
    }[role]

    class Connector:
        connect = staticmethod(once)

    field = {"token": {"credentials": Credentials(once)}, "connector": {"connector": Connector()}}
    async with PhoenixPeer(network):
        session = make_session(clock, network, **field.get(role, {role: once}))
        async with asyncio.timeout(30):
            await session.open()
        assert session.connected
        assert once.left == 0
        await session.close()


def ignore(*given):
    """A handler, on_mark or on_error that does nothing."""


async def ignore_slowly(*given):
    await asyncio.sleep(0)


@pytest.mark.parametrize("handler", [ignore, ignore_slowly, None], ids=["plain", "async", "inline"])
@pytest.mark.parametrize("role", ["handler", "on_mark", "on_error", "on_snapshot", "reconcile", "key"])
async def test_a_consumers_function_that_is_cancelled_by_itself_costs_neither_line_nor_stream(
    clock, caplog, role, handler
):
    inline, handler = handler is None, handler or ignore
    got, failed = [], []

    async def snapshot():
        return "state"

    def keep(item):
        got.append(said(item))
        if role == "on_error" and item.offset == 2:
            raise ValueError("for on_error")
        return handler(item)

    fields = {"handler": keep, "on_error": lambda error, item: failed.append(type(error)), "inline": inline}
    if role in ("on_mark", "on_snapshot"):
        fields |= {"snapshot": snapshot, role: handler}
    elif role == "reconcile":
        fields |= {"snapshot": snapshot, role: lambda state, held: held}
    elif role == "key":
        fields |= {"policy": "conflate", role: lambda item: item.offset, "inline": False}
    once = fields[role] = CancelledOnce(fields[role])
    async with numbered_line(clock) as (session, peer):
        subscription = session.subscribe("book", RECOVERABLE, **fields)
        await subscription.confirmed()
        await asyncio.sleep(1)
        for number in range(1, 5):
            publish(peer, "book", [number])
            await asyncio.sleep(1)
        assert got == ([2, 3, 4] if role == "handler" else [1, 2, 3, 4])
        assert failed == ([asyncio.CancelledError] if role in ("handler", "on_mark", "on_snapshot") else [])
        assert session.statistics().connections == 1
        assert once.left == 0
        assert "a defect" not in caplog.text


async def test_a_protocol_that_raises_for_a_topic_costs_that_topic_alone(clock):
    class Refusing(PhoenixClient):
        def subscribe(self, topic, params=None, position=None):
            if topic == "bad":
                raise TypeError("no such parameter")
            super().subscribe(topic, params, position)

    async with line(clock, protocol=lambda token: Refusing()) as (session, peer):
        bad, good = session.subscribe("bad"), session.subscribe("good")
        await good.confirmed()
        with pytest.raises(TypeError):
            await anext(bad)
        peer.abort()
        await peer.joined("good", 2)
        assert session.statistics().connections == 2


async def test_a_defect_of_ours_drops_the_connection_and_begins_anew(clock, caplog):
    class Broken(PhoenixClient):
        broken = True

        def receive(self, payloads, now):
            if Broken.broken and any(b"tick" in payload for payload in payloads):
                Broken.broken = False
                raise RuntimeError("a defect")
            return super().receive(payloads, now)

    async with line(clock, protocol=lambda token: Broken()) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 2})
        items = await take(subscription, 2)
        assert isinstance(items[0], Gap)
        assert "a defect" in items[0].detail
        assert items[1] == ("tick", {"n": 2})
        assert "a defect; the connection is made anew" in caplog.text


# --- the close ----------------------------------------------------------------------------------------------


async def swallowing(*given):
    while True:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            if swallowing.over:
                raise


swallowing.over = False


@pytest.mark.parametrize("role", ["handler", "snapshot"])
async def test_close_is_bounded_when_cancellation_is_swallowed(clock, role, caplog):
    swallowing.over = False
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        session = make_session(clock, network, close_timeout=2)
        await session.open()
        await session.subscribe("markets", **{role: swallowing}).confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.5)
        started = clock.monotonic()
        await session.close()
        assert clock.monotonic() - started < 10
        assert "goes on although it was cancelled" in caplog.text
        swallowing.over = True


async def test_closing_on_a_dead_line_is_no_busy_loop(clock):
    looks = []

    class Counting(PhoenixClient):
        def next_deadline(self):
            looks.append(1)
            return super().next_deadline()

    fields = {
        "ping_interval": 1,
        "ping_timeout": 0.5,
        "close_timeout": 5,
        "protocol": lambda token: Counting(),
    }
    async with line(clock, **fields) as (session, peer):
        await session.subscribe("markets").confirmed()
        peer.half_open()
        await asyncio.sleep(1.2)  # a ping is out, and nothing will answer it
        looks.clear()
        await session.close()
        assert len(looks) < 50


async def test_a_close_that_is_waited_for_in_a_handler_through_another_task_is_not_cut_short(clock):
    done = []

    async with line(clock, close_timeout=1) as (session, peer):

        async def closing(item):
            if item.event == "tick":
                await asyncio.wait_for(session.close(), 30)
                done.append(session.state)

        await session.subscribe("markets", handler=closing).confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(20)
        assert done == ["closed"]


async def test_a_close_that_is_cancelled_goes_on(clock):
    async def slow(item):
        await asyncio.sleep(1_000)

    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        session = make_session(clock, network)
        await session.open()
        await session.subscribe("markets", handler=slow).confirmed()
        peer.broadcast("markets", "tick", {"n": 1})
        await asyncio.sleep(0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.close(), 0.01)
        await asyncio.sleep(10)
        assert session.state == "closed"
        assert not session._driver.loop.tasks


# --- functions twice at once --------------------------------------------------------------------------------


async def test_a_slow_handler_subscribed_again_is_never_called_twice_at_once_nor_with_one_publication_twice(
    clock,
):
    running, got = [], []

    async def slow(item):
        assert not running
        running.append(1)
        got.append(item.offset)
        await asyncio.sleep(0.05)
        running.pop()

    async with numbered_line(clock) as (session, peer):
        first = session.subscribe("book", RECOVERABLE, handler=slow)
        await first.confirmed()
        publish(peer, "book", range(100))
        await asyncio.sleep(0.5)
        first.unsubscribe()
        again = session.subscribe("book", RECOVERABLE, handler=slow, position=first.position)
        await again.confirmed()
        await asyncio.sleep(20)
        assert got == list(range(1, 101))


# --- other loops, and the back-off --------------------------------------------------------------------------


def test_a_call_from_another_event_loop_says_so_instead_of_waiting_for_ever():
    network = MemoryNetwork()

    async def elsewhere(call):
        await asyncio.to_thread(lambda: asyncio.run(call()))

    async def main():
        from tapewire.clock import SystemClock

        async with PhoenixPeer(network), make_session(SystemClock(), network) as session:
            subscription = session.subscribe("markets")
            await subscription.confirmed()

            async def subscribe():
                session.subscribe("other")

            async def push():
                session.push(Push("markets", "tell", {}))

            async def reconnect():
                session.reconnect()

            async def drain():
                while True:
                    await anext(subscription)

            for call in (
                session.open,
                session.close,
                subscription.confirmed,
                subscribe,
                push,
                reconnect,
                drain,
            ):
                with pytest.raises(WrongLoop):
                    await elsewhere(call)

    asyncio.run(main())


async def test_after_each_outage_the_first_tries_are_quick_where_the_peer_served_us(clock):
    network = MemoryNetwork()
    back = []
    retry = RetryPolicy(None, 0.5, 30.0)
    async with (
        PhoenixPeer(network) as peer,
        make_session(clock, network, retry=retry, fraction=lambda: 0.9) as session,
    ):
        await session.subscribe("markets").confirmed()
        for outage in (2, 3, 4):
            await asyncio.sleep(4)
            started = clock.monotonic()
            network.unreachable(times=3)
            peer.abort()
            await peer.joined("markets", outage)
            back.append(clock.monotonic() - started)
        assert max(back) - min(back) < 0.5


async def test_a_peer_that_goes_on_confirming_has_served_us_a_second_after_the_first_time(clock):
    async with line(clock) as (session, peer):
        await session.subscribe("markets").confirmed()
        peer.abort()
        await peer.joined("markets", 2)
        assert session._driver.machine.waits
        for number in range(4):
            await asyncio.sleep(0.5)
            await session.subscribe(f"room:{number}").confirmed()
        assert not session._driver.machine.waits


@pytest.mark.parametrize("seed", range(40))
async def test_after_an_outage_of_a_peer_that_served_us_no_line_waits_longer_than_it_lasted(clock, seed):
    """However the dice fall: some small waits in a row would else lead to one of sixteen seconds."""
    network = MemoryNetwork()
    retry = RetryPolicy(None, 0.5, 30.0)
    async with (
        PhoenixPeer(network) as peer,
        make_session(clock, network, retry=retry, fraction=random.Random(seed).random) as session,
    ):
        await session.subscribe("markets").confirmed()
        for outage in (2, 3, 4):
            await asyncio.sleep(4)
            network.unreachable(times=1000)
            peer.abort()
            await asyncio.sleep(3)
            network.restore()
            restored = clock.monotonic()
            await peer.joined("markets", outage)
            assert clock.monotonic() - restored <= 3.1


async def test_a_peer_that_comes_back_and_drops_us_is_asked_ever_more_slowly(clock):
    network = MemoryNetwork()
    retry = RetryPolicy(None, 0.5, 30.0)
    fractions = iter([0.0, 0.0, 0.0, 0.0, 0.0])
    async with (
        PhoenixPeer(network) as peer,
        make_session(clock, network, retry=retry, fraction=lambda: next(fractions, 1.0)) as session,
    ):
        await session.subscribe("markets").confirmed()
        for connection in range(2, 7):
            peer.abort()
            await peer.joined("markets", connection)
        lost = clock.monotonic()
        peer.abort()
        await peer.joined("markets", 7)
        assert clock.monotonic() - lost > 15


async def test_a_pools_open_that_was_cancelled_can_be_waited_for_again(clock):
    network = MemoryNetwork()
    network.unreachable(times=3)
    options = make_session(clock, network).options
    async with PhoenixPeer(network):
        pool = Pool(lambda number: options)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.open(), 0.01)
        await pool.open()
        assert pool.sessions[0].connected
        await pool.close()


async def test_policy_resync_with_a_snapshot_delivers_to_a_slow_consumer(clock):
    snapshots = []

    async def snapshot():
        await asyncio.sleep(0.2)
        snapshots.append(1)
        return len(snapshots)

    async with numbered_line(clock) as (session, peer):
        book = session.subscribe("book", RECOVERABLE, policy="resync", capacity=10, snapshot=snapshot)
        await book.confirmed()

        async def feed():
            while True:
                publish(peer, "book", range(5))
                await asyncio.sleep(0.05)

        feeding = asyncio.create_task(feed())
        got = []
        for _ in range(300):
            got.append(said(await anext(book)))
            await asyncio.sleep(0.02)
        feeding.cancel()
        assert sum(isinstance(item, int) for item in got) > 100
        assert buffered(book) is not None


async def test_what_follows_the_end_of_a_greeting_in_one_read_is_no_word_of_the_next_line(clock, caplog):
    made = []

    class Undecided(CentrifugoClient):
        def receive(self, payloads, now):
            items = super().receive(payloads, now)
            return [Failed("not now"), *items] if made[0] is self else items

    def protocol(token):
        made.append(Undecided(token=token))
        return made[-1]

    async with numbered_line(clock, protocol=protocol) as (session, _):
        assert session.connected
        assert len(made) == 2
    assert "a defect" not in caplog.text
