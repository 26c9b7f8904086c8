"""Which proxy a connection goes through: the caller's, the environment's, or none. The same for sockets and for HTTP.

Rules: `True` asks the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `WSS_PROXY`, `WS_PROXY`, `ALL_PROXY` in either case, or
the system's settings where an operating system has them); then `NO_PROXY` is obeyed (names, suffixes, `host:port`,
addresses and networks, `*`), and this machine itself is never reached through a proxy. A socket goes the way of its
sign-in: `wss` asks what `https` asks. A URL is obeyed as it stands. The proxy resolves the venue's name, for SOCKS too.
No user name and no password of a proxy is ever shown.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TypeAlias
from urllib.parse import quote, unquote, urlsplit

import msgspec

from ..errors import ConfigurationError, MissingExtra

__all__ = ["Proxy", "ProxySetting", "is_loopback", "proxy_for", "socks_missing"]

ProxySetting: TypeAlias = str | bool | None
"""A URL (http, https, socks5, socks5h), True for the environment's, None or False for none."""


def socks_missing(module: str) -> MissingExtra:
    """The error where a SOCKS proxy is asked for and the library that speaks to one is not there."""
    return MissingExtra("a SOCKS proxy", "socks", module)


_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_WAYS = {
    "https": ("https", "socks", "all"),
    "wss": ("wss", "https", "socks", "all"),
    "http": ("http", "socks", "all"),
    "ws": ("ws", "http", "socks", "all"),
}
"""The scheme of a URL -> under which names its proxy is looked up, in order. `socks` is what macOS calls one."""


class Proxy(msgspec.Struct, frozen=True):
    """A proxy's address. Its repr and str show scheme, host and port only."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str = ""

    @property
    def is_socks(self) -> bool:
        """True for SOCKS, False for HTTP's CONNECT."""
        return self.scheme.startswith("socks")

    @property
    def is_secret(self) -> bool:
        """True if the way to the proxy itself is TLS."""
        return self.scheme == "https"

    @property
    def url(self) -> str:
        """The whole address, with its user name and password: for a library, never for a text."""
        scheme = "socks5h" if self.is_socks else self.scheme  # the h: the proxy resolves the name
        user = (
            ""
            if self.username is None
            else f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@"
        )
        return f"{scheme}://{user}{self._where}"

    @property
    def _where(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self._where}"

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"


def proxy_for(url: str, setting: ProxySetting) -> Proxy | None:
    """The proxy for `url`, or None. Raises ConfigurationError for one that is none, wherever it was named."""
    if setting is None or setting is False:
        return None
    if setting is not True:
        return _parsed(setting, "proxy")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS["https" if _is_secure(url) else "http"]
    if is_loopback(host):
        return None
    from urllib.request import getproxies  # here, for it brings half of the standard library's HTTP with it

    proxies = getproxies()
    for way in _WAYS.get(parts.scheme, ()):
        if address := proxies.get(way):
            if _is_excepted(host, port):
                return None
            if "://" not in address:
                address = f"http://{address}"
            if way == "socks":
                address = f"socks5://{address.partition('://')[2]}"
            return _parsed(address, f"{way}_proxy of the environment")
    return None


def is_loopback(host: str) -> bool:
    """True if `host` is this machine by its very name."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _is_secure(url: str) -> bool:
    return url.startswith(("https:", "wss:"))


def _is_excepted(host: str, port: int) -> bool:
    """True if NO_PROXY, or the system's settings, name this host."""
    from urllib.request import proxy_bypass

    if proxy_bypass(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(","):
        try:
            if address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name: asked above
    return False


def _parsed(address: str, argument: str) -> Proxy:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit("unreadable:"), None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        allowed = (
            "True, None, or http://, https:// or socks5:// with host, port and, if need be, user:password@"
        )
        raise ConfigurationError(argument, f"{parts.scheme}://…", allowed)
    return Proxy(
        parts.scheme,
        parts.hostname,
        port or _DEFAULT_PORTS[parts.scheme],
        None if parts.username is None else unquote(parts.username),
        unquote(parts.password or ""),
    )
