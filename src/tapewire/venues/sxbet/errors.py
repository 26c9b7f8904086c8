"""What this venue's package raises, and the one border where HTTP failures become it.

::

    SXBetError                     .message .status .code (the venue's own word) .request_id
    +-- UnauthorizedError          401, 403, or no key: final (also a CredentialsRefused)
    +-- TokenUnavailable           no realtime token this time: tried again (also a CredentialsError)
    +-- SXBetRequestError          other 4xx: what was asked for is wrong
    |   +-- SXBetInvalidParameter  an argument of ours: named before anything is sent (a ConfigurationError)
    |   +-- UnknownMarket          no market has that hash; .market_hash
    +-- NotConnected               the client was never connected (also a ConnectionFailure)
    +-- SXBetRateLimitError        429; .retry_after in seconds
    +-- SXBetServerError           5xx
    |   +-- SXBetAnswerError       an answer that cannot be read; .fault says where (an UnreadableAnswer)
    +-- SXBetTransportError        no answer; .sent

All are TapewireErrors too. No text holds a key, a token or a query. `UnauthorizedError` is the documented name
(document 002, "Auth"): a token provider that raises it stops all attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    SubscriptionRefused,
    TapewireError,
    UndecodableFrame,
)
from ...secrets import redact
from ..kit.answers import AnswerFault, UnreadableAnswer
from ..kit.errors import ErrorMap

__all__ = [
    "ERRORS",
    "NotConnected",
    "SXBetAnswerError",
    "SXBetError",
    "SXBetInvalidParameter",
    "SXBetRateLimitError",
    "SXBetRequestError",
    "SXBetServerError",
    "SXBetTransportError",
    "TokenUnavailable",
    "UnauthorizedError",
    "UnknownMarket",
    "of_failure",
    "of_http_error",
    "of_token_error",
]


class SXBetError(TapewireError):
    """The root of everything that this package raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str | None = None,
    ) -> None:
        # Not super(): the tapewire parents beside us want arguments of their own.
        Exception.__init__(self, message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id


class UnauthorizedError(SXBetError, CredentialsRefused):
    """The venue refused the API key, or there is none. Correct it: nothing is tried again.

    Raise it from `get_token`, with or without a word of your own, to stop all attempts (document 002, "Auth").
    """

    def __init__(self, message: str = "unauthorized", **facts: object) -> None:
        SXBetError.__init__(self, message, **facts)  # type: ignore[arg-type]


class TokenUnavailable(SXBetError, CredentialsError):
    """No realtime token could be had this time. It is asked for again, with backoff; `retry_after` is a floor."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: object) -> None:
        SXBetError.__init__(self, message, **facts)  # type: ignore[arg-type]
        self.retry_after = retry_after


class SXBetRequestError(SXBetError):
    """The venue did not take the request as it is; `code` is its word for why."""


class SXBetInvalidParameter(SXBetRequestError, ConfigurationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        ConfigurationError.__init__(self, argument, value, allowed)
        self.message: str = str(self)
        self.status: None = None
        self.code = ""
        self.request_id: None = None


class UnknownMarket(SXBetRequestError):
    """The venue knows no market of that hash: look it up with `AsyncSXBet.active_markets`."""

    def __init__(self, market_hash: str) -> None:
        super().__init__(f"the venue knows no market {market_hash}")
        self.market_hash = market_hash


class NotConnected(SXBetError, ConnectionFailure):
    """The client was never connected, so nothing would come."""

    def __init__(self) -> None:
        super().__init__(
            "not connected: use `async with SXBetClient(...) as client`, or `await client.connect()`"
        )


class SXBetRateLimitError(SXBetError):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.retry_after: float = retry_after or 0.0

    @property
    def retryable(self) -> bool:
        return True


class SXBetServerError(SXBetError):
    """The venue failed."""

    @property
    def retryable(self) -> bool:
        return True


class SXBetAnswerError(SXBetServerError, UnreadableAnswer):
    """The venue answered, and not with what was asked for: `fault` says where and what came instead."""

    def __init__(self, fault: AnswerFault, **facts: object) -> None:
        super().__init__(redact(str(fault)), **facts)  # type: ignore[arg-type]
        self.fault = fault


class SXBetTransportError(SXBetError):
    """No answer came. `sent` is False only where the request provably never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """

    def __init__(self, message: str, *, sent: bool = True, final: bool = False, **facts: object) -> None:
        super().__init__(message, **facts)  # type: ignore[arg-type]
        self.sent = sent
        self.final = final

    @property
    def retryable(self) -> bool:
        return not self.final


class _Told(msgspec.Struct):
    """The two shapes of an error body: V2 `{"status", "message"}`, V3 `{"error", "message", "statusCode"}`."""

    message: str | list[str] | None = None
    error: str | None = None
    error_code: str | None = msgspec.field(name="errorCode", default=None)


_READ_TOLD = msgspec.json.Decoder(_Told).decode


def code_in(body: bytes) -> str:
    """The venue's own word in an error body: `BAD_AUTH`. Empty where there is none that can be read."""
    try:
        told = _READ_TOLD(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    said = "; ".join(told.message[:5]) if isinstance(told.message, list) else told.message
    return redact(told.error_code or said or told.error or "")[:200]


def _facts(error: TapewireError, status: int | None) -> dict[str, Any]:
    code = getattr(error, "code", None)
    facts: dict[str, Any] = {"status": status, "request_id": None, "code": "" if code is None else code}
    facts |= {"sent": bool(getattr(error, "sent", False)), "final": not error.retryable}
    if status == 429:
        facts["retry_after"] = getattr(error, "retry_after", None) or 0.0
    elif isinstance(error, CredentialsError):
        facts["retry_after"] = getattr(error, "retry_after", None)
    return facts


ERRORS = ErrorMap(
    root=SXBetError,
    refuse=SXBetInvalidParameter,
    by_status={
        401: UnauthorizedError,
        403: UnauthorizedError,
        429: SXBetRateLimitError,
        500: SXBetServerError,
    },
    by_close_code={3500: UnauthorizedError},  # invalid token
    by_class={
        CredentialsRefused: UnauthorizedError,
        CredentialsError: TokenUnavailable,
        SubscriptionRefused: SXBetRequestError,
        RequestRefused: SXBetRequestError,
        RequestError: SXBetTransportError,
        SessionClosed: SXBetError,
        ConnectionFailure: SXBetTransportError,
        UndecodableFrame: SXBetServerError,
    },
    facts=_facts,
)
"""What the engine's errors are as the venue's own."""


def of_http_error(error: HttpError) -> SXBetError:
    """The exception for a call that failed.

    Its text has no colon behind the address: a path that ends in `api-key` would take the next word for a key, and
    the redaction of logs that word with it.
    """
    failed = f"answered HTTP {error.status}" if error.status else "failed"
    return of_failure(
        f"{error.method} {error.url} {failed}: {error.detail}",
        status=error.status,
        code=code_in(error.body),
        retry_after=error.retry_after,
        sent=error.sent,
        final=error.final,
        request_id=error.request_id,
    )


def of_failure(
    text: str,
    *,
    status: int | None,
    code: str = "",
    retry_after: float | None = None,
    sent: bool = True,
    final: bool = False,
    request_id: str | None = None,
) -> SXBetError:
    """The exception that a status and the venue's own word amount to."""
    message = redact(f"{text}: {code}" if code else text)
    if status is None:
        return SXBetTransportError(message, sent=sent, final=final, request_id=request_id)
    if status in (401, 403):
        return UnauthorizedError(message, status=status, code=code, request_id=request_id)
    if status == 429:
        return SXBetRateLimitError(
            message, retry_after=retry_after, status=status, code=code, request_id=request_id
        )
    kind = SXBetRequestError if 400 <= status < 500 and status not in (408, 425) else SXBetServerError
    return kind(message, status=status, code=code, request_id=request_id)


def of_token_error(error: SXBetError) -> SXBetError:
    """What a failed call means for a realtime token: 401 and 403 are final, as is what time does not heal.

    Everything else is tried again.
    """
    if isinstance(error, UnauthorizedError) or getattr(error, "final", False):
        return error
    return TokenUnavailable(
        f"the realtime token could not be had; {error.message}",
        retry_after=getattr(error, "retry_after", None),
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
