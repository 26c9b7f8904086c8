"""What this venue shows in `tapewire demo`: two books that must equal the exchange's, trades, best odds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...retry import RetryPolicy
from ...session.options import Statistics
from .. import DemoFault, Observer
from .book import MarketBook
from .channel import ChannelSubscription
from .levels import LevelBook
from .socket import SXBetClient
from .symbols import channel_for

__all__ = ["SETTINGS", "Demo"]

SETTINGS: Final[Mapping[str, Any]] = {"ping_interval": 1, "pong_timeout": 0.8, "token_lifetime": 20}
"""Of the sandbox's face: deadlines shorter than in earnest, so that a demo is not a wait."""

BOOKS = 2


class Demo:
    """One client. Recoverable channels lose nothing while the venue has the history; others say where they broke."""

    faults = (
        DemoFault(0.15, "abort", {}, "the connection is reset"),
        DemoFault(0.28, "close", {"code": 3001, "reason": "shutdown"}, "the server goes away"),
        DemoFault(0.28, "burst", {"count": 40}, "much is published while nobody listens"),
        DemoFault(0.28, "prune_history", {}, "the server prunes its history, so that it cannot be replayed"),
        DemoFault(0.48, "new_epoch", {}, "every stream begins anew, in another epoch"),
        DemoFault(0.58, "expire_tokens", {}, "every token expires"),
        DemoFault(
            0.59,
            "close",
            {"code": 3005, "reason": "connection expired"},
            "the server closes the connection of an expired token",
        ),
        DemoFault(0.70, "close", {"code": 3008, "reason": "slow"}, "the server finds us too slow and closes"),
    )

    def __init__(self, url: str, way: Mapping[str, Any], fraction: Callable[[], float]) -> None:
        self._client = SXBetClient(
            host=url,
            api_key="demo",
            **way,
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.2, max_backoff=1.0),
            max_ping_delay=1.5,
            session_options={"stable_after": 1.0, "fraction": fraction},
        )
        self._markets: list[str] = []
        self._books: dict[str, MarketBook | LevelBook] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._seeded: dict[str, asyncio.Event] = {}

    async def sign_in(self) -> str:
        await self._client.connect()
        rows = [row async for row in self._client.http.active_markets()]
        self._markets = [row.market_hash for row in rows[:BOOKS]]
        return f"connected with an API key; {len(rows)} markets, first: {rows[0].outcome_one_name}"

    async def subscribe(self, observe: Callable[[str, str], Observer]) -> None:
        for number, market_hash in enumerate(self._markets, 1):
            await self._observe(observe, f"book {number}", channel_for("order_book", market_hash))
            self._seeded[market_hash] = asyncio.Event()
            self._watches.append(asyncio.get_running_loop().create_task(self._watch(market_hash)))
        await self._observe(observe, "trades", channel_for("trades"))
        await self._observe(observe, "best odds", channel_for("best_odds"))
        async with asyncio.timeout(10):
            for seeded in self._seeded.values():
                await seeded.wait()

    async def _observe(
        self, observe: Callable[[str, str], Observer], label: str, channel: str
    ) -> ChannelSubscription:
        observer = observe(label, channel)
        recovers = self._client.profile.recovers(channel)
        subscription = self._client.new_subscription(
            channel, positioned=recovers, recoverable=recovers, capacity=20_000
        )
        subscription.on("publication", lambda context: observer.publication("publication", context.data))
        subscription.on("mark", observer.mark)
        await subscription.ready()
        return subscription

    async def _watch(self, market_hash: str) -> None:
        async for book in self._client.watch_order_book(market_hash):
            self._books[market_hash] = book
            if book.is_tradable:
                self._seeded[market_hash].set()

    async def trade(self) -> str:
        live = sum(book.is_tradable for book in self._books.values())
        return f"{live} of {len(self._markets)} books are live (this SDK places no orders)"

    async def compare(self, truth: Callable[[str], Any]) -> list[str]:
        """Each book against the exchange's, level by level."""
        problems = []
        for number, market_hash in enumerate(self._markets, 1):
            book, expected = self._books.get(market_hash), truth(market_hash)
            if book is not None and book.closure and expected is not None:
                # Nobody follows the book of a market that has ended: only that it has is compared.
                if expected.bids or expected.offers:
                    problems.append(f"book {number}: {book.closure}, and the exchange's is open")
            elif book is None or not book.is_tradable:
                why = "there is none" if book is None else book.reason
                problems.append(f"book {number} is not live at the end: {why}")
            elif expected is not None:
                for side, ours, theirs in (
                    ("bids", book.levels.bids, expected.bids),
                    ("offers", book.levels.offers, expected.offers),
                ):
                    found = tuple((int(level[0]), int(level[1])) for level in ours.top(10_000))
                    if found != tuple(theirs):
                        problems.append(f"book {number}: its {side} differ from the exchange's")
        return problems

    def statistics(self) -> Statistics:
        return self._client.statistics()

    async def close(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await self._client.disconnect()
