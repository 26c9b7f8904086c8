"""The exceptions, under the name that the documents give their module."""

from __future__ import annotations

from tapewire.venues.weex import (
    OrderOutcomeUnknown,
    WEEXAuthenticationError,
    WEEXError,
    WEEXNetworkError,
    WEEXNotFoundError,
    WEEXParameterError,
    WEEXParseError,
    WEEXPermissionError,
    WEEXRateLimitError,
    WEEXRequestError,
    WEEXSystemError,
)

__all__ = [
    "OrderOutcomeUnknown",
    "WEEXAuthenticationError",
    "WEEXError",
    "WEEXNetworkError",
    "WEEXNotFoundError",
    "WEEXParameterError",
    "WEEXParseError",
    "WEEXPermissionError",
    "WEEXRateLimitError",
    "WEEXRequestError",
    "WEEXSystemError",
]
