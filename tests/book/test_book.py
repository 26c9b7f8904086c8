"""A book is right and live, or it says that it is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.book import CHAINED, VERSIONED, Applied, Held, Ignored, OrderBook, Resync
from tapewire.errors import ConfigurationError
from tapewire.model import on_axis

D = Decimal


def live(**options: Any) -> OrderBook[float]:
    book = OrderBook(float, **options)
    assert book.replace([(10.0, 1.0), (9.0, 2.0)], [(11.0, 3.0), (12.0, 4.0)], 100) == Applied()
    return book


def test_the_touch_is_the_highest_bid_and_the_lowest_offer() -> None:
    book = live()
    assert book.best_bid == (10.0, 1.0)
    assert book.best_offer == (11.0, 3.0)
    assert book.mid == 10.5
    assert book.spread == 1.0
    assert not book.is_crossed
    assert book.is_tradable


def test_money_that_backs_the_outcome_is_a_bid_in_its_book() -> None:
    book = OrderBook(Decimal, price_below=1)
    levels: dict[str, list[tuple[Decimal, Decimal]]] = {"bid": [], "offer": []}
    for probability, backs in [(D("0.55"), True), (D("0.42"), False)]:
        side, price = on_axis(probability, backs=backs)
        levels[side].append((price, D(100)))
    book.replace(levels["bid"], levels["offer"])
    assert book.best_bid == (D("0.55"), D(100))
    assert book.best_offer == (D("0.58"), D(100))
    assert book.mid == D("0.565")
    assert book.spread == D("0.03")


def test_a_frame_is_applied_whole_before_anyone_reads_the_touch() -> None:
    book = live()
    # 11 leaves the offers and enters the bids: either half alone, in this order, would have crossed the book.
    assert book.apply([(11.0, 5.0)], [(11.0, 0.0)]) == Applied()
    assert (book.best_bid, book.best_offer) == ((11.0, 5.0), (12.0, 4.0))
    assert book.apply([(11.0, 0.0)], [(10.5, 1.0)]) == Applied()
    assert (book.best_bid, book.best_offer) == ((10.0, 1.0), (10.5, 1.0))


def test_levels_that_were_checked_are_applied_by_the_same_rules() -> None:
    book = live(numbering=CHAINED)
    assert book.apply_checked([(10.0, 5.0)], [(11.0, 0.0)], 100, 101) == Applied()
    assert (book.best_bid, book.best_offer, book.last) == ((10.0, 5.0), (12.0, 4.0), 101)
    assert isinstance(book.apply_checked([(10.0, 6.0)], [], 102, 103), Resync)
    assert not book.is_tradable
    crossed = live()
    assert crossed.apply_checked([(11.0, 1.0)], []) == Resync("the book is crossed")


def test_only_a_live_book_is_tradable() -> None:
    book = OrderBook(float)
    assert (book.state, book.is_tradable) == ("empty", False)
    book.seed()
    assert (book.state, book.is_tradable) == ("seeding", False)
    assert book.reason == "no snapshot yet"
    book.replace([], [])
    assert (book.state, book.is_tradable, book.reason) == ("live", True, "")
    book.invalidate("connection lost")
    assert (book.state, book.is_tradable, book.reason) == ("stale", False, "connection lost")
    book.replace([], [])
    book.seed()
    assert (book.state, book.is_tradable) == ("seeding", False)


def test_invalidating_an_empty_book_leaves_it_empty() -> None:
    book = OrderBook(float)
    book.invalidate("connection lost")
    assert (book.state, book.reason) == ("empty", "connection lost")


INSANE: list[Any] = [
    [(0.0, 1.0)], [(-1.0, 1.0)], [(1.0, -1.0)], [(float("nan"), 1.0)], [(1.0, float("nan"))], [(float("inf"), 1.0)],
    [(1.0, float("inf"))], [(1e21, 1.0)], [(1.0, 1e31)], [("1", 1.0)], [(1.0, "1")], [(1, 1)], [(True, 1.0)],
    [(D(1), D(1))], [(1.0,)], [1.0], [None], [(1.0, 1.0, 1.0)], None, 5, [([], 1.0)], [(10**400, 1.0)],
]  # fmt: skip


@pytest.mark.parametrize("levels", INSANE, ids=range(len(INSANE)))
def test_an_insane_frame_quarantines_the_book_and_touches_no_level(levels: Any) -> None:
    for feed in ("apply", "replace"):
        for bids, offers in ((levels, [(12.0, 9.0)]), ([(9.0, 9.0)], levels)):
            book = live()
            verdict = getattr(book, feed)(bids, offers)
            assert isinstance(verdict, Resync)
            assert (book.state, book.reason) == ("stale", verdict.reason)
            assert list(book.bids) == [(10.0, 1.0), (9.0, 2.0)]
            assert list(book.offers) == [(11.0, 3.0), (12.0, 4.0)]


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-1", "0", "1e21"])
def test_an_insane_decimal_raises_nothing(price: str) -> None:
    book = OrderBook(Decimal)
    assert isinstance(book.replace([(D(price), D(1))], []), Resync)
    assert not book.is_tradable


def test_a_probability_is_below_one() -> None:
    book = OrderBook(Decimal, price_below=1)
    assert isinstance(book.replace([(D(1), D(1))], []), Resync)
    assert isinstance(book.replace([(D("0.99"), D(1))], []), Applied)


@pytest.mark.parametrize("offer", [10.0, 9.5])
def test_a_crossed_or_locked_book_is_quarantined(offer: float) -> None:
    book = live()
    assert book.apply([], [(offer, 1.0)]) == Resync("the book is crossed")
    assert book.is_crossed
    assert not book.is_tradable
    assert not book.snapshot().is_tradable
    assert book.replace([(10.0, 1.0)], [(offer, 1.0)]) == Resync("the book is crossed")
    assert isinstance(book.replace([(10.0, 1.0)], [(11.0, 1.0)]), Applied)


def test_where_resting_orders_do_not_match_each_other_a_book_may_cross() -> None:
    book = live(may_cross=True)
    assert book.apply([], [(9.5, 1.0)]) == Applied()
    assert book.is_crossed
    assert book.is_tradable


def test_after_a_quarantine_only_a_snapshot_helps() -> None:
    book = live()
    book.apply([(-1.0, 1.0)], [])
    assert book.apply([(10.0, 7.0)], []) == Ignored("no snapshot yet")
    assert book.best_bid == (10.0, 1.0)
    book.replace([(10.0, 7.0)], [])
    assert book.is_tradable


def test_the_venues_room_may_quarantine_it_too() -> None:
    book = live()
    assert book.quarantine("the checksum differs") == Resync("the checksum differs")
    assert book.state == "stale"


def test_the_number_of_levels_is_bounded() -> None:
    book = OrderBook(float, max_levels=2)
    book.replace([(1.0, 1.0), (2.0, 1.0)], [])
    assert book.apply([(3.0, 1.0)], []) == Resync("more than 2 levels")
    assert book.replace([(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)], []) == Resync("a frame of more than 2 levels")


def test_a_hole_makes_the_book_stale_and_a_snapshot_with_what_was_held_makes_it_live() -> None:
    book = live(numbering=CHAINED)
    assert book.apply([(10.0, 2.0)], [], 100, 105) == Applied()
    assert book.last == 105
    assert isinstance(book.apply([(10.0, 4.0)], [], 110, 115), Resync)
    assert (book.snapshot().state, book.snapshot().last) == ("stale", None)
    book.seed()
    assert book.apply([(8.0, 8.0)], [], 115, 120) == Held(2)
    assert book.state == "seeding"
    assert isinstance(book.replace([(10.0, 3.0)], [], 110), Applied)
    assert list(book.bids) == [(10.0, 4.0), (8.0, 8.0)]
    assert (book.state, book.last) == ("live", 120)


def test_a_snapshot_that_does_not_reach_the_held_deltas_is_not_shown() -> None:
    book = OrderBook(float, numbering=CHAINED)
    book.seed()
    book.apply([(1.0, 1.0)], [], 10, 11)
    verdict = book.replace([(2.0, 1.0)], [], 5)
    assert isinstance(verdict, Resync)
    assert verdict.retry
    assert len(book.bids) == 0
    assert book.state == "stale"
    assert isinstance(book.replace([(2.0, 1.0)], [], 10), Applied)
    assert list(book.bids) == [(2.0, 1.0), (1.0, 1.0)]


def test_held_deltas_that_cross_the_book_quarantine_it() -> None:
    book = OrderBook(float, numbering=CHAINED)
    book.apply([], [(1.0, 1.0)], 10, 11)
    assert book.replace([(2.0, 1.0)], [], 10) == Resync("the book is crossed")
    assert (book.state, book.last) == ("stale", None)


def test_what_an_older_connection_held_is_forgotten() -> None:
    book = OrderBook(float, numbering=CHAINED)
    book.apply([(1.0, 1.0)], [], 10, 11)
    book.invalidate("connection lost")
    book.replace([(2.0, 1.0)], [], 10)
    assert list(book.bids) == [(2.0, 1.0)]


def test_a_late_snapshot_does_not_turn_a_live_book_back() -> None:
    book = live(numbering=CHAINED)
    assert isinstance(book.replace([(1.0, 1.0)], [], 99), Ignored)
    assert book.best_bid == (10.0, 1.0)
    assert book.is_tradable


def test_a_versioned_book_is_replaced_by_newer_versions_only() -> None:
    book = OrderBook(int, numbering=VERSIONED)
    newer, older = 100000000000010016000, 100000000000010015000
    assert book.replace([(5, 1)], [], newer) == Applied()
    assert book.replace([(6, 1)], [], older) == Ignored("the version is not newer")
    assert book.best_bid == (5, 1)
    assert book.last == newer


def test_a_snapshot_of_the_book_stays_as_it_is() -> None:
    book = live()
    whole, top = book.snapshot(), book.snapshot(1)
    book.apply([(10.0, 0.0)], [])
    assert whole.bids == ((10.0, 1.0), (9.0, 2.0))
    assert whole.offers == ((11.0, 3.0), (12.0, 4.0))
    assert (top.bids, top.offers) == (((10.0, 1.0),), ((11.0, 3.0),))
    assert whole.is_tradable
    with pytest.raises(AttributeError):
        whole.state = "stale"  # type: ignore[misc]


def test_a_one_sided_book_has_no_mid_and_no_spread() -> None:
    book = OrderBook(float)
    book.replace([(1.0, 1.0)], [])
    assert (book.mid, book.spread, book.best_offer, book.is_crossed) == (None, None, None, False)


def test_the_mid_of_scaled_odds_is_exact() -> None:
    book = OrderBook(int)
    book.replace([(55 * 10**18, 1)], [(55 * 10**18 + 1, 1)])
    assert book.mid == D(55 * 10**18) + D("0.5")
    assert book.spread == 1


def test_a_decimal_of_a_thousand_digits_raises_nothing() -> None:
    book = OrderBook(Decimal)
    book.replace([(D("1." + "1" * 1000), D(1))], [(D("2." + "3" * 1000), D(1))])
    assert book.mid is not None
    assert book.spread is not None


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigurationError, match="number="):
        OrderBook(str)  # type: ignore[type-var]
    with pytest.raises(ConfigurationError, match="max_levels="):
        OrderBook(float, max_levels=0)


def test_the_repr_shows_the_state_and_the_touch() -> None:
    assert repr(live()) == "<OrderBook live: (10.0, 1.0) | (11.0, 3.0)>"


def test_what_is_told_is_read_of_a_snapshot_of_what_was_held_and_of_changes() -> None:
    book = OrderBook(float, numbering=CHAINED)
    book.apply([(2.0, 1.0)], [], 5, 6, ([("2.0", "1")], []))
    book.replace([(1.0, 1.0)], [(3.0, 1.0)], 5, ([("1.0", "1")], [("3.0", "1")]))
    book.apply([], [(4.0, 1.0)], 6, 7, ([], [("4.0", "1")]))
    assert (list(book.bids), list(book.offers)) == (
        [("2.0", "1"), ("1.0", "1")],
        [("3.0", "1"), ("4.0", "1")],
    )
