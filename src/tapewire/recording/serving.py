"""A tape played as a venue on a loopback port, for any client of any language.

What was answered then is answered now, in the order of the tape and in its time: a connection is the next one on the
tape to the same path; a request the next one of the same method, URL and body, else the next one to the same path and,
where it is GraphQL, of the same operation or first field: another program words it in its own way. What a client asks
earlier than was asked waits for the tape; for what is asked later the tape waits. It understands nothing of what it
says: answers have the numbers, and the fields, that they had.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from ..errors import ConnectionFailure, ConnectionLost
from ..payload import Binary, Payload
from ..transport.base import Endpoint, Transport
from .format import Kind
from .replay import Replay

__all__ = ["TapeServer"]

MAX_HEAD: Final = 64 * 1024
MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a request's head, of its body and of one message: what is more is refused."""

BEHIND_SECONDS: Final = 5.0
"""Of the tape's time: how long clients may take to hear its end."""

_OPERATION: Final = re.compile(rb'"operationName"\s*:\s*"(\w+)"')
_FIRST_FIELD: Final = re.compile(
    rb'"query"\s*:\s*"[^{"]*(?:\([^)]*\)[^{"]*)?\{(?:\\n|\s)*(?:\w+\s*:\s*)?(\w+)'
)
"""Of a GraphQL document: what it asks for, whatever its author calls it."""


MOST_ASKED: Final = 100_000
"""Requests of a tape that are known; what was asked behind them is refused."""

_DROPPED: Final = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date"})
_LINE_END: Final = b"\r\n"


class _Asked(NamedTuple):
    method: str
    url: str
    body: bytes
    operation: bytes
    field: bytes


class TapeServer:
    """Use it with `async with`, inside `Replay.run`, of one with a speed that `waits_for_sent`. `port`: 0 for any.

    `url`: where it is. `refused`: what was asked for that stands on no tape. Raises OSError where it cannot listen.
    """

    def __init__(self, replay: Replay, port: int = 0) -> None:
        self._replay = replay
        self._port = port
        self._dialled: dict[str, str] = {}  # URLs by their paths
        self._asked: defaultdict[tuple[str, str], deque[_Asked]] = defaultdict(deque)
        room = MOST_ASKED
        for tape in replay.tapes:
            for record in tape.read(on_corrupt=lambda error: None):
                if record.kind == Kind.DIAL:
                    url = record.data["url"]
                    self._dialled.setdefault(urlsplit(url).path, url)
                elif record.kind == Kind.ASKED and (room := room - 1) >= 0:
                    _, method, url, _, body = record.data
                    asked = _Asked(method, url, bytes(body), _operation(body), _first_field(body))
                    self._asked[method, urlsplit(url).path].append(asked)
        self._clients: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server: asyncio.Server
        self.refused = 0

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def wait(self) -> None:
        """Until the tape is over, and every client was told so."""
        await self._replay.ended.wait()
        if self._clients:
            await asyncio.wait(self._clients, timeout=BEHIND_SECONDS)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self._port, limit=MAX_HEAD)
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._server.close()
        for writer in self._clients.values():
            writer.transport.abort()
        if self._clients:
            await asyncio.wait(self._clients, timeout=BEHIND_SECONDS)

    # --- one client -------------------------------------------------------------------------------------------------

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, WebSocketException):
            pass  # the client is gone, or speaks no HTTP
        finally:
            del self._clients[task]
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; True where another may follow on the same connection."""
        head = await reader.readuntil(_LINE_END * 2)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("upgrade", "").lower() == "websocket":
            await self._socket(head, target, reader, writer)
            return False
        size = int(headers.get("content-length", "0"))
        if not 0 <= size <= MAX_BODY:
            raise ValueError("a body of no size")
        writer.write(await self._answer(method, target, await reader.readexactly(size)))
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _answer(self, method: str, target: str, body: bytes) -> bytes:
        found = self._meant(method, target, body)
        try:
            if found is None:
                raise LookupError
            record = await self._replay.answers.take(found.method, found.url, found.body)
        except LookupError:
            self.refused += 1
            return _response(404, [], b"this stands on no tape\n")
        if record.kind == Kind.UNANSWERED:
            raise EOFError  # none came then: none comes now
        _, status, headers, answer = record.data
        return _response(status, headers, bytes(answer))

    def _meant(self, method: str, target: str, body: bytes) -> _Asked | None:
        """What it was on the tape, else the next of its path and operation; the last one as often as it is asked."""
        wanted = urlsplit(target)
        asked = self._asked.get((method, wanted.path), deque())
        operation, field = _operation(body), _first_field(body)
        alike: tuple[Callable[[_Asked], bool], ...] = (
            lambda each: each.body == body and urlsplit(each.url).query == wanted.query,
            lambda each: each.operation == operation,
            lambda each: each.field == field != b"",
        )
        found = next((each for is_alike in alike for each in asked if is_alike(each)), None)
        if found is not None and sum(each.operation == found.operation for each in asked) > 1:
            asked.remove(found)
        return found

    async def _socket(
        self, head: bytes, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        ws = ServerProtocol(max_size=MAX_BODY)
        ws.receive_data(head)
        (request,) = ws.events_received()
        assert isinstance(request, Request)
        url = self._dialled.get(urlsplit(target).path)
        line = _Client(ws, writer)
        try:
            if url is None:
                raise ConnectionLost("this stands on no tape")
            transport = await self._replay.connector.connect(Endpoint(url=url), line)
        except ConnectionFailure:
            self.refused += url is None
            ws.send_response(ws.reject(503 if url else 404, "refused then, or on no tape\n"))
            line.flush()
            return
        ws.send_response(_chosen(ws, request))
        line.open()
        await line.hear(reader, transport)


def _chosen(ws: ServerProtocol, request: Request) -> Any:
    """The upgrade; of the subprotocols that are offered the first, which is what venues take."""
    offered = request.headers.get("Sec-WebSocket-Protocol")
    response = ws.accept(request)
    if offered:
        response.headers["Sec-WebSocket-Protocol"] = offered.split(",")[0].strip()
    return response


class _Client:
    """A client of a socket: what the tape says goes out, what it says itself is compared with what was said."""

    def __init__(self, ws: ServerProtocol, writer: asyncio.StreamWriter) -> None:
        self._ws = ws
        self._writer = writer
        self._early: list[Payload] = []
        self._is_open = False
        self._parts: list[bytes] = []
        self._is_text = True

    def open(self) -> None:
        """The upgrade is agreed: what the tape said meanwhile follows it."""
        self._is_open = True
        self.flush()
        self.received(self._early)

    def received(self, payloads: list[Payload]) -> None:
        if not self._is_open:
            self._early += payloads
            return
        if self._ws.state is not State.OPEN:
            return  # it said good-bye
        for each in payloads:
            if isinstance(each, Binary):
                self._ws.send_binary(bytes(each))
            else:
                self._ws.send_text(each.encode() if isinstance(each, str) else bytes(each))
        self.flush()

    def ponged(self) -> None:
        """Clients ping when they like, and are answered."""

    def lost(self, error: ConnectionLost) -> None:
        """As it ended then: with its close code where it had one, else without a word."""
        if error.code in range(1000, 5000) and error.code not in (1004, 1005, 1006, 1015):
            if self._ws.state is State.OPEN:
                self._ws.send_close(error.code, error.reason)
            self.flush()
        self._writer.close()

    def flush(self) -> None:
        if not self._writer.is_closing():
            self._writer.write(b"".join(self._ws.data_to_send()))

    async def hear(self, reader: asyncio.StreamReader, transport: Transport) -> None:
        try:
            while data := await reader.read(MAX_HEAD):
                self._ws.receive_data(data)
                self.flush()
                for event in self._ws.events_received():
                    if isinstance(event, Frame) and (said := self._message(event)) is not None:
                        transport.send([said])
        finally:
            transport.abort()

    def _message(self, frame: Frame) -> Payload | None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole.decode() if self._is_text else Binary(whole)


def _operation(body: bytes) -> bytes:
    """What GraphQL has instead of a path."""
    found = _OPERATION.search(body)
    return b"" if found is None else found[1]


def _first_field(body: bytes) -> bytes:
    """What a GraphQL document asks for first, whatever it is called."""
    found = _FIRST_FIELD.search(body)
    return b"" if found is None else found[1]


def _response(status: int, headers: Any, body: bytes) -> bytes:
    kept = [f"{name}: {value}" for name, value in headers if name.lower() not in _DROPPED]
    lines = [f"HTTP/1.1 {status} as then", *kept, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
