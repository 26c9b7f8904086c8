"""tapewire: streaming SDKs for betting and trading venues.

A stream is continuous, or it says where it broke; nothing is lost in silence. The venues' own classes are in
`tapewire.venues.<venue>`; this is what all of them share. Start with the README.
"""

from .clock import Clock, SystemClock
from .errors import (
    BufferOverflow,
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    CredentialsRefused,
    GaveUp,
    HandshakeRefused,
    RequestLost,
    RequestRefused,
    RequestTimeout,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionRefused,
    TapewireError,
)
from .marks import (
    Errored,
    Gap,
    Lagged,
    Mark,
    Reconnected,
    Resynced,
    Subscribed,
    Subscribing,
    Unsubscribed,
    is_mark,
)
from .protocols.base import StreamPosition
from .retry import NEVER_GIVE_UP, NO_RETRY, RetryPolicy
from .secrets import RedactingFilter, Secret
from .session.options import Statistics, SubscriptionStatistics
from .session.session import Session
from .session.subscription import Delivery, Subscription

__version__ = "0.1.0"

__all__ = [
    "NEVER_GIVE_UP",
    "NO_RETRY",
    "BufferOverflow",
    "Clock",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionLost",
    "CredentialsRefused",
    "Delivery",
    "Errored",
    "Gap",
    "GaveUp",
    "HandshakeRefused",
    "Lagged",
    "Mark",
    "Reconnected",
    "RedactingFilter",
    "RequestLost",
    "RequestRefused",
    "RequestTimeout",
    "Resynced",
    "RetryPolicy",
    "Secret",
    "Session",
    "SessionClosed",
    "Statistics",
    "StreamPosition",
    "Subscribed",
    "Subscribing",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionRefused",
    "SubscriptionStatistics",
    "SystemClock",
    "TapewireError",
    "Unsubscribed",
    "__version__",
    "is_mark",
]
