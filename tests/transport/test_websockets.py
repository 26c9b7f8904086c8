import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest

from tapewire.errors import ConfigurationError, ConnectFailed
from tapewire.protocols.base import Payload
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector, WebsocketsTransport

pytestmark = pytest.mark.each_loop


@contextlib.asynccontextmanager
async def proxy(
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n",
) -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy on 127.0.0.1; yields its address and the first lines it was sent."""
    asked: list[str] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.partition("\r\n")[0])
        writer.write(answer)
        if b" 200 " in answer:
            host, _, port = asked[-1].split()[1].rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pump(reader, back), pump(there, writer))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://me:hush@127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_all_that_is_there_comes_in_one_read() -> None:
    async with SocketServer() as server:
        receiver = RecordingReceiver()
        line = await WebsocketsConnector().connect(server.endpoint, receiver)
        connection = await server.accept()
        await connection.send(*[f"{number}" for number in range(500)])
        await receiver.until(lambda: len(receiver.payloads) == 500)
        assert receiver.reads <= 2
        await line.close()


async def test_the_fast_connector_goes_through_a_proxy_too() -> None:
    async with SocketServer() as server, proxy() as (address, asked):
        receiver = RecordingReceiver()
        line = await FastConnector().connect(Endpoint(url=server.endpoint.url, proxy=address), receiver)
        assert isinstance(line, WebsocketsTransport)
        connection = await server.accept()
        await connection.send("through")
        await receiver.until(lambda: receiver.payloads == ["through"])
        await line.close()
    assert asked == [f"CONNECT {server.endpoint.host} HTTP/1.1"]


async def test_a_proxy_that_refuses_is_told_without_its_password() -> None:
    async with (
        SocketServer() as server,
        proxy(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as (address, _asked),
    ):
        with pytest.raises(ConnectFailed, match="the proxy answered HTTP 407") as failed:
            await FastConnector().connect(
                Endpoint(url=server.endpoint.url, proxy=address), RecordingReceiver()
            )
    assert "hush" not in str(failed.value)


async def test_a_proxy_of_an_unknown_kind_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="proxy=") as wrong:
        await FastConnector().connect(
            Endpoint(url="ws://venue.test/", proxy="ftp://me:hush@proxy.test"), RecordingReceiver()
        )
    assert "hush" not in str(wrong.value)


async def test_the_environments_proxy_is_not_asked() -> None:
    before = os.environ.get("http_proxy")
    os.environ["http_proxy"] = "http://127.0.0.1:9"
    try:
        async with SocketServer() as server:
            for connector in (WebsocketsConnector(), FastConnector()):
                line = await connector.connect(server.endpoint, RecordingReceiver())
                await line.close()
    finally:
        os.environ.pop("http_proxy")
        if before is not None:
            os.environ["http_proxy"] = before


async def test_a_receiver_that_raises_loses_its_own_line_only() -> None:
    class Raising(RecordingReceiver):
        def received(self, payloads: list[Payload]) -> None:
            raise RuntimeError("not today")

    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["message"])
    )
    async with SocketServer() as server:
        for connector in (WebsocketsConnector(), FastConnector()):
            receiver = Raising()
            await connector.connect(server.endpoint, receiver)
            await (await server.accept()).send("x")
            assert (await receiver.until_lost()).code == 1006
    assert len(reported) == 2
