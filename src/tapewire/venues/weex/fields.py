"""How a row of the wire becomes the `data` that the document's samples read: one table per channel and wire.

A table says, for each name of ours, the wire's key and what kind of value it is. What a row lacks is left out, so that
`data.get("last", "N/A")` says so. Numbers are exact (`Decimal`), times are seconds. Corrupt values raise InvalidField.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec.structs import asdict

from ...model.fields import EXACT, MAX_DECIMALS, MAX_DIGITS
from ..kit.fields import Kind, TimeMs, flag, number, text, time_ms
from .unread import Numbers

__all__ = [
    "V2_FIELDS",
    "V3_FIELDS",
    "V3_PLAIN",
    "V3_QUICK",
    "FieldMap",
    "PlainRow",
    "Quick",
    "mapped",
    "per_cent",
]

_HUNDRED: Final = Decimal(100)

FieldMap: TypeAlias = Mapping[str, tuple[str, Kind]]


def per_cent(value: Any, field: str) -> Decimal:
    """The wire has a fraction, the document prints a percentage: `Decimal("1.2475")` for "0.012475"."""
    return EXACT.multiply(number(value, field), _HUNDRED)


def seconds(value: Any, field: str) -> float:
    """Milliseconds on the wire, seconds for people."""
    return time_ms(value, field) / 1000


def lower(value: Any, field: str) -> str:
    """A word, in lower case."""
    return text(value, field).lower()


def symbol(value: Any, field: str) -> str:
    """A contract's name as V3 spells it."""
    return text(value, field).upper().removeprefix("CMT_")


def taker_side(value: Any, field: str) -> str:
    """The wire says whether the buyer was the maker: then the taker sold."""
    return "sell" if flag(value, field) else "buy"


_ORDER: Final[FieldMap] = {
    "order_id": ("id", text),
    "client_order_id": ("clientOrderId", text),
    "symbol": ("symbol", symbol),
    "side": ("orderSide", lower),
    "position_side": ("positionSide", lower),
    "type": ("type", lower),
    "price": ("price", number),
    "size": ("size", number),
    "filled_size": ("cumFillSize", number),
    "filled_value": ("cumFillValue", number),
    "fee": ("cumFillFee", number),
    "last_fill_price": ("latestFillPrice", number),
    "time_in_force": ("timeInForce", lower),
    "reduce_only": ("reduceOnly", flag),
    "trigger_price": ("triggerPrice", number),
    "leverage": ("leverage", number),
    "reason": ("cancelReason", text),
    "venue_status": ("status", text),
    "created": ("createdTime", seconds),
    "time": ("updatedTime", seconds),
}

_FILL: Final[FieldMap] = {
    "fill_id": ("id", text),
    "order_id": ("orderId", text),
    "client_order_id": ("clientOrderId", text),
    "symbol": ("symbol", symbol),
    "side": ("orderSide", lower),
    "position_side": ("positionSide", lower),
    "size": ("fillSize", number),
    "value": ("fillValue", number),
    "fee": ("fillFee", number),
    "asset": ("coin", text),
    "realized_pnl": ("realizePnl", number),
    "liquidity": ("direction", lower),
    "time": ("createdTime", seconds),
}

_POSITION: Final[FieldMap] = {
    "position_id": ("id", text),
    "symbol": ("symbol", symbol),
    "side": ("side", lower),
    "size": ("size", number),
    "open_value": ("openValue", number),
    "open_fee": ("openFee", number),
    "opened_value": ("cumOpenValue", number),
    "closed_value": ("cumCloseValue", number),
    "funding_fee": ("fundingFee", number),
    "margin": ("isolatedMargin", number),
    "margin_mode": ("marginMode", lower),
    "leverage": ("leverage", number),
    "realized_pnl": ("cumRealizePnl", number),
    "unrealized_pnl": ("unrealizePnl", number),
    "created": ("createdTime", seconds),
    "time": ("updatedTime", seconds),
}

_ACCOUNT: Final[FieldMap] = {
    "asset": ("coin", text),
    "amount": ("amount", number),
    "equity": ("equity", number),
    "available": ("available", number),
    "frozen": ("frozen", number),
    "liquidating": ("liquidating", flag),
    "time": ("updatedTime", seconds),
}

V3_FIELDS: Final[Mapping[str, FieldMap]] = {
    "ticker": {
        "last": ("c", number),
        "volume": ("v", number),
        "change": ("P", per_cent),
        "change_amount": ("p", number),
        "open": ("o", number),
        "high": ("h", number),
        "low": ("l", number),
        "turnover": ("q", number),
        "average": ("w", number),
        "trades": ("n", number),
        "mark": ("m", number),
        "index": ("i", number),
    },
    "trade": {
        "id": ("t", text),
        "price": ("p", number),
        "size": ("q", number),
        "value": ("v", number),
        "side": ("m", taker_side),
        "time": ("T", seconds),
    },
    "kline": {
        "start": ("t", seconds),
        "end": ("T", seconds),
        "interval": ("i", text),
        "open": ("o", number),
        "high": ("h", number),
        "low": ("l", number),
        "close": ("c", number),
        "volume": ("v", number),
        "turnover": ("q", number),
        "trades": ("n", number),
    },
    "orders": _ORDER,
    "fill": _FILL,
    "positions": _POSITION,
    "account": _ACCOUNT,
}

_V2_NAMES: Final[FieldMap] = {"symbol": ("contractId", symbol), "asset": ("coinId", text)}

V2_FIELDS: Final[Mapping[str, FieldMap]] = {
    "ticker": {
        "last": ("lastPrice", number),
        "volume": ("size", number),
        "change": ("priceChangePercent", per_cent),
        "change_amount": ("priceChange", number),
        "high": ("high", number),
        "low": ("low", number),
        "turnover": ("value", number),
        "trades": ("trades", number),
        "mark": ("markPrice", number),
    },
    "trade": {
        "price": ("price", number),
        "size": ("size", number),
        "value": ("value", number),
        "side": ("buyerMaker", taker_side),
        "time": ("time", seconds),
    },
    "kline": {
        "start": ("klineTime", seconds),
        "open": ("open", number),
        "high": ("high", number),
        "low": ("low", number),
        "close": ("close", number),
        "volume": ("size", number),
        "turnover": ("value", number),
    },
    "orders": {**_ORDER, **_V2_NAMES},
    "fill": {**_FILL, **_V2_NAMES},
    "positions": {**_POSITION, **_V2_NAMES},
    "account": {**_ACCOUNT, "asset": ("coinId", text)},
}


def mapped(row: Mapping[str, Any], fields: FieldMap) -> dict[str, Any]:
    """The row in our names, without what it lacks (null and the empty text included)."""
    return {
        name: kind(value, name)
        for name, (key, kind) in fields.items()
        if (value := row.get(key)) is not None and value != ""
    }


_MAX_SHAPES: Final = 1_000
_MAX_SHAPE: Final = 500
_RUN: Final = b"0" * (min(MAX_DIGITS, MAX_DECIMALS) + 1)


def _shapes(kept: bytes) -> bytes:
    """A table for `translate`: digits look alike, so that too long a run of them shows; what is not `kept` is an x."""
    return bytes(
        ord("0") if byte in b"0123456789" else byte if byte in kept else ord("x") for byte in range(256)
    )


class PlainRow:
    """A row of nothing but numbers, as nearly every ticker is: checked when it comes, read when somebody asks.

    The check says that `mapped` would take the row, at a tenth of its cost; a row of which it is not sure is read at
    once. `fields`: numbers alone. `beside`: keys that such a row has too, and nobody reads. No key may hold an `e`: an
    exponent would pass as a part of it. Rows are JSON, as whoever cut them out of a frame has seen.
    """

    __slots__ = ("_allowed", "_check", "_fractions", "_read", "_read_whole", "_shapes")

    def __init__(self, fields: FieldMap, *, beside: str = "") -> None:
        keys = [key for key, _ in fields.values()]
        self._allowed = _shapes(b'[]{}": ,.-' + "".join([*keys, beside]).encode())
        # A lax float takes a number and the text of one, by the grammar of JSON.
        checked = msgspec.defstruct("Checked", [(key, float, 0.0) for key in keys], gc=False)
        rename = {name: key for name, (key, _) in fields.items()}
        whole = msgspec.defstruct("Whole", [(name, str | int) for name in fields], rename=rename, gc=False)
        part = msgspec.defstruct(
            "Part", [(name, Decimal | None, None) for name in fields], rename=rename, gc=False
        )
        self._check = msgspec.json.Decoder(list[checked], strict=False).decode  # type: ignore[valid-type]
        self._read_whole = msgspec.json.Decoder(list[whole]).decode  # type: ignore[valid-type]
        self._read = msgspec.json.Decoder(list[part]).decode  # type: ignore[valid-type]
        self._fractions = [name for name, (_, kind) in fields.items() if kind is per_cent]
        self._shapes: set[bytes] = (
            set()
        )  # of rows that were plain: so is every row that differs in digits alone

    def is_plain(self, rows: bytes) -> bool:
        """True if these are one row, whose numbers are what `number` takes."""
        shape = rows.translate(self._allowed)
        if shape in self._shapes:
            return True
        if b"x" in shape or _RUN in shape:
            return False
        try:
            is_one = len(self._check(rows)) == 1
        except msgspec.MsgspecError:
            return False
        if is_one and len(shape) <= _MAX_SHAPE:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            self._shapes.add(shape)
        return is_one

    def read(self, rows: bytes, symbol: str) -> dict[str, Any]:
        """What `mapped` makes of such a row, and `symbol`."""
        data: dict[str, Any]
        try:
            (row,) = self._read_whole(rows)
            data = asdict(row)
        except msgspec.ValidationError:  # the venue did not say each of them, or one not as text
            (row,) = self._read(rows)
            # By identity: a Decimal that is compared with None asks what kind of number that may be.
            data = {name: value for name, value in asdict(row).items() if value is not None}
        for name in self._fractions:
            if name in data:
                data[name] = EXACT.multiply(Decimal(data[name]), _HUNDRED)
        data["symbol"] = symbol
        return Numbers(data)


V3_PLAIN: Final[Mapping[str, PlainRow]] = {"ticker": PlainRow(V3_FIELDS["ticker"], beside="OC")}


_Short: TypeAlias = Annotated[str, msgspec.Meta(max_length=min(MAX_DIGITS, MAX_DECIMALS))]


class _Trade(msgspec.Struct, gc=False):
    t: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | int
    p: _Short
    q: _Short
    v: _Short
    m: bool
    T: TimeMs


_read_trades = msgspec.json.Decoder(list[_Trade]).decode
_are_plain: Final = re.compile(r"\d+(?:\.\d+)? \d+(?:\.\d+)? \d+(?:\.\d+)?", re.ASCII).fullmatch


Quick: TypeAlias = Callable[[bytes | msgspec.Raw, str], list[dict[str, Any]] | None]
"""What reads rows of the usual form, or gives None: the rows, and whose they are."""


def plain_trades(rows: bytes | msgspec.Raw, symbol: str) -> list[dict[str, Any]] | None:
    """What `mapped` makes of these trades, and `symbol`; None where they may be none, or are not written as usual."""
    try:
        trades = _read_trades(rows)
    except msgspec.MsgspecError:
        return None
    made = []
    for trade in trades:
        price, size, value = trade.p, trade.q, trade.v
        if not _are_plain(f"{price} {size} {value}"):
            return None
        made.append(
            {
                "id": str(trade.t),
                "price": Decimal(price),
                "size": Decimal(size),
                "value": Decimal(value),
                "side": "sell" if trade.m else "buy",
                "time": trade.T / 1000,
                "symbol": symbol,
            }
        )
    return made


V3_QUICK: Final[Mapping[str, Quick]] = {"trade": plain_trades}
