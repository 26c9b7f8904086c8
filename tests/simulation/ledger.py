"""The truth, and whether a consumer's stream tells it. Pure.

`Ledger` is written by the venue before it sends: publications of a topic are numbered from 1 on, over all connections,
and the number is in the payload. A `Reading` is one consumer's: it is told each number and each mark in the order in
which the consumer saw them, and returns what is wrong, if anything is.

The rules it holds a stream to:

* loss: between two publications without a mark that admits it nothing is missing.
* twice, order: numbers only grow.
* snapshot: behind `Resynced` as of N comes N + 1, and never what is in the snapshot already; no snapshot is older than
  what was delivered before it.
* conflate: of one key numbers only grow, and what is missing was replaced by a later one of its key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set as AbstractSet

from tapewire.marks import Gap, Lagged, Mark, Reconnected, Resynced

__all__ = ["KEYS", "Ledger", "Reading"]

KEYS = 3
"""Publication n has the key n % KEYS, for those who conflate."""


class Ledger:
    """What was published, by topic."""

    def __init__(self) -> None:
        self.published: defaultdict[str, int] = defaultdict(int)
        self.poisoned: defaultdict[str, set[int]] = defaultdict(set)
        """Numbers whose `decode` raises, where the consumer has one."""
        self.positions: defaultdict[str, dict[int, tuple[int, str]]] = defaultdict(dict)
        """The offset and epoch of each number, where the wire numbers."""

    def next(self, topic: str) -> int:
        """The number of what is about to be published."""
        self.published[topic] += 1
        return self.published[topic]


class Snapshot:
    """The state of a topic as of the publication `number`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"Snapshot({self.number})"


class Reading:
    """What one consumer saw. `after`: the number its stream goes on behind, where it resumed from a position."""

    def __init__(
        self,
        *,
        conflates: bool = False,
        sees_marks: bool = True,
        after: int | None = None,
        poisoned: AbstractSet[int] = frozenset(),
    ) -> None:
        self.last = 0
        self.count = 0
        self._conflates = conflates
        self._poisoned = poisoned  # where it conflates, their marks stand in another place than their numbers
        self._sees_marks = sees_marks
        self._expected: int | None = None if after is None else after + 1
        self._floor = after or 0  # nothing at or below it may come
        self._recovered = False  # a recovery came behind the last snapshot
        self._seen: set[int] = set()  # of this stretch without a mark, where it conflates
        self._last_of_key: dict[int, int] = {}
        self._first: int | None = self._expected

    def publication(self, number: int) -> tuple[str, str] | None:
        """One was delivered."""
        self.count += 1
        return self._conflated(number) if self._conflates else self._plain(number)

    def mark(self, mark: Mark) -> tuple[str, str] | None:
        """A mark was seen."""
        if isinstance(mark, Resynced):
            return self._resynced(mark)
        self._recovered = self._recovered or isinstance(mark, Reconnected)
        if self._conflates and isinstance(mark, Gap) and mark.reason == "undecodable" and mark.missed == 1:
            return None  # written when it was taken: what was queued before it may still come behind it
        if isinstance(mark, Gap | Lagged):
            wrong = self._end_stretch()
            self._expected = self._first = None
            return wrong
        return None

    def _plain(self, number: int) -> tuple[str, str] | None:
        wrong = None
        if number <= self._floor:
            wrong = self._known(number)
        elif number <= self.last:
            wrong = "twice", f"{number} came behind {self.last}"
        elif self._expected is not None and number != self._expected and self._sees_marks:
            wrong = "loss", f"{number} came where {self._expected} should have, and no mark between"
        self.last = max(number, self.last)
        self._expected = number + 1
        return wrong

    def _conflated(self, number: int) -> tuple[str, str] | None:
        key, wrong = number % KEYS, None
        if number <= self._floor:
            wrong = self._known(number)
        elif number <= self._last_of_key.get(key, 0):
            wrong = "twice", f"{number} came behind {self._last_of_key[key]} of the same key"
        self._last_of_key[key] = max(number, self._last_of_key.get(key, 0))
        self.last = max(number, self.last)
        self._seen.add(number)
        return wrong

    def _known(self, number: int) -> tuple[str, str]:
        kind = "recovered behind snapshot" if self._recovered else "behind snapshot"
        return kind, f"{number} came, which the snapshot as of {self._floor} held already"

    def _end_stretch(self) -> tuple[str, str] | None:
        seen, first, self._seen = self._seen, self._first, set()
        if not self._conflates or not seen or not self._sees_marks:
            return None
        told = seen | self._poisoned  # an undecodable one has its mark, and may have replaced an older one
        for number in range(min(seen) if first is None else first, max(seen)):
            if number not in told and not any(
                later > number for later in told if later % KEYS == number % KEYS
            ):
                return (
                    "loss",
                    f"{number} never came between {min(seen)} and {max(seen)}, nor a later one of its key",
                )
        return None

    def _resynced(self, mark: Resynced) -> tuple[str, str] | None:
        wrong = self._end_stretch()
        snapshot = mark.snapshot
        if not isinstance(snapshot, Snapshot):
            return wrong
        if snapshot.number < self.last:
            wrong = "back", f"Resynced as of {snapshot.number} behind {self.last}"
        self.last = max(self.last, snapshot.number)
        self._recovered = False
        self._floor = max(self._floor, snapshot.number)
        self._expected = self._first = snapshot.number + 1
        return wrong

    def end(self) -> tuple[str, str] | None:
        """Nothing more comes."""
        return self._end_stretch()
