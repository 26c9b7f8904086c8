"""The documents' import name, on tapewire: it re-exports and does nothing else.

It refuses to be imported beside another distribution that owns the name `stakeapi`, whichever was installed last, and
names the command that heals. `tapewire.venues.stake` works beside either.
"""

from __future__ import annotations

from tapewire.ownership import check_sole_owner

check_sole_owner("stakeapi", "tapewire-stakeapi")  # here too, for folders whose .pth files are not read

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
