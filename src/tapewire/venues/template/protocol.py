"""The wire as a client protocol. Pure: bytes in, events out. NOTES.md says where each rule comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from tapewire.errors import ConfigurationError
from tapewire.protocols import (
    Binary,
    Command,
    Confirmed,
    Ended,
    Interrupted,
    Payload,
    Ready,
    Refused,
    Skipped,
    StreamPosition,
    Undecodable,
    Unnumbered,
)

from .wire import Frame, Update, decode

__all__ = ["TemplateProtocol"]


class TemplateProtocol(Unnumbered):
    """One connection. It says what the peer said; whether to ask again is the session's to decide."""

    publication: ClassVar[type] = Update

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}  # the request that each channel waits for
        self._next: dict[str, int] = {}  # the number that each granted channel comes with next
        self._last_id = 0
        self._outgoing: list[Payload] = []

    def hello(self, now: float) -> list[Any]:
        """Nobody greets: the token went with the handshake."""
        return [Ready()]

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Raises nothing, whatever the bytes are."""
        items: list[Any] = []
        for payload in payloads:
            try:
                if isinstance(payload, Binary):
                    raise ValueError("a binary message")
                frame = decode(payload)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                items.append(Undecodable(str(error)))
                continue
            items += self._updated(frame) if not frame.op else self._answered(frame)
        return items

    def _updated(self, frame: Frame) -> list[Any]:
        expected = self._next.get(frame.channel)
        if expected is None or frame.seq < expected:
            return []  # of a channel that was left, or one that came before
        self._next[frame.channel] = frame.seq + 1
        update = Update(frame.channel, frame.seq, frame.data)
        if frame.seq == expected:
            return [update]
        return [Skipped(frame.channel, expected, frame.seq, frame.seq - expected), update]

    def _answered(self, frame: Frame) -> list[Any]:
        channel, op = frame.channel, frame.op
        if op in ("subscribed", "refused"):
            if self._asked.get(channel) != frame.id:
                return []  # of an older request
            del self._asked[channel]
            if op == "refused":
                return [Refused(channel, frame.reason)]
            self._next[channel] = frame.seq + 1
            return [Confirmed(channel)]
        if op in ("interrupted", "ended"):
            if self._next.pop(channel, None) is None:
                return []
            return [
                Interrupted(channel, frame.reason) if op == "interrupted" else Ended(channel, frame.reason)
            ]
        return [Undecodable(f"an op that this client does not know: {op[:40]!r}", channel)]

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Ask for a channel. What still comes of an older request for it is stale from here on."""
        self._next.pop(topic, None)
        self._last_id += 1
        self._asked[topic] = self._last_id
        self._say({"op": "subscribe", "channel": topic, "id": self._last_id})

    def unsubscribe(self, topic: str) -> None:
        """Leave a channel."""
        if self._asked.pop(topic, None) is not None or self._next.pop(topic, None) is not None:
            self._say({"op": "unsubscribe", "channel": topic})

    def send(self, command: Command) -> str:
        """Raises ConfigurationError: this venue takes no commands over its socket."""
        raise ConfigurationError("command", command.event, "none: this wire has no commands")

    def was_sent(self, ref: str) -> bool:
        """There are none."""
        return False

    def withdraw(self, ref: str) -> bool:
        """There are none."""
        return False

    def data_to_send(self) -> list[Payload]:
        """What to write now, in order. Clears it: write all."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_deadline(self) -> float | None:
        """None: the session's pings find out whether the peer lives."""
        return None

    def handle_timer(self, now: float) -> list[Any]:
        """Nothing is ever due."""
        return []

    def _say(self, message: dict[str, Any]) -> None:
        self._outgoing.append(msgspec.json.encode(message))
