"""The client side of the Centrifugo protocol v2 (JSON) as one connection lives it. Pure; see `protocols.base`.

Rules:
* `connect` goes first and alone; nothing else before its answer, and nothing at all after an error in it.
* One pong for each ping, and none otherwise: an unrequested pong, or a command too early, ends the line for good.
* Any message counts as life; silence for the ping's interval and `max_ping_delay` is the end.
* A position is sent only with `recover`. What comes twice is dropped, what is missing is `Skipped`.
* A subscription, or its end, that stays unanswered ends the connection: the server may have done it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...errors import ConfigurationError, RequestError
from ...secrets import Secret
from ..base import Binary, Command, Failed, Payload, StreamPosition, Undecodable
from .broken import excerpt_of, topic_of_broken
from .commands import (
    ConnectRequest,
    History,
    Refresh,
    SubRefresh,
    SubscribeParams,
    checked_params,
    frame_of,
    subscribe_request,
)
from .control import Control, Counts
from .frames import DECODE_ERRORS, ConnectResult, Publication, as_raw, decode_frames, split_messages
from .pacing import Pacing
from .replays import PAGE
from .subscribing import Asked

__all__ = ["CentrifugoClient"]

RELAX_SECONDS = 60.0
"""How long a connection lasts before its windows widen by a step."""


class CentrifugoClient:
    """A `ClientProtocol` for Centrifugo. Its publication is `frames.Publication`; topics are channels.

    `token`: the connection's, None where the server asks for none. `name`, `version`: who we are, at most 16 and 64
    characters. `data`: anything JSON can say, for the server. `pacing`: give one object to all connections of a
    session. `max_ping_delay`, `command_timeout` in seconds; the latter for `connect`, subscriptions and their ends,
    counted from when they were handed out. `counts` says what was dropped. Raises ConfigurationError.
    """

    publication: ClassVar[type] = Publication

    def __init__(
        self,
        *,
        token: Secret | str | None = None,
        name: str = "tapewire",
        version: str = "",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        pacing: Pacing | None = None,
        max_ping_delay: float = 10.0,
        command_timeout: float = 5.0,
    ) -> None:
        for argument, text, most in (("name", name, 16), ("version", version, 64)):
            if len(text) > most:
                raise ConfigurationError(argument, text, f"at most {most} characters")
        for argument, seconds in (("max_ping_delay", max_ping_delay), ("command_timeout", command_timeout)):
            if type(seconds) not in (int, float) or not 0 < seconds <= 3600:
                raise ConfigurationError(argument, seconds, "seconds, above 0 and at most 3600")
        self._token = Secret(token) if isinstance(token, str) else token
        self._request = ConnectRequest(
            data=as_raw("data", data),
            name=name,
            version=version,
            headers=dict(headers) if headers else None,
        )
        self._max_ping_delay = max_ping_delay
        self._control = Control(Pacing() if pacing is None else pacing, command_timeout)
        self._heard_at: float | None = None
        self._relaxed_at: float | None = None

    @property
    def counts(self) -> Counts:
        """What was dropped on this connection, and why."""
        return self._control.counts

    @property
    def stale(self) -> int:
        """Publications of channels that had been left."""
        return self._control.counts.stale

    @property
    def connected(self) -> ConnectResult | None:
        """What the server answered to `connect`: the client's id, data, and so on; None before."""
        return self._control.connected

    @property
    def subscribed(self) -> frozenset[str]:
        """The channels that the server has confirmed, and that have not stopped since."""
        return frozenset(self._control.live)

    def hello(self, now: float) -> list[Any]:
        """The transport is open: `connect` goes out. `Ready` comes with its answer."""
        token = "" if self._token is None else self._token.reveal()
        self._control.outbox.greet(msgspec.structs.replace(self._request, token=token), now)
        return []

    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        """One read's messages, in order. Returns publications and events; raises nothing for bytes of the peer."""
        items: list[Any] = []
        append, control, live = items.append, self._control, self._control.live
        self._heard_at = now
        control.outbox.tick(now)
        for payload in payloads if self._is_open() else ():
            try:
                frames = decode_frames(payload) if payload.__class__ is not Binary else []
            except DECODE_ERRORS as error:
                self._salvage(payload, error, items, now)
                if control.over:
                    return items
                continue
            empty = 0
            for frame in frames:
                push = frame.push
                if push is not None and (publication := push.pub) is not None:
                    channel = live.get(push.channel)
                    if channel is None:
                        control.unroutable(push.channel, publication)
                    elif publication.offset == channel.next and channel.plain and not publication.epoch:
                        if publication.offset:
                            channel.next += 1
                            publication.epoch = channel.epoch
                        publication.topic = channel.topic
                        append(publication)
                    else:
                        control.examine(channel, publication, append)
                elif not control.handle(frame, items):
                    empty += 1
                elif control.over:
                    return items
            if empty or not frames:
                self._without_content(payload, empty, items, now)
        return items

    def subscribe(self, topic: str, params: Any = None, position: StreamPosition | None = None) -> None:
        """Ask for `topic`, with `SubscribeParams` or None; answered by `Confirmed` or `Refused`.

        It goes out when the window has room (see `queued`). With `position` and `recoverable` what was missed since
        is asked for, in the answer where that is known to be small enough, else by pages. A topic that is subscribed
        is left first. Raises ConfigurationError.
        """
        control, replays = self._control, self._control.pacing.replays
        request = subscribe_request(topic, params, position)
        asked = Asked(request, position if request.recover else None)
        if request.recover and position is not None:
            control.resumed[topic] = position
            if not replays.is_whole(topic) or replays.is_given_up(topic, position):
                request.recover, request.epoch, request.offset = False, "", 0
        if topic in control.live:
            control.drop_live(topic)
            control.unsubscribe(topic, asked)
        else:
            control.subscribing.ask(asked)
        control.positions.set(topic, position)

    def unsubscribe(self, topic: str) -> None:
        """Leave `topic`. Nothing of it comes out any more; its position stays readable."""
        control = self._control
        if topic in control.live:
            control.drop_live(topic)
            control.unsubscribe(topic)
        else:
            control.subscribing.give_up(topic)

    def send(self, command: Command) -> str:
        """Queue a `History`, `Publish`, `Presence`, `PresenceStats`, `Rpc`, `Send`, `Refresh` or `SubRefresh`.

        The limit of a `History` is cut down, as the server itself does, where a larger page has ended a connection.
        Returns the ref of its `Replied` (a `Send` has none). An error comes as `Replied(ok=False)` with an
        `ErrorReply`. Raises ConfigurationError, and RequestError (`sent` is False) when thousands are unanswered.
        """
        if self._control.outbox.full:
            raise RequestError(command.topic, command.event, "too many commands are unanswered", sent=False)
        if isinstance(command, History):
            most = self._control.pacing.replays.page(command.topic)
            if most < PAGE and not 0 <= command.limit <= most:
                command = msgspec.structs.replace(command, limit=most)
        return self._control.outbox.write(frame_of(command), command.event, command.topic)

    def was_sent(self, ref: str) -> bool:
        """True if the command of `ref` was handed out by `data_to_send`."""
        return self._control.outbox.was_sent(ref)

    def withdraw(self, ref: str) -> bool:
        """Give up a command of `send` that was not handed out. False where it was."""
        return self._control.outbox.withdraw(ref)

    def history(self, topic: str, since: StreamPosition) -> History | None:
        """The command for the page after `since`; None where that was in vain too often, or proves nothing."""
        control, replays = self._control, self._control.pacing.replays
        if replays.is_given_up(topic, control.resumed.get(topic)) or not replays.is_numbered(topic):
            return None
        return History(topic, limit=replays.page(topic), since=since)

    def too_big(self) -> None:
        """A message of the server was larger than we take: what is under way is asked for by smaller parts."""
        self._control.too_large()

    def refresh(self, token: Secret, topic: str | None = None) -> None:
        """Give the server a fresh token, for the connection or for `topic`.

        `CredentialsExpiring` comes again with the answer; where a subscription's token is refused for good, `Ended`.
        """
        command = Refresh(token=token) if topic is None else SubRefresh(topic=topic, token=token)
        self._control.outbox.write(frame_of(command), command.event, command.topic)

    def with_token(self, params: Any, token: Secret) -> SubscribeParams:
        """The parameters with the subscription's own token."""
        return msgspec.structs.replace(checked_params(params), token=token)

    def queued(self, topic: str) -> bool:
        """True while the subscription of `topic` waits for its turn: it has not gone out, judge no deadline."""
        return self._control.subscribing.queued(topic)

    def position(self, topic: str) -> StreamPosition | None:
        """Where `topic` stands: behind the last publication parsed, or where it was when it stopped. None: unknown.

        What was parsed and will not be dispatched must be given to `rewind` first.
        """
        channel = self._control.live.get(topic)
        return self._control.positions.get(topic) if channel is None else channel.position

    def rewind(self, undelivered: Iterable[Any]) -> None:
        """The connection is given up in the middle of a read: positions go back behind the items dispatched.

        Give the items of the read that are not, in order. Nothing may be asked of this connection afterwards but
        positions.
        """
        control = self._control
        control.over = True
        for topic in tuple(control.live):
            control.drop_live(topic)
        control.positions.rewind(undelivered)

    def data_to_send(self, now: float | None = None) -> list[Payload]:
        """The messages to write now, in order. Clears them: write all.

        With `now` the deadlines of what goes out are counted from it; without, from the next `now` that is seen.
        """
        control = self._control
        if control.over:
            return []
        if control.connected is not None:
            for asked in control.subscribing.due():
                control.outbox.write_subscribe(asked.request)
        return control.outbox.take(control.connected is not None, now)

    def sent(self, now: float) -> None:
        """The deadlines of what was handed out last begin: they must, also where the server says nothing more."""
        self._control.outbox.tick(now)

    def next_deadline(self) -> float | None:
        """When the server's silence, or an unanswered command, is the end."""
        if self._control.over:
            return None
        answer, silence = self._control.outbox.next_deadline, self._silent_at()
        if answer is None or silence is None:
            return silence if answer is None else answer
        return min(answer, silence)

    def excuse(self, now: float) -> None:
        """Nothing was read until `now`, by our own doing: pings and answers have their whole time anew."""
        if self._heard_at is not None:
            self._heard_at = now
        self._control.outbox.excuse(now)

    def handle_timer(self, now: float) -> list[Any]:
        """`Failed` where the server was silent, or left a command of ours unanswered, for too long."""
        if self._control.over:
            return []
        unanswered, silence = self._control.outbox.expire(now), self._silent_at()
        if silence is not None and silence <= now:
            self._heard_at = None  # said once; what lay unread in the socket may still prove it wrong
            return [Failed("no ping")]
        return [] if unanswered is None else [Failed(f"{unanswered} timeout")]

    def closed(self, code: int, reason: str = "") -> Failed:
        """The transport was closed with `code`: what that means. Call it before you read positions.

        Where the server found one message too big, or us too slow, `pacing` has shrunk; `terminal` where it cannot.
        """
        return self._control.closed(code, reason)

    def __repr__(self) -> str:
        subscribing = self._control.subscribing
        return (
            f"<CentrifugoClient subscribed={len(self._control.live)} waiting={subscribing.waiting}"
            f" under_way={subscribing.under_way} {self._control.counts}>"
        )

    def _is_open(self) -> bool:
        return not self._control.over

    def _silent_at(self) -> float | None:
        connected = self._control.connected
        if connected is None or connected.ping <= 0 or self._heard_at is None:
            return None
        return self._heard_at + connected.ping + self._max_ping_delay

    def _without_content(self, payload: Payload, empty: int, items: list[Any], now: float) -> None:
        """A ping is exactly `{}`; messages of a kind unknown are `empty` alike. Or there is no message at all."""
        if not empty:
            detail = "a binary message" if isinstance(payload, Binary) else "an empty message"
            items.append(self._broken(payload, detail))
            return
        control = self._control
        pings = sum(line.strip() == b"{}" for line in split_messages(payload))
        control.counts.unknown += empty - pings
        if control.connected is None:
            return
        if control.connected.pong:
            for _ in range(pings):
                control.outbox.pong()
        if self._relaxed_at is None:
            self._relaxed_at = now
        elif now - self._relaxed_at >= RELAX_SECONDS:
            self._relaxed_at = now
            control.lasted()

    def _salvage(self, payload: Payload, error: Exception, items: list[Any], now: float) -> None:
        """One bad message must not cost the others of its frame."""
        try:
            lines = split_messages(payload)
        except ValueError:
            lines = []
        if len(lines) < 2:
            items.append(self._broken(payload, str(error)))
            return
        for line in lines:
            items.extend(self.receive([line], now))

    def _broken(self, payload: Payload, detail: str) -> Undecodable:
        self._control.counts.undecodable += 1
        return Undecodable(detail[:200], topic_of_broken(payload), excerpt_of(payload))
