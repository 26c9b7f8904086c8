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

from typing import Any

from ...errors import (
    ConnectionFailure,
    CredentialsError,
    RequestError,
    RequestRefused,
    SessionClosed,
    SubscriptionRefused,
)
from ..kit.errors import ErrorMap, Invalid, RateLimited, Unfinished, UnreadableAnswer, VenueError

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


class StakeAPIError(VenueError):
    """The root of what this venue's classes raise on purpose."""

    status_code: int | None = None
    errors: list[dict[str, Any]] = []  # noqa: RUF012 - copied into each error


class AuthenticationError(StakeAPIError):
    """The token is missing, wrong, or was logged out. Get another one: nothing is tried again."""


class AccessDeniedError(StakeAPIError):
    """The site refused this client. Give it the headers and cookies of your own browser session."""


class RateLimitError(RateLimited, StakeAPIError):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""


class ValidationError(StakeAPIError):
    """The venue did not take the request as it is."""


class ArgumentError(Invalid, ValidationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""


class GameNotFoundError(StakeAPIError):
    """There is no such game."""


class InsufficientFundsError(StakeAPIError):
    """The account has too little for that."""


class NetworkError(Unfinished, StakeAPIError):
    """No answer came. Where `sent` is false the request never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """


class ServerError(Unfinished, StakeAPIError):
    """The venue failed."""


class AnswerError(UnreadableAnswer, ServerError):
    """The venue answered, and not with what the query answers: `fault` says where. `graphql()` asks as you like.

    `outcome_unknown` is true of a document that may have changed something: it was carried out or it was not.
    """


_BROWSER_SESSION = (
    "the site did not let this client in: it may want the headers and cookies of your own browser session"
    " (headers=, cookies=), or another token"
)

_REFUSING_CODES = frozenset({4401, 4403})
"""Close codes of `graphql-transport-ws` that refuse the token."""

ERRORS = ErrorMap(
    root=StakeAPIError,
    refuse=ArgumentError,
    unanswered=NetworkError,
    rejected=ValidationError,
    unreadable=AnswerError,
    by_status={401: AuthenticationError, 403: AccessDeniedError, 429: RateLimitError, 500: ServerError},
    by_close_code=dict.fromkeys(_REFUSING_CODES, AuthenticationError),
    by_words=(
        (("too many", "rate limit", "rate_limit"), RateLimitError),
        (
            ("unauthenticated", "unauthorized", "not logged in", "invalid session", "invalid token"),
            AuthenticationError,
        ),
        (("insufficient",), InsufficientFundsError),
        (("game not found", "game_not_found"), GameNotFoundError),
        (("internal server error", "internal_server_error"), ServerError),
    ),
    by_class={
        CredentialsError: AuthenticationError,
        SubscriptionRefused: ValidationError,
        RequestRefused: ValidationError,
        RequestError: NetworkError,
        SessionClosed: StakeAPIError,
        ConnectionFailure: NetworkError,
    },
    hints={403: _BROWSER_SESSION},
)
"""What failures of HTTP and GraphQL and the engine's errors are as the venue's own."""
