"""`AuthManager`, as the package named `stakeapi` has it: what a browser session consists of, kept masked.

The name is that package's own. `StakeAPI` needs none: it takes a token and cookies directly.
"""

from __future__ import annotations

import re

from ...clock import Clock, SystemClock
from ...secrets import Secret

__all__ = ["AuthManager"]

EARLY = 300.0
"""Seconds before its end from which a token counts as expired."""

_TOKEN = re.compile(r"""-H\s+\$?(["'])x-access-token:\s*([^"']+)\1""", re.IGNORECASE)
_SESSION = re.compile(r"""(?:-b|--cookie|-H\s+\$?["']cookie:)[^\n]*?\bsession=([^;"'\s]+)""", re.IGNORECASE)


class AuthManager:
    """A token and a session cookie, with the headers and cookies made of them."""

    def __init__(
        self,
        access_token: str | Secret | None = None,
        session_cookie: str | Secret | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._token = _secret(access_token)
        self._session = _secret(session_cookie)
        self._expires_at: float | None = None

    async def get_auth_headers(self) -> dict[str, str]:
        """The headers of a call, the token revealed: do not log them. Empty without a token."""
        return {"x-access-token": self._token.reveal()} if self._token else {}

    def get_cookies(self) -> dict[str, str]:
        """The cookies of a call, revealed. Empty without a session."""
        return {"session": self._session.reveal()} if self._session else {}

    def set_access_token(self, access_token: str | Secret, expires_in: float | None = None) -> None:
        """Another token; `expires_in` seconds from now, where that is known."""
        self._token = _secret(access_token)
        self._expires_at = None if expires_in is None else self._clock.monotonic() + expires_in

    def set_session_cookie(self, session_cookie: str | Secret) -> None:
        """Another session."""
        self._session = _secret(session_cookie)

    def is_token_expired(self) -> bool:
        """True without a token, and from five minutes before the end of one whose end is known."""
        if not self._token:
            return True
        return self._expires_at is not None and self._clock.monotonic() >= self._expires_at - EARLY

    def clear_tokens(self) -> None:
        """Forget both."""
        self._token = self._session = self._expires_at = None

    @staticmethod
    def extract_access_token_from_curl(command: str) -> str | None:
        """The token in a browser's "copy as cURL" text; None where there is none."""
        found = _TOKEN.search(command)
        return found[2].strip() if found else None

    @staticmethod
    def extract_session_from_curl(command: str) -> str | None:
        """The session cookie in a browser's "copy as cURL" text; None where there is none."""
        found = _SESSION.search(command)
        return found[1] if found else None

    def __repr__(self) -> str:
        return f"<AuthManager token={bool(self._token)} session={bool(self._session)}>"


def _secret(value: str | Secret | None) -> Secret | None:
    return value if isinstance(value, Secret) or value is None else Secret(value)
