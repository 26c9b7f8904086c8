"""Single orders add up to levels, in whatever order their updates come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.book import Applied, Ignored, RestingOrder, RestingOrderBook, Resync
from tapewire.book.orders import GONE_CAPACITY
from tapewire.errors import ConfigurationError


def order(
    order_id: str, price: int = 50, size: int = 10, at: int | None = 1, side: Any = "bid"
) -> RestingOrder[int]:
    return RestingOrder(order_id=order_id, side=side, price=price, size=size, updated_at=at)


def book_of(*orders: RestingOrder[int], **options: Any) -> RestingOrderBook[int]:
    book = RestingOrderBook(int, **options)
    book.seed()
    assert isinstance(book.replace_all(orders), Applied)
    return book


def test_orders_at_one_price_add_up() -> None:
    book = book_of(order("a"), order("b", size=5), order("c", price=60, side="offer"))
    assert book.levels.best_bid == (50, 15)
    assert book.levels.best_offer == (60, 10)
    assert len(book) == 3
    assert book.state == "live"


def test_an_update_replaces_the_order_and_its_level() -> None:
    book = book_of(order("a"), order("b"))
    assert book.upsert(order("a", size=4, at=2)) == Applied()
    assert book.levels.best_bid == (50, 14)
    assert book.upsert(order("a", price=51, size=4, at=3)) == Applied()
    assert list(book.levels.bids) == [(51, 4), (50, 10)]
    assert book.upsert(order("a", price=70, size=4, at=4, side="offer")) == Applied()
    assert list(book.levels.bids) == [(50, 10)]
    assert list(book.levels.offers) == [(70, 4)]


def test_an_order_of_size_zero_is_gone_and_so_is_its_level_with_the_last() -> None:
    book = book_of(order("a"), order("b"))
    book.upsert(order("a", size=0, at=2))
    assert book.levels.best_bid == (50, 10)
    assert [each.order_id for each in book.orders()] == ["b"]
    assert book.remove("b") == Applied()
    assert book.orders() == ()
    assert book.order("b") is None
    assert len(book.levels.bids) == 0


def test_an_update_older_than_the_last_is_ignored() -> None:
    book = book_of(order("a", at=5))
    assert book.upsert(order("a", size=1, at=4)) == Ignored("older than what is known")
    assert book.remove("a", updated_at=4) == Ignored("older than what is known")
    assert book.levels.best_bid == (50, 10)
    assert book.upsert(order("a", size=1, at=5)) == Applied()


def test_two_updates_of_one_order_in_one_frame_end_in_the_newer() -> None:
    for frame in (
        [order("a", size=3, at=8), order("a", size=6, at=7)],
        [order("a", size=6, at=7), order("a", size=3, at=8)],
    ):
        book = book_of(order("a"))
        assert book.apply(frame) == Applied()
        assert book.levels.best_bid == (50, 3)


def test_a_late_update_does_not_bring_an_order_back() -> None:
    book = book_of(order("a", at=5))
    book.upsert(order("a", size=0, at=9))
    assert isinstance(book.upsert(order("a", at=8)), Ignored)
    assert len(book) == 0
    # A hold that ended: the same order returns with a newer time.
    assert book.upsert(order("a", at=10)) == Applied()
    assert book.levels.best_bid == (50, 10)


def test_the_end_of_an_order_may_arrive_before_its_beginning() -> None:
    book = book_of()
    assert book.remove("a", updated_at=5) == Ignored("no such order")
    assert isinstance(book.upsert(order("a", at=4)), Ignored)
    assert book.upsert(order("b", size=0, at=5)) == Applied()
    assert isinstance(book.upsert(order("b", at=4)), Ignored)
    assert len(book) == 0


def test_updates_without_a_time_count_as_they_come_and_keep_the_known_one() -> None:
    book = book_of(order("a", at=5))
    assert book.upsert(order("a", size=2, at=None)) == Applied()
    assert isinstance(book.upsert(order("a", at=4)), Ignored)
    assert book.remove("a") == Applied()
    assert isinstance(book.upsert(order("a", at=4)), Ignored)


def test_a_snapshot_is_all_there_is_and_its_rows_keep_known_times() -> None:
    book = book_of(order("a", at=5), order("b", at=5), order("gone", at=5))
    assert isinstance(book.replace_all([order("a", size=7, at=None), order("b", size=1, at=3)]), Applied)
    assert book.order("gone") is None
    assert book.order("a") == order("a", size=7, at=5)
    assert book.order("b") == order("b", at=5), "the row was older than what was known"
    assert book.levels.best_bid == (50, 17)
    for late in ("a", "b", "gone"):
        assert isinstance(book.upsert(order(late, size=99, at=4)), Ignored)


def test_a_snapshot_row_older_than_the_end_of_its_order_is_not_believed() -> None:
    book = book_of(order("a", at=5), order("b", at=5))
    book.apply([order("a", size=0, at=6), order("b", size=0, at=6)])
    book.replace_all([order("a", at=5), order("b", at=None)])
    assert book.order("a") is None
    assert book.order("b") == order("b", at=6)


def test_a_frame_is_one_change_of_the_levels() -> None:
    book = book_of(order("a", price=50), order("b", price=51, side="offer"))
    # The bid goes to 51 while the offer there goes: no moment in between is seen as crossed.
    assert book.apply([order("a", price=51, at=2), order("b", price=52, at=2, side="offer")]) == Applied()
    assert (book.levels.best_bid, book.levels.best_offer) == ((51, 10), (52, 10))


def test_nothing_is_applied_before_the_snapshot_or_after_a_gap() -> None:
    book = RestingOrderBook(int)
    assert book.upsert(order("a")) == Ignored("no snapshot yet")
    assert book.remove("a") == Ignored("no snapshot yet")
    assert len(book) == 0
    book = book_of(order("a"))
    book.invalidate("connection lost")
    assert book.upsert(order("b")) == Ignored("no snapshot yet")
    assert not book.snapshot().is_tradable


def test_a_crossed_book_of_orders_asks_for_a_resync_unless_it_may_cross() -> None:
    crossing = order("b", price=50, side="offer")
    book = book_of(order("a"))
    assert book.upsert(crossing) == Resync("the book is crossed")
    assert book.state == "stale"
    assert book_of(order("a"), may_cross=True).upsert(crossing) == Applied()


INSANE: list[Any] = [
    order("", at=2), order("x" * 257), order("a", price=0), order("a", size=-1), order("a", price=10**20),
    order("a", side="ask"), order("a", at=True), order("a", at="7"), order(7), order("a", price=0.5),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize("insane", INSANE, ids=range(len(INSANE)))
def test_an_insane_order_quarantines_the_book_and_touches_nothing(insane: Any) -> None:
    for feed in ("apply", "replace_all"):
        book = book_of(order("a"))
        assert isinstance(getattr(book, feed)([order("b"), insane]), Resync)
        assert book.state == "stale"
        assert [each.order_id for each in book.orders()] == ["a"]


@pytest.mark.parametrize(("order_id", "at"), [("", 1), (None, 1), ("x" * 257, 1), ("a", "1"), ("a", True)])
def test_a_removal_of_nothing_nameable_quarantines_the_book(order_id: Any, at: Any) -> None:
    book = book_of(order("a"))
    assert isinstance(book.remove(order_id, at), Resync)
    assert book.state == "stale"


def test_the_number_of_orders_is_bounded() -> None:
    book = book_of(order("a"), order("b"), max_orders=2)
    assert book.upsert(order("c")) == Resync("more than 2 orders")
    assert book.replace_all([order("a"), order("b"), order("c")]) == Resync("more than 2 orders")
    assert isinstance(book.replace_all([order("a"), order("b")]), Applied)
    moved = [order("a", price=1, at=2), order("b", price=2, at=2)]
    assert book.apply(moved) == Applied(), "old and new prices of all orders fit into one frame"


def test_orders_that_are_gone_are_remembered_up_to_a_bound() -> None:
    book = book_of()
    for number in range(GONE_CAPACITY + 1):
        book.remove(f"o{number}", updated_at=5)
    assert isinstance(book.upsert(order(f"o{GONE_CAPACITY}", at=4)), Ignored)
    assert book.upsert(order("o0", at=4)) == Applied()


def test_decimal_sizes_add_up_exactly_and_floats_are_refused() -> None:
    book = RestingOrderBook(Decimal, price_below=1)
    price = Decimal("0.5")
    sizes = {"a": Decimal("0.1"), "b": Decimal("0.2")}
    book.replace_all([RestingOrder(order_id=i, side="bid", price=price, size=s) for i, s in sizes.items()])
    assert book.levels.best_bid == (price, Decimal("0.3"))
    book.remove("a")
    assert book.levels.best_bid == (price, Decimal("0.2"))
    with pytest.raises(ConfigurationError, match="number="):
        RestingOrderBook(float)
    with pytest.raises(ConfigurationError, match="max_orders="):
        RestingOrderBook(int, max_orders=0)


def test_an_empty_frame_changes_nothing() -> None:
    book = book_of(order("a"))
    assert book.apply([]) == Applied()
    assert "1 orders" in repr(book)


def test_a_level_goes_with_its_last_order_whatever_rounding_left_of_its_sum() -> None:
    book = RestingOrderBook(Decimal)
    sizes = {"huge": Decimal("1e29"), "tiny": Decimal("1e-90")}
    book.replace_all(
        [RestingOrder(order_id=i, side="bid", price=Decimal(1), size=s) for i, s in sizes.items()]
    )
    assert book.remove("huge") == Applied()
    assert book.remove("tiny") == Applied()
    assert len(book.levels.bids) == 0
    assert book.state == "live"
