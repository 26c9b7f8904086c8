"""Bridging a hole from the venue's history, page by page. Pure: the driver sends the requests.

A server that cannot replay what was missed on resubscription (too many messages, a time limit) may still hold it in its
history. A `Bridge` asks for everything after the old position until the position at which the live stream goes on, and
accepts it only if it is contiguous: one missing offset, another epoch, or no progress, and the hole stays a hole. Where
the numbering has not moved at all, the answer of the history alone tells an empty hole from a channel that keeps none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ..marks import GapReason
from ..protocols.base import StreamPosition

__all__ = ["MAX_BRIDGED", "Bridge", "Fragment"]

MAX_BRIDGED = 10_000
"""Publications that one bridge may bring, and that may wait for bridges; a wider hole is not worth it."""


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
