"""What a market's messages add up to: the exchange's own book, level by level; and each trade once."""

from __future__ import annotations

import cProfile
import json
import pstats
import random
from collections import deque
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.model import InvalidField, Ticker
from tapewire.sandbox import Sandbox
from tapewire.sandbox.core.times import iso
from tapewire.sandbox.faces.stx.words import market_fields
from tapewire.venues.kit.fields import exact_json
from tapewire.venues.stx.merge import WINDOW, Change, MarketMerge, TradesWindow
from tests.venues.stx.test_stx_translate import MARKET, NOW, PRINT, ROW

BEGAN_US = 1_788_256_801_000_002
"""When ROW was published."""


def merged(row: Any = ROW) -> MarketMerge:
    made = MarketMerge(MARKET)
    made.replace(row)
    return made


def message(at_us: int, **changed: Any) -> dict[str, Any]:
    return {"market_id": MARKET, "timestamp": iso(at_us * 1000), **changed}


def change(at_us: int, **changed: Any) -> Change:
    return read(json.dumps(message(at_us, **changed)).encode())


def read(written: bytes) -> Change:
    """As the channel reads it: at once, or else field by field."""
    try:
        return msgspec.json.decode(written, type=Change).check()
    except msgspec.MsgspecError:
        return Change.of(exact_json(written))


def level(price: int, size: int) -> tuple[Decimal, Decimal]:
    return Decimal(price) / 100, Decimal(size)


def ticker_of(market: MarketMerge) -> Ticker:
    return market.line.ticker(MARKET, market.venue_time_ns, NOW, None)


# One market.


def test_a_message_replaces_the_sides_it_has_and_leaves_the_other() -> None:
    market = merged()
    assert market.merge(change(BEGAN_US + 1, bids=[{"price": 48, "quantity": 5}]))
    assert (market.bids(), market.offers()) == ([level(48, 5)], [level(50, 39), level(55, 1)])
    assert market.merge(change(BEGAN_US + 2, offers=[], last_traded_price=48))
    assert (market.bids(), market.offers()) == ([level(48, 5)], [])
    assert ticker_of(market).last == Decimal("0.48")
    assert market.venue_time_ns == (BEGAN_US + 2) * 1000


def test_a_side_that_is_null_is_empty() -> None:
    market = merged()
    market.merge(change(BEGAN_US + 1, bids=None))
    assert market.bids() == []


def test_what_the_row_holds_already_is_not_merged_again() -> None:
    market = merged()
    for at_us in (BEGAN_US - 1, BEGAN_US):
        assert not market.merge(change(at_us, bids=[], status="CLOSED", last_traded_price=1))
    assert (market.bids(), ticker_of(market).last) == (merged().bids(), Decimal("0.5"))


def test_fields_that_did_not_change_are_still_known() -> None:
    market = merged()
    market.merge(change(BEGAN_US + 1, volume_24h=121))
    ticker = ticker_of(market)
    assert (ticker.last, ticker.volume, ticker.bid, ticker.offer) == (
        Decimal("0.5"), 121, Decimal("0.49"), Decimal("0.5"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"bids": [{"price": 0, "quantity": 1}]},
        {"offers": {}},
        {"last_traded_price": "NaN"},
        {"volume_24h": -1},
        {"status": "LOST"},
        {"trading": 7},
        {"market_id": "another"},
        {"timestamp": 1.5},
        {"timestamp": "2026-09-01T10:00:01.\u0660\u0660\u0660002Z"},
    ],
)
def test_a_message_with_something_that_cannot_be_changes_nothing(wrong: dict[str, Any]) -> None:
    market = merged()
    before = (market.bids(), market.offers(), ticker_of(market))
    with pytest.raises(InvalidField):
        market.merge(Change.of(message(BEGAN_US + 1, bids=[], offers=[]) | wrong))
    with pytest.raises(InvalidField):
        market.merge(change(BEGAN_US + 1, **({"bids": [], "offers": []} | wrong)))
    with pytest.raises(InvalidField):
        market.replace({**ROW, "bids": [], **wrong})
    assert (market.bids(), market.offers(), ticker_of(market)) == before


@pytest.mark.parametrize("missing", ["market_id", "bids", "offers", "status"])
def test_a_row_that_is_not_whole_is_no_market(missing: str) -> None:
    with pytest.raises(InvalidField, match=missing):
        MarketMerge(MARKET).replace({name: value for name, value in ROW.items() if name != missing})
    with pytest.raises(InvalidField):
        MarketMerge(MARKET).replace(None)


def test_messages_add_up_to_the_exchange_s_own_books() -> None:
    """Of each market, from a row taken at any time on, and whichever fields each message has."""
    sandbox = Sandbox(seed=7, rate=0, venues=["stx"], clock=SystemClock())
    face: Any = sandbox.faces["stx"]
    face.publish(face.flow.open(NOW), NOW)
    chance = random.Random(7)
    markets: dict[str, MarketMerge] = {}
    seen = 0
    for step in range(1, 301):
        face.publish(face.flow.step(NOW + step), NOW + step)
        entries = sandbox.ledger.since("markets", seen)
        seen += len(entries)
        for entry in entries:
            for market_id, changed in entry.payload.items():
                if entry.event == "market_created":
                    markets[market_id] = MarketMerge(market_id)
                    markets[market_id].replace(changed)
                elif market_id in markets:
                    markets[market_id].merge(read(json.dumps(changed).encode()))
        for market_id, market in face.exchange.markets.items():
            if chance.random() < 0.05 or market_id not in markets:
                markets[market_id] = MarketMerge(market_id)
                markets[market_id].replace(exact_json(json.dumps(market_fields(market))))
            kept = markets[market_id]
            assert kept.bids() == [level(*each) for each in market.book.levels("buy")]
            assert kept.offers() == [level(*each) for each in market.book.levels("sell")]
    assert len(markets) > 1


_sizes = (
    st.integers(0, 10**19) | st.floats(0, 1000).map(lambda size: round(size, 3)) | st.sampled_from(["5", "x"])
)
_levels = st.lists(
    st.fixed_dictionaries(
        {"price": st.integers(0, 100), "quantity": _sizes}, optional={"count": st.integers()}
    ),
    max_size=6,
)
_odd = st.none() | st.booleans() | st.text(max_size=4) | st.integers() | st.lists(st.integers(), max_size=2)
_stamps = st.sampled_from(["2026-09-01T10:00:01.000002Z", "2026-09-01T10:00:01Z", "soon", 7, None])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "timestamp": _stamps, "unix_timestamp": st.just(1_788_256_801_000), "market_id": _odd | st.just(MARKET),
            "bids": _levels | _odd, "offers": _levels | _odd, "last_traded_price": st.integers(0, 100) | _odd,
            "volume_24h": _sizes | _odd, "status": st.sampled_from(["OPEN", "closed", "else"]) | _odd, "trading": _odd,
            "title": _odd,
        },
    )
)  # fmt: skip
def test_what_is_read_at_once_is_what_is_read_field_by_field(fields: dict[str, Any]) -> None:
    """Whatever a message has: the same change of both, or InvalidField of both."""
    written = json.dumps(fields)
    try:
        careful = Change.of(exact_json(written))
    except InvalidField:
        with pytest.raises(InvalidField):
            facts(read(written.encode()))
    else:
        assert facts(read(written.encode())) == facts(careful)


def facts(change: Change) -> tuple[Any, ...]:
    sides = [side if side is msgspec.UNSET else side or [] for side in (change.bids, change.offers)]
    told = (change.market_id, change.last_traded_price, change.volume_24h, change.status, change.trading)
    return (*sides, *told, change.published_ns)


@pytest.mark.parametrize(
    "written", [b"", b"{", b"[]", b"7", b"null", b"NaN", b'{"bids":' * 2_000, b'{"x":"\xff"}']
)
def test_what_is_no_object_is_refused(written: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read(written)


# Trades.


def prints(*seconds: int, price: int = 52) -> list[dict[str, Any]]:
    """Trades of these seconds, the latest first, as the venue has them."""
    return [
        PRINT | {"timestamp_int": BEGAN_US + second * 10**6, "price": price} for second in reversed(seconds)
    ]


def ids(news: Any) -> list[int]:
    trades, _ = news
    return [(trade.venue_time_ns // 1000 - BEGAN_US) // 10**6 for trade in trades]


def test_only_what_was_not_in_the_window_before_is_news_and_the_oldest_comes_first() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(1, 2))
    assert ids(window.take(prints(1, 2, 3), NOW)) == [3]
    assert ids(window.take(prints(1, 2, 3), NOW)) == []
    assert ids(window.take(prints(2, 3, 4, 5), NOW)) == [4, 5]
    assert window.take(prints(2, 3, 4, 5, 6), NOW)[1]


def test_of_a_window_only_what_was_not_in_the_one_before_is_read() -> None:
    def written(*seconds: int) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(prints(*seconds)))

    def calls(first: msgspec.Raw, second: msgspec.Raw) -> int:
        window, profile = TradesWindow(MARKET), cProfile.Profile()
        window.take(first, NOW)
        profile.enable()
        window.take(second, NOW)
        profile.disable()
        rows: Any = pstats.Stats(profile)
        return sum(
            count for (_, _, name), (_, count, *_) in rows.stats.items() if name in ("trade_key", "key")
        )

    assert calls(written(*range(WINDOW)), written(*range(2, WINDOW + 2))) == 2
    assert calls(written(*range(WINDOW)), written(*range(WINDOW))) == 0


@pytest.mark.parametrize("order", [1, -1])
def test_a_window_as_it_is_written_says_what_it_says_when_it_is_read(order: int) -> None:
    read, written = TradesWindow(MARKET), TradesWindow(MARKET)
    for seconds in ([1], [1, 2, 2], [1, 2, 2, 2, 3], [2, 3, 4, 5], [3, 4], range(20, 20 + WINDOW), []):
        rows = prints(*seconds)[::order]
        assert written.take(msgspec.Raw(msgspec.json.encode(rows)), NOW) == read.take(rows, NOW)
    assert written.take(msgspec.Raw(b"null"), NOW) == ([], True)
    many = b"[" + b",".join([b"{}"] * 10_001) + b"]"
    for corrupt in (b"{}", b"[1]", b'[{"price":52}]', many):
        with pytest.raises(InvalidField):
            written.take(msgspec.Raw(corrupt), NOW)


_SECONDS = st.lists(st.integers(0, 4), max_size=WINDOW + 2)


@given(
    st.lists(
        st.tuples(st.sampled_from(["same", "on", "on", "any"]), _SECONDS, st.integers(50, 51)), max_size=12
    )
)
def test_whatever_the_windows_are_they_say_the_same_written_and_read(steps: list[Any]) -> None:
    read, written, rows, latest = TradesWindow(MARKET), TradesWindow(MARKET), list[dict[str, Any]](), 0
    for step, seconds, price in steps:
        if step == "any":
            rows = prints(*seconds, price=price)
        elif step == "on":
            rows = [*prints(*(latest + second for second in sorted(seconds)), price=price), *rows][:WINDOW]
        latest = max((row["timestamp_int"] - BEGAN_US for row in rows), default=0) // 10**6
        assert written.take(msgspec.Raw(msgspec.json.encode(rows)), NOW) == read.take(rows, NOW)


def test_a_window_in_the_other_order_says_the_same() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(1, 2))
    assert ids(window.take(prints(1, 2, 3, 4)[::-1], NOW)) == [3, 4]


def test_trades_that_are_alike_are_told_apart_by_how_many_there_are() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(1, 2))
    first, _ = window.take(prints(1, 2, 2), NOW)
    second, _ = window.take(prints(1, 2, 2, 2, 3), NOW)
    found = [trade.trade_id for trade in (*first, *second)]
    assert len(set(found)) == len(found) == 3
    assert found[0].endswith("-1")
    assert found[1].endswith("-2")


def test_two_windows_with_nothing_in_common_leave_a_hole() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(*range(WINDOW)))
    news, is_whole = window.take(prints(*range(20, 20 + WINDOW)), NOW)
    assert (len(news), is_whole) == (WINDOW, False)


def test_the_first_trades_of_a_market_are_news_without_a_hole_unless_they_fill_the_window() -> None:
    assert ids(TradesWindow(MARKET).take(prints(1, 2), NOW)) == [1, 2]
    assert TradesWindow(MARKET).take(prints(1, 2), NOW)[1]
    assert not TradesWindow(MARKET).take(prints(*range(WINDOW)), NOW)[1]
    assert TradesWindow(MARKET).take([], NOW) == ([], True)


def test_a_window_of_before_what_is_known_is_no_news_and_no_hole() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(3, 4, 5))
    assert window.take(prints(1, 2, 3), NOW) == ([], True)
    assert ids(window.take(prints(3, 4, 5, 6), NOW)) == [6]


def test_an_empty_window_forgets_nothing() -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(1, 2))
    window.take(None, NOW)
    assert ids(window.take(prints(1, 2, 3), NOW)) == [3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": 0},
        {"price": None},
        {"quantity": 0},
        {"quantity": "NaN"},
        {"liquidity_taker": "x"},
        {"liquidity_taker": None},
        {"timestamp_int": 7},
        {"timestamp_int": None, "timestamp": None},
    ],
)
def test_a_trade_that_cannot_be_spoils_its_window_and_the_next_one_is_read_from_where_it_was(
    wrong: dict[str, Any],
) -> None:
    window = TradesWindow(MARKET)
    window.begin(prints(1))
    with pytest.raises(InvalidField):
        window.take([PRINT | {"timestamp_int": BEGAN_US + 2 * 10**6} | wrong, *prints(1)], NOW)
    assert ids(window.take(prints(1, 2, 3), NOW)) == [2, 3]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(50, 51)), max_size=60), st.data())
def test_every_trade_is_told_once_or_a_hole_is(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """Trades that happened between two windows come once each, in order; where some are gone the window says so."""
    window, tape, untold, second = TradesWindow(MARKET), deque[Any](maxlen=WINDOW), 0, 0
    window.begin([])
    heard: list[str] = []
    for passed, price in steps:
        second += passed
        tape.appendleft(PRINT | {"timestamp_int": BEGAN_US + second * 10**6, "price": price})
        untold += 1
        if not data.draw(st.booleans()):
            continue
        trades, is_whole = window.take(list(tape), NOW)
        heard += [trade.trade_id for trade in trades]
        alike = len({(each["timestamp_int"], each["price"]) for each in tape}) == 1
        if untold < WINDOW and not alike:
            assert (len(trades), is_whole) == (untold, True)
        untold = 0
    assert len(set(heard)) == len(heard)
