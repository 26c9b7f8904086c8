"""Handlers of blocking code: called in a thread beside the loop's, one after the other; none blocks the loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Final, NamedTuple

from ..errors import OwnerCancelled
from ..reporting import name_of

__all__ = ["Worker"]

IDLE_SECONDS: Final = 1.0
"""How long its thread waits for another call before it ends; the next one begins a new one."""


class _Call(NamedTuple):
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    context: Context  # in which it says who calls, should it close its own venue


class Worker:
    """Calls in their order, in one thread. What awaits them in the loop bounds how many there are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: deque[_Call] = deque()
        self._news = threading.Condition()
        self._is_running = False

    def wrapped(self, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """A coroutine function that calls `function` in the thread."""

        async def called(*arguments: Any) -> Any:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            self._add(_Call(function, arguments, loop, future, copy_context()))
            return await future

        return called

    def _add(self, call: _Call) -> None:
        with self._news:
            self._calls.append(call)
            self._news.notify()
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._calls and not self._news.wait_for(lambda: self._calls, IDLE_SECONDS):
                    self._is_running = False
                    return
                call = self._calls.popleft()
            if not call.future.cancelled():  # whoever wanted it has left
                _make(call)


def _make(call: _Call) -> None:
    result: Any = None
    error: Exception | None = None
    try:
        result = call.context.run(call.function, *call.arguments)
    except Exception as raised:
        error = raised
    except BaseException as raised:  # SystemExit and its like end no thread of ours
        error = OwnerCancelled(name_of(call.function))
        error.__cause__ = raised
    try:
        call.loop.call_soon_threadsafe(_tell, call.future, result, error)
    except RuntimeError:
        return  # the loop has ended, and nobody waits


def _tell(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
