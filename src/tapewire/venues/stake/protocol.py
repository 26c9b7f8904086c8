"""The page's wire as a client protocol: `{"type":"subscribe","channel":...}` out, `{"channel":...,"payload":...}` in.

Rules (document 003; what it leaves open is ours, and stands in NOTES.md):
* No message confirms a subscription. It counts as confirmed with its first message, or when nothing has been said
  against it for `settle` seconds.
* No message says which of our subscriptions it is of. Where a channel was left on this connection and is asked for
  again, what comes within `settle` seconds may be of the former subscription, with a hole behind it: it is dropped, as
  what comes of a channel that was left is, and the new subscription begins after it.
* `{"type":"error","channel":...}` before that refuses, and interrupts after it; `"interrupted"` always does the latter,
  and `"unsubscribed"` ends a channel.
* Nothing is numbered: what one connection carried is delivered as it carried it, and every loss of the line is a mark.
* A message of no channel, or of one that nobody asked for, comes out under the topic `OTHER`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from ...protocols.base import (
    Binary,
    Command,
    Confirmed,
    Ended,
    Interrupted,
    Payload,
    Ready,
    Refused,
    StreamPosition,
    Undecodable,
    Unnumbered,
)
from ...secrets import redact

__all__ = ["OTHER", "PageClient", "PageFrame", "Send"]

OTHER = "*"
"""The topic of messages that belong to no channel of ours."""

MAX_LEFT = 1_000
"""Channels left that are remembered, so that what still comes of them is dropped."""

_CHANNEL = re.compile(r'"channel"\s*:\s*"([^"\\]{1,200})"')
_STOPS = ("error", "interrupted", "unsubscribed")
_MAX_SAID = 200
_ERRORS = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


class Send(Command, frozen=True):
    """Send `text` as it is."""

    text: str


class PageFrame(msgspec.Struct, gc=False):
    """One publication: the message as it came, and its payload, raw."""

    topic: str
    text: Raw
    payload: Raw


class _Head(msgspec.Struct):
    channel: Any = None
    type: Any = None
    payload: Raw = Raw(b"null")
    message: Any = None


_decode = msgspec.json.Decoder(_Head).decode


class PageClient(Unnumbered):
    """A `ClientProtocol`; its publication is `PageFrame`. `now` is the clock of the session that uses it.

    Counters: `stale` (messages of a channel that was left), `undecodable`.
    """

    publication: ClassVar[type] = PageFrame

    def __init__(self, now: Callable[[], float], *, settle: float = 0.25) -> None:
        self._now = now
        self._settle = settle
        self._confirmed: dict[str, bool] = {}
        self._pending: OrderedDict[str, float] = OrderedDict()  # when each counts as confirmed, in order
        # True: by us, and the venue has yet to come to that.
        self._left: OrderedDict[str, bool] = OrderedDict()
        self._former: set[str] = set()  # asked for again: what comes before they settle is of before
        self._outgoing: list[Payload] = []
        self._last_ref = 0
        self._queued: set[str] = set()
        self.stale = 0
        self.undecodable = 0

    def hello(self, now: float) -> list[Any]:
        """The transport is open, and nobody greets: the token went with the handshake."""
        return [Ready()]

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Returns publications and events; raises nothing for bytes of the peer."""
        items: list[Any] = []
        for payload in payloads:
            try:
                if payload.__class__ is Binary:
                    raise ValueError("a binary message")
                head = _decode(payload)
            except _ERRORS as error:
                items.append(self._broken(payload, str(error)))
                continue
            channel = head.channel if head.channel.__class__ is str else OTHER
            confirmed = self._confirmed.get(channel)
            if confirmed is None:
                if channel in self._left:
                    self.stale += 1
                    continue
                channel, confirmed = OTHER, self._confirmed.get(OTHER)
            if head.type is not None and channel != OTHER and head.type in _STOPS:
                self._stopped(channel, head, items)
                continue
            if channel in self._former:
                self.stale += 1
                continue
            if confirmed is False:
                self._confirm(channel, items)
            items.append(PageFrame(channel, Raw(payload), head.payload))
        return items

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Ask for a channel. `OTHER` is asked of nobody: it is what belongs to no channel."""
        if topic != OTHER:
            self._outgoing.append(msgspec.json.encode({"type": "subscribe", "channel": topic}))
        if self._left.pop(topic, False):
            self._former.add(topic)
        self._confirmed[topic] = False
        self._pending.pop(topic, None)
        self._pending[topic] = self._now() + (0.0 if topic == OTHER else self._settle)

    def unsubscribe(self, topic: str) -> None:
        """Leave a channel, in words that are ours: the page has none."""
        if topic in self._confirmed:
            self._forget(topic, ours=True)
            if topic != OTHER:
                self._outgoing.append(msgspec.json.encode({"type": "unsubscribe", "channel": topic}))

    def send(self, command: Command) -> str:
        """Send a text as it is; nothing answers it."""
        self._last_ref += 1
        ref = str(self._last_ref)
        if isinstance(command, Send):
            self._outgoing.append(command.text)
            self._queued.add(ref)
        return ref

    def was_sent(self, ref: str) -> bool:
        """True once it was handed out by `data_to_send`."""
        return ref not in self._queued

    def withdraw(self, ref: str) -> bool:
        """Nothing is ever held."""
        return False

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them: write all."""
        outgoing, self._outgoing = self._outgoing, []
        self._queued.clear()
        return outgoing

    def next_deadline(self) -> float | None:
        """When the next subscription counts as confirmed."""
        return min(self._pending.values(), default=None)

    def excuse(self, now: float) -> None:
        """Nothing was read until `now`, by our own doing: a refusal may still lie there unread."""
        for topic in self._pending:
            self._pending[topic] = now + self._settle

    def handle_timer(self, now: float) -> list[Any]:
        """Confirm what nobody has refused."""
        items: list[Any] = []
        for topic in [topic for topic, due in self._pending.items() if due <= now]:
            self._confirm(topic, items)
        return items

    def __repr__(self) -> str:
        return (
            f"<PageClient channels={len(self._confirmed)} stale={self.stale} undecodable={self.undecodable}>"
        )

    def _confirm(self, topic: str, items: list[Any]) -> None:
        if self._confirmed.get(topic) is False:
            self._confirmed[topic] = True
            self._former.discard(topic)
            del self._pending[topic]
            items.append(Confirmed(topic))

    def _stopped(self, channel: str, head: _Head, items: list[Any]) -> None:
        confirmed = self._confirmed[channel]
        self._forget(channel)
        reason = redact(str(head.message or "no reason given"))[:_MAX_SAID]
        if head.type == "unsubscribed":
            items.append(Ended(channel, reason if head.message else head.type))
        elif confirmed or head.type == "interrupted":
            items.append(Interrupted(channel, reason))
        else:
            items.append(Refused(channel, reason))

    def _forget(self, topic: str, *, ours: bool = False) -> None:
        del self._confirmed[topic]
        self._pending.pop(topic, None)
        self._former.discard(topic)
        self._left[topic] = ours and topic != OTHER
        if len(self._left) > MAX_LEFT:
            self._left.popitem(last=False)

    def _broken(self, payload: Payload, detail: str) -> Undecodable:
        self.undecodable += 1
        head = payload[:_MAX_SAID]
        found = _CHANNEL.search(head if isinstance(head, str) else head.decode(errors="ignore"))
        topic = found[1] if found and found[1] in self._confirmed else None
        return Undecodable(detail[:_MAX_SAID], topic, redact(ascii(payload[:80])))
