"""Deadlines by key, pure: one heap for everything a session waits for, so that its loop needs a single timer.

Each deadline carries the call that is due then, so that whoever runs them knows no key. Setting a key anew moves its
deadline; stale heap entries are skipped. The heap is bounded by compaction: never more than twice as many entries as
living keys, and a small constant.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable

__all__ = ["Timers"]

_SLACK = 64


class Timers:
    """Deadlines in seconds on the scale of the caller's `now`."""

    def __init__(self) -> None:
        self._when: dict[Hashable, tuple[float, int, Callable[[], None]]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._serial = 0

    def set(self, key: Hashable, when: float, call: Callable[[], None]) -> None:
        """Make `call` due at `when`, instead of whatever `key` was due for before."""
        self._serial += 1
        self._when[key] = (when, self._serial, call)
        heapq.heappush(self._heap, (when, self._serial, key))
        self._compact()

    def cancel(self, key: Hashable) -> None:
        """Forget `key`, if it is known."""
        self._when.pop(key, None)
        self._compact()

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        self._skip_stale()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> list[Callable[[], None]]:
        """Every call due at `now`, in order of its deadline. They are forgotten."""
        due: list[Callable[[], None]] = []
        while True:
            self._skip_stale()
            if not self._heap or self._heap[0][0] > now:
                self._compact()
                return due
            due.append(self._when.pop(heapq.heappop(self._heap)[2])[2])

    def _compact(self) -> None:
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._heap = [(at, serial, living) for living, (at, serial, _) in self._when.items()]
            heapq.heapify(self._heap)

    def _skip_stale(self) -> None:
        heap = self._heap
        while heap and ((known := self._when.get(heap[0][2])) is None or known[1] != heap[0][1]):
            heapq.heappop(heap)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._when

    def __len__(self) -> int:
        return len(self._when)
