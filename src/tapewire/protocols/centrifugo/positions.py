"""Where each channel stands that is not live: saved positions, and subscriptions of the server's own making. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..base import Confirmed, Skipped, StreamPosition
from .commands import INVALIDATED
from .frames import Publication, SubscribeResult

__all__ = ["MAX_POSITIONS", "Positions"]

MAX_POSITIONS = 10_000
"""Channels remembered, of either kind; the oldest is forgotten first."""


class Positions:
    """A bounded memory, by channel."""

    def __init__(self) -> None:
        self._known: dict[str, StreamPosition] = {}
        self._server_side: dict[str, SubscribeResult] = {}

    def get(self, topic: str) -> StreamPosition | None:
        return self._known.get(topic)

    def set(self, topic: str, position: StreamPosition | None) -> None:
        """Remember `position`; None forgets."""
        _put(self._known, topic, position)

    def invalidate(self) -> None:
        """No position holds any more; that there were some does."""
        self._known = dict.fromkeys(self._known, INVALIDATED)

    def rewind(self, undelivered: Iterable[Any]) -> None:
        """Go back behind what was not delivered: `undelivered` is the rest of a read, in order."""
        for item in reversed(tuple(undelivered)):
            if isinstance(item, Confirmed):
                # An unrecovered start that nobody heard of is none: only a fresh subscription keeps the gap visible.
                self.set(item.topic, item.position if item.recovered else None)
            elif isinstance(item, Publication | Skipped) and (known := self._known.get(item.topic)):
                offset = item.offset if isinstance(item, Publication) else item.expected
                if offset > 0:
                    self.set(item.topic, StreamPosition(offset - 1, known.epoch))

    def server_joined(self, topic: str, result: SubscribeResult) -> None:
        """The server subscribed us by itself."""
        result.publications, result.recovered = None, False
        _put(self._server_side, topic, result)

    def server_published(self, topic: str, offset: int) -> None:
        """A publication came that nobody here has asked for."""
        result = self._server_side.get(topic)
        if result is not None and offset > result.offset:
            result.offset = offset

    def server_left(self, topic: str) -> None:
        self._server_side.pop(topic, None)

    def server_side(self, topic: str) -> SubscribeResult | None:
        """The subscription that the server made by itself, with its present offset."""
        return self._server_side.get(topic)


def _put(into: dict[str, Any], topic: str, value: Any) -> None:
    into.pop(topic, None)
    if value is not None:
        if len(into) >= MAX_POSITIONS:
            del into[next(iter(into))]
        into[topic] = value
