"""One market's book of orders: seeds, updates, what is older than what, and what is not proven."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.book import Applied, Ignored, Resync
from tapewire.model import ODDS_SCALE
from tapewire.protocols.centrifugo import SeenIds
from tapewire.venues.sxbet.book import MarketBook
from tapewire.venues.sxbet.wire import OrderRow, Rows
from tests.venues.sxbet.rows import MARKET, OTHER, order_row

HALF = ODDS_SCALE // 2


def row(number: int = 1, **changes: Any) -> OrderRow:
    """A row of a snapshot."""
    return msgspec.convert(order_row(number) | changes, OrderRow)


def update(
    number: int = 1, status: str = "ACTIVE", at: int = 1, filled: int = 0, pending: int = 0, **changes: Any
) -> OrderRow:
    told = {
        "status": status,
        "updateTime": str(1_747_490_000_000 + at),
        "fillAmount": str(filled),
        "pendingFillAmount": str(pending),
    }
    return row(number, **(told | changes), orderStatus=None)


def hash_of(number: int) -> str:
    return row(number).order_hash


def live(*rows: OrderRow, **settings: Any) -> MarketBook:
    book = MarketBook(MARKET, **settings)
    book.seed(rows)
    return book


def sizes(book: MarketBook) -> list[int]:
    return [size for _, size in (*book.levels.bids, *book.levels.offers)]


def test_a_book_is_not_tradable_before_its_snapshot() -> None:
    book = MarketBook(MARKET)
    assert book.state == "empty"
    assert isinstance(book.apply([update()]), Ignored)
    assert isinstance(book.seed([row()]), Applied)
    assert book.is_tradable


def test_orders_at_one_price_add_up_on_both_sides_of_the_axis() -> None:
    book = live(
        row(1, percentageOdds=str(HALF)),
        row(2, percentageOdds=str(HALF), fillAmount="10000000"),
        row(3, percentageOdds="40000000000000000000", isMakerBettingOutcomeOne=False),
    )
    assert list(book.levels.bids) == [(HALF, 90_000_000)]
    assert list(book.levels.offers) == [(6 * 10**19, 50_000_000)]


def test_a_crossed_book_is_a_true_one() -> None:
    book = live(
        row(1, percentageOdds="55000000000000000000"),
        row(2, percentageOdds="50000000000000000000", isMakerBettingOutcomeOne=False),
    )
    assert book.is_tradable
    assert book.levels.is_crossed


def test_an_empty_market_has_a_live_empty_book() -> None:
    assert live().is_tradable


@pytest.mark.parametrize(
    ("status", "filled", "pending", "left", "is_known"),
    [
        ("ACTIVE", 20, 0, [30], True),
        ("ACTIVE", 20, 10, [20], True),
        ("INACTIVE", 0, 50, [], True),
        ("INACTIVE", 10, 20, [20], True),
        ("INACTIVE", 0, 0, [], False),
        ("FILLED", 49, 0, [], False),
    ],
)
def test_updates_follow_the_status_table(
    status: str, filled: int, pending: int, left: list[int], is_known: bool
) -> None:
    book = live(row())
    book.apply([update(status=status, filled=filled * 10**6, pending=pending * 10**6)])
    assert sizes(book) == [size * 10**6 for size in left]
    assert (book.order(hash_of(1)) is not None) is is_known


def test_a_held_order_comes_back_when_its_fill_is_rejected() -> None:
    book = live(row())
    book.apply([update(status="INACTIVE", pending=50_000_000, at=1)])
    assert sizes(book) == []
    held = book.order(hash_of(1))
    assert held is not None
    assert held.phase == "held"
    book.apply([update(at=2)])
    assert sizes(book) == [50_000_000]


def test_a_held_order_is_gone_when_its_fill_is_confirmed() -> None:
    book = live(row())
    book.apply([update(status="INACTIVE", pending=50_000_000, at=1)])
    book.apply([update(status="FILLED", filled=50_000_000, at=2)])
    assert sizes(book) == []
    assert book.order(hash_of(1)) is None


def test_updates_of_one_message_count_in_the_order_of_their_time() -> None:
    book = live(row())
    book.apply([update(status="FILLED", filled=50, at=3), update(filled=10, at=2)])
    assert sizes(book) == []


def test_an_older_update_changes_nothing() -> None:
    book = live(row())
    book.apply([update(filled=20_000_000, at=5)])
    assert isinstance(book.apply([update(at=4)]), Ignored)
    assert sizes(book) == [30_000_000]


def test_of_two_updates_of_one_moment_the_one_with_more_filled_counts() -> None:
    book = live(row())
    book.apply([update(filled=20_000_000, at=5)])
    assert isinstance(book.apply([update(at=5)]), Ignored)
    assert isinstance(book.apply([update(at=5, filled=30_000_000)]), Applied)
    assert sizes(book) == [20_000_000]


def test_a_late_update_does_not_bring_a_filled_order_back() -> None:
    book = live(row())
    book.apply([update(status="FILLED", at=5, filled=50_000_000)])
    assert isinstance(book.apply([update(at=4)]), Ignored)
    assert (sizes(book), book.order(hash_of(1))) == ([], None)


def test_rows_of_other_markets_and_tokens_are_passed_over() -> None:
    book = live(row(), base_token="0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B")
    assert isinstance(book.apply([update(2, marketHash=OTHER)]), Ignored)
    assert isinstance(book.apply([update(2, baseToken="0xaa99")]), Ignored)
    book.apply([update(2, baseToken="0x6629ce1cf35cc1329ebb4f63202f3f197b3f050b"), update(3, baseToken=None)])
    assert sizes(book) == [150_000_000]


def test_a_snapshot_that_lags_brings_no_filled_order_back() -> None:
    book = live(row())
    book.apply([update(status="FILLED", filled=50_000_000, at=5)])
    book.invalidate("a gap")
    book.seed([row()])
    assert sizes(book) == []


def test_a_snapshot_that_lags_takes_no_fill_back() -> None:
    book = live(row())
    book.apply([update(filled=30_000_000, at=5)])
    book.seed([row(fillAmount="10000000")])
    assert sizes(book) == [20_000_000]


def test_a_cancelled_order_may_return_with_a_snapshot() -> None:
    book = live(row())
    book.apply([update(status="INACTIVE", at=5)])
    book.seed([row()])
    assert sizes(book) == [50_000_000]


def test_a_late_update_does_not_bring_back_what_a_snapshot_no_longer_has() -> None:
    book = live(row())
    book.apply([update(at=5)])
    book.seed([])
    assert isinstance(book.apply([update(at=4)]), Ignored)
    assert (sizes(book), book.order(hash_of(1))) == ([], None)
    book.apply([update(at=6)])
    assert sizes(book) == [50_000_000]


def test_a_row_of_a_snapshot_keeps_the_time_that_was_known() -> None:
    book = live(row())
    book.apply([update(at=5)])
    book.seed([row()])
    assert isinstance(book.apply([update(status="INACTIVE", at=4)]), Ignored)
    assert sizes(book) == [50_000_000]


def test_a_message_that_comes_by_both_channels_counts_once() -> None:
    book = live(row(), seen=SeenIds(100))
    assert isinstance(book.apply([update(filled=1, at=5)], "m-1"), Applied)
    assert book.apply([update(filled=1, at=5)], "m-1") == Ignored("a duplicate message")
    assert isinstance(book.apply([update(filled=2, at=6)], None), Applied)


def test_an_order_whose_values_cannot_be_is_taken_out_and_counted() -> None:
    book = live(row(1), row(2), row(3, percentageOdds="750000000000000000000"))
    assert book.unreadable == 1
    assert sizes(book) == [100_000_000]
    assert isinstance(book.apply([update(1, totalBetSize="-1")]), Applied)
    assert (book.unreadable, sizes(book), book.is_tradable) == (2, [50_000_000], True)
    book.apply([update(1, at=9)])
    assert sizes(book) == [100_000_000]


@pytest.mark.parametrize("order_hash", ["", "x" * 300])
def test_an_order_without_a_usable_hash_is_left_out(order_hash: str) -> None:
    book = live(row(1), row(2, orderHash=order_hash))
    book.apply([update(3, orderHash=order_hash)])
    assert (sizes(book), book.unreadable, book.is_tradable) == ([50_000_000], 2, True)


def test_an_update_that_cannot_even_be_read_asks_for_a_snapshot() -> None:
    book = live(row())
    assert isinstance(book.apply(Rows((update(),), unreadable=1, fault="no hash")), Resync)
    assert book.state == "stale"


def test_a_snapshot_with_unreadable_rows_is_taken_and_says_so() -> None:
    book = MarketBook(MARKET)
    book.seed(Rows((row(),), unreadable=2, fault="?"))
    assert (book.unreadable, book.is_tradable) == (2, True)


def test_the_edge_shows_probabilities_and_contracts_of_either_outcome() -> None:
    book = live(
        row(1, percentageOdds=str(HALF), totalBetSize="10000000"),
        row(2, percentageOdds="40000000000000000000", totalBetSize="4000000", isMakerBettingOutcomeOne=False),
    )
    one = book.snapshot(7)
    assert one.bids == ((Decimal("0.5"), Decimal(20)),)
    assert one.offers == ((Decimal("0.6"), Decimal(10)),)
    two = book.snapshot(7, outcome=2)
    assert two.bids == ((Decimal("0.4"), Decimal(10)),)
    assert two.offers == ((Decimal("0.5"), Decimal(20)),)
    assert (one.instrument_id, two.instrument_id) == (f"{MARKET}:1", f"{MARKET}:2")
    assert book.snapshot(7, depth=0).bids == ()


numbers = st.integers(min_value=1, max_value=4)
changes = st.tuples(
    numbers,
    st.sampled_from(["ACTIVE", "INACTIVE", "FILLED"]),
    st.integers(min_value=0, max_value=50_000_000),
    st.sampled_from([0, 10_000_000]),
)


@given(st.lists(changes, max_size=20), st.data())
def test_the_book_does_not_depend_on_the_order_of_arrival(told: list[Any], data: st.DataObject) -> None:
    """Updates with different times leave the same book whichever way they are shuffled and cut into messages."""
    updates = [
        update(number, status, at=at, filled=filled, pending=pending)
        for at, (number, status, filled, pending) in enumerate(told)
    ]
    straight, shuffled = live(), live()
    for one in updates:
        straight.apply([one])
    mixed = data.draw(st.permutations(updates))
    while mixed:
        cut = data.draw(st.integers(min_value=1, max_value=len(mixed)))
        shuffled.apply(mixed[:cut])
        mixed = mixed[cut:]
    assert straight.snapshot(0) == shuffled.snapshot(0)
    assert all(straight.order(hash_of(n)) == shuffled.order(hash_of(n)) for n in range(5))


@given(st.lists(changes, max_size=15), st.lists(changes, max_size=5))
def test_the_levels_are_always_the_sum_of_the_orders(told: list[Any], seeded: list[Any]) -> None:
    """The sizes of all levels are together what remains of all known orders."""
    book = live(*(row(number, fillAmount=str(filled)) for number, _, filled, _ in seeded))
    for number, status, filled, pending in told:
        book.apply([update(number, status, at=filled % 7, filled=filled, pending=pending)])
    known = [book.order(hash_of(number)) for number in (1, 2, 3, 4)]
    assert sum(sizes(book)) == sum(order.remaining for order in known if order)
    assert book.is_tradable
