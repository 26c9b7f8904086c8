"""The V2 wire, end to end against the played venue's V2 face: every stream, the same words, the same proofs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import SubscriptionRefused
from tapewire.marks import is_mark
from tests.venues.weex.weex_peer import Heard
from tests.venues.weex.weex_played import book_of, listening, marks, played, sides, socket_of
from tests.waiting import until


def paths(sandbox: Any) -> set[str]:
    """Which of the wires the open sockets speak."""
    return {socket.dialect for socket in sandbox.faces["weex"].sockets}


async def test_v2_market_streams_have_the_words_of_the_document() -> None:
    async with played("v2") as (sandbox, client):
        tickers = Heard.with_marks(client.stream_tickers, ["BTCUSDT", "ETHUSDT"])
        trades = Heard.with_marks(client.stream_trades, "BTCUSDT")
        candles = Heard(client.stream_klines("BTCUSDT", "1m"))
        await listening(
            sandbox, "BTCUSDT@ticker", "ETHUSDT@ticker", "BTCUSDT@trade", "BTCUSDT@kline_1m_LAST_PRICE"
        )
        since = sandbox.ledger.last_sequence("BTCUSDT@trade")
        sandbox.step(200)
        await until(lambda: {message.symbol for message in tickers} == {"BTCUSDT", "ETHUSDT"})
        published = [
            (Decimal(row["p"]), Decimal(row["q"]), "sell" if row["m"] else "buy", row["T"] / 1000)
            for entry in sandbox.ledger.since("BTCUSDT@trade", since)
            for row in entry.payload["d"]
        ]
        await trades.until(len(published))
        words = [[message.data[name] for name in ("price", "size", "side", "time")] for message in trades]
        assert [tuple(each) for each in words] == published
        (latest,) = [message for message in tickers if message.symbol == "BTCUSDT"][-1:]
        row = sandbox.ledger.since("BTCUSDT@ticker")[-1].payload["d"][0]
        assert latest.data["last"] == Decimal(row["c"])
        assert latest.data["volume"] == Decimal(row["v"])
        assert latest.data["change"] == Decimal(row["P"]) * 100
        await until(lambda: candles and candles[-1].data["volume"] > 0)
        assert candles[-1].data.keys() >= {"start", "open", "high", "low", "close", "turnover"}
        assert (paths(sandbox), marks(tickers), marks(trades)) == ({"v2"}, [], [])
        for heard in (tickers, trades, candles):
            await heard.stop()


async def test_a_v2_book_is_proven_through_a_gap_and_a_drop() -> None:
    async with played("v2") as (sandbox, client):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        other = Heard.with_marks(client.stream_order_book, "ETHUSDT", level=200)
        await heard.until(1)
        await other.until(1)

        def is_right(book: Heard, levels: int) -> bool:
            return not is_mark(book[-1]) and sides(book[-1]) == book_of(sandbox, book[-1].symbol, levels)

        def mended(count: int) -> bool:
            done = len(marks(heard)) == count
            if not done:
                sandbox.step()
            return done

        sandbox.inject("skip", topic="BTCUSDT@depth15")
        await until(lambda: mended(2))
        await until(lambda: is_right(heard, 15) and is_right(other, 200))
        assert marks(other) == []
        sandbox.inject("abort", connection=socket_of(sandbox, "BTCUSDT@depth15"))
        await until(lambda: len(marks(heard)) == 4 and len(marks(other)) == 2)
        sandbox.step(20)
        await until(lambda: is_right(heard, 15) and is_right(other, 200))
        assert marks(heard) == ["Gap", "Resynced"] * 2
        await heard.stop()
        await other.stop()


async def test_v2_private_streams_follow_an_order() -> None:
    async with played("v2") as (sandbox, client):
        streams = {
            "orders": Heard(client.stream_orders()),
            "fill": Heard(client.stream_fills()),
            "positions": Heard(client.stream_positions()),
            "account": Heard(client.stream_account()),
        }
        await listening(sandbox, *(f"{name}:trader" for name in streams))
        await streams["account"].until(1)  # the state, over HTTP
        placed = await client.http.place_order("BTCUSDT", "buy", "0.01", client_order_id="mine-1")
        for name, count in (("orders", 1), ("fill", 1), ("positions", 1), ("account", 2)):
            await streams[name].until(count)
        order = streams["orders"][-1].data
        assert (order["order_id"], order["client_order_id"]) == (placed["order_id"], "mine-1")
        assert (order["status"], order["symbol"], order["size"]) == ("filled", "BTCUSDT", Decimal("0.01"))
        assert streams["fill"][-1].data["order_id"] == placed["order_id"]
        position = streams["positions"][-1].data
        assert (position["symbol"], position["side"], position["size"]) == (
            "BTCUSDT",
            "long",
            Decimal("0.01"),
        )
        assert "unrealized_pnl" in position
        assert streams["account"][-1].data.keys() >= {"asset", "balance", "available", "frozen"}
        for heard in streams.values():
            await heard.stop()


async def test_what_v2_refuses_ends_its_stream_and_no_other() -> None:
    async with played("v2") as (sandbox, client):
        good = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await listening(sandbox, "BTCUSDT@ticker")
        for number in range(7):
            with pytest.raises(SubscriptionRefused, match="invalid symbol"):
                await Heard(client.stream_trades(f"NOPE{number}USDT")).until(1)
        sandbox.step(50)
        await good.until(1)
        assert marks(good) == []
        assert client.statistics().reconnections == 0
        await good.stop()
        await until(lambda: "BTCUSDT@ticker" not in sandbox.faces["weex"].joined_topics())
