"""Publications of one channel: what is delivered, dropped, and said to be missing."""

from __future__ import annotations

from typing import Any

from tapewire.protocols.base import (
    Replied,
    Skipped,
    StreamPosition,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    Publication,
    SubscribeParams,
)
from tests.protocols.centrifugo.wires import (
    live,
    numbers,
    pub,
    push,
    reply,
    sent,
)


def replied(client: CentrifugoClient, command: Any, kind: str, **body: Any) -> Any:
    ref = client.send(command)
    assert not client.was_sent(ref)
    sent(client)
    assert client.was_sent(ref)
    first, *_ = client.receive([reply(int(ref), kind, **body)], 1.0)
    assert isinstance(first, Replied)
    assert (first.ref, first.ok) == (ref, True)
    return first.reply


def test_a_publication_is_the_decoded_envelope() -> None:
    client = live("order_book:x")
    (item,) = client.receive([pub("order_book:x", 11, [1], tags={"messageId": "m"}, time=5)], 1.0)
    assert type(item) is Publication
    assert (item.topic, item.offset, item.tags, bytes(item.data)) == (
        "order_book:x",
        11,
        {"messageId": "m"},
        b"[1]",
    )
    assert item.event == "publication"
    assert not item.replayed


def test_fields_the_wire_cannot_set_are_ours() -> None:
    client = live()
    (item,) = client.receive([pub("c", 11, topic="other", replayed=True, event="join")], 1.0)
    assert (item.topic, item.replayed, item.event) == ("c", False, "publication")


def test_what_comes_twice_is_dropped_and_counted() -> None:
    client = live()
    assert numbers(client.receive([pub("c", 11), pub("c", 11), pub("c", 9), pub("c", 12)], 1.0)) == [11, 12]
    assert client.counts.duplicates == 2


def test_a_jump_is_said_before_the_publication_that_jumped() -> None:
    client = live()
    skipped, item, after = client.receive([pub("c", 15), pub("c", 16)], 1.0)
    assert skipped == Skipped("c", 11, 15, 4)
    assert (item.offset, after.offset) == (15, 16)
    assert client.position("c") == StreamPosition(16, "e")


def test_holes_are_legal_with_a_tag_filter() -> None:
    params = SubscribeParams(
        positioned=True, recoverable=True, tag_filter={"key": "k", "cmp": "eq", "val": "v"}
    )
    client = live(params=params)
    assert numbers(client.receive([pub("c", 12), pub("c", 20), pub("c", 20)], 1.0)) == [12, 20]
    assert client.position("c") == StreamPosition(20, "e")
    assert (client.counts.skipped, client.counts.duplicates) == (0, 1)


def test_publications_without_a_number_are_not_judged() -> None:
    client = live("best_odds:global", params=None, offset=0, epoch="", positioned=False, recoverable=False)
    assert len(client.receive([pub("best_odds:global")] * 3, 1.0)) == 3
    assert client.position("best_odds:global") is None
    positioned = live()
    assert numbers(positioned.receive([pub("c", 11), pub("c"), pub("c", 12)], 1.0)) == [11, 0, 12]


def test_numbers_that_come_unannounced_are_watched_from_the_first_on() -> None:
    client = live(params=None, offset=0, epoch="", positioned=False, recoverable=False)
    items = client.receive([pub("c", 57), pub("c", 58), pub("c", 58), pub("c", 61)], 1.0)
    assert numbers(items) == [57, 58, 61]
    assert Skipped("c", 59, 61, 2) in items
    assert client.position("c") is None


def test_an_empty_epoch_is_replaced_together_with_the_first_offset() -> None:
    client = live(offset=0, epoch="")
    assert client.position("c") == StreamPosition(0, "")
    client.receive([pub("c", 1, epoch="E1")], 1.0)
    assert client.position("c") == StreamPosition(1, "E1")


def test_an_epoch_that_is_known_is_not_replaced_by_a_repeated_publication() -> None:
    client = live(offset=5, epoch="e")
    client.receive([pub("c", 1, epoch="e")], 1.0)
    assert client.position("c") == StreamPosition(5, "e")
    unborn = live(offset=3, epoch="")
    unborn.receive([pub("c", 2, epoch="late")], 1.0)
    assert unborn.position("c") == StreamPosition(3, "")


def test_another_epoch_in_a_publication_is_a_break() -> None:
    client = live(offset=5, epoch="e")
    skipped, item = client.receive([pub("c", 1, epoch="f")], 1.0)
    assert skipped == Skipped("c", 6, 1, None)
    assert item.offset == 1
    assert client.position("c") == StreamPosition(1, "f")


def test_publications_of_a_channel_that_is_being_left_are_stale() -> None:
    client = live()
    client.unsubscribe("c")
    assert client.receive([pub("c", 11), pub("nobody's", 1)], 1.0) == []
    assert (client.stale, client.counts.unrouted) == (1, 1)


def test_who_comes_and_goes_is_delivered_where_asked_for() -> None:
    client = live()
    info = {"user": "u", "client": "x"}
    joined, left = client.receive([push("c", "join", info=info), push("c", "leave", info=info)], 1.0)
    assert [(item.event, item.info.client) for item in (joined, left)] == [("join", "x"), ("leave", "x")]


def test_every_numbered_publication_says_where_to_resume() -> None:
    client = live()
    items = client.receive([pub("c", 11), pub("c", 12, epoch="e"), pub("c", 0)], 1.0)
    assert [(item.offset, item.epoch) for item in items] == [(11, "e"), (12, "e"), (0, "")]
    page = replied(
        client, History("c"), "history", publications=[{"data": 1, "offset": 3}], epoch="e", offset=12
    )
    assert [(item.offset, item.epoch) for item in page.publications] == [(3, "e")]
