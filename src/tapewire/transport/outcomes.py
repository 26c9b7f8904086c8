"""How a handshake failed and how a connection ended, in tapewire's own errors; and what both socket transports ask for.

Rules: no text made here holds a URL's query, a header's value or a proxy's password; whatever a library raised is
mapped here and nowhere else. The logger given to `websockets` is silent, for its debug lines show headers and frames.
"""

from __future__ import annotations

import logging
import ssl
import time
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
    ProxyError,
    SecurityError,
    WebSocketException,
)
from websockets.frames import Close
from websockets.http11 import Response
from websockets.uri import WebSocketURI, parse_uri

from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    HandshakeRefused,
    TapewireError,
    is_transient,
)
from ..retry import retry_after_seconds
from ..secrets import redact_url
from .base import Endpoint
from .network import network_cause
from .proxies import socks_missing

__all__ = [
    "FAILURES",
    "SILENT",
    "USER_AGENT",
    "checked_close",
    "checked_uri",
    "ending",
    "handshake_failure",
    "proxy_refusal",
    "request_headers",
]

SILENT = logging.Logger("tapewire.transport", level=logging.CRITICAL + 1)  # noqa: LOG001
"""A logger outside of every hierarchy, that says nothing."""

USER_AGENT = "tapewire"

MAX_REASON = 123
"""Bytes of a close frame's reason: RFC 6455 section 5.5 allows a control frame 125, two of them are the code."""


def request_headers(endpoint: Endpoint) -> Headers:
    """The caller's headers and a User-Agent. Raises ConfigurationError for one that HTTP does not allow."""
    headers = Headers()
    for name, value in endpoint.headers.items():
        if not name.isascii() or any(character in name + value for character in "\r\n\0"):
            raise ConfigurationError("headers", name, "names and values of one line each")
        try:
            headers[name] = value
        except InvalidHeader:
            raise ConfigurationError("headers", name, "a value of printable Latin-1 characters") from None
    headers.setdefault("User-Agent", USER_AGENT)
    return headers


def checked_close(code: int, reason: str) -> tuple[int, str]:
    """Code and reason as a close frame may carry them: a long reason is cut. Raises ConfigurationError for the code."""
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ConfigurationError("code", code, "1000-1003, 1007-1014, 3000-4999 (RFC 6455 section 7.4)")
    return code, reason.encode()[:MAX_REASON].decode(errors="ignore")


def checked_uri(endpoint: Endpoint) -> WebSocketURI:
    """The endpoint's URL in its parts. Raises ConfigurationError for one that cannot be meant."""
    try:
        uri = parse_uri(endpoint.url)
        if not uri.host.startswith("."):
            return uri
    except (InvalidURI, ValueError):
        pass
    allowed = "ws://host/… or wss://host/…, without a fragment"
    raise ConfigurationError("url", redact_url(endpoint.url), allowed)


FAILURES = (OSError, EOFError, WebSocketException)
"""What the network, the peer or a proxy may do to an attempt. Anything else that is raised is a defect, and stays what
it is: a retry would repeat it for ever."""


def handshake_failure(endpoint: Endpoint, error: BaseException) -> TapewireError:
    """The error to raise for one of `FAILURES` while opening."""
    if isinstance(error, InvalidStatus):
        return _refusal(endpoint, error.response)
    if isinstance(error, InvalidProxyStatus):
        return proxy_refusal(endpoint.host, error.response.status_code)
    if isinstance(error, ImportError):
        return socks_missing("python-socks")
    if isinstance(error, InvalidHandshake):
        return ConnectFailed(endpoint.host, _handshake_cause(error), retryable=True)
    distrusted = isinstance(error, ssl.SSLCertVerificationError)  # time does not heal that
    return ConnectFailed(endpoint.host, network_cause(error, endpoint.open_timeout), retryable=not distrusted)


def proxy_refusal(host: str, status: int) -> ConnectFailed:
    """The error for a proxy that answered with `status` instead of a way to `host`."""
    why = ": check its user name and password" if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else ""
    return ConnectFailed(host, f"the proxy answered HTTP {status}{why}", retryable=is_transient(status))


def _refusal(endpoint: Endpoint, response: Response) -> HandshakeRefused:
    values = response.headers.get_all("Retry-After")
    return HandshakeRefused(
        endpoint.host, response.status_code, retry_after_seconds(values[0] if values else None, time.time())
    )


def _handshake_cause(error: InvalidHandshake) -> str:
    if isinstance(error, ProxyError):
        return "the proxy did not let us through"
    if isinstance(error, InvalidHeader):
        return f"it answered the upgrade with a wrong {error.name} header"
    if isinstance(error, NegotiationError):
        return "it chose a subprotocol or an extension that was not offered"
    if isinstance(error, SecurityError):
        return "its answer to the upgrade is too large"
    if isinstance(error, InvalidMessage):
        if isinstance(error.__cause__, SecurityError):
            return "its answer to the upgrade is too large"
        dropped = isinstance(error.__cause__, EOFError)
        return "it closed the connection during the handshake" if dropped else "its answer is not HTTP"
    return f"the handshake failed ({type(error).__name__})"


def ending(
    *,
    received: Close | None,
    sent: Close | None,
    failed: bool,
    error: BaseException | None,
    aborted: str = "",
) -> ConnectionLost:
    """What ended a connection.

    `failed` says that this side closed because the peer broke the protocol: then our own code tells more than the
    peer's echo of it. Otherwise the peer's close frame speaks; without one it is 1006 and the reason is `aborted`, or
    what the network said.
    """
    if failed and sent is not None:
        return ConnectionLost(sent.reason, int(sent.code), ours=True)
    if received is not None:
        return ConnectionLost(received.reason, int(received.code))
    if aborted:
        return ConnectionLost(aborted)
    if error is None or isinstance(error, EOFError):
        return ConnectionLost("the peer closed the connection without a close frame")
    if isinstance(error, ConnectionResetError):
        return ConnectionLost("reset by the peer")
    if isinstance(error, TimeoutError) and error.errno is None:
        return ConnectionLost("the peer did not answer the close")
    if isinstance(error, ssl.SSLError):
        return ConnectionLost(f"TLS failed: {getattr(error, 'reason', None)}")
    return ConnectionLost(getattr(error, "strerror", None) or type(error).__name__)
