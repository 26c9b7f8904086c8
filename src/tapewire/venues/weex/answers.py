"""The answers of the venue's HTTP API: the three shapes they come in, and rows in the words of the streams. Pure.

An answer is plain JSON, or `{"code": "200", "msg", "data"?}`, or `{"success", "errorCode", "errorMessage", ...}`: the
last is to be believed only by its `success`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from ..kit.fields import flag, number, sequence, text
from .errors import WEEXParseError, of_code
from .fields import FieldMap, lower, mapped, per_cent, seconds, symbol, taker_side
from .message import ROW_ERRORS, order_status
from .wire import Side

__all__ = [
    "REST_BALANCE",
    "REST_POSITION",
    "REST_TICKER",
    "REST_TRADE",
    "kline_of",
    "levels_of",
    "order_of",
    "rows_of",
    "unwrapped",
]

_FINE: Final = ("200", "0", "00000", "")

_read = msgspec.json.Decoder(float_hook=Decimal).decode

REST_TICKER: Final[FieldMap] = {
    "symbol": ("symbol", symbol),
    "last": ("lastPrice", number),
    "volume": ("volume", number),
    "change": ("priceChangePercent", per_cent),
    "change_amount": ("priceChange", number),
    "open": ("openPrice", number),
    "high": ("highPrice", number),
    "low": ("lowPrice", number),
    "turnover": ("quoteVolume", number),
    "mark": ("markPrice", number),
    "index": ("indexPrice", number),
}

REST_TRADE: Final[FieldMap] = {
    "id": ("id", text),
    "price": ("price", number),
    "size": ("qty", number),
    "value": ("quoteQty", number),
    "side": ("isBuyerMaker", taker_side),
    "time": ("time", seconds),
}

REST_BALANCE: Final[FieldMap] = {
    "asset": ("asset", text),
    "balance": ("balance", number),
    "available": ("availableBalance", number),
    "frozen": ("frozen", number),
    "unrealized_pnl": ("unrealizePnl", number),
}

REST_POSITION: Final[FieldMap] = {
    "position_id": ("id", text),
    "symbol": ("symbol", symbol),
    "side": ("side", lower),
    "size": ("size", number),
    "open_value": ("openValue", number),
    "margin": ("marginSize", number),
    "margin_mode": ("marginType", lower),
    "leverage": ("leverage", number),
    "unrealized_pnl": ("unrealizePnl", number),
    "time": ("updatedTime", seconds),
}

_REST_ORDER: Final[FieldMap] = {
    "order_id": ("orderId", text),
    "client_order_id": ("clientOrderId", text),
    "symbol": ("symbol", symbol),
    "side": ("side", lower),
    "position_side": ("positionSide", lower),
    "type": ("type", lower),
    "price": ("price", number),
    "size": ("origQty", number),
    "filled_size": ("executedQty", number),
    "filled_value": ("cumQuote", number),
    "average_price": ("avgPrice", number),
    "time_in_force": ("timeInForce", lower),
    "reduce_only": ("reduceOnly", flag),
    "venue_status": ("status", text),
    "created": ("time", seconds),
    "time": ("updateTime", seconds),
}


def unwrapped(body: bytes, what: str, status: int) -> Any:
    """What the answer says. Raises what it refuses with, or WEEXParseError."""
    try:
        answer = _read(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WEEXParseError(f"{what}: the answer is no JSON", status=status) from None
    if not isinstance(answer, dict):
        return answer
    if answer.get("success") is False:
        code, said = str(answer.get("errorCode") or ""), str(answer.get("errorMessage") or "refused")
        raise of_code(code, f"{what}: {said}", status=status)
    if "code" in answer and ("msg" in answer or "data" in answer):
        code = str(answer["code"])
        if code not in _FINE:
            raise of_code(code, f"{what}: {answer.get('msg') or 'refused'}", status=status)
        return answer.get("data", answer)
    return answer


def rows_of(answer: Any, fields: FieldMap | None = None, kind: type = dict) -> list[Any]:
    """The rows of an answer (one object counts as one), in our words if `fields` are given. Raises WEEXParseError."""
    rows = [answer] if isinstance(answer, dict) else answer
    if not isinstance(rows, list) or not all(isinstance(row, kind) for row in rows):
        raise WEEXParseError("the answer has no rows")
    if fields is None:
        return rows
    try:
        named = [mapped(row, fields) for row in rows]
    except ROW_ERRORS as error:
        raise WEEXParseError(f"the answer has a corrupt row: {error}") from None
    for row in named:
        if row.get("size") and row.get("open_value"):
            row["entry_price"] = row["open_value"] / row["size"]
    return named


def order_of(row: dict[str, Any]) -> dict[str, Any]:
    """One order in the words of `stream_orders`."""
    (order,) = rows_of(row, _REST_ORDER)
    if not order.get("average_price"):
        order.pop("average_price", None)
    order["status"] = order_status(order)
    return dict(order)


def levels_of(answer: Any) -> tuple[Side, Side, int]:
    """Bids, asks and the number of a depth answer."""
    try:
        told = msgspec.convert(answer, _Depth)
        bids, asks = (
            [(number(price, "price"), number(size, "size")) for price, size in side]
            for side in (told.bids, told.asks)
        )
        return bids, asks, sequence(told.lastUpdateId, "lastUpdateId")
    except ROW_ERRORS as error:
        raise WEEXParseError(f"market/depth: {error}") from None


class _Depth(msgspec.Struct):
    bids: list[tuple[Any, Any]]
    asks: list[tuple[Any, Any]]
    lastUpdateId: Any  # noqa: N815


_KLINE: Final = ("start", "open", "high", "low", "close", "volume", "end", "turnover", "trades")


def kline_of(row: list[Any]) -> dict[str, Any]:
    """One candle of a row: opening time, prices, volume, closing time, turnover, trades."""
    try:
        named = {name: str(value) for name, value in zip(_KLINE, row, strict=False)}
        times = {name: seconds(named.pop(name), name) for name in ("start", "end") if name in named}
        return times | {name: number(value, name) for name, value in named.items()}
    except ROW_ERRORS as error:
        raise WEEXParseError(f"market/klines: {error}") from None
