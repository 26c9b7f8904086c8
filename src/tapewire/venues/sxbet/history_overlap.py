"""What a channel said shortly before a snapshot was asked for, from its history: for snapshots that lag behind.

HTTP may answer from what the stream was some moments ago. What was published in those moments is neither in the
snapshot nor among what was held since: put it behind the snapshot, then nothing is missing between the two. What the
snapshot knew already is only said again, up to the newest: what ends before would put a newer snapshot back. Where the
channel keeps no history, is too slow or said too much, the snapshot stands alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ...errors import TapewireError
from ...protocols.base import StreamPosition
from ...protocols.centrifugo import History, Publication

if TYPE_CHECKING:
    from ...session.pool import Pool
    from ...session.subscription import Subscription

__all__ = ["OVERLAP", "HistoryOverlap", "Seed"]

logger = logging.getLogger("tapewire.venues.sxbet")

OVERLAP: Final = 32
"""Publications of before the snapshot that are put behind it."""

PAGE: Final = 200
"""Publications asked for at a time: those, and some that came while the snapshot was under way."""

MOST: Final = 2_000
"""Publications of one overlap. More were said only where the channel was not heard for long."""

IN_FLIGHT: Final = 16
"""Pages asked for at once; after a mass reconnection every book wants one."""

SECONDS: Final = 5.0
"""How long a seed waits for its page."""

T = TypeVar("T")


class Seed(msgspec.Struct, frozen=True):
    """A snapshot, and the updates that belong behind it before anything that was held."""

    snapshot: Any
    updates: list[Any]


class HistoryOverlap:
    """The pages of one client's channels."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(IN_FLIGHT)

    async def of(self, subscription: Subscription | None, read: Callable[[Publication], T]) -> list[T]:
        """Each publication from `OVERLAP` before the snapshot on, as `read` reads it; [] where that cannot be had.

        What cannot be read is a hole, and updates with a hole in them prove nothing: [] too.
        """
        position = None if subscription is None else subscription.held_since
        if subscription is None or position is None or position.offset <= 0:
            return []
        since = StreamPosition(max(0, position.offset - OVERLAP), position.epoch)
        try:
            async with asyncio.timeout(SECONDS), self._free:
                session = self._pool.session_of(subscription.topic)
                found = await _to_the_newest(session, subscription.topic, since)
            if not found or found[-1].offset < position.offset:
                return []  # it ends before the snapshot was asked for: there would be a hole behind it
            return [read(publication) for publication in found]
        except (TapewireError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            logger.info("%s: seeded without what came shortly before: %s", subscription.topic, reason)
            return []


async def _to_the_newest(session: Any, topic: str, since: StreamPosition) -> list[Publication]:
    """Everything that the history has behind a position; [] where that is too much."""
    found: list[Publication] = []
    while len(found) < MOST:
        page = await session.request(History(topic, limit=PAGE, since=since))
        found += page.publications or ()
        if not page.publications or page.publications[-1].offset >= page.offset:
            return found
        since = StreamPosition(page.publications[-1].offset, page.epoch)
    return []
