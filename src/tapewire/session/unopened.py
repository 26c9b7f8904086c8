"""Says so in the log where somebody waits on a session that nobody has opened: it would wait for ever, in silence.

Rules: subscribing first and opening then is right, so that waiting is no error and raises nothing; a second of it is
told once a session, with what to do.
"""

from __future__ import annotations

import logging

from .loop import Loop

__all__ = ["UNOPENED_SECONDS", "Unopened"]

logger = logging.getLogger("tapewire.session")

UNOPENED_SECONDS = 1.0
"""How long somebody may wait on a session that was never opened before it is told."""

_KEY = "unopened"


class Unopened:
    """Of one session. Call `opened` when it is opened, closed, or certain to be opened: nothing is told after that."""

    __slots__ = ("_loop", "_over", "_who")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._over = False
        self._who = ""

    def waits(self, who: str) -> None:
        """`who` is about to wait for what only an open session can bring."""
        if not self._over and _KEY not in self._loop.timers:
            self._who = who
            self._loop.after(_KEY, UNOPENED_SECONDS, self._tell)

    def opened(self) -> None:
        """It is, or will be, or never will."""
        self._over = True
        self._loop.timers.cancel(_KEY)

    def _tell(self) -> None:
        """The time is over and it is not opened."""
        self._over = True
        logger.warning(
            "%s: %s waits, and the session was never opened; use `async with`, or await its open()",
            *(self._loop.name, self._who),
        )
