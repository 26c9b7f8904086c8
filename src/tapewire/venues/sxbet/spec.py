"""What this venue is, as data (`kit.spec`): document 002. Sources are in NOTES.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...protocols.centrifugo import CentrifugoClient
from ..kit.spec import ChannelSpec, OwnWords, VenueSpec
from .errors import ERRORS
from .profile import PROFILES, V2, ChannelKind, Profile
from .url import API_KEY, API_URL, HOST, MAKER, NETWORK, NETWORKS, REALTIME_URL

__all__ = ["SPEC"]

_OWN: Final = ("own_orders", "own_fills", "refunds")
_BOOK: Final[dict[str, Any]] = {"policy": "resync"}
"""A book that lost something is worth nothing: it is seeded anew."""


def _channel(kind: ChannelKind, profile: Profile) -> ChannelSpec:
    topic = profile.channels[kind].replace("{}", "{id}")
    numbered = profile.recovers(topic)
    if kind in _OWN:
        return ChannelSpec.account(topic, numbered=numbered)
    return ChannelSpec.public(topic, numbered=numbered, **(_BOOK if kind == "order_book" else {}))


def _channels() -> Iterator[tuple[str, ChannelSpec]]:
    """Of every generation: by their kind alone those of the first that has it, which is the default where it has."""
    for profile in PROFILES.values():
        for kind in profile.channels:
            is_first = profile is V2 or kind not in V2.channels
            yield kind if is_first else f"{kind} {profile.name}", _channel(kind, profile)
    yield "other", ChannelSpec.public("{channel}")


SPEC: Final = VenueSpec(
    name="sxbet",
    title="SX Bet",
    wire="Centrifugo",
    protocol=CentrifugoClient,
    settings=(NETWORK, HOST, API_URL, REALTIME_URL, API_KEY),
    market_settings=(MAKER,),
    hosts={
        f"{network.name} {what}": url
        for network in NETWORKS.values()
        for what, url in (("api", network.api_url), ("realtime", network.realtime_url))
    },
    channels=dict(_channels()),
    errors=ERRORS,
    late_prints=True,
    own=OwnWords(
        owner="id",
        ids=(
            *(
                "maker",
                "bettor",
                "taker",
                "address",
                "account",
                "salt",
                "_id",
                "fillId",
                "orderId",
                "clientOrderId",
            ),
            *("orderHash", "fillHash", "fillOrderHash", "order_hash", "fill_hash"),
        ),
        amounts=(
            *("totalBetSize", "fillAmount", "pendingFillAmount", "stake", "normalizedStake", "betTimeValue"),
            *("totalStake", "totalReturn", "totalRefunded", "amount", "size", "filledSize", "remainingSize"),
        ),
        calls=r"[?&](?:maker|bettor|account)=",
    ),
)
