"""WEEX's JSON: many topics in one numbered request, its answer by that number, and six refusals are the end.

At the session nothing is numbered. The venue knows neither interruptions nor ends of single topics.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from tapewire.protocols.base import ClientProtocol
from tapewire.secrets import Secret
from tapewire.venues.weex.protocol import WeexProtocol
from tapewire.venues.weex.wire import Frame
from tests.simulation.ledger import Ledger
from tests.simulation.venues.plain import PlainConnection, PlainPeer
from tests.simulation.venues.venue import FULL, LIMIT, NEVER, Venue
from tests.simulation.world import World

__all__ = ["WeexVenue"]


class _Numbered(msgspec.Struct):
    n: int | None = None


_numbers = msgspec.json.Decoder(list[_Numbered]).decode

MAX_REFUSALS = 5


class WeexVenue(Venue):
    """See the head of this file."""

    topics: ClassVar[tuple[str, ...]] = ("A@trade", "B@trade", "C@trade")
    close_codes: ClassVar[tuple[int, ...]] = (1000, 1001, 1006, 1007, 1012)
    has_heartbeat: ClassVar[bool] = False
    pooled: ClassVar[bool] = True

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        super().__init__(world, ledger, limited=limited)
        self._peer = PlainPeer(self.network)
        self._peer.venue = self
        self._limit = LIMIT if limited else 100

    @property
    def peer(self) -> PlainPeer:
        return self._peer

    def protocol(self, token: Secret | None) -> ClientProtocol:
        return WeexProtocol()

    def number_of(self, publication: Frame) -> int | None:
        rows = _numbers(publication.rows)
        return rows[0].n if rows else None

    def greet(self, connection: PlainConnection) -> None:
        connection.server.say({"event": "connected"})

    def heard(self, connection: PlainConnection, message: Any) -> None:
        topics = message.get("params", ())
        if message["method"] == "UNSUBSCRIBE":
            for topic in topics:
                connection.server.topics.pop(topic, None)
            connection.server.say({"result": True, "id": message["id"]})
        elif message["method"] == "SUBSCRIBE":
            self._asked(connection, message["id"], topics)

    def _asked(self, connection: PlainConnection, number: int, topics: list[str]) -> None:
        side = connection.server

        def accept() -> None:
            if len(side.topics.keys() | set(topics)) > self._limit:
                refuse(FULL)
                return
            side.topics.update(dict.fromkeys(topics))
            side.say({"result": True, "id": number})

        def refuse(why: str) -> None:
            connection.refusals += 1
            if connection.refusals > MAX_REFUSALS:
                connection.link.close(1007, "too many wrong requests")
            symbol = topics[0].partition("@")[0].lower()
            text = (
                f"invalid symbol : {symbol}" if why == NEVER else "exceeds the limit of channel subscriptions"
            )
            side.say({"result": False, "id": number, "msg": text})

        self._judge(topics[0], accept, refuse)

    def _publish(self, topic: str, number: int) -> None:
        for connection in self._peer.fed(topic):
            connection.server.say({"e": "trade", "E": 1790134568308, "s": topic[0], "d": [{"n": number}]})

    def garble(self, topic: str) -> None:
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}, garbled")
        for connection in self._peer.fed(topic):
            connection.server.say(f'{{"e":"trade","E":1790134568308,"s":"{topic[0]}","d":[{{"n":'.encode())

    def interrupt(self, topic: str) -> None:
        """Not known here."""

    def end(self, topic: str) -> None:
        """Not known here."""

    def oddity(self, topic: str) -> None:
        """A ping of the venue's."""
        for connection in self._peer.connections:
            if connection.is_open:
                connection.server.say({"event": "ping", "time": "1"})
