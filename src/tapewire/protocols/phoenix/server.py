"""The server side of Phoenix Channels on one socket, as a Phoenix 1.7 server was seen to behave. Pure.

`receive(payload)` returns what the application must decide; heartbeats, stale frames, unknown topics and the limit of
channels are answered here. Send what `data_to_send()` returns after every call. Differences from a real server: a
pending join does not block the socket, and a leave is done at once, so that its reply is never lost.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from ...errors import ConfigurationError, NotSubscribed, UndecodableFrame
from ..base import Binary, Failed, Payload
from .frames import BinaryResponse, Codec, Frame, FramePayload, Ref, Version, as_payload

__all__ = [
    "MAX_CHANNELS",
    "JoinRequested",
    "LeaveRequested",
    "PhoenixServer",
    "PushReceived",
    "ServerRequest",
    "encode_broadcast",
]

MAX_CHANNELS = 100
"""Channels on one socket, as a Phoenix server limits them by default."""

_UNMATCHED = {"reason": "unmatched topic"}


class JoinRequested(msgspec.Struct, frozen=True):
    """Answer it with `accept` or `refuse`; a join that is never answered stays pending."""

    topic: str
    payload: Any
    join_ref: Ref
    ref: Ref


class LeaveRequested(msgspec.Struct, frozen=True):
    """The client left; it has been answered. Stop what feeds the topic."""

    topic: str
    join_ref: Ref
    ref: Ref


class PushReceived(msgspec.Struct, frozen=True):
    """The client pushed `event` on a joined topic. `payload` is decoded, or `Binary`. `reply` is optional."""

    topic: str
    event: str
    payload: Any
    ref: Ref
    join_ref: Ref


ServerRequest: TypeAlias = JoinRequested | LeaveRequested | PushReceived | Failed


class PhoenixServer:
    """One socket of a Phoenix server. `version` is what `handshake.negotiate` returned."""

    def __init__(self, version: Version = "2.0.0", *, max_channels: int = MAX_CHANNELS) -> None:
        self._codec = Codec(version, "server")
        self._max_channels = max_channels
        self.places_held = 0
        """Places that count as taken though nothing is joined: a real channel ends a moment after its leave."""
        self._channels: dict[str, Ref] = {}
        self._pending: dict[str, list[JoinRequested]] = {}
        self._outgoing: list[Payload] = []
        self._failed = False

    @property
    def version(self) -> Version:
        """The version this socket speaks."""
        return self._codec.version

    @property
    def joined(self) -> frozenset[str]:
        """The topics that are joined now."""
        return frozenset(self._channels)

    def receive(self, payload: Payload) -> list[ServerRequest]:
        """One message of the client. After `Failed` close the socket with its code: nothing malformed is forgiven."""
        if self._failed:
            return []
        try:
            frame = self._codec.decode(payload)
            content = (
                frame.payload if isinstance(frame.payload, Binary) else msgspec.json.decode(frame.payload)
            )
        except (UndecodableFrame, msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._failed = True
            return [Failed(f"malformed frame: {error}"[:200], 1011)]
        if frame.topic == "phoenix":
            if frame.event == "heartbeat":
                self._reply(None, frame.ref, frame.topic, "ok", {})
            else:
                self._unmatched(frame)
            return []
        if frame.event == "phx_join":
            return self._join(frame, content)
        if frame.event == "phx_leave":
            return self._leave(frame)
        return self._push(frame, content)

    def accept(self, join: JoinRequested, response: Any = None) -> bool:
        """The join is granted, with `response` (default `{}`). An older join of the topic is closed after the reply.

        False where the client has given the join up meanwhile: nothing is sent then.
        """
        if not self._settle(join):
            return False
        self._reply(join.join_ref, join.ref, join.topic, "ok", {} if response is None else response)
        self.close(join.topic)
        self._channels[join.topic] = join.ref if join.join_ref is None else join.join_ref
        return True

    def refuse(self, join: JoinRequested, response: Any) -> bool:
        """The join is refused, `{"reason": ...}` by custom. An older join of the topic is closed even so."""
        if not self._settle(join):
            return False
        # An unknown topic is answered without the join_ref; whatever the application refuses, with it.
        join_ref = None if response == _UNMATCHED else join.join_ref
        self._reply(join_ref, join.ref, join.topic, "error", response)
        self.close(join.topic)
        return True

    def reply(self, push: PushReceived, status: str = "ok", response: Any = None) -> None:
        """Answer a push, with the channel's join_ref. Does nothing where the topic is not joined any more."""
        if push.topic in self._channels:
            join_ref = self._channels[push.topic]
            self._reply(join_ref, push.ref, push.topic, status, {} if response is None else response)

    def push(self, topic: str, event: str, payload: Any) -> None:
        """Push on a joined topic: join_ref set, ref null. `payload` is a map or bytes. Raises NotSubscribed."""
        if topic not in self._channels:
            raise NotSubscribed(topic)
        self._write(Frame(self._channels[topic], None, topic, event, _outgoing_payload(payload)))

    def broadcast(self, topic: str, event: str, payload: Any) -> None:
        """Push as a broadcast arrives: join_ref and ref null. Does nothing where the topic is not joined."""
        if topic in self._channels:
            self.forward(encode_broadcast(topic, event, payload, self.version))

    def forward(self, encoded: Payload) -> None:
        """Send what `encode_broadcast` made, once for many sockets. You must have looked at `joined`."""
        self._outgoing.append(encoded)

    def crash(self, topic: str, payload: Any = None) -> None:
        """The channel's process crashes: `phx_error`. The payload is empty up to 1.7; later servers give a reason."""
        self._end(topic, "phx_error", payload)

    def close(self, topic: str, payload: Any = None) -> None:
        """The channel stops: `phx_close`. Does nothing where the topic is not joined."""
        self._end(topic, "phx_close", payload)

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def __repr__(self) -> str:
        return f"<PhoenixServer {self.version} joined={len(self._channels)} pending={len(self._pending)}>"

    def _join(self, frame: Frame, content: Any) -> list[ServerRequest]:
        topic = frame.topic
        known = self._channels.keys() | self._pending.keys()
        if topic not in known and len(known) + self.places_held >= self._max_channels:
            reason = {"reason": "too many channels joined"}
            self._reply(frame.join_ref, frame.ref, topic, "error", reason)
            return []
        join = JoinRequested(topic, content, frame.join_ref, frame.ref)
        self._pending.setdefault(topic, []).append(join)
        if len(self._pending[topic]) > self._max_channels:
            self._failed = True
            return [Failed(f"more than {self._max_channels} joins of one topic are pending", 1011)]
        return [join]

    def _leave(self, frame: Frame) -> list[ServerRequest]:
        topic = frame.topic
        pending = self._pending.get(topic, [])
        left = next((join for join in pending if self._is_of(frame, join.join_ref)), None)
        if left is not None:
            pending.remove(left)
            if not pending:
                del self._pending[topic]
        elif topic not in self._channels:
            self._reply(frame.join_ref, frame.ref, topic, "ok", {})
            return []
        elif not self._is_of(frame, self._channels[topic]):
            return []
        self._reply(frame.join_ref, frame.ref, topic, "ok", {})
        if left is None:
            self.close(topic)
        return [LeaveRequested(topic, frame.join_ref, frame.ref)]

    def _is_of(self, frame: Frame, join_ref: Ref) -> bool:
        # A leave without a join_ref is ignored in V2; V1 clients may have none to give.
        return frame.join_ref == join_ref or (frame.join_ref is None and self.version == "1.0.0")

    def _push(self, frame: Frame, content: Any) -> list[ServerRequest]:
        if frame.topic not in self._channels:
            self._unmatched(frame)
            return []
        if frame.join_ref is not None and frame.join_ref != self._channels[frame.topic]:
            return []
        return [PushReceived(frame.topic, frame.event, content, frame.ref, frame.join_ref)]

    def _settle(self, join: JoinRequested) -> bool:
        """Take `join`, and all older ones of its topic, from the pending; False where it is not among them."""
        pending = self._pending.get(join.topic, [])
        position = next((index for index, item in enumerate(pending) if item is join), -1)
        if position < 0:
            return False
        del pending[: position + 1]
        if not pending:
            del self._pending[join.topic]
        return True

    def _end(self, topic: str, event: str, payload: Any) -> None:
        if topic in self._channels:
            join_ref = self._channels.pop(topic)
            ref = join_ref if self.version == "2.0.0" else None
            self._write(Frame(join_ref, ref, topic, event, as_payload({} if payload is None else payload)))

    def _unmatched(self, frame: Frame) -> None:
        self._reply(None, frame.ref, frame.topic, "error", _UNMATCHED)

    def _reply(self, join_ref: Ref, ref: Ref, topic: str, status: str, response: Any) -> None:
        if isinstance(response, bytes):
            payload: FramePayload = BinaryResponse(status, response)
        else:
            payload = as_payload({"response": response, "status": status})
        self._write(Frame(join_ref, ref, topic, "phx_reply", payload))

    def _write(self, frame: Frame) -> None:
        self._outgoing.append(self._codec.encode(frame))


def encode_broadcast(topic: str, event: str, payload: Any, version: Version = "2.0.0") -> Payload:
    """A broadcast's message, encoded once for every socket of that version. Raises ConfigurationError."""
    return Codec(version, "server").encode(Frame(None, None, topic, event, _outgoing_payload(payload)))


def _outgoing_payload(payload: Any) -> FramePayload:
    if payload is None or isinstance(payload, str | int | float | list | tuple | set):
        raise ConfigurationError("payload", type(payload).__name__, "a map, Raw or bytes, as in Phoenix")
    return payload if isinstance(payload, Raw) else as_payload(payload)
