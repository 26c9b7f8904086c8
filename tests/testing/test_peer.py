"""The scripted venue does what its manual says, seen by a client protocol over the memory network."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tapewire.errors import ConnectionLost, NotSubscribed
from tapewire.protocols.base import Confirmed, Ended, Failed, Interrupted, Payload, Ready, Refused, Replied
from tapewire.protocols.phoenix import Frame, PhoenixClient, Push
from tapewire.testing import VirtualClock
from tapewire.testing.peer import PhoenixPeer, PhoenixPeerConnection
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork


class Line:
    """The least driver that a client protocol needs."""

    def __init__(self, client: PhoenixClient) -> None:
        self.client = client
        self.items: list[Any] = []
        self.ended: ConnectionLost | None = None
        self.transport: Any = None

    async def open(self, network: MemoryNetwork, url: str = "ws://venue/socket/websocket?vsn=2.0.0") -> Line:
        self.transport = await network.connect(Endpoint(url=url), self)
        self.items += self.client.hello(asyncio.get_running_loop().time())
        return self

    def received(self, payloads: list[Payload]) -> None:
        self.items += self.client.receive(payloads, asyncio.get_running_loop().time())
        self.flush()

    def ponged(self) -> None:
        pass

    def lost(self, error: ConnectionLost) -> None:
        self.ended = error

    def flush(self) -> None:
        self.transport.send(self.client.data_to_send())

    def subscribe(self, topic: str, params: Any = None) -> None:
        self.client.subscribe(topic, params)
        self.flush()

    def events(self) -> list[Any]:
        """All that is no frame."""
        return [item for item in self.items if not isinstance(item, Frame)]

    def published(self) -> list[Any]:
        frames = [
            item for item in self.items if isinstance(item, Frame) and not item.event.startswith("phx_")
        ]
        return [msgspec.json.decode(frame.payload) for frame in frames]


async def settle() -> None:
    await asyncio.sleep(0.001)


async def test_joins_are_accepted_and_counted(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("markets", {"depth": 5})
        await peer.joined("markets")
        await settle()
        confirmed = line.items[1]
        assert isinstance(line.items[0], Ready)
        assert isinstance(confirmed, Confirmed)
        assert bytes(confirmed.reply) == b"{}"
        assert [(frame.connection, frame.event, frame.payload) for frame in peer.frames] == [
            (1, "phx_join", {"depth": 5})
        ]
        assert peer.events("markets") == ["phx_join"]
        assert peer.newest.query == {"vsn": "2.0.0"}


async def test_pushes_and_broadcasts_reach_who_has_joined(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        lines = [await Line(PhoenixClient()).open(network) for _ in range(3)]
        for line in lines[:2]:
            line.subscribe("markets")
        await peer.joined("markets", 2)
        peer.push("markets", "tick", {"n": 1})
        peer.broadcast("markets", "tick", {"n": 2})
        await settle()
        assert [line.published() for line in lines] == [[{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 2}], []]
        with pytest.raises(NotSubscribed):
            peer.broadcast("nobody", "tick", {})


async def test_scripted_joins_are_used_up_in_order(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        peer.refuse_join("a", {"reason": "busy"})
        peer.ignore_join("a")
        peer.accept_join("a", {"granted": 1})
        line = await Line(PhoenixClient()).open(network)
        for _ in range(3):
            line.subscribe("a")
            await settle()
        await peer.received("a", "phx_join", 3)
        refused, confirmed = line.events()[1:]
        assert (refused.reason, refused.retryable) == ("busy", True)
        assert bytes(confirmed.reply) == b'{"granted":1}'
        await peer.joined("a", 1)


async def test_a_refusal_is_unauthorized_where_nothing_is_said(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        peer.refuse_join("a", times=2)
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("a")
        await peer.received("a", "phx_join")
        await settle()
        assert line.events()[1] == Refused(
            "a", "unauthorized", retryable=False, reply={"reason": "unauthorized"}
        )


async def test_heartbeats_are_answered_until_they_are_muted(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient(heartbeat_interval=30, heartbeat_timeout=10)).open(network)
        await asyncio.sleep(30)
        assert line.client.handle_timer(asyncio.get_running_loop().time()) == []
        line.flush()
        await peer.received("phoenix", "heartbeat")
        await settle()
        assert line.client.ping_rtt is not None
        peer.mute_heartbeats()
        await asyncio.sleep(30)
        line.client.handle_timer(asyncio.get_running_loop().time())
        line.flush()
        await asyncio.sleep(10)
        assert isinstance(line.client.handle_timer(asyncio.get_running_loop().time())[0], Failed)
        peer.unmute_heartbeats()
        assert peer.events("phoenix") == ["heartbeat", "heartbeat"]


async def test_crash_and_close_are_said_on_the_topic(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("a")
        line.subscribe("b")
        await peer.joined("a")
        await peer.joined("b")
        peer.crash("a")
        peer.close_topic("b")
        await settle()
        assert [type(event) for event in line.events()[3:]] == [Interrupted, Ended]


async def test_pushes_are_answered_as_ordered(clock: VirtualClock) -> None:
    def on_push(peer: PhoenixPeer, connection: PhoenixPeerConnection, push: Any) -> None:
        connection.server.reply(push, "error", {"echo": push.payload})

    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        peer.reply_to("ping", {"ping": "pong"})
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("a")
        await peer.joined("a")
        await settle()
        ping = line.client.send(Push("a", "ping"))
        line.client.send(Push("a", "silence"))
        line.flush()
        await peer.received("a", "silence")
        peer.on_push = on_push
        other = line.client.send(Push("a", "other", [1]))
        line.flush()
        await peer.received("a", "other")
        await settle()
        replies = [event for event in line.events() if isinstance(event, Replied)]
        assert [(reply.ref, reply.ok, bytes(reply.reply)) for reply in replies] == [
            (ping, True, b'{"ping":"pong"}'),
            (other, False, b'{"echo":[1]}'),
        ]


async def test_a_join_may_be_accepted_later(clock: VirtualClock) -> None:
    waiting: list[tuple[PhoenixPeerConnection, Any]] = []
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        peer.on_join = lambda _, connection, join: waiting.append((connection, join))
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("a")
        await peer.received("a", "phx_join")
        await settle()
        assert line.events() == [Ready()]
        peer.accept(*waiting.pop(), {"late": True})
        await peer.joined("a")
        await settle()
        assert isinstance(line.events()[1], Confirmed)


async def test_the_line_ends_as_ordered(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient()).open(network)
        await peer.connected()
        peer.drop(1012, "deploy")
        await settle()
        assert line.ended is not None
        assert (line.ended.code, line.ended.reason) == (1012, "deploy")
        line = await Line(PhoenixClient()).open(network)
        await peer.connected(2)
        peer.abort()
        await settle()
        assert line.ended is not None
        assert line.ended.code == 1006
        line = await Line(PhoenixClient()).open(network)
        assert (await peer.connected(3)).is_open
        peer.half_open()
        line.subscribe("a")
        await settle()
        assert line.ended is None
        assert peer.frames == []
        assert [connection.number for connection in peer.connections] == [1, 2, 3]


async def test_a_malformed_frame_ends_the_connection_with_1011(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient()).open(network)
        await peer.connected()
        line.transport.send(["not a frame"])
        await settle()
        assert line.ended is not None
        assert line.ended.code == 1011


async def test_a_version_nobody_speaks_is_cut_off_and_none_is_v1_or_the_default(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network, version="1.0.0") as peer:
        line = await Line(PhoenixClient()).open(network, "ws://venue/socket/websocket?vsn=9.0.0")
        await settle()
        assert line.ended is not None
        line = await Line(PhoenixClient(version="1.0.0")).open(network, "ws://venue/socket/websocket")
        line.subscribe("a")
        await peer.joined("a")
        await settle()
        assert isinstance(line.events()[1], Confirmed)


async def test_leaving_is_seen_and_raw_bytes_are_passed_on(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer:
        line = await Line(PhoenixClient()).open(network)
        line.subscribe("a")
        await peer.joined("a")
        line.client.unsubscribe("a")
        line.flush()
        await peer.left("a")
        peer.raw("{", '[null,null,"x","e",{}]')
        await settle()
        assert line.client.undecodable == 1
        assert line.client.unrouted == 1
        assert line.client.stale == 2  # the leave's reply, and the close


async def test_an_error_in_a_script_is_raised_by_what_waits(clock: VirtualClock) -> None:
    def on_join(*_: Any) -> None:
        raise LookupError("the script is wrong")

    network = MemoryNetwork()
    peer = PhoenixPeer(network)
    peer.on_join = on_join

    async def wait_for_the_join() -> None:
        async with peer:
            line = await Line(PhoenixClient()).open(network)
            line.subscribe("a")
            await peer.joined("a")

    with pytest.raises(LookupError, match="the script is wrong"):
        await wait_for_the_join()
