"""How a venue is reached: proxy, trust, bounds, transports of the user's own. The same words on every venue's class.

`proxy` and `ssl` count for HTTP and for sockets alike, so that a sign-in does not go another way than the stream.
"""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from ...errors import ConfigurationError
from ...transport import default_connector
from ...transport.base import DEFAULT_MAX_SIZE, Connector, check_connector
from ...transport.proxies import ProxySetting, proxy_for
from .settings import Refuse

if TYPE_CHECKING:
    import httpx2

__all__ = ["Dialer", "HttpDialing", "SocketDialing", "dialer_of"]


class HttpDialing(TypedDict, total=False):
    """What every class that makes HTTP calls takes.

    `proxy`: True asks the environment (HTTPS_PROXY, NO_PROXY, ...), a URL is obeyed (http, https; socks5 with the extra
    `socks`), None goes straight. `ssl`: the trust instead of the system's, which SSL_CERT_FILE may change.
    `http_transport`: httpx2's transport of one's own, for asyncio or, on a blocking client, without; it replaces both.
    """

    proxy: ProxySetting
    ssl: ssl_module.SSLContext | None
    http_transport: httpx2.AsyncBaseTransport | httpx2.BaseTransport | None


class SocketDialing(HttpDialing, total=False):
    """What every class with a socket takes beside that.

    `max_size`: bytes of the largest message that is taken; a larger one ends the connection. `connector`: makes the
    connections, instead of tapewire's own.
    """

    max_size: int
    connector: Connector | None


class Dialer(msgspec.Struct, frozen=True):
    """What was given, checked."""

    proxy: ProxySetting
    ssl: ssl_module.SSLContext | None
    http_transport: Any
    max_size: int
    connector: Connector

    @property
    def http(self) -> dict[str, Any]:
        """Arguments of `HttpClient` and `SyncHttpClient`."""
        return {"proxy": self.proxy, "ssl": self.ssl, "http_transport": self.http_transport}

    @property
    def endpoint(self) -> dict[str, Any]:
        """Fields of every `Endpoint`."""
        return {"proxy": self.proxy, "ssl": self.ssl, "max_size": self.max_size}

    def __repr__(self) -> str:
        return f"<Dialer max_size={self.max_size}>"  # a proxy's address may hold a password


def dialer_of(
    given: Mapping[str, Any],
    refuse: Refuse,
    *,
    blocking: bool = False,
    only: type[HttpDialing] | None = None,
) -> Dialer:
    """The dialer of those of `given` that are named above. Raises what `refuse` makes for a wrong one.

    What else is given is not looked at, unless it may be `only` what that class names.
    """
    unknown = given.keys() - only.__annotations__.keys() if only is not None else ()
    if only is not None and unknown:
        raise refuse(
            "argument",
            ", ".join(sorted(unknown)),
            f"those in the signature, and {', '.join(only.__annotations__)}",
        )
    proxy, ssl = given.get("proxy", True), given.get("ssl")
    transport, max_size = given.get("http_transport"), given.get("max_size", DEFAULT_MAX_SIZE)
    if not isinstance(proxy, str | bool | None):
        raise refuse("proxy", proxy, "True, None, or a URL: http, https or socks5")
    if isinstance(proxy, str):
        try:
            proxy_for("https://venue.example", proxy)
        except ConfigurationError as error:
            allowed, value = error.allowed, error.value
        else:
            allowed = ""
        if allowed:
            raise refuse("proxy", value, allowed)
    if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
        raise refuse("ssl", ssl, "an ssl.SSLContext, or None for the system's trust")
    if transport is not None:
        _check_transport(transport, blocking, refuse)
    if type(max_size) is not int or max_size < 1:
        raise refuse("max_size", max_size, "a whole number of bytes from 1")
    connector = default_connector() if given.get("connector") is None else given["connector"]
    check_connector("connector", connector)
    return Dialer(proxy, ssl, transport, max_size, connector)


def _check_transport(transport: object, blocking: bool, refuse: Refuse) -> None:
    import httpx2  # here, for nearly nobody brings a transport, and it is dear

    kind: Any = httpx2.BaseTransport if blocking else httpx2.AsyncBaseTransport
    if not isinstance(transport, kind):
        raise refuse("http_transport", transport, f"an httpx2.{kind.__name__}, or None")
