"""What the wire's values mean: prices on the axis, the words of statuses, both spellings, and rows that cannot be."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire.model import (
    InvalidField,
    american_odds,
    decimal_odds,
    liability,
    opposite,
    probability_from_american,
    probability_from_decimal,
    probability_from_scaled,
    probability_from_stakes,
    scaled_from_probability,
)
from tapewire.sandbox.core.exchange import Exchange
from tapewire.sandbox.faces.stx.words import (
    market_fields,
    order_record,
    portfolio_record,
    position_record,
    trade_record,
)
from tapewire.venues.kit.fields import exact_json
from tapewire.venues.stx.operations import ORDER_STATUSES
from tapewire.venues.stx.records import camel_keys, records, snake
from tapewire.venues.stx.translate import (
    MAX_CENTS,
    cents_of,
    levels_of,
    no_of,
    to_balance,
    to_fill,
    to_instrument,
    to_market,
    to_order,
    to_position,
    to_ticker,
    to_trade,
)

NOW = 1_788_000_000_000_000_000
PLACED = 1_787_999_999_000_000
MARKET = "51e1bf3e-e61c-4591-bcc4-5f5efba892c1"
HUGE = 10**300
NEVER = ("NaN", "1_0", " 1", "", [], {}, True, 1.5, HUGE, "\u0665", Decimal("NaN"), Decimal("Infinity"))
"""What no field with a number is."""

ORDER: dict[str, Any] = {
    "id": "o-1", "clientOrderId": "mine-1", "marketId": MARKET, "orderType": "LIMIT", "action": "BUY", "price": 51,
    "quantity": 10, "filled": 0, "avgPrice": None, "status": "OPEN", "time": "2026-09-01T10:00:00.250000Z",
    "insertedAt": PLACED, "timestamp": "2026-09-01T10:00:01.000002Z", "unix_timestamp": 1788256801000,
}  # fmt: skip
FILL: dict[str, Any] = {
    "id": "f-1", "orderId": "o-1", "clientOrderId": "mine-1", "marketId": MARKET, "action": "SELL", "price": 52,
    "filled": 3, "totalFee": 2, "liquidityAction": "taker", "time": "2026-09-01T10:00:00.250000Z",
    "insertedAt": PLACED,
}  # fmt: skip
POSITION: dict[str, Any] = {
    "marketId": MARKET, "position": 4, "averageOpenPremium": Decimal("51.25"), "totalNetPnl": 7, "updatedAt": PLACED,
}  # fmt: skip
PORTFOLIO: dict[str, Any] = {
    "account_balance": 1_000_073, "available_balance": 990_073, "escrow": 10_000, "buy_order_liability": 7_000,
    "sell_order_liability": 3_000, "unix_timestamp": 1788256801000,
}  # fmt: skip
ROW: dict[str, Any] = {
    "market_id": MARKET, "title": "Oilers vs Sharks: Will Oilers win?", "position": "Oilers", "status": "OPEN",
    "trading": True, "event_start": "2026-01-03T18:00:00Z", "event_status": "scheduled", "max_price": 99,
    "bids": [{"price": 49, "quantity": 8}, {"price": 46, "quantity": 12}],
    "offers": [{"price": 50, "quantity": 39}, {"price": 55, "quantity": 1}],
    "last_traded_price": 50, "volume_24h": 120, "result": None,
    "timestamp": "2026-09-01T10:00:01.000002Z", "timestamp_int": 1788256801000002,
}  # fmt: skip
PRINT: dict[str, Any] = {
    "price": 52, "quantity": 3, "liquidity_taker": "seller", "timestamp": "2026-09-01T10:00:01.000002Z",
    "timestamp_int": 1788256801000002,
}  # fmt: skip


# Prices.


@settings(max_examples=15)
@given(st.integers(1, 10**12))
def test_every_price_of_the_grid_is_the_same_in_each_notation(stake: int) -> None:
    """All 99: cents -> axis -> decimal, American, scaled odds, stakes -> axis -> cents come to where they began."""
    instrument = to_instrument(ROW)
    for cents in range(1, MAX_CENTS + 1):
        order = to_order(ORDER | {"price": cents}, NOW)
        assert order.price is not None
        assert Fraction(order.price) == Fraction(cents, 100)
        for back in (
            probability_from_decimal(decimal_odds(order.price)),
            probability_from_american(american_odds(order.price)),
            probability_from_scaled(scaled_from_probability(order.price)),
            probability_from_stakes(stake, liability(stake, order.price)),
        ):
            assert back == order.price
            assert cents_of(probability_from_scaled(scaled_from_probability(back))) == cents
        assert cents_of(opposite(order.price)) == 100 - cents
        assert instrument.allows_price(order.price)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-2, max_value=2, places=4))
def test_a_price_is_sent_only_if_it_is_on_the_grid(price: Decimal) -> None:
    """What `cents_of` takes is what the instrument allows, and it comes to the same price."""
    if to_instrument(ROW).allows_price(price):
        assert Decimal(cents_of(price)) / 100 == price
    else:
        with pytest.raises(InvalidField, match=r"grid of 0\.01, from 0\.01 to 0\.99"):
            cents_of(price)


# Markets.


def test_a_market_has_the_outcome_that_is_traded_and_the_one_that_is_not() -> None:
    market = to_market(ROW, NOW)
    assert [outcome.outcome_id for outcome in market.outcomes] == [MARKET, no_of(MARKET)]
    assert (market.outcomes[0].name, market.name, market.status) == ("Oilers", ROW["title"], "open")
    assert market.starts_at_ns == 1_767_463_200 * 10**9
    assert market.venue_time_ns == 1_788_256_801_000_002_000
    assert (market.is_tradable, market.is_in_play, market.result, market.raw) == (True, False, None, ROW)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "open"}, "open"),
        ({"trading": None}, "open"),
        ({"trading": False}, "suspended"),
        ({"status": "PRE_OPEN"}, "suspended"),
        ({"status": "CLOSED", "trading": False}, "closed"),
        ({"status": "CANCELLED"}, "closed"),
        ({"status": "RESULTED"}, "settled"),
        ({"status": "VOIDED"}, "voided"),
    ],
)
def test_status_and_trading_say_together_what_a_market_is(changes: dict[str, Any], status: str) -> None:
    assert to_market(ROW | changes, NOW).status == status


@pytest.mark.parametrize(
    ("status", "result", "told"),
    [
        ("RESULTED", "yes", MARKET),
        ("RESULTED", "no", no_of(MARKET)),
        ("RESULTED", None, None),
        ("RESULTED", "half", None),
        ("OPEN", "yes", None),
    ],
)
def test_a_result_is_one_of_the_outcomes(status: str, result: Any, told: str | None) -> None:
    assert to_market(ROW | {"status": status, "result": result}, NOW).result == told


def test_a_market_is_in_play_by_its_event_or_its_category() -> None:
    assert to_market(ROW | {"event_status": "in_progress"}, NOW).is_in_play
    assert to_market(ROW | {"homeCategory": "Live"}, NOW).is_in_play


def test_an_instrument_is_a_contract_that_pays_one_dollar() -> None:
    instrument = to_instrument(ROW)
    assert (instrument.instrument_id, instrument.market_id, instrument.kind) == (MARKET, MARKET, "outcome")
    assert (instrument.currency, instrument.payout, instrument.price_tick) == ("USD", 1, Decimal("0.01"))
    assert to_instrument(ROW | {"max_price": 100}, "CAD").currency == "CAD"
    assert not instrument.allows_size(Decimal("0.5"))
    with pytest.raises(InvalidField, match="max_price"):
        to_instrument(ROW | {"max_price": 10_000})


def test_a_ticker_has_the_touch_the_last_price_and_the_volume() -> None:
    ticker = to_ticker(ROW, NOW)
    assert (ticker.bid, ticker.bid_size, ticker.offer, ticker.offer_size) == (
        Decimal("0.49"), 8, Decimal("0.5"), 39,
    )  # fmt: skip
    assert (ticker.last, ticker.volume, ticker.venue_time_ns) == (
        Decimal("0.5"),
        120,
        1_788_256_801_000_002_000,
    )
    empty = to_ticker(ROW | {"bids": [], "offers": None, "last_traded_price": None, "volume_24h": None}, NOW)
    assert (empty.bid, empty.offer, empty.last, empty.volume) == (None, None, None, None)


def test_an_answer_spells_its_volume_with_a_digit_in_the_middle() -> None:
    answer = records(camel_keys(ROW))
    assert "volume24h" in answer
    assert to_ticker(answer, NOW).volume == 120


@given(st.permutations(range(1, 20)))
def test_levels_come_best_first_in_whatever_order_they_were_sent(prices: list[int]) -> None:
    """Bids fall, offers rise, each with its own size: the venue's generations differ in their order."""
    rows = [{"price": price, "quantity": price * 10} for price in prices]
    bids, offers = levels_of(rows, "bids"), levels_of(rows, "offers")
    assert [price for price, _ in bids] == [Decimal(n) / 100 for n in range(19, 0, -1)]
    assert offers == bids[::-1]
    assert all(size == price * 1000 for price, size in bids)


def test_a_level_without_contracts_is_none() -> None:
    assert levels_of([{"price": 5, "quantity": 0}, {"price": 6, "quantity": Decimal("0.5")}], "bids") == (
        (Decimal("0.06"), Decimal("0.5")),
    )


def test_a_trade_s_id_is_made_of_what_is_told_of_it() -> None:
    trade = to_trade(MARKET, PRINT, 0, NOW)
    assert (trade.price, trade.size, trade.taker_side) == (Decimal("0.52"), 3, "sell")
    assert trade.trade_id == "1788256801000002-52-3-sell"
    assert trade.venue_time_ns == 1_788_256_801_000_002_000
    assert to_trade(MARKET, PRINT, 2, NOW).trade_id == "1788256801000002-52-3-sell-2"
    told_otherwise = {**PRINT, "quantity": Decimal("3.0"), "liquidityTaker": "seller", "timestamp_int": None}
    assert to_trade(MARKET, told_otherwise, 0, NOW).trade_id == trade.trade_id
    assert to_trade(MARKET, PRINT | {"liquidity_taker": "buyer"}, 0, NOW).taker_side == "buy"


# The account.


@pytest.mark.parametrize(
    ("status", "filled", "told", "remaining"),
    [
        ("CREATED", 0, "submitted", 10),
        ("REQUESTED", 0, "submitted", 10),
        ("DELAYED", 0, "submitted", 10),
        ("ACCEPTED", 0, "accepted", 10),
        ("OPEN", 0, "accepted", 10),
        ("open", 0, "accepted", 10),
        ("OPEN", 4, "partially_filled", 6),
        ("FILLED", 10, "filled", 0),
        ("FILLED", None, "filled", 0),
        ("CANCELLED", 0, "canceled", 0),
        ("PARTIALLY_CANCELLED", 4, "canceled", 0),
        ("partially_cancelled", 4, "canceled", 0),
        ("REJECTED", 0, "rejected", 0),
    ],
)
def test_status_and_filled_say_together_how_an_order_stands(
    status: str, filled: int | None, told: str, remaining: int
) -> None:
    order = to_order(ORDER | {"status": status, "filled": filled}, NOW)
    assert (order.status, order.remaining) == (told, remaining)
    assert order.filled_size == (10 if filled is None else filled)


def test_every_status_of_the_venue_s_schema_is_known() -> None:
    assert {to_order(ORDER | {"status": status}, NOW).status for status in ORDER_STATUSES} <= {
        "submitted", "accepted", "filled", "canceled", "rejected",
    }  # fmt: skip


def test_an_order_is_told_with_both_ids_and_the_time_of_its_message() -> None:
    order = to_order(ORDER | {"avgPrice": Decimal("50.5"), "filled": 2}, NOW)
    assert (order.venue_order_id, order.client_order_id, order.instrument_id) == ("o-1", "mine-1", MARKET)
    assert (order.side, order.kind, order.price, order.size) == ("buy", "limit", Decimal("0.51"), 10)
    assert order.average_price == Decimal("0.505")
    assert order.venue_time_ns == 1_788_256_801_000_002_000
    assert not order.is_reconciled


def test_when_an_order_was_placed_is_not_when_it_came_to_be_so() -> None:
    answered = {name: value for name, value in ORDER.items() if "timestamp" not in name}
    order = to_order(answered, NOW, is_reconciled=True)
    assert order.venue_time_ns is None
    assert order.is_reconciled


def test_a_market_order_has_no_price_whatever_is_said() -> None:
    order = to_order(ORDER | {"orderType": "MARKET", "price": 50, "action": "SELL"}, NOW)
    assert (order.kind, order.price, order.side) == ("market", None, "sell")
    assert to_order(ORDER | {"orderType": None, "price": None}, NOW).kind == "market"


def test_what_was_rejected_for_its_price_can_still_be_told() -> None:
    order = to_order(ORDER | {"status": "REJECTED", "price": 0, "rejection_reason": "price"}, NOW)
    assert (order.status, order.price, order.reason) == ("rejected", None, "price")


def test_a_fill_is_an_execution_and_says_which_side_it_was() -> None:
    fill = to_fill(FILL, NOW)
    assert (fill.fill_id, fill.venue_order_id, fill.client_order_id) == ("f-1", "o-1", "mine-1")
    assert (fill.side, fill.price, fill.size, fill.liquidity) == ("sell", Decimal("0.52"), 3, "taker")
    assert (fill.fee, fill.fee_currency) == (Decimal("0.02"), "USD")
    assert fill.venue_time_ns == 1_788_256_800_250_000_000
    free = to_fill(FILL | {"totalFee": None, "liquidityAction": "provider", "time": None}, NOW)
    assert (free.fee, free.fee_currency, free.liquidity) == (0, None, "maker")
    assert free.venue_time_ns == PLACED * 1000
    assert to_fill(FILL | {"time": None, "insertedAt": PLACED // 1000}, NOW).venue_time_ns == PLACED * 1000
    assert to_fill(FILL | {"liquidityAction": "else"}, NOW).liquidity is None


def test_a_position_is_signed_and_its_price_is_on_the_axis() -> None:
    held = to_position(POSITION, NOW)
    assert (held.size, held.average_price, held.venue_time_ns) == (4, Decimal("0.5125"), PLACED * 1000)
    assert held.realized_pnl == 0  # the venue's number has what is held in it
    short = to_position(POSITION | {"position": -4}, NOW)
    assert (short.size, short.average_price) == (-4, Decimal("0.4875"))
    flat = to_position(POSITION | {"position": 0, "totalNetPnl": -150}, NOW)
    assert (flat.is_flat, flat.average_price, flat.realized_pnl) == (True, None, Decimal("-1.5"))


def test_a_balance_is_in_dollars_and_held_is_what_orders_bind() -> None:
    balance = to_balance(PORTFOLIO, NOW, currency="CAD")
    assert (balance.total, balance.available, balance.held) == (Decimal("10000.73"), Decimal("9900.73"), 100)
    assert (balance.currency, balance.venue_time_ns) == ("CAD", 1_788_256_801_000 * 10**6)


# Both spellings.


@pytest.mark.parametrize(
    ("translate", "row"),
    [(to_order, ORDER), (to_fill, FILL), (to_position, POSITION), (to_balance, PORTFOLIO)],
    ids=["order", "fill", "position", "balance"],
)
def test_either_spelling_says_the_same(translate: Any, row: dict[str, Any]) -> None:
    spelled = [{snake(name): value for name, value in row.items()}, camel_keys(row), records(camel_keys(row))]
    first, *others = (translate(each, NOW) for each in spelled)
    for other in others:
        assert {**_told(first), "raw": 0} == {**_told(other), "raw": 0}


def _told(noun: Any) -> dict[str, Any]:
    return {name: getattr(noun, name) for name in noun.__struct_fields__}


def test_what_the_played_venue_says_is_read_and_is_what_its_exchange_holds() -> None:
    exchange = Exchange("translate")
    account = exchange.open_account("ann", 100_000)
    market, _ = exchange.create_market({"title": "t", "position": "Home"}, NOW)
    rested, _ = exchange.place("ann", market.market_id, "buy", 40, 10, NOW, client_order_id="c")
    exchange.open_account("bob", 100_000)
    exchange.place("bob", market.market_id, "sell", 40, 4, NOW)
    exchange.place("bob", market.market_id, "sell", 60, 5, NOW)
    order = to_order(_sent(order_record(account.open_orders[rested.order_id])), NOW)
    assert (order.status, order.filled_size, order.average_price) == ("partially_filled", 4, Decimal("0.4"))
    [fill] = account.fills
    told = to_fill(_sent(trade_record(fill)), NOW)
    assert (told.price, told.size, told.liquidity, told.side) == (Decimal("0.4"), 4, "maker", "buy")
    [bobs] = exchange.accounts["bob"].positions.values()
    short = to_position(_sent(position_record(bobs, market)), NOW)
    assert (short.size, short.average_price) == (-4, Decimal("0.4"))
    balance = to_balance(_sent(portfolio_record(account)), NOW)
    assert (balance.total, balance.held) == (1000, Decimal("2.4"))
    row = _sent(market_fields(market))
    assert to_ticker(row, NOW).offer == Decimal("0.6")
    assert to_trade(market.market_id, row["recent_trades"][0], 0, NOW).taker_side == "sell"
    assert to_market(row, NOW).is_tradable
    assert to_instrument(row).payout == 1


def _sent(row: Any) -> Any:
    return exact_json(json.dumps(row))


# What cannot be.


def _wrong(
    translate: Any, row: dict[str, Any], name: str, *, null: bool = False, more: Any = ()
) -> list[Any]:
    values = [value for value in (*NEVER, *more) if not (null and value in ("", None))]
    if not null:
        values.append(None)
    return [
        pytest.param(translate, row, name, value, id=f"{translate.__name__}-{name}-{number}")
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("translate", "row", "name", "value"),
    [
        *_wrong(to_order, ORDER, "price", more=(0, 100, -1, Decimal("50.5"))),
        *_wrong(to_order, ORDER, "quantity", more=(0, -1)),
        *_wrong(to_order, ORDER, "filled", null=True, more=(-1,)),
        *_wrong(to_order, ORDER, "avgPrice", null=True, more=(-1, 100)),
        *_wrong(to_order, ORDER, "status", more=("LOST", 7)),
        *_wrong(to_order, ORDER, "action", more=("HOLD", 7)),
        *_wrong(to_fill, FILL, "price", more=(0, 100)),
        *_wrong(to_fill, FILL, "filled", more=(0, -1)),
        *_wrong(to_fill, FILL, "totalFee", null=True),
        *_wrong(to_fill, FILL, "action"),
        *_wrong(to_position, POSITION, "position"),
        *_wrong(to_position, POSITION, "averageOpenPremium", null=True, more=(-1, 100)),
        *_wrong(to_position, POSITION, "totalNetPnl", null=True),
        *_wrong(to_balance, PORTFOLIO, "account_balance"),
        *_wrong(to_balance, PORTFOLIO, "available_balance"),
        *_wrong(to_balance, PORTFOLIO, "buy_order_liability"),
        *_wrong(to_ticker, ROW, "last_traded_price", null=True, more=(0, 100)),
        *_wrong(to_ticker, ROW, "volume_24h", null=True, more=(-1,)),
        *_wrong(to_market, ROW, "status", more=("LOST",)),
        *_wrong(to_instrument, ROW, "max_price", null=True, more=(0, 98, 10_000)),
    ],
)
def test_a_row_with_a_field_that_cannot_be_is_refused_by_name(
    translate: Any, row: dict[str, Any], name: str, value: Any
) -> None:
    with pytest.raises(InvalidField) as caught:
        translate(row | {name: value}, NOW) if translate is not to_instrument else translate(
            row | {name: value}
        )
    assert caught.value.argument in (snake(name), name, _named_by_the_model(name))


def _named_by_the_model(name: str) -> str:
    return {"quantity": "size", "filled": "size", "price": "price"}.get(name, name)


@pytest.mark.parametrize(
    ("translate", "row", "name"),
    [
        (to_order, ORDER, "id"),
        (to_order, ORDER, "marketId"),
        (to_fill, FILL, "id"),
        (to_fill, FILL, "marketId"),
        (to_position, POSITION, "marketId"),
        (to_market, ROW, "market_id"),
        (to_ticker, ROW, "market_id"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "x" * 257, "a\nb", 1.5, [], True, HUGE])
def test_a_row_without_an_id_is_refused(translate: Any, row: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(InvalidField):
        translate(row | {name: value}, NOW)


@pytest.mark.parametrize("name", ["timestamp", "timestamp_int", "unix_timestamp"])
@pytest.mark.parametrize("value", ["yesterday", "2026-09-01T10:00:00", 1.5, [], HUGE, 10**9, "9" * 50, -1])
def test_a_time_that_is_none_is_refused(name: str, value: Any) -> None:
    row = {key: each for key, each in ORDER.items() if "timestamp" not in key}
    with pytest.raises(InvalidField, match=name):
        to_order(row | {name: value}, NOW)


@pytest.mark.parametrize(
    "levels",
    [
        {},
        "[]",
        [7],
        [[50, 1]],
        [{"price": 50}],
        [{"quantity": 1}],
        [{"price": 0, "quantity": 1}],
        [{"price": 100, "quantity": 1}],
        [{"price": Decimal("50.5"), "quantity": 1}],
        [{"price": 50, "quantity": -1}],
        [{"price": 50, "quantity": Decimal("NaN")}],
        [{"price": 50, "quantity": HUGE}],
        [{"price": 50, "quantity": 1}, {"price": 50, "quantity": 2}],
        [{"price": 50, "quantity": 1}] * 10_001,
    ],
)
@pytest.mark.parametrize("side", ["bids", "offers"])
def test_levels_that_are_none_are_refused(side: str, levels: Any) -> None:
    with pytest.raises(InvalidField, match=side):
        levels_of(levels, side)


@pytest.mark.parametrize("translate", [to_order, to_fill, to_position, to_balance, to_market, to_ticker])
@pytest.mark.parametrize("row", [None, [], "row", 7])
def test_what_is_no_object_is_refused(translate: Any, row: Any) -> None:
    with pytest.raises(InvalidField, match="an object"):
        translate(row, NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_nothing_but_invalid_field_comes_of_any_row(data: st.DataObject) -> None:
    """Whatever JSON stands in whatever field, a row is a noun or an InvalidField."""
    translate, row = data.draw(
        st.sampled_from(
            [(to_order, ORDER), (to_fill, FILL), (to_position, POSITION), (to_balance, PORTFOLIO), (to_market, ROW),
             (to_ticker, ROW), (lambda row, now: to_trade(MARKET, row, 0, now), PRINT),
             (lambda row, _: to_instrument(row), ROW)]
        )
    )  # fmt: skip
    names = data.draw(st.lists(st.sampled_from(sorted(row)), max_size=4))
    changed = row | {name: data.draw(_json) for name in names}
    with suppress(InvalidField):
        assert translate(changed, NOW) is not None
