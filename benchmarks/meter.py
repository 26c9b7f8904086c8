"""What runs inside a client's process: the meters that count what its user was given, and the calibration loop.

The measured part goes from the message at 5 % to the last, so that connecting, joining and warming up are not in it.
It is cut into parts, and the calibration loop runs between them, outside of what is measured: the clock may change its
state in the middle of a run. A meter costs the same for every contender: one call and one subtraction a message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["PARTS", "WARM", "BurstMeter", "Meter", "PacedMeter", "Part", "calibrate", "cuts"]

WARM = 0.05
"""The part of the messages that is not measured."""

PARTS = 4
"""Of one run: a little longer than the clock most often stays in one state."""

STALL = 1.0
"""Seconds without a message after which the rest is counted as lost."""

SETTLE = 0.1
"""Seconds after the joins at which a burst's measurement begins: it is on its way a little later."""

SILENCE = 0.2
"""Seconds without a message after which a burst is over for whoever takes only its newest."""

TICK = 0.02
"""Seconds between two looks at what has come."""


@dataclass(frozen=True)
class Part:
    """Between two calibrations, `before` and `after` (milliseconds): `messages` took `seconds`, and `cpu` of them.

    `awaited`: messages that came out of an awaited call, where that is not every one.
    """

    before: float
    after: float
    messages: int
    seconds: float
    cpu: float
    awaited: int = 0


def cuts(count: int) -> list[int]:
    """After how many messages each calibration runs: at 5 %, between the parts, after the last. Pure."""
    warm = max(1, int(count * WARM))
    parts = max(1, min(PARTS, count - warm))
    return [warm + (count - warm) * number // parts for number in range(parts + 1)]


class Meter:
    """Give `tick` to the contender as its handler; then `await finished()`. `beside`: ticks that come before them."""

    def __init__(self, count: int, beside: int = 0, look: Callable[[], float] | None = None) -> None:
        self.count = count
        self.parts: list[Part] = []
        self.awaited = 0
        """Messages that came out of an awaited call, where that is not every one (the contender counts them)."""
        self._look = look or calibrate
        self._cuts = cuts(count)
        self._next = 0
        self._until = self._cuts[0]
        self._left = self._until + beside
        self._state = 0.0
        self._begun = (0.0, 0.0)
        self._began_at = 0

    def tick(self, _: object = None) -> None:
        """One message has reached the user."""
        self._left -= 1
        if not self._left:
            self._cut()

    @property
    def received(self) -> int:
        """Messages counted so far."""
        return self._until - self._left

    @property
    def lost(self) -> int:
        """Messages that did not reach the user."""
        return self.count - self.received

    def begin(self) -> None:
        """The contender measures itself: what it does begins now."""
        self._state = self._look()

    def took(self, seconds: float, cpu: float) -> None:
        """All at once since `begin`."""
        self._until, self._left = self.count, 0
        self.parts = [Part(self._state, self._look(), self.count, seconds, cpu)]

    async def finished(self) -> None:
        """Wait for the last message, or until none comes any more. Looks only now and then: it costs nothing."""
        before, waited = self.received, 0.0
        last = now()
        while self._next < len(self._cuts) and waited < STALL:
            await asyncio.sleep(TICK)
            if self.received != before:
                before, waited = self.received, 0.0
                last = now()
            else:
                waited += TICK
        if 0 < self._next < len(self._cuts) and self.received - self._began_at > self._left:
            self._add(last)  # the rest was lost; this part is half of one at least

    def _cut(self) -> None:
        ended = now()
        if self._next:
            self._add(ended)
        else:
            self._state = self._look()
        self._next += 1
        if self._next < len(self._cuts):
            self._began_at, self._until = self._until, self._cuts[self._next]
            self._left = self._until - self._began_at
            self.awaited = 0
            self._begun = now()

    def _add(self, ended: tuple[float, float]) -> None:
        before, self._state = self._state, self._look()
        self.parts.append(
            Part(
                before,
                self._state,
                self.received - self._began_at,
                ended[0] - self._begun[0],
                ended[1] - self._begun[1],
                self.awaited,
            )
        )


class PacedMeter(Meter):
    """Keeps when each message reached the user, in nanoseconds of the monotonic clock."""

    def __init__(self, count: int, beside: int = 0) -> None:
        super().__init__(count, beside)
        self._beside = beside
        self._stamps: list[int] = []

    @property
    def stamps(self) -> list[int]:
        """Of the messages, without what came before them."""
        return self._stamps[self._beside :]

    def tick(self, _: object = None) -> None:
        """One message has reached the user."""
        self._stamps.append(time.monotonic_ns())
        Meter.tick(self)


class BurstMeter(Meter):
    """Of `count` messages that are sent, whoever gets how many: from before the first until none comes any more."""

    def __init__(self, count: int, beside: int = 0, look: Callable[[], float] | None = None) -> None:
        super().__init__(count, look=look)
        self._ticks = 0

    def tick(self, _: object = None) -> None:
        """The newest, or one of them all."""
        self._ticks += 1

    @property
    def received(self) -> int:
        """Messages that the user was given."""
        return self._ticks

    @property
    def lost(self) -> int:
        """Nothing is: the newest says it all."""
        return 0

    async def finished(self) -> None:
        """Begin to measure, and wait until the burst is over."""
        await asyncio.sleep(SETTLE)
        before, waited, after = self._ticks, 0.0, 0.0
        state = self._look()
        begun = last = now()
        looking = 0.0
        while waited < (STALL if last is begun else SILENCE):
            await asyncio.sleep(TICK)
            seconds, cpu = now()
            if self._ticks != before:
                before, waited, after = self._ticks, 0.0, 0.0
                last = seconds, cpu - looking
            else:
                waited += TICK
                if not after and last is not begun:  # it may be over: the state as near to that as can be
                    after = self._look()
                    looking += now()[1] - cpu
        if last is not begun:
            self.parts = [Part(state, after, self.count, last[0] - begun[0], last[1] - begun[1])]


def now() -> tuple[float, float]:
    """Seconds of time, and of this process's CPU."""
    return time.perf_counter(), time.process_time()


def calibrate(loops: int = 4, work: Callable[[], object] | None = None) -> float:
    """Milliseconds of CPU that a fixed piece of work takes at best: the state of the clock, whoever else is running."""
    best = float("inf")
    for _ in range(loops):
        begin = time.process_time()
        (work or _fixed_work)()
        best = min(best, time.process_time() - begin)
    return best * 1000


def _fixed_work() -> int:
    total, known = 0, dict.fromkeys(range(64), 1)
    for number in range(20_000):
        total += known[number & 63]
    return total
