"""What `StakeAPI` and `StakeWebSocket` raise, and the one border where HTTP and GraphQL failures become that.

::

    StakeAPIError                .message .status_code .errors
    +-- AuthenticationError      401, or a GraphQL error that says so: another token is needed
    +-- AccessDeniedError        403: the site does not let this client in (see NOTES.md)
    +-- RateLimitError           429; .retry_after in seconds
    +-- ValidationError          the venue did not take the request as it is
    |   +-- ArgumentError        an argument of ours: named before anything is sent (a ConfigurationError)
    +-- GameNotFoundError        there is no such game
    +-- InsufficientFundsError   the account has too little
    +-- NetworkError             no answer came; .sent says whether the request may have reached the venue
    +-- ServerError              5xx
        +-- AnswerError          an answer that cannot be read; .fault says where (an UnreadableAnswer)

All are TapewireErrors too. No text holds a token, a cookie or a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ...errors import (
    ConfigurationError,
    ConnectionFailure,
    CredentialsError,
    HttpError,
    RequestError,
    RequestRefused,
    SessionClosed,
    SubscriptionRefused,
    TapewireError,
)
from ...secrets import redact
from ..kit.answers import AnswerFault, UnreadableAnswer, is_page
from ..kit.errors import ErrorMap

__all__ = [
    "ERRORS",
    "AccessDeniedError",
    "AnswerError",
    "ArgumentError",
    "AuthenticationError",
    "GameNotFoundError",
    "InsufficientFundsError",
    "NetworkError",
    "RateLimitError",
    "ServerError",
    "StakeAPIError",
    "ValidationError",
]

MAX_ERRORS = 20
"""GraphQL errors kept of one answer."""


class StakeAPIError(TapewireError):
    """The root of what this venue's classes raise on purpose."""

    def __init__(
        self, message: str, *, status_code: int | None = None, errors: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        Exception.__init__(
            self, message
        )  # not super(): the tapewire parents beside us want arguments of their own
        self.message = message
        self.status_code = status_code
        self.errors: list[dict[str, Any]] = [dict(error) for error in errors[:MAX_ERRORS]]


class AuthenticationError(StakeAPIError):
    """The token is missing, wrong, or was logged out. Get another one: nothing is tried again."""


class AccessDeniedError(StakeAPIError):
    """The site refused this client. Give it the headers and cookies of your own browser session."""


class RateLimitError(StakeAPIError):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after: float = retry_after or 0.0

    @property
    def retryable(self) -> bool:
        return True


class ValidationError(StakeAPIError):
    """The venue did not take the request as it is."""


class ArgumentError(ValidationError, ConfigurationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        ConfigurationError.__init__(self, argument, value, allowed)
        self.message: str = str(self)
        self.status_code: None = None
        self.errors: list[dict[str, Any]] = []


class GameNotFoundError(StakeAPIError):
    """There is no such game."""


class InsufficientFundsError(StakeAPIError):
    """The account has too little for that."""


class NetworkError(StakeAPIError):
    """No answer came. Where `sent` is false the request never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """

    def __init__(self, message: str, *, sent: bool = True, final: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.final = final

    @property
    def retryable(self) -> bool:
        return not self.final


class ServerError(StakeAPIError):
    """The venue failed."""

    @property
    def retryable(self) -> bool:
        return True


class AnswerError(ServerError, UnreadableAnswer):
    """The venue answered, and not with what the query answers: `fault` says where. `graphql()` asks as you like.

    `outcome_unknown` is true of a document that may have changed something: it was carried out or it was not.
    """

    def __init__(self, fault: AnswerFault, *, outcome_unknown: bool = False, **facts: Any) -> None:
        super().__init__(redact(str(fault)), **facts)
        self.fault = fault
        self.outcome_unknown = outcome_unknown

    @property
    def retryable(self) -> bool:
        return not self.outcome_unknown


_BY_STATUS: Mapping[int, type[StakeAPIError]] = {401: AuthenticationError, 403: AccessDeniedError}

_BROWSER_SESSION = (
    "the site did not let this client in: it may want the headers and cookies of your own browser session"
    " (headers=, cookies=), or another token"
)
_PAGE = "it answered with a web page, not with JSON"

_REFUSING_CODES = frozenset({4401, 4403})
"""Close codes of `graphql-transport-ws` that refuse the token."""

# What GraphQL servers say where HTTP has a status. The first match wins; compared in lower case.
_BY_WORDS: Sequence[tuple[Sequence[str], type[StakeAPIError]]] = (
    (("too many", "rate limit", "rate_limit"), RateLimitError),
    (
        ("unauthenticated", "unauthorized", "not logged in", "invalid session", "invalid token"),
        AuthenticationError,
    ),
    (("insufficient",), InsufficientFundsError),
    (("game not found", "game_not_found"), GameNotFoundError),
    (("internal server error", "internal_server_error"), ServerError),
)


def of_http_error(error: HttpError) -> StakeAPIError:
    """The error of a call that failed."""
    errors = _errors_in(error.body)
    told = [str(error), *(str(entry.get("message", ""))[:300] for entry in errors)]
    told += [_PAGE] * is_page(error.body) + [_BROWSER_SESSION] * (error.status == 403)
    text = redact("; ".join(told))
    if error.status is None:
        return NetworkError(text, sent=error.sent, final=error.final)
    if error.status == 429:
        return RateLimitError(text, retry_after=error.retry_after, status_code=429, errors=errors)
    if error.status >= 500 or error.status < 400:
        return ServerError(text, status_code=error.status, errors=errors)
    return _BY_STATUS.get(error.status, ValidationError)(text, status_code=error.status, errors=errors)


def of_graphql_errors(errors: Any, status: int) -> StakeAPIError:
    """The error of an answer whose `errors` is not empty."""
    listed = _as_list(errors)
    told = "; ".join(str(entry.get("message", "no reason given"))[:300] for entry in listed[:5])
    codes = [entry["extensions"].get("code") for entry in listed if isinstance(entry.get("extensions"), dict)]
    words = f"{told} {codes}".lower()
    kind = next((kind for marks, kind in _BY_WORDS if any(mark in words for mark in marks)), ValidationError)
    return kind(redact(f"GraphQL errors: {told}"), status_code=status, errors=listed)


def _facts(error: TapewireError, status: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"status_code": status, "errors": [], "final": not error.retryable}
    facts["sent"] = bool(getattr(error, "sent", False))
    if status == 429:
        facts["retry_after"] = getattr(error, "retry_after", None) or 0.0
    return facts


ERRORS = ErrorMap(
    root=StakeAPIError,
    refuse=ArgumentError,
    by_status={**_BY_STATUS, 429: RateLimitError, 500: ServerError},
    by_close_code=dict.fromkeys(_REFUSING_CODES, AuthenticationError),
    by_class={
        CredentialsError: AuthenticationError,
        SubscriptionRefused: ValidationError,
        RequestRefused: ValidationError,
        RequestError: NetworkError,
        SessionClosed: StakeAPIError,
        ConnectionFailure: NetworkError,
    },
    hints={403: _BROWSER_SESSION},
    facts=_facts,
)
"""What the engine's errors are as the venue's own."""


def _errors_in(body: bytes) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return _as_list(found.get("errors") or []) if isinstance(found, dict) else []


def _as_list(errors: Any) -> list[dict[str, Any]]:
    entries = errors[:MAX_ERRORS] if isinstance(errors, list) else [errors]
    return [_masked(entry if isinstance(entry, dict) else {"message": str(entry)[:300]}) for entry in entries]


def _masked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without a token that the venue repeats."""
    return {name: redact(value) if isinstance(value, str) else value for name, value in entry.items()}
