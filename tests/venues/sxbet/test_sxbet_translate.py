"""What the wire's values mean: the status table, the units, the perspectives, and the traps."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.model import ODDS_SCALE, InvalidField, contracts_for, liability, probability_from_stakes
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.sxbet.units import PAYOUT
from tapewire.venues.sxbet.symbols import outcome_id
from tapewire.venues.sxbet.translate import (
    PlainPrints,
    axis_price,
    contract_units,
    level_of,
    nominal,
    order_state,
    parse_amount,
    phase_of,
    resting_order,
    taker_odds,
    taker_space,
    to_fill,
    to_instruments,
    to_market,
    to_order,
    to_ticker,
    to_ticker_v3,
    to_trade,
    to_trade_v3,
    trade_key,
)
from tapewire.venues.sxbet.wire import BestOddsRow, MarketRow, OrderRow, TradeRow, plain_trade, read_rows
from tapewire.venues.sxbet.wire_v3 import BestOddsMarketRow, BestOddsV3Row, LevelRow, OddsRow, TradeV3Row
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
    assert taker_space(stake, odds) == liability(stake, Fraction(odds, ODDS_SCALE)) // 1 >= 0


@given(st.integers(1, 10**15), all_odds)
def test_odds_come_back_from_what_stands_on_both_sides(stake: int, odds: int) -> None:
    """The maker's stake and the exact liability against it say the odds again, to the last of their 20 digits."""
    against = liability(stake, Fraction(odds, ODDS_SCALE))
    assert probability_from_stakes(stake, against) * ODDS_SCALE == odds
    assert probability_from_stakes(against, stake) * ODDS_SCALE == taker_odds(odds)


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
    order = to_order(told, NOW)
    assert (order.instrument_id, order.side, order.price) == (outcome_id(MARKET, 1), "buy", Decimal("0.5"))
    assert (order.size, order.filled_size, order.remaining) == (100, 10, 90)
    assert order.status == "partially_filled"
    assert order.venue_time_ns == 1747490000000 * 10**6
    assert (order.raw, order.is_reconciled) == (told, False)
    other = to_order(row(isMakerBettingOutcomeOne=False), NOW, is_reconciled=True)
    assert (other.instrument_id, other.status) == (outcome_id(MARKET, 2), "accepted")
    assert other.is_reconciled


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
    order = to_order(update(status, 0, pending), NOW)
    assert (order.status, order.is_final) == (model, is_final)


PLACED: dict[str, Any] = {
    "marketHash": MARKET, "fillHash": "0xf", "orderHash": "0xo", "stake": "1000000", "maker": False,
    "odds": "40000000000000000000", "bettingOutcomeOne": True, "betTime": 1747490000, "tradeStatus": "PENDING",
}  # fmt: skip


def trade(**changes: Any) -> TradeRow:
    return msgspec.convert(PLACED | changes, TradeRow)


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
    assert found.raw == trade(maker=maker, bettingOutcomeOne=outcome_one)


@settings(max_examples=300)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "odds": st.sampled_from(
                    ["40000000000000000000", "62500000000000000000", "1", "0", "x", "9" * 20, "9" * 21]
                ),
                "stake": st.sampled_from(
                    ["1000000", "1", "0", "007", "-1", "1_0", "\u0663", "9" * 13, "9" * 14]
                ),
                "bettingOutcomeOne": st.booleans(),
                "betTime": st.sampled_from([None, 1747490000, 5, 9 * 10**9, 9_300_000_000]),
                "fillHash": st.sampled_from(["0xf", "", "\n", "f" * 300]),
                "orderHash": st.sampled_from(["0xo", ""]),
            }
        ),
        max_size=6,
    ),
    st.sampled_from([1, 2]),
)
def test_a_print_that_is_made_at_a_glance_is_the_one_that_is_made_with_care(
    told: list[Any], outcome: Any
) -> None:
    """make(row) is to_trade(row), or None, for every row in every order; where to_trade raises it is None."""
    plain = PlainPrints(outcome, 6)
    common = {"marketHash": MARKET, "maker": False, "tradeStatus": "SUCCESS"}
    for row in told:
        written = msgspec.json.encode(common | row)
        made = None if (read := plain_trade(written)) is None else plain.make(read, NOW)
        try:
            careful = to_trade(msgspec.json.decode(written, type=TradeRow), NOW, 6, outcome=outcome)
        except InvalidField:
            careful = None
        if made is not None:
            assert careful is not None
            same = msgspec.structs.replace(made, raw=careful.raw)
            assert (same, repr(same)) == (careful, repr(careful))
            assert (made.raw.stake, made.raw.odds) == (careful.raw.stake, careful.raw.odds)


def test_of_plain_prints_all_but_those_of_new_odds_are_made_at_a_glance() -> None:
    plain = PlainPrints(1, 6)
    row = plain_trade(msgspec.json.encode(PLACED))
    assert row is not None
    assert row.row() == trade()
    assert row.event_id is None
    first, second = plain.make(row, NOW), plain.make(row, NOW + 1)
    assert first is not None
    assert second == msgspec.structs.replace(first, received_at_ns=NOW + 1, raw=row)
    assert second.raw is row


@given(st.integers(10**12, ODDS_SCALE - 1), st.integers(10**6, 10**12), st.booleans(), st.booleans())
def test_a_trade_seen_from_outcome_two_is_the_mirror(
    odds: int, stake: int, maker: bool, outcome_one: bool
) -> None:
    """Prices add up to one, the taker does the opposite, the size and the id are the same; in both generations."""
    told = trade(odds=str(odds), stake=str(stake), maker=maker, bettingOutcomeOne=outcome_one)
    later = TradeV3Row(
        trade_id="t", market_hash=MARKET, is_betting_outcome_one=outcome_one, total_stake=stake,
        weighted_average_odds=odds,
    )  # fmt: skip
    for one, two in (
        (to_trade(told, NOW), to_trade(told, NOW, outcome=2)),
        (to_trade_v3(later, NOW), to_trade_v3(later, NOW, outcome=2)),
    ):
        assert one is not None
        assert two is not None
        assert one.price + two.price == 1
        assert (one.size, one.trade_id) == (two.size, two.trade_id)
        assert {one.taker_side, two.taker_side} == {"buy", "sell"}
        assert (one.instrument_id, two.instrument_id) == (outcome_id(MARKET, 1), outcome_id(MARKET, 2))


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


@pytest.mark.parametrize(("maker", "order_id"), [(True, "0xo"), (False, "0xf")])
def test_a_fill_is_what_the_bettor_bought_of_their_own_order(maker: bool, order_id: str) -> None:
    told = trade(maker=maker, bettingOutcomeOne=not maker, tradeStatus="SUCCESS")
    fill = to_fill(told, NOW)
    assert fill is not None
    assert (fill.instrument_id, fill.side) == (outcome_id(MARKET, 2 if maker else 1), "buy")
    assert (fill.price, fill.size, fill.notional) == (Decimal("0.4"), Decimal("2.5"), 1)
    assert (fill.venue_order_id, fill.client_order_id) == (order_id, None)
    assert (fill.fill_id, fill.liquidity) == (trade_key(told), "maker" if maker else "taker")
    assert (fill.venue_time_ns, fill.raw, fill.is_reconciled) == (1747490000 * 10**9, told, False)


@pytest.mark.parametrize("status", ["PENDING", "FAILED", None])
def test_what_the_chain_has_not_confirmed_is_no_fill(status: str | None) -> None:
    assert to_fill(trade(tradeStatus=status), NOW) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"odds": "750000000000000000000"}, "odds"),
        ({"odds": "0.4"}, "odds"),
        ({"stake": "-1"}, "stake"),
        ({"stake": "0"}, "size"),
        ({"stake": "9" * 34, "odds": "1"}, "size"),
        ({"betTime": 1747490000000}, "betTime"),
        ({"marketHash": ""}, "marketHash"),
        ({"marketHash": "0x\n"}, "instrument_id"),
        ({"fillHash": "x" * 300}, None),
    ],
)
def test_a_trade_that_cannot_be_is_refused_by_name(changes: dict[str, Any], field: str | None) -> None:
    told = trade(tradeStatus="SUCCESS", **changes)
    for read in (to_trade, to_fill):
        with pytest.raises(InvalidField) as caught:
            read(told, NOW)
        assert field in (None, caught.value.argument)


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


def best(odds: Any, updated_at: Any = None, *, outcome_one: bool = True) -> BestOddsRow:
    return BestOddsRow(
        market_hash=MARKET, is_maker_betting_outcome_one=outcome_one, percentage_odds=odds, updated_at=updated_at
    )  # fmt: skip


def test_best_odds_become_bid_and_offer_of_either_outcome() -> None:
    one, two = best("48000000000000000000", 1747500000000), best("50000000000000000000", 1747500000001)
    ticker = to_ticker(MARKET, one, two, NOW, raw=two)
    assert (ticker.instrument_id, ticker.bid, ticker.offer) == (
        outcome_id(MARKET, 1),
        Decimal("0.48"),
        Decimal("0.5"),
    )
    assert (ticker.venue_time_ns, ticker.raw) == (1747500000001 * 10**6, two)
    other = to_ticker(MARKET, one, two, NOW, outcome=2)
    assert (other.instrument_id, other.bid, other.offer) == (
        outcome_id(MARKET, 2),
        Decimal("0.5"),
        Decimal("0.52"),
    )
    for nobody in (None, "0", 0):
        empty = to_ticker(MARKET, best(nobody), OddsRow(percentage_odds=nobody, updated_at=0), NOW)
        assert (empty.bid, empty.offer, empty.venue_time_ns) == (None, None, None)
    assert to_ticker(MARKET, None, two, NOW).bid is None


def test_best_odds_of_the_later_generation_have_sizes_in_contracts() -> None:
    told = BestOddsV3Row(
        market_hash=MARKET,
        outcome_one=LevelRow(percentage_odds="50000000000000000000", size="10000000"),
        outcome_two=LevelRow(percentage_odds="40000000000000000000", size="4000000"),
    )
    one, two = to_ticker_v3(told, NOW), to_ticker_v3(told, NOW, outcome=2)
    assert (one.bid, one.bid_size, one.offer, one.offer_size) == (Decimal("0.5"), 20, Decimal("0.6"), 10)
    assert (two.bid, two.bid_size, two.offer, two.offer_size) == (Decimal("0.4"), 10, Decimal("0.5"), 20)
    assert (one.raw, two.instrument_id) == (told, outcome_id(MARKET, 2))
    empty = to_ticker_v3(BestOddsV3Row(market_hash=MARKET, outcome_one=None, outcome_two=None), NOW)
    assert (empty.bid, empty.bid_size, empty.offer, empty.offer_size) == (None, None, None, None)


@pytest.mark.parametrize(
    ("odds", "at", "field"),
    [
        ("750000000000000000000", 1747500000000, "percentageOdds"),
        ("-1", 1747500000000, "percentageOdds"),
        ("0.5", 1747500000000, "percentageOdds"),
        ("48000000000000000000", 1747500000, "updatedAt"),
        ("48000000000000000000", "soon", "updatedAt"),
    ],
)
def test_best_odds_that_cannot_be_are_refused_by_name(odds: str, at: Any, field: str) -> None:
    for one, two in ((best(odds, at), None), (None, best(odds, at))):
        with pytest.raises(InvalidField) as caught:
            to_ticker(MARKET, one, two, NOW)
        assert caught.value.argument == field


def test_best_odds_over_http_are_read_as_those_of_the_stream() -> None:
    told = msgspec.convert(
        {
            "marketHash": MARKET, "baseToken": "0x1",
            "outcomeOne": {"percentageOdds": "48000000000000000000", "updatedAt": 1747500000000},
            "outcomeTwo": {"percentageOdds": None, "updatedAt": 0},
        },
        BestOddsMarketRow,
    )  # fmt: skip
    ticker = to_ticker(MARKET, told.outcome_one, told.outcome_two, NOW, raw=told)
    assert (ticker.bid, ticker.offer, ticker.venue_time_ns) == (Decimal("0.48"), None, 1747500000000 * 10**6)


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
    assert market.raw == told


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outcome": 3}, "outcome"),
        ({"outcome": -1}, "outcome"),
        ({"game_time": 1747500000000}, "gameTime"),
        ({"market_hash": ""}, "marketHash"),
        ({"market_hash": "x" * 300}, "outcome_id"),
        ({"team_one_name": "x" * 5000}, "name"),
    ],
)
def test_a_market_that_cannot_be_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    told = MarketRow(**({"market_hash": MARKET, "status": "ACTIVE"} | changes))
    with pytest.raises(InvalidField) as caught:
        to_market(told, NOW)
    assert caught.value.argument == field


def test_a_market_that_was_reported_without_a_result_is_closed() -> None:
    assert (
        to_market(MarketRow(market_hash=MARKET, status="INACTIVE", reported_date=1747500000), NOW).status
        == "closed"
    )


def test_both_outcomes_of_a_market_are_instruments_that_pay_one() -> None:
    told = MarketRow(market_hash=MARKET, status="ACTIVE", outcome_one_name="Over", outcome_two_name="Under")
    one, two = to_instruments(told, "USDC")
    assert [each.instrument_id for each in (one, two)] == [
        outcome.outcome_id for outcome in to_market(told, NOW).outcomes
    ]
    assert [(each.name, each.market_id, each.kind, each.currency) for each in (one, two)] == [
        ("Over", MARKET, "outcome", "USDC"), ("Under", MARKET, "outcome", "USDC")
    ]  # fmt: skip
    assert (one.payout, one.price_tick, one.raw) == (1, None, told)


def test_what_the_played_venue_publishes_is_translated_and_is_what_happened_there() -> None:
    """Prints lie on the exchange's ladder, cost what they say, and a maker's fill is of an order that was told."""
    sandbox = Sandbox(rate=0, venues=["sxbet"], seed=3)
    face: Any = sandbox.faces["sxbet"]
    face.publish(face.flow.open(NOW), NOW)
    sandbox.step(600)

    def rows(topic: str, kind: type[Any]) -> list[Any]:
        return [row for entry in sandbox.ledger.since(topic) for row in read_rows(entry.body, kind).rows]

    told = rows("recent_trades:global", TradeRow)
    prints = [to_trade(row, NOW) for row in told if not row.maker]
    assert len(prints) > 50
    for found in prints:
        assert found is not None
        paid = found.price if found.taker_side == "buy" else 1 - found.price
        assert (found.price * PAYOUT) % 1 == 0
        assert paid * found.size == nominal(found.raw.stake)
    fills = [fill for fill in (to_fill(row, NOW) for row in told) if fill is not None]
    assert len(fills) > 50
    assert all(fill.notional == nominal(fill.raw.stake) for fill in fills)
    best_bids = [
        to_ticker(row.market_hash, row, None, NOW).bid
        for row in rows("best_odds:global", BestOddsRow)
        if row.is_maker_betting_outcome_one
    ]
    assert len(best_bids) > 50
    assert all(bid is None or (bid * PAYOUT) % 1 == 0 for bid in best_bids)
    assert {to_market(row, NOW).market_id for row in rows("markets:global", MarketRow)} >= set(
        face.exchange.markets
    )
