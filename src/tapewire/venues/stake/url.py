"""Where the venue lives, and what the environment says about it. Sources are in NOTES.md."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ...secrets import Secret, redact_url
from .errors import ArgumentError

__all__ = [
    "BASE_URL",
    "GRAPHQL_PATH",
    "SOCKET_PATHS",
    "base_url_of",
    "cookie_header",
    "origin_of",
    "socket_url",
    "variable",
]

BASE_URL = "https://stake.com"
GRAPHQL_PATH = "/_api/graphql"
SOCKET_PATHS: Mapping[str, str] = {"page": "/_api/websocket", "graphql": "/_api/websockets"}
"""The socket's path on either wire: the page's own, and the live site's."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")


def variable(name: str) -> str | None:
    """A variable of the environment; None where it is empty."""
    return os.environ.get(name) or None


def base_url_of(base_url: str | None) -> str:
    """The site's address: the argument, STAKE_BASE_URL, or https://stake.com. Raises ArgumentError."""
    chosen = (base_url or variable("STAKE_BASE_URL") or BASE_URL).rstrip("/")
    parts = urlsplit(chosen)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.username
    ):
        raise ArgumentError("base_url", redact_url(chosen), "https://host[:port]")
    return chosen


def socket_url(wire: str, base_url: str | None = None) -> str:
    """The socket's address on that wire, at `base_url`, STAKE_WS_URL, STAKE_BASE_URL or the site.

    STAKE_WS_URL may name an origin, or a whole address with a path of its own. Raises ArgumentError.
    """
    chosen = base_url or variable("STAKE_WS_URL") or base_url_of(None)
    parts = urlsplit(chosen)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname or parts.username:
        raise ArgumentError("base_url", redact_url(chosen), "https://host[:port] or wss://host[:port]")
    path = parts.path if parts.path not in ("", "/") else SOCKET_PATHS[wire]
    return f"{scheme}://{parts.netloc}{path}"


def origin_of(url: str) -> str:
    """The Origin header for a socket: the site's own, also where the address is one of this machine."""
    parts = urlsplit(url)
    return f"https://{parts.netloc}" if parts.scheme == "wss" else BASE_URL


def cookie_header(cookies: Mapping[str, str | Secret]) -> str:
    """The Cookie header of what the user gives. Raises ArgumentError, which shows no value."""
    written = []
    for name, given in cookies.items():
        value = given.reveal() if isinstance(given, Secret) else given
        if not name or not _COOKIE.fullmatch(name) or "=" in name or not _COOKIE.fullmatch(value):
            raise ArgumentError("cookies", name, "names and values as RFC 6265 allows them")
        written.append(f"{name}={value}")
    return "; ".join(written)
