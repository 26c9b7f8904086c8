"""Whether the line is alive, judged by WebSocket pings. Pure: `now` is an argument, in seconds.

Rules: a ping every `interval` seconds, and its pong within `timeout` seconds; else the line is dead and is to be
aborted, not politely closed. Only a pong is a pong: data that still comes in proves the way in, while the ping and
everything else that we send may get nowhere. A timer that fires late (a suspended machine, a blocked loop) judges
nothing: what lies in the socket is read first, for `GRACE` seconds. A protocol's own heartbeat is judged by the
protocol; both must hold.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["GRACE", "LATE", "Liveness"]

LATE = 1.0
"""A timer later than this many seconds judges nothing."""

GRACE = 1.0
"""Seconds to drain the socket after a late timer."""


class Liveness:
    """Call `heard` once per read and `ponged` for a pong; ask `handle_timer` when `next_deadline` has passed."""

    __slots__ = ("_interval", "_ping_at", "_pinged_at", "_timeout", "heard_at")

    def __init__(self, now: float, interval: float | None, timeout: float) -> None:
        self.heard_at = now
        self._interval = interval
        self._timeout = timeout
        self._pinged_at: float | None = None
        self._ping_at = now + (interval or 0.0)

    def heard(self, now: float) -> None:
        """Something was read: the stream was whole until `now`. It proves nothing about what we send."""
        self.heard_at = now

    def ponged(self, now: float) -> None:
        """The peer answered: the line lives in both directions. Also where nothing was read on purpose, until `now`."""
        self.heard_at = now
        self._pinged_at = None

    def stop(self) -> None:
        """The verdict was given: nothing is judged any more."""
        self._interval = None

    @property
    def next_deadline(self) -> float | None:
        if self._interval is None:
            return None
        return self._ping_at if self._pinged_at is None else self._pinged_at + self._timeout

    def handle_timer(self, now: float) -> Literal["ping", "dead"] | None:
        """What to do at `now`: send a ping, abort the transport, or nothing yet."""
        if self._interval is None:
            return None
        if self._pinged_at is not None:
            return "dead" if now >= self._pinged_at + self._timeout else None
        if now >= self._ping_at:
            self._pinged_at = now
            self._ping_at = now + self._interval
            return "ping"
        return None
