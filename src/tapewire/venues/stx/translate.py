"""Wire to model, pure and exact. Every wrong row raises `InvalidField` with the wire's name of what is corrupt in it.

The axis. A market asks one question and has one book, that of "yes": buying backs it, selling lays it. A contract pays
one dollar, so its price in cents, 1 to 99, is its implied probability in percent: 52 is 0.52 on the axis of
`model/price.py`, the payout 1 and the tick 0.01. Sizes are contracts, amounts of money cents. The venue's market id is
the `instrument_id`; `no_of(market_id)` names the other outcome, which has no book of its own: to back it, sell.

Spelling. Rows of the markets channel and answers of `AsyncSTX` are in snake_case, rows of the account's channels in
camelCase, and the venue's own examples have the latter in snake_case, too: a field is looked for under both names.
Words are in capitals in one place and small in another: their case says nothing.

Times. `timestamp` is when a row was published. What an order says (`insertedAt`) is when it was placed, whatever
happened to it since: it is not taken for the time of an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from ...model import (
    EXACT,
    Balance,
    Fill,
    Instrument,
    InvalidField,
    Level,
    Liquidity,
    Market,
    MarketStatus,
    Order,
    OrderKind,
    OrderSide,
    OrderStatus,
    Outcome,
    Position,
    Ticker,
    Trade,
)
from ...model.market import ticker_like, trade_like
from ...secrets import sanitized
from ..kit.fields import flag, identifier, integer, number, text, time_iso, time_ms, time_us
from .records import camel

__all__ = [
    "CURRENCY",
    "MAX_CENTS",
    "MIN_SIZE",
    "PRICES",
    "TICK",
    "VENUE",
    "cents_of",
    "checked_ticker",
    "day_volume",
    "ending_of",
    "field_of",
    "happened_ns",
    "last_price",
    "levels_of",
    "market_status",
    "no_of",
    "published_ns",
    "rows_of",
    "stamp_ns",
    "to_balance",
    "to_fill",
    "to_instrument",
    "to_market",
    "to_order",
    "to_position",
    "to_print",
    "to_ticker",
    "to_trade",
    "trade_key",
]

VENUE: Final = "stx"
CURRENCY: Final = "USD"
TICK: Final = Decimal("0.01")
MIN_SIZE: Final = Decimal(1)
MAX_CENTS: Final = 99
"""The dearest price; the cheapest is one cent. The venue's `max_price` may say it, or the payout of 100 cents."""

MAX_BOOK_LEVELS: Final = MAX_CENTS
"""Levels of one side: each price once."""

MAX_ROWS: Final = 10_000
"""Rows of one list."""

PRICES: Final = tuple(Decimal(cents).scaleb(-2) for cents in range(MAX_CENTS + 1))
"""By cents; the first, 0, is none."""

_ORDER_STATUSES: Final[dict[str, OrderStatus]] = {
    "created": "submitted",
    "requested": "submitted",
    "delayed": "submitted",
    "accepted": "accepted",
    "open": "accepted",
    "filled": "filled",
    "cancelled": "canceled",
    "partially_cancelled": "canceled",
    "rejected": "rejected",
}
"""Delayed orders wait in front of the book, as those do that are only created or requested."""

_MARKET_STATUSES: Final[dict[str, MarketStatus]] = {
    "open": "open",
    "pre_open": "suspended",
    "suspended": "suspended",
    "closed": "closed",
    "cancelled": "closed",
    "resulted": "settled",
    "voided": "voided",
}
"""A cancelled market is not over: it is voided, or resulted, later."""

_SIDES: Final[dict[str, OrderSide]] = {"buy": "buy", "sell": "sell"}
_TAKERS: Final[dict[str, OrderSide]] = {"buyer": "buy", "seller": "sell", "buy": "buy", "sell": "sell"}
_KINDS: Final[dict[str, OrderKind]] = {"limit": "limit", "market": "market"}
_LIQUIDITY: Final[dict[str, Liquidity]] = {"provider": "maker", "maker": "maker", "taker": "taker"}


# --- the wire's values ----------------------------------------------------------------------------------------------


_camel: Final = lru_cache(maxsize=256)(camel)


def field_of(row: Mapping[str, Any], name: str) -> Any:
    """What a row says under `name` (snake_case) or its name in camelCase; None where it says nothing."""
    value = row.get(name)
    return row.get(_camel(name)) if value is None else value


def rows_of(value: Any, field: str) -> Sequence[Mapping[str, Any]]:
    """A list of rows; null is none of them."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MAX_ROWS:
        raise InvalidField(field, value, f"a list of at most {MAX_ROWS} rows")
    return [_row(part, field) for part in value]


def no_of(market_id: str) -> str:
    """The outcome that a market's question is answered with no. It has no book: selling `market_id` backs it."""
    return f"{market_id}:no"


def cents_of(price: Decimal, field: str = "price") -> int:
    """A price of the axis as the wire has it. Raises InvalidField naming the grid for one that is not on it."""
    scaled = EXACT.scaleb(number(price, field), 2)
    if not 1 <= scaled <= MAX_CENTS or scaled != int(scaled):
        raise InvalidField(field, price, f"on the grid of {TICK}, from {TICK} to {PRICES[MAX_CENTS]}")
    return int(scaled)


def published_ns(row: Mapping[str, Any]) -> int | None:
    """When the venue published a row, in nanoseconds; None where it does not say."""
    if (said := row.get("timestamp")) is not None:
        return stamp_ns(said)
    for name, kind, scale in (("timestamp_int", time_us, 1_000), ("unix_timestamp", time_ms, 1_000_000)):
        said = field_of(row, name)
        if said is not None:
            return kind(said, name) * scale
    return None


def stamp_ns(said: Any) -> int:
    """A `timestamp`, in nanoseconds. Many are of one second, whose date is read once."""
    if said.__class__ is str and len(said) == _STAMP and said[19] == "." and said[26] == "Z":
        fraction = said[20:26]
        if fraction.isascii() and fraction.isdigit():
            return _second_ns(said[:19]) + int(fraction) * 1000
    return time_iso(said, "timestamp")


_STAMP: Final = len("2026-01-31T09:30:00.250000Z")


@lru_cache(maxsize=64)
def _second_ns(written: str) -> int:
    return time_iso(f"{written}Z", "timestamp")


def levels_of(value: Any, field: str) -> tuple[Level, ...]:
    """One side of a book, best first: `bids` from the highest price down, `offers` from the lowest up.

    The venue's own order is not relied on, for its generations differ in it. A level without contracts is left out.
    """
    found: dict[Decimal, Level] = {}
    for level in rows_of(value, field):
        price = _price(level.get("price"), f"{field}.price")
        size = _size(level.get("quantity"), f"{field}.quantity")
        if price in found:
            raise InvalidField(f"{field}.price", level.get("price"), "each price once")
        found[price] = (price, size)
    ordered = sorted(found.values(), reverse=field == "bids")
    return tuple(level for level in ordered if level[1])


def happened_ns(row: Mapping[str, Any]) -> int | None:
    """When an order was placed, or a fill was made; None where the row does not say."""
    return _happened_ns(row, "time", "inserted_at")


def trade_key(row: Mapping[str, Any]) -> tuple[int, int, Decimal, OrderSide]:
    """What tells one recent trade from another: its time (us), price (cents), contracts and taker's side.

    The venue gives its public trades no id, so two alike of one moment have the same key.
    """
    moment = field_of(row, "timestamp_int")
    is_text = moment is None
    at_us = (
        time_iso(row.get("timestamp"), "timestamp") // 1000 if is_text else time_us(moment, "timestamp_int")
    )
    taker = _TAKERS[_word(field_of(row, "liquidity_taker"), "liquidity_taker", _TAKERS)]
    return at_us, _cents(row.get("price"), "price"), _size(row.get("quantity"), "quantity"), taker


# --- markets --------------------------------------------------------------------------------------------------------


def to_market(row: Mapping[str, Any], received_at_ns: int) -> Market:
    """A whole row of the markets: of an answer, or of `market_created`. Raises InvalidField."""
    row = _row(row, "market")
    market_id = identifier(field_of(row, "market_id"), "market_id")
    status = market_status(row)
    result = None
    if status == "settled":
        result = {"yes": market_id, "no": no_of(market_id)}.get(_text(row, "result").lower())
    starts = field_of(row, "event_start")
    return Market(
        venue=VENUE,
        market_id=market_id,
        outcomes=(
            Outcome(outcome_id=market_id, name=_text(row, "position") or "yes"),
            Outcome(outcome_id=no_of(market_id), name="no"),
        ),
        status=status,
        name=_name(row),
        starts_at_ns=time_iso(starts, "event_start") if starts else None,
        is_in_play=_text(row, "home_category").lower() == "live"
        or _text(row, "event_status").lower() == "in_progress",
        result=result,
        venue_time_ns=published_ns(row),
        received_at_ns=received_at_ns,
        raw=row,
    )


def to_instrument(row: Mapping[str, Any], currency: str = CURRENCY) -> Instrument:
    """What an order on a market names: the contract that pays one dollar if its question is answered with yes.

    Raises InvalidField, also for a market whose contracts pay something else: its prices would be no probabilities.
    """
    row = _row(row, "market")
    market_id = identifier(field_of(row, "market_id"), "market_id")
    dearest = field_of(row, "max_price")
    if dearest is not None and number(dearest, "max_price") not in (MAX_CENTS, MAX_CENTS + 1):
        raise InvalidField("max_price", dearest, "99 or 100 cents: a contract that pays one dollar")
    return Instrument(
        venue=VENUE,
        instrument_id=market_id,
        kind="outcome",
        currency=currency,
        price_tick=TICK,
        min_size=MIN_SIZE,
        market_id=market_id,
        name=_name(row),
        raw=row,
    )


def to_ticker(row: Mapping[str, Any], received_at_ns: int) -> Ticker:
    """A whole row of the markets in one line. Raises InvalidField.

    A message holds what changed alone: of those `MarketMerge` makes tickers.
    """
    row = _row(row, "market")
    bids, offers = levels_of(row.get("bids"), "bids"), levels_of(row.get("offers"), "offers")
    return checked_ticker(
        identifier(field_of(row, "market_id"), "market_id"),
        last=last_price(row),
        volume=day_volume(row),
        bid=bids[0] if bids else None,
        offer=offers[0] if offers else None,
        venue_time_ns=published_ns(row),
        received_at_ns=received_at_ns,
        raw=row,
    )


def checked_ticker(
    market_id: str,
    *,
    last: Decimal | None,
    volume: Decimal | None,
    bid: Level | None,
    offer: Level | None,
    venue_time_ns: int | None,
    received_at_ns: int,
    raw: Any = None,
) -> Ticker:
    """What is known of a market in one line, all of it checked as it was read."""
    return ticker_like(_known_line(market_id), last, volume, bid, offer, venue_time_ns, received_at_ns, raw)


@lru_cache(maxsize=1_024)
def _known_line(market_id: str) -> Ticker:
    """A ticker of that market, checked, for others to be like."""
    return Ticker(venue=VENUE, instrument_id=market_id, venue_time_ns=None, received_at_ns=0)


def last_price(row: Mapping[str, Any]) -> Decimal | None:
    """Of the last trade; None where there was none yet."""
    said = field_of(row, "last_traded_price")
    return None if said is None else _price(said, "last_traded_price")


def day_volume(row: Mapping[str, Any]) -> Decimal | None:
    """Contracts traded in the last 24 hours; None where the row does not say."""
    # Both spellings are looked for by hand: the digit in the name is where their rules part.
    said = row.get("volume_24h")
    said = row.get("volume24h") if said is None else said
    return None if said is None else _size(said, "volume_24h")


def ending_of(row: Any) -> str:
    """How the market of a row, or of some of its fields, has ended; empty where it has not, or they do not say."""
    said = field_of(row, "status") if isinstance(row, Mapping) else None
    status = _MARKET_STATUSES.get(said.lower()) if isinstance(said, str) else None
    if status == "settled":
        result = field_of(row, "result")
        return f"the market has ended: {sanitized(result)[:40] if isinstance(result, str) else 'settled'}"
    return "the market has ended: voided" if status == "voided" else ""


def market_status(row: Mapping[str, Any]) -> MarketStatus:
    """What `status` and `trading` say together: an open market in which trading is halted is "suspended"."""
    status = _MARKET_STATUSES[_word(field_of(row, "status"), "status", _MARKET_STATUSES)]
    trading = field_of(row, "trading")
    if status == "open" and trading is not None and not flag(trading, "trading"):
        return "suspended"
    return status


def to_trade(
    market_id: str,
    row: Mapping[str, Any],
    number_of_its_key: int,
    received_at_ns: int,
    key: tuple[int, int, Decimal, OrderSide] | None = None,
) -> Trade:
    """A public print. Its id is made of its `key`, and of its number (from 0) among those of the same key."""
    at_us, cents, size, taker = trade_key(_row(row, "recent_trades")) if key is None else key
    again = f"-{number_of_its_key}" if number_of_its_key else ""
    written = str(size)
    if not written.isdigit():
        written = f"{EXACT.normalize(size):f}"
    return Trade(
        venue=VENUE,
        instrument_id=market_id,
        trade_id=f"{at_us}-{cents}-{written}-{taker}{again}",
        price=PRICES[cents],
        size=size,
        taker_side=taker,
        venue_time_ns=at_us * 1000,
        received_at_ns=received_at_ns,
        raw=row,
    )


def to_print(
    market_id: str, key: tuple[int, int, Decimal, OrderSide], received_at_ns: int, raw: Mapping[str, Any]
) -> Trade:
    """As `to_trade`, the first of its `key`, whose parts were checked: whole contracts, one at least."""
    at_us, cents, size, taker = key
    trade_id = f"{at_us}-{cents}-{size}-{taker}"
    return trade_like(
        _known(market_id), trade_id, PRICES[cents], size, taker, at_us * 1000, received_at_ns, raw
    )


@lru_cache(maxsize=1_024)
def _known(market_id: str) -> Trade:
    """A print of that market, checked, for others to be like."""
    return Trade(
        venue=VENUE,
        instrument_id=market_id,
        trade_id="0",
        price=PRICES[1],
        size=MIN_SIZE,
        taker_side="buy",
        venue_time_ns=None,
        received_at_ns=0,
    )


# --- the account ----------------------------------------------------------------------------------------------------


def to_order(row: Mapping[str, Any], received_at_ns: int, *, is_reconciled: bool = False) -> Order:
    """An order as a message or an answer has it. Raises InvalidField.

    An open order of which a part is filled is `partially_filled`; what was cancelled after a part was filled is
    `canceled` with that `filled_size`. A rejected order may have been so for its price: one off the grid is None there.
    """
    row = _row(row, "order")
    status = _ORDER_STATUSES[_word(field_of(row, "status"), "status", _ORDER_STATUSES)]
    size = _size(field_of(row, "quantity"), "quantity")
    filled = field_of(row, "filled")
    done = (size if status == "filled" else Decimal(0)) if filled is None else _size(filled, "filled")
    kind = _order_kind(row)
    return Order(
        venue=VENUE,
        instrument_id=identifier(field_of(row, "market_id"), "market_id"),
        client_order_id=_maybe_id(row, "client_order_id"),
        venue_order_id=_order_id(row),
        side=_SIDES[_word(field_of(row, "action"), "action", _SIDES)],
        size=size,
        status="partially_filled" if done and status == "accepted" else status,
        kind=kind,
        price=_order_price(row, kind, status),
        filled_size=done,
        average_price=_average(row, "avg_price"),
        reason=_text(row, "rejection_reason") or _text(row, "cancellation_reason"),
        venue_time_ns=published_ns(row),
        received_at_ns=received_at_ns,
        is_reconciled=is_reconciled,
        raw=row,
    )


def to_fill(
    row: Mapping[str, Any], received_at_ns: int, *, currency: str = CURRENCY, is_reconciled: bool = False
) -> Fill:
    """An execution of an order of ours (the venue calls it a trade). Raises InvalidField."""
    row = _row(row, "trade")
    fee = _maybe_money(row, "total_fee")
    return Fill(
        venue=VENUE,
        instrument_id=identifier(field_of(row, "market_id"), "market_id"),
        fill_id=identifier(field_of(row, "id"), "id"),
        client_order_id=_maybe_id(row, "client_order_id"),
        venue_order_id=_maybe_id(row, "order_id"),
        side=_SIDES[_word(field_of(row, "action"), "action", _SIDES)],
        price=_price(field_of(row, "price"), "price"),
        size=_size(field_of(row, "filled"), "filled"),
        fee=fee,
        fee_currency=currency if fee else None,
        liquidity=_LIQUIDITY.get(_text(row, "liquidity_action").lower()),
        venue_time_ns=happened_ns(row),
        received_at_ns=received_at_ns,
        is_reconciled=is_reconciled,
        raw=row,
    )


def to_position(row: Mapping[str, Any], received_at_ns: int, *, is_reconciled: bool = False) -> Position:
    """What is held of a market: above zero backs its "yes". Raises InvalidField.

    `average_price` is on the axis: what a contract of "no" has cost is one less it. `realized_pnl` is said of a flat
    position alone: of another one the venue's `totalNetPnl` has what is held in it, too (it is in `raw`).
    """
    row = _row(row, "position")
    size = number(field_of(row, "position"), "position")
    price = _average(row, "average_open_premium") if size else None
    profit = _maybe_money(row, "total_net_pnl")
    return Position(
        venue=VENUE,
        instrument_id=identifier(field_of(row, "market_id"), "market_id"),
        size=size,
        average_price=EXACT.subtract(Decimal(1), price) if price is not None and size < 0 else price,
        realized_pnl=Decimal(0) if size else profit,
        venue_time_ns=_happened_ns(row, None, "updated_at"),
        received_at_ns=received_at_ns,
        is_reconciled=is_reconciled,
        raw=row,
    )


def to_balance(
    row: Mapping[str, Any], received_at_ns: int, *, currency: str = CURRENCY, is_reconciled: bool = False
) -> Balance:
    """The account's money, in dollars: `held` is what open orders bind. Raises InvalidField."""
    row = _row(row, "portfolio")
    bound = [_money(field_of(row, name), name) for name in ("buy_order_liability", "sell_order_liability")]
    return Balance(
        venue=VENUE,
        currency=currency,
        total=_money(field_of(row, "account_balance"), "account_balance"),
        available=_money(field_of(row, "available_balance"), "available_balance"),
        held=EXACT.add(*bound),
        venue_time_ns=published_ns(row),
        received_at_ns=received_at_ns,
        is_reconciled=is_reconciled,
        raw=row,
    )


# --- inside ---------------------------------------------------------------------------------------------------------


def _row(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField(field, value, "an object")
    return value


def _cents(value: Any, field: str) -> int:
    exact = number(value, field)
    if not 1 <= exact <= MAX_CENTS or exact != int(exact):
        raise InvalidField(field, value, f"whole cents, 1 to {MAX_CENTS}")
    return int(exact)


def _price(value: Any, field: str) -> Decimal:
    return PRICES[_cents(value, field)]


def _average(row: Mapping[str, Any], name: str) -> Decimal | None:
    """An average of prices, in cents that need not be whole; null and 0 are that of nothing."""
    said = field_of(row, name)
    exact = Decimal(0) if said is None else number(said, name)
    if not 0 <= exact <= MAX_CENTS:
        raise InvalidField(name, said, f"cents, up to {MAX_CENTS}")
    return EXACT.scaleb(exact, -2) if exact else None


def _size(value: Any, field: str) -> Decimal:
    exact = number(value, field)
    if exact < 0:
        raise InvalidField(field, value, "contracts, zero or more")
    return exact


def _money(value: Any, field: str) -> Decimal:
    return EXACT.scaleb(number(value, field), -2)


def _maybe_money(row: Mapping[str, Any], name: str) -> Decimal:
    said = field_of(row, name)
    return Decimal(0) if said is None else _money(said, name)


def _word(value: Any, field: str, allowed: Mapping[str, Any]) -> str:
    word = value.lower() if isinstance(value, str) and len(value) < 64 and value.isascii() else None
    if word is None or word not in allowed:
        raise InvalidField(field, value, ", ".join(allowed))
    return word


def _text(row: Mapping[str, Any], name: str) -> str:
    said = field_of(row, name)
    return "" if said is None else text(said, name)


def _maybe_id(row: Mapping[str, Any], name: str) -> str | None:
    said = field_of(row, name)
    return None if said in (None, "") else identifier(said, name)


def _order_id(row: Mapping[str, Any]) -> str:
    return identifier(_maybe_id(row, "id") or field_of(row, "order_id"), "id")


def _name(row: Mapping[str, Any]) -> str:
    return next(
        filter(None, (_text(row, name) for name in ("title", "short_title", "question", "symbol"))), ""
    )


def _order_kind(row: Mapping[str, Any]) -> OrderKind:
    said = field_of(row, "order_type")
    if said is not None:
        return _KINDS[_word(said, "order_type", _KINDS)]
    return "market" if field_of(row, "price") is None else "limit"


def _order_price(row: Mapping[str, Any], kind: OrderKind, status: OrderStatus) -> Decimal | None:
    if kind == "market":
        return None  # the venue ignores any price it was given
    try:
        return _price(field_of(row, "price"), "price")
    except InvalidField:
        if status == "rejected":
            return None
        raise


def _happened_ns(row: Mapping[str, Any], iso: str | None, moment: str) -> int | None:
    """A moment that a row tells in ISO 8601, or as a number: microseconds or, in older answers, milliseconds."""
    said = None if iso is None else field_of(row, iso)
    if said:
        return time_iso(said, iso or "")
    said = field_of(row, moment)
    if said is None:
        return None
    is_fine = integer(said, moment) >= 10**15
    return time_us(said, moment) * 1_000 if is_fine else time_ms(said, moment) * 1_000_000
