"""SX Bet, a betting exchange on Centrifugo channels: its HTTP client, its realtime client, its books, and the words of
all of them (document 002).

The rooms: `url` and `profile` (which deployment, which API generation), `symbols` (channel names), `wire` and `wire_v3`
(payloads), `translate` (wire to model), `book`, `levels` and `tradability` (one market's book), `api`, `limits` and
`seeding`; `socket`, `channel`, `events` and `arguments` (the documented client); and `watching`, `watched` and
`market_status` (the watch verbs).
"""

from __future__ import annotations

from ...protocols.base import StreamPosition
from ...retry import RetryPolicy
from .api import AsyncSXBet
from .book import MarketBook
from .channel import ChannelSubscription
from .errors import (
    NotConnected,
    SXBetAnswerError,
    SXBetError,
    SXBetInvalidParameter,
    SXBetRateLimitError,
    SXBetRequestError,
    SXBetServerError,
    SXBetTransportError,
    TokenUnavailable,
    UnauthorizedError,
    UnknownMarket,
)
from .events import (
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
    ErrorContext,
    HistoryEntry,
    HistoryPage,
    PublicationContext,
    SubscribedContext,
    SubscribingContext,
    UnsubscribedContext,
)
from .levels import LevelBook
from .profile import PROFILES, V2, V3, Profile
from .seeding import SeedBatcher
from .socket import SXBetClient
from .symbols import channel_for, outcome_id, parse_channel, parse_outcome_id
from .url import NETWORKS

__all__ = [
    "NETWORKS",
    "PROFILES",
    "V2",
    "V3",
    "AsyncSXBet",
    "ChannelSubscription",
    "ConnectedContext",
    "ConnectingContext",
    "DisconnectedContext",
    "ErrorContext",
    "HistoryEntry",
    "HistoryPage",
    "LevelBook",
    "MarketBook",
    "NotConnected",
    "Profile",
    "PublicationContext",
    "RetryPolicy",
    "SXBetAnswerError",
    "SXBetClient",
    "SXBetError",
    "SXBetInvalidParameter",
    "SXBetRateLimitError",
    "SXBetRequestError",
    "SXBetServerError",
    "SXBetTransportError",
    "SeedBatcher",
    "StreamPosition",
    "SubscribedContext",
    "SubscribingContext",
    "TokenUnavailable",
    "UnauthorizedError",
    "UnknownMarket",
    "UnsubscribedContext",
    "channel_for",
    "outcome_id",
    "parse_channel",
    "parse_outcome_id",
]
