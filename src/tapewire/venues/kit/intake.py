"""`Intake`: what takes a stream inside the read that brings it, where nothing of it may wait in a buffer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...clock import Clock
from ...marks import Mark
from ...session.consumer import Consumer

__all__ = ["Intake"]

logger = logging.getLogger("tapewire.venues.kit")


class Intake(Consumer[Any]):
    """A consumer that is not iterated: subscribe topics `into` it.

    `take` is called with each publication and `take_mark` with each mark, in their order, inside the read: both must
    return at once, and what they call back happens when the read is over. `on_failed`: called there with what either
    raised, for nothing that is built from the stream is proven then. `on_ended`: called once, as soon as nothing more
    comes; `error` is what ended it, None where it was left.
    """

    __slots__ = ("_on_failed", "_take_in", "_take_mark_in")

    def __init__(
        self,
        name: str,
        take: Callable[[Any], Any],
        take_mark: Callable[[Mark], Any],
        *,
        on_failed: Callable[[Exception], Any],
        on_ended: Callable[[], Any],
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, on_ended=on_ended, names_topics=False, clock=clock)
        self._take_in = take
        self._take_mark_in = take_mark
        self._on_failed = on_failed
        self.put = self._put

    @property
    def error(self) -> BaseException | None:
        """What ended it."""
        return self.buffer.error

    def put_mark(self, mark: Mark, topic: str = "") -> None:
        """A mark has its place behind what was taken."""
        if not self.buffer.ended:
            self.marks += 1
            try:
                self._take_mark_in(mark)
            except Exception as error:
                self._failed(error)

    def _put(self, publication: Any) -> None:
        if not self.buffer.ended:
            self.delivered += 1
            try:
                self._take_in(publication)
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        logger.error("%s: what came could not be taken", self.name, exc_info=error)
        self._on_failed(error)
