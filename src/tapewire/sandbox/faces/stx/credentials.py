"""Who may enter the played STX: accounts, their passwords and second factors, and the JWTs given to them.

Any e-mail address and any password are an account, the address alone says whose; but the password `wrong` is always
refused, and an account made by `add_user` has the password that it was given there. Addresses beginning with `admin@`
may watch other users' topics. Access tokens live an hour (stx.md 1.2), refresh tokens a day.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from typing import Any

import msgspec

from ....errors import ConfigurationError, TapewireError
from ...core.tokens import TokenMint

__all__ = ["REFRESH_LIFETIME", "TOKEN_LIFETIME", "ApiProblem", "StxAccounts", "StxUser"]

TOKEN_LIFETIME = 3600.0
"""Seconds an access token is good for."""

REFRESH_LIFETIME = 24 * 3600.0
"""Seconds a refresh token is good for."""

MAX_USERS = 1000
"""Accounts of one sandbox."""

MAX_SESSIONS = 1000
"""Logins that may wait for their second factor."""

_NAMES = uuid.UUID("5f0c7a52-3a0e-4b1c-9a56-6d1f3c1f9a10")


class ApiProblem(TapewireError):
    """What the API answers with: a text, a code for programs and an HTTP status."""

    def __init__(self, text: str, code: str, status: int) -> None:
        self.text = text
        self.code = code
        self.status = status
        super().__init__(f"{code}: {text}")


class StxUser(msgspec.Struct, kw_only=True):
    """One account holder. `uid` scopes the topics and names the exchange's account; `user_id` is another id.

    `password` None: any but `wrong` is right.
    """

    uid: str
    user_id: str
    email: str
    password: str | None
    two_factor: str | None = None
    admin: bool = False
    generation: int = 0

    def __repr__(self) -> str:
        return f"<StxUser {self.uid}>"


class StxAccounts:
    """Logins and tokens. `now` is an argument everywhere, in seconds since the epoch."""

    def __init__(
        self, token_lifetime: float = TOKEN_LIFETIME, refresh_lifetime: float = REFRESH_LIFETIME
    ) -> None:
        for name, value in (("token_lifetime", token_lifetime), ("refresh_lifetime", refresh_lifetime)):
            if value <= 0:
                raise ConfigurationError(name, value, "more than 0 seconds")
        self._token_lifetime = token_lifetime
        self._refresh_lifetime = refresh_lifetime
        self._mint = TokenMint()
        self._by_email: dict[str, StxUser] = {}
        self._by_uid: dict[str, StxUser] = {}
        self._sessions: dict[str, str] = {}

    def add_user(
        self, email: str, password: str | None, *, two_factor: str | None = None, admin: bool | None = None
    ) -> StxUser:
        """Make an account, or change one. `password` None takes any; with `two_factor` a login asks for that code."""
        key = email.strip().lower()
        user = self._by_email.get(key)
        if user is None:
            if len(self._by_email) >= MAX_USERS:
                raise ApiProblem("no more accounts can be made", "FORBIDDEN", 403)
            uid = str(uuid.uuid5(_NAMES, key))
            user_id = str(uuid.uuid5(_NAMES, f"id of {key}"))
            user = StxUser(uid=uid, user_id=user_id, email=key, password=password)
            self._by_email[key] = self._by_uid[uid] = user
        user.password, user.two_factor = password, two_factor
        user.admin = key.startswith("admin@") if admin is None else admin
        return user

    def find(self, uid: str) -> StxUser | None:
        """The account of that uid."""
        return self._by_uid.get(uid)

    def login(self, email: str, password: str, now: float) -> tuple[StxUser, dict[str, Any]]:
        """The user and what a LoginResult says. Raises ApiProblem for a wrong password."""
        user = self._by_email.get(email.strip().lower())
        if user is None and email.strip() and _any_is_right(password):
            user = self.add_user(email, None)
        if user is None or not _is_right(user.password, password):
            raise ApiProblem("invalid email or password", "AUTHENTICATION_FAILED", 401)
        session = secrets.token_hex(8)
        if user.two_factor is None:
            return user, self._signed_in(user, session, now)
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[session] = user.uid
        return user, {
            **_who(user, session),
            "token": None,
            "refresh_token": None,
            "prompt_two_factor_auth": True,
        }

    def confirm(self, code: str, session: str, email: str, now: float) -> tuple[StxUser, dict[str, Any]]:
        """The second step of a login that asked for a code. A wrong code may be corrected."""
        user = self._by_email.get(email.strip().lower())
        if user is None or self._sessions.get(session) != user.uid:
            raise ApiProblem("no login waits for a code", "AUTHENTICATION_FAILED", 401)
        if not hmac.compare_digest((user.two_factor or "").encode(), code.encode()):
            raise ApiProblem("invalid code", "AUTHENTICATION_FAILED", 401)
        del self._sessions[session]
        return user, self._signed_in(user, session, now)

    def renew(self, refresh_token: str, now: float) -> tuple[StxUser, dict[str, Any]]:
        """A new pair of tokens for a refresh token."""
        user = self._user_in(refresh_token, "refresh", now)
        return user, self._signed_in(user, secrets.token_hex(8), now)

    def user_of(self, token: str | None, now: float) -> StxUser:
        """Whose access token it is. Raises ApiProblem: missing, invalid or expired."""
        if not token:
            raise ApiProblem("unauthenticated: a token is required", "UNAUTHENTICATED", 401)
        return self._user_in(token, "access", now)

    def expire_all(self) -> int:
        """Every access token given so far is expired; returns how many accounts there are."""
        for user in self._by_uid.values():
            user.generation += 1
        return len(self._by_uid)

    def _signed_in(self, user: StxUser, session: str, now: float) -> dict[str, Any]:
        return {
            **_who(user, session),
            "token": self._sign(user, "access", now, self._token_lifetime),
            "refresh_token": self._sign(user, "refresh", now, self._refresh_lifetime),
            "prompt_two_factor_auth": False,
        }

    def _sign(self, user: StxUser, kind: str, now: float, lifetime: float) -> str:
        return self._mint.sign(
            {"sub": user.uid, "typ": kind, "iat": int(now), "exp": now + lifetime, "gen": user.generation}
        )

    def _user_in(self, token: str, kind: str, now: float) -> StxUser:
        claims = self._mint.read(token)
        user = self._by_uid.get(claims["sub"]) if claims else None
        if claims is None or user is None or claims["typ"] != kind:
            raise ApiProblem("unauthenticated: invalid token", "UNAUTHENTICATED", 401)
        if now >= claims["exp"] or (kind == "access" and claims["gen"] < user.generation):
            raise ApiProblem("token expired", "TOKEN_EXPIRED", 401)
        return user


def _any_is_right(password: str) -> bool:
    return bool(password) and password != "wrong"


def _is_right(wanted: str | None, given: str) -> bool:
    if wanted is None:
        return _any_is_right(given)
    return hmac.compare_digest(wanted.encode(), given.encode())


def _who(user: StxUser, session: str) -> dict[str, Any]:
    return {"user_id": user.user_id, "user_uid": user.uid, "session_id": session}
