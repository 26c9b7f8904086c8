"""What our orders would have met: the rules one by one, then whatever happens."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.trading import FillSimulator
from tapewire.trading.fills import LATE_NS

BIDS = [(Decimal(40), Decimal(100)), (Decimal(39), Decimal(50))]
OFFERS = [(Decimal(42), Decimal(100)), (Decimal(43), Decimal(50))]


def simulator(cancels="proportional", bids=BIDS, offers=OFFERS):
    made = FillSimulator(cancels=cancels, size_step=Decimal(1))
    made.restore(bids, offers, 0)
    return made


def told(fills):
    return [(fill.order_id, fill.price, fill.size) for fill in fills]


# Taking


def test_an_order_that_crosses_walks_the_levels_of_its_arrival():
    arrival = simulator().place("a", "buy", Decimal(120), Decimal(43), 1)
    assert told(arrival.fills) == [("a", Decimal(42), Decimal(100)), ("a", Decimal(43), Decimal(20))]
    assert not arrival.rests


def test_what_was_taken_is_not_there_a_second_time_until_the_venue_says_so():
    book = simulator()
    book.place("a", "buy", Decimal(60), Decimal(42), 1)
    assert told(book.place("b", "buy", Decimal(60), Decimal(42), 2).fills) == [
        ("b", Decimal(42), Decimal(40))
    ]
    book.change("offer", Decimal(42), Decimal(100), 3)
    assert told(book.place("c", "buy", Decimal(60), Decimal(42), 4).fills) == [
        ("c", Decimal(42), Decimal(60))
    ]


def test_what_others_took_is_not_there_either():
    book = simulator()
    book.trade(Decimal(42), Decimal(70), "buy", 1)
    assert told(book.place("a", "buy", Decimal(60), None, 2).fills)[0] == ("a", Decimal(42), Decimal(30))


def test_the_rest_of_a_market_order_is_cancelled_and_says_why():
    arrival = simulator().place("a", "buy", Decimal(200), None, 1)
    assert sum(fill.size for fill in arrival.fills) == 150
    assert not arrival.rests
    assert "nobody" in arrival.reason


@pytest.mark.parametrize(
    ("options", "fills", "rests"),
    [
        ({"time_in_force": "ioc"}, 100, False),
        ({"time_in_force": "fok"}, 0, False),
        ({"time_in_force": "gtc"}, 100, True),
        ({"post_only": True}, 0, False),
    ],
)
def test_each_time_in_force_does_what_it_says(options, fills, rests):
    book = simulator()
    arrival = book.place("a", "buy", Decimal(120), Decimal(42), 1, **options)
    assert sum(fill.size for fill in arrival.fills) == fills
    assert arrival.rests is rests is (book.order("a") is not None)
    assert bool(arrival.reason) is not rests


def test_a_post_only_order_that_meets_nobody_rests():
    assert simulator().place("a", "buy", Decimal(5), Decimal(41), 1, post_only=True).rests


# Waiting


def test_an_order_waits_behind_what_stands_at_its_price():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    assert book.order("a").ahead == 100
    assert book.trade(Decimal(40), Decimal(95), "sell", 2) == []
    assert told(book.trade(Decimal(40), Decimal(8), "sell", 3)) == [("a", Decimal(40), Decimal(3))]
    assert told(book.trade(Decimal(40), Decimal(20), "sell", 4)) == [("a", Decimal(40), Decimal(7))]
    assert book.order("a") is None


def test_one_print_serves_our_orders_once_and_the_older_first():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.place("b", "buy", Decimal(10), Decimal(40), 1)
    assert told(book.trade(Decimal(40), Decimal(115), "sell", 2)) == [
        ("a", Decimal(40), Decimal(10)),
        ("b", Decimal(40), Decimal(5)),
    ]


def test_a_print_beyond_our_price_has_met_us_first_by_as_much_as_it_was():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.place("b", "buy", Decimal(10), Decimal(39), 1)
    assert told(book.trade(Decimal(39), Decimal(65), "sell", 2)) == [
        ("a", Decimal(40), Decimal(10)),
        ("b", Decimal(39), Decimal(5)),
    ]


def test_a_level_of_the_other_side_at_our_price_has_met_us_first():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(41), 1)
    assert told(book.change("offer", Decimal(41), Decimal(4), 2)) == [("a", Decimal(41), Decimal(4))]
    assert told(book.change("offer", Decimal(40), Decimal(40), 3)) == [("a", Decimal(41), Decimal(6))]


@pytest.mark.parametrize(("cancels", "ahead"), [("front", 10), ("proportional", 25), ("back", 50)])
def test_what_was_withdrawn_left_from_where_the_model_has_it(cancels, ahead):
    book = simulator(cancels)
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.change("bid", Decimal(40), Decimal(200), 2)  # a hundred joined behind
    assert book.order("a").ahead == 100
    book.trade(Decimal(40), Decimal(50), "sell", 3)
    book.change("bid", Decimal(40), Decimal(110), 4)  # fifty of it were taken, forty withdrawn
    book.change("bid", Decimal(40), Decimal(75), 5)
    expected = {"front": 0, "proportional": 26, "back": 50}
    assert book.order("a").ahead == expected[cancels]


def test_an_estimate_on_the_grid_is_rounded_against_us():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.change("bid", Decimal(40), Decimal(150), 2)
    book.change("bid", Decimal(40), Decimal(149), 3)
    assert book.order("a").ahead == 100  # 99.33


def test_what_stands_before_us_is_never_more_than_the_level_shows():
    book = simulator("back")
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.change("bid", Decimal(40), Decimal(30), 2)
    assert book.order("a").ahead == 30
    book.change("bid", Decimal(40), Decimal(0), 3)
    assert told(book.trade(Decimal(40), Decimal(1), "sell", 4)) == [("a", Decimal(40), Decimal(1))]


def test_a_cancelled_order_meets_nobody_and_the_next_one_moves_up():
    book = simulator()
    for name in "ab":
        book.place(name, "buy", Decimal(10), Decimal(40), 1)
    assert book.cancel("a").order_id == "a"
    assert book.cancel("a") is None
    assert told(book.trade(Decimal(40), Decimal(105), "sell", 2)) == [("b", Decimal(40), Decimal(5))]


# Gaps


def test_nothing_fills_while_the_book_is_not_proven():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.lose()
    assert book.trade(Decimal(39), Decimal(500), "sell", 2) == []
    assert book.change("offer", Decimal(38), Decimal(500), 2) == []
    assert book.place("b", "buy", Decimal(1), Decimal(43), 2).reason == "the book is not proven"
    assert book.order("a").filled == 0


def test_after_a_gap_what_the_market_stands_beyond_was_filled_and_the_rest_may_have_been():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.place("b", "buy", Decimal(10), Decimal(39), 1)
    book.lose()
    fills = book.restore([(Decimal(39), Decimal(20))], [(Decimal(40), Decimal(5))], 2)
    assert [(fill.order_id, fill.size, fill.in_gap) for fill in fills] == [("a", Decimal(10), True)]
    assert (book.order("b").maybe, book.order("b").ahead) == (10, 20)


def test_a_fill_that_proves_it_leaves_nothing_that_may_have_been():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.lose()
    book.restore(BIDS, OFFERS, 2)
    book.trade(Decimal(39), Decimal(4), "sell", 3)
    assert (book.order("a").filled, book.order("a").maybe) == (4, 6)
    assert told(book.trade(Decimal(39), Decimal(40), "sell", 4)) == [("a", Decimal(40), Decimal(6))]


def test_a_new_picture_without_a_gap_leaves_nobody_in_doubt():
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    book.restore(BIDS, OFFERS, 2)
    assert book.order("a").maybe == 0


def test_what_is_no_choice_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="cancels"):
        FillSimulator(cancels="middle")
    with pytest.raises(ConfigurationError, match="size_step"):
        FillSimulator(size_step=Decimal(0))
    book = simulator()
    book.place("a", "buy", Decimal(10), Decimal(40), 1)
    with pytest.raises(ConfigurationError, match="order_id"):
        book.place("a", "buy", Decimal(10), Decimal(40), 1)


# Whatever happens

prices, sizes = st.integers(36, 46).map(Decimal), st.integers(0, 60).map(Decimal)
events = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from(("bid", "offer")), prices, sizes),
        st.tuples(
            st.just("trade"), st.sampled_from(("buy", "sell")), prices, st.integers(1, 60).map(Decimal)
        ),
        st.tuples(
            st.just("place"), st.sampled_from(("buy", "sell")), prices, st.integers(1, 40).map(Decimal)
        ),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("gap")),
    ),
    max_size=60,
)


@given(events, st.sampled_from(("front", "proportional", "back")))
def test_no_fill_is_beyond_what_was_printed_or_shown_and_none_beyond_its_order(happenings, cancels):
    """Fills of each event are at most its own size; each order's at most what was ordered, at its price or better."""
    book, sizes_of, filled, limits, number = simulator(cancels), {}, {}, {}, 0
    for kind, *given_ in happenings:
        fills, most = [], None
        if kind == "change":
            fills, most = book.change(*given_, 1), given_[2]
        elif kind == "trade":
            side, price, size = given_
            fills, most = book.trade(price, size, side, 1), size
        elif kind == "place":
            side, price, size = given_
            number += 1
            sizes_of[f"o{number}"], limits[f"o{number}"] = size, (side, price)
            fills, most = book.place(f"o{number}", side, size, price, 1).fills, size
        elif kind == "cancel":
            book.cancel(f"o{given_[0]}")
        else:
            book.lose()
            fills = book.restore(BIDS, OFFERS, 1)
        assert most is None or sum(fill.size for fill in fills) <= most
        for fill in fills:
            filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.size
            side, limit = limits[fill.order_id]
            assert fill.price <= limit if side == "buy" else fill.price >= limit
    assert all(filled[each] <= sizes_of[each] for each in filled)
    for order in book:
        assert 0 <= order.maybe <= order.remaining
        assert order.ahead >= 0
        assert order.filled == filled.get(order.order_id, 0)


# Prints that come behind the book


def late(since_ns=0):
    simulator = FillSimulator(late_prints=True)
    simulator.restore(
        [(Decimal(40), Decimal(100)), (Decimal(39), Decimal(50))], [(Decimal(42), Decimal(10))], 0
    )
    simulator.place("mine", "buy", Decimal(10), Decimal(40), since_ns)
    return simulator


def test_a_print_of_what_is_gone_from_the_book_already_takes_nothing_more():
    simulator = late()
    simulator.change("bid", Decimal(40), Decimal(0), 1)
    assert simulator.trade(Decimal(40), Decimal(100), "sell", 2) == []
    assert [fill.size for fill in simulator.trade(Decimal(40), Decimal(4), "sell", 3)] == [4]


def test_a_late_print_beyond_has_met_who_stood_there_when_it_happened_and_nobody_who_came_later():
    for since_ns, met in ((0, [10]), (2, [])):
        simulator = late()
        simulator.cancel("mine")
        simulator.place("mine", "buy", Decimal(10), Decimal(40), 0) if since_ns == 0 else None
        simulator.change("bid", Decimal(40), Decimal(0), 1)
        simulator.change("bid", Decimal(39), Decimal(20), 1)
        simulator.place("mine", "buy", Decimal(10), Decimal(40), since_ns) if since_ns else None
        assert [fill.size for fill in simulator.trade(Decimal(39), Decimal(30), "sell", 3)] == met


def test_what_left_long_ago_was_withdrawn_and_a_print_there_is_news():
    simulator = late()
    simulator.change("bid", Decimal(40), Decimal(0), 1)
    assert [fill.size for fill in simulator.trade(Decimal(40), Decimal(4), "sell", 2 * LATE_NS)] == [4]
