"""What a network, or a hostile server, can do below the protocol: raw TCP against both transports, on this machine."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.utils import accept_key

from tapewire.errors import ConnectFailed
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector
from tests.testing.certificates import contexts

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

pytestmark = pytest.mark.parametrize(
    "connector", [FastConnector(), WebsocketsConnector()], ids=["fast", "websockets"]
)

FIRST = b"\x81\x05first"
HALF = b"\x81\x7e\x10\x00half of what was announced"


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """A TCP server that does what `serve` does with each connection; yields its host and port."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()

    tasks: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(
        line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")
    )
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
    )
    await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("end", [reset, lambda writer: writer.write_eof()], ids=["reset", "end of file"])
async def test_a_connection_cut_within_a_frame_loses_the_partial_message_only(
    connector: Connector, end: Callable[[asyncio.StreamWriter], None]
) -> None:
    taken = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(FIRST + HALF)
        await writer.drain()
        await taken.wait()
        end(writer)
        await reader.read()

    async with listening(serve) as host:
        receiver = RecordingReceiver()
        await connector.connect(Endpoint(url=f"ws://{host}/"), receiver)
        await receiver.until(lambda: len(receiver.payloads) == 1)
        taken.set()
        assert (await receiver.until_lost()).code == 1006
        assert [
            str(payload if isinstance(payload, str) else payload.decode()) for payload in receiver.payloads
        ] == ["first"]


async def test_a_tls_handshake_that_stalls_is_given_up_at_the_deadline(connector: Connector) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as host:
        endpoint = Endpoint(url=f"wss://{host}/", open_timeout=0.2)
        with pytest.raises(ConnectFailed, match=r"timed out after 0\.2 s") as caught:
            await connector.connect(endpoint, RecordingReceiver())
        assert caught.value.retryable


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [({"expired": True}, "expired"), ({"names": "DNS:elsewhere.test"}, "not valid for '127.0.0.1'")],
    ids=["expired", "of another host"],
)
async def test_a_certificate_that_proves_nothing_is_final_and_says_why(
    connector: Connector, tmp_path: Path, spoil: dict[str, Any], cause: str
) -> None:
    served, trusted = contexts(tmp_path, **spoil)
    async with SocketServer(ssl_context=served, client_ssl=trusted) as server:
        with pytest.raises(ConnectFailed, match="its TLS certificate is not accepted") as caught:
            await connector.connect(server.endpoint, RecordingReceiver())
    assert cause in caught.value.cause
    assert not caught.value.retryable


async def test_plain_text_where_tls_is_due_is_a_failure_with_its_cause(connector: Connector) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with listening(serve) as host:
        with pytest.raises(ConnectFailed, match="TLS failed"):
            await connector.connect(Endpoint(url=f"wss://{host}/"), RecordingReceiver())


async def test_an_answer_without_end_is_given_up_at_the_deadline(connector: Connector) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\n\r\n")
        while True:
            writer.write(b"<p>" * 1000)
            await writer.drain()
            await asyncio.sleep(0.001)

    async with listening(serve) as host:
        with pytest.raises(Exception, match=r"503|timed out|too large") as caught:
            await connector.connect(Endpoint(url=f"ws://{host}/", open_timeout=0.5), RecordingReceiver())
        assert caught.value.retryable  # type: ignore[attr-defined]


async def test_a_flood_of_pings_to_which_nobody_reads_the_answers_is_bounded(connector: Connector) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await upgrade(reader, writer)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ping = b"\x89\x7d" + b"p" * 125
        while sent < 400_000:
            writer.write(ping * 500)
            sent += 500
            await writer.drain()

    async with listening(serve) as host:
        receiver = RecordingReceiver()
        await connector.connect(Endpoint(url=f"ws://{host}/", send_buffer=100_000), receiver)
        assert (await receiver.until_lost()).code == 1006
        assert sent < 400_000, "the answers to all of them were kept"


async def test_no_file_descriptor_left_is_a_failure_that_is_retried(connector: Connector) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(spare[0], highest), hard))
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(Endpoint(url="ws://127.0.0.1:9/"), RecordingReceiver())
        assert caught.value.retryable
        assert "open files" in caught.value.cause
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in spare:
            os.close(descriptor)
