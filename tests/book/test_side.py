"""One side: sizes by price, the best at once, levels in order."""

from __future__ import annotations

from decimal import Decimal

from tapewire.book import BookSide

LEVELS = [(5, 1), (3, 2), (9, 3)]


def side(*, descending: bool) -> BookSide[int]:
    made: BookSide[int] = BookSide(descending=descending)
    made.replace(LEVELS)
    return made


def test_the_best_bid_is_the_highest_and_the_best_offer_the_lowest() -> None:
    assert side(descending=True).best == (9, 3)
    assert side(descending=False).best == (3, 2)
    assert side(descending=True).best_price == 9
    assert side(descending=False).best_price == 3


def test_an_empty_side_has_no_best() -> None:
    empty: BookSide[float] = BookSide(descending=True)
    assert empty.best is None
    assert empty.best_price is None
    assert empty.top(3) == []
    assert len(empty) == 0


def test_levels_come_best_first_and_no_more_than_asked_for() -> None:
    assert side(descending=True).top(2) == [(9, 3), (5, 1)]
    assert side(descending=False).top(2) == [(3, 2), (5, 1)]
    assert side(descending=True).top(99) == list(side(descending=True)) == [(9, 3), (5, 1), (3, 2)]
    assert side(descending=False).top(0) == side(descending=True).top(-1) == []


def test_a_size_replaces_and_zero_removes() -> None:
    bids = side(descending=True)
    bids.apply([(9, 0), (5, 7), (4, 4), (100, 0)])
    assert list(bids) == [(5, 7), (4, 4), (3, 2)]
    assert bids.size_at(5) == 7
    assert bids.size_at(9) is None


def test_the_last_word_on_a_price_counts_in_frames_and_in_snapshots() -> None:
    applied, replaced = side(descending=False), side(descending=False)
    applied.clear()
    for change in (applied.apply, replaced.replace):
        change([(1, 1), (2, 2), (1, 0), (2, 5)])
    assert list(applied) == list(replaced) == [(2, 5)]


def test_a_decimal_price_is_one_level_however_it_is_written() -> None:
    offers: BookSide[Decimal] = BookSide(descending=False)
    offers.apply([(Decimal("1.10"), Decimal(1)), (Decimal("1.1"), Decimal(2))])
    assert list(offers) == [(Decimal("1.1"), Decimal(2))]
    offers.apply([(Decimal("1.100"), Decimal("0.00"))])
    assert len(offers) == 0


def test_what_is_told_beside_levels_is_what_reading_gives() -> None:
    offers: BookSide[float] = BookSide(descending=False)
    offers.replace([(1.5, 2.0), (1.25, 1.0)], [("1.50", "2"), ("1.25", "1")])
    assert offers.top(2) == [("1.25", "1"), ("1.50", "2")]
    offers.apply([(1.5, 0.0), (1.25, 3.0), (1.0, 1.0)], [("1.5", "0"), ("1.250", "3"), ("1", "1")])
    assert list(offers) == [("1", "1"), ("1.250", "3")]
    assert offers.prices == [1.0, 1.25]


def test_the_repr_says_which_side_it_is() -> None:
    assert repr(side(descending=True)) == "<bids: 3 levels, best (9, 3)>"
    assert repr(side(descending=False)) == "<offers: 3 levels, best (3, 2)>"
