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

from ...errors import (
    ConnectionFailure,
    CredentialsError,
    CredentialsRefused,
    RequestError,
    RequestRefused,
    SessionClosed,
    SubscriptionRefused,
    TapewireError,
    UndecodableFrame,
)
from ..kit.errors import (
    ErrorMap,
    Invalid,
    RateLimited,
    Said,
    Unfinished,
    UnreadableAnswer,
    VenueError,
    said_in,
)

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
    "of_token_error",
]


class SXBetError(VenueError):
    """The root of everything that this package raises on purpose."""

    status: int | None = None
    code: str = ""
    request_id: str | None = None


class UnauthorizedError(SXBetError, CredentialsRefused):
    """The venue refused the API key, or there is none. Correct it: nothing is tried again.

    Raise it from `get_token`, with or without a word of your own, to stop all attempts (document 002, "Auth").
    """

    def __init__(self, message: str = "unauthorized", **facts: object) -> None:
        SXBetError.__init__(self, message, **facts)


class TokenUnavailable(SXBetError, CredentialsError):
    """No realtime token could be had this time. It is asked for again, with backoff; `retry_after` is a floor."""

    retry_after: float | None = None


class SXBetRequestError(SXBetError):
    """The venue did not take the request as it is; `code` is its word for why."""


class SXBetInvalidParameter(Invalid, SXBetRequestError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""


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


class SXBetRateLimitError(RateLimited, SXBetError):
    """Too many calls. Wait `retry_after` seconds (0.0 where the venue named no time)."""


class SXBetServerError(Unfinished, SXBetError):
    """The venue failed."""


class SXBetAnswerError(UnreadableAnswer, SXBetServerError):
    """The venue answered, and not with what was asked for: `fault` says where and what came instead."""


class SXBetTransportError(Unfinished, SXBetError):
    """No answer came. `sent` is False only where the request provably never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """


def _said(body: bytes) -> Said:
    """V2 says `{"status", "message"}`, V3 `{"error", "message", "statusCode"}`; words count as a code."""
    said = said_in(body)
    code = (said.code or said.text)[:200]
    return Said(code, code)


ERRORS = ErrorMap(
    root=SXBetError,
    refuse=SXBetInvalidParameter,
    unanswered=SXBetTransportError,
    rejected=SXBetRequestError,
    unreadable=SXBetAnswerError,
    by_status={
        401: UnauthorizedError,
        403: UnauthorizedError,
        408: SXBetServerError,
        425: SXBetServerError,
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
    said=_said,
)
"""What failures of HTTP and the engine's errors are as the venue's own."""


def of_token_error(error: TapewireError) -> TapewireError:
    """What a failed call means for a realtime token: 401 and 403 are final, as is what time does not heal.

    Everything else is tried again.
    """
    if (
        not isinstance(error, SXBetError)
        or isinstance(error, UnauthorizedError)
        or getattr(error, "final", False)
    ):
        return error
    return TokenUnavailable(
        f"the realtime token could not be had; {error.message}",
        retry_after=getattr(error, "retry_after", None),
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
