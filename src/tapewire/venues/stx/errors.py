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

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ...errors import (
    ConfigurationError,
    ConnectionFailure,
    CredentialsError,
    CredentialsRefused,
    HttpError,
    RequestError,
    RequestRefused,
    SessionClosed,
    SubscriptionError,
    TapewireError,
)
from ...protocols.phoenix.replies import reason_in
from ...secrets import redact
from ..kit.answers import AnswerFault, UnreadableAnswer
from ..kit.errors import ErrorMap

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

Errors: TypeAlias = Sequence[Mapping[str, Any]]


class STXException(TapewireError):
    """The root of everything that STX, AsyncSTX and STXWebSocket raise on purpose."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        errors: Errors = (),
        request_id: str | None = None,
    ) -> None:
        # Not super(): the tapewire parents beside us want arguments of their own.
        Exception.__init__(self, message)
        self.message = message
        self.status_code = status_code
        self.errors: list[dict[str, Any]] = [dict(error) for error in errors]
        self.request_id = request_id


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


class STXInvalidParameterException(STXValidationException, ConfigurationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        ConfigurationError.__init__(self, argument, value, allowed)
        self.message: str = str(self)
        self.status_code: None = None
        self.errors: list[dict[str, Any]] = []
        self.request_id: None = None


class STXNotFoundException(STXException):
    """There is no such thing at the venue."""


class STXRateLimitException(STXException):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after: float = retry_after or 0.0

    @property
    def retryable(self) -> bool:
        return True


class _Unfinished(STXException):
    def __init__(
        self,
        message: str,
        *,
        sent: bool = True,
        outcome_unknown: bool = False,
        final: bool = False,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.sent = sent
        self.outcome_unknown = outcome_unknown
        self.final = final

    @property
    def retryable(self) -> bool:
        return not (self.outcome_unknown or self.final)


class STXServerException(_Unfinished):
    """The venue failed. Where `outcome_unknown` is true the order may have been placed: look it up first."""


class STXAnswerException(STXServerException, UnreadableAnswer):
    """The venue answered, and not with what the operation answers. `fault` says where and what came instead.

    Where `outcome_unknown` is true, what was asked for may have been done: look it up before you ask again.
    """

    def __init__(self, fault: AnswerFault, *, lookup: str = "", **facts: Any) -> None:
        doubt = (
            f"; it may have been carried out: look it up with {lookup} before you send it again"
            if lookup
            else ""
        )
        super().__init__(redact(str(fault)) + doubt, outcome_unknown=bool(lookup), **facts)
        self.fault = fault


class STXTransportException(_Unfinished):
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


_BY_STATUS: dict[int, type[STXException]] = {
    401: STXTokenExpiredException,
    403: STXForbiddenException,
    404: STXNotFoundException,
}

# What GraphQL servers of this kind say where HTTP has a status. First match wins; text is compared in lower case.
_BY_WORDS: tuple[tuple[tuple[str, ...], type[STXException]], ...] = (
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
)


def _facts(error: TapewireError, status: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"status_code": status, "errors": [], "request_id": None}
    sent = bool(getattr(error, "sent", False))
    facts |= {
        "sent": sent,
        "final": not error.retryable,
        "outcome_unknown": sent and isinstance(error, RequestError),
    }
    if isinstance(error, SubscriptionError | RequestError):
        reply = getattr(error, "reply", None)
        reason = getattr(error, "reason", None) or reason_in(reply, "no reason given")
        facts |= {"reply": reply, "reason": reason}
    if status == 429:
        facts["retry_after"] = getattr(error, "retry_after", None) or 0.0
    return facts


ERRORS = ErrorMap(
    root=STXException,
    refuse=STXInvalidParameterException,
    by_status=_BY_STATUS | {429: STXRateLimitException, 500: STXServerException},
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
"""What the engine's errors are as the venue's own."""


def of_http_error(error: HttpError, *, signing_in: bool = False, lookup: str = "") -> STXException:
    """The documented exception for a call that failed. `lookup` says how to find out what became of an order."""
    errors = _errors_in(error.body)
    told = "; ".join(str(entry.get("message", "")) for entry in errors)
    text = redact(f"{error}: {told}" if told else str(error))
    facts: dict[str, Any] = {"status_code": error.status, "errors": errors, "request_id": error.request_id}
    unknown = bool(lookup) and error.sent
    doubt = _doubt(lookup) if unknown else ""
    if error.status is None:
        return STXTransportException(
            text + doubt, sent=error.sent, outcome_unknown=unknown, final=error.final, **facts
        )
    if error.status == 429:
        return STXRateLimitException(text, retry_after=error.retry_after, **facts)
    if error.status >= 500:
        return STXServerException(text + doubt, outcome_unknown=unknown, **facts)
    if signing_in and error.status in (400, 401, 403, 422):
        return STXAuthenticationFailedException(text, **facts)
    if error.status < 400:  # a redirect, which nobody follows
        return STXServerException(text + doubt, outcome_unknown=unknown, **facts)
    return _BY_STATUS.get(error.status, STXValidationException)(text, **facts)


def of_graphql_errors(
    errors: Errors,
    *,
    status: int,
    request_id: str | None = None,
    signing_in: bool = False,
    lookup: str = "",
    executed: bool = False,
) -> STXException:
    """The documented exception for an answer whose `errors` list is not empty.

    `executed` says that there was an answer beside the errors: an order with `lookup` may then have been placed.
    """
    told = "; ".join(str(entry.get("message", "no reason given"))[:300] for entry in errors[:5])
    facts: dict[str, Any] = {"status_code": status, "errors": errors, "request_id": request_id}
    kind = _kind_of(errors[0], told)
    if signing_in and kind not in (STXRateLimitException, STXServerException):
        kind = STXAuthenticationFailedException
    if lookup and (executed or kind is STXServerException):
        return STXServerException(redact(told) + _doubt(lookup), outcome_unknown=True, **facts)
    return kind(redact(told), **facts)


def _kind_of(error: Mapping[str, Any], told: str) -> type[STXException]:
    extensions = error.get("extensions")
    codes = (error.get("code"), extensions.get("code") if isinstance(extensions, Mapping) else None)
    words = " ".join(str(word) for word in (*codes, told) if word).lower()
    found = (kind for marks, kind in _BY_WORDS if any(mark in words for mark in marks))
    return next(found, STXValidationException)


def _doubt(lookup: str) -> str:
    return f"; the order may have been placed: look it up with {lookup} before you send it again"


def _errors_in(body: bytes) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    errors = found.get("errors") if isinstance(found, dict) else None
    return as_error_list(errors) if errors else []


def as_error_list(errors: Any) -> list[dict[str, Any]]:
    """Whatever an `errors` member holds, as the documented list of dicts, bounded."""
    entries = errors[:50] if isinstance(errors, list) else [errors]
    return [entry if isinstance(entry, dict) else {"message": str(entry)[:300]} for entry in entries]
