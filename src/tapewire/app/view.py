"""What a screen shows of watched feeds: a frozen `Picture`, made of what was noted and of the time it is.

Nothing here reads a clock, knows a terminal or draws: a terminal, a page or a test is given the same value.

Rules:

* A number is shown with how old it is. One that is older than its feed's class allows (`feed.quiet`) is `is_old`, and
  one of a feed that is not live is not to be believed, however young: whoever draws must say both. What is our own does
  not age: it stands until the venue says otherwise.
* What a venue says in words (names, reasons) holds nothing that a terminal or a page would obey: control characters,
  and those that turn the direction of writing, are written out.
* Whatever is remembered is bounded: the newest `MOST_ITEMS` of a feed, the newest `MOST_HAPPENINGS` of all.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from statistics import median
from typing import Any, Final, TypeAlias

import msgspec

from ..market import BookView, Continuity, Feed, Proof
from ..marks import ContinuityChanged, ContinuityState, Gap, Lagged, Mark, Reconnected, is_mark
from ..model import Balance, BookSnapshot, Fill, Instrument, Order, Position, Ticker, Trade
from ..secrets import sanitized
from .wanted import ACCOUNT_KINDS, FeedKind

__all__ = [
    "FeedPicture",
    "Happening",
    "Happenings",
    "Health",
    "Item",
    "MarketPicture",
    "Picture",
    "Track",
    "VenuePicture",
    "age_s",
    "picture",
]

MOST_ITEMS: Final = 200
MOST_HAPPENINGS: Final = 100
RATE_SECONDS: Final = 10
"""News a second are counted over so many."""

TOGETHER_NS: Final = 1_000_000_000
"""The same happening to several feeds of a market within so long is told once."""

MOST_LATENCIES: Final = 100

Item: TypeAlias = Trade | Ticker | Order | Fill | Position | Balance


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed is worth: as `market.Continuity`, and for how many seconds it has been so."""

    state: ContinuityState
    proof: Proof
    for_s: float
    reason: str = ""
    missed: int | None = 0

    @property
    def is_live(self) -> bool:
        """True while it is whole and current."""
        return self.state is ContinuityState.LIVE


class FeedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One feed. Either a `book`, or `items`: the newest first; of what stands for a state one of each.

    `age_s`: seconds since it said anything, None where it never did; `is_old`: that is more than `fresh_s`. `rate`:
    news a second. `latency_ms`: from the venue's clock to ours, the middle of the last ones; None where the venue says
    no time. `news`, `gaps`, `lagged`: how many there were.
    """

    kind: FeedKind
    health: Health
    age_s: float | None
    fresh_s: float | None
    is_old: bool
    rate: float
    latency_ms: float | None
    news: int
    gaps: int
    lagged: int
    book: BookSnapshot | None = None
    items: tuple[Item, ...] = ()


class MarketPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The feeds of one instrument; of an account, where `instrument_id` is None. `name` is for people.

    `payout`: what a contract of an outcome pays, so that payout / price are its decimal odds; None for all else.
    """

    venue: str
    instrument_id: str | None
    name: str
    currency: str
    payout: Decimal | None
    feeds: tuple[FeedPicture, ...]

    @property
    def target(self) -> str:
        """As it is asked for."""
        return self.venue if self.instrument_id is None else f"{self.venue}:{self.instrument_id}"


class VenuePicture(msgspec.Struct, frozen=True, kw_only=True):
    """The line to one venue. `state` is one word; `note` why it is not up."""

    name: str
    state: str
    reconnections: int = 0
    note: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a feed, or to all `kinds` of a market at once.

    `path`: the states that it went through, where its continuity changed; `text`: why, or what else happened.
    """

    at_ns: int
    target: str
    kinds: tuple[FeedKind, ...]
    text: str
    path: tuple[ContinuityState, ...] = ()
    is_bad: bool = False

    def __str__(self) -> str:
        return ": ".join(filter(None, (" -> ".join(self.path), self.text)))


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, at one moment. `happenings`: the newest last."""

    at_ns: int
    venues: tuple[VenuePicture, ...]
    markets: tuple[MarketPicture, ...]
    happenings: tuple[Happening, ...] = ()


def age_s(item: Item, at_ns: int) -> float:
    """How old an item is, in seconds."""
    return max(0.0, (at_ns - item.received_at_ns) / 1e9)


class Happenings:
    """What happened, the newest last.

    What happens to several feeds of a market at once is one, and so are changes of one that follow each other at once.
    """

    def __init__(self) -> None:
        self._all: deque[Happening] = deque(maxlen=MOST_HAPPENINGS)

    def note(self, happening: Happening) -> None:
        """Take one in."""
        for number in range(1, min(4, len(self._all)) + 1):
            former = self._all[-number]
            if former.target == happening.target and happening.at_ns - former.at_ns < TOGETHER_NS:
                joined = _joined(former, happening)
                if joined is not None:
                    self._all[-number] = joined
                    return
        self._all.append(happening)

    def __iter__(self) -> Iterator[Happening]:
        return iter(self._all)


def _joined(former: Happening, later: Happening) -> Happening | None:
    """Both as one, where they are the same of two feeds, or the way of one feed goes on; else None."""
    if (former.text, former.path) == (later.text, later.path):
        kinds = tuple(dict.fromkeys((*former.kinds, *later.kinds)))
        return msgspec.structs.replace(former, kinds=kinds)
    if former.kinds == later.kinds and former.path and later.path and former.path[-1] is later.path[0]:
        return msgspec.structs.replace(
            former,
            path=(*former.path, *later.path[1:]),
            text=former.text or later.text,
            is_bad=former.is_bad or later.is_bad,
        )
    return None


class Track:
    """What is noted of one feed: give it each item, mark and change, with the time by the clock of this machine.

    `instrument`: None for what is of the whole account, or where the venue lists none.
    """

    def __init__(
        self, kind: FeedKind, feed: Feed[Any], instrument: Instrument | None, happenings: Happenings
    ) -> None:
        self.kind: FeedKind = kind
        self.feed: Feed[Any] = feed
        self.instrument: Instrument | None = instrument
        self.error: str = ""
        """What ended the feed; empty while it goes on."""
        self._happenings = happenings
        self._book: BookView | None = None
        self._items: OrderedDict[Any, Item] = OrderedDict()  # the newest last
        self._heard_ns: int | None = None
        self._seconds: deque[tuple[int, int]] = deque(
            maxlen=RATE_SECONDS + 1
        )  # a second, and how many came in it
        self._first_second: int | None = None
        self._latencies: deque[int] = deque(maxlen=MOST_LATENCIES)
        self._news = self._gaps = self._lagged = 0

    @property
    def book(self) -> BookView | None:
        """The book, once the feed has told of it."""
        return self._book

    @property
    def target(self) -> str:
        """As it is asked for."""
        named = self.feed.instrument_id
        return self.feed.venue if named is None else f"{self.feed.venue}:{named}"

    def take(self, item: Any, now_ns: int) -> None:
        """An item of the feed, or a mark in its place."""
        if is_mark(item):
            self._marked(item, now_ns)
            return
        self._news += 1
        self._heard_ns = now_ns
        second = now_ns // 1_000_000_000
        if self._first_second is None:
            self._first_second = second
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))
        if item.venue_time_ns is not None:
            self._latencies.append(item.received_at_ns - item.venue_time_ns)
        if isinstance(item, BookView):
            self._book = item
            return
        key = self._news if isinstance(item, Trade | Fill) else _key(item)
        self._items.pop(key, None)
        self._items[key] = _plain(item)
        if len(self._items) > MOST_ITEMS:
            self._items.popitem(last=False)

    def changed(self, change: ContinuityChanged) -> None:
        """Its continuity changed: told at once, ahead of what is buffered."""
        said = [change.reason, f"{change.missed} missing" if change.missed else ""]
        is_bad = change.state not in (ContinuityState.LIVE, ContinuityState.SYNCING)
        self._gaps += change.state is ContinuityState.GAP
        path = (change.before, change.state)
        self._happened(change.at_ns, ", ".join(filter(None, said)), path=path, is_bad=is_bad)

    def ended(self, error: BaseException | None, now_ns: int) -> None:
        """Nothing more comes."""
        self.error = sanitized(error) if error is not None else "left"
        self._happened(now_ns, f"ended: {self.error}", is_bad=True)

    def picture(self, now_ns: int, depth: int | None = None) -> FeedPicture:
        """The feed as it stands now."""
        age = None if self._heard_ns is None else max(0.0, (now_ns - self._heard_ns) / 1e9)
        fresh = self._fresh_s
        return FeedPicture(
            kind=self.kind,
            health=_health(self.feed.continuity, now_ns),
            age_s=age,
            fresh_s=fresh,
            is_old=age is not None and fresh is not None and age > fresh,
            rate=self._rate(now_ns),
            latency_ms=median(self._latencies) / 1e6 if self._latencies else None,
            news=self._news,
            gaps=self._gaps,
            lagged=self._lagged,
            book=None if self._book is None else self._book.snapshot(depth),
            items=tuple(reversed(self._items.values())),
        )

    @property
    def _fresh_s(self) -> float | None:
        return None if self.kind in ACCOUNT_KINDS else self.feed.quiet

    def _rate(self, now_ns: int) -> float:
        """Over the seconds that are over, at most so many; over the present one, where it is the first."""
        second = now_ns // 1_000_000_000
        if self._first_second is None:
            return 0.0
        if self._first_second >= second:
            return float(sum(count for _, count in self._seconds))
        recent = sum(count for at, count in self._seconds if 0 < second - at <= RATE_SECONDS)
        return recent / min(RATE_SECONDS, second - self._first_second)

    def _marked(self, mark: Mark, now_ns: int) -> None:
        if isinstance(mark, Lagged):
            self._lagged += mark.dropped
            self._happened(now_ns, f"too slow here: {mark.dropped} dropped", is_bad=True)
        elif isinstance(mark, Reconnected):
            self._happened(now_ns, f"the line broke, and nothing was lost: {mark.recovered} replayed")
        elif isinstance(mark, Gap) and mark.missed:
            self._happened(now_ns, f"gap: {mark.reason}, {mark.missed} missing", is_bad=True)

    def _happened(
        self, at_ns: int, text: str, *, path: tuple[ContinuityState, ...] = (), is_bad: bool = False
    ) -> None:
        self._happenings.note(
            Happening(
                at_ns=at_ns,
                target=self.target,
                kinds=(self.kind,),
                text=sanitized(text) if text else "",
                path=path,
                is_bad=is_bad,
            )
        )


def picture(
    tracks: Iterable[Track],
    venues: Sequence[VenuePicture],
    happenings: Iterable[Happening],
    now_ns: int,
    depth: int | None = None,
) -> Picture:
    """All that is watched, as it stands now: the feeds of one instrument together, in the order of `tracks`.

    `depth`: levels of a book's side.
    """
    markets: dict[str, list[Track]] = {}
    for track in tracks:
        markets.setdefault(track.target, []).append(track)
    return Picture(
        at_ns=now_ns,
        venues=tuple(
            msgspec.structs.replace(venue, note=sanitized(venue.note) if venue.note else "")
            for venue in venues
        ),
        markets=tuple(_market(together, now_ns, depth) for together in markets.values()),
        happenings=tuple(happenings),
    )


def _market(tracks: Sequence[Track], now_ns: int, depth: int | None) -> MarketPicture:
    first = tracks[0]
    named = next((track.instrument for track in tracks if track.instrument is not None), None)
    return MarketPicture(
        venue=first.feed.venue,
        instrument_id=first.feed.instrument_id,
        name="" if named is None or not named.name else sanitized(named.name),
        currency="" if named is None else named.currency,
        payout=named.payout if named is not None and named.kind == "outcome" else None,
        feeds=tuple(track.picture(now_ns, depth) for track in tracks),
    )


def _health(continuity: Continuity, now_ns: int) -> Health:
    return Health(
        state=continuity.state,
        proof=continuity.proof,
        for_s=max(0.0, (now_ns - continuity.since_ns) / 1e9),
        reason=sanitized(continuity.reason) if continuity.reason else "",
        missed=continuity.missed,
    )


def _key(item: Item) -> Any:
    """What one item replaces another by."""
    if isinstance(item, Order):
        return item.venue_order_id or item.client_order_id
    if isinstance(item, Position):
        return item.instrument_id, item.side
    return item.currency if isinstance(item, Balance) else item.instrument_id


def _plain(item: Item) -> Item:
    """The item without what the venue sent, which no screen shows, and with words that nothing obeys."""
    words = {"reason": sanitized(item.reason)} if isinstance(item, Order) and item.reason else {}
    return msgspec.structs.replace(item, raw=None, **words)
