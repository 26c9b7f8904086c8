"""What this venue is, as data (`kit.spec`): documents 000 and 001. Sources are in NOTES.md."""

from __future__ import annotations

from typing import Final

import msgspec

from ...protocols.phoenix import PhoenixClient
from ..kit.spec import ChannelSpec, OwnWords, VenueSpec
from .config import EMAIL, ENV, HOST, PASSWORD, PROFILE, REGION
from .errors import ERRORS
from .reconcile import orders_of, portfolio_of
from .records import camel
from .symbols import Channels
from .url import HOSTS

__all__ = ["SPEC"]

_SNAPSHOTS = {Channels.ORDERS: orders_of, Channels.PORTFOLIO: portfolio_of}

_HINTS = {
    "unmatched topic": f"the venue knows no such topic; known: Channels.{', '.join(Channels.__members__)}"
}

_IDS = (
    "id uid user_id user_uid account_id session_id order_id client_order_id opening_trade_id closing_trade_id"
)
_PERSON = "email username first_name last_name"
_AMOUNTS = (
    "quantity filled total_value premium remaining gross_pnl realized_pnl fee total_fee position available_position"
    " open_premium open_risk open_potential_profit order_liability position_premium_liability total_net_pnl total_fees"
    " account_balance available_balance escrow buy_order_liability sell_order_liability total_deposits"
    " total_withdrawals unrealized_pnl total_settlement_pnl"
)

_OWN = OwnWords(
    owner="uid",
    ids=tuple({name: None for each in f"{_IDS} {_PERSON}".split() for name in (each, camel(each))}),
    amounts=tuple({name: None for each in _AMOUNTS.split() for name in (each, camel(each))}),
    calls=r'"operationName":"(?!market|api)',
)
"""Both spellings: sockets have one and GraphQL the other."""

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
    own=_OWN,
)
