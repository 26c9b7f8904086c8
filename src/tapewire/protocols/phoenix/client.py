"""The client side of Phoenix Channels as one connection lives it. Pure; see `protocols.base` for the order of calls.

Rules:
* A topic routes from the moment its join is written: what the server pushes before its reply is delivered.
* A frame belongs to us if its join_ref is that of the current join, or null (broadcasts) and no end of a former join of
  the topic is owed to us (`former.py`); else it is stale and dropped.
* Control frames of a live topic come out too, as `Frame`, each after the event that it means.
* A topic that was left, refused, interrupted or ended is silent until it is subscribed again.
* A push before its join was confirmed is held, in order, and written when it is; a lost join loses it unsent.

V1 frames carry no join_ref. There a reply is told by its ref, and the close of a former join by its ref or by counting:
the server closes each join once; every publication is told as a broadcast of V2 is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from ...errors import ConfigurationError, NotSubscribed, RequestError
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
    Replied,
    StreamPosition,
    Undecodable,
    Unnumbered,
)
from .former import FormerJoins
from .frames import DECODE_ERRORS, Codec, Frame, Version, as_payload
from .heartbeat import TOPIC as HEARTBEAT_TOPIC
from .heartbeat import Heartbeat
from .replies import answer_in, decoded, excerpt_of, reason_in, ref_number, topic_of_broken

__all__ = ["FINAL_REASONS", "MAX_HELD_PUSHES", "PhoenixClient", "Push"]

FULL_REASON = "too many channels joined"

"""Passes: the server frees a place a moment after its leave. (`Phoenix.Socket` counts channels until they are down.)"""

FINAL_REASONS = frozenset({"unauthorized", "unmatched topic"})
"""Reasons of a refused join where asking again unchanged cannot help."""

MAX_HELD_PUSHES = 100
"""Pushes held per topic until its join is confirmed."""

MAX_UNSENT_REFS = 10_000
"""Refs of pushes given up unsent that `was_sent` remembers, the latest ones."""

FORMER_ENDS_WITHIN = 10.0
"""Seconds after a join's reply in which the end of a former one must have been said; a server that does not say it
loses us that long a part of the topic, which is told, and not all of it."""

_CONTROL = frozenset({"phx_reply", "phx_error", "phx_close"})

_EMPTY = as_payload({})


class Push(Command, frozen=True):
    """Send `event` with `payload` on a subscribed topic: anything JSON can say, or bytes for a binary frame."""

    payload: Any = msgspec.field(default_factory=dict)


_NONE_HELD: Mapping[str, Frame] = MappingProxyType({})


class _Channel(msgspec.Struct):
    """One live topic. `carried` are refs of held pushes older than the current join, for which they stay valid.

    `follows` while the end of a former join may be owed to us; `withheld` counts what then came behind the reply.
    """

    topic: str
    join_ref: str
    confirmed: bool = False
    confirmed_at: float = 0.0
    follows: bool = False
    withheld: int = 0
    held: Mapping[str, Frame] = _NONE_HELD  # until a push has to wait
    carried: frozenset[str] = frozenset()


class PhoenixClient(Unnumbered):
    """A `ClientProtocol` for Phoenix Channels. Its publication is the `Frame` itself.

    `heartbeat_interval` and `heartbeat_timeout` in seconds: how often one is sent, and how long its reply may take,
    judged separately. Keep the interval below half of the server's idle time-out (60 s by default). `final_reasons`:
    refusals that are not retryable. Counters: `stale` (frames of a former join), `unrouted` (frames of no topic of
    ours), `undecodable`. `ping_rtt` is the last heartbeat's round trip in seconds, or None. Raises ConfigurationError.
    """

    publication: ClassVar[type] = Frame

    def __init__(
        self,
        *,
        version: Version = "2.0.0",
        heartbeat_interval: float = 30.0,
        heartbeat_timeout: float = 10.0,
        final_reasons: Iterable[str] = FINAL_REASONS,
        max_held_pushes: int = MAX_HELD_PUSHES,
    ) -> None:
        if max_held_pushes < 0:
            raise ConfigurationError("max_held_pushes", max_held_pushes, "0 or more")
        self._codec = Codec(version, "client")
        self._heartbeat = Heartbeat(heartbeat_interval, heartbeat_timeout)
        self._final_reasons = frozenset(final_reasons)
        self._max_held = max_held_pushes
        self._live: dict[str, _Channel] = {}
        self._former = FormerJoins()
        self._unsent: dict[str, None] = {}
        self._outgoing: list[Payload] = []
        self._queued: set[str] = set()  # refs of the pushes among the outgoing
        self._last_ref = 0
        self._now = 0.0
        self.stale: int = 0
        self.unrouted: int = 0
        self.undecodable: int = 0

    @property
    def ping_rtt(self) -> float | None:
        """Seconds between the last answered heartbeat and its reply; None before the first."""
        return self._heartbeat.rtt

    @property
    def joined(self) -> frozenset[str]:
        """The topics whose join the server confirmed, and which have not stopped since."""
        return frozenset(topic for topic, channel in self._live.items() if channel.confirmed)

    def hello(self, now: float) -> list[Any]:
        """The transport is open. Phoenix greets nobody: subscriptions may be sent at once."""
        self._heartbeat.start(now)
        return [Ready()]

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Returns frames and events, in order; raises nothing for bytes of the peer."""
        items: list[Any] = []
        append, decode, live = items.append, self._codec.decode_text, self._live
        self._now = now
        for payload in payloads:
            try:
                frame = (
                    decode(payload) if payload.__class__ is not Binary else self._codec.decode_binary(payload)
                )
            except DECODE_ERRORS as error:
                append(self._broken(payload, str(error)))
                continue
            channel = live.get(frame.topic)
            if channel is None:
                self._unroutable(frame, now)
            elif (
                (ref := frame.join_ref) is not None
                and ref != channel.join_ref
                and str(ref) != channel.join_ref
            ):
                self._stale(frame)
            elif frame.event == "phx_reply":
                self._replied(frame, channel, append)
            elif frame.event in _CONTROL:
                self._stopped(frame, channel, append)
            elif channel.follows and ref is None and self._is_former(channel, append):
                self.stale += 1
            else:
                append(frame)
        return items

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Join `topic` with `params` (default `{}`) as the payload; answered by `Confirmed` or `Refused`.

        On a topic that is joined already the new join supersedes the old one, whose frames are stale from now on,
        the replies to its pushes included. A `position` is ignored: Phoenix replays nothing.
        Raises ConfigurationError for what cannot be sent.
        """
        if topic == HEARTBEAT_TOPIC:
            raise ConfigurationError(
                "topic", topic, f"any but {HEARTBEAT_TOPIC!r}, which is the socket's own"
            )
        payload = _EMPTY if params is None else as_payload(params)
        ref = str(self._last_ref + 1)
        message = self._codec.encode(Frame(ref, ref, topic, "phx_join", payload))
        self._last_ref += 1
        self._outgoing.append(message)
        channel = _Channel(topic, ref)
        before = self._live.get(topic)
        if before is not None:
            self._former.add(topic, before.join_ref, answered=before.confirmed)
            channel.held, channel.carried = before.held, frozenset(before.held)
        channel.follows = self._former.owes(topic)
        self._live[topic] = channel

    def unsubscribe(self, topic: str) -> None:
        """Leave `topic`, also while its join is pending. Nothing of it comes out any more; no answer is awaited."""
        channel = self._live.pop(topic, None)
        if channel is not None:
            ref = self._new_ref()
            self._former.add(topic, channel.join_ref, answered=channel.confirmed, leave_ref=ref)
            self._forget_held(channel)
            self._write(Frame(channel.join_ref, ref, topic, "phx_leave", _EMPTY))

    def send(self, command: Command) -> str:
        """Push on a subscribed topic; returns the ref of its `Replied`, which a server need not ever send.

        Before the join is confirmed the push is held: `was_sent(ref)` says whether it has been written. Raises
        NotSubscribed, RequestError (`sent` is False) where too many are held, ConfigurationError for what cannot go.
        """
        channel = self._live.get(command.topic)
        if channel is None:
            raise NotSubscribed(command.topic)
        if command.event.startswith("phx_"):
            raise ConfigurationError("event", command.event, "any that does not begin with 'phx_'")
        payload = as_payload(command.payload if isinstance(command, Push) else {})
        ref = str(self._last_ref + 1)
        frame = Frame(channel.join_ref, ref, command.topic, command.event, payload)
        message = self._codec.encode(frame)
        if channel.confirmed:
            self._outgoing.append(message)
            self._queued.add(ref)
        elif len(channel.held) < self._max_held:
            channel.held = {**channel.held, ref: frame}
        else:
            text = (
                f"{len(channel.held)} pushes wait for the topic to be joined; await it before you push more"
            )
            raise RequestError(command.topic, command.event, text, sent=False)
        self._last_ref += 1
        return ref

    def was_sent(self, ref: str) -> bool:
        """True once the push of `ref` was handed out by `data_to_send`; False while held, and once given up unsent."""
        if ref in self._unsent or ref in self._queued:
            return False
        return not any(ref in channel.held for channel in self._live.values())

    def withdraw(self, ref: str) -> bool:
        """Give up a push that is still held, so that it is never written. False where it is too late for that.

        You must call it for a push whose deadline has passed or whose caller has gone: else it is written late.
        """
        for channel in self._live.values():
            if ref in channel.held:
                channel.held = {each: push for each, push in channel.held.items() if each != ref}
                self._remember_unsent(ref)
                return True
        return False

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them: write all."""
        outgoing, self._outgoing = self._outgoing, []
        self._queued.clear()
        return outgoing

    def next_deadline(self) -> float | None:
        """When the next heartbeat, or the reply to the last one, is due."""
        return self._heartbeat.next_deadline

    def excuse(self, now: float) -> None:
        """Nothing was read until `now`, by our own doing: the heartbeat's reply has its whole time anew."""
        self._heartbeat.excuse(now)

    def handle_timer(self, now: float) -> list[Any]:
        """Send a heartbeat that is due; `Failed` where the last one went unanswered."""
        if self._heartbeat.is_overdue(now):
            self._heartbeat.stop()
            return [Failed("heartbeat unanswered")]
        if self._heartbeat.is_due(now):
            ref = self._new_ref()
            self._heartbeat.sent(ref, now)
            self._write(Frame(None, ref, HEARTBEAT_TOPIC, "heartbeat", _EMPTY))
        return []

    def __repr__(self) -> str:
        return (
            f"<PhoenixClient {self._codec.version} joined={len(self.joined)}/{len(self._live)}"
            f" stale={self.stale} unrouted={self.unrouted} undecodable={self.undecodable}>"
        )

    def _new_ref(self) -> str:
        self._last_ref += 1
        return str(self._last_ref)

    def _write(self, frame: Frame) -> None:
        self._outgoing.append(self._codec.encode(frame))

    def _broken(self, payload: Payload, detail: str, topic: str | None = None) -> Undecodable:
        self.undecodable += 1
        topic = topic or topic_of_broken(payload, self._codec.version)
        return Undecodable(detail[:200], topic, excerpt_of(payload))

    def _unroutable(self, frame: Frame, now: float) -> None:
        """A frame of a topic that is not live: the heartbeat's reply, remains of a former join, or nobody's."""
        if frame.topic == HEARTBEAT_TOPIC and frame.event == "phx_reply":
            self._heartbeat.answered(frame.ref, now)
        elif frame.join_ref is not None:
            self._stale(frame)
        elif self._former.owns(frame):
            self.stale += 1
        else:
            self.unrouted += 1

    def _stale(self, frame: Frame) -> None:
        self.stale += 1
        if frame.event in _CONTROL:
            self._former.owns(frame)

    def _is_former(self, channel: _Channel, append: Callable[[Any], None]) -> bool:
        """True if a publication that names no join is of a join before this one."""
        if self._former.owes(channel.topic):
            if not channel.confirmed:
                return True
            if self._now - channel.confirmed_at < FORMER_ENDS_WITHIN:
                channel.withheld += 1
                return True
            self._former.forget(channel.topic)
            if channel.withheld:
                text = f"{channel.withheld} publications could not be told from a former join's: it was never closed"
                append(self._broken(b"", text, channel.topic))
        channel.follows = False
        return False

    def _stopped(self, frame: Frame, channel: _Channel, append: Callable[[Any], None]) -> None:
        # V1 has no join_ref; where the ref is given it is the join's. Where neither is, V1 counts.
        if frame.join_ref is None and (
            self._former.owns(frame) or (frame.ref is not None and str(frame.ref) != channel.join_ref)
        ):
            self.stale += 1
            return
        del self._live[channel.topic]
        self._forget_held(channel)
        if frame.event == "phx_error":
            append(Interrupted(channel.topic, reason_in(decoded(frame.payload), "the channel crashed")))
        else:
            append(Ended(channel.topic, reason_in(decoded(frame.payload), "closed by the server")))
        append(frame)

    def _replied(self, frame: Frame, channel: _Channel, append: Callable[[Any], None]) -> None:
        topic, ref = channel.topic, channel.join_ref
        if frame.ref != ref:
            number = ref_number(frame.ref)
            if number < 0:  # the echo of a null ref, which we never send
                append(frame)
                return
            ref = str(number)
            is_ours = ref == channel.join_ref or frame.join_ref is not None or ref in channel.carried
            if not is_ours and number < int(channel.join_ref):
                # No join_ref (V1, "unmatched topic"), and older than the current join: it answered a former one.
                self._former.owns(frame)
                self.stale += 1
                return
        answer = answer_in(frame)
        if answer is None:
            excerpt = bytes(frame.payload)
            append(self._broken(excerpt, "a phx_reply without status and response", topic))
            return
        ok = answer.status == "ok"
        if ref == channel.join_ref:
            if not channel.confirmed:
                append(
                    self._joined(channel, answer.response) if ok else self._refused(channel, answer.response)
                )
            append(frame)
            return
        channel.carried -= {ref}
        append(Replied(ref, ok, answer.response))
        if not ok and frame.join_ref is None and channel.confirmed:
            reason = reason_in(decoded(answer.response), "")
            if reason == "unmatched topic":  # the server does not know our join (any more)
                del self._live[topic]
                append(Interrupted(topic, reason))
        append(frame)

    def _joined(self, channel: _Channel, response: Any) -> Confirmed:
        channel.confirmed, channel.confirmed_at = True, self._now
        if channel.follows:
            self._former.passed_over(channel.topic)
        held, channel.held = channel.held, _NONE_HELD
        for frame in held.values():
            frame.join_ref = channel.join_ref
            self._write(frame)
        self._queued.update(held)
        return Confirmed(channel.topic, reply=response)

    def _refused(self, channel: _Channel, response: Any) -> Refused:
        del self._live[channel.topic]
        self._former.passed_over(channel.topic)
        self._forget_held(channel)
        reply = decoded(response)
        reason = reason_in(reply, "no reason given")
        retryable = reason not in self._final_reasons
        return Refused(channel.topic, reason, retryable=retryable, reply=reply, full=reason == FULL_REASON)

    def _forget_held(self, channel: _Channel) -> None:
        for ref in channel.held:
            self._remember_unsent(ref)
        channel.held = _NONE_HELD

    def _remember_unsent(self, ref: str) -> None:
        if len(self._unsent) >= MAX_UNSENT_REFS:
            del self._unsent[next(iter(self._unsent))]
        self._unsent[ref] = None
