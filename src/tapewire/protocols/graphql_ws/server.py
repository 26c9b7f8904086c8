"""The server's side of `graphql-transport-ws` on one socket. Pure.

`receive(payload)` returns what the application must decide; pings, and what breaks the protocol, are answered here.
Send what `data_to_send()` returns after every call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..base import Binary, Failed, Payload
from .frames import (
    DECODE_ERRORS,
    AckSent,
    Complete,
    Init,
    Operation,
    Ping,
    Pong,
    Subscribe,
    encoded,
    from_client,
)

__all__ = [
    "MAX_OPERATIONS",
    "CompleteReceived",
    "GraphQLServer",
    "InitReceived",
    "ServerRequest",
    "SubscribeReceived",
]

MAX_OPERATIONS = 1_000
"""Operations that one client may have running on a server."""


class InitReceived(msgspec.Struct, frozen=True):
    """The client initialises. Answer with `accept()`, or close the socket with 4403."""

    payload: Any


class SubscribeReceived(msgspec.Struct, frozen=True):
    """The client starts an operation. Answer with `next`, `error` and `complete` under its id."""

    id: str
    operation: Operation


class CompleteReceived(msgspec.Struct, frozen=True):
    """The client has enough of an operation. Stop what feeds it; nothing is to be answered."""

    id: str


ServerRequest: TypeAlias = InitReceived | SubscribeReceived | CompleteReceived | Failed


class GraphQLServer:
    """The server's side of one socket. After a `Failed` close the socket with its code: nothing more is received.

    `init_timeout`: seconds within which the client must initialise. Send what `data_to_send()` returns after each call.
    """

    def __init__(
        self, now: float, *, init_timeout: float = 3.0, max_operations: int = MAX_OPERATIONS
    ) -> None:
        self._outgoing: list[Payload] = []
        self._running: set[str] = set()
        self._max_operations = max_operations
        self._deadline: float | None = now + init_timeout
        self._initialised = self._acked = self._failed = False

    @property
    def running(self) -> frozenset[str]:
        """The ids of the operations that run now."""
        return frozenset(self._running)

    def receive(self, payload: Payload) -> list[ServerRequest]:
        """One message of the client: what the application must decide. Pings are answered here."""
        if self._failed:
            return []
        try:
            if isinstance(payload, Binary):
                raise ValueError("a binary message")
            message = from_client.decode(payload)
        except DECODE_ERRORS as error:
            return self._fail(4400, f"Invalid message: {error}")
        if isinstance(message, Init):
            if self._initialised:
                return self._fail(4429, "Too many initialisation requests")
            self._initialised, self._deadline = True, None
            return [InitReceived(message.payload)]
        if isinstance(message, Ping):
            self._write(Pong(message.payload))
        elif isinstance(message, Subscribe):
            return self._subscribe(message)
        elif isinstance(message, Complete) and message.id in self._running:
            self._running.discard(message.id)
            return [CompleteReceived(message.id)]
        return []

    def accept(self, payload: Mapping[str, Any] | None = None) -> None:
        """Acknowledge the initialisation."""
        self._acked = True
        self._outgoing.append(encoded(AckSent(None if payload is None else dict(payload)), "payload"))

    def next(self, id: str, result: Mapping[str, Any]) -> None:  # noqa: A002 - the protocol's own word
        """One execution result; `Raw` where it is encoded already. Does nothing where the operation does not run."""
        if id in self._running:
            self._write({"id": id, "type": "next", "payload": result})

    def error(self, id: str, errors: Sequence[Mapping[str, Any]]) -> None:  # noqa: A002
        """The operation failed, and is over."""
        if id in self._running:
            self._running.discard(id)
            self._write({"id": id, "type": "error", "payload": errors})

    def complete(self, id: str) -> None:  # noqa: A002
        """The operation is over."""
        if id in self._running:
            self._running.discard(id)
            self._write({"id": id, "type": "complete"})

    def ping(self) -> None:
        """Ask for a pong."""
        self._write(Ping())

    def data_to_send(self) -> list[Payload]:
        """The messages to write now, in order. Clears them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_deadline(self) -> float | None:
        """Until when the client must have initialised."""
        return self._deadline

    def handle_timer(self, now: float) -> list[ServerRequest]:
        """`Failed` where the client has not initialised in time."""
        if self._failed or self._deadline is None or now < self._deadline:
            return []
        return self._fail(4408, "Connection initialisation timeout")

    def __repr__(self) -> str:
        return f"<GraphQLServer acked={self._acked} running={len(self._running)}>"

    def _subscribe(self, message: Subscribe) -> list[ServerRequest]:
        if not self._acked:
            return self._fail(4401, "Unauthorized")
        if message.id in self._running:
            return self._fail(4409, f"Subscriber for {message.id} already exists")
        if len(self._running) >= self._max_operations:
            self._write({"id": message.id, "type": "error", "payload": [{"message": "too many operations"}]})
            return []
        self._running.add(message.id)
        return [SubscribeReceived(message.id, message.payload)]

    def _fail(self, code: int, reason: str) -> list[ServerRequest]:
        self._failed, self._deadline = True, None
        return [Failed(reason.encode()[:120].decode(errors="ignore"), code)]

    def _write(self, message: Any) -> None:
        self._outgoing.append(msgspec.json.encode(message))
