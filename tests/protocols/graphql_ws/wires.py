"""What these tests share: a peer's script written by hand from the specification, and a client in a known state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tapewire.protocols.base import Payload, Ready
from tapewire.protocols.graphql_ws import GraphQLClient, Next

T0 = 1000.0
ACK = '{"type":"connection_ack"}'
PONG = '{"type":"pong"}'


def pong(number: int) -> str:
    """The answer to that ping, of a server that echoes what pings carry, as the reference's does."""
    return json.dumps({"type": "pong", "payload": {"n": number}})


def result(number: str, data: Any, kind: str = "next") -> str:
    return json.dumps({"id": number, "type": kind, "payload": {"data": data}})


def sent(client: GraphQLClient) -> list[Any]:
    return [json.loads(payload) for payload in client.data_to_send()]


def opened(**options: Any) -> GraphQLClient:
    client = GraphQLClient(**options)
    assert client.hello(T0) == []
    assert client.receive([ACK], T0) == [Ready()]
    client.data_to_send()
    return client


class Script:
    """The server's side, as text."""

    delivers_early = True

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.pings: list[int] = []

    def read(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            message = json.loads(payload)
            if message["type"] == "subscribe":
                self.ids[message["payload"]["query"]] = message["id"]
            if message["type"] == "ping":
                self.pings.append(message["payload"]["n"])

    def greet(self) -> list[Payload]:
        return [ACK]

    def confirm(self, topic: str) -> list[Payload]:
        pings, self.pings = self.pings, []
        return [pong(number) for number in pings]

    def refuse(self, topic: str) -> list[Payload]:
        return [json.dumps({"id": self.ids[topic], "type": "error", "payload": [{"message": "no"}]})]

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [result(self.ids.get(topic, "none"), {"number": number})]

    def number_of(self, publication: Next) -> int | None:
        return json.loads(bytes(publication.data))["number"]

    def garbage(self) -> list[Payload]:
        return ['{"type":"nonsense"}', '{"type":"next"}', '{"type":"next","id":7,"payload":{}}', "[]", "1"]

    def command(self, topic: str) -> None:
        return None

    def answer(self) -> list[Payload]:
        return []
