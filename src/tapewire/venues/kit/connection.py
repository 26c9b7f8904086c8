"""What the documented realtime classes do alike about their line.

`Body`: the pages end their programs with `await asyncio.Future()` inside `async with`. Where the line gives up for
good (`retry=` is exhausted, the venue refuses the credentials) and nobody waits who could be told, that would wait for
ever beside one ERROR in the log. So the task inside is cancelled, as `asyncio.TaskGroup` does it, and the `async with`
raises what the line gave up for.

`HomeLoop`: a client belongs to the event loop that it was first used on. In a second `asyncio.run`, or in a thread with
a loop of its own, what it waits for never comes: the first call there says so.

`session_fields`: what each takes of its sessions, under the same names, is refused where the class is made, not where
the first session is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ...errors import ConfigurationError, WrongLoop
from ...session.options import SessionOptions

__all__ = ["Body", "HomeLoop", "session_fields"]


_DEFAULTED = ("retry", "clock", "connector")


def session_fields(given: object, **fields: Any) -> dict[str, Any]:
    """Fields of `SessionOptions`: `fields`, and over them those of `given`, which is a class's `session_options=`.

    Where `retry`, `clock` or `connector` is None, the default counts. Raises ConfigurationError naming a wrong one.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError("session_options", given, "a dict of fields of tapewire.SessionOptions")
    own: dict[str, Any] = dict(given or {})
    if unknown := own.keys() - set(SessionOptions.__struct_fields__):
        shown = ", ".join(sorted(map(str, unknown)))
        raise ConfigurationError("session_options", shown, SessionOptions.__struct_fields__)
    chosen = {name: value for name, value in fields.items() if value is not None or name not in _DEFAULTED}
    chosen |= own
    _ = SessionOptions(**({"endpoint": _nothing, "protocol": _nothing} | chosen))
    return chosen


def _nothing(token: Any) -> Any:
    """Stands for what the venue brings."""


class Body:
    """The inside of one `async with`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._error: BaseException | None = None

    def enter(self) -> None:
        """The present task goes in."""
        self._task = asyncio.current_task()
        self._cancelling = 0 if self._task is None else self._task.cancelling()
        self._error = None

    def give_up(self, error: BaseException) -> None:
        """The line gave up, for `error`, and nobody was told: the task inside is cancelled, if there is one."""
        if self._task is not None and self._error is None:
            self._error = error
            self._task.cancel()

    def leave(self, raised: object = None) -> BaseException | None:
        """The task comes out with what it `raised`; returns what to raise in its place, when all is closed."""
        task, self._task = self._task, None
        if task is None or self._error is None:
            return None
        is_ours_alone = task.uncancel() <= self._cancelling
        return self._error if is_ours_alone and isinstance(raised, asyncio.CancelledError) else None


class HomeLoop:
    """The event loop that `owner` belongs to: the one in which `check` is called first."""

    def __init__(self, owner: object) -> None:
        self._name = type(owner).__name__  # not the owner: that would hold it in a circle
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Raises WrongLoop on any other loop, and in a thread without one."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise WrongLoop(self._name)

    def leave(self) -> None:
        """All is closed: the next use may be on another loop."""
        self._loop = None
