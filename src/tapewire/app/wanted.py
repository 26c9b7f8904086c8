"""What a command is asked for, as words: which markets, what of them, for how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from ..arguments import near_names
from ..errors import ConfigurationError
from ..market import Verb
from ..venues import VENUES

__all__ = [
    "ACCOUNT_KINDS",
    "KINDS",
    "KIND_OF",
    "FeedKind",
    "Target",
    "parse_duration",
    "parse_kinds",
    "parse_target",
]

FeedKind: TypeAlias = Literal["book", "trades", "ticker", "orders", "fills", "positions", "balance"]

KINDS: Final[Mapping[FeedKind, Verb]] = {
    "book": "watch_order_book",
    "trades": "watch_trades",
    "ticker": "watch_ticker",
    "orders": "watch_orders",
    "fills": "watch_fills",
    "positions": "watch_positions",
    "balance": "watch_balance",
}
"""What can be watched, by the word for it, and the verb of a venue that has it."""

KIND_OF: Final[Mapping[Verb, FeedKind]] = {verb: kind for kind, verb in KINDS.items()}
"""The other way."""

ACCOUNT_KINDS: Final[frozenset[FeedKind]] = frozenset(["orders", "fills", "positions", "balance"])
"""What is our own: it needs credentials, and no instrument has to be named."""

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Target(msgspec.Struct, frozen=True):
    """A venue and a market of it: the id of an instrument, or what else names one. None: the first that it lists."""

    venue: str
    market: str | None = None

    def __str__(self) -> str:
        return self.venue if self.market is None else f"{self.venue}:{self.market}"


def parse_target(text: str) -> Target:
    """`venue:market`, or `venue`; a market's id may hold further colons. Raises ConfigurationError, with near names."""
    venue, colon, market = text.partition(":")
    if venue not in VENUES or (colon and not market):
        near = near_names(venue, VENUES) if venue not in VENUES else []
        meant = f"; perhaps {near[0]}" if near else ""
        allowed = f"VENUE:MARKET, or VENUE alone for its first; venues are {', '.join(VENUES)}{meant}"
        raise ConfigurationError("market", text, allowed)
    return Target(venue, market or None)


def parse_kinds(text: str | None) -> tuple[FeedKind, ...] | None:
    """`book,trades`, each once. None stays None. Raises ConfigurationError, with near names."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in KINDS:
            near = near_names(name, KINDS)
            meant = f"; perhaps {near[0]}" if near else ""
            raise ConfigurationError("kind", name, f"{', '.join(KINDS)}{meant}")
    if not names:
        raise ConfigurationError("kind", text, f"some of {', '.join(KINDS)}, with commas between")
    return tuple(kind for kind in KINDS if kind in names)


def parse_duration(text: str, name: str = "for") -> float:
    """`90`, `90s`, `5m`, `1.5h`: seconds. Raises ConfigurationError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|[smhd]?)", text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds < 1e9:
        raise ConfigurationError(name, text, "seconds, or a number and s, m, h or d: 90, 5m, 1h")
    return seconds
