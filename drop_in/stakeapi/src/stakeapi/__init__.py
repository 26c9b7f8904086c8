"""The documents' import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `stakeapi`: which of the two would answer then
is chance. Uninstall one, or import from `tapewire.venues.stake`.
"""

from __future__ import annotations

from . import _alone  # first: refuse before anything is half imported

_alone.check()

from tapewire import __version__  # noqa: E402
from tapewire.venues.stake import (  # noqa: E402
    AccessDeniedError,
    AuthenticationError,
    GameNotFoundError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPI,
    StakeAPIError,
    StakeMessage,
    StakeWebSocket,
    ValidationError,
)

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "GameNotFoundError",
    "InsufficientFundsError",
    "NetworkError",
    "RateLimitError",
    "ServerError",
    "StakeAPI",
    "StakeAPIError",
    "StakeMessage",
    "StakeWebSocket",
    "ValidationError",
    "__version__",
]
