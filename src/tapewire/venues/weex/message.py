"""What an iterator yields: the documents' message, with `data` in their field names, and how a frame becomes some.

A frame of several rows gives one message for each (`Rows`); of trades each comes once (`Trades`). `rows_of` gives what
the messages hold without them. Derived here, because
the venue does not say it: an order that is partly filled (`status`), its average price, and why one was rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import TapewireError
from ...session.consumer import Items
from .fields import FieldMap, PlainRow, mapped
from .profile import Profile
from .wire import DECODE_ERRORS, Frame

__all__ = [
    "ORDER_STATUSES",
    "ROW_ERRORS",
    "SEEN_TRADES",
    "NewTrades",
    "Rows",
    "Trades",
    "WeexMessage",
    "messages_of",
    "order_status",
    "read_rows",
    "rows_of",
]

ROW_ERRORS: Final = (*DECODE_ERRORS, TapewireError, KeyError, ArithmeticError)
"""What a corrupt row raises."""

SEEN_TRADES: Final = 2_000
"""Trades remembered by their id, so that a snapshot after a reconnection repeats none: at least so many, and less than
twice."""

ORDER_STATUSES: Final[Mapping[str, str]] = {
    "PENDING": "new",
    "NEW": "new",
    "UNTRIGGERED": "untriggered",
    "PARTIALLY_FILLED": "partially_filled",  # never seen on the wire; taken where it comes
    "FILLED": "filled",
    "CANCELING": "canceling",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}
"""The document's word for each of the wire's."""


class _Unread:
    """Holds a row that was checked and is not read yet; `data` is made of it when it is first asked for."""

    __slots__ = ("_unread",)

    if TYPE_CHECKING:
        _unread: tuple[PlainRow, bytes]
    else:  # checkers would believe in any name

        def __getattr__(self, name):  # an attribute that is not there yet
            if name != "data":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            reader, row = self._unread
            self.data = data = reader.read(row, self.symbol)
            return data


@dataclass(slots=True)
class WeexMessage(_Unread):
    """One message of a stream.

    `data`: the document's field names; numbers are `Decimal`, what the venue did not say is missing. `timestamp`:
    seconds since the epoch by the venue's clock, or by ours where it said none. `symbol`, `channel`: what it is about.
    `raw`: the frame as it came. `received_at_ns`: when it came. `sequence`: the venue's number of it, where it has one.
    """

    channel: str
    symbol: str
    data: dict[str, Any]
    timestamp: float
    raw: bytes = field(default=b"", repr=False)
    received_at_ns: int = 0
    sequence: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return WeexMessage, tuple(getattr(self, field.name) for field in fields(self))


_read_rows = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal).decode
_read_row = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


def read_rows(raw: msgspec.Raw) -> list[dict[str, Any]]:
    """The rows of a frame; a single object counts as one row. Raises one of `DECODE_ERRORS`."""
    text = bytes(raw)
    return [_read_row(text)] if text[:1] == b"{" else _read_rows(text)


def messages_of(frame: Frame, profile: Profile, undecodable: Callable[[Exception], None]) -> Items:
    """The messages of one frame, row by row; `undecodable` is told of each row that is corrupt."""
    return Items(_message(frame, row) for row in rows_of(frame, profile, undecodable))


def rows_of(frame: Frame, profile: Profile, undecodable: Callable[[Exception], None]) -> list[dict[str, Any]]:
    """What the messages of one frame have as `data`, read; `undecodable` is told of each row that is corrupt."""
    channel, symbol = frame.channel, frame.symbol
    if symbol:
        if (quick := profile.quick.get(channel)) is not None and (
            rows := quick(frame.rows, symbol)
        ) is not None:
            return rows
        reader = profile.plain.get(channel)
        if reader is not None and reader.is_plain(written := bytes(frame.rows)):
            return [reader.read(written, symbol)]
    rows = _mapped_rows(frame, profile.fields.get(channel, {}), undecodable)
    if symbol:
        for row in rows:
            row.setdefault("symbol", symbol)
    return rows


def _mapped_rows(
    frame: Frame, fields: FieldMap, undecodable: Callable[[Exception], None]
) -> list[dict[str, Any]]:
    complete = _COMPLETE.get(frame.channel)
    read: list[dict[str, Any]] = []
    try:
        rows = read_rows(frame.rows)
    except ROW_ERRORS as error:
        undecodable(error)
        return read
    for row in rows:
        try:
            data = mapped(row, fields)
            if complete is not None:
                complete(data)
        except ROW_ERRORS as error:
            undecodable(error)
        else:
            read.append(data)
    return read


def _unread_message(frame: Frame, reader: PlainRow, row: bytes) -> WeexMessage:
    """The message of a frame whose one row nobody has read yet."""
    message = WeexMessage.__new__(WeexMessage)
    message.channel = frame.channel
    message.symbol = frame.symbol
    message._unread = reader, row  # type: ignore[misc]  # the slot is its parent's
    venue_time_ms = frame.venue_time_ms
    message.timestamp = (frame.received_at_ns / 1e9) if venue_time_ms is None else venue_time_ms / 1000
    message.raw = frame.raw
    message.received_at_ns = frame.received_at_ns
    message.sequence = frame.last if frame.version is None else frame.version
    return message


def _message(frame: Frame, data: dict[str, Any]) -> WeexMessage:
    when = data.get("time")
    if when is None:
        when = (frame.received_at_ns / 1e9) if frame.venue_time_ms is None else frame.venue_time_ms / 1000
    number = frame.last if frame.version is None else frame.version
    symbol = data.get("symbol", "")
    return WeexMessage(frame.channel, symbol, data, when, frame.raw, frame.received_at_ns, number)


def _all_of(frame: Frame, rows: list[dict[str, Any]]) -> WeexMessage | Items:
    """The message of one row alone, or one for each."""
    return _message(frame, rows[0]) if len(rows) == 1 else Items(_message(frame, row) for row in rows)


def order_status(data: Mapping[str, Any]) -> str:
    """The document's status of an order: the venue has no word for one that is partly filled, its figures do."""
    told = str(data.get("venue_status", "")).upper()
    status = ORDER_STATUSES.get(told, told.lower() or "unknown")
    size, filled = data.get("size", Decimal(0)), data.get("filled_size", Decimal(0))
    if status in ("new", "untriggered") and 0 < filled < size:
        return "partially_filled"
    if status == "canceled" and not filled and "REJECT" in str(data.get("reason", "")).upper():
        return "rejected"
    return status


def _complete_order(data: dict[str, Any]) -> None:
    if str(data.get("reason", "")).upper().startswith("UNKNOWN"):
        del data["reason"]  # the venue's word for none
    data["status"] = order_status(data)
    filled, value = data.get("filled_size"), data.get("filled_value")
    if filled and value:
        data["average_price"] = value / filled


def _complete_fill(data: dict[str, Any]) -> None:
    size, value = data.get("size"), data.get("value")
    if size and value:
        data["price"] = value / size


def _complete_position(data: dict[str, Any]) -> None:
    size, value = data.get("size"), data.get("open_value")
    if size and value:
        data["entry_price"] = value / size


def _complete_account(data: dict[str, Any]) -> None:
    balance = data.get("equity", data.get("amount"))
    if balance is not None:
        data["balance"] = balance


_COMPLETE: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "orders": _complete_order,
    "fill": _complete_fill,
    "positions": _complete_position,
    "account": _complete_account,
}


class Rows:
    """One message for each row of a frame; of one row that may wait, it waits."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __call__(self, item: Any, spoiled: Callable[[Exception], None]) -> WeexMessage | Items:
        if item.__class__ is not Frame:
            return Items()
        reader = self._profile.plain.get(item.channel)
        if reader is not None and item.symbol and reader.is_plain(written := bytes(item.rows)):
            return _unread_message(item, reader, written)
        return _all_of(item, rows_of(item, self._profile, spoiled))


class Trades:
    """One message for each trade, each once (`NewTrades`)."""

    def __init__(self, profile: Profile) -> None:
        self._new = NewTrades(profile)

    def __call__(self, item: Any, spoiled: Callable[[Exception], None]) -> WeexMessage | Items:
        return _all_of(item, self._new(item, spoiled)) if item.__class__ is Frame else Items()


class NewTrades:
    """The rows of a frame of trades that were not told yet.

    A subscription begins with trades of before it: those are not told. After a reconnection the same snapshot holds
    some that were missed: those are, oldest first, behind the gap. Trades without ids (V2) cannot be told apart, so
    there nothing of a snapshot is.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._seen: set[str] = set()
        self._seen_before: set[str] = set()  # the same, of before that was full
        self._since: float | None = None

    def __call__(self, frame: Frame, spoiled: Callable[[Exception], None]) -> list[dict[str, Any]]:
        rows, seen, before = rows_of(frame, self._profile, spoiled), self._seen, self._seen_before
        unsaid = (frame.venue_time_ms or 0) / 1000
        if not frame.is_snapshot:
            fresh = rows
            if len(rows) != 1 or (number := rows[0].get("id")) in seen or number in before:  # hardly ever
                fresh = [
                    row for row in rows if (number := row.get("id")) not in seen and number not in before
                ]
            self._remember(rows, unsaid)
            return fresh
        since, ordered = self._since, _oldest_first(rows, unsaid)
        fresh = [
            row
            for row in ordered
            if since is not None
            and row.get("time", unsaid) >= since
            and (number := row.get("id")) is not None
            and number not in seen
            and number not in before
        ]
        self._remember(ordered, unsaid)
        return fresh

    def _remember(self, rows: Iterable[dict[str, Any]], unsaid: float) -> None:
        """`unsaid`: the time of a row that says none."""
        seen, since = self._seen, self._since or 0.0
        for row in rows:
            if (when := row.get("time", unsaid)) > since:
                since = when
            if (number := row.get("id")) is not None:
                seen.add(number)
        self._since = since
        if len(seen) >= SEEN_TRADES:
            self._seen, self._seen_before = set(), seen


def _oldest_first(rows: list[dict[str, Any]], unsaid: float) -> list[dict[str, Any]]:
    """By time; trades of one millisecond keep the order of the snapshot, whichever end it begins at.

    Where it shows no order at all, it is taken to begin with the newest.
    """
    if rows and rows[0].get("time", unsaid) >= rows[-1].get("time", unsaid):
        rows.reverse()
    return sorted(rows, key=lambda row: row.get("time", unsaid))
