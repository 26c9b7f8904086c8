"""`Handlings`: the tasks that call handlers of a venue's feeds, and how they are left when the venue is closed.

Rules: what is buffered still comes to a handler, for so long that `CLOSE_SECONDS` are not exceeded; then its call is
cancelled, which is said, and one that goes on all the same is left behind. A handler that closes its own venue is not
waited for, through however many tasks it does so, and is called no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Final

from .feeds import Port

__all__ = ["Handlings"]

logger = logging.getLogger("tapewire.venues.kit")

CLOSE_SECONDS: Final = 5.0
"""How long handlers may take with what is buffered, when the venue is closed."""

LINGER_SECONDS: Final = 1.0
"""How long a cancelled call may take to end before the close goes on without it."""


class _Handling:
    """One task, and the feed that it handles. `over`: done when nobody waits for it any more."""

    __slots__ = ("over", "port", "task")

    def __init__(self, port: Port) -> None:
        self.port = port
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None]

    def end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


_inside: ContextVar[_Handling | None] = ContextVar("tapewire_market_handler", default=None)


class Handlings:
    """Those of one venue."""

    def __init__(self) -> None:
        self._all: set[_Handling] = set()

    def start(self, port: Port, run: Coroutine[Any, Any, None]) -> None:
        """Handle the feed of `port`, by `run`, in a task that is held until it is over."""
        handling = _Handling(port)
        context = copy_context()
        context.run(_inside.set, handling)
        self._all.add(handling)
        handling.task = asyncio.get_running_loop().create_task(
            run, name=f"tapewire handler of {port.consumer.name}", context=context
        )
        handling.task.add_done_callback(lambda task: self._ended(handling))

    async def close(self) -> None:
        """Let them come to the end of what is buffered; cancel those that are not there in time."""
        caller = _inside.get()
        if caller is not None and caller in self._all:
            caller.port.consumer.close()
            caller.end()
        waiting = {handling.over: handling for handling in self._all if not handling.over.done()}
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=CLOSE_SECONDS)
        tasks = [waiting[over].task for over in late]
        for task in tasks:
            logger.warning("%s did not return in time; cancelled", task.get_name())
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=LINGER_SECONDS)
            for task in left:
                logger.warning("%s goes on although it was cancelled", task.get_name())

    def _ended(self, handling: _Handling) -> None:
        self._all.discard(handling)
        handling.end()
