"""One logical line that outlives many connections: open it, subscribe, iterate. It knows no venue and no domain.

What users hold and what authors of venues give it; the rest of this package is its own business. How it works inside is
in ARCHITECTURE.md.
"""

from ..protocols.base import StreamPosition
from ..retry import NEVER_GIVE_UP, NO_RETRY, RetryPolicy
from ..transport.base import Connector, Endpoint
from .buffers import Policy
from .consumer import Consumer, Feed, Items, Iteration
from .credentials import Credentials, TokenProvider
from .machine import State
from .options import ErrorHook, SessionOptions, Statistics, SubscriptionStatistics
from .pool import Pool
from .session import Session
from .subscription import Delivery, Handler, MarkHandler, Subscription
from .subscriptions import SubscriptionState

__all__ = [
    "NEVER_GIVE_UP",
    "NO_RETRY",
    "Connector",
    "Consumer",
    "Credentials",
    "Delivery",
    "Endpoint",
    "ErrorHook",
    "Feed",
    "Handler",
    "Items",
    "Iteration",
    "MarkHandler",
    "Policy",
    "Pool",
    "RetryPolicy",
    "Session",
    "SessionOptions",
    "State",
    "Statistics",
    "StreamPosition",
    "Subscription",
    "SubscriptionState",
    "SubscriptionStatistics",
    "TokenProvider",
]
