"""The official Centrifugo clients in processes of their own, and our scripted venue behind a real WebSocket.

The clients are installed once, from npm into `.cache/npm` and from PyPI into an environment in `.cache/python`.
`RealVenue` is a `CentrifugoPeer` whose network is this machine's: what can be ordered in memory can be ordered here.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tapewire.errors import ConnectionLost
from tapewire.payload import Binary, Payload
from tapewire.testing import CentrifugoPeer
from tapewire.transport.base import Endpoint
from tests.real.official import OfficialClient
from tests.real.packages import node_modules, python_with

NPM_PACKAGES = ("centrifuge@5.8.0", "ws@8.23.0")
PYPI_VERSION = "0.7.0"
HERE = Path(__file__).parent


def javascript() -> list[str]:
    """How to run the client of npm. Skips the test, saying why, where node or the packages cannot be had."""
    return ["node", str(HERE / "centrifuge_client.mjs"), str(node_modules(*NPM_PACKAGES))]


def python() -> list[str]:
    """How to run the client of PyPI. Skips the test, saying why, where the package cannot be had."""
    interpreter = python_with(f"centrifuge-python=={PYPI_VERSION}")
    return [str(interpreter), str(HERE / "centrifuge_client.py")]


class OfficialCentrifuge(OfficialClient):
    """One of the two; `publications` is what it delivered on a channel."""

    def __init__(self, language: str) -> None:
        super().__init__({"javascript": javascript, "python": python}[language]())

    def publications(self, channel: str) -> list[tuple[int, Any]]:
        """Offset and data of everything it delivered on `channel`, in order."""
        return [
            (seen["offset"], seen["data"])
            for seen in self.seen
            if (seen["saw"], seen.get("channel")) == ("publication", channel)
        ]


class _Link:
    """What the scripted venue asks of a connection, over a real one."""

    def __init__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.endpoint = Endpoint(url=f"ws://127.0.0.1{connection.request.path}")
        self.ended: ConnectionLost | None = None
        self._connection = connection
        self._outgoing: asyncio.Queue[Payload | tuple[int, str]] = asyncio.Queue()

    async def receive(self) -> Payload:
        try:
            message = await self._connection.recv()
        except ConnectionClosed as error:
            self._end(error.rcvd.code if error.rcvd else 1006)
            assert self.ended is not None
            raise self.ended from None
        return Binary(message) if isinstance(message, bytes) else message

    def send(self, *payloads: Payload) -> None:
        for payload in payloads:
            self._outgoing.put_nowait(payload)

    def close(self, code: int, reason: str = "") -> None:
        self._outgoing.put_nowait((code, reason))
        self._end(code)

    def abort(self) -> None:
        self._connection.transport.abort()
        self._end(1006)

    def _end(self, code: int) -> None:
        self.ended = self.ended or ConnectionLost("", code)

    async def write(self) -> None:
        """Until the end, in the order in which it was said."""
        while True:
            item = await self._outgoing.get()
            if isinstance(item, tuple):
                await self._connection.close(*item)
                return
            try:
                await self._connection.send(item if isinstance(item, str) else item.decode(), text=True)
            except ConnectionClosed:
                return


class RealVenue:
    """`async with RealVenue(...) as peer:` listens on this machine; `peer.url` is where. Takes what the peer takes."""

    def __init__(self, **settings: Any) -> None:
        self._peer = CentrifugoPeer(self, **settings)  # type: ignore[arg-type]
        self._arrived: asyncio.Queue[_Link] = asyncio.Queue()
        self._server: Server

    async def accept(self) -> _Link:
        return await self._arrived.get()

    async def _serve(self, connection: ServerConnection) -> None:
        link = _Link(connection)
        writer = asyncio.create_task(link.write())
        self._arrived.put_nowait(link)
        await connection.wait_closed()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    async def __aenter__(self) -> CentrifugoPeer:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            compression=None,
            select_subprotocol=_json_if_offered,
            ping_interval=None,
        )
        port = self._server.sockets[0].getsockname()[1]
        self._peer.url = f"ws://127.0.0.1:{port}/connection/websocket"  # type: ignore[attr-defined]
        return await self._peer.__aenter__()

    async def __aexit__(self, *what: object) -> None:
        try:
            await self._peer.__aexit__(*what)
        finally:
            self._server.close()
            await self._server.wait_closed()


def _json_if_offered(_: ServerConnection, offered: Any) -> Subprotocol | None:
    return Subprotocol("centrifuge-json") if "centrifuge-json" in offered else None
