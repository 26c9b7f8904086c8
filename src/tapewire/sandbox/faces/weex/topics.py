"""Which topics the played WEEX has, and how it refuses others. Pure. Words: weex.md 3.3.

A public topic is `BTCUSDT@trade`, `@ticker`, `@depth15`, `@depth200` (`@depth` is `@depth15`) or
`@kline_1m_LAST_PRICE`; a private one `account`, `orders`, `fill` or `positions`. Symbols may be in lower case.
"""

from __future__ import annotations

from collections.abc import Container

from .books import DEPTHS
from .tape import INTERVALS, PRICE_TYPES

__all__ = ["PRIVATE", "Refusal", "check_topic", "depth_of", "kline_of", "ledger_name", "wire_name"]

PRIVATE = ("account", "orders", "fill", "positions")


class Refusal(Exception):
    """Why a frame is refused, in the venue's words behind `INVALID_ARGUMENT: `."""


def ledger_name(topic: str, account: str | None) -> str:
    """The topic's name in the ledger: a private one stands there with its account."""
    return f"{topic}:{account}" if topic in PRIVATE else topic


def wire_name(topic: str) -> str:
    """The name of a ledger's topic on the wire."""
    return topic.partition(":")[0]


def depth_of(topic: str) -> int | None:
    """How many levels, of a topic of books; None for others."""
    event = topic.partition("@")[2]
    return int(event.removeprefix("depth")) if event.startswith("depth") else None


def kline_of(topic: str) -> tuple[str, str] | None:
    """Interval and price type, of a topic of candles; None for others."""
    event = topic.partition("@")[2]
    if not event.startswith("kline_"):
        return None
    _, interval, price_type = event.split("_", 2)
    return interval, price_type


def check_topic(name: str, symbols: Container[str], *, private: bool) -> str:
    """The topic as the venue names it. Raises Refusal."""
    if private:
        if name not in PRIVATE:
            raise Refusal(f"invalid event : {name}")
        return name
    given, separator, event = name.partition("@")
    if not separator:
        raise Refusal(f"invalid event : {name}")
    if event.startswith("depth"):
        event = _checked_depth(event)
    elif event.startswith("kline_"):
        _checked_kline(event)
    elif event not in ("ticker", "trade"):
        raise Refusal(f"invalid event : {event}")
    if given.upper() not in symbols:
        raise Refusal(f"invalid symbol : {given}")
    return f"{given.upper()}@{event}"


def _checked_depth(event: str) -> str:
    level = event.removeprefix("depth") or "15"
    if level not in [str(depth) for depth in DEPTHS]:
        raise Refusal(f"invalid depth level : {level}")
    return f"depth{level}"


def _checked_kline(event: str) -> None:
    words = event.split("_", 2)
    if len(words) != 3 or words[1] not in INTERVALS or words[2] not in PRICE_TYPES:
        raise Refusal(f"invalid event : {event}")
