"""What the peers of the two JSON wires share: a server side that is a list of messages and a set of topics."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from tapewire.protocols.base import Payload
from tapewire.testing.scripted import ScriptedConnection, ScriptedVenue
from tapewire.transport.memory import MemoryPeer

__all__ = ["PlainConnection", "PlainPeer", "Side"]


class Side:
    """The server's side of one connection. `topics`: those that it is fed."""

    def __init__(self) -> None:
        self.topics: dict[str, None] = {}
        self._outgoing: list[Payload] = []

    def say(self, message: Any) -> None:
        """Queue one message: bytes as they are, anything else as JSON."""
        self._outgoing.append(message if isinstance(message, bytes) else msgspec.json.encode(message))

    def data_to_send(self) -> list[Payload]:
        outgoing, self._outgoing = self._outgoing, []
        return outgoing


class PlainConnection(ScriptedConnection):
    server: Side

    def __init__(self, number: int, link: MemoryPeer) -> None:
        super().__init__(number, link, Side())
        self.refusals = 0


class _Judge(Protocol):
    def greet(self, connection: PlainConnection) -> None: ...
    def heard(self, connection: PlainConnection, message: Any) -> None: ...


class PlainPeer(ScriptedVenue[PlainConnection]):
    """Hands each client's message, decoded, to its venue."""

    venue: _Judge

    def _welcome(self, number: int, link: MemoryPeer) -> PlainConnection:
        connection = PlainConnection(number, link)
        self.venue.greet(connection)
        connection.flush()
        return connection

    def _take(self, connection: PlainConnection, payload: Payload) -> None:
        self.venue.heard(connection, msgspec.json.decode(payload))

    def fed(self, topic: str) -> list[PlainConnection]:
        """The open connections that are fed `topic`."""
        return [c for c in self.connections if c.is_open and topic in c.server.topics]
