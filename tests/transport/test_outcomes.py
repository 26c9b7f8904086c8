import asyncio
import socket
import ssl
from datetime import UTC, datetime

import pytest
from websockets.exceptions import (
    InvalidHeader,
    InvalidMessage,
    NegotiationError,
    ProxyError,
    WebSocketException,
)
from websockets.frames import Close

from tapewire.errors import ConfigurationError, ConnectFailed, HttpError, MissingExtra
from tapewire.retry import NO_RETRY
from tapewire.testing.transport import RecordingReceiver
from tapewire.transport.base import Connector, Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.http import SyncHttpClient
from tapewire.transport.outcomes import SILENT, checked_close, ending, handshake_failure
from tapewire.transport.websockets import WebsocketsConnector

pytestmark = pytest.mark.each_loop

ENDPOINT = Endpoint(
    url="wss://user:pass@venue.test:444/socket?token=hush", proxy="socks5://me:pass@proxy.test"
)
NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "its name cannot be resolved: Name or service not known",
        ),
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (ConnectionResetError(), "the connection was dropped during the handshake"),
        (TimeoutError(), "timed out after 10 s"),
        (OSError(113, "No route to host"), "No route to host"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] hush"), "TLS failed: the handshake was cut off"),
        (InvalidHeader("Upgrade", "hush"), "it answered the upgrade with a wrong Upgrade header"),
        (NegotiationError("hush"), "it chose a subprotocol or an extension that was not offered"),
        (ProxyError("hush"), "the proxy did not let us through"),
        (InvalidMessage("hush"), "its answer is not HTTP"),
        (WebSocketException("hush"), "the handshake failed (WebSocketException)"),
        (UnicodeError("hush"), "its name cannot be resolved: not a host name"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_causes_are_clear_and_hold_nothing_secret(error: Exception, cause: str) -> None:
    failure = handshake_failure(ENDPOINT, error)
    assert isinstance(failure, ConnectFailed)
    assert (failure.host, failure.cause) == ("venue.test:444", cause)
    assert "hush" not in str(failure)


def test_socks_without_its_extra_names_the_extra_and_no_password() -> None:
    failure = handshake_failure(ENDPOINT, ImportError("python-socks"))
    assert isinstance(failure, MissingExtra)
    assert 'pip install "tapewire[socks]"' in str(failure)
    assert "pass" not in str(failure)


def test_close_reasons_are_cut_at_a_whole_character() -> None:
    assert checked_close(4000, "ü" * 100) == (4000, "ü" * 61)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_no_frame_may_carry_are_refused(code: int) -> None:
    with pytest.raises(ConfigurationError, match="code="):
        checked_close(code, "")


def test_our_complaint_tells_more_than_the_peers_echo_of_it() -> None:
    sent, echo = Close(1009, "too big"), Close(1009, "")
    lost = ending(received=echo, sent=sent, failed=True, error=None)
    assert (lost.code, lost.reason) == (1009, "too big")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "the peer closed the connection without a close frame"),
        (ConnectionResetError(104, "Connection reset by peer"), "reset by the peer"),
        (TimeoutError("timed out while closing"), "the peer did not answer the close"),
        (OSError(110, "Connection timed out"), "Connection timed out"),
        (RuntimeError("hush"), "RuntimeError"),
    ],
)
def test_without_a_close_frame_it_is_1006(error: Exception | None, reason: str) -> None:
    lost = ending(received=None, sent=None, failed=False, error=error)
    assert (lost.code, lost.reason) == (1006, reason)


def test_the_librarys_logger_says_nothing() -> None:
    assert not SILENT.isEnabledFor(50)
    assert SILENT.parent is None


async def test_who_speaks_plain_text_where_tls_was_meant_is_told_what_to_write():
    async def answer(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(url=f"wss://127.0.0.1:{port}/", open_timeout=5)
        with pytest.raises(ConnectFailed, match=r"a sandbox is reached by http:// or ws://"):
            await FastConnector().connect(endpoint, RecordingReceiver())
        with (
            SyncHttpClient(f"https://127.0.0.1:{port}", policy=NO_RETRY) as client,
            pytest.raises(HttpError, match=r"a sandbox is reached by http:// or ws://"),
        ):
            await asyncio.to_thread(client.request, "GET", "/")


@pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)
async def test_a_defect_is_no_failure_of_the_network(connector: Connector) -> None:
    """What is raised as ConnectFailed is tried again for ever; a defect must come through as what it is."""
    endpoint = Endpoint(url="wss://venue.test/", headers={"X-Name": 5})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        await connector.connect(endpoint, RecordingReceiver())


@pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)
async def test_a_trust_that_is_none_is_refused_before_anybody_is_dialled(connector: Connector) -> None:
    endpoint = Endpoint(url="wss://127.0.0.1:9/", ssl="ca.pem")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ssl='str'"):
        await connector.connect(endpoint, RecordingReceiver())


@pytest.mark.parametrize("connector", [FastConnector(), WebsocketsConnector()], ids=repr)
async def test_a_name_that_can_be_none_is_one_that_is_not_found(connector: Connector) -> None:
    with pytest.raises(ConnectFailed, match="its name cannot be resolved"):
        await connector.connect(Endpoint(url="wss://a..test/"), RecordingReceiver())
    with pytest.raises(ConfigurationError, match="url="):
        await connector.connect(Endpoint(url="wss://.test/"), RecordingReceiver())
