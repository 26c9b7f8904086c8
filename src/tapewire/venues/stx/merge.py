"""What a market's messages add up to: each holds the fields that changed, whole, and no number of its own. Pure.

`MarketMerge` is one market: the HTTP row, and the changes after it. Which changes the row holds already is told by the
stamps: a row says when the state that it shows was published, and each message when it was. `TradesWindow` is the last
trades of one market: every message with a trade repeats them all, and what was not there before is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from ...model import InvalidField, Level, OrderSide, Ticker, Trade
from ..kit.fields import exact_json
from .translate import (
    MAX_CENTS,
    MAX_ROWS,
    PRICES,
    cents_of,
    checked_ticker,
    day_volume,
    field_of,
    last_price,
    levels_of,
    market_status,
    published_ns,
    rows_of,
    stamp_ns,
    to_print,
    to_trade,
    trade_key,
)

__all__ = [
    "WINDOW",
    "Change",
    "Line",
    "MarketMerge",
    "TradesChange",
    "TradesWindow",
    "is_later",
    "object_of",
]

WINDOW: Final = 15
"""Trades that the venue's window has (its schema)."""

_Key: TypeAlias = tuple[int, int, Decimal, OrderSide]


_Cents: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_CENTS)]
_Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]


class Line(NamedTuple):
    """What is known of one market, in short: of each side the best level as it is written, if there is one."""

    bids: list[WireLevel]
    offers: list[WireLevel]
    last_price: Decimal | None
    volume: Decimal | None

    def ticker(self, market_id: str, venue_time_ns: int | None, received_at_ns: int, raw: Any) -> Ticker:
        """As the model has it."""
        bids, offers = self.bids, self.offers
        return checked_ticker(
            market_id,
            last=self.last_price,
            volume=self.volume,
            bid=_level(bids[0]) if bids else None,
            offer=_level(offers[0]) if offers else None,
            venue_time_ns=venue_time_ns,
            received_at_ns=received_at_ns,
            raw=raw,
        )


class MarketMerge:
    """One market as its messages leave it, and the `Levels` of its book.

    Give it the row of the HTTP answer (`replace`), then each change (`merge`). Either is checked whole before anything
    of it counts: one that raises InvalidField leaves the market as it was, and is then not what the venue has any more:
    begin again with a fresh row.
    """

    __slots__ = (
        "_bids", "_offers", "_replaced_at_ns", "last_price", "market_id", "received_at_ns", "venue_time_ns", "volume",
    )  # fmt: skip

    def __init__(self, market_id: str) -> None:
        self.market_id: str = market_id
        """Whose messages it takes."""
        self._bids: list[WireLevel] = []  # as they were written, best first
        self._offers: list[WireLevel] = []
        self.last_price: Decimal | None = None
        self.volume: Decimal | None = None
        self.venue_time_ns: int | None = None
        """When the venue published the last of what is in it."""
        self.received_at_ns: int = 0
        """This machine's clock at the last change of its book: for whoever feeds it to set."""
        self._replaced_at_ns: int | None = None

    @property
    def line(self) -> Line:
        """In short, as a value that stays so."""
        return Line(self._bids[:1], self._offers[:1], self.last_price, self.volume)

    @property
    def sides(self) -> tuple[list[WireLevel], list[WireLevel]]:
        """Bids and offers, as they were written."""
        return self._bids, self._offers

    def bids(self, depth: int | None = None) -> list[Level]:
        """The best `depth` bids, or all: prices on the axis, and contracts."""
        return _read(self._bids[:depth])

    def offers(self, depth: int | None = None) -> list[Level]:
        """The best `depth` offers, or all."""
        return _read(self._offers[:depth])

    @property
    def is_crossed(self) -> bool:
        """True if the best bid is at or above the best offer."""
        bids, offers = self._bids, self._offers
        return bool(bids and offers) and bids[0].price >= offers[0].price

    @property
    def last(self) -> int | None:
        """The venue does not number its states."""
        return None

    def replace(self, row: Any) -> None:
        """The whole market, of an answer or of `market_created`. Raises InvalidField, also for another market's."""
        row = object_of(row)
        for name in ("market_id", "bids", "offers", "status"):
            if name not in row and field_of(row, name) is None:
                raise InvalidField(name, None, "there, as in the row of a whole market")
        change = Change.of(row)
        self._check_owner(change)
        published = change.published_ns
        self._bids, self._offers = [], []
        self.last_price = self.volume = None
        self._take(change, published)
        self._replaced_at_ns = published

    def merge(self, change: Change) -> bool:
        """The fields of one message. False for one that the row holds already. Raises InvalidField."""
        if change.market_id != self.market_id:
            self._check_owner(change)
        published, replaced = change.published_ns, self._replaced_at_ns
        if published is not None and replaced is not None and published <= replaced:
            return False
        self._take(change, published)
        return True

    def _check_owner(self, change: Change) -> None:
        if change.market_id is not None and change.market_id != self.market_id:
            raise InvalidField("market_id", change.market_id, f"{self.market_id}, whose messages these are")

    def _take(self, change: Change, published: int | None) -> None:
        if change.bids is not UNSET:
            self._bids = change.bids or []
        if change.offers is not UNSET:
            self._offers = change.offers or []
        if change.last_traded_price is not None:
            self.last_price = PRICES[change.last_traded_price]
        if change.volume_24h is not None:
            self.volume = Decimal(change.volume_24h)
        if published is not None:
            self.venue_time_ns = published


class WireLevel(msgspec.Struct, gc=False):
    """A level as it is written: cents, and contracts; these are a Decimal in the rare row that has parts of one."""

    price: _Cents
    quantity: _Whole


def _read(side: list[WireLevel]) -> list[Level]:
    """As the model has them."""
    return [_level(level) for level in side]


def _level(level: WireLevel) -> Level:
    return PRICES[level.price], Decimal(level.quantity)


class Change(msgspec.Struct, gc=False):
    """The fields of one message that are kept; unset, or None, are those that it does not have. Levels are best first.

    It is what a message is decoded into at once where all of it is as it nearly always is: whole numbers, and a
    `timestamp` in ISO 8601. Where it is read field by field (`of`) that is in nanoseconds, or None, and contracts may
    be Decimals.
    """

    timestamp: str
    market_id: str | None = None
    bids: list[WireLevel] | UnsetType | None = UNSET
    offers: list[WireLevel] | UnsetType | None = UNSET
    last_traded_price: _Cents | None = None
    volume_24h: _Whole | None = None
    status: str | None = None
    trading: bool | None = None
    recent_trades: msgspec.Raw = msgspec.Raw()

    @property
    def published_ns(self) -> int | None:
        """When the venue published it. Raises InvalidField."""
        said: Any = self.timestamp
        return stamp_ns(said) if said.__class__ is str else said

    @classmethod
    def of(cls, fields: Any) -> Change:
        """Of decoded fields, under either spelling; without their trades. Raises InvalidField."""
        fields = object_of(fields)
        words = {name: fields[name] for name in ("status", "trading") if fields.get(name) is not None}
        if words:
            market_status({"status": "open", **words})
        last, volume, published = last_price(fields), day_volume(fields), published_ns(fields)
        return cls(
            published,  # type: ignore[arg-type]
            field_of(fields, "market_id"),
            _written(fields["bids"], "bids") if "bids" in fields else UNSET,
            _written(fields["offers"], "offers") if "offers" in fields else UNSET,
            None if last is None else cents_of(last),
            None if volume is None else _whole(volume),
            **words,
        )

    def check(self) -> Change:
        """As it was decoded: what the decoder does not look at. Raises InvalidField."""
        if self.bids:
            self.bids = _falling(self.bids)
        if self.offers:
            self.offers = _rising(self.offers)
        if self.status is not None:
            market_status({"status": self.status})
        return self


class TradesChange(msgspec.Struct, gc=False):
    """What of a `Change` says of its trades, and whether the market ends."""

    timestamp: str
    status: str | None = None
    recent_trades: msgspec.Raw = msgspec.Raw()


def _falling(side: list[WireLevel]) -> list[WireLevel]:
    """Bids, best first. Raises InvalidField for a price that is there twice."""
    if side[0].price < side[-1].price:
        side.reverse()  # one way or the other it is in order, as a rule
    before = MAX_CENTS + 1
    for level in side:
        if level.price >= before or not level.quantity:
            return _sorted(side, "bids")
        before = level.price
    return side


def _rising(side: list[WireLevel]) -> list[WireLevel]:
    """Offers, best first. Raises InvalidField for a price that is there twice."""
    if side[0].price > side[-1].price:
        side.reverse()
    before = 0
    for level in side:
        if level.price <= before or not level.quantity:
            return _sorted(side, "offers")
        before = level.price
    return side


def _sorted(side: list[WireLevel], field: str) -> list[WireLevel]:
    prices = [level.price for level in side]
    if len(set(prices)) != len(prices):
        raise InvalidField(f"{field}.price", prices, "each price once")
    held = (level for level in side if level.quantity)
    return sorted(held, key=lambda level: level.price, reverse=field == "bids")


def _written(side: Any, field: str) -> list[WireLevel]:
    """Raises InvalidField."""
    return [WireLevel(cents_of(price), _whole(size)) for price, size in levels_of(side, field)]


def _whole(size: Decimal) -> Any:
    return int(size) if size == int(size) else size


def is_later(published_at_ns: int | None, row_at_ns: int | None) -> bool:
    """True for a message that a row does not hold yet, by when each was published. Where one does not say: True."""
    return row_at_ns is None or published_at_ns is None or published_at_ns > row_at_ns


def object_of(value: Any) -> Mapping[str, Any]:
    """A part of a message that has fields. Raises InvalidField."""
    if not isinstance(value, Mapping):
        raise InvalidField("market", value, "an object")
    return value


class TradesWindow:
    """The last trades of one market, and which of them are new.

    What was in the window before is found in the new one by the trades themselves, for they have no numbers. Between
    two windows that have nothing in common more happened than one of them holds.
    """

    __slots__ = ("_known", "_lengths", "_numbers", "_written", "market_id")

    def __init__(self, market_id: str) -> None:
        self.market_id: str = market_id
        self._known: list[_Key] = []
        self._written = b""  # its rows, the latest first; empty where they came read
        self._lengths: list[int] = []  # of each of those
        self._numbers: dict[_Key, int] = {}  # of known ones, how many there were: where that is more than one

    def begin(self, rows: Any) -> None:
        """The window as it was before anything is news: that of the HTTP row. Raises InvalidField."""
        self._known = [key for key, _ in self._oldest_first(rows)]
        self._numbers = {key: many for key, many in Counter(self._known).items() if many > 1}
        self._keep([])

    def take(self, rows: Any, received_at_ns: int) -> tuple[list[Trade], bool]:
        """What is new in a window, the oldest first; and whether nothing is missing before it. Raises InvalidField.

        `rows` as they are written (`msgspec.Raw`) or read: of what is written only what is new is read. Of a market of
        which no trade was known before the whole window is new.
        """
        if isinstance(rows, msgspec.Raw) and (news := self._moved_on(rows, received_at_ns)) is not None:
            return news, True
        window = self._oldest_first(rows)
        keys = [key for key, _ in window]
        if self._known and keys and keys[-1][0] < self._known[-1][0]:
            return [], True  # of before what is known: a row that was fetched had overtaken it
        overlap = _overlap(self._known, keys)
        is_whole = bool(overlap) or not keys or (not self._known and len(keys) < WINDOW)
        numbers = {key: self._numbers.get(key) or self._known.count(key) for key in keys}
        news = []
        for key, row in window[overlap:]:
            news.append(to_trade(self.market_id, _read_row(row), numbers[key], received_at_ns, key))
            numbers[key] += 1
        if keys:
            self._known = keys
            self._numbers = {key: many for key, many in numbers.items() if many > 1}
            self._keep([row for _, row in reversed(window) if isinstance(row, bytes)])
        return news, is_whole

    def _keep(self, written: Sequence[bytes]) -> None:
        self._written, self._lengths = b",".join(written), [len(row) for row in written]

    def _moved_on(self, rows: msgspec.Raw, received_at_ns: int) -> list[Trade] | None:
        """What is new where that alone is, ahead of the rows of before, as nearly always; None for whoever compares."""
        window, lengths = bytes(rows), self._lengths
        at = window.find(self._written[: lengths[0]]) if lengths else 0
        same = window[at:-1]
        kept, gone = len(lengths), len(self._written) - len(same)
        while gone > 0 and kept:  # what was there before, but for the oldest
            kept -= 1
            gone -= lengths[kept] + 1
        if at < 1 or gone or not self._written.startswith(same):
            return None
        if at == 1:
            self._move_on(kept, [], [], same)
            return []
        added = b"%b]" % window[: at - 1]
        if (one := self._one_more(added, kept, window, received_at_ns)) is not None:
            return [one]
        try:
            prints, raws = _read_prints(added), exact_json(added)
            sizes = [len(row) for row in _written_rows(added)]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        if sum(sizes) + len(sizes) != at - 1:  # there is more between them than a comma
            return None
        keys = [told.key() for told in reversed(prints)]
        if keys[0][0] <= self._known[-1][0] or keys != sorted(keys, key=_moment):
            return None  # perhaps it is one of those that are known
        news = [
            to_trade(self.market_id, raw, keys[:number].count(key), received_at_ns, key)
            for number, (key, raw) in enumerate(zip(keys, reversed(raws), strict=True))
        ]
        self._move_on(kept, keys, sizes, window[1:-1])
        return news

    def _one_more(self, added: bytes, kept: int, window: bytes, received_at_ns: int) -> Trade | None:
        """The one trade that is new, as nearly always; None for whoever compares."""
        row = added[1:-1]
        try:
            told, raw = _read_print(row), exact_json(row)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None  # there are more, or it is another shape
        if told.timestamp_int <= self._known[-1][0] or row[:1] != b"{" or row[-1:] != b"}":
            return None
        key = told.key()
        self._move_on(kept, [key], [len(row)], window[1:-1])
        return to_print(self.market_id, key, received_at_ns, raw)

    def _move_on(self, kept: int, keys: list[_Key], lengths: list[int], written: bytes) -> None:
        known = self._known
        del known[:-kept]
        known += keys
        if self._numbers or len(keys) > 1:
            numbers = {key: self._numbers.get(key) or known.count(key) for key in known}
            self._numbers = {key: many for key, many in numbers.items() if many > 1}
        self._written, self._lengths = written, lengths + self._lengths[:kept]

    def _oldest_first(self, rows: Any) -> list[tuple[_Key, Any]]:
        window = self._keyed(rows)
        if len(window) > 1 and window[0][0][0] >= window[-1][0][0]:
            window.reverse()  # as the venue has them: the latest first
        times = [key[0] for key, _ in window]
        return window if times == sorted(times) else sorted(window, key=lambda keyed: keyed[0][0])

    def _keyed(self, rows: Any) -> list[tuple[_Key, Any]]:
        if isinstance(rows, msgspec.Raw):
            try:
                written = list(map(bytes, _written_rows(rows)))
            except msgspec.ValidationError:  # no list of them
                rows = exact_json(rows)
            else:
                if len(written) > MAX_ROWS:
                    raise InvalidField("recent_trades", len(written), f"a list of at most {MAX_ROWS} rows")
                return [(trade_key(_read_row(row)), row) for row in written]
        return [(trade_key(row), row) for row in rows_of(rows, "recent_trades")]


class _Print(msgspec.Struct, gc=False):
    """A trade as it nearly always is written."""

    timestamp_int: Annotated[int, msgspec.Meta(ge=10**15, lt=9 * 10**15)]
    price: _Cents
    quantity: Annotated[int, msgspec.Meta(ge=1, lt=10**18)]
    liquidity_taker: Literal["buyer", "seller"]

    def key(self) -> _Key:
        """As `trade_key` has it."""
        side: OrderSide = "buy" if self.liquidity_taker == "buyer" else "sell"
        return self.timestamp_int, self.price, Decimal(self.quantity), side


_read_print = msgspec.json.Decoder(_Print).decode
_read_prints = msgspec.json.Decoder(list[_Print]).decode
_written_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _moment(key: _Key) -> int:
    return key[0]


def _read_row(row: Any) -> Mapping[str, Any]:
    """Raises InvalidField."""
    read = exact_json(row) if isinstance(row, bytes) else row
    return read if read.__class__ is dict else rows_of([read], "recent_trades")[0]


def _overlap(known: Sequence[_Key], keys: Sequence[_Key]) -> int:
    """How many of the first of `keys` are the last that were known."""
    for length in range(min(len(known), len(keys)), 0, -1):
        if known[-length:] == keys[:length]:
            return length
    return 0
