"""Where the venue lives: networks, and the two addresses (HTTP and realtime) that a client needs.

Order: argument, then environment (SXBET_HOST, SXBET_API_URL, SXBET_REALTIME_URL), then network. `host=` is one origin
that serves both, such as a local server: http://127.0.0.1:8000 has its socket at ws://127.0.0.1:8000/connection/websocket.
Plain text is taken for this machine only, unless `allow_plaintext` says otherwise. Sources are in NOTES.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ...secrets import redact_url
from ...transport.http import is_loopback
from .errors import SXBetInvalidParameter

__all__ = ["DEFAULT_NETWORK", "NETWORKS", "SOCKET_PATH", "Endpoints", "Network", "Token", "resolve"]

SOCKET_PATH: Final = "/connection/websocket"
DEFAULT_NETWORK: Final = "mainnet"


class Token(msgspec.Struct, frozen=True):
    """What stakes are in: amounts on the wire are whole numbers of 10^-decimals."""

    symbol: str
    decimals: int
    address: str = ""


class Network(msgspec.Struct, frozen=True):
    """One deployment of the venue."""

    name: str
    api_url: str
    realtime_url: str
    chain_id: int
    usdc: Token


NETWORKS: Final[Mapping[str, Network]] = {
    network.name: network
    for network in (
        Network(
            "mainnet",
            "https://api.sx.bet",
            "wss://realtime.sx.bet" + SOCKET_PATH,
            4162,
            Token("USDC", 6, "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B"),
        ),
        Network(
            "testnet",
            "https://api.toronto.sx.bet",
            "wss://realtime.toronto.sx.bet" + SOCKET_PATH,
            79479957,
            Token("USDC", 6, "0x1BC6326EA6aF2aB8E4b6Bc83418044B1923b2956"),
        ),
    )
}
"""The documented deployments, by name."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where to call and where to listen. `network` gives chain id and token, whatever the addresses are."""

    network: Network
    api_url: str
    realtime_url: str
    allow_plaintext: bool = False


def resolve(
    network: str | None = None,
    *,
    host: str | None = None,
    api_url: str | None = None,
    realtime_url: str | None = None,
    allow_plaintext: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Endpoints:
    """Settle both addresses. An empty string counts as not given. Raises SXBetInvalidParameter naming the wrong one."""
    variables = os.environ if environ is None else environ
    name = network or DEFAULT_NETWORK
    if name not in NETWORKS:
        raise SXBetInvalidParameter("network", network, NETWORKS)
    if network and not (host or api_url or realtime_url):
        variables = {}  # a network asked for by name is never quietly another server
    known = NETWORKS[name]
    if host or not (api_url or realtime_url):
        host = host or variables.get("SXBET_HOST") or None
    api_url = api_url or (None if host else variables.get("SXBET_API_URL")) or None
    realtime_url = realtime_url or (None if host else variables.get("SXBET_REALTIME_URL")) or None
    if host:
        origin = _checked(
            "host", host, {"http": "http", "https": "https", "ws": "http", "wss": "https"}, True
        )
        api_url = api_url or origin
        realtime_url = realtime_url or re.sub("^http", "ws", origin) + SOCKET_PATH
    elif (api_url is None) != (realtime_url is None):
        # Half of one server and half of another would send a token of one to the other.
        missing = "realtime_url" if realtime_url is None else "api_url"
        raise SXBetInvalidParameter(missing, None, "both addresses together, or host= for one origin")
    endpoints = Endpoints(
        network=known,
        api_url=_checked("api_url", api_url or known.api_url, {"http": "http", "https": "https"}, False),
        realtime_url=_checked(
            "realtime_url", realtime_url or known.realtime_url, {"ws": "ws", "wss": "wss"}, False
        ),
        allow_plaintext=allow_plaintext,
    )
    if not allow_plaintext:
        for argument, url in (("api_url", endpoints.api_url), ("realtime_url", endpoints.realtime_url)):
            parts = urlsplit(url)
            if parts.scheme in ("http", "ws") and not is_loopback(parts.hostname or ""):
                allowed = "https and wss, or this machine (allow_plaintext=True takes plain text elsewhere)"
                raise SXBetInvalidParameter(argument, redact_url(url), allowed)
    return endpoints


def _checked(argument: str, url: object, schemes: Mapping[str, str], bare: bool) -> str:
    """`url` with its scheme by the table, no slash at the end. `bare`: no path, and the scheme may be missing."""
    if not isinstance(url, str):
        raise SXBetInvalidParameter(
            argument, url, "a text: " + " or ".join(f"{known}://..." for known in schemes)
        )
    given = url if "://" in url or not bare else f"https://{url}"
    try:
        parts = urlsplit(given)
        fine = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, fine = urlsplit(""), False
    fine = fine and not (parts.query or parts.fragment or parts.username)
    if not fine or (bare and parts.path not in ("", "/")) or not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc):
        shown = redact_url(url) if "://" in url else url[:100]
        allowed = " or ".join(f"{scheme}://name[:port]" for scheme in schemes)
        raise SXBetInvalidParameter(argument, shown, allowed)
    return f"{schemes[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}"
