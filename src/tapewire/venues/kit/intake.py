"""`Intake` and `TakenPort` take inside the read that brings it what may wait in no buffer: a stream, and a feed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ...clock import Clock
from ...marks import Mark
from ...session.consumer import Consumer
from .feeds import Port

__all__ = ["Intake", "TakenPort"]

logger = logging.getLogger("tapewire.venues.kit")

_AT_ONCE: Final = 64
"""Items of one thing that came, which are given on together."""


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


class TakenPort(Port):
    """A port that nobody iterates: what comes is taken inside the read that brings it, in order, and nothing waits.

    `take` is given what one thing that came was made of, marks and changes of continuity in their places. It must
    return at once; what it raises ends the port. For sources whose `decode` is no coroutine function.
    """

    def __init__(
        self, *facts: Any, take: Callable[[list[Any]], Any], on_ended: Callable[[Port], Any]
    ) -> None:
        super().__init__(*facts, capacity=None, on_continuity=None, on_ended=on_ended)
        self._take_in = take
        self._is_taking = False
        self._put_in = self.consumer.put
        self.consumer.put = self._put_and_take

    def _put_and_take(self, item: Any) -> None:
        self._put_in(item)
        self._take_all()

    def _arrived_mark(self, mark: Mark) -> None:
        super()._arrived_mark(mark)
        self._take_all()

    def _take_all(self) -> None:
        if self._is_taking:
            return  # it came of what is being taken
        self._is_taking = True
        try:
            while batch := self.consumer.fill([], _AT_ONCE):
                self._take_in(batch)
        except Exception as error:
            logger.error("%s: what came could not be taken", self.consumer.name, exc_info=error)
            self.consumer.end(error)
        finally:
            self._is_taking = False
