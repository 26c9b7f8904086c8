from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.market import BookView, Continuity
from tapewire.marks import ContinuityState

sizes = st.decimals(min_value="0.01", max_value="1000", places=2)


class Books:
    """Levels that a test sets."""

    def __init__(self, bids=(), offers=()):
        self.all = {"bids": list(bids), "offers": list(offers)}
        self.asked = []
        self.last = 7
        self.venue_time_ns = 5
        self.received_at_ns = 6

    def bids(self, depth=None):
        return self._top("bids", depth)

    def offers(self, depth=None):
        return self._top("offers", depth)

    def _top(self, side, depth):
        self.asked.append(depth)
        return self.all[side][:depth]


def level(price: str, size: str) -> tuple[Decimal, Decimal]:
    return Decimal(price), Decimal(size)


def view(books: Books, depth: int | None = None, state: ContinuityState = ContinuityState.LIVE) -> BookView:
    now = Continuity(state=state, proof="chained", since_ns=1, reason="" if state == "live" else "cut")
    return BookView("venue", "thing", books, lambda: now, depth)


SANE = (
    [level("0.40", "10"), level("0.39", "20")],
    [level("0.42", "5"), level("0.45", "7"), level("0.50", "9")],
)


def test_best_mid_and_spread_are_exact_and_cost_one_level():
    books = Books(*SANE)
    shown = view(books)
    assert shown.best_bid == level("0.40", "10")
    assert shown.best_offer == level("0.42", "5")
    assert (shown.mid, shown.spread) == (Decimal("0.41"), Decimal("0.02"))
    assert set(books.asked) == {1}


def test_it_is_the_living_book_and_a_snapshot_keeps_it():
    books = Books(*SANE)
    shown = view(books)
    kept = shown.snapshot()
    books.all["bids"] = [level("0.30", "1")]
    assert shown.best_bid == level("0.30", "1")
    assert kept.bids == tuple(SANE[0])
    assert (kept.last, kept.venue_time_ns, kept.received_at_ns) == (7, 5, 6)


def test_no_more_levels_are_shown_than_were_asked_for():
    books = Books(*SANE)
    shown = view(books, depth=2)
    assert len(shown.offers()) == len(shown.offers(5)) == 2
    assert len(shown.offers(1)) == 1
    assert set(books.asked) == {1, 2}
    assert len(shown.snapshot().offers) == 2


def test_a_side_that_is_empty_has_no_best_and_no_middle():
    shown = view(Books([level("0.40", "10")]))
    assert (shown.best_offer, shown.mid, shown.spread, shown.is_crossed) == (None, None, None, False)


def test_a_book_that_would_have_traded_with_itself_is_crossed():
    assert view(Books([level("0.42", "1")], [level("0.42", "1")])).is_crossed
    assert not view(Books(*SANE)).is_crossed


def test_whether_it_may_be_quoted_on_is_asked_of_the_feed():
    shown = view(Books(*SANE), state=ContinuityState.STALE)
    assert not shown.is_live
    assert shown.reason == "cut"
    assert view(Books(*SANE)).is_live


@pytest.mark.parametrize(
    ("side", "size", "price"),
    [
        ("buy", "5", "0.42"),
        ("buy", "12", "0.4375"),
        ("sell", "30", "0.39333333333333333333"),
        ("buy", "22", None),
        ("sell", "31", None),
    ],
)
def test_the_price_for_a_size_walks_the_levels_that_an_order_would_take(side, size, price):
    expected = None if price is None else Decimal(price)
    assert view(Books(*SANE)).price_for_size(side, Decimal(size)) == expected


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda shown: shown.price_for_size("bid", Decimal(1)), "side"),
        (lambda shown: shown.price_for_size("buy", 1.5), "size"),
        (lambda shown: shown.price_for_size("buy", Decimal(0)), "size"),
        (lambda shown: shown.price_for_size("buy", Decimal("NaN")), "size"),
        (lambda shown: shown.bids(0), "depth"),
        (lambda shown: shown.offers(True), "depth"),
    ],
)
def test_a_wrong_argument_is_named(call, argument):
    with pytest.raises(ConfigurationError, match=f"^{argument}="):
        call(view(Books(*SANE)))


@given(st.lists(sizes, min_size=1, max_size=6), st.data())
def test_a_larger_size_is_never_cheaper_and_never_better_than_the_best(held, data):
    offers = [(Decimal(number + 1) / 100, size) for number, size in enumerate(held)]
    shown = view(Books([], offers))
    smaller, larger = sorted(data.draw(st.tuples(sizes, sizes)))
    first, second = shown.price_for_size("buy", smaller), shown.price_for_size("buy", larger)
    assert (second is None) is (larger > sum(held))
    if first is not None:
        assert first >= offers[0][0]
    if first is not None and second is not None:
        assert second >= first
