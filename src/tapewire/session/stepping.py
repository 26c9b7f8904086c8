"""Walks a handler's coroutine step by step, so that what it costs between two awaits can be measured.

Rules: most coroutines of handlers are done after their first step, which therefore costs no task and no generator. A
handler that is cancelled by something it waited for is told from the task that runs it being cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Callable, Generator
from typing import Any

from ..errors import OwnerCancelled

__all__ = ["BLOCKED_SECONDS", "SLICE_SECONDS", "first_step", "is_cancelled", "run_owned", "watched"]

BLOCKED_SECONDS = 0.25
"""Whatever keeps the event loop this long without awaiting is reported by name."""

SLICE_SECONDS = 0.01
"""How long one consumer may go on taking what is buffered before everybody else has a turn."""

_COROUTINE = types.CoroutineType


def first_step(result: Any) -> tuple[Any, Any] | None:
    """Step a handler's coroutine once, here: most are done then. Returns its steps and what it waits for, if not."""
    steps: Any = result
    if result.__class__ is not _COROUTINE:
        if not inspect.isawaitable(result):
            return None
        steps = result.__await__()
    try:
        return steps, steps.send(None)
    except StopIteration:
        return None


@types.coroutine
def watched(
    steps: Any, waits_for: Any, now: Callable[[], float], report: Callable[[float], None]
) -> Generator[Any, Any, Any]:
    """Go on with what waits, reporting each of its steps that keeps the event loop too long."""
    while True:
        try:
            argument = yield waits_for
            step = steps.send
        except BaseException as error:
            argument = error
            step = steps.throw
        started = now()
        try:
            waits_for = step(argument)
        except StopIteration as stop:
            return stop.value
        finally:
            if now() - started > BLOCKED_SECONDS:
                report(now() - started)


async def run_owned(role: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of the owner's and await what it returns, if that can be awaited.

    Raises what it raises. Where it ends with CancelledError although nobody cancelled the task that runs it, something
    that it waited for was: that is its failure, and raised as OwnerCancelled.
    """
    try:
        result = function(*arguments)
        return await result if inspect.isawaitable(result) else result
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise OwnerCancelled(role) from error


def is_cancelled() -> bool:
    """True where it is the present task itself that is cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())
