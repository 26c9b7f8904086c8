"""The V3 wire: frames with one-letter keys, many topics in one SUBSCRIBE, answers by id. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Final, TypeAlias, cast

import msgspec

from ...model import MAX_LEVELS
from ..kit.fields import PLAIN_LEVELS, TimeMs, flag, sequence, time_ms
from ..kit.fields import levels as side_of
from .wire import ACCOUNT_CHANNELS, MAX_ORDERED, NOTHING, Answer, Depth, Frame, Greeting, Heard, Ping

__all__ = ["culprits", "kline_topic", "pong", "read", "subscribe", "symbol_topic", "topic_in", "unsubscribe"]

_PLURALS: Final = {"order": "orders", "position": "positions", "fills": "fill"}
"""Singular names that one independent client's recordings have for the same channels."""


_LONGEST: Final = 50
"""Names of more characters are none of the venue's, and are not remembered."""

_Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=_LONGEST)]


class _Worded(msgspec.Struct, gc=False):
    """Every key that any frame has. `e` tells a publication, `event` or `type` control, `result` an answer."""

    e: str = ""
    E: int | str | None = None
    s: str = ""
    d: msgspec.Raw = NOTHING
    b: msgspec.Raw = NOTHING
    a: msgspec.Raw = NOTHING
    U: int | str | None = None
    u: int | str | None = None
    l: int | str | None = None  # noqa: E741 - the wire's name
    p: str = ""
    v: int | str | None = None
    msgEvent: str = ""  # noqa: N815
    event: str = ""
    type: str = ""
    time: str | int = ""
    result: bool | str | None = None
    id: int | str | None = None
    msg: str = ""


class _Envelope(_Worded, gc=False):
    """The same as it nearly always comes: numbers as numbers, and names as short as the venue's are."""

    e: _Name = ""
    s: _Name = ""
    E: TimeMs | None = None
    U: int | None = None
    u: int | None = None
    l: int | None = None  # noqa: E741
    result: bool | None = None


class _Kline(msgspec.Struct):
    i: str = ""


_KINDS: Final = {"E": time_ms, "U": sequence, "u": sequence, "l": sequence, "result": flag}

_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_worded = msgspec.json.Decoder(_Worded).decode
_read_klines = msgspec.json.Decoder(list[_Kline]).decode


def read(text: bytes) -> Heard:
    """One message. Raises one of `DECODE_ERRORS`."""
    named: Callable[..., _Names] = _named
    try:
        envelope = _read_envelope(text)
    except msgspec.ValidationError:
        envelope = _read_digits(text)
        if max(len(envelope.e), len(envelope.s)) > _LONGEST:
            named = _named.__wrapped__
    if envelope.e:
        return _publication(envelope, text, named)
    control = envelope.event or envelope.type
    if control == "ping":
        return Ping(str(envelope.time))
    if control == "connected":
        return Greeting()
    if envelope.result is not None:
        number = sequence(envelope.id, "id") if envelope.id is not None else None
        return Answer(envelope.result, number, text=envelope.msg)
    raise ValueError("neither a publication nor an answer")


def _read_digits(text: bytes) -> _Envelope:
    """A frame with digits where it has numbers usually. Raises InvalidField, as for one that is corrupt."""
    worded = _read_worded(text)
    for name, kind in _KINDS.items():
        if (value := getattr(worded, name)) is not None:
            setattr(worded, name, kind(value, name))
    return cast(_Envelope, worded)


def _publication(envelope: _Envelope, text: bytes, named: Callable[..., _Names]) -> Frame:
    topic, channel, symbol, is_snapshot, is_plain = named(envelope.e, envelope.s, envelope.l)
    if is_plain:
        return Frame(topic, channel, symbol, is_snapshot, envelope.E, text, envelope.d)
    if channel == "depth":
        is_snapshot = is_snapshot or envelope.d == _SNAPSHOT
        sides = NOTHING, envelope.b, envelope.a
        return Frame(topic, channel, symbol, is_snapshot, envelope.E, text, *sides, envelope.U, envelope.u)
    frame = Frame(topic, channel, symbol, is_snapshot, envelope.E, text, envelope.d, reason=envelope.msgEvent)
    if channel == "kline":
        klines = _read_klines(envelope.d)
        frame.topic = kline_topic(symbol, klines[0].i if klines else "", envelope.p)
    else:
        frame.version = None if envelope.v is None else sequence(envelope.v, "v")
    return frame


_SNAPSHOT: Final = msgspec.Raw(b'"SNAPSHOT"')

_Names: TypeAlias = tuple[str, str, str, bool, bool]


@lru_cache(maxsize=4096)
def _named(event: str, symbol: str, depth: int | str | None) -> _Names:
    """Topic, channel, symbol, whether it is a snapshot, and whether it has rows and nothing beside."""
    channel = event.removesuffix("Snapshot")
    symbol = symbol.upper()
    account = _PLURALS.get(channel, channel)
    if account in ACCOUNT_CHANNELS:
        return account, account, symbol, channel != event, False
    topic = f"{symbol}@depth{depth}" if channel == "depth" else f"{symbol}@{channel}"
    return topic, channel, symbol, channel != event, channel not in ("depth", "kline")


# --- what is sent ---------------------------------------------------------------------------------------------------


def subscribe(topics: Sequence[str], number: int) -> bytes:
    """One request for many topics."""
    return _request("SUBSCRIBE", topics, number)


def unsubscribe(topics: Sequence[str], number: int) -> bytes:
    """Leave many topics."""
    return _request("UNSUBSCRIBE", topics, number)


def pong(ping: Ping, number: int) -> bytes:
    """The answer to the venue's ping."""
    return msgspec.json.encode({"method": "PONG", "id": number})


def _request(method: str, topics: Sequence[str], number: int) -> bytes:
    return msgspec.json.encode({"method": method, "params": list(topics), "id": number})


# --- topics ---------------------------------------------------------------------------------------------------------


def symbol_topic(channel: str, symbol: str, depth: int = 0) -> str:
    """`BTCUSDT@ticker`, `BTCUSDT@depth15`."""
    return f"{symbol}@{channel}{depth or ''}"


def kline_topic(symbol: str, interval: str, price: str) -> str:
    """`BTCUSDT@kline_1m_LAST_PRICE`."""
    return f"{symbol}@kline_{interval}_{price}"


_BROKEN: Final = {
    key: re.compile(rb'"%s"\s*:\s*"?([A-Za-z0-9_]{1,40})' % key.encode()) for key in ("e", "s", "l")
}


def topic_in(text: bytes) -> str | None:
    """The topic of a frame that cannot be decoded, where its beginning still shows it."""
    found = {key: pattern.search(text[:300]) for key, pattern in _BROKEN.items()}
    named = {key: match[1].decode() for key, match in found.items() if match is not None}
    channel = named.get("e", "").removesuffix("Snapshot")
    if channel in ACCOUNT_CHANNELS:
        return channel
    if not channel or "s" not in named or (channel == "depth") is not ("l" in named):
        return None
    return f"{named['s'].upper()}@{channel}{named.get('l', '')}"


_REASON: Final = re.compile(r"invalid (symbol|depth level|event) ?: ?(\S+)")


def culprits(text: str, topics: Sequence[str]) -> list[str]:
    """The topics that a refusal's text names: `INVALID_ARGUMENT: invalid symbol : nopeusdt`. Empty if it names none."""
    found = _REASON.search(text)
    if found is None:
        return []
    kind, named = found[1], found[2].lower()

    def is_named(topic: str) -> bool:
        symbol, _, channel = topic.lower().partition("@")
        if kind == "symbol":
            return symbol in (named, named.removeprefix("cmt_"))
        if kind == "depth level":
            return channel == f"depth{named}"
        return channel == named or channel.startswith(f"{named}_") or symbol == named

    return [topic for topic in topics if is_named(topic)]


_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_ORDERED)]
_Price: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
_Size: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_Doubles: TypeAlias = Annotated[list[tuple[_Price, _Size]], msgspec.Meta(max_length=MAX_LEVELS)]

_read_texts = msgspec.json.Decoder(tuple[list[tuple[_Text, _Text]], list[tuple[_Text, _Text]]]).decode
_read_doubles = msgspec.json.Decoder(tuple[_Doubles, _Doubles], strict=False).decode


def levels(frame: Frame) -> Depth:
    """The frame's bids and asks; where no number has many digits, at a third of the cost. Raises `DECODE_ERRORS`."""
    written = b"".join((b"[", frame.bids, b",", frame.asks, b"]"))
    if not written.translate(None, PLAIN_LEVELS):
        try:
            bids, offers = _read_doubles(written)
            return Depth(bids, offers, _read_texts(written), is_checked=True)
        except msgspec.ValidationError:
            pass
    return Depth.of(side_of(frame.bids), side_of(frame.asks))
