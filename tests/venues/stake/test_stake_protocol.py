"""The page's wire, sans-IO."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapewire.protocols.base import (
    Binary,
    Confirmed,
    Ended,
    Interrupted,
    Payload,
    Ready,
    Refused,
    Undecodable,
)
from tapewire.testing.protocol import check_protocol
from tapewire.venues.stake.protocol import OTHER, PageClient, PageFrame, Send

T0 = 1000.0


class Script:
    """The venue's side. Nothing confirms on this wire: a message without a number stands in."""

    delivers_early = True

    def read(self, payloads: Sequence[Payload]) -> None:
        pass

    def greet(self) -> list[Payload]:
        return []

    def confirm(self, topic: str) -> list[Payload]:
        return [json.dumps({"channel": topic, "payload": None})]

    def refuse(self, topic: str) -> list[Payload]:
        return [json.dumps({"type": "error", "channel": topic, "message": "no"})]

    def publish(self, topic: str, number: int) -> list[Payload]:
        return [json.dumps({"channel": topic, "payload": {"number": number}})]

    def number_of(self, publication: PageFrame) -> int | None:
        payload = json.loads(bytes(publication.payload))
        return payload["number"] if isinstance(payload, dict) and publication.topic != OTHER else None

    def garbage(self) -> list[Payload]:
        return ["[]", "1", '{"channel":"a","payload":', '{"channel":"a"']

    def command(self, topic: str) -> None:
        return None

    def answer(self) -> list[Payload]:
        return []


def opened(now: float = T0) -> PageClient:
    client = PageClient(lambda: now)
    assert client.hello(T0) == [Ready()]
    return client


def frames(items: list[Any]) -> list[tuple[str, Any]]:
    return [(item.topic, json.loads(bytes(item.payload))) for item in items if isinstance(item, PageFrame)]


def test_it_keeps_every_duty_of_a_protocol():
    check_protocol(lambda: PageClient(lambda: T0), Script)


def test_the_subscription_is_the_pages_own_message():
    client = opened()
    client.subscribe("user:balances")
    client.unsubscribe("user:balances")
    assert client.data_to_send() == [
        b'{"type":"subscribe","channel":"user:balances"}',
        b'{"type":"unsubscribe","channel":"user:balances"}',
    ]


def test_silence_confirms_after_a_while():
    client = opened()
    client.subscribe("a")
    assert client.next_deadline() == T0 + 0.25
    assert client.handle_timer(T0 + 0.2) == []
    assert client.handle_timer(T0 + 0.25) == [Confirmed("a")]
    assert client.next_deadline() is None


def test_an_error_refuses_before_and_interrupts_after():
    client = opened()
    client.subscribe("a")
    error = json.dumps({"type": "error", "channel": "a", "message": "not now"})
    assert client.receive([error], T0) == [Refused("a", "not now")]
    client.subscribe("a")
    client.handle_timer(T0 + 1)
    assert client.receive([error], T0) == [Interrupted("a", "not now")]
    assert client.receive([json.dumps({"channel": "a", "payload": 1})], T0) == []
    assert client.stale == 1


def test_a_channel_that_breaks_off_is_interrupted_also_before_it_was_confirmed():
    client = opened()
    client.subscribe("a")
    assert client.receive(['{"type":"interrupted","channel":"a"}'], T0) == [
        Interrupted("a", "no reason given")
    ]


def test_the_venue_can_end_a_channel():
    client = opened()
    client.subscribe("a")
    assert client.receive(['{"type":"unsubscribed","channel":"a"}'], T0) == [Ended("a", "unsubscribed")]


def test_what_belongs_to_no_channel_comes_out_under_a_topic_of_its_own():
    client = opened()
    client.subscribe(OTHER)
    assert client.data_to_send() == []
    items = client.receive(
        ['{"type":"hello"}', '{"channel":7,"payload":1}', '{"channel":"b","payload":2}'], T0
    )
    assert items[0] == Confirmed(OTHER)
    assert frames(items) == [(OTHER, None), (OTHER, 1), (OTHER, 2)]
    client.unsubscribe(OTHER)
    assert client.data_to_send() == []


def test_a_broken_message_names_its_channel_where_it_can_be_read():
    client = opened()
    client.subscribe("a")
    (broken,) = client.receive(['{"channel":"a","payload":{"x'], T0)
    assert (type(broken), broken.topic) == (Undecodable, "a")
    (broken,) = client.receive([Binary(b"{}")], T0)
    assert (type(broken), broken.topic) == (Undecodable, None)


def test_a_text_goes_out_as_it_is():
    client = opened()
    ref = client.send(Send(OTHER, "send", "anything"))
    assert not client.was_sent(ref)
    assert client.data_to_send() == ["anything"]
    assert client.was_sent(ref)
    assert not client.withdraw(ref)


_words = st.sampled_from(["a", "b", "error", "interrupted", "unsubscribed"])
_values = st.none() | _words | st.integers() | st.text(max_size=4)
_messages = st.dictionaries(st.sampled_from(["type", "channel", "payload", "message"]), _values).map(
    json.dumps
)


@given(
    st.lists(_messages | st.binary(max_size=30) | st.binary(max_size=9).map(Binary) | st.text(max_size=30))
)
def test_whatever_the_bytes_it_answers_with_a_list(payloads):
    """Whatever the peer sends, `receive` returns a list; a channel that has stopped says nothing more."""
    client = opened()
    for topic in ("a", "b"):
        client.subscribe(topic)
    over = set()
    for item in client.receive(payloads, T0):
        topic = getattr(item, "topic", None)
        assert topic in ("a", "b", OTHER, None)
        if isinstance(item, PageFrame | Confirmed):
            assert topic not in over
        elif isinstance(item, Ended | Refused | Interrupted):
            over.add(topic)


def test_what_comes_at_once_of_a_channel_that_is_asked_for_again_is_of_the_subscription_before():
    client = opened()
    client.subscribe("c")
    client.unsubscribe("c")
    client.subscribe("c")
    assert client.receive(Script().publish("c", 1), T0) == [], "the venue may not have come to the leave yet"
    assert client.stale == 1
    assert client.handle_timer(T0 + 0.25) == [Confirmed("c")]
    assert frames(client.receive(Script().publish("c", 4), T0 + 0.3)) == [("c", {"number": 4})]


def test_a_channel_that_was_never_left_begins_with_its_first_message():
    client = opened()
    client.subscribe("c")
    first, publication = client.receive(Script().publish("c", 1), T0)
    assert first == Confirmed("c")
    assert frames([publication]) == [("c", {"number": 1})]
