"""The played WEEX over the memory network, and a client of it, in virtual time.

::

    async with weex_line(clock) as (client, peer):
        ...
        peer.tick("BTCUSDT")          # a ticker, on every connection that has the topic
        peer.move("BTCUSDT")          # its book changes: one delta of each depth
        peer.lose("BTCUSDT")          # ... which nobody is told
        peer.drop()                   # every connection is cut

`frames` is all that it was sent, by connection; `books[symbol, depth]` the truth to compare with.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from tapewire.clock import Clock
from tapewire.marks import Mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.flow import HOUSE
from tapewire.sandbox.faces.weex.books import DEPTHS, BookStream
from tapewire.sandbox.faces.weex.contracts import MAX_SYMBOLS, contract_of
from tapewire.sandbox.faces.weex.credentials import DEFAULT as KEY
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.venues.in_memory import InMemory

_ports = itertools.count(4000)  # budgets are shared by address: each client of the tests has its own
REST = "/capi/v3/"


def next_port() -> int:
    return next(_ports)


def without(event: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """What withholds frames of one kind, as `peer.altered`."""
    return lambda frame: None if frame.get("e") == event else frame


class Window:
    """The window of one book as the venue has published it."""

    def __init__(self, stream: BookStream) -> None:
        self._stream = stream

    @property
    def u(self) -> int:
        return self._stream.last

    def snapshot(self) -> dict[str, Any]:
        return self._stream.snapshot()

    def top(self, level: int) -> tuple[Any, Any]:
        state = self.snapshot()
        return [tuple(pair) for pair in state["b"][:level]], [tuple(pair) for pair in state["a"][:level]]

    def delta(self, bids: Any, asks: Any = ()) -> dict[str, Any]:
        """A change that comes next by its number, and never was."""
        state = self.snapshot()
        return {"U": state["u"], "u": state["u"] + 1, "l": state["l"], "d": "CHANGED", "b": bids, "a": asks}


class WeexPeer(InMemory):
    """Symbols as given, by default two. Tickers and trades are made up; books are the exchange's own."""

    def __init__(self, network: MemoryNetwork, clock: Clock, *symbols: str) -> None:
        self.symbols = symbols or ("BTCUSDT", "ETHUSDT")
        super().__init__(
            network,
            clock,
            "weex",
            symbols=self.symbols[:MAX_SYMBOLS],
            depth_interval=0,
            ticker_interval=1e9,
            max_weight=10**6,
        )
        # Those beyond have a name, and no market.
        self.face.markets.contracts |= {symbol: contract_of(symbol) for symbol in self.symbols[MAX_SYMBOLS:]}
        self.books = {key: Window(stream) for key, stream in self.face.markets.books.items()}
        self.trades = Counter[str]()
        self._moves = Counter[str]()

    def asked(self, method: str = "SUBSCRIBE", connection: int | None = None) -> list[list[str]]:
        return [
            frame["params"]
            for number, frame in self.frames
            if frame.get("method") == method and connection in (None, number)
        ]

    def tick(self, symbol: str, last: str = "86645.2", **more: str) -> None:
        row = {"c": last, "v": "27024.8956", "P": "0.012475", "p": "1067.6", "m": "86660.8"} | more
        self.send(f"{symbol}@ticker", {"e": "ticker", "E": 1790134568308, "s": symbol, "d": [row]})

    def trade(self, symbol: str, count: int = 1) -> None:
        rows = [self._trade(symbol) for _ in range(count)]
        self.send(f"{symbol}@trade", {"e": "trade", "E": rows[-1]["T"], "s": symbol, "d": rows})

    def _trade(self, symbol: str) -> dict[str, Any]:
        self.trades[symbol] += 1
        number = self.trades[symbol]
        stamp, word = 1790134568000 + number, f"{symbol}-{number}"
        return {"T": stamp, "t": word, "p": "10.5", "q": "2", "v": "21", "m": number % 2 == 0}

    def move(self, symbol: str) -> None:
        self._moves[symbol] += 1
        market, side = self.face.markets.open[symbol], ("buy", "sell")[self._moves[symbol] % 2]
        levels = market.book.levels(side, 10)
        price = levels[self._moves[symbol] % len(levels)][0]
        now_ns = self.sandbox.clock.time_ns()
        _, events = self.face.exchange.place(HOUSE[0], market.market_id, side, price, 100, now_ns)
        self.publish(events)

    def lose(self, symbol: str) -> None:
        for topic in (f"{symbol}@depth{depth}" for depth in DEPTHS):
            if topic in set(self.face.topics):
                self.sandbox.inject("skip", topic=topic)
        self.move(symbol)

    def answer(self, path: str, make: Any) -> None:
        """What a path of the REST API gets from now on; `make(request)` is the response."""
        self.http_answers[REST + path] = make

    def http_paths(self) -> list[str]:
        return [call.url.path.removeprefix(REST) for call in self.http_calls]


def make_client(clock: VirtualClock, network: MemoryNetwork, peer: WeexPeer, **fields: Any) -> Any:
    """A client over memory with a key, in virtual time."""
    keys = {"api_key": KEY.key, "secret_key": KEY.secret.reveal(), "passphrase": KEY.passphrase.reveal()}
    host = f"http://127.0.0.1:{next_port()}"
    config = WeexConfig(**({"host": host} | keys | fields.pop("config", {})))
    fields.setdefault("retry", RetryPolicy(None, 0.5, jitter=False))
    return WeexWebSocketClient(
        config, connector=network, clock=clock, http_transport=peer.http, fraction=lambda: 0.5, **fields
    )


@asynccontextmanager
async def weex_line(clock: VirtualClock, *symbols: str, **fields: Any) -> AsyncIterator[tuple[Any, WeexPeer]]:
    """A connected client and its peer."""
    network = MemoryNetwork()
    async with (
        WeexPeer(network, clock, *symbols) as peer,
        make_client(clock, network, peer, **fields) as client,
    ):
        yield client, peer


class Heard(list[Any]):
    """What a stream yielded; `task` iterates it."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.stream = stream
        self._came = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    @classmethod
    def with_marks(cls, make: Callable[..., Any], *args: Any, **options: Any) -> Self:
        """Of the stream that `make` gives: its marks too, in their places."""
        heard: Self

        def on_mark(mark: Mark) -> None:
            heard._came_to(mark)

        heard = cls(make(*args, on_mark=on_mark, **options))
        return heard

    def _came_to(self, item: Any) -> None:
        self.append(item)
        self._came.set()

    async def _run(self) -> None:
        try:
            async for message in self.stream:
                self._came_to(message)
        finally:
            self._came.set()

    async def until(self, count: int) -> None:
        """Wait for that many messages; raises what ended the stream before."""
        while len(self) < count:
            if self.task.done():
                self.task.result()
                raise AssertionError(f"the stream ended after {len(self)} messages")
            self._came.clear()
            await self._came.wait()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
