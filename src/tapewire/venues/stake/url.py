"""Where the venue lives, and what the environment says about it. Sources are in NOTES.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from ...secrets import redact_url
from ...transport.http import is_loopback
from .errors import ArgumentError

__all__ = [
    "BASE_URL",
    "GRAPHQL_PATH",
    "SOCKET_PATHS",
    "base_url_of",
    "origin_of",
    "socket_url",
    "variable",
]

BASE_URL = "https://stake.com"
GRAPHQL_PATH = "/_api/graphql"
SOCKET_PATHS: Mapping[str, str] = {"page": "/_api/websocket", "graphql": "/_api/websockets"}
"""The socket's path on either wire: the page's own, and the live site's."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def variable(name: str) -> str | None:
    """A variable of the environment; None where it is empty."""
    return os.environ.get(name) or None


def base_url_of(base_url: str | None) -> str:
    """The site's address: the argument, STAKE_BASE_URL, or https://stake.com. Raises ArgumentError."""
    chosen = (base_url or variable("STAKE_BASE_URL") or BASE_URL).rstrip("/")
    parts = _split(chosen)
    if parts.scheme not in ("http", "https") or parts.path or parts.query:
        raise ArgumentError("base_url", redact_url(chosen), "https://host[:port]")
    return chosen


def socket_url(wire: str, base_url: str | None = None) -> str:
    """The socket's address on that wire, at `base_url`, STAKE_WS_URL, STAKE_BASE_URL or the site.

    STAKE_WS_URL may name an origin, or a whole address with a path of its own. Raises ArgumentError.
    """
    parts = _split(base_url or variable("STAKE_WS_URL") or base_url_of(None))
    path = parts.path if parts.path not in ("", "/") else SOCKET_PATHS[wire]
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}"


def origin_of(url: str) -> str:
    """The Origin header for a socket: the site's own, also where the address is one of this machine."""
    parts = urlsplit(url)
    return f"https://{parts.netloc}" if parts.scheme == "wss" else BASE_URL


def _split(url: str) -> SplitResult:
    """Its parts. A token never leaves this machine in plain text: http and ws lead nowhere else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        secure = parts.scheme in ("https", "wss")
        if (
            host
            and port != 0
            and not parts.username
            and parts.scheme in _SCHEMES
            and (secure or is_loopback(host))
        ):
            return parts
    allowed = "https://host[:port] or wss://host[:port]; http and ws to this machine only"
    raise ArgumentError("base_url", redact_url(url), allowed)
