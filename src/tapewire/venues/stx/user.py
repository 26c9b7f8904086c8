"""Who is signed in. One `User` is shared by the whole process, unless a client is given one of its own.

`STX(email=..., password=...)` alone leaves its credentials here; whoever needs a token first signs in with them.
Threads and event loops may share a user: one sign-in is under way at a time (a *flight*), all others wait for it. A
token goes only to the origin that gave it. Nothing here is shown: token, refresh token and password are masked.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from ...secrets import Secret
from .errors import STXAuthenticationFailedException, STXInvalidParameterException

__all__ = ["Flight", "User"]

TOKEN_LIFETIME = timedelta(minutes=60)  # stx.md 1.2: 60 minutes, renewed at 59
_MARGIN = timedelta(minutes=1)

_FIELDS = ("id", "uid", "session_id", "token", "refresh_token", "expiry", "email")


class Flight:
    """One sign-in under way. Whoever started it calls `land` or `crash`; all others wait for `landed`."""

    def __init__(self) -> None:
        self.thread: int = threading.get_ident()
        self.process: int = os.getpid()
        self.landed: Future[None] = Future()
        self.landed.set_running_or_notify_cancel()  # from here on no waiter can cancel it for the others


class User:
    """The signed-in user: `id`, `uid`, `session_id`, `token`, `refresh_token`, `expiry` and `email`.

    `User()` is always the process's one. `User.new()` makes another, for a second account in one process: give it to
    `STX(user=...)` and `STXWebSocket(user=...)`.
    """

    _shared: ClassVar[User | None] = None
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    id: str | None
    uid: str | None
    session_id: str | None
    expiry: datetime | None
    email: str | None

    def __new__(cls) -> User:  # noqa: PYI034 - the shared one, whoever asks
        with cls._shared_lock:
            if User._shared is None:
                User._shared = cls.new()
            return User._shared

    @classmethod
    def new(cls) -> User:
        """A user apart from the process's own."""
        user = object.__new__(cls)
        user._lock = threading.RLock()
        user._flight = None
        user._password = None
        user._origin = None
        user._forget()
        user.email = None
        return user

    _lock: threading.RLock
    _flight: Flight | None
    _password: Secret | None
    _origin: str | None
    _token: Secret | None
    _refresh_token: Secret | None

    @property
    def token(self) -> str | None:
        """The token in plain text, as documented. Prefer the clients, which send it for you."""
        return self._token.reveal() if self._token else None

    @property
    def refresh_token(self) -> str | None:
        """The refresh token in plain text, as documented."""
        return self._refresh_token.reveal() if self._refresh_token else None

    @property
    def is_known(self) -> bool:
        """True if there is a token, or an email and a password to sign in with."""
        return bool(self._token or (self.email and self._password))

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Set several fields at once. A token set so is taken as valid for an hour, unless `expiry` says otherwise."""
        for name in params:
            if name not in _FIELDS:
                raise STXInvalidParameterException("params", name, _FIELDS)
        expiry = params.get("expiry")
        if expiry is not None and not isinstance(expiry, datetime):
            raise STXInvalidParameterException("expiry", expiry, "a datetime")
        with self._lock:
            for name, value in params.items():
                if name in ("token", "refresh_token"):
                    setattr(self, f"_{name}", Secret(value) if value else None)
                elif name == "expiry" and expiry is not None:
                    self.expiry = expiry.astimezone(UTC)
                else:
                    setattr(self, name, value)
            if params.get("token"):
                self._origin = None  # set by hand: the caller knows where it is from
                if expiry is None:
                    self.expiry = datetime.now(UTC) + TOKEN_LIFETIME - _MARGIN

    def clear(self) -> None:
        """Forget everything, the credentials too."""
        with self._lock:
            self._forget()
            self.email = None
            self._password = None
            self._origin = None

    def _forget(self) -> None:
        self.id = self.uid = self.session_id = self.expiry = None
        self._token = self._refresh_token = None

    # What the clients call: the rest of this class is not for applications.

    def seed(self, email: str, password: Secret, origin: str) -> None:
        """Keep credentials for a later sign-in at `origin`. Another account's or origin's token is forgotten."""
        with self._lock:
            if (email, origin) != (self.email, self._origin):
                self._forget()
            self.email, self._password, self._origin = email, password, origin

    def credentials(self, origin: str) -> tuple[str, Secret] | None:
        """Email and password, if there are any for `origin`."""
        with self._lock:
            if self.email and self._password and self._origin in (None, origin):
                return self.email, self._password
            return None

    @property
    def bearer(self) -> Secret | None:
        """The token, if there is one, still masked."""
        return self._token

    @property
    def renewal(self) -> Secret | None:
        """The refresh token, if there is one, still masked."""
        return self._refresh_token

    def board(
        self, origin: str, now: datetime, stale: Secret | None, *, blocking: bool
    ) -> Secret | tuple[Flight, bool]:
        """A token that is good at `now` and is not `stale`; or a flight, and whether it is the caller's to make.

        A blocking caller never waits for a flight of its own thread, which could not land meanwhile: it makes another.
        """
        with self._lock:
            if self._token and self._origin not in (None, origin):
                text = f"the user is signed in at {self._origin}, not at {origin}; give this client user=User.new()"
                raise STXAuthenticationFailedException(text)
            if self._token and self._token != stale and (self.expiry is None or now < self.expiry):
                return self._token
            flight = self._flight
            if flight is not None and flight.process != os.getpid():
                flight = self._flight = None  # the parent's: it lands there and never here
            if flight is not None and not (blocking and flight.thread == threading.get_ident()):
                return flight, False
            flight = Flight()
            self._flight = self._flight or flight
            return flight, True

    def land(self, flight: Flight, error: BaseException | None = None) -> None:
        """The caller's flight is over: let the others on, or tell them the `error` it ended with. Idempotent."""
        with self._lock:
            if self._flight is flight:
                self._flight = None
            if not flight.landed.done():
                if error is None:
                    flight.landed.set_result(None)
                else:
                    flight.landed.set_exception(error)

    def take_answer(self, answer: Mapping[str, Any], origin: str, now: datetime) -> None:
        """Keep what `login`, `confirm2Fa` or `newToken` answered (wire names)."""
        token, refresh = answer.get("token"), answer.get("refreshToken")
        with self._lock:
            self.id = answer.get("userId") or self.id
            self.uid = answer.get("userUid") or self.uid
            self._origin = origin
            if answer.get("promptTwoFactorAuth") and not token:
                self.session_id = answer.get("sessionId")
                return
            if not isinstance(token, str) or not token:
                raise STXAuthenticationFailedException("the venue took the sign-in but gave no token")
            self.session_id = None
            self._token = Secret(token)
            self._refresh_token = (
                Secret(refresh) if isinstance(refresh, str) and refresh else self._refresh_token
            )
            lifetime = lifetime_of(token)
            self.expiry = now + lifetime - min(_MARGIN, lifetime / 6)

    def forget_token(self) -> None:
        """The venue would not renew it: the next token comes of a new sign-in."""
        with self._lock:
            self._token = self._refresh_token = self.expiry = None

    def sign_out(self) -> None:
        """Forget the token and any half-finished sign-in, keep the credentials."""
        with self._lock:
            self._forget()

    def __repr__(self) -> str:
        state = "signed in" if self._token else "waiting for a code" if self.session_id else "not signed in"
        return f"<User {self.email or 'without email'}: {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a User is not pickled")


def lifetime_of(token: str) -> timedelta:
    """How long a token lives: `exp - iat` of a JWT, both by the venue's own clock; else the documented hour."""
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        seconds = float(claims["exp"]) - float(claims["iat"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        return TOKEN_LIFETIME
    return timedelta(seconds=seconds) if 0 < seconds < 86_400 * 365 else TOKEN_LIFETIME
