"""What the WEEX page says of the client beside its code: in real time, at once, by itself, in constant memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tapewire.sandbox import Sandbox
from tapewire.venues.weex import Stream, WeexConfig, WeexMessage, WeexWebSocketClient

SOON = 3.0  # seconds; the venue itself conflates books to one frame in half a second
AT_ONCE = {"depth_interval": 0, "ticker_interval": 0}


@contextlib.asynccontextmanager
async def followed(rate: float = 0, **settings: Any) -> AsyncIterator[tuple[Sandbox, WeexWebSocketClient]]:
    """A sandbox in which only `step` makes things happen, and a client of it."""
    async with Sandbox(rate=rate, venues=["weex"], settings={"weex": AT_ONCE | settings}) as sandbox:
        config = WeexConfig.from_env(sandbox.environment())
        async with WeexWebSocketClient(config) as client:
            yield sandbox, client


async def first(stream: Stream) -> WeexMessage:
    async with asyncio.timeout(SOON):
        return await anext(stream)


async def exhausted(stream: Stream) -> None:
    async for _ in stream:
        pass


async def subscribed(sandbox: Sandbox, *topics: str) -> None:
    face: Any = sandbox.faces["weex"]
    async with asyncio.timeout(SOON):
        while not set(topics) <= set(face.topics):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.001)


async def test_the_client_connects_on_entry_and_disconnects_on_exit() -> None:
    async with Sandbox(rate=20, venues=["weex"]) as sandbox:
        client = WeexWebSocketClient(WeexConfig.from_env(sandbox.environment()))
        assert not client.is_connected
        async with client as entered:
            assert entered is client
            assert client.is_connected
            assert client.is_connected()
            stream = client.stream_tickers(["BTCUSDT"])
            assert (await first(stream)).data["last"] > 0
        assert not client.is_connected()
        async with asyncio.timeout(SOON):
            await exhausted(stream)
            while any(each["venue"] for each in sandbox.state()["connections"]):  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_what_the_market_does_arrives_as_it_happens() -> None:
    async with followed(symbols=["BTCUSDT"]) as (sandbox, client):
        tickers, books = client.stream_tickers(["BTCUSDT"]), client.stream_order_book("BTCUSDT", level=5)
        trades = client.stream_trades("BTCUSDT")
        waiting = [asyncio.ensure_future(first(stream)) for stream in (tickers, trades)]
        opened = await first(books)
        await subscribed(sandbox, "BTCUSDT@ticker", "BTCUSDT@trade", "BTCUSDT@depth15")
        sandbox.step(30)
        changed = await first(books)
        ticker, trade = await asyncio.gather(*waiting)
        assert opened.data["bids"] != changed.data["bids"] or opened.data["asks"] != changed.data["asks"]
        assert trade.data["side"] in ("buy", "sell")
        assert trade.data["price"] * trade.data["size"] > 0
        now = sandbox.clock.time_ns() / 1e9
        for message in (ticker, trade, changed):
            assert abs(now - message.timestamp) < SOON
            assert isinstance(message.timestamp, float)


async def test_a_book_is_cut_to_its_levels_with_the_best_first() -> None:
    async with followed() as (sandbox, client):
        book = (await first(client.stream_order_book("BTCUSDT", level=5))).data
        face: Any = sandbox.faces["weex"]
        contract, levels = face.markets.contracts["BTCUSDT"], face.markets.open["BTCUSDT"].book.levels
        for name, side in (("bids", "buy"), ("asks", "sell")):
            exact = [(contract.price(tick), contract.size(lots)) for tick, lots in levels(side, 5)]
            assert book[name] == [(Decimal(price), Decimal(size)) for price, size in exact]


async def test_what_an_order_changes_arrives_as_it_happens() -> None:
    async with followed() as (sandbox, client):
        streams = (client.stream_account(), client.stream_positions(), client.stream_orders())
        balance = await first(streams[0])
        assert balance.data.keys() >= {"balance", "available", "frozen"}
        waiting = [asyncio.ensure_future(first(stream)) for stream in streams]
        await subscribed(sandbox, "account:trader", "positions:trader", "orders:trader")
        face: Any = sandbox.faces["weex"]
        market, now_ns = face.markets.open["ETHUSDT"], sandbox.clock.time_ns()
        face.publish(face.exchange.place("trader", market.market_id, "buy", None, 100, now_ns)[1], now_ns)
        account, position, order = await asyncio.gather(*waiting)
        assert account.data.keys() >= {"balance", "available", "frozen"}
        assert (position.data["symbol"], position.data["side"].lower()) == ("ETHUSDT", "long")
        assert position.data["size"] == Decimal("0.100")
        assert "unrealized_pnl" in position.data
        facts = [order.data[name] for name in ("status", "symbol", "size")]
        assert facts == ["filled", "ETHUSDT", Decimal("0.100")]
        assert order.data["order_id"]


async def test_many_symbols_are_followed_at_once_on_one_client() -> None:
    symbols = ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
    async with followed(rate=60) as (sandbox, client), asyncio.TaskGroup() as group:
        tasks = [group.create_task(first(client.stream_tickers([symbol]))) for symbol in symbols]
        messages = [await task for task in tasks]
        assert [message.symbol for message in messages] == symbols
        assert sum(each["venue"] == "weex" for each in sandbox.state()["connections"]) == 1


async def test_memory_stays_constant_over_a_long_stream() -> None:
    async with followed(symbols=["BTCUSDT"]) as (sandbox, client):
        stream = client.stream_tickers(["BTCUSDT"])
        waiting = asyncio.ensure_future(first(stream))
        await subscribed(sandbox, "BTCUSDT@ticker")

        async def take(count: int) -> None:
            for _ in range(count):
                sandbox.step()
                await first(stream)

        sandbox.step()
        await waiting
        await take(300)
        tracemalloc.start()
        try:
            gc.collect()
            before = tracemalloc.take_snapshot()
            await take(1000)
            gc.collect()
            grown = tracemalloc.take_snapshot().compare_to(before, "filename")
        finally:
            tracemalloc.stop()
        ours = [line for line in grown if "/tapewire/" in line.traceback[0].filename]
        client_side = [line for line in ours if "/sandbox/" not in line.traceback[0].filename]
        assert sum(line.size_diff for line in client_side) < 64 * 1024
        assert stream.dropped == 0


async def test_a_change_is_a_percentage() -> None:
    async with followed(rate=20) as (_, client):
        data = (await first(client.stream_tickers(["BTCUSDT"]))).data
        opened = data["last"] - data["change_amount"]
        assert float(data["change"]) == pytest.approx(float((data["last"] / opened - 1) * 100), abs=0.01)
        assert abs(data["change"]) > Decimal("0.1")


async def test_a_stream_goes_on_behind_a_lost_connection_without_the_users_help() -> None:
    async with followed(rate=60) as (sandbox, client):
        stream = client.stream_tickers(["BTCUSDT"])
        await first(stream)
        sandbox.inject("abort")
        async with asyncio.timeout(10):
            while not stream.marks:
                await anext(stream)
            message = await anext(stream)
        assert message.data["last"] > 0
        assert stream.unseen_marks == 1


async def test_a_mute_venue_is_noticed_by_whoever_watches_the_time() -> None:
    async with followed(rate=60) as (sandbox, client):
        stream = client.stream_tickers(["BTCUSDT"])
        await first(stream)
        sandbox.inject("mute")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exhausted(stream), 1)
