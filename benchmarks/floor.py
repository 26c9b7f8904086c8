"""The floors: what decoding alone costs, and how late a blocking reader of the bare socket is. Nothing can be below."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any

import msgspec

from .frames import SIZE, STAMP, STAMP_DIGITS, make_messages
from .meter import Latencies, Meter


class _Envelope(msgspec.Struct, array_like=True, gc=False):
    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any


class _RawEnvelope(msgspec.Struct, array_like=True, gc=False):
    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: msgspec.Raw


def decode_in_one(port: int, meter: Meter) -> None:
    """Envelope and payload in one pass of msgspec: the true limit."""
    decode = msgspec.json.Decoder(_Envelope).decode
    tick = meter.tick
    for message in _cycle(meter.count):
        tick(decode(message))


def decode_in_two(port: int, meter: Meter) -> None:
    """The envelope first, then its raw payload, as a client must that routes before it decodes."""
    envelope, payload = msgspec.json.Decoder(_RawEnvelope).decode, msgspec.json.Decoder().decode
    tick = meter.tick
    for message in _cycle(meter.count):
        tick(payload(envelope(message).payload))


def decode_json(port: int, meter: Meter) -> None:
    """The standard library."""
    tick = meter.tick
    for message in _cycle(meter.count):
        tick(json.loads(message))


def paced_socket(port: int, meter: Meter, latencies: Latencies) -> None:
    """A blocking socket, no framing: the stamp is read where it is known to stand."""
    with socket.create_connection(("127.0.0.1", port), 20) as line:
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        line.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        while not line.recv(4096).endswith(b"\r\n\r\n"):
            pass
        line.sendall(b"\x81\x85\0\0\0\0begin")
        buffer = bytearray(256 * 1024)
        view = memoryview(buffer)
        filled, frame, begin = 0, SIZE + 4, STAMP + 4
        while meter.received < meter.count:
            read = line.recv_into(view[filled:])
            if not read:
                raise EOFError
            filled += read
            position = 0
            while filled - position >= frame:
                latencies.took(buffer[position + begin : position + begin + STAMP_DIGITS])
                position += frame
            buffer[: filled - position] = buffer[position:filled]
            filled -= position


def _cycle(count: int) -> list[bytes]:
    messages = make_messages()
    return (messages * (count // len(messages) + 1))[:count]
