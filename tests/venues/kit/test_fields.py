"""Each kind of field is read one way, and nothing but its stated forms is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.model.fields import InvalidField
from tapewire.venues.kit import fields

NEVER = [
    "1_000",
    " 1",
    "1 ",
    "1\n",
    "+1",
    "\u0663",
    "\uff11",
    "",
    "NaN",
    "Infinity",
    "0x10",
    None,
    True,
    1.5,
    [],
    {},
    b"1",
]


@pytest.mark.parametrize(
    "kind", [fields.integer, fields.sequence, fields.number, fields.quantity, fields.time_ms]
)
@pytest.mark.parametrize("value", NEVER, ids=repr)
def test_no_number_is_taken_in_a_form_that_is_not_stated(kind: fields.Kind, value: Any) -> None:
    with pytest.raises(InvalidField, match="size="):
        kind(value, "size")


@given(st.integers(-(10**40) + 1, 10**40 - 1))
def test_a_whole_number_is_the_same_as_number_and_as_text(value: int) -> None:
    assert fields.integer(value, "u") == fields.integer(str(value), "u") == value


@given(st.one_of(st.text(max_size=30), st.from_regex(r"-?[0-9_. ]{1,12}\Z")))
def test_text_is_a_whole_number_only_if_it_is_ascii_digits(value: str) -> None:
    digits = value.removeprefix("-")
    if digits and set(digits) <= set("0123456789"):
        assert fields.integer(value, "u") == int(value)
    else:
        with pytest.raises(InvalidField):
            fields.integer(value, "u")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12))
def test_a_number_is_exact_however_it_is_written(value: Decimal) -> None:
    written = fields.plain(value)
    read = fields.exact_json(written)
    for form in (written, read, f"{value:E}"):
        assert fields.number(form, "p") == value
        assert type(fields.number(form, "p")) is Decimal


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (5, 5),
        ("5", 5),
        ("-5", -5),
        ("5.0", Decimal("5.0")),
        ("5e2", Decimal(500)),
        (Decimal("0.5"), Decimal("0.5")),
    ],
)
def test_a_quantity_is_an_int_where_it_was_written_whole(value: Any, read: Any) -> None:
    found = fields.quantity(value, "quantity")
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000], ids=["s", "ms", "us", "ns"])
def test_a_time_in_another_unit_is_refused_and_not_read_as_1970(unit: int) -> None:
    moment = 1_764_162_000 * unit
    for kind, own in ((fields.time_ms, 1_000), (fields.time_s, 1), (fields.time_us, 1_000_000)):
        if unit == own:
            assert kind(moment, "E") == kind(str(moment), "E") == moment
        else:
            with pytest.raises(InvalidField, match=r"E=.*seconds since the epoch"):
                kind(moment, "E")


@given(st.integers(-(10**20), 10**20))
def test_the_struct_s_time_and_the_reader_s_are_one(value: int) -> None:
    try:
        read = fields.time_ms(value, "E")
    except InvalidField:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(str(value), type=fields.TimeMs)
    else:
        assert msgspec.json.decode(str(value), type=fields.TimeMs) == read


@given(
    st.integers(10**18, 10**19 - 1), st.integers(-14 * 60, 14 * 60), st.sampled_from("T "), st.integers(0, 9)
)
def test_a_time_in_iso_8601_is_exact_to_its_last_digit(ns: int, zone: int, between: str, digits: int) -> None:
    """A moment written in any zone with up to nine digits behind the point is read as exactly that moment."""
    ns -= ns % 10 ** (9 - digits)
    seconds, fraction = divmod(ns, 10**9)
    there = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(minutes=zone)))
    written = there.isoformat(between)
    point = f".{fraction:09d}"[: digits + 1] if digits else ""
    assert fields.time_iso(f"{written[:19]}{point}{written[19:]}", "createdAt") == ns


@pytest.mark.parametrize(
    "value",
    [
        "yesterday", "2026-09-01", "2026-09-01T10:00:00", "2026-02-30T10:00:00Z", "2026-09-01T25:00:00Z",
        "2026-09-01T10:00:00.Z", "2026-09-01T10:00:00.1234567890Z", "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z",
        "2026-09-01T10:00:00z", "2026-09-01T10:00:00+24:00", "\u0662026-09-01T10:00:00Z", "2" * 10_000,
        1_788_256_800, None, "", b"2026-09-01T10:00:00Z",
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_a_time_in_iso_8601_has_its_zone_and_cannot_be_a_day_that_is_none(value: Any) -> None:
    with pytest.raises(InvalidField, match=r"createdAt=.*ISO 8601"):
        fields.time_iso(value, "createdAt")


@pytest.mark.parametrize("value", ["", "x" * 257, "a\nb", None, 1.5, True, [], "\u200b"], ids=repr)
def test_an_identifier_is_short_and_printable(value: Any) -> None:
    with pytest.raises(InvalidField):
        fields.identifier(value, "orderId")
    assert fields.identifier(7, "orderId") == "7"


@pytest.mark.parametrize("value", [0, 1, "1", "yes", "", None, "\uff54rue"], ids=repr)
def test_a_flag_is_true_or_false_in_so_many_words(value: Any) -> None:
    with pytest.raises(InvalidField):
        fields.flag(value, "m")
    assert fields.flag("True", "m") is fields.flag(True, "m") is True
    assert fields.flag("false", "m") is False


_plain_number = st.decimals(0, 10**9, places=4, allow_nan=False).map(fields.plain)


@given(st.lists(st.tuples(_plain_number, _plain_number), max_size=20), st.booleans(), st.booleans())
def test_levels_are_the_same_by_either_way_of_reading_them(
    pairs: list[tuple[str, str]], as_numbers: bool, spaced: bool
) -> None:
    inner = ",".join(f"[{p},{s}]" if as_numbers else f'["{p}","{s}"]' for p, s in pairs)
    written = f"[{inner}]".replace(",", ", " if spaced else ",").encode()
    assert fields.levels(written) == [(Decimal(p), Decimal(s)) for p, s in pairs]


@pytest.mark.parametrize(
    "value", ["1_000", " 1 ", "\u0663", "NaN", "", "1-2", "1.2.3", "[", "true", "Infinity"]
)
def test_a_level_is_taken_in_no_other_form_than_a_number(value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fields.levels(f'[["{value}","1"]]'.encode())
    with pytest.raises(ValueError, match=r".+"):
        fields.levels(f'[["1.5","2"],["1","{value}"]]'.encode())


@pytest.mark.parametrize(
    "written",
    [
        *("1e400", "1e-400", "1e999999999", "1e-999999999", "1e99999999999999999999"),
        *("0e-999999999", "0e999999999", "0." + "1" * 2_000),
    ],
)
def test_a_fraction_that_nobody_could_write_out_is_not_decoded(written: str) -> None:
    with pytest.raises(ValueError, match="beyond all bounds"):
        fields.exact_json(f'{{"a":{written}}}')
    assert fields.exact_json("1e300") == Decimal("1e300")
    assert str(fields.exact_json("0." + "10" * 450)) == "0." + "10" * 450
