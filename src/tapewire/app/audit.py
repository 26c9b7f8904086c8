"""Compares what a handler received with what was published, message by message. Pure.

The stream was honest if every published message was received once and in order, or lies exactly where a mark stood;
and if every mark traces to a fault that was ordered. Where a `Resynced` follows a gap, the snapshot holds what was
published until then. Anything else is an unexplained loss, a duplicate, or a mark without a cause, and the run has
failed. `AuditWalk` does it as a run goes on, and keeps only what is not decided yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from ..marks import Gap, Mark, Resynced, is_mark

__all__ = ["Audit", "AuditWalk", "Cause", "Item", "Observed", "Published", "audit"]

SLACK_NS = 750_000_000
"""Clock differences between the order of a fault and the reads around it: both run on one machine."""

LATENCIES_KEPT = 100_000
"""Latencies of the last so many messages are in the result."""

KEYS_KEPT = 10_000
"""So many of the last messages received are known again if they come twice; older ones count as never published."""

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


class Cause(msgspec.Struct, frozen=True):
    """A fault that was ordered, and when it was first and last felt."""

    name: str
    first_ns: int
    last_ns: int


Item: TypeAlias = Observed | Mark


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one stream. `missing_in_gaps` were lost, and said so; `unexplained` were lost in silence."""

    published: int
    delivered: int
    duplicates: int
    unknown: int
    gaps: int
    missing_in_gaps: int
    unexplained: int
    causeless_marks: int
    wrong_brackets: int
    latencies_ns: tuple[int, ...]
    findings: tuple[str, ...] = ()

    @property
    def honest(self) -> bool:
        """True if nothing was lost in silence and every mark has a cause."""
        return not (
            self.unexplained or self.duplicates or self.unknown or self.causeless_marks or self.wrong_brackets
        )


class AuditWalk:
    """One stream's audit, step by step. Tell it of publications before you tell it that they were received."""

    def __init__(self) -> None:
        self._known: dict[str, Published] = {}
        self._ahead: deque[Published] = deque()  # published, and neither received nor given up
        self._passed: deque[Published] = deque()  # the last ones that were
        self._open_gaps: list[Gap] = []
        self._resynced_ns = 0
        self._counts = dict.fromkeys(
            ("published", "delivered", "duplicates", "unknown", "gaps", "missing_in_gaps", "unexplained"), 0
        ) | {"causeless_marks": 0, "wrong_brackets": 0}
        self._latencies: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self._findings: list[str] = []

    def publish(self, entries: Iterable[Published]) -> None:
        """What was published next, in order. Keys must be unique, sequences must grow."""
        for entry in entries:
            self._known[entry.key] = entry
            self._ahead.append(entry)
            self._counts["published"] += 1

    def receive(self, items: Iterable[Item], causes: Sequence[Cause]) -> None:
        """What the handler received next, in order; `causes` are the faults ordered until now."""
        for item in items:
            if is_mark(item):
                self._mark(item, causes)  # type: ignore[arg-type]
            else:
                self._publication(item)  # type: ignore[arg-type]

    def finish(self) -> Audit:
        """The result, where nothing more was published or received."""
        self._give_up(None)
        counts: dict[str, Any] = self._counts
        return Audit(latencies_ns=tuple(self._latencies), findings=tuple(self._findings), **counts)

    def _find(self, text: str) -> None:
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(text)

    def _mark(self, mark: Mark, causes: Sequence[Cause]) -> None:
        if isinstance(mark, Resynced) and self._open_gaps:
            self._resynced_ns = mark.at_ns
            return
        if isinstance(mark, Gap):
            self._counts["gaps"] += 1
            self._open_gaps.append(mark)
        if not any(_overlaps(mark, cause) for cause in causes):
            self._counts["causeless_marks"] += 1
            self._find(f"a mark without a fault behind it: {mark}")

    def _publication(self, observed: Observed) -> None:
        entry = self._known.get(observed.key)
        if entry is None:
            self._counts["unknown"] += 1
            self._find(f"received what was never published: {observed.key}")
        elif not self._ahead or entry.sequence < self._ahead[0].sequence:
            self._counts["duplicates"] += 1
            self._find(f"received again or out of order: no. {entry.sequence}")
        else:
            self._give_up(entry)
            self._counts["delivered"] += 1
            self._latencies.append(observed.at_ns - entry.at_ns)
            self._pass()

    def _pass(self) -> Published:
        entry = self._ahead.popleft()
        self._passed.append(entry)
        if len(self._passed) > KEYS_KEPT:
            del self._known[self._passed.popleft().key]
        return entry

    def _give_up(self, until: Published | None) -> None:
        """Whatever was published before it will not be received any more."""
        missing: list[Published] = []
        while self._ahead and self._ahead[0] is not until:
            missing.append(self._pass())
        if missing and not self._open_gaps:
            self._counts["unexplained"] += len(missing)
            self._find(f"no. {missing[0].sequence} to {missing[-1].sequence} are missing and no mark says so")
        elif missing:
            self._counts["missing_in_gaps"] += len(missing)
            since = min(gap.since_ns for gap in self._open_gaps) - SLACK_NS
            ended = max(self._resynced_ns, *(gap.until_ns for gap in self._open_gaps)) + SLACK_NS
            outside = [entry for entry in missing if not since <= entry.at_ns <= ended]
            if outside:
                self._counts["wrong_brackets"] += len(outside)
                self._find(
                    f"{len(outside)} missing messages were published outside the gap that should hold them"
                )
        self._open_gaps, self._resynced_ns = [], 0


def audit(published: Sequence[Published], items: Sequence[Item], causes: Sequence[Cause]) -> Audit:
    """Walk what was received along what was published, all at once."""
    walk = AuditWalk()
    walk.publish(published)
    walk.receive(items, causes)
    return walk.finish()


def _overlaps(mark: Mark, cause: Cause) -> bool:
    since: int = getattr(mark, "since_ns", 0) or getattr(mark, "at_ns", 0)
    until: int = getattr(mark, "until_ns", 0) or since
    return since - SLACK_NS <= cause.last_ns and cause.first_ns <= until + SLACK_NS
