"""What the tests of the client side share: frames as a server writes them, and a client in a known state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tapewire.protocols.base import Ready
from tapewire.protocols.phoenix import Frame, PhoenixClient

T0 = 1000.0


def wire(join_ref: Any, ref: Any, topic: str, event: str, payload: Any = None) -> str:
    return json.dumps([join_ref, ref, topic, event, {} if payload is None else payload])


def reply(join_ref: Any, ref: Any, topic: str, status: str = "ok", response: Any = None) -> str:
    return wire(
        join_ref,
        ref,
        topic,
        "phx_reply",
        {"response": {} if response is None else response, "status": status},
    )


def sent(client: PhoenixClient) -> list[Any]:
    return [json.loads(payload) for payload in client.data_to_send()]


def take(client: PhoenixClient, *payloads: Any) -> list[Any]:
    return client.receive(list(payloads), T0)


def kinds(items: Iterable[Any]) -> list[Any]:
    """Classes of events; of frames their event's name."""
    return [item.event if isinstance(item, Frame) else type(item) for item in items]


def opened(**options: Any) -> PhoenixClient:
    client = PhoenixClient(**options)
    assert client.hello(T0) == [Ready()]
    return client


def with_joined(*topics: str, **options: Any) -> PhoenixClient:
    """A client whose topics have the join_refs "1", "2", ..."""
    client = opened(**options)
    for number, topic in enumerate(topics, 1):
        client.subscribe(topic)
        take(client, reply(str(number), str(number), topic))
    client.data_to_send()
    return client
