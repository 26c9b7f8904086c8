"""The brake of a recorder: lines are held while the tape has no room, where that was asked for.

Lines are held by whoever notes what they say, and let go when the thread that writes says so: on their own loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Protocol

__all__ = ["Brake", "Braked"]


class Braked(Protocol):
    """A line that can be held."""

    def hold(self, *, held: bool) -> None:
        """Read nothing from it, or read again."""
        ...


class Brake:
    """Of the lines of one loop. `count`: how often they were held."""

    def __init__(self) -> None:
        self.count: int = 0
        self._lines: dict[Braked, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_holding = self._is_letting_go = False

    def enter(self, line: Braked) -> None:
        """A line is open."""
        self._loop = asyncio.get_running_loop()
        self._lines[line] = None
        if self._is_holding:
            line.hold(held=True)

    def leave(self, line: Braked) -> None:
        """It is over."""
        self._lines.pop(line, None)

    def hold(self) -> None:
        """Hold all of them, and those that are opened meanwhile."""
        if self._lines and not self._is_holding:
            self.count += 1
            self._set(held=True)

    def let_go(self) -> None:
        """There is room again. Called in another thread."""
        if self._is_holding and not self._is_letting_go and self._loop is not None:
            self._is_letting_go = True
            with suppress(RuntimeError):  # their loop is over, and so are they
                self._loop.call_soon_threadsafe(partial(self._set, held=False))

    def _set(self, *, held: bool) -> None:
        self._is_holding, self._is_letting_go = held, False
        for line in tuple(self._lines):
            line.hold(held=held)
