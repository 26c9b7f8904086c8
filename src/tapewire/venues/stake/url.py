"""Where the venue lives: argument, then environment, then the site (`kit.settings`). Sources are in NOTES.md."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..kit.settings import HTTP, SOCKET, SettingSpec, Sources, address
from .errors import ArgumentError

__all__ = [
    "BASE_URL",
    "GRAPHQL_PATH",
    "SITE_ADDRESS",
    "SOCKET_ADDRESS",
    "SOCKET_PATHS",
    "base_url_of",
    "origin_of",
    "socket_url",
]

BASE_URL = "https://stake.com"
SITE_ADDRESS = SettingSpec("base_url", ("STAKE_BASE_URL",), BASE_URL, address=True)
SOCKET_ADDRESS = SettingSpec("base_url", ("STAKE_WS_URL", "STAKE_BASE_URL"), BASE_URL, address=True)
GRAPHQL_PATH = "/_api/graphql"
SOCKET_PATHS: Mapping[str, str] = {"page": "/_api/websocket", "graphql": "/_api/websockets"}
"""The socket's path on either wire: the page's own, and the live site's."""

_ANY = {**HTTP, **SOCKET}


def base_url_of(base_url: str | None) -> tuple[str, str]:
    """The site's address, and where it came from: the argument, STAKE_BASE_URL, or https://stake.com.

    Raises ArgumentError.
    """
    setting = Sources().take(SITE_ADDRESS, base_url)
    return address(setting, HTTP, ArgumentError), setting.source


def socket_url(wire: str, base_url: str | None = None) -> tuple[str, str]:
    """The socket's address on that wire, and where it came from: `base_url`, STAKE_WS_URL, STAKE_BASE_URL or the site.

    It may be an origin, or a whole address with a path of its own. Raises ArgumentError.
    """
    setting = Sources().take(SOCKET_ADDRESS, base_url)
    parts = urlsplit(address(setting, _ANY, ArgumentError, path=True))
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return f"{scheme}://{parts.netloc}{parts.path or SOCKET_PATHS[wire]}", setting.source


def origin_of(url: str) -> str:
    """The Origin header for a socket: the site's own, also where the address is one of this machine."""
    parts = urlsplit(url)
    return f"https://{parts.netloc}" if parts.scheme == "wss" else BASE_URL
