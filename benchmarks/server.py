"""The server that blasts: a process of its own, with frames encoded beforehand and a WebSocket made by hand.

It speaks just enough of each wire (wires.py) for real clients. Once the plan's joins are answered (or, where it has
none, at the client's first message) the messages go out, as fast as the socket takes them or one by one on an absolute
schedule. It never is the bottleneck: `sendall` of nearly a megabyte at a time.

As a process it reads one plan a line from standard input and ends with it; see `main`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from .frames import frame_of
from .meter import cuts
from .wires import WIRES, Talk, Wire, encoded, topics_of

__all__ = [
    "BEGIN",
    "BlastServer",
    "Plan",
    "Request",
    "accept_key",
    "answered",
    "deflated",
    "handshake",
    "main",
    "read_messages",
    "read_request",
]

PATIENCE = 20.0
"""Seconds after which a silent client is given up."""

SPIN = 0.00008
"""Seconds before a paced message is due that are spun away: sleeping is not exact."""

BEGIN = "/begin"
"""The path of HTTP that is asked for by who has looked up all that it needs."""

CHUNK = 1_000_000
"""Bytes that are sent at once, about."""

REST = 0.05
"""Seconds without a paced message at each of the meter's cuts: the client looks at its clock then."""

KEPT = 4
"""Streams of messages that are kept for the next plan."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING = 0x8, 0x9


@dataclass(frozen=True)
class Plan:
    """What the next connections get: `count` messages of `wire` after `joins` joins, `pause` seconds later.

    At `rate` a second, or as a blast. `topics`: how many of the wire's (0: its own). A count of 0 sends nothing:
    clients may join and leave. `asked`: not before the client asks for BEGIN over HTTP. `deflate`: with
    permessage-deflate, where the client offers it.
    """

    wire: str = "stx"
    joins: int = 0
    count: int = 1_000
    rate: float | None = None
    pause: float = 0.0
    topics: int = 0
    asked: bool = False
    deflate: bool = False


class _Out:
    """The way out of a connection: what two threads send comes whole, one behind the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        with self._lock:
            self._connection.sendall(data)


class BlastServer:
    """Listens on a free port of 127.0.0.1 while it is entered; a thread for each connection."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.plan = Plan()
        self.sent: list[list[int]] = []
        """When each message of the paced plan went out, in nanoseconds of the monotonic clock; for each connection."""
        self._asked = threading.Event()
        self._context = context
        self._messages: dict[tuple[str, int, int], list[bytes]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def prepare(self, plan: Plan) -> None:
        """Make the plan's messages, if they are not kept, and obey it from now on."""
        wire = WIRES[plan.wire]
        key = (plan.wire, 0 if wire.repeats else plan.count, plan.topics)
        if plan.count and key not in self._messages:
            while len(self._messages) >= KEPT:
                del self._messages[next(iter(self._messages))]
            self._messages[key] = wire.messages(plan.count, topics_of(wire, plan.topics))
        self.plan = plan
        self.sent.clear()

    def _messages_of(self, plan: Plan) -> list[bytes]:
        return self._messages[plan.wire, 0 if WIRES[plan.wire].repeats else plan.count, plan.topics]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.plan), daemon=True).start()

    def _serve(self, connection: socket.socket, plan: Plan) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
            request = read_request(connection)
            while b"sec-websocket-key" not in request.headers:
                if request.path == BEGIN:
                    self._asked.set()
                connection.sendall(answered(WIRES[plan.wire], request))
                request = read_request(connection)
            is_deflated = handshake(connection, request, deflate=plan.deflate)
            out, talk = _Out(connection), WIRES[plan.wire].talk()
            _say(out, talk.greeting())
            begun = not plan.count
            for opcode, payload in read_messages(connection):
                if opcode == _CLOSE:
                    out.sendall(bytes((0x88, len(payload[:2]))) + payload[:2])
                    return
                if opcode == _PING:
                    out.sendall(bytes((0x8A, len(payload))) + payload)
                    continue
                if opcode <= 2:
                    with contextlib.suppress(ValueError, TypeError):  # only a word to begin
                        _say(out, talk.hear(payload))
                if not begun and len(talk.joined) >= plan.joins:
                    begun = True
                    if plan.pause or plan.asked:
                        self._send_later(out, plan, talk, is_deflated)
                    else:
                        self._send(out, plan, talk, is_deflated)

    def _send_later(self, out: _Out, plan: Plan, talk: Talk, is_deflated: bool) -> None:
        """After the pause, and when it is asked for; until then the client is answered what it looks up."""

        def send() -> None:
            if plan.asked:
                self._asked.wait(PATIENCE)
                self._asked.clear()
            time.sleep(plan.pause)
            with contextlib.suppress(OSError):
                self._send(out, plan, talk, is_deflated)

        threading.Thread(target=send, daemon=True).start()

    def _send(self, out: _Out, plan: Plan, talk: Talk, is_deflated: bool) -> None:
        messages = talk.bound(self._messages_of(plan))
        wanted = itertools.islice(itertools.cycle(messages), plan.count)
        if plan.rate is not None:
            self.sent.append(_send_paced(out, wanted, plan.count, plan.rate))
            return
        if is_deflated:
            for chunk in _chunks(deflated(wanted)):
                out.sendall(chunk)
            return
        if plan.count <= len(messages):
            for chunk in list(_chunks(frame_of(message) for message in wanted)):
                out.sendall(chunk)
            return
        frames = [frame_of(message) for message in messages]
        whole, rest = divmod(plan.count, len(frames))
        block = b"".join(frames)
        for _ in range(whole):
            out.sendall(block)
        out.sendall(b"".join(frames[:rest]))


def _say(out: _Out, messages: Iterable[bytes]) -> None:
    said = b"".join(frame_of(message) for message in messages)
    if said:
        out.sendall(said)


def _chunks(frames: Iterable[bytes]) -> Iterator[bytes]:
    gathered, size = [], 0
    for frame in frames:
        gathered.append(frame)
        size += len(frame)
        if size >= CHUNK:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def deflated(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Frames of permessage-deflate with context takeover (RFC 7692)."""
    press = zlib.compressobj(wbits=-15, memLevel=5)
    for message in messages:
        pressed = (press.compress(message) + press.flush(zlib.Z_SYNC_FLUSH))[:-4]
        frame = frame_of(pressed)
        yield bytes((0xC1,)) + frame[1:]


def _send_paced(out: _Out, messages: Iterable[bytes], count: int, rate: float) -> list[int]:
    sent, rests = [], set(cuts(count))
    begin = time.monotonic() + 0.05
    for number, message in enumerate(messages):
        if number in rests:
            begin += REST
        due = begin + number / rate
        if (spare := due - time.monotonic() - SPIN) > 0:
            time.sleep(spare)
        while time.monotonic() < due:
            pass
        sent.append(time.monotonic_ns())
        out.sendall(frame_of(message))
    return sent


def accept_key(key: bytes) -> bytes:
    """The proof that a server understood the upgrade (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _MAGIC).digest())


@dataclass(frozen=True)
class Request:
    """Of HTTP: `headers` by their names in small letters."""

    path: str
    headers: Mapping[bytes, bytes]
    body: bytes = b""


def read_request(connection: socket.socket) -> Request:
    """The next request. Raises EOFError where the client went."""

    def more() -> bytes:
        read = connection.recv(65_536)
        if not read:
            raise EOFError
        return read

    read = b""
    while b"\r\n\r\n" not in read:
        read += more()
    head, _, body = read.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    lines = [line.split(b":", 1) for line in rest if b":" in line]
    headers = {name.strip().lower(): value.strip() for name, value in lines}
    while len(body) < int(headers.get(b"content-length", 0)):
        body += more()
    return Request(first.split(b" ")[1].decode(), headers, body)


def answered(wire: Wire, request: Request) -> bytes:
    """The answer to a request that is no upgrade: what the wire has for it as JSON, else 404."""
    try:
        status, said = (
            b"200 OK",
            encoded({} if request.path == BEGIN else wire.answer(request.path, request.body)),
        )
    except LookupError:
        status, said = b"404 Not Found", b"{}"
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(said)) + said


def handshake(connection: socket.socket, request: Request, *, deflate: bool = False) -> bool:
    """Upgrade, with the first sub-protocol that is offered. True where messages are deflated."""
    headers = request.headers
    answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(headers[b"sec-websocket-key"]) + b"\r\n"
    )
    if offered := headers.get(b"sec-websocket-protocol"):
        answer += b"Sec-WebSocket-Protocol: " + offered.split(b",")[0].strip() + b"\r\n"
    deflate = deflate and b"permessage-deflate" in headers.get(b"sec-websocket-extensions", b"")
    if deflate:
        answer += b"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n"
    connection.sendall(answer + b"\r\n")
    return deflate


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
            payload = (int.from_bytes(masked, "big") ^ key).to_bytes(length, "big")
            if head[0] & 0x40:
                # Without context takeover, as the upgrade asked for: each message stands alone.
                payload = zlib.decompress(payload + b"\0\0\xff\xff\3\0", wbits=-15)
            yield head[0] & 0x0F, payload


def main(certificate: str = "") -> None:
    """Say the port, then take a plan a line (JSON) and confirm each, until standard input ends.

    `sent` instead of a plan asks when its paced messages went out. `certificate`: a file with it and its key.
    """
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with BlastServer(context) as server:
        print(server.port, flush=True)
        for line in sys.stdin:
            if line.strip() == "sent":
                print(json.dumps(server.sent), flush=True)
            else:
                server.prepare(Plan(**json.loads(line)))
                print("ready", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
