"""What the tests against the sandbox share: the SDK on real sockets, with deadlines a hundred times shorter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tapewire.marks import Gap, Mark, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.venues.stake import StakeMessage, StakeWebSocket
from tests.waiting import until

QUICK = RetryPolicy(None, 0.05, 0.2)
OPTIONS = {"ping_interval": 0.3, "ping_timeout": 0.2, "stable_after": 0.5, "resubscribe": QUICK}
TOPIC = "bets"


class Bets(list[Any]):
    """Everything a handler of other people's bets was given, marks in their place. A bet is known by its id."""

    def __init__(self, sandbox: Sandbox, ws: StakeWebSocket) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.ws = ws
        self.subscription = ws.watch(TOPIC, self.append, on_mark=self.append)

    @property
    def marks(self) -> list[Mark]:
        return [item for item in self if is_mark(item)]

    @property
    def gaps(self) -> list[str]:
        return [mark.reason for mark in self.marks if isinstance(mark, Gap)]

    @property
    def ids(self) -> list[str]:
        payloads = [item.payload for item in self if isinstance(item, StakeMessage)]
        return [payload.get("houseBets", payload)["id"] for payload in payloads]

    @property
    def published(self) -> list[str]:
        return [entry.payload["id"] for entry in self.sandbox.ledger.since(TOPIC)]

    async def step(self, count: int = 3) -> None:
        """Let so many bets be made, and wait for the last."""
        wanted = len(self.published) + count
        while len(self.published) < wanted:
            self.sandbox.step()
        await until(lambda: self.ids[-1:] == self.published[-1:], "the last bet")

    async def back(self, connections: int = 2) -> None:
        """Wait until the line is up anew and the sandbox serves the channel."""
        await until(
            lambda: (
                self.ws.statistics().connections >= connections and self.subscription.state == "subscribed"
            ),
            f"connection {connections}",
        )

    async def goes_on_behind_a_gap(self, reason: str = "connection lost", connections: int = 2) -> None:
        """Come back; what is published then comes, all of it, in its order, behind one mark."""
        await self.back(connections)
        missed = len(self.published) - len(self.ids)
        heard = len(self.ids)
        await self.step()
        assert self.ids[heard:] == self.published[heard + missed :]
        assert (self.gaps, len(self.marks)) == ([reason], 1)
        statistics = self.ws.statistics()
        assert (statistics.connections, statistics.handler_errors) == (connections, 0)


def socket(sandbox: Sandbox, wire: str = "page", options: dict[str, Any] | None = None, **fields: Any) -> Any:
    defaults = {"access_token": "tok", "wire": wire, "base_url": sandbox.url, "retry": QUICK}
    return StakeWebSocket(**(defaults | fields), session_options=OPTIONS | (options or {}))


@asynccontextmanager
async def played(
    wire: str = "page", options: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Sandbox, Bets]]:
    """A sandbox in which nothing happens by itself, and other people's bets, two of them made."""
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, socket(sandbox, wire, options) as ws:
        bets = Bets(sandbox, ws)
        await bets.subscription.confirmed()
        await bets.step(2)
        yield sandbox, bets
