"""What this venue is, as data (`kit.spec`): documents 000 and 001. Sources are in NOTES.md."""

from __future__ import annotations

from typing import Final

import msgspec

from ...protocols.phoenix import PhoenixClient
from ..kit.spec import ChannelSpec, VenueSpec
from .config import EMAIL, ENV, HOST, PASSWORD, PROFILE, REGION
from .errors import ERRORS
from .reconcile import orders_of, portfolio_of
from .symbols import Channels
from .url import HOSTS

__all__ = ["SPEC"]

_SNAPSHOTS = {Channels.ORDERS: orders_of, Channels.PORTFOLIO: portfolio_of}

_HINTS = {
    "unmatched topic": f"the venue knows no such topic; known: Channels.{', '.join(Channels.__members__)}"
}

SPEC: Final = VenueSpec(
    name="stx",
    title="STX",
    wire="Phoenix Channels",
    protocol=PhoenixClient,
    settings=(HOST, REGION, ENV, EMAIL, PASSWORD, PROFILE),
    hosts={f"{region} {env}": f"https://{host}" for (region, env), host in HOSTS.items()},
    channels={
        channel.value: ChannelSpec.account(f"{channel.value}:{{uid}}", snapshot=_SNAPSHOTS.get(channel))
        if channel.scoped
        else ChannelSpec.public(channel.value)
        for channel in Channels
    }
    | {"other": ChannelSpec.public("{topic}")},
    errors=msgspec.structs.replace(ERRORS, hints=_HINTS),
)
