"""The two sockets of the played Stake: the page's JSON channels, and `graphql-transport-ws`.

The page (document 003) shows `{"type":"subscribe","channel":...}` and frames with `channel` and `payload`, and nothing
else. What it leaves open is ours: `{"type":"unsubscribe","channel":...}` stops a channel; `{"type":"error",...}` says
what went wrong, with the channel where it is about one; `"interrupted"` that one broke off, `"unsubscribed"` that one
is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec
from graphql import GraphQLError

from ....protocols.base import Binary, Failed, Payload
from ....protocols.graphql_ws import (
    CompleteReceived,
    GraphQLServer,
    InitReceived,
    ServerRequest,
    SubscribeReceived,
)
from ...core.faults import Injected
from ...core.ledger import Entry
from ...face import MessageKind, Socket
from ...play import JoinGate, Venue
from ..graphql import Operation

__all__ = ["GraphQLSocket", "PageSocket"]

MAX_CHANNELS = 1_000
"""Channels on one socket of the page."""

_ROUNDS = {"crash": "MultiplayerCrash", "slide": "MultiplayerSlide"}


class StakeVenue(Venue["PageSocket | GraphQLSocket"], Protocol):
    """What a socket needs of the face: None is a token that is refused, and a channel that there is not."""

    def account_of(self, token: str) -> str | None: ...
    def key_of(self, channel: str, account: str | None) -> str | None: ...


class PageSocket:
    """A `SocketHandler`, and a `TopicListener`, for the page's wire."""

    dialect = "page"

    def __init__(self, venue: StakeVenue, socket: Socket, account: str) -> None:
        self.gate = JoinGate(venue.context, venue.name, socket)
        self._venue = venue
        self._account = account
        self._channels: dict[str, str] = {}  # by the topic's key

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
            key = self._venue.key_of(channel, self._account)
            if key is not None and self._channels.pop(key, None) is not None:
                self._venue.topics.leave(key, self)
        else:
            self._say({"type": "error", "message": "allowed: subscribe and unsubscribe, with a channel"})

    def lost(self) -> None:
        """The connection is over."""
        self._venue.forget(self)

    def publish(self, entry: Entry, encoded: bytes) -> None:
        self.gate.send([encoded], "publication", entry)

    def tick(self, now: float) -> None:
        """It has no deadlines."""

    def end(self, key: str, *, crashed: bool) -> None:
        channel = self._channels.pop(key)
        self._venue.topics.leave(key, self)
        if crashed:
            self._say({"type": "interrupted", "channel": channel, "message": "the channel crashed"})
        else:
            self._say({"type": "unsubscribed", "channel": channel})

    def _subscribe(self, channel: str) -> None:
        key = self._venue.key_of(channel, self._account)
        self.gate.consider({channel: key or channel}, partial(self._decide, channel, key))

    def _decide(self, channel: str, key: str | None, order: Injected | None) -> None:
        refusal = None if order is None else order.params["reason"]
        if refusal is None and key is None:
            refusal = "no such channel"
        elif refusal is None and len(self._channels) >= MAX_CHANNELS:
            refusal = "too many channels"
        if refusal is not None or key is None:
            self._say({"type": "error", "channel": channel, "message": refusal})
            return
        self._channels[key] = channel
        self._venue.topics.join(key, self)

    def _say(self, message: dict[str, Any]) -> None:
        self.gate.send([msgspec.json.encode(message)])


class GraphQLSocket:
    """The same for `graphql-transport-ws`. `speaks_it`: the client offered the subprotocol.

    `prepare` checks a document; the client has `init_timeout` seconds from `now` to initialise.
    """

    dialect = "graphql"

    def __init__(
        self,
        venue: StakeVenue,
        socket: Socket,
        prepare: Callable[[str, Any, str | None], Operation | list[GraphQLError]],
        now: float,
        *,
        init_timeout: float,
        speaks_it: bool,
    ) -> None:
        self.gate = JoinGate(venue.context, venue.name, socket, flush=self._send)
        self._venue = venue
        self._socket = socket
        self._prepare = prepare
        self._server = GraphQLServer(now, init_timeout=init_timeout)
        self._account: str | None = None
        self._running: dict[str, tuple[str, Operation]] = {}  # topic's key and operation, by id
        self._speaks_it = speaks_it

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
        self._venue.forget(self)

    def publish(self, entry: Entry, payload: dict[str, Any]) -> None:
        for one, (key, operation) in list(self._running.items()):
            root = _root_of(operation.field, payload) if key == entry.topic else None
            if root is not None:
                self._server.next(one, operation.answer(root))
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
            self._account = self._venue.account_of(str(token))
            if self._account is None:
                self._socket.close(4403, "Forbidden")
                return
        self._server.accept()

    def _subscribe(self, request: SubscribeReceived) -> None:
        document = request.operation
        operation = self._prepare(document.query, document.variables, document.operation_name)
        if isinstance(operation, list):
            self._server.error(request.id, [dict(error.formatted) for error in operation])
            return
        channel = _channel_of(operation) or ""
        key = self._venue.key_of(channel, self._account)
        self.gate.consider(
            {channel: key or channel}, partial(self._decide, request.id, operation, key, channel)
        )

    def _decide(
        self, one: str, operation: Operation, key: str | None, channel: str, order: Injected | None
    ) -> None:
        refusal = None if order is None else order.params["reason"]
        if refusal is None and key is None:
            refusal = "unauthorized" if channel.startswith("user:") else "nothing of that name"
        if refusal is not None or key is None:
            self._server.error(one, [{"message": refusal}])
        else:
            self._running[one] = key, operation
            self._venue.topics.join(key, self)

    def _forget(self, one: str) -> None:
        key, _ = self._running.pop(one, ("", None))
        if key and all(key != other for other, _ in self._running.values()):
            self._venue.topics.leave(key, self)

    def _send(self, kind: MessageKind = "control", entry: Entry | None = None) -> None:
        self.gate.send(self._server.data_to_send(), kind, entry)


def _channel_of(operation: Operation) -> str | None:
    """The page's channel that feeds a subscription."""
    if operation.field in _ROUNDS:
        return f"game:{operation.field}"
    if operation.field == "chatMessages":
        return f"chat:{operation.arguments.get('chatId')}"
    if operation.field in ("availableBalances", "vaultBalances"):
        return "user:balances"
    return "bets" if operation.field == "houseBets" else None


def _root_of(field: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """What the operation is answered over; None where this publication is none of its."""
    if field in _ROUNDS:
        return {field: {"event": {"__typename": _ROUNDS[field], **payload}}}
    if field in ("availableBalances", "vaultBalances"):
        return {field: payload} if payload["wallet"] == field.removesuffix("Balances") else None
    return {field: payload}
