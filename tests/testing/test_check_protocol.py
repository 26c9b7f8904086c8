"""The suite passes the protocols we have, and finds protocols that break a duty."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tapewire.protocols.base import Binary, Command, Payload, Ready
from tapewire.protocols.phoenix import Frame, PhoenixClient, Push
from tapewire.testing.protocol import GARBAGE, PROTOCOL_DUTIES, PeerScript, check_protocol


class PhoenixScript:
    """A Phoenix V2 server's side, written with the standard library's JSON."""

    delivers_early = True

    def __init__(self) -> None:
        self.join_refs: dict[str, str] = {}
        self.last: list[Any] = []

    def read(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            self.last = self.parse(payload)
            join_ref, _, topic, event, _ = self.last
            if event == "phx_join":
                self.join_refs[topic] = join_ref

    def parse(self, payload: Payload) -> list[Any]:
        frame: list[Any] = json.loads(payload)
        return frame

    def frame(self, join_ref: Any, ref: Any, topic: str, event: str, payload: Any) -> list[Payload]:
        return [json.dumps([join_ref, ref, topic, event, payload])]

    def greet(self) -> list[Payload]:
        return []

    def confirm(self, topic: str) -> list[Payload]:
        ref = self.join_refs[topic]
        return self.frame(ref, ref, topic, "phx_reply", {"response": {}, "status": "ok"})

    def refuse(self, topic: str) -> list[Payload]:
        ref = self.join_refs[topic]
        response = {"response": {"reason": "unauthorized"}, "status": "error"}
        return self.frame(ref, ref, topic, "phx_reply", response)

    def publish(self, topic: str, number: int) -> list[Payload]:
        join_ref = self.join_refs.get(topic) if number % 2 else None
        return self.frame(join_ref, None, topic, "tick", {"n": number})

    def number_of(self, publication: Any) -> int | None:
        return json.loads(bytes(publication.payload))["n"] if publication.event == "tick" else None

    def garbage(self) -> list[Payload]:
        return ['["1",null,"a","tick"]', '{"topic":"a"}', Binary(b"\x07abc")]

    def command(self, topic: str) -> Command | None:
        return Push(topic, "ask", {"q": 1})

    def answer(self) -> list[Payload]:
        join_ref, ref, topic, *_ = self.last
        return self.frame(join_ref, ref, topic, "phx_reply", {"response": {}, "status": "ok"})


class PhoenixV1Script(PhoenixScript):
    """The same in V1."""

    def parse(self, payload: Payload) -> list[Any]:
        fields = json.loads(payload)
        return [fields.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]

    def frame(self, join_ref: Any, ref: Any, topic: str, event: str, payload: Any) -> list[Payload]:
        return [json.dumps({"event": event, "payload": payload, "ref": ref, "topic": topic})]


def v1_client() -> PhoenixClient:
    return PhoenixClient(version="1.0.0")


def test_phoenix_v2_keeps_every_duty() -> None:
    check_protocol(PhoenixClient, PhoenixScript)


def test_phoenix_v1_keeps_every_duty() -> None:
    check_protocol(v1_client, PhoenixV1Script)


def test_the_script_is_a_peer_script() -> None:
    script: PeerScript = PhoenixScript()
    assert script.greet() == []


class SaysNothing(PhoenixClient):
    def hello(self, now: float) -> list[Any]:
        super().hello(now)
        return []


class ReadyTwice(PhoenixClient):
    def hello(self, now: float) -> list[Any]:
        return [*super().hello(now), Ready()]


class Raises(PhoenixClient):
    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        for payload in payloads:
            json.loads(payload)
        return super().receive(payloads, now)


class SwallowsGarbage(PhoenixClient):
    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        return [item for item in super().receive(payloads, now) if type(item).__name__ != "Undecodable"]


class NeverLeaves(PhoenixClient):
    def unsubscribe(self, topic: str) -> None:
        pass


class SendsAgain(PhoenixClient):
    taken: list[Payload] = []  # noqa: RUF012

    def data_to_send(self) -> list[Payload]:
        self.taken = self.taken + super().data_to_send()
        return self.taken


class TakesTheFirstOnly(PhoenixClient):
    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        return super().receive(payloads[:1], now)


class HasOneRef(PhoenixClient):
    def send(self, command: Command) -> str:
        super().send(command)
        return "1"


class NeverJudges(PhoenixClient):
    def handle_timer(self, now: float) -> list[Any]:
        return []


class DropsEarly(PhoenixClient):
    def receive(self, payloads: Sequence[Payload], now: float) -> list[Any]:
        return [
            item
            for payload in payloads
            for item in super(DropsEarly, self).receive([payload], now)
            if not isinstance(item, Frame) or item.topic in self.joined
        ]


@pytest.mark.parametrize(
    ("client", "duty"),
    [
        (SaysNothing, "exactly one Ready"),
        (ReadyTwice, "exactly one Ready"),
        (Raises, "raises nothing"),
        (SwallowsGarbage, "Undecodable or Failed"),
        (NeverLeaves, "After unsubscribe nothing"),
        (SendsAgain, "data_to_send returns"),
        (TakesTheFirstOnly, "before the confirmation|grouped into reads|whatever was on its way"),
        (HasOneRef, "a ref of its own"),
        (NeverJudges, "a silent peer ends in Failed|Deadlines never lie"),
        (DropsEarly, "before the confirmation"),
    ],
)
def test_a_protocol_that_breaks_a_duty_is_found(client: type[PhoenixClient], duty: str) -> None:
    with pytest.raises(AssertionError, match=duty):
        check_protocol(client, PhoenixScript)


def test_every_duty_is_a_sentence() -> None:
    for duty in PROTOCOL_DUTIES:
        assert (duty.__doc__ or "").endswith(".")
    assert len({duty.__doc__ for duty in PROTOCOL_DUTIES}) == len(PROTOCOL_DUTIES)
    assert len(GARBAGE) > 10
