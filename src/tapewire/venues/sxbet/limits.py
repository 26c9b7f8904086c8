"""How much goes into one request, and how often the venue may be called (docs "Rate limits").

All clients of one key in this process share its limits.

Each published limit is a count within a window. A limiter here starts with a tenth of it at once and refills at nine
tenths, so that no window, wherever it begins, holds more than the limit.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from ...clock import Clock
from ...secrets import Secret
from ...transport.limiter import Budget, RateLimiter
from .errors import SXBetInvalidParameter
from .symbols import checked_id

__all__ = ["LIMITS", "MAX_PAGES", "Budgets", "Kind", "budgets_for", "chunks", "comma_separated", "fitting"]

T = TypeVar("T")

MAX_PAGES: Final = 1000
"""Pages of one listing: what does not end by then is the venue's mistake."""

MAX_ADDRESS: Final = 60_000
"""Bytes that names may take in an address: common HTTP software, ours too, refuses 65,536."""

_COMMA: Final = 3  # as it is encoded

Kind: TypeAlias = Literal["orders", "trades", "rest"]
"""Which limit a path counts against. Everything counts against the overall one too."""

LIMITS: Final[Mapping[Kind, int]] = {"orders": 5_500, "trades": 200, "rest": 500}
"""Calls a minute of each kind."""

OVERALL: Final = (35_000, 600.0)
"""Calls of any kind, within seconds."""

_AT_ONCE: Final = 0.1


class Budgets:
    """All limits of one key."""

    def __init__(self) -> None:
        overall = _within(*OVERALL)
        self._of = {kind: Budget((_within(limit, 60.0), overall)) for kind, limit in LIMITS.items()}

    def of(self, kind: Kind) -> Budget:
        """What a call of this kind takes: a place of its own kind, and one of all. A 429 holds its own kind."""
        return self._of[kind]

    def __repr__(self) -> str:
        return f"Budgets({', '.join(f'{kind}: {budget.limiters[0]!r}' for kind, budget in self._of.items())})"


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


def fitting(names: Sequence[str], limit: int) -> int:
    """How many of `names` may go into one request: up to `limit`, and no more than an address holds."""
    longest = max(map(len, names), default=0)
    return max(1, min(limit, MAX_ADDRESS // (longest + _COMMA)))


def chunks(items: Sequence[T], size: int) -> list[list[T]]:
    """`items` in order, at most `size` together."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def comma_separated(argument: str, names: Sequence[str], limit: int) -> str:
    """Hashes as the venue takes them. Raises SXBetInvalidParameter for too many, or for one that is none."""
    if isinstance(names, str) or len(names) > limit:
        raise SXBetInvalidParameter(argument, f"{len(names)} of them", f"a list of up to {limit}")
    return ",".join(checked_id(argument, name) for name in names)
