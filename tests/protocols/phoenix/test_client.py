"""The client side, frame by frame, against frames as a real server was seen to send them.

`OFFICIAL_BEHAVIOURS` lists what the official JavaScript client is tested for, and where it is tested here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from tapewire.errors import ConfigurationError, NotSubscribed, RequestError
from tapewire.protocols.base import (
    Binary,
    Command,
    Confirmed,
    Ended,
    Interrupted,
    Refused,
    Replied,
    StreamPosition,
)
from tapewire.protocols.phoenix import BinaryResponse, Codec, Frame, PhoenixClient, Push
from tapewire.protocols.phoenix import client as client_module
from tests.protocols.phoenix.wires import kinds, opened, reply, sent, take, wire, with_joined

OFFICIAL_BEHAVIOURS = {
    "socket: path, params and vsn in the URL, wss for https": (
        "test_handshake.test_the_url_is_the_one_of_the_official_client"
    ),
    "socket: params a literal or a function": "session: credentials, the endpoint is made anew on every attempt",
    "socket: connect and disconnect idempotent; callbacks": "session: open and close",
    "socket: new auth token used when reconnecting": "session: credentials",
    "socket: old connection torn down, its events ignored": "session: generations",
    "socket: connection state": "session: machine",
    "socket: push sends when open, buffers when not; flush on open": "session: requests",
    "socket: refs unique strings, overflow-safe": "test_client.test_refs_are_unique_strings_that_never_end",
    "socket: heartbeat on interval": "test_heartbeat.test_the_first_heartbeat_goes_out_one_interval_after_hello",
    "socket: heartbeat unanswered closes": "test_heartbeat.test_an_unanswered_heartbeat_fails_the_connection_once",
    "socket: no heartbeat when disconnected": "test_heartbeat.test_nothing_is_due_before_hello_or_after_failure",
    "socket: a late heartbeat reply restarts nothing": "test_heartbeat.test_a_late_reply_restarts_nothing",
    "socket: channel error reasons": "session: marks",
    "socket: reconnect timer": "session: machine and retry",
    "socket: channel error if joining or joined, not after leave or close": (
        "test_client.test_an_error_after_leaving_or_ending_says_nothing"
    ),
    "socket: ping round trip": "test_heartbeat.test_the_round_trip_of_a_heartbeat_is_measured",
    "socket: custom codec": "not offered: versions are chosen by name",
    "channel: initially closed, join makes it joining": "test_client.test_a_join_carries_its_ref_as_join_ref",
    "channel: second join() raises": "session: one handle per topic",
    "channel: join params literal or function, new between rejoins": (
        "test_client.test_a_second_join_has_its_own_params_and_a_new_ref"
    ),
    "channel: per-join time-out, rejoin with backoff": "session: subscriptions",
    "channel: joining a duplicate topic leaves the older": (
        "test_client.test_the_close_of_a_superseded_join_is_dropped_whatever_the_order"
    ),
    "channel: join ok sends no extra frames": "test_client.test_a_confirmed_join_sends_nothing_more",
    "channel: ok, error and time-out hooks, once, also late": "session: requests",
    "channel: reply binding removed": "test_client.test_nothing_is_kept_for_pushes_that_were_written",
    "channel: on ok buffered pushes sent once, in order": (
        "test_client.test_held_pushes_are_written_in_order_when_the_join_is_confirmed"
    ),
    "channel: on error not joined, reply recorded": "test_client.test_a_refused_join_says_why",
    "channel: on error buffered pushes kept": "not so here: test_client.test_a_lost_join_loses_its_held_pushes_unsent",
    "channel: onError: no redundant errors": "test_client.test_a_second_error_is_not_said_again",
    "channel: phx_close ends it": "test_client.test_a_close_ends_the_topic",
    "channel: stale join_ref dropped": "test_client.test_frames_of_a_former_join_are_stale",
    "channel: null join_ref delivered": "test_client.test_broadcasts_without_join_ref_are_delivered",
    "channel: push when joined is sent": "test_client.test_a_push_carries_the_join_ref",
    "channel: push before joined is queued": (
        "test_client.test_held_pushes_are_written_in_order_when_the_join_is_confirmed"
    ),
    "channel: push after its time-out is not sent": "test_client.test_a_withdrawn_push_is_never_written",
    "channel: push time-outs": "session: requests",
    "channel: push before join() raises": "test_client.test_a_push_without_a_subscription_raises",
    "channel: leave frame has the current join_ref": "test_client.test_leaving_carries_the_current_join_ref",
    "channel: ok closes and removes": "test_client.test_nothing_of_a_left_topic_comes_out",
    "channel: on and off, several handlers": "session: delivery",
    "serializer: vectors, oversize raises, UTF-8 byte lengths": "test_frames",
    "presence": "test_presence",
}


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
        ({"reason": "too many channels joined"}, "too many channels joined", False),
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
    assert items[0] == Refused("a", reason, retryable=retryable, reply=response)
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


# Pushing


def test_a_push_carries_the_join_ref() -> None:
    client = with_joined("a")
    assert client.send(Push("a", "watch", ["m1"])) == "2"
    assert client.send(Push("a", "ping")) == "3"
    assert client.send(Command("a", "bare")) == "4"
    assert sent(client) == [
        ["1", "2", "a", "watch", ["m1"]],
        ["1", "3", "a", "ping", {}],
        ["1", "4", "a", "bare", {}],
    ]


def test_a_binary_push_is_the_one_of_the_official_client() -> None:
    client = with_joined("x", "y", "room:1")
    for _ in range(4):
        client.send(Push("room:1", "e"))
    client.data_to_send()
    assert client.send(Push("room:1", "bin", b"\x01\x02")) == "8"
    (payload,) = client.data_to_send()
    assert isinstance(payload, Binary)
    assert payload == b"\x00\x01\x01\x06\x0338room:1bin\x01\x02"


def test_replies_come_out_by_ref_before_their_frame() -> None:
    client = with_joined("a")
    ref = client.send(Push("a", "ask"))
    items = take(client, reply("1", ref, "a", "ok", {"n": 1}))
    assert kinds(items) == [Replied, "phx_reply"]
    assert (items[0].ref, items[0].ok, bytes(items[0].reply)) == (ref, True, b'{"n": 1}')


@pytest.mark.parametrize("status", ["error", "timeout", "OK", ""])
def test_any_status_but_ok_is_not_ok(status: str) -> None:
    client = with_joined("a")
    ref = client.send(Push("a", "ask"))
    assert take(client, reply("1", ref, "a", status))[0].ok is False


def test_a_binary_reply_comes_out_with_its_status() -> None:
    client = with_joined("a")
    ref = client.send(Push("a", "ask", b"?"))
    replied, frame = take(client, Binary(b"\x01\x01\x01\x01\x0212aok\xff"))
    assert replied == Replied(ref, True, Binary(b"\xff"))
    assert isinstance(frame.payload, BinaryResponse)
    assert frame.payload.status == "ok"


def test_a_reply_without_a_ref_is_only_a_frame() -> None:
    assert kinds(take(with_joined("a"), reply("1", None, "a"), reply("1", "x", "a"))) == ["phx_reply"] * 2


def test_a_push_that_the_server_cannot_match_interrupts_the_topic() -> None:
    client = with_joined("a")
    ref = client.send(Push("a", "ask"))
    items = take(client, reply(None, ref, "a", "error", {"reason": "unmatched topic"}))
    assert kinds(items) == [Replied, Interrupted, "phx_reply"]
    assert (items[0].ok, items[1]) == (False, Interrupted("a", "unmatched topic"))
    assert client.joined == frozenset()


def test_a_push_without_a_subscription_raises() -> None:
    client = opened()
    with pytest.raises(NotSubscribed, match="a: not subscribed"):
        client.send(Push("a", "ask"))


def test_a_push_cannot_pose_as_control() -> None:
    client = with_joined("a")
    with pytest.raises(ConfigurationError, match="event='phx_leave'"):
        client.send(Push("a", "phx_leave"))


def test_held_pushes_are_written_in_order_when_the_join_is_confirmed() -> None:
    client = opened()
    client.subscribe("a")
    refs = [client.send(Push("a", "e", n)) for n in range(3)]
    assert [frame[3] for frame in sent(client)] == ["phx_join"]
    assert [client.was_sent(ref) for ref in refs] == [False] * 3
    take(client, reply("1", "1", "a"))
    assert [client.was_sent(ref) for ref in refs] == [False] * 3
    assert sent(client) == [["1", ref, "a", "e", n] for n, ref in enumerate(refs)]
    assert [client.was_sent(ref) for ref in refs] == [True] * 3
    take(client, reply("1", "1", "a"))
    assert client.data_to_send() == []


@pytest.mark.parametrize("version", ["2.0.0", "1.0.0"])
def test_held_pushes_survive_a_join_that_supersedes_theirs(version: Any) -> None:
    client = opened(version=version)
    client.subscribe("a")
    ref = client.send(Push("a", "e"))
    client.subscribe("a")
    client.data_to_send()
    codec = Codec(version, "server")
    ok = Raw(b'{"response":{},"status":"ok"}')
    assert kinds(take(client, codec.encode(Frame("3", "3", "a", "phx_reply", ok)))) == [
        Confirmed,
        "phx_reply",
    ]
    (pushed,) = client.data_to_send()
    assert codec.decode(pushed) == Frame("3", ref, "a", "e", Raw(b"{}"))
    assert take(client, codec.encode(Frame("3", ref, "a", "phx_reply", ok)))[0].ref == ref


def test_held_pushes_are_bounded() -> None:
    client = opened()
    client.subscribe("a")
    for _ in range(100):
        client.send(Push("a", "e"))
    with pytest.raises(RequestError, match="100 pushes wait") as raised:
        client.send(Push("a", "e"))
    assert raised.value.sent is False


def test_a_lost_join_loses_its_held_pushes_unsent() -> None:
    client = opened()
    topics = ["refused", "interrupted", "ended", "left"]
    refs = {}
    for topic in topics:
        client.subscribe(topic)
        refs[topic] = client.send(Push(topic, "e"))
    client.data_to_send()
    client.unsubscribe("left")
    take(
        client,
        reply("1", "1", "refused", "error", {"reason": "busy"}),
        wire("3", "3", "interrupted", "phx_error"),
        wire("5", "5", "ended", "phx_close"),
    )
    assert [frame[3] for frame in sent(client)] == ["phx_leave"]
    assert [client.was_sent(ref) for ref in refs.values()] == [False] * 4
    client.subscribe("refused")
    take(client, reply("10", "10", "refused"))
    assert [frame[3] for frame in sent(client)] == ["phx_join"]
    assert client.was_sent(refs["refused"]) is False


def test_the_refs_given_up_are_bounded() -> None:
    client = opened(max_held_pushes=client_module.MAX_UNSENT_REFS + 1)
    client.subscribe("a")
    refs = [client.send(Push("a", "e")) for _ in range(client_module.MAX_UNSENT_REFS + 1)]
    client.unsubscribe("a")
    assert client.was_sent(refs[-1]) is False
    assert len(client._unsent) == client_module.MAX_UNSENT_REFS


def test_a_withdrawn_push_is_never_written() -> None:
    client = opened()
    client.subscribe("a")
    first, second = client.send(Push("a", "e")), client.send(Push("a", "e"))
    assert client.withdraw(first) is True
    assert client.withdraw(first) is False
    take(client, reply("1", "1", "a"))
    assert [frame[1] for frame in sent(client)] == ["1", second]
    assert client.was_sent(first) is False
    assert client.withdraw(second) is False


def test_a_push_that_cannot_go_uses_no_ref_and_is_not_held() -> None:
    client = opened()
    client.subscribe("t" * 300)
    with pytest.raises(ConfigurationError, match="topic="):
        client.send(Push("t" * 300, "e", b"binary"))
    assert client.send(Push("t" * 300, "e")) == "2"


def test_nothing_is_kept_for_pushes_that_were_written() -> None:
    client = with_joined("a")
    before = len(json.dumps(repr(vars(client))))
    for _ in range(1000):
        client.send(Push("a", "fire and forget"))
        client.data_to_send()
    assert len(json.dumps(repr(vars(client)))) < before + 20


def test_refs_are_unique_strings_that_never_end() -> None:
    client = with_joined("a")
    client._last_ref = 2**63
    refs = [client.send(Push("a", "e")) for _ in range(100)]
    assert len(set(refs)) == 100
    ref = refs[-1]
    assert take(client, reply("1", ref, "a"))[0].ref == ref


def test_the_bound_of_held_pushes_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="max_held_pushes"):
        PhoenixClient(max_held_pushes=-1)


def test_the_repr_is_a_line_for_a_dashboard() -> None:
    assert repr(with_joined("a")) == "<PhoenixClient 2.0.0 joined=1/1 stale=0 unrouted=0 undecodable=0>"


# The table


def test_every_official_behaviour_is_tested_where_the_table_says() -> None:
    defined = {
        f"{file.stem}.{line.split('(')[0].removeprefix('def ')}"
        for file in Path(__file__).parent.glob("test_*.py")
        for line in file.read_text("utf-8").splitlines()
        if line.startswith("def test_")
    } | {file.stem for file in Path(__file__).parent.glob("test_*.py")}
    claims = [
        claim.removeprefix("not so here: ")
        for claim in OFFICIAL_BEHAVIOURS.values()
        if not claim.startswith(("session: ", "not offered: "))
    ]
    assert [claim for claim in claims if claim not in defined] == []
