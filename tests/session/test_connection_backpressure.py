"""Policy `block` on a connection: who stops the reading, who lets it go on, and what a lost line forgets."""

import asyncio

import pytest

from tapewire.errors import BufferOverflow
from tapewire.protocols.graphql_ws import GraphQLClient, GraphQLServer, Operation
from tapewire.protocols.graphql_ws.server import InitReceived, SubscribeReceived
from tapewire.protocols.phoenix import Push
from tapewire.testing.scripted import ScriptedConnection, ScriptedVenue
from tapewire.transport.memory import MemoryNetwork
from tests.session.line import line, make_session, take
from tests.session.numbered_line import numbered_line


def flood(peer, topic, count=20):
    for n in range(count):
        peer.broadcast(topic, "tick", {"n": n})


async def test_reading_goes_on_when_the_last_of_two_full_consumers_has_room(clock):
    async with line(clock, pause_limit=60) as (session, _):
        first, second = (session.subscribe(topic, policy="block", capacity=4) for topic in ("a", "b"))
        await first.confirmed()
        await second.confirmed()
        pausing = session._driver.backpressure
        pausing.pause(first)
        pausing.pause(second)
        assert session._driver.connection.paused
        pausing.resume(first)
        assert pausing
        assert session._driver.connection.paused
        pausing.resume(second)
        assert not pausing
        assert not session._driver.connection.paused


async def test_the_next_connection_reads_and_stops_again_with_the_first_that_finds_no_room(clock):
    async with line(clock, pause_limit=60) as (session, peer):
        subscription = session.subscribe("a", policy="block", capacity=4)
        await subscription.confirmed()
        for count in (2, 3, 4):
            flood(peer, "a")
            await asyncio.sleep(0.1)
            assert session._driver.connection.paused
            session.reconnect()
            await peer.joined("a", count)
        held = len(subscription.buffer)
        for n in range(100):
            peer.broadcast("a", "tick", {"n": n})
            await asyncio.sleep(0.1)
        assert session._driver.connection.paused
        assert len(subscription.buffer) <= held + 2


async def test_a_lost_connection_gives_a_stuck_consumer_no_more_time(clock):
    async with line(clock, pause_limit=3) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=4)
        await stuck.confirmed()
        for _ in range(4):
            flood(peer, "a")
            await asyncio.sleep(1)
            session.reconnect()
        with pytest.raises(BufferOverflow):
            await take(stuck, 100)


async def test_a_handler_that_awaits_a_reply_while_it_is_full_gets_it(clock):
    got = []

    async def asking(item):
        if item.event == "tick":
            got.append(await session.request(Push("a", "ask", {})))

    async with line(clock, pause_limit=4) as (session, peer):
        peer.reply_to("ask", {})
        subscription = session.subscribe("a", handler=asking, policy="block", capacity=4)
        await subscription.confirmed()
        flood(peer, "a", 30)
        await asyncio.sleep(5)
        assert len(got) == 30
        assert subscription.state == "subscribed"


async def test_what_a_peer_says_in_the_read_that_fills_a_consumer_counts(clock):
    async with line(clock, pause_limit=4) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        flood(peer, "a", 9)
        peer.drop(1012)
        await asyncio.sleep(20)
        assert session.statistics().reconnections >= 1


async def test_heartbeats_go_on_after_a_pause_in_which_one_was_due(clock):
    async with line(clock, pause_limit=8, heartbeat_interval=5, heartbeat_timeout=3) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        await asyncio.sleep(4.5)
        flood(peer, "a", 9)
        await asyncio.sleep(7)
        await take(stuck, 9)
        beats = peer.events("phoenix").count("heartbeat")
        await asyncio.sleep(20)
        assert session.statistics().reconnections == 0
        assert peer.events("phoenix").count("heartbeat") >= beats + 3


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


# What a protocol says once is said in a read that fills a consumer, or while nothing is read.


def pushes(topic, count=9):
    return [b'{"push":{"channel":"%s","pub":{"data":{}}}}' % topic.encode() for _ in range(count)]


async def test_a_disconnect_in_the_read_that_fills_a_consumer_is_heard(clock):
    async with numbered_line(clock, pause_limit=4) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        peer.raw(*pushes("a"), b'{"push":{"disconnect":{"code":3503,"reason":"no more"}}}')
        await asyncio.sleep(0.1)
        assert session.state == "failed"
        assert len(peer.connections) == 1


async def test_a_confirmation_in_the_read_that_fills_a_consumer_is_heard(clock):
    async with numbered_line(clock, pause_limit=60) as (session, peer):
        stuck = session.subscribe("a", policy="block", capacity=2)
        await stuck.confirmed()
        peer.ignore_subscribe("b")
        other = session.subscribe("b", policy="block")
        number = (await peer.received("subscribe", "b")).id
        peer.raw(*pushes("a"), b'{"id":%d,"subscribe":{}}' % number)
        await asyncio.wait_for(other.confirmed(), 1)
        assert session._driver.connection.paused


class _Operations(ScriptedConnection):
    def __init__(self, number, link):
        super().__init__(number, link, GraphQLServer(asyncio.get_running_loop().time()))


class _GraphQLPeer(ScriptedVenue[_Operations]):
    """Accepts every operation, and remembers what came."""

    def __init__(self, network):
        super().__init__(network)
        self.pings, self.operation = 0, ""

    def _welcome(self, number, link):
        return _Operations(number, link)

    def _take(self, connection, payload):
        self.pings += b'"ping"' in bytes(payload)
        for request in connection.server.receive(payload):
            if isinstance(request, InitReceived):
                connection.server.accept()
            elif isinstance(request, SubscribeReceived):
                self.operation = request.id

    def flood(self, count=9):
        (connection,) = self.connections
        for n in range(count):
            connection.server.next(self.operation, {"data": {"n": n}})
        connection.flush()


async def test_pings_of_graphql_go_on_after_a_pause_in_which_one_was_due(clock):
    network = MemoryNetwork()
    protocol = GraphQLClient(ping_interval=5, ping_timeout=3)
    fields = {"protocol": lambda token: protocol, "pause_limit": 12, "ping_interval": None}
    async with _GraphQLPeer(network) as peer, make_session(clock, network, **fields) as session:
        stuck = session.subscribe("a", Operation("subscription { a }"), policy="block", capacity=2)
        await stuck.confirmed()
        await asyncio.sleep(4.5)
        peer.flood()
        await asyncio.sleep(10)
        for _ in range(9):
            await anext(stuck)
        before = peer.pings
        await asyncio.sleep(20)
        assert session.statistics().reconnections == 0
        assert peer.pings >= before + 3
