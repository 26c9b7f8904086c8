"""The venue's payloads, as they are: one struct for each row, and the reading of rows out of whatever carries them.

Tolerant in shape: an object counts as an array of one, a row may be wrapped (`{"trade": {...}}`), unknown members are
ignored, both spellings of a key are known, and a row that cannot be read costs that row, never its neighbours. Strict
in value: odds and amounts are text or int, never a number with a point. What they mean is for `translate.py`.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from ...errors import UndecodableFrame
from ...model.fields import InvalidField
from ..kit.fields import integer

__all__ = [
    "BestOddsRow",
    "Digits",
    "LegRow",
    "LiveScoreRow",
    "MarketRow",
    "OrderRow",
    "ParlayRow",
    "PeriodRow",
    "PlainOdds",
    "PlainTrade",
    "Rows",
    "TradeRow",
    "no_number_in",
    "plain_odds",
    "plain_trade",
    "read_rows",
]

Digits: TypeAlias = str | int
"""A whole number, written either way: 10^20 does not fit what a JSON number is to others. In a row it is an int."""

PLAIN_DIGITS: Final = 25
"""Digits up to which a text of nothing else is a whole number to everybody."""

_PLAIN_STAKE: Final = 13

MAX_ROWS: Final = 50_000
"""Rows of one payload."""

T = TypeVar("T")


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A row of a payload: its members in the venue's spelling, ours in snake case. Whole numbers are ints.

    Text that is no whole number stays text: whoever needs the number refuses it by its name, and knows whose row it is.
    """

    def __post_init__(self) -> None:
        for name in _digits_of(self.__class__):
            value = getattr(self, name)
            if value.__class__ is not str:
                continue
            if len(value) <= PLAIN_DIGITS and value.isdigit() and value.isascii():  # nearly always
                _set(self, name, int(value))
            else:
                with suppress(InvalidField):
                    _set(self, name, integer(value, name))


_set: Final = msgspec.structs.force_setattr


@cache
def _digits_of(row: type[Row]) -> tuple[str, ...]:
    """The fields that hold a whole number, written either way."""
    said = {
        name: str(hint) for kind in row.__mro__ for name, hint in getattr(kind, "__annotations__", {}).items()
    }
    return tuple(name for name in row.__struct_fields__ if said[name].startswith("Digits"))


def no_number_in(row: Any) -> str:
    """The first field of a row, or of one within it, that should be a whole number and is none. Empty if all are."""
    if isinstance(row, tuple):
        return next(filter(None, map(no_number_in, row)), "")
    if not isinstance(row, Row):
        return ""
    for name in _digits_of(row.__class__):
        if isinstance(getattr(row, name), str):
            return name
    return next(filter(None, (no_number_in(getattr(row, name)) for name in row.__struct_fields__)), "")


class _OfEvent(Row, frozen=True, kw_only=True):
    sport_xevent_id: str | None = None
    sport_x_event_id: str | None = None

    @property
    def event_id(self) -> str | None:
        """The event, by either spelling of its key (`sportXeventId`, `sportXEventId`)."""
        return self.sport_xevent_id or self.sport_x_event_id


class OrderRow(_OfEvent, frozen=True, kw_only=True):
    """A maker's order: an update (`status`, `updateTime`) or a row of GET /orders (`orderStatus`, no time)."""

    order_hash: str
    market_hash: str
    maker: str = ""
    total_bet_size: Digits
    percentage_odds: Digits
    is_maker_betting_outcome_one: bool
    fill_amount: Digits
    pending_fill_amount: Digits | None = None
    status: str | None = None
    order_status: str | None = None
    update_time: Digits | None = None
    base_token: str | None = None
    api_expiry: int | None = None
    chain_version: str | None = None


class BestOddsRow(Row, frozen=True, kw_only=True):
    """The best maker's odds of one outcome of one market: replaces what was said of it before."""

    market_hash: str
    base_token: str | None = None
    is_maker_betting_outcome_one: bool
    percentage_odds: Digits | None
    updated_at: Digits | None = None
    sport_id: int | None = None
    league_id: int | None = None


class PlainOdds(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A `BestOddsRow` whose numbers nobody has looked at yet: what is one is the other."""

    market_hash: str
    base_token: str | None = None
    is_maker_betting_outcome_one: bool
    percentage_odds: Digits | None
    updated_at: Digits | None = None
    sport_id: int | None = None
    league_id: int | None = None

    def row(self) -> BestOddsRow:
        """With its numbers."""
        return BestOddsRow(**msgspec.structs.asdict(self))


def plain_odds(payload: bytes | msgspec.Raw) -> list[PlainOdds] | None:
    """The rows of a payload; None where it is to be read row by row."""
    try:
        found = _PLAIN_ODDS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(found) <= MAX_ROWS else None


_PLAIN_ODDS: Final = msgspec.json.Decoder(list[PlainOdds])


class TradeRow(_OfEvent, frozen=True, kw_only=True):
    """One bettor's side of one fill. Sent when placed and again when settled: `trade_key` says which are the same."""

    market_hash: str
    fill_hash: str
    order_hash: str = ""
    fill_order_hash: str = ""  # GET /trades has it
    bettor: str = ""
    base_token: str | None = None
    stake: Digits
    odds: Digits
    maker: bool
    betting_outcome_one: bool
    bet_time: Digits | None = None
    settled: bool = False
    trade_status: str | None = None
    status: str | None = None
    outcome: int | None = None
    settle_value: Decimal | None = None
    net_return: Decimal | None = None


class PlainTrade(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A `TradeRow` as it nearly always comes, whose numbers nobody has looked at yet: what is one is the other."""

    market_hash: str
    fill_hash: str
    order_hash: str = ""
    fill_order_hash: str = ""
    bettor: str = ""
    base_token: str | None = None
    stake_digits: Annotated[str, msgspec.Meta(min_length=1, max_length=_PLAIN_STAKE)] = msgspec.field(
        name="stake"
    )
    odds_digits: str = msgspec.field(name="odds")
    maker: bool
    betting_outcome_one: bool
    bet_time: Annotated[int, msgspec.Meta(ge=10**9, lt=9 * 10**9)] | None = None
    settled: bool = False
    trade_status: str | None = None
    status: str | None = None
    outcome: int | None = None
    settle_value: Decimal | None = None
    net_return: Decimal | None = None
    sport_xevent_id: str | None = None
    sport_x_event_id: str | None = None

    @property
    def stake(self) -> int:
        """In the token's units."""
        return int(self.stake_digits)

    @property
    def odds(self) -> int:
        """Times 10^20."""
        return int(self.odds_digits)

    @property
    def event_id(self) -> str | None:
        """The event, by either spelling of its key."""
        return self.sport_xevent_id or self.sport_x_event_id

    def row(self) -> TradeRow:
        """With its numbers."""
        said = msgspec.structs.asdict(self)
        return TradeRow(stake=said.pop("stake_digits"), odds=said.pop("odds_digits"), **said)


def plain_trade(payload: bytes | msgspec.Raw) -> PlainTrade | None:
    """The one row of a payload; None where it is to be read row by row."""
    try:
        return _PLAIN_TRADE.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_PLAIN_TRADE: Final = msgspec.json.Decoder(PlainTrade)


class LegRow(Row, frozen=True, kw_only=True):
    """One leg of a parlay."""

    market_hash: str
    betting_outcome_one: bool | None = None


class MarketRow(_OfEvent, frozen=True, kw_only=True):
    """A market, live or from GET /markets. `game_time` is in seconds since the epoch."""

    market_hash: str
    status: str
    outcome_one_name: str = ""
    outcome_two_name: str = ""
    outcome_void_name: str = ""
    team_one_name: str | None = None
    team_two_name: str | None = None
    type: int | None = None
    game_time: int | None = None
    line: Decimal | None = None
    live_enabled: bool = False
    sport_label: str = ""
    sport_id: int | None = None
    league_id: int | None = None
    league_label: str = ""
    main_line: bool | None = None
    group1: str | None = None
    group2: str | None = None
    legs: tuple[LegRow, ...] | None = None
    is_quarter_line_market: bool = False
    outcome: int | None = None
    reported_date: int | None = None
    chain_version: str | None = None


class PeriodRow(Row, frozen=True, kw_only=True):
    """One period of a game; its scores are text."""

    label: str = ""
    is_finished: bool = False
    team_one_score: str | int = ""
    team_two_score: str | int = ""


class LiveScoreRow(_OfEvent, frozen=True, kw_only=True):
    """A score. `extra` is text that holds JSON, which holds text that holds JSON: it is handed on as it is."""

    team_one_score: int | float
    team_two_score: int | float
    current_period: str | int | None = None
    period_time: Digits | None = None
    sport_id: int | None = None
    league_id: int | None = None
    periods: tuple[PeriodRow, ...] = ()
    extra: str | None = None


class ParlayRow(Row, frozen=True, kw_only=True):
    """A request for odds of a parlay: to be answered within 3 seconds. `request_size` is in the token's units."""

    market_hash: str
    base_token: str | None = None
    request_size: Digits | None = None
    legs: tuple[LegRow, ...] = ()
    channel_name: str | None = None


class Rows(msgspec.Struct, Generic[T], frozen=True):
    """What a payload held: the rows that could be read, how many could not, and why the first could not."""

    rows: tuple[T, ...]
    unreadable: int = 0
    fault: str = ""


def read_rows(payload: bytes | str | msgspec.Raw, kind: type[T], inside: str = "") -> Rows[T]:
    """The rows of a payload, an array or one object. `inside` names the member that a row may be wrapped in.

    Raises UndecodableFrame where the payload is no JSON, neither array nor object, or has more than MAX_ROWS.
    """
    whole = _bytes(payload)
    head = whole.lstrip()[:1]
    if not inside:
        try:  # nearly always: all are as they should be
            found = _many(kind).decode(whole) if head == b"[" else [_decoder(kind).decode(whole)]  # type: ignore[arg-type]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return Rows(_bounded(found, whole))
    return _read_one_by_one(whole, kind, inside, head == b"[")


def _read_one_by_one(whole: bytes, kind: type[T], inside: str, many: bool) -> Rows[T]:
    try:
        raws: list[msgspec.Raw] = (
            _decoder(list[msgspec.Raw]).decode(whole) if many else [_decoder(msgspec.Raw).decode(whole)]
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodableFrame(f"no rows: {str(error)[:100]}", whole) from None
    rows: list[T] = []
    unreadable, fault = 0, ""
    for raw in _bounded(raws, whole):
        try:
            rows.append(_decoder(kind).decode(_unwrapped(raw, inside)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            unreadable += 1
            fault = fault or str(error)[:200]
    if unreadable and not many:
        raise UndecodableFrame(f"not a row: {fault}", whole)
    return Rows(tuple(rows), unreadable, fault)


def _unwrapped(raw: msgspec.Raw, inside: str) -> msgspec.Raw:
    if not inside:
        return raw
    wrapped: msgspec.Raw = _decoder(dict[str, msgspec.Raw]).decode(raw).get(inside, raw)
    return wrapped


def _bounded(rows: list[T], whole: bytes) -> tuple[T, ...]:
    if len(rows) > MAX_ROWS:
        raise UndecodableFrame(f"more than {MAX_ROWS} rows", whole)
    return tuple(rows)


def _bytes(payload: bytes | str | msgspec.Raw) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


@cache
def _many(kind: Any) -> msgspec.json.Decoder[Any]:
    """Of a list of that kind, whose name costs more to make than to look up."""
    return _decoder(list[kind])


_decoders: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}
"""As many as there are kinds of rows in this package."""
