"""Phoenix Channels: nothing is numbered, a channel crashes or closes alone, and broadcasts name no join."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tapewire.protocols.base import Binary, ClientProtocol, Command
from tapewire.protocols.phoenix import Frame, JoinRequested, PhoenixClient, Push, PushReceived, Version
from tapewire.secrets import Secret
from tapewire.testing import PhoenixPeer
from tapewire.testing.peer import PhoenixPeerConnection
from tapewire.transport.base import Endpoint
from tests.simulation.ledger import Ledger
from tests.simulation.venues.venue import FULL, LATER, LIMIT, NEVER, Venue
from tests.simulation.world import World

__all__ = ["PhoenixV1Venue", "PhoenixVenue"]


class _Numbered(msgspec.Struct):
    n: int | None = None


_REASONS = {NEVER: "unauthorized", LATER: "join crashed", FULL: "too many channels joined"}

_number = msgspec.json.Decoder(_Numbered).decode


class PhoenixVenue(Venue):
    """See the head of this file."""

    close_codes: ClassVar[tuple[int, ...]] = (1000, 1001, 1006, 1011, 1012)
    version: ClassVar[Version] = "2.0.0"
    broken: ClassVar[str] = '[null,null,"%s","tick",{"n":'

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        super().__init__(world, ledger, limited=limited)
        self._peer = PhoenixPeer(self.network, max_channels=LIMIT if limited else 100)
        self._peer.on_join = self._asked
        self._peer.on_push = self._pushed

    @property
    def peer(self) -> PhoenixPeer:
        return self._peer

    def protocol(self, token: Secret | None) -> ClientProtocol:
        return PhoenixClient(version=self.version)

    def endpoint(self, token: Secret | None) -> Endpoint:
        return Endpoint(url=f"ws://venue.test/socket/websocket?vsn={self.version}")

    def command(self, topic: str) -> Command | None:
        return Push(topic, "ask", {})

    def number_of(self, publication: Frame) -> int | None:
        if publication.event != "tick" or isinstance(publication.payload, Binary):
            return None
        return _number(publication.payload).n

    def _publish(self, topic: str, number: int) -> None:
        as_push = self.world.likely(0.3)
        for connection in self._joined(topic):
            if as_push:
                connection.server.push(topic, "tick", {"n": number})
            else:
                connection.server.broadcast(topic, "tick", {"n": number})

    def garble(self, topic: str) -> None:
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}, garbled")
        for connection in self._joined(topic):
            connection.server.forward((self.broken % topic).encode())

    def interrupt(self, topic: str) -> None:
        for connection in self._joined(topic):
            self.world.note(f"venue: {topic} crashes on connection {connection.number}")
            connection.server.crash(topic)

    def end(self, topic: str) -> None:
        for connection in self._joined(topic):
            self.world.note(f"venue: closes {topic} on connection {connection.number}")
            self.ended.add(topic)
            connection.server.close(topic)

    def _joined(self, topic: str) -> list[PhoenixPeerConnection]:
        return [c for c in self._peer.connections if c.is_open and topic in c.server.joined]

    def _asked(self, peer: PhoenixPeer, connection: PhoenixPeerConnection, join: JoinRequested) -> None:
        def accept() -> None:
            connection.server.accept(join)

        def refuse(why: str) -> None:
            connection.server.refuse(join, {"reason": _REASONS[why]})

        self._judge(join.topic, accept, refuse)

    def _pushed(self, peer: PhoenixPeer, connection: PhoenixPeerConnection, push: PushReceived) -> None:
        if self.world.likely(0.7):
            connection.server.reply(push, self.world.chance.choice(["ok", "ok", "error"]), {"said": 1})


class PhoenixV1Venue(PhoenixVenue):
    """The same on the first version of the wire: no frame names its join."""

    version: ClassVar[Version] = "1.0.0"
    broken: ClassVar[str] = '{"topic":"%s","event":"tick","ref":null,"payload":{"n":'
