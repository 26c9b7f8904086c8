"""The exceptions, as the documents import them."""

from __future__ import annotations

from tapewire.venues.stx.errors import (
    STXAuthenticationFailedException,
    STXAuthException,
    STXChannelException,
    STXException,
    STXForbiddenException,
    STXInvalidParameterException,
    STXNotFoundException,
    STXRateLimitException,
    STXServerException,
    STXTokenExpiredException,
    STXTransportException,
    STXTwoFactorRequiredException,
    STXValidationException,
)

__all__ = [
    "STXAuthException",
    "STXAuthenticationFailedException",
    "STXChannelException",
    "STXException",
    "STXForbiddenException",
    "STXInvalidParameterException",
    "STXNotFoundException",
    "STXRateLimitException",
    "STXServerException",
    "STXTokenExpiredException",
    "STXTransportException",
    "STXTwoFactorRequiredException",
    "STXValidationException",
]
