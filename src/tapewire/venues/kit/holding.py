"""Who holds a stream, and when it is left for want of anybody.

A wait that is cancelled leaves nothing. What does: the end of the task that iterates it, where that was cancelled, and
the loss of the last reference to it, wherever and in whichever thread that is found.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from ...errors import WrongLoop

__all__ = ["Holding"]

logger = logging.getLogger("tapewire.venues")

_ONE_WAIT: Final = ("__anext__", "_wrap_awaitable")
"""Names of the coroutines of tasks that are made of one wait for the next item."""


class Holding:
    """Of one stream, from `begin` to `end`; calls `leave` where nobody holds it any more. Keep it out of the stream's
    own references: it must not hold what it watches. `mapped` makes of an error what the venue's user gets.
    """

    def __init__(
        self, name: str, leave: Callable[[], None], mapped: Callable[[BaseException], BaseException]
    ) -> None:
        self._name = name
        self._leave = leave
        self._mapped = mapped
        self._loop: asyncio.AbstractEventLoop | None = None
        self._consumer: asyncio.Task[Any] | None = None  # whose `async for` it is

    def begin(self) -> None:
        """It has been asked for at the venue, on the running loop."""
        self._loop = asyncio.get_running_loop()

    def check(self) -> None:
        """Raises WrongLoop where it was asked for on another loop than the one that runs."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise self._mapped(WrongLoop(f"the stream of {self._name}"))

    def end(self) -> None:
        """It has been left: there is nothing to watch over any more."""
        self._loop = None
        if self._consumer is not None:
            self._consumer.remove_done_callback(self._consumer_ended)
            self._consumer = None

    def iterated_by(self, task: asyncio.Task[Any] | None) -> None:
        """`task` iterates it from now on: the stream is left when that is cancelled.

        A task that is one wait, as `asyncio.wait_for` makes them before Python 3.12, iterates nothing.
        """
        if task is None or task is self._consumer or getattr(task.get_coro(), "__name__", "") in _ONE_WAIT:
            return
        if self._consumer is not None:
            self._consumer.remove_done_callback(self._consumer_ended)
        if self._loop is not None:
            self._consumer = task
            task.add_done_callback(self._consumer_ended)

    def dropped(self) -> None:
        """Nobody holds it any more: called by its `__del__`, which may run anywhere."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._leave)
            except RuntimeError:  # the loop has gone, and every socket with it
                logger.debug("%s was dropped behind its event loop", self._name)

    def _consumer_ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._leave()
