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

from collections.abc import Iterable
from typing import Any

import msgspec

from ...errors import (
    ConfigurationError,
    ConnectionFailure,
    CredentialsError,
    HttpError,
    RequestError,
    SessionClosed,
    SubscriptionRefused,
    TapewireError,
)
from ...secrets import redact
from ..kit.answers import AnswerFault, UnreadableAnswer
from ..kit.errors import ErrorMap

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
    "of_code",
    "of_http_error",
]

BAN_SECONDS = 10.0
"""How long 429 shuts an address out; the venue sends no Retry-After."""

EXPIRED_TIMESTAMP = "-1046"


class WEEXError(TapewireError):
    """The root of everything that this package raises on purpose."""

    def __init__(
        self, message: str, *, code: str = "", status: int | None = None, request_id: str | None = None
    ) -> None:
        # Not super(): the tapewire parents beside us want arguments of their own.
        Exception.__init__(self, message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id


class WEEXAuthenticationError(WEEXError):
    """Key, signature, passphrase or time stamp were refused, or are missing. Correct them."""


class WEEXPermissionError(WEEXError):
    """The key, this address or the contract may not do this."""


class WEEXRateLimitError(WEEXError):
    """Too many calls. Wait `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after: float = BAN_SECONDS if retry_after is None else retry_after

    @property
    def retryable(self) -> bool:
        return True


class WEEXRequestError(WEEXError):
    """The venue did not take the request as it is; `code` is its number for why."""


class WEEXParameterError(WEEXRequestError):
    """A parameter is wrong."""


class WEEXInvalidArgument(WEEXParameterError, ConfigurationError):
    """An argument is wrong; nothing was sent. The text names it and what is allowed."""

    def __init__(self, argument: str, value: object, allowed: Iterable[object] | str) -> None:
        ConfigurationError.__init__(self, argument, value, allowed)
        self.message: str = str(self)
        self.code = ""
        self.status: None = None
        self.request_id: None = None


class WEEXNotFoundError(WEEXRequestError):
    """The venue knows no such order."""


class WEEXSystemError(WEEXError):
    """The venue failed. The same call may succeed later."""

    @property
    def retryable(self) -> bool:
        return True


class WEEXNetworkError(WEEXError):
    """No answer came. `sent` is False only where the request provably never left.

    `final`: for a reason that time does not heal, such as a certificate that is not trusted.
    """

    def __init__(self, message: str, *, sent: bool = True, final: bool = False, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.sent = sent
        self.final = final

    @property
    def retryable(self) -> bool:
        return not self.final


class WEEXParseError(WEEXError, UnreadableAnswer):
    """The venue answered, and not with what the operation answers. `fault` says where and what came instead."""

    def __init__(self, fault: AnswerFault, **facts: Any) -> None:
        super().__init__(redact(str(fault)), **facts)
        self.fault = fault


class OrderOutcomeUnknown(WEEXError):
    """The answer to an order, or to a cancellation, was lost or cannot be read: it may stand at the venue.

    It is never sent again by us. `fault` says what was wrong with an answer that came, and is None where none did.

    Look it up before you do anything else: `await client.get_order(client_order_id=error.client_order_id)` (or with
    `order_id=`); WEEXNotFoundError there, a few seconds later, says that the venue never had it.
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
        self.fault = fault
        self.client_order_id = client_order_id
        self.order_id = order_id
        known = (
            f"order_id={order_id!r}" if client_order_id is None else f"client_order_id={client_order_id!r}"
        )
        super().__init__(f"{what}: outcome unknown ({cause}); look it up with get_order({known})")


def _facts(error: TapewireError, status: int | None) -> dict[str, Any]:
    code = getattr(error, "code", None)
    facts: dict[str, Any] = {"status": status, "request_id": None, "code": "" if code is None else code}
    facts |= {"sent": bool(getattr(error, "sent", False)), "final": not error.retryable}
    if status == 429:
        told = getattr(error, "retry_after", None)
        facts["retry_after"] = BAN_SECONDS if told is None else told
    return facts


ERRORS = ErrorMap(
    root=WEEXError,
    refuse=WEEXInvalidArgument,
    by_status={
        401: WEEXAuthenticationError,
        403: WEEXPermissionError,
        429: WEEXRateLimitError,
        500: WEEXSystemError,
    },
    by_class={
        CredentialsError: WEEXAuthenticationError,
        SubscriptionRefused: WEEXRequestError,
        RequestError: WEEXNetworkError,
        SessionClosed: WEEXError,
        ConnectionFailure: WEEXNetworkError,
    },
    facts=_facts,
)
"""What the engine's errors are as the venue's own."""

_SYSTEM = frozenset({"-1054", "50003", "50004", "50005", "50006", "50007"})
_NOT_FOUND = frozenset({"-2200", "-3200"})
_V2_AUTHENTICATION = range(40001, 40013)
_V2_PARAMETERS = range(40013, 40023)


def of_code(
    code: str,
    text: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> WEEXError:
    """The exception that the venue's own code and an HTTP status amount to."""
    message = redact(f"{text} (code {code})" if code else text)[:500]
    facts: dict[str, Any] = {"code": code, "status": status, "request_id": request_id}
    number = int(code) if code.lstrip("-").isdigit() and len(code) < 10 else 0
    if status == 429 or number == 429:
        return WEEXRateLimitError(message, retry_after=retry_after, **facts)
    if code in _SYSTEM:
        return WEEXSystemError(message, **facts)
    if code in _NOT_FOUND:
        return WEEXNotFoundError(message, **facts)
    if -1050 < number <= -1040 or number in _V2_AUTHENTICATION or (not code and status == 401):
        return WEEXAuthenticationError(message, **facts)
    if -1059 < number <= -1050 or (not code and status == 403):
        return WEEXPermissionError(message, **facts)
    if -1190 < number <= -1100 or number in _V2_PARAMETERS:
        return WEEXParameterError(message, **facts)
    if status is not None and status >= 500:
        return WEEXSystemError(message, **facts)
    return WEEXRequestError(message, **facts)


class _Told(msgspec.Struct):
    code: str | int = ""
    msg: str = ""


_read_told = msgspec.json.Decoder(_Told, strict=False).decode


def of_http_error(error: HttpError) -> WEEXError:
    """The exception for a call that failed."""
    if error.status is None:
        return WEEXNetworkError(
            redact(str(error)), sent=error.sent, final=error.final, request_id=error.request_id
        )
    try:
        told = _read_told(error.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = _Told()
    text = f"{error.method} {error.url}: {told.msg or error.detail}"
    return of_code(
        str(told.code), text, status=error.status, retry_after=error.retry_after, request_id=error.request_id
    )
