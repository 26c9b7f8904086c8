"""One socket of the played realtime server: tokens, subscriptions, history, pings, and what faults do to them.

What the protocol decides by itself is `CentrifugoServer`'s (limits, order of commands, pongs). Here are the venue's
answers: codes as a Centrifugo server gives them (centrifugo.md 2.4 to 2.6), and a connection whose token has run out is
ended (3005) a while later unless it brings a fresh one.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from functools import partial
from typing import Protocol

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
from ...core.faults import Injected
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from ...play import MAX_HELD_BACK, JoinGate, Venue
from .credentials import Pass, Verdict
from .histories import Histories

__all__ = ["SERVER_VERSION", "SocketSettings", "SxBetSocket"]

SERVER_VERSION = "6.8.0"
"""The server's version, as it tells it."""

_PONG = b"{}"

UNKNOWN_CHANNEL = 102
PERMISSION_DENIED = 103
NOT_AVAILABLE = 108
TOKEN_EXPIRED = 109
UNSUBSCRIBED, CRASHED = 2000, 2500
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


class SxBetVenue(Venue["SxBetSocket"], Protocol):
    """What a socket needs of the face."""

    histories: Histories

    def judge(self, token: str) -> Verdict: ...


class SxBetSocket:
    """A `SocketHandler`, and a `TopicListener` of the channels that it has joined."""

    dialect = "json"

    def __init__(self, venue: SxBetVenue, socket: Socket, settings: SocketSettings) -> None:
        self.gate = JoinGate(
            venue.context, venue.name, socket,
            flush=self._send, resume=self._work, overflow=partial(self.disconnect, SLOW),
        )  # fmt: skip
        self._venue = venue
        self._socket = socket
        self._grace = settings.expired_grace
        self._server = CentrifugoServer(
            ping_interval=settings.ping_interval,
            pong_timeout=settings.pong_timeout,
            stale_after=settings.stale_after,
            channel_limit=settings.channel_limit,
        )
        self._client_id = str(uuid.uuid4())
        self._wallet = ""
        self._expires_at: float | None = None
        self._commands: deque[bytes] = deque()
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
        if not self.gate.is_slow:
            self._work()
        elif len(self._commands) > MAX_HELD_BACK:
            self.disconnect(TOO_MANY_REQUESTS)

    def lost(self) -> None:
        """The connection is over."""
        self._commands.clear()
        self._venue.forget(self)

    def _ponged(self) -> None:
        if self.gate.is_over or self.gate.ignores_pong():
            return
        for request in self._server.receive(_PONG, _loop_time()):
            self._answer(request)

    def _work(self) -> None:
        """Answer what was asked, in order, until a slow subscription stops it."""
        while self._commands and not self.gate.is_over and not self.gate.is_slow:
            for request in self._server.receive(self._commands.popleft(), _loop_time()):
                self._answer(request)
        self._send()

    def _answer(self, request: ServerRequest) -> None:
        if isinstance(request, Disconnected):
            self._end(request)
        elif isinstance(request, ConnectRequested):
            self._connect(request)
        elif isinstance(request, SubscribeRequested):
            self._consider(request)
        elif isinstance(request, UnsubscribeReceived):
            self._venue.topics.leave(request.channel, self)
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
        verdict = self._venue.judge(token)
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
        verdict = self._venue.judge(request.token.reveal())
        if verdict == "expired":
            self._end(self._server.disconnect(EXPIRED))
        elif isinstance(verdict, Pass) and verdict.wallet == self._wallet:
            result = RefreshResult(self._client_id, SERVER_VERSION, True, self._lives_until(verdict))
            self._server.reply(request, result)
        else:
            self._end(self._server.disconnect(INVALID_TOKEN))

    def _lives_until(self, token: Pass) -> int:
        """The time to live in whole seconds; from then on a while is given for a fresh token."""
        left = token.until - self._now()
        self._expires_at = _loop_time() + left + self._grace
        return max(1, round(left))

    # Channels.

    def _consider(self, request: SubscribeRequested) -> None:
        self._send()  # what was asked before is answered, however long this takes
        self.gate.consider({request.channel: request.channel}, partial(self._subscribe, request))

    def _subscribe(self, request: SubscribeRequested, refusal: Injected | None) -> None:
        channel = request.channel
        if refusal is not None:
            self._server.refuse(request, refusal.params["code"], refusal.params["reason"])
        elif self._venue.histories.namespace_of(channel) is None:
            self._server.refuse(request, UNKNOWN_CHANNEL)
        elif self._grant(request):
            self._venue.topics.join(channel, self)

    def _grant(self, request: SubscribeRequested) -> bool:
        histories, now = self._venue.histories, self._now()
        history, position = histories.history_of(request.channel), request.position
        if history is None:
            return self._server.grant(request, now, histories.keeps_nothing)
        if position is None or not request.recoverable:
            return self._server.grant(request, now, history)
        recovery = history.recover(position, now)
        if not recovery.publications or not self._venue.context.meet(
            "duplicate_recovered", topic=request.channel
        ):
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

    def _now(self) -> float:
        return self._venue.context.clock.time_ns() / 1e9

    def _page(self, request: HistoryRequested) -> None:
        histories = self._venue.histories
        history = histories.history_of(request.channel)
        if histories.namespace_of(request.channel) is None:
            self._server.refuse(request, UNKNOWN_CHANNEL)
        elif history is None:
            self._server.refuse(request, NOT_AVAILABLE)
        elif request.channel not in self._server.subscribed:
            self._server.refuse(request, PERMISSION_DENIED)
        else:
            page = history.page(request.limit, request.since, request.reverse, self._now())
            self._server.reply(request, page)

    # What the face has for the client.

    def publish(self, entry: Entry, publication: Publication) -> None:
        """Push a publication; a client that would miss one is unsubscribed by the protocol instead."""
        channel = entry.topic
        self._server.publish(channel, publication)
        self._send("publication", entry)
        if channel not in self._server.subscribed:
            self._venue.topics.leave(channel, self)

    def end(self, channel: str, *, crashed: bool) -> None:
        """The server ends a subscription; crashed, it expects the client back."""
        self._server.unsubscribe(channel, CRASHED if crashed else UNSUBSCRIBED)
        self._venue.topics.leave(channel, self)
        self._send()

    def disconnect(self, code: int) -> None:
        """The server ends the connection."""
        if not self.gate.is_over:
            self._end(self._server.disconnect(code))

    def tick(self, now: float) -> None:
        """Pings that are due, and what is overdue from the client."""
        if self.gate.is_over:
            return
        if self._expires_at is not None and now >= self._expires_at:
            self.disconnect(EXPIRED)
            return
        for end in self._server.handle_timer(now):
            self._end(end)
        self._send("heartbeat")

    def _end(self, end: Disconnected) -> None:
        self.lost()
        self._socket.close(end.code, end.reason)

    def _send(self, kind: MessageKind = "control", entry: Entry | None = None) -> None:
        self.gate.send(self._server.data_to_send(), kind, entry)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
