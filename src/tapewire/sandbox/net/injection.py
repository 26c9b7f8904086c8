"""Playing the faults that happen at once: on the sockets that are open now, and on the faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...protocols.base import Binary
from ..core.carriage import Carriage
from ..core.faults import Faults, Injected
from ..face import Face, ReplayingFace
from .clients import Client

__all__ = ["play"]


def play(
    injected: Injected,
    clients: Iterable[Client],
    faces: Mapping[str, Face],
    carriage: Carriage,
    publish: Callable[[int], None],
    now_ns: int,
) -> None:
    """Do what was ordered, unless it is a standing fault, and note what it reached. `publish(count)` makes a burst."""
    params = injected.params
    venue = params.get("venue")
    faces = faces if venue is None else {venue: faces[venue]}
    on_client = _ON_CLIENTS.get(injected.name)
    if on_client is not None:
        sockets = [client for client in clients if client.is_socket and client.venue in faces]
        chosen = [client for client in sockets if params.get("connection") in (None, client.number)]
        for client in chosen:
            if injected.name in _TOUCHING:
                _TOUCHING[injected.name](carriage, injected, client.number)
            on_client(client, injected)
        injected.reached = len(chosen)
        if chosen and injected.name not in _NOTED_WHEN_MET:
            Faults.met(injected, now_ns, len(chosen))
        return
    if injected.name == "burst":
        publish(params["count"])
        injected.reached = params["count"]
        Faults.met(injected, now_ns)
        return
    with carriage.because(injected):
        if injected.name in _ON_FACES:
            on_face = _ON_FACES[injected.name]
            injected.reached = sum(on_face(face, params) for face in faces.values())
        elif injected.name in _ON_HISTORIES:
            on_history = _ON_HISTORIES[injected.name]
            replaying = [face for face in faces.values() if isinstance(face, ReplayingFace)]
            injected.reached = sum(on_history(face, params) for face in replaying)
    if injected.reached:
        Faults.met(injected, now_ns, injected.reached)


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

_ON_FACES: Mapping[str, Callable[[Face, Mapping[str, Any]], int]] = {
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
