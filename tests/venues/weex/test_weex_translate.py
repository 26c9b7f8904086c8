"""What a row means to the model: every noun from every wire and from HTTP, exact; and what is corrupt is nobody's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.model import FINAL_STATUSES, InvalidField
from tapewire.testing import VirtualClock
from tapewire.venues.weex import V2, V3, Profile
from tapewire.venues.weex.answers import balances_of, fills_of, orders_of, positions_of, ticker_of
from tapewire.venues.weex.message import ROW_ERRORS, messages_of
from tapewire.venues.weex.translate import (
    position_side,
    to_balance,
    to_book_snapshot,
    to_fill,
    to_instrument,
    to_market,
    to_order,
    to_position,
    to_ticker,
    to_trade,
)
from tapewire.venues.weex.wire import Frame
from tests.venues.weex.weex_peer import Heard, weex_line

NOW = 1_790_134_568_500_000_000
AT = 1_790_134_568_308

CONTRACT = {
    "symbol": "ETHUSDT", "baseAsset": "ETH", "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": "2",
    "quantityPrecision": "3", "baseAssetPrecision": "2", "quotePrecision": "8", "contractVal": "0.001",
    "forwardContractFlag": True, "makerFeeRate": "0.0002", "takerFeeRate": "0.0008", "minOrderSize": "0.001",
    "maxOrderSize": "1000000",
}  # fmt: skip
TICKER = {
    "p": "1067.6", "P": "0.012475", "w": "86029.22669334", "c": "86645.2", "o": "85577.6", "h": "86814.0",
    "l": "85079.9", "v": "27024.8956", "q": "2324930869.93625", "O": 1790048168308, "C": AT, "n": 465441,
    "m": "86660.8", "i": "86690.49875",
}  # fmt: skip
TICKER_V2 = {
    "symbol": "cmt_btcusdt", "priceChange": "-2055.6", "priceChangePercent": "-0.019637", "trades": "107941",
    "size": "65018.43540", "value": "6714216577.08", "high": "105123.3", "low": "101826.9", "lastPrice": "102620.3",
    "markPrice": "102622.5",
}  # fmt: skip
TRADE = {
    "T": 1775121040002, "t": "0aa1be3c-5d87-4bd3-8b7d-5a6b2f3a1c9e", "p": "2041.50", "q": "0.020", "v": "40.83000",
    "m": False,
}  # fmt: skip
TRADE_V2 = {
    "time": "1747131727502",
    "price": "103337.5",
    "size": "0.01600",
    "value": "1653.400000",
    "buyerMaker": True,
}
ORDER = {
    "id": "737185556881998184", "coin": "USDT", "symbol": "BTCUSDT", "marginMode": "CROSSED",
    "separatedMode": "COMBINED", "positionSide": "LONG", "orderSide": "BUY", "price": "86646.0", "size": "0.0300",
    "clientOrderId": "mine-1", "type": "LIMIT", "timeInForce": "GTC", "reduceOnly": False, "triggerPrice": "0",
    "leverage": "20", "status": "NEW", "cancelReason": "UNKNOWN_ORDER_CANCEL_REASON", "latestFillPrice": "86645.5",
    "cumFillSize": "0.0200", "cumFillValue": "1732.91500", "cumFillFee": "1.3863320", "cumRealizePnl": "0",
    "createdTime": "1790134567942", "updatedTime": "1790134568308",
}  # fmt: skip
ORDER_REST = {
    "avgPrice": "86645.8", "clientOrderId": "mine-1", "cumQuote": "1732.91500", "executedQty": "0.0200",
    "orderId": 737185556881998184, "origQty": "0.0300", "price": "86646.0", "reduceOnly": False, "side": "BUY",
    "positionSide": "LONG", "status": "NEW", "stopPrice": "0", "symbol": "BTCUSDT", "time": 1790134567942,
    "timeInForce": "GTC", "type": "LIMIT", "updateTime": AT, "workingType": "UNKNOWN_PRICE_TYPE",
}  # fmt: skip
FILL = {
    "id": "737074389731770728", "coin": "USDT", "symbol": "BTCUSDT", "orderId": "737185556881998184",
    "clientOrderId": "mine-1", "positionSide": "LONG", "orderSide": "BUY", "fillSize": "0.0200",
    "fillValue": "1732.91000", "fillFee": "1.3863280", "realizePnl": "0", "direction": "TAKER",
    "createdTime": "1790134568308", "updatedTime": "1790134568308",
}  # fmt: skip
FILL_REST = {
    "id": 737074389731770728, "orderId": 737185556881998184, "symbol": "BTCUSDT", "buyer": True,
    "commission": "1.3863280", "commissionAsset": "USDT", "maker": False, "price": "86645.5", "qty": "0.0200",
    "quoteQty": "1732.91000", "realizedPnl": "0", "side": "BUY", "positionSide": "LONG", "time": AT,
}  # fmt: skip
POSITION = {
    "id": "737191855967437160", "coin": "USDT", "symbol": "BTCUSDT", "side": "LONG", "leverage": "20",
    "size": "0.0200", "openValue": "1732.91000", "openFee": "1.3", "fundingFee": "0", "isolatedMargin": "0",
    "cumOpenSize": "0.0300", "cumOpenValue": "2599.36500", "cumCloseSize": "0.0100", "cumCloseValue": "870.00000",
    "createdTime": "1790134567942", "updatedTime": "1790134568308",
}  # fmt: skip
POSITION_REST = {
    "id": 737191855967437160, "asset": "USDT", "symbol": "BTCUSDT", "side": "SHORT", "marginType": "CROSSED",
    "leverage": "20.00", "size": "300", "openValue": "27.96900", "cumOpenValue": "27.96900", "cumCloseValue": "0",
    "marginSize": "100", "unrealizePnl": "-0.12", "updatedTime": AT,
}  # fmt: skip
BALANCE = {
    "coin": "USDT",
    "marginMode": "CROSSED",
    "amount": "9998.6",
    "liquidating": False,
    "updatedTime": str(AT),
}
BALANCE_REST = {
    "asset": "USDT",
    "balance": "9998.6",
    "availableBalance": "9900.5",
    "frozen": "13.25",
    "unrealizePnl": "-1.5",
}


def read(channel: str, row: Any, profile: Profile = V3, symbol: str = "") -> Any:
    """The data of a row as streams have it. Raises what is wrong with the row."""

    def fail(error: Exception) -> None:
        raise error

    raw = msgspec.Raw(msgspec.json.encode([row]))
    (message,) = messages_of(Frame("", channel, symbol, False, AT, b"", raw), profile, fail)
    return message.data


# --- markets ---


def test_an_instrument_has_the_grid_that_its_places_say() -> None:
    instrument = to_instrument(CONTRACT)
    assert (instrument.instrument_id, instrument.kind, instrument.currency) == (
        "ETHUSDT",
        "perpetual",
        "USDT",
    )
    assert (instrument.price_tick, instrument.size_step) == (Decimal("0.01"), Decimal("0.001"))
    assert (instrument.min_size, instrument.min_notional) == (Decimal("0.001"), None)
    assert instrument.allows_price(Decimal("2041.57"))
    assert not instrument.allows_price(Decimal("2041.575"))
    assert instrument.allows_size(Decimal("0.001"))
    assert not instrument.allows_size(Decimal("0.0005"))
    assert (instrument.name, instrument.raw) == ("ETH/USDT perpetual", CONTRACT)


def test_a_contract_without_places_has_no_grid() -> None:
    bare = {name: CONTRACT[name] for name in ("symbol", "baseAsset", "quoteAsset")}
    instrument = to_instrument(bare | {"pricePrecision": "", "minOrderSize": None})
    assert (instrument.price_tick, instrument.size_step, instrument.min_size) == (None, None, None)


def test_places_of_zero_are_whole_numbers() -> None:
    assert to_instrument(CONTRACT | {"quantityPrecision": 0}).size_step == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": None}, "symbol"),
        ({"symbol": "A" * 300}, "symbol"),
        ({"quoteAsset": None}, "quoteAsset"),
        ({"pricePrecision": "-1"}, "pricePrecision"),
        ({"pricePrecision": "21"}, "pricePrecision"),
        ({"pricePrecision": "2.5"}, "pricePrecision"),
        ({"quantityPrecision": True}, "quantityPrecision"),
        ({"minOrderSize": "-1"}, "min_size"),
        ({"minOrderSize": 0.001}, "minOrderSize"),
        ({"minOrderSize": "NaN"}, "minOrderSize"),
    ],
)
def test_a_corrupt_contract_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        to_instrument(CONTRACT | changes)
    assert raised.value.argument == field


def test_a_market_is_one_contract_and_open() -> None:
    market = to_market(CONTRACT, NOW)
    assert (market.market_id, [outcome.outcome_id for outcome in market.outcomes]) == ("ETHUSDT", ["ETHUSDT"])
    assert market.is_tradable
    assert market.raw == CONTRACT


def test_a_trade_says_what_the_taker_did() -> None:
    trade = to_trade(read("trade", TRADE, symbol="ETHUSDT"), NOW)
    assert (trade.instrument_id, trade.trade_id) == ("ETHUSDT", TRADE["t"])
    assert (trade.price, trade.size, trade.taker_side) == (Decimal("2041.50"), Decimal("0.020"), "buy")
    assert (trade.venue_time_ns, trade.received_at_ns) == (1775121040002 * 10**6, NOW)
    assert to_trade(read("trade", TRADE | {"m": True}, symbol="ETHUSDT"), NOW).taker_side == "sell"
    assert trade.raw["value"] == Decimal("40.83000")


def test_trades_of_v2_have_no_id_and_are_told_apart_by_their_place() -> None:
    data = read("trade", TRADE_V2, V2, "BTCUSDT")
    first, second = to_trade(data, NOW), to_trade(data, NOW, place=1)
    assert (first.price, first.size, first.taker_side) == (Decimal("103337.5"), Decimal("0.016"), "sell")
    assert first.trade_id != second.trade_id
    assert to_trade(data, NOW + 1).trade_id == first.trade_id


@pytest.mark.parametrize(
    "changes",
    [{"p": "0"}, {"p": "-1"}, {"q": "0"}, {"p": None}, {"q": ""}, {"m": None}, {"t": ""}, {"t": "a\nb"},
     {"t": "x" * 300}, {"T": 5}, {"T": "soon"}, {"p": "NaN"}, {"p": "1e30"}, {"m": "perhaps"}],
)  # fmt: skip
def test_a_corrupt_trade_is_none(changes: dict[str, Any]) -> None:
    if changes == {"t": ""}:  # as if it had none: it has one of its own
        assert to_trade(read("trade", TRADE | changes, symbol="ETHUSDT"), NOW).trade_id
        return
    with pytest.raises(InvalidField):
        to_trade(read("trade", TRADE | changes, symbol="ETHUSDT"), NOW)


def test_a_trade_of_no_contract_is_none() -> None:
    with pytest.raises(InvalidField, match="symbol"):
        to_trade(read("trade", TRADE), NOW)


def test_a_tickers_change_is_a_fraction() -> None:
    ticker = to_ticker(read("ticker", TICKER, symbol="BTCUSDT"), NOW, AT)
    assert (ticker.last, ticker.mark, ticker.index) == (
        Decimal("86645.2"),
        Decimal("86660.8"),
        Decimal("86690.49875"),
    )
    assert (ticker.open, ticker.high, ticker.low) == (
        Decimal("85577.6"),
        Decimal("86814.0"),
        Decimal("85079.9"),
    )
    assert (ticker.volume, ticker.turnover) == (Decimal("27024.8956"), Decimal("2324930869.93625"))
    assert (ticker.change, ticker.bid, ticker.offer) == (Decimal("0.012475"), None, None)
    assert (ticker.venue_time_ns, ticker.received_at_ns) == (AT * 10**6, NOW)


def test_a_ticker_of_v2_and_one_of_http_say_the_same() -> None:
    told = to_ticker(read("ticker", TICKER_V2, V2, "BTCUSDT"), NOW)
    assert (told.instrument_id, told.last, told.change) == (
        "BTCUSDT",
        Decimal("102620.3"),
        Decimal("-0.019637"),
    )
    answer = {
        "symbol": "BTCUSDT", "priceChangePercent": "-0.034992", "lastPrice": "2081.80", "openPrice": "2157.29",
        "highPrice": "2167.51", "lowPrice": "2059.17", "volume": "623160.426", "quoteVolume": "1310647345.19346",
        "markPrice": "2081.8", "indexPrice": "2082.75",
    }  # fmt: skip
    asked = to_ticker(ticker_of(answer), NOW)
    assert (asked.last, asked.change, asked.venue_time_ns) == (Decimal("2081.80"), Decimal("-0.034992"), None)


def test_a_price_of_zero_is_none() -> None:
    ticker = to_ticker(read("ticker", TICKER | {"c": "0", "h": "0.00"}, symbol="BTCUSDT"), NOW)
    assert (ticker.last, ticker.high) == (None, None)


@pytest.mark.parametrize("changes", [{"c": "-1"}, {"v": "-0.1"}, {"m": "abc"}, {"h": "9" * 25}])
def test_a_corrupt_ticker_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        to_ticker(read("ticker", TICKER | changes, symbol="BTCUSDT"), NOW)


def test_a_book_is_its_levels_and_its_number() -> None:
    bids, offers = [(Decimal("86646.0"), Decimal("2.5598"))], [(Decimal("86646.1"), Decimal(1))]
    book = to_book_snapshot("BTCUSDT", bids, offers, 16938207498, NOW, AT)
    assert (book.bids, book.offers, book.last) == (tuple(bids), tuple(offers), 16938207498)
    with pytest.raises(InvalidField):
        to_book_snapshot("BTCUSDT", [*bids, *bids], offers, 1, NOW)


# --- what is ours ---


def test_an_order_that_is_partly_filled_has_the_average_of_its_parts() -> None:
    order = to_order(read("orders", ORDER), NOW, AT)
    assert (order.venue_order_id, order.client_order_id) == ("737185556881998184", "mine-1")
    assert (order.instrument_id, order.side, order.kind) == ("BTCUSDT", "buy", "limit")
    assert (order.size, order.filled_size, order.remaining) == (
        Decimal("0.03"),
        Decimal("0.02"),
        Decimal("0.01"),
    )
    assert (order.price, order.average_price) == (Decimal("86646.0"), Decimal("86645.75"))
    assert (order.status, order.reason, order.is_reconciled) == ("partially_filled", "", False)
    assert order.venue_time_ns == AT * 10**6
    assert order.raw["position_side"] == "long"


def test_an_order_over_http_is_the_streams_order() -> None:
    (asked,) = orders_of([ORDER_REST])
    looked_up = to_order(asked, NOW, is_reconciled=True)
    told = to_order(read("orders", ORDER), NOW)
    assert looked_up.is_reconciled
    assert msgspec.structs.replace(looked_up, is_reconciled=False, raw=None) == msgspec.structs.replace(
        told, raw=None
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "PENDING", "cumFillSize": "0"}, "accepted"),
        ({"status": "NEW", "cumFillSize": "0"}, "accepted"),
        ({"status": "UNTRIGGERED", "cumFillSize": "0"}, "accepted"),
        ({"status": "PENDING"}, "partially_filled"),
        ({"status": "PARTIALLY_FILLED"}, "partially_filled"),
        ({"status": "PARTIAL_FILL"}, "partially_filled"),
        ({"status": "FILLED", "cumFillSize": "0.03"}, "filled"),
        ({"status": "FULL_FILL", "cumFillSize": "0.03"}, "filled"),
        ({"status": "CANCELING"}, "pending_cancel"),
        ({"status": "CANCELED"}, "canceled"),
        ({"status": "CANCELLED"}, "canceled"),
        ({"status": "CANCELED", "cumFillSize": "0", "cancelReason": "POST_ONLY_REJECTED"}, "rejected"),
        ({"status": "REJECTED"}, "rejected"),
        ({"status": "EXPIRED"}, "expired"),
    ],
)
def test_every_status_of_the_venue_is_one_of_the_model(changes: dict[str, Any], status: str) -> None:
    order = to_order(read("orders", ORDER | changes), NOW)
    assert order.status == status
    assert order.is_final is (status in FINAL_STATUSES)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [("LIMIT", "limit"), ("STOP", "limit"), ("TAKE_PROFIT", "limit"), ("MARKET", "market"),
     ("STOP_MARKET", "market"), ("TAKE_PROFIT_MARKET", "market")],
)  # fmt: skip
def test_an_order_is_of_the_kind_that_it_is_once_triggered(type_: str, kind: str) -> None:
    order = to_order(read("orders", ORDER | {"type": type_, "price": "0"}), NOW)
    assert (order.kind, order.price) == (kind, None)


def test_the_reason_is_the_venues_or_that_it_waits_for_its_trigger() -> None:
    canceled = to_order(read("orders", ORDER | {"status": "CANCELED", "cancelReason": "USER_CANCELED"}), NOW)
    waiting = to_order(read("orders", ORDER | {"status": "UNTRIGGERED", "cumFillSize": "0"}), NOW)
    assert (canceled.reason, waiting.reason) == ("USER_CANCELED", "not triggered yet")


def test_an_average_that_has_no_end_is_rounded_to_what_the_model_holds() -> None:
    order = to_order(read("orders", ORDER | {"cumFillSize": "0.0003", "cumFillValue": "10"}), NOW)
    assert order.average_price == Decimal("33333.33333333333333333333")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "SOMETHING"}, "status"),
        ({"status": None}, "status"),
        ({"type": "ICEBERG"}, "type"),
        ({"orderSide": "HOLD"}, "side"),
        ({"orderSide": None}, "side"),
        ({"symbol": None}, "symbol"),
        ({"id": None}, "order_id"),
        ({"id": "x" * 300}, "venue_order_id"),
        ({"size": "0"}, "size"),
        ({"size": "-1"}, "size"),
        ({"price": "-1"}, "price"),
        ({"cumFillSize": "-1", "status": "NEW"}, "filled_value"),
        ({"cumFillValue": "-1"}, "filled_value"),
        ({"cumFillValue": "0.00000000000000000001", "cumFillSize": "9" * 20}, "average_price"),
        ({"cumFillValue": "9" * 20, "cumFillSize": "0.00000000000000000001"}, "average_price"),
        ({"clientOrderId": "two\nlines"}, "client_order_id"),
        ({"updatedTime": "1790134568"}, "time"),
    ],
)
def test_a_corrupt_order_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        to_order(read("orders", ORDER | changes), NOW)
    assert raised.value.argument == field


def test_a_fill_is_the_same_from_the_stream_and_over_http() -> None:
    told = to_fill(read("fill", FILL), NOW, AT)
    (asked,) = fills_of([FILL_REST])
    looked_up = to_fill(asked, NOW, is_reconciled=True)
    assert (told.fill_id, told.venue_order_id, told.client_order_id) == (
        FILL["id"],
        FILL["orderId"],
        "mine-1",
    )
    assert (told.side, told.price, told.size, told.liquidity) == (
        "buy",
        Decimal("86645.5"),
        Decimal("0.02"),
        "taker",
    )
    assert (told.fee, told.fee_currency, told.venue_time_ns) == (Decimal("1.3863280"), "USDT", AT * 10**6)
    fields: Any = {"is_reconciled": False, "raw": None, "client_order_id": None}
    assert msgspec.structs.replace(looked_up, **fields) == msgspec.structs.replace(told, **fields)


def test_a_fills_price_is_on_the_tick_though_its_value_was_rounded() -> None:
    data = read("fill", FILL | {"fillValue": "1732.9", "fillSize": "0.0200"})
    assert to_fill(data, NOW).price == 86645
    data = read("fill", FILL | {"fillValue": "28.88", "fillSize": "0.0003"})
    assert to_fill(data, NOW, price_tick=Decimal("0.5")).price == Decimal("96266.5")
    assert to_fill(data, NOW).price == Decimal("96266.66666666666666666667")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "fill_id"),
        ({"orderId": None}, "order_id"),
        ({"fillSize": "0"}, "size"),
        ({"fillSize": None}, "size"),
        ({"fillSize": "-1"}, "value"),
        ({"fillValue": "-1"}, "value"),
        ({"fillValue": None}, "price"),
        ({"direction": "BOTH"}, "liquidity"),
        ({"orderSide": "HOLD"}, "side"),
        ({"fillFee": "much"}, "fee"),
    ],
)
def test_a_corrupt_fill_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        to_fill(read("fill", FILL | changes), NOW)
    assert raised.value.argument == field


def test_a_rebate_is_a_fee_below_zero() -> None:
    assert to_fill(read("fill", FILL | {"fillFee": "-0.5"}), NOW).fee == Decimal("-0.5")


def test_a_position_has_realized_what_its_closed_part_brought() -> None:
    long = to_position(read("positions", POSITION), NOW, AT)
    assert (long.instrument_id, long.side, long.size) == ("BTCUSDT", "long", Decimal("0.02"))
    assert (long.average_price, long.unrealized_pnl) == (Decimal("86645.5"), None)
    # What was closed had cost 2599.365 - 1732.91, and brought 870.
    assert long.realized_pnl == Decimal("3.545")
    short = to_position(read("positions", POSITION | {"side": "SHORT"}), NOW, AT)
    assert (short.size, short.realized_pnl) == (Decimal("-0.02"), Decimal("-3.545"))
    said = to_position(read("positions", POSITION | {"cumRealizePnl": "7"}), NOW)
    assert said.realized_pnl == 7


def test_a_position_over_http_has_its_profit() -> None:
    (asked,) = positions_of([POSITION_REST])
    position = to_position(asked, NOW, is_reconciled=True)
    assert (position.side, position.size, position.average_price) == (
        "short",
        Decimal(-300),
        Decimal("0.09323"),
    )
    assert (position.unrealized_pnl, position.realized_pnl, position.is_reconciled) == (
        Decimal("-0.12"),
        0,
        True,
    )


def test_a_closed_position_is_flat() -> None:
    gone = {"size": "0", "openValue": "0", "cumCloseSize": "0.0300", "cumCloseValue": "2600.00000"}
    position = to_position(read("positions", POSITION | gone), NOW)
    assert position.is_flat
    assert (position.average_price, position.realized_pnl) == (None, Decimal("0.635"))
    bare = {name: POSITION[name] for name in ("symbol", "side", "size", "openValue")}
    assert to_position(read("positions", bare), NOW).realized_pnl == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbol": None}, "symbol"),
        ({"side": "NET"}, "side"),
        ({"side": None}, "side"),
        ({"size": "-1"}, "size"),
        ({"size": None}, "size"),
        ({"openValue": "-5"}, "open_value"),
    ],
)
def test_a_corrupt_position_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        to_position(read("positions", POSITION | changes), NOW)
    assert raised.value.argument == field


def test_a_balance_has_what_is_available_from_http_alone() -> None:
    (asked,) = balances_of([BALANCE_REST])
    balance = to_balance(asked, NOW)
    assert (balance.currency, balance.total, balance.available, balance.held) == (
        "USDT",
        Decimal("9998.6"),
        Decimal("9900.5"),
        Decimal("13.25"),
    )
    pushed = read("account", BALANCE)
    with pytest.raises(InvalidField, match="available"):
        to_balance(pushed, NOW)
    completed = to_balance(pushed | {"available": Decimal(-5)}, NOW, AT)
    assert (completed.total, completed.available, completed.venue_time_ns) == (
        Decimal("9998.6"),
        -5,
        AT * 10**6,
    )


@pytest.mark.parametrize(
    "changes", [{"coin": None}, {"coin": "\x07"}, {"amount": None}, {"amount": "Infinity"}]
)
def test_a_corrupt_balance_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidField):
        to_balance(read("account", BALANCE | changes) | {"available": Decimal(1)}, NOW)


@pytest.mark.parametrize(
    ("side", "reduce_only", "expected"),
    [("buy", False, "long"), ("sell", False, "short"), ("buy", True, "short"), ("sell", True, "long")],
)
def test_an_order_opens_its_own_side_or_closes_the_other(side: Any, reduce_only: bool, expected: str) -> None:
    assert position_side(side, reduce_only=reduce_only) == expected


@given(st.integers(min_value=10**12, max_value=2**63 // 10**6 - 1))
def test_no_millisecond_is_lost_in_seconds(at_ms: int) -> None:
    data = read("trade", TRADE | {"T": at_ms}, symbol="ETHUSDT")
    assert to_trade(data, NOW).venue_time_ns == at_ms * 10**6


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**45), 10**45) | st.text(max_size=30) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def _hostile(row: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(row)), json_values, min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("channel", "row", "translate"),
    [
        ("trade", TRADE, to_trade),
        ("ticker", TICKER, to_ticker),
        ("orders", ORDER, to_order),
        ("fill", FILL, to_fill),
        ("positions", POSITION, to_position),
        ("account", BALANCE, to_balance),
    ],
)
@given(data=st.data())
def test_whatever_stands_in_a_row_it_is_translated_or_an_invalid_field(
    channel: str, row: dict[str, Any], translate: Callable[..., Any], data: st.DataObject
) -> None:
    changed = row | data.draw(_hostile(row))
    try:
        row_read = read(channel, changed, symbol="BTCUSDT")
    except ROW_ERRORS:  # what streams make a gap of before anybody translates
        return
    with suppress(InvalidField):
        translate(row_read, NOW)


# --- from the venue as it is played ---


async def test_what_the_played_venue_says_of_an_order_is_the_same_by_stream_and_http(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock) as (client, peer):
        (instrument,) = [
            to_instrument(row) for row in await client.http.get_contracts() if row["symbol"] == "BTCUSDT"
        ]
        orders, fills = Heard(client.stream_orders()), Heard(client.stream_fills())
        positions, balances = Heard(client.stream_positions()), Heard(client.stream_account())
        for topic in ("orders", "fill", "positions", "account"):
            await peer.has(topic)
        book = await client.http.get_order_book("BTCUSDT")
        first, second = book["asks"][:2]
        size = first[1] + instrument.size_step
        await client.http.place_order("BTCUSDT", "buy", size, price=second[0], client_order_id="mine")
        await orders.until(1)
        await fills.until(2)
        await positions.until(1)
        await balances.until(2)

        order = to_order(orders[-1].data, NOW)
        asked = to_order(await client.http.get_order(client_order_id="mine"), NOW)
        assert (order.status, order.filled_size, order.kind) == ("filled", size, "limit")
        assert (asked.status, asked.average_price) == (order.status, order.average_price)
        told = [to_fill(each.data, NOW, price_tick=instrument.price_tick) for each in fills]
        assert {fill.price for fill in told} == {first[0], second[0]}
        history = await client.http.get_fills("BTCUSDT")
        assert {each["fill_id"] for each in history} == {fill.fill_id for fill in told}
        by_id = {fill.fill_id: fill for fill in (to_fill(row, NOW) for row in history)}
        for fill in told:
            other = by_id[fill.fill_id]
            assert (other.price, other.size, other.fee, other.liquidity) == (
                fill.price,
                fill.size,
                fill.fee,
                fill.liquidity,
            )
        position = to_position(positions[-1].data, NOW)
        assert (position.side, position.size) == ("long", size)
        assert to_balance(balances[-1].data, NOW).currency == "USDT"
        for heard in (orders, fills, positions, balances):
            await heard.stop()
