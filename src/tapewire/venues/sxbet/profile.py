"""The two generations of the venue's API, as data: what differs between them is looked up here and branched on nowhere.

A profile says where a token comes from, how channels are named, what each namespace can replay, and which shape a
book has. `V2` is the documented one (document 002) and the default; `V3` is the later generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from .errors import SXBetInvalidParameter

__all__ = ["PROFILES", "V2", "V3", "BookShape", "ChannelKind", "Namespace", "Profile", "profile_of"]

ChannelKind: TypeAlias = Literal[
    "order_book",  # of a market
    "event_order_book",  # of all markets of an event
    "best_odds",
    "trades",
    "consolidated_trades",
    "markets",
    "main_lines",
    "fixtures",
    "live_scores",
    "parlay_requests",
    "own_orders",  # of a maker's address
    "own_fills",
    "refunds",  # of a bettor's address
]
"""What a channel carries, in our words."""

CHANNEL_KINDS: Final[tuple[ChannelKind, ...]] = get_args(ChannelKind)

BookShape: TypeAlias = Literal["orders", "levels"]
"""Single orders that change, or whole books with a version."""


class Namespace(msgspec.Struct, frozen=True):
    """What the venue keeps of the channels of one namespace.

    `has_history` is None where the venue's pages do not say: ask for recovery, and believe the subscribe reply.
    `capacity` is in publications of one channel, `window` in seconds; 0 where unknown or without history.
    """

    name: str
    has_history: bool | None
    capacity: int = 0
    window: float = 0.0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One generation. `channels` maps a kind to its name, `{}` standing for what it is of."""

    name: str
    token_path: str
    key_header: str
    book: BookShape
    channels: Mapping[ChannelKind, str]
    namespaces: Mapping[str, Namespace]

    def namespace_of(self, channel: str) -> Namespace:
        """What is known of a channel's namespace: the part before the first colon."""
        name = channel.partition(":")[0]
        return self.namespaces.get(name) or Namespace(name, None)

    def recovers(self, channel: str) -> bool:
        """True if a subscription should ask for `positioned` and `recoverable`; else seed it anew each time."""
        return self.namespace_of(channel).has_history is not False


_WINDOW: Final = 300.0
_SHARED_CHANNELS: Final[Mapping[ChannelKind, str]] = {
    "markets": "markets:global",
    "main_lines": "main_line:global",
    "fixtures": "fixtures:global",
    "live_scores": "fixtures:live_scores",
    "parlay_requests": "parlay_markets:global",
}
_SHARED_NAMESPACES: Final = (
    Namespace("markets", True, 1000, _WINDOW),
    Namespace("main_line", True, 500, _WINDOW),
    Namespace("fixtures", True, 100, _WINDOW),
    Namespace("parlay_markets", False),
)


def _by_name(*namespaces: Namespace) -> Mapping[str, Namespace]:
    return {namespace.name: namespace for namespace in (*namespaces, *_SHARED_NAMESPACES)}


V2: Final = Profile(
    name="v2",
    token_path="/user/realtime-token/api-key",
    key_header="x-api-key",
    book="orders",
    channels={
        "order_book": "order_book:market_{}",
        "event_order_book": "order_book:event_{}",
        "best_odds": "best_odds:global",
        "trades": "recent_trades:global",
        "consolidated_trades": "recent_trades_consolidated:global",
        "own_orders": "active_orders:{}",
        "refunds": "ce_refunds:{}",
        **_SHARED_CHANNELS,
    },
    namespaces=_by_name(
        Namespace("order_book", True, 5000, _WINDOW),
        Namespace("recent_trades", True, 2000, _WINDOW),
        Namespace("recent_trades_consolidated", True, 1000, _WINDOW),
        Namespace("active_orders", True, 100, _WINDOW),
        Namespace("ce_refunds", True, 100, _WINDOW),
        Namespace("best_odds", False),
    ),
)

V3: Final = Profile(
    name="v3",
    token_path="/user/realtime-token-v3/api-key",
    key_header="x-sx-api-key",
    book="levels",
    channels={
        "order_book": "orderbook_v3:{}",
        "event_order_book": "orderbook_v3_event:{}",
        "best_odds": "best_odds_v3:global",
        "trades": "recent_trades_v3:global",
        "own_orders": "account:orders_v3_#{}",
        "own_fills": "account:fills_v3_#{}",
        **_SHARED_CHANNELS,
    },
    namespaces=_by_name(
        Namespace("orderbook_v3", None),
        Namespace("orderbook_v3_event", None),
        Namespace("best_odds_v3", None),
        Namespace("recent_trades_v3", None),
        Namespace("account", None),
    ),
)

PROFILES: Final[Mapping[str, Profile]] = {profile.name: profile for profile in (V2, V3)}
"""Every generation, by name."""


def profile_of(profile: Profile | str | None = None) -> Profile:
    """The profile itself, or the one of that name; V2 by default. Raises SXBetInvalidParameter."""
    if isinstance(profile, Profile):
        return profile
    found = PROFILES.get(profile or V2.name)
    if found is None:
        raise SXBetInvalidParameter("profile", profile, PROFILES)
    return found
