"""The peers, each in good faith: its own documented way, its log quiet where a blast would fill it. No tapewire.

`phoenix_channels` and `stx_python` run in the environment that `peer_environment` makes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from .frames import TOPICS
from .meter import Latencies, Meter

Taker = Callable[[Any], None]


async def websockets_frames(port: int, meter: Meter) -> None:
    """The library alone: bytes, taken one after the other."""
    from websockets.asyncio.client import connect

    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as line:
        await line.send("begin")
        stop = asyncio.ensure_future(meter.finished())
        try:
            for _ in range(meter.count):
                meter.tick(await line.recv(decode=False))
        finally:
            await stop
            line.transport.abort()


async def websockets_json(port: int, meter: Meter, latencies: Latencies | None = None) -> None:
    """What a user writes: `websockets`, `json.loads`, a dict of handlers, `await handler(payload)`."""
    from websockets.asyncio.client import connect

    take = _taker(meter, latencies)

    async def handle(payload: Any) -> None:
        take(payload)

    handlers: dict[str, Callable[[Any], Awaitable[None]]] = dict.fromkeys(TOPICS, handle)

    async def read(line: Any) -> None:
        async for raw in line:
            _, _, topic, event, payload = json.loads(raw)
            if event != "phx_reply" and (handler := handlers.get(topic)) is not None:
                await handler(payload)

    async with connect(f"ws://127.0.0.1:{port}/socket/websocket?vsn=2.0.0") as line:
        for ref, topic in enumerate(TOPICS, 1):
            await line.send(json.dumps([str(ref), str(ref), topic, "phx_join", {}]))
        reader = asyncio.ensure_future(read(line))
        await meter.finished()
        reader.cancel()
        line.transport.abort()


async def phoenix_channels(port: int, meter: Meter, latencies: Latencies | None = None) -> None:
    """phoenix-channels-python-client: a callback for each topic."""
    PHXChannelsClient: Any = import_module("phoenix_channels_python_client").PHXChannelsClient  # noqa: N806

    logging.getLogger("phoenix_channels_python_client").setLevel(logging.ERROR)
    take = _taker(meter, latencies)

    async def handle(message: Any) -> None:
        take(message.payload)

    async with PHXChannelsClient(f"ws://127.0.0.1:{port}/socket/websocket", "none") as client:
        await asyncio.gather(*(client.subscribe_to_topic(topic, handle) for topic in TOPICS))
        await meter.finished()


async def stx_python(port: int, meter: Meter, latencies: Latencies | None = None, *, consumer: str) -> None:
    """stx-python: its channels, with a handler or iterated. Topics of a name that it need not convert."""
    # By name: in the project's environment `stx` is another package, the drop-in.
    STXWebSocket: Any = import_module("stx").STXWebSocket  # noqa: N806
    ed25519 = import_module("cryptography.hazmat.primitives.asymmetric.ed25519")

    # With a handler its queue fills all the same, and warns at every message from then on.
    logging.getLogger("stx.ws").setLevel(logging.ERROR)
    key = ed25519.Ed25519PrivateKey.generate()
    take = _taker(meter, latencies)

    async def handle(message: Any) -> None:
        take(message.payload)

    async def iterate(channel: Any) -> None:
        async for message in channel:
            take(message.payload)

    on_message = handle if consumer == "async" else None
    async with STXWebSocket(host=f"http://127.0.0.1:{port}", key_id="none", signer=key.sign) as line:
        channels = await asyncio.gather(*(line.join(topic, {}, on_message) for topic in TOPICS))
        if on_message is None:
            tasks = [asyncio.ensure_future(iterate(channel)) for channel in channels]
        await meter.finished()
        if on_message is None:
            for task in tasks:
                task.cancel()


def _taker(meter: Meter, latencies: Latencies | None) -> Taker:
    if latencies is None:
        return meter.tick
    took = latencies.took
    return lambda payload: took(payload["sent_at"])
