"""A scripted Phoenix venue in this process, over the memory network: what a session's tests talk to.

How to use it::

    async def test_it(clock):
        network = MemoryNetwork()
        async with PhoenixPeer(network) as peer:
            session = ...                       # with connector=network, and a PhoenixClient as its protocol
            await peer.joined("markets")        # the first accepted join of that topic, on any connection
            peer.broadcast("markets", "tick", {"n": 1})
            peer.drop(1012)                     # close the newest connection with that code
            await peer.joined("markets", 2)     # ... and the session has joined again

It accepts every connection, answers heartbeats, accepts every join with `{}`, and lets pushes go unanswered. Order
otherwise, before or while it runs:

* joins: `refuse_join`, `ignore_join`, `accept_join(topic, response)`; each for the next `times` joins of a topic, used
  up in the order given. `on_join` (a function of peer, connection and request) replaces the last resort.
* pushes: `reply_to(event, response, status)`, or `on_push` for any other answer.
* the line: `drop`, `abort`, `half_open`, `mute_heartbeats`, `unmute_heartbeats`; and at the network itself `refuse`,
  `unreachable`, `hang`.
* what it says: `push`, `broadcast`, `crash`, `close_topic` on every open connection that has the topic joined; `raw`
  for bytes of any kind.
* what it saw: `frames` (every frame received, with the number of its connection), `events(topic)`, `connections`, and
  to wait for it: `joined`, `left`, `connected`, `received`. These return at once if it has happened already.

Connections are numbered from 1. Each call that says something arrives as one read. An error in a function of yours
(`on_join`, `on_push`) is raised by whatever waits, or at the end of the `async with`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from ..errors import NotSubscribed, UndecodableFrame
from ..protocols.base import Binary, Failed, Payload
from ..protocols.phoenix import (
    Codec,
    Frame,
    JoinRequested,
    LeaveRequested,
    PhoenixServer,
    PushReceived,
    Version,
    negotiate,
)
from ..transport.memory import MemoryNetwork, MemoryPeer
from .scripted import ScriptedConnection, ScriptedVenue

MAX_FRAMES = 100_000
"""Frames kept for assertions; beyond, the older half is forgotten."""

__all__ = ["PhoenixPeer", "PhoenixPeerConnection", "ReceivedFrame"]

OnJoin: TypeAlias = "Callable[[PhoenixPeer, PhoenixPeerConnection, JoinRequested], None]"
OnPush: TypeAlias = "Callable[[PhoenixPeer, PhoenixPeerConnection, PushReceived], None]"


class ReceivedFrame(msgspec.Struct, frozen=True):
    """One frame a client sent. `payload` is decoded; `at` is the loop's time."""

    connection: int
    join_ref: str | int | None
    ref: str | int | None
    topic: str
    event: str
    payload: Any
    at: float


class PhoenixPeerConnection(ScriptedConnection):
    """One connection of a client: its number, its endpoint, its server side."""

    server: PhoenixServer

    def __init__(self, number: int, link: MemoryPeer, version: Version, max_channels: int = 100) -> None:
        super().__init__(number, link, PhoenixServer(version, max_channels=max_channels))
        self.codec: Codec = Codec(version, "server")

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the URL."""
        return dict(parse_qsl(urlsplit(self.endpoint.url).query, keep_blank_values=True))


class PhoenixPeer(ScriptedVenue[PhoenixPeerConnection]):
    """A scripted venue that speaks Phoenix Channels; see the head of this file. Use it as `async with`.

    `version` is what is spoken with clients whose URL names none; a version that no server speaks is cut off.
    """

    def __init__(
        self, network: MemoryNetwork, *, version: Version = "2.0.0", max_channels: int = 100
    ) -> None:
        super().__init__(network)
        self.frames: list[ReceivedFrame] = []
        self.on_join: OnJoin | None = None
        self.on_push: OnPush | None = None
        self._version: Version = version
        self._max_channels = max_channels
        self._scripts: defaultdict[str, deque[tuple[str, Any]]] = defaultdict(deque)
        self._replies: dict[str, tuple[str, Any]] = {}
        self._joins: defaultdict[str, int] = defaultdict(int)
        self._leaves: defaultdict[str, int] = defaultdict(int)
        self._muted = False

    # Orders about joins and pushes.

    def accept_join(self, topic: str, response: Any = None, times: int = 1) -> None:
        """Answer the next `times` joins of `topic` with ok and `response`."""
        self._scripts[topic].extend([("accept", response)] * times)

    def refuse_join(self, topic: str, response: Any = None, times: int = 1) -> None:
        """Refuse the next `times` joins of `topic`; `response` is `{"reason": "unauthorized"}` where not given."""
        self._scripts[topic].extend([("refuse", response or {"reason": "unauthorized"})] * times)

    def ignore_join(self, topic: str, times: int = 1) -> None:
        """Never answer the next `times` joins of `topic`."""
        self._scripts[topic].extend([("ignore", None)] * times)

    def reply_to(self, event: str, response: Any = None, status: str = "ok") -> None:
        """Answer every push of `event` from now on."""
        self._replies[event] = (status, response)

    def mute_heartbeats(self) -> None:
        """Stop answering heartbeats; everything else goes on."""
        self._muted = True

    def unmute_heartbeats(self) -> None:
        """Answer heartbeats again."""
        self._muted = False

    # What it says.

    def push(self, topic: str, event: str, payload: Any) -> None:
        """Push with join_ref on every connection that has `topic` joined. Raises NotSubscribed where none has."""
        self._on_joined(topic, lambda connection: connection.server.push(topic, event, payload))

    def broadcast(self, topic: str, event: str, payload: Any) -> None:
        """Push without join_ref on every connection that has `topic` joined. Raises NotSubscribed where none has."""
        self._on_joined(topic, lambda connection: connection.server.broadcast(topic, event, payload))

    def crash(self, topic: str, payload: Any = None) -> None:
        """`phx_error` for `topic`. Raises NotSubscribed where nobody has it joined."""
        self._on_joined(topic, lambda connection: connection.server.crash(topic, payload))

    def close_topic(self, topic: str, payload: Any = None) -> None:
        """`phx_close` for `topic`. Raises NotSubscribed where nobody has it joined."""
        self._on_joined(topic, lambda connection: connection.server.close(topic, payload))

    # The line.

    def drop(self, code: int = 1012, reason: str = "") -> None:
        """Close the newest connection with a close frame."""
        self.newest.link.close(code, reason)

    # What it saw.

    def events(self, topic: str) -> list[str]:
        """The events received on `topic`, on all connections, in order."""
        return [frame.event for frame in self.frames if frame.topic == topic]

    async def joined(self, topic: str, n: int = 1) -> None:
        """Wait until a join of `topic` was accepted for the nth time."""
        await self._until(lambda: self._joins[topic] >= n)

    async def left(self, topic: str, n: int = 1) -> None:
        """Wait until the client left `topic` for the nth time."""
        await self._until(lambda: self._leaves[topic] >= n)

    async def received(self, topic: str, event: str, n: int = 1) -> ReceivedFrame:
        """Wait for the nth frame with `event` on `topic`; returns it. Refused and ignored joins count too."""

        def found() -> list[ReceivedFrame]:
            return [frame for frame in self.frames if frame.topic == topic and frame.event == event]

        await self._until(lambda: len(found()) >= n)
        return found()[n - 1]

    def __repr__(self) -> str:
        return f"<PhoenixPeer connections={len(self.connections)} frames={len(self.frames)}>"

    # Inside.

    def _welcome(self, number: int, link: MemoryPeer) -> PhoenixPeerConnection:
        query = dict(parse_qsl(urlsplit(link.endpoint.url).query))
        version = negotiate(query) if "vsn" in query else self._version
        if version is None:
            link.abort()  # the upgrade has been granted in memory: the nearest to 403 that is left is to end it
        return PhoenixPeerConnection(number, link, version or self._version, self._max_channels)

    def _take(self, connection: PhoenixPeerConnection, payload: Payload) -> None:
        frame = self._note(connection, payload)
        if self._muted and frame is not None and frame.topic == "phoenix":
            return
        for request in connection.server.receive(payload):
            if isinstance(request, JoinRequested):
                self._answer_join(connection, request)
            elif isinstance(request, LeaveRequested):
                self._leaves[request.topic] += 1
            elif isinstance(request, PushReceived):
                self._answer_push(connection, request)
            else:
                self._fail(connection, request)

    def _note(self, connection: PhoenixPeerConnection, payload: Payload) -> Frame | None:
        try:
            frame = connection.codec.decode(payload)
            raw = frame.payload
            content = raw if isinstance(raw, Binary) else msgspec.json.decode(raw)
        except (UndecodableFrame, msgspec.MsgspecError):
            return None
        now = asyncio.get_running_loop().time()
        if len(self.frames) >= MAX_FRAMES:
            del self.frames[: MAX_FRAMES // 2]
        self.frames.append(
            ReceivedFrame(
                connection.number, frame.join_ref, frame.ref, frame.topic, frame.event, content, now
            )
        )
        return frame

    def _answer_join(self, connection: PhoenixPeerConnection, join: JoinRequested) -> None:
        script = self._scripts[join.topic]
        if script:
            answer, response = script.popleft()
            if answer == "accept":
                self.accept(connection, join, response)
            elif answer == "refuse":
                connection.server.refuse(join, response)
        elif self.on_join is not None:
            self.on_join(self, connection, join)
        else:
            self.accept(connection, join)

    def accept(self, connection: PhoenixPeerConnection, join: JoinRequested, response: Any = None) -> None:
        """Accept a join from within `on_join`, or later; `joined` counts it."""
        self._joins[join.topic] += connection.server.accept(join, response)
        connection.flush()
        self._changed.set()

    def _answer_push(self, connection: PhoenixPeerConnection, push: PushReceived) -> None:
        if push.event in self._replies:
            connection.server.reply(push, *self._replies[push.event])
        elif self.on_push is not None:
            self.on_push(self, connection, push)

    def _fail(self, connection: PhoenixPeerConnection, failed: Failed) -> None:
        connection.link.close(failed.code or 1011, failed.reason)

    def _on_joined(self, topic: str, say: Callable[[PhoenixPeerConnection], None]) -> None:
        audience = [connection for connection in self._open() if topic in connection.server.joined]
        if not audience:
            raise NotSubscribed(topic)
        for connection in audience:
            say(connection)
            connection.flush()
