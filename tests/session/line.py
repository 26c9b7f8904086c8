"""What the session's tests share: a session of Phoenix over memory, and the peer it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from types import coroutine
from typing import Any, ClassVar

import msgspec

from tapewire.marks import is_mark
from tapewire.protocols.base import Confirmed, Refused
from tapewire.protocols.phoenix import Frame, PhoenixClient
from tapewire.session.session import Session
from tapewire.testing import VirtualClock
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork

URL = "ws://venue.test/socket/websocket?token=tok-in-url&vsn=2.0.0"


def make_session(clock: VirtualClock, network: MemoryNetwork, **fields: Any) -> Session:
    heartbeat = {key: fields.pop(key) for key in ("heartbeat_interval", "heartbeat_timeout") if key in fields}
    defaults: dict[str, Any] = {
        "endpoint": lambda token: Endpoint(url=URL),
        "protocol": lambda token: PhoenixClient(**heartbeat),
        "connector": network,
        "clock": clock,
        "name": "test",
    }
    return Session(**(defaults | fields))


@asynccontextmanager
async def line(clock: VirtualClock, **fields: Any) -> AsyncIterator[tuple[Session, PhoenixPeer]]:
    """An open session and its peer."""
    network = MemoryNetwork()
    async with PhoenixPeer(network) as peer, make_session(clock, network, **fields) as session:
        yield session, peer


def said(item: Any) -> Any:
    """A publication as `(event, payload)`, a mark as itself."""
    if isinstance(item, Frame):
        return item.event, msgspec.json.decode(item.payload)
    return item


def payload(item: Any) -> Any:
    return item if is_mark(item) else msgspec.json.decode(item.payload)


async def take(subscription: Any, count: int, *, control: bool = False) -> list[Any]:
    """The next `count` items, without the protocol's own control frames unless asked for."""
    items: list[Any] = []
    async for item in subscription:
        if control or is_mark(item) or not item.event.startswith("phx_"):
            items.append(said(item))
        if len(items) == count:
            break
    return items


class Spent(PhoenixClient):
    """A connection that may ask for nothing more, as one of a venue that counts refusals."""

    only: ClassVar[str] = ""  # refused is this topic alone, and what the connection has besides is served

    def receive(self, payloads, now):
        return [
            Refused(item.topic, "no more refusals", retryable=True, full=True, spent=True)
            if isinstance(item, Confirmed) and self.only in ("", item.topic)
            else item
            for item in super().receive(payloads, now)
        ]


async def counted(taking: Coroutine[Any, Any, Any], waits: list[Any]) -> Any:
    """What `taking` returns; what it waits for on its way is appended to `waits`, a turn it gives away as None."""
    return await _counted(taking, waits)


@coroutine
def _counted(taking: Coroutine[Any, Any, Any], waits: list[Any]) -> Generator[Any, Any, Any]:
    while True:
        try:
            waits.append(taking.send(None))
        except StopIteration as stop:
            return stop.value
        yield waits[-1]
