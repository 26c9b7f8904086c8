"""Two servers for `check_transport`: one of real sockets on 127.0.0.1, one in memory.

async with SocketServer() as server:
    await check_transport(FastConnector(), server)

network = MemoryNetwork()
await check_transport(network, MemoryServer(network))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response

from ..errors import ConnectionLost
from ..protocols.base import Binary, Payload
from ..transport.base import Endpoint
from ..transport.memory import MemoryNetwork, MemoryPeer

__all__ = ["MemoryServer", "SocketServer"]


class SocketServer:
    """A WebSocket server in this process, on a free port of 127.0.0.1, whose connections the test plays by hand.

    Use it as an async context manager. `ssl_context` and `client_ssl` make it `wss`.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        client_ssl: ssl.SSLContext | None = None,
        compression: str | None = None,
    ) -> None:
        self._ssl = ssl_context
        self._client_ssl = client_ssl
        self._compression = compression
        self._accepted: asyncio.Queue[SocketConnection] = asyncio.Queue(maxsize=1024)
        self._next_answer: tuple[int, float | None] | None = None
        self._hangs = False
        self._server: Server
        self._silence: asyncio.Server
        self.endpoint: Endpoint
        self.unreachable: Endpoint

    async def __aenter__(self) -> Self:
        logger = logging.Logger("tapewire.testing", level=logging.CRITICAL + 1)  # noqa: LOG001 - it must say nothing
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=self._ssl,
            compression=self._compression,
            process_request=self._answer,
            ping_interval=None,
            close_timeout=1,
            max_size=None,
            logger=logger,
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        free = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        closed_port = free.sockets[0].getsockname()[1]
        free.close()
        await free.wait_closed()
        scheme = "ws" if self._ssl is None else "wss"
        self.endpoint = Endpoint(url=f"{scheme}://127.0.0.1:{port}/socket", ssl=self._client_ssl)
        self.unreachable = Endpoint(url=f"{scheme}://127.0.0.1:{closed_port}/socket", ssl=self._client_ssl)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in self._server.connections:
            connection.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def accept(self) -> SocketConnection:
        """The next connection."""
        return await self._accepted.get()

    def refuse(self, status: int, retry_after: float | None = None) -> None:
        """Answer the next upgrade with this HTTP status."""
        self._next_answer = (status, retry_after)

    def hang(self) -> None:
        """Never answer the next upgrade."""
        self._hangs = True

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._hangs:
            self._hangs = False
            await connection.wait_closed()
        if self._next_answer is None:
            return None
        (status, retry_after), self._next_answer = self._next_answer, None
        response = connection.respond(status, "no\n")
        if retry_after is not None:
            response.headers["Retry-After"] = f"{retry_after:g}"
        if 300 <= status < 400:
            response.headers["Location"] = "ws://127.0.0.1:9/elsewhere"
        return response

    async def _serve(self, connection: ServerConnection) -> None:
        self._accepted.put_nowait(SocketConnection(connection))
        await connection.wait_closed()


class SocketConnection:
    """One connection of a `SocketServer`."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    async def receive(self) -> Payload:
        """The client's next message."""
        try:
            message = await self.connection.recv()
        except ConnectionClosed as end:
            if end.rcvd is None:
                raise ConnectionLost("dropped without a close frame") from None
            raise ConnectionLost(end.rcvd.reason, end.rcvd.code) from None
        return message if isinstance(message, str) else Binary(message)

    async def send(self, *payloads: Payload) -> None:
        """Send messages in one write, whatever they hold."""
        core = self.connection.protocol
        for payload in payloads:
            if isinstance(payload, Binary):
                core.send_binary(payload)
            else:
                core.send_text(payload.encode() if isinstance(payload, str) else payload)
        self.connection.transport.write(b"".join(core.data_to_send()))

    def write(self, data: bytes) -> None:
        """Write bytes to the socket as they are: for frames that no library would send."""
        self.connection.transport.write(data)

    async def ping(self) -> None:
        """Send a ping and return when its pong has come."""
        await (await self.connection.ping())

    async def close(self, code: int, reason: str) -> None:
        """Close politely."""
        with contextlib.suppress(ConnectionClosed):
            await self.connection.close(code, reason)

    def close_and_stay(self, code: int, reason: str, *payloads: Payload) -> None:
        """Send messages and a close frame behind them, then neither answer nor let go of the connection."""
        self.freeze()
        frames = [
            Frame(Opcode.TEXT, payload.encode() if isinstance(payload, str) else payload)
            for payload in payloads
        ]
        frames.append(Frame(Opcode.CLOSE, Close(code, reason).serialize()))
        self.write(b"".join(frame.serialize(mask=False) for frame in frames))

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self.connection.transport.abort()

    def freeze(self) -> None:
        """From now on neither read nor answer anything."""
        transport: Any = self.connection.transport
        transport.pause_reading()


class MemoryServer:
    """The other side of a `MemoryNetwork`."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.endpoint = Endpoint(url="ws://memory.test/socket")

    @property
    def unreachable(self) -> Endpoint:
        """The network's only address; its next attempt fails."""
        self.network.unreachable()
        return self.endpoint

    async def accept(self) -> MemoryConnection:
        """The next connection."""
        return MemoryConnection(await self.network.accept())

    def refuse(self, status: int, retry_after: float | None = None) -> None:
        """Answer the next upgrade with this HTTP status."""
        self.network.refuse(status, retry_after)

    def hang(self) -> None:
        """Never answer the next upgrade."""
        self.network.hang()


class MemoryConnection:
    """One connection of a `MemoryServer`."""

    def __init__(self, peer: MemoryPeer) -> None:
        self.peer = peer

    async def receive(self) -> Payload:
        """The client's next message."""
        return await self.peer.receive()

    async def send(self, *payloads: Payload) -> None:
        """Send messages in one read."""
        self.peer.send(*payloads)

    async def ping(self) -> None:
        """Send a ping and return when its pong has come."""
        await self.peer.ping()

    async def close(self, code: int, reason: str) -> None:
        """Close politely."""
        self.peer.close(code, reason)

    def close_and_stay(self, code: int, reason: str, *payloads: Payload) -> None:
        """Send messages and a close frame behind them; there is no connection beside it to stay."""
        self.peer.send(*payloads)
        self.peer.close(code, reason)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self.peer.abort()

    def freeze(self) -> None:
        """From now on neither read nor answer anything."""
        self.peer.half_open()
