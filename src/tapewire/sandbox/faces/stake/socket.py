"""The two sockets of the played Stake: the page's JSON channels, and `graphql-transport-ws`.

The page (document 003) shows `{"type":"subscribe","channel":...}` and frames with `channel` and `payload`, and nothing
else. What it leaves open is ours: `{"type":"unsubscribe","channel":...}` stops a channel; `{"type":"error",...}` says
what went wrong, with the channel where it is about one; `"interrupted"` that one broke off, `"unsubscribed"` that one
is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ....protocols.base import Binary, Failed, Payload
from ....protocols.graphql_ws import (
    CompleteReceived,
    GraphQLServer,
    InitReceived,
    ServerRequest,
    SubscribeReceived,
)
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from .schema import Prepared, prepare

if TYPE_CHECKING:
    from .face import StakeFace

__all__ = ["GraphQLSocket", "PageSocket", "StakeSocket"]

MAX_CHANNELS = 1_000
"""Channels on one socket of the page."""

_ROUNDS = {"crash": "MultiplayerCrash", "slide": "MultiplayerSlide"}


class StakeSocket(Protocol):
    """What the face knows of either socket."""

    is_lost: bool

    @property
    def number(self) -> int:
        """The connection's."""
        ...

    def publish(self, key: str, entry: Entry, encoded: bytes) -> None:
        """A publication of a topic that it listens to; `encoded` is the page's frame."""
        ...

    def end(self, key: str, *, crashed: bool) -> None:
        """The topic crashes or is closed."""
        ...


class PageSocket:
    """A `SocketHandler` for the page's wire."""

    def __init__(self, face: StakeFace, socket: Socket, account: str) -> None:
        self._face = face
        self._socket = socket
        self._account = account
        self._channels: dict[str, str] = {}  # by the topic's key
        self.is_lost = False

    @property
    def number(self) -> int:
        return self._socket.number

    def received(self, payload: Payload) -> None:
        """One message."""
        try:
            if isinstance(payload, Binary):
                raise ValueError("a binary message")
            message = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._say({"type": "error", "message": f"not a message: {error}"[:200]})
            return
        kind, channel = message.get("type"), message.get("channel")
        if kind == "subscribe" and isinstance(channel, str):
            self._subscribe(channel)
        elif kind == "unsubscribe" and isinstance(channel, str):
            key = self._face.key_of(channel, self._account)
            if key is not None and self._channels.pop(key, None) is not None:
                self._face.unsubscribed(key, self)
        else:
            self._say({"type": "error", "message": "allowed: subscribe and unsubscribe, with a channel"})

    def lost(self) -> None:
        """The connection is over."""
        self.is_lost = True
        for key in self._channels:
            self._face.unsubscribed(key, self)

    def publish(self, key: str, entry: Entry, encoded: bytes) -> None:
        self._socket.send([encoded], "publication", entry)

    def end(self, key: str, *, crashed: bool) -> None:
        channel = self._channels.pop(key)
        self._face.unsubscribed(key, self)
        if crashed:
            self._say({"type": "interrupted", "channel": channel, "message": "the channel crashed"})
        else:
            self._say({"type": "unsubscribed", "channel": channel})

    def _subscribe(self, channel: str) -> None:
        refusal = self._face.refusal_of(channel, self._account)
        if refusal == "":
            return
        key = self._face.key_of(channel, self._account)
        if refusal is None and key is None:
            refusal = "no such channel"
        elif refusal is None and len(self._channels) >= MAX_CHANNELS:
            refusal = "too many channels"
        if refusal is not None or key is None:
            self._say({"type": "error", "channel": channel, "message": refusal})
            return
        self._channels[key] = channel
        self._face.subscribed(key, self)

    def _say(self, message: dict[str, Any]) -> None:
        self._socket.send([msgspec.json.encode(message)])


class GraphQLSocket:
    """A `SocketHandler` for `graphql-transport-ws`. `speaks_it`: the client offered the subprotocol."""

    def __init__(self, face: StakeFace, socket: Socket, now: float, *, speaks_it: bool) -> None:
        self._face = face
        self._socket = socket
        self._server = GraphQLServer(now, init_timeout=face.init_timeout)
        self._account: str | None = None
        self._running: dict[str, tuple[str, Prepared]] = {}  # topic's key and operation, by id
        self._speaks_it = speaks_it
        self.is_lost = False

    @property
    def number(self) -> int:
        return self._socket.number

    def received(self, payload: Payload) -> None:
        """One message."""
        if not self._speaks_it:
            self._socket.close(4406, "Subprotocol not acceptable")
            return
        requests = self._server.receive(payload)
        self._send("control" if requests else "heartbeat")  # what asks nothing of us was a ping
        for request in requests:
            self._answer(request)
            self._send()

    def lost(self) -> None:
        """The connection is over."""
        self.is_lost = True
        self._face.started(self)
        for key, _ in self._running.values():
            self._face.unsubscribed(key, self)

    def publish(self, key: str, entry: Entry, encoded: bytes) -> None:
        payload = entry.payload
        for one, (wanted, prepared) in list(self._running.items()):
            root = _root_of(prepared.field, payload) if wanted == key else None
            if root is not None:
                self._server.next(one, prepared.answer(root))
        self._send("publication", entry)

    def end(self, key: str, *, crashed: bool) -> None:
        for one in [one for one, (wanted, _) in self._running.items() if wanted == key]:
            self._forget(one)
            if crashed:
                self._server.error(one, [{"message": "Internal server error: the subscription crashed"}])
            else:
                self._server.complete(one)
        self._send()

    def tick(self, now: float) -> None:
        """Judge the initialisation."""
        for request in self._server.handle_timer(now):
            self._answer(request)

    def _answer(self, request: ServerRequest) -> None:
        if isinstance(request, InitReceived):
            self._initialise(request.payload)
        elif isinstance(request, SubscribeReceived):
            self._subscribe(request)
        elif isinstance(request, CompleteReceived):
            self._forget(request.id)
        else:
            assert isinstance(request, Failed)
            self._socket.close(request.code or 4400, request.reason)

    def _initialise(self, payload: Any) -> None:
        token = payload.get("accessToken") if isinstance(payload, dict) else None
        if token:
            self._account = self._face.account_of(str(token))
            if self._account is None:
                self._socket.close(4403, "Forbidden")
                return
        self._server.accept()
        self._face.started(self)

    def _subscribe(self, request: SubscribeReceived) -> None:
        operation = request.operation
        prepared = prepare(operation.query, operation.variables, operation.operation_name)
        if isinstance(prepared, list):
            self._server.error(request.id, [dict(error.formatted) for error in prepared])
            return
        channel = _channel_of(prepared)
        key = self._face.key_of(channel, self._account) if channel else None
        refusal = self._face.refusal_of(channel or "", self._account)
        if refusal is None and key is None:
            refusal = "unauthorized" if channel and channel.startswith("user:") else "nothing of that name"
        if refusal:
            self._server.error(request.id, [{"message": refusal}])
        if refusal is None and key is not None:
            self._running[request.id] = key, prepared
            self._face.subscribed(key, self)

    def _forget(self, one: str) -> None:
        key, _ = self._running.pop(one, ("", None))
        if key and all(key != other for other, _ in self._running.values()):
            self._face.unsubscribed(key, self)

    def _send(self, kind: MessageKind = "control", entry: Entry | None = None) -> None:
        payloads = self._server.data_to_send()
        if payloads:
            self._socket.send(payloads, kind, entry)


def _channel_of(prepared: Prepared) -> str | None:
    """The page's channel that feeds a subscription."""
    if prepared.field in _ROUNDS:
        return f"game:{prepared.field}"
    if prepared.field == "chatMessages":
        return f"chat:{prepared.arguments.get('chatId')}"
    if prepared.field in ("availableBalances", "vaultBalances"):
        return "user:balances"
    return "bets" if prepared.field == "houseBets" else None


def _root_of(field: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """What the operation is answered over; None where this publication is none of its."""
    if field in _ROUNDS:
        return {field: {"event": {"__typename": _ROUNDS[field], **payload}}}
    if field in ("availableBalances", "vaultBalances"):
        return {field: payload} if payload["wallet"] == field.removesuffix("Balances") else None
    return {field: payload}
