"""HTTP: three shapes of answers, a clock that is corrected, and orders whose answer was lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tapewire.testing import VirtualClock
from tapewire.venues.weex import (
    OrderOutcomeUnknown,
    WeexAsyncClient,
    WEEXAuthenticationError,
    WeexConfig,
    WEEXInvalidArgument,
    WEEXNetworkError,
    WEEXNotFoundError,
    WEEXParameterError,
    WEEXParseError,
    WEEXRateLimitError,
    WEEXRequestError,
)
from tests.venues.in_memory import answered
from tests.venues.weex.weex_peer import next_port

Answer = Callable[[httpx2.Request], httpx2.Response]


class Venue:
    """Answers by method and path; keeps what it was asked."""

    def __init__(self, clock: VirtualClock, **answers: Any) -> None:
        self.clock = clock
        self.calls: list[httpx2.Request] = []
        self.bodies: list[Any] = []
        self.ahead_ms = 0
        self.answers: dict[str, Any] = {}
        config = WeexConfig(
            host=f"http://127.0.0.1:{next_port()}",
            api_key="key-1",
            secret_key="secret-1",
            passphrase="pass-1",
        )
        self.client = WeexAsyncClient(
            config, clock=clock, fraction=lambda: 0.5, http_transport=httpx2.MockTransport(self.answer)
        )

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(request)
        body = await request.aread()
        self.bodies.append(json.loads(body) if body else None)
        name = request.url.path.removeprefix("/capi/v3/")
        if name == "market/time" and name not in self.answers:
            return answered({"serverTime": self.clock.time_ns() // 1_000_000 + self.ahead_ms})
        answer = self.answers[name]
        if isinstance(answer, list) and answer and callable(answer[0]):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer()
        return answer if isinstance(answer, httpx2.Response) else answered(answer)

    def count(self, name: str) -> int:
        return sum(call.url.path.endswith(f"/{name}") for call in self.calls)


async def test_the_time_is_learned(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.ahead_ms = 60_000
    async with venue.client as client:
        told = await client.server_time()
        assert told == clock.time_ns() // 1_000_000 + 60_000
        assert client.time.now_ms() == told


async def test_an_expired_time_stamp_is_corrected_and_the_call_repeated_once(clock: VirtualClock) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        await client.server_time()
        venue.ahead_ms = 60_000  # our clock was set back
        refusal = answered({"code": -1046, "msg": "Invalid ACCESS_TIMESTAMP"}, 400)
        venue.answers["order"] = [
            lambda: refusal,
            lambda: {
                "orderId": "7",
                "clientOrderId": "c",
                "success": True,
                "errorCode": "",
                "errorMessage": "",
            },
        ]
        placed = await client.place_order("BTCUSDT", "buy", "0.1", price="100", client_order_id="mine")
        assert placed == {"order_id": "7", "client_order_id": "mine"}
        stamps = [int(call.headers["access-timestamp"]) for call in venue.calls if call.method == "POST"]
        assert stamps[1] - stamps[0] >= 59_000
        assert venue.count("order") == 2


async def test_a_wrong_key_is_not_tried_again(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["account/balance"] = lambda: answered(
        {"code": -1047, "msg": "API authentication failed."}, 400
    )
    async with venue.client as client:
        with pytest.raises(WEEXAuthenticationError, match="API authentication failed"):
            await client.get_account_balance()
        assert venue.count("balance") == 1


async def test_an_order_is_sent_as_the_venue_wants_it_with_an_id_of_ours(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["order"] = {
        "orderId": 7,
        "clientOrderId": "c",
        "success": True,
        "errorCode": "",
        "errorMessage": "",
    }
    async with venue.client as client:
        placed = await client.place_order("btcusdt", "sell", Decimal("0.10"), position_side="long")
        assert venue.bodies[-1] == {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "positionSide": "LONG",
            "type": "MARKET",
            "quantity": "0.10",
            "newClientOrderId": placed["client_order_id"],
        }
        assert 1 <= len(placed["client_order_id"]) <= 36
        assert venue.calls[-1].headers["content-type"] == "application/json"
        await client.place_order("BTCUSDT", "buy", 1, price="90000.5", time_in_force="post_only")
        assert (venue.bodies[-1]["price"], venue.bodies[-1]["timeInForce"]) == ("90000.5", "POST_ONLY")


@pytest.mark.parametrize(
    "lost",
    [
        lambda: (_ for _ in ()).throw(httpx2.ReadError("reset")),
        lambda: (_ for _ in ()).throw(httpx2.ReadTimeout("late")),
        lambda: answered(b"<html>bad gateway</html>", 502),
        lambda: answered(b"{", 200),
        lambda: answered({"code": -1054, "msg": "system error"}, 400),
    ],
)
async def test_an_order_whose_answer_was_lost_is_unknown_and_never_sent_again(
    clock: VirtualClock, lost: Callable[[], Any]
) -> None:
    venue = Venue(clock)
    venue.answers["order"] = lost
    async with venue.client as client:
        with pytest.raises(OrderOutcomeUnknown, match=r"get_order\(client_order_id='mine'\)") as raised:
            await client.place_order("BTCUSDT", "buy", "0.1", price="100", client_order_id="mine")
        assert raised.value.client_order_id == "mine"
        assert venue.count("order") == 1
        row = {"orderId": 9, "clientOrderId": "mine", "symbol": "BTCUSDT", "side": "BUY", "status": "NEW"}
        venue.answers["order"] = row | {
            "type": "LIMIT",
            "price": "100",
            "origQty": "0.1",
            "executedQty": "0.04",
            "avgPrice": "100",
            "updateTime": 1790134568000,
        }
        order = await client.get_order(client_order_id="mine")
        assert (order["order_id"], order["status"], order["filled_size"]) == (
            "9",
            "partially_filled",
            Decimal("0.04"),
        )
        assert dict(venue.calls[-1].url.params) == {"origClientOrderId": "mine"}


async def test_an_order_that_never_left_is_no_mystery(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["order"] = lambda: (_ for _ in ()).throw(httpx2.ConnectError("refused"))
    async with venue.client as client:
        with pytest.raises(WEEXNetworkError) as raised:
            await client.place_order("BTCUSDT", "buy", "0.1", price="100")
        assert raised.value.sent is False


async def test_a_refused_order_says_why(clock: VirtualClock) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        refused = {
            "orderId": "",
            "success": False,
            "errorCode": "-3007",
            "errorMessage": "Maximum quantity exceeded.",
        }
        venue.answers["order"] = refused
        with pytest.raises(WEEXRequestError, match="Maximum quantity exceeded") as raised:
            await client.place_order("BTCUSDT", "buy", "0.1", price="100")
        assert raised.value.code == "-3007"
        venue.answers["order"] = lambda: answered(
            {"code": -1142, "msg": "Parameter 'symbol' is invalid."}, 400
        )
        with pytest.raises(WEEXParameterError, match="Parameter 'symbol' is invalid"):
            await client.place_order("BTCUSDT", "buy", "0.1", price="100")
        venue.answers["order"] = lambda: answered({"code": -3200, "msg": "Order does not exist."}, 400)
        with pytest.raises(WEEXNotFoundError):
            await client.get_order("7")


async def test_a_cancellation_whose_answer_was_lost_is_unknown_too(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["order"] = lambda: (_ for _ in ()).throw(httpx2.ReadError("reset"))
    async with venue.client as client:
        with pytest.raises(OrderOutcomeUnknown, match=r"get_order\(order_id='7'\)"):
            await client.cancel_order("7")
        assert venue.count("order") == 1
        assert (venue.calls[-1].method, dict(venue.calls[-1].url.params)) == ("DELETE", {"orderId": "7"})


@pytest.mark.parametrize(
    ("arguments", "fields", "named"),
    [
        (("BTC/USDT", "buy", "1"), {}, "symbol"),
        (("BTCUSDT", "long", "1"), {}, "side"),
        (("BTCUSDT", "buy", 0.1), {}, "size"),
        (("BTCUSDT", "buy", "-1"), {}, "size"),
        (("BTCUSDT", "buy", "NaN"), {}, "size"),
        (("BTCUSDT", "buy", "1_000"), {}, "size"),
        (("BTCUSDT", "buy", " 1 "), {}, "size"),
        (("BTCUSDT", "buy", "\u0663"), {}, "size"),
        (("BTCUSDT", "buy", "+1"), {}, "size"),
        (("BTCUSDT", "buy", True), {}, "size"),
        (("BTCUSDT", "buy", "1"), {"price": "90_000"}, "price"),
        (("BTCUSDT", "buy", "1"), {"client_order_id": ""}, "client_order_id"),
        (("BTCUSDT", "buy", "1"), {"client_order_id": 5}, "client_order_id"),
        (("BTCUSDT", "buy", "1"), {"client_order_id": "a\n"}, "client_order_id"),
        (("BTCUSDT", "buy", "1"), {"type": "limit"}, "price"),
        (("BTCUSDT", "buy", "1"), {"type": "market", "price": "5"}, "price"),
        (("BTCUSDT", "buy", "1"), {"position_side": "net"}, "position_side"),
        (("BTCUSDT", "buy", "1"), {"client_order_id": "x" * 37}, "client_order_id"),
        (("BTCUSDT", "buy", "1"), {"price": "1", "time_in_force": "gtx"}, "time_in_force"),
    ],
)
async def test_a_wrong_order_is_refused_here(
    clock: VirtualClock, arguments: Any, fields: dict[str, Any], named: str
) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        with pytest.raises(WEEXInvalidArgument, match=f"^{named}="):
            await client.place_order(*arguments, **fields)
    assert venue.calls == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [("1e3", "1000"), ("007", "7"), (Decimal("1E-7"), "0.0000001"), (5, "5"), ("0.10", "0.10")],
)
async def test_a_number_goes_out_in_plain_digits_however_it_was_given(
    clock: VirtualClock, given: Any, sent: str
) -> None:
    venue = Venue(clock)
    venue.answers["order"] = {"orderId": 7, "clientOrderId": "c", "success": True}
    async with venue.client as client:
        await client.place_order("BTCUSDT", "buy", given)
        assert venue.bodies[-1]["quantity"] == sent


@pytest.mark.parametrize(
    "ids", [(None, None), ("7", "c"), ("", None), (True, None), (None, "a\nb"), (1.5, None)]
)
async def test_an_order_is_looked_up_by_one_id_that_can_be_one(clock: VirtualClock, ids: Any) -> None:
    venue = Venue(clock)
    async with venue.client as client:
        for call in (client.get_order, client.cancel_order):
            with pytest.raises(WEEXInvalidArgument, match="order_id="):
                await call(ids[0], client_order_id=ids[1])
    assert venue.calls == []


async def test_a_read_is_repeated_after_a_passing_failure(clock: VirtualClock) -> None:
    venue = Venue(clock)
    depth = {"bids": [["1.5", "2"]], "asks": [["1.6", "3"]], "lastUpdateId": 9}
    venue.answers["market/depth"] = [
        lambda: answered(b"", 503),
        lambda: (_ for _ in ()).throw(httpx2.ReadError("reset")),
        lambda: depth,
    ]
    async with venue.client as client:
        book = await client.get_order_book("BTCUSDT")
        assert book == {
            "symbol": "BTCUSDT",
            "bids": [(Decimal("1.5"), Decimal(2))],
            "asks": [(Decimal("1.6"), Decimal(3))],
            "sequence": 9,
        }


async def test_a_read_is_repeated_where_the_venue_says_under_200_that_it_is_busy_and_an_order_is_not(
    clock: VirtualClock,
) -> None:
    busy = {"code": "50003", "msg": "busy", "data": None}
    venue = Venue(clock)
    venue.answers["market/symbolPrice"] = [lambda: busy, lambda: {"symbol": "BTCUSDT", "price": "5"}]
    venue.answers["order"] = [lambda: busy, lambda: {"orderId": "7", "clientOrderId": "c", "success": True}]
    async with venue.client as client:
        assert await client.get_mark_price("BTCUSDT") == 5
        with pytest.raises(OrderOutcomeUnknown, match="busy"):
            await client.place_order("BTCUSDT", "buy", "1", price="1")
    assert (venue.count("symbolPrice"), venue.count("order")) == (2, 1)


async def test_429_shuts_every_call_out_for_ten_seconds(clock: VirtualClock) -> None:
    venue = Venue(clock)
    too_many = answered({"code": 429, "msg": "Too many requests."}, 429)
    venue.answers["market/symbolPrice"] = [
        lambda: too_many,
        lambda: {"symbol": "BTCUSDT", "price": "5", "time": 1790134568000},
    ]
    async with venue.client as client:
        before = clock.monotonic()
        assert await client.get_mark_price("BTCUSDT") == 5
        assert clock.monotonic() - before >= 10
        venue.answers["order"] = lambda: answered({"code": 429, "msg": "Too many orders."}, 429)
        with pytest.raises(WEEXRateLimitError):
            await client.place_order("BTCUSDT", "buy", "1", price="1")


async def test_weight_is_spent_as_the_venue_counts_it(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["market/ticker/24hr"] = [
        {"symbol": "BTCUSDT", "lastPrice": "5", "volume": "9", "priceChangePercent": "0.01"}
    ]
    spent: list[float] = []
    async with venue.client as client:
        start = clock.monotonic()
        while clock.monotonic() - start < 60:
            (ticker,) = await client.get_all_tickers()
            spent.append(clock.monotonic() - start)
        assert (ticker["last"], ticker["change"]) == (5, 1)
    for at in spent:
        assert 40 * sum(at <= other < at + 10 for other in spent) <= 500
    assert len(spent) > 50


async def test_the_second_shape_is_unwrapped(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["account/balance"] = {
        "code": "200",
        "msg": "success",
        "data": [{"asset": "USDT", "balance": "5", "availableBalance": "4", "frozen": 1}],
    }
    async with venue.client as client:
        (balance,) = await client.get_account_balance()
        assert balance == {"asset": "USDT", "balance": 5, "available": 4, "frozen": 1}
        assert {type(balance[name]) for name in ("balance", "available", "frozen")} == {Decimal}
        venue.answers["account/balance"] = {
            "code": "40020",
            "msg": "Parameter error",
            "requestTime": 1,
            "data": None,
        }
        with pytest.raises(WEEXParameterError, match="Parameter error"):
            await client.get_account_balance()


@pytest.mark.parametrize("answer", [b"null", b"5", b'{"bids":5}', b"[1,2]", b"\xff", b"[" * 10_000])
async def test_an_answer_that_makes_no_sense_is_one_typed_error(clock: VirtualClock, answer: bytes) -> None:
    venue = Venue(clock)
    venue.answers["market/depth"] = lambda: answered(answer)
    async with venue.client as client:
        with pytest.raises(WEEXParseError):
            await client.get_order_book("BTCUSDT")


async def test_candles_have_names_for_their_places(clock: VirtualClock) -> None:
    venue = Venue(clock)
    venue.answers["market/klines"] = [
        [1790134568000, "1", "4", "0.5", "2", "30", 1790134568999, "60", 7, "1", "2"]
    ]
    async with venue.client as client:
        (candle,) = await client.get_kline("BTCUSDT", "1m")
        assert (candle["start"], candle["end"], candle["high"], candle["trades"]) == (
            1790134568.0,
            1790134568.999,
            4,
            7,
        )


async def test_signed_calls_without_a_key_say_what_is_missing(clock: VirtualClock) -> None:
    async with WeexAsyncClient(WeexConfig(), clock=clock) as client:
        with pytest.raises(WEEXAuthenticationError, match="WEEX_API_KEY"):
            await client.get_account_balance()
