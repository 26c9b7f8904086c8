"""Orders end to end at the played venue: the words of their states, and what is known when an answer was lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tapewire.venues.weex import (
    OrderOutcomeUnknown,
    WeexAsyncClient,
    WeexConfig,
    WEEXInvalidArgument,
    WEEXNotFoundError,
)
from tests.venues.weex.weex_peer import Heard
from tests.venues.weex.weex_played import listening, played
from tests.waiting import until


def orders_of(sandbox: Any) -> list[str | None]:
    """The client order ids of all that the venue has of the account."""
    return [
        order.client_order_id for order in sandbox.faces["weex"].exchange.open_account("trader", 0).orders()
    ]


async def test_an_order_goes_through_the_words_of_the_document() -> None:
    async with played() as (sandbox, client):
        orders = Heard(client.stream_orders())
        await listening(sandbox, "orders:trader")
        book = await client.http.get_order_book("BTCUSDT")
        (price, size), low = book["asks"][0], book["bids"][-1][0]

        await client.http.place_order("BTCUSDT", "buy", "0.01", price=low, client_order_id="rests")
        await orders.until(1)
        await client.http.cancel_order(client_order_id="rests")
        await orders.until(2)
        await client.http.place_order("BTCUSDT", "buy", size * 2, price=price, client_order_id="half")
        await orders.until(3)
        await client.http.place_order("BTCUSDT", "buy", "0.01", client_order_id="market")
        await until(lambda: orders[-1].data["client_order_id"] == "market")

        said = [(message.data["client_order_id"], message.data["status"]) for message in orders]
        assert said[:2] == [("rests", "new"), ("rests", "canceled")]
        assert said[2] == ("half", "partially_filled")
        assert said[-1] == ("market", "filled")
        half = orders[2].data
        assert (half["size"], half["filled_size"], half["average_price"]) == (size * 2, size, price)
        looked_up = await client.http.get_order(client_order_id="half")
        assert (looked_up["status"], looked_up["filled_size"]) == ("partially_filled", size)
        assert [order["client_order_id"] for order in await client.http.get_open_orders()] == ["half"]
        await orders.stop()


async def test_every_order_has_a_client_order_id_of_its_own() -> None:
    async with played() as (sandbox, client):
        placed = [await client.http.place_order("BTCUSDT", "buy", "0.01") for _ in range(5)]
        identifiers = [each["client_order_id"] for each in placed]
        assert len(set(identifiers)) == 5
        assert sorted(filter(None, orders_of(sandbox))) == sorted(identifiers)


class LosesAnswers(httpx2.AsyncHTTPTransport):
    """Requests reach the venue and are carried out; while `loses` is set no answer comes back."""

    loses = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if self.loses:
            await response.aclose()
            raise httpx2.ReadError("reset by the peer", request=request)
        return response


async def test_an_order_whose_answer_was_lost_is_unknown_until_it_is_looked_up() -> None:
    async with played() as (sandbox, client):
        line = LosesAnswers()
        async with WeexAsyncClient(client.config, http_transport=line) as http:
            await http.synchronize()
            line.loses = True
            with pytest.raises(OrderOutcomeUnknown) as raised:
                await http.place_order("BTCUSDT", "buy", "0.01")
            identifier = raised.value.client_order_id
            line.loses = False
            order = await http.get_order(client_order_id=identifier)
            assert (order["client_order_id"], order["status"]) == (identifier, "filled")
            assert orders_of(sandbox).count(identifier) == 1


async def test_an_order_that_never_reached_the_venue_is_not_found_when_it_is_looked_up() -> None:
    async with played() as (sandbox, client):
        config = WeexConfig.from_env(sandbox.environment() | {"WEEX_TIMEOUT": "0.2"})
        async with WeexAsyncClient(config) as http:
            await http.synchronize()
            sandbox.inject("hang_http", seconds=5, path="/capi/v3/order")
            with pytest.raises(OrderOutcomeUnknown) as raised:
                await http.place_order("BTCUSDT", "buy", "0.01", client_order_id="mine")
            assert raised.value.client_order_id == "mine"
        with pytest.raises(WEEXNotFoundError):
            await client.http.get_order(client_order_id="mine")
        assert orders_of(sandbox) == []


async def test_a_cancellation_whose_answer_was_lost_is_unknown_until_the_order_is_looked_up() -> None:
    async with played() as (_, client):
        line = LosesAnswers()
        async with WeexAsyncClient(client.config, http_transport=line) as http:
            low = (await http.get_order_book("BTCUSDT"))["bids"][-1][0]
            await http.place_order("BTCUSDT", "buy", "0.01", price=low, client_order_id="rests")
            line.loses = True
            with pytest.raises(OrderOutcomeUnknown, match="rests"):
                await http.cancel_order(client_order_id="rests")
            line.loses = False
            assert (await http.get_order(client_order_id="rests"))["status"] == "canceled"


async def test_what_an_account_has_traded_is_listed_from_a_moment_on() -> None:
    async with played() as (_, client):
        http = client.http
        for number in range(3):
            await http.place_order("BTCUSDT", "buy", "0.01", client_order_id=f"order-{number}")
        await http.place_order("ETHUSDT", "buy", "0.1", client_order_id="other")
        every = await http.get_fills()
        assert [fill["symbol"] for fill in every].count("ETHUSDT") >= 1
        assert [fill["time"] for fill in every] == sorted((fill["time"] for fill in every), reverse=True)
        fills = await http.get_fills("BTCUSDT")
        assert {fill["symbol"] for fill in fills} == {"BTCUSDT"}
        assert sum(fill["size"] for fill in fills) == Decimal("0.03")
        order = await http.get_order(client_order_id="order-1")
        assert sum(fill["size"] for fill in await http.get_fills(order_id=order["order_id"])) == Decimal(
            "0.01"
        )
        later = round(every[0]["time"] * 1000) + 1
        assert await http.get_fills(since_ms=later) == []
        assert await http.get_fills(until_ms=1_500_000_000_000) == []
        assert len(await http.get_fills(limit=2)) == 2
        history = await http.get_order_history("BTCUSDT")
        assert {row["client_order_id"]: row["status"] for row in history} == dict.fromkeys(
            ("order-0", "order-1", "order-2"), "filled"
        )
        assert await http.get_order_history(since_ms=later) == []


async def test_every_open_order_is_canceled_at_once() -> None:
    async with played() as (_, client):
        http = client.http
        low = {
            symbol: (await http.get_order_book(symbol))["bids"][-1][0] for symbol in ("BTCUSDT", "ETHUSDT")
        }
        placed = {
            symbol: [
                (await http.place_order(symbol, "buy", "0.1", price=low[symbol]))["order_id"] for _ in "ab"
            ]
            for symbol in low
        }
        assert sorted(await http.cancel_all_orders("BTCUSDT")) == sorted(placed["BTCUSDT"])
        assert sorted(row["order_id"] for row in await http.get_open_orders()) == sorted(placed["ETHUSDT"])
        assert sorted(await http.cancel_all_orders()) == sorted(placed["ETHUSDT"])
        assert await http.get_open_orders() == []
        assert await http.cancel_all_orders() == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda http: http.get_fills(since_ms=1_790_134_568), "since_ms"),
        (lambda http: http.get_fills(since_ms=1.5), "since_ms"),
        (lambda http: http.get_fills(until_ms="soon"), "until_ms"),
        (lambda http: http.get_fills(limit=101), "limit"),
        (lambda http: http.get_fills(order_id=""), "order_id"),
        (lambda http: http.get_order_history(limit=1001), "limit"),
        (lambda http: http.cancel_all_orders("BTC/USDT"), "symbol"),
    ],
)
async def test_a_wrong_question_about_orders_is_named(call: Any, named: str) -> None:
    async with WeexAsyncClient(WeexConfig(host="http://127.0.0.1:1")) as http:
        with pytest.raises(WEEXInvalidArgument, match=f"^{named}="):
            await call(http)
