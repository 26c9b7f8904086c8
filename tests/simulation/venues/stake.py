"""The Stake page's JSON: nothing is numbered, and nothing confirms: no word against it for a moment counts as yes.

So the venue neither holds nor ignores a subscription, and nothing takes longer than that moment: a client of this wire
cannot tell these from a yes. Refusals are final on this wire.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from tapewire.protocols.base import ClientProtocol, Command
from tapewire.secrets import Secret
from tapewire.venues.stake.protocol import PageClient, PageFrame, Send
from tests.simulation.ledger import Ledger
from tests.simulation.venues.plain import PlainConnection, PlainPeer
from tests.simulation.venues.venue import Venue
from tests.simulation.world import World

__all__ = ["StakeVenue"]


class _Numbered(msgspec.Struct):
    n: int | None = None


_number = msgspec.json.Decoder(_Numbered).decode


class StakeVenue(Venue):
    """See the head of this file."""

    close_codes: ClassVar[tuple[int, ...]] = (1000, 1001, 1006, 1011, 1012)
    has_heartbeat: ClassVar[bool] = False
    slowest: ClassVar[float] = 0.05
    answers: ClassVar[bool] = False

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        super().__init__(world, ledger, limited=limited)
        self._peer = PlainPeer(self.network)
        self._peer.venue = self

    @property
    def peer(self) -> PlainPeer:
        return self._peer

    def protocol(self, token: Secret | None) -> ClientProtocol:
        return PageClient(self.world.clock.monotonic)

    def command(self, topic: str) -> Command | None:
        return Send(topic, "send", text='{"type":"hello"}')

    def number_of(self, publication: PageFrame) -> int | None:
        return _number(publication.payload).n

    def greet(self, connection: PlainConnection) -> None:
        """Nobody greets."""

    def heard(self, connection: PlainConnection, message: Any) -> None:
        topic = message.get("channel", "")
        if message["type"] == "unsubscribe":
            connection.server.topics.pop(topic, None)
        elif message["type"] == "subscribe":

            def accept() -> None:
                connection.server.topics[topic] = None

            def refuse(why: str) -> None:
                self.ended.add(topic)
                connection.server.say({"type": "error", "channel": topic, "message": "no"})

            temper = self.temper
            temper.slow = temper.ignore = 0.0
            self._judge(topic, accept, refuse)

    def _publish(self, topic: str, number: int) -> None:
        for connection in self._peer.fed(topic):
            connection.server.say({"type": "data", "channel": topic, "payload": {"n": number}})

    def garble(self, topic: str) -> None:
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}, garbled")
        for connection in self._peer.fed(topic):
            connection.server.say(f'{{"type":"data","channel":"{topic}","payload":{{"n":'.encode())

    def interrupt(self, topic: str) -> None:
        self._stop(topic, "interrupted")

    def end(self, topic: str) -> None:
        self.ended.add(topic)
        self._stop(topic, "unsubscribed")

    def oddity(self, topic: str) -> None:
        """An error of a channel: it refuses what is not confirmed, and interrupts what is."""
        self.ended.add(topic)
        self._stop(topic, "error")

    def _stop(self, topic: str, how: str) -> None:
        for connection in self._peer.fed(topic):
            self.world.note(f"venue: {topic} {how} on connection {connection.number}")
            connection.server.say({"type": how, "channel": topic, "message": how})
            del connection.server.topics[topic]
