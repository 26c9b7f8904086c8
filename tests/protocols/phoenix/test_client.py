"""The client side, frame by frame, against frames as a real server was seen to send them: joins, delivery, leaving.

Pushes and their replies are in `test_client_pushes.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.errors import ConfigurationError, NotSubscribed
from tapewire.protocols.base import (
    Binary,
    Confirmed,
    Ended,
    Interrupted,
    Refused,
    StreamPosition,
)
from tapewire.protocols.phoenix import Codec, Frame, PhoenixClient, Push
from tests.protocols.phoenix.wires import kinds, opened, reply, sent, take, wire, with_joined

# Joining


def test_a_join_carries_its_ref_as_join_ref() -> None:
    client = opened()
    client.subscribe("room:1", {"n": 1})
    client.subscribe("list", [1, 2], StreamPosition(7, "e"))
    assert client.data_to_send() == [
        b'["1","1","room:1","phx_join",{"n":1}]',
        b'["2","2","list","phx_join",[1,2]]',
    ]
    assert client.data_to_send() == []
    assert client.joined == frozenset()


def test_a_confirmed_join_sends_nothing_more() -> None:
    client = opened()
    client.subscribe("a")
    client.data_to_send()
    items = take(client, reply("1", "1", "a", response={"kind": "orders"}))
    assert kinds(items) == [Confirmed, "phx_reply"]
    assert (items[0].topic, bytes(items[0].reply)) == ("a", b'{"kind": "orders"}')
    assert client.data_to_send() == []
    assert client.joined == {"a"}


def test_a_second_reply_to_a_join_is_only_a_frame() -> None:
    client = with_joined("a")
    assert kinds(take(client, reply("1", "1", "a"))) == ["phx_reply"]


def test_frames_before_the_join_reply_are_delivered() -> None:
    client = opened()
    client.subscribe("a")
    items = take(
        client, wire("1", None, "a", "snapshot"), wire(None, None, "a", "tick"), reply("1", "1", "a")
    )
    assert kinds(items) == ["snapshot", "tick", Confirmed, "phx_reply"]


@pytest.mark.parametrize(
    ("response", "reason", "retryable"),
    [
        ({"reason": "unauthorized"}, "unauthorized", False),
        ({"reason": "too many channels joined"}, "too many channels joined", True),
        ({"reason": "join crashed"}, "join crashed", True),
        ({"reason": "busy"}, "busy", True),
        ({"ping_timeout": "Must be an integer"}, '{"ping_timeout":"Must be an integer"}', True),
        ({"reason": {"code": 7}}, '{"code":7}', True),
        ({"reason": ""}, "no reason given", True),
        ("unauthorized", "unauthorized", False),
        ({}, "no reason given", True),
        (None, "no reason given", True),
        ([1], "[1]", True),
    ],
)
def test_a_refused_join_says_why(response: Any, reason: str, retryable: bool) -> None:
    client = opened()
    client.subscribe("a")
    payload = {"response": response, "status": "error"}
    items = take(client, wire("1", "1", "a", "phx_reply", payload))
    full = reason == "too many channels joined"  # here; another connection may hold it
    assert items[0] == Refused("a", reason, retryable=retryable, reply=response, full=full)
    assert kinds(items) == [Refused, "phx_reply"]
    assert take(client, wire("1", None, "a", "e"), wire(None, None, "a", "e")) == []


def test_an_unmatched_topic_refuses_though_its_join_ref_is_null() -> None:
    client = opened()
    client.subscribe("nosuch")
    refused = take(client, reply(None, "1", "nosuch", "error", {"reason": "unmatched topic"}))[0]
    assert refused == Refused(
        "nosuch", "unmatched topic", retryable=False, reply={"reason": "unmatched topic"}
    )


def test_the_final_reasons_can_be_named() -> None:
    client = opened(final_reasons={"market closed"})
    client.subscribe("a")
    client.subscribe("b")
    items = take(
        client,
        reply("1", "1", "a", "error", {"reason": "market closed"}),
        reply("2", "2", "b", "error", {"reason": "unauthorized"}),
    )
    assert [item.retryable for item in items if isinstance(item, Refused)] == [False, True]


def test_a_long_reason_is_cut() -> None:
    client = opened()
    client.subscribe("a")
    assert len(take(client, reply("1", "1", "a", "error", {"reason": "x" * 10_000}))[0].reason) == 200


def test_a_second_join_has_its_own_params_and_a_new_ref() -> None:
    client = with_joined("a")
    client.subscribe("a", {"last_seen": 9})
    assert sent(client) == [["2", "2", "a", "phx_join", {"last_seen": 9}]]


@pytest.mark.parametrize("close_first", [True, False])
def test_the_close_of_a_superseded_join_is_dropped_whatever_the_order(close_first: bool) -> None:
    client = with_joined("a")
    client.subscribe("a")
    answers = [wire("1", "1", "a", "phx_close"), reply("2", "2", "a")]
    items = take(client, *(answers if close_first else answers[::-1]))
    assert kinds(items) == [Confirmed, "phx_reply"]
    assert client.stale == 1
    assert client.joined == {"a"}


def test_the_reply_to_a_superseded_pending_join_is_dropped() -> None:
    client = opened()
    client.subscribe("a")
    client.subscribe("a")
    unmatched = reply(None, "1", "a", "error", {"reason": "unmatched topic"})
    assert take(client, reply("1", "1", "a", "error", {"reason": "busy"}), unmatched) == []
    assert client.stale == 2
    assert kinds(take(client, reply("2", "2", "a"))) == [Confirmed, "phx_reply"]


def test_the_topic_of_the_heartbeat_cannot_be_joined() -> None:
    with pytest.raises(ConfigurationError, match="topic='phoenix'"):
        opened().subscribe("phoenix")


def test_params_that_json_cannot_say_change_nothing() -> None:
    client = opened()
    with pytest.raises(ConfigurationError, match="payload"):
        client.subscribe("a", {"x": object()})
    assert client.data_to_send() == []
    client.subscribe("a")
    assert sent(client)[0][0] == "1"


# Delivery


def test_frames_of_a_joined_topic_come_out_as_they_are() -> None:
    client = with_joined("a")
    frame = Codec().decode(wire("1", None, "a", "tick", {"n": 1}))
    assert take(client, wire("1", None, "a", "tick", {"n": 1})) == [frame]
    assert PhoenixClient.publication is Frame
    assert type(take(client, wire("1", None, "a", "tick", {"n": 1}))[0]) is Frame


def test_broadcasts_without_join_ref_are_delivered() -> None:
    assert kinds(take(with_joined("a"), wire(None, None, "a", "hi"))) == ["hi"]


def test_frames_of_a_former_join_are_stale() -> None:
    client = with_joined("a")
    client.subscribe("a")
    assert take(client, wire("1", None, "a", "tick"), wire("1", "1", "a", "phx_error")) == []
    assert kinds(take(client, wire("2", None, "a", "tick"))) == ["tick"]
    assert client.stale == 2


def test_integer_refs_are_understood() -> None:
    client = opened()
    client.subscribe("a")
    assert kinds(take(client, reply(1, 1, "a"), wire(1, None, "a", "tick"))) == [
        Confirmed,
        "phx_reply",
        "tick",
    ]


def test_frames_of_no_topic_of_ours_are_counted() -> None:
    client = with_joined("a")
    assert take(client, wire(None, None, "other", "tick"), wire(None, None, "phoenix", "hm")) == []
    assert client.unrouted == 2


def test_binary_frames_are_delivered_as_binary() -> None:
    client = with_joined("a")
    push, broadcast = take(client, Binary(b"\0\x01\x01\x031abin\x07"), Binary(b"\x02\x01\x03abin\x08"))
    assert (push.join_ref, push.ref, push.event, push.payload) == ("1", None, "bin", b"\x07")
    assert (broadcast.join_ref, broadcast.payload) == (None, b"\x08")
    assert isinstance(push.payload, Binary)


def test_an_error_interrupts_until_the_topic_is_joined_again() -> None:
    client = with_joined("a")
    items = take(client, wire("1", "1", "a", "phx_error", {"reason": "channel_crash"}))
    assert items[0] == Interrupted("a", "channel_crash")
    assert kinds(items) == [Interrupted, "phx_error"]
    assert take(client, wire("1", None, "a", "tick"), wire(None, None, "a", "tick")) == []
    assert (client.stale, client.unrouted) == (1, 1)
    client.subscribe("a")
    assert kinds(take(client, reply("2", "2", "a"))) == [Confirmed, "phx_reply"]


def test_an_error_without_a_reason_has_a_text() -> None:
    assert take(with_joined("a"), wire("1", "1", "a", "phx_error"))[0].reason == "the channel crashed"


def test_a_join_that_is_pending_can_be_interrupted_too() -> None:
    client = opened()
    client.subscribe("a")
    assert kinds(take(client, wire("1", "1", "a", "phx_error"))) == [Interrupted, "phx_error"]


def test_a_second_error_is_not_said_again() -> None:
    client = with_joined("a")
    error = wire("1", "1", "a", "phx_error")
    assert len(take(client, error, error, error)) == 2


def test_a_close_ends_the_topic() -> None:
    client = with_joined("a")
    items = take(client, wire("1", "1", "a", "phx_close"))
    assert items[0] == Ended("a", "closed by the server")
    assert kinds(items) == [Ended, "phx_close"]
    assert client.joined == frozenset()
    with pytest.raises(NotSubscribed):
        client.send(Push("a", "e"))


def test_an_error_after_leaving_or_ending_says_nothing() -> None:
    client = with_joined("a", "b")
    client.unsubscribe("a")
    take(client, wire("2", "2", "b", "phx_close"))
    assert take(client, wire("1", "1", "a", "phx_error"), wire("2", "2", "b", "phx_error")) == []


# Leaving


def test_leaving_carries_the_current_join_ref() -> None:
    client = with_joined("a")
    client.subscribe("a")
    client.unsubscribe("a")
    assert sent(client)[1] == ["2", "3", "a", "phx_leave", {}]


def test_leaving_what_is_not_subscribed_does_nothing() -> None:
    client = with_joined("a")
    take(client, wire("1", "1", "a", "phx_error"))
    client.unsubscribe("a")
    client.unsubscribe("never")
    assert client.data_to_send() == []


def test_nothing_of_a_left_topic_comes_out() -> None:
    client = with_joined("a")
    client.unsubscribe("a")
    items = take(
        client,
        wire("1", None, "a", "tick"),
        wire(None, None, "a", "tick"),
        reply("1", "2", "a"),
        wire("1", "1", "a", "phx_close"),
    )
    assert items == []


def test_leaving_wins_over_a_join_that_is_pending() -> None:
    client = opened()
    client.subscribe("a")
    client.unsubscribe("a")
    assert [frame[3] for frame in sent(client)] == ["phx_join", "phx_leave"]
    assert take(client, reply("1", "1", "a"), reply("1", "2", "a"), wire("1", "1", "a", "phx_close")) == []


# The leave's reply may come, or not, and the old close behind or before the new join's reply: all were seen.
@pytest.mark.parametrize("order", ["new close", "leave close new", "new leave close"])
def test_leaving_and_joining_again_at_once_keeps_the_new_join(order: str) -> None:
    client = with_joined("a")
    client.unsubscribe("a")
    client.subscribe("a")
    frames = {
        "leave": reply("1", "2", "a"),
        "close": wire("1", "1", "a", "phx_close"),
        "new": reply("3", "3", "a"),
    }
    assert kinds(take(client, *(frames[name] for name in order.split()))) == [Confirmed, "phx_reply"]
    assert client.joined == {"a"}


def test_the_repr_is_a_line_for_a_dashboard() -> None:
    assert repr(with_joined("a")) == "<PhoenixClient 2.0.0 joined=1/1 stale=0 unrouted=0 undecodable=0>"
