"""What a transport is: it moves messages, in order, and says once when it is over. It knows no meaning.

The duties of every transport (`tapewire.testing.check_transport` holds each of them):

* `receiver.received(payloads)` is called once per read, with every complete message of that read, in order. Text is
  valid UTF-8 (`str` or `bytes`), binary is `Binary`. The list and its payloads belong to the receiver.
* `receiver.lost(error)` is called exactly once, after the last `received`, whatever ended the connection, `close()`
  and `abort()` included. After `abort()` nothing more is received. A close frame is the end when it is read, whoever
  still holds the socket: what is sent afterwards would be dropped without a word.
* `send` never blocks and never waits: it hands over or buffers. What is buffered is bounded by `Endpoint.send_buffer`;
  beyond it the connection is aborted, for a peer that does not read is a dead peer. After the end it does nothing.
* A message larger than `Endpoint.max_size` ends the connection with code 1009, before it is held in memory whole.
  Where this side ends it for what the peer did, the error says that the code is `ours`.
* Pings of the peer are answered by the transport itself; `ping()` sends ours, and `receiver.ponged()` reports the pong
  that answers it. A pong that nobody asked for (RFC 6455 section 5.5.3 allows it) proves nothing and is not reported.
* `close()` is polite and bounded by its `timeout`; then it aborts. `abort()` is immediate. Both are idempotent.
"""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ..errors import ConfigurationError, ConnectionLost
from ..payload import Payload
from ..secrets import host_of, redact_url
from .proxies import Proxy, ProxySetting, proxy_for
from .trust import checked_trust

__all__ = ["Connector", "Endpoint", "Receiver", "Transport", "check_connector"]

PLAIN_HINT = "it may speak no TLS: a sandbox is reached by http:// or ws://"
"""What to say where the other end answered a TLS handshake with something else."""

DEFAULT_MAX_SIZE = 32 * 1024 * 1024
"""Bytes of one message. More than a server replays at once, for a replay is one message: a Centrifugo server answers a
recovery with all that was missed, 900 publications of 5 kB, say. A bound below that would refuse the same answer after
each reconnection. It bounds what a peer can make us hold; nothing is set aside for it."""

DEFAULT_SEND_BUFFER = 4 * 1024 * 1024


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect and how. Its repr shows scheme, host and path only: query and headers may hold a token.

    `ssl`: the trust for `wss` (and for an https proxy) instead of the system's, which SSL_CERT_FILE may change.
    `proxy`: True asks the environment (HTTPS_PROXY, NO_PROXY, ...; see `proxies`), a URL is obeyed (http, https; socks5
    with the extra `socks`), None goes straight. `open_timeout`: seconds for all of it, name, proxy, TLS and upgrade.
    `max_size`, `send_buffer`: bytes of one message, and of what waits to be sent.
    """

    url: str
    headers: Mapping[str, str] = {}
    subprotocols: Sequence[str] = ()
    ssl: ssl_module.SSLContext | None = None
    open_timeout: float = 10.0
    max_size: int = DEFAULT_MAX_SIZE
    send_buffer: int = DEFAULT_SEND_BUFFER
    proxy: ProxySetting = True
    compression: bool = False

    @property
    def host(self) -> str:
        """Host and port, for error texts."""
        return host_of(self.url)

    @property
    def ssl_context(self) -> ssl_module.SSLContext | None:
        """The context for `wss`; None for `ws`."""
        return self.trust if self.url.startswith("wss:") else None

    @property
    def trust(self) -> ssl_module.SSLContext:
        """The caller's own context, or the one that all of the process shares. Raises ConfigurationError."""
        return checked_trust(self.ssl)

    @property
    def proxy_address(self) -> Proxy | None:
        """The proxy that this connection goes through, now. Raises ConfigurationError for one that is none."""
        return proxy_for(self.url, self.proxy)

    def __repr__(self) -> str:
        return f"Endpoint({redact_url(self.url)!r})"


class Receiver(Protocol):
    """The side that a transport reports to. Its methods are called from the event loop and must not block."""

    def received(self, payloads: list[Payload]) -> None:
        """One read's messages, in order."""
        ...

    def ponged(self) -> None:
        """The peer answered our ping."""
        ...

    def lost(self, error: ConnectionLost) -> None:
        """The connection is over: the last call."""
        ...


class Transport(Protocol):
    """One open connection."""

    def send(self, payloads: Sequence[Payload]) -> None:
        """Hand over messages, in order. Does nothing after the end."""
        ...

    def ping(self) -> None:
        """Send one WebSocket ping; its pong is reported by `ponged`."""
        ...

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`: `received` is not called meanwhile. Idempotent."""
        ...

    def resume_reading(self) -> None:
        """Read again. Idempotent."""
        ...

    async def close(self, code: int = 1000, reason: str = "", *, timeout: float = 2.0) -> None:
        """Close politely; after `timeout` seconds abort. Returns when `lost` has been called."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without a close frame."""
        ...


class Connector(Protocol):
    """Makes transports."""

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        """Open one connection. Nothing is reported to `receiver` before this returns.

        Raises ConnectFailed (host and cause; also after `endpoint.open_timeout`), or HandshakeRefused (HTTP status and
        Retry-After) where the server answered but would not upgrade.
        """
        ...


def check_connector(name: str, value: Any) -> None:
    """Raise ConfigurationError that names `name`, unless `value` makes transports."""
    if isinstance(value, type) or not callable(getattr(value, "connect", None)):
        raise ConfigurationError(name, value, "a tapewire.transport.Connector")
