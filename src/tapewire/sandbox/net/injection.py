"""Ordering faults: those that happen at once are played on the sockets that are open now, and on the faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import ConfigurationError
from ...protocols.base import Binary
from ..core.carriage import Carriage
from ..core.faults import FAULTS, Faults, Injected
from ..face import FaceContext, ReplayingFace
from ..play import TopicFace
from .clients import Client

__all__ = ["Injection"]

TOPICS_SHOWN = 200
"""Topics that an error names, of those that a fault could be ordered for."""


class Injection:
    """Orders faults for one sandbox. `clients` are its connections by number, as they come and go.

    `publish(count)` makes a burst; `narrate` is given a line for people for each order.
    """

    def __init__(
        self,
        context: FaceContext,
        faces: Mapping[str, TopicFace[Any]],
        clients: Mapping[int, Client],
        publish: Callable[[int], None],
        narrate: Callable[[str], None],
    ) -> None:
        self._faults, self._carriage, self._clock = context.faults, context.carriage, context.clock
        self._faces = faces
        self._clients = clients
        self._publish = publish
        self._narrate = narrate

    def order(self, fault: str, params: Mapping[str, Any]) -> Injected:
        """Order a fault, and play it if it happens at once. Raises ConfigurationError."""
        if params.get("venue") not in (None, *self._faces):
            raise ConfigurationError(f"{fault}(venue)", params["venue"], sorted(self._faces))
        topic = FAULTS[fault].parameters.get("topic") if fault in FAULTS else None
        if topic is not None and topic.required and not params.get("topic"):
            raise ConfigurationError(
                f"{fault}(topic)", params.get("topic"), self._joined(params.get("venue"))
            )
        now_ns = self._clock.time_ns()
        injected = self._faults.order(fault, params, now_ns)
        given = "".join(f" {name}={value}" for name, value in params.items())
        self._narrate(f"fault ordered: {fault}{given}")
        noted = self._play(injected)
        if noted:
            Faults.met(injected, now_ns, noted)
        return injected

    def lift(self, fault: str | None = None) -> int:
        """End faults that still stand, and what mutes or slows sockets; returns how many were ended."""
        now_ns = self._clock.time_ns()
        standing = [order for order in self._faults.in_force(now_ns) if fault in (None, order.name)]
        self._faults.lift(fault)
        lifted = len(standing) + sum(client.recover(fault) for client in self._clients.values())
        self._narrate(f"faults lifted: {fault or 'all'} ({lifted})")
        return lifted

    def suffering(self) -> dict[str, list[int]]:
        """The connections that suffer from a fault that lasts, by its name."""
        found: dict[str, list[int]] = {}
        for client in self._clients.values():
            for name in client.lasting_faults():
                found.setdefault(name, []).append(client.number)
        return found

    def _joined(self, venue: str | None) -> Sequence[str] | str:
        """The topics that a fault could name now."""
        joined = sorted({topic for face in self._played(venue) for topic in face.joined_topics()})
        return joined[:TOPICS_SHOWN] or "a topic that is joined; none is now"

    def _played(self, venue: str | None) -> list[TopicFace[Any]]:
        return [face for name, face in self._faces.items() if venue in (None, name)]

    def _play(self, injected: Injected) -> int:
        """Do what was ordered, unless it is a standing fault; returns how often it is to be noted as met."""
        name, params = injected.name, injected.params
        faces = self._played(params.get("venue"))
        if name in _ON_CLIENTS:
            injected.reached = self._play_on_clients(injected)
            return 0 if name in _NOTED_WHEN_MET else injected.reached
        if name == "burst":
            self._publish(params["count"])
            injected.reached = params["count"]
            return 1
        with self._carriage.because(injected):
            if name in _ON_FACES:
                injected.reached = sum(_ON_FACES[name](face, params) for face in faces)
            elif name in _ON_HISTORIES:
                replaying = (face for face in faces if isinstance(face, ReplayingFace))
                injected.reached = sum(_ON_HISTORIES[name](face, params) for face in replaying)
        return injected.reached or 0

    def _play_on_clients(self, injected: Injected) -> int:
        chosen = list(self._chosen(injected.params))
        touch = _TOUCHING.get(injected.name)
        for client in chosen:
            if touch is not None:
                touch(self._carriage, injected, client.number)
            _ON_CLIENTS[injected.name](client, injected)
        return len(chosen)

    def _chosen(self, params: Mapping[str, Any]) -> Iterator[Client]:
        venue, number = params.get("venue"), params.get("connection")
        for client in self._clients.values():
            if client.is_socket and venue in (None, client.venue) and number in (None, client.number):
                yield client


def _close_idle(client: Client, _: Injected) -> None:
    client.close(client.face.idle_code if client.face else 1000)


def _mute(client: Client, injected: Injected) -> None:
    client.mute("publication", injected.params["seconds"], injected)


def _mute_heartbeats(client: Client, injected: Injected) -> None:
    client.mute("heartbeat", injected.params["seconds"], injected)


_ON_CLIENTS: Mapping[str, Callable[[Client, Injected], Any]] = {
    "close": lambda client, order: client.close(order.params["code"], order.params["reason"]),
    "abort": lambda client, _: client.abort(),
    **dict.fromkeys(
        ("half_open", "dead_uplink", "dead_downlink"),
        lambda client, order: client.go_dead(order.name, order.params["seconds"]),
    ),
    "drain": lambda client, _: client.close(1012),
    "idle_close": _close_idle,
    "mute": _mute,
    "mute_heartbeats": _mute_heartbeats,
    "drip": lambda client, order: client.drip(order.params["interval"], order.params["seconds"]),
    "oversized": lambda client, order: client.oversized(order.params["size"]),
    "binary": lambda client, _: client.send([Binary(b"\x07\xff\x00\xfe")]),
}

_TOUCHING: Mapping[str, Callable[[Carriage, Injected, int], None]] = {
    **dict.fromkeys(("close", "abort", "drain", "idle_close"), Carriage.cut),
    **dict.fromkeys(
        ("half_open", "dead_uplink", "dead_downlink", "mute_heartbeats", "drip", "oversized"),
        Carriage.trouble,
    ),
    "binary": Carriage.disturb,
}
"""What each does to the streams of its connection; of what is muted each number is noted when it is."""

_ON_FACES: Mapping[str, Callable[[TopicFace[Any], Mapping[str, Any]], int]] = {
    "crash_channel": lambda face, params: face.end_topic(params["topic"], crashed=True),
    "close_channel": lambda face, params: face.end_topic(params["topic"], crashed=False),
    "expire_tokens": lambda face, _: face.expire_tokens(),
}

_ON_HISTORIES: Mapping[str, Callable[[ReplayingFace, Mapping[str, Any]], int]] = {
    "prune_history": lambda face, params: face.prune_history(params["topic"], params["keep"]),
    "new_epoch": lambda face, params: face.restart_history(params["topic"]),
    "insufficient_state": lambda face, params: face.lose_place(params["topic"]),
}

_NOTED_WHEN_MET = frozenset({"mute", "mute_heartbeats"})
