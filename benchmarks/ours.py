"""Ours, each as a user would have it: transports, the bare session, the documented class. One coroutine a contender."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tapewire.errors import ConnectionLost
from tapewire.payload import Payload
from tapewire.protocols.phoenix import Frame, PhoenixClient
from tapewire.session.session import Session
from tapewire.session.subscription import Subscription
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector
from tapewire.venues.stx.socket import STXWebSocket
from tapewire.venues.stx.user import User

from .frames import TOPICS
from .meter import Latencies, Meter

_CONNECTORS: dict[str, Callable[[], Connector]] = {"fast": FastConnector, "websockets": WebsocketsConnector}


class _Counter:
    """A transport's receiver that hands each message to the meter."""

    def __init__(self, meter: Meter) -> None:
        self._tick = meter.tick

    def received(self, payloads: list[Payload]) -> None:
        for payload in payloads:
            self._tick(payload)

    def ponged(self) -> None: ...

    def lost(self, error: ConnectionLost) -> None: ...


async def transport(port: int, meter: Meter, *, connector: str) -> None:
    """Frames only, counted as they come."""
    line = await _CONNECTORS[connector]().connect(Endpoint(url=f"ws://127.0.0.1:{port}/"), _Counter(meter))
    line.send(["begin"])
    await meter.finished()
    line.abort()


async def session(port: int, meter: Meter, *, consumer: str, connector: str = "fast") -> None:
    """A bare session that decodes each payload."""
    decode = msgspec.json.Decoder().decode

    def payload_of(frame: Frame) -> Any:
        return decode(frame.payload)

    fields = {"decode": payload_of} | _handler(consumer, meter)
    async with Session(
        endpoint=lambda token: Endpoint(url=f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"),
        protocol=lambda token: PhoenixClient(),
        connector=_CONNECTORS[connector](),
    ) as line:
        subscriptions = [line.subscribe(topic, **fields) for topic in TOPICS]
        await _consume(consumer, subscriptions, meter)


async def stx(port: int, meter: Meter, *, consumer: str, connector: str = "fast") -> None:
    """The documented class, signed in beforehand."""
    async with _stx_socket(port, connector) as line:
        handler = _handler(consumer, meter).get("handler")
        subscriptions = await asyncio.gather(*(line.join(topic, on_message=handler) for topic in TOPICS))
        await _consume(consumer, subscriptions, meter)


async def paced_stx(port: int, meter: Meter, latencies: Latencies) -> None:
    """The documented class with a plain handler that looks at the stamp."""

    def handle(message: Any) -> None:
        if message.event != "phx_reply":
            latencies.took(message.payload["sent_at"])

    async with _stx_socket(port, "fast") as line:
        await asyncio.gather(*(line.join(topic, on_message=handle) for topic in TOPICS))
        await meter.finished()


async def paced_session(port: int, meter: Meter, latencies: Latencies) -> None:
    """A bare session with a handler called inside the read."""
    decode = msgspec.json.Decoder().decode

    def handle(frame: Any) -> None:
        if frame.event != "phx_reply":
            latencies.took(decode(frame.payload)["sent_at"])

    async with Session(
        endpoint=lambda token: Endpoint(url=f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0"),
        protocol=lambda token: PhoenixClient(),
    ) as line:
        for topic in TOPICS:
            line.subscribe(topic, handler=handle, inline=True)
        await meter.finished()


def _stx_socket(port: int, connector: str) -> STXWebSocket:
    user = User.new()
    user.set_params({"token": "none-is-needed-here"})
    return STXWebSocket(host=f"http://127.0.0.1:{port}", user=user, connector=_CONNECTORS[connector]())


def _handler(consumer: str, meter: Meter) -> dict[str, Any]:
    async def handle(message: Any) -> None:
        meter.tick()

    known: dict[str, dict[str, Any]] = {
        "inline": {"handler": meter.tick, "inline": True},
        "sync": {"handler": meter.tick},
        "async": {"handler": handle},
    }
    return known.get(consumer, {})


async def _consume(consumer: str, subscriptions: list[Subscription], meter: Meter) -> None:
    async def iterate(subscription: Subscription) -> None:
        async for _ in subscription:
            meter.tick()

    async def take_batches(subscription: Subscription) -> None:
        async for batch in subscription.batches():
            for _ in batch:
                meter.tick()

    ways: dict[str, Callable[[Subscription], Awaitable[None]]] = {"for": iterate, "batches": take_batches}
    way = ways.get(consumer)
    tasks = [asyncio.ensure_future(way(subscription)) for subscription in subscriptions] if way else []
    await meter.finished()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
