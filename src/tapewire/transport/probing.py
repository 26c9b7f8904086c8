"""The way to a host, a step at a time: its name, the line to it, TLS. For whoever asks what is wrong with it.

The steps are those of a connection in earnest (`dialing`, `tunnel`, `trust`, `proxies`), each with an end of its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast
from urllib.parse import urlsplit

import msgspec

from ..errors import ConnectFailed
from .base import Endpoint
from .network import network_cause
from .tunnel import open_stream

__all__ = ["Handshake", "look_up", "place_of", "shake_hands"]


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """How a line was opened. `tls` is its version, None for plain text; `valid_until` is that of the certificate.

    The time is in seconds since the epoch; None where the certificate says none.
    """

    tls: str | None = None
    valid_until: float | None = None


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a URL of http, https, ws or wss."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in ("https", "wss") else 80)


async def look_up(host: str) -> list[str]:
    """The addresses of a name, in the resolver's order. Raises ConnectFailed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        failure = ConnectFailed(host, network_cause(error, 0.0))
    else:
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
    raise failure


async def shake_hands(endpoint: Endpoint) -> Handshake:
    """Open a line to the endpoint's host, through its proxy and with its TLS, and drop it again.

    Bounded by `open_timeout`. Raises ConnectFailed, ConfigurationError for a proxy that is none, and MissingExtra.
    """
    line = _Line()
    try:
        async with asyncio.timeout(endpoint.open_timeout):
            await open_stream(line, endpoint, *place_of(endpoint.url))
        return line.handshake
    except (OSError, EOFError) as error:
        distrusted = isinstance(error, ssl.SSLCertVerificationError)
        failure = ConnectFailed(
            endpoint.host, network_cause(error, endpoint.open_timeout), retryable=not distrusted
        )
    finally:
        line.drop()
    raise failure


class _Line(asyncio.Protocol):
    """A line on which nothing is said."""

    handshake: Handshake = Handshake()
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # other loops have classes of their own
        found: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if found is not None:
            self.handshake = _told(found)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _told(found: ssl.SSLObject) -> Handshake:
    certificate = found.getpeercert() or {}
    until = certificate.get("notAfter")
    return Handshake(
        tls=found.version(),
        valid_until=float(ssl.cert_time_to_seconds(until)) if isinstance(until, str) else None,
    )
