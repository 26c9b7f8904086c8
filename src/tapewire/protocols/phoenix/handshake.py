"""What is agreed before the first frame: the socket's URL, the version, the token in the sub-protocol header.

Source: the official client (URL and sub-protocol), `Phoenix.Transports.WebSocket` (version and refusal).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from .frames import Version

__all__ = ["auth_subprotocols", "negotiate", "socket_url", "token_from_subprotocols"]

SUBPROTOCOL = "phoenix"
TOKEN_PREFIX = "base64url.bearer.phx."

_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})", re.ASCII)


def socket_url(url: str, params: Mapping[str, str] | None = None, version: Version = "2.0.0") -> str:
    """The URL to connect to, for the `url` a server's socket is mounted at.

    `/websocket`, `params` and the version are added; `http` and `https` become `ws` and `wss`. The result may hold a
    token: log `secrets.redact_url` of it only.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = urlencode({**(params or {}), "vsn": version}, quote_via=quote)
    query = f"{parts.query}&{query}" if parts.query else query
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/websocket", query, ""))


def negotiate(query: Mapping[str, str]) -> Version | None:
    """The version a server speaks with a client that connected with `query`, or None: answer HTTP 403, no body.

    Absent means V1. `2.0.x` and `1.0.x` match, nothing else does (`Version.parse` and `~> 2.0.0`).
    """
    match = _VERSION.fullmatch(query.get("vsn", "1.0.0"))
    if match is None:
        return None
    known: dict[tuple[str, str], Version] = {("2", "0"): "2.0.0", ("1", "0"): "1.0.0"}
    return known.get((match[1], match[2]))


def auth_subprotocols(token: str) -> tuple[str, str]:
    """The sub-protocols to offer so that a server from Phoenix 1.8 on takes `token` (it answers with the first).

    The name says base64url, and still the alphabet is the standard one, without padding: servers decode it so.
    """
    return SUBPROTOCOL, TOKEN_PREFIX + base64.b64encode(token.encode()).decode().rstrip("=")


def token_from_subprotocols(offered: str | Iterable[str]) -> str | None:
    """The token in a client's `Sec-WebSocket-Protocol` (the header, or its parts); None without a valid one."""
    for name in offered.split(",") if isinstance(offered, str) else offered:
        encoded = name.strip()
        if encoded.startswith(TOKEN_PREFIX):
            encoded = encoded.removeprefix(TOKEN_PREFIX)
            try:
                return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
    return None
