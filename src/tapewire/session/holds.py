"""What is held back while a stream's continuity is proven: from a snapshot, or by paging the venue's history. Pure.

**Snapshots** (`Seeding`, one `Hold` an attempt). A venue gives an async snapshot function. While it runs, live
publications are held here (bounded), and are delivered behind the `Resynced` that carries the snapshot. Rules:

* A hold starts before the subscription is asked for, so that nothing falls between snapshot and stream.
* Each attempt has a `Hold` of its own, and a snapshot belongs to the hold that it was asked for: what comes for one
  that is over is discarded, result and failure alike, whether the connection is still the same or not.
* A snapshot may be ahead of the stream. `reconcile(snapshot, publications)` picks what follows it: of what was held,
  and then of each publication that comes, until it has kept `CAUGHT_UP` in a row (one alone may be a control frame that
  no snapshot knows of). A recovery in between changes nothing about that.
* A failed, late or overflowing seed leaves `Gap("reseed failed")`, then what was held; never `Resynced`.

**History** (`Bridge`). A server that cannot replay what was missed on resubscription (too many messages, a time limit)
may still hold it in its history. A bridge asks for everything after the old position until the position at which the
live stream goes on, and accepts it only if it is contiguous: one missing offset, another epoch, or no progress, and the
hole stays a hole. Where the numbering has not moved at all, the answer of the history alone tells an empty hole from a
channel that keeps none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from ..marks import Gap, GapReason, Mark, Resynced
from ..protocols.base import StreamPosition

__all__ = ["CAUGHT_UP", "HOLD_CAPACITY", "MAX_BRIDGED", "Bridge", "Fragment", "Hold", "Reconcile", "Seeding"]

HOLD_CAPACITY = 20_000
"""Live publications held for one subscription while its snapshot is fetched."""

CAUGHT_UP = 8
"""Publications in a row that `reconcile` keeps before the stream counts as past the snapshot."""

MAX_BRIDGED = 10_000
"""Publications that one bridge may bring, and that may wait for bridges; a wider hole is not worth it."""

Reconcile: TypeAlias = Callable[[Any, Sequence[Any]], Sequence[Any]]


class Hold:
    """What came while one snapshot was asked for."""

    __slots__ = ("fetch", "held", "since_ns", "spoiled")

    def __init__(self, since_ns: int) -> None:
        self.since_ns: int = since_ns
        self.held: list[Any] = []
        self.spoiled: str = ""
        """Why the snapshot under way proves nothing, if so."""
        self.fetch: Any = None
        """The task that fetches it, once it is asked for."""


class Seeding:
    """The holds of one subscription, one after the other. `hold` is None while nothing is held."""

    def __init__(self, reconcile: Reconcile | None = None, capacity: int = HOLD_CAPACITY) -> None:
        self.hold: Hold | None = None
        self.failures: int = 0
        """Failed seeds since the last that succeeded."""
        self.since: StreamPosition | None = None
        """Where the stream stood when the snapshot was asked for last, where that is numbered."""
        self._reconcile = reconcile
        self._capacity = capacity
        self._ahead: tuple[Any, ...] = ()  # the snapshot delivered last, until the stream is past it
        self._kept = 0  # publications in a row that followed it

    def begin(self, now_ns: int) -> Hold:
        """Hold from now on, for a snapshot that is about to be asked for."""
        self.hold = hold = Hold(now_ns)
        return hold

    def begin_again(self) -> None:
        """Go on holding, for another snapshot than the one that was asked for."""
        before = self.hold
        assert before is not None
        self.hold = Hold(before.since_ns)
        self.hold.held, self.hold.spoiled = before.held, before.spoiled

    def keep(self, item: Any) -> None:
        """A live publication arrives while the snapshot is fetched."""
        hold = self.hold
        assert hold is not None
        if len(hold.held) >= self._capacity:
            hold.spoiled = f"more than {self._capacity} publications came during the snapshot"
            hold.held.clear()
        hold.held.append(item)

    def spoil(self, mark: Mark) -> None:
        """Something is missing here among what is held: the mark takes its place, and this snapshot proves nothing."""
        assert self.hold is not None
        self.hold.held.append(mark)
        self.hold.spoiled = self.hold.spoiled or "the stream broke during the snapshot"

    def complete(self, hold: Hold, snapshot: Any, now_ns: int) -> list[Any] | None:
        """The snapshot of `hold` is here. Returns what to deliver, or None where it is stale.

        Raises what `reconcile` raises: call `fail` then.
        """
        if hold is not self.hold:
            return None
        if hold.spoiled:
            return self.fail(hold, now_ns, hold.spoiled)
        held = list(hold.held)
        if self._reconcile is not None:
            held = list(self._reconcile(snapshot, held))  # where it raises, all is still held for `fail`
            self._ahead, self._kept = (snapshot,), 0
        self.hold = None
        self.failures = 0
        return [Resynced(at_ns=now_ns, snapshot=snapshot), *held]

    def fail(self, hold: Hold, now_ns: int, detail: str) -> list[Any] | None:
        """The snapshot of `hold` could not be had. Returns what to deliver, or None where that is over."""
        if hold is not self.hold:
            return None
        self.hold = None
        self.failures += 1
        gap = Gap(reason="reseed failed", since_ns=hold.since_ns, until_ns=now_ns, detail=detail[:200])
        return [gap, *hold.held]

    def skip(self) -> list[Any]:
        """No snapshot is needed after all (the stream was recovered). Returns what to deliver."""
        hold, self.hold = self.hold, None
        if hold is None:
            return []
        if hold.spoiled:
            return [Gap(reason="reseed failed", since_ns=hold.since_ns, detail=hold.spoiled), *hold.held]
        return hold.held

    @property
    def is_ahead(self) -> bool:
        """True while the snapshot delivered last may hold what is still to come: ask `follows` of each publication."""
        return bool(self._ahead)

    def forget_snapshot(self) -> None:
        """Nothing is hidden any more: `reconcile` cannot say what the snapshot holds."""
        self._ahead = ()

    def follows(self, publication: Any) -> bool:
        """True if `publication` is not in the snapshot delivered last. Raises what `reconcile` raises."""
        if self._ahead and self._reconcile is not None:
            (snapshot,) = self._ahead
            if not self._reconcile(snapshot, [publication]):
                self._kept = 0
                return False
        self._kept += 1
        if self._kept >= CAUGHT_UP:
            self._ahead = ()
        return True


class Fragment(msgspec.Struct, frozen=True):
    """What came live from `began_ns` to `lost_ns`, while a bridge was built that was lost then, with `reason`.

    The next attempt asks for all of it again. Where that fails too, it was delivered none the less by the venue, and
    belongs between the hole before it and the hole behind it.
    """

    items: tuple[Any, ...]
    began_ns: int
    lost_ns: int
    reason: GapReason
    detail: str


class Bridge:
    """From `since` (exclusive) to `until` (inclusive). Ask `next_since` until it is None, then look at `complete`.

    `began_ns` is when live publications began behind `until`; `room` says how many of them are held.
    """

    def __init__(
        self,
        since: StreamPosition,
        until: StreamPosition,
        *,
        most: int = MAX_BRIDGED,
        began_ns: int = 0,
        room: int = MAX_BRIDGED,
    ) -> None:
        self.began_ns = began_ns
        self.room = room
        self.since = since
        self.until = until
        self.publications: list[Any] = []
        self.held: list[Any] = []
        """Live publications that came meanwhile: they go on where `until` ends."""
        self.overflowed = False
        """True once more came meanwhile than is held."""
        self.answer: Any = None
        """The peer's confirmation, announced when the bridge has ended."""
        self._reached = since.offset
        width = until.offset - since.offset
        self._proven = width > 0
        unmoved = since.offset == until.offset == 0
        self._possible = since.epoch == until.epoch and (unmoved or 0 < width <= most)

    @property
    def complete(self) -> bool:
        """True once everything up to `until` is here."""
        return self._possible and self._proven and self._reached >= self.until.offset

    @property
    def next_since(self) -> StreamPosition | None:
        """Where the next page starts; None when there is none to ask for."""
        if not self._possible or self.complete:
            return None
        return StreamPosition(self._reached, self.since.epoch)

    def take(self, publications: Sequence[Any], epoch: str) -> None:
        """One page, oldest first. What lies beyond `until` came live as well and is left out."""
        before = self._reached
        for publication in publications:
            if publication.offset > self.until.offset:
                break
            if publication.offset <= self._reached:
                continue
            if publication.offset != self._reached + 1:
                self._possible = False
                return
            self._reached = publication.offset
            self.publications.append(publication)
        if epoch != self.since.epoch or (self._proven and self._reached == before):
            self._possible = False
        self._proven = True
