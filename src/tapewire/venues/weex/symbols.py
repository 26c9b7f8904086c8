"""The names of contracts, and the depths and intervals that the venue knows.

One spelling in all of this package: `BTCUSDT`. The V2 wire spells it `cmt_btcusdt`; both are taken from users.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import WEEXInvalidArgument

__all__ = ["DEPTHS", "INTERVALS", "checked_symbol", "depth_for", "v2_symbol"]

DEPTHS: Final = (15, 200)
"""Levels a side that the wire has; anything else is trimmed from one of them."""

INTERVALS: Final = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w", "1M")

_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,40}", re.ASCII)


def checked_symbol(symbol: object, argument: str = "symbol") -> str:
    """The symbol as V3 spells it: `BTCUSDT` for `btcusdt` and `cmt_btcusdt`. Raises WEEXInvalidArgument."""
    text = symbol.upper().removeprefix("CMT_") if isinstance(symbol, str) else ""
    if _SYMBOL.fullmatch(text) is None:
        raise WEEXInvalidArgument(argument, str(symbol)[:60], "a contract's name such as 'BTCUSDT'")
    return text


def v2_symbol(symbol: str) -> str:
    """The same contract as V2 spells it."""
    return f"cmt_{symbol.lower()}"


def depth_for(level: object, argument: str = "level") -> int:
    """The depth to ask the wire for, so that `level` levels a side are there. Raises WEEXInvalidArgument."""
    if type(level) is int and level >= 1:
        for depth in DEPTHS:
            if level <= depth:
                return depth
    raise WEEXInvalidArgument(argument, level, f"1 to {DEPTHS[-1]} levels a side")
