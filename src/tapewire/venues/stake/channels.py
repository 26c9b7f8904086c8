"""The page's channels, and what the live site has for each of them: GraphQL subscriptions. Pure.

The page (document 003) names `user:balances`, `game:{slug}` and `sports:event:{id}`; `bets` and `chat:{room}` are
ours, for what its prose promises. The subscriptions are those that independent public clients send.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ...protocols.graphql_ws import Operation
from .errors import ArgumentError

__all__ = ["BALANCES", "checked_channel", "operations_of", "selector_of"]

BALANCES = "user:balances"

MAX_CHANNEL = 200
"""Characters of a channel's name."""

_BALANCE = "amount identifier balance { amount currency }"
_ROUND = "id status multiplier startTime nextRoundIn crashpoint elapsed timestamp"
_HOUSE_BETS = Operation(
    "subscription HouseBets { houseBets { id iid type scope game { name }"
    " bet { id amount payout payoutMultiplier createdAt currency nonce user { name } } } }",
    operation_name="HouseBets",
)
_ROUND_GAMES = {
    "crash": Operation(
        f"subscription Crash {{ crash {{ event {{ ... on MultiplayerCrash {{ {_ROUND} }} }} }} }}",
        operation_name="Crash",
    ),
    "slide": Operation(
        f"subscription Slide {{ slide {{ event {{ ... on MultiplayerSlide {{ {_ROUND} }} }} }} }}",
        operation_name="Slide",
    ),
}
_KNOWN = "user:balances, game:{slug}, bets, chat:{id}"


class _Game(msgspec.Struct):
    name: str = ""


class _HouseBet(msgspec.Struct):
    game: _Game


class _HouseBets(msgspec.Struct, rename={"house_bets": "houseBets"}):
    house_bets: _HouseBet


_house_bets = msgspec.json.Decoder(_HouseBets)


def checked_channel(channel: Any) -> str:
    """The channel, if it can be one. Raises ArgumentError."""
    if type(channel) is not str or not 0 < len(channel) <= MAX_CHANNEL or channel == "*":
        raise ArgumentError("channel", channel, f"a text such as {_KNOWN}, sports:event:{{id}}")
    return channel


def operations_of(channel: str) -> list[Operation]:
    """The subscriptions that are the channel on the live site. Raises ArgumentError where none is known."""
    kind, _, rest = channel.partition(":")
    if channel == BALANCES:
        return [
            Operation(f"subscription {name} {{ {field} {{ {_BALANCE} }} }}", operation_name=name)
            for name, field in (
                ("AvailableBalances", "availableBalances"),
                ("VaultBalances", "vaultBalances"),
            )
        ]
    if kind == "game" and rest:
        return [_ROUND_GAMES.get(rest, _HOUSE_BETS)]
    if channel == "bets":
        return [_HOUSE_BETS]
    if kind == "chat" and rest:
        query = (
            "subscription ChatMessages($chatId: String!) { chatMessages(chatId: $chatId)"
            " { id createdAt user { name } data { message } } }"
        )
        return [Operation(query, {"chatId": rest}, "ChatMessages")]
    raise ArgumentError(
        "channel", channel, f"with wire='graphql', what the live site is known to have: {_KNOWN}"
    )


def selector_of(channel: str) -> Callable[[Any], bool] | None:
    """Which publications of its subscriptions belong to the channel; None: all. Raises for data that is not theirs."""
    kind, _, slug = channel.partition(":")
    if kind != "game" or slug in _ROUND_GAMES:
        return None

    def is_of_the_game(data: Any) -> bool:
        return _slug(_house_bets.decode(data).house_bets.game.name) == slug

    return is_of_the_game


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
