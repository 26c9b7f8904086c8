"""What the socket's tests share: a StakeWebSocket over memory in virtual time, and the venue's end of its line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork, MemoryPeer
from tapewire.venues.stake import StakeWebSocket

TOKEN = "token-of-the-tests"
URL = "http://127.0.0.1:4000"


class Recorder(StakeWebSocket):
    """Keeps what `on_message` gets."""

    def __init__(self, clock: VirtualClock, network: MemoryNetwork, **fields: Any) -> None:
        options = {"clock": clock, "fraction": lambda: 1.0, **fields.pop("session_options", {})}
        super().__init__(
            **{
                "access_token": TOKEN,
                "base_url": URL,
                "connector": network,
                "session_options": options,
                **fields,
            }
        )
        self.seen: list[Any] = []

    async def on_message(self, data: dict[str, Any]) -> None:
        self.seen.append(data)


async def sent(link: MemoryPeer) -> Any:
    """The client's next message."""
    return json.loads(await link.receive())


def say(link: MemoryPeer, *messages: Any) -> None:
    """Messages of the venue, as one read."""
    link.send(*(json.dumps(message) for message in messages))


def subscribe(channel: str) -> dict[str, str]:
    return {"type": "subscribe", "channel": channel}


def news(channel: str, payload: Any) -> dict[str, Any]:
    return {"channel": channel, "payload": payload}


async def connected(ws, network):
    """Start `connect`; returns its task and the venue's end."""
    task = asyncio.create_task(ws.connect())
    return task, await network.accept()


async def closed(ws, task):
    await ws.close()
    await task


async def opened(ws, network):
    """Open it; returns the venue's end."""
    opening = asyncio.create_task(ws.open())
    link = await network.accept()
    await opening
    return link
