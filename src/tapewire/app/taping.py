"""Markets onto a tape, and from it: `tapewire record` and `tapewire replay`.

One function watches (`watch`), live and from the tape alike: it does the same in the same order, whichever it is. What
it needs for that is the `Plan` on the head of each tape. What was heard live is summed up on the tape when it ends,
feed by feed; a replay says whether it has heard the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import random
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from .. import connect
from ..errors import ConfigurationError, NotSupported, TapeCorrupt, TapewireError
from ..market import BookView, Feed, Venue
from ..marks import ContinuityState, is_mark
from ..recording import Recorder, Replay, Tape, recorded, replayed
from ..recording.format import Kind
from ..recording.http import unnoted
from ..recording.placeholders import FILL, said_by_us
from ..recording.seeds import SeedUnfit
from ..secrets import sanitized
from ..venues import VENUES, VenueSeeding, make_seeding
from .leading import led_by
from .wanted import KINDS, FeedKind, Target, parse_duration

__all__ = [
    "LEVELS",
    "Heard",
    "Plan",
    "PlannedReplay",
    "Recording",
    "has_plan",
    "name_of",
    "parse_moment",
    "row_of",
    "together",
    "watch",
]

logger = logging.getLogger("tapewire.recording")

LEVELS: Final = 10
"""Of each side of a book, that are told and summed up."""

CLOSE_SECONDS: Final = 1.2
"""How long a market may take to leave. The tape is closed whole in any case."""

BEHIND_SECONDS: Final = 5.0
"""Of the tape's time: how long whatever is under way may take behind its end."""

SEED_SECONDS: Final = 60.0
"""How often a recording makes a seed point."""

LOOK_BACK_NS: Final = 10_000_000_000
"""How far before its end a tape says what was heard."""


# --- what is asked for ----------------------------------------------------------------------------------------------


def parse_moment(text: str, begun_ns: int, name: str) -> int:
    """Wall clock in nanoseconds, of `2026-01-31T10:00:00` (UTC), or of `90s`, `5m` behind `begun_ns`.

    Raises ConfigurationError.
    """
    if re.fullmatch(r"[0-9.]+\s*(?:ms|[smhd])?", text.strip()):
        with suppress(ConfigurationError):
            return begun_ns + int(parse_duration(text) * 1e9)
        return begun_ns
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        allowed = "a time as 2026-01-31T10:00:00, or how long behind the beginning: 90s, 5m, 1h"
        raise ConfigurationError(name, text, allowed) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched at one venue, as a tape's head has it: whoever replays does the same.

    `instruments`: ids, None for the first. `kinds`: of `KINDS`; None for what there is. `seed`: of the back-off.
    `environment`: the variables of the venue's classes, with placeholders for what is secret.
    """

    run: str
    instruments: list[str | None]
    kinds: Sequence[FeedKind] | None = None
    seed: int = 0
    environment: dict[str, str] = {}


def plans_of(targets: Sequence[Target], kinds: Sequence[FeedKind] | None) -> dict[str, Plan]:
    """By venue, in the order in which they are named."""
    wanted: dict[str, dict[str | None, None]] = {}
    for target in targets:
        wanted.setdefault(target.venue, {})[target.market] = None
    return {
        venue: Plan(
            run=secrets.token_hex(8),
            instruments=list(instruments),
            kinds=kinds,
            seed=secrets.randbits(32),
            environment=environment_of(venue),
        )
        for venue, instruments in wanted.items()
    }


def environment_of(venue: str) -> dict[str, str]:
    """What the environment says to the venue's classes, without what is secret."""
    return {
        name: FILL * len(value) if setting.secret else said_by_us(value)
        for name, setting in VENUES[venue].variables.items()
        if (value := os.environ.get(name))
    }


# --- what is heard --------------------------------------------------------------------------------------------------


class Heard:
    """What the user of one feed has received. `digest`: over all of it, but for this machine's times."""

    def __init__(self, name: str, expected: tuple[int, str] | None = None) -> None:
        self.name: str = name
        self.items = self.marks = 0
        self.state: ContinuityState = ContinuityState.SYNCING
        self.error: str = ""
        self._expected = expected
        self._sum = hashlib.sha256()
        self.is_as_live: bool | None = None if expected is None else expected[0] == 0
        """In a replay: whether it has received what was received live; None where nothing says what that was."""

    @property
    def count(self) -> int:
        """Items and marks."""
        return self.items + self.marks

    @property
    def digest(self) -> str:
        """Of all that was taken so far."""
        return self._sum.hexdigest()

    def take(self, item: Any) -> dict[str, Any]:
        """Count and sum it up; returns its row."""
        row = row_of(item)
        if is_mark(item):
            self.marks += 1
        else:
            self.items += 1
        self._sum.update(msgspec.json.encode(timeless(row)) + b"\n")
        if self._expected is not None and self._expected[0] == self.count:
            self.is_as_live = self._expected[1] == self.digest
        return row


def name_of(feed: Feed[Any]) -> str:
    """What a feed is called, live and from the tape."""
    return f"{feed.venue}:{feed.instrument_id or ''} {feed.verb}"


def row_of(item: Any) -> dict[str, Any]:
    """An item of a feed as plain values, the newest state of a book as its best levels."""
    made = item.snapshot(LEVELS) if isinstance(item, BookView) else item
    facts: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(made), enc_hook=repr)
    return {"type": type(made).__name__, **facts}


def timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without the times of this machine."""
    return {name: value for name, value in row.items() if not name.endswith("_ns") or name == "venue_time_ns"}


Tell = Callable[[Feed[Any], Any, dict[str, Any]], None]
"""Told of each thing that is heard: of which feed, the item or mark, and its row."""


Beside = Callable[[Venue, Sequence[Feed[Any]]], Coroutine[Any, Any, None]]


async def watch(
    venue: str,
    plan: Plan,
    way: Mapping[str, Any],
    until: Callable[[], Awaitable[None]],
    *,
    tell: Tell,
    heard: list[Heard],
    expected: Mapping[str, tuple[int, str]] | None = None,
    beside: Beside | None = None,
) -> None:
    """Watch what the plan says, until that returns or every feed has ended. `heard` gets one for each feed.

    `beside`: run while the feeds are open, given the market and them.

    Raises what the market raises.
    """
    leaving = asyncio.ensure_future(until())
    watching = asyncio.ensure_future(_watching(venue, plan, way, tell, heard, expected or {}, beside))
    try:
        await asyncio.wait((leaving, watching), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        await _cancelled([watching, leaving])


async def _watching(
    venue: str,
    plan: Plan,
    way: Mapping[str, Any],
    tell: Tell,
    heard: list[Heard],
    expected: Mapping[str, tuple[int, str]],
    beside: Beside | None,
) -> None:
    fraction = random.Random(plan.seed).random
    market = connect(venue, **way, session_options={"fraction": fraction})
    async with _bounded(market):
        feeds: list[Feed[Any]] = []
        for instrument_id in plan.instruments:
            feeds += await _feeds(market, instrument_id, plan.kinds)
        tasks = []
        for feed in feeds:
            name = name_of(feed)
            heard.append(Heard(name, expected.get(name)))
            tasks.append(asyncio.create_task(_read(feed, heard[-1], tell), name=f"tapewire {name}"))
        aside = [] if beside is None else [asyncio.create_task(beside(market, feeds), name="tapewire beside")]
        try:
            await _all_over(tasks)
        finally:
            await _cancelled([*tasks, *aside])


async def _all_over(tasks: Sequence[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)


async def _cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def together(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of it; the first error ends the others, and is raised as it is."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancelled(tasks)


@asynccontextmanager
async def _bounded(market: Venue) -> AsyncIterator[None]:
    """Connected, and left within `CLOSE_SECONDS`."""
    try:
        await market.connect()
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await market.close()


async def _feeds(
    market: Venue, instrument_id: str | None, kinds: Sequence[FeedKind] | None
) -> list[Feed[Any]]:
    """Raises NotSupported, ConfigurationError."""
    if kinds is None:
        found = {kind: market.capabilities.get(verb) for kind, verb in KINDS.items()}
        has = {kind: each.private for kind, each in found.items() if each is not None and each.supported}
        kinds = [kind for kind, private in has.items() if not private] or list(has)
    if instrument_id is None and market.capabilities["instruments"].supported:
        async for instrument in market.instruments():
            instrument_id = instrument.instrument_id
            break
        else:
            raise NotSupported("instruments", market.name, None, "it lists none now")
    made: list[Feed[Any]] = []
    for kind in kinds:
        verb = getattr(market, KINDS[kind])
        made.append(verb() if kind == "balance" else verb(instrument_id))
    return made


async def _read(feed: Feed[Any], heard: Heard, tell: Tell) -> None:
    try:
        async for item in feed:
            heard.state = feed.continuity.state
            tell(feed, item, heard.take(item))
    except TapewireError as error:
        heard.error = str(error)
    finally:
        heard.state = feed.continuity.state


# --- onto a tape ----------------------------------------------------------------------------------------------------


class Recording:
    """Watches, and keeps what enters and leaves the lines on a tape for each venue in `folder`.

    `brake`: see `Recorder`. `seed_seconds`: how often a seed point is made, from which a replay may begin; 0 for never.
    There are none of an account's feeds, nor of a venue whose classes cannot begin so (docs/tape.md).
    """

    def __init__(
        self,
        targets: Sequence[Target],
        kinds: Sequence[FeedKind] | None,
        folder: Path,
        *,
        brake: bool = False,
        seed_seconds: float = SEED_SECONDS,
    ) -> None:
        self._plans = plans_of(targets, kinds)
        self._brake = brake
        self._seed_seconds = seed_seconds
        self._seedings = {venue: make_seeding(venue) if seed_seconds else None for venue in self._plans}
        self._folder = folder
        self.recorders: dict[str, Recorder] = {}
        self.heard: dict[str, list[Heard]] = {venue: [] for venue in self._plans}

    async def run(self, stop: asyncio.Event, tell: Tell = lambda feed, item, row: None) -> None:
        """Until `stop` is set, or every feed has ended. Every tape is closed whole, however it ends.

        Raises what the markets raise, OSError where a file cannot be made or closed.
        """
        async with AsyncExitStack() as stack:
            for venue, plan in self._plans.items():
                settings = {"plan": msgspec.to_builtins(plan)}
                seeding = self._seedings[venue]
                recorder = Recorder(
                    self._folder, venue, settings=settings, brake=self._brake, seeding=seeding
                )
                self.recorders[venue] = recorder
                stack.push_async_callback(asyncio.to_thread, recorder.close)
            await together([self._one(venue, stop, tell) for venue in self._plans])

    async def _one(self, venue: str, stop: asyncio.Event, tell: Tell) -> None:
        recorder, plan, heard = self.recorders[venue], self._plans[venue], self.heard[venue]
        sums: dict[str, tuple[int, str]] = {}

        async def until() -> None:
            await stop.wait()
            recorder.write_note({"left": plan.run})
            sums.update(sums_of(heard))  # what still comes while it is left may come otherwise in a replay

        try:
            await watch(
                *(venue, plan, recorded(recorder), until),
                tell=_unless(stop.is_set, tell),
                heard=heard,
                beside=self._beside(venue),
            )
        finally:
            recorder.write_note({"heard": plan.run, "feeds": sums or sums_of(heard)})

    def _beside(self, venue: str) -> Beside | None:
        seeding, recorder = self._seedings[venue], self.recorders[venue]
        return None if seeding is None else partial(self._seed, recorder, seeding)

    async def _seed(
        self, recorder: Recorder, seeding: VenueSeeding, market: Venue, feeds: Sequence[Feed[Any]]
    ) -> None:
        """Again and again, a seed point. Where a snapshot cannot be had there is none this time."""
        if any(market.capabilities[feed.verb].private for feed in feeds):
            return
        wanted: dict[str, list[str]] = {}
        for feed in feeds:
            if feed.instrument_id:
                wanted.setdefault(feed.verb, []).append(feed.instrument_id)
        while True:
            await asyncio.sleep(self._seed_seconds)
            recorder.seed_begun()
            try:
                with unnoted() as answers:
                    async with asyncio.timeout(self._seed_seconds):
                        found = await seeding.snapshots(market, wanted)
            except (TapewireError, TimeoutError) as error:
                logger.info("%s: no seed point: %s", market.name, sanitized(error))
                continue
            if found is None:
                return
            recorder.seed_made(found, answers)


def sums_of(heard: Sequence[Heard]) -> dict[str, tuple[int, str]]:
    """How much each feed has heard, and its digest."""
    return {each.name: (each.count, each.digest) for each in heard}


def _unless(is_over: Callable[[], bool], tell: Tell) -> Tell:
    """What comes while it is left is of no interest any more."""
    return lambda feed, item, row: None if is_over() else tell(feed, item, row)


# --- from a tape ----------------------------------------------------------------------------------------------------


class PlannedReplay:
    """The tapes that `Recording` made, played to the same watching. `replay`: what plays them.

    With `seeks=True` among the options it begins at a seed point; where that leads elsewhere, at the first record,
    before anything of `from_ns` on is told. Raises what `Replay` raises, ConfigurationError where a tape has no plan.
    """

    def __init__(self, paths: Sequence[Path], **options: Any) -> None:
        self._paths = paths
        self._options = options
        self.replay = Replay(*paths, **options)
        self.heard: dict[str, list[Heard]] = {}
        self._plans: dict[str, tuple[str, Plan]] = {}
        for tape in self.replay.tapes:
            if not has_plan(tape):
                self.replay.close()
                allowed = "one that `tapewire record` made: replay others with tapewire.recording.Replay"
                raise ConfigurationError("tape", str(tape.path), allowed)
            plan = msgspec.convert(tape.head.settings["plan"], Plan)
            self._plans[tape.head.recording] = (tape.head.venue, plan)

    @property
    def all_heard(self) -> list[Heard]:
        """Feed by feed."""
        return [each for heard in self.heard.values() for each in heard]

    def run(self, tell: Tell) -> None:
        """Play all of it. Raises TapeCorrupt, and what the markets raise.

        Meanwhile the environment says of the venues what it said then, and nothing else.
        """
        environment = {
            name: value for _, plan in self._plans.values() for name, value in plan.environment.items()
        }
        with led_by(environment, (venue for venue, _ in self._plans.values())):
            try:
                self.replay.run(self._main_with(tell))
            except SeedUnfit:
                self.replay.close()
                self.heard.clear()
                self.replay = Replay(*self._paths, **{**self._options, "seeks": False})
                with self.replay:
                    self.replay.run(self._main_with(tell))

    def _main_with(self, tell: Tell) -> Callable[[Replay], Awaitable[None]]:
        async def main(replay: Replay) -> None:
            await together([self._one(recording, tell) for recording in self._plans])

        return main

    async def _one(self, recording: str, tell: Tell) -> None:
        replay = self.replay
        venue, plan = self._plans[recording]
        tapes = [tape for tape in replay.tapes if tape.head.recording == recording]
        expected = None if replay.begins_at_a_seed else expected_of(tapes)
        heard = self.heard[recording] = []
        left = asyncio.Event()

        async def until() -> None:
            await replay.noted({"left": plan.run})
            left.set()

        watching = asyncio.create_task(
            watch(
                *(venue, plan, replayed(replay), until),
                tell=_unless(lambda: left.is_set() or replay.is_unfit, tell),
                heard=heard,
                expected=expected,
            )
        )
        over = asyncio.create_task(self._over())
        try:
            await asyncio.wait((watching, over), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            await _cancelled([watching, over])

    async def _over(self) -> None:
        """The tape is over, and whatever it had under way."""
        await self.replay.ended.wait()
        self.replay.clock.speed = math.inf
        await asyncio.sleep(BEHIND_SECONDS)


def has_plan(tape: Tape) -> bool:
    """Whether `Recording` made it, so that it can be replayed without a word more."""
    return "plan" in tape.head.settings


def expected_of(tapes: Sequence[Tape]) -> dict[str, tuple[int, str]] | None:
    """What was heard live, feed by feed: how much, and its digest. None where nothing says so."""
    last = max(tapes, key=lambda tape: tape.head.segment)
    index = last.footer.index
    found: Any = None
    for record in last.read(from_ns=index[-1].last_ns - LOOK_BACK_NS if index else None, on_corrupt=_passed):
        if record.kind == Kind.NOTE and isinstance(record.data, dict) and "heard" in record.data:
            found = record.data["feeds"]
    return None if found is None else {name: (count, digest) for name, (count, digest) in found.items()}


def _passed(error: TapeCorrupt) -> None:
    """Who plays it is told."""
