"""What can go wrong with WEEX, in one tree.

::

    WEEXError                      .message .code (the venue's own) .status .request_id
    +-- WEEXAuthenticationError    key, signature, passphrase or time stamp refused; or none given
    +-- WEEXPermissionError        the key, the address or the contract may not do this
    +-- WEEXRateLimitError         too many calls; .retry_after in seconds
    +-- WEEXRequestError           the venue did not take the request as it is
    |   +-- WEEXParameterError     a parameter is wrong
    |   |   +-- WEEXInvalidArgument   an argument of ours: named before anything is sent (a ConfigurationError)
    |   +-- WEEXNotFoundError      no such order
    +-- WEEXSystemError            the venue failed
    +-- WEEXNetworkError           no answer; .sent says whether the call may have reached the venue
    +-- WEEXParseError             an answer that cannot be read; .fault says where (an UnreadableAnswer)
    +-- OrderOutcomeUnknown        an order (or a cancellation) was sent, its answer lost or unreadable: look it up

All are TapewireErrors. No text holds a key, a signature or a query. The codes are in NOTES.md.
"""

from __future__ import annotations

from ...errors import (
    ConnectionFailure,
    CredentialsError,
    RequestError,
    SessionClosed,
    SubscriptionRefused,
)
from ..kit.errors import (
    AnswerFault,
    ErrorMap,
    Invalid,
    RateLimited,
    Unfinished,
    UnreadableAnswer,
    VenueError,
)

__all__ = [
    "BAN_SECONDS",
    "ERRORS",
    "EXPIRED_TIMESTAMP",
    "OrderOutcomeUnknown",
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
]

BAN_SECONDS = 10.0
"""How long 429 shuts an address out; the venue sends no Retry-After."""

EXPIRED_TIMESTAMP = "-1046"


class WEEXError(VenueError):
    """The root of everything that this package raises on purpose."""

    code: str = ""
    status: int | None = None
    request_id: str | None = None


class WEEXAuthenticationError(WEEXError):
    """Key, signature, passphrase or time stamp were refused, or are missing. Correct them."""


class WEEXPermissionError(WEEXError):
    """The key, this address or the contract may not do this."""


class WEEXRateLimitError(RateLimited, WEEXError):
    """Too many calls. Wait `retry_after` seconds."""

    retry_after: float = BAN_SECONDS


class WEEXRequestError(WEEXError):
    """The venue did not take the request as it is; `code` is its number for why."""


class WEEXParameterError(WEEXRequestError):
    """A parameter is wrong."""


class WEEXInvalidArgument(Invalid, WEEXParameterError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""


class WEEXNotFoundError(WEEXRequestError):
    """The venue knows no such order."""


class WEEXSystemError(Unfinished, WEEXError):
    """The venue failed. The same call may succeed later."""


class WEEXNetworkError(Unfinished, WEEXError):
    """No answer came. `sent` is False only where the request provably never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """


class WEEXParseError(UnreadableAnswer, WEEXError):
    """The venue answered, and not with what the operation answers. `fault` says where and what came instead."""


class OrderOutcomeUnknown(WEEXError):
    """The answer to an order, or to a cancellation, was lost or cannot be read: it may stand at the venue.

    It is never sent again by us. `fault` says what was wrong with an answer that came, and is None where none did.

    Look it up before you do anything else: `await client.get_order(client_order_id=error.client_order_id)` (or with
    `order_id=`); WEEXNotFoundError there, a few seconds later, says that the venue never had it. Of a cancellation of
    all orders, which has no id, `get_open_orders()` says what is left.
    """

    sent = True
    outcome_unknown = True

    def __init__(
        self,
        what: str,
        *,
        client_order_id: str | None,
        order_id: str | None,
        cause: str,
        fault: AnswerFault | None = None,
    ) -> None:
        if client_order_id is not None:
            advice = f"look it up with get_order(client_order_id={client_order_id!r})"
        elif order_id is not None:
            advice = f"look it up with get_order(order_id={order_id!r})"
        else:
            advice = "see what is left with get_open_orders()"
        super().__init__(f"{what}: outcome unknown ({cause}); {advice}")
        self.fault = fault
        self.client_order_id = client_order_id
        self.order_id = order_id


ERRORS = ErrorMap(
    root=WEEXError,
    refuse=WEEXInvalidArgument,
    unanswered=WEEXNetworkError,
    rejected=WEEXRequestError,
    unreadable=WEEXParseError,
    by_status={
        401: WEEXAuthenticationError,
        403: WEEXPermissionError,
        429: WEEXRateLimitError,
        500: WEEXSystemError,
    },
    by_code=(
        ({429}, WEEXRateLimitError),
        ({-1054, *range(50003, 50008)}, WEEXSystemError),
        ({-2200, -3200}, WEEXNotFoundError),
        (range(-1049, -1039), WEEXAuthenticationError),
        (range(40001, 40013), WEEXAuthenticationError),
        (range(-1058, -1049), WEEXPermissionError),
        (range(-1189, -1099), WEEXParameterError),
        (range(40013, 40023), WEEXParameterError),
    ),
    by_class={
        CredentialsError: WEEXAuthenticationError,
        SubscriptionRefused: WEEXRequestError,
        RequestError: WEEXNetworkError,
        SessionClosed: WEEXError,
        ConnectionFailure: WEEXNetworkError,
    },
)
"""What failures of HTTP, the venue's codes and the engine's errors are as the venue's own."""
