"""Fifty books and their trades over real sockets, through twenty gaps and drops, compared with the exchange's own."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tapewire.marks import is_mark
from tests.venues.weex.weex_peer import Heard
from tests.venues.weex.weex_played import book_of, listening, marks, played, sides, socket_of
from tests.waiting import until

BOOKS = 50
LEVEL = 15
GAPS, DROPS = 14, 6


class Followed:
    """The books and trades of every contract on one socket, and two tickers on another."""

    def __init__(self, sandbox: Any, client: Any) -> None:
        self.sandbox = sandbox
        self.face = sandbox.faces["weex"]
        self.symbols: list[str] = list(self.face.markets.contracts)
        self.since = {symbol: sandbox.ledger.last_sequence(f"{symbol}@trade") for symbol in self.symbols}
        self.books = {s: Heard.with_marks(client.stream_order_book, s, level=LEVEL) for s in self.symbols}
        self.trades = {s: Heard.with_marks(client.stream_trades, s) for s in self.symbols}
        self.tickers = Heard.with_marks(client.stream_tickers, self.symbols[:2])

    async def joined(self) -> None:
        for symbol in self.symbols:
            await self.books[symbol].until(1)
        await listening(
            self.sandbox,
            *(f"{symbol}@trade" for symbol in self.symbols),
            *(f"{symbol}@ticker" for symbol in self.symbols[:2]),
        )

    def told(self, symbol: str) -> list[str]:
        """The marks of one book so far."""
        return marks(self.books[symbol])

    async def lose_a_delta(self, symbol: str) -> None:
        """One delta of one book goes to nobody; go on until that is noticed and mended."""
        before = len(self.told(symbol))
        fault = self.sandbox.inject("skip", topic=f"{symbol}@depth{LEVEL}")

        def happened() -> bool:
            done = fault.hits == 1 and len(self.told(symbol)) == before + 2
            if not done:
                self.sandbox.step(5)
            return done

        await until(happened)

    async def drop_the_line(self) -> None:
        """The socket of all books and trades is cut, and much happens meanwhile; not that of the tickers."""
        before = {symbol: len(self.told(symbol)) for symbol in self.symbols}
        self.sandbox.inject("abort", connection=socket_of(self.sandbox, f"{self.symbols[0]}@trade"))
        for _ in range(3):
            await asyncio.sleep(0.002)
            self.sandbox.step(50)
        await until(lambda: all(len(self.told(s)) == before[s] + 2 for s in self.symbols))

    async def all_right(self) -> None:
        """Wait for the last numbers, then compare every level."""
        await until(lambda: all(self._is_current(symbol) for symbol in self.symbols))
        for symbol in self.symbols:
            assert sides(self.books[symbol][-1]) == book_of(self.sandbox, symbol, LEVEL), symbol

    def _is_current(self, symbol: str) -> bool:
        latest = self.books[symbol][-1]
        return not is_mark(latest) and latest.sequence == self.face.markets.books[symbol, LEVEL].last

    def printed(self, symbol: str) -> list[str]:
        """The ids of the trades that the venue published since the beginning."""
        entries = self.sandbox.ledger.since(f"{symbol}@trade", self.since[symbol])
        return [row["t"] for entry in entries for row in entry.payload["d"]]

    def received(self, symbol: str) -> list[str]:
        return [item.data["id"] for item in self.trades[symbol] if not is_mark(item)]

    async def stop(self) -> None:
        for heard in (*self.books.values(), *self.trades.values(), self.tickers):
            await heard.stop()


async def test_50_books_and_trades_stay_right_through_20_gaps_and_drops_while_nothing_else_resyncs() -> None:
    chance = random.Random(20)
    async with played(symbols=BOOKS) as (sandbox, client):
        followed = Followed(sandbox, client)
        await followed.joined()
        symbols = followed.symbols
        assert [each.subscriptions for each in client.statistics().sessions] == [2 * BOOKS, 2]
        faults = [chance.choice(symbols) for _ in range(GAPS)] + [None] * DROPS
        chance.shuffle(faults)
        for hit in faults:
            sandbox.step(150)
            before = {symbol: followed.told(symbol) for symbol in symbols}
            await (followed.drop_the_line() if hit is None else followed.lose_a_delta(hit))
            await followed.all_right()
            touched = {symbol for symbol in symbols if followed.told(symbol) != before[symbol]}
            assert touched == (set(symbols) if hit is None else {hit})
        await until(lambda: all(len(followed.received(s)) >= len(followed.printed(s)) for s in symbols))
        assert sum(len(followed.printed(symbol)) for symbol in symbols) > 500
        for symbol in symbols:
            assert followed.received(symbol) == followed.printed(symbol)
            assert followed.told(symbol) == ["Gap", "Resynced"] * (faults.count(symbol) + DROPS)
            assert marks(followed.trades[symbol]) == ["Gap"] * DROPS
        assert marks(followed.tickers) == []
        assert [each.reconnections for each in client.statistics().sessions] == [DROPS, 0]
        await followed.stop()
