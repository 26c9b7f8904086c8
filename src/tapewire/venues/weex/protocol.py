"""The client side of WEEX's sockets as one connection lives it. Pure; see `protocols.base` for the order of calls.

Rules:
* What was asked for since the last `data_to_send` goes in one request (V3; `Profile.batch` topics at most). While
  `Profile.unanswered` requests are under way further topics wait, and then go together: operations are few in an hour.
* A topic routes from the moment it was asked for: the venue's snapshot may come before its answer.
* Six refused requests close the socket. A refused topic is asked for once and never again; the rest of its request is
  asked for again, once. Where the text names nobody, the request is split. The sixth refusal is never risked: a topic
  that can no longer be asked for safely, or for which no operation is left, is `Refused` as `full`: another connection
  takes it.
* A request that is not answered in `FORGOTTEN_AFTER` seconds holds up nothing more, but counts as one that may still be
  refused.
* A topic that was left is silent, and what the venue still sends of it is dropped; also where it is asked for again,
  until the answer to the leave has come: the venue answers in order.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import msgspec

from ...errors import ConfigurationError
from ...protocols.base import (
    Command,
    Confirmed,
    Payload,
    Ready,
    Refused,
    StreamPosition,
    Undecodable,
    Unnumbered,
)
from .limits import Operations
from .profile import V3, Profile
from .wire import DECODE_ERRORS, Answer, Frame, Greeting, Ping, text_of

__all__ = ["MAX_REFUSALS", "WeexProtocol"]

MAX_REFUSALS: Final = 5
"""Refused requests that one connection survives: the sixth closes it with 1007."""

LEAVING_RESERVE: Final = 40
"""Operations that are kept for subscribing: below it nothing is left at the venue any more, only here."""

FORGOTTEN_AFTER: Final = 10.0
"""Seconds after which a request that was not answered no longer holds up others."""

MAX_UNANSWERED: Final = 64
"""Requests whose answer is still waited for, the latest ones."""


_NO_ROOM: Final = re.compile(r"(?i)(more than|exceed|too many|limit).*(channel|subscription|operation)")
"""How a refusal says that this connection holds no more; the venue's own wording is not known."""


class _Request(msgspec.Struct):
    """One request under way. `since` is set when the clock is next told; `holds_up` until it is given up.

    `lost`: it was not answered in time. A refusal of it may still come.
    """

    id: int
    topics: list[str]
    subscribes: bool
    since: float | None = None
    holds_up: bool = True
    lost: bool = False


class WeexProtocol(Unnumbered):
    """A `ClientProtocol` for one of the venue's wires. Its publication is the `Frame`.

    `time_ns`: what says when a read's frames came (`received_at_ns`, which is 0 without it).
    Counters: `unrouted` (frames of no topic of ours), `undecodable`, `refusals`. `operations` is the connection's
    budget, to be looked at by whoever decides how to rebuild a book.
    """

    publication: ClassVar[type] = Frame

    def __init__(self, profile: Profile = V3, time_ns: Callable[[], int] = lambda: 0) -> None:
        self.profile = profile
        self._time_ns = time_ns
        self.operations: Operations = Operations()
        self.refusals: int = 0
        self.unrouted: int = 0
        self.undecodable: int = 0
        self._now = 0.0
        self._greeted = False
        self._wanted: dict[str, int] = {}  # topic -> its latest request; 0 while it has not gone out
        self._asked: dict[str, None] = {}  # waiting to go out together
        self._again: deque[list[str]] = deque()  # parts of refused requests, each to go out alone
        self._granted: set[str] = set()  # confirmed once on this connection: the venue will not refuse them
        self._leaving: dict[str, None] = {}
        self._left: dict[str, int] = {}  # topic -> the request that left it, while that is not answered
        self._full: dict[str, str] = {}
        self._requests: dict[int, _Request] = {}
        self._outgoing: list[Payload] = []
        self._last_id = 0

    # --- what comes ---------------------------------------------------------------------------------------------------

    def hello(self, now: float) -> list[Any]:
        """The transport is open. V3 is ready with the venue's greeting, V2 at once."""
        self._now = now
        if self.profile.greets:
            return []
        self._greeted = True
        return [Ready()]

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Raises nothing for bytes of the peer."""
        self._now = now
        self._forget_unanswered(now)
        items: list[Any] = []
        read, wanted, left, at_ns = self.profile.read, self._wanted, self._left, self._time_ns()
        for payload in payloads:
            try:
                heard = read(payload if payload.__class__ is bytes else text_of(payload))
            except DECODE_ERRORS as error:
                items.append(self._broken(payload, error))
                continue
            if heard.__class__ is Frame:
                if heard.topic in wanted and heard.topic not in left:
                    heard.received_at_ns = at_ns
                    items.append(heard)
                else:
                    self.unrouted += 1
            elif not isinstance(heard, Frame):
                self._control(heard, items)
        return items

    def _control(self, heard: Greeting | Ping | Answer, items: list[Any]) -> None:
        if isinstance(heard, Ping):
            self._outgoing.append(self.profile.pong(heard, self._new_id()))
        elif isinstance(heard, Greeting):
            if not self._greeted:
                self._greeted = True
                items.append(Ready())
        else:
            self._answered(heard, items)

    def _answered(self, answer: Answer, items: list[Any]) -> None:
        request = self._request_of(answer)
        if not answer.ok:
            self.refusals += 1
        if request is None:
            return  # the answer to a pong, or to a request that was given up
        topics = [topic for topic in request.topics if self._wanted.get(topic) == request.id]
        if not request.subscribes:
            self._forget_left(request)
            return
        if answer.ok:
            self._granted.update(topics)
            items.extend(Confirmed(topic) for topic in topics)
        elif topics:
            self._refused(topics, answer.text, items)

    def _request_of(self, answer: Answer) -> _Request | None:
        if answer.id is not None:
            return self._requests.pop(answer.id, None)
        for number, request in self._requests.items():
            if any(topic in request.topics for topic in answer.topics):
                return self._requests.pop(number)
        return None

    def _refused(self, topics: list[str], text: str, items: list[Any]) -> None:
        reason = text[:300] or "no reason given"
        if _NO_ROOM.search(text):
            for topic in topics:
                del self._wanted[topic]
                items.append(Refused(topic, reason, retryable=True, full=True))
            return
        named = self.profile.culprits(text, topics) or (topics if len(topics) == 1 else [])
        for topic in named:
            del self._wanted[topic]
            items.append(Refused(topic, reason))
        rest = [topic for topic in topics if topic not in named]
        for topic in rest:
            self._wanted[topic] = 0
        if named:
            self._again.extend([rest] if rest else [])
        else:
            half = len(rest) // 2
            self._again.extend([rest[:half], rest[half:]])

    # --- what is asked for --------------------------------------------------------------------------------------------

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Ask for `topic`, with what else is asked for before the next `data_to_send`. `params` means nothing here.

        Asking again for a topic that is served makes the venue begin it anew: a book starts with a fresh snapshot.
        """
        self._leaving.pop(topic, None)
        self._give_up(topic)
        self._wanted[topic] = 0
        self._asked[topic] = None

    def unsubscribe(self, topic: str) -> None:
        """Leave `topic`. Nothing of it comes out any more; no answer is awaited."""
        number = self._wanted.pop(topic, None)
        if number is None:
            return
        self._asked.pop(topic, None)
        self._full.pop(topic, None)
        for part in self._again:
            if topic in part:
                part.remove(topic)
        if number:
            self._give_up(topic)
            self._leaving[topic] = None

    def queued(self, topic: str) -> bool:
        """True while `topic` waits for its turn."""
        return self._wanted.get(topic) == 0

    def send(self, command: Command) -> str:
        """The venue takes no commands on its sockets. Raises ConfigurationError."""
        raise ConfigurationError("command", command.event, "none: orders go over HTTP")

    def was_sent(self, ref: str) -> bool:
        """False: there are no commands."""
        return False

    def withdraw(self, ref: str) -> bool:
        """False: there are no commands."""
        return False

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them: write all."""
        if self._greeted:
            self._write_leaving()
            self._write_asked()
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_deadline(self) -> float | None:
        """At once where a topic has to go elsewhere; else when those that wait for answers wait no longer."""
        if self._full:
            return self._now
        if not (self._asked or self._again):
            return None
        asked = [self._now if r.since is None else r.since for r in self._requests.values() if not r.lost]
        return min(asked) + FORGOTTEN_AFTER if asked else None

    def handle_timer(self, now: float) -> list[Any]:
        """Say which topics this connection cannot take, and forget what is not answered."""
        self._now = now
        self._forget_unanswered(now)
        full, self._full = self._full, {}
        for topic in full:
            self._wanted.pop(topic, None)
        return [
            Refused(topic, reason, retryable=True, full=True, spent=True) for topic, reason in full.items()
        ]

    def __repr__(self) -> str:
        served = sum(number > 0 for number in self._wanted.values())
        return (
            f"<WeexProtocol {self.profile.name} topics={served}/{len(self._wanted)} refusals={self.refusals}>"
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _write_leaving(self) -> None:
        while self._leaving and self._has_turn() and self.operations.left(self._now) > LEAVING_RESERVE:
            topics = list(self._leaving)[: self.profile.batch]
            for topic in topics:
                del self._leaving[topic]
            self._write(topics, subscribes=False)

    def _write_asked(self) -> None:
        while (self._asked or self._again) and self._has_turn():
            topics = self._next_part()
            if not topics:
                continue
            obstacle = self._obstacle(topics)
            if obstacle is None:
                self._write(topics, subscribes=True)
            elif obstacle:
                self._full.update(dict.fromkeys(topics, obstacle))
            else:
                self._again.appendleft(topics)  # the answers under way decide
                return

    def _next_part(self) -> list[str]:
        if self._again:
            return self._again.popleft()
        waiting = list(self._asked)
        known = [topic for topic in waiting if topic in self._granted]
        topics = (known or waiting)[: self.profile.batch]
        for topic in topics:
            del self._asked[topic]
        return topics

    def _obstacle(self, topics: list[str]) -> str | None:
        """None: they may be asked for. Empty: not before the answers under way. Else why not here."""
        if self.operations.left(self._now) <= 0:
            return "the connection has no operation left in this hour"
        if self._granted.issuperset(topics):
            return None
        risks = [
            r for r in self._requests.values() if r.subscribes and not self._granted.issuperset(r.topics)
        ]
        if self.refusals + len(risks) < MAX_REFUSALS:
            return None
        lost = sum(r.lost for r in risks)
        if lost < len(risks):
            return ""
        return (
            f"{self.refusals} requests refused and {lost} not answered: the sixth refusal closes a connection"
        )

    def _has_turn(self) -> bool:
        return sum(request.holds_up for request in self._requests.values()) < self.profile.unanswered

    def _write(self, topics: list[str], *, subscribes: bool) -> None:
        number = self._new_id()
        self.operations.take(self._now)
        self._requests[number] = _Request(number, topics, subscribes)
        if len(self._requests) > MAX_UNANSWERED:
            self._forget_left(self._requests.pop(next(iter(self._requests))))
        if subscribes:
            for topic in topics:
                self._wanted[topic] = number
            self._outgoing.append(self.profile.subscribe(topics, number))
        else:
            self._left.update(dict.fromkeys(topics, number))
            self._outgoing.append(self.profile.unsubscribe(topics, number))

    def _give_up(self, topic: str) -> None:
        """Nobody waits for the answer about `topic` any more: it holds up nothing."""
        for request in self._requests.values():
            if request.subscribes and topic in request.topics:
                request.holds_up = any(
                    self._wanted.get(other) == request.id for other in request.topics if other != topic
                )

    def _forget_unanswered(self, now: float) -> None:
        for request in self._requests.values():
            if request.since is None:
                request.since = now
            elif now >= request.since + FORGOTTEN_AFTER:  # as `next_deadline` adds it up
                request.holds_up, request.lost = False, True
                self._forget_left(request)

    def _forget_left(self, request: _Request) -> None:
        """What comes from now on of the topics that it left is not of before it."""
        if not request.subscribes:
            for topic in request.topics:
                if self._left.get(topic) == request.id:
                    del self._left[topic]

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _broken(self, payload: Payload, error: Exception) -> Undecodable:
        self.undecodable += 1
        head = payload[:400]
        text = head.encode(errors="replace") if isinstance(head, str) else bytes(head)
        topic = self.profile.topic_in(text)
        return Undecodable(str(error)[:200], topic if topic in self._wanted else None, repr(payload[:80]))
