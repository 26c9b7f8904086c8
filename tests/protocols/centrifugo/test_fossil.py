"""Deltas made by the reference implementation in JavaScript (`fossil-delta` 2.0.0), and hostile ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapewire.protocols.base import Confirmed, Interrupted, StreamPosition
from tapewire.protocols.centrifugo import SubscribeParams
from tapewire.protocols.centrifugo.fossil import FossilError, apply_delta, checksum
from tests.protocols.centrifugo.wires import connected, numbers, pub, reply, sent

BEFORE = json.dumps({"marketHash": "0xabc", "levels": [[n, n * 2] for n in range(20)]}, separators=(",", ":"))
AFTER = BEFORE.replace("[7,14]", "[7,99]")

VECTORS = [
    ("", "", "0\n0:0;"),
    ("", "abc", "3\n3:abc1XObC0;"),
    ("abc", "", "0\n0:0;"),
    ('{"a":1,"b":[1,2,3]}', '{"a":1,"b":[1,2,4]}', "J\nG@0,3:4]}1x~sRB;"),
    (BEFORE, AFTER, "2n\n1F@0,2:991X@1H,3~jBPK;"),
]
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"


def number(value: int) -> str:
    text = DIGITS[value % 64]
    while value := value // 64:
        text = DIGITS[value % 64] + text
    return text


def delta_to(source: str, target: str) -> str:
    """A delta that copies the common head and writes the rest."""
    common = next((n for n, (a, b) in enumerate(zip(source, target, strict=False)) if a != b), 0)
    rest = target[common:]
    end = number(checksum(target.encode()))
    return f"{number(len(target))}\n{number(common)}@0,{number(len(rest))}:{rest}{end};"


@pytest.mark.parametrize(("source", "target", "delta"), VECTORS)
def test_a_delta_of_the_reference_implementation_is_applied(source: str, target: str, delta: str) -> None:
    assert apply_delta(source.encode(), delta.encode()) == target.encode()


@pytest.mark.parametrize(
    ("delta", "reason"),
    [
        ("", "missing"),
        ("3", "newline"),
        ("3\n3:abc", "missing"),
        ("3\n3:abc0;", "checksum"),
        ("3\n3:abc1XObC0;x", "follows"),
        ("4\n3:abc1XObC0;", "makes 3"),
        ("1\n3:abc1XObC0;", "more than it says"),
        ("Z\nZ:abc1XObC0;", "beyond"),
        ("3\n3@9,1XObC0;", "beyond"),
        ("3\n3@0;", "comma"),
        ("3\n3?abc", "unknown"),
        ("3\n3", "without"),
        ("~~~~~~\n", "more than"),
        ("0000000\n", "too long"),
    ],
)
def test_a_delta_that_is_wrong_is_refused(delta: str, reason: str) -> None:
    with pytest.raises(FossilError, match=reason):
        apply_delta(b"abc", delta.encode())


@given(st.binary(max_size=80), st.binary(max_size=80) | st.text("0123@:,;\nAz~", max_size=40).map(str.encode))
@example(b"abc", b"0\n" + b"0@0," * 10 + b"0;")
def test_whatever_the_bytes_it_is_a_target_or_a_refusal(source: bytes, delta: bytes) -> None:
    """Any bytes give a target whose size and checksum are the delta's, or FossilError."""
    try:
        target = apply_delta(source, delta)
    except FossilError:
        return
    assert delta.endswith(b";")
    assert len(target) <= 16 * 1024 * 1024


def test_a_subscription_with_deltas_delivers_the_whole_data() -> None:
    client = connected()
    client.subscribe("c", SubscribeParams(positioned=True, recoverable=True, delta="fossil"))
    sent(client)
    client.receive([reply(2, "subscribe", positioned=True, recoverable=True, epoch="e", delta=True)], 0.0)
    texts = ['{"n":1}', '{"n":2}', '{"n":2,"x":[]}']
    read = [pub("c", 1, texts[0])]
    read += [pub("c", n, delta_to(texts[n - 2], texts[n - 1]), delta=True) for n in (2, 3)]
    items = client.receive(read, 1.0)
    assert [bytes(item.data).decode() for item in items] == texts
    assert not any(item.delta for item in items)
    assert client.position("c") == StreamPosition(3, "e")


@pytest.mark.parametrize("data", ["3\nnonsense", "0\n0:0;", {"not": "text"}])
def test_a_delta_that_cannot_be_applied_resubscribes_from_before_it(data: object) -> None:
    client = connected()
    params = SubscribeParams(positioned=True, recoverable=True, delta="fossil")
    client.subscribe("c", params)
    sent(client)
    body = {"positioned": True, "recoverable": True, "epoch": "e", "delta": True}
    confirmed, event = client.receive([reply(2, "subscribe", **body), pub("c", 1, data, delta=True)], 1.0)
    assert isinstance(confirmed, Confirmed)
    assert isinstance(event, Interrupted)
    assert client.receive([pub("c", 2, "1")], 1.0) == []
    position = client.position("c")
    assert position == StreamPosition(0, "e")
    client.subscribe("c", params, position)
    assert [message.keys() for message in sent(client)] == [{"id", "unsubscribe"}]
    client.receive([reply(3, "unsubscribe")], 1.0)
    assert sent(client)[0]["subscribe"]["recover"] is True
    missed = [{"data": "[1]", "offset": 1}, {"data": delta_to("[1]", "[2]"), "offset": 2, "delta": True}]
    items = client.receive([reply(4, "subscribe", **body, recovered=True, publications=missed)], 1.0)
    assert numbers(items) == [1, 2]
    assert bytes(items[-1].data) == b"[2]"
