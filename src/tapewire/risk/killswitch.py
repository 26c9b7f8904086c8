"""The kill switch: a thread of its own that sees to it that a halt happens, whatever the event loop does.

It looks four times a second for a wish to halt (`wishes.py`), and whether the event loop still beats. Then it tells the
loop; where that does not answer, the thread cancels all open orders itself, over a connection of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from ..clock import Clock
from ..market.venue import Venue
from ..retry import RetryPolicy
from .wishes import Status, Wishes

__all__ = ["KillSwitch"]

logger = logging.getLogger("tapewire.risk")

LOOK_SECONDS: Final = 0.25

_PAUSES: Final = RetryPolicy(max_attempts=20, initial_backoff=0.25, max_backoff=5.0)
"""Between tries to cancel: a minute and a half together."""

CALL_SECONDS: Final = 15.0
"""What one of them may take."""

ANSWER_SECONDS: Final = 5.0
"""How long a loop that beats may take for its own halt, where no `stall` says it."""


class KillSwitch:
    """`make`: another connection to the same account. `stall`: seconds without a beat after which the loop counts as
    blocked; None: never. `on_halt(reason)`, `on_resume(reason)`: called in the loop.

    Call `beat` several times within `stall`, and `done` when a halt is through.
    """

    def __init__(
        self,
        wishes: Wishes,
        make: Callable[[], Venue],
        clock: Clock,
        *,
        stall: float | None,
        on_halt: Callable[[str], object],
        on_resume: Callable[[str], object],
    ) -> None:
        self._wishes = wishes
        self._make = make
        self._clock = clock
        self._stall = stall
        self._on_halt = on_halt
        self._on_resume = on_resume
        self._loop = asyncio.get_running_loop()
        self._beaten = time.monotonic()
        self._told = ""  # the reason for which the loop was told to halt
        self._is_done = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tapewire kill switch", daemon=True)

    def start(self) -> None:
        """From now on it looks."""
        self._thread.start()

    def close(self) -> None:
        """It looks no more. Waits for a moment at most: what it does just now it may finish."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)

    def beat(self) -> None:
        """The loop runs."""
        self._beaten = time.monotonic()

    def pull(self, reason: str) -> None:
        """From anywhere, a signal handler as well: halt. It stays so over restarts until somebody resumes."""
        self._wishes.halt(reason, self._clock.time_ns())

    def done(self) -> None:
        """The loop has halted, and knows of no order that is open."""
        self._is_done.set()

    def reset(self) -> None:
        """A resumption: the next halt is a new one."""
        self._told = ""
        self._is_done.clear()

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception:  # a disk, above all: the next look may go better, and there must be one
                logger.exception("the kill switch could not look")

    def _look(self) -> None:
        resume = self._wishes.wants_resume
        if resume is not None:
            self._call(self._on_resume, resume.reason)
            return
        if self._told:
            return
        if self._stall is not None and time.monotonic() - self._beaten > self._stall:
            self.pull(f"the event loop did not run for {self._stall:g} s")
        wish = self._wishes.wants_halt
        if wish is not None:
            self._halt(wish.reason)

    def _halt(self, reason: str) -> None:
        self._told = reason
        self._is_done.clear()
        self._call(self._on_halt, reason)
        if not self._is_done.wait(self._stall or ANSWER_SECONDS):
            self._cancel_everything(reason)

    def _call(self, function: Callable[[str], object], reason: str) -> None:
        try:
            self._loop.call_soon_threadsafe(function, reason)
        except RuntimeError:  # it is closed: nobody is there to be told
            logger.warning("the event loop is closed: %s", reason)

    def _cancel_everything(self, reason: str) -> None:
        logger.critical(
            "halted, and the event loop does not answer; its orders are canceled apart: %s", reason
        )
        canceled, trouble = 0, ""
        for attempt in range(1, (_PAUSES.max_attempts or 1) + 1):
            if self._is_done.is_set() or self._is_over.is_set():
                return
            try:
                canceled += asyncio.run(self._cancel_once())
                trouble = ""
                break
            except Exception as error:  # whatever it is: nobody else is left to try again
                trouble = str(error)[:500] or type(error).__name__
                logger.error("open orders could not be canceled: %s", trouble)
                self._is_done.wait(_PAUSES.delay(attempt))
        self._wishes.tell(
            Status(
                state="halted",
                reason=reason,
                since_ns=self._clock.time_ns(),
                pid=os.getpid(),
                canceled=canceled,
                is_done=not trouble,
                trouble=trouble,
            )
        )

    async def _cancel_once(self) -> int:
        """How many were open. It returns when none is."""
        venue = self._make()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                canceled = len(await venue.cancel_all())
                left = [order for order in await venue.open_orders() if order.status != "pending_cancel"]
            if left:
                raise TimeoutError(f"{len(left)} orders are open still")
            return canceled
        finally:
            await venue.close()
