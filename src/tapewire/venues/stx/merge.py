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

__all__ = ["WINDOW", "MarketMerge", "MarketState", "TradesWindow", "is_later"]

WINDOW: Final = 15
"""Trades that the venue's window has (its schema)."""

_Key: TypeAlias = tuple[int, int, Decimal, OrderSide]


class MarketState(msgspec.Struct, frozen=True):
    """What is known of one market. Levels are best first; prices are on the axis."""

    market_id: str
    bids: tuple[Level, ...] = ()
    offers: tuple[Level, ...] = ()
    last: Decimal | None = None
    volume: Decimal | None = None
    status: str = "open"
    trading: Any = None
    venue_time_ns: int | None = None
    """When the venue published the last of what is in it."""

    def ticker(self, received_at_ns: int, raw: Any = None) -> Ticker:
        """Its last price, volume and touch."""
        return ticker_of(
            self.market_id,
            last=self.last,
            volume=self.volume,
            bids=self.bids,
            offers=self.offers,
            venue_time_ns=self.venue_time_ns,
            received_at_ns=received_at_ns,
            raw=raw,
        )


class MarketMerge:
    """One market as its messages leave it. Give it the row of the HTTP answer (`replace`), then each change (`merge`).

    Either is checked whole before anything of it counts: one that raises InvalidField leaves the market as it was, and
    is then not what the venue has any more: begin again with a fresh row.
    """

    __slots__ = ("_replaced_at_ns", "state")

    def __init__(self, market_id: str) -> None:
        self.state: MarketState = MarketState(market_id)
        self._replaced_at_ns: int | None = None

    @property
    def market_id(self) -> str:
        """Whose messages it takes."""
        return self.state.market_id

    @property
    def status(self) -> MarketStatus:
        """As the messages left it."""
        return market_status({"status": self.state.status, "trading": self.state.trading})

    def replace(self, row: Any) -> None:
        """The whole market, of an answer or of `market_created`. Raises InvalidField, also for another market's."""
        row = _object(row)
        for name in ("market_id", "bids", "offers", "status"):
            if name not in row and field_of(row, name) is None:
                raise InvalidField(name, None, "there, as in the row of a whole market")
        published = published_ns(row)
        self.state = self._changed(MarketState(self.market_id), row, published)
        self._replaced_at_ns = published

    def merge(self, changed: Any) -> bool:
        """The fields of one message. False for one that the row holds already. Raises InvalidField."""
        changed = _object(changed)
        published = published_ns(changed)
        if not is_later(published, self._replaced_at_ns):
            return False
        self.state = self._changed(self.state, changed, published)
        return True

    def snapshot(self, received_at_ns: int) -> BookSnapshot:
        """The book as it stands, whole."""
        known = self.state
        return BookSnapshot(
            venue=VENUE,
            instrument_id=known.market_id,
            bids=known.bids,
            offers=known.offers,
            venue_time_ns=known.venue_time_ns,
            received_at_ns=received_at_ns,
        )

    def _changed(self, known: MarketState, row: Mapping[str, Any], published: int | None) -> MarketState:
        owner = field_of(row, "market_id")
        if owner is not None and owner != self.market_id:
            raise InvalidField("market_id", owner, f"{self.market_id}, whose messages these are")
        changes: dict[str, Any] = {
            side: levels_of(row[side], side) for side in ("bids", "offers") if side in row
        }
        words = {name: row[name] for name in ("status", "trading") if row.get(name) is not None}
        if words:
            market_status({"status": known.status, **words})
        told = {"last": last_price(row), "volume": day_volume(row), "venue_time_ns": published}
        changes |= words | {name: value for name, value in told.items() if value is not None}
        return msgspec.structs.replace(known, **changes)


def is_later(published_at_ns: int | None, row_at_ns: int | None) -> bool:
    """True for a message that a row does not hold yet, by when each was published. Where one does not say: True."""
    return row_at_ns is None or published_at_ns is None or published_at_ns > row_at_ns


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField("market", value, "an object")
    return value


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
        if self._known and keys and keys[-1][0] < self._known[-1][0]:
            return [], True  # of before what is known: a row that was fetched had overtaken it
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
