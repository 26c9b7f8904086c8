"""The heartbeat of one socket: one outstanding at a time, its reply judged by a deadline of its own. Pure.

The first is due one interval after the start; the next one interval after the last was sent, never before its reply. A
reply that comes after the deadline changes nothing.
"""

from __future__ import annotations

import math

from ...errors import ConfigurationError
from .frames import Ref

__all__ = ["TOPIC", "Heartbeat"]

TOPIC = "phoenix"


class Heartbeat:
    """When to send one, and whether the last went unanswered. `rtt` is the last round trip in seconds."""

    def __init__(self, interval: float, timeout: float) -> None:
        for name, seconds in (("heartbeat_interval", interval), ("heartbeat_timeout", timeout)):
            if not 0 < seconds < math.inf:
                raise ConfigurationError(name, seconds, "seconds above 0")
        self._interval = interval
        self._timeout = timeout
        self._due: float | None = None
        self.next_deadline: float | None = None
        """When the next one, or the reply to the last, is due. Asked for after each read, and seldom another."""
        self._outstanding: str | None = None
        self._sent_at = self._judged_from = 0.0
        self.rtt: float | None = None

    def start(self, now: float) -> None:
        """The socket is open."""
        self._due = self.next_deadline = now + self._interval

    def stop(self) -> None:
        """Nothing is due any more."""
        self._due = self._outstanding = self.next_deadline = None

    def is_due(self, now: float) -> bool:
        """True if one must be sent now."""
        return self._outstanding is None and self._due is not None and now >= self._due

    def is_overdue(self, now: float) -> bool:
        """True if the last one's reply is past its deadline."""
        return self._outstanding is not None and now >= self._judged_from + self._timeout

    def excuse(self, now: float) -> None:
        """Replies could not be read until `now`: the last one's has its whole time anew."""
        self._judged_from = now
        if self._outstanding is not None:
            self.next_deadline = now + self._timeout

    def sent(self, ref: str, now: float) -> None:
        """One was sent."""
        self._outstanding, self._due = ref, now + self._interval
        self._sent_at = self._judged_from = now
        self.next_deadline = now + self._timeout

    def answered(self, ref: Ref, now: float) -> None:
        """A reply came. It counts only if it answers the outstanding one."""
        if self._outstanding is not None and str(ref) == self._outstanding:
            self._outstanding = None
            self.next_deadline = self._due
            self.rtt = now - self._sent_at
