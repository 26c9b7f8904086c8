"""The course of a call that needs a token: use it, renew it near its end, sign in again once where that is refused.

Courses are generators: they yield what has to be done (`Send`, `Wait`) and are given what came of it. `STX` does it
blocking, `AsyncSTX` awaiting; what follows from what is decided here alone. Pure but for the user they act on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import msgspec

from ...secrets import Secret
from . import operations
from .errors import (
    STXAuthenticationFailedException,
    STXAuthException,
    STXForbiddenException,
    STXInvalidParameterException,
    STXNotFoundException,
    STXTokenExpiredException,
    STXTwoFactorRequiredException,
    STXValidationException,
)
from .operations import Operation
from .user import Flight, User

__all__ = [
    "Course",
    "Door",
    "Send",
    "Wait",
    "authenticated",
    "confirmed",
    "refused_token",
    "signed_in",
    "signed_in_anew",
]

T = TypeVar("T")

_REFUSALS = (STXAuthException, STXValidationException, STXForbiddenException, STXNotFoundException)


class Send(msgspec.Struct, frozen=True):
    """Send the operation, with the token where there is one, and hand back what it reads."""

    operation: Operation[Any]
    token: Secret | None = None


class Wait(msgspec.Struct, frozen=True):
    """Somebody else is signing in: wait until that flight has landed."""

    flight: Flight


Course: TypeAlias = Generator[Send | Wait, Any, T]


class Door(msgspec.Struct, frozen=True):
    """Whom to sign in, where, and by which clock. `blocking`: waiting stops the thread."""

    user: User
    origin: str
    now: Callable[[], datetime]
    blocking: bool
    device_id: str | None = None


def authenticated(door: Door, operation: Operation[T]) -> Course[T]:
    """Send with a token; where the venue does not take it, once more with a fresh one. It refused: so that is safe."""
    token = yield from signed_in(door)
    answer: T
    try:
        answer = yield Send(operation, token)
    except STXTokenExpiredException as refusal:
        try:
            token = yield from signed_in(door, stale=token)
        except STXAuthenticationFailedException as error:
            raise refused_token(refusal, refusal.status_code, error) from None
        answer = yield Send(operation, token)
    return answer


def refused_token(
    refusal: object, status: int | None, error: STXAuthenticationFailedException
) -> STXAuthenticationFailedException:
    """The venue refused the token for `refusal`, and another could not be had for `error`: both are said."""
    if error.status_code is not None:
        return error  # the venue's word on the sign-in itself
    return STXAuthenticationFailedException(f"{refusal}; {error.message}", status_code=status)


def signed_in(door: Door, stale: Secret | None = None) -> Course[Secret]:
    """A token that is not `stale`, by way of the one flight at a time.

    Where the venue gives that one again, or one that has ended already, it is returned all the same: asking on at once
    would bring nothing else, and never end.
    """
    while True:
        place = door.user.board(door.origin, door.now(), stale, blocking=door.blocking)
        if isinstance(place, Secret):
            return place
        flight, ours = place
        if not ours:
            yield Wait(flight)
            continue
        try:
            yield from _renewed(door)
            given = door.user.bearer
        except Exception as error:
            door.user.land(flight, error)
            raise
        finally:
            door.user.land(flight)  # a cancelled flight lets the next one fly
        if given is not None:
            return given


def signed_in_anew(door: Door) -> Course[Secret]:
    """Forget the token and sign in with the credentials."""
    door.user.sign_out()
    return (yield from signed_in(door))


def confirmed(door: Door, code: str) -> Course[None]:
    """The second step of a sign-in, with the code that the venue sent."""
    user = door.user
    if not user.session_id or not user.email:
        raise STXAuthenticationFailedException("no sign-in waits for a code; call login() first")
    text = str(code).strip()
    if not text:
        raise STXInvalidParameterException("code", code, "the code that the venue sent")
    answer = yield Send(operations.confirm_2fa(text, user.session_id, user.email))
    user.take_answer(answer, door.origin, door.now())


def _renewed(door: Door) -> Course[None]:
    user = door.user
    _refuse_while_a_code_is_awaited(user)
    if refresh := user.renewal:
        try:
            answer = yield Send(operations.new_token(refresh))
            user.take_answer(answer, door.origin, door.now())
        except _REFUSALS:
            user.forget_token()
        else:
            return
    credentials = user.credentials(door.origin)
    if credentials is None:
        how = "give email= and password=, or set STX_EMAIL and STX_PASSWORD, or a profile"
        text = f"not signed in at {door.origin}: {how}"
        raise STXAuthenticationFailedException(text)
    answer = yield Send(operations.login(*credentials, door.device_id))
    user.take_answer(answer, door.origin, door.now())
    _refuse_while_a_code_is_awaited(user)


def _refuse_while_a_code_is_awaited(user: User) -> None:
    # Signing in again would only make the venue send another code.
    if user.session_id:
        raise STXTwoFactorRequiredException("the venue sent a code: call confirm_2fa(code=...) with it")
