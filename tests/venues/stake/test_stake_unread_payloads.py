"""A payload is decoded when it comes, its amounts are completed when it is asked for: its reader sees no difference."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapewire.model.fields import InvalidField
from tapewire.protocols.graphql_ws import Next, Result
from tapewire.venues.kit.fields import exact_json, number
from tapewire.venues.stake import StakeMessage
from tapewire.venues.stake.message import AMOUNTS, data_of, message_of
from tapewire.venues.stake.protocol import PageClient, PageFrame

PAYLOAD = (
    b'{"bet":{"amount":3,"payout":"4.50","nonce":3},"rate":0.10,"said":"caf\xc3\xa9","of":[{"progress":1}]}'
)
READ = {
    "bet": {"amount": Decimal(3), "payout": Decimal("4.50"), "nonce": 3},
    "rate": Decimal("0.10"),
    "said": "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "of": [{"progress": Decimal(1)}],
}


def page(payload: bytes) -> PageFrame:
    whole = b'{"channel":"bets","payload":' + payload + b"}"
    return PageFrame("bets", msgspec.Raw(whole), msgspec.Raw(payload))


def graphql(payload: bytes) -> Next:
    return Next("1", Result(msgspec.Raw(payload)), "bets")


@pytest.mark.parametrize("wire", [page, graphql])
def test_a_payload_is_completed_when_it_is_first_asked_for_and_once(wire: Any) -> None:
    message = message_of(wire(PAYLOAD))
    assert "payload" not in vars(message)
    assert message.payload == READ
    assert list(vars(message)) == ["payload"]
    assert message.payload is message.payload is message.data["payload"]
    assert type(message.payload["of"][0]["progress"]) is Decimal
    assert type(message.payload["bet"]["nonce"]) is int


BEYOND = [
    b"1e999",
    b"1e-999",
    b"9" * 5_000,
    b"0." + b"0" * 400 + b"1",
    b'"\xff"',
    b'{"\xff":1}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]


@pytest.mark.parametrize("wire", [page, graphql])
@pytest.mark.parametrize("payload", BEYOND)
def test_what_cannot_be_read_is_found_before_anybody_asks(wire: Any, payload: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        message_of(wire(b'{"x":' + payload + b"}"))


@pytest.mark.parametrize(
    "payload", [b'{"x":1e150}', b"1e+100", b'{"id":"4e1234,"}', b"[" + b"[]," * 250 + b"[]]"]
)
def test_what_is_within_the_bounds_is_read(payload: bytes) -> None:
    assert message_of(page(payload)).payload == exact_json(payload)


def test_an_id_that_looks_like_a_number_in_part_is_a_text() -> None:
    message = message_of(page(b'{"id":"3e1234-9e00015","amount":1.5e-3}'))
    assert message.payload == {"id": "3e1234-9e00015", "amount": Decimal("0.0015")}


@pytest.mark.parametrize("payload", [b'{"id":"3e123","x":1e-0999}', b'{"id":"-3e-1234","x":[1e999 ]}'])
def test_behind_such_an_id_a_number_beyond_all_bounds_is_found(payload: bytes) -> None:
    with pytest.raises(ValueError, match="beyond all bounds"):
        message_of(page(payload))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_copy_is_equal_to_what_was_copied(again: Any, read_before: bool) -> None:
    message = message_of(page(PAYLOAD))
    if read_before:
        assert message.payload
    copied = again(message)
    assert copied == message == StakeMessage("bets", msgspec.Raw(PAYLOAD))
    assert copied.payload == message.payload == READ
    assert copied != StakeMessage("bets", msgspec.Raw(b"1"))
    assert repr(copied).startswith("StakeMessage(channel='bets', raw=")


def test_a_message_is_written_and_taken_apart_by_its_fields() -> None:
    message = message_of(page(b'{"x":1}'))
    assert message.payload == {"x": 1}
    assert msgspec.json.encode(message) == b'{"channel":"bets","raw":{"x":1}}'
    assert msgspec.structs.replace(message, raw=msgspec.Raw(b"2")).payload == 2
    with pytest.raises(AttributeError):
        message.channel = "other"  # type: ignore[misc]


def test_a_message_that_was_made_by_hand_reads_as_one_that_came() -> None:
    assert StakeMessage("bets", msgspec.Raw(PAYLOAD)).payload == READ
    with pytest.raises(ValueError, match="beyond all bounds"):
        StakeMessage("bets", msgspec.Raw(b"1e999")).payload  # noqa: B018


def slowly(value: Any) -> Any:
    """The rule, as it reads: whatever stands under an amount's name and is a number is a Decimal."""
    if isinstance(value, list):
        return [slowly(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: amount(inner) if name in AMOUNTS else slowly(inner) for name, inner in value.items()}


def amount(value: Any) -> Any:
    try:
        return number(value, "amount")
    except InvalidField:
        return slowly(value)


def same(one: Any, other: Any) -> bool:
    """Equal, each number of the same kind and with the same digits, in the same order."""
    return repr(one) == repr(other)


def check(written: bytes) -> None:
    """Reads as if it had been read at once, amount by amount; what could not be read then is found when it comes."""
    frames = PageClient(lambda: 0.0).receive([b'{"channel":"bets","payload":' + written + b"}"], 0.0)
    if not isinstance(frames[-1], PageFrame):
        return
    try:
        expected = slowly(exact_json(written))
    except ValueError:
        with pytest.raises((ValueError, RecursionError)):
            message_of(frames[-1])
        return
    assert same(message_of(frames[-1]).payload, expected)
    assert same(data_of(frames[-1])["payload"], expected)
    assert same(StakeMessage("bets", msgspec.Raw(written)).payload, expected)


numbers = st.one_of(
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,70})(\.[0-9]{1,70})?([eE][+-]?[0-9]{1,4})?\Z"),
    st.sampled_from(["0", "-0", "-0.0", "0e0", "1E2", "1e308", "1e309", "1e-308", "9" * 41, "0." + "0" * 309 + "1"]),
)  # fmt: skip
texts = st.one_of(
    numbers,
    st.text(max_size=6),
    st.sampled_from(["3e1234", "4e-0001f", "e999 "]),
    st.sampled_from(["", " 1", "1_0", "nan", "+1", "\N{ARABIC-INDIC DIGIT ONE}", '"amount":3', "\\", '\\"rate\\":1']),
).map(json.dumps)  # fmt: skip
names = st.one_of(
    st.sampled_from(sorted(AMOUNTS)).map(json.dumps),
    st.sampled_from(['"x"', r'"\u0061mount"', r'"r\u0061te"', r'"\"rate"', '"rates"', '"e"']),
    st.text(max_size=4).map(json.dumps),
)
blanks = st.sampled_from(["", "", "", " ", "\n", "\t\r "])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.builds("{}{}{}:{}{}".format, blanks, names, blanks, blanks, inner)
    return st.lists(members, max_size=5).map(lambda several: "{" + ",".join(several) + "}")


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda several: "[" + ",".join(several) + "]")


values = st.recursive(
    numbers | texts | st.sampled_from(["null", "true", "false"]),
    lambda inner: objects(inner) | arrays(inner),
    max_leaves=12,
)


@given(values)
@example('{"amount":3,"amount":{"rate":2,"x":2}}')
@example('{"payout" \n:\t-3}')
def test_what_is_completed_when_it_is_asked_for_reads_as_if_it_had_been_at_once(written: str) -> None:
    check(written.encode())


@given(
    st.binary(max_size=40)
    | st.text('[]{}":,.-+0123456789eEamount\\u ', max_size=40).map(str.encode)
    | st.builds(lambda head, odd, tail: head.encode() + odd + tail.encode(), values, st.binary(max_size=2), values)
)  # fmt: skip
def test_no_bytes_at_all_are_a_message_that_cannot_be_read(written: bytes) -> None:
    check(written)
