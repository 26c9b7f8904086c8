"""SX Bet channels by the thousand: asked for and confirmed, and again after a cut, against the bare frames of it.

The bare exchange is what no client can do without: the same commands in as few writes as possible, the same replies
read and decoded, over the same connections. Counted from before the first command to the last reply.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from .line import Line
from .meter import Meter
from .wires import OFFSET

__all__ = ["bare", "class_", "names"]

CONNECTION = 480
"""Channels on one connection, as the documented class does."""


def names(count: int) -> list[str]:
    """Channels of so many markets."""
    return [f"orderbook_v3:0x{number:064x}" for number in range(count)]


class _Times:
    """Wall and CPU of what happens inside."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> None:
        self._meter.begin()
        self._begun = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self._meter.took(time.perf_counter() - self._begun[0], time.process_time() - self._begun[1])


async def class_(line: Line, meter: Meter, *, phase: str) -> None:
    """The documented client: as many subscriptions, each with a handler of publications."""
    from tapewire.venues.sxbet import SXBetClient

    async def token() -> str:
        return "none-is-needed-here"

    confirmed, everyone = 0, asyncio.Event()

    def handle(context: object) -> None:
        pass

    def subscribed(context: object) -> None:
        nonlocal confirmed
        confirmed += 1
        if confirmed >= meter.count:
            everyone.set()

    url = f"{line.ws}/connection/websocket"
    async with SXBetClient(get_token=token, realtime_url=url, api_url=line.http) as client:
        channels = [
            client.new_subscription(name, positioned=True, recoverable=True) for name in names(meter.count)
        ]
        for channel in channels:
            channel.on("publication", handle)
            channel.on("subscribed", subscribed)
            channel.on("mark", handle)  # else each would be a line in the log
        with _Times(meter):
            for channel in channels:
                channel.subscribe()
            await everyone.wait()
        if phase == "resume":
            confirmed = 0
            everyone.clear()
            with _Times(meter):
                client.reconnect()
                await everyone.wait()


def bare(line: Line, meter: Meter, *, phase: str) -> None:
    """Sockets, ready commands, replies decoded by msgspec."""
    opened: list[socket.socket] = []
    with _Times(meter):
        _exchange(line, meter.count, opened, recover=False)
    if phase == "resume":
        with _Times(meter):
            for connection in opened:
                connection.close()
            opened.clear()
            _exchange(line, meter.count, opened, recover=True)
    for connection in opened:
        connection.close()


def _exchange(line: Line, count: int, opened: list[socket.socket], *, recover: bool) -> None:
    channels = names(count)
    for first in range(0, count, CONNECTION):
        part = channels[first : first + CONNECTION]
        connection, buffer = _connect(line.port)
        opened.append(connection)
        connection.sendall(_masked(b'{"id":1,"connect":{"token":"none-is-needed-here","name":"bench"}}'))
        connection.sendall(
            b"".join(_masked(_command(number, name, recover)) for number, name in enumerate(part, 2))
        )
        decode = msgspec.json.Decoder().decode
        replies = 0
        while replies <= len(part):
            buffer += connection.recv(256 * 1024)
            for message in _taken(buffer):
                for text in message.split(b"\n"):
                    decode(text)
                    replies += 1


def _command(number: int, channel: str, recover: bool) -> bytes:
    asked: dict[str, Any] = {"channel": channel, "positioned": True, "recoverable": True}
    if recover:
        asked |= {"recover": True, "offset": OFFSET, "epoch": "qhXG"}
    return msgspec.json.encode({"id": number, "subscribe": asked})


def _connect(port: int) -> tuple[socket.socket, bytearray]:
    connection = socket.create_connection(("127.0.0.1", port), 20)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4096)
    return connection, answer[answer.index(b"\r\n\r\n") + 4 :]


def _masked(message: bytes) -> bytes:
    """One text frame of a client, with a mask of zeros."""
    size = len(message)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + message


def _taken(buffer: bytearray) -> Iterator[bytes]:
    """Whole messages at the beginning of `buffer`, which they leave."""
    position = 0
    while len(buffer) - position >= 4:
        length, head = buffer[position + 1], 2
        if length == 126:
            length, head = int.from_bytes(buffer[position + 2 : position + 4], "big"), 4
        if position + head + length > len(buffer):
            break
        yield bytes(buffer[position + head : position + head + length])
        position += head + length
    del buffer[:position]
