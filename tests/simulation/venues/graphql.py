"""graphql-transport-ws: nothing is numbered and nothing confirms; what was read is proven by the pong that follows.

A subscription that is held or ignored holds up its whole connection, for the server answers in order.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec

from tapewire.protocols.base import ClientProtocol, Failed, Payload
from tapewire.protocols.graphql_ws import GraphQLClient, Next, Operation
from tapewire.protocols.graphql_ws.server import (
    CompleteReceived,
    GraphQLServer,
    InitReceived,
    SubscribeReceived,
)
from tapewire.secrets import Secret
from tapewire.testing.scripted import ScriptedConnection, ScriptedVenue
from tapewire.transport.memory import MemoryPeer
from tests.simulation.ledger import Ledger
from tests.simulation.venues.venue import NEVER, Venue
from tests.simulation.world import World

__all__ = ["GraphQLVenue"]

LATER_TEXT = "try again later"


class _Numbered(msgspec.Struct):
    n: int | None = None


_number = msgspec.json.Decoder(_Numbered).decode


class _Connection(ScriptedConnection):
    server: GraphQLServer

    def __init__(self, number: int, link: MemoryPeer) -> None:
        super().__init__(number, link, GraphQLServer(asyncio.get_running_loop().time()))
        self.topics: dict[str, str] = {}
        """The topic of each operation that is fed."""
        self.stalled = False
        self.backlog: list[Payload] = []

    def ids(self, topic: str) -> list[str]:
        return [one for one, fed in self.topics.items() if fed == topic and one in self.server.running]


class _Peer(ScriptedVenue[_Connection]):
    venue: GraphQLVenue

    def _welcome(self, number: int, link: MemoryPeer) -> _Connection:
        return _Connection(number, link)

    def _take(self, connection: _Connection, payload: Payload) -> None:
        if connection.stalled:
            connection.backlog.append(payload)
            return
        for request in connection.server.receive(payload):
            if isinstance(request, Failed):
                connection.link.close(request.code or 4400, request.reason)
            elif isinstance(request, InitReceived):
                connection.server.accept()
            elif isinstance(request, CompleteReceived):
                connection.topics.pop(request.id, None)
            else:
                self.venue.asked(connection, request)

    def resume(self, connection: _Connection) -> None:
        connection.stalled = False
        backlog, connection.backlog = connection.backlog, []
        for payload in backlog:
            self._take(connection, payload)


class GraphQLVenue(Venue):
    """See the head of this file."""

    close_codes: ClassVar[tuple[int, ...]] = (1000, 1001, 1006, 1012, 4408, 4500)
    final_codes: ClassVar[tuple[int, ...]] = (4400, 4406)

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        super().__init__(world, ledger, limited=limited)
        self._peer = _Peer(self.network)
        self._peer.venue = self

    @property
    def peer(self) -> _Peer:
        return self._peer

    def protocol(self, token: Secret | None) -> ClientProtocol:
        return GraphQLClient(retryable=lambda errors: LATER_TEXT in str(errors))

    def params(self, topic: str) -> Any:
        return Operation(topic)

    def number_of(self, publication: Next) -> int | None:
        return _number(publication.data).n

    def asked(self, connection: _Connection, request: SubscribeReceived) -> None:
        """Judge one operation; held or ignored, the connection stands still behind it."""
        topic = request.operation.query
        connection.stalled = True

        def accept() -> None:
            connection.topics[request.id] = topic
            self._peer.resume(connection)

        def refuse(why: str) -> None:
            connection.server.error(request.id, [{"message": "forbidden" if why == NEVER else LATER_TEXT}])
            self._peer.resume(connection)

        self._judge(topic, accept, refuse)

    def _publish(self, topic: str, number: int) -> None:
        for connection, one in self._fed(topic):
            connection.server.next(one, {"data": {"n": number}})

    def garble(self, topic: str) -> None:
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}, garbled")
        for connection, one in self._fed(topic):
            connection.link.send(*connection.server.data_to_send())
            connection.link.send(f'{{"id":"{one}","type":"next","payload":{{"data":{{"n":'.encode())

    def interrupt(self, topic: str) -> None:
        for connection, one in self._fed(topic):
            self.world.note(f"venue: the operation of {topic} fails on connection {connection.number}")
            connection.server.error(one, [{"message": LATER_TEXT}])

    def end(self, topic: str) -> None:
        for connection, one in self._fed(topic):
            self.world.note(f"venue: completes {topic} on connection {connection.number}")
            self.ended.add(topic)
            connection.server.complete(one)

    def oddity(self, topic: str) -> None:
        for connection in self._open():
            self.world.note(f"venue: pings on connection {connection.number}")
            connection.server.ping()
            if self.world.likely(0.3):
                self.world.note(
                    f"venue: sends a pong that nobody asked for on connection {connection.number}"
                )
                connection.link.send(b'{"type":"pong"}')

    def _open(self) -> list[_Connection]:
        return [connection for connection in self._peer.connections if connection.is_open]

    def _fed(self, topic: str) -> list[tuple[_Connection, str]]:
        return [(connection, one) for connection in self._open() for one in connection.ids(topic)]
