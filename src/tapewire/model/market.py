"""What a market says: trades, tickers, order books. Public data only; what is ours is in `account.py`.

All are frozen and checked at birth: a corrupt one raises `InvalidField` with the field's name and is never seen by a
consumer. Every event has two clocks in nanoseconds since the epoch: `venue_time_ns`, None where the venue says none,
and `received_at_ns` of this machine.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from itertools import pairwise
from operator import gt, lt
from typing import Any, Final, TypeAlias

import msgspec

from .fields import (
    InvalidField,
    check_choice,
    check_identifiers,
    check_not_negative,
    check_numbers,
    check_positive,
    check_times,
    parse_decimal,
)
from .price import OrderSide

__all__ = ["MAX_LEVELS", "BookSnapshot", "Level", "Ticker", "Trade"]

Level: TypeAlias = tuple[Decimal, Decimal]
"""Price and size."""

MAX_LEVELS = 10_000
"""Levels of one side in one event."""


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A public print. `taker_side` is what the aggressor did: on an outcome, a buyer backed it."""

    venue: str
    instrument_id: str
    trade_id: str
    price: Decimal
    size: Decimal
    taker_side: OrderSide | None
    venue_time_ns: int | None
    received_at_ns: int
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id", "trade_id")
        check_positive(self, "price", "size")
        if self.taker_side not in ("buy", "sell"):  # nearly always it is
            check_choice(self, "taker_side", ("buy", "sell", None))
        check_times(self)


_set: Final = msgspec.structs.force_setattr


def trade_like(
    known: Trade,
    trade_id: str,
    price: Decimal,
    size: Decimal,
    taker_side: OrderSide,
    venue_time_ns: int | None,
    received_at_ns: int,
    raw: Any,
) -> Trade:
    """Another print of the instrument of `known`, for whoever has checked all that is given as its birth would.

    A stream's prints are made of numbers that were bounded as they were read: looking at each once more costs most of
    what a print costs.
    """
    trade = copy(known)
    _set(trade, "trade_id", trade_id)
    _set(trade, "price", price)
    _set(trade, "size", size)
    _set(trade, "taker_side", taker_side)
    _set(trade, "venue_time_ns", venue_time_ns)
    _set(trade, "received_at_ns", received_at_ns)
    _set(trade, "raw", raw)
    return trade


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says of an instrument in one line; None where it does not say it.

    `volume` is in the instrument's own units, `turnover` in its currency, `change` a fraction (0.01 is one percent).
    """

    venue: str
    instrument_id: str
    venue_time_ns: int | None
    received_at_ns: int
    last: Decimal | None = None
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    offer: Decimal | None = None
    offer_size: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    turnover: Decimal | None = None
    change: Decimal | None = None
    raw: Any = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id")
        check_positive(self, "last", "bid", "offer", "mark", "index", "open", "high", "low", optional=True)
        check_not_negative(self, "bid_size", "offer_size", "volume", "turnover", optional=True)
        check_numbers(self, "change", optional=True)
        check_times(self)


def ticker_like(
    known: Ticker,
    last: Decimal | None,
    volume: Decimal | None,
    bid: Level | None,
    offer: Level | None,
    venue_time_ns: int | None,
    received_at_ns: int,
    raw: Any,
) -> Ticker:
    """Another line on the instrument of `known`, for whoever has checked its numbers as its birth would.

    Raises InvalidField for a time that is none.
    """
    ticker = copy(known)
    if last is not None:
        _set(ticker, "last", last)
    if volume is not None:
        _set(ticker, "volume", volume)
    if bid is not None:
        _set(ticker, "bid", bid[0])
        _set(ticker, "bid_size", bid[1])
    if offer is not None:
        _set(ticker, "offer", offer[0])
        _set(ticker, "offer_size", offer[1])
    _set(ticker, "venue_time_ns", venue_time_ns)
    _set(ticker, "received_at_ns", received_at_ns)
    _set(ticker, "raw", raw)
    check_times(ticker)
    return ticker


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A whole order book, each side best first, without empty levels. `last` is the venue's number of this state.

    That it is not crossed is for `tapewire.book.OrderBook` to say, which asks for another one if it is.
    """

    venue: str
    instrument_id: str
    bids: tuple[Level, ...]
    offers: tuple[Level, ...]
    venue_time_ns: int | None
    received_at_ns: int
    last: int | None = None

    def __post_init__(self) -> None:
        check_identifiers(self, "venue", "instrument_id")
        _check_number(self.last)
        check_times(self)
        for field, better in (("bids", gt), ("offers", lt)):
            levels = _checked_levels(self, field)
            if any(size == 0 for _, size in levels):
                raise InvalidField(field, levels, "no level without a size")
            if not all(better(level[0], behind[0]) for level, behind in pairwise(levels)):
                raise InvalidField(field, levels, "best first, each price once")


def _checked_levels(owner: BookSnapshot, field: str) -> tuple[Level, ...]:
    levels: Any = getattr(owner, field)
    if not isinstance(levels, tuple) or len(levels) > MAX_LEVELS:
        raise InvalidField(field, levels, f"a tuple of at most {MAX_LEVELS} levels")
    for level in levels:
        if not isinstance(level, tuple) or len(level) != 2 or not all(isinstance(n, Decimal) for n in level):
            raise InvalidField(field, level, "pairs of price and size, both Decimal")
        price, size = (parse_decimal(number, field) for number in level)
        if price <= 0:
            raise InvalidField(field, price, "prices above zero")
        if size < 0:
            raise InvalidField(field, size, "sizes of zero or more")
    return levels


def _check_number(value: object) -> None:
    # Bounded, because a comparison of two numbers of a million digits is not free; versions have 23 digits.
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**128
    ):
        raise InvalidField("last", value, "an int from 0 below 2^128")
