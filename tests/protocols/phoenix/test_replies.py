"""What a peer says, read without ever raising: broken frames, reasons, excerpts."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.protocols.base import Binary, Undecodable
from tapewire.protocols.phoenix.replies import reason_in, ref_number
from tests.protocols.phoenix.wires import kinds, opened, take, wire, with_joined


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        ('["1",null,"a","tick",{"n":NaN}]', "a"),
        ('["1",null,"a","tick",{"n":', "a"),
        ('[null,null,"a","tick"]', "a"),
        (b'[null,null,"a\\u00e9","tick"]', "aé"),
        (b'["1",null,"a",\xff\xff', "a"),
        ('["1",null,"a","tick",' + "[" * 100_000, "a"),
        ('["1",null,"a', None),
        ('{"topic":"a"}', None),
        ("", None),
        (b"\xff\xfe\xfd", None),
        ("\ud800", None),
        ('["1",null,"\\ud800","e"]', None),
        (Binary(b"\x02\x09\x09a"), None),
        (Binary(b""), None),
        ("[" * 100_000, None),
    ],
)
def test_what_is_no_frame_is_undecodable_and_the_rest_goes_on(payload: Any, topic: str | None) -> None:
    client = with_joined("a")
    items = take(client, wire("1", None, "a", "one"), payload, wire("1", None, "a", "two"))
    assert kinds(items) == ["one", Undecodable, "two"]
    assert items[1].topic == topic
    assert len(items[1].excerpt) <= 320
    assert items[1].detail
    assert client.undecodable == 1


def test_the_topic_of_a_broken_v1_frame_is_said_where_it_is_json() -> None:
    client = opened(version="1.0.0")
    assert take(client, '{"topic":"a","payload":{}}')[0].topic == "a"
    assert take(client, '{"topic":7}')[0].topic is None
    assert take(client, "[]")[0].topic is None


@pytest.mark.parametrize("payload", [[], {"response": {}}, "ok", {"status": 1}])
def test_a_reply_that_answers_nothing_is_undecodable(payload: Any) -> None:
    client = opened()
    client.subscribe("a")
    (item,) = take(client, wire("1", "1", "a", "phx_reply", payload))
    assert isinstance(item, Undecodable)
    assert item.topic == "a"


def test_numbers_out_of_range_in_a_refusal_are_shown_as_text() -> None:
    client = opened()
    client.subscribe("a")
    wire_text = '["1","1","a","phx_reply",{"status":"error","response":{"reason":1e999}}]'
    assert take(client, wire_text)[0].reason == '{"reason":1e999}'


def test_an_excerpt_shows_no_secret() -> None:
    assert "hunter2" not in take(opened(), '{"token":"hunter2"}')[0].excerpt


@pytest.mark.parametrize(
    ("ref", "number"),
    [("7", 7), (7, 7), (None, -1), ("", -1), ("-1", -1), ("٣", -1), ("²", -1), ("1" * 20, -1)],
)
def test_a_ref_is_a_number_that_we_may_have_sent(ref: Any, number: int) -> None:
    assert ref_number(ref) == number


def test_a_reason_is_bounded_and_never_empty() -> None:
    assert reason_in({"reason": "x" * 10_000}, "none") == "x" * 200
    assert reason_in({"reason": ""}, "none") == "none"
