"""The main job, proven on one machine: stream live markets from the sandbox through the real SDKs, break the line on
purpose, and compare every message that handlers received with what was published.

The sandbox stands still until every stream is joined and once more at the end, so that the ledger and the streams
begin and end together. In the end the line is left alone until every stream is live again and has told its last state:
what was lost inside a marked gap, such as the latest balance, nobody can know before. What is compared, and what counts
as honest, is in `audit.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from ..errors import ConfigurationError
from ..sandbox.core.carriage import Serving
from ..sandbox.core.faults import FAULTS, Injected
from ..sandbox.net.server import Sandbox
from ..venues import DemoFault, VenueDemo, demo_settings
from .audit import Audit, Published
from .demo_tape import DemoReplay, DemoStream, DemoTapes, key_of

__all__ = ["DemoReport", "DemoStream", "Narrator", "StreamReport", "run_demo"]

SETTLE_SECONDS = 10.0
"""How long the streams may take to come back and tell their last state, after the faults."""

SETTLE_INTERVAL = 0.5
"""Seconds until the states are compared again, after another trade."""

TICK = 0.1
"""Seconds between two looks at faults, ledger and screen."""

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
    """What the demo found. `holds` decides the exit code; `seconds` is how long it streamed.

    `replay`: what came of its own tapes, None where it made none.
    """

    honest: bool
    interrupted: bool
    seconds: float
    faults: tuple[str, ...]
    reconnections: int
    streams: tuple[StreamReport, ...]
    problems: tuple[str, ...]
    replay: DemoReplay | None = None

    @property
    def holds(self) -> bool:
        """The streams were honest, and the tapes say the same."""
        return self.honest and (self.replay is None or self.replay.holds)


class _Demo:
    def __init__(self, sandbox: Sandbox, venues: Sequence[str], narrate: Narrator, tapes: DemoTapes) -> None:
        self.sandbox = sandbox
        self.narrate = narrate
        self.tapes = tapes
        self.venues: dict[str, VenueDemo] = {name: tapes.make(name) for name in venues}
        self._read_to: dict[DemoStream, int] = {}
        self.streams: list[DemoStream] = []
        self.orders: list[tuple[str, Injected]] = []
        self.problems: list[str] = []
        self.audits: list[tuple[DemoStream, Audit]] = []

    async def join(self) -> None:
        for name, venue in self.venues.items():
            self.narrate(f"{name}: {await venue.sign_in()}")
            await venue.subscribe(lambda label, topic, name=name: self._observe(name, label, topic))  # type: ignore[misc]
            joined = ", ".join(stream.topic for stream in self.streams if stream.venue == name)
            self.narrate(f"{name}: joined {joined}")

    def _observe(self, venue: str, label: str, topic: str) -> DemoStream:
        start = self.sandbox.ledger.last_sequence(topic, venue=venue)
        stream = DemoStream(venue, label, topic, start, time.time_ns)
        self.streams.append(stream)
        self._read_to[stream] = start
        self.tapes.begin(stream, start)
        return stream

    async def stream(
        self, seconds: float, with_faults: bool, progress: Callable[[_Demo], None], stop: asyncio.Event
    ) -> float:
        """Returns for how long it streamed: less than `seconds` if `stop` was set."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        planned = [
            (fault.at * seconds, name, fault) for name, venue in self.venues.items() for fault in venue.faults
        ]
        pending = sorted(planned, key=lambda plan: plan[0]) if with_faults else []
        next_trade = 0.0
        while (elapsed := loop.time() - started) < seconds and not stop.is_set():
            while pending and pending[0][0] <= elapsed:
                _, name, fault = pending.pop(0)
                self._order(name, fault)
            if elapsed >= next_trade:
                next_trade = elapsed + TRADE_INTERVAL
                await self._trade(first=elapsed < TRADE_INTERVAL)
            self._collect()
            progress(self)
            await asyncio.sleep(TICK)
        return min(elapsed, seconds)

    def _collect(self) -> None:
        for stream in self.streams:
            self.collect(stream)

    def collect(self, stream: DemoStream) -> None:
        """Compare what was published and received since the last call."""
        entries = self.sandbox.ledger.since(stream.topic, self._read_to[stream], venue=stream.venue)
        if entries:
            self._read_to[stream] = entries[-1].sequence
            self.tapes.published(stream, entries)
        stream.compare(
            [
                Published(entry.sequence, key_of(entry.event, entry.digest), entry.published_at_ns)
                for entry in entries
            ]
        )

    def servings(self, stream: DemoStream) -> Sequence[Serving]:
        """How the stream's topic was served, connection by connection."""
        return self.sandbox.carriage.servings(stream.topic, venue=stream.venue)

    def _order(self, venue: str, fault: DemoFault) -> None:
        self.narrate(f"{venue}: fault: {fault.title} ({fault.name})")
        where = {"venue": venue} if "venue" in FAULTS[fault.name].parameters else {}
        self.orders.append((venue, self.sandbox.inject(fault.name, **where, **fault.params)))

    async def _trade(self, *, first: bool) -> None:
        for name, venue in self.venues.items():
            self.tapes.step(name, "trade")
            line = await venue.trade()
            if first:
                self.narrate(f"{name}: {line}")

    async def settle(self, progress: Callable[[_Demo], None]) -> None:
        """Leave the line alone until every stream has told its last state, and the states equal the exchanges'."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        self.sandbox.lift()
        await self._hear_from_all(deadline)
        while True:
            await self._trade(first=False)
            await self._drain(deadline)
            problems = await self._differences()
            progress(self)
            # Meanwhile a venue may have published what it held back; behind this nothing waits before the report.
            late = await self._drain(deadline)
            if late:
                problems.append(f"{late}: the last messages did not arrive in {SETTLE_SECONDS:g} s")
            if not problems or loop.time() >= deadline:
                self.problems += problems
                return
            await asyncio.sleep(SETTLE_INTERVAL)

    async def _hear_from_all(self, deadline: float) -> None:
        """A short run may have left a stream without any publication: that proves nothing."""
        loop = asyncio.get_running_loop()
        self._collect()
        while not all(stream.published for stream in self.streams) and loop.time() < deadline:
            self.sandbox.step(5)
            await asyncio.sleep(TICK)
            self._collect()

    async def _drain(self, deadline: float) -> str:
        """Wait until what was published last has arrived; returns which streams were too late."""
        loop = asyncio.get_running_loop()
        while True:
            self._collect()
            late = [
                f"{each.venue} {each.label}" for each in self.streams if each.is_behind(self.servings(each))
            ]
            if not late or loop.time() >= deadline:
                return ", ".join(late)
            await asyncio.sleep(TICK / 2)

    async def _differences(self) -> list[str]:
        """Books and the like against the exchange's own."""
        found: list[str] = []
        for name, venue in self.venues.items():
            self.tapes.step(name, "compare")
            truth = getattr(self.sandbox.faces[name], "book", lambda market: None)
            found += [f"{name}: {difference}" for difference in await venue.compare(truth)]
        return found

    def report(self, seconds: float, *, interrupted: bool) -> DemoReport:
        self._collect()
        for name in self.venues:
            self.tapes.step(name, "leave")
        audits = self.audits = [(stream, stream.finish(self.servings(stream))) for stream in self.streams]
        for stream, result in audits:
            if not result.published:
                self.problems.append(f"{stream.venue} {stream.label}: nothing was published")
        reconnections = sum(venue.statistics().reconnections for venue in self.venues.values())
        breaking = {name for name, fault in FAULTS.items() if "connection" in fault.parameters}
        if not reconnections and any(order.name in breaking for _, order in self.orders):
            self.problems.append("faults were ordered, and no line broke")
        return DemoReport(
            honest=not self.problems and all(result.honest for _, result in audits),
            interrupted=interrupted,
            seconds=round(seconds, 1),
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
    stop: asyncio.Event | None = None,
) -> DemoReport:
    """Run the demo, replay its own tapes, and return what was found.

    `narrate` gets lines for people, `progress` the state ten times a second.
    Set `stop` to end it before the time: what ran until then is compared all the same, and the report says so.
    Raises ConfigurationError for a wrong argument, and whatever made the main job impossible.
    """
    if not 1 <= seconds <= 3600:
        raise ConfigurationError("seconds", seconds, "1 to 3600")
    settings = {name: demo_settings(name) for name in venues}
    async with Sandbox(port=0, seed=seed, rate=0, venues=venues, settings=settings) as sandbox:
        narrate(f"sandbox at {sandbox.url}, seed {seed}")
        with TemporaryDirectory(prefix="tapewire-demo-") as folder:
            with DemoTapes(venues, Path(folder), sandbox.url, seed) as tapes:
                demo = _Demo(sandbox, venues, narrate, tapes)
                try:
                    await demo.join()
                    sandbox.rate = rate
                    stop = stop or asyncio.Event()
                    streamed = await demo.stream(seconds, faults, progress, stop)
                    sandbox.rate = 0
                    await demo.settle(progress)
                    report = demo.report(streamed, interrupted=stop.is_set())
                finally:
                    await demo.close()
            narrate("the same again, from its own tapes")
            replay = await asyncio.to_thread(tapes.replay, demo.audits, demo.servings)
            return msgspec.structs.replace(report, replay=replay)


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
