"""What this venue is, as data (`kit.spec`): document 003, and what the live site has. Sources are in NOTES.md."""

from __future__ import annotations

from typing import Final

from ..kit.spec import ChannelSpec, OwnWords, VenueSpec
from .channels import BALANCES
from .errors import ERRORS
from .headers import COOKIES, TOKEN, USER_AGENT
from .message import message_of
from .url import BASE_URL, SOCKET_ADDRESS
from .wires import protocol_of

__all__ = ["SPEC"]

SPEC: Final = VenueSpec(
    name="stake",
    title="Stake",
    wire="JSON channels",
    protocol=protocol_of,
    settings=(TOKEN, SOCKET_ADDRESS, USER_AGENT, *COOKIES),
    hosts={"site": BASE_URL},
    channels={
        "balances": ChannelSpec.account(BALANCES, decode=message_of),
        "account": ChannelSpec.account("user:{channel}", decode=message_of),
        "game": ChannelSpec.public("game:{slug}", decode=message_of),
        "event": ChannelSpec.public("sports:event:{id}", decode=message_of),
        "bets": ChannelSpec.public("bets", decode=message_of),
        "chat": ChannelSpec.public("chat:{room}", decode=message_of),
        "other": ChannelSpec.public("{channel}", decode=message_of),
    },
    errors=ERRORS,
    answers_joins=False,
    own=OwnWords(
        ids=("id", "identifier", "userId", "name", "email", "iid", "betId"),
        amounts=("amount", "payout", "payoutMultiplier", "balance", "value"),
        calls=r"\{ *(?:user|me)\b|\"operationName\":\"User",
    ),
)
