"""The venue that is there to be copied: its wire, its words, and that it needs nothing that is not public."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import tapewire
from scripts.public_types import PUBLIC
from tapewire.errors import ConfigurationError, GaveUp, HandshakeRefused, SubscriptionEnded
from tapewire.marks import Gap
from tapewire.protocols import Confirmed, Interrupted, Payload, Refused, Skipped, Undecodable
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.template import TemplateFace
from tapewire.testing import check_protocol
from tapewire.testing.venue import VENUE_DUTIES, VenueCheck
from tapewire.venues.template import (
    TemplateArgumentError,
    TemplateError,
    TemplateLoginError,
    TemplateSocket,
)
from tapewire.venues.template.protocol import TemplateProtocol
from tapewire.venues.template.wire import Update
from tests.venues.under_test import DEADLINES, Template
from tests.waiting import until

SRC = Path(tapewire.__file__).parent
FILES = (*sorted((SRC / "venues" / "template").glob("*.py")), SRC / "sandbox" / "faces" / "template.py")
T0 = 1000.0


class Script:
    """The venue's side of the wire."""

    delivers_early = False

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def read(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            message = json.loads(payload)
            if message["op"] == "subscribe":
                self.ids[message["channel"]] = message["id"]

    def greet(self) -> list[Payload]:
        return []

    def confirm(self, topic: str) -> list[Payload]:
        return [json.dumps({"op": "subscribed", "channel": topic, "id": self.ids[topic], "seq": 0})]

    def refuse(self, topic: str) -> list[Payload]:
        return [json.dumps({"op": "refused", "channel": topic, "id": self.ids[topic], "reason": "no"})]

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [json.dumps({"channel": topic, "seq": number, "data": {"number": number}})]

    def number_of(self, publication: Update) -> int | None:
        return publication.number

    def garbage(self) -> list[Payload]:
        return ["[]", "{}", '{"op":"dance","channel":"a"}', '{"channel":"a","seq":']

    def command(self, topic: str) -> None:
        return None

    def answer(self) -> list[Payload]:
        return []


def granted(seq: int = 0) -> TemplateProtocol:
    client = TemplateProtocol()
    client.hello(T0)
    client.subscribe("a")
    client.data_to_send()
    assert client.receive([answer(id=1, seq=seq)], T0) == [Confirmed("a")]
    return client


def answer(op: str = "subscribed", **facts: Any) -> str:
    return json.dumps({"op": op, "channel": "a", **facts})


def update(seq: int) -> str:
    return json.dumps({"channel": "a", "seq": seq, "data": seq})


def numbers(items: list[Any]) -> list[Any]:
    return [item.number if isinstance(item, Update) else item for item in items]


def test_the_wire_keeps_every_duty_of_a_protocol():
    check_protocol(TemplateProtocol, Script)


def test_a_number_that_is_missing_is_said_where_it_is_missing():
    client = granted(seq=6)
    assert numbers(client.receive([update(7), update(9), update(10)], T0)) == [
        7,
        Skipped("a", 8, 9, 1),
        9,
        10,
    ]
    assert client.receive([update(8), update(10)], T0) == []  # late, and once more


def test_the_first_one_may_be_missing_too():
    assert numbers(granted(seq=6).receive([update(8)], T0)) == [Skipped("a", 7, 8, 1), 8]


def test_an_answer_to_an_older_request_is_none_to_the_newer_one():
    client = granted()
    client.subscribe("a")
    assert client.receive([answer(id=1), update(1), answer("refused", id=1)], T0) == []
    assert client.receive([answer("refused", id=2, reason="full")], T0) == [Refused("a", "full")]


def test_a_channel_that_breaks_off_is_interrupted_once():
    client = granted()
    broken = answer("interrupted", reason="restart")
    assert client.receive([broken, broken, update(1)], T0) == [Interrupted("a", "restart")]


def test_an_op_that_nobody_knows_is_said():
    (said,) = granted().receive([answer("dance")], T0)
    assert isinstance(said, Undecodable)
    assert said.topic == "a"


def sandbox() -> Sandbox:
    return Sandbox(rate=0, venues=["template"], faces={"template": TemplateFace})


async def test_ones_own_channel_tells_of_ones_own_account():
    async with sandbox() as played, TemplateSocket("ann", host=played.url) as ws:
        balance = ws.watch("balance")
        await balance.confirmed()
        exchange = played.faces["template"].exchange
        market = next(iter(exchange.markets))
        _, events = exchange.place("ann", market, "buy", 1, 1, played.clock.time_ns())
        played.faces["template"].publish(events, played.clock.time_ns())
        message = await anext(balance)
        assert (message.channel, message.number) == ("balance", 1)  # type: ignore[union-attr]
        assert message.payload["cash"] < 1_000_000  # type: ignore[union-attr]


async def test_a_channel_that_the_venue_ends_raises_the_venues_own_error():
    async with sandbox() as played, TemplateSocket("ann", host=played.url) as ws:
        trades = ws.watch("trades")
        await trades.confirmed()
        played.inject("close_channel", topic="trades")
        with pytest.raises(TemplateError, match="a fault") as ended:
            await anext(trades)
        assert isinstance(ended.value, SubscriptionEnded)


async def test_a_token_that_is_refused_is_the_venues_error_and_final():
    async with sandbox() as played:
        played.inject("refuse_tokens", times=100)
        with pytest.raises(TemplateLoginError) as refused:
            await TemplateSocket("ann", host=played.url).connect()
        assert isinstance(refused.value, HandshakeRefused)


async def test_where_the_line_gives_up_whoever_stays_inside_is_raised_why():
    async def stay() -> None:
        retry = RetryPolicy(2, 0.01, 0.01)
        async with sandbox() as played, TemplateSocket("ann", host=played.url, retry=retry):
            played.inject("unavailable", times=100)
            played.inject("abort")
            await asyncio.Future()

    with pytest.raises(GaveUp) as ended:
        await asyncio.wait_for(stay(), 5)
    assert isinstance(ended.value, TemplateError)


async def test_marks_reach_a_handler_in_their_place():
    heard: list[Any] = []
    retry = RetryPolicy(None, 0.01, 0.01)
    async with sandbox() as played, TemplateSocket("ann", host=played.url, retry=retry) as ws:
        joined = ws.watch("trades", lambda message: heard.append(message.number), on_mark=heard.append)
        await joined.confirmed()
        played.step(20)
        played.inject("abort")
        await until(lambda: any(isinstance(item, Gap) for item in heard), "a gap")
        played.step(20)
        await until(lambda: not isinstance(heard[-1], Gap), "what follows")
    at = next(number for number, item in enumerate(heard) if isinstance(item, Gap))
    assert heard[:at] == list(range(1, at + 1))
    assert heard[at + 1] > at


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"token": ""}, "token"),
        ({"session_options": {"no_such": 1}}, "session_options.*no_such"),
        ({"on_state": 7}, "on_state"),
        ({"connect_timeout": -1}, "connect_timeout"),
    ],
)
async def test_a_wrong_argument_is_named(words: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEMPLATE_TOKEN", raising=False)
    with pytest.raises(TemplateArgumentError, match=named):
        TemplateSocket(**({"token": "ann"} | words))


async def test_what_is_no_channel_is_refused_where_it_is_asked_for():
    ws = TemplateSocket("ann")
    with pytest.raises(TemplateArgumentError, match=r"channel.*trades"):
        ws.watch("no such channel")
    with pytest.raises(TemplateArgumentError, match=r"delivery.*no_such_field"):
        ws.watch("trades", no_such_field=1)
    await ws.close()


def test_a_sandbox_plays_it_only_where_it_is_brought():
    with pytest.raises(ConfigurationError, match="template"):
        Sandbox(venues=["template"])
    assert "template" not in Sandbox().faces


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_imports_public_names_alone(file: Path):
    for node in ast.walk(ast.parse(file.read_bytes())):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (node.module or "").startswith("tapewire")
        ):
            assert node.module in PUBLIC, f"{node.module} is not public"
            private = {alias.name for alias in node.names} - set(import_module(node.module).__all__)
            assert not private, f"not in {node.module}.__all__: {sorted(private)}"
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{file.name} imports from above itself"


async def test_a_copy_under_another_name_is_a_venue_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page says: copied, renamed, and outside of this package it works all the same."""
    package = tmp_path / "acme"
    package.mkdir()
    for file in FILES:
        text = file.read_text("utf-8")
        for word, other in (("template", "acme"), ("Template", "Acme"), ("TEMPLATE", "ACME")):
            text = text.replace(word, other)
        (package / ("face.py" if "faces" in file.parts else file.name)).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    face, venue = import_module("acme.face").AcmeFace, import_module("acme")

    class Acme(Template):
        spec = import_module("acme.spec").SPEC
        faces: Mapping[str, Any] = {"acme": face}

        def make(self, **arguments: Any) -> Any:
            return venue.AcmeSocket(self.secrets[0], **({"session_options": DEADLINES} | arguments))

    for duty in VENUE_DUTIES[:-1]:  # the last, of all faults, takes seconds
        await duty(VenueCheck(Acme(), Acme().face))
