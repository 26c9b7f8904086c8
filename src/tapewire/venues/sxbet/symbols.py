"""Names: channels of both API generations, built and read back, and the instrument ids of a market's two outcomes.

A market has two outcomes, each an instrument: `<marketHash>:1` and `<marketHash>:2`. Market hashes, addresses and event
ids are passed on as they are given: the venue compares addresses in their checksummed spelling.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, cast

import msgspec

from .errors import SXBetInvalidParameter
from .profile import CHANNEL_KINDS, V2, ChannelKind, Profile

__all__ = [
    "Channel",
    "OutcomeNumber",
    "channel_for",
    "checked_address",
    "checked_id",
    "checked_market_hash",
    "outcome_id",
    "parse_channel",
    "parse_outcome_id",
]

OutcomeNumber: TypeAlias = Literal[1, 2]

# Short enough for a channel name of 255 bytes, which is what Centrifugo allows.
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_MARKET_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


class Channel(msgspec.Struct, frozen=True):
    """A channel taken apart. `argument` is the market hash, event id or address; empty for a global channel."""

    kind: ChannelKind
    argument: str = ""


def channel_for(kind: ChannelKind, argument: str = "", profile: Profile = V2) -> str:
    """The channel's name: `channel_for("order_book", market_hash)` is `order_book:market_<hash>` in V2.

    Raises SXBetInvalidParameter for a kind that the profile has not, and for a missing, needless or corrupt argument.
    """
    template = profile.channels.get(kind)
    if template is None:
        raise SXBetInvalidParameter(
            "kind", kind, [known for known in CHANNEL_KINDS if known in profile.channels]
        )
    if "{}" not in template:
        if argument:
            raise SXBetInvalidParameter("argument", argument, f"nothing: {template} is of all markets")
        return template
    return template.format(checked_id("argument", argument))


def checked_id(argument: str, value: str) -> str:
    """`value` if it can be a market hash, an event id, an address or a token. Raises SXBetInvalidParameter."""
    if type(value) is str and _ID.fullmatch(value):
        return value
    raise SXBetInvalidParameter(argument, _short(value), "a market hash, event id or address: 0x1a46...")


def checked_market_hash(argument: str, value: str) -> str:
    """`value` if it has the form of a market hash. Raises SXBetInvalidParameter."""
    if type(value) is str and _MARKET_HASH.fullmatch(value):
        return value
    raise SXBetInvalidParameter(argument, _short(value), "a market hash: 0x and 64 hex digits, in a text")


def checked_address(argument: str, value: str) -> str:
    """`value` if it has the form of a wallet's address. Raises SXBetInvalidParameter."""
    if type(value) is str and _ADDRESS.fullmatch(value):
        return value
    raise SXBetInvalidParameter(argument, _short(value), "an address: 0x and 40 hex digits, in a text")


def _short(value: object) -> object:
    return value[:150] if isinstance(value, str) else value


def parse_channel(name: str, profile: Profile = V2) -> Channel | None:
    """What a channel's name says, or None where it is none of this profile's."""
    for kind, template in profile.channels.items():
        before, placeholder, behind = template.partition("{}")
        if not placeholder:
            if name == template:
                return Channel(kind)
        elif name.startswith(before) and name.endswith(behind):
            argument = name[len(before) : len(name) - len(behind)]
            if _ID.fullmatch(argument):
                return Channel(kind, argument)
    return None


def outcome_id(market_hash: str, outcome: OutcomeNumber) -> str:
    """The instrument id of one outcome of a market."""
    return f"{market_hash}:{outcome}"


def parse_outcome_id(instrument_id: str) -> tuple[str, OutcomeNumber]:
    """Market hash and outcome of an instrument id. Raises SXBetInvalidParameter."""
    market_hash, colon, outcome = instrument_id.rpartition(":")
    if not colon or not market_hash or outcome not in ("1", "2"):
        raise SXBetInvalidParameter("instrument_id", instrument_id, "<marketHash>:1 or <marketHash>:2")
    return market_hash, cast(OutcomeNumber, int(outcome))
