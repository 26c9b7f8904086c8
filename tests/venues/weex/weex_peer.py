"""A scripted WEEX in this process, over the memory network; and its HTTP side as a transport of httpx2.

::

    async with WeexPeer(network) as peer, make_client(clock, network, peer) as client:
        ...
        peer.tick("BTCUSDT")          # a ticker, on every connection that has the topic
        peer.move("BTCUSDT")          # one delta of each depth of its book
        peer.lose("BTCUSDT", 15)      # ... which nobody is told
        peer.drop()                   # every connection is cut

It greets, acknowledges, refuses unknown symbols and depths, closes with 1007 on the sixth refusal, and keeps all it was
sent: `frames` (connection, frame), `connections`. `books[symbol, depth]` is the truth to compare with.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from tapewire.errors import ConnectionLost
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork, MemoryPeer

_ports = itertools.count(4000)  # budgets are shared by address: each client of the tests has its own
DEPTHS = (15, 200)


def next_port() -> int:
    return next(_ports)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, text: bytes) -> None:
        self.text = text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.text


def answered(content: Any, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer as a transport gives it: a body that is still to be read."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx2.Response(status, headers=headers, stream=_Body(text))


class Truth:
    """The window of one book as the venue has it."""

    def __init__(self, symbol: str, depth: int, seed: int) -> None:
        self.random = random.Random(f"{symbol}-{depth}-{seed}")
        self.depth = depth
        self.u = 1000 + self.random.randrange(1000)
        self.first = self.u - 1
        self.bids = {1000 - n: self.random.randrange(1, 99) for n in range(depth)}
        self.asks = {1001 + n: self.random.randrange(1, 99) for n in range(depth)}

    def snapshot(self) -> dict[str, Any]:
        return {
            "U": self.first,
            "u": self.u,
            "l": self.depth,
            "d": "SNAPSHOT",
            **self.sides(self.bids, self.asks),
        }

    def change(self) -> dict[str, Any]:
        bids, asks = {}, {}
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price in self.random.sample(sorted(side), 3):
                changes[price] = side[price] = self.random.randrange(1, 99)
        self.first, self.u = self.u, self.u + self.random.randrange(1, 50)
        return {"U": self.first, "u": self.u, "l": self.depth, "d": "CHANGED", **self.sides(bids, asks)}

    @staticmethod
    def sides(bids: dict[int, int], asks: dict[int, int]) -> dict[str, Any]:
        word = [
            [[f"{p}.5", f"{q}.25"] for p, q in side]
            for side in (sorted(bids.items())[::-1], sorted(asks.items()))
        ]
        return {"b": word[0], "a": word[1]}

    def top(self, level: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        sides = self.sides(self.bids, self.asks)
        return tuple([tuple(pair) for pair in sides[side][:level]] for side in ("b", "a"))  # type: ignore[return-value]


class Connection:
    def __init__(self, number: int, link: MemoryPeer) -> None:
        self.number = number
        self.link = link
        self.topics: dict[str, None] = {}
        self.refusals = 0
        self.path = urlsplit(link.endpoint.url).path

    @property
    def is_open(self) -> bool:
        return self.link.ended is None

    def say(self, *frames: Any) -> None:
        self.link.send(*(frame if isinstance(frame, str | bytes) else json.dumps(frame) for frame in frames))


class WeexPeer:
    def __init__(self, network: MemoryNetwork, *symbols: str, seed: int = 1) -> None:
        self.network = network
        self.symbols = symbols or ("BTCUSDT", "ETHUSDT")
        self.books = {(s, d): Truth(s, d, seed) for s in self.symbols for d in DEPTHS}
        self.connections: list[Connection] = []
        self.frames: list[tuple[int, dict[str, Any]]] = []
        self.http_calls: list[httpx2.Request] = []
        self.http_answers: dict[str, Callable[[httpx2.Request], httpx2.Response]] = {}
        self.marks = Counter[str]()
        self.snapshot_first = False
        self.acknowledges = True
        self.sends_snapshots = True
        self.dead: set[str] = set()
        self.refuse: Callable[[list[str]], str | None] | None = None
        self.trades = Counter[str]()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks.append(asyncio.create_task(self._accept()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
                raise result

    # what it saw

    def asked(self, method: str = "SUBSCRIBE", connection: int | None = None) -> list[list[str]]:
        return [
            frame["params"]
            for number, frame in self.frames
            if frame.get("method") == method and connection in (None, number)
        ]

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def has(self, topic: str) -> None:
        """Wait until some open connection has the topic."""
        await self.until(lambda: any(topic in c.topics for c in self.open))

    async def left(self, topic: str) -> None:
        await self.until(lambda: not any(topic in c.topics for c in self.open))

    @property
    def open(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.is_open]

    # what it says

    def send(self, topic: str, frame: Any) -> None:
        for connection in self.open:
            if topic in connection.topics:
                connection.say(frame)

    def tick(self, symbol: str, last: str = "86645.2", **more: str) -> None:
        row = {"c": last, "v": "27024.8956", "P": "0.012475", "p": "1067.6", "m": "86660.8"} | more
        self.send(f"{symbol}@ticker", {"e": "ticker", "E": 1790134568308, "s": symbol, "d": [row]})

    def trade(self, symbol: str, count: int = 1, *, lost: bool = False) -> None:
        rows = [self._trade(symbol) for _ in range(count)]
        if not lost:
            self.send(f"{symbol}@trade", {"e": "trade", "E": rows[-1]["T"], "s": symbol, "d": rows})

    def _trade(self, symbol: str) -> dict[str, Any]:
        self.trades[symbol] += 1
        number = self.trades[symbol]
        return {
            "T": 1790134568000 + number,
            "t": f"{symbol}-{number}",
            "p": "10.5",
            "q": "2",
            "v": "21",
            "m": number % 2 == 0,
        }

    def move(self, symbol: str) -> None:
        for depth in DEPTHS:
            self.send(
                f"{symbol}@depth{depth}", self._depth(symbol, "depth", self.books[symbol, depth].change())
            )

    def lose(self, symbol: str) -> None:
        for depth in DEPTHS:
            self.books[symbol, depth].change()

    def _depth(self, symbol: str, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"e": event, "E": 1790134568308, "s": symbol, **fields}

    def drop(self, code: int | None = None) -> None:
        for connection in self.open:
            connection.link.abort() if code is None else connection.link.close(code)
            connection.topics.clear()

    # inside

    async def _accept(self) -> None:
        while True:
            connection = Connection(len(self.connections) + 1, await self.network.accept())
            self.connections.append(connection)
            self._changed.set()
            if connection.path.startswith("/v3"):
                connection.say({"cid": "c", "event": "connected", "time": "1790134567942"})
            self._tasks.append(asyncio.create_task(self._serve(connection)))

    async def _serve(self, connection: Connection) -> None:
        while True:
            try:
                payload = await connection.link.receive()
            except ConnectionLost:
                connection.topics.clear()
                self._changed.set()
                return
            frame = json.loads(payload)
            self.frames.append((connection.number, frame))
            if frame.get("method") == "SUBSCRIBE":
                self._subscribe(connection, frame)
            elif frame.get("method") == "UNSUBSCRIBE":
                for topic in frame["params"]:
                    connection.topics.pop(topic, None)
                connection.say({"result": True, "id": frame["id"]})
            self._changed.set()

    def _subscribe(self, connection: Connection, frame: dict[str, Any]) -> None:
        if (reason := self._reason(frame["params"])) is not None:
            connection.refusals += 1
            connection.say({"result": False, "id": frame["id"], "msg": f"INVALID_ARGUMENT: {reason}"})
            if connection.refusals == 6:
                connection.link.close(1007, "Unrecognized message sent multiple times")
            return
        if not self.acknowledges:
            return
        connection.topics.update(dict.fromkeys(frame["params"]))
        snapshots = [s for topic in frame["params"] if (s := self._snapshot(topic))]
        acknowledgement = {"result": True, "id": frame["id"]}
        said = [*snapshots, acknowledgement] if self.snapshot_first else [acknowledgement, *snapshots]
        connection.say(*said)

    def _reason(self, topics: list[str]) -> str | None:
        if self.refuse is not None and (reason := self.refuse(topics)) is not None:
            return reason
        for topic in topics:
            symbol, separator, event = topic.partition("@")
            if not separator:
                continue
            if symbol not in self.symbols and symbol not in self.dead:
                return f"invalid symbol : {symbol.lower()}"
            if event.startswith("depth") and event not in ("depth15", "depth200"):
                return f"invalid depth level : {event[5:]}"
        return None

    def _snapshot(self, topic: str) -> dict[str, Any] | None:
        symbol, _, event = topic.partition("@")
        if event.startswith("depth") and symbol in self.dead:
            return self._depth(
                symbol,
                "depthSnapshot",
                {"U": 0, "u": 0, "l": int(event[5:]), "d": "SNAPSHOT", "b": [], "a": []},
            )
        if event.startswith("depth") and self.sends_snapshots:
            return self._depth(symbol, "depthSnapshot", self.books[symbol, int(event[5:])].snapshot())
        return None

    # HTTP

    @property
    def http(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.http_calls.append(request)
        path = request.url.path.removeprefix("/capi/v3/")
        if path in self.http_answers:
            return self.http_answers[path](request)
        if path == "market/time":
            return answered({"serverTime": 1_700_000_000_000})
        if path == "market/depth":
            book = self.books[request.url.params["symbol"], int(request.url.params["limit"])]
            sides = book.snapshot()
            return answered({"bids": sides["b"], "asks": sides["a"], "lastUpdateId": book.u})
        if path == "market/symbolPrice":
            return answered({"symbol": "BTCUSDT", "price": "110", "time": 1790134568000})
        if path in ("account/balance", "account/position/allPosition"):
            return answered([])
        return answered({"code": -1, "msg": f"no {path}"}, 404)

    def http_paths(self) -> list[str]:
        return [call.url.path.removeprefix("/capi/v3/") for call in self.http_calls]


def make_client(clock: VirtualClock, network: MemoryNetwork, peer: WeexPeer, **fields: Any) -> Any:
    """A client over memory with a key, in virtual time."""
    from tapewire.retry import RetryPolicy
    from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

    keys = {"api_key": "key-1", "secret_key": "secret-1", "passphrase": "pass-1"}
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
    async with WeexPeer(network, *symbols) as peer, make_client(clock, network, peer, **fields) as client:
        yield client, peer


class Heard(list[Any]):
    """What a stream yielded; `task` iterates it."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.stream = stream
        self._came = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async for message in self.stream:
                self.append(message)
                self._came.set()
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
