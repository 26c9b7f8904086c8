"""A clock whose time passes only when nothing else is left to do.

`VirtualClock().run(main())` runs a coroutine on an event loop of its own. Every timer of that loop (`asyncio.sleep`,
`call_later`, `asyncio.timeout`, the engine's deadlines) is due at once when no task can run, in the right order: an
hour passes in a millisecond, and the same way each time. Real sockets still work, but time does not wait for them: use
`tapewire.transport.memory` inside it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar

__all__ = ["VirtualClock"]

T = TypeVar("T")

_EPOCH_NS = 1_700_000_000_000_000_000

RESOLUTION: Final = 1e-9
"""Seconds: timers that are due closer together than this are due at once, for the loop too."""

POLLS: Final = 32
"""Turns of the loop after which it is asked whether a thread or a signal woke it, at the latest."""


class VirtualClock:
    """A `tapewire.clock.Clock` and the event loop that follows it.

    `start`: of the monotonic clock, in seconds; `wall_ns`: of the wall clock then. `speed`: how fast time passes where
    nothing is left to do, 1 as elsewhere; by default as fast as it can. `fast_until`: until that moment of the
    monotonic clock it passes as fast as it can whatever `speed` says.
    """

    def __init__(
        self,
        start: float = 1000.0,
        *,
        wall_ns: int = _EPOCH_NS,
        speed: float = math.inf,
        fast_until: float | None = None,
    ) -> None:
        self._now = start
        self._start = start
        self._wall_offset_ns = wall_ns - _EPOCH_NS
        self.speed: float = speed
        """May be changed at any time."""
        self._fast_until = -math.inf if fast_until is None else fast_until
        self._course: _Course | None = None

    @property
    def jumps(self) -> bool:
        """True where time passes as fast as it can."""
        return self.speed == math.inf or self._now < self._fast_until

    def monotonic(self) -> float:
        return self._now

    def time_ns(self) -> int:
        return _EPOCH_NS + int((self._now - self._start) * 1e9) + self._wall_offset_ns

    def jump_wall(self, seconds: float) -> None:
        """Move the wall clock only, as an NTP step does. No timer may care."""
        self._wall_offset_ns += int(seconds * 1e9)

    def suspend(self, seconds: float) -> None:
        """Let time pass without the loop running, as a closed laptop does. Overdue timers fire afterwards."""
        self._now += seconds

    async def follow(self, course: Iterator[float | T]) -> T | None:
        """Go through `course`, which is continued at each moment that it yields, as a timer would be, and costs less.

        It is continued when nothing else is left to do before that, behind the timers of the same moment. Returns the
        first thing it yields that is no moment of this clock, None at its end; raises what it raises. One at a time.
        """
        over: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._course = _Course(course, over)
        try:
            self._course.go_on()
            return await over
        finally:
            self._course = None

    def run(self, main: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
        """Run `main` to its end in virtual time and return its result. All tasks left over are cancelled."""
        with asyncio.Runner(loop_factory=self._new_loop, debug=debug) as runner:
            return runner.run(main)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        return _VirtualLoop(self)

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now - self._start:g} s>"


class _Course:
    """What is followed. `at`: when it goes on."""

    __slots__ = ("_over", "_steps", "at")

    def __init__(self, steps: Iterator[Any], over: asyncio.Future[Any]) -> None:
        self._steps = steps
        self._over = over
        self.at: float = math.inf

    def go_on(self) -> None:
        """One step."""
        try:
            step = next(self._steps, None)
        except Exception as error:
            step, self.at = None, math.inf
            if not self._over.done():
                self._over.set_exception(error)
        if type(step) is float:
            self.at = step
        else:
            self.at = math.inf
            if not self._over.done():
                self._over.set_result(step)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._clock.monotonic()


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._turns = 0

    def select(self, timeout: float | None = None) -> Any:
        ready = self._polled()
        if ready or (timeout is not None and timeout <= 0):
            return ready
        clock = self._clock
        course = clock._course
        if course is not None:
            seconds = course.at - clock._now
            if seconds < (math.inf if timeout is None else timeout - RESOLUTION):
                ready = self._wait(max(0.0, seconds))
                if not ready and clock._now >= course.at - RESOLUTION:
                    course.go_on()
                return ready
        return super().select(5.0) if timeout is None else self._wait(timeout)

    def _polled(self) -> Any:
        """What sockets have to say.

        Where there are none but the loop's own, by which threads and signals wake it, that is asked now and then alone.
        """
        self._turns += 1
        return super().select(0) if self._turns % POLLS == 0 or len(self.get_map()) > 1 else []

    def _wait(self, seconds: float) -> Any:
        if self._clock.jumps:
            self._clock.suspend(seconds)
            return []
        began = time.monotonic()
        ready = super().select(seconds / self._clock.speed)
        self._clock.suspend(min(seconds, (time.monotonic() - began) * self._clock.speed))
        return ready
