"""V1: no join_ref on the wire, and still a former join does not pass for the current one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapewire.protocols.base import Confirmed, Ended, Interrupted
from tests.protocols.phoenix.wires import kinds, opened, take


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
    assert client._former is not None
    assert client._former._refs == {}
