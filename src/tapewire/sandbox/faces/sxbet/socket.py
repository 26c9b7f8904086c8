"""One socket of the played realtime server: tokens, subscriptions, history, pings, and what faults do to them.

What the protocol decides by itself is `CentrifugoServer`'s (limits, order of commands, pongs). Here are the venue's
answers: codes as a Centrifugo server gives them (centrifugo.md 2.4 to 2.6), and a connection whose token has run out is
ended (3005) a while later unless it brings a fresh one.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from ....protocols.base import Payload
from ....protocols.centrifugo import (
    CentrifugoServer,
    ConnectRequested,
    Disconnected,
    HistoryRequested,
    Publication,
    PublishRequested,
    RefreshRequested,
    RefreshResult,
    SendReceived,
    ServerRequest,
    SubscribeRequested,
    UnsubscribeReceived,
)
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from .credentials import Pass

if TYPE_CHECKING:
    from .face import SxBetFace

__all__ = ["SERVER_VERSION", "SocketSettings", "SxBetSocket"]

SERVER_VERSION = "6.8.0"
"""The server's version, as it tells it."""

MAX_HELD_BACK = 10_000
"""Messages that may wait behind a slow subscription, in either direction."""

_PONG = b"{}"

UNKNOWN_CHANNEL = 102
PERMISSION_DENIED = 103
NOT_AVAILABLE = 108
TOKEN_EXPIRED = 109
EXPIRED = 3005
SLOW = 3008
TOO_MANY_REQUESTS = 3013
INVALID_TOKEN = 3500
BAD_REQUEST = 3501


class SocketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a socket (sxbet.md 1.1). Seconds; `ping_interval` is a whole number of them, 0 for no pings."""

    ping_interval: int = 30
    pong_timeout: float = 8.0
    stale_after: float = 10.0
    expired_grace: float = 25.0
    channel_limit: int = 512


class SxBetSocket:
    """A `SocketHandler`, and a `Subscriber` of the channels that it has joined."""

    def __init__(self, face: SxBetFace, socket: Socket, settings: SocketSettings, limit: int | None) -> None:
        self._face = face
        self._socket = socket
        self._settings = settings
        self._server = CentrifugoServer(
            ping_interval=settings.ping_interval,
            pong_timeout=settings.pong_timeout,
            stale_after=settings.stale_after,
            channel_limit=settings.channel_limit if limit is None else limit,
        )
        self._client_id = str(uuid.uuid4())
        self._wallet = ""
        self._expires_at: float | None = None
        self._joined: set[str] = set()
        self._commands: deque[bytes] = deque()
        self._held_back: list[tuple[list[Payload], MessageKind, Entry | None]] | None = None
        self._is_over = False
        self._server.open(_loop_time())

    # What the client sends.

    def received(self, payload: Payload) -> None:
        """One frame, with one command or more: each is answered before the next is looked at."""
        lines = (payload.encode() if isinstance(payload, str) else bytes(payload)).split(b"\n")
        if len(lines) > 1 and not lines[-1]:
            lines.pop()
        for line in lines:
            if line == _PONG:
                self._ponged()
            else:
                self._commands.append(line)
        if self._held_back is None:
            self._work()
        elif len(self._commands) > MAX_HELD_BACK:
            self.disconnect(TOO_MANY_REQUESTS)

    def lost(self) -> None:
        """The connection is over."""
        self._is_over = True
        self._forget_all()

    def _ponged(self) -> None:
        faults, now_ns = self._face.context.faults, self._face.context.clock.time_ns()
        if self._is_over:
            return
        ignored = faults.meet("ignore_pongs", now_ns, connection=self._socket.number)
        if ignored is not None:
            self._face.context.carriage.trouble(ignored, self._socket.number)
            return
        for request in self._server.receive(_PONG, _loop_time()):
            self._answer(request)

    def _work(self) -> None:
        """Answer what was asked, in order, until a slow subscription stops it."""
        while self._commands and not self._is_over and self._held_back is None:
            for request in self._server.receive(self._commands.popleft(), _loop_time()):
                if not (isinstance(request, SubscribeRequested) and self._is_slow(request)):
                    self._answer(request)
        self._send()

    def _answer(self, request: ServerRequest) -> None:
        if isinstance(request, Disconnected):
            self._end(request)
        elif isinstance(request, ConnectRequested):
            self._connect(request)
        elif isinstance(request, SubscribeRequested):
            self._subscribe(request)
        elif isinstance(request, UnsubscribeReceived):
            self._leave(request.channel)
        elif isinstance(request, HistoryRequested):
            self._page(request)
        elif isinstance(request, RefreshRequested):
            self._refresh(request)
        elif not isinstance(request, SendReceived):
            denied = isinstance(request, PublishRequested)
            self._server.refuse(request, PERMISSION_DENIED if denied else NOT_AVAILABLE)

    # Tokens.

    def _connect(self, request: ConnectRequested) -> None:
        token = request.token.reveal()
        if not token:
            self._end(self._server.disconnect(BAD_REQUEST))
            return
        verdict = self._face.judge(token)
        if verdict == "expired":
            self._server.refuse(request, TOKEN_EXPIRED)
        elif isinstance(verdict, Pass):
            self._wallet = verdict.wallet
            facts = {"client": self._client_id, "version": SERVER_VERSION, "expires": True}
            ttl = self._lives_until(verdict)
            for behind in self._server.accept(request, _loop_time(), ttl=ttl, **facts):
                self._answer(behind)
        else:
            self._end(self._server.disconnect(INVALID_TOKEN))

    def _refresh(self, request: RefreshRequested) -> None:
        verdict = self._face.judge(request.token.reveal())
        if verdict == "expired":
            self._end(self._server.disconnect(EXPIRED))
        elif isinstance(verdict, Pass) and verdict.wallet == self._wallet:
            result = RefreshResult(self._client_id, SERVER_VERSION, True, self._lives_until(verdict))
            self._server.reply(request, result)
        else:
            self._end(self._server.disconnect(INVALID_TOKEN))

    def _lives_until(self, token: Pass) -> int:
        """The time to live in whole seconds; from then on a while is given for a fresh token."""
        left = token.until - self._face.context.clock.time_ns() / 1e9
        self._expires_at = _loop_time() + left + self._settings.expired_grace
        return max(1, round(left))

    # Channels.

    def _is_slow(self, request: SubscribeRequested) -> bool:
        faults, now_ns = self._face.context.faults, self._face.context.clock.time_ns()
        slow = faults.meet("slow_join", now_ns, topic=request.channel)
        if slow is None:
            return False
        self._send()
        self._held_back = []
        self._socket.later(slow.params["seconds"], self._subscribe_at_last, request)
        return True

    def _subscribe_at_last(self, request: SubscribeRequested) -> None:
        held, self._held_back = self._held_back or [], None
        if self._is_over:
            return
        self._subscribe(request)
        self._send()
        for payloads, kind, entry in held:
            self._socket.send(payloads, kind, entry)
        self._work()

    def _subscribe(self, request: SubscribeRequested) -> None:
        faults, now_ns = self._face.context.faults, self._face.context.clock.time_ns()
        if faults.meet("ignore_join", now_ns, topic=request.channel):
            return
        refused = self._face.context.refuses_join(self._face.name, request.channel)
        if refused is not None:
            self._server.refuse(request, refused.params["code"], refused.params["reason"])
            return
        if self._face.channels.namespace_of(request.channel) is None:
            self._server.refuse(request, UNKNOWN_CHANNEL)
        elif self._grant(request, now_ns):
            self._joined.add(request.channel)
            self._face.channels.join(request.channel, self)
            self._face.context.carriage.begin(self._face.name, request.channel, self._socket.number)

    def _grant(self, request: SubscribeRequested, now_ns: int) -> bool:
        channels, now = self._face.channels, now_ns / 1e9
        history, position = channels.history_of(request.channel), request.position
        if history is None:
            return self._server.grant(request, now, channels.keeps_nothing)
        if position is None or not request.recoverable:
            return self._server.grant(request, now, history)
        recovery = history.recover(position, now)
        faults = self._face.context.faults
        if not recovery.publications or not faults.meet("duplicate_recovered", now_ns, topic=request.channel):
            return self._server.grant(request, now, history)
        # The real server does so when a publication arrives while it reads the history.
        return self._server.grant(
            request,
            now,
            positioned=True,
            recoverable=True,
            recovered=True,
            offset=recovery.position.offset,
            epoch=recovery.position.epoch,
            publications=[recovery.publications[0], *recovery.publications],
        )

    def _page(self, request: HistoryRequested) -> None:
        channels = self._face.channels
        history = channels.history_of(request.channel)
        if channels.namespace_of(request.channel) is None:
            self._server.refuse(request, UNKNOWN_CHANNEL)
        elif history is None:
            self._server.refuse(request, NOT_AVAILABLE)
        elif request.channel not in self._server.subscribed:
            self._server.refuse(request, PERMISSION_DENIED)
        else:
            now = self._face.context.clock.time_ns() / 1e9
            page = history.page(request.limit, request.since, request.reverse, now)
            self._server.reply(request, page)

    # What the face has for the client.

    def publish(self, channel: str, publication: Publication, entry: Entry) -> None:
        """Push a publication; a client that would miss one is unsubscribed by the protocol instead."""
        self._server.publish(channel, publication)
        self._send("publication", entry)
        if channel not in self._server.subscribed:
            self._leave(channel)

    def end(self, channel: str, code: int) -> None:
        """The server ends a subscription: from 2500 on it expects the client back."""
        self._server.unsubscribe(channel, code)
        self._leave(channel)
        self._send()

    def disconnect(self, code: int) -> None:
        """The server ends the connection."""
        if not self._is_over:
            self._end(self._server.disconnect(code))

    def tick(self, now: float) -> None:
        """Pings that are due, and what is overdue from the client."""
        if self._is_over:
            return
        if self._expires_at is not None and now >= self._expires_at:
            self.disconnect(EXPIRED)
            return
        for end in self._server.handle_timer(now):
            self._end(end)
        self._send("heartbeat")

    def _end(self, end: Disconnected) -> None:
        self._is_over = True
        self._forget_all()
        self._socket.close(end.code, end.reason)

    def _leave(self, channel: str) -> None:
        self._joined.discard(channel)
        self._face.channels.leave(channel, self)
        carriage = self._face.context.carriage
        carriage.end(self._face.name, channel, self._socket.number, line_over=self._is_over)

    def _forget_all(self) -> None:
        self._commands.clear()
        for channel in tuple(self._joined):
            self._leave(channel)
        self._face.forget(self)

    def _send(self, kind: MessageKind = "control", entry: Entry | None = None) -> None:
        payloads = self._server.data_to_send()
        if not payloads:
            return
        if self._held_back is None or kind == "heartbeat":
            self._socket.send(payloads, kind, entry)
        else:
            self._held_back.append((payloads, kind, entry))
            if len(self._held_back) > MAX_HELD_BACK:
                self.disconnect(SLOW)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
