"""How long to wait before the next try, for sockets and HTTP alike. Pure: randomness and time are arguments.

Rules: full jitter from the first retry on, `uniform(0, min(max_backoff, initial_backoff * 2**(n-1)))`, so that a
thousand clients dropped together do not come back together; a peer's Retry-After is a floor, never shortened by
jitter, and counts for `MAX_RETRY_AFTER` at most; the count belongs to one outage and starts again only after the line
was stable (the session decides that). A peer that served us until an outage began is not waited for longer, at a time,
than the outage has lasted: some small waits in a row would else raise the ceiling far above it, and of several lines to
one peer the unluckiest would come back long after the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from random import random
from typing import Any, TypeAlias

from .errors import ConfigurationError

__all__ = [
    "MAX_RETRY_AFTER",
    "NEVER_GIVE_UP",
    "NO_RETRY",
    "RandomFraction",
    "RetryPolicy",
    "check_retry",
    "retry_after_seconds",
]

MAX_RETRY_AFTER = 900.0
"""Seconds. A longer Retry-After is asked again after this: a wrong header (ten days were seen, and a date of another
year) would end a client without a word, and one call in a quarter of an hour harms nobody."""

RandomFraction: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again and when to stop.

    `max_attempts`: tries in one outage (for HTTP: of one call), the first included; None never gives up.
    `initial_backoff`, `max_backoff`: seconds, the bounds of the growing ceiling. `jitter=False` waits the whole
    ceiling each time: for tests. `dataclasses.replace(policy, max_backoff=5)` makes a changed copy. Raises
    ConfigurationError for a value out of range.
    """

    max_attempts: int | None = 3
    initial_backoff: float = 0.5
    max_backoff: float = 30.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.max_attempts is not None and (type(self.max_attempts) is not int or self.max_attempts < 1):
            raise ConfigurationError(
                "max_attempts", self.max_attempts, "a whole number from 1, or None for no limit"
            )
        if not _is_number(self.initial_backoff) or not 0 <= self.initial_backoff < 86_400:
            raise ConfigurationError("initial_backoff", self.initial_backoff, "seconds from 0 to 86400")
        if not _is_number(self.max_backoff) or not self.initial_backoff <= self.max_backoff <= 86_400:
            raise ConfigurationError("max_backoff", self.max_backoff, "seconds from initial_backoff to 86400")

    def exhausted(self, attempts: int) -> bool:
        """True if `attempts` tries have been made and no more are allowed."""
        return self.max_attempts is not None and attempts >= self.max_attempts

    def delay(
        self,
        attempts: int,
        *,
        retry_after: float | None = None,
        lasted: float | None = None,
        fraction: RandomFraction = random,
    ) -> float:
        """Seconds to wait after `attempts` (1, 2, ...) failed tries. `fraction` yields a number in [0, 1).

        `retry_after`, in seconds, is waited for first, up to `MAX_RETRY_AFTER`. `lasted`: the seconds that the outage
        of a peer has lasted that served us before; with jitter, no ceiling is higher (but for `initial_backoff`).
        """
        ceiling = min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempts - 1, 63))
        if lasted is not None and self.jitter:
            ceiling = min(ceiling, max(self.initial_backoff, lasted))
        wait = ceiling * fraction() if self.jitter else ceiling
        return wait if retry_after is None else min(max(0.0, retry_after), MAX_RETRY_AFTER) + wait


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


NEVER_GIVE_UP = RetryPolicy(max_attempts=None)
"""The default of every socket: an outage ends when the venue is back, not when a counter does."""

NO_RETRY = RetryPolicy(max_attempts=1)


def check_retry(name: str, value: Any) -> None:
    """Raise ConfigurationError that names `name`, unless `value` is a policy."""
    if not isinstance(value, RetryPolicy):
        raise ConfigurationError(name, value, "a tapewire.RetryPolicy")


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3); None where there is none that can be read.

    A number of seconds, or an HTTP date, which is compared with `now`: seconds since the epoch.
    """
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value):
        return float(value)
    from email.utils import parsedate_to_datetime  # here, for a date comes seldom, and mail is dear to import

    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
