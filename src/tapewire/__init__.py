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
from .venues import connect

if TYPE_CHECKING:
    from . import sync as sync
    from .protocols.base import StreamPosition
    from .retry import NEVER_GIVE_UP, NO_RETRY, RetryPolicy
    from .risk import guard
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
    from .venues.paper import paper

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
    "guard",
    "is_mark",
    "merge",
    "paper",
]


_MODULES = {
    "protocols.base": ("StreamPosition",),
    "retry": ("NEVER_GIVE_UP", "NO_RETRY", "RetryPolicy"),
    "risk": ("guard",),
    "secrets": ("RedactingFilter", "Secret"),
    "session": (
        "Credentials",
        "Delivery",
        "Pool",
        "Session",
        "SessionOptions",
        "Statistics",
        "Subscription",
        "SubscriptionStatistics",
    ),
    "streams": ("merge",),
    "transport.base": ("Connector", "Endpoint"),
    "venues.paper": ("paper",),
}
"""What needs asyncio, sockets or TLS: a program that wants an error, a mark or a venue does not wait for them here."""

_LATER = {name: module for module, names in _MODULES.items() for name in names}
_PACKAGES = frozenset({"protocols", "retry", "secrets", "session", "streams", "sync", "transport"})


def __getattr__(name: str) -> Any:
    """Names and packages that are imported when they are asked for."""
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
