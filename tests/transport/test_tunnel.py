"""Through a company's proxy: sockets and HTTP alike, on every event loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tapewire.errors import ConnectFailed, HttpError
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.websockets import WebsocketsConnector

from .proxy_servers import (
    ESCAPED,
    Authority,
    CompanyProxy,
    assert_nothing_secret,
    called,
    https_server,
    port_of,
    talk,
)

pytestmark = pytest.mark.each_loop
each_connector = pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)
each_scheme = pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
each_user = pytest.mark.parametrize("user", [False, True], ids=["anybody", "with password"])


@each_connector
@each_scheme
@each_user
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_a_socket_goes_through(
    connector: Connector, scheme: str, user: bool, tls: bool, authority: Authority
) -> None:
    async with (
        SocketServer(ssl_context=authority.server("venue.test") if tls else None) as server,
        CompanyProxy(
            scheme,
            routes={"venue.test:444": port_of(server)},
            user=user,
            ssl_context=authority.server("127.0.0.1") if scheme == "https" else None,
        ) as proxy,
    ):
        url = f"{'wss' if tls else 'ws'}://venue.test:444/socket"
        await talk(connector, Endpoint(url=url, proxy=proxy.url, ssl=authority.client()), server)
        assert proxy.asked == ["venue.test:444"]


@each_connector
async def test_a_socket_goes_where_the_environment_says(
    connector: Connector, environment: Callable[..., None], authority: Authority
) -> None:
    async with (
        SocketServer(ssl_context=authority.server("venue.test")) as server,
        CompanyProxy(routes={"venue.test:443": port_of(server)}, user=True) as proxy,
    ):
        environment(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(authority.file))
        await talk(connector, Endpoint(url="wss://venue.test/socket"), server)
        assert proxy.asked == ["venue.test:443"]


@each_connector
async def test_this_machine_is_reached_without_the_environments_proxy(
    connector: Connector, environment: Callable[..., None]
) -> None:
    environment(HTTP_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")
    async with SocketServer() as server:
        await talk(connector, server.endpoint, server)


@each_scheme
@each_user
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_http_goes_through(kind: str, scheme: str, user: bool, authority: Authority) -> None:
    async with (
        https_server(authority.server("venue.test")) as (port, asked),
        CompanyProxy(
            scheme,
            routes={"venue.test:443": port},
            user=user,
            ssl_context=authority.server("127.0.0.1") if scheme == "https" else None,
        ) as proxy,
    ):
        reply = await called(kind, "https://venue.test", proxy=proxy.url, ssl=authority.client())
        assert (reply.status, asked, proxy.asked) == (200, ["GET /x HTTP/1.1"], ["venue.test:443"])


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_http_goes_where_the_environment_says(
    kind: str, environment: Callable[..., None], authority: Authority
) -> None:
    async with (
        https_server(authority.server("venue.test")) as (port, _asked),
        CompanyProxy(routes={"venue.test:443": port}, user=True) as proxy,
    ):
        environment(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(authority.file))
        assert (await called(kind, "https://venue.test")).status == 200
        assert proxy.asked == ["venue.test:443"]
        environment(NO_PROXY="venue.test")
        with pytest.raises(HttpError):
            await called(kind, "https://venue.test")
        assert len(proxy.asked) == 1, "NO_PROXY is obeyed"


@each_connector
@pytest.mark.parametrize(("status", "retryable"), [(407, False), (403, False), (502, True), (429, True)])
async def test_a_proxy_that_refuses_a_socket_is_told_and_final_where_time_does_not_help(
    connector: Connector, status: int, retryable: bool
) -> None:
    async with CompanyProxy(refuse=status, user=True) as proxy:
        with pytest.raises(ConnectFailed, match=f"the proxy answered HTTP {status}") as failed:
            await connector.connect(Endpoint(url="wss://venue.test/", proxy=proxy.url), RecordingReceiver())
    assert failed.value.retryable is retryable
    assert_nothing_secret(failed.value)


@each_connector
async def test_a_wrong_password_is_final(connector: Connector) -> None:
    async with CompanyProxy(routes={"venue.test:443": 1}, user=True) as proxy:
        with pytest.raises(ConnectFailed, match="HTTP 407: check its user name and password") as failed:
            await connector.connect(
                Endpoint(url="wss://venue.test/", proxy=f"http://me:wrong@{proxy.where}"), RecordingReceiver()
            )
    assert not failed.value.retryable


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize(("status", "dials"), [(407, 1), (403, 1), (502, 3)])
async def test_a_proxy_that_refuses_a_call_is_told_and_final_where_time_does_not_help(
    kind: str, status: int, dials: int
) -> None:
    async with CompanyProxy(refuse=status, user=True) as proxy:
        with pytest.raises(HttpError, match=f"the proxy answered HTTP {status}") as failed:
            await called(kind, "https://venue.test", proxy=proxy.url)
        assert len(proxy.asked) == dials
    assert not failed.value.sent
    assert failed.value.retryable is (dials > 1)
    assert_nothing_secret(failed.value)


@each_connector
@each_scheme
async def test_a_proxy_that_is_not_there_is_named_as_the_one_that_fails(
    connector: Connector, scheme: str
) -> None:
    async with CompanyProxy(scheme) as proxy:
        url = f"{scheme}://{ESCAPED}@{proxy.where}"
    with pytest.raises(ConnectFailed, match=r"cannot connect to venue\.test: ") as failed:
        await connector.connect(Endpoint(url="wss://venue.test/", proxy=url), RecordingReceiver())
    assert failed.value.retryable
    assert_nothing_secret(failed.value)
    if isinstance(connector, FastConnector):
        assert f"the proxy {scheme}://{proxy.where} cannot be used: connection refused" in str(failed.value)


@each_connector
async def test_a_socks_proxy_that_refuses_is_told(connector: Connector) -> None:
    async with CompanyProxy("socks5", refuse=403) as proxy:
        with pytest.raises(ConnectFailed, match="did not let us through") as failed:
            await connector.connect(Endpoint(url="wss://venue.test/", proxy=proxy.url), RecordingReceiver())
    assert failed.value.retryable


@each_connector
@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000],
    ids=["nothing", "another protocol", "half an answer", "endless"],
)
async def test_an_answer_of_a_proxy_that_is_none_is_a_failure_like_others(
    connector: Connector, answer: bytes
) -> None:
    async with CompanyProxy(answer=answer) as proxy:
        with pytest.raises(ConnectFailed) as failed:
            await connector.connect(Endpoint(url="wss://venue.test/", proxy=proxy.url), RecordingReceiver())
    assert failed.value.retryable


@each_connector
async def test_a_proxy_that_never_answers_is_given_up_in_time(connector: Connector) -> None:
    async with CompanyProxy(hangs=True) as proxy:
        with pytest.raises(ConnectFailed, match=r"timed out after 0\.2 s"):
            await connector.connect(
                Endpoint(url="wss://venue.test/", proxy=proxy.url, open_timeout=0.2), RecordingReceiver()
            )
        assert proxy.asked == ["venue.test:443"]
