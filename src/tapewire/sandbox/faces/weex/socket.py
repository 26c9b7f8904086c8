"""One socket of the played WEEX, V3 or V2, public or private: subscriptions, refusals, pings, and the venue's limits.

Frames and rules: weex.md 3.3 to 3.5. A refused frame subscribes to nothing at all, and the sixth closes the socket with
1007. A socket without subscriptions is cut off after a minute and gets no ping; one that leaves ten pings unanswered
(five on V2) is cut off, too. What the venue says to a subscription too many is not known: the wording is ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from ....protocols.base import Binary, Payload
from ...core.exchange import Exchange
from ...core.faults import Injected
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from ...play import JoinGate, Venue
from . import v2
from .markets import WeexMarkets
from .topics import Refusal, check_topic, ledger_name

__all__ = ["MAX_REFUSALS", "Dialect", "Limits", "WeexSocket"]

Dialect: TypeAlias = Literal["v3", "v2"]

MAX_REFUSALS = 6
"""Refused frames, of which the last closes the socket."""

UNANSWERED = {"v3": 10, "v2": 5}
"""Pings that may go unanswered."""

HOUR = 3600.0
_encode = msgspec.json.encode


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one socket may do, and how long it may do nothing; in seconds."""

    channels: int = 100
    operations: int = 240
    ping_interval: float = 60.0
    unsubscribed_timeout: float = 60.0


class WeexVenue(Venue["WeexSocket"], Protocol):
    """What a socket needs of the face: its clock, and the frame that a subscription begins with, if any."""

    exchange: Exchange
    markets: WeexMarkets
    snapshot_first: bool

    def now_ns(self) -> int: ...
    def snapshot(self, topic: str) -> dict[str, Any] | None: ...


class WeexSocket:
    """A `SocketHandler`, and a `TopicListener` of `topics`; `account` is None on a public socket."""

    def __init__(
        self, venue: WeexVenue, socket: Socket, dialect: Dialect, account: str | None, limits: Limits
    ) -> None:
        self.gate = JoinGate(venue.context, venue.name, socket)
        self.dialect: Dialect = dialect
        self.topics: dict[str, None] = {}
        self._account = account
        self._venue = venue
        self._socket = socket
        self._limits = limits
        self._operations: deque[float] = deque()
        self._refusals = 0
        self._unanswered = 0
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        self._next_ping = loop.time() + limits.ping_interval
        if dialect == "v3":
            loop.call_soon(self._greet)

    def _greet(self) -> None:
        stamp = str(self._venue.now_ns() // 1_000_000)
        self._say({"cid": self._venue.exchange.new_id(), "event": "connected", "time": stamp})

    # What the client sends.

    def received(self, payload: Payload) -> None:
        """One message."""
        text = "" if isinstance(payload, Binary) else payload
        text = text if isinstance(text, str) else text.decode()
        try:
            frame = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            self._refuse(None, Refusal(f"unrecognized message : {text[:200]}"))
            return
        word = frame.get("method" if self.dialect == "v3" else "event")
        if word in ("SUBSCRIBE", "UNSUBSCRIBE", "subscribe", "unsubscribe"):
            self._consider(frame)
        elif word in ("PING", "ping"):
            self._answer_ping(frame)
        elif word in ("PONG", "pong"):
            if not self.gate.ignores_pong():
                self._unanswered = 0
            if word == "PONG" and self._account is None:
                self._say({"result": True, "id": frame.get("id")}, "heartbeat")
        else:
            self._refuse(frame, Refusal(f"unrecognized message : {text[:200]}"))

    def _answer_ping(self, frame: dict[str, Any]) -> None:
        if self.dialect == "v3":
            self._say({"result": True, "id": frame.get("id")}, "heartbeat")
        else:
            self._say({"event": "pong", "time": str(self._venue.now_ns() // 1_000_000)}, "heartbeat")

    def _consider(self, frame: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        while self._operations and now - self._operations[0] >= HOUR:
            self._operations.popleft()
        self._operations.append(now)
        wanted = frame.get("params") if self.dialect == "v3" else [frame.get("channel")]
        try:
            if len(self._operations) > self._limits.operations:
                raise Refusal(f"more than {self._limits.operations} operations in an hour")
            if (
                not isinstance(wanted, list)
                or not wanted
                or not all(isinstance(item, str) for item in wanted)
            ):
                raise Refusal(f"invalid params : {wanted}")
            topics = [self._checked(item) for item in wanted]
        except Refusal as refusal:
            self._refuse(frame, refusal)
            return
        if frame.get("method", frame.get("event")) in ("UNSUBSCRIBE", "unsubscribe"):
            self._unsubscribe(frame, topics)
        else:
            keys = {topic: ledger_name(topic, self._account) for topic in topics}
            self.gate.consider(keys, partial(self._decide, frame, keys))

    def _checked(self, item: str) -> str:
        name = item if self.dialect == "v3" else v2.topic_of(item)
        return check_topic(name, self._venue.markets.known_symbols, private=self._account is not None)

    def _decide(self, frame: dict[str, Any], keys: dict[str, str], order: Injected | None) -> None:
        if order is not None:
            self._refuse(frame, Refusal(order.params["reason"]))
        elif self._venue.context.meet("reject_subscriptions"):
            self._refuse(frame, Refusal(f"invalid event : {next(iter(keys)).rpartition('@')[2]}"))
        elif len(self.topics.keys() | keys) > self._limits.channels:
            self._refuse(frame, Refusal(f"more than {self._limits.channels} channels"))
        else:
            self._subscribe(frame, keys)

    def _subscribe(self, frame: dict[str, Any], keys: dict[str, str]) -> None:
        snapshots = []
        for topic, key in keys.items():
            if topic.partition("@")[0] not in self._venue.markets.delisted:  # of which nothing will ever come
                self._venue.topics.join(key, self)
                self._venue.markets.follow_candles(topic)
                self.topics[topic] = None
            snapshots.append((topic, self._venue.snapshot(topic)))
        if not self._venue.snapshot_first:
            self._acknowledge(frame)
        for topic, content in snapshots:
            if content is not None:
                self._say(self._in_dialect(topic, content))
        if self._venue.snapshot_first:
            self._acknowledge(frame)

    def _unsubscribe(self, frame: dict[str, Any], topics: list[str]) -> None:
        for topic in topics:
            self._forget(topic)
        self._acknowledge(frame)

    def _acknowledge(self, frame: dict[str, Any]) -> None:
        if self.dialect == "v3":
            self._say({"result": True, "id": frame.get("id")})
        else:
            self._say({"event": f"{frame['event']}d", "channel": frame["channel"]})

    def _refuse(self, frame: dict[str, Any] | None, refusal: Refusal) -> None:
        text = f"INVALID_ARGUMENT: {refusal}"
        answer: dict[str, Any]
        if self.dialect == "v2":
            answer = {"event": "error", "channel": (frame or {}).get("channel"), "msg": text}
        elif frame is not None and "id" in frame:
            answer = {"result": False, "id": frame["id"], "msg": text}
        else:
            answer = {"result": False, "msg": text}
        self._say(answer)
        self._refusals += 1
        if self._refusals == MAX_REFUSALS:
            self._socket.close(1007, "Unrecognized message sent multiple times")

    def lost(self) -> None:
        """The connection is over."""
        self.topics.clear()
        self._venue.forget(self)

    def _forget(self, topic: str) -> None:
        self._venue.topics.leave(ledger_name(topic, self._account), self)
        if topic in self.topics:
            del self.topics[topic]
            if not self.topics:
                self._idle_since = asyncio.get_running_loop().time()

    # What the face has for the client.

    def publish(self, entry: Entry, encoded: Payload) -> None:
        """A publication of one of its topics, in its dialect."""
        self.gate.send([encoded], "publication", entry)

    def end(self, topic: str, *, crashed: bool) -> None:
        """The contract of the topic is not traded any more: the last that comes is an empty book, or nothing."""
        content = self._venue.snapshot(topic)
        if content is not None:
            self._say(self._in_dialect(topic, content))
        self._forget(topic)

    def tick(self, now: float) -> None:
        """Ping, or cut off whoever has nothing subscribed or answers nothing."""
        if not self.topics:
            if now - self._idle_since >= self._limits.unsubscribed_timeout:
                self._socket.abort()
            self._next_ping = now + self._limits.ping_interval
        elif now >= self._next_ping:
            self._next_ping = now + self._limits.ping_interval
            if self._unanswered >= UNANSWERED[self.dialect]:
                self._socket.abort()
                return
            self._unanswered += 1
            key = "event" if self._account is None else "type"
            self._say({key: "ping", "time": str(self._venue.now_ns() // 1_000_000)}, "heartbeat")

    def _in_dialect(self, topic: str, content: dict[str, Any]) -> dict[str, Any]:
        return content if self.dialect == "v3" else v2.encode_frame(topic, content)

    def _say(self, frame: dict[str, Any], kind: MessageKind = "control") -> None:
        self.gate.send([_encode(frame).decode()], kind)
