"""Compares what a handler received with what was published, message by message. Pure, and time plays no part.

The stream was honest if every published message was received once and in order, or lies exactly where a mark stood; and
if faults explain what is missing and every mark, by the numbers that they touched (see `Carriage`). A number may
be missing in three ways:

* a fault touched it: it was muted, skipped, mangled;
* nobody was given it: a fault had ended the topic, and it was not served anew yet;
* it was under way: among the last that a connection was given before a fault ended it. Nothing behind it on that
  connection has arrived then. A stream that its consumer began anew because a number was lost, or may have been, is
  given up likewise, up to where it was served anew or a snapshot was given beside it.

A mark must stand at a place that a fault touched. Anything else is an unexplained loss, a duplicate, or a mark without
a cause, and the run has failed. `AuditWalk` reads along as a run goes on, and keeps what is not decided until its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from ..marks import Gap, Lagged, Mark, Reconnected, is_mark
from ..sandbox.core.carriage import Serving
from ..sandbox.core.faults import Touched

__all__ = ["Audit", "AuditWalk", "Hole", "Item", "Observed", "Published", "audit", "explained"]

LATENCIES_KEPT = 100_000
"""Latencies of the last so many messages are in the result."""

KEYS_KEPT = 10_000
"""So many of the last messages received are known again if they come twice; older ones count as never published."""

HOLES_KEPT = 10_000
"""Places with marks that are judged in the end; marks beyond them count as marks without a cause."""

MAX_FINDINGS = 20


class Published(msgspec.Struct, frozen=True):
    """One entry of the ledger."""

    sequence: int
    key: str
    at_ns: int


class Observed(msgspec.Struct, frozen=True):
    """One publication as a handler received it; `key` equals that of its `Published`."""

    key: str
    at_ns: int


Item: TypeAlias = Observed | Mark


class Hole(msgspec.Struct, frozen=True):
    """A place where marks stood: after number `after` was received, and before `before` was."""

    after: int
    before: int
    marks: tuple[Mark, ...]

    @property
    def missing(self) -> range:
        """The numbers that were not received there."""
        return range(self.after + 1, self.before)


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one stream.

    `missing_in_gaps` were lost, and said so; `unexplained` were lost in silence; `untouched` were lost where a gap
    stood, and no fault has touched them.
    """

    published: int
    delivered: int
    duplicates: int
    unknown: int
    gaps: int
    missing_in_gaps: int
    unexplained: int
    untouched: int
    causeless_marks: int
    latencies_ns: tuple[int, ...]
    findings: tuple[str, ...] = ()

    @property
    def honest(self) -> bool:
        """True if nothing was lost in silence, and faults explain what is missing and every mark."""
        return not (
            self.unexplained or self.untouched or self.duplicates or self.unknown or self.causeless_marks
        )


class AuditWalk:
    """One stream's audit, step by step. Tell it of publications before you tell it that they were received.

    `start` is the number that the topic stood at when the stream began.
    """

    def __init__(self, start: int = 0) -> None:
        self._known: dict[str, Published] = {}
        self._ahead: deque[Published] = deque()  # published, and neither received nor given up
        self._passed: deque[Published] = deque()  # the last ones that were
        self._after = self._newest = start
        self._marks: list[Mark] = []  # since the last publication
        self._holes: list[Hole] = []
        self._counts = dict.fromkeys(
            ("published", "delivered", "duplicates", "unknown", "gaps", "missing_in_gaps", "unexplained"), 0
        ) | {"untouched": 0, "causeless_marks": 0}
        self._latencies: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self._findings: list[str] = []

    def publish(self, entries: Iterable[Published]) -> None:
        """What was published next, in order. Keys must be unique, sequences must grow."""
        for entry in entries:
            self._known[entry.key] = entry
            self._ahead.append(entry)
            self._newest = entry.sequence
            self._counts["published"] += 1

    def receive(self, items: Iterable[Item]) -> None:
        """What the handler received next, in order."""
        for item in items:
            if not is_mark(item):
                self._publication(item)
                continue
            self._counts["gaps"] += isinstance(item, Gap)
            if len(self._holes) + len(self._marks) < HOLES_KEPT:
                self._marks.append(item)
            else:
                self._causeless(item)

    @property
    def tail(self) -> Hole:
        """What was published after the last that was received, and the marks that came since."""
        return Hole(self._after, self._newest + 1, tuple(self._marks))

    def finish(self, servings: Sequence[Serving]) -> Audit:
        """The result, where nothing more was published or received. `servings` are those of the stream's topic."""
        self._leave(self.tail, self._ahead[-1] if self._ahead else None)
        for hole in self._holes:
            self._judge(hole, servings)
        counts: dict[str, Any] = self._counts
        return Audit(latencies_ns=tuple(self._latencies), findings=tuple(self._findings), **counts)

    def _find(self, text: str) -> None:
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(text)

    def _publication(self, observed: Observed) -> None:
        entry = self._known.get(observed.key)
        if entry is None:
            self._counts["unknown"] += 1
            self._find(f"received what was never published: {observed.key}")
        elif not self._ahead or entry.sequence < self._ahead[0].sequence:
            self._counts["duplicates"] += 1
            self._find(f"received again or out of order: no. {entry.sequence}")
        else:
            self._leave(Hole(self._after, entry.sequence, tuple(self._marks)), entry)
            self._after = entry.sequence
            self._counts["delivered"] += 1
            self._latencies.append(observed.at_ns - entry.at_ns)

    def _leave(self, hole: Hole, last: Published | None) -> None:
        """The stream has gone on behind the hole, to `last`: whatever lies in it will not be received any more."""
        while last is not None and self._ahead and self._ahead[0].sequence <= last.sequence:
            self._passed.append(self._ahead.popleft())
            if len(self._passed) > KEYS_KEPT:
                del self._known[self._passed.popleft().key]
        self._marks = []
        if hole.missing and not any(isinstance(mark, Gap) for mark in hole.marks):
            self._counts["unexplained"] += len(hole.missing)
            self._find(f"{_numbers(hole.missing)} missing and no mark says so")
        elif hole.marks:
            self._counts["missing_in_gaps"] += len(hole.missing)
            self._holes.append(hole)

    def _judge(self, hole: Hole, servings: Sequence[Serving]) -> None:
        for mark in hole.marks:
            if not _has_cause(hole, mark, servings):
                self._causeless(mark)
        untouched = _untouched(hole, servings)
        if untouched and any(isinstance(mark, Gap) for mark in hole.marks):
            self._counts["untouched"] += len(untouched)
            self._find(f"{_numbers(untouched)} missing where a gap stands, and no fault has touched them")

    def _causeless(self, mark: Mark) -> None:
        self._counts["causeless_marks"] += 1
        self._find(f"a mark without a fault behind it: {mark}")


def audit(published: Sequence[Published], items: Sequence[Item], servings: Sequence[Serving]) -> Audit:
    """Walk what was received along what was published, all at once."""
    walk = AuditWalk(published[0].sequence - 1 if published else 0)
    walk.publish(published)
    walk.receive(items)
    return walk.finish(servings)


def explained(hole: Hole, servings: Sequence[Serving]) -> bool:
    """True if a gap says that numbers are missing there, and faults explain each of them."""
    return any(isinstance(mark, Gap) for mark in hole.marks) and not _untouched(hole, servings)


def _has_cause(hole: Hole, mark: Mark, servings: Sequence[Serving]) -> bool:
    """True if a fault touched the place where the mark stands.

    What a `Reconnected` says was replayed comes behind it, and belongs to its place.
    """
    if isinstance(mark, Lagged):
        return False  # the consumer's own buffer
    last = hole.before - 1
    if isinstance(mark, Reconnected):
        last = max(last, hole.after + mark.recovered)
    servings = _as_over(servings)
    for index, serving in enumerate(servings):
        ended = serving.until is not None and index + 1 < len(servings)
        anew = servings[index + 1].after if ended else last
        if any(
            touched.first - 1 <= last and _reaches(touched, anew) >= hole.after for touched in serving.touched
        ):
            return True
    return False


def _reaches(touched: Touched, anew: int) -> int:
    """The last number before which a mark may stand for it; `anew`: the number at which the topic is served again."""
    return max(anew if touched.last is None else touched.last, touched.first - 1)


def _untouched(hole: Hole, servings: Sequence[Serving]) -> list[int]:
    """The missing numbers that no fault explains."""
    servings = _as_over(servings)
    found = [number for number in hole.missing if not servings or number <= servings[0].after]
    for index, serving in enumerate(servings):
        anew = servings[index + 1].after if index + 1 < len(servings) else hole.before - 1
        given = min(anew, anew if serving.until is None else serving.until)
        own = range(max(hole.after, serving.after) + 1, min(hole.before - 1, given) + 1)
        rest = range(max(hole.after, given) + 1, min(hole.before - 1, anew) + 1)
        if own:
            found += _untouched_of(serving, hole, own, given)
        if rest and not _is_broken(serving, hole):
            found += rest
    return found


def _as_over(servings: Sequence[Serving]) -> Sequence[Serving]:
    """The servings; one that a lasting fault touched is over when the topic is served anew, though nobody ended it.

    Behind a line that is dead in one way or both, the venue may take a client for one that still listens.
    """
    return [
        msgspec.structs.replace(serving, until=following.after, line_over=True)
        if serving.until is None and any(touched.last is None for touched in serving.touched)
        else serving
        for serving, following in pairwise(servings)
    ] + list(servings[-1:])


def _untouched_of(serving: Serving, hole: Hole, own: range, given: int) -> list[int]:
    """Of the missing numbers that a serving gave, those that were neither lost, nor under way, nor given up."""
    is_end = serving.until is not None and own[-1] == given
    if is_end and serving.line_over and _is_broken(serving, hole):
        return []
    if is_end or own[-1] in serving.reseeded:
        own = range(own.start, next((number for number in own if _may_be_lost(serving, number)), own.stop))
    return [number for number in own if not _is_lost(serving, number)]


def _is_broken(serving: Serving, hole: Hole) -> bool:
    """True if the serving ended, and a fault had touched it where the hole is."""
    return serving.until is not None and any(
        touched.first <= hole.before and _reaches(touched, hole.before) >= hole.after
        for touched in serving.touched
    )


def _is_lost(serving: Serving, number: int) -> bool:
    return any(
        touched.last is not None and touched.first <= number <= touched.last for touched in serving.touched
    )


def _may_be_lost(serving: Serving, number: int) -> bool:
    """True also of the number before which something of no meaning came."""
    return _is_lost(serving, number) or any(
        touched.is_empty and touched.first == number for touched in serving.touched
    )


def _numbers(numbers: Sequence[int]) -> str:
    return f"no. {numbers[0]} to {numbers[-1]} are" if len(numbers) > 1 else f"no. {numbers[0]} is"
