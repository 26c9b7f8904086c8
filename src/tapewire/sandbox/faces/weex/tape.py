"""What the played WEEX says of a contract's last day: its ticker, its candles, its mark and index price. Pure.

The day before the sandbox began is made up from the seed: an opening price between half a percent and two and a half
percent away, a volume, and four hours of one-minute candles. What happens from then on is counted in. The volume of the
day only grows, the mark price is the middle of the book, the index price a little above it.
"""

from __future__ import annotations

import random
from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...core.events import Trade
from ...core.exchange import Market
from .contracts import RANGE, UNIT_PLACES, Contract, fixed

__all__ = ["INTERVALS", "MAX_CANDLES", "PRICE_TYPES", "Candle", "Tape"]

MINUTE = 60_000
DAY = 86_400_000
MAX_CANDLES = 1500
"""One-minute candles remembered per contract; longer ones are made of these."""

EARLIER_CANDLES = 240

INTERVALS = {
    "1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "1h": 60 * MINUTE, "2h": 120 * MINUTE,
    "4h": 240 * MINUTE, "6h": 360 * MINUTE, "8h": 480 * MINUTE, "12h": 720 * MINUTE, "1d": DAY, "1w": 7 * DAY, "1M": 0,
}  # fmt: skip
"""Milliseconds of each candle; a month has none."""

PRICE_TYPES = ("LAST_PRICE", "MARK_PRICE")

_THURSDAY = 3 * DAY
"""The epoch began on a Thursday; weeks begin on Mondays."""


class Candle(msgspec.Struct):
    """One candle: prices in ticks, `volume` in lots, `quote` in units; `buy_` is what takers bought."""

    opened_at: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    count: int = 0
    buy_volume: int = 0
    buy_quote: int = 0

    def add(self, tick: int, lots: int, value: int, is_buy: bool) -> None:
        """Count a trade in."""
        self.high, self.low, self.close = max(self.high, tick), min(self.low, tick), tick
        self.volume += lots
        self.quote += value
        self.count += 1
        if is_buy:
            self.buy_volume += lots
            self.buy_quote += value

    def extend(self, later: Candle) -> None:
        """Make one candle of two."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        for name in ("volume", "quote", "count", "buy_volume", "buy_quote"):
            setattr(self, name, getattr(self, name) + getattr(later, name))


def opening_of(at_ms: int, interval: str) -> int:
    """When the candle that holds `at_ms` began."""
    if interval == "1M":
        day = datetime.fromtimestamp(at_ms / 1000, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        return int(day.timestamp()) * 1000
    length = INTERVALS[interval]
    shift = _THURSDAY if interval == "1w" else 0
    return (at_ms + shift) // length * length - shift


def closing_of(opened_at: int, interval: str) -> int:
    """The last millisecond of the candle that began then."""
    if interval == "1M":
        return opening_of(opened_at + 32 * DAY, interval) - 1
    return opened_at + INTERVALS[interval] - 1


class Tape:
    """One contract's day. Tell it of each trade."""

    def __init__(self, contract: Contract, market: Market, now_ms: int, seed: int | str) -> None:
        self._contract = contract
        draw = random.Random(f"tape-{seed}-{contract.symbol}")
        last = self.middle(market) // 2
        price = contract.floor + last
        self.open = last - round(price * draw.choice((-1, 1)) * draw.uniform(0.005, 0.025))
        self.last = last
        self.high, self.low = max(self.open, last) + 40, min(self.open, last) - 40
        self.volume = draw.randrange(10**8, 3 * 10**8)
        self.quote = contract.value((self.open + last) // 2 * self.volume, self.volume)
        self.count = draw.randrange(200_000, 600_000)
        self._minutes: deque[Candle] = deque(maxlen=MAX_CANDLES)
        self._make_up(draw, opening_of(now_ms, "1m"))

    def _make_up(self, draw: random.Random, now_ms: int) -> None:
        contract, tick = self._contract, self.last
        earlier: list[Candle] = []
        for number in range(1, EARLIER_CANDLES + 1):
            opened = min(max(tick + draw.randint(-30, 30), 100), RANGE - 100)
            high, low = max(opened, tick) + draw.randint(0, 9), min(opened, tick) - draw.randint(0, 9)
            lots = draw.randint(1_000, 90_000)
            value = contract.value(lots * ((opened + tick) // 2), lots)
            earlier.append(
                Candle(
                    now_ms - number * MINUTE, opened, high, low, tick, lots, value, 20, lots // 2, value // 2
                )
            )
            tick = opened
        self._minutes.extend(reversed(earlier))

    def add(self, trade: Trade) -> None:
        """A trade was made."""
        value = self._contract.value(trade.price * trade.quantity, trade.quantity)
        self.last = trade.price
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.volume += trade.quantity
        self.quote += value
        self.count += 1
        minute = self._minute(trade.at_ns // 1_000_000)
        minute.add(trade.price, trade.quantity, value, trade.taker_side == "buy")

    def _minute(self, at_ms: int) -> Candle:
        opened_at = opening_of(at_ms, "1m")
        latest = self._minutes[-1]
        price = latest.close
        first = max(latest.opened_at + MINUTE, opened_at - MAX_CANDLES * MINUTE)
        for quiet in range(first, opened_at + 1, MINUTE):  # a minute without trades has a candle, too
            latest = Candle(quiet, price, price, price, price)
            self._minutes.append(latest)
        return latest

    @staticmethod
    def middle(market: Market) -> int:
        """Twice the middle of the book, in ticks: a whole number."""
        bid, offer = market.book.best_bid, market.book.best_offer
        if bid is None or offer is None:
            return 2 * (bid or offer or market.last_price or market.payout // 2)
        return bid + offer

    def mark(self, market: Market) -> str:
        """The mark price: the middle of the book, with one place more than prices have."""
        contract = self._contract
        return fixed((2 * contract.floor + self.middle(market)) * 5, contract.places + 1)

    def index(self, market: Market) -> str:
        """The index price."""
        contract = self._contract
        return fixed((2 * contract.floor + self.middle(market)) * 500_175, contract.places + 6)

    def ticker(self, market: Market, now_ms: int) -> dict[str, Any]:
        """The row of a ticker frame; `P` is a fraction."""
        contract = self._contract
        change, opened = self.last - self.open, contract.floor + self.open
        return {
            "p": fixed(change, contract.places),
            "P": f"{change / opened:.6f}",
            "w": fixed(self.quote * 10**8 // (self.volume * 10**contract.places), 8),
            "c": contract.price(self.last),
            "o": contract.price(self.open),
            "h": contract.price(self.high),
            "l": contract.price(self.low),
            "v": contract.size(self.volume),
            "q": fixed(self.quote, UNIT_PLACES),
            "O": now_ms - DAY,
            "C": now_ms,
            "n": self.count,
            "m": self.mark(market),
            "i": self.index(market),
        }

    def candles(self, interval: str, limit: int, now_ms: int) -> list[Candle]:
        """The latest candles, the oldest first; the last is the one that holds `now_ms`."""
        self._minute(now_ms)
        made: list[Candle] = []
        for minute in reversed(self._minutes):
            opened_at = opening_of(minute.opened_at, interval)
            if made and made[-1].opened_at == opened_at:
                earlier = msgspec.structs.replace(minute, opened_at=opened_at)
                earlier.extend(made[-1])
                made[-1] = earlier
            elif len(made) == limit:
                break
            else:
                made.append(msgspec.structs.replace(minute, opened_at=opened_at))
        return made[::-1]

    def row(self, candle: Candle, interval: str) -> dict[str, Any]:
        """A candle as sockets have it."""
        contract = self._contract
        return {
            "t": candle.opened_at,
            "T": closing_of(candle.opened_at, interval),
            "s": contract.symbol,
            "i": interval,
            "o": contract.price(candle.open),
            "c": contract.price(candle.close),
            "h": contract.price(candle.high),
            "l": contract.price(candle.low),
            "v": contract.size(candle.volume),
            "n": candle.count,
            "q": fixed(candle.quote, UNIT_PLACES),
            "V": contract.size(candle.buy_volume),
            "Q": fixed(candle.buy_quote, UNIT_PLACES),
        }

    def array(self, candle: Candle, interval: str) -> list[Any]:
        """A candle as REST has it."""
        row = self.row(candle, interval)
        return [row[name] for name in ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")]
