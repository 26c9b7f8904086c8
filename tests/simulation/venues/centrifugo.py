"""Centrifugo: offsets and epochs, recovery from a history, pages of it, tokens of connections and of channels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from tapewire.protocols.base import ClientProtocol, Command
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    Publication,
    SubscribeParams,
    SubscribeRequested,
)
from tapewire.secrets import Secret
from tapewire.testing import CentrifugoPeer
from tapewire.testing.centrifugo_connection import CentrifugoPeerConnection
from tests.simulation.ledger import Ledger
from tests.simulation.venues.venue import FULL, LIMIT, NEVER, Venue
from tests.simulation.world import World

__all__ = ["CentrifugoVenue"]


class _Numbered(msgspec.Struct):
    n: int | None = None


_number = msgspec.json.Decoder(_Numbered).decode


class _Peer(CentrifugoPeer):
    """The scripted peer, with subscriptions judged by the venue."""

    venue: CentrifugoVenue

    def _consider(self, connection: CentrifugoPeerConnection, request: SubscribeRequested) -> None:
        if self._bad_tokens.get(request.token.reveal(), 0):
            super()._consider(connection, request)
            return

        def accept() -> None:
            self._grant(connection, request)

        def refuse(why: str) -> None:
            connection.server.refuse(
                request, {NEVER: 103, FULL: 106}.get(why, self.venue.world.chance.choice([100, 111, 109]))
            )

        self.venue._judge(request.channel, accept, refuse)


class CentrifugoVenue(Venue):
    """See the head of this file."""

    numbered: ClassVar[bool] = True
    topic_tokens: ClassVar[bool] = True
    close_codes: ClassVar[tuple[int, ...]] = (
        1000,
        1006,
        3000,
        3001,
        3004,
        3005,
        3008,
        3010,
        3011,
        3012,
        3014,
    )
    final_codes: ClassVar[tuple[int, ...]] = (3500, 3503, 3507)

    def __init__(self, world: World, ledger: Ledger, *, limited: bool = False) -> None:
        super().__init__(world, ledger, limited=limited)
        chance = world.chance
        self._lazy = world.likely(0.2)
        self._peer = _Peer(
            self.network,
            channel_limit=LIMIT if limited else 128,
            history_size=chance.choice([3, 1000, 1000]),
            recovery_limit=chance.choice([2, 1000, 1000]),
            page_limit=chance.choice([2, 1000]),
            lazy=self._lazy,
            token_ttl=chance.choice([0, 0, 3, 20]),
            channel_token_ttl=chance.choice([0, 0, 3, 20]),
        )
        self._peer.venue = self
        self._plain = {topic for topic in "abc" if world.likely(0.15)}
        """Topics asked for without positions."""
        self._epochs = 0
        if world.likely(0.1):
            self._peer.without_history("c")

    @property
    def peer(self) -> CentrifugoPeer:
        return self._peer

    def protocol(self, token: Secret | None) -> ClientProtocol:
        return CentrifugoClient(token=token)

    def refuse_tokens(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._peer.refuse_token(token, 109)

    def params(self, topic: str) -> Any:
        return None if topic in self._plain else SubscribeParams(positioned=True, recoverable=True)

    def command(self, topic: str) -> Command | None:
        return History(topic, limit=1)

    def number_of(self, publication: Publication) -> int | None:
        return _number(publication.data).n if publication.data else None

    def _publish(self, topic: str, number: int) -> None:
        publication = self._logged(topic, number)
        for connection in self._open():
            connection.server.publish(topic, publication)

    def _logged(self, topic: str, number: int) -> Publication:
        history = self._peer.history(topic)
        if history is None:
            return Publication(msgspec.Raw(b'{"n":%d}' % number))
        publication = history.publish({"n": number}, asyncio.get_running_loop().time())
        self._peer.log(topic).append(publication)
        self.ledger.positions[topic][number] = publication.offset, history.epoch
        return publication

    def garble(self, topic: str) -> None:
        number = self.ledger.next(topic)
        self.world.note(f"venue: publishes {topic} {number}, garbled")
        publication = self._logged(topic, number)
        for connection in self._open():
            if topic in connection.server.subscribed:
                connection.server.publish(topic, publication)
                *before, last = connection.server.data_to_send()
                broken = last[: len(last) - 4]
                for payload in (*before, broken):
                    connection.server.forward(bytes(payload))

    def interrupt(self, topic: str) -> None:
        code = self.world.chance.choice([2500, 2500, 2501, 2502])
        for connection in self._subscribed(topic):
            self.world.note(f"venue: unsubscribes {topic} on connection {connection.number} with {code}")
            connection.server.unsubscribe(topic, code)

    def end(self, topic: str) -> None:
        for connection in self._subscribed(topic):
            self.world.note(f"venue: unsubscribes {topic} on connection {connection.number} for good")
            self.ended.add(topic)
            connection.server.unsubscribe(topic, 2000)

    def oddity(self, topic: str) -> None:
        match self.world.chance.choice(
            ["lose", "lose", "lose", "repeat", "prune", "restart", "double", "disconnect", "page"]
        ):
            case "lose" if self._peer.history(topic) is not None:
                if topic in self._plain:  # there the client knows of no number before the first that comes
                    self.publish(topic)
                number = self.ledger.next(topic)
                self.world.note(f"venue: publishes {topic} {number}, and nobody gets it")
                self.flush()
                publication = self._logged(topic, number)
                for connection in self._open():
                    connection.server.publish(topic, publication)
                    connection.server.data_to_send()
            case "repeat" if (
                self._peer.log(topic) and topic not in self._plain
            ):  # else the client knows no position
                self.world.note(f"venue: repeats the last of {topic}")
                self._peer.repeat(topic)
            case "prune":
                self.world.note(f"venue: prunes the history of {topic}")
                self._peer.prune(topic)
            case "restart" if self._lazy:
                pass  # before its first epoch nobody can tell a stream from one that is numbered anew
            case "restart":
                self._epochs += 1
                self.world.note(f"venue: numbers {topic} anew")
                self.flush()
                self._peer.restart(topic, f"anew-{self._epochs}")
            case "double":
                self._peer.duplicate_next_recovery()
            case "page":
                self._peer.refuse_history()
            case "disconnect":
                code = self.world.chance.choice([3000, 3001, 3004, 3011])
                if connection := self._any():
                    self.world.note(f"venue: pushes disconnect {code} on connection {connection.number}")
                    assert isinstance(connection, CentrifugoPeerConnection)
                    connection.server.forward(b'{"push":{"disconnect":{"code":%d,"reason":"go"}}}' % code)

    def heal(self) -> None:
        self._peer.token_ttl = self._peer.channel_token_ttl = (
            0  # where nobody has a fresh one a line ends with its token
        )
        super().heal()

    def _open(self) -> list[CentrifugoPeerConnection]:
        return [connection for connection in self._peer.connections if connection.is_open]

    def _subscribed(self, topic: str) -> list[CentrifugoPeerConnection]:
        return [connection for connection in self._open() if topic in connection.server.subscribed]
