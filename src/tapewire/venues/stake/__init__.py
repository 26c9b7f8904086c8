"""Stake, a casino and sportsbook: its socket on both wires, its GraphQL API (document 003)."""

from __future__ import annotations

from .api import StakeAPI
from .auth import AuthManager
from .errors import (
    AccessDeniedError,
    AnswerError,
    ArgumentError,
    AuthenticationError,
    GameNotFoundError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPIError,
    ValidationError,
)
from .message import StakeMessage
from .socket import StakeLine, StakeWebSocket

__all__ = [
    "AccessDeniedError",
    "AnswerError",
    "ArgumentError",
    "AuthManager",
    "AuthenticationError",
    "GameNotFoundError",
    "InsufficientFundsError",
    "NetworkError",
    "RateLimitError",
    "ServerError",
    "StakeAPI",
    "StakeAPIError",
    "StakeLine",
    "StakeMessage",
    "StakeWebSocket",
    "ValidationError",
]
