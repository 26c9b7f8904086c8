"""What the socket's tests share: an STXWebSocket over memory, signed in without HTTP, and the peer it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tapewire.retry import RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stx import ChannelMessage, STXWebSocket, User

HOST = "http://127.0.0.1:4000"
UID = "uid-1"
TOKEN = "tok-of-uid-1"


def signed_in() -> User:
    """A user of its own, with a token: no HTTP is needed."""
    user = User.new()
    user.set_params({"token": TOKEN, "uid": UID})
    return user


def make_socket(clock: VirtualClock, network: MemoryNetwork, **fields: Any) -> STXWebSocket:
    return STXWebSocket(
        **({"host": HOST, "connector": network, "clock": clock, "user": signed_in()} | fields)
    )


@asynccontextmanager
async def stx_line(clock: VirtualClock, **fields: Any) -> AsyncIterator[tuple[STXWebSocket, PhoenixPeer]]:
    """An open socket and its peer."""
    network = MemoryNetwork()
    fields.setdefault("retry", RetryPolicy(None, 0.5, jitter=False))
    async with PhoenixPeer(network) as peer, make_socket(clock, network, **fields) as ws:
        yield ws, peer


class Heard(list[ChannelMessage]):
    """A handler that keeps what it was called with."""

    def __call__(self, message: ChannelMessage) -> None:
        self.append(message)

    @property
    def news(self) -> list[tuple[str, Any]]:
        """Event and payload of all but control events."""
        return [(heard.event, heard.payload) for heard in self if not heard.event.startswith("phx_")]
