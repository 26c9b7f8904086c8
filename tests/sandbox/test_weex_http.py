"""REST V3 of the played WEEX: shapes, signatures, weights, orders, and the codes of what is refused."""

import asyncio
import json
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.sandbox.sandbox_peers import http
from tests.sandbox.weex_peers import ORDER, call, levels_of, look, signed, weex

TAKER_RATE = Decimal("0.0008")
LIMIT = {**ORDER, "type": "LIMIT", "price": "80000.0", "timeInForce": "GTC"}


def touch(sandbox, side):
    return levels_of(sandbox, "BTCUSDT", 1)[side][0][0]


async def test_an_order_takes_its_time_to_the_venue_and_a_question_does_not():
    async with weex() as sandbox:
        loop = asyncio.get_running_loop()
        sandbox.order_latency = 0.1
        began = loop.time()
        await call(sandbox, "POST", "order", ORDER)
        await call(sandbox, "DELETE", "allOpenOrders", {})
        assert loop.time() - began >= 0.1
        sandbox.order_latency = 600.0
        async with asyncio.timeout(30):
            await look(sandbox, "depth?symbol=BTCUSDT&limit=15")
            await call(sandbox, "GET", "openOrders")


# The market


async def test_what_the_market_says_has_the_venues_shapes():
    async with weex() as sandbox:
        sandbox.step(40)
        day = (await look(sandbox, "ticker/24hr?symbol=ETHUSDT")).json()
        assert day[0].keys() == {
            "symbol", "priceChange", "priceChangePercent", "lastPrice", "openPrice", "highPrice", "lowPrice",
            "volume", "quoteVolume", "openTime", "closeTime", "markPrice", "indexPrice",
        }  # fmt: skip
        assert len((await look(sandbox, "ticker/bookTicker")).json()) == 6
        [premium] = (await look(sandbox, "premiumIndex?symbol=ETHUSDT")).json()
        assert premium["nextFundingTime"] > premium["time"]
        for kind in ("MARK", "INDEX"):
            price = (await look(sandbox, f"symbolPrice?symbol=ETHUSDT&priceType={kind}")).json()
            assert price["price"] == premium[f"{kind.lower()}Price"]
        assert len((await look(sandbox, "fundingRate")).json()) == 6
        assert (await look(sandbox, "openInterest?symbol=ETHUSDT")).json()["symbol"] == "ETHUSDT"
        assert "BTCUSDT" in (await look(sandbox, "apiTradingSymbols")).json()
        face = sandbox.faces["weex"]
        trades = (await look(sandbox, "trades?symbol=BTCUSDT&limit=2")).json()
        assert [row["id"] for row in trades] == [
            trade.trade_id for trade in face.markets.open["BTCUSDT"].trades
        ][:2]


async def test_instruments_say_how_prices_and_sizes_are_written():
    async with weex() as sandbox:
        info = (await look(sandbox, "exchangeInfo")).json()
        listed = {each["symbol"]: each for each in info["symbols"]}
        assert list(listed)[:3] == ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
        assert (listed["BTCUSDT"]["pricePrecision"], listed["BTCUSDT"]["quantityPrecision"]) == ("1", "4")
        bid = (await look(sandbox, "depth?symbol=BTCUSDT&limit=15")).json()["bids"][0]
        assert [len(text.partition(".")[2]) for text in bid] == [1, 4]


@pytest.mark.parametrize("interval", ["1m", "5m", "1h", "1d", "1w", "1M"])
async def test_candles_follow_one_another_without_holes(interval):
    async with weex() as sandbox:
        rows = (await look(sandbox, f"klines?symbol=BTCUSDT&interval={interval}&limit=1000")).json()
        assert interval != "1m" or len(rows) > 240
        for earlier, later in pairwise(rows):
            assert later[0] == earlier[6] + 1
        for _, opened_at, high, low, close, *_ in rows:
            assert float(low) <= min(float(opened_at), float(close)) <= max(float(opened_at), float(close))
            assert max(float(opened_at), float(close)) <= float(high)
        assert len((await look(sandbox, f"klines?symbol=BTCUSDT&interval={interval}&limit=1")).json()) == 1


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("depth?symbol=cmt_btcusdt", -1142, "Parameter 'symbol' is invalid."),
        ("depth?limit=15", -1141, "Parameter 'symbol' cannot be empty."),
        ("depth?symbol=BTCUSDT&limit=50", -1142, "Parameter 'limit' is invalid."),
        ("klines?symbol=BTCUSDT&interval=7m", -1142, "Parameter 'interval' is invalid."),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1001", -1140, "between 1 and 1000"),
        ("symbolPrice?symbol=BTCUSDT&priceType=LAST", -1142, "Parameter 'priceType' is invalid."),
    ],
)
async def test_what_is_asked_wrongly_is_refused_with_its_code(path, code, told):
    async with weex() as sandbox:
        answer = await look(sandbox, path)
        assert answer.status_code == 400
        assert answer.json()["code"] == code
        assert told in answer.json()["msg"]


async def test_a_contract_that_is_not_traded_any_more_has_an_empty_book():
    async with weex() as sandbox:
        assert (await look(sandbox, "depth?symbol=LUNAUSDT")).json() == {
            "asks": [], "bids": [], "lastUpdateId": 0,
        }  # fmt: skip


# Weights


async def test_answers_say_what_was_used_and_what_is_left():
    async with weex() as sandbox:
        await look(sandbox, "time")
        headers = (await look(sandbox, "ticker/24hr")).headers
        assert (headers["x-used-weight-10s"], headers["x-remaining-weight-10s"]) == ("41", "459")


async def test_too_much_weight_is_answered_with_429_until_ten_seconds_have_passed():
    async with weex(max_weight=100) as sandbox:
        assert [(await look(sandbox, "ticker/24hr")).status_code for _ in range(3)] == [200, 200, 429]
        answer = await look(sandbox, "time")
        assert (answer.status_code, "retry-after" in answer.headers) == (429, False)


async def test_an_account_may_place_so_many_orders_in_a_minute():
    async with weex(max_orders=2) as sandbox:
        assert [(await call(sandbox, "POST", "order", ORDER)).status_code for _ in range(3)] == [
            200,
            200,
            429,
        ]


# Signatures


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"key": "nobody"}, -1044), ({"secret": "wrong"}, -1047), ({"passphrase": "wrong"}, -1049),
        ({"ahead": -31}, -1046), ({"ahead": 31}, -1046), ({"ahead": 25}, None), ({}, None),
    ],
)  # fmt: skip
async def test_signatures_are_verified(signing, code):
    async with weex() as sandbox:
        answer = await call(sandbox, "GET", "account/balance", **signing)
        assert answer.status_code == (400 if code else 200)
        assert code is None or answer.json()["code"] == code


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("ACCESS-KEY", -1040),
        ("ACCESS-SIGN", -1041),
        ("ACCESS-TIMESTAMP", -1042),
        ("ACCESS-PASSPHRASE", -1049),
    ],
)
async def test_each_header_must_be_there(missing, code):
    async with weex() as sandbox, http(sandbox) as client:
        headers = signed("GET/capi/v3/account/balance")
        del headers[missing]
        assert (await client.get("/capi/v3/account/balance", headers=headers)).json()["code"] == code


async def test_the_signature_covers_query_and_body():
    async with weex() as sandbox, http(sandbox) as client:
        headers = signed("GET/capi/v3/openOrders?symbol=BTCUSDT")
        other = await client.get("/capi/v3/openOrders?symbol=ETHUSDT", headers=headers)
        assert other.json()["code"] == -1047
        headers = {**signed("POST/capi/v3/order{}"), "content-type": "application/json"}
        changed = await client.post("/capi/v3/order", content=json.dumps(ORDER), headers=headers)
        assert changed.json()["code"] == -1047


async def test_a_timestamp_must_be_a_number():
    async with weex() as sandbox, http(sandbox) as client:
        headers = {**signed("GET/capi/v3/account/balance"), "ACCESS-TIMESTAMP": "soon"}
        assert (await client.get("/capi/v3/account/balance", headers=headers)).json()["code"] == -1043


async def test_a_good_signature_can_be_refused_by_order():
    async with weex() as sandbox:
        sandbox.inject("refuse_tokens")
        assert (await call(sandbox, "GET", "account/balance")).json()["code"] == -1047
        assert (await call(sandbox, "GET", "account/balance")).status_code == 200


# Orders


async def test_an_order_rests_is_found_and_is_cancelled():
    async with weex() as sandbox:
        far = f"{float(touch(sandbox, 'b')) - 50:.1f}"
        placed = (
            await call(sandbox, "POST", "order", {**LIMIT, "price": far, "newClientOrderId": "mine"})
        ).json()
        assert placed.keys() == {"orderId", "clientOrderId", "success", "errorCode", "errorMessage"}
        assert (placed["success"], placed["clientOrderId"]) == (True, "mine")
        by_number = (await call(sandbox, "GET", f"order?orderId={placed['orderId']}")).json()
        by_name = (await call(sandbox, "GET", "order?origClientOrderId=mine")).json()
        assert by_number == by_name
        assert (by_name["status"], by_name["price"], by_name["executedQty"]) == ("NEW", far, "0")
        assert str(by_name["orderId"]) == placed["orderId"]
        assert (await call(sandbox, "GET", "openOrders?symbol=BTCUSDT")).json() == [by_name]
        cancelled = (await call(sandbox, "DELETE", f"order?orderId={placed['orderId']}")).json()
        assert cancelled["success"] is True
        assert (await call(sandbox, "GET", "openOrders")).json() == []
        assert [row["status"] for row in (await call(sandbox, "GET", "order/history")).json()] == ["CANCELED"]
        again = await call(sandbox, "DELETE", "order?origClientOrderId=mine")
        assert again.json()["code"] == -3200


async def test_an_order_fills_becomes_a_position_and_is_closed_again():
    async with weex() as sandbox:
        ask = touch(sandbox, "a")
        await call(sandbox, "POST", "order", ORDER)
        [fill] = (await call(sandbox, "GET", "userTrades?symbol=BTCUSDT")).json()
        assert (fill["price"], fill["qty"], fill["side"], fill["maker"]) == (ask, "0.0100", "BUY", False)
        [position] = (await call(sandbox, "GET", "account/position/allPosition")).json()
        assert (position["side"], position["size"]) == ("LONG", "0.0100")
        assert float(position["openValue"]) == pytest.approx(float(ask) * 0.01)
        mark = float((await look(sandbox, "symbolPrice?symbol=BTCUSDT")).json()["price"])
        assert float(position["unrealizePnl"]) == pytest.approx((mark - float(ask)) * 0.01, abs=2e-5)
        opened = Decimal(ask) * Decimal("0.01")
        fee = opened * TAKER_RATE
        assert Decimal(position["marginSize"]) == opened / 20
        [balance] = (await call(sandbox, "GET", "account/balance")).json()
        assert Decimal(balance["balance"]) == 10_000 - fee
        assert Decimal(balance["availableBalance"]) == 10_000 - fee - opened / 20
        bid = touch(sandbox, "b")
        [closed] = (await call(sandbox, "POST", "closePositions", {})).json()
        assert closed["success"] is True
        assert (await call(sandbox, "GET", "account/position/allPosition")).json() == []
        got = Decimal(bid) * Decimal("0.01")
        fills = (await call(sandbox, "GET", "userTrades?symbol=BTCUSDT")).json()
        assert [Decimal(each["commission"]) for each in fills] == [got * TAKER_RATE, fee]
        assert [Decimal(each["realizedPnl"]) for each in fills] == [got - opened, 0]
        [balance] = (await call(sandbox, "GET", "account/balance")).json()
        assert Decimal(balance["balance"]) == 10_000 + got - opened - fee - got * TAKER_RATE
        assert balance["balance"] == balance["availableBalance"]


async def test_a_long_is_closed_no_further_than_it_goes_and_leaves_no_short():
    async with weex() as sandbox:
        sell = {**ORDER, "side": "SELL"}
        answer = (await call(sandbox, "POST", "order", sell)).json()
        assert (answer["success"], answer["errorMessage"]) == (
            False,
            "the LONG position has 0 to close, not 0.0100",
        )
        await call(sandbox, "POST", "order", ORDER)
        far = f"{float(touch(sandbox, 'a')) + 50:.1f}"
        resting = {**LIMIT, "side": "SELL", "quantity": "0.004", "price": far}
        assert (await call(sandbox, "POST", "order", resting)).json()["success"] is True
        answer = (await call(sandbox, "POST", "order", sell)).json()
        assert "has 0.0060 to close" in answer["errorMessage"]
        assert (await call(sandbox, "POST", "order", {**sell, "quantity": "0.006"})).json()["success"] is True
        [position] = (await call(sandbox, "GET", "account/position/allPosition")).json()
        assert (position["side"], position["size"]) == ("LONG", "0.0040")


async def test_a_long_and_a_short_stand_side_by_side():
    async with weex() as sandbox:
        await call(sandbox, "POST", "order", ORDER)
        await call(sandbox, "POST", "order", {**ORDER, "side": "SELL", "positionSide": "SHORT"})
        found = (await call(sandbox, "GET", "account/position/allPosition")).json()
        assert [(each["side"], each["size"]) for each in found] == [("LONG", "0.0100"), ("SHORT", "0.0100")]
        assert found[0]["id"] != found[1]["id"]
        for each in (await call(sandbox, "POST", "closePositions", {})).json():
            assert each["success"] is True
        assert (await call(sandbox, "GET", "account/position/allPosition")).json() == []


async def test_the_entry_price_stays_where_it_is_when_a_position_is_reduced():
    async with weex() as sandbox:
        for quantity in ("0.3", "0.2007"):  # through several levels: a mean that no tick hits
            assert (await call(sandbox, "POST", "order", {**ORDER, "quantity": quantity})).json()["success"]
            sandbox.step(5)
        entries = []
        for _ in range(5):
            [position] = (await call(sandbox, "GET", "account/position/allPosition")).json()
            entries.append(Decimal(position["openValue"]) / Decimal(position["size"]))
            await call(sandbox, "POST", "order", {**ORDER, "side": "SELL", "quantity": "0.0777"})
        assert max(entries) - min(entries) < Decimal("1e-9")


@pytest.mark.parametrize("price", ["1.0", "43000.0", "170000.0"])
async def test_an_order_away_from_the_market_rests(price):
    async with weex() as sandbox:
        side = "BUY" if float(price) < 86_000 else "SELL"
        body = {**LIMIT, "price": price, "side": side, "positionSide": "LONG" if side == "BUY" else "SHORT"}
        placed = (await call(sandbox, "POST", "order", body)).json()
        assert placed["success"] is True, placed
        found = (await call(sandbox, "GET", f"order?orderId={placed['orderId']}")).json()
        assert (found["status"], found["price"]) == ("NEW", price)


@pytest.mark.parametrize("price", ["0.0", "9999999.0"])
async def test_a_price_that_cannot_be_is_refused_in_the_venue_s_own_units(price):
    async with weex() as sandbox:
        answer = (await call(sandbox, "POST", "order", {**LIMIT, "price": price})).json()
        assert (answer["success"], answer["errorMessage"]) == (
            False,
            "price must be between 0.1 and 866460.0",
        )


async def test_what_orders_and_positions_hold_back_is_not_available():
    async with weex(deposit=100) as sandbox:
        far = f"{float(touch(sandbox, 'b')) - 50:.1f}"
        body = {**LIMIT, "price": far, "quantity": "0.02"}
        assert (await call(sandbox, "POST", "order", body)).json()["success"] is True
        [balance] = (await call(sandbox, "GET", "account/balance")).json()
        value = Decimal(far) * Decimal("0.02")
        assert Decimal(balance["frozen"]) == value / 20 + value * TAKER_RATE
        assert Decimal(balance["availableBalance"]) == 100 - Decimal(balance["frozen"])
        answer = (await call(sandbox, "POST", "order", body)).json()
        assert answer["errorMessage"] == "insufficient funds"
        await call(sandbox, "DELETE", "allOpenOrders")
        [balance] = (await call(sandbox, "GET", "account/balance")).json()
        assert balance["availableBalance"] == "100.00000"


async def test_selling_first_makes_a_short_position():
    async with weex() as sandbox:
        bid = touch(sandbox, "b")
        await call(sandbox, "POST", "order", {**ORDER, "side": "SELL", "positionSide": "SHORT"})
        [position] = (await call(sandbox, "GET", "account/position/allPosition")).json()
        assert (position["side"], position["size"]) == ("SHORT", "0.0100")
        assert float(position["openValue"]) == pytest.approx(float(bid) * 0.01)
        mark = float((await look(sandbox, "symbolPrice?symbol=BTCUSDT")).json()["price"])
        assert float(position["unrealizePnl"]) == pytest.approx((float(bid) - mark) * 0.01, abs=2e-5)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"timeInForce": "IOC"}, "CANCELED"),
        ({"timeInForce": "FOK"}, None),
        ({"timeInForce": "POST_ONLY"}, "NEW"),
    ],
)
async def test_time_in_force_is_kept_where_nothing_can_be_filled(changes, status):
    async with weex() as sandbox:
        far = f"{float(touch(sandbox, 'b')) - 50:.1f}"
        placed = (await call(sandbox, "POST", "order", {**LIMIT, "price": far, **changes})).json()
        assert placed["success"] is (status is not None)
        if status:
            found = (await call(sandbox, "GET", f"order?orderId={placed['orderId']}")).json()
            assert (found["status"], found["timeInForce"]) == (status, changes["timeInForce"])


async def test_a_post_only_order_that_would_be_filled_is_not_placed():
    async with weex() as sandbox:
        body = {**LIMIT, "price": touch(sandbox, "a"), "timeInForce": "POST_ONLY"}
        answer = (await call(sandbox, "POST", "order", body)).json()
        assert (answer["success"], answer["orderId"]) == (False, "")
        assert "POST_ONLY" in answer["errorMessage"]


async def test_a_client_order_id_is_good_once():
    async with weex() as sandbox:
        body = {**ORDER, "newClientOrderId": "once"}
        answers = [(await call(sandbox, "POST", "order", body)).json() for _ in range(2)]
        assert [answer["success"] for answer in answers] == [True, False]
        assert len((await call(sandbox, "GET", "order/history")).json()) == 1


async def test_what_the_exchange_forbids_is_an_answer_that_says_no_success():
    async with weex(deposit=1) as sandbox:
        answer = await call(sandbox, "POST", "order", {**ORDER, "quantity": "1"})
        assert answer.status_code == 200
        assert (answer.json()["success"], answer.json()["errorMessage"]) == (False, "insufficient funds")
        assert (await call(sandbox, "GET", "order/history")).json() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121), ({"symbol": ""}, -1141), ({"side": "UP"}, -1117), ({"type": "STOP"}, -1116),
        ({"positionSide": "BOTH"}, -1142), ({"timeInForce": "GTX"}, -1115), ({"price": ""}, -1141),
        ({"price": "80000.05"}, -1160), ({"price": "much"}, -1142), ({"quantity": "0.00001"}, -1160),
        ({"quantity": "0"}, -1142), ({"quantity": "101"}, -3007), ({"newClientOrderId": "x" * 37}, -1180),
    ],
)  # fmt: skip
async def test_a_bad_order_is_refused_with_its_code(changes, code):
    async with weex() as sandbox:
        answer = await call(sandbox, "POST", "order", {**LIMIT, **changes})
        assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("query", "code"), [("", -1140), ("?orderId=1", -3200), ("?origClientOrderId=x", -3200)]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_order_that_is_not_there_is_not_found(method, query, code):
    async with weex() as sandbox:
        assert (await call(sandbox, method, f"order{query}")).json()["code"] == code


async def test_all_open_orders_are_cancelled_at_once():
    async with weex() as sandbox:
        for away in (50, 60):
            price = f"{float(touch(sandbox, 'b')) - away:.1f}"
            await call(sandbox, "POST", "order", {**LIMIT, "price": price})
        assert len((await call(sandbox, "DELETE", "allOpenOrders?symbol=BTCUSDT")).json()) == 2
        assert (await call(sandbox, "GET", "openOrders")).json() == []


async def test_some_answers_have_a_code_of_200():
    async with weex() as sandbox:
        answer = (
            await call(sandbox, "POST", "account/leverage", {"symbol": "BTCUSDT", "leverage": "5"})
        ).json()
        assert (answer["code"], answer["msg"], answer.keys()) == (
            "200", "success", {"code", "msg", "requestTime"},
        )  # fmt: skip


async def test_a_body_must_be_json_and_say_so():
    async with weex() as sandbox, http(sandbox) as client:
        for text, headers, code in (
            ("{}", {}, -1045),
            ("nonsense", {"content-type": "application/json"}, -1135),
        ):
            signature = signed(f"POST/capi/v3/order{text}")
            answer = await client.post("/capi/v3/order", content=text, headers={**signature, **headers})
            assert answer.json()["code"] == code


def test_the_environment_leads_an_sdk_here():
    sandbox = weex()
    found = sandbox.faces["weex"].environment("http://127.0.0.1:4000")
    assert found.keys() == {"WEEX_HOST", "WEEX_API_KEY", "WEEX_SECRET_KEY", "WEEX_PASSPHRASE"}
    assert found["WEEX_HOST"] == "http://127.0.0.1:4000"
