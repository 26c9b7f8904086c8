"""Ten minutes of one venue's market under random faults: no book is live and wrong, ever.

The exchange moves on its own pace; lines are cut, fall silent, come back slowly, requests fail, and frames are lost
where the book claims a proof of that. Whenever nothing can run and time is about to pass, each book that is live is
compared with the exchange's own, level by level. It has to be that; or, for no longer than a message is on its way, the
one before; or, on a line that has fallen silent and does not say so, one that stood when it did, for no longer than the
engine may take to notice. Our own orders and fills are told beside that, each state once, where the venue has them. In
the end, without faults, each book is live and right, and each order was told to be as it is.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

import httpx2

from tapewire.errors import TapewireError
from tapewire.market import Continuity
from tapewire.marks import ContinuityChanged, ContinuityState, is_mark
from tapewire.model import Fill
from tapewire.sandbox.face import ReplayingFace
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

PROBE_SECONDS: Final = 12.0
"""What the proof of a silence may take beside the silence itself, a look each second among it, for each feed of the
venue: a mark that its user takes counts as a voice of it."""

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
        self.feed = at.market.watch_order_book(instrument_id, on_continuity=self._changed)
        self.view = self.feed._port.view  # also before there is anything to take
        self.newest_shown = 0
        self._shown: tuple[tuple[int, int], Book] | None = None

    @property
    def continuity(self) -> Continuity:
        return self.feed.continuity

    def check(self) -> None:
        """Called whenever time is about to pass."""
        if not self.continuity.is_live:
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
            if self.world.likely(0.02):
                await asyncio.sleep(self.world.chance.choice([0.0, 0.3, 20.0]))

    def _changed(self, change: ContinuityChanged) -> None:
        self.world.note(f"{self.instrument_id[:8]} {change.before} > {change.state}: {change.reason}")
        if change.before is not self.state:
            self.world.complain("told", f"{change.before} > {change.state} was told behind {self.state}")
        self.state = change.state


ENDINGS: Final[Mapping[str, str]] = {
    "filled": "filled",
    "cancelled": "canceled",
    "partly_cancelled": "canceled",
}
"""How an order stands at the exchange that is not open any more, in the model's words."""

MOST_OPEN: Final = 5
"""Orders of ours that rest at a time."""

MOST_FILLS: Final = 30
"""Fills of ours in one run."""


class Own:
    """Our orders and fills, as their feeds tell them: each state of an order and each fill once, and in the end all."""

    def __init__(self, world: World, at: PlayedMarket) -> None:
        self.world, self.at = world, at
        self.account = at.exchange.open_account(at.account)
        self.orders: dict[str, tuple[str, Decimal]] = {}
        self.fills: set[str] = set()
        self.before: dict[str, set[str]] = {}
        """By verb: what was over when its feed began, or was there then and over before it was live."""
        self.feeds: dict[str, Any] = {}
        for verb in ("watch_orders", "watch_fills"):
            world.spawn(self._taken(verb), f"user of {verb}")

    async def _taken(self, verb: Any) -> None:
        while True:
            there = self._named(self.account.fills if verb == "watch_fills" else self.account.orders())
            self.before[verb] = there
            self.feeds[verb] = self.at.watch(verb, on_continuity=partial(self._changed, verb))
            is_first = True
            try:
                async for item in self.feeds[verb]:
                    if not is_mark(item):
                        self._hear(item)
                    elif (
                        is_first
                        and isinstance(item, ContinuityChanged)
                        and item.state is ContinuityState.LIVE
                    ):
                        is_first = False
                        if verb == "watch_orders":
                            self.before[verb] = there & self._named(self.account.closed_orders)
            except TapewireError as error:  # the venue's no, which ends a feed
                self.world.note(f"{verb} ended: {error}")
                (self.fills if verb == "watch_fills" else self.orders).clear()
                await asyncio.sleep(1.0)
            else:
                return

    def _changed(self, verb: str, change: ContinuityChanged) -> None:
        self.world.note(f"{verb} {change.before} > {change.state}: {change.reason}")

    def _named(self, known: Iterable[Any]) -> set[str]:
        return {self.at.known_as(each) for each in known}

    def _hear(self, item: Any) -> None:
        if isinstance(item, Fill):
            if item.fill_id in self.fills:
                self.world.complain("twice", f"the fill {item.fill_id} was told before")
            self.fills.add(item.fill_id)
            return
        state = item.status, item.filled_size
        self.world.note(f"order {item.venue_order_id[:8]} is told to be {item.status}")
        if self.orders.get(item.venue_order_id) == state:
            self.world.complain("twice", f"the order {item.venue_order_id} was told before to be {state}")
        self.orders[item.venue_order_id] = state

    def act(self) -> None:
        """We place an order, take something, or take an order back."""
        chosen = self.world.chance.choice(["order", "fill", "cancel"])
        if chosen == "fill" and len(self.account.fills) < MOST_FILLS:
            self.at.fill()
        elif chosen == "order" and len(self.account.open_orders) < MOST_OPEN:
            self.at.order()
        elif self.account.open_orders:
            self.at.cancel(self.world.chance.choice(list(self.account.open_orders)))

    async def check(self) -> None:
        """All is calm: what was told last of each is how it stands."""
        for verb, feed in self.feeds.items():
            try:
                await feed.wait_live(HEALING_SECONDS)
            except Exception as error:
                self.world.complain("never back", f"{verb}: {error!r}")
        await asyncio.sleep(5.0)
        self._check_orders()
        fills = self._named(self.account.fills) - self.before["watch_fills"]
        if len(self.fills) < len(fills):  # more: what was confirmed since the feed began had been made before
            self.world.complain("lost", f"{len(self.fills)} fills were told, and {len(fills)} there are")

    def _check_orders(self) -> None:
        for order in self.account.orders():
            name = self.at.known_as(order)
            if name in self.before["watch_orders"] or not (name in self.orders or self.at.tells_ended_orders):
                continue
            state, _ = self.orders.get(name, ("nothing", 0))
            expected = ENDINGS.get(order.status, "partially_filled" if order.filled else "accepted")
            if state != expected:
                self.world.complain("lost", f"order {name[:8]} is {expected} and was told to be {state}")


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
        self.exact_seconds = 0.0
        """What an answer takes now, where that is no matter of chance."""
        self.pace = world.chance.choice([0.2, 1.0, 3.0])
        """Seconds between two things at the exchange."""
        self.noise = world.chance.choice([5.0, 15.0, 40.0])
        """Seconds between two faults."""
        self.watched: dict[str, Watched] = {}
        self.own: Own | None = None
        self.mute: list[Silence] = []
        self.lost: dict[str, Silence] = {}
        self.old: dict[str, tuple[Any, Silence]] = {}
        """Snapshots that are to be old, by their topic."""
        self.slow: list[tuple[Any, float, Silence]] = []
        """Joins that are to take long, and for how long."""
        self.proves_frames = False
        self.alone = 0.0
        """Seconds that the last fault is to be left alone."""

    async def main(self) -> None:
        world = self.world
        world.tasks[asyncio.current_task()] = "main"  # type: ignore[index]
        self.network.to_client.delay = self.network.to_server.delay = world.chance.choice([0.0, 0.03])
        settings = VENUES[self.name].chance(world.chance.random)
        async with played(world.clock, self.name, network=self.network, **settings) as at:
            self.at: PlayedMarket = at
            self.proves_frames = at.market.capabilities["watch_order_book"].proof in PROVES_FRAMES
            at.publications.on_lost, at.publications.on_passed = self._lost, self._passed
            at.venue.http_delay = lambda: self.exact_seconds or self.http_seconds * world.chance.random()
            at.venue.http_fault = self._http_fault
            chosen = world.chance.sample(at.instruments, min(2, len(at.instruments)))
            self.truth = Truth(world, at, chosen)
            self.truth.on_its_way = 2 * self.network.to_client.delay  # a reset overtakes what it takes along
            for instrument_id in chosen:
                self._watch(instrument_id)
            world.watches.append(self._look)
            proof = at.market.capabilities["watch_orders"].proof
            if proof not in PROVES_FRAMES:  # what is lost on a living line nobody could know
                at.publications.is_spared = lambda topic: at.account in topic
            if proof != "none":
                self.own = Own(world, at)
            await asyncio.sleep(2.0)
            moving = world.spawn(self._move(), "exchange")
            await self._faults()
            await self._calm()
            moving.cancel()
            if self.own is not None:
                self._speak_last()
                await self.own.check()
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
        for order, seconds, silence in self.slow:
            if order.hits or not order.times_left:
                self.truth.is_over(silence, seconds)
        self.slow = [each for each in self.slow if each[0].times_left]
        for watched in self.watched.values():
            watched.check()

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(self.world.chance.expovariate(1 / self.pace))
            for _ in range(self.world.chance.choice([1, 1, 3])):
                if self.own is not None and self.own.feeds and self.world.likely(0.1):
                    self.own.act()
                elif self.world.likely(0.3):
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
            await asyncio.sleep(self.alone)
            self.alone = 0.0
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
                self._mute_alone,
                self._refuse_joins,
                self._ignore_joins,
                self._slow_join,
                self._crash,
                self._suspend,
            ),
            *(self._resync, self._resync_again, self._reconnect, self._watch_anew, self._garble),
        ]
        if isinstance(self.at.venue.face, ReplayingFace):
            faults += [self._prune, self._number_anew, self._lose_place]
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
        oldest = seconds + (
            self._unnoticed if self.mute else 0.0
        )  # what was not said before is not said now either
        self.truth.is_over(self.truth.silence(oldest, is_of_a_line=True), seconds)
        for connection in self._chosen():
            connection.link.half_open()

    def _deafen(self) -> None:
        for connection in self._chosen():
            connection.link.deafen()

    def _mute(self) -> None:
        """No publications for a while, on a line that lives; what follows shows it, or the line is lost with it."""
        self._mute_for(self.world.chance.choice([2.0, 30.0, 120.0]))

    def _mute_alone(self) -> None:
        """For longer than any book may be silent, and nothing else that could have it anew."""
        self.alone = self._unnoticed + PROBE_SECONDS
        self._mute_for(self.alone)

    def _mute_for(self, seconds: float) -> None:
        silence = self.truth.silence(self._unnoticed)
        self.mute.append(silence)
        self.at.publications.mute(True)
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
            self.lost[topic] = self.truth.silence(self._unnoticed)

    def _passed(self, topic: str) -> None:
        silence = self.lost.pop(topic, None)
        if silence is not None:
            self.truth.is_over(silence)
        if topic in self.old and self.old[topic][0].hits:
            self.truth.is_over(self.old.pop(topic)[1])

    @property
    def _unnoticed(self) -> float:
        """For how long a book here may be silent before that is known."""
        quiet = max(watched.feed._port.source.quiet for watched in self.watched.values())
        feeds = len(self.watched) + (0 if self.own is None else len(self.own.feeds))
        return float(quiet * self.at.silences + PROBE_SECONDS * feeds)

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
        """What is said on the same line meanwhile waits behind it."""
        seconds = self.world.chance.choice([0.5, 4.0])
        order = self.at.venue.sandbox.inject("slow_join", seconds=seconds)
        self.slow.append((order, seconds, self.truth.silence(seconds)))
        self._cut()

    def _crash(self) -> None:
        topics = self.at.venue.face.joined_topics()
        if topics:
            self.at.venue.sandbox.inject("crash_channel", topic=self.world.chance.choice(topics))

    def _prune(self) -> None:
        """What was missed cannot be replayed, or not all of it."""
        self.at.venue.face.prune_history(None, self.world.chance.randint(0, 3))
        self._cut()

    def _number_anew(self) -> None:
        self.at.venue.face.restart_history(None)

    def _lose_place(self) -> None:
        topics = self.at.venue.face.joined_topics()
        self.at.venue.face.lose_place(self.world.chance.choice([None, *topics[:3]]))

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

    def _resync_again(self) -> None:
        """What is asked for anew is asked for again while it is on its way: what happens in between is in the later."""
        self.http_trouble, self.exact_seconds, self.alone = 0.0, 3.0, 4.0
        for seconds, call in (
            (0.0, self._resync),
            (1.75, self._move_all),  # behind the moment of the first answer, ahead of the second question
            (2.0, self._resync),
            (3.5, self._answer_as_before),
        ):
            asyncio.get_running_loop().call_later(seconds, call)

    def _move_all(self) -> None:
        for instrument_id in self.watched:
            self.at.move(instrument_id)
        self.truth.note()

    def _answer_as_before(self) -> None:
        self.exact_seconds = 0.0

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
            self.old[topic] = (order, self.truth.silence(self._unnoticed))
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
            watched.check()

    def _speak_last(self) -> None:
        """Something of our own happens: that what was said last was lost is known with the next, or after long silence.

        And where a chain confirms fills, it has then.
        """
        self.at.order()
        self.at.venue.publish([])
        self.truth.note()


def _difference(ours: Book, theirs: Book) -> str:
    for side, here, there in zip(("bids", "offers"), ours, theirs, strict=True):
        for index, (mine, its) in enumerate(zip(here, there, strict=False)):
            if mine != its:
                return f"{side} level {index}: {mine} and not {its}"
        if len(here) != len(there):
            return f"{len(here)} {side} and not {len(there)}"
    return "nothing"
