"""Ours, each as a user would have it: transports, the bare session, the documented classes. One coroutine a contender.

Whoever is given a message looks at something in it (`LOOKS`), as a user would, so that what is decoded when it is read
is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec

from tapewire.errors import ConnectionLost
from tapewire.payload import Payload
from tapewire.protocols.centrifugo import CentrifugoClient, SubscribeParams
from tapewire.protocols.graphql_ws import GraphQLClient, Operation
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.session.session import Session
from tapewire.transport import FastConnector, WebsocketsConnector
from tapewire.transport.base import Connector, Endpoint, Receiver, Transport

from .line import Line
from .meter import Meter
from .wires import WIRES, topics_of

__all__ = ["LOOKS", "documented", "session", "transport"]

CHAT = (
    "subscription ChatMessages($chatId: String!) { chatMessages(chatId: $chatId)"
    " { id createdAt user { name } data { message } } }"
)

_CONNECTORS: dict[str, Callable[[], Connector]] = {"fast": FastConnector, "websockets": WebsocketsConnector}

Look = Callable[[Any], object]


def _depth(message: Any) -> object:
    data = message.data
    return data["bids"][0], data["asks"][0]


LOOKS: dict[str, Look] = {
    "stx": lambda message: message.payload,
    "stx-markets": lambda message: message.payload,
    "sxbet": lambda context: context.data["version"],
    "sxbet-odds": lambda context: context.data[0]["percentageOdds"],
    "sxbet-trades": lambda context: context.data["odds"],
    "stake-page": lambda message: message.payload["bet"]["amount"],
    "stake-graphql": lambda message: message.payload["chatMessages"]["id"],
    "weex-ticker": lambda message: message.data["last"],
    "weex-trade": lambda message: message.data["price"],
    "weex-depth": _depth,
}
"""What the user of a documented class looks at."""


class _Deflating:
    """A connector that offers compression."""

    def __init__(self, inner: Connector) -> None:
        self._inner = inner

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        return await self._inner.connect(msgspec.structs.replace(endpoint, compression=True), receiver)


def _connector(line: Line, name: str) -> Connector:
    if not line.deflate:
        return _CONNECTORS[name]()
    return _Deflating(WebsocketsConnector())  # the one that can


# --- the transport ----------------------------------------------------------------------------------------------------


class _Counter:
    """A transport's receiver that hands each message to the meter."""

    def __init__(self, meter: Meter) -> None:
        self._tick = meter.tick

    def received(self, payloads: list[Payload]) -> None:
        for payload in payloads:
            self._tick(payload)

    def ponged(self) -> None: ...

    def lost(self, error: ConnectionLost) -> None: ...


async def transport(line: Line, meter: Meter, *, connector: str) -> None:
    """Frames only, counted as they come."""
    endpoint = Endpoint(url=f"{line.ws}/", ssl=line.trust)
    opened = await _connector(line, connector).connect(endpoint, _Counter(meter))
    opened.send(["begin"])
    await meter.finished()
    opened.abort()


# --- the bare session -------------------------------------------------------------------------------------------------


def _protocol(wire: str) -> Any:
    """The protocol of a wire; those of one venue alone are imported where they are wanted."""
    if wire in ("stx", "phoenix-v1"):
        return PhoenixClient(version="2.0.0" if wire == "stx" else "1.0.0")
    if wire == "sxbet":
        return CentrifugoClient(token="none-is-needed-here")
    if wire == "stake-graphql":
        return GraphQLClient()
    if wire == "stake-page":
        from tapewire.venues.stake.protocol import PageClient

        return PageClient(asyncio.get_running_loop().time)
    from tapewire.venues.weex import WeexProtocol

    return WeexProtocol()


def _decoder(wire: str) -> Look:
    """What a user of a bare session does with a publication: its raw part, by msgspec."""
    decode = msgspec.json.Decoder().decode
    if wire in ("stx", "phoenix-v1", "stake-page"):
        return lambda publication: decode(publication.payload)
    if wire in ("sxbet", "stake-graphql"):
        return lambda publication: decode(publication.data)
    return lambda publication: decode(publication.raw)


def _params(wire: str, topic: str) -> Any:
    if wire == "sxbet":
        return SubscribeParams(positioned=True, recoverable=True)
    if wire == "stake-graphql":
        return Operation(CHAT, {"chatId": topic.partition(":")[2]}, "ChatMessages")
    return None


async def session(
    line: Line, meter: Meter, *, wire: str, consumer: str, connector: str = "fast", topics: int = 0
) -> None:
    """A bare session that decodes each payload."""
    path = f"/socket/websocket?vsn={'1.0.0' if wire == 'phoenix-v1' else '2.0.0'}"
    protocols = ("graphql-transport-ws",) if wire == "stake-graphql" else ()
    endpoint = Endpoint(url=f"{line.ws}{path}", subprotocols=protocols, ssl=line.trust)
    fields = {"decode": _decoder(wire)} | _delivery(consumer, _taker(meter, lambda item: None))
    async with Session(
        endpoint=lambda token: endpoint,
        protocol=lambda token: _protocol(wire),
        connector=_connector(line, connector),
    ) as opened:
        subscriptions = [
            opened.subscribe(topic, _params(wire, topic), **fields)
            for topic in topics_of(WIRES[wire], topics)
        ]
        await _consume(consumer, subscriptions, meter, lambda item: None)


# --- the documented classes -------------------------------------------------------------------------------------------


async def documented(
    line: Line, meter: Meter, *, wire: str, consumer: str, connector: str = "fast", topics: int = 0
) -> None:
    """The class that the venue's documents show."""
    names = topics_of(WIRES[wire], topics)
    opened = _CLASSES[wire.partition("-")[0]](line, wire, names, consumer, meter, _connector(line, connector))
    async with opened as streams:
        await _consume(consumer, streams, meter, LOOKS[wire])


@contextlib.asynccontextmanager
async def _stx(
    line: Line, wire: str, topics: Sequence[str], consumer: str, meter: Meter, connector: Connector
) -> AsyncIterator[Sequence[Any]]:
    from tapewire.venues.stx import STXWebSocket, User

    user = User.new()
    user.set_params({"token": "none-is-needed-here"})
    fields = _delivery(consumer, _taker(meter, LOOKS[wire]))
    handler = fields.pop("handler", None)
    async with STXWebSocket(host=line.http, user=user, connector=connector, ssl=line.trust) as opened:
        yield await asyncio.gather(*(opened.join(topic, handler, **fields) for topic in topics))


@contextlib.asynccontextmanager
async def _sxbet(
    line: Line, wire: str, topics: Sequence[str], consumer: str, meter: Meter, connector: Connector
) -> AsyncIterator[Sequence[Any]]:
    from tapewire.venues.sxbet import SXBetClient

    async def token() -> str:
        return "none-is-needed-here"

    fields = _delivery(consumer, _taker(meter, LOOKS[wire]))
    handler = fields.pop("handler", None)
    url = f"{line.ws}/connection/websocket"
    async with SXBetClient(
        get_token=token, realtime_url=url, api_url=line.http, connector=connector, ssl=line.trust
    ) as client:
        channels = [
            client.new_subscription(topic, positioned=True, recoverable=True, **fields) for topic in topics
        ]
        for channel in channels if handler is not None else ():
            channel.on("publication", handler)
            channel.subscribe()
        yield channels


@contextlib.asynccontextmanager
async def _stake(
    line: Line, wire: str, topics: Sequence[str], consumer: str, meter: Meter, connector: Connector
) -> AsyncIterator[Sequence[Any]]:
    from tapewire.venues.stake import StakeWebSocket

    tick = meter.tick

    class Shown(StakeWebSocket):
        async def on_message(self, data: dict[str, Any]) -> None:
            tick(data["payload"])

    fields = _delivery(consumer, _taker(meter, LOOKS[wire]))
    opened = Shown(
        access_token="none-is-needed-here", wire="page" if wire == "stake-page" else "graphql",
        base_url=line.ws, connector=connector, ssl=line.trust,
    )  # fmt: skip
    if consumer == "override":
        for topic in topics:
            await opened.subscribe(topic)
    async with opened:
        if consumer == "override":
            yield ()
        else:
            handler = fields.pop("handler", None)
            yield [opened.watch(topic, handler, **fields) for topic in topics]


@contextlib.asynccontextmanager
async def _weex(
    line: Line, wire: str, topics: Sequence[str], consumer: str, meter: Meter, connector: Connector
) -> AsyncIterator[Sequence[Any]]:
    from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

    config = WeexConfig(rest_url=line.http, ws_public_url=f"{line.ws}/v3/ws/public",
                        ws_private_url=f"{line.ws}/v3/ws/private")  # fmt: skip
    # Fifty contracts share one buffer: it has to hold a blast, or what is dropped is measured too.
    options: dict[str, Any] = {"policy": "conflate"} if consumer == "conflate" else {"capacity": 100_000}
    symbols = [topic.partition("@")[0] for topic in topics]
    async with WeexWebSocketClient(config, connector=connector, ssl=line.trust) as client:
        if wire == "weex-ticker":
            yield [client.stream_tickers(symbols, **options)]
        elif wire == "weex-trade":
            yield [client.stream_trades(symbol, **options) for symbol in symbols]
        else:
            yield [client.stream_order_book(symbol, level=15, **options) for symbol in symbols]


_CLASSES: dict[str, Callable[..., contextlib.AbstractAsyncContextManager[Sequence[Any]]]] = {
    "stx": _stx,
    "sxbet": _sxbet,
    "stake": _stake,
    "weex": _weex,
}


# --- consumers --------------------------------------------------------------------------------------------------------


def _taker(meter: Meter, look: Look) -> Callable[[Any], None]:
    tick = meter.tick

    def take(message: Any) -> None:
        look(message)
        tick()

    return take


def _delivery(consumer: str, take: Callable[[Any], None]) -> dict[str, Any]:
    """How a consumer of that kind asks for its messages."""

    async def handle(message: Any) -> None:
        take(message)

    known: dict[str, dict[str, Any]] = {
        "inline": {"handler": take, "inline": True},
        "plain": {"handler": take},
        "async": {"handler": handle},
        "conflate": {"policy": "conflate", "key": lambda publication: 0},
    }
    return known.get(consumer, {})


async def _consume(consumer: str, streams: Sequence[Any], meter: Meter, look: Look) -> None:
    tick = meter.tick

    async def iterate(stream: Any) -> None:
        async for message in stream:
            look(message)
            tick()

    async def take_batches(stream: Any) -> None:
        async for batch in stream.batches():
            for message in batch:
                look(message)
                tick()

    ways: dict[str, Callable[[Any], Awaitable[None]]] = {
        "for": iterate,
        "conflate": iterate,
        "batches": take_batches,
    }
    way = ways.get(consumer)
    tasks = [asyncio.ensure_future(way(stream)) for stream in streams] if way else []
    await meter.finished()
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
