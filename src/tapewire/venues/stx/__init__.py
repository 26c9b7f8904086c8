"""STX, a betting exchange: its HTTP clients, its socket, and the words of both (documents 000 and 001)."""

from __future__ import annotations

from ...retry import RetryPolicy
from .api import STX, AsyncSTX
from .errors import (
    STXAnswerException,
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
from .message import ChannelMessage
from .records import Page, Record
from .selection import Selection
from .socket import STXWebSocket
from .symbols import Channels
from .user import User

__all__ = [
    "STX",
    "AsyncSTX",
    "ChannelMessage",
    "Channels",
    "Page",
    "Record",
    "RetryPolicy",
    "STXAnswerException",
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
    "STXWebSocket",
    "Selection",
    "User",
]
