"""One stream of each venue's SDK, in one shape: what the table of faults and venues plays its faults on.

`async with line_of("sxbet") as line` is a client with short deadlines, subscribed to `line.topic`, against a sandbox in
which only `step` makes things happen. `line` lists what the stream brought, publications as digests of the ledger and
marks in their place, so that it can be compared with `line.published`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

from tapewire.app.audit import Audit, Observed, Published, audit
from tapewire.marks import Gap, Mark, Reconnected, is_mark
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox, digest_of
from tapewire.session.options import Statistics
from tapewire.venues.stake import StakeAPI
from tapewire.venues.stx import AsyncSTX, User
from tests.faults.failures import UNDER_TEST, fraction, on_tape
from tests.faults.played import ACCOUNT, QUICK
from tests.venues.under_test import UnderTest
from tests.waiting import until

CALLS = RetryPolicy(4, 0.02, 0.1)
MOST_STEPS = 2000


class Line(list[str | Mark]):
    """Made by `line_of`. `topic` and `other` are channels as faults name them; `lost` is the mark of a lost line."""

    other: ClassVar[str]
    lost: ClassVar[type[Mark]] = Gap

    def __init__(self, venue: UnderTest, sandbox: Sandbox, client: Any) -> None:
        super().__init__()
        self.under_test: Any = venue
        self.venue, self.topic = venue.spec.name, venue.topic
        self.sandbox = sandbox
        self.client = client
        self.since = 0
        self.task: asyncio.Task[None]

    async def open(self, stack: AsyncExitStack) -> None:
        """Subscribe to `topic`, and read it."""
        self.task = asyncio.create_task(self._read(await self.under_test.subscribe(self.client, self.topic)))
        stack.push_async_callback(self._stop)

    async def _read(self, stream: Any) -> None:
        async for item in stream:
            payload = item if is_mark(item) else self.under_test.payload(item)
            if is_mark(payload):
                self.append(payload)
            elif payload is not None:
                self.append(digest_of(payload))

    async def _stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def join(self) -> Any:
        """Subscribe to `other` and wait until it is confirmed."""
        return await self.under_test.subscribe(self.client, self.other)

    async def call(self) -> Any:
        """A call over HTTP that changes nothing."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the client."""
        await self.client.close()

    async def fails(self) -> None:
        """Wait until the stream has ended; raises what it ended with."""
        await self.task

    def statistics(self) -> Statistics:
        """Of the first of its sessions."""
        figures: Statistics = self.client.statistics().sessions[0]
        return figures

    @property
    def ends(self) -> BaseException | str | None:
        """What ended the stream; None while it goes on."""
        return None if not self.task.done() else self.task.exception() or "ended"

    @property
    def marks(self) -> list[Mark]:
        return [item for item in self if is_mark(item)]

    @property
    def digests(self) -> list[str]:
        return [item for item in self if isinstance(item, str)]

    @property
    def published(self) -> list[str]:
        """Of what the sandbox published since the subscription, in its order."""
        return [entry.digest for entry in self.sandbox.ledger.since(self.topic, self.since, venue=self.venue)]

    @property
    def connections(self) -> int:
        return self.statistics().connections

    def happen(self, count: int = 1) -> None:
        """Let things happen until `count` more publications of the topic were made."""
        wanted = self.sandbox.ledger.last_sequence(self.topic, venue=self.venue) + count
        for _ in range(MOST_STEPS):
            if self.sandbox.ledger.last_sequence(self.topic, venue=self.venue) >= wanted:
                return
            self.sandbox.step()
        raise AssertionError(f"{self.topic} is published to no more")

    async def step(self, count: int = 1) -> None:
        """Let things happen, and wait for the last of what was published."""
        self.happen(count)
        await until(lambda: self.digests[-1:] == self.published[-1:], f"the last of {self.published[-3:]}")

    async def goes_on(self, connections: int) -> None:
        """All that is published from now on comes, in order, on that connection."""
        await self.up(connections)
        before, published = len(self.digests), len(self.published)
        await self.step(3)
        assert self.digests[before:][-3:] == self.published[published:][-3:]
        assert self.connections == connections

    async def up(self, connections: int) -> None:
        """Wait until the topic is confirmed on that connection."""
        await until(
            lambda: self.connections >= connections and self.statistics().confirmed >= 1,
            f"connection {connections}",
        )

    def audited(self) -> Audit:
        """What was received along what was published; faults must explain each mark and what is missing there."""
        entries = self.sandbox.ledger.since(self.topic, self.since, venue=self.venue)
        published = [Published(entry.sequence, entry.digest, entry.published_at_ns) for entry in entries]
        items = [item if is_mark(item) else Observed(item, 0) for item in self]
        return audit(published, items, self.sandbox.carriage.servings(self.topic, venue=self.venue))


class StxLine(Line):
    other = "market_info"

    async def call(self) -> Any:
        async with AsyncSTX(host=self.sandbox.url, user=User.new(), **ACCOUNT, retry=CALLS) as client:
            await client.login()
            return await client.markets(limit=1)


class SxBetLine(Line):
    other = "markets:global"
    lost = Reconnected

    async def call(self) -> Any:
        return [row async for row in self.client.http.active_markets()]


class StakeLine(Line):
    other = "game:crash"

    async def call(self) -> Any:
        async with StakeAPI("token", base_url=self.sandbox.url, retry=CALLS, rate_limit=1000) as api:
            return await api.get_user_profile()


class WeexLine(Line):
    other = "ETHUSDT@ticker"

    async def call(self) -> Any:
        return await self.client.http.get_contracts()


LINES: dict[str, type[Line]] = {"stx": StxLine, "sxbet": SxBetLine, "stake": StakeLine, "weex": WeexLine}


@asynccontextmanager
async def line_of(
    venue: str, *, options: dict[str, Any] | None = None, settings: dict[str, Any] | None = None
) -> AsyncIterator[Line]:
    """A line of that venue with two publications in it. `settings` are the face's, `options` the session's."""
    known = UNDER_TEST[venue]
    (place,) = {setting.argument for setting in known.spec.settings if setting.address} & {"host", "base_url"}
    async with (
        Sandbox(rate=0, venues=[venue], settings={venue: known.settings | (settings or {})}) as sandbox,
        known.make(
            **{place: sandbox.url},
            retry=QUICK,
            session_options={**known.options, **(options or {}), "fraction": fraction()},
            **on_tape(venue, sandbox.url, options or {}),
        ) as client,
        AsyncExitStack() as stack,
    ):
        line = LINES[venue](known, sandbox, client)
        await line.open(stack)
        line.since = sandbox.ledger.last_sequence(line.topic, venue=venue)
        await line.step(2)
        yield line
