"""A company's own certificates: for sockets and HTTP alike, read once."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from tapewire.errors import ConnectFailed, HttpError
from tapewire.testing.transport import RecordingReceiver
from tapewire.testing.transport_servers import SocketServer
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.http import SyncHttpClient
from tapewire.transport.websockets import WebsocketsConnector

from .proxy_servers import (
    Authority,
    CompanyProxy,
    called,
    https_server,
    talk,
)

pytestmark = pytest.mark.each_loop
each_connector = pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)


@each_connector
async def test_a_certificate_that_is_not_trusted_is_final_for_a_socket(
    connector: Connector, authority: Authority
) -> None:
    async with SocketServer(ssl_context=authority.server("127.0.0.1")) as server:
        with pytest.raises(ConnectFailed, match="its TLS certificate is not accepted") as failed:
            await connector.connect(server.endpoint, RecordingReceiver())
    assert not failed.value.retryable


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_certificate_that_is_not_trusted_is_final_for_a_call(kind: str, authority: Authority) -> None:
    async with (
        https_server(authority.server("venue.test")) as (port, asked),
        CompanyProxy(routes={"venue.test:443": port}) as proxy,
    ):
        with pytest.raises(HttpError, match="its TLS certificate is not accepted") as failed:
            await called(kind, "https://venue.test", proxy=proxy.url)
        assert (len(proxy.asked), asked) == (1, [])
    assert (failed.value.retryable, failed.value.sent, failed.value.final) == (False, False, True)


@pytest.mark.parametrize("kind", ["async", "sync", "fast", "websockets"])
async def test_the_environments_certificates_count_for_calls_as_for_sockets(
    kind: str, authority: Authority, environment: Callable[..., None]
) -> None:
    environment(SSL_CERT_FILE=str(authority.file))
    if kind in ("async", "sync"):
        async with https_server(authority.server("127.0.0.1")) as (port, _asked):
            assert (await called(kind, f"https://127.0.0.1:{port}")).status == 200
    else:
        async with SocketServer(ssl_context=authority.server("127.0.0.1")) as server:
            await talk(FastConnector() if kind == "fast" else WebsocketsConnector(), server.endpoint, server)


def test_the_trust_is_read_once_for_all(
    authority: Authority, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(SSL_CERT_FILE=str(authority.file))
    first = Endpoint(url="wss://one.test/").ssl_context
    assert first is not None
    assert first is Endpoint(url="wss://two.test/").ssl_context
    made: list[ssl.SSLContext] = []
    create = ssl.create_default_context
    monkeypatch.setattr(
        ssl, "create_default_context", lambda *a, **k: made.append(create(*a, **k)) or made[-1]
    )
    SyncHttpClient("https://one.test").close()
    SyncHttpClient("http://127.0.0.1:9").close()
    assert made == []
    environment(SSL_CERT_FILE="/nowhere.pem")
    assert Endpoint(url="wss://one.test/").ssl_context is not first, "other settings, other trust"
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert Endpoint(url="wss://one.test/", ssl=own).ssl_context is own
    assert Endpoint(url="ws://one.test/", ssl=own).ssl_context is None
