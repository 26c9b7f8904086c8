"""Proxies of a company, on 127.0.0.1: HTTP's CONNECT and SOCKS5, with and without a password; and its own authority.

Names under `.test` exist only at the proxy: whoever gets through to one went through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import trustme

from tapewire.retry import RetryPolicy
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.http import HttpClient, SyncHttpClient

USER, PASSWORD = "me@company", "h:ush/hush"  # with characters that a URL has to escape
ESCAPED = "me%40company:h%3Aush%2Fhush"
SHOWN_NOWHERE = ("hush", ESCAPED, PASSWORD)
QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.0, max_backoff=0.0)


class Authority:
    """A private certificate authority; its file is what SSL_CERT_FILE would name."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "company.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, *names: str) -> ssl.SSLContext:
        """The context of a server of these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """A context that trusts this authority alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._ca.configure_trust(context)
        return context


class CompanyProxy:
    """One proxy. `routes`: `host:port` -> the port of 127.0.0.1 where that really is; `asked`: what it was asked for.

    `refuse` answers everybody with that HTTP status. `user` wants USER and PASSWORD. `scheme`: http, https or socks5.
    """

    def __init__(
        self,
        scheme: str = "http",
        *,
        routes: dict[str, int] | None = None,
        user: bool = False,
        refuse: int | None = None,
        answer: bytes | None = None,
        hangs: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.scheme, self.routes, self.user = scheme, routes or {}, user
        self.refuse, self.answer, self.hangs, self._ssl = refuse, answer, hangs, ssl_context
        self.asked: list[str] = []
        self.heads: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.where = ""

    async def __aenter__(self) -> Self:
        serve = self._socks if self.scheme.startswith("socks") else self._connect
        self._server = await asyncio.start_server(self._guarded(serve), "127.0.0.1", 0, ssl=self._ssl)
        self.where = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{f'{ESCAPED}@' if self.user else ''}{self.where}"

    def _guarded(self, serve):  # type: ignore[no-untyped-def]
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (OSError, EOFError):
                pass
            finally:
                writer.transport.abort()

        def started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(run(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return started

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        verb, target, _ = head.partition("\r\n")[0].split()
        assert verb == "CONNECT"
        self.asked.append(target)
        wanted = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.hangs:
            await reader.read()
        elif self.answer is not None:
            writer.write(self.answer)
        elif self.refuse or target not in self.routes:
            writer.write(f"HTTP/1.1 {self.refuse or 502} No\r\nContent-Length: 2\r\n\r\nno".encode())
        elif self.user and f"proxy-authorization: basic {wanted}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n")
        else:
            async with self._there(target) as (there, back):
                writer.write(b"HTTP/1.1 200 Connection established\r\nVia: company\r\n\r\n")
                await _join(reader, back, there, writer)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        offered = await reader.readexactly(methods)
        method = 2 if self.user else 0
        if method not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if self.user:
            _, length = await reader.readexactly(2)
            name = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            known = (name.decode(), password.decode()) == (USER, PASSWORD)
            writer.write(b"\x01\x00" if known else b"\x01\x01")
            if not known:
                return
        *_, kind = await reader.readexactly(4)
        assert kind == 3, "the name was resolved before the proxy was asked"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        target = f"{host.decode()}:{int.from_bytes(await reader.readexactly(2), 'big')}"
        self.asked.append(target)
        if self.refuse or target not in self.routes:
            writer.write(b"\x05\x02\x00\x01" + bytes(6))  # not allowed by ruleset
            return
        async with self._there(target) as (there, back):
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await _join(reader, back, there, writer)

    @contextlib.asynccontextmanager
    async def _there(self, target: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        there, back = await asyncio.open_connection("127.0.0.1", self.routes[target])
        try:
            yield there, back
        finally:
            back.transport.abort()


async def _join(
    reader: asyncio.StreamReader,
    back: asyncio.StreamWriter,
    there: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()

    await asyncio.gather(pump(reader, back), pump(there, writer))


@contextlib.asynccontextmanager
async def https_server(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """Answers each request with `{}`; yields its port and the first lines it was asked."""
    asked: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(head.decode().partition("\r\n")[0])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    def started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(run(reader, writer)))

    server = await asyncio.start_server(started, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def port_of(server: SocketServer) -> int:
    return int(server.endpoint.host.rpartition(":")[2])


async def talk(connector: Connector, endpoint: Endpoint, server: SocketServer) -> None:
    """One connection that carries something both ways, and ends well."""
    receiver = RecordingReceiver()
    line = await connector.connect(endpoint, receiver)
    peer = await server.accept()
    line.send(["there"])
    assert await peer.receive() == "there"
    await peer.send("back" * 10_000)
    await receiver.until(lambda: receiver.payloads)
    assert [
        str(payload, "utf-8") if isinstance(payload, bytes) else payload for payload in receiver.payloads
    ] == ["back" * 10_000]
    await line.close()


async def called(kind: str, base_url: str, **options: Any) -> Any:
    """One GET through either client."""
    options = {"policy": QUICK, "timeout": 5.0, **options}
    if kind == "async":
        async with HttpClient(base_url, **options) as client:
            return await client.request("GET", "/x")

    def call() -> Any:
        with SyncHttpClient(base_url, **options) as client:
            return client.request("GET", "/x")

    return await asyncio.to_thread(call)


def assert_nothing_secret(error: BaseException) -> None:
    told = f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert not [word for word in SHOWN_NOWHERE if word in told]
