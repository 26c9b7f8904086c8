"""The way to the venue: straight, or through a proxy that is asked for a tunnel (HTTP's CONNECT, or SOCKS).

Whatever goes wrong at the proxy is told as such, and never with the proxy's password. A proxy that refuses for good
(its user name or password is wrong, it does not let us there) is final.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from typing import cast

from ..errors import ConnectFailed
from .base import Endpoint
from .dialing import dial
from .network import network_cause
from .outcomes import USER_AGENT, proxy_refusal
from .proxies import Proxy, socks_missing

__all__ = ["open_stream"]

MAX_ANSWER = 16 * 1024
"""Bytes of a proxy's answer to CONNECT: a status line and some headers."""


async def open_stream(protocol: asyncio.BaseProtocol, endpoint: Endpoint, host: str, port: int) -> None:
    """Make `protocol` the protocol of a connection to `host`, with TLS where the endpoint's URL says so.

    Raises OSError for what happens on the way to the venue, ConnectFailed for what happens at the proxy,
    ConfigurationError for a proxy that is none, and MissingExtra for SOCKS without its extra.
    """
    loop = asyncio.get_running_loop()
    context, proxy = endpoint.ssl_context, endpoint.proxy_address
    server_hostname = None if context is None else host
    if proxy is None or proxy.is_socks:
        line = await dial(host, port) if proxy is None else await _through_socks(proxy, endpoint, host, port)
        await loop.create_connection(
            lambda: protocol, sock=line, ssl=context, server_hostname=server_hostname
        )
        return
    transport = await _through_http(proxy, endpoint, host, port)
    try:
        if context is None:
            transport.set_protocol(protocol)
        else:
            secured = await loop.start_tls(transport, protocol, context, server_hostname=server_hostname)
            assert secured is not None
            transport = secured
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(transport)
    transport.resume_reading()


async def _through_socks(proxy: Proxy, endpoint: Endpoint, host: str, port: int) -> socket.socket:
    try:
        from python_socks import ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy as SocksProxy
    except ImportError:
        raise socks_missing("python-socks") from None
    asked = SocksProxy(ProxyType.SOCKS5, proxy.host, proxy.port, proxy.username, proxy.password, rdns=True)
    try:
        return await asked.connect(host, port, timeout=endpoint.open_timeout)
    except ProxyError as error:
        raise ConnectFailed(endpoint.host, f"the proxy {proxy} did not let us through: {error}") from None
    except OSError as error:
        cause = error.__cause__  # python-socks says it in its own words, with the address
        raise _unreachable(proxy, endpoint, cause if isinstance(cause, OSError) else error) from None


def _unreachable(proxy: Proxy, endpoint: Endpoint, error: OSError | EOFError) -> ConnectFailed:
    cause = f"the proxy {proxy} cannot be used: {network_cause(error, endpoint.open_timeout)}"
    distrusted = isinstance(error, ssl.SSLCertVerificationError)
    return ConnectFailed(endpoint.host, cause, retryable=not distrusted)


async def _through_http(proxy: Proxy, endpoint: Endpoint, host: str, port: int) -> asyncio.Transport:
    """A transport behind the proxy's 2xx that does not read yet: the next protocol resumes it."""
    context = endpoint.trust if proxy.is_secret else None
    try:
        line = await dial(proxy.host, proxy.port)
        transport, asking = await asyncio.get_running_loop().create_connection(
            lambda: _Asking(_request(proxy, host, port)),
            sock=line,
            ssl=context,
            server_hostname=None if context is None else proxy.host,
        )
        try:
            status = await asking.status
        except BaseException:
            transport.abort()
            raise
    except (OSError, EOFError) as error:
        raise _unreachable(proxy, endpoint, error) from None
    if not 200 <= status < 300:
        transport.abort()
        raise proxy_refusal(endpoint.host, status)
    return transport


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", f"User-Agent: {USER_AGENT}"]
    if proxy.username is not None:
        credentials = b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


class _Asking(asyncio.Protocol):
    """Asks an HTTP proxy for a tunnel; `status` is its answer. Stops reading with it: what follows is not its own."""

    def __init__(self, request: bytes) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._request = request
        self._answer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # other loops have classes of their own
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end or len(self._answer) > MAX_ANSWER:
            self._transport.pause_reading()
            line = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
            if line is None or not end or (rest and line[1].startswith(b"2")):
                self._end(ConnectionResetError(None, "its answer is not HTTP"))
            elif not self.status.done():
                self.status.set_result(int(line[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or EOFError())

    def _end(self, error: Exception) -> None:
        if not self.status.done():
            self.status.set_exception(error)
