"""The steps of the way to a host, each with an end of its own, on every event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from tapewire.errors import ConnectFailed
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Endpoint
from tapewire.transport.probing import Handshake, look_up, place_of, shake_hands

from .proxy_servers import Authority, CompanyProxy, port_of

pytestmark = pytest.mark.each_loop


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://venue.test", ("venue.test", 443)),
        ("wss://venue.test:444/socket?x=1", ("venue.test", 444)),
        ("http://127.0.0.1", ("127.0.0.1", 80)),
        ("ws://[::1]:9/", ("::1", 9)),
    ],
)
def test_a_url_names_host_and_port(url: str, place: tuple[str, int]) -> None:
    assert place_of(url) == place


async def test_a_name_has_its_addresses_each_once() -> None:
    assert "127.0.0.1" in await look_up("localhost")
    assert await look_up("127.0.0.1") == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 70, "two..dots"])
async def test_a_name_without_an_address_is_told_as_such(name: str) -> None:
    with pytest.raises(ConnectFailed, match="its name cannot be resolved") as caught:
        await look_up(name)
    assert caught.value.__context__ is None


async def test_a_handshake_says_its_tls_and_how_long_the_certificate_is_good(authority: Authority) -> None:
    async with SocketServer(ssl_context=authority.server("127.0.0.1")) as server:
        made = await shake_hands(Endpoint(url=f"wss://127.0.0.1:{port_of(server)}", ssl=authority.client()))
    assert made.tls is not None
    assert made.tls.startswith("TLSv1.")
    assert made.valid_until is not None
    assert made.valid_until > time.time()


async def test_a_certificate_of_nobody_known_is_not_taken_and_time_does_not_heal_that(
    authority: Authority,
) -> None:
    async with SocketServer(ssl_context=authority.server("127.0.0.1")) as server:
        with pytest.raises(ConnectFailed, match="certificate is not accepted") as caught:
            await shake_hands(Endpoint(url=f"wss://127.0.0.1:{port_of(server)}"))
    assert not caught.value.retryable


async def test_plain_text_has_no_tls() -> None:
    async with SocketServer() as server:
        assert await shake_hands(server.endpoint) == Handshake()


@contextlib.asynccontextmanager
async def talker(says: bytes) -> AsyncIterator[str]:
    """Where a peer says that, whatever it hears, and then nothing more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_plain_text_in_place_of_tls_is_told_as_such() -> None:
    async with talker(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        with pytest.raises(ConnectFailed, match="it may speak no TLS"):
            await shake_hands(Endpoint(url=url))


async def test_nobody_there_is_told() -> None:
    with pytest.raises(ConnectFailed, match="connection refused"):
        await shake_hands(Endpoint(url="ws://127.0.0.1:1"))


async def test_nobody_who_answers_is_told_in_time() -> None:
    async with talker(b"") as url:
        with pytest.raises(ConnectFailed, match=r"timed out after 0\.1 s"):
            await shake_hands(Endpoint(url=url, open_timeout=0.1))


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_the_way_is_that_of_a_connection_in_earnest(
    scheme: str, authority: Authority, environment: Callable[..., None]
) -> None:
    async with (
        SocketServer(ssl_context=authority.server("venue.test")) as server,
        CompanyProxy(scheme, routes={"venue.test:443": port_of(server)}) as proxy,
    ):
        environment(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(authority.file))
        made = await shake_hands(Endpoint(url="wss://venue.test"))
        assert made.tls is not None
        assert proxy.asked == ["venue.test:443"]
