"""What this venue shows in `tapewire demo`: a proven book, trades, tickers and the account's own orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from ...retry import RetryPolicy
from ...session.options import Statistics
from .. import DemoFault, Observer
from .config import WeexConfig
from .message import WeexMessage
from .socket import WeexWebSocketClient
from .streams import Stream

__all__ = ["SETTINGS", "Demo"]

SETTINGS: Final[Mapping[str, Any]] = {"depth_interval": 0.2}
"""Of the sandbox's face: books twice as often as in earnest, and more."""

SYMBOL = "BTCUSDT"
SIZE = "0.01"
LEVEL = 15


class Demo:
    """One client with a key. Its faults besides those of the line: a hole in one book, and a snapshot too old."""

    faults = (
        DemoFault(0.20, "skip", {"topic": f"{SYMBOL}@depth{LEVEL}"}, "one delta of a book is lost"),
        DemoFault(0.40, "abort", {}, "the connections are reset"),
        DemoFault(
            0.44,
            "stale_snapshot",
            {"topic": f"{SYMBOL}@depth{LEVEL}"},
            "the next snapshot will be older than its deltas",
        ),
        DemoFault(
            0.45,
            "skip",
            {"topic": f"{SYMBOL}@depth{LEVEL}"},
            "another delta is lost, so that the book asks for that snapshot",
        ),
        DemoFault(0.65, "half_open", {}, "the lines go dead without a word"),
    )

    def __init__(self, url: str, way: Mapping[str, Any], fraction: Callable[[], float]) -> None:
        config = WeexConfig(
            host=url,
            api_key="sandbox-weex-key",
            secret_key="sandbox-weex-secret",
            passphrase="sandbox-weex-passphrase",
        )
        self._client = WeexWebSocketClient(
            config,
            **way,
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.2, max_backoff=1.0),
            session_options={
                "ping_interval": 1.0,
                "ping_timeout": 0.5,
                "stable_after": 1.0,
                "fraction": fraction,
            },
        )
        self._readers: list[asyncio.Task[None]] = []
        self._book: WeexMessage | None = None
        self._has_book = asyncio.Event()
        self._orders = 0

    async def sign_in(self) -> str:
        await self._client.connect()
        contracts = await self._client.http.get_contracts()
        (balance,) = await self._client.http.get_account_balance()
        return f"connected; {len(contracts)} contracts; {balance['available']} {balance['asset']} available"

    async def subscribe(self, observe: Callable[[str, str], Observer]) -> None:
        client = self._client
        account = "trader"
        makers: tuple[tuple[str, str, Callable[..., Stream]], ...] = (
            (
                "book",
                f"{SYMBOL}@depth{LEVEL}",
                partial(client.stream_order_book, SYMBOL, level=LEVEL, capacity=20_000),
            ),
            ("trades", f"{SYMBOL}@trade", partial(client.stream_trades, SYMBOL, capacity=20_000)),
            ("tickers", f"{SYMBOL}@ticker", partial(client.stream_tickers, [SYMBOL], capacity=20_000)),
            ("orders", f"orders:{account}", client.stream_orders),
        )
        streams = []
        for label, topic, make in makers:
            observer = observe(label, topic)
            streams.append(stream := make(on_mark=observer.mark))
            self._readers.append(asyncio.create_task(self._read(stream, observer)))
        async with asyncio.timeout(10):  # the sandbox stands still until all is joined
            await asyncio.gather(*(stream.confirmed() for stream in streams), self._has_book.wait())

    async def _read(self, stream: Stream, observer: Observer) -> None:
        raw = b""
        async for message in stream:
            if message.channel == "depth":
                self._book = message
                self._has_book.set()
            if message.raw and message.raw is not raw:  # several messages of one frame
                raw = message.raw
                frame = msgspec.json.decode(raw)
                if not frame["e"].endswith("Snapshot"):
                    observer.publication(frame["e"], frame)

    async def trade(self) -> str:
        side = "sell" if self._orders % 2 else "buy"
        self._orders += 1
        own = f"own-{self._orders}"
        placed = await self._client.http.place_order(SYMBOL, side, SIZE, client_order_id=own)
        order = await self._client.http.get_order(client_order_id=placed["client_order_id"])
        return f"order {placed['order_id']}: {side} {SIZE} {SYMBOL} is {order['status']}"

    async def compare(self, truth: Callable[[str], Any]) -> list[str]:
        """The book against the venue's own over HTTP, level by level."""
        expected = await self._client.http.get_order_book(SYMBOL, LEVEL)
        if self._book is None:
            return ["the book is not live at the end"]
        return [
            f"the book's {side} differ from the venue's"
            for side in ("bids", "asks")
            if self._book.data[side] != expected[side]
        ]

    def statistics(self) -> Statistics:
        return self._client.statistics()

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._client.disconnect()
