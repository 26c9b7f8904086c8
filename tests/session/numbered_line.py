"""What the tests of numbered streams share: a session of Centrifugo over memory, and the peer it talks to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tapewire.marks import Gap, Reconnected, Resynced, is_mark
from tapewire.protocols.centrifugo import CentrifugoClient, Pacing, SubscribeParams
from tapewire.session.options import SessionOptions
from tapewire.session.session import Session
from tapewire.testing import CentrifugoPeer, VirtualClock
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork

RECOVERABLE = SubscribeParams(positioned=True, recoverable=True)


def make_options(clock: VirtualClock, network: MemoryNetwork, **fields: Any) -> SessionOptions:
    pacing = fields.pop("pacing", Pacing())
    defaults: dict[str, Any] = {
        "endpoint": lambda token: Endpoint(url="ws://venue.test/connection/websocket"),
        "protocol": lambda token: CentrifugoClient(token=token, pacing=pacing),
        "connector": network,
        "clock": clock,
        "name": "test",
    }
    return SessionOptions(**(defaults | fields))


@asynccontextmanager
async def numbered_line(
    clock: VirtualClock, *, peer: dict[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[Session, CentrifugoPeer]]:
    """An open session and its peer; `peer` is what the peer is made of."""
    network = MemoryNetwork()
    async with (
        CentrifugoPeer(network, **(peer or {})) as venue,
        Session(make_options(clock, network, **fields)) as session,
    ):
        yield session, venue


def said(item: Any) -> Any:
    """A publication as its offset (its data, where it has none), a mark in a word or two."""
    if isinstance(item, Reconnected):
        return f"reconnected {item.recovered}"
    if isinstance(item, Gap):
        return f"gap {item.reason}" if item.missed is None else f"gap {item.reason} {item.missed}"
    if isinstance(item, Resynced):
        return f"resynced {item.snapshot}"
    if is_mark(item):
        return type(item).__name__.lower()
    return item.offset or msgspec.json.decode(item.data)


async def take(subscription: Any, count: int) -> list[Any]:
    """The next `count` items, in short."""
    items: list[Any] = []
    async for item in subscription:
        items.append(said(item))
        if len(items) == count:
            break
    return items


def buffered(subscription: Any) -> list[Any]:
    """Everything that can be taken now, in short."""
    items = []
    while subscription.buffer:
        items.append(said(subscription.taken(subscription.buffer.take())))
    return items


def publish(peer: CentrifugoPeer, channel: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        peer.publish(channel, {"n": number})


class Tokens:
    """A provider of tokens that answers `token-1`, `token-2`, …; `hang` and `errors` spoil the next answers."""

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.asked: list[bool] = []
        self.hang = 0
        self.errors: list[Exception] = []

    async def __call__(self, fresh: bool) -> str:
        self.asked.append(fresh)
        token = f"token-{len(self.asked)}"
        if self.hang:
            self.hang -= 1
            await asyncio.sleep(10_000)
        await asyncio.sleep(self.seconds)
        if self.errors:
            raise self.errors.pop(0)
        return token
