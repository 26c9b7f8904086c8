"""WEEX: every documented operation, with every wrong answer to it: an error that says where, never an empty success."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tapewire.testing import VirtualClock
from tapewire.venues.weex import (
    OrderOutcomeUnknown,
    WeexAsyncClient,
    WeexConfig,
    WEEXParseError,
    WEEXRequestError,
)
from tests.venues.in_memory import answered
from tests.venues.kit.wrong_answers import Operation, right_answer, tried
from tests.venues.weex.weex_peer import next_port

AT = 1790134568308
TICKER = {
    "symbol": "BTCUSDT", "priceChange": "-5", "priceChangePercent": "-0.01", "lastPrice": "86645.2", "openPrice": "1.5",
    "highPrice": "2.5", "lowPrice": "0.5", "volume": "27.5", "quoteVolume": "99", "markPrice": "86660.8",
    "indexPrice": "1",
}  # fmt: skip
TRADE = {"id": "t-1", "price": "2041.5", "qty": "0.02", "quoteQty": "40.8", "time": AT, "isBuyerMaker": False}
BALANCE = {
    "asset": "USDT",
    "balance": "100.5",
    "availableBalance": "60",
    "frozen": "40.5",
    "unrealizePnl": "-1.5",
}
POSITION = {
    "id": "p-7", "symbol": "BTCUSDT", "side": "LONG", "size": "0.5", "openValue": "43000", "marginSize": "430",
    "marginType": "CROSSED", "leverage": "100", "unrealizePnl": "12.5", "updatedTime": AT,
}  # fmt: skip
ORDER = {
    "orderId": "o-9", "clientOrderId": "mine", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG",
    "type": "LIMIT", "price": "86000", "origQty": "0.5", "executedQty": "0.1", "cumQuote": "8600", "avgPrice": "86000",
    "timeInForce": "GTC", "reduceOnly": False, "status": "NEW", "time": AT, "updateTime": AT,
}  # fmt: skip
FILL = {
    "id": "f-3", "orderId": "o-9", "symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "price": "86000",
    "qty": "0.1", "quoteQty": "8600", "commission": "6.88", "commissionAsset": "USDT", "realizedPnl": "0",
    "maker": False, "time": AT,
}  # fmt: skip
DONE = {"orderId": "o-9", "success": True}
CANDLE = [AT, "1", "4", "0.5", "2", "30", AT + 59_999, "60", 7]


def rows(name: str, call: Any, row: dict[str, Any], *required: str, **fields: Any) -> Operation:
    others = frozenset(row) - set(required)
    return Operation(name, call, [row], optional=others, nullable=others, is_list=True, **fields)


OPERATIONS = [
    Operation("server_time", lambda client: client.server_time(), {"serverTime": AT}),
    rows("get_contracts", lambda client: client.get_contracts(), {"symbol": "BTCUSDT"}, "symbol",
         wrap=lambda answer: {"symbols": answer}),
    Operation("get_order_book", lambda client: client.get_order_book("BTCUSDT"),
              {"bids": [["1.5", "2"]], "asks": [["1.6", "3"]], "lastUpdateId": 9}),
    rows("get_trades", lambda client: client.get_trades("BTCUSDT"), TRADE,
         "id", "price", "qty", "time", "isBuyerMaker"),
    Operation("get_kline", lambda client: client.get_kline("BTCUSDT", "1m"), [CANDLE], is_list=True),
    rows("get_all_tickers", lambda client: client.get_all_tickers(), TICKER,
         "symbol", "lastPrice", "volume", "priceChangePercent"),
    rows("get_account_balance", lambda client: client.get_account_balance(), BALANCE,
         "asset", "balance", "availableBalance", "frozen"),
    rows("get_all_positions", lambda client: client.get_all_positions(), POSITION,
         "symbol", "side", "size", "openValue"),
    rows("get_open_orders", lambda client: client.get_open_orders(), ORDER,
         "orderId", "symbol", "side", "type", "price", "origQty", "executedQty", "status"),
    rows("get_order_history", lambda client: client.get_order_history(), ORDER,
         "orderId", "symbol", "side", "type", "price", "origQty", "executedQty", "status"),
    rows("get_fills", lambda client: client.get_fills(), FILL,
         "id", "orderId", "symbol", "side", "price", "qty", "time"),
    Operation("cancel_all_orders", lambda client: client.cancel_all_orders(), [DONE], is_list=True, changes=True),
]  # fmt: skip
OF_ONE = [
    Operation("get_ticker", lambda client: client.get_ticker("BTCUSDT"), TICKER),
    Operation("get_mark_price", lambda client: client.get_mark_price("BTCUSDT"), {"price": "86660.8"}),
    Operation("get_order", lambda client: client.get_order("9"), ORDER),
    Operation("place_order", lambda client: client.place_order("BTCUSDT", "buy", "1", client_order_id="mine"), DONE,
              changes=True),
    Operation("cancel_order", lambda client: client.cancel_order("9"), DONE | {"clientOrderId": "mine"}, changes=True),
]  # fmt: skip
NEEDED = {
    "get_ticker": {"symbol", "lastPrice", "volume", "priceChangePercent"},
    "get_mark_price": {"price"},
    "get_order": {"orderId", "symbol", "side", "type", "price", "origQty", "executedQty", "status"},
    "place_order": {"orderId"},
    "cancel_order": {"orderId"},
}
for one in OF_ONE:
    others = frozenset(one.right) - NEEDED[one.name]
    fields = {"optional": others, "nullable": others}
    OPERATIONS.append(Operation(**{**vars(one), **fields}))


class Venue:
    """Gives every call the same answer."""

    def __init__(self, clock: VirtualClock) -> None:
        self.body = b""
        config = WeexConfig(
            host=f"http://127.0.0.1:{next_port()}",
            api_key="key-1",
            secret_key="secret-1",
            passphrase="pass-1",
        )
        self.client = WeexAsyncClient(config, clock=clock, http_transport=httpx2.MockTransport(self.answer))
        self.client.time.is_known = True

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return answered(self.body)

    def give(self, body: bytes) -> None:
        self.body = body


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_wrong_answer_is_an_error_and_never_an_empty_success(
    clock: VirtualClock, operation: Operation
) -> None:
    venue = Venue(clock)
    kind = OrderOutcomeUnknown if operation.changes else WEEXParseError
    async with venue.client as client:
        taken, errors = await tried(operation, venue.give, client, kind)
    assert taken == []
    assert all(error.sent and error.outcome_unknown is operation.changes for error in errors)
    advice = "get_open_orders()" if operation.name == "cancel_all_orders" else "look it up with get_order("
    assert all(advice in str(error) for error in errors if operation.changes)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_right_answer_with_more_in_it_is_taken(clock: VirtualClock, operation: Operation) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        venue.give(right_answer(operation))
        assert await operation.call(client)


async def test_a_success_in_words_is_one_and_a_failure_in_words_is_none(clock: VirtualClock) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        venue.give(b'{"orderId": "9", "success": "false", "errorCode": "-3007", "errorMessage": "too much"}')
        with pytest.raises(WEEXRequestError, match="too much"):
            await client.place_order("BTCUSDT", "buy", "1")
        venue.give(b'{"orderId": 9, "success": "true"}')
        assert (await client.place_order("BTCUSDT", "buy", "1"))["order_id"] == "9"


async def test_a_time_in_seconds_is_no_time_of_the_venue_s_and_not_1970(clock: VirtualClock) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        for told in (b'{"serverTime": 1764162000}', b'{"serverTime": "1764162000"}', b"1764162000"):
            venue.give(told)
            with pytest.raises(WEEXParseError, match="serverTime should be milliseconds"):
                await client.server_time()


async def test_two_orders_are_no_answer_to_a_question_about_one(clock: VirtualClock) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        for body in (b"[]", right_answer(Operation("", None, [ORDER, ORDER]))):  # type: ignore[arg-type]
            venue.give(body)
            with pytest.raises(WEEXParseError, match="one order"):
                await client.get_order("9")
