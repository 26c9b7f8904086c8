"""What `check_venue` is told of each venue (`VenueUnderTest`), and the sandbox that plays it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

import msgspec

from tapewire.marks import Mark
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.sxbet.credentials import wallet_of
from tapewire.sandbox.faces.template import TemplateFace
from tapewire.venues import VENUES
from tapewire.venues.kit import VenueSpec
from tapewire.venues.stake import StakeWebSocket
from tapewire.venues.stx import Channels, STXWebSocket, User
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.template import TemplateSocket
from tapewire.venues.template.spec import SPEC
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

__all__ = ["EACH", "Template", "UnderTest", "WeexTickers"]

QUICK = RetryPolicy(None, 0.05, 0.2)
DEADLINES: Mapping[str, Any] = {
    "ping_interval": 0.3,
    "ping_timeout": 0.2,
    "stable_after": 0.5,
    "subscribe_timeout": 1.0,
    "resubscribe": QUICK,
    "close_timeout": 0.5,
}


class UnderTest:
    """One venue: what the classes below have in common."""

    spec: VenueSpec
    topic: str
    private_topic: str
    secrets: tuple[str, ...]
    settings: Mapping[str, Any] = {}
    faces: Mapping[str, Any] = {}
    never_private: frozenset[str] = frozenset()
    """Faults of every face that it does not play on a channel of an account."""
    options: Mapping[str, Any] = DEADLINES
    """Of its sessions."""

    @property
    def face(self) -> Callable[[], Sandbox]:
        """The sandbox that plays it alone."""
        name = self.spec.name
        return partial(Sandbox, rate=0, venues=[name], settings={name: self.settings}, faces=self.faces)

    def __str__(self) -> str:
        return self.spec.name


class Template(UnderTest):
    """As docs/new-venue.md shows it."""

    spec = SPEC
    topic, private_topic = "trades", "balance"
    secrets = ("a-token-of-the-template",)
    faces: Mapping[str, Any] = {"template": TemplateFace}

    def make(self, **arguments: Any) -> Any:
        return TemplateSocket(self.secrets[0], **({"session_options": self.options} | arguments))

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> Any:
        subscription = client.watch(topic, **delivery)
        await subscription.confirmed()
        return subscription

    async def handle(self, client: Any, handler: Any, on_mark: Any) -> Any:
        await client.watch(self.topic, handler, on_mark=on_mark).confirmed()

    def payload(self, item: Any) -> Any:
        return item.payload


class Stx(UnderTest):
    spec = VENUES["stx"]
    topic, private_topic = "markets", Channels.ORDERS.value
    secrets = ("correct-horse-battery",)
    options: Mapping[str, Any] = {
        **DEADLINES,
        "protocol": lambda _: PhoenixClient(heartbeat_interval=0.2, heartbeat_timeout=0.3),
    }

    def make(self, **arguments: Any) -> Any:
        own = {"user": User.new(), "email": "ann@example.com", "password": self.secrets[0]}
        return STXWebSocket(**(own | {"session_options": self.options} | arguments))

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> Any:
        channel = Channels.ORDERS if topic == self.private_topic else topic  # the account's id is filled in
        return await client.join(channel, **delivery)

    async def handle(self, client: Any, handler: Any, on_mark: Any) -> Any:
        await client.join(self.topic, handler, on_mark=on_mark)

    def payload(self, item: Any) -> Any:
        return None if item.event.startswith(("phx_", "all_")) else item.payload  # what a channel begins with


class SxBet(UnderTest):
    spec = VENUES["sxbet"]
    topic = "recent_trades:global"
    secrets = ("a-key-of-the-maker",)
    private_topic = f"active_orders:{wallet_of(secrets[0])}"
    settings: Mapping[str, Any] = {"ping_interval": 1, "pong_timeout": 0.8}

    options: Mapping[str, Any] = {
        name: DEADLINES[name] for name in ("resubscribe", "stable_after", "close_timeout")
    }

    def make(self, **arguments: Any) -> Any:
        own = {"api_key": self.secrets[0], "max_ping_delay": 0.5, "session_options": self.options}
        return SXBetClient(**(own | arguments))

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> Any:
        channel = client.new_subscription(topic, positioned=True, recoverable=True, **delivery)
        stream = aiter(channel)
        await channel.ready()
        return stream

    async def handle(self, client: Any, handler: Any, on_mark: Any) -> Any:
        channel = client.new_subscription(self.topic, positioned=True, recoverable=True, on_mark=on_mark)
        channel.on("publication", handler)
        await channel.ready()

    def payload(self, item: Any) -> Any:
        return item.data


class Stake(UnderTest):
    spec = VENUES["stake"]
    topic, private_topic = "bets", "user:balances"
    secrets = ("a-token-of-a-session",)

    def make(self, **arguments: Any) -> Any:
        return StakeWebSocket(self.secrets[0], **({"session_options": self.options} | arguments))

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> Any:
        subscription = client.watch(topic, **delivery)
        await subscription.confirmed()
        return subscription

    async def handle(self, client: Any, handler: Any, on_mark: Any) -> Any:
        await client.watch(self.topic, handler, on_mark=on_mark).confirmed()

    def payload(self, item: Any) -> Any:
        return msgspec.json.decode(item.raw)


class WithMarks:
    """A stream that tells its marks by `on_mark=`, with them among its items, where they were told.

    Of the messages that are made of one frame only the first is given.
    """

    def __init__(self, make: Callable[[Callable[[Mark], None]], Any]) -> None:
        self.below = make(self._on_mark)
        self._items: deque[Any] = deque()
        self._came = asyncio.Event()
        self._next: asyncio.Future[Any] | None = None
        self._frame = b""

    def _on_mark(self, mark: Mark) -> None:
        self._items.append(mark)
        self._came.set()

    def _on_item(self, item: asyncio.Future[Any]) -> None:
        if not item.cancelled():
            item.exception()  # whether anybody waits for it or not
            self._items.append(item)
            self._came.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while True:
            while not self._items:
                if self._next is None:
                    self._next = asyncio.ensure_future(anext(self.below))
                    self._next.add_done_callback(self._on_item)
                self._came.clear()
                await self._came.wait()
            item = self._items.popleft()
            if item is not self._next:
                return item
            self._next = None
            message = item.result()
            if not message.raw or message.raw is not self._frame:
                self._frame = message.raw
                return message


class Weex(UnderTest):
    spec = VENUES["weex"]
    topic, private_topic = "BTCUSDT@depth15", "orders"
    never_private = frozenset({"close_channel"})  # it ends what is of a contract, when that is delisted
    secrets = ("sandbox-weex-key", "sandbox-weex-secret", "sandbox-weex-passphrase")
    settings: Mapping[str, Any] = {"depth_interval": 0, "ticker_interval": 0, "ping_interval": 0.2}

    def make(self, **arguments: Any) -> Any:
        keys = dict(zip(("api_key", "secret_key", "passphrase"), self.secrets, strict=True))
        of_config = {name: arguments.pop(name) for name in WeexConfig.__annotations__ if name in arguments}
        return WeexWebSocketClient(
            WeexConfig(**(keys | of_config)), **({"session_options": self.options} | arguments)
        )

    async def subscribe(self, client: Any, topic: Any, **delivery: Any) -> Any:
        def make(on_mark: Callable[[Mark], None]) -> Any:
            if topic == self.private_topic:
                return client.stream_orders(on_mark=on_mark, **delivery)
            symbol, _, kind = topic.partition("@") if isinstance(topic, str) else (topic, "", "")
            if kind == "ticker":
                return client.stream_tickers([symbol], on_mark=on_mark, **delivery)
            return client.stream_order_book(symbol, level=15, on_mark=on_mark, **delivery)

        stream = WithMarks(make)
        await stream.below.confirmed()
        return stream

    async def handle(self, client: Any, handler: Any, on_mark: Any) -> Any:
        stream = client.stream_order_book("BTCUSDT", level=15, on_mark=on_mark)

        async def iterate() -> None:
            async for message in stream:
                await handler(message)

        self._reading = asyncio.create_task(iterate())  # there are no handlers: who iterates is told of marks
        await stream.confirmed()

    def payload(self, item: Any) -> Any:
        frame = msgspec.json.decode(item.raw or b"{}")
        return None if frame.get("e", "Snapshot").endswith("Snapshot") else frame


class WeexTickers(Weex):
    """By a channel that is not numbered. Of a contract that is delisted it ends in silence, at the venue too."""

    topic = "BTCUSDT@ticker"


EACH: tuple[Any, ...] = (Template(), Stx(), SxBet(), Stake(), Weex())
