"""One stream of each venue's SDK, in one shape: what the table of faults and venues plays its faults on.

`async with line_of("sxbet") as line` is a client with short deadlines, subscribed to `line.topic`, against a sandbox in
which only `step` makes things happen. `line` lists what the stream brought, publications as digests of the ledger and
marks in their place, so that it can be compared with `line.published`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

import msgspec

from tapewire.app.audit import Audit, Observed, Published, audit
from tapewire.marks import Gap, Mark, Reconnected, is_mark
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox, digest_of
from tapewire.session.options import Statistics
from tapewire.venues.stake import StakeAPI, StakeWebSocket
from tapewire.venues.stx import AsyncSTX, STXWebSocket, User
from tapewire.venues.sxbet import SXBetClient
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.faults.played import ACCOUNT, OPTIONS, QUICK
from tests.waiting import until

CALLS = RetryPolicy(4, 0.02, 0.1)
MOST_STEPS = 2000


class Line(list[str | Mark]):
    """Made by `line_of`. `topic` and `other` are channels as faults name them; `lost` is the mark of a lost line."""

    venue: ClassVar[str]
    topic: ClassVar[str]
    other: ClassVar[str]
    lost: ClassVar[type[Mark]] = Gap
    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, sandbox: Sandbox, options: dict[str, Any]) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.options = options
        self.since = 0

    async def open(self, stack: AsyncExitStack) -> None:
        """Connect and subscribe to `topic`."""
        raise NotImplementedError

    async def join(self) -> Any:
        """Subscribe to `other` and wait until it is confirmed."""
        raise NotImplementedError

    async def call(self) -> Any:
        """A call over HTTP that changes nothing."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the client."""
        raise NotImplementedError

    async def fails(self) -> None:
        """Wait until the line has given up; raises what it gave up for."""
        raise NotImplementedError

    def statistics(self) -> Statistics:
        """Of the connection."""
        raise NotImplementedError

    @property
    def ends(self) -> BaseException | str | None:
        """What ended the stream; None while it goes on."""
        raise NotImplementedError

    @property
    def marks(self) -> list[Mark]:
        return [item for item in self if is_mark(item)]

    @property
    def digests(self) -> list[str]:
        return [item for item in self if isinstance(item, str)]

    @property
    def published(self) -> list[str]:
        """Of what the sandbox published since the subscription, in its order."""
        return [entry.digest for entry in self.sandbox.ledger.since(self.topic, self.since, venue=self.venue)]

    @property
    def connections(self) -> int:
        return self.statistics().connections

    def happen(self, count: int = 1) -> None:
        """Let things happen until `count` more publications of the topic were made."""
        wanted = self.sandbox.ledger.last_sequence(self.topic, venue=self.venue) + count
        for _ in range(MOST_STEPS):
            if self.sandbox.ledger.last_sequence(self.topic, venue=self.venue) >= wanted:
                return
            self.sandbox.step()
        raise AssertionError(f"{self.topic} is published to no more")

    async def step(self, count: int = 1) -> None:
        """Let things happen, and wait for the last of what was published."""
        self.happen(count)
        await until(lambda: self.digests[-1:] == self.published[-1:], f"the last of {self.published[-3:]}")

    async def goes_on(self, connections: int) -> None:
        """All that is published from now on comes, in order, on that connection."""
        await self.up(connections)
        before, published = len(self.digests), len(self.published)
        await self.step(3)
        assert self.digests[before:][-3:] == self.published[published:][-3:]
        assert self.connections == connections

    async def up(self, connections: int) -> None:
        """Wait until the topic is confirmed on that connection."""
        await until(
            lambda: self.connections >= connections and self.statistics().confirmed >= 1,
            f"connection {connections}",
        )

    def audited(self) -> Audit:
        """What was received along what was published; faults must explain each mark and what is missing there."""
        entries = self.sandbox.ledger.since(self.topic, self.since, venue=self.venue)
        published = [Published(entry.sequence, entry.digest, entry.published_at_ns) for entry in entries]
        items = [item if is_mark(item) else Observed(item, 0) for item in self]
        return audit(published, items, self.sandbox.carriage.servings(self.topic, venue=self.venue))


class StxLine(Line):
    venue, topic, other = "stx", "markets", "market_info"

    async def open(self, stack: AsyncExitStack) -> None:
        fields = {"host": self.sandbox.url, "user": User.new(), **ACCOUNT}
        options = OPTIONS | {
            "protocol": lambda _: PhoenixClient(heartbeat_interval=0.2, heartbeat_timeout=0.3)
        }
        ws = STXWebSocket(**fields, retry=QUICK, session_options=options | self.options)
        self.ws = await stack.enter_async_context(ws)
        self.client = AsyncSTX(**fields, retry=CALLS)
        stack.push_async_callback(self.client.aclose)
        await self.client.login()
        self.subscription = await self.ws.join(self.topic, self._take, on_mark=self.append)

    def _take(self, message: Any) -> None:
        if not message.event.startswith("phx_"):
            self.append(digest_of(message.payload))

    async def join(self) -> Any:
        return await self.ws.join(self.other)

    async def call(self) -> Any:
        return await self.client.markets(limit=1)

    async def close(self) -> None:
        await self.ws.close()

    async def fails(self) -> None:
        await self.ws.run_forever()

    def statistics(self) -> Statistics:
        return self.ws.statistics()

    @property
    def ends(self) -> BaseException | str | None:
        return self.subscription.ended_reason


class SxBetLine(Line):
    venue, topic, other = "sxbet", "recent_trades:global", "markets:global"
    lost = Reconnected
    settings: ClassVar[dict[str, Any]] = {"ping_interval": 1, "pong_timeout": 0.8}

    async def open(self, stack: AsyncExitStack) -> None:
        self.ended: Any = None
        options = {"resubscribe": QUICK, "stable_after": 0.5, "subscribe_timeout": 5.0} | self.options
        self.client = SXBetClient(
            host=self.sandbox.url, api_key="key", retry=QUICK, max_ping_delay=0.5, session_options=options
        )
        await stack.enter_async_context(self.client)
        self.channel = self.client.new_subscription(self.topic, positioned=True, recoverable=True)
        self.channel.on("publication", lambda context: self.append(digest_of(context.data)))
        self.channel.on("mark", self.append)
        self.channel.on("unsubscribed", lambda context: setattr(self, "ended", context.reason))
        await self.channel.ready()

    async def join(self) -> Any:
        channel = self.client.new_subscription(self.other)
        await channel.ready()
        return channel

    async def call(self) -> Any:
        return [row async for row in self.client.http.active_markets()]

    async def close(self) -> None:
        await self.client.disconnect()

    async def fails(self) -> None:
        await self.client.run_forever()

    def statistics(self) -> Statistics:
        return self.client.statistics().sessions[0]

    @property
    def ends(self) -> BaseException | str | None:
        return self.ended


class StakeLine(Line):
    venue, topic, other = "stake", "bets", "game:crash"

    async def open(self, stack: AsyncExitStack) -> None:
        options = {key: value for key, value in OPTIONS.items() if key != "subscribe_timeout"} | self.options
        self.ws = await stack.enter_async_context(
            StakeWebSocket("token", base_url=self.sandbox.url, retry=QUICK, session_options=options)
        )
        self.api = await stack.enter_async_context(
            StakeAPI("token", base_url=self.sandbox.url, retry=CALLS, rate_limit=1000)
        )
        self.subscription = self.ws.watch(self.topic, self._take, on_mark=self.append)
        await self.subscription.confirmed()

    def _take(self, message: Any) -> None:
        self.append(digest_of(msgspec.json.decode(message.raw)))

    async def join(self) -> Any:
        subscription = self.ws.watch(self.other)
        await subscription.confirmed()
        return subscription

    async def call(self) -> Any:
        return await self.api.get_user_profile()

    async def close(self) -> None:
        await self.ws.close()

    async def fails(self) -> None:
        await self.ws._listen()

    def statistics(self) -> Statistics:
        return self.ws.statistics()

    @property
    def ends(self) -> BaseException | str | None:
        return self.subscription.ended_reason


class WeexLine(Line):
    venue, topic, other = "weex", "BTCUSDT@ticker", "ETHUSDT@ticker"
    settings: ClassVar[dict[str, Any]] = {"depth_interval": 0, "ticker_interval": 0, "ping_interval": 0.2}

    async def open(self, stack: AsyncExitStack) -> None:
        config = WeexConfig.from_env(self.sandbox.environment())
        self.client = await stack.enter_async_context(
            WeexWebSocketClient(config, retry=QUICK, session_options=OPTIONS | self.options)
        )
        self.stream = self.client.stream_tickers(["BTCUSDT"], marks=True)
        self.task = asyncio.create_task(self._read())
        stack.push_async_callback(self._stop)
        await self.stream.confirmed()

    async def _read(self) -> None:
        async for message in self.stream:
            self.append(message.mark or digest_of(msgspec.json.decode(message.raw)))

    async def _stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def join(self) -> Any:
        stream = self.client.stream_tickers(["ETHUSDT"], marks=True)
        try:
            await stream.confirmed()
        finally:
            await stream.aclose()

    async def call(self) -> Any:
        return await self.client.http.get_contracts()

    async def close(self) -> None:
        await self.client.disconnect()

    async def fails(self) -> None:
        await self.task

    def statistics(self) -> Statistics:
        return self.client.statistics().sessions[0]

    @property
    def ends(self) -> BaseException | str | None:
        return None if not self.task.done() else self.task.exception() or "ended"


LINES: dict[str, type[Line]] = {line.venue: line for line in (StxLine, SxBetLine, StakeLine, WeexLine)}


@asynccontextmanager
async def line_of(
    venue: str, *, options: dict[str, Any] | None = None, settings: dict[str, Any] | None = None
) -> AsyncIterator[Line]:
    """A line of that venue with two publications in it. `settings` are the face's, `options` the session's."""
    kind = LINES[venue]
    async with (
        Sandbox(rate=0, venues=[venue], settings={venue: kind.settings | (settings or {})}) as sandbox,
        AsyncExitStack() as stack,
    ):
        line = kind(sandbox, options or {})
        await line.open(stack)
        line.since = sandbox.ledger.last_sequence(line.topic, venue=venue)
        await line.step(2)
        yield line
