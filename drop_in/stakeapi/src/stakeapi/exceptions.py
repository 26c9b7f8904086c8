"""The exceptions, as the package of that name has them, and the two more that tapewire's raise."""

from __future__ import annotations

from tapewire.venues.stake import (
    AccessDeniedError,
    AuthenticationError,
    GameNotFoundError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPIError,
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
    "StakeAPIError",
    "ValidationError",
]
