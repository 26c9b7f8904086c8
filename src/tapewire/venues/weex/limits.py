"""The venue's budgets: operations of one connection, connections of one address, weight of HTTP calls.

`Operations` counts a connection's SUBSCRIBE and UNSUBSCRIBE requests over a sliding hour (240 are allowed; one request
may name a hundred topics). Connections (300 in 5 minutes from one address) and weight (500 in 10 seconds) are the
process's shared limiters: they let through a burst and refill at the rest, so that no window holds more than allowed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from ...clock import Clock
from ...transport.limiter import RateLimiter, shared_limiter

__all__ = ["CHANNELS_PER_CONNECTION", "OPERATIONS_PER_HOUR", "Operations", "connections_of", "weight_of"]

OPERATIONS_PER_HOUR: Final = 240
CHANNELS_PER_CONNECTION: Final = 100
_CONNECTIONS: Final = (270, 300.0, 30)
_WEIGHT: Final = (400, 10.0, 100)


class Operations:
    """The operations of one connection. Pure: `now` is an argument, in seconds."""

    __slots__ = ("_limit", "_per", "_taken")

    def __init__(self, limit: int = OPERATIONS_PER_HOUR, per: float = 3600.0) -> None:
        self._limit = limit
        self._per = per
        self._taken: deque[float] = deque(maxlen=limit)

    def left(self, now: float) -> int:
        """How many may still be sent at `now`."""
        taken = self._taken
        while taken and taken[0] <= now - self._per:
            taken.popleft()
        return self._limit - len(taken)

    def take(self, now: float) -> None:
        """One was sent."""
        self._taken.append(now)

    def __repr__(self) -> str:
        return f"<Operations {len(self._taken)} of {self._limit} in {self._per:g} s>"


def connections_of(host: str, clock: Clock) -> RateLimiter:
    """How often this process may connect to `host`: await its `wait` before each attempt."""
    rate, per, burst = _CONNECTIONS
    return shared_limiter(f"weex connections {host}", rate, per, burst, clock=clock)


def weight_of(origin: str, clock: Clock) -> RateLimiter:
    """The weight of HTTP calls that this process may spend at `origin`: wait for a place for each unit."""
    rate, per, burst = _WEIGHT
    return shared_limiter(f"weex weight {origin}", rate, per, burst, clock=clock)
