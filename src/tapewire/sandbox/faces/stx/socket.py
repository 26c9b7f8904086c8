"""One Phoenix socket of the played STX: joins, filters, pushes, and the deadline of cancel-on-disconnect.

Topics (stx.md 1.5): `markets` and `market_info` for everybody; `active_orders`, `active_trades`, `active_positions`,
`active_settlements`, `portfolio` and `user_info` with the uid of their owner, or of anybody for an admin. An event
that a topic does not know crashes it, as on a real server.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Protocol

import msgspec

from ....protocols.base import Binary, Failed, Payload
from ....protocols.phoenix import (
    JoinRequested,
    LeaveRequested,
    PhoenixServer,
    PushReceived,
    ServerRequest,
    Version,
)
from ...core.faults import Injected
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from ...play import JoinGate, Venue
from .credentials import StxUser
from .filters import MarketSelection, select
from .messages import MARKET_INFO, MARKETS, StxMessages
from .presence import Presence

__all__ = ["PING_TIMEOUT", "SCOPED", "StxSocket"]

SCOPED = frozenset(
    {"active_orders", "active_trades", "active_positions", "active_settlements", "portfolio", "user_info"}
)

PING_TIMEOUT = 10_000
"""Milliseconds between two pings of an orders topic with cancel-on-disconnect, where the join names no other."""

PING_RANGE = (5_000, 20_000)


class StxVenue(Venue["StxSocket"], Protocol):
    """What a socket needs of the face."""

    messages: StxMessages
    presence: Presence

    def cancel_all(self, uid: str) -> None: ...


class StxSocket:
    """A `SocketHandler`, and a `TopicListener` of what it has joined. Its dialect is the serializer's version."""

    def __init__(
        self, venue: StxVenue, socket: Socket, user: StxUser, version: Version, max_channels: int
    ) -> None:
        self.gate = JoinGate(venue.context, venue.name, socket, flush=self._send)
        self.dialect: Version = version
        self._user = user
        self._venue = venue
        self._socket = socket
        self._server = PhoenixServer(version, max_channels=max_channels)
        self._selections: dict[str, MarketSelection] = {}
        self._ping_ms: dict[str, int] = {}
        self._ping_deadlines: dict[str, float] = {}

    # What the client sends.

    def received(self, payload: Payload) -> None:
        """One message."""
        requests = self._server.receive(payload)
        # Heartbeats are answered by the protocol itself and are the only messages that ask nothing of us.
        is_heartbeat = not requests and not isinstance(payload, Binary) and _is_heartbeat(payload)
        self._send("heartbeat" if is_heartbeat else "control")
        for request in requests:
            self._answer(request)
            self._send()

    def lost(self) -> None:
        """The connection is over."""
        self.gate.is_over = True
        for topic in list(self._server.joined):
            self._forget(topic)
        self._venue.forget(self)

    def _answer(self, request: ServerRequest) -> None:
        if isinstance(request, JoinRequested):
            self.gate.consider({request.topic: request.topic}, partial(self._decide, request))
        elif isinstance(request, PushReceived):
            self._take_push(request)
        elif isinstance(request, LeaveRequested):
            self._forget(request.topic)
            late = self._venue.context.meet("late_places")
            if late is not None:
                self._server.places_held += 1
                self._socket.later(late.params["seconds"], self._free_place)
        elif isinstance(request, Failed):
            self._socket.close(request.code or 1011)

    def _free_place(self) -> None:
        self._server.places_held -= 1

    def _decide(self, join: JoinRequested, refusal: Injected | None) -> None:
        if refusal is not None:
            self._refuse(join, {"reason": refusal.params["reason"]})
        else:
            self._join(join)

    def _join(self, join: JoinRequested) -> None:
        name, _, uid = join.topic.partition(":")
        if join.topic == MARKETS:
            selection = MarketSelection.of(join.payload)
            self._accept(join, selection.echo())
            self._selections[join.topic] = selection
        elif join.topic == MARKET_INFO:
            self._accept(join, {})
        elif name not in SCOPED or not uid:
            self._refuse(join, {"reason": "unmatched topic"})
        elif uid != self._user.uid and not self._user.admin:
            self._refuse(join, {"reason": "unauthorized"})
        else:
            self._join_scoped(join, name, uid)

    def _join_scoped(self, join: JoinRequested, name: str, uid: str) -> None:
        wanted = join.payload if isinstance(join.payload, dict) else {}
        response: dict[str, Any] = {}
        if name == "active_orders" and wanted.get("cancel_on_disconnect") is True:
            timeout = wanted.get("ping_timeout", PING_TIMEOUT)
            if not isinstance(timeout, int) or isinstance(timeout, bool):
                self._refuse(join, {"ping_timeout": "Must be an integer"})
                return
            granted = min(max(timeout, PING_RANGE[0]), PING_RANGE[1])
            response = {"cancel_on_disconnect": True, "ping_timeout": granted}
        self._accept(join, response)
        self._ping_ms.pop(join.topic, None)
        self._ping_deadlines.pop(join.topic, None)
        if response:
            self._ping_ms[join.topic] = response["ping_timeout"]
            self._set_ping_deadline(join.topic)
        snapshot = self._venue.messages.snapshot(name, uid)
        if snapshot is not None:
            self._server.push(join.topic, *snapshot)
        if name == "user_info":
            presence, number = self._venue.presence, self.gate.number
            self._server.push(join.topic, "presence_state", presence.state(uid, number))
            presence.come(uid, self._user, number)

    def _accept(self, join: JoinRequested, response: Any) -> None:
        if self._server.accept(join, response):
            self._venue.topics.join(join.topic, self)

    def _refuse(self, join: JoinRequested, response: Any) -> None:
        self._server.refuse(join, response)
        if join.topic not in self._server.joined:
            self._forget(join.topic)

    def _take_push(self, push: PushReceived) -> None:
        if push.topic == MARKETS:
            changed = self._selections[MARKETS].changed(push.event, push.payload)
            if changed is not None:
                self._selections[MARKETS] = changed
                self._server.reply(push, "ok", changed.echo())
                return
        if push.topic.startswith("active_orders:") and push.event == "ping":
            ttl = self._ping_ms.get(push.topic, PING_TIMEOUT)
            if push.topic in self._ping_ms:
                self._set_ping_deadline(push.topic)
            self._server.reply(push, "ok", {"ttl": ttl, "ping": "pong"})
            return
        self.end(push.topic, crashed=True)

    # What the face has for the client.

    def publish(self, entry: Entry, encoded: Payload) -> None:
        """A publication of a joined topic: as a broadcast to those without a filter, as their own push to others."""
        selection = self._selections.get(entry.topic)
        if selection is None or selection.is_everything:
            self._server.forward(encoded)
        else:
            chosen = select(entry.event, entry.payload, selection, self._venue.messages.rules)
            if chosen is None:
                return
            self._server.push(entry.topic, entry.event, chosen)
        self._send("publication", entry)

    def end(self, topic: str, *, crashed: bool) -> None:
        """The topic's process crashes, or stops."""
        if topic in self._server.joined:
            (self._server.crash if crashed else self._server.close)(topic)
            self._forget(topic)
            self._send()

    def tick(self, now: float) -> None:
        """Cancel the orders of whoever promised to ping and did not."""
        for topic, deadline in list(self._ping_deadlines.items()):
            if now >= deadline:
                del self._ping_deadlines[topic]
                self._venue.cancel_all(topic.partition(":")[2])

    def _set_ping_deadline(self, topic: str) -> None:
        self._ping_deadlines[topic] = asyncio.get_running_loop().time() + self._ping_ms[topic] / 1000

    def _forget(self, topic: str) -> None:
        name, _, uid = topic.partition(":")
        if self._venue.topics.leave(topic, self) and name == "user_info":
            self._venue.presence.go(uid, self.gate.number)
        self._selections.pop(topic, None)
        self._ping_deadlines.pop(topic, None)
        if self._ping_ms.pop(topic, None) is not None:
            self._venue.cancel_all(uid)

    def _send(self, kind: MessageKind = "control", entry: Entry | None = None) -> None:
        self.gate.send(self._server.data_to_send(), kind, entry)


def _is_heartbeat(payload: Payload) -> bool:
    try:
        frame = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if isinstance(frame, dict):
        return bool(frame.get("event") == "heartbeat")
    return isinstance(frame, list) and len(frame) > 3 and frame[3] == "heartbeat"
