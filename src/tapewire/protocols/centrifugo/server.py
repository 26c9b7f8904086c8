"""The server side of Centrifugo on one socket, as the real one behaves. Pure.

`receive(payload, now)` returns what the application must decide. What the protocol decides by itself is answered here:
a command before `connect`, a second `connect`, anything after a refused one and an unrequested pong are the end (3501);
a channel held already is error 105, one too many is 106. Send what `data_to_send()` returns after every call; call
`handle_timer(now)` at `next_deadline()` for pings; close the socket with the code of a `Disconnected`. The size of an
inbound frame (1009) and of the queue (3008) are the transport's business.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import ConfigurationError
from ..base import Payload
from .codes import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    BAD_REQUEST_DISCONNECT,
    DISCONNECTS,
    ERRORS,
    INSUFFICIENT_STATE,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    NO_PONG,
    NOT_AVAILABLE,
    STALE,
    UNRECOVERABLE_POSITION,
    UNSUBSCRIBES,
    is_temporary,
)
from .commands import MAX_CHANNEL_BYTES, CommandFrame, decode_command
from .frames import (
    DECODE_ERRORS,
    ClientInfo,
    ConnectResult,
    Empty,
    ErrorReply,
    Frame,
    Message,
    Publication,
    Push,
    Reason,
    RpcResult,
    SubscribeResult,
    Who,
    as_raw,
    encode_publication,
    split_messages,
)
from .history import ChannelHistory, NoHistory
from .requests import (
    ConnectRequested,
    Disconnected,
    HistoryRequested,
    PresenceRequested,
    PresenceStatsRequested,
    PublishRequested,
    RefreshRequested,
    RpcRequested,
    ServerRequest,
    SubRefreshRequested,
    SubscribeRequested,
    UnsubscribeReceived,
    request_of,
)

__all__ = ["CHANNEL_LIMIT", "CentrifugoServer"]

CHANNEL_LIMIT = 128
"""Channels on one socket, as Centrifugo limits them by default."""

MAX_AHEAD = 10_000
"""Commands that may lie behind an unanswered `connect`."""

MESSAGES_IN_FRAME = 16
"""Messages that the server puts into one text frame."""

_RESULTS: dict[type, str] = {
    PublishRequested: "publish",
    HistoryRequested: "history",
    PresenceRequested: "presence",
    PresenceStatsRequested: "presence_stats",
    RpcRequested: "rpc",
    RefreshRequested: "refresh",
    SubRefreshRequested: "sub_refresh",
}

_encode = msgspec.json.Encoder().encode


class _Held(msgspec.Struct):
    """A subscription. `offset` is where its client stands, None where it is not positioned."""

    offset: int | None


class CentrifugoServer:
    """One socket of a Centrifugo server. Seconds throughout.

    `ping_interval` 0: no pings. `first_ping`: when the first one goes, as a fraction of the interval; the real server
    draws it between 0.5 and 1.
    """

    def __init__(
        self,
        *,
        ping_interval: int = 25,
        pong_timeout: float = 8.0,
        first_ping: float = 0.75,
        stale_after: float = 10.0,
        channel_limit: int = CHANNEL_LIMIT,
        messages_in_frame: int = MESSAGES_IN_FRAME,
    ) -> None:
        self._ping_interval = ping_interval
        self._pong_timeout = pong_timeout
        self._first_ping = first_ping
        self._stale_after = stale_after
        self._channel_limit = channel_limit
        self._messages_in_frame = messages_in_frame
        self._outgoing: list[bytes] = []
        self._held: dict[str, _Held] = {}
        self._pending: dict[str, SubscribeRequested] = {}
        self._greeted = self._usable = self._refused = self._over = False
        self._ahead: list[CommandFrame] = []  # what the client sent behind its `connect`, before the answer
        self._deadline: float | None = None
        self._pong_awaited = False

    @property
    def subscribed(self) -> frozenset[str]:
        """The channels that are subscribed to now."""
        return frozenset(self._held)

    def open(self, now: float) -> None:
        """The socket is open: a client that does not connect in time is stale."""
        self._deadline = now + self._stale_after

    def receive(self, payload: Payload, now: float) -> list[ServerRequest]:
        """One text frame of the client. After a `Disconnected` close the socket with its code."""
        try:
            frames = [decode_command(line) for line in split_messages(payload)]
        except DECODE_ERRORS:
            frames = []
        if not frames and not self._over:
            return [self.disconnect(BAD_REQUEST_DISCONNECT)]
        return self._take_all(frames, now)

    # --- answers ----------------------------------------------------------------------------------------------------

    def accept(self, request: ConnectRequested, now: float, **fields: Any) -> list[ServerRequest]:
        """The client is let in; `fields` are those of `ConnectResult`, its pings are filled in, and begin.

        Returns what the client has asked for meanwhile: the official one sends subscriptions with its `connect`.
        """
        pings = self._ping_interval > 0
        result = ConnectResult(**{"ping": self._ping_interval, "pong": pings, **fields})
        for channel, subscription in (result.subs or {}).items():
            self._held[channel] = _Held(subscription.offset if subscription.positioned else None)
        self._usable = True
        self._deadline = now + self._ping_interval * self._first_ping if pings else None
        self._write(Frame(id=request.id, connect=result))
        ahead, self._ahead = self._ahead, []
        return self._take_all(ahead, now)

    def grant(
        self,
        request: SubscribeRequested,
        now: float,
        history: ChannelHistory | NoHistory | None = None,
        **fields: Any,
    ) -> bool:
        """The subscription is granted, with what `history` can recover.

        None: the channel keeps none, and the flags of recovery mean nothing on it; `NoHistory`: they are answered all
        the same. `fields` are further ones of `SubscribeResult`. False where the client has left meanwhile: nothing is
        sent.
        """
        if self._pending.get(request.channel) is not request:
            return False
        result = SubscribeResult(**fields)
        held = _Held(None)
        if history is not None and (request.positioned or request.recoverable):
            result.positioned, result.recoverable = True, request.recoverable
            result.offset, result.epoch = history.top.offset, history.top.epoch
            held.offset = history.offset
            if request.position is not None and request.recoverable:
                recovery = history.recover(request.position, now)
                if request.reject_unrecovered and not recovery.recovered:
                    self.refuse(request, UNRECOVERABLE_POSITION)
                    return False
                result.recovered, result.publications = recovery.recovered, recovery.publications or None
                result.offset, result.epoch = recovery.position.offset, recovery.position.epoch
        result.was_recovering = request.position is not None
        del self._pending[request.channel]
        self._held[request.channel] = held
        self._write(Frame(id=request.id, subscribe=result))
        return True

    def reply(self, request: ServerRequest, result: Any = None) -> None:
        """Answer with the result of its kind (`HistoryResult`, `RefreshResult`, ...; JSON of an RPC), or an error."""
        kind = _RESULTS.get(type(request))
        if kind is None or isinstance(request, Disconnected):
            raise ConfigurationError("request", type(request).__name__, [one.__name__ for one in _RESULTS])
        if isinstance(result, ErrorReply):
            self._write(Frame(id=request.id, error=result))
            return
        if kind == "rpc":
            result = RpcResult(as_raw("result", result))
        frame = Frame(id=request.id)
        setattr(frame, kind, Empty() if result is None else result)
        self._write(frame)

    def refuse(self, request: ServerRequest, code: int, message: str = "") -> None:
        """Answer with an error. After a refused `connect` any further command is the end."""
        assert not isinstance(request, Disconnected)
        if isinstance(request, ConnectRequested):
            self._refused = True
            self._ahead.clear()
        if isinstance(request, SubscribeRequested):
            self._pending.pop(request.channel, None)
        self._error(request.id, code, message)

    # --- pushes -----------------------------------------------------------------------------------------------------

    def publish(self, channel: str, publication: Publication) -> None:
        """Push one publication to a subscriber; does nothing where the channel is not subscribed to.

        A positioned client that would miss one is unsubscribed with 2500 instead; what it had already is dropped.
        """
        held = self._held.get(channel)
        if held is None:
            return
        if held.offset is not None and publication.offset:
            if publication.offset <= held.offset:
                return
            if publication.offset > held.offset + 1:
                self.unsubscribe(channel, INSUFFICIENT_STATE)
                return
            held.offset = publication.offset
        self.forward(encode_publication(channel, publication))

    def forward(self, encoded: bytes) -> None:
        """Send what `encode_publication` made, unchecked: for many sockets at once, and for faults."""
        self._outgoing.append(encoded)

    def unsubscribe(self, channel: str, code: int, reason: str = "") -> None:
        """End the subscription: for good below 2500, to be asked for again from there on."""
        if self._held.pop(channel, None) is not None:
            reason = reason or UNSUBSCRIBES.get(code, "")
            self._write(Frame(push=Push(channel=channel, unsubscribe=Reason(code, reason))))

    def subscribe(self, channel: str, result: SubscribeResult) -> None:
        """Subscribe the client without its asking."""
        self._held[channel] = _Held(result.offset if result.positioned else None)
        self._write(Frame(push=Push(channel=channel, subscribe=result)))

    def join(self, channel: str, info: ClientInfo) -> None:
        """Somebody came."""
        self._write(Frame(push=Push(channel=channel, join=Who(info))))

    def leave(self, channel: str, info: ClientInfo) -> None:
        """Somebody went."""
        self._write(Frame(push=Push(channel=channel, leave=Who(info))))

    def send(self, data: Any) -> None:
        """Send something outside of any channel."""
        self._write(Frame(push=Push(message=Message(as_raw("data", data)))))

    def disconnect(self, code: int, reason: str = "") -> Disconnected:
        """End the connection; what was not handed out is lost, as with the real server. Close with what is returned."""
        self._over = True
        self._outgoing.clear()
        self._held.clear()
        return Disconnected(code, reason or DISCONNECTS.get(code, ""))

    # --- time and bytes ---------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When a ping is to go, or what is missing from the client is overdue."""
        return None if self._over else self._deadline

    def handle_timer(self, now: float) -> list[Disconnected]:
        """Send a ping that is due; `Disconnected` where the pong to the last one, or `connect`, did not come."""
        if self._over or self._deadline is None or self._deadline > now:
            return []
        if not self._greeted:
            return [self.disconnect(STALE)]
        if self._pong_awaited:
            return [self.disconnect(NO_PONG)]
        self._outgoing.append(b"{}")
        self._pong_awaited = True
        self._deadline = now + self._pong_timeout
        return []

    def data_to_send(self) -> list[Payload]:
        """The text frames to write now, in order, each with as many messages as go into one. Clears them."""
        outgoing, self._outgoing = self._outgoing, []
        most = self._messages_in_frame
        return [b"\n".join(outgoing[start : start + most]) for start in range(0, len(outgoing), most)]

    def __repr__(self) -> str:
        return (
            f"<CentrifugoServer subscribed={len(self._held)} pending={len(self._pending)} over={self._over}>"
        )

    # --- one command ------------------------------------------------------------------------------------------------

    def _take_all(self, frames: list[CommandFrame], now: float) -> list[ServerRequest]:
        requests: list[ServerRequest] = []
        for frame in frames:
            if self._greeted and not (self._usable or self._refused or self._over):
                if len(self._ahead) < MAX_AHEAD:
                    self._ahead.append(frame)
                    continue
                return [*requests, self.disconnect(BAD_REQUEST_DISCONNECT)]
            request = None if self._over else self._take(frame, now)
            if request is not None:
                requests.append(request)
        return requests

    def _take(self, frame: CommandFrame, now: float) -> ServerRequest | None:
        if not frame.id and frame.send is None:
            return self._ponged(now)
        request = request_of(frame)
        if isinstance(request, ConnectRequested):
            if self._greeted:
                return self.disconnect(BAD_REQUEST_DISCONNECT)
            self._greeted = True
            self._deadline = None
            return request
        if not self._usable:
            return self.disconnect(BAD_REQUEST_DISCONNECT)
        if request is None:
            self._error(frame.id, NOT_AVAILABLE if frame.ping is not None else METHOD_NOT_FOUND)
            return None
        channel: str | None = getattr(request, "channel", None)
        if channel == "":
            return self.disconnect(BAD_REQUEST_DISCONNECT)
        if isinstance(request, SubscribeRequested):
            return self._wish(request)
        if isinstance(request, UnsubscribeReceived):
            self._pending.pop(request.channel, None)
            self._held.pop(request.channel, None)
            self._write(Frame(id=request.id, unsubscribe=Empty()))
        return request

    def _ponged(self, now: float) -> Disconnected | None:
        if not self._pong_awaited:
            return self.disconnect(BAD_REQUEST_DISCONNECT)
        self._pong_awaited = False
        self._deadline = now + self._ping_interval
        return None

    def _wish(self, request: SubscribeRequested) -> SubscribeRequested | None:
        channel = request.channel
        if len(channel.encode()) > MAX_CHANNEL_BYTES:
            self._error(request.id, BAD_REQUEST)
        elif channel in self._held or channel in self._pending:
            self._error(request.id, ALREADY_SUBSCRIBED)
        elif len(self._held) + len(self._pending) >= self._channel_limit:
            self._error(request.id, LIMIT_EXCEEDED)
        else:
            self._pending[channel] = request
            return request
        return None

    def _error(self, number: int, code: int, message: str = "") -> None:
        error = ErrorReply(code, message or ERRORS.get(code, ""), is_temporary(code))
        self._write(Frame(id=number, error=error))

    def _write(self, frame: Frame) -> None:
        if not self._over:
            self._outgoing.append(_encode(frame))
