"""How many of something go into one request, and how many requests are too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from .errors import SXBetInvalidParameter
from .symbols import checked_id

__all__ = ["MAX_ADDRESS", "MAX_PAGES", "chunks", "comma_separated", "fitting"]

T = TypeVar("T")

MAX_PAGES: Final = 1000
"""Pages of one listing: what does not end by then is the venue's mistake."""


MAX_ADDRESS: Final = 60_000
"""Bytes that names may take in an address: common HTTP software, ours too, refuses 65,536."""

_COMMA: Final = 3  # as it is encoded


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
