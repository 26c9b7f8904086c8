"""A ticker's row is checked when it comes and read when it is asked for: to its reader that makes no difference."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.venues.kit.fields import plain
from tapewire.venues.weex import V2, V3, WeexMessage
from tapewire.venues.weex.fields import V3_FIELDS, V3_PLAIN, PlainRow, mapped, plain_trades
from tapewire.venues.weex.message import ROW_ERRORS, Rows, read_rows
from tapewire.venues.weex.wire import Frame

FIELDS, PLAIN = V3_FIELDS["ticker"], V3_PLAIN["ticker"]
KEYS = [key for key, _ in FIELDS.values()]
ROW = {
    "c": "63123.5",
    "v": "0",
    "P": "0.012475",
    "p": "-780.10",
    "n": 123456,
    "O": 1790134568308,
    "q": 7812345678.5,
}
ODD_TEXTS = [
    *(
        "",
        ".5",
        "5.",
        "-",
        "1-2",
        "1.2.3",
        "1e5",
        "1E-300",
        "nan",
        "inf",
        "1_0",
        " 1",
        "1 ",
        "+1",
        "00.1",
        "9" * 20,
    ),
    "\N{ARABIC-INDIC DIGIT ONE}",
]


def frame(rows: bytes, channel: str = "ticker") -> Frame:
    return Frame(
        "BTCUSDT@ticker", channel, "BTCUSDT", False, 1_700_000_000_000, b"raw", rows=msgspec.Raw(rows)
    )


def message(row: dict[str, Any]) -> WeexMessage:
    errors: list[Exception] = []
    only = Rows(V3)(frame(json.dumps([row]).encode()), errors.append)
    assert not errors
    if isinstance(only, list):
        (only,) = only
    return only


def is_read(found: WeexMessage) -> bool:
    """Whether the slot of `data` is filled, without filling it."""
    try:
        WeexMessage.__dict__["data"].__get__(found)
    except AttributeError:
        return False
    return True


def test_a_row_is_read_when_its_data_is_first_asked_for_and_once() -> None:
    found = message(ROW)
    assert not is_read(found)
    assert found.data is found.data
    assert is_read(found)


@pytest.mark.parametrize(
    "row", [{**ROW, "p": None}, {**ROW, "P": "1e-3"}, {**ROW, "x": "?"}, {**ROW, "c": ""}]
)
def test_a_row_that_is_not_plain_is_read_at_once(row: dict[str, Any]) -> None:
    assert is_read(message(row))


def test_data_is_what_it_always_was() -> None:
    expected = {
        "last": Decimal("63123.5"),
        "volume": Decimal(0),
        "change": Decimal("1.2475"),
        "change_amount": Decimal("-780.10"),
        "trades": Decimal(123456),
        "turnover": Decimal("7812345678.5"),
        "symbol": "BTCUSDT",
    }
    assert message(ROW).data == expected
    assert list(message(ROW).data) == [*(name for name in FIELDS if name in expected), "symbol"]


WHOLE = {key: str(number) for number, key in enumerate(KEYS, 1_000)} | {
    "P": "0.012475",
    "n": 123456,
    "O": 1790134568308,
}
"""A row in which nothing is missing: its numbers are made one by one."""

READ = {name: Decimal(WHOLE[key]) for name, (key, _) in FIELDS.items()} | {
    "change": Decimal("1.2475"),
    "symbol": "BTCUSDT",
}


def test_a_number_is_made_when_it_is_asked_for_and_once() -> None:
    data = message(WHOLE).data
    held = dict.values(data)
    assert (
        sum(isinstance(value, Decimal) for value in held) == 1
    )  # a percentage is another number than the wire's
    assert data["last"] == READ["last"]
    assert data["last"] is data.get("last")
    assert sum(isinstance(value, Decimal) for value in dict.values(data)) == 2


@pytest.mark.parametrize(
    "way",
    [
        dict,
        lambda data: data,
        lambda data: {**data},
        lambda data: dict(data.items()),
        lambda data: dict(zip(data, data.values(), strict=True)),
        lambda data: {name: data[name] for name in data.keys()},  # noqa: SIM118
        lambda data: {name: data.get(name) for name in reversed(list(data))},
        lambda data: data.copy(),
        lambda data: data | {},
        lambda data: {} | data,
        lambda data: dict(data.popitem() for _ in range(len(data))),
        lambda data: {name: data.pop(name) for name in list(data)},
        lambda data: {name: data.setdefault(name, 0) for name in READ},
        copy.copy,
        copy.deepcopy,
        lambda data: pickle.loads(pickle.dumps(data)),
        lambda data: eval(repr(data)),
    ],
)
def test_whichever_way_a_row_is_read_its_numbers_are_exact(way: Callable[[Any], dict[str, Any]]) -> None:
    found = way(message(WHOLE).data)
    assert all(type(value) is Decimal for name, value in dict(found).items() if name != "symbol")
    assert found == READ
    assert (READ == found) is not (found != READ)  # noqa: SIM300
    assert isinstance(found, dict)
    assert str(found["last"]) == WHOLE["c"]


def test_a_row_may_be_written_to() -> None:
    data = message(WHOLE).data
    data["note"] = "mine"
    data |= {"last": "unknown"}
    data.update(volume=1)
    del data["open"]
    assert data == {name: value for name, value in READ.items() if name != "open"} | {
        "note": "mine", "last": "unknown", "volume": 1,
    }  # fmt: skip
    assert (data["note"], data["last"]) == ("mine", "unknown")


def test_what_a_row_lacks_is_missing_from_it() -> None:
    data = message(WHOLE).data
    with pytest.raises(KeyError, match="nothing"):
        data["nothing"]
    assert data.get("nothing", "N/A") == "N/A"
    assert "nothing" not in data
    assert len(data) == len(READ)


def test_a_row_is_written_as_json_as_its_numbers_are_whether_they_were_asked_for_or_not() -> None:
    written = msgspec.json.decode(msgspec.json.encode(message(WHOLE).data))
    assert {name: str(value) for name, value in written.items()} == {
        name: str(value) for name, value in READ.items()
    } | {"change": str(message(WHOLE).data["change"])}
    assert json.loads(json.dumps(message(WHOLE).data, default=str)) == json.loads(
        json.dumps(dict(message(WHOLE).data), default=str)
    )


def test_a_row_of_a_shape_that_was_seen_is_not_checked_again_and_another_is() -> None:
    reader = PlainRow(FIELDS, beside="OC")
    assert not reader.is_plain(b'[{"c":"1..5"}]')
    assert reader.is_plain(b'[{"c":"12.5"}]')
    assert reader.is_plain(b'[{"c":"93.4"}]')
    assert reader._shapes == {b'[{"c":"00.0"}]'}
    assert not reader.is_plain(b'[{"c":"93.-"}]')
    for digits in range(20):
        for more in range(20):
            for most in range(5):
                reader.is_plain(b'[{"c":"1%d.%d","v":%d}]' % (10**digits, 10**more, 10**most))
    assert len(reader._shapes) <= 1_000


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))])
def test_a_copy_is_equal_to_what_was_copied(again: Any) -> None:
    assert again(message(ROW)) == message(ROW)


def test_a_message_is_shown_and_taken_apart_with_its_data() -> None:
    assert "Decimal('63123.5')" in repr(message(ROW))
    assert dataclasses.asdict(message(ROW))["data"] == message(ROW).data
    assert msgspec.json.decode(msgspec.json.encode(message(ROW)))["data"]["last"] == "63123.5"


def test_no_other_name_is_invented() -> None:
    with pytest.raises(AttributeError, match="'WeexMessage' object has no attribute 'datum'"):
        message(ROW).datum  # noqa: B018


def test_the_older_wire_reads_at_once() -> None:
    rows = frame(json.dumps([{"lastPrice": "1.5"}]).encode())
    found = Rows(V2)(rows, pytest.fail)
    assert isinstance(found, WeexMessage)
    assert is_read(found)


def is_json(written: bytes) -> bool:
    """As whoever cuts rows out of a frame sees to."""
    try:
        msgspec.json.decode(written, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


values = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.from_regex(r"-?[0-9]{1,21}(\.[0-9]{1,21})?", fullmatch=True),
    st.text("0123456789.-eE+ _nNaif", max_size=12),
    st.integers(-(10**21), 10**21),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans() | st.lists(st.integers(0, 9), max_size=2),
)


@given(st.lists(st.dictionaries(st.sampled_from([*KEYS, "E", "extra"]), values, max_size=5), max_size=2))
def test_what_waits_to_be_read_reads_as_if_it_had_been_read_at_once(rows: list[dict[str, Any]]) -> None:
    written = json.dumps(rows).encode()
    if PLAIN.is_plain(written):
        (row,) = read_rows(msgspec.Raw(written))
        assert PLAIN.read(written, "X") == mapped(row, FIELDS) | {"symbol": "X"}


@given(st.binary(max_size=40) | st.text('[]{}":,.-0123456789cvPnul\\', max_size=40).map(str.encode))
def test_no_bytes_at_all_wait_that_cannot_be_read(written: bytes) -> None:
    if is_json(written) and PLAIN.is_plain(written):
        dict(PLAIN.read(written, "X"))
        try:
            (row,) = read_rows(msgspec.Raw(written))
            mapped(row, FIELDS)
        except ROW_ERRORS as error:
            raise AssertionError(written) from error


@given(st.dictionaries(st.sampled_from(KEYS), st.decimals(-(10**9), 10**9, places=8).map(plain), min_size=1))
def test_a_row_of_plain_numbers_waits(row: dict[str, str]) -> None:
    assert PLAIN.is_plain(json.dumps([row]).encode())


TRADE_FIELDS = V3_FIELDS["trade"]
TRADE = {"t": "9f", "p": "86645.2", "q": "0.015", "v": "1299.678", "m": True, "T": 1_790_134_568_308}


def test_trades_of_the_usual_form_are_read_without_a_look_at_each_field() -> None:
    rows = [TRADE | {"t": "77"}, TRADE | {"t": 78, "m": False}]
    assert plain_trades(msgspec.json.encode(rows), "X") == [
        mapped(row, TRADE_FIELDS) | {"symbol": "X"} for row in rows
    ]


@pytest.mark.parametrize(
    "odd",
    [
        *({"p": text} for text in ODD_TEXTS if text not in ("00.1", "9" * 20)),
        {"m": 1},
        {"T": 5},
        {"t": ""},
        {"p": None},
        {"q": 1e-7},
    ],
)
def test_a_trade_that_is_not_written_as_usual_is_left_to_the_slow_way(odd: dict[str, Any]) -> None:
    assert plain_trades(msgspec.json.encode([TRADE | odd]), "X") is None


trades = st.fixed_dictionaries(
    {name: st.just(value) | values for name, value in TRADE.items()}, optional={"extra": values, "r": values}
)


@given(
    st.lists(
        trades | st.fixed_dictionaries({name: st.just(value) for name, value in TRADE.items()}), max_size=3
    )
)
def test_what_is_read_quickly_is_what_the_slow_way_reads(rows: list[dict[str, Any]]) -> None:
    written = msgspec.json.encode(rows)
    if (read := plain_trades(written, "X")) is not None:
        slowly = [mapped(row, TRADE_FIELDS) for row in read_rows(msgspec.Raw(written))]
        assert read == [row | {"symbol": "X"} for row in slowly]


def test_trades_whose_ids_have_letters_are_read_as_one_by_one_and_quickly() -> None:
    rows = [TRADE | {"t": "deadbeef-0000-4000-8000-0123456789ab"}, TRADE]
    assert plain_trades(msgspec.json.encode(rows), "X") == [
        mapped(row, TRADE_FIELDS) | {"symbol": "X"} for row in rows
    ]
    assert plain_trades(msgspec.json.encode([rows[0] | {"p": "1e5"}]), "X") is None
