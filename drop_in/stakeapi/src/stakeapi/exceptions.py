"""The exceptions, as the package of that name has them."""

from __future__ import annotations

from tapewire.venues.stake import (
    AuthenticationError,
    GameNotFoundError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    StakeAPIError,
    ValidationError,
)

__all__ = [
    "AuthenticationError",
    "GameNotFoundError",
    "InsufficientFundsError",
    "NetworkError",
    "RateLimitError",
    "StakeAPIError",
    "ValidationError",
]
