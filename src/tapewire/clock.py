"""The clock. Only this file and the event loop read one; the pure rooms take `now` as an argument.

Two readings, never mixed: `monotonic()` in seconds decides about deadlines and delays, `time_ns()` in nanoseconds
since the epoch stamps what people will read. `tapewire.testing.VirtualClock` is the same protocol with time that
passes only when nothing else is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from .errors import ConfigurationError

__all__ = ["Clock", "SystemClock", "check_clock", "nanoseconds_of"]


@runtime_checkable
class Clock(Protocol):
    """What the engine asks of a clock."""

    def monotonic(self) -> float:
        """Seconds; never goes back. The same scale as the running loop's `time()`."""
        ...

    def time_ns(self) -> int:
        """Nanoseconds since the epoch; may jump."""
        ...


class SystemClock:
    """The machine's own clock. All of them are equal: what is shared by clock is shared by them."""

    monotonic: Final = staticmethod(time.monotonic)  # the functions themselves: asked per message
    time_ns: Final = staticmethod(time.time_ns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SystemClock)

    def __hash__(self) -> int:
        return hash(SystemClock)

    def __repr__(self) -> str:
        return "SystemClock()"


def check_clock(name: str, value: Any) -> None:
    """Raise ConfigurationError that names `name`, unless `value` is a clock."""
    if isinstance(value, type) or not isinstance(value, Clock):
        raise ConfigurationError(name, value, "a tapewire.Clock, such as SystemClock()")


def nanoseconds_of(clock: Clock) -> Callable[[], int]:
    """What reads it in nanoseconds: of the machine's own it is the function itself, for it is asked per message."""
    return time.monotonic_ns if isinstance(clock, SystemClock) else lambda: int(clock.monotonic() * 1e9)
