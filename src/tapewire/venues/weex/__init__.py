"""WEEX, an exchange of perpetual contracts: its streams, its HTTP API, and the words of both (document 004).

The rooms: `config` and `url` (which account, which addresses), `symbols`, `profile` with `wire_v3`, `wire_v2` and
`fields` (the two wires, as data), `protocol` and `operations` (one connection and its budgets), `signing`, `http` with
`answers`, `socket` with `lines`, `streams`, `books`, `account`, and `message`.
"""

from __future__ import annotations

from ...retry import RetryPolicy
from .api import WeexAsyncClient
from .config import WeexConfig
from .errors import (
    OrderOutcomeUnknown,
    WEEXAuthenticationError,
    WEEXError,
    WEEXInvalidArgument,
    WEEXNetworkError,
    WEEXNotFoundError,
    WEEXParameterError,
    WEEXParseError,
    WEEXPermissionError,
    WEEXRateLimitError,
    WEEXRequestError,
    WEEXSystemError,
)
from .message import WeexMessage
from .profile import PROFILES, V2, V3, Profile
from .protocol import WeexProtocol
from .socket import WeexWebSocketClient
from .streams import Stream

__all__ = [
    "PROFILES",
    "V2",
    "V3",
    "OrderOutcomeUnknown",
    "Profile",
    "RetryPolicy",
    "Stream",
    "WEEXAuthenticationError",
    "WEEXError",
    "WEEXInvalidArgument",
    "WEEXNetworkError",
    "WEEXNotFoundError",
    "WEEXParameterError",
    "WEEXParseError",
    "WEEXPermissionError",
    "WEEXRateLimitError",
    "WEEXRequestError",
    "WEEXSystemError",
    "WeexAsyncClient",
    "WeexConfig",
    "WeexMessage",
    "WeexProtocol",
    "WeexWebSocketClient",
]
