"""Compares what a handler received with what was published, message by message. Pure.

The stream was honest if every published message was received once and in order, or lies exactly where a mark stood;
and if every mark traces to a fault that was ordered. Where a `Resynced` follows a gap, the snapshot holds what was
published until then. Anything else is an unexplained loss, a duplicate, or a mark
without a cause, and the run has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from ..marks import Gap, Mark, Resynced, is_mark

__all__ = ["Audit", "Cause", "Observed", "Published", "audit"]

SLACK_NS = 750_000_000
"""Clock differences between the order of a fault and the reads around it: both run on one machine."""


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


class _Walk:
    def __init__(self, published: Sequence[Published], causes: Sequence[Cause]) -> None:
        self.published = published
        self.index = {entry.key: number for number, entry in enumerate(published)}
        self.causes = causes
        self.next = 0
        self.open_gaps: list[Gap] = []
        self.resynced_ns = 0
        self.counts = dict.fromkeys(
            ("delivered", "duplicates", "unknown", "gaps", "missing_in_gaps", "unexplained"), 0
        ) | {"causeless_marks": 0, "wrong_brackets": 0}
        self.latencies: list[int] = []
        self.findings: list[str] = []

    def find(self, text: str) -> None:
        if len(self.findings) < 20:
            self.findings.append(text)

    def mark(self, mark: Mark) -> None:
        if isinstance(mark, Resynced) and self.open_gaps:
            self.resynced_ns = mark.at_ns
            return
        if isinstance(mark, Gap):
            self.counts["gaps"] += 1
            self.open_gaps.append(mark)
        if not any(_overlaps(mark, cause) for cause in self.causes):
            self.counts["causeless_marks"] += 1
            self.find(f"a mark without a fault behind it: {mark}")

    def publication(self, observed: Observed) -> None:
        number = self.index.get(observed.key)
        if number is None:
            self.counts["unknown"] += 1
            self.find(f"received what was never published: {observed.key}")
            return
        if number < self.next:
            self.counts["duplicates"] += 1
            self.find(f"received again or out of order: no. {self.published[number].sequence}")
            return
        self.missing_before(number)
        self.counts["delivered"] += 1
        self.latencies.append(observed.at_ns - self.published[number].at_ns)
        self.next = number + 1

    def missing_before(self, number: int) -> None:
        missing = self.published[self.next : number]
        if missing and not self.open_gaps:
            self.counts["unexplained"] += len(missing)
            self.find(f"no. {missing[0].sequence} to {missing[-1].sequence} are missing and no mark says so")
        elif missing:
            self.counts["missing_in_gaps"] += len(missing)
            since = min(gap.since_ns for gap in self.open_gaps) - SLACK_NS
            until = max(self.resynced_ns, *(gap.until_ns for gap in self.open_gaps)) + SLACK_NS
            outside = [entry for entry in missing if not since <= entry.at_ns <= until]
            if outside:
                self.counts["wrong_brackets"] += len(outside)
                self.find(
                    f"{len(outside)} missing messages were published outside the gap that should hold them"
                )
        self.open_gaps, self.resynced_ns = [], 0


def audit(published: Sequence[Published], items: Sequence[Item], causes: Sequence[Cause]) -> Audit:
    """Walk what was received along what was published. Keys must be unique within `published`."""
    walk = _Walk(published, causes)
    for item in items:
        if is_mark(item):
            walk.mark(item)  # type: ignore[arg-type]
        else:
            walk.publication(item)  # type: ignore[arg-type]
    walk.missing_before(len(published))
    counts: dict[str, Any] = walk.counts
    return Audit(
        published=len(published), latencies_ns=tuple(walk.latencies), findings=tuple(walk.findings), **counts
    )


def _overlaps(mark: Mark, cause: Cause) -> bool:
    since: int = getattr(mark, "since_ns", 0) or getattr(mark, "at_ns", 0)
    until: int = getattr(mark, "until_ns", 0) or since
    return since - SLACK_NS <= cause.last_ns and cause.first_ns <= until + SLACK_NS
