"""Snapshot and deltas into order, or "resync". Pure: numbers in, verdicts out, nothing a peer says raises.

Rules:

* Before a snapshot, numbered deltas are held (bounded: the oldest go first). Behind it, those it already contains are
  discarded, the rest must follow it without a hole; else a newer snapshot is asked for and the rest stays held.
* A duplicate is dropped. A hole, or a number that cannot be, ends the sequence: that one book is to be rebuilt.
* A snapshot older than a live sequence is ignored; after `reset` any snapshot starts a new one.

How numbers follow each other is the venue's `Numbering`. Streams whose own protocol proves continuity (offset and
epoch) are `UNNUMBERED` here: nothing is checked twice.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from ..errors import ConfigurationError

__all__ = [
    "APPLIED",
    "CHAINED",
    "CONSECUTIVE",
    "HOLD_CAPACITY",
    "UNNUMBERED",
    "VERSIONED",
    "Applied",
    "Held",
    "Ignored",
    "Numbering",
    "Resync",
    "Sequencer",
    "Verdict",
]

HOLD_CAPACITY: Final = 1000
"""Deltas held for one book while its snapshot is fetched."""

Delta = TypeVar("Delta")


class Applied(msgspec.Struct, frozen=True):
    """It is in the book. `held` are the deltas that were held and now follow the snapshot, in order."""

    held: tuple[Any, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """Kept until a snapshot comes: `count` are held now."""

    count: int


class Ignored(msgspec.Struct, frozen=True):
    """Not applied, and nothing is wrong."""

    reason: str


class Resync(msgspec.Struct, frozen=True):
    """The book is no longer proven: get a snapshot of this one book, and do not trade on it until then.

    `retry` says that the snapshot just given was too old: the deltas behind it are still held, so ask for a newer one,
    after a pause, without joining anew.
    """

    reason: str
    retry: bool = False


Verdict: TypeAlias = Applied | Held | Ignored | Resync

APPLIED: Final = Applied()


class Numbering(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue numbers its deltas.

    `linked`: a delta says `first` and `last`, and follows a state numbered `first - step`. With `overlap`, one that
    begins earlier follows too: right only where sizes are absolute, so that saying them twice changes nothing.
    `versioned`: every message is the whole book, and counts if its version is greater. `unnumbered`: nothing is said.
    """

    kind: Literal["linked", "versioned", "unnumbered"]
    step: Literal[0, 1] = 1
    overlap: bool = False


CHAINED: Final = Numbering(kind="linked", step=0)
"""A delta repeats the number of the state it follows: `first == last`."""

CONSECUTIVE: Final = Numbering(kind="linked", step=1)
"""A delta begins one behind the state it follows: `first == last + 1`."""

VERSIONED: Final = Numbering(kind="versioned")
"""Whole books with a version that only grows: a lost one heals with the next."""

UNNUMBERED: Final = Numbering(kind="unnumbered")
"""The stream itself is continuous, or says where it broke."""


class Sequencer(Generic[Delta]):
    """The numbers of one book. Do with the book what the verdicts say, in the order of the calls."""

    __slots__ = ("_held", "_is_linked", "_step", "is_seeded", "last", "numbering")

    def __init__(self, numbering: Numbering, capacity: int = HOLD_CAPACITY) -> None:
        if capacity < 1:
            raise ConfigurationError("capacity", capacity, "1 or more")
        self.numbering: Numbering = numbering
        self.is_seeded: bool = False
        self.last: int | None = None
        """The number of the state the book is in; None where it is unknown."""
        self._step = numbering.step
        self._is_linked = numbering.kind == "linked"
        self._held: deque[tuple[int, int, Delta]] = deque(maxlen=capacity)

    def reset(self) -> None:
        """Forget everything: a new connection, or a book whose content cannot be right."""
        self._unseed()
        self._held.clear()

    def snapshot(self, last: int | None) -> Verdict:
        """A whole book arrived, numbered `last`. If applied, replace the book and apply `held` behind it."""
        kind, seen = self.numbering.kind, self.last
        # Nearly always, of whole books; the rest of the table is below.
        if kind == "versioned" and seen is not None and type(last) is int and last > seen:
            self.last = last
            return APPLIED
        if kind == "unnumbered":
            self.is_seeded = True
            return APPLIED
        if not _is_number(last):
            self._unseed()
            return Resync("a snapshot without its number")
        assert last is not None
        if self.is_seeded and self.last is not None:
            if kind == "versioned" and last <= self.last:
                return Ignored("the version is not newer")
            if last < self.last:
                return Ignored("the snapshot is older than the book")
        return self._seed(last)

    def delta(self, first: int | None, last: int | None, delta: Delta) -> Verdict:
        """Changes arrived, covering `first` to `last`. `delta` is kept if they have to wait for a snapshot."""
        seen = self.last
        # Nearly always; the rest of the table is below.
        if (
            self._is_linked
            and seen is not None
            and type(first) is int
            and type(last) is int
            and first == seen + self._step
            and first <= last
        ):
            self.last = last
            return APPLIED
        if seen is None or not self._is_linked:
            return self._unlinked(first, last, delta)
        if not _is_number(first) or not _is_number(last):
            self._unseed()
            return Resync("a delta without its numbers")
        assert first is not None
        assert last is not None
        verdict = self._follows(seen, first, last)
        if verdict is APPLIED:
            self.last = last
        elif type(verdict) is Resync:
            self._unseed()
            if first <= last:
                self._held.append((first, last, delta))
        return verdict

    def _unlinked(self, first: int | None, last: int | None, delta: Delta) -> Verdict:
        kind = self.numbering.kind
        if kind == "versioned":
            raise ConfigurationError("numbering", kind, "one with deltas; this one knows whole books only")
        if kind == "unnumbered":
            return APPLIED if self.is_seeded else Ignored("no snapshot yet")
        if not _is_number(first) or not _is_number(last):
            return Ignored("no snapshot yet, and no numbers to hold it by")
        assert first is not None
        assert last is not None
        if last < first:
            return Ignored("no snapshot yet, and numbers that run backwards")
        self._held.append((first, last, delta))
        return Held(len(self._held))

    def _follows(self, seen: int, first: int, last: int) -> Verdict:
        expected = seen + self._step
        if last < first:
            return Resync("numbers that run backwards")
        if first == expected:
            return APPLIED
        if last <= seen:
            return Ignored("a duplicate")
        if first < expected and self.numbering.overlap:
            return APPLIED
        return Resync("a hole in the numbers" if first > expected else "numbers that overlap the book's")

    def _seed(self, last: int) -> Verdict:
        """Put what is held behind a snapshot: all of it, or (where a hole shows) none."""
        held, seen, follow = self._held, last, []
        while held:
            first, behind, delta = held[0]
            verdict = self._follows(seen, first, behind)
            if type(verdict) is Resync:
                self._unseed()
                return Resync(f"the snapshot does not reach the held deltas: {verdict.reason}", retry=True)
            held.popleft()
            if verdict is APPLIED:
                seen = behind
                follow.append(delta)
        self.is_seeded, self.last = True, seen
        return Applied(tuple(follow)) if follow else APPLIED

    def _unseed(self) -> None:
        self.is_seeded, self.last = False, None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
