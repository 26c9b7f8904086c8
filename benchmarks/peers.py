"""The peers, each in good faith: its own documented way, its log quiet where a blast would fill it. No tapewire.

All but the plain loops run in an environment that `peer_environment` makes. Whoever is given a message looks at what
the user of our class looks at.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from .line import Line
from .meter import Meter
from .wires import WIRES

CHAT = (
    "subscription ChatMessages($chatId: String!) { chatMessages(chatId: $chatId)"
    " { id createdAt user { name } data { message } } }"
)


# --- what a user writes -----------------------------------------------------------------------------------------------


async def websockets_frames(line: Line, meter: Meter) -> None:
    """The library alone: bytes, taken one after the other."""
    from websockets.asyncio.client import connect

    async with connect(f"{line.ws}/", compression=None, ssl=line.trust) as opened:
        await opened.send("begin")
        stop = asyncio.ensure_future(meter.finished())
        try:
            for _ in range(meter.count):
                meter.tick(await opened.recv(decode=False))
        finally:
            await stop
            opened.transport.abort()


Handler = Callable[[Any], Awaitable[None]]
Handlers = dict[str, Handler]


class _Plain:
    """A plain loop for one wire: what it asks for, and which handler gets what of a decoded frame."""

    def __init__(self, wire: str, topics: tuple[str, ...]) -> None:
        self.wire, self.topics = wire, topics

    def words(self) -> list[str]:
        """What is sent after connecting."""
        if self.wire == "stx":
            return [
                json.dumps([str(n), str(n), topic, "phx_join", {}]) for n, topic in enumerate(self.topics, 1)
            ]
        if self.wire == "sxbet":
            asked = [
                {"id": n, "subscribe": {"channel": topic, "positioned": True, "recoverable": True}}
                for n, topic in enumerate(self.topics, 2)
            ]
            return [
                json.dumps({"id": 1, "connect": {"token": "none"}}),
                *(json.dumps(each) for each in asked),
            ]
        if self.wire == "stake-page":
            return [json.dumps({"type": "subscribe", "channel": topic}) for topic in self.topics]
        if self.wire == "stake-graphql":
            payloads = [
                {"query": CHAT, "variables": {"chatId": topic.partition(":")[2]}} for topic in self.topics
            ]
            return [
                json.dumps({"type": "connection_init"}),
                *(
                    json.dumps({"id": topic, "type": "subscribe", "payload": payload})
                    for topic, payload in zip(self.topics, payloads, strict=True)
                ),
            ]
        return [json.dumps({"method": "SUBSCRIBE", "params": list(self.topics), "id": 1})]

    async def read(self, opened: Any, handlers: Handlers) -> None:
        """Decode, find the handler, await it."""
        await getattr(self, f"_read_{self.wire.partition('-')[0]}")(opened, handlers)

    async def _read_stx(self, opened: Any, handlers: Handlers) -> None:
        async for raw in opened:
            _, _, topic, event, payload = json.loads(raw)
            if event != "phx_reply" and (handler := handlers.get(topic)) is not None:
                await handler(payload)

    async def _read_sxbet(self, opened: Any, handlers: Handlers) -> None:
        async for raw in opened:
            for text in raw.split("\n"):
                push = json.loads(text).get("push")
                if push is not None and "pub" in push:
                    await handlers[push["channel"]](push["pub"]["data"])

    async def _read_stake(self, opened: Any, handlers: Handlers) -> None:
        async for raw in opened:
            message = json.loads(raw)
            if message.get("type") == "next":
                await handlers[message["id"]](message["payload"]["data"])
            elif "channel" in message:
                await handlers[message["channel"]](message["payload"])

    async def _read_weex(self, opened: Any, handlers: Handlers) -> None:
        event = self.wire.partition("-")[2]
        async for raw in opened:
            message = json.loads(raw)
            if message.get("e", "").startswith(event):
                await handlers[message["s"]](message)

    def handler(self, meter: Meter) -> Handler:
        """Looks at what a user would look at; keeps a book where the wire has one."""
        look = _LOOKS[self.wire]
        tick = meter.tick
        if self.wire == "weex-depth":
            return _book_handler(tick)

        async def handle(payload: Any) -> None:
            look(payload)
            tick()

        return handle


_LOOKS: dict[str, Callable[[Any], object]] = {
    "stx": lambda payload: payload,
    "sxbet": lambda data: data["version"],
    "stake-page": lambda payload: payload["bet"]["amount"],
    "stake-graphql": lambda data: data["chatMessages"]["id"],
    "weex-ticker": lambda frame: float(frame["d"][0]["c"]),
    "weex-trade": lambda frame: float(frame["d"][0]["p"]),
    "weex-depth": lambda frame: frame,
}


def _book_handler(tick: Callable[[], object]) -> Handler:
    books: dict[str, tuple[dict[float, float], dict[float, float]]] = {}

    async def handle(frame: dict[str, Any]) -> None:
        if frame["d"] == "SNAPSHOT":
            books[frame["s"]] = ({}, {})
        bids, asks = books[frame["s"]]
        for side, levels in ((bids, frame["b"]), (asks, frame["a"])):
            for price, size in levels:
                if float(size):
                    side[float(price)] = float(size)
                else:
                    side.pop(float(price), None)
        max(bids), min(asks)
        tick()

    return handle


async def websockets_json(line: Line, meter: Meter, *, wire: str) -> None:
    """What a user writes: `websockets`, `json.loads`, a dict of handlers, `await handler(payload)`."""
    from websockets.asyncio.client import connect

    plain = _Plain(wire, WIRES[wire].topics)
    handler = plain.handler(meter)
    names = [topic.partition("@")[0] for topic in plain.topics] if wire.startswith("weex") else plain.topics
    protocols: Any = ["graphql-transport-ws"] if wire == "stake-graphql" else None
    url = f"{line.ws}/socket/websocket?vsn=2.0.0"
    async with connect(url, subprotocols=protocols, ssl=line.trust, compression=line.compression) as opened:
        for word in plain.words():
            await opened.send(word)
        reader = asyncio.ensure_future(plain.read(opened, dict.fromkeys(names, handler)))
        await meter.finished()
        if reader.done():
            reader.result()
        reader.cancel()
        opened.transport.abort()


# --- Phoenix ----------------------------------------------------------------------------------------------------------


async def phoenix_channels(line: Line, meter: Meter, *, topics: int = 0) -> None:
    """phoenix-channels-python-client: a callback for each topic."""
    PHXChannelsClient: Any = import_module("phoenix_channels_python_client").PHXChannelsClient  # noqa: N806

    logging.getLogger("phoenix_channels_python_client").setLevel(logging.ERROR)

    async def handle(message: Any) -> None:
        message.payload  # noqa: B018 - looked at, as ours
        meter.tick()

    names = WIRES["stx"].topics[: topics or None]
    async with PHXChannelsClient(f"{line.ws}/socket/websocket", "none") as client:
        await asyncio.gather(*(client.subscribe_to_topic(topic, handle) for topic in names))
        await meter.finished()


async def stx_python(line: Line, meter: Meter, *, consumer: str, topics: int = 0) -> None:
    """stx-python: its channels, with a handler or iterated. Topics of a name that it need not convert."""
    # By name: in the project's environment `stx` is another package, the drop-in.
    STXWebSocket: Any = import_module("stx").STXWebSocket  # noqa: N806
    ed25519 = import_module("cryptography.hazmat.primitives.asymmetric.ed25519")

    # With a handler its queue fills all the same, and warns at every message from then on.
    logging.getLogger("stx.ws").setLevel(logging.ERROR)
    key = ed25519.Ed25519PrivateKey.generate()

    async def handle(message: Any) -> None:
        message.payload  # noqa: B018
        meter.tick()

    async def iterate(channel: Any) -> None:
        async for message in channel:
            message.payload  # noqa: B018
            meter.tick()

    on_message = handle if consumer == "async" else None
    names = WIRES["stx"].topics[: topics or None]
    async with STXWebSocket(host=line.http, key_id="none", signer=key.sign) as opened:
        channels = await asyncio.gather(*(opened.join(topic, {}, on_message) for topic in names))
        tasks = (
            [asyncio.ensure_future(iterate(channel)) for channel in channels] if on_message is None else []
        )
        await meter.finished()
        for task in tasks:
            task.cancel()


async def supabase_realtime(line: Line, meter: Meter) -> None:
    """realtime: a callback for the event of each channel."""
    AsyncRealtimeClient: Any = import_module("realtime").AsyncRealtimeClient  # noqa: N806

    def handle(payload: Any) -> None:
        payload["payload"]
        meter.tick()

    client = AsyncRealtimeClient(f"{line.ws}/socket", "none")
    await client.connect()
    for topic in WIRES["phoenix-v1"].topics:
        channel = client.channel(topic.removeprefix("realtime:"))
        await channel.on_broadcast("market_updated", handle).subscribe()
    await meter.finished()
    await client.close()


# --- Centrifugo -------------------------------------------------------------------------------------------------------


async def centrifuge_python(line: Line, meter: Meter, *, topics: int = 0) -> None:
    """centrifuge-python: a handler object, positioned and recoverable subscriptions."""
    centrifuge = import_module("centrifuge")
    SubscriptionEventHandler: Any = centrifuge.SubscriptionEventHandler  # noqa: N806

    class Events(SubscriptionEventHandler):  # type: ignore[misc]
        async def on_publication(self, ctx: Any) -> None:
            ctx.pub.data["version"]
            meter.tick()

    client = centrifuge.Client(f"{line.ws}/connection/websocket", token="none")
    await client.connect()
    await client.ready()
    events = Events()
    for topic in WIRES["sxbet"].topics[: topics or None]:
        subscription = client.new_subscription(topic, events=events, positioned=True, recoverable=True)
        await subscription.subscribe()
    await meter.finished()
    await client.disconnect()


async def synpath_book(line: Line, meter: Meter) -> None:
    """synpath: its SX Bet stream, whose events are whole books; the seed over HTTP is answered from memory."""
    module = import_module("synpath.ws.sx_bet")

    class Catalog:
        def _get(self, path: str, params: Any) -> None:
            return None  # no snapshot: the first publication is one

    url = f"{line.ws}/connection/websocket"
    stream = module.SxBetMarketStream(token="none", url=url, catalog=Catalog())
    markets = [f"sx_bet:{topic.partition(':')[2]}" for topic in WIRES["sxbet"].topics]

    async def iterate() -> None:
        async for event in stream:
            if type(event).__name__ == "BookEvent":
                event.info["version"]
                meter.tick()

    async with stream:
        await stream.watch_order_book(markets)
        reader = asyncio.ensure_future(iterate())
        await meter.finished()
        reader.cancel()


# --- GraphQL ----------------------------------------------------------------------------------------------------------


async def gql_subscriptions(line: Line, meter: Meter) -> None:
    """gql: one `async for` for each subscription."""
    gql = import_module("gql")
    WebsocketsTransport: Any = import_module("gql.transport.websockets").WebsocketsTransport  # noqa: N806

    logging.getLogger("gql.transport.websockets").setLevel(logging.ERROR)
    transport = WebsocketsTransport(
        url=f"{line.ws}/_api/websockets", subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    )

    async def iterate(session: Any, topic: str) -> None:
        query = gql.gql(CHAT)
        query.variable_values = {"chatId": topic.partition(":")[2]}
        async for result in session.subscribe(query):
            result["chatMessages"]["id"]
            meter.tick()

    async with gql.Client(transport=transport, fetch_schema_from_transport=False) as session:
        tasks = [asyncio.ensure_future(iterate(session, topic)) for topic in WIRES["stake-graphql"].topics]
        await meter.finished()
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- WEEX -------------------------------------------------------------------------------------------------------------


async def ccxt_pro(line: Line, meter: Meter, *, wire: str, topics: int = 0) -> None:
    """ccxt.pro's weex, its markets made offline. A frame counts when it was handled; `awaited`: what its user got."""
    pro: Any = import_module("ccxt.pro")
    event = wire.partition("-")[2]
    tick = meter.tick

    class Counted(pro.weex):  # type: ignore[misc]
        def handle_message(self, client: Any, message: Any) -> None:
            super().handle_message(client, message)
            if message.get("e") == event:
                tick()

    exchange = Counted({"newUpdates": True})
    exchange.urls["api"]["ws"] = {"spot": f"{line.ws}/v3/ws", "contract": f"{line.ws}/v3/ws"}
    symbols = [topic.partition("@")[0] for topic in WIRES[wire].topics[: topics or None]]
    exchange.set_markets([_ccxt_market(exchange, symbol) for symbol in symbols])
    names = [f"{symbol.removesuffix('USDT')}/USDT:USDT" for symbol in symbols]

    async def watch() -> None:
        while True:
            if event == "ticker":
                for ticker in (await exchange.watch_tickers(names)).values():
                    ticker["last"]
            elif event == "trade":
                for trade in await exchange.watch_trades_for_symbols(names):
                    trade["price"]
            else:
                book = await exchange.watch_order_book_for_symbols(names, params={"depth": "15"})
                book["bids"][0], book["asks"][0]
            meter.awaited += 1

    task = asyncio.ensure_future(watch())
    await meter.finished()
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await exchange.close()


def _ccxt_market(exchange: Any, symbol: str) -> dict[str, Any]:
    base = symbol.removesuffix("USDT")
    market: dict[str, Any] = exchange.safe_market_structure(
        {
            "id": symbol,
            "symbol": f"{base}/USDT:USDT",
            "base": base,
            "quote": "USDT",
            "settle": "USDT",
            "baseId": base,
            "quoteId": "USDT",
            "settleId": "USDT",
            "type": "swap",
            "spot": False,
            "swap": True,
            "contract": True,
            "linear": True,
            "inverse": False,
            "active": True,
            "contractSize": 1.0,
            "precision": {"amount": 0.0001, "price": 0.1},
        }
    )
    return market
