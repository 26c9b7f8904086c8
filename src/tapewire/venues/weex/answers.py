"""The answers of the venue's HTTP API: the three shapes they come in, and rows in the words of the streams. Pure.

An answer is plain JSON, or `{"code": "200", "msg", "data"?}`, or `{"success", "errorCode", "errorMessage", ...}`: the
last is to be believed only by its `success`. Readers raise Unreadable or InvalidField for what lacks a field that it is
nothing without: only whoever reads the whole answer knows what that means (`api.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final

import msgspec

from ...errors import HttpError
from ...model.fields import InvalidField
from ...transport.http import Reply
from ..kit.answers import Unreadable, anything, read_json, read_shape
from ..kit.fields import flag, identifier, number, sequence, text, time_ms
from .errors import BAN_SECONDS, ERRORS, WEEXRateLimitError, WEEXSystemError
from .fields import FieldMap, lower, per_cent, seconds, symbol, taker_side
from .message import order_status
from .wire import Side

__all__ = [
    "all_canceled_of",
    "balances_of",
    "canceled_of",
    "contracts_of",
    "fills_of",
    "klines_of",
    "levels_of",
    "mark_price_of",
    "order_of",
    "orders_of",
    "placed_of",
    "positions_of",
    "refusal_in",
    "ticker_of",
    "tickers_of",
    "time_of",
    "trades_of",
    "unwrapped",
]

_FINE: Final = ("200", "0", "00000", "")


class _Row(msgspec.Struct, frozen=True):
    """A kind of row: our names for its fields, and those that it is nothing without."""

    fields: FieldMap
    required: Collection[str]


_TICKER: Final = _Row(
    {
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
    },
    required=("symbol", "last", "volume", "change"),
)

_TRADE: Final = _Row(
    {
        "id": ("id", text),
        "price": ("price", number),
        "size": ("qty", number),
        "value": ("quoteQty", number),
        "side": ("isBuyerMaker", taker_side),
        "time": ("time", seconds),
    },
    required=("id", "price", "size", "side", "time"),
)

_BALANCE: Final = _Row(
    {
        "asset": ("asset", text),
        "balance": ("balance", number),
        "available": ("availableBalance", number),
        "frozen": ("frozen", number),
        "unrealized_pnl": ("unrealizePnl", number),
    },
    required=("asset", "balance", "available", "frozen"),
)

_POSITION: Final = _Row(
    {
        "position_id": ("id", text),
        "symbol": ("symbol", symbol),
        "side": ("side", lower),
        "size": ("size", number),
        "open_value": ("openValue", number),
        "opened_value": ("cumOpenValue", number),
        "closed_value": ("cumCloseValue", number),
        "margin": ("marginSize", number),
        "margin_mode": ("marginType", lower),
        "leverage": ("leverage", number),
        "unrealized_pnl": ("unrealizePnl", number),
        "time": ("updatedTime", seconds),
    },
    required=("symbol", "side", "size", "open_value"),
)

_ORDER: Final = _Row(
    {
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
    },
    required=("order_id", "symbol", "side", "type", "price", "size", "filled_size", "venue_status"),
)


def _liquidity(value: Any, field: str) -> str:
    return "maker" if flag(value, field) else "taker"


_FILL: Final = _Row(
    {
        "fill_id": ("id", text),
        "order_id": ("orderId", text),
        "symbol": ("symbol", symbol),
        "side": ("side", lower),
        "position_side": ("positionSide", lower),
        "price": ("price", number),
        "size": ("qty", number),
        "value": ("quoteQty", number),
        "fee": ("commission", number),
        "asset": ("commissionAsset", text),
        "realized_pnl": ("realizedPnl", number),
        "liquidity": ("maker", _liquidity),
        "time": ("time", seconds),
    },
    required=("fill_id", "order_id", "symbol", "side", "price", "size", "time"),
)


class _Head(msgspec.Struct):
    """What of an answer says whether it refuses."""

    success: Any = None
    code: Any = ""
    msg: Any = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error_code: Any = msgspec.field(name="errorCode", default="")
    error_message: Any = msgspec.field(name="errorMessage", default="")


_read_head: Final = msgspec.json.Decoder(_Head).decode


def refusal_in(reply: Reply) -> HttpError | None:
    """The refusal that came under a status of success. What cannot be read here is for whoever reads all of it."""
    try:
        head = _read_head(reply.body)
        fails = head.success is not None and not flag(head.success, "success")
        code = text(head.error_code or "" if fails else head.code, "code")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidField):
        return None
    if not fails and (code in _FINE or (head.msg is msgspec.UNSET and head.data is msgspec.UNSET)):
        return None
    kind = ERRORS.kind_of_answer(reply.status, code, refused=True)
    return HttpError(
        reply.method,
        reply.url,
        status=reply.status,
        detail="refused",
        body=reply.body,
        retry_after=BAN_SECONDS if kind is WEEXRateLimitError else None,
        passing=kind in (WEEXSystemError, WEEXRateLimitError),
    )


def unwrapped(body: bytes) -> Any:
    """What the answer says, which is no refusal (`refusal_in`)."""
    answer = read_json(body)
    if not isinstance(answer, dict):
        return answer
    if "success" in answer:
        flag(answer["success"], "success")
    if "code" in answer and ("msg" in answer or "data" in answer):
        text(answer["code"], "code")
        return answer.get("data", answer)
    return answer


# --- markets --------------------------------------------------------------------------------------------------------


def time_of(answer: Any) -> int:
    """The venue's time in milliseconds."""
    return time_ms(_member(answer, "serverTime") if isinstance(answer, dict) else answer, "serverTime")


def contracts_of(answer: Any) -> list[dict[str, Any]]:
    """Every contract, in the venue's own words."""
    rows = _member(answer, "symbols") if isinstance(answer, dict) else answer
    contracts: list[dict[str, Any]] = read_shape(rows, [{"symbol": identifier}], "symbols")
    return contracts


def levels_of(answer: Any) -> tuple[Side, Side, int]:
    """Bids, asks and the number of a depth answer."""
    depth = read_shape(answer, {"bids": [_level], "asks": [_level], "lastUpdateId": sequence})
    return depth["bids"], depth["asks"], depth["lastUpdateId"]


def _level(value: Any, field: str) -> tuple[Decimal, Decimal]:
    if not isinstance(value, list) or len(value) != 2:
        raise InvalidField(field, value, "a price and a size")
    return number(value[0], f"{field}[0]"), number(value[1], f"{field}[1]")


def trades_of(answer: Any) -> list[dict[str, Any]]:
    """Public trades, in the words of `stream_trades`."""
    return _rows(answer, _TRADE)


_KLINE: Final = ("start", "open", "high", "low", "close", "volume", "end", "turnover", "trades")
_KLINE_LEAST: Final = 6
_KLINE_TIMES: Final = ("start", "end")


def klines_of(answer: Any) -> list[dict[str, Any]]:
    """Candles: opening time, prices, volume, closing time, turnover, trades."""
    rows: list[dict[str, Any]] = read_shape(answer, [_kline])
    return rows


def _kline(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, list) or len(value) < _KLINE_LEAST:
        raise InvalidField(field, value, f"a list of {_KLINE_LEAST} or more: {', '.join(_KLINE)}")
    kinds = [seconds if name in _KLINE_TIMES else number for name in _KLINE]
    return {
        name: kind(part, f"{field}[{place}]")
        for place, (name, kind, part) in enumerate(zip(_KLINE, kinds, value, strict=False))
    }


def ticker_of(answer: Any) -> dict[str, Any]:
    """The one ticker that was asked for."""
    return _only(_rows(answer, _TICKER), "ticker")


def tickers_of(answer: Any) -> list[dict[str, Any]]:
    """Tickers, in the words of `stream_tickers`."""
    return _rows(answer, _TICKER)


def mark_price_of(answer: Any) -> Decimal:
    """One price."""
    rows = [answer] if isinstance(answer, dict) else answer
    price: Decimal = _only(read_shape(rows, [{"price": number}]), "price")["price"]
    return price


# --- account and orders -----------------------------------------------------------------------------------------------


def balances_of(answer: Any) -> list[dict[str, Any]]:
    """What the account has of each asset."""
    return _rows(answer, _BALANCE)


def positions_of(answer: Any) -> list[dict[str, Any]]:
    """Positions, in the words of `stream_positions`."""
    rows = _rows(answer, _POSITION)
    for row in rows:
        if row["size"] and row["open_value"]:
            row["entry_price"] = row["open_value"] / row["size"]
    return rows


def order_of(answer: Any) -> dict[str, Any]:
    """The one order that was asked for."""
    return _only(orders_of(answer), "order")


def orders_of(answer: Any) -> list[dict[str, Any]]:
    """Orders, in the words of `stream_orders`."""
    orders = _rows(answer, _ORDER)
    for order in orders:
        if not order.get("average_price"):
            order.pop("average_price", None)
        order["status"] = order_status(order)
    return orders


def fills_of(answer: Any) -> list[dict[str, Any]]:
    """Own executions, in the words of `stream_fills`."""
    return _rows(answer, _FILL)


def placed_of(answer: Any) -> str:
    """The venue's id of the order that was placed."""
    order_id: str = read_shape(answer, {"orderId": identifier})["orderId"]
    return order_id


def canceled_of(answer: Any) -> dict[str, str]:
    """Both ids of the order that was cancelled; the second is empty where the venue did not say it."""
    canceled = read_shape(answer, {"orderId": identifier})
    client_order_id = canceled.get("clientOrderId")
    return {
        "order_id": canceled["orderId"],
        "client_order_id": "" if client_order_id is None else text(client_order_id, "clientOrderId"),
    }


def all_canceled_of(answer: Any) -> list[str]:
    """The venue's ids of the orders that were cancelled, of an answer that has each with its own success."""
    rows = read_shape(answer, [{"success": flag}])
    return [read_shape(row, {"orderId": identifier})["orderId"] for row in rows if row["success"]]


# --- rows -----------------------------------------------------------------------------------------------------------


def _rows(answer: Any, kind: _Row) -> list[dict[str, Any]]:
    """Rows in our words; one object counts as one row, as the venue answers where a contract was named."""
    rows = read_shape([answer] if isinstance(answer, dict) else answer, [{}])
    return [_named(row, kind, f"[{place}]") for place, row in enumerate(rows)]


def _named(row: dict[str, Any], kind: _Row, path: str) -> dict[str, Any]:
    said = {key: value for key, value in row.items() if value is not None and value != ""}
    read_shape(said, {kind.fields[name][0]: anything for name in kind.required}, path)
    present = {name: field for name, field in kind.fields.items() if field[0] in said}
    read = read_shape(said, dict(present.values()), path)
    return {name: read[key] for name, (key, _) in present.items()}


def _member(answer: dict[str, Any], name: str) -> Any:
    return read_shape(answer, {name: anything})[name]


def _only(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(rows) != 1:
        raise Unreadable("", f"one {what}", f"{len(rows)} of them")
    return rows[0]
