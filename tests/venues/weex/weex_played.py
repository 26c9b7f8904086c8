"""The client against the played venue over real sockets of this machine: what the tests of faults share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from tapewire.marks import is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.waiting import until

AT_ONCE = {"depth_interval": 0, "ticker_interval": 0}
QUICK = {"ping_interval": 0.5, "ping_timeout": 0.3, "stable_after": 0.5}


@contextlib.asynccontextmanager
async def played(
    version: str = "v3", *, options: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[Sandbox, WeexWebSocketClient]]:
    """A sandbox in which only `step` makes things happen, and a connected client that comes back quickly."""
    async with Sandbox(rate=0, venues=["weex"], settings={"weex": AT_ONCE | settings}) as sandbox:
        config = WeexConfig.from_env(sandbox.environment() | {"WEEX_VERSION": version})
        client = WeexWebSocketClient(
            config,
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.05, max_backoff=0.2),
            session_options=QUICK | (options or {}),
        )
        async with client:
            yield sandbox, client


async def listening(sandbox: Sandbox, *topics: str) -> None:
    """Wait until the venue serves each topic to somebody. Private ones are `orders:trader`."""
    face: Any = sandbox.faces["weex"]
    await until(lambda: set(topics) <= set(face.topics))


def book_of(sandbox: Sandbox, symbol: str, levels: int) -> tuple[Any, Any]:
    """The exchange's own book, as a stream should have it."""
    face: Any = sandbox.faces["weex"]
    contract, book = face.markets.contracts[symbol], face.markets.open[symbol].book
    bids, asks = (
        [
            (Decimal(contract.price(tick)), Decimal(contract.size(lots)))
            for tick, lots in book.levels(side, levels)
        ]
        for side in ("buy", "sell")
    )
    return bids, asks


def sides(message: Any) -> tuple[Any, Any]:
    """The book of one message."""
    return [*message.data["bids"]], [*message.data["asks"]]


def marks(heard: list[Any]) -> list[str]:
    """The names of the marks among what was heard."""
    return [type(item).__name__ for item in heard if is_mark(item)]


def socket_of(sandbox: Sandbox, topic: str) -> int:
    """The number of the socket that a topic is served on."""
    face: Any = sandbox.faces["weex"]
    (served,) = face.topics.of(topic)
    return int(served._socket.number)
