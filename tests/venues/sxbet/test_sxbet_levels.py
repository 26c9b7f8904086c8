"""Whole books with a version: only a greater one replaces."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.book import Applied, Ignored, Resync
from tapewire.venues.sxbet.levels import LevelBook
from tapewire.venues.sxbet.wire_v3 import BookV3Row, LevelRow
from tests.venues.sxbet.rows import MARKET, OTHER


def book_row(
    version: Any, size: str = "1000000", odds: str = "50000000000000000000", **changes: Any
) -> BookV3Row:
    one = (LevelRow(percentage_odds=odds, size=size),)
    return BookV3Row(
        **({"market_hash": MARKET, "version": version, "outcome_one": one, "outcome_two": ()} | changes)
    )


def live(version: Any = "0010") -> LevelBook:
    book = LevelBook(MARKET)
    assert isinstance(book.apply(book_row(version)), Applied)
    return book


def best(book: LevelBook) -> int:
    assert book.levels.best_bid is not None
    return book.levels.best_bid[1]


def test_a_book_of_the_stream_is_live_at_once() -> None:
    book = live("00100000000000010015000")
    assert book.is_tradable
    assert book.levels.last == 100000000000010015000


@pytest.mark.parametrize(
    ("version", "counts"), [("0009", False), ("0010", False), ("0011", True), (11, True), ("11", True)]
)
def test_only_a_strictly_greater_version_replaces(version: Any, counts: bool) -> None:
    book = live()
    assert isinstance(book.apply(book_row(version, "2")), Applied if counts else Ignored)
    assert best(book) == (2 if counts else 1_000_000)


def test_a_lost_book_heals_with_the_next() -> None:
    book = live("0010")
    assert isinstance(book.apply(book_row("0050", "7")), Applied)
    assert best(book) == 7


def test_a_book_replaces_both_sides_whole() -> None:
    book = LevelBook(MARKET)
    two = (LevelRow(percentage_odds="40000000000000000000", size="4000000"),)
    book.apply(book_row("1", outcome_two=two))
    assert book.snapshot(0).offers == ((Decimal("0.6"), Decimal(10)),)
    book.apply(book_row("2", outcome_one=()))
    assert (book.snapshot(0).bids, book.snapshot(0).offers) == ((), ())
    assert book.is_tradable


def test_a_snapshot_that_comes_late_replaces_nothing_newer() -> None:
    book = LevelBook(MARKET)
    book.apply(book_row("0020", "20"))
    assert isinstance(book.seed(book_row("0019", "19")), Ignored)
    assert (best(book), book.is_tradable) == (20, True)


@pytest.mark.parametrize("version", [None, ""])
def test_a_snapshot_without_a_version_is_older_than_any_book_of_the_stream(version: Any) -> None:
    book = LevelBook(MARKET)
    assert isinstance(book.seed(book_row(version, "5")), Applied)
    assert isinstance(book.apply(book_row("0001", "6")), Applied)
    assert isinstance(book.seed(book_row(version, "5")), Ignored)
    assert best(book) == 6


def test_after_a_gap_any_snapshot_counts() -> None:
    book = live("0050")
    book.invalidate("a gap")
    assert not book.is_tradable
    assert isinstance(book.seed(book_row("0040", "4")), Applied)
    assert best(book) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        book_row("x1"),
        book_row("-1"),
        book_row("9" * 31),
        book_row("11", odds="750000000000000000000"),
        book_row("11", size="-5"),
        book_row("11", size="1" * 30),
    ],
)
def test_a_book_that_cannot_be_makes_it_stale(wrong: BookV3Row) -> None:
    book = live()
    assert isinstance(book.apply(wrong), Resync)
    assert (book.state, book.unreadable) == ("stale", 1)


def test_levels_said_twice_add_up_and_other_markets_are_passed_over() -> None:
    book = live()
    level = LevelRow(percentage_odds="50000000000000000000", size="3")
    book.apply(book_row("11", outcome_one=(level, level)))
    assert best(book) == 6
    assert isinstance(book.apply(book_row("12", market_hash=OTHER)), Ignored)
