"""A venue that there is not, by its errors alone."""

from __future__ import annotations

from tapewire.venues.kit.errors import ErrorMap, Invalid, Unfinished, UnreadableAnswer, VenueError

URL = "http://127.0.0.1:9"


class AcmeError(VenueError):
    """The venue's."""

    status_code: int | None = None
    request_id: str | None = None


class AcmeUnanswered(AcmeError, Unfinished): ...


class AcmeUnreadable(AcmeError, UnreadableAnswer): ...


class AcmeSignIn(AcmeError): ...


class AcmeArgument(AcmeError, Invalid): ...


ERRORS = ErrorMap(
    root=AcmeError,
    refuse=AcmeArgument,
    unanswered=AcmeUnanswered,
    rejected=AcmeError,
    unreadable=AcmeUnreadable,
    sign_in=AcmeSignIn,
    by_status={500: AcmeUnanswered},
)
