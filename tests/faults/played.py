"""What these tests share: the real SDK on a real socket against the sandbox, with deadlines a hundred times shorter.

The sandbox stands still (`rate=0`): a test says with `step` when something is published, so that the ledger and the
stream can be compared. Nothing sleeps for a fixed time: what is waited for has a deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tapewire.marks import Gap, Mark, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox, digest_of
from tapewire.session.subscription import Subscription
from tapewire.venues.stx import AsyncSTX, ChannelMessage, Channels, STXWebSocket, User
from tests.faults.failures import on_tape
from tests.waiting import until

QUICK = RetryPolicy(None, 0.05, 0.2)
OPTIONS = {
    "ping_interval": 0.3,
    "ping_timeout": 0.2,
    "stable_after": 0.5,
    "subscribe_timeout": 5.0,
    "resubscribe": QUICK,
}
ACCOUNT = {"email": "ann@example.com", "password": "correct horse"}
TOPIC = "markets"


def make_socket(sandbox: Sandbox, options: dict[str, Any] | None = None, **fields: Any) -> STXWebSocket:
    defaults = {"host": sandbox.url, "user": User.new(), "retry": QUICK, **ACCOUNT}
    way = {} if "connector" in fields else on_tape("stx", sandbox.url, OPTIONS | (options or {}))
    return STXWebSocket(**(defaults | way | fields), session_options=OPTIONS | (options or {}))


def make_client(sandbox: Sandbox, **fields: Any) -> AsyncSTX:
    return AsyncSTX(**({"host": sandbox.url, "user": User.new(), "retry": QUICK, **ACCOUNT} | fields))


class Stream(list[Any]):
    """Everything a handler of the markets channel was given, marks in their place."""

    def __init__(self, sandbox: Sandbox, ws: STXWebSocket) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.ws = ws
        self.subscription: Subscription
        self._start = 0

    async def join(self, **fields: Any) -> None:
        self._start = self.sandbox.ledger.last_sequence(TOPIC, venue="stx")
        self.subscription = await self.ws.join(Channels.MARKETS, self.append, on_mark=self.append, **fields)

    @property
    def marks(self) -> list[Mark]:
        return [item for item in self if is_mark(item)]

    @property
    def gaps(self) -> list[tuple[str, str]]:
        return [(mark.reason, mark.detail) for mark in self.marks if isinstance(mark, Gap)]

    @property
    def messages(self) -> list[ChannelMessage]:
        return [item for item in self if not is_mark(item)]

    @property
    def digests(self) -> list[str]:
        """Of what was published, in the order in which it came."""
        return [
            digest_of(message.payload) for message in self.messages if not message.event.startswith("phx_")
        ]

    @property
    def published(self) -> list[str]:
        """Of what the sandbox published since the join, in its order."""
        return [entry.digest for entry in self.sandbox.ledger.since(TOPIC, self._start, venue="stx")]

    async def step(self, count: int = 1) -> None:
        """Let things happen, and wait for the last of what was published."""
        self.sandbox.step(count)
        await until(lambda: self.digests[-1:] == self.published[-1:], "the last publication")

    async def joined_again(self, connections: int = 2) -> None:
        """Wait until the line is up anew and the venue has confirmed the channel."""
        await until(
            lambda: (
                self.ws.statistics().connections >= connections and self.subscription.state == "subscribed"
            ),
            f"connection {connections}",
        )


@asynccontextmanager
async def played(
    *, options: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **fields: Any
) -> AsyncIterator[tuple[Sandbox, STXWebSocket, Stream]]:
    """A sandbox, a socket of the SDK, and its stream of markets with two publications in it."""
    async with (
        Sandbox(rate=0, venues=["stx"], settings={"stx": settings or {}}) as sandbox,
        make_socket(sandbox, options, **fields) as ws,
    ):
        stream = Stream(sandbox, ws)
        await stream.join()
        await stream.step(2)
        yield sandbox, ws, stream
