"""What a market's messages add up to: each holds the fields that changed, whole, and no number of its own. Pure.

`MarketMerge` is one market: the HTTP row, and the changes after it. Which changes the row holds already is told by the
stamps: a row says when the state that it shows was published, and each message when it was. `TradesWindow` is the last
trades of one market: every message with a trade repeats them all, and what was not there before is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from ...model import BookSnapshot, InvalidField, Level, MarketStatus, OrderSide, Ticker, Trade
from ..kit.fields import identifier
from .translate import (
    VENUE,
    day_volume,
    field_of,
    last_price,
    levels_of,
    market_status,
    published_ns,
    rows_of,
    ticker_of,
    to_trade,
    trade_key,
)

__all__ = ["WINDOW", "MarketMerge", "TradesWindow"]

WINDOW: Final = 15
"""Trades that the venue's window has (its schema)."""

_Key: TypeAlias = tuple[int, int, Decimal, OrderSide]


class _State(msgspec.Struct, frozen=True, gc=False):
    """What is known of one market."""

    bids: tuple[Level, ...] = ()
    offers: tuple[Level, ...] = ()
    last: Decimal | None = None
    volume: Decimal | None = None
    status: str = "open"
    trading: Any = None
    venue_time_ns: int | None = None


class MarketMerge:
    """One market as its messages leave it. Give it the row of the HTTP answer (`replace`), then each change (`merge`).

    Either is checked whole before anything of it counts: one that raises InvalidField leaves the market as it was, and
    is then not what the venue has any more: begin again with a fresh row.
    """

    __slots__ = ("_replaced_at_ns", "_state", "market_id")

    def __init__(self, market_id: str) -> None:
        self.market_id: str = market_id
        self._state = _State()
        self._replaced_at_ns: int | None = None

    def replace(self, row: Any) -> None:
        """The whole market, of an answer or of `market_created`. Raises InvalidField, also for another market's."""
        for name in ("market_id", "bids", "offers", "status"):
            if isinstance(row, Mapping) and name not in row and field_of(row, name) is None:
                raise InvalidField(name, None, "there, as in the row of a whole market")
        self._state = self._changed(_State(), row)
        self._replaced_at_ns = self._state.venue_time_ns

    def merge(self, changed: Any) -> bool:
        """The fields of one message. False where the row that was given last holds them already.

        Raises InvalidField.
        """
        state = self._changed(self._state, changed)
        published = published_ns(changed)
        if published is not None and self._replaced_at_ns is not None and published <= self._replaced_at_ns:
            return False
        self._state = state
        return True

    @property
    def bids(self) -> tuple[Level, ...]:
        """Price on the axis and contracts, the highest price first."""
        return self._state.bids

    @property
    def offers(self) -> tuple[Level, ...]:
        """Price on the axis and contracts, the lowest price first."""
        return self._state.offers

    @property
    def status(self) -> MarketStatus:
        """As the messages left it."""
        return market_status({"status": self._state.status, "trading": self._state.trading})

    @property
    def venue_time_ns(self) -> int | None:
        """When the venue published the last of what is in it."""
        return self._state.venue_time_ns

    def snapshot(self, received_at_ns: int) -> BookSnapshot:
        """The book as it stands, whole."""
        return BookSnapshot(
            venue=VENUE,
            instrument_id=self.market_id,
            bids=self.bids,
            offers=self.offers,
            venue_time_ns=self.venue_time_ns,
            received_at_ns=received_at_ns,
        )

    def ticker(self, received_at_ns: int, raw: Any = None) -> Ticker:
        """Its last price, volume and touch as they stand."""
        known = self._state
        return ticker_of(
            self.market_id,
            last=known.last,
            volume=known.volume,
            bids=known.bids,
            offers=known.offers,
            venue_time_ns=known.venue_time_ns,
            received_at_ns=received_at_ns,
            raw=raw,
        )

    def _changed(self, known: _State, row: Any) -> _State:
        if not isinstance(row, Mapping):
            raise InvalidField("market", row, "an object")
        owner = field_of(row, "market_id")
        if owner is not None and identifier(owner, "market_id") != self.market_id:
            raise InvalidField("market_id", owner, f"{self.market_id}, whose messages these are")
        changes: dict[str, Any] = {
            side: levels_of(row[side], side) for side in ("bids", "offers") if side in row
        }
        words = {name: row[name] for name in ("status", "trading") if row.get(name) is not None}
        if words:
            market_status({"status": known.status, **words})
        last, volume, published = last_price(row), day_volume(row), published_ns(row)
        told = {"last": last, "volume": volume, "venue_time_ns": published}
        changes |= words | {name: value for name, value in told.items() if value is not None}
        return msgspec.structs.replace(known, **changes)


class TradesWindow:
    """The last trades of one market, and which of them are new.

    What was in the window before is found in the new one by the trades themselves, for they have no numbers. Between
    two windows that have nothing in common more happened than one of them holds.
    """

    __slots__ = ("_known", "_numbers", "market_id")

    def __init__(self, market_id: str) -> None:
        self.market_id: str = market_id
        self._known: list[_Key] = []
        self._numbers: Counter[_Key] = Counter()

    def begin(self, rows: Any) -> None:
        """The window as it was before anything is news: that of the HTTP row. Raises InvalidField."""
        self._known = [key for key, _ in _oldest_first(rows)]
        self._numbers = Counter(self._known)

    def take(self, rows: Any, received_at_ns: int) -> tuple[list[Trade], bool]:
        """What is new in a window, the oldest first; and whether nothing is missing before it. Raises InvalidField.

        Of a market of which no trade was known before the whole window is new.
        """
        window = _oldest_first(rows)
        keys = [key for key, _ in window]
        overlap = _overlap(self._known, keys)
        is_whole = bool(overlap) or not keys or (not self._known and len(keys) < WINDOW)
        numbers = Counter({key: self._numbers[key] for key in keys})
        news = []
        for key, row in window[overlap:]:
            news.append(to_trade(self.market_id, row, numbers[key], received_at_ns))
            numbers[key] += 1
        if keys:
            self._known, self._numbers = keys, numbers
        return news, is_whole


def _oldest_first(rows: Any) -> list[tuple[_Key, Mapping[str, Any]]]:
    window = [(trade_key(row), row) for row in rows_of(rows, "recent_trades")]
    if len(window) > 1 and window[0][0][0] >= window[-1][0][0]:
        window.reverse()  # as the venue has them: the latest first
    return sorted(window, key=lambda keyed: keyed[0][0])


def _overlap(known: Sequence[_Key], keys: Sequence[_Key]) -> int:
    """How many of the first of `keys` are the last that were known."""
    for length in range(min(len(known), len(keys)), 0, -1):
        if known[-length:] == keys[:length]:
            return length
    return 0
