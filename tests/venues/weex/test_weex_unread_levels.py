"""The levels of a book are ordered by doubles and read as exact numbers, when they are asked for."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.book import OrderBook
from tapewire.model import MAX_LEVELS
from tapewire.venues.kit.fields import levels as exact_side
from tapewire.venues.weex import V3
from tapewire.venues.weex.unread import Levels
from tapewire.venues.weex.wire import Depth, Frame, _each

WRITTEN = [("86645.20", "0.0150"), ("86645.1", "3"), ("86644", "12.5")]
READ = [(Decimal(price), Decimal(size)) for price, size in WRITTEN]


def unread() -> Levels:
    return Levels(WRITTEN)  # type: ignore[arg-type]


def depth_of(bids: bytes, asks: bytes = b"[]") -> Depth:
    frame = Frame("", "depth", "", False, None, b"", bids=msgspec.Raw(bids), asks=msgspec.Raw(asks))
    return V3.levels(frame)


def test_only_the_level_that_is_asked_for_is_read_and_once() -> None:
    levels = unread()
    assert levels[0] == READ[0]
    assert levels[0] is levels[0]
    assert [type(price) for price, _ in list.__iter__(levels)] == [Decimal, str, str]
    assert levels[-1] == READ[-1]
    assert len(levels) == 3
    assert levels[:2][1] == READ[1]
    assert [type(price) for price, _ in list.__iter__(levels)] == [Decimal, str, Decimal]


@pytest.mark.parametrize(
    "way",
    [
        list,
        lambda levels: [*levels],
        lambda levels: levels[:],
        lambda levels: list(reversed(levels))[::-1],
        lambda levels: [levels.pop() for _ in range(3)][::-1],
        lambda levels: levels.copy(),
        lambda levels: levels + [],  # noqa: RUF005
        lambda levels: [] + levels,  # noqa: RUF005
        lambda levels: levels * 1,
        lambda levels: sorted(levels, reverse=True),
        lambda levels: list(map(tuple, levels)),
        lambda levels: [level for _, level in zip(range(3), levels, strict=True)],
        copy.copy,
        copy.deepcopy,
        lambda levels: pickle.loads(pickle.dumps(levels)),
        lambda levels: eval(repr(levels)),
    ],
)
def test_whichever_way_levels_are_read_they_are_exact(way: Callable[[Any], list[Any]]) -> None:
    found = way(unread())
    assert [(str(price), str(size)) for price, size in found] == WRITTEN
    assert all(type(number) is Decimal for level in found for number in level)
    assert isinstance(found, list)


def test_levels_are_equal_to_a_list_of_the_same_numbers_and_to_no_other() -> None:
    assert unread() == READ
    assert (READ == unread()) is not (READ != unread())  # noqa: SIM300
    assert unread() != READ[1:]
    assert unread() > READ[1:]
    assert READ[1] in unread()
    assert (unread().index(READ[2]), unread().count(READ[0])) == (2, 1)
    best, *_ = unread()
    assert best == READ[0]


def test_levels_may_be_written_to() -> None:
    levels = unread()
    levels[1] = ("mine", "too")  # type: ignore[assignment]
    levels.append(READ[0])
    levels += [READ[1]]
    levels.sort(key=str)
    del levels[-1]
    assert len(levels) == 4
    assert ("mine", "too") in levels


def test_levels_are_written_as_json_as_their_numbers_are() -> None:
    assert msgspec.json.decode(msgspec.json.encode(unread())) == [list(level) for level in WRITTEN]
    assert json.loads(json.dumps(unread(), default=str)) == json.loads(json.dumps(READ, default=str))


texts = st.one_of(
    st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True),
    st.sampled_from(["", ".5", "5.", "1.2.3", "1e5", "nan", "00.1", "1_0", " 1", "-1", "0.1", "0.10"]),
)


def as_the_venue_writes(side: list[Any]) -> bytes:
    return json.dumps(side, separators=(",", ":")).encode()


sides = st.lists(st.tuples(texts | st.integers(0, 10**20), texts), max_size=6)


@given(sides)
def test_levels_are_those_that_the_slow_way_reads(side: list[Any]) -> None:
    written = as_the_venue_writes(side)
    try:
        exact = exact_side(written)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            depth_of(written)
        return
    depth = depth_of(b"[]", written)
    assert [(str(price), str(size)) for price, size in depth.widened().told[1]] == [
        (str(price), str(size)) for price, size in exact
    ]


@given(st.lists(st.tuples(texts, texts), max_size=6))
def test_what_orders_levels_orders_them_as_exact_numbers_do(side: list[Any]) -> None:
    written = as_the_venue_writes(side)
    try:
        depth, exact = depth_of(written), exact_side(written)
    except ValueError:
        return
    for (one, its_size), (exact_one, exact_size) in zip(depth.bids, exact, strict=True):
        assert bool(its_size) is bool(exact_size)
        for (other, _), (exact_other, _) in zip(depth.bids, exact, strict=True):
            assert (one < other, one == other) == (exact_one < exact_other, exact_one == exact_other)


@given(sides)
def test_levels_that_count_as_checked_are_such_as_a_book_takes(side: list[Any]) -> None:
    written = as_the_venue_writes(side)
    try:
        depth = depth_of(written, written)
    except ValueError:
        return
    fault = OrderBook(float).fault_in(_each(float, depth.bids), _each(float, depth.offers))
    assert fault is None or not depth.is_checked


def test_a_frame_of_more_levels_than_a_book_has_counts_as_unchecked() -> None:
    levels = [[f"{price}.5", "0.25"] for price in range(MAX_LEVELS)]
    assert depth_of(msgspec.json.encode(levels)).is_checked
    assert not depth_of(msgspec.json.encode([*levels, ["1", "0"]])).is_checked


@pytest.mark.parametrize(
    ("near", "is_wide"),
    [("0.300000000000001", False), ("0.3000000000000001", True), ("123456789012345.123", True)],
)
def test_numbers_that_doubles_might_not_tell_apart_are_ordered_by_themselves(
    near: str, is_wide: bool
) -> None:
    assert depth_of(msgspec.json.encode([(near, "1")])).is_wide is is_wide
