"""Rows in the SDK's words to the model, pure and exact, whichever wire or HTTP they came by.

What comes in is what `message.py` (streams) and `answers.py` (HTTP) make of a row: numbers are Decimal, times seconds
of the venue's milliseconds, which come back whole. The same row is kept in `raw`. Rules:

* An instrument is a perpetual contract, and its id the contract's name as V3 spells it (`BTCUSDT`). Prices are in the
  quote currency; sizes in base coins, never in "contracts" of `contractVal`.
* An account is hedged: each contract has a long and a short position. An order of the model names none, so the venue's
  `positionSide` follows from what it does (`position_side`).
* What a row is nothing without raises InvalidField where it is missing, as does what is corrupt. A price of 0 is the
  venue's word for none.
* Of a fill and of an average the venue says size and value: the price is their quotient. An average is exact or has 20
  decimals; the price of a fill is the tick that is nearest, where the tick is known, for the venue rounds values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, Literal, TypeAlias, cast

from ...model import (
    EXACT,
    Balance,
    BookSnapshot,
    Fill,
    Instrument,
    InvalidField,
    Level,
    Market,
    Order,
    OrderKind,
    OrderSide,
    OrderStatus,
    Outcome,
    Position,
    Ticker,
    Trade,
    is_on_tick,
    round_to_tick,
)
from ...model.fields import MAX_DECIMALS, MAX_DIGITS
from ..kit.fields import identifier, number, sequence, text

__all__ = [
    "VENUE",
    "HedgedSide",
    "position_side",
    "to_balance",
    "to_book_snapshot",
    "to_fill",
    "to_instrument",
    "to_market",
    "to_order",
    "to_position",
    "to_ticker",
    "to_trade",
]

VENUE: Final = "weex"

Row: TypeAlias = Mapping[str, Any]

HedgedSide: TypeAlias = Literal["long", "short"]

_QUOTIENT: Final = Context(prec=MAX_DIGITS + MAX_DECIMALS, rounding=ROUND_HALF_EVEN)
_FINEST: Final = Decimal(1).scaleb(-MAX_DECIMALS)

_STATUSES: Final[Mapping[str, OrderStatus]] = {
    "new": "accepted",
    "untriggered": "accepted",
    "partially_filled": "partially_filled",
    "partial_fill": "partially_filled",
    "filled": "filled",
    "full_fill": "filled",
    "canceling": "pending_cancel",
    "canceled": "canceled",
    "cancelled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
"""The model's word for each of `message.order_status`, and of those that older deployments have."""

_KINDS: Final[Mapping[str, OrderKind]] = {
    "limit": "limit",
    "stop": "limit",
    "take_profit": "limit",
    "market": "market",
    "stop_market": "market",
    "take_profit_market": "market",
}
"""What an order is once it is triggered, where it waits for that."""


# --- markets --------------------------------------------------------------------------------------------------------


def to_instrument(contract: Row) -> Instrument:
    """A contract of `get_contracts`, in the venue's own words. Raises InvalidField."""
    base, quote = (identifier(_of(contract, name), name) for name in ("baseAsset", "quoteAsset"))
    least = contract.get("minOrderSize")
    return Instrument(
        venue=VENUE,
        instrument_id=identifier(_of(contract, "symbol"), "symbol"),
        kind="perpetual",
        currency=quote,
        price_tick=_step(contract, "pricePrecision"),
        size_step=_step(contract, "quantityPrecision"),
        min_size=None if least in (None, "") else number(least, "minOrderSize"),
        name=f"{base}/{quote} perpetual",
        raw=contract,
    )


def to_market(contract: Row, received_at_ns: int) -> Market:
    """The market of one contract, of which the contract is the one outcome. Raises InvalidField.

    The venue lists what is traded, and says of no contract that it rests: what is listed is "open". Only some take
    orders over HTTP (`market/apiTradingSymbols`); an order in another is refused with WEEXPermissionError.
    """
    instrument = to_instrument(contract)
    return Market(
        venue=VENUE,
        market_id=instrument.instrument_id,
        outcomes=(Outcome(outcome_id=instrument.instrument_id, name=instrument.name),),
        status="open",
        name=instrument.name,
        venue_time_ns=None,
        received_at_ns=received_at_ns,
        raw=contract,
    )


def to_trade(data: Row, received_at_ns: int, place: int = 0) -> Trade:
    """A public trade. Raises InvalidField.

    On V2 a trade has no id: its own is made of the row and of its `place` among those of one frame, and tells nothing
    apart that was said in two frames.
    """
    try:
        symbol, price, size, side = data["symbol"], data["price"], data["size"], data["side"]
    except KeyError as missing:
        raise InvalidField(str(missing.args[0]), None, "there") from None
    at_ns, trade_id = _time_ns(data, None), data.get("id")
    if trade_id is None:
        trade_id = f"{at_ns or 0}:{price}:{size}:{side}:{place}"
    return Trade(
        venue=VENUE,
        instrument_id=symbol,
        trade_id=trade_id,
        price=price,
        size=size,
        taker_side=side,
        venue_time_ns=at_ns,
        received_at_ns=received_at_ns,
        raw=data,
    )


def to_ticker(data: Row, received_at_ns: int, venue_time_ms: int | None = None) -> Ticker:
    """The last day of a contract: it has no bid and no offer. Raises InvalidField."""
    said = data.get
    change = said("change")
    return Ticker(
        venue=VENUE,
        instrument_id=_of(data, "symbol"),
        venue_time_ns=None if venue_time_ms is None else venue_time_ms * 1_000_000,
        received_at_ns=received_at_ns,
        last=said("last") or None,
        mark=said("mark") or None,
        index=said("index") or None,
        open=said("open") or None,
        high=said("high") or None,
        low=said("low") or None,
        volume=said("volume"),
        turnover=said("turnover"),
        change=None if change is None else EXACT.scaleb(change, -2),  # the page has it in percent
        raw=data,
    )


def to_book_snapshot(
    symbol: str,
    bids: Sequence[Level],
    offers: Sequence[Level],
    last: int | None,
    received_at_ns: int,
    venue_time_ms: int | None = None,
) -> BookSnapshot:
    """A whole book of 15 or 200 levels, as HTTP and a topic's first frame have it. Raises InvalidField."""
    return BookSnapshot(
        venue=VENUE,
        instrument_id=symbol,
        bids=tuple(bids),
        offers=tuple(offers),
        last=last,
        venue_time_ns=None if venue_time_ms is None else venue_time_ms * 1_000_000,
        received_at_ns=received_at_ns,
    )


# --- what is ours -----------------------------------------------------------------------------------------------------


def position_side(side: OrderSide, *, reduce_only: bool) -> HedgedSide:
    """The position that an order is of: buying opens a long one or closes a short one, selling the other way round."""
    return "long" if (side == "buy") is not reduce_only else "short"


def to_order(
    data: Row, received_at_ns: int, venue_time_ms: int | None = None, *, is_reconciled: bool = False
) -> Order:
    """An order as it stands. Raises InvalidField, also for a status or a type that is not known."""
    told = text(_of(data, "status"), "status")
    status = _STATUSES.get(told)
    if status is None:
        raise InvalidField("status", told, ", ".join(_STATUSES))
    kind = _KINDS.get(_of(data, "type"))
    if kind is None:
        raise InvalidField("type", data["type"], ", ".join(_KINDS))
    filled, value = data.get("filled_size", Decimal(0)), data.get("filled_value")
    average = _quotient(value, filled, "filled_value") if value and filled else _price(data, "average_price")
    return Order(
        venue=VENUE,
        instrument_id=_of(data, "symbol"),
        client_order_id=data.get("client_order_id"),
        venue_order_id=_of(data, "order_id"),
        side=_of(data, "side"),
        size=_of(data, "size"),
        status=status,
        venue_time_ns=_time_ns(data, venue_time_ms),
        received_at_ns=received_at_ns,
        kind=kind,
        price=_price(data, "price"),
        filled_size=filled,
        average_price=average,
        reason=data.get("reason", "not triggered yet" if told == "untriggered" else ""),
        is_reconciled=is_reconciled,
        raw=data,
    )


def to_fill(
    data: Row,
    received_at_ns: int,
    venue_time_ms: int | None = None,
    *,
    price_tick: Decimal | None = None,
    is_reconciled: bool = False,
) -> Fill:
    """One execution of ours; its fee is what it cost. Raises InvalidField."""
    size, value = _of(data, "size"), data.get("value")
    if not size:
        raise InvalidField("size", size, "above zero")
    if value:
        price = _quotient(value, size, "value")
        if price_tick is not None and not is_on_tick(price, price_tick):
            price = round_to_tick(price, price_tick)
    else:
        price = _of(data, "price")
    return Fill(
        venue=VENUE,
        instrument_id=_of(data, "symbol"),
        fill_id=_of(data, "fill_id"),
        client_order_id=data.get("client_order_id"),
        venue_order_id=_of(data, "order_id"),
        side=_of(data, "side"),
        price=price,
        size=size,
        venue_time_ns=_time_ns(data, venue_time_ms),
        received_at_ns=received_at_ns,
        fee=data.get("fee", Decimal(0)),
        fee_currency=data.get("asset"),
        liquidity=data.get("liquidity"),
        is_reconciled=is_reconciled,
        raw=data,
    )


def to_position(
    data: Row, received_at_ns: int, venue_time_ms: int | None = None, *, is_reconciled: bool = False
) -> Position:
    """One side of a contract: a short one has its size below zero. Raises InvalidField.

    `realized_pnl` is what closing parts of it has brought since it was opened, before fees: what they were sold for
    less what they were bought for. A simulated account names no contract, so its positions are corrupt here.
    """
    side = cast(HedgedSide, _of(data, "side"))
    if side not in ("long", "short"):
        raise InvalidField("side", side, "long or short")
    size, value = _of(data, "size"), data.get("open_value")
    if size < 0:
        raise InvalidField("size", size, "zero or more")
    return Position(
        venue=VENUE,
        instrument_id=_of(data, "symbol"),
        size=size if side == "long" else EXACT.minus(size),
        venue_time_ns=_time_ns(data, venue_time_ms),
        received_at_ns=received_at_ns,
        side=side,
        average_price=_quotient(value, size, "open_value") if size and value else None,
        mark=_price(data, "mark"),
        realized_pnl=_realized(data, side),
        unrealized_pnl=data.get("unrealized_pnl"),
        is_reconciled=is_reconciled,
        raw=data,
    )


def _realized(data: Row, side: HedgedSide) -> Decimal:
    said: Decimal | None = data.get("realized_pnl")
    if said is not None:
        return said
    value, opened, closed = (data.get(name) for name in ("open_value", "opened_value", "closed_value"))
    if value is None or opened is None or closed is None:
        return Decimal(0)
    gained = EXACT.subtract(closed, EXACT.subtract(opened, value))
    return gained if side == "long" else EXACT.minus(gained)


def to_balance(
    data: Row, received_at_ns: int, venue_time_ms: int | None = None, *, is_reconciled: bool = False
) -> Balance:
    """Money of one asset. Raises InvalidField, also where a push says no `available`: that is asked for over HTTP."""
    total = data.get("balance")
    return Balance(
        venue=VENUE,
        currency=_of(data, "asset"),
        total=_of(data, "amount") if total is None else total,
        available=_of(data, "available"),
        venue_time_ns=_time_ns(data, venue_time_ms),
        received_at_ns=received_at_ns,
        held=data.get("frozen", Decimal(0)),
        is_reconciled=is_reconciled,
        raw=data,
    )


# --- fields -----------------------------------------------------------------------------------------------------------


def _of(data: Row, name: str) -> Any:
    value = data.get(name)
    if value is None:
        raise InvalidField(name, None, "there")
    return value


def _price(data: Row, name: str) -> Decimal | None:
    return data.get(name) or None


def _time_ns(data: Row, venue_time_ms: int | None) -> int | None:
    """Seconds of the row, which are whole milliseconds divided by a thousand, or else the frame's milliseconds."""
    seconds: float | None = data.get("time")
    if seconds is not None:
        return int(seconds * 1000 + 0.5) * 1_000_000
    return None if venue_time_ms is None else venue_time_ms * 1_000_000


def _quotient(value: Decimal, size: Decimal, field: str) -> Decimal:
    if value < 0 or size < 0:
        raise InvalidField(field, value, "zero or more, as its size")
    quotient = _QUOTIENT.divide(value, size)
    exponent = quotient.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        quotient = quotient.quantize(_FINEST, context=_QUOTIENT)
    return quotient


def _step(contract: Row, name: str) -> Decimal | None:
    """The grid of which a contract says the decimal places."""
    places = contract.get(name)
    if places is None or places == "":
        return None
    counted = sequence(places, name)
    if counted > MAX_DECIMALS:
        raise InvalidField(name, places, f"0 to {MAX_DECIMALS} decimal places")
    return Decimal(1).scaleb(-counted)
