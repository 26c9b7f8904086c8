"""What runs inside a client's process: the meter that counts what its user was given, and the calibration loop.

The measured part goes from the message at 5 % to the last, so that connecting, joining and warming up are not in it.
What the meter costs is the same for every contender: one call and one subtraction a message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["WARM", "Latencies", "Meter", "calibrate", "wait_for_speed"]

WARM = 0.05
"""The part of the messages that is not measured."""

STALL = 1.0
"""Seconds without a message after which the rest is counted as lost."""


class Meter:
    """Give `tick` to the contender as its handler; then `await finished()`. `beside`: ticks that come before them."""

    def __init__(self, count: int, beside: int = 0) -> None:
        self.count = count
        self.warm = max(1, int(count * WARM))
        self.seconds = self.cpu = 0.0
        self._left = self.warm + beside
        self._is_warm = False
        self._over = False
        self._begun = (0.0, 0.0)

    def tick(self, _: object = None) -> None:
        """One message has reached the user."""
        self._left -= 1
        if not self._left:
            self._mark()

    @property
    def received(self) -> int:
        """Messages counted so far."""
        return self.count - self._left if self._is_warm else self.warm - self._left

    async def finished(self) -> None:
        """Wait for the last message, or until none comes any more. Looks only now and then: it costs nothing."""
        before, waited = self.received, 0.0
        last = self._begun
        while not self._over and waited < STALL:
            await asyncio.sleep(0.02)
            now = self.received
            if now != before:
                before, waited = now, 0.0
                last = time.perf_counter(), time.process_time()
            else:
                waited += 0.02
        if not self._over:
            self.seconds, self.cpu = last[0] - self._begun[0], last[1] - self._begun[1]

    def _mark(self) -> None:
        seconds, cpu = time.perf_counter(), time.process_time()
        if self._is_warm:
            self.seconds, self.cpu = seconds - self._begun[0], cpu - self._begun[1]
            self._over = True
        else:
            self._begun = (seconds, cpu)
            self._is_warm = True
            self._left = self.count - self.warm


class Latencies:
    """From `sent_at` to the user, in nanoseconds; the first 5 % left out."""

    def __init__(self, meter: Meter) -> None:
        self._all: list[int] = []
        self._meter = meter

    def took(self, sent_at: str | bytes | bytearray) -> None:
        """A message with this stamp has reached the user."""
        self._all.append(time.monotonic_ns() - int(sent_at))
        self._meter.tick()

    def percentile(self, percent: float) -> float:
        """In microseconds."""
        measured = sorted(self._all[self._meter.warm :])
        return (
            measured[min(len(measured) - 1, int(len(measured) * percent / 100))] / 1000 if measured else 0.0
        )


def calibrate(loops: int = 4, work: Callable[[], object] | None = None) -> float:
    """Milliseconds of CPU that a fixed piece of work takes at best: the state of the clock, whoever else is running."""
    best = float("inf")
    for _ in range(loops):
        begin = time.process_time()
        (work or _fixed_work)()
        best = min(best, time.process_time() - begin)
    return best * 1000


def wait_for_speed(wanted: float, patience: float, look: Callable[[], float] = calibrate) -> float:
    """Wait until the clock is in its fast state, `wanted` milliseconds or less, or until patience ends."""
    until = time.monotonic() + patience
    while (found := look()) > wanted and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _fixed_work() -> int:
    total, known = 0, dict.fromkeys(range(64), 1)
    for number in range(60_000):
        total += known[number & 63]
    return total
