"""What is still open when its event loop is shut down is closed then, so that it leaves no warning behind.

`asyncio.run()` and `Runner` cancel all tasks, and then shut down the asynchronous generators that the loop has seen.
One that waits for nothing else is the loop's word for its end: it needs no task, and every loop knows it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["LoopEnd"]


class LoopEnd:
    """Calls `close` when the event loop that runs now is shut down, unless `forget()` was called before.

    What `close` returns is awaited where it can be. Keep this for as long as there is something to close: the loop
    holds it weakly.
    """

    def __init__(self, close: Callable[[], Coroutine[Any, Any, None] | None]) -> None:
        self._closes = [close]
        self._generator = _wait_for_the_end(self._closes)
        _step(self._generator.__anext__())

    def forget(self) -> None:
        """It is closed already. Idempotent."""
        self._closes.clear()
        _step(self._generator.aclose())


async def _wait_for_the_end(
    closes: list[Callable[[], Coroutine[Any, Any, None] | None]],
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for close in closes:
            if (closing := close()) is not None:
                await closing


def _step(step: Any) -> None:
    """Run what never waits to its end, without a task."""
    with suppress(StopIteration, StopAsyncIteration):
        step.send(None)
