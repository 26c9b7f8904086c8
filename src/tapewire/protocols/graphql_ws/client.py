"""The client's side of `graphql-transport-ws`, as one connection lives it. Pure; see `protocols.base`.

Rules:
* The client sends `connection_init`; nothing else goes out before the server's `connection_ack`.
* A topic is a key that the caller chose; its operations have ids of their own, never used twice on a connection.
* No message confirms a subscription. Ours: a `ping` follows it, and its `pong`, or the first result, proves that it
  was read: `Confirmed`. An `error` before that is `Refused`, after it `Interrupted`. A `complete` is `Ended`.
* A pong answers the ping whose payload it echoes. One that echoes nothing is no answer of a server that does echo;
  another one's answers the oldest ping, and of such a server the very first one is asked for again.
* Frames of an id that is not live any more are dropped.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...errors import ConfigurationError
from ...secrets import redact
from ..base import (
    Binary,
    Command,
    Confirmed,
    Ended,
    Failed,
    Interrupted,
    Payload,
    Ready,
    Refused,
    StreamPosition,
    Undecodable,
    Unnumbered,
)
from .frames import (
    CLOSE_CODES,
    DECODE_ERRORS,
    Ack,
    Complete,
    Data,
    Error,
    FromServer,
    Init,
    Next,
    Operation,
    Ping,
    Pong,
    Subscribe,
    encoded,
    from_server,
)

__all__ = ["GraphQLClient"]

_TERMINAL_CODES = frozenset({4400, 4406})
_UNAUTHORIZED_CODES = frozenset({4401, 4403})

_ID = re.compile(r'"id"\s*:\s*"([^"\\]{1,64})"')
_MAX_SAID = 200
"""Characters of a reason or a detail."""


class _Topic(msgspec.Struct):
    ids: list[str]
    confirmed: bool = False


class GraphQLClient(Unnumbered):
    """A `ClientProtocol`. Its publication is `Next`.

    `init_payload` goes with `connection_init` (a token by custom: it is never shown). `ping_interval` and
    `ping_timeout` in seconds: how often a `ping` goes out (None: never by itself), and how long its `pong` may take;
    `ack_timeout`: how long the acknowledgement may. `retryable(errors)`: whether an operation refused with these may be
    granted later (default: never). Counters: `stale` (of an operation that is over), `undecodable`.
    Raises ConfigurationError.
    """

    publication: ClassVar[type] = Next

    def __init__(
        self,
        *,
        init_payload: Mapping[str, Any] | None = None,
        ping_interval: float | None = 30.0,
        ping_timeout: float = 10.0,
        ack_timeout: float = 10.0,
        retryable: Callable[[Any], bool] = lambda errors: False,
    ) -> None:
        given = {"ping_interval": ping_interval, "ping_timeout": ping_timeout, "ack_timeout": ack_timeout}
        for name, seconds in given.items():
            if seconds is not None and not 0 < seconds < math.inf:
                raise ConfigurationError(name, seconds, "seconds above 0")
        self._init = encoded(Init(None if init_payload is None else dict(init_payload)), "init_payload")
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        self._ack_timeout = ack_timeout
        self._retryable = retryable
        self._deadline: float | None = None  # of the acknowledgement, the next ping, or the pong
        self._awaits: str | None = None  # "connection_ack" or "pong"; None: the deadline is the next ping's
        self._sent_at = 0.0
        self._acked = False
        self._topics: dict[str, _Topic] = {}
        self._topic_of: dict[str, str] = {}
        self._unproven: list[str] = []  # ids that no ping has followed yet
        # For each ping under way, the ids that its pong proves.
        self._pinged: deque[tuple[int, list[str]]] = deque()
        self._last_ping = self._timed_ping = 0  # the latter: the one that is due an answer
        self._echoes: bool | None = (
            None  # True once a pong said which ping it answers: then every answer does
        )
        self._outgoing: list[Payload] = []
        self._last_id = 0
        self.ping_rtt: float | None = None
        self.stale: int = 0
        self.undecodable: int = 0

    def hello(self, now: float) -> list[Any]:
        """The transport is open: initialise. `Ready` comes with the server's acknowledgement."""
        self._outgoing.append(self._init)
        self._deadline, self._awaits = now + self._ack_timeout, "connection_ack"
        return []

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Returns publications and events; raises nothing for bytes of the peer."""
        items: list[Any] = []
        for payload in payloads:
            try:
                if payload.__class__ is Binary:
                    raise ValueError("a binary message")
                message = from_server.decode(payload)
            except DECODE_ERRORS as error:
                items.append(self._broken(payload, str(error)))
                continue
            if isinstance(message, Next):
                self._published(message, items)
            elif isinstance(message, Data):
                self._published(Next(message.id, message.payload), items)
            else:
                self._control(message, items, now)
        return items

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Start the operation `params` under `topic`: an `Operation`, several, or a query's text (default: the topic).

        Several operations are one subscription: each one's results are publications of the topic, and the end of one
        is the end of all. On a topic that is live the old operations are completed first. Raises ConfigurationError.
        """
        messages = []
        ids = []
        for operation in _operations(topic if params is None else params):
            self._last_id += 1
            ids.append(str(self._last_id))
            messages.append(encoded(Subscribe(ids[-1], operation), "params"))
        self.unsubscribe(topic)
        self._topics[topic] = _Topic(ids)
        self._topic_of |= dict.fromkeys(ids, topic)
        self._unproven += ids
        self._outgoing += messages

    def unsubscribe(self, topic: str) -> None:
        """Complete the operations of `topic`. Nothing of it comes out any more."""
        known = self._topics.pop(topic, None)
        for one in known.ids if known is not None else ():
            del self._topic_of[one]
            self._outgoing.append(msgspec.json.encode(Complete(one)))

    def send(self, command: Command) -> str:
        """Nothing to send: everything is an operation. Raises ConfigurationError."""
        raise ConfigurationError("command", command.event, "none: subscribe with an Operation instead")

    def was_sent(self, ref: str) -> bool:
        """No command is ever held."""
        return False

    def withdraw(self, ref: str) -> bool:
        """No command is ever held."""
        return False

    def closed(self, code: int, reason: str) -> Failed:
        """What a close code means for coming back: see CLOSE_CODES."""
        text = reason or CLOSE_CODES.get(code, "")
        unauthorized = code in _UNAUTHORIZED_CODES
        return Failed(text, code, terminal=code in _TERMINAL_CODES, unauthorized=unauthorized)

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them: write all."""
        outgoing, self._outgoing = self._outgoing, []
        if self._unproven:
            proves, self._unproven = self._unproven, []
            outgoing.append(self._ping(proves))
        return outgoing

    def next_deadline(self) -> float | None:
        """When the acknowledgement, the next ping, or the last one's pong is due."""
        return self._deadline

    def excuse(self, now: float) -> None:
        """Nothing was read until `now`, by our own doing: what is awaited has its whole time anew."""
        if self._awaits is not None:
            patience = self._ping_timeout if self._awaits == "pong" else self._ack_timeout
            self._deadline = now + patience

    def handle_timer(self, now: float) -> list[Any]:
        """Send a ping that is due; `Failed` where the server has not acknowledged, or not answered the last one."""
        if self._deadline is None or now < self._deadline:
            return []
        if self._awaits is not None:
            awaited, self._awaits, self._deadline = self._awaits, None, None
            return [Failed(f"no {awaited} in time")]
        self._outgoing.append(self._ping([]))
        self._timed_ping = self._last_ping
        self._sent_at, self._awaits, self._deadline = now, "pong", now + self._ping_timeout
        return []

    def __repr__(self) -> str:
        confirmed = sum(topic.confirmed for topic in self._topics.values())
        return (
            f"<GraphQLClient topics={confirmed}/{len(self._topics)}"
            f" stale={self.stale} undecodable={self.undecodable}>"
        )

    def _published(self, message: Next, items: list[Any]) -> None:
        topic = self._topic_of.get(message.id)
        if topic is None:
            self.stale += 1
            return
        if not self._topics[topic].confirmed:
            self._prove(topic, items)
        message.topic = topic
        items.append(message)

    def _control(self, message: FromServer, items: list[Any], now: float) -> None:
        if isinstance(message, Ping):
            self._outgoing.append(msgspec.json.encode(Pong()))
        elif isinstance(message, Pong):
            self._answered(message, items, now)
        elif isinstance(message, Ack):
            if not self._acked:
                self._acked = True
                self._await_next_ping(now)
                items.append(Ready())
        elif isinstance(message, Error | Complete):
            self._ended(message, items)

    def _ping(self, proves: list[str]) -> bytes:
        """A ping that says its number: a server that echoes it tells its answer from a pong that nobody asked for."""
        self._last_ping += 1
        self._pinged.append((self._last_ping, proves))
        return msgspec.json.encode(Ping({"n": self._last_ping}))

    def _answered(self, pong: Pong, items: list[Any], now: float) -> None:
        """A pong: the answer to the ping that it names; where this server names none, to the oldest one."""
        number = pong.payload.get("n") if isinstance(pong.payload, dict) else None
        if type(number) is int and 0 < number <= self._last_ping:
            self._echoes = True
        elif self._echoes or not self._pinged:
            return
        else:
            number = self._pinged[0][0]
        # The first one that names nothing may have been asked for by nobody: ask once more.
        if self._echoes is None:
            self._echoes = False
            self._outgoing.append(self._ping(self._pinged.popleft()[1]))
        reached = number
        while self._pinged and self._pinged[0][0] <= reached:
            for one in self._pinged.popleft()[1]:
                if (topic := self._topic_of.get(one)) is not None:
                    self._prove(topic, items)
        if self._awaits == "pong" and reached >= self._timed_ping:
            self.ping_rtt = now - self._sent_at
            self._await_next_ping(now)

    def _await_next_ping(self, now: float) -> None:
        self._awaits = None
        self._deadline = None if self._ping_interval is None else now + self._ping_interval

    def _prove(self, topic: str, items: list[Any]) -> None:
        known = self._topics[topic]
        if not known.confirmed:
            known.confirmed = True
            items.append(Confirmed(topic))

    def _ended(self, message: Error | Complete, items: list[Any]) -> None:
        topic = self._topic_of.pop(message.id, None)
        if topic is None:
            self.stale += 1
            return
        known = self._topics[topic]
        known.ids.remove(message.id)
        self.unsubscribe(topic)  # the end of one operation is the end of all
        if isinstance(message, Complete):
            items.append(Ended(topic, "completed by the server"))
            return
        reason = _reason_in(message.payload)
        if known.confirmed:
            items.append(Interrupted(topic, reason))
        else:
            retryable = self._retryable(message.payload)
            items.append(Refused(topic, reason, retryable=retryable, reply=message.payload))

    def _broken(self, payload: Payload, detail: str) -> Undecodable:
        self.undecodable += 1
        head = payload[:_MAX_SAID]
        found = _ID.search(head if isinstance(head, str) else head.decode(errors="ignore"))
        topic = self._topic_of.get(found[1]) if found else None
        return Undecodable(detail[:_MAX_SAID], topic, redact(ascii(payload[:80])))


def _operations(params: Any) -> list[Operation]:
    several: Iterable[Any] = params if isinstance(params, list | tuple) else (params,)
    found = [Operation(one) if isinstance(one, str) else one for one in several]
    if not found or not all(isinstance(one, Operation) for one in found):
        raise ConfigurationError("params", params, "an Operation, a list of them, or a query's text")
    return found


def _reason_in(errors: Any) -> str:
    """What an error message says, as one bounded line."""
    several = errors if isinstance(errors, list) else [errors]
    told = [str(one.get("message", "")) if isinstance(one, dict) else str(one or "") for one in several[:5]]
    return redact("; ".join(text for text in told if text))[:_MAX_SAID] or "no reason given"
