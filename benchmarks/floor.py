"""The floors: what decoding alone costs, and how late a blocking reader of the bare socket is. Nothing can be below."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from .line import Line
from .meter import Meter
from .wires import WIRES

__all__ = ["DECODERS", "decode", "decode_json", "decode_two", "paced_socket"]


class _Phoenix(msgspec.Struct, array_like=True, gc=False):
    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any


class _RawPhoenix(msgspec.Struct, array_like=True, gc=False):
    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: msgspec.Raw


class _FormerPhoenix(msgspec.Struct, gc=False):
    topic: str
    event: str
    payload: Any
    ref: str | None


class _Publication(msgspec.Struct, gc=False):
    data: Any
    offset: int
    tags: dict[str, str]


class _Push(msgspec.Struct, gc=False):
    channel: str
    pub: _Publication


class _Reply(msgspec.Struct, gc=False):
    push: _Push


class _Page(msgspec.Struct, gc=False):
    channel: str
    payload: Any


class _Result(msgspec.Struct, gc=False):
    data: Any


class _Next(msgspec.Struct, gc=False):
    id: str
    type: str
    payload: _Result


class _Ticker(msgspec.Struct, gc=False):
    p: str
    P: str
    w: str
    c: str
    o: str
    h: str
    l: str  # noqa: E741 - the wire's name
    v: str
    q: str
    O: int  # noqa: E741
    C: int
    n: int
    m: str
    i: str


class _Trade(msgspec.Struct, gc=False):
    T: int
    t: str
    p: str
    q: str
    v: str
    m: bool


class _Tickers(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    d: list[_Ticker]


class _Trades(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    d: list[_Trade]


class _Depth(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    U: int
    u: int
    l: int  # noqa: E741 - the wire's name
    d: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


Decode = Callable[[bytes], object]


def _of(kind: Any, **options: Any) -> Decode:
    decode: Decode = msgspec.json.Decoder(kind, **options).decode
    return decode


def _ticker() -> Decode:
    frame = msgspec.json.Decoder(_Tickers).decode
    return lambda message: Decimal(frame(message).d[0].c)


def _trade() -> Decode:
    frame = msgspec.json.Decoder(_Trades).decode
    return lambda message: Decimal(frame(message).d[0].p)


DECODERS: dict[str, Callable[[], Decode]] = {
    "stx": lambda: _of(_Phoenix),
    "phoenix-v1": lambda: _of(_FormerPhoenix),
    "sxbet": lambda: _of(_Reply, float_hook=Decimal),
    "stake-page": lambda: _of(_Page, float_hook=Decimal),
    "stake-graphql": lambda: _of(_Next, float_hook=Decimal),
    "weex-ticker": _ticker,
    "weex-trade": _trade,
    "weex-depth": lambda: _of(_Depth),
}
"""One pass of msgspec, into the values that the documented class gives where its user looks; exact where that is."""


def decode(line: Line, meter: Meter, *, wire: str) -> None:
    """Envelope and payload in one pass of msgspec: the true limit."""
    _count(meter, wire, DECODERS[wire]())


def decode_two(line: Line, meter: Meter, *, wire: str) -> None:
    """The envelope first, then its raw payload, as a client must that routes before it decodes (Phoenix V2)."""
    envelope, payload = msgspec.json.Decoder(_RawPhoenix).decode, msgspec.json.Decoder().decode
    _count(meter, wire, lambda message: payload(envelope(message).payload))


def decode_json(line: Line, meter: Meter, *, wire: str) -> None:
    """The standard library."""
    _count(meter, wire, json.loads)


def _count(meter: Meter, wire: str, decode: Decode) -> None:
    talk = WIRES[wire].talk()
    messages = WIRES[wire].messages(min(meter.count, 10_000))
    talk.joined = dict.fromkeys(WIRES[wire].topics, "7")
    messages = list(talk.bound(messages))
    tick = meter.tick
    for message in (messages * (meter.count // len(messages) + 1))[: meter.count]:
        decode(message)
        tick()


def paced_socket(line: Line, meter: Meter) -> None:
    """A blocking socket: only the frames' lengths are looked at."""
    with socket.create_connection(("127.0.0.1", line.port), 20) as opened:
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{line.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        )
        opened.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        buffer = bytearray(256 * 1024)
        view = memoryview(buffer)
        filled = 0
        while b"\r\n\r\n" not in bytes(buffer[:filled]):
            filled += opened.recv_into(view[filled:])
        position = bytes(buffer[:filled]).index(b"\r\n\r\n") + 4
        buffer[: filled - position] = buffer[position:filled]
        filled -= position
        opened.sendall(b"\x81\x85\0\0\0\0begin")
        while meter.received < meter.count:
            read = opened.recv_into(view[filled:])
            if not read:
                raise EOFError
            filled += read
            position = 0
            while (size := _size_at(buffer, position, filled)) and position + size <= filled:
                meter.tick()
                position += size
            buffer[: filled - position] = buffer[position:filled]
            filled -= position


def _size_at(buffer: bytearray, position: int, filled: int) -> int:
    """Of the frame there, header included; 0 where too little has come to tell."""
    if filled - position < 4:
        return 0
    length = buffer[position + 1]
    return length + 2 if length < 126 else int.from_bytes(buffer[position + 2 : position + 4], "big") + 4
