"""Who may enter the played WEEX: API keys, and the signatures made with them. Pure. Rules: weex.md 3.2.

A request is signed with `timestamp + METHOD + path?query + body`, a socket with `timestamp + path`, both in the headers
`ACCESS-*`. A timestamp is good for thirty seconds, to either side. The key of `DEFAULT` is always there; others are
added. Codes of refusals: weex.md 3.6.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from ....errors import ConfigurationError
from ....secrets import Secret
from ...net.http import Request

__all__ = ["CLOCK_WINDOW", "DEFAULT", "ApiKey", "ApiKeys", "WeexProblem", "sign"]

CLOCK_WINDOW = 30.0
"""Seconds that a timestamp may differ from the venue's clock."""


class WeexProblem(Exception):
    """What the venue refuses: its code, its text, and the HTTP status."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One account's credentials."""

    account: str
    key: str
    secret: Secret
    passphrase: Secret


DEFAULT = ApiKey(
    account="trader",
    key="sandbox-weex-key",
    secret=Secret("sandbox-weex-secret"),
    passphrase=Secret("sandbox-weex-passphrase"),
)


def sign(secret: Secret, text: str) -> str:
    """The signature of a text."""
    return base64.b64encode(hmac.digest(secret.reveal().encode(), text.encode(), hashlib.sha256)).decode()


class ApiKeys:
    """The keys of one face."""

    def __init__(self) -> None:
        self._keys = {DEFAULT.key: DEFAULT}

    def add(self, account: str) -> ApiKey:
        """Make credentials for an account of that name. Raises ConfigurationError for an empty one."""
        if not account:
            raise ConfigurationError("account", account, "a name")
        made = ApiKey(
            account=account,
            key=f"key-of-{account}",
            secret=Secret(f"secret-of-{account}"),
            passphrase=Secret(f"passphrase-of-{account}"),
        )
        self._keys[made.key] = made
        return made

    def check_request(self, request: Request, now: float) -> str:
        """The account that signed the request. Raises WeexProblem."""
        body = request.body.decode("utf-8", "replace")
        return self._check(request, f"{request.method}{request.target}{body}", now)

    def check_socket(self, request: Request, now: float) -> str:
        """The account that signed the upgrade request. Raises WeexProblem."""
        return self._check(request, request.path, now)

    def _check(self, request: Request, signed: str, now: float) -> str:
        headers = request.headers
        for code, name in ((-1040, "key"), (-1041, "sign"), (-1042, "timestamp")):
            if not headers.get(f"access-{name}"):
                raise WeexProblem(code, f"ACCESS_{name.upper()} header is required.")
        if not headers.get("access-passphrase"):
            raise WeexProblem(-1049, "API key or passphrase incorrect.")
        stamp = headers["access-timestamp"]
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 16):
            raise WeexProblem(-1043, "Invalid ACCESS_TIMESTAMP.")
        if abs(int(stamp) / 1000 - now) > CLOCK_WINDOW:
            raise WeexProblem(-1046, "Request timestamp expired.")
        key = self._keys.get(headers["access-key"])
        if key is None:
            raise WeexProblem(-1044, "Invalid ACCESS_KEY.")
        if not _same(headers["access-passphrase"], key.passphrase.reveal()):
            raise WeexProblem(-1049, "API key or passphrase incorrect.")
        if not _same(headers["access-sign"], sign(key.secret, stamp + signed)):
            raise WeexProblem(-1047, "API authentication failed.")
        return key.account


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
