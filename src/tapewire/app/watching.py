"""Feeds of several venues, watched for a screen or a pipe: what is asked for, opened, noted and passed on.

Every venue is connected once, however many feeds of it there are. Each feed has a task of its own, so that one that is
slow to be taken, or ends, holds up nobody. What cannot be watched at all is raised before anything is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import msgspec

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, NotSupported, TapewireError, UnknownInstrument
from ..market import Feed, Venue, WatchOptions
from ..marks import ContinuityChanged
from ..model import Instrument, Market
from ..venues import connect
from .view import Happenings, Picture, Track, VenuePicture, picture
from .wanted import ACCOUNT_KINDS, KINDS, FeedKind, Target

__all__ = ["MOST_FEEDS", "Listed", "Passing", "Watch", "chosen", "listed"]

MOST_FEEDS: Final = 200
"""Feeds of one watch: more are a recorder's business."""

MOST_LOOKED_AT: Final = 5_000
"""Instruments that are looked through for a name."""

CLOSE_SECONDS: Final = 1.0
"""How long venues may take to be left politely."""

Passing: TypeAlias = Callable[[Track, Any], Awaitable[None]]
"""Given each item and mark of a feed, in order. While it waits the feed's own buffer fills, and says what it drops."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A market and what can be traded of it; `market` is None where the venue lists instruments alone."""

    venue: str
    market: Market | None
    instruments: tuple[Instrument, ...]

    def name_of(self, instrument: Instrument) -> str:
        """What to call it beside the market's name: the outcome's, else its own."""
        outcomes = () if self.market is None else self.market.outcomes
        named = next((each.name for each in outcomes if each.outcome_id == instrument.instrument_id), "")
        return named or instrument.name


async def listed(venue: Venue, *, is_open: bool = True, search: str = "") -> AsyncIterator[Listed]:
    """The venue's markets with what is traded of them; its instruments, where it lists no markets.

    `search` is a part of a name or an id. Raises NotSupported where it lists neither.
    """
    if not _has(venue, "markets"):
        async for instrument in venue.instruments(search=search):
            yield Listed(venue=venue.name, market=None, instruments=(instrument,))
        return
    traded = {each.instrument_id: each async for each in venue.instruments()}
    async for market in venue.markets(open=is_open, search=search):
        of_it = (traded.get(outcome.outcome_id) for outcome in market.outcomes)
        yield Listed(venue=venue.name, market=market, instruments=tuple(filter(None, of_it)))


async def chosen(venue: Venue, market: str | None) -> list[Instrument]:
    """The instruments that somebody means by a text: one of that id, those of a market of that id, or of one name.

    None is the venue's first. Raises UnknownInstrument, which lists near ones, and NotSupported.
    """
    if market is None:
        return [await _first(venue)]
    try:
        return [await venue.instrument(market)]
    except UnknownInstrument as error:
        unknown = error
    found: list[Instrument] = []
    async with aclosing(venue.instruments(search=market)) as instruments:  # type: ignore[type-var]
        async for instrument in instruments:
            found.append(instrument)
            if len(found) >= MOST_LOOKED_AT:
                break
    of_it = [each for each in found if each.market_id == market]
    if of_it:
        return of_it
    exact = [each for each in found if each.name.casefold() == market.casefold()] or found
    if len(exact) == 1:
        return exact
    if not found:
        raise unknown
    raise UnknownInstrument(venue.name, market, [f"{each.instrument_id} ({each.name})" for each in exact[:3]])


async def _first(venue: Venue) -> Instrument:
    """Of the first market that is open; the first instrument, where no markets are listed."""
    if _has(venue, "markets"):
        async with aclosing(venue.markets()) as markets:  # type: ignore[type-var]
            async for market in markets:
                return await venue.instrument(market.outcomes[0].outcome_id)
    async with aclosing(venue.instruments()) as instruments:  # type: ignore[type-var]
        async for instrument in instruments:
            return instrument
    raise UnknownInstrument(venue.name, "", ())


def _has(venue: Venue, verb: str) -> bool:
    found = dict(venue.capabilities).get(verb)  # type: ignore[call-overload]
    return found is not None and found.supported


class Watch:
    """What is watched. `run` it; meanwhile `picture()` says how all of it stands, and `passing` is given each item.

    `kinds`: None for what the venue has of book and trades, else of what is our own. `depth`: levels of a book's side.
    `make`: makes a venue by its name, `tapewire.connect` where none is given. Raises ConfigurationError.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        kinds: Sequence[FeedKind] | None = None,
        *,
        depth: int | None = 20,
        passing: Passing | None = None,
        make: Callable[[str], Venue] = connect,
        clock: Clock | None = None,
    ) -> None:
        self.tracks: list[Track] = []
        self._targets = list(dict.fromkeys(targets))
        self._kinds = kinds
        self._depth = depth
        self._passing = passing
        self._clock: Clock = clock or SystemClock()
        self._happenings = Happenings()
        self._venues = {name: make(name) for name in dict.fromkeys(target.venue for target in self._targets)}
        self._are_connected: set[str] = set()

    async def run(self) -> None:
        """Connect, watch, and return when every feed has ended: `tracks` say why. Cancel it to stop.

        Raises NotSupported for a kind that a venue has not, UnknownInstrument, and what forbids to connect.
        """
        try:
            await _side_by_side(self._connect(venue) for venue in self._venues.values())
            for target in self._targets:
                await self._open(self._venues[target.venue], target)
            await _side_by_side(self._read(track) for track in self.tracks)
        finally:
            closing = [asyncio.ensure_future(venue.close()) for venue in self._venues.values()]
            _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
            for task in late:
                _ = task.cancel()

    def picture(self, depth: int | None = None) -> Picture:
        """How all of it stands now."""
        venues = [self._venue_picture(venue) for venue in self._venues.values()]
        return picture(self.tracks, venues, self._happenings, self._clock.time_ns(), depth or self._depth)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _connect(self, venue: Venue) -> None:
        await venue.connect()
        self._are_connected.add(venue.name)

    async def _open(self, venue: Venue, target: Target) -> None:
        kinds = self._kinds or _usual(venue, target.market)
        for kind in kinds:
            _check(venue, kind)
        instruments: Iterable[Instrument | None] = [None]
        if target.market is not None or any(kind not in ACCOUNT_KINDS for kind in kinds):
            instruments = await chosen(venue, target.market)
        for instrument in instruments:
            for kind in kinds:
                if len(self.tracks) >= MOST_FEEDS:
                    raise ConfigurationError("targets", str(target), f"at most {MOST_FEEDS} feeds")
                is_general = kind in ACCOUNT_KINDS and (target.market is None or kind == "balance")
                named = None if is_general else instrument
                self._watch(venue, kind, named)

    def _watch(self, venue: Venue, kind: FeedKind, instrument: Instrument | None) -> None:
        feed: Feed[Any]
        tell: list[Track] = []

        def told(change: ContinuityChanged) -> None:
            tell[0].changed(change)

        hook: WatchOptions = {"on_continuity": told}
        if kind == "balance":
            feed = venue.watch_balance(**hook)
        elif kind == "book":
            assert instrument is not None
            feed = venue.watch_order_book(instrument.instrument_id, depth=self._depth, **hook)
        else:
            watch: Callable[..., Feed[Any]] = getattr(venue, KINDS[kind])
            feed = watch(None if instrument is None else instrument.instrument_id, **hook)
        tell.append(Track(kind, feed, instrument, self._happenings))
        self.tracks += tell

    async def _read(self, track: Track) -> None:
        error: BaseException | None = None
        try:
            async for items in track.feed.batches():
                now_ns = self._clock.time_ns()
                for item in items:
                    track.take(item, now_ns)
                    if self._passing is not None:
                        await self._passing(track, item)
        except TapewireError as ended:
            error = ended
        track.ended(error, self._clock.time_ns())

    def _venue_picture(self, venue: Venue) -> VenuePicture:
        figures, is_up = venue.statistics(), venue.is_connected
        state = "up" if is_up else "connecting"
        if venue.name in self._are_connected and not is_up:
            state = str(getattr(figures, "state", "down"))
        return VenuePicture(
            name=venue.name,
            state=state,
            reconnections=getattr(figures, "reconnections", 0),
            note="" if is_up else str(getattr(figures, "last_error", "")),
        )


async def _side_by_side(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them, until the last is done. Raises the first error, and cancels the others for it."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                _ = group.create_task(work)
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
    else:
        return
    raise first


def _usual(venue: Venue, market: str | None) -> tuple[FeedKind, ...]:
    """What is watched where nobody said: book and trades, else our own. Raises NotSupported where there is neither."""
    public = tuple(kind for kind in ("book", "trades") if _has(venue, KINDS[kind]))
    if public:
        return public  # type: ignore[return-value]
    own = tuple(kind for kind in KINDS if kind in ACCOUNT_KINDS and _has(venue, KINDS[kind]))
    if not own or market is not None:
        _check(venue, "book")
    return own


def _check(venue: Venue, kind: FeedKind) -> None:
    capability = venue.capabilities.get(KINDS[kind])
    if capability is None or not capability.supported:
        note = "" if capability is None else capability.note
        instead = None if capability is None else capability.instead
        raise NotSupported(KINDS[kind], venue.name, instead, note)
