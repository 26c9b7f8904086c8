"""One event loop in a thread of its own, for all that blocking code has connected, and how to wait for it.

Rules:

* It begins with the first that uses it and ends with the last; at the end of the program it ends at once.
* A wait is one that Ctrl-C ends, on every system: none is longer than `WAKE_SECONDS`. What was waited for is cancelled
  then, and an exception of it is raised as it is.
* Nobody waits for the loop in the loop's own thread: that is an error in place of a standstill.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from ..errors import SessionClosed, WrongLoop

__all__ = ["LoopThread", "plainly", "release", "use"]

T = TypeVar("T")

WAKE_SECONDS: Final = 0.5
"""How long a wait lasts at most until it looks for Ctrl-C, where that does not end it by itself."""

END_SECONDS: Final = 0.8
"""How long what is left in the loop may take with its end."""


class LoopThread:
    """The loop. Made by `use`."""

    def __init__(self) -> None:
        self.users = 0
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        # A daemon: a program that ends without a word is not held up by it.
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(),), name="tapewire", daemon=True
        )
        self._thread.start()
        self._begun.wait()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._begun.set()
        await self._ending.wait()

    @property
    def is_alive(self) -> bool:
        """False once it has ended, and in a process that was forked off."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """True in the loop's own thread."""
        return threading.current_thread() is self._thread

    def call(
        self,
        function: Callable[..., Awaitable[T]],
        *arguments: Any,
        seconds: float | None = None,
        **named: Any,
    ) -> T:
        """Await `function(...)` in the loop, and wait for it. After `seconds` it is cancelled, with TimeoutError.

        Raises what it raises; SessionClosed where the loop has ended, and WrongLoop where this is its thread.
        """
        if self.is_current:
            raise WrongLoop("what blocks (tapewire.sync) and was called inside its own event loop")
        future = self.post(function, *arguments, **named)
        waited = 0.0
        try:
            while not future.done():
                step = WAKE_SECONDS if seconds is None else min(WAKE_SECONDS, seconds - waited)
                if step <= 0:
                    raise TimeoutError(f"not done after {seconds:g} s")
                concurrent.futures.wait([future], step)
                waited += step
                if not future.done() and not self.is_alive:
                    raise SessionClosed("closed while waiting")
            return future.result()
        except concurrent.futures.CancelledError:
            raise SessionClosed("closed while waiting") from None
        except BaseException:
            future.cancel()
            raise

    def post(
        self, function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any
    ) -> concurrent.futures.Future[T]:
        """Begin `function(...)` in the loop, and wait for nothing. Raises SessionClosed where it has ended."""
        coroutine = _begun(function, *arguments, **named)
        try:
            if not self.is_alive:
                raise RuntimeError
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise SessionClosed("tapewire.sync: not connected, or closed") from None

    def end(self, seconds: float) -> None:
        """Cancel what is left in it, and wait so long for its end."""
        try:
            self._loop.call_soon_threadsafe(self._ending.set)
        except RuntimeError:
            return  # it has ended
        if not self.is_current:
            self._thread.join(seconds)


async def plainly(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """A plain function, called in the loop."""
    return function(*arguments, **named)


def _begun(function: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> Coroutine[Any, Any, T]:
    async def begun() -> T:
        return await function(*arguments, **named)

    return begun()


_lock: Final = (
    threading.RLock()
)  # not a plain one: a collection of garbage may release what its thread is about to use
_threads: Final[list[LoopThread]] = []


def use() -> LoopThread:
    """The loop that everybody shares. Give it back with `release`."""
    with _lock:
        _threads[:] = [thread for thread in _threads if thread.is_alive]
        if not _threads:
            _threads.append(LoopThread())
        _threads[0].users += 1
        return _threads[0]


def release(thread: LoopThread) -> None:
    """It is used no more by one of those that do. With the last it ends."""
    with _lock:
        thread.users -= 1
        if thread.users > 0:
            return
        if thread in _threads:
            _threads.remove(thread)
    thread.end(END_SECONDS)


@atexit.register
def _end_with_the_program() -> None:
    with _lock:
        threads = [thread for thread in _threads if thread.is_alive]
    for thread in threads:
        thread.end(END_SECONDS)
