"""The V2 wire: one channel in one request, answers by channel, whole words as keys. Pure.

For old recordings, and for deployments that still speak it. Sources are in NOTES.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from ..kit.fields import PLAIN_LEVELS, has_plain_numbers, number, sequence, time_ms
from .symbols import v2_symbol
from .wire import ACCOUNT_CHANNELS, NOTHING, Answer, Depth, Frame, Greeting, Heard, Ping, Side

__all__ = ["culprits", "kline_topic", "pong", "read", "subscribe", "symbol_topic", "topic_in", "unsubscribe"]

_WORDS: Final = {"trade": "trades"}
_INTERVALS: Final = {
    "1m": "MINUTE_1", "5m": "MINUTE_5", "15m": "MINUTE_15", "30m": "MINUTE_30", "1h": "HOUR_1", "2h": "HOUR_2",
    "4h": "HOUR_4", "6h": "HOUR_6", "8h": "HOUR_8", "12h": "HOUR_12", "1d": "DAY_1", "1w": "WEEK_1", "1M": "MONTH_1",
}  # fmt: skip
_ACCOUNT_ROWS: Final = {
    "account": ("collateral", "account"),
    "orders": ("order",),
    "fill": ("orderFillTransaction",),
    "positions": ("position", "positions"),
}
"""Under which key a private frame has its rows; that of positions is inferred."""


class _Told(msgspec.Struct):
    msgEvent: str = ""  # noqa: N815
    version: int | str | None = None
    data: dict[str, msgspec.Raw] = {}
    time: int | str | None = None


class _Envelope(msgspec.Struct):
    event: str = ""
    type: str = ""
    channel: str = ""
    time: str | int = ""
    data: msgspec.Raw = NOTHING
    msg: msgspec.Raw = msgspec.Raw(b"null")
    code: str | int = ""


class _Depth(msgspec.Struct):
    startVersion: str | int  # noqa: N815
    endVersion: str | int  # noqa: N815
    depthType: str = "CHANGED"  # noqa: N815
    bids: msgspec.Raw = NOTHING
    asks: msgspec.Raw = NOTHING


class _Level(msgspec.Struct):
    price: Decimal
    size: Decimal


class _Worded(msgspec.Struct):
    """A level whose numbers are not written plainly."""

    price: Any
    size: Any


_read = msgspec.json.Decoder(_Envelope).decode
_read_told = msgspec.json.Decoder(_Told).decode
_read_depth = msgspec.json.Decoder(list[_Depth]).decode
_PLAIN_ROWS: Final = PLAIN_LEVELS + b"{}:pricesz"
_read_levels = msgspec.json.Decoder(list[_Level]).decode
_read_worded = msgspec.json.Decoder(list[_Worded], float_hook=Decimal).decode


def read(text: bytes) -> Heard:
    """One message. Raises one of `DECODE_ERRORS`."""
    envelope = _read(text)
    if envelope.event == "payload":
        return _publication(envelope, text)
    if "ping" in (envelope.event, envelope.type):
        return Ping(str(envelope.time))
    if envelope.event == "connected":
        return Greeting()
    if envelope.event in ("subscribed", "unsubscribed") and envelope.channel:
        return Answer(ok=True, topics=(envelope.channel,))
    if envelope.event == "error" or envelope.code:
        said = bytes(envelope.msg)[:300].decode(errors="replace").strip('"')
        return Answer(ok=False, topics=(envelope.channel,) if envelope.channel else (), text=said)
    raise ValueError("neither a publication nor an answer")


def _publication(envelope: _Envelope, text: bytes) -> Frame:
    topic = envelope.channel
    word, *rest = topic.split(".")
    if topic in ACCOUNT_CHANNELS:
        return _account(envelope, topic, text)
    symbol = next((part for part in rest if part.startswith("cmt_")), "").removeprefix("cmt_").upper()
    channel = "trade" if word == "trades" else word
    frame = Frame(topic, channel, symbol, envelope.type == "snapshot", None, text, envelope.data)
    if channel == "depth":
        (depth,) = _read_depth(envelope.data)
        frame.first, frame.last = (
            sequence(depth.startVersion, "startVersion"),
            sequence(depth.endVersion, "endVersion"),
        )
        frame.is_snapshot = depth.depthType == "SNAPSHOT"
        frame.bids, frame.asks, frame.rows = depth.bids, depth.asks, NOTHING
    return frame


def _account(envelope: _Envelope, topic: str, text: bytes) -> Frame:
    told = _read_told(envelope.msg)
    rows = next((told.data[key] for key in _ACCOUNT_ROWS[topic] if key in told.data), None)
    if rows is None:
        raise ValueError(f"a frame of {topic} without its rows")
    return Frame(
        topic,
        topic,
        "",
        False,
        None if told.time is None else time_ms(told.time, "time"),
        text,
        rows,
        version=None if told.version is None else sequence(told.version, "version"),
        reason=told.msgEvent,
    )


# --- what is sent ---------------------------------------------------------------------------------------------------


def subscribe(topics: Sequence[str], number: int) -> bytes:
    """A request for one channel."""
    (topic,) = topics
    return msgspec.json.encode({"event": "subscribe", "channel": topic})


def unsubscribe(topics: Sequence[str], number: int) -> bytes:
    """Leave one channel."""
    (topic,) = topics
    return msgspec.json.encode({"event": "unsubscribe", "channel": topic})


def pong(ping: Ping, number: int) -> bytes:
    """The answer to the venue's ping repeats its time."""
    return msgspec.json.encode({"event": "pong", "time": ping.time})


# --- topics ---------------------------------------------------------------------------------------------------------


def symbol_topic(channel: str, symbol: str, depth: int = 0) -> str:
    """`ticker.cmt_btcusdt`, `depth.cmt_btcusdt.15`."""
    return f"{_WORDS.get(channel, channel)}.{v2_symbol(symbol)}" + (f".{depth}" if depth else "")


def kline_topic(symbol: str, interval: str, price: str) -> str:
    """`kline.LAST_PRICE.cmt_btcusdt.MINUTE_1`."""
    return f"kline.{price}.{v2_symbol(symbol)}.{_INTERVALS[interval]}"


_CHANNEL: Final = re.compile(rb'"channel"\s*:\s*"([A-Za-z0-9_.]{1,80})"')


def topic_in(text: bytes) -> str | None:
    """The channel of a frame that cannot be decoded, where its beginning still shows it."""
    found = _CHANNEL.search(text[:300])
    return None if found is None else found[1].decode()


def culprits(text: str, topics: Sequence[str]) -> list[str]:
    """A request has one channel: it is the one."""
    return list(topics) if len(topics) == 1 else []


def levels(frame: Frame) -> Depth:
    """The frame's bids and asks. Raises one of `DECODE_ERRORS`."""
    return Depth.of(_side(frame.bids), _side(frame.asks))


def _side(side: msgspec.Raw) -> Side:
    written = bytes(side)
    if has_plain_numbers(written, _PLAIN_ROWS):
        return [(level.price, level.size) for level in _read_levels(written)]
    return [(number(level.price, "price"), number(level.size, "size")) for level in _read_worded(written)]
