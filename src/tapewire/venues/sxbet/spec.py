"""What this venue is, as data (`kit.spec`): document 002. Sources are in NOTES.md."""

from __future__ import annotations

from typing import Any, Final

from ...protocols.centrifugo import CentrifugoClient
from ..kit.spec import ChannelSpec, VenueSpec
from .errors import ERRORS
from .profile import V2, V3, ChannelKind
from .url import API_KEY, API_URL, HOST, NETWORK, NETWORKS, REALTIME_URL

__all__ = ["SPEC"]

_OWN: Final = ("own_orders", "own_fills", "refunds")
_CHANNELS: Final = {**V3.channels, **V2.channels}
"""By the names of the generation that is the default."""
_BOOK: Final[dict[str, Any]] = {"policy": "resync"}
"""A book that lost something is worth nothing: it is seeded anew."""


def _channel(kind: ChannelKind, topic: str) -> ChannelSpec:
    numbered = V2.recovers(topic)
    if kind in _OWN:
        return ChannelSpec.account(topic, numbered=numbered)
    return ChannelSpec.public(topic, numbered=numbered, **(_BOOK if kind == "order_book" else {}))


SPEC: Final = VenueSpec(
    name="sxbet",
    title="SX Bet",
    wire="Centrifugo",
    protocol=CentrifugoClient,
    settings=(NETWORK, HOST, API_URL, REALTIME_URL, API_KEY),
    hosts={
        f"{network.name} {what}": url
        for network in NETWORKS.values()
        for what, url in (("api", network.api_url), ("realtime", network.realtime_url))
    },
    channels={kind: _channel(kind, topic.replace("{}", "{id}")) for kind, topic in _CHANNELS.items()},
    errors=ERRORS,
)
