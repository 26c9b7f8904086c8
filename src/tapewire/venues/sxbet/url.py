"""Where the venue lives: networks, and the two addresses (HTTP and realtime) that a client needs.

Order: argument, then environment (SXBET_HOST, SXBET_API_URL, SXBET_REALTIME_URL), then mainnet (`kit.settings`). A
network asked for by name goes past the environment. `host=` is one origin that serves both, such as a local server:
http://127.0.0.1:8000 has its socket at ws://127.0.0.1:8000/connection/websocket. Plain text is taken for this machine
only, unless `allow_plaintext` says otherwise. Sources are in NOTES.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ..kit.settings import EITHER, HTTP, SOCKET, SettingSpec, Sources, address, whereabouts
from .errors import SXBetInvalidParameter

__all__ = [
    "API_KEY",
    "API_URL",
    "DEFAULT_NETWORK",
    "HOST",
    "MAKER",
    "NETWORK",
    "NETWORKS",
    "REALTIME_URL",
    "SOCKET_PATH",
    "Endpoints",
    "Network",
    "Token",
    "resolve",
]

SOCKET_PATH: Final = "/connection/websocket"
DEFAULT_NETWORK: Final = "mainnet"
NETWORK: Final = SettingSpec("network", default=DEFAULT_NETWORK)
HOST: Final = SettingSpec("host", ("SXBET_HOST",), address=True)
API_URL: Final = SettingSpec("api_url", ("SXBET_API_URL",), address=True)
REALTIME_URL: Final = SettingSpec("realtime_url", ("SXBET_REALTIME_URL",), address=True)
API_KEY: Final = SettingSpec("api_key", ("SXBET_API_KEY",), secret=True)
MAKER: Final = SettingSpec("maker", ("SXBET_MAKER",))


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
    """Where to call and where to listen, and where that came from.

    `network` gives chain id and token, whatever the addresses are.
    """

    network: Network
    api_url: str
    realtime_url: str
    source: str
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
    """Settle both addresses. Raises SXBetInvalidParameter naming the wrong one."""
    refuse = SXBetInvalidParameter
    sources = Sources(environ)
    named = sources.take(NETWORK, network)
    if not isinstance(named.value, str) or named.value not in NETWORKS:
        raise refuse("network", network, NETWORKS)
    known = NETWORKS[named.value]
    documented = {"api_url": known.api_url, "realtime_url": known.realtime_url}
    given = {
        "api_url": sources.take(API_URL, api_url),
        "realtime_url": sources.take(REALTIME_URL, realtime_url),
    }
    found = whereabouts(sources.take(HOST, host), given, refuse, world=named.rank, documented=documented)
    if found.host is not None:
        origin = address(found.host, EITHER, refuse, plaintext=allow_plaintext)
        documented = {"api_url": origin, "realtime_url": re.sub("^http", "ws", origin) + SOCKET_PATH}
    schemes = {"api_url": HTTP, "realtime_url": SOCKET}
    checked = {
        name: address(setting, schemes[name], refuse, path=True, plaintext=allow_plaintext)
        for name, setting in found.addresses.items()
    }
    return Endpoints(
        network=known,
        **(documented | checked),
        source=found.source or named.source,
        allow_plaintext=allow_plaintext,
    )
