"""The duties of every client protocol, held against a hand-written peer; and a talk with our own server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tapewire.protocols.base import Command, Payload, Ready, Replied
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    CentrifugoServer,
    ConnectRequested,
    History,
    Publication,
    Rpc,
    RpcRequested,
)
from tapewire.testing.protocol import check_protocol
from tests.protocols.centrifugo.wires import CONNECTED, error, pub, reply


class CentrifugoScript:
    """A server without histories, in bytes written by hand."""

    delivers_early = False

    def __init__(self) -> None:
        self._subscribes: dict[str, int] = {}
        self._rpc = 0
        self._left: list[Payload] = []

    def read(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            for text in bytes(payload if isinstance(payload, bytes) else payload.encode()).split(b"\n"):
                message = json.loads(text)
                if "subscribe" in message:
                    self._subscribes[message["subscribe"]["channel"]] = message["id"]
                elif "rpc" in message:
                    self._rpc = message["id"]

    def greet(self) -> list[Payload]:
        return [CONNECTED]

    def confirm(self, topic: str) -> list[Payload]:
        return [reply(self._subscribes[topic], "subscribe")]

    def refuse(self, topic: str) -> list[Payload]:
        return [error(self._subscribes[topic], 103, "permission denied")]

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [pub(topic, data={"n": number})]

    def number_of(self, publication: Any) -> int | None:
        assert isinstance(publication, Publication)
        number = json.loads(bytes(publication.data))["n"]
        assert isinstance(number, int)
        return number

    def garbage(self) -> list[Payload]:
        return ['{"id":"one"}', '{"push":[]}', '{"push":{"channel":1,"pub":{}}}', "{}\n\n]"]

    def command(self, topic: str) -> Command | None:
        return Rpc(method="m", data={})

    def answer(self) -> list[Payload]:
        return [reply(self._rpc, "rpc", data=1)]


def test_every_duty_of_a_client_protocol_is_kept() -> None:
    check_protocol(CentrifugoClient, CentrifugoScript)


def test_client_and_server_understand_each_other() -> None:
    client, server = CentrifugoClient(token="JWT"), CentrifugoServer()
    server.open(0.0)
    client.hello(0.0)
    (request,) = [one for payload in client.data_to_send(0.0) for one in server.receive(payload, 0.0)]
    assert isinstance(request, ConnectRequested)
    server.accept(request, 0.0, client="c1")
    assert client.receive(server.data_to_send(), 0.0) == [Ready()]
    refs = [client.send(Rpc(method="double", data=n)) for n in range(3)] + [client.send(History("c"))]
    requests = [one for payload in client.data_to_send(0.0) for one in server.receive(payload, 0.0)]
    for one in requests:
        if isinstance(one, RpcRequested):
            server.reply(one, 2 * json.loads(bytes(one.data)))
        else:
            server.refuse(one, 108)
    replies = client.receive(server.data_to_send(), 0.0)
    assert [(item.ref, item.ok) for item in replies if isinstance(item, Replied)] == [
        (refs[0], True),
        (refs[1], True),
        (refs[2], True),
        (refs[3], False),
    ]
    assert [bytes(item.reply) for item in replies[:3]] == [b"0", b"2", b"4"]
    server.handle_timer(1e3)
    client.receive(server.data_to_send(), 1e3)
    assert [server.receive(payload, 1e3) for payload in client.data_to_send()] == [[]]
