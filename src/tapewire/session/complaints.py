"""What the log says of its owner's functions that fail or hold up the event loop: blamed by name, counted, bounded.

Rules: the first failure of a function comes with its traceback; from then on there is a line with the count at powers
of two, never a line a message. The whole count is in the statistics.
"""

from __future__ import annotations

import logging
from typing import Any

from ..secrets import shown

__all__ = ["Complaints", "is_worth_a_line", "name_of"]

logger = logging.getLogger("tapewire.session")

_BLOCKINGS_TOLD = 3
"""How many times a function that blocks is reported each time, before the powers of two."""


def is_worth_a_line(count: int, first: int = 1) -> bool:
    """True for the `first` ones of what happens again and again, and then at powers of two."""
    return count <= first or not count & (count - 1)


def name_of(function: Any) -> str:
    """The name under which its owner knows it."""
    return getattr(function, "__qualname__", None) or repr(function)


class Complaints:
    """Of one subscription. A function is known by its role: `handler`, `on_mark`, `on_snapshot`, `on_error`."""

    __slots__ = ("_blocked", "_longest", "_raised", "_topic")

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._raised: dict[str, int] = {}
        self._blocked: dict[str, int] = {}
        self._longest = 0.0

    def raised(
        self, role: str, function: Any, error: BaseException, then: str = "the next one goes on"
    ) -> None:
        """It raised `error`, and `then` is what happens now."""
        count = self._raised[role] = self._raised.get(role, 0) + 1
        name = name_of(function)
        if count == 1:
            logger.warning("%s: %s %s raised; %s", self._topic, role, name, then, exc_info=error)
        elif is_worth_a_line(count):
            last = shown(f"{type(error).__name__}: {error}".removesuffix(": ")[:200])
            logger.warning("%s: %s %s raised %d times; the last: %s", self._topic, role, name, count, last)

    def blocked(self, role: str, function: Any, seconds: float) -> None:
        """It kept the event loop for so long without awaiting."""
        count = self._blocked[role] = self._blocked.get(role, 0) + 1
        self._longest = max(self._longest, seconds)
        if is_worth_a_line(count, _BLOCKINGS_TOLD):
            often = (
                "" if count <= _BLOCKINGS_TOLD else f" ({count} times by now, {self._longest:.2f} s at most)"
            )
            logger.warning(
                "%s: %s %s blocked the event loop for %.2f s; nothing else ran meanwhile%s",
                *(self._topic, role, name_of(function), seconds, often),
            )
