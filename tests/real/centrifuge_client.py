"""The official Python client for Centrifugo under orders: one JSON object a line in, one a line out.

Runs in an environment of its own, which has `centrifuge-python` and nothing of this project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ReplyError,
    StreamPosition,
    SubscriptionEventHandler,
)


def tell(saw: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"saw": saw, **facts}) + "\n")
    sys.stdout.flush()


class ClientEvents(ClientEventHandler):
    async def on_connecting(self, ctx: Any) -> None:
        tell("connecting", code=ctx.code)

    async def on_connected(self, ctx: Any) -> None:
        tell("connected", client=ctx.client)

    async def on_disconnected(self, ctx: Any) -> None:
        tell("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: Any) -> None:
        tell("error", code=ctx.code)


class Events(SubscriptionEventHandler):
    def __init__(self, channel: str) -> None:
        self.channel = channel

    async def on_subscribing(self, ctx: Any) -> None:
        tell("subscribing", channel=self.channel, code=ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        position = ctx.stream_position
        tell(
            "subscribed",
            channel=self.channel,
            was_recovering=ctx.was_recovering,
            recovered=ctx.recovered,
            offset=position.offset if position else None,
            epoch=position.epoch if position else None,
        )

    async def on_unsubscribed(self, ctx: Any) -> None:
        tell("unsubscribed", channel=self.channel, code=ctx.code)

    async def on_publication(self, ctx: Any) -> None:
        pub = ctx.pub
        tell("publication", channel=self.channel, data=pub.data, offset=pub.offset, tags=pub.tags or {})

    async def on_error(self, ctx: Any) -> None:
        tell("refused", channel=self.channel, code=getattr(ctx.error, "code", ctx.code))


class Orders:
    """One method for each order."""

    client: Client

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}

    async def connect(self, url: str, token: str = "", tokens: list[str] | None = None) -> None:
        async def get_token() -> str:
            return tokens.pop(0)

        self.client = Client(
            url,
            events=ClientEvents(),
            token=token,
            get_token=get_token if tokens else None,
            timeout=3.0,
            min_reconnect_delay=0.05,
            max_reconnect_delay=0.2,
            proxy=None,
        )
        await self.client.connect()

    async def subscribe(self, channel: str, recoverable: bool = True) -> None:
        if channel not in self.subscriptions:
            self.subscriptions[channel] = self.client.new_subscription(
                channel,
                Events(channel),
                positioned=recoverable,
                recoverable=recoverable,
                min_resubscribe_delay=0.05,
                max_resubscribe_delay=0.2,
            )
        await self.subscriptions[channel].subscribe()

    async def unsubscribe(self, channel: str) -> None:
        await self.subscriptions[channel].unsubscribe()

    async def publish(self, channel: str, data: Any) -> None:
        await self.answer("publish", self.client.publish(channel, data))

    async def history(self, channel: str, limit: int, since: Any = None, reverse: bool = False) -> None:
        position = StreamPosition(**since) if since else None
        page = self.client.history(channel, limit=limit, since=position, reverse=reverse)
        await self.answer(
            "history",
            page,
            lambda result: {
                "offsets": [item.offset for item in result.publications],
                "offset": result.offset,
                "epoch": result.epoch,
            },
        )

    async def rpc(self, method: str, data: Any) -> None:
        await self.answer("rpc", self.client.rpc(method, data), lambda result: {"data": result.data})

    async def disconnect(self) -> None:
        await self.client.disconnect()

    async def answer(self, what: str, call: Any, facts: Any = lambda result: {}) -> None:
        try:
            tell("answer", what=what, ok=True, **facts(await call))
        except ReplyError as error:
            tell("answer", what=what, ok=False, code=error.code)
        except CentrifugeError as error:
            tell("answer", what=what, ok=False, code=0, error=type(error).__name__)


async def main() -> None:
    orders, tasks = Orders(), set()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        facts = json.loads(line)
        task = loop.create_task(getattr(orders, facts.pop("order"))(**facts))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()


asyncio.run(main())
