"""tapewire: streaming SDKs for betting and trading venues.

A stream is continuous, or it says where it broke; nothing is lost in silence. The venues' own classes are in
`tapewire.venues.<venue>`; this is what all of them share. Start with the README.
"""

from .clock import Clock, SystemClock
from .errors import TapewireError
from .marks import Gap, Lagged, Mark, Reconnected, Resynced, is_mark
from .protocols.base import StreamPosition
from .retry import NEVER_GIVE_UP, NO_RETRY, RetryPolicy
from .secrets import RedactingFilter, Secret
from .session.delivery import Delivery, Subscription
from .session.health import Statistics, SubscriptionStatistics
from .session.session import Session

__version__ = "0.1.0"

__all__ = [
    "NEVER_GIVE_UP",
    "NO_RETRY",
    "Clock",
    "Delivery",
    "Gap",
    "Lagged",
    "Mark",
    "Reconnected",
    "RedactingFilter",
    "Resynced",
    "RetryPolicy",
    "Secret",
    "Session",
    "Statistics",
    "StreamPosition",
    "Subscription",
    "SubscriptionStatistics",
    "SystemClock",
    "TapewireError",
    "__version__",
    "is_mark",
]
