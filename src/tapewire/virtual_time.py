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
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualClock"]

T = TypeVar("T")

_EPOCH_NS = 1_700_000_000_000_000_000


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

    def run(self, main: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
        """Run `main` to its end in virtual time and return its result. All tasks left over are cancelled."""
        with asyncio.Runner(loop_factory=self._new_loop, debug=debug) as runner:
            return runner.run(main)

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        return _VirtualLoop(self)

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now - self._start:g} s>"


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

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready if ready or timeout is not None else super().select(5.0)
        if self._clock.jumps:
            self._clock.suspend(timeout)
            return ready
        began = time.monotonic()
        ready = super().select(timeout / self._clock.speed)
        self._clock.suspend(min(timeout, (time.monotonic() - began) * self._clock.speed))
        return ready
