"""A former join does not pass for the current one: in V1, where no frame names its join, nor by a broadcast of V2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapewire.protocols.base import Confirmed, Ended, Interrupted, Undecodable
from tapewire.protocols.phoenix import Codec, Frame
from tapewire.protocols.phoenix.client import FORMER_ENDS_WITHIN
from tapewire.protocols.phoenix.former import FormerJoins
from tapewire.protocols.phoenix.frames import as_payload
from tests.protocols.phoenix.wires import T0, kinds, opened, reply, take, wire, with_joined


def v1(event: str, topic: str, ref: Any = None, payload: Any = None) -> str:
    return json.dumps(
        {"event": event, "payload": {} if payload is None else payload, "ref": ref, "topic": topic}
    )


V1_OK = {"response": {}, "status": "ok"}
V1_ERROR = {"response": {"reason": "busy"}, "status": "error"}


def test_v1_joins_and_delivers_without_join_refs() -> None:
    client = opened(version="1.0.0")
    client.subscribe("a")
    assert client.data_to_send() == [
        b'{"topic":"a","event":"phx_join","payload":{},"ref":"1","join_ref":"1"}'
    ]
    items = take(client, v1("phx_reply", "a", "1", V1_OK), v1("tick", "a"), v1("phx_error", "a"))
    assert kinds(items) == [Confirmed, "phx_reply", "tick", Interrupted, "phx_error"]


def test_v1_close_with_the_ref_of_a_former_join_is_stale() -> None:
    client = opened(version="1.0.0")
    client.subscribe("a")
    take(client, v1("phx_reply", "a", "1", V1_OK))
    assert take(client, v1("phx_close", "a", "99"), v1("phx_error", "a", "99")) == []
    assert kinds(take(client, v1("phx_close", "a", "1"))) == [Ended, "phx_close"]


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("end", ["phx_close", "phx_error"])
def test_v1_counts_the_closes_of_former_joins(leave: bool, end: str) -> None:
    client = opened(version="1.0.0")
    client.subscribe("a")
    take(client, v1("phx_reply", "a", "1", V1_OK))
    if leave:
        client.unsubscribe("a")
    client.subscribe("a")
    new = "3" if leave else "2"
    items = take(client, v1("phx_reply", "a", new, V1_OK), v1(end, "a"), v1("tick", "a"))
    assert kinds(items) == [Confirmed, "phx_reply", "tick"]
    assert kinds(take(client, v1("phx_close", "a"))) == [Ended, "phx_close"]


def test_v1_owes_no_close_for_a_former_join_that_was_refused() -> None:
    client = opened(version="1.0.0")
    client.subscribe("a")
    client.subscribe("a")
    assert take(client, v1("phx_reply", "a", "1", V1_ERROR)) == []
    assert kinds(take(client, v1("phx_reply", "a", "2", V1_OK), v1("phx_close", "a"))) == [
        Confirmed, "phx_reply", Ended, "phx_close",
    ]  # fmt: skip


def test_v1_ends_of_a_left_topic_are_forgotten() -> None:
    client = opened(version="1.0.0")
    client.subscribe("a")
    client.unsubscribe("a")
    ends = [v1("phx_reply", "a", "1", V1_OK), v1("phx_reply", "a", "2", V1_OK), v1("phx_close", "a")]
    assert take(client, *ends) == []
    assert client._former._joins == {}


# Publications that name no join.


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("version", ["2.0.0", "1.0.0"])
def test_what_names_no_join_is_the_former_ones_until_its_end_is_said(leave: bool, version: Any) -> None:
    client = opened(version=version)
    client.subscribe("a")
    codec = Codec(version, "server")

    def say(event: str, ref: str | None = None, payload: Any = None) -> Any:
        join_ref = None if event == "tick" else ref
        return codec.encode(Frame(join_ref, ref, "a", event, as_payload({} if payload is None else payload)))

    take(client, say("phx_reply", "1", V1_OK))
    if leave:
        client.unsubscribe("a")
    client.subscribe("a")
    new = "3" if leave else "2"
    assert take(client, say("tick")) == []
    items = take(client, say("phx_reply", new, V1_OK), say("tick"), say("phx_close", "1"), say("tick"))
    assert kinds(items) == [Confirmed, "phx_reply", "tick"]
    assert client.stale == 3


def test_a_join_whose_leave_is_answered_first_owes_no_end() -> None:
    client = opened()
    client.subscribe("a")
    client.unsubscribe("a")
    client.subscribe("a")
    items = take(client, reply("1", "2", "a"), wire(None, None, "a", "tick"))
    assert kinds(items) == ["tick"]


@pytest.mark.parametrize("status", ["ok", "error"])
def test_a_join_that_is_passed_over_owes_no_end(status: str) -> None:
    client = opened()
    client.subscribe("a")
    client.subscribe("a")
    take(client, reply("2", "2", "a", status))
    client.subscribe("a")
    assert ("tick" in kinds(take(client, wire(None, None, "a", "tick")))) is (status == "error")
    take(client, reply("3", "3", "a"), wire("2", "2", "a", "phx_close"))
    assert kinds(take(client, wire(None, None, "a", "tick"))) == ["tick"]


def test_a_server_that_never_closes_a_former_join_costs_a_gap_and_not_the_topic() -> None:
    client = with_joined("a")
    client.subscribe("a")
    take(client, reply("2", "2", "a"))
    tick = wire(None, None, "a", "tick")
    assert client.receive([tick, tick], T0 + FORMER_ENDS_WITHIN - 1) == []
    lost, *items = client.receive([tick, tick], T0 + FORMER_ENDS_WITHIN)
    assert isinstance(lost, Undecodable)
    assert (lost.topic, lost.detail[:14]) == ("a", "2 publications")
    assert kinds(items) == ["tick", "tick"]


def test_a_server_that_never_closes_and_said_nothing_meanwhile_costs_nothing() -> None:
    client = with_joined("a")
    client.subscribe("a")
    take(client, reply("2", "2", "a"))
    items = client.receive([wire(None, None, "a", "tick")], T0 + FORMER_ENDS_WITHIN)
    assert kinds(items) == ["tick"]


def test_each_former_join_has_an_end_of_its_own_to_say() -> None:
    former = FormerJoins()
    former.add("a", "1", answered=True)
    former.add("a", "2", answered=True)
    assert former.owns(Frame("1", "1", "a", "phx_close", as_payload({})))
    assert former.owes("a")
    assert former.owns(Frame("2", "2", "a", "phx_close", as_payload({})))
    assert not former.owes("a")


def test_the_answer_to_a_leave_is_not_the_end_of_a_join_that_was_granted() -> None:
    former = FormerJoins()
    former.add("a", "1", answered=True, leave_ref="2")
    assert former.owns(Frame("1", "2", "a", "phx_reply", as_payload(V1_OK)))
    assert former.owes("a"), "the close is still to come"
