"""The main job, proven on one machine: stream live markets from the sandbox through the real SDKs, break the line on
purpose, and compare every message that handlers received with what was published.

The sandbox stands still until every stream is joined and once more at the end, so that the ledger and the streams
begin and end together. What is compared, and what counts as honest, is in `audit.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Any

import msgspec

from ..errors import ConfigurationError
from ..marks import Mark
from ..sandbox.faults import FAULTS, Injected
from ..sandbox.ledger import digest_of
from ..sandbox.server import Sandbox
from ..venues import DemoFault, VenueDemo, demo_settings, make_demo
from .audit import SLACK_NS, Audit, Cause, Item, Observed, Published, audit

__all__ = ["DemoReport", "DemoStream", "Narrator", "StreamReport", "run_demo"]

DRAIN_SECONDS = 5.0
"""How long the last messages may take after the sandbox stands still."""

TRADE_INTERVAL = 1.0
"""Seconds between two orders of the demo's account."""

Narrator = Callable[[str], None]


class StreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """One stream's line in the table at the end. Latencies in milliseconds, from the ledger to the handler."""

    venue: str
    stream: str
    published: int
    delivered: int
    duplicates: int
    gaps: int
    missing_in_gaps: int
    unexplained: int
    p50_ms: float
    p99_ms: float
    findings: tuple[str, ...]


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo found. `honest` decides the exit code."""

    honest: bool
    seconds: float
    faults: tuple[str, ...]
    reconnections: int
    streams: tuple[StreamReport, ...]
    problems: tuple[str, ...]


class DemoStream:
    """What one handler received, in order: an `Observer`."""

    def __init__(self, venue: str, label: str, topic: str, start: int) -> None:
        self.venue = venue
        self.label = label
        self.topic = topic
        self.start = start
        self.items: list[Item] = []
        self.delivered = self.marks = 0

    def publication(self, event: str, payload: Any) -> None:
        self.items.append(Observed(_key(event, digest_of(payload)), time.time_ns()))
        self.delivered += 1

    def mark(self, mark: Mark) -> None:
        self.items.append(mark)
        self.marks += 1

    def published(self, sandbox: Sandbox) -> list[Published]:
        """What the ledger says was published since the stream was joined."""
        entries = sandbox.ledger.since(self.topic, self.start, venue=self.venue)
        return [
            Published(entry.sequence, _key(entry.event, entry.digest), entry.published_at_ns)
            for entry in entries
        ]

    def is_behind(self, sandbox: Sandbox) -> bool:
        """True while the last publication has neither arrived nor fallen into the gap that was marked last."""
        published = self.published(sandbox)
        if not published:
            return False
        last = published[-1]
        for item in reversed(self.items):
            if isinstance(item, Observed):
                return item.key != last.key
            ended_ns = getattr(item, "until_ns", 0) or getattr(item, "at_ns", 0)
            if last.at_ns <= ended_ns + SLACK_NS:
                return False
        return True


class _Demo:
    def __init__(self, sandbox: Sandbox, venues: Sequence[str], narrate: Narrator) -> None:
        self.sandbox = sandbox
        self.narrate = narrate
        self.venues: dict[str, VenueDemo] = {name: make_demo(name, sandbox.url) for name in venues}
        self.streams: list[DemoStream] = []
        self.orders: list[tuple[str, Injected]] = []
        self.problems: list[str] = []

    async def join(self) -> None:
        for name, venue in self.venues.items():
            self.narrate(f"{name}: {await venue.sign_in()}")
            await venue.subscribe(lambda label, topic, name=name: self._observe(name, label, topic))  # type: ignore[misc]
            joined = ", ".join(stream.topic for stream in self.streams if stream.venue == name)
            self.narrate(f"{name}: joined {joined}")

    def _observe(self, venue: str, label: str, topic: str) -> DemoStream:
        stream = DemoStream(venue, label, topic, self.sandbox.ledger.last_sequence(topic, venue=venue))
        self.streams.append(stream)
        return stream

    async def stream(self, seconds: float, with_faults: bool, progress: Callable[[_Demo], None]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        planned = [
            (fault.at * seconds, name, fault) for name, venue in self.venues.items() for fault in venue.faults
        ]
        pending = sorted(planned, key=lambda plan: plan[0]) if with_faults else []
        next_trade = 0.0
        while (elapsed := loop.time() - started) < seconds:
            while pending and pending[0][0] <= elapsed:
                _, name, fault = pending.pop(0)
                self._order(name, fault)
            if elapsed >= next_trade:
                next_trade = elapsed + TRADE_INTERVAL
                await self._trade(first=elapsed < TRADE_INTERVAL)
            progress(self)
            await asyncio.sleep(0.1)

    def _order(self, venue: str, fault: DemoFault) -> None:
        self.narrate(f"{venue}: fault: {fault.title} ({fault.name})")
        where = {"venue": venue} if "venue" in FAULTS[fault.name].parameters else {}
        self.orders.append((venue, self.sandbox.inject(fault.name, **where, **fault.params)))

    async def _trade(self, *, first: bool) -> None:
        for name, venue in self.venues.items():
            line = await venue.trade()
            if first:
                self.narrate(f"{name}: {line}")

    async def drain(self) -> None:
        """Wait until what was published last has arrived."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DRAIN_SECONDS
        while waiting := [stream for stream in self.streams if stream.is_behind(self.sandbox)]:
            if loop.time() >= deadline:
                names = ", ".join(f"{stream.venue} {stream.label}" for stream in waiting)
                self.problems.append(f"the last messages did not arrive within {DRAIN_SECONDS:g} s: {names}")
                return
            await asyncio.sleep(0.05)

    async def compare(self) -> None:
        """Books and the like against the exchange's own."""
        for name, venue in self.venues.items():
            truth = getattr(self.sandbox.faces[name], "book", lambda market: None)
            self.problems += [f"{name}: {difference}" for difference in await venue.compare(truth)]

    def report(self, seconds: float) -> DemoReport:
        causes: dict[str, list[Cause]] = {name: [] for name in self.venues}
        for name, order in self.orders:
            felt_ns = max(order.at_ns, order.last_hit_ns or 0)
            causes[name].append(Cause(order.name, order.at_ns, felt_ns))
        audits = [
            (stream, audit(stream.published(self.sandbox), stream.items, causes[stream.venue]))
            for stream in self.streams
        ]
        for stream, result in audits:
            if not result.published:
                self.problems.append(f"{stream.venue} {stream.label}: nothing was published")
        reconnections = sum(venue.statistics().reconnections for venue in self.venues.values())
        if self.orders and not reconnections:
            self.problems.append("faults were ordered, and no line broke")
        return DemoReport(
            honest=not self.problems and all(result.honest for _, result in audits),
            seconds=seconds,
            faults=tuple(order.name for _, order in self.orders),
            reconnections=reconnections,
            streams=tuple(_stream_report(stream, result) for stream, result in audits),
            problems=tuple(self.problems),
        )

    async def close(self) -> None:
        for venue in self.venues.values():
            await venue.close()


async def run_demo(
    venues: Sequence[str],
    *,
    seconds: float = 20.0,
    faults: bool = True,
    seed: int = 1,
    rate: float = 40.0,
    narrate: Narrator = lambda line: None,
    progress: Callable[[Any], None] = lambda demo: None,
) -> DemoReport:
    """Run the demo and return what it found. `narrate` gets lines for people, `progress` the state ten times a second.

    Raises ConfigurationError for a wrong argument, and whatever made the main job impossible.
    """
    if not 1 <= seconds <= 3600:
        raise ConfigurationError("seconds", seconds, "1 to 3600")
    settings = {name: demo_settings(name) for name in venues}
    async with Sandbox(port=0, seed=seed, rate=0, venues=venues, settings=settings) as sandbox:
        narrate(f"sandbox at {sandbox.url}, seed {seed}")
        demo = _Demo(sandbox, venues, narrate)
        try:
            await demo.join()
            sandbox.rate = rate
            await demo.stream(seconds, faults, progress)
            sandbox.rate = 0
            await demo.drain()
            await demo.compare()
            progress(demo)
            return demo.report(seconds)
        finally:
            await demo.close()


def _stream_report(stream: DemoStream, result: Audit) -> StreamReport:
    latencies = [latency / 1e6 for latency in result.latencies_ns] or [0.0, 0.0]
    cuts = quantiles(latencies * (2 if len(latencies) == 1 else 1), n=100)
    return StreamReport(
        venue=stream.venue,
        stream=stream.label,
        published=result.published,
        delivered=result.delivered,
        duplicates=result.duplicates,
        gaps=result.gaps,
        missing_in_gaps=result.missing_in_gaps,
        unexplained=result.unexplained,
        p50_ms=round(cuts[49], 3),
        p99_ms=round(cuts[98], 3),
        findings=result.findings,
    )


def _key(event: str, digest: str) -> str:
    return f"{event} {digest}"
