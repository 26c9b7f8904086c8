"""One socket of the played WEEX, V3 or V2, public or private: subscriptions, refusals, pings, and the venue's limits.

Frames and rules: weex.md 3.3 to 3.5. A refused frame subscribes to nothing at all, and the sixth closes the socket with
1007. A socket without subscriptions is cut off after a minute and gets no ping; one that leaves ten pings unanswered
(five on V2) is cut off, too. What the venue says to a subscription too many is not known: the wording is ours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from ....protocols.base import Binary, Payload
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from . import v2
from .topics import Refusal, check_topic

if TYPE_CHECKING:
    from .face import WeexFace

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


class WeexSocket:
    """A `SocketHandler`. The face calls `publish` for the topics in `topics`; `account` is None on a public socket."""

    def __init__(
        self, face: WeexFace, socket: Socket, dialect: Dialect, account: str | None, limits: Limits
    ) -> None:
        self.dialect = dialect
        self.account = account
        self.topics: dict[str, None] = {}
        self._face = face
        self._socket = socket
        self._limits = limits
        self._operations: deque[float] = deque()
        self._refusals = 0
        self._unanswered = 0
        self.is_over = False
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        self._next_ping = loop.time() + limits.ping_interval
        if dialect == "v3":
            loop.call_soon(self._greet)

    @property
    def number(self) -> int:
        """The connection's."""
        return self._socket.number

    def _greet(self) -> None:
        stamp = str(self._face.now_ns() // 1_000_000)
        self._say({"cid": self._face.exchange.new_id(), "event": "connected", "time": stamp})

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
            now_ns = self._face.context.clock.time_ns()
            ignored = self._face.context.faults.meet("ignore_pongs", now_ns, connection=self.number)
            if ignored is None:
                self._unanswered = 0
            else:
                self._face.context.carriage.trouble(ignored, self.number)
            if word == "PONG" and self.account is None:
                self._say({"result": True, "id": frame.get("id")}, "heartbeat")
        else:
            self._refuse(frame, Refusal(f"unrecognized message : {text[:200]}"))

    def _answer_ping(self, frame: dict[str, Any]) -> None:
        if self.dialect == "v3":
            self._say({"result": True, "id": frame.get("id")}, "heartbeat")
        else:
            self._say({"event": "pong", "time": str(self._face.now_ns() // 1_000_000)}, "heartbeat")

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
            self._meet_faults(frame, topics)

    def _checked(self, item: str) -> str:
        name = item if self.dialect == "v3" else v2.topic_of(item)
        return check_topic(name, self._face.known_symbols, private=self.account is not None)

    def _meet_faults(self, frame: dict[str, Any], topics: list[str]) -> None:
        faults, now_ns = self._face.context.faults, self._face.context.clock.time_ns()
        for topic in topics if faults.any_standing else ():
            slow = faults.meet("slow_join", now_ns, topic=topic)
            if slow is not None:
                seconds = slow.params["seconds"]
                self._socket.later(seconds, self._subscribe, frame, topics)
                self._socket.stall(seconds)
                return
            if faults.meet("ignore_join", now_ns, topic=topic):
                return
            refused = self._face.context.refuses_join(self._face.name, topic, self._face.key_of(topic, self))
            if refused is not None:
                self._refuse(frame, Refusal(refused.params["reason"]))
                return
            if faults.meet("reject_subscriptions", now_ns):
                self._refuse(frame, Refusal(f"invalid event : {topic.rpartition('@')[2]}"))
                return
        self._subscribe(frame, topics)

    def _subscribe(self, frame: dict[str, Any], topics: list[str]) -> None:
        if self.is_over:
            return
        if len(self.topics.keys() | set(topics)) > self._limits.channels:
            self._refuse(frame, Refusal(f"more than {self._limits.channels} channels"))
            return
        snapshots = []
        for topic in dict.fromkeys(topics):
            if self._face.subscribed(topic, self):
                self.topics[topic] = None
            snapshots.append((topic, self._face.snapshot(topic)))
        if not self._face.snapshot_first:
            self._acknowledge(frame)
        for topic, content in snapshots:
            if content is not None:
                self._say(self._worded(topic, content))
        if self._face.snapshot_first:
            self._acknowledge(frame)

    def _unsubscribe(self, frame: dict[str, Any], topics: list[str]) -> None:
        for topic in topics:
            self.forget(topic)
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
        self.is_over = True
        for topic in list(self.topics):
            self.forget(topic)
        self._face.forget(self)

    def forget(self, topic: str) -> None:
        """The subscription is over."""
        self._face.unsubscribed(topic, self)
        if topic in self.topics:
            del self.topics[topic]
            if not self.topics:
                self._idle_since = asyncio.get_running_loop().time()

    # What the face has for the client.

    def publish(self, payload: Payload, entry: Entry) -> None:
        """A publication of one of its topics, in its dialect."""
        self._socket.send([payload], "publication", entry)

    def end(self, topic: str, content: dict[str, Any]) -> None:
        """The contract of the topic is not traded any more: `content` is the last that comes."""
        self._say(self._worded(topic, content))
        self.forget(topic)

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
            key = "event" if self.account is None else "type"
            self._say({key: "ping", "time": str(self._face.now_ns() // 1_000_000)}, "heartbeat")

    def _worded(self, topic: str, content: dict[str, Any]) -> dict[str, Any]:
        return content if self.dialect == "v3" else v2.worded(topic, content)

    def _say(self, frame: dict[str, Any], kind: MessageKind = "control") -> None:
        if not self.is_over:
            self._socket.send([_encode(frame).decode()], kind)
