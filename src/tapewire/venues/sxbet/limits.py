"""How often the venue may be called (docs "Rate limits"), shared by all clients of one key in this process.

Each published limit is a count within a window. A limiter here starts with a tenth of it at once and refills at nine
tenths, so that no window, wherever it begins, holds more than the limit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from ...clock import Clock
from ...secrets import Secret
from ...transport.limiter import RateLimiter, wait_for_all

__all__ = ["LIMITS", "Budget", "Budgets", "budgets_for"]

Budget: TypeAlias = Literal["orders", "trades", "rest"]
"""Which limit a path counts against. Everything counts against the overall one too."""

LIMITS: Final[Mapping[Budget, int]] = {"orders": 5_500, "trades": 200, "rest": 500}
"""Calls a minute of each kind."""

OVERALL: Final = (35_000, 600.0)
"""Calls of any kind, within seconds."""

_AT_ONCE: Final = 0.1


class Budgets:
    """All limits of one key. Await `wait` before each attempt; tell `hold` when the venue answers 429."""

    def __init__(self) -> None:
        self._own = {budget: _within(limit, 60.0) for budget, limit in LIMITS.items()}
        self._overall = _within(*OVERALL)

    async def wait(self, budget: Budget, clock: Clock) -> None:
        """Wait for a place in this budget and in the overall one. Cancelled, it gives both back."""
        await wait_for_all(clock, self._own[budget], self._overall)

    def hold(self, budget: Budget, now: float, seconds: float) -> None:
        """Let nothing new of this kind through for `seconds`."""
        self._own[budget].hold(now, seconds)

    def __repr__(self) -> str:
        return f"Budgets({', '.join(f'{name}: {limiter!r}' for name, limiter in self._own.items())})"


def _within(limit: int, seconds: float) -> RateLimiter:
    return RateLimiter(limit * (1 - _AT_ONCE), seconds, burst=int(limit * _AT_ONCE))


# The key itself names its budgets: a digest of it in a text would be a trace of it.
_shared: weakref.WeakValueDictionary[tuple[str, Secret | None, Clock], Budgets] = (
    weakref.WeakValueDictionary()
)
_lock = threading.Lock()


def budgets_for(origin: str, api_key: Secret | None, clock: Clock) -> Budgets:
    """The process's budgets of that key at that origin, in that clock's time, kept while in use.

    Without a key they are those of this machine.
    """
    with _lock:
        budgets = _shared.get((origin, api_key, clock))
        if budgets is None:
            budgets = _shared[(origin, api_key, clock)] = Budgets()
        return budgets
