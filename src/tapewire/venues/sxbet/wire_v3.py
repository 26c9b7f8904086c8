"""The payloads of the later API generation, and what both generations answer over HTTP alone.

Levels and sizes are the maker's, as in the earlier one. The shapes of account rows are not documented anywhere we know:
they are handed on as they are.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from .wire import PLAIN_DIGITS, Digits, Row

__all__ = [
    "BestOddsV3Row",
    "BookV3Row",
    "LevelRow",
    "PlainBook",
    "PlainLevel",
    "TokenReply",
    "TradeV3Row",
    "plain_book",
]

_PLAIN_SIZE_DIGITS: Final = 13


class LevelRow(Row, frozen=True, kw_only=True):
    """Makers' money on one outcome at one price: odds times 10^20, size in the token's units."""

    percentage_odds: Digits
    size: Digits


class BookV3Row(Row, frozen=True, kw_only=True):
    """A whole book. Replaces the one before if `version` is greater; the HTTP snapshot may have none."""

    market_hash: str
    event_id: str | None = None
    version: Digits | None = None
    outcome_one: tuple[LevelRow, ...]
    outcome_two: tuple[LevelRow, ...]


class PlainLevel(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A level as it nearly always comes, as text that nobody has looked at yet."""

    percentage_odds: str
    size: Annotated[str, msgspec.Meta(min_length=1, max_length=_PLAIN_SIZE_DIGITS)]


class PlainBook(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A whole book as it nearly always comes. What is one is a `BookV3Row` with the same members, too."""

    market_hash: str
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=PLAIN_DIGITS)]
    outcome_one: tuple[PlainLevel, ...]
    outcome_two: tuple[PlainLevel, ...]
    event_id: str | None = None


def plain_book(payload: bytes | msgspec.Raw) -> PlainBook | None:
    """The book of a payload; None where it is to be read row by row."""
    try:
        return _PLAIN_BOOK.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_PLAIN_BOOK: Final = msgspec.json.Decoder(PlainBook)


class BestOddsV3Row(Row, frozen=True, kw_only=True):
    """The best level of each outcome; None where nobody offers."""

    market_hash: str
    outcome_one: LevelRow | None
    outcome_two: LevelRow | None


class TradeV3Row(Row, frozen=True, kw_only=True):
    """One bet, public and anonymous. `bet_time` is ISO 8601."""

    trade_id: str
    market_hash: str
    is_betting_outcome_one: bool
    weighted_average_odds: Digits
    total_stake: Digits | None = None
    total_return: Digits | None = None
    bet_time: str | None = None
    is_parlay: bool = False


class TokenReply(Row, frozen=True, kw_only=True):
    """A realtime token: `{"token"}`, or within `data`."""

    token: str | None = None
    data: TokenReply | None = None


class OddsRow(Row, frozen=True, kw_only=True):
    """The best maker's odds of one outcome, None where nobody offers."""

    percentage_odds: Digits | None
    updated_at: Digits | None = None


class BestOddsMarketRow(Row, frozen=True, kw_only=True):
    """A row of GET /orders/odds/best: both outcomes of a market, the maker's perspective."""

    market_hash: str
    base_token: str | None = None
    outcome_one: OddsRow | None
    outcome_two: OddsRow | None
