"""What runs inside a client's process: the meters that count what its user was given, and the calibration loop.

The measured part goes from the message at 5 % to the last, so that connecting, joining and warming up are not in it.
What a meter costs is the same for every contender: one call and one subtraction a message.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["WARM", "BurstMeter", "Meter", "PacedMeter", "calibrate", "wait_for_speed"]

WARM = 0.05
"""The part of the messages that is not measured."""

STALL = 1.0
"""Seconds without a message after which the rest is counted as lost."""

SETTLE = 0.1
"""Seconds after the joins at which a burst's measurement begins: it is on its way a little later."""

SILENCE = 0.4
"""Seconds without a message after which a burst is over for whoever takes only its newest."""


class Meter:
    """Give `tick` to the contender as its handler; then `await finished()`. `beside`: ticks that come before them."""

    def __init__(self, count: int, beside: int = 0) -> None:
        self.count = count
        self.warm = max(1, int(count * WARM))
        self.seconds = self.cpu = 0.0
        self.awaited = 0
        """Messages that came out of an awaited call, where that is not every one (the contender counts them)."""
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

    @property
    def messages(self) -> int:
        """Messages that `seconds` and `cpu` are of."""
        return max(1, self.received - self.warm)

    @property
    def lost(self) -> int:
        """Messages that did not reach the user."""
        return self.count - self.received

    def took(self, seconds: float, cpu: float) -> None:
        """All at once: the contender has measured itself."""
        self.seconds, self.cpu = seconds, cpu
        self.warm = self._left = 0
        self._is_warm = self._over = True

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
            self.awaited = 0
            self._is_warm = True
            self._left = self.count - self.warm


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

    def __init__(self, count: int, beside: int = 0) -> None:
        super().__init__(count)
        self._ticks = 0

    def tick(self, _: object = None) -> None:
        """The newest, or one of them all."""
        self._ticks += 1

    @property
    def received(self) -> int:
        """Messages that the user was given."""
        return self._ticks

    @property
    def messages(self) -> int:
        """All that were sent."""
        return self.count

    @property
    def lost(self) -> int:
        """Nothing is: the newest says it all."""
        return 0

    async def finished(self) -> None:
        """Begin to measure, and wait until the burst is over."""
        await asyncio.sleep(SETTLE)
        before = self._ticks
        begun = last = time.perf_counter(), time.process_time()
        waited = 0.0
        while waited < (STALL if last is begun else SILENCE):
            await asyncio.sleep(0.02)
            if self._ticks != before:
                before, waited = self._ticks, 0.0
                last = time.perf_counter(), time.process_time()
            else:
                waited += 0.02
        self.seconds, self.cpu = last[0] - begun[0], last[1] - begun[1]


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
