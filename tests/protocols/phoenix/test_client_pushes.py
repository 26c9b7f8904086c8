"""The client side, frame by frame: pushes, their replies, and what is held until the join is confirmed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from tapewire.errors import ConfigurationError, NotSubscribed, RequestError
from tapewire.protocols.base import (
    Binary,
    Command,
    Confirmed,
    Interrupted,
    Replied,
)
from tapewire.protocols.phoenix import BinaryResponse, Codec, Frame, PhoenixClient, Push
from tapewire.protocols.phoenix import client as client_module
from tests.protocols.phoenix.wires import kinds, opened, reply, sent, take, wire, with_joined

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
