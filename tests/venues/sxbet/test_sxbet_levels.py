"""Whole books with a version: only a greater one replaces."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapewire.book import Applied, Ignored, Resync
from tapewire.venues.sxbet.levels import LevelBook
from tapewire.venues.sxbet.wire_v3 import BookV3Row, LevelRow, PlainBook, plain_book
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


# --- as a book nearly always comes ------------------------------------------------------------------------------------

EVEN = "50000000000000000000"


def written(version: Any, one: Any = ((EVEN, "1000000"),), two: Any = (), **changes: Any) -> bytes:
    sides = ([{"percentageOdds": odds, "size": size} for odds, size in side] for side in (one, two))
    names = ("outcomeOne", "outcomeTwo")
    row = {"marketHash": MARKET, "version": version, **dict(zip(names, sides, strict=True))}
    return msgspec.json.encode(row | changes)


def plain(*arguments: Any, **changes: Any) -> PlainBook:
    found = plain_book(written(*arguments, **changes))
    assert found is not None
    return found


def read_of(payload: bytes) -> BookV3Row:
    return msgspec.json.decode(payload, type=BookV3Row)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((), ()),
        (((EVEN, "1000000"),), ()),
        ((), ((EVEN, "1000000"),)),
        ((("9875000000000000000", "3"), ("12500000000000000000", "5")), (("99999999999999999999", "1"),)),
        (((EVEN, "3"), (EVEN, "4"), ("50125000000000000000", "9" * 13)), (("10000000000000", "9" * 13),)),
    ],
)
def test_a_book_that_is_taken_at_a_glance_is_what_it_is_row_by_row(one: Any, two: Any) -> None:
    glanced, read = LevelBook(MARKET), LevelBook(MARKET)
    assert glanced.renew(plain("7", one, two))
    assert isinstance(read.apply(read_of(written("7", one, two))), Applied)
    assert glanced.levels.is_crossed == read.levels.is_crossed  # before anybody has looked at a level
    assert (glanced.state, glanced.levels.last) == (read.state, read.levels.last) == ("live", 7)
    for mine, other in ((glanced.levels.bids, read.levels.bids), (glanced.levels.offers, read.levels.offers)):
        assert mine.best_price == other.best_price
        assert (list(mine), mine.prices, len(mine)) == (list(other), other.prices, len(other))
    assert glanced.snapshot(0) == read.snapshot(0)


def test_only_a_strictly_greater_version_replaces_at_a_glance() -> None:
    book = live("0010")
    for version, size in (("0009", 1_000_000), ("0010", 1_000_000), ("0011", 2), ("0011", 2), ("2" * 25, 3)):
        assert book.renew(plain(version, ((EVEN, str(size)),)))
        assert best(book) == size


def test_whoever_keeps_a_side_sees_what_comes_at_a_glance_in_it() -> None:
    book = live("1")
    bids = book.levels.bids
    for version in range(2, 5):
        assert book.renew(plain(str(version), ((EVEN, str(version)),)))
        assert list(bids) == [(50 * 10**18, version)]
    assert book.renew(plain("5", ((EVEN, "6"),)))
    assert isinstance(book.apply(book_row("7", "8")), Applied)  # one that nobody looked at is forgotten
    assert list(bids) == [(50 * 10**18, 8)]


def test_a_book_that_was_broken_is_live_with_the_next_at_a_glance() -> None:
    book = live("0050")
    book.invalidate("a gap")
    assert book.renew(plain("0040", ((EVEN, "4"),)))
    assert (book.state, best(book)) == ("live", 4)


@pytest.mark.parametrize(
    "payload",
    [
        written(7),
        written("x7"),
        written(""),
        written("-7"),
        written("\u0667"),
        written("7" * 26),
        written("7", marketHash=OTHER),
        written("7", ((EVEN, "5\u0660"),)),
        written("7", ((EVEN, "-5"),)),
        written("7", ((EVEN, "5.0"),)),
        written("7", ((EVEN, ""),)),
        written("7", ((EVEN, "0"),)),
        written("7", ((EVEN, "05"),)),
        written("7", ((EVEN, "1" * 14),)),
        written("7", ((EVEN, "5"), (EVEN, " 5"))),
        written("7", ((EVEN, 5),)),
        written("7", (), ((50 * 10**18, "5"),)),
        written("7", (("0", "5"),)),
        written("7", (("9999999999999", "5"),)),
        written("7", ((EVEN + "0", "5"),)),
        written("7", (("5e19", "5"),)),
        written("7", (), ((EVEN, "5"),) * 10_001),
        written("7", eventId=7),
        written("7", outcomeTwo=None),
        b"[" + written("7") + b"]",
        b"null",
        b"[" * 100_000,
        written("7")[:-1],
    ],
)
def test_what_is_not_sane_at_a_glance_is_read_row_by_row_and_changes_nothing_before(payload: bytes) -> None:
    book = live("1")
    before = (book.snapshot(0), book.state, book.levels.last)
    told = plain_book(payload)
    assert told is None or not book.renew(told)
    assert (book.snapshot(0), book.state, book.levels.last) == before


def test_a_token_of_other_decimals_has_its_own_bounds() -> None:
    assert not LevelBook(MARKET, decimals=2).renew(plain("7"))
