"""Ten minutes of one venue's market under random faults: no book is live and wrong, ever.

The exchange moves on its own pace; lines are cut, fall silent, come back slowly, requests fail, and frames are lost
where the book claims a proof of that. Whenever nothing can run and time is about to pass, each book that is live is
compared with the exchange's own, level by level. It has to be that; or, for no longer than a message is on its way, the
one before; or, on a line that has fallen silent and does not say so, one that stood when it did, for no longer than the
engine may take to notice. In the end, without faults, each book is live and right.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2

from tapewire.errors import TapewireError
from tapewire.market import Continuity
from tapewire.marks import ContinuityChanged, ContinuityState, is_mark
from tapewire.transport.memory import MemoryNetwork
from tests.market.played import VENUES, Book, PlayedMarket, played, shown
from tests.simulation.world import World
from tests.venues.in_memory import answered

__all__ = ["MARKETS", "play_market"]

MARKETS: Final[Mapping[str, str]] = {f"market-{name}": name for name in VENUES}
"""By the name that `--wire` takes: the venue's."""

SECONDS: Final = 600.0
"""How long the faults go on."""

HEALING_SECONDS: Final = 180.0
"""After the last of them: within it every book must be live."""

PROBE_SECONDS: Final = 25.0
"""What the proof of a silence may take beside the silence itself: a look each second, and a probe behind another."""

SUSPENDED_SECONDS: Final = 2.0
"""What of the time in which nothing ran counts: what was due then is judged so much later."""

PROVES_FRAMES: Final = ("numbered", "recoverable", "chained")
"""Proofs by which a frame that is lost on a living line is noticed."""


def play_market(wire: str, seed: int, seconds: float = SECONDS) -> World:
    """Run one seed. What is wrong stands in `complaints` of what is returned."""
    world = World(f"{wire} {seed}")
    before = random.getstate()
    random.seed(f"{wire} {seed}")  # what a venue's classes take chance from, where nobody gives them another
    try:
        world.run(lambda: _Run(world, MARKETS[wire], seconds).main())
    finally:
        random.setstate(before)
    return world


class Watched:
    """One book, what the exchange's own was, and what the feed said of itself."""

    def __init__(self, world: World, at: PlayedMarket, instrument_id: str, truth: Truth) -> None:
        self.world, self.at, self.truth = world, at, truth
        self.instrument_id = instrument_id
        self.state = ContinuityState.SYNCING
        self.view: Any = None
        self.feed = at.market.watch_order_book(instrument_id, on_continuity=self._changed)
        self.newest_shown = 0
        self._shown: tuple[tuple[int, int], Book] | None = None

    @property
    def continuity(self) -> Continuity:
        return self.feed.continuity

    def check(self) -> None:
        """Called whenever time is about to pass."""
        if self.view is None or not self.continuity.is_live:
            self._shown = None
            return
        state = self.feed._port.arrivals, self.truth.newest(self.instrument_id)
        if self._shown is None or self._shown[0] != state:
            self._shown = state, shown(self.view)
        self.newest_shown = self.truth.check(self.instrument_id, self._shown[1], self.newest_shown)

    async def take(self) -> None:
        """As a user does, at a user's pace."""
        state = ContinuityState.SYNCING
        async for item in self.feed:
            if isinstance(item, ContinuityChanged):
                if item.before is not state:
                    self.world.complain(
                        "marks", f"{item.before} > {item.state} stands behind {state} in the stream"
                    )
                state = item.state
            elif not is_mark(item):
                self.view = item
            if self.world.likely(0.02):
                await asyncio.sleep(self.world.chance.choice([0.0, 0.3, 20.0]))

    def _changed(self, change: ContinuityChanged) -> None:
        self.world.note(f"{self.instrument_id[:8]} {change.before} > {change.state}: {change.reason}")
        if change.before is not self.state:
            self.world.complain("told", f"{change.before} > {change.state} was told behind {self.state}")
        self.state = change.state


class Silence:
    """Something was not said, and nobody can know yet: a book may be so old, until it can be known."""

    def __init__(self, oldest: float, *, is_of_a_line: bool = False) -> None:
        self.oldest = oldest
        self.until = math.inf
        self.is_of_a_line = is_of_a_line


class Truth:
    """What each book was at the exchange, and how old one may be that is shown."""

    def __init__(self, world: World, at: PlayedMarket, instruments: list[str]) -> None:
        self._world, self._at = world, at
        self._books: dict[str, deque[tuple[int, float, Book]]] = {each: deque() for each in instruments}
        self._silences: list[Silence] = []
        self._suspended = 0.0
        self.on_its_way = 0.0
        """How long a message may be on its way now."""
        self.note()

    @property
    def now(self) -> float:
        """Without the time in which nothing ran."""
        return self._world.now - self._suspended

    def suspended(self, seconds: float) -> None:
        """Nothing ran for so long. What was due is judged a little later, so that the line is read first."""
        self._suspended += seconds - SUSPENDED_SECONDS

    def note(self) -> None:
        """Called after everything that happens at the exchange."""
        for instrument_id, books in self._books.items():
            book = self._at.truth(instrument_id)
            if not books or books[-1][2] != book:
                books.append((books[-1][0] + 1 if books else 1, self.now, book))
            while len(books) > 2_000:
                books.popleft()

    def newest(self, instrument_id: str) -> int:
        """The number of the book as it is now."""
        return self._books[instrument_id][-1][0]

    def silence(self, oldest: float, *, is_of_a_line: bool = False) -> Silence:
        """From now on a book may be so old. `is_of_a_line`: it may also be one half of which was heard before."""
        self._silences = [each for each in self._silences if each.until > self.now]
        self._silences.append(Silence(oldest, is_of_a_line=is_of_a_line))
        return self._silences[-1]

    def is_over(self, silence: Silence, within: float = 0.0) -> None:
        """Whatever was not said is known within so many seconds, and the time on its way."""
        silence.until = min(silence.until, self.now + self.on_its_way + within)

    def check(self, instrument_id: str, book: Book, not_before: int) -> int:
        """Complain of a book that should not be shown. Returns its number at the exchange."""
        books, now = self._books[instrument_id], self.now
        if books[-1][2] == book:
            return books[-1][0]
        over_at = now
        for number, since, known in reversed(books):
            if known == book:
                if not self._is_allowed(now - over_at):
                    self._world.complain("old", f"{instrument_id[:8]} is live, and {now - over_at:.3f} s old")
                elif number < not_before and not self._is_allowed(0.001):
                    self._world.complain(
                        "back", f"{instrument_id[:8]} is live, and shows what it had left behind"
                    )
                return number
            over_at = since
        if any(each.is_of_a_line and now <= each.until for each in self._silences):
            return not_before
        difference = _difference(book, books[-1][2])
        self._world.complain("wrong", f"{instrument_id[:8]} is live, and never was so: {difference}")
        return not_before

    def _is_allowed(self, age: float) -> bool:
        now = self.now
        oldest = max((each.oldest for each in self._silences if now <= each.until + 1e-6), default=0.0)
        return age <= oldest + self.on_its_way + 1e-6


class _Run:
    def __init__(self, world: World, venue: str, seconds: float) -> None:
        self.world, self.name, self.seconds = world, venue, seconds
        self.network = MemoryNetwork()
        self.http_trouble = 0.0
        self.http_seconds = 0.02
        self.pace = world.chance.choice([0.2, 1.0, 3.0])
        """Seconds between two things at the exchange."""
        self.noise = world.chance.choice([5.0, 15.0, 40.0])
        """Seconds between two faults."""
        self.watched: dict[str, Watched] = {}
        self.mute: list[Silence] = []
        self.lost: dict[str, Silence] = {}
        self.old: dict[str, tuple[Any, Silence]] = {}
        """Snapshots that are to be old, by their topic."""
        self.proves_frames = False

    async def main(self) -> None:
        world = self.world
        world.tasks[asyncio.current_task()] = "main"  # type: ignore[index]
        self.network.to_client.delay = self.network.to_server.delay = world.chance.choice([0.0, 0.03])
        settings = VENUES[self.name].chance(world.chance.random)
        async with played(world.clock, self.name, network=self.network, **settings) as at:
            self.at: PlayedMarket = at
            self.proves_frames = at.market.capabilities["watch_order_book"].proof in PROVES_FRAMES
            at.publications.on_lost, at.publications.on_passed = self._lost, self._passed
            at.venue.http_delay = lambda: self.http_seconds * world.chance.random()
            at.venue.http_fault = self._http_fault
            chosen = world.chance.sample(at.instruments, min(2, len(at.instruments)))
            self.truth = Truth(world, at, chosen)
            self.truth.on_its_way = 2 * self.network.to_client.delay  # a reset overtakes what it takes along
            for instrument_id in chosen:
                self._watch(instrument_id)
            world.watches.append(self._look)
            moving = world.spawn(self._move(), "exchange")
            await asyncio.sleep(2.0)
            await self._faults()
            await self._calm()
            moving.cancel()
        world.watches.clear()

    def _watch(self, instrument_id: str) -> None:
        watched = Watched(self.world, self.at, instrument_id, self.truth)
        self.watched[instrument_id] = watched
        self.world.spawn(self._taken(watched), f"user of {instrument_id[:8]}")

    async def _taken(self, watched: Watched) -> None:
        try:
            await watched.take()
        except TapewireError as error:  # the venue's no, which ends a feed
            self.world.note(f"{watched.instrument_id[:8]} ended: {error}")
            await asyncio.sleep(1.0)
            if self.watched[watched.instrument_id] is watched:
                self._watch(watched.instrument_id)

    def _look(self) -> None:
        for watched in self.watched.values():
            watched.check()

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self.world.chance.expovariate(1 / self.pace))
            for _ in range(self.world.chance.choice([1, 1, 3])):
                if self.world.likely(0.3):
                    self.at.move(self.world.chance.choice(list(self.watched)))
                else:
                    self.at.step()
                self.truth.note()

    # --- faults -----------------------------------------------------------------------------------------------------

    async def _faults(self) -> None:
        faults = self._known_faults()
        until = self.world.now + self.seconds
        while (now := self.world.now) < until:
            await asyncio.sleep(min(until - now, self.world.chance.expovariate(1 / self.noise)))
            fault = self.world.chance.choice(faults)
            self.world.note(fault.__name__.lstrip("_"))
            fault()
            if self.world.likely(0.3):
                self.http_trouble = self.world.chance.choice([0.0, 0.0, 0.3, 1.0])
                self.http_seconds = self.world.chance.choice([0.0, 0.02, 1.0, 8.0])

    def _known_faults(self) -> list[Callable[[], None]]:
        faults = [
            *(
                self._cut,
                self._cut,
                self._close,
                self._half_open,
                self._deafen,
                self._unreachable,
                self._refuse,
            ),
            *(
                self._mute,
                self._refuse_joins,
                self._ignore_joins,
                self._slow_join,
                self._crash,
                self._suspend,
            ),
            *(self._resync, self._reconnect, self._watch_anew, self._garble),
        ]
        if self.proves_frames:
            faults += [
                self._lose,
                self._lose,
                self._duplicate,
                self._reorder,
                self._halve,
                self._old_snapshot,
            ]
        return faults

    def _chosen(self) -> list[Any]:
        connections = self.at.venue.open
        return connections if self.world.likely(0.5) else connections[-1:]

    def _cut(self) -> None:
        for connection in self._chosen():
            connection.drop()

    def _close(self) -> None:
        for connection in self._chosen():
            connection.drop(self.world.chance.choice([1000, 1001, 1011, 1012]))

    def _half_open(self) -> None:
        seconds = self.at.dead_line_seconds
        self.truth.is_over(self.truth.silence(seconds, is_of_a_line=True), seconds)
        for connection in self._chosen():
            connection.link.half_open()

    def _deafen(self) -> None:
        for connection in self._chosen():
            connection.link.deafen()

    def _mute(self) -> None:
        """No publications for a while, on a line that lives; what follows shows it, or the line is lost with it."""
        silence = self.truth.silence(self._quiet + PROBE_SECONDS)
        self.mute.append(silence)
        self.at.publications.mute(True)
        seconds = self.world.chance.choice([2.0, 30.0, 120.0])
        asyncio.get_running_loop().call_later(seconds, self._speak)

    def _speak(self) -> None:
        if not self.mute:
            return
        self.world.note("speaks again")
        self.at.publications.mute(False)
        if not self.proves_frames:
            for connection in self.at.venue.open:
                connection.drop()
        for topic in self.at.venue.face.joined_topics():
            self._lost(topic)  # and is known with the next that comes
        for silence in self.mute:
            self.truth.is_over(silence)
        self.mute.clear()

    def _lost(self, topic: str) -> None:
        if topic not in self.lost:
            self.lost[topic] = self.truth.silence(self._quiet + PROBE_SECONDS)

    def _passed(self, topic: str) -> None:
        silence = self.lost.pop(topic, None)
        if silence is not None:
            self.truth.is_over(silence)
        if topic in self.old and self.old[topic][0].hits:
            self.truth.is_over(self.old.pop(topic)[1])

    @property
    def _quiet(self) -> float:
        """Silence that is too long for a book here."""
        return max(watched.feed._port.source.quiet for watched in self.watched.values())

    def _unreachable(self) -> None:
        self.network.unreachable(times=self.world.chance.randint(1, 5))
        self._cut()

    def _refuse(self) -> None:
        self.network.refuse(503, times=self.world.chance.randint(1, 3))
        self._cut()

    def _refuse_joins(self) -> None:
        self.at.venue.sandbox.inject("refuse_rejoin", times=self.world.chance.randint(1, 3))
        self._cut()

    def _ignore_joins(self) -> None:
        self.at.venue.sandbox.inject("ignore_join", times=self.world.chance.randint(1, 2))
        self._cut()

    def _slow_join(self) -> None:
        self.at.venue.sandbox.inject("slow_join", seconds=self.world.chance.choice([0.5, 4.0]))
        self._cut()

    def _crash(self) -> None:
        topics = self.at.venue.face.joined_topics()
        if topics:
            self.at.venue.sandbox.inject("crash_channel", topic=self.world.chance.choice(topics))

    def _suspend(self) -> None:
        seconds = self.world.chance.choice([0.5, 5.0, 90.0])
        self.world.clock.suspend(seconds)
        self.truth.suspended(seconds)

    def _garble(self) -> None:
        for connection in self._chosen():
            connection.link.send('{"half": ')

    def _resync(self) -> None:
        for watched in self.watched.values():
            watched.feed.resync()

    def _reconnect(self) -> None:
        self.at.market.reconnect()

    def _watch_anew(self) -> None:
        instrument_id = self.world.chance.choice(list(self.watched))
        former = self.watched[instrument_id]
        self._watch(instrument_id)
        self.world.spawn(former.feed.aclose(), "leaving")

    def _lose(self) -> None:
        self.at.publications.lose(self.world.chance.randint(1, 3))

    def _duplicate(self) -> None:
        self.at.publications.duplicate()

    def _reorder(self) -> None:
        self.at.publications.reorder()

    def _halve(self) -> None:
        self.at.publications.halve()

    def _old_snapshot(self) -> None:
        """What follows it shows that it was old."""
        topics = [topic for topic in self.at.venue.face.joined_topics() if topic not in self.old]
        if topics:
            topic = self.world.chance.choice(topics)
            order = self.at.venue.sandbox.inject("stale_snapshot", topic=topic)
            self.old[topic] = (order, self.truth.silence(self._quiet + PROBE_SECONDS))
            self._cut()

    def _http_fault(self, request: httpx2.Request) -> httpx2.Response | None:
        if not self.world.likely(self.http_trouble):
            return None
        kind = self.world.chance.choice(["503", "429", "reset", "html"])
        if kind == "reset":
            raise httpx2.ReadError("simulated", request=request)
        if kind == "html":
            return answered(b"<html>simulated</html>", 200)
        return answered({"error": "simulated"}, int(kind))

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _calm(self) -> None:
        self.world.note("--- calm")
        self.http_trouble, self.http_seconds = 0.0, 0.02
        self.network.restore()
        self.at.venue.sandbox.lift()
        self._speak()
        self.at.publications.clear()
        await asyncio.sleep(self.at.dead_line_seconds)
        for watched in self.watched.values():
            try:
                await watched.feed.wait_live(HEALING_SECONDS)
            except Exception as error:
                self.world.complain("never back", f"{watched.instrument_id[:8]}: {error!r}")
        await asyncio.sleep(5.0)
        for watched in self.watched.values():
            if not watched.continuity.is_live:
                self.world.complain("not live", f"{watched.continuity}")
            watched.view = watched.feed._port.view
            watched.check()


def _difference(ours: Book, theirs: Book) -> str:
    for side, here, there in zip(("bids", "offers"), ours, theirs, strict=True):
        for index, (mine, its) in enumerate(zip(here, there, strict=False)):
            if mine != its:
                return f"{side} level {index}: {mine} and not {its}"
        if len(here) != len(there):
            return f"{len(here)} {side} and not {len(there)}"
    return "nothing"
