"""What the wire's values mean: the status table, the units, the perspectives, and the traps."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.model import ODDS_SCALE, InvalidField, contracts_for
from tapewire.venues.sxbet.symbols import outcome_id
from tapewire.venues.sxbet.translate import (
    axis_price,
    best_odds_key,
    contract_units,
    level_of,
    nominal,
    order_state,
    parse_amount,
    phase_of,
    resting_order,
    taker_odds,
    taker_space,
    to_market,
    to_order,
    to_ticker,
    to_trade,
    to_trade_v3,
    trade_key,
)
from tapewire.venues.sxbet.wire import BestOddsRow, MarketRow, OrderRow, TradeRow
from tapewire.venues.sxbet.wire_v3 import LevelRow, TradeV3Row
from tests.venues.sxbet.rows import MARKET, order_row

NOW = 1_773_000_000_000_000_000
all_odds = st.integers(min_value=1, max_value=ODDS_SCALE - 1)
all_stakes = st.integers(min_value=0, max_value=10**15)


def row(**changes: Any) -> OrderRow:
    return msgspec.convert(order_row() | changes, OrderRow)


def update(status: str, filled: int, pending: int, at: int = 1, **changes: Any) -> OrderRow:
    told = {
        "status": status,
        "fillAmount": str(filled),
        "pendingFillAmount": str(pending),
        "updateTime": 1_747_490_000_000 + at,
    }
    return row(**(told | changes), orderStatus=None)


@pytest.mark.parametrize(
    ("status", "filled", "pending", "phase", "remaining"),
    [
        ("ACTIVE", 0, 0, "live", 50),
        ("ACTIVE", 20, 0, "live", 30),
        ("ACTIVE", 0, 10, "filling", 40),
        ("ACTIVE", 20, 30, "filling", 0),
        ("ACTIVE", 50, 0, "live", 0),
        ("ACTIVE", 40, 30, "filling", 0),
        ("INACTIVE", 0, 0, "cancelled", 0),
        ("INACTIVE", 20, 0, "cancelled", 0),
        ("INACTIVE", 0, 50, "held", 0),
        ("INACTIVE", 20, 10, "held", 20),
        ("FILLED", 50, 0, "filled", 0),
        ("FILLED", 49, 0, "filled", 0),
        ("FILLED", 0, 50, "filled", 0),
    ],
)
def test_status_and_pending_fill_say_together_what_remains(
    status: str, filled: int, pending: int, phase: str, remaining: int
) -> None:
    state = order_state(update(status, filled * 10**6, pending * 10**6))
    assert (state.phase, state.remaining) == (phase, remaining * 10**6)
    assert resting_order(state).size == remaining * 10**6


def test_a_snapshots_row_says_its_status_by_another_name_and_has_no_time() -> None:
    state = order_state(row())
    assert (state.phase, state.updated_at) == ("live", None)
    assert order_state(row(orderStatus=None)).phase == "live"
    assert order_state(row(orderStatus="INACTIVE")).phase == "cancelled"


def test_an_update_without_a_status_is_corrupt() -> None:
    with pytest.raises(InvalidField, match="status"):
        order_state(row(orderStatus=None, updateTime="1747490000000"))
    with pytest.raises(InvalidField, match="status"):
        phase_of("PENDING", 0)


@pytest.mark.parametrize("time", ["1747490000000", 1747490000000])
def test_the_time_of_an_update_may_be_text_or_number(time: Any) -> None:
    assert order_state(row(status="ACTIVE", updateTime=time)).updated_at == 1747490000000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (
            {"percentageOdds": "750000000000000000000"},
            "percentageOdds",
        ),  # the digit too many of the docs' samples
        ({"percentageOdds": "484425713316886290000"}, "percentageOdds"),
        ({"percentageOdds": str(ODDS_SCALE)}, "percentageOdds"),
        ({"percentageOdds": "0"}, "percentageOdds"),
        ({"percentageOdds": "-5"}, "percentageOdds"),
        ({"percentageOdds": "0.525"}, "percentageOdds"),
        ({"percentageOdds": "\u0665"}, "percentageOdds"),
        ({"totalBetSize": "1e9"}, "totalBetSize"),
        ({"totalBetSize": "-1"}, "totalBetSize"),
        ({"totalBetSize": "9" * 35}, "totalBetSize"),
        ({"totalBetSize": str(10**12), "percentageOdds": "1"}, "totalBetSize"),
        ({"fillAmount": " 1"}, "fillAmount"),
        ({"pendingFillAmount": "x"}, "pendingFillAmount"),
        ({"updateTime": "9" * 20, "status": "ACTIVE"}, "updateTime"),
        ({"updateTime": "1747490000", "status": "ACTIVE"}, "updateTime"),  # seconds: not 1970
        ({"updateTime": 0, "status": "ACTIVE"}, "updateTime"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        order_state(row(**changes))
    assert caught.value.argument == field


def test_both_perspectives_agree_with_the_documented_formulas() -> None:
    state = order_state(row(percentageOdds="51000000000000000000", totalBetSize="51000000"))
    assert taker_odds(state.odds) == 49 * 10**18
    assert contract_units(state.remaining, state.odds) == 100_000_000
    assert taker_space(state.remaining, state.odds) == 49_000_000


def test_the_maker_of_outcome_one_is_a_bid_and_of_outcome_two_an_offer() -> None:
    bid = resting_order(order_state(row(percentageOdds="52500000000000000000")))
    offer = resting_order(
        order_state(row(percentageOdds="45000000000000000000", isMakerBettingOutcomeOne=False))
    )
    assert (bid.side, bid.price) == ("bid", 525 * 10**17)
    assert (offer.side, offer.price) == ("offer", 55 * 10**18)


@given(all_odds)
def test_odds_stay_exact_on_both_sides_of_the_axis(odds: int) -> None:
    """A price on the axis and its mirror add up to one, and going there and back changes nothing."""
    assert axis_price(odds, True) + axis_price(odds, False) == ODDS_SCALE
    assert axis_price(axis_price(odds, False), False) == odds
    assert nominal(odds, 20) + nominal(taker_odds(odds), 20) == 1


@given(all_stakes, all_odds)
def test_contracts_are_exact_but_for_the_part_of_a_unit_that_is_rounded_down(stake: int, odds: int) -> None:
    """0 <= stake / odds - contracts < 1 unit, and contracts are the maker's stake and the taker's space together."""
    exact = contracts_for(stake, Fraction(odds, ODDS_SCALE))
    units = contract_units(stake, odds)
    assert 0 <= exact - units < 1
    assert taker_space(stake, odds) + stake == units
    assert taker_space(stake, odds) >= 0


@given(st.integers(min_value=0, max_value=10**26 - 1))
def test_an_amount_survives_the_way_to_the_edge_and_back(amount: int) -> None:
    """nominal(amount) * 10^6 is the amount, whatever its length, from digits as from a number."""
    assert Fraction(nominal(amount)) * 10**6 == amount
    assert parse_amount(str(amount), "amount") == parse_amount(amount, "amount") == amount


@given(st.text(max_size=40) | st.integers())
def test_any_amount_is_a_number_or_an_invalid_field(value: str | int) -> None:
    """Nothing but InvalidField is raised, and what passes is at least zero."""
    with suppress(InvalidField):
        assert parse_amount(value, "amount") >= 0


def test_a_level_of_the_later_generation_is_checked_too() -> None:
    assert level_of(LevelRow(percentage_odds="50000000000000000000", size="7")) == (5 * 10**19, 7)
    with pytest.raises(InvalidField):
        level_of(LevelRow(percentage_odds="1", size=str(10**12)))


def test_an_order_of_ours_buys_what_it_backs_in_contracts() -> None:
    told = update("ACTIVE", 5_000_000, 0, at=0, percentageOdds="50000000000000000000")
    order = to_order(order_state(told), NOW)
    assert (order.instrument_id, order.side, order.price) == (outcome_id(MARKET, 1), "buy", Decimal("0.5"))
    assert (order.size, order.filled_size, order.remaining) == (100, 10, 90)
    assert order.status == "partially_filled"
    assert order.venue_time_ns == 1747490000000 * 10**6
    other = to_order(order_state(row(isMakerBettingOutcomeOne=False)), NOW)
    assert (other.instrument_id, other.status) == (outcome_id(MARKET, 2), "accepted")


@pytest.mark.parametrize(
    ("status", "pending", "model", "is_final"),
    [
        ("INACTIVE", 50, "accepted", False),
        ("INACTIVE", 0, "canceled", True),
        ("FILLED", 0, "filled", True),
        ("ACTIVE", 5, "accepted", False),
    ],
)
def test_an_order_that_is_held_is_not_final(status: str, pending: int, model: str, is_final: bool) -> None:
    order = to_order(order_state(update(status, 0, pending)), NOW)
    assert (order.status, order.is_final) == (model, is_final)


def trade(**changes: Any) -> TradeRow:
    plain = {
        "marketHash": MARKET, "fillHash": "0xf", "orderHash": "0xo", "stake": "1000000", "maker": False,
        "odds": "40000000000000000000", "bettingOutcomeOne": True, "betTime": 1747490000, "tradeStatus": "PENDING",
    }  # fmt: skip
    return msgspec.convert(plain | changes, TradeRow)


@pytest.mark.parametrize(
    ("maker", "outcome_one", "price", "side"),
    [
        (False, True, "0.4", "buy"),
        (False, False, "0.6", "sell"),
        (True, True, "0.4", "sell"),
        (True, False, "0.6", "buy"),
    ],
)
def test_a_trade_is_told_on_the_axis_of_outcome_one(
    maker: bool, outcome_one: bool, price: str, side: str
) -> None:
    found = to_trade(trade(maker=maker, bettingOutcomeOne=outcome_one), NOW)
    assert found is not None
    assert (found.instrument_id, found.price, found.taker_side) == (
        outcome_id(MARKET, 1),
        Decimal(price),
        side,
    )
    assert found.size == Decimal("2.5")
    assert found.venue_time_ns == 1747490000 * 10**9


def test_both_sides_of_a_fill_have_the_same_size_price_and_taker() -> None:
    taker = to_trade(trade(), NOW)
    maker = to_trade(
        trade(maker=True, bettingOutcomeOne=False, odds="60000000000000000000", stake="1500000"), NOW
    )
    assert taker is not None
    assert maker is not None
    assert (taker.price, taker.size, taker.taker_side) == (maker.price, maker.size, maker.taker_side)


def test_a_trade_is_the_same_when_it_settles_and_another_for_the_maker() -> None:
    assert trade_key(trade()) == trade_key(trade(settled=True, tradeStatus="SUCCESS", stake="5"))
    keys = {
        trade_key(trade(**changes))
        for changes in ({}, {"maker": True}, {"orderHash": "0x2"}, {"fillHash": "0x2"})
    }
    assert len(keys) == 4
    assert trade_key(trade(orderHash="", fillOrderHash="0xo")) == trade_key(trade())


def test_a_failed_trade_is_none() -> None:
    assert to_trade(trade(tradeStatus="FAILED"), NOW) is None


def test_a_trade_of_the_later_generation() -> None:
    told = TradeV3Row(
        trade_id="t1", market_hash=MARKET, is_betting_outcome_one=False, total_stake="4000000",
        weighted_average_odds="40000000000000000000", bet_time="2026-09-01T10:00:00.250Z",
    )  # fmt: skip
    found = to_trade_v3(told, NOW)
    assert (found.trade_id, found.price, found.size, found.taker_side) == ("t1", Decimal("0.6"), 10, "sell")
    assert found.venue_time_ns == 1788256800_250_000_000
    by_return = msgspec.structs.replace(told, total_stake=None, total_return="10000000")
    assert to_trade_v3(by_return, NOW).size == 10


@pytest.mark.parametrize("bet_time", ["yesterday", "2026-09-01T10:00:00", "9" * 50])
def test_a_time_without_its_zone_is_corrupt(bet_time: str) -> None:
    told = TradeV3Row(
        trade_id="t", market_hash=MARKET, is_betting_outcome_one=True, total_stake=1, bet_time=bet_time,
        weighted_average_odds="40000000000000000000",
    )  # fmt: skip
    with pytest.raises(InvalidField, match="betTime"):
        to_trade_v3(told, NOW)


def test_best_odds_become_bid_and_offer_of_outcome_one() -> None:
    ticker = to_ticker(MARKET, "48000000000000000000", "50000000000000000000", NOW, 1747500000000)
    assert (ticker.bid, ticker.offer) == (Decimal("0.48"), Decimal("0.5"))
    assert ticker.venue_time_ns == 1747500000000 * 10**6
    for nobody in (None, "0", 0):
        assert to_ticker(MARKET, nobody, nobody, NOW).bid is None
    with pytest.raises(InvalidField):
        to_ticker(MARKET, "750000000000000000000", None, NOW)


def test_a_row_of_best_odds_replaces_that_of_its_market_token_and_outcome() -> None:
    one = BestOddsRow(
        market_hash="m", is_maker_betting_outcome_one=True, percentage_odds="5", base_token="0x1"
    )
    assert best_odds_key(one) == best_odds_key(msgspec.structs.replace(one, percentage_odds="6"))
    assert best_odds_key(one) != best_odds_key(
        msgspec.structs.replace(one, is_maker_betting_outcome_one=False)
    )
    assert best_odds_key(one) != best_odds_key(msgspec.structs.replace(one, base_token="0x2"))


@pytest.mark.parametrize(
    ("status", "outcome", "expected", "result"),
    [
        ("ACTIVE", None, "open", None),
        ("INACTIVE", None, "suspended", None),
        ("INACTIVE", 0, "voided", None),
        ("INACTIVE", 1, "settled", 1),
        ("INACTIVE", 2, "settled", 2),
    ],
)
def test_a_market_and_its_result(status: str, outcome: int | None, expected: str, result: Any) -> None:
    told = MarketRow(
        market_hash=MARKET, status=status, outcome=outcome, outcome_one_name="Over", outcome_two_name="Under",
        team_one_name="A", team_two_name="B", line=Decimal("2.5"), game_time=1747500000,
    )  # fmt: skip
    market = to_market(told, NOW)
    assert market.status == expected
    assert market.result == (outcome_id(MARKET, result) if result else None)
    assert market.name == "A - B 2.5"
    assert market.starts_at_ns == 1747500000 * 10**9
