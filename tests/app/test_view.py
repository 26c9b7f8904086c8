"""The view of watched feeds: what was noted, and the time it is, make the picture; nothing else does."""

from decimal import Decimal

import msgspec
import pytest

from tapewire.app.view import (
    MOST_HAPPENINGS,
    MOST_ITEMS,
    Happenings,
    Track,
    VenuePicture,
    picture,
)
from tapewire.market import Continuity
from tapewire.market.view import BookView
from tapewire.marks import ContinuityChanged, ContinuityState, Gap, Lagged, Reconnected
from tapewire.model import Balance, Instrument, Order, Position, Ticker, Trade
from tests.venues.kit.scripted_market import Book

S = ContinuityState
START = 1_000_000_000 * 10**9
OUTCOME = Instrument(
    venue="one", instrument_id="m:1", kind="outcome", currency="USD", market_id="m", name="Home"
)
PERPETUAL = Instrument(venue="one", instrument_id="BTC", kind="perpetual", currency="USDT", name="Bitcoin")


class Fed:
    """As much of a feed as the view looks at."""

    def __init__(self, instrument_id="BTC", venue="one"):
        self.venue, self.instrument_id = venue, instrument_id
        self.quiet = 10.0
        self.continuity = Continuity(state=S.LIVE, proof="chained", since_ns=START)


def at(seconds):
    return START + int(seconds * 1e9)


def track(kind="trades", instrument=PERPETUAL, happenings=None, feed=None):
    return Track(kind, feed or Fed(), instrument, happenings or Happenings())


def trade(number=1, *, received=0.0, sent=None):
    return Trade(
        venue="one", instrument_id="BTC", trade_id=str(number), price=Decimal("1.5"), size=Decimal(number),
        taker_side="buy", venue_time_ns=None if sent is None else at(sent), received_at_ns=at(received), raw={"x": 1},
    )  # fmt: skip


def order(number=1, **fields):
    given = {
        "venue": "one", "instrument_id": "BTC", "client_order_id": None, "venue_order_id": f"o{number}", "side": "buy",
        "size": Decimal(5), "price": Decimal(2), "status": "accepted", "venue_time_ns": None, "received_at_ns": START,
    }  # fmt: skip
    return Order(**(given | fields))


def change(state, before=S.LIVE, seconds=0.0, reason="", missed=None):
    return ContinuityChanged(state=state, before=before, at_ns=at(seconds), reason=reason, missed=missed)


def test_what_was_never_heard_has_no_age_and_is_not_old():
    shown = track().picture(at(1000))
    assert (shown.age_s, shown.is_old, shown.rate, shown.latency_ms, shown.news) == (
        None,
        False,
        0.0,
        None,
        0,
    )


@pytest.mark.parametrize(("kind", "quiet"), [("book", 60.0), ("ticker", 300.0)])
def test_a_number_is_old_from_the_moment_on_that_its_feeds_own_class_allows_no_more(kind, quiet):
    feed = Fed()
    feed.quiet = quiet
    watched = track(kind, feed=feed)
    watched.take(_ticker() if kind == "ticker" else _view(), at(0))
    assert watched.picture(at(quiet)).is_old is False
    shown = watched.picture(at(quiet + 0.001))
    assert shown.is_old is True
    assert shown.age_s == pytest.approx(quiet + 0.001)


def test_a_number_of_a_feed_that_may_be_silent_for_ever_is_never_old():
    feed = Fed()
    feed.quiet = None
    watched = track("book", feed=feed)
    watched.take(_view(), at(0))
    assert watched.picture(at(1e6)).is_old is False


@pytest.mark.parametrize("kind", ["orders", "positions", "balance"])
def test_what_stands_until_the_venue_says_otherwise_does_not_age(kind):
    items = {"orders": order(), "positions": _position(), "balance": _balance()}
    watched = track(kind, None)
    watched.take(items[kind], at(0))
    assert watched.picture(at(1e6)).is_old is False


def test_news_a_second_are_counted_over_the_seconds_that_are_over():
    watched = track()
    for second in range(5):
        for _ in range(second + 1):
            watched.take(trade(), at(second))
    assert watched.picture(at(5)).rate == pytest.approx(15 / 5)
    assert watched.picture(at(12)).rate == pytest.approx((4 + 5 + 3) / 10)
    assert watched.picture(at(100)).rate == 0


def test_the_first_second_counts_as_one():
    watched = track()
    watched.take(trade(), at(0.1))
    watched.take(trade(), at(0.2))
    assert watched.picture(at(0.3)).rate == 2


def test_the_latency_is_the_middle_of_the_last_ones_from_the_venues_clock_to_ours():
    watched = track()
    for late in (0.001, 0.002, 0.9):
        watched.take(trade(received=late, sent=0), at(late))
    watched.take(trade(received=5), at(5))
    assert watched.picture(at(5)).latency_ms == pytest.approx(2)


def test_the_newest_items_are_first_and_only_so_many_are_remembered():
    watched = track()
    for number in range(1, MOST_ITEMS + 11):
        watched.take(trade(number), at(number))
    items = watched.picture(at(0)).items
    assert len(items) == MOST_ITEMS
    assert (items[0].trade_id, items[-1].trade_id) == (str(MOST_ITEMS + 10), "11")
    assert all(item.raw is None for item in items)


def test_of_what_stands_for_a_state_the_newest_of_each_is_shown():
    watched = track("orders", None)
    watched.take(order(1), at(0))
    watched.take(order(2), at(1))
    watched.take(order(1, status="filled", filled_size=Decimal(5)), at(2))
    assert [(item.venue_order_id, item.status) for item in watched.picture(at(3)).items] == [
        ("o1", "filled"),
        ("o2", "accepted"),
    ]


def test_a_book_is_shown_as_it_stands_when_the_picture_is_made():
    book = Book()
    book.quote("1.0", "1.2")
    watched = track("book")
    watched.take(_view(book), at(0))
    first = watched.picture(at(1))
    book.quote("2.0", "2.2")
    assert first.book.bids == ((Decimal("1.0"), Decimal(1)),)
    assert watched.picture(at(1)).book.bids == ((Decimal("2.0"), Decimal(1)),)


def test_the_health_is_the_feeds_own_and_says_for_how_long():
    feed = Fed()
    watched = track(feed=feed)
    feed.continuity = Continuity(state=S.GAP, proof="none", since_ns=at(3), reason="x\x1b[2J\u202e", missed=7)
    health = watched.picture(at(5)).health
    assert (health.state, health.proof, health.missed, health.is_live) == (S.GAP, "none", 7, False)
    assert health.for_s == pytest.approx(2)
    assert health.reason == "x\\x1b[2J\\u202e"


def test_what_a_venue_says_in_words_holds_nothing_that_a_terminal_obeys():
    hostile = "Team \x1b]0;x\x07 [bold]A[/]\u202e\nB"
    instrument = msgspec.structs.replace(OUTCOME, name=hostile)
    happenings = Happenings()
    watched = track("orders", instrument, happenings, Fed("m:1"))
    watched.take(order(reason=hostile), at(0))
    watched.changed(change(S.GAP, reason=hostile))
    venues = [VenuePicture(name="one", state="waiting", note=hostile)]
    shown = picture([watched], venues, happenings, at(1))
    texts = [
        shown.markets[0].name,
        shown.venues[0].note,
        shown.happenings[0].text,
        shown.markets[0].feeds[0].items[0].reason,
    ]
    for text in texts:
        assert text.isprintable()
        assert "[bold]A[/]" in text


def test_a_change_is_told_with_its_reason_and_what_is_missing_and_counted():
    happenings = Happenings()
    watched = track(happenings=happenings)
    watched.changed(change(S.GAP, reason="sequence", missed=3))
    (told,) = happenings
    assert str(told) == "live -> gap: sequence, 3 missing"
    assert told.is_bad
    assert watched.picture(at(1)).gaps == 1


def test_the_same_of_several_feeds_of_a_market_is_told_once():
    happenings = Happenings()
    for kind in ("book", "trades", "ticker"):
        track(kind, happenings=happenings).changed(change(S.STALE, reason="connection lost"))
    track("book", happenings=happenings, feed=Fed("ETH")).changed(change(S.STALE, reason="connection lost"))
    assert [(told.target, told.kinds) for told in happenings] == [
        ("one:BTC", ("book", "trades", "ticker")),
        ("one:ETH", ("book",)),
    ]


def test_changes_of_a_feed_that_follow_at_once_are_one_way_and_bad_if_any_of_them_is():
    happenings = Happenings()
    watched = track("book", happenings=happenings)
    watched.changed(change(S.GAP, S.STALE, 0.0, reason="connection lost"))
    watched.changed(change(S.RESYNCING, S.GAP, 0.1))
    watched.changed(change(S.LIVE, S.RESYNCING, 0.2))
    watched.changed(change(S.STALE, S.LIVE, 9.0, reason="silent"))
    first, second = happenings
    assert str(first) == "stale -> gap -> resyncing -> live: connection lost"
    assert first.is_bad
    assert str(second) == "live -> stale: silent"


def test_only_so_many_happenings_are_remembered():
    happenings = Happenings()
    watched = track(happenings=happenings)
    for number in range(MOST_HAPPENINGS + 5):
        watched.changed(change(S.STALE, seconds=10 * number, reason=str(number)))
    assert len(list(happenings)) == MOST_HAPPENINGS
    assert [told.text for told in happenings][-1] == str(MOST_HAPPENINGS + 4)


def test_marks_are_told_in_words_and_what_was_dropped_here_is_counted():
    happenings = Happenings()
    watched = track(happenings=happenings)
    watched.take(Lagged(dropped=5), at(0))
    watched.take(Reconnected(since_ns=0, until_ns=0, recovered=4), at(10))
    watched.take(Gap(reason="sequence", since_ns=0, missed=2), at(20))
    assert [str(told) for told in happenings] == [
        "too slow here: 5 dropped",
        "the line broke, and nothing was lost: 4 replayed",
        "gap: sequence, 2 missing",
    ]
    shown = watched.picture(at(30))
    assert (shown.lagged, shown.news, shown.age_s) == (5, 0, None)


def test_feeds_of_one_instrument_stand_together_in_the_order_in_which_they_are_watched():
    happenings = Happenings()
    tracks = [
        track("book", PERPETUAL, happenings, Fed("BTC")),
        track("balance", None, happenings, Fed(None)),
        track("trades", PERPETUAL, happenings, Fed("BTC")),
        track("book", OUTCOME, happenings, Fed("m:1")),
    ]
    shown = picture(tracks, [], happenings, at(0))
    assert [(market.target, [feed.kind for feed in market.feeds]) for market in shown.markets] == [
        ("one:BTC", ["book", "trades"]),
        ("one", ["balance"]),
        ("one:m:1", ["book"]),
    ]
    assert [(market.name, market.payout) for market in shown.markets] == [
        ("Bitcoin", None),
        ("", None),
        ("Home", Decimal(1)),
    ]


def test_a_picture_stays_as_it_is_and_travels():
    watched = track()
    watched.take(trade(), at(0))
    shown = picture([watched], [VenuePicture(name="one", state="up")], [], at(1))
    before = msgspec.json.encode(shown)
    watched.take(trade(2), at(2))
    assert msgspec.json.encode(shown) == before
    with pytest.raises(AttributeError):
        shown.at_ns = 0


def test_a_feed_that_ended_says_why():
    happenings = Happenings()
    watched = track(happenings=happenings)
    watched.ended(ValueError("token=hush"), at(3))
    assert watched.error == "token=***"
    assert [str(told) for told in happenings] == ["ended: token=***"]


def _view(book=None):
    if book is None:
        book = Book()
        book.quote("1", "2")
    return BookView("one", "BTC", book, lambda: Continuity(state=S.LIVE, proof="none", since_ns=START))


def _ticker():
    return Ticker(venue="one", instrument_id="m:1", venue_time_ns=None, received_at_ns=START, last=Decimal(1))


def _position():
    return Position(
        venue="one", instrument_id="BTC", size=Decimal(1), venue_time_ns=None, received_at_ns=START
    )


def _balance():
    return Balance(
        venue="one", currency="USD", total=Decimal(1), available=Decimal(1), venue_time_ns=None,
        received_at_ns=START,
    )  # fmt: skip
