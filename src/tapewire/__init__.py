"""tapewire: streaming SDKs for betting and trading venues.

A stream is continuous, or it says where it broke; nothing is lost in silence. The venues' own classes are in
`tapewire.venues.<venue>`; this is what all of them share. Start with the README.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .clock import Clock, SystemClock
from .errors import (
    BufferOverflow,
    ConfigurationError,
    ConnectFailed,
    ConnectionFailure,
    ConnectionLost,
    CredentialsError,
    CredentialsRefused,
    ForeignTape,
    GaveUp,
    HandshakeRefused,
    HttpError,
    IllegalTransition,
    MissingExtra,
    NeverConnected,
    NewerTape,
    NotSubscribed,
    NotSupported,
    OwnerCancelled,
    RequestError,
    RequestLost,
    RequestRefused,
    RequestTimeout,
    SessionClosed,
    SubscriptionEnded,
    SubscriptionError,
    SubscriptionRefused,
    TapeCorrupt,
    TapeError,
    TapewireError,
    UndecodableFrame,
    UnknownInstrument,
    WrongLoop,
)
from .marks import (
    ContinuityChanged,
    ContinuityState,
    Errored,
    Gap,
    GapReason,
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
from .session import (
    Credentials,
    Delivery,
    Pool,
    Session,
    SessionOptions,
    Statistics,
    Subscription,
    SubscriptionStatistics,
)
from .streams import merge
from .transport.base import Connector, Endpoint
from .venues import connect

if TYPE_CHECKING:
    from . import sync as sync

__version__ = "0.1.0"

__all__ = [
    "NEVER_GIVE_UP",
    "NO_RETRY",
    "BufferOverflow",
    "Clock",
    "ConfigurationError",
    "ConnectFailed",
    "ConnectionFailure",
    "ConnectionLost",
    "Connector",
    "ContinuityChanged",
    "ContinuityState",
    "Credentials",
    "CredentialsError",
    "CredentialsRefused",
    "Delivery",
    "Endpoint",
    "Errored",
    "ForeignTape",
    "Gap",
    "GapReason",
    "GaveUp",
    "HandshakeRefused",
    "HttpError",
    "IllegalTransition",
    "Lagged",
    "Mark",
    "MissingExtra",
    "NeverConnected",
    "NewerTape",
    "NotSubscribed",
    "NotSupported",
    "OwnerCancelled",
    "Pool",
    "Reconnected",
    "RedactingFilter",
    "RequestError",
    "RequestLost",
    "RequestRefused",
    "RequestTimeout",
    "Resynced",
    "RetryPolicy",
    "Secret",
    "Session",
    "SessionClosed",
    "SessionOptions",
    "Statistics",
    "StreamPosition",
    "Subscribed",
    "Subscribing",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionError",
    "SubscriptionRefused",
    "SubscriptionStatistics",
    "SystemClock",
    "TapeCorrupt",
    "TapeError",
    "TapewireError",
    "UndecodableFrame",
    "UnknownInstrument",
    "Unsubscribed",
    "WrongLoop",
    "__version__",
    "connect",
    "is_mark",
    "merge",
]


def __getattr__(name: str) -> Any:
    """`tapewire.sync` is imported when it is asked for: an asynchronous program does not pay for it."""
    if name == "sync":
        return import_module(f"{__name__}.sync")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
