"""The documented exceptions, and the one border where HTTP and GraphQL failures become them.

::

    STXException                              .message .status_code .errors .request_id
    +-- STXAuthException                      also a CredentialsError
    |   +-- STXAuthenticationFailedException  email or password refused: final (also a CredentialsRefused)
    |   +-- STXTwoFactorRequiredException     call confirm_2fa(code=...) with the code that was sent
    |   +-- STXTokenExpiredException          refreshed by itself once; raised where that did not help
    +-- STXForbiddenException                 403
    +-- STXValidationException                other 4xx, and GraphQL errors without a class of their own
    |   +-- STXInvalidParameterException      an argument of ours: named before anything is sent (a ConfigurationError)
    +-- STXNotFoundException                  404
    +-- STXRateLimitException                 429; .retry_after in seconds
    +-- STXServerException                    5xx; .outcome_unknown for an order
    |   +-- STXAnswerException                an answer that cannot be read; .fault says where (an UnreadableAnswer)
    +-- STXTransportException                 no answer; .sent and .outcome_unknown
    +-- STXChannelException                   a refused join or an error reply; .topic .reply

All are TapewireErrors too. No text holds a token, a password or a request.
"""

from __future__ import annotations

from typing import Any

from ...errors import (
    ConnectionFailure,
    CredentialsError,
    CredentialsRefused,
    RequestError,
    RequestRefused,
    SessionClosed,
    SubscriptionError,
    TapewireError,
)
from ...protocols.phoenix.replies import reason_in
from ..kit.errors import ErrorMap, Invalid, RateLimited, Unfinished, UnreadableAnswer, VenueError

__all__ = [
    "ERRORS",
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
]


class STXException(VenueError):
    """The root of everything that STX, AsyncSTX and STXWebSocket raise on purpose."""

    status_code: int | None = None
    errors: list[dict[str, Any]] = []  # noqa: RUF012 - copied into each error
    request_id: str | None = None


class STXAuthException(STXException, CredentialsError):
    """Something about signing in."""


class STXAuthenticationFailedException(STXAuthException, CredentialsRefused):
    """There are no credentials, or the venue refused them. Correct them: nothing is tried again."""


class STXTwoFactorRequiredException(STXAuthException, CredentialsRefused):
    """The venue sent the user a code: call `confirm_2fa(code=...)` with it, then repeat your call."""


class STXTokenExpiredException(STXAuthException):
    """The venue did not take the token, and a fresh one did not help."""


class STXForbiddenException(STXException):
    """The account may not do this."""


class STXValidationException(STXException):
    """The venue did not take the request as it is."""


class STXInvalidParameterException(Invalid, STXValidationException):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""


class STXNotFoundException(STXException):
    """There is no such thing at the venue."""


class STXRateLimitException(RateLimited, STXException):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""


class STXServerException(Unfinished, STXException):
    """The venue failed. Where `outcome_unknown` is true the order may have been placed: look it up first."""


class STXAnswerException(UnreadableAnswer, STXServerException):
    """The venue answered, and not with what the operation answers. `fault` says where and what came instead.

    Where `outcome_unknown` is true, what was asked for may have been done: look it up before you ask again.
    """


class STXTransportException(Unfinished, STXException):
    """No answer came. Where `outcome_unknown` is true the order may have been placed: look it up first.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """


class STXChannelException(STXException, SubscriptionError):
    """The venue refused a join, or answered a push with an error.

    `reply` is its answer, `reason` its own word in it. `retryable` where it may say otherwise later, as when too many
    channels are joined.
    """

    _retryable = False

    def __init__(
        self, message: str, *, topic: str, reason: str = "", reply: Any = None, retryable: bool = False
    ) -> None:
        STXException.__init__(self, message)
        self.topic = topic
        self.reason: str = reason or message
        self.reply = reply
        self._retryable = retryable

    @property
    def retryable(self) -> bool:
        return self._retryable


def _facts(error: TapewireError, status: int | None) -> dict[str, Any]:
    if not isinstance(error, SubscriptionError | RequestError):
        return {}
    reply = getattr(error, "reply", None)
    return {"reply": reply, "reason": getattr(error, "reason", None) or reason_in(reply, "no reason given")}


ERRORS = ErrorMap(
    root=STXException,
    refuse=STXInvalidParameterException,
    unanswered=STXTransportException,
    rejected=STXValidationException,
    unreadable=STXAnswerException,
    sign_in=STXAuthenticationFailedException,
    by_status={
        401: STXTokenExpiredException,
        403: STXForbiddenException,
        404: STXNotFoundException,
        429: STXRateLimitException,
        500: STXServerException,
    },
    by_words=(
        (("too many", "rate limit", "too_many", "rate_limit"), STXRateLimitException),
        (
            (
                "unauthenticated",
                "unauthorized",
                "not authenticated",
                "token expired",
                "token_expired",
                "invalid token",
            ),
            STXTokenExpiredException,
        ),
        (("forbidden", "permission", "not allowed"), STXForbiddenException),
        (("not found", "not_found"), STXNotFoundException),
        (("internal server error", "internal_server_error", "something went wrong"), STXServerException),
    ),
    by_class={
        CredentialsRefused: STXAuthenticationFailedException,
        CredentialsError: STXAuthException,
        SubscriptionError: STXChannelException,
        RequestRefused: STXChannelException,
        RequestError: STXTransportException,
        SessionClosed: STXException,
        ConnectionFailure: STXTransportException,
    },
    facts=_facts,
)
"""What failures of HTTP and GraphQL and the engine's errors are as the venue's own."""
