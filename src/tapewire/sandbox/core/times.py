"""Times as they are published: ISO 8601, and stamps that never stand still. Pure: the time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["Stamps", "iso"]


@lru_cache(maxsize=4096)  # a trade is told again with each that follows it, for a while
def iso(at_ns: int, digits: int = 6) -> str:
    """ISO 8601 in UTC, with so many digits of the second."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return (
        f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 10 ** (9 - digits):0{digits}d}Z"
    )


class Stamps:
    """Times in whole units of `unit_ns`, each later than the one before it: no two publications say the same."""

    def __init__(self, unit_ns: int) -> None:
        self._unit_ns = unit_ns
        self._last: dict[str, int] = {}

    def last(self, topic: str = "") -> int:
        """The topic's last stamp; 0 before there was one."""
        return self._last.get(topic, 0)

    def next(self, now_ns: int, topic: str = "") -> int:
        """The time, or the unit after the topic's last stamp where that is later."""
        stamp = self._last[topic] = max(now_ns // self._unit_ns, self._last.get(topic, 0) + 1)
        return stamp
