"""How often one may call: a rate limiter that is told the time, and the process's shared ones.

One limiter belongs to one budget at the venue (a key, an account, an address). Two limiters for one budget double it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref

from ..clock import Clock
from ..errors import ConfigurationError

__all__ = ["RateLimiter", "shared_limiter"]


class RateLimiter:
    """At most `rate` calls per `per` seconds, `burst` of them at once (GCRA: one number of state).

    Calls are let through in the order of their `reserve`. One limiter belongs to one budget at the venue: share the
    object, or name it with `shared_limiter`; two limiters for one budget double it. Safe to share between threads.
    """

    def __init__(self, rate: float, per: float = 1.0, burst: int | None = None) -> None:
        if not rate > 0:
            raise ConfigurationError("rate", rate, "calls, more than 0")
        if not per > 0:
            raise ConfigurationError("per", per, "seconds, more than 0")
        self.burst = max(1, int(rate)) if burst is None else burst
        if self.burst < 1:
            raise ConfigurationError("burst", burst, "calls, from 1")
        self.rate, self.per = rate, per
        self._interval = per / rate
        self._arrival = float("-inf")  # when the next call would be due if calls came evenly
        self._held_until = float("-inf")
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next free place and return the seconds to wait until then."""
        with self._lock:
            arrival = max(self._arrival, now)
            start = max(now, arrival - self._interval * (self.burst - 1), self._held_until)
            self._arrival = max(arrival, start) + self._interval
            return start - now

    def hold(self, now: float, seconds: float) -> None:
        """Let nothing new through for `seconds`: the venue said so."""
        with self._lock:
            self._held_until = max(self._held_until, now + seconds)

    async def wait(self, clock: Clock) -> None:
        """Wait for a place of one's own."""
        delay = self.reserve(clock.monotonic())
        if delay > 0:
            await asyncio.sleep(delay)

    def __repr__(self) -> str:
        return f"RateLimiter({self.rate:g} per {self.per:g} s, burst {self.burst})"


_limiters: weakref.WeakValueDictionary[str, RateLimiter] = weakref.WeakValueDictionary()
_limiters_lock = threading.Lock()


def shared_limiter(key: str, rate: float, per: float = 1.0, burst: int | None = None) -> RateLimiter:
    """The process's limiter of that key (venue and account, or address), made on first use and kept while in use.

    Raises ConfigurationError where the key is in use with other figures.
    """
    wanted = RateLimiter(rate, per, burst)
    with _limiters_lock:
        limiter = _limiters.setdefault(key, wanted)
    if repr(limiter) != repr(wanted):
        raise ConfigurationError(f"limiter {key}", wanted, f"what is in use already: {limiter}")
    return limiter
