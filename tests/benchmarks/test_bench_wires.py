"""The bytes of each wire: as its venue words them, and taken by our own clients."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.floor import DECODERS
from benchmarks.server import deflated
from benchmarks.wires import OFFSET, WIRES, topics_of
from tapewire.book import CHAINED, Applied, OrderBook
from tapewire.protocols.centrifugo import CentrifugoClient

EVERY = sorted(WIRES)


def bound(name: str, count: int = 300) -> list[bytes]:
    wire = WIRES[name]
    talk = wire.talk()
    talk.joined = dict.fromkeys(wire.topics, "7")
    return list(talk.bound(wire.messages(count)))


@pytest.mark.parametrize("name", EVERY)
def test_messages_are_the_same_in_every_run_and_differ_from_each_other(name: str) -> None:
    made = bound(name)
    assert made == bound(name)
    assert len(set(made)) == len(made)
    assert all(json.loads(message) for message in made)


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_the_floor_decodes_every_message(name: str) -> None:
    decode = DECODERS[name]()
    for message in bound(name, 100):
        assert decode(message) is not None


def test_a_wire_that_numbers_makes_as_many_messages_as_are_sent() -> None:
    for wire in WIRES.values():
        made = len(wire.messages(3_000))
        assert made == (2_000 if wire.repeats else 3_000)


def test_offsets_of_each_channel_follow_each_other() -> None:
    last: dict[str, int] = {}
    identities = set()
    for message in bound("sxbet", 2_500):
        push = json.loads(message)["push"]
        channel, publication = push["channel"], push["pub"]
        assert publication["offset"] == last.get(channel, OFFSET) + 1
        last[channel] = publication["offset"]
        identities.add(publication["tags"]["messageId"])
        assert publication["data"]["marketHash"] == channel.partition(":")[2]
    assert len(identities) == 2_500


def test_our_own_client_takes_what_the_played_centrifugo_says() -> None:
    talk = WIRES["sxbet"].talk()
    client = CentrifugoClient(token="none")
    client.hello(0.0)

    def exchange() -> list[Any]:
        items = []
        for payload in client.data_to_send():
            sent = payload if isinstance(payload, bytes) else str(payload).encode()
            items += client.receive(talk.hear(sent), 0.0)
        return items

    exchange()
    for topic in WIRES["sxbet"].topics:
        client.subscribe(topic)
    while len(talk.joined) < len(WIRES["sxbet"].topics):
        exchange()
    items = client.receive(bound("sxbet"), 0.0)
    assert [type(item) for item in items] == [client.publication] * 300


def sides_of(frame: dict[str, Any]) -> list[list[tuple[Decimal, Decimal]]]:
    return [[(Decimal(price), Decimal(size)) for price, size in frame[side]] for side in "ba"]


def test_each_frame_of_a_book_follows_the_one_before_and_changes_eight_levels() -> None:
    wire = WIRES["weex-depth"]
    talk = wire.talk()
    asked = json.dumps({"method": "SUBSCRIBE", "params": list(wire.topics), "id": 1}).encode()
    answer, *snapshots = talk.hear(asked)
    assert json.loads(answer) == {"result": True, "id": 1}
    books: dict[str, OrderBook[Decimal]] = {}
    for snapshot in map(json.loads, snapshots):
        book = books[snapshot["s"]] = OrderBook(Decimal, numbering=CHAINED)
        assert type(book.replace(*sides_of(snapshot), last=snapshot["u"])) is Applied
    for frame in map(json.loads, bound("weex-depth", 2_000)):
        assert len(frame["b"]) + len(frame["a"]) == 8
        book = books[frame["s"]]
        assert type(book.apply(*sides_of(frame), first=frame["U"], last=frame["u"])) is Applied
        assert len(book.bids.top(99)) == len(book.offers.top(99)) == 15


def test_a_trade_is_never_sent_twice() -> None:
    identities = {json.loads(message)["d"][0]["t"] for message in bound("weex-trade", 4_500)}
    assert len(identities) == 4_500


def test_a_graphql_message_carries_the_id_that_the_client_gave() -> None:
    talk = WIRES["stake-graphql"].talk()
    assert talk.hear(b'{"type":"connection_init"}') == [b'{"type":"connection_ack"}']
    for number, topic in enumerate(WIRES["stake-graphql"].topics):
        variables = {"chatId": topic.partition(":")[2]}
        payload = {"query": "subscription { x }", "variables": variables}
        asked = {"id": f"ours-{number}", "type": "subscribe", "payload": payload}
        assert talk.hear(json.dumps(asked).encode()) == []
    ids = {json.loads(message)["id"] for message in talk.bound(WIRES["stake-graphql"].messages(1))}
    assert ids == {f"ours-{number}" for number in range(50)}


def test_the_former_phoenix_is_answered_in_its_own_serialisation() -> None:
    talk = WIRES["phoenix-v1"].talk()
    asked = {"topic": "realtime:a", "event": "phx_join", "payload": {}, "ref": "1", "join_ref": "1"}
    (answer,) = talk.hear(json.dumps(asked).encode())
    assert json.loads(answer)["payload"]["status"] == "ok"
    assert talk.joined == {"realtime:a": "1"}


@pytest.mark.parametrize("name", EVERY)
def test_a_word_to_begin_is_no_message_of_any_wire(name: str) -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        WIRES[name].talk().hear(b"begin")


def test_topics_are_the_wires_own_or_so_many_of_its_kind() -> None:
    wire = WIRES["stx"]
    assert topics_of(wire, 0) == wire.topics
    assert topics_of(wire, 1) == wire.topics[:1]
    assert len(set(topics_of(wire, 5_000))) == 5_000


def test_deflated_frames_are_inflated_with_context() -> None:
    messages = bound("stx", 20)[:20]
    inflate = zlib.decompressobj(wbits=-15)
    for frame, message in zip(deflated(messages), messages, strict=True):
        assert frame[0] == 0xC1
        head = 2 if frame[1] < 126 else 4
        assert inflate.decompress(frame[head:] + b"\0\0\xff\xff") == message
