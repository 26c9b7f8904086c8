"""The server that blasts: a process of its own, with frames encoded beforehand and a WebSocket made by hand.

It speaks just enough Phoenix for real clients: every join and every push is answered. Once the plan's joins are
answered (or, where it has none, at the client's first message) the frames go out, as fast as the socket takes them or
one by one on an absolute schedule. It never is the bottleneck: `sendall` of nearly a megabyte at a time.

As a process it reads one plan a line from standard input and ends with it; see `main`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from .frames import frame_of, make_messages, stamped, with_join_ref

__all__ = ["BlastServer", "Plan", "accept_key", "handshake", "main", "read_messages"]

PATIENCE = 20.0
"""Seconds after which a silent client is given up."""

SPIN = 0.00008
"""Seconds before a paced message is due that are spun away: sleeping is not exact."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING = 0x8, 0x9


@dataclass(frozen=True)
class Plan:
    """What the next connection gets: `count` messages after `joins` joins; at `rate` a second, or as a blast.

    `pushes`: the frames carry the client's own join_refs, as pushes do, instead of null, as broadcasts do.
    """

    joins: int = 0
    count: int = 1_000
    rate: float | None = None
    pushes: bool = False


class BlastServer:
    """Listens on a free port of 127.0.0.1 while it is entered; a thread for each connection."""

    def __init__(self, messages: list[bytes] | None = None) -> None:
        self.plan = Plan()
        self._messages = make_messages() if messages is None else messages
        self._frames = [frame_of(message) for message in self._messages]
        self._chunk = b"".join(self._frames)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.plan), daemon=True).start()

    def _serve(self, connection: socket.socket, plan: Plan) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handshake(connection)
            join_refs: dict[str, str] = {}
            begun = False
            for opcode, payload in read_messages(connection):
                if opcode == _CLOSE:
                    connection.sendall(_short_frame(_CLOSE, payload[:2]))
                    return
                if opcode == _PING:
                    connection.sendall(_short_frame(0xA, payload))
                    continue
                self._answer(connection, payload, join_refs)
                if not begun and len(join_refs) >= plan.joins:
                    begun = True
                    self._send(connection, plan, join_refs)

    def _answer(self, connection: socket.socket, payload: bytes, join_refs: dict[str, str]) -> None:
        try:
            join_ref, ref, topic, event, _ = json.loads(payload)
        except (ValueError, TypeError):
            return  # only a word to begin
        reply = [join_ref, ref, topic, "phx_reply", {"response": {}, "status": "ok"}]
        encoded = json.dumps(reply, separators=(",", ":")).encode()
        connection.sendall(_short_frame(0x1, encoded) if len(encoded) < 126 else frame_of(encoded))
        if event == "phx_join":
            join_refs[topic] = str(ref if join_ref is None else join_ref)

    def _send(self, connection: socket.socket, plan: Plan, join_refs: dict[str, str]) -> None:
        messages, frames, chunk = self._messages, self._frames, self._chunk
        if plan.pushes:
            messages = [with_join_ref(message, join_refs) for message in messages]
            frames = [frame_of(message) for message in messages]
            chunk = b"".join(frames)
        if plan.rate is not None:
            _send_paced(connection, itertools.islice(itertools.cycle(messages), plan.count), plan.rate)
            return
        whole, rest = divmod(plan.count, len(frames))
        for _ in range(whole):
            connection.sendall(chunk)
        connection.sendall(b"".join(frames[:rest]))


def _send_paced(connection: socket.socket, messages: Iterable[bytes], rate: float) -> None:
    begin = time.monotonic() + 0.05
    for number, message in enumerate(messages):
        due = begin + number / rate
        if (spare := due - time.monotonic() - SPIN) > 0:
            time.sleep(spare)
        while time.monotonic() < due:
            pass
        connection.sendall(frame_of(stamped(message, time.monotonic_ns())))


def accept_key(key: bytes) -> bytes:
    """The proof that a server understood the upgrade (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _MAGIC).digest())


def handshake(connection: socket.socket) -> None:
    """Read the request and upgrade, without extensions or sub-protocols. Raises EOFError where the client went."""
    request = b""
    while b"\r\n\r\n" not in request:
        read = connection.recv(65_536)
        if not read:
            raise EOFError
        request += read
    headers = dict(line.split(b":", 1) for line in request.split(b"\r\n")[1:] if b":" in line)
    key = next(value.strip() for name, value in headers.items() if name.lower() == b"sec-websocket-key")
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key) + b"\r\n\r\n"
    )


def read_messages(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Opcode and payload of each masked, unfragmented frame of the client, until it goes."""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(2)) == 2:
            length = head[1] & 0x7F
            if length > 125:
                length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
            mask = stream.read(4)
            masked = stream.read(length)
            key = int.from_bytes(mask * (length // 4 + 1), "big") >> (8 * (4 - length % 4))
            yield head[0] & 0x0F, (int.from_bytes(masked, "big") ^ key).to_bytes(length, "big")


def _short_frame(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes((0x80 | opcode, len(payload))) + payload


def main() -> None:
    """Say the port, then take a plan a line (JSON) and confirm each with `ready`, until standard input ends."""
    with BlastServer() as server:
        print(server.port, flush=True)
        for line in sys.stdin:
            server.plan = Plan(**json.loads(line))
            print("ready", flush=True)


if __name__ == "__main__":
    main()
