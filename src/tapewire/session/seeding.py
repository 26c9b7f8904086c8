"""Rebuilding state from a snapshot without a hole and without a lie. Pure: the driver runs the snapshot function.

A venue gives an async snapshot function. While it runs, live publications are held here (bounded), and are delivered
behind the `Resynced` that carries the snapshot. Rules:

* A hold starts before the subscription is asked for, so that nothing falls between snapshot and stream.
* Each hold belongs to one generation of the connection: a snapshot asked for on an older one is discarded.
* A failed, late or overflowing seed leaves `Gap("reseed failed")`, then what was held; never `Resynced`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..marks import Gap, Mark, Resynced
from ..protocols.base import StreamPosition

__all__ = ["HOLD_CAPACITY", "Seeding"]

HOLD_CAPACITY = 20_000
"""Live publications held for one subscription while its snapshot is fetched."""


class Seeding:
    """The hold of one subscription. `generation` is None while nothing is held."""

    def __init__(
        self,
        reconcile: Callable[[Any, Sequence[Any]], Sequence[Any]] | None = None,
        capacity: int = HOLD_CAPACITY,
    ) -> None:
        self.generation: int | None = None
        self.failures = 0
        """Failed seeds since the last that succeeded."""
        self.since: StreamPosition | None = None
        """Where the stream stood when the snapshot was asked for last, where that is numbered."""
        self._reconcile = reconcile
        self._capacity = capacity
        self._held: list[Any] = []
        self._spoiled = ""  # why the snapshot under way proves nothing, if so
        self._since_ns = 0

    def begin(self, generation: int, now_ns: int) -> None:
        """Hold from now on, for the connection `generation`."""
        self.generation = generation
        self._since_ns = now_ns
        self._held, self._spoiled = [], ""

    @property
    def empty(self) -> bool:
        """True if nothing is held."""
        return not self._held

    def hold(self, item: Any) -> None:
        """A live publication arrives while the snapshot is fetched."""
        if len(self._held) >= self._capacity:
            self._spoiled = f"more than {self._capacity} publications came during the snapshot"
            self._held.clear()
        self._held.append(item)

    def spoil(self, mark: Mark) -> None:
        """Something is missing here among what is held: the mark takes its place, and this snapshot proves nothing."""
        self._held.append(mark)
        self._spoiled = self._spoiled or "the stream broke during the snapshot"

    def complete(self, generation: int, snapshot: Any, now_ns: int) -> list[Any] | None:
        """The snapshot is here. Returns what to deliver, or None where it is stale and nothing may be delivered.

        Raises what `reconcile` raises: call `fail` then.
        """
        if generation != self.generation:
            return None
        if self._spoiled:
            return self.fail(generation, now_ns, self._spoiled)
        held: Sequence[Any] = self._held
        if self._reconcile is not None:
            held = list(self._reconcile(snapshot, held))  # where it raises, all is still held for `fail`
        self._release()
        self.failures = 0
        return [Resynced(at_ns=now_ns, snapshot=snapshot), *held]

    def fail(self, generation: int, now_ns: int, detail: str) -> list[Any] | None:
        """The snapshot could not be had. Returns what to deliver, or None where the hold is of another generation."""
        if generation != self.generation:
            return None
        since_ns, held = self._since_ns, self._release()
        self.failures += 1
        return [Gap(reason="reseed failed", since_ns=since_ns, until_ns=now_ns, detail=detail[:200]), *held]

    def skip(self) -> list[Any]:
        """No snapshot is needed after all (the stream was recovered). Returns what to deliver."""
        spoiled, since_ns = self._spoiled, self._since_ns
        held = self._release()
        return [Gap(reason="reseed failed", since_ns=since_ns, detail=spoiled), *held] if spoiled else held

    def _release(self) -> list[Any]:
        held, self._held = self._held, []
        self.generation = None
        return held
