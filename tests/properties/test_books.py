"""Books against naive ones, and against a truth seen through a line that loses, repeats, reorders and lies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.book import (
    CHAINED,
    CONSECUTIVE,
    UNNUMBERED,
    VERSIONED,
    Applied,
    Held,
    Ignored,
    Numbering,
    OrderBook,
    RestingOrder,
    RestingOrderBook,
    Resync,
)

OVERLAPPING = Numbering(kind="linked", step=1, overlap=True)
VERDICTS = (Applied, Held, Ignored, Resync)

Sides: TypeAlias = tuple[dict[Any, Any], dict[Any, Any]]

frames = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=5),
        st.lists(st.tuples(st.integers(9, 20), st.integers(0, 3)), max_size=5),
    ),
    max_size=20,
)


def naive(side: dict[Any, Any], levels: list[Any]) -> None:
    for price, size in levels:
        side.pop(price, None)
        if size:
            side[price] = size


def levels_of(book: OrderBook[Any]) -> Sides:
    return dict(book.bids), dict(book.offers)


@given(frames, st.sampled_from([int, float, lambda n: Decimal(n) / 8]))
def test_a_book_is_what_a_naive_one_is(updates: list[Any], number: Callable[[int], Any]) -> None:
    """After any frames a book has the levels, the order and the touch of two plain dicts."""
    book: OrderBook[Any] = OrderBook(type(number(1)), may_cross=True)
    book.replace([], [])
    bids: dict[Any, Any] = {}
    offers: dict[Any, Any] = {}
    for frame in updates:
        frame_bids, frame_offers = ([(number(p), number(s)) for p, s in levels] for levels in frame)
        assert book.apply(frame_bids, frame_offers) == Applied()
        naive(bids, frame_bids)
        naive(offers, frame_offers)
        assert book.bids.best_price == max(bids, default=None)
        assert book.offers.best_price == min(offers, default=None)
        assert book.bids.top(3) == sorted(bids.items(), reverse=True)[:3]
        assert list(book.offers) == sorted(offers.items())
        assert (len(book.bids), len(book.offers)) == (len(bids), len(offers))
        assert book.is_crossed == bool(bids and offers and max(bids) >= min(offers))


@given(frames)
def test_a_frame_is_all_or_a_resync(updates: list[Any]) -> None:
    """A frame leaves a book that is live and not crossed, or the verdict is a resync and the book is not live."""
    book = OrderBook(int)
    book.replace([], [])
    for bids, offers in updates:
        verdict = book.apply(bids, offers)
        assert isinstance(verdict, Resync) == book.is_crossed == (not book.is_tradable)
        if isinstance(verdict, Resync):
            book.replace([], [])


@given(
    frames,
    st.integers(0, 5),
    st.sampled_from([(0, 1), (1, -1), (1.5, 1), (1, None), (10**20, 1), ("1", 1), 7]),
)
def test_one_insane_level_spoils_its_whole_frame(updates: list[Any], place: int, insane: Any) -> None:
    """A frame with one insane level anywhere changes no level and asks for a resync."""
    book = OrderBook(int, may_cross=True)
    book.replace([], [])
    for bids, offers in updates:
        before = levels_of(book)
        for spoiled in (
            ([*bids[:place], insane, *bids[place:]], offers),
            (bids, [*offers[:place], insane, *offers[place:]]),
        ):
            assert isinstance(book.apply(*spoiled), Resync)
            assert levels_of(book) == before
            book.replace(list(before[0].items()), list(before[1].items()))
        book.apply(bids, offers)


class Delta(NamedTuple):
    bids: list[tuple[int, int]]
    offers: list[tuple[int, int]]
    first: int
    last: int


class Truth:
    """A venue's book, state by state, and the deltas it would send under a numbering."""

    def __init__(self, rng: random.Random, numbering: Numbering) -> None:
        self.states: list[Sides] = [({5: 1}, {15: 1})]
        self._changes: list[tuple[int, int]] = [(0, 5)]
        for _ in range(rng.randint(1, 25)):
            side = rng.randrange(2)
            price = rng.randint(1, 10) + 10 * side
            state = (dict(self.states[-1][0]), dict(self.states[-1][1]))
            naive(state[side], [(price, rng.randint(0, 3))])
            self.states.append(state)
            self._changes.append((side, price))
        self.deltas = list(self._cut(rng, numbering))

    def _cut(self, rng: random.Random, numbering: Numbering) -> Iterator[Delta]:
        begin = 0
        while begin < len(self.states) - 1:
            end = min(begin + rng.randint(1, 4), len(self.states) - 1)
            earlier = rng.randint(0, begin) if numbering.overlap and rng.random() < 0.3 else begin
            yield self.delta(earlier, end, numbering.step)
            begin = end

    def delta(self, begin: int, end: int, step: int) -> Delta:
        """What changed between two states, each level with its size in the later one."""
        changed = set(self._changes[begin + 1 : end + 1])
        bids, offers = (
            [(price, self.states[end][side].get(price, 0)) for at, price in sorted(changed) if at == side]
            for side in (0, 1)
        )
        return Delta(bids, offers, begin + step, end)

    def snapshot(self, number: int) -> tuple[list[Any], list[Any], int]:
        bids, offers = self.states[number]
        return list(bids.items()), list(offers.items()), number


def disturbed(rng: random.Random, deltas: list[Delta]) -> list[Delta]:
    """The same deltas through a bad line: some lost, some twice, some late."""
    sent: list[Delta] = []
    for delta in deltas:
        fate = rng.choice(["well", "well", "well", "lost", "twice", "early", "old"])
        if fate == "early" and sent:
            sent.insert(rng.randrange(len(sent)), delta)
        elif fate != "lost":
            sent.append(delta)
        if fate == "twice":
            sent.append(delta)
        if fate == "old" and sent:
            sent.append(rng.choice(sent))
    return sent


def assert_true_or_not_live(book: OrderBook[int], truth: Truth) -> None:
    if book.is_tradable:
        assert book.last is not None
        assert levels_of(book) == truth.states[book.last]


@pytest.mark.parametrize(
    "numbering", [CHAINED, CONSECUTIVE, OVERLAPPING], ids=["chained", "consecutive", "overlap"]
)
@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_a_book_equals_the_truth_or_says_resync(numbering: Numbering, rng: random.Random) -> None:
    """Whatever is lost, repeated or reordered, a live book is the venue's state of its own number."""
    truth = Truth(rng, numbering)
    book = OrderBook(int, numbering=numbering, hold_capacity=rng.choice([1, 3, 100]))
    for delta in disturbed(rng, truth.deltas):
        was_live = book.is_tradable
        verdict = book.apply(*delta)
        assert not (was_live and isinstance(verdict, Held))
        assert isinstance(verdict, Resync) == (was_live and not book.is_tradable)
        assert_true_or_not_live(book, truth)
        if rng.random() < 0.3:
            if rng.random() < 0.5:
                book.seed()
            book.replace(*truth.snapshot(rng.randrange(len(truth.states))))
            assert_true_or_not_live(book, truth)
        if rng.random() < 0.05:
            book.invalidate("connection lost")
    # It heals: the newest snapshot, and what follows it, is live again.
    last = len(truth.states) - 1
    verdict = book.replace(*truth.snapshot(last))
    assert isinstance(verdict, Applied)
    assert book.is_tradable
    assert levels_of(book) == truth.states[last]


@given(st.randoms(use_true_random=False))
def test_a_versioned_book_is_the_newest_that_came(rng: random.Random) -> None:
    """Whole books in any order leave the one with the greatest version, and never an older one in between."""
    truth = Truth(rng, VERSIONED)
    versions = [rng.randrange(len(truth.states)) for _ in range(30)]
    book = OrderBook(int, numbering=VERSIONED)
    for count, version in enumerate(versions, 1):
        book.replace(*truth.snapshot(version))
        assert book.last == max(versions[:count])
        assert_true_or_not_live(book, truth)


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.decimals()
    | st.sampled_from([10**400, Decimal("sNaN"), Decimal("1e999999")]),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)
numbers = st.integers(-2, 8) | anything


@given(
    st.sampled_from([int, float, Decimal]),
    st.sampled_from([CHAINED, CONSECUTIVE, OVERLAPPING, UNNUMBERED]),
    st.lists(st.tuples(st.booleans(), anything, anything, numbers, numbers), max_size=12),
)
def test_nothing_a_peer_says_raises(number: Any, numbering: Numbering, said: list[Any]) -> None:
    """Any levels and any numbers give a verdict, and a book that is live holds sane levels of one type."""
    book: OrderBook[Any] = OrderBook(number, numbering=numbering)
    book.replace([(number(1), number(1))], [(number(2), number(1))], 3)
    for is_snapshot, bids, offers, first, last in said:
        verdict = book.replace(bids, offers, last) if is_snapshot else book.apply(bids, offers, first, last)
        assert isinstance(verdict, VERDICTS)
        assert isinstance(book.mid, float | Decimal | None)
        assert book.snapshot(2).is_tradable == book.is_tradable
        if book.is_tradable:
            assert not book.is_crossed
            assert all(
                type(value) is number and value > 0
                for side in levels_of(book)
                for value in (*side, *side.values())
            )


updates = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["bid", "offer"]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.integers(1, 9),
    ),
    max_size=25,
    unique_by=lambda update: (update[0], update[4]),
)


@given(updates, st.randoms(use_true_random=False), st.sampled_from([int, Decimal]))
def test_orders_add_up_in_whatever_order_their_updates_come(
    said: list[Any], rng: random.Random, number: Any
) -> None:
    """However updates are ordered, repeated and cut, the levels are the sums of each order's newest state."""
    orders = [
        RestingOrder(
            order_id=i,
            side=side,
            price=number(price),
            size=number(size) / 1 if number is Decimal else size,
            updated_at=at,
        )
        for i, side, price, size, at in said
    ]
    newest: dict[str, Any] = {}
    totals: dict[str, dict[Any, Any]] = {"bid": {}, "offer": {}}
    for order in orders:
        if order.order_id not in newest or newest[order.order_id].updated_at < order.updated_at:
            newest[order.order_id] = order
    for order in newest.values():
        if order.size:
            side = totals[order.side]
            side[order.price] = side.get(order.price, 0) + order.size
    stream = orders + [rng.choice(orders) for _ in orders]
    rng.shuffle(stream)
    book: RestingOrderBook[Any] = RestingOrderBook(number, may_cross=True)
    seeded = stream[: rng.randint(0, len(stream))] if rng.random() < 0.5 else []
    book.replace_all(seeded)
    rest = stream[len(seeded) :]
    while rest:
        cut = rng.randint(1, 4)
        assert isinstance(book.apply(rest[:cut]), Applied | Ignored)
        rest = rest[cut:]
    assert levels_of(book.levels) == (totals["bid"], totals["offer"])
    assert {order.order_id: order for order in book.orders()} == {i: o for i, o in newest.items() if o.size}
