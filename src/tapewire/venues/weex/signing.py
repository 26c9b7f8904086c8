"""Signatures of the venue, and the clock they are made by.

Signed is `time + METHOD + path?query + body` for HTTP and `time + path` for the private socket, with HMAC-SHA256 under
the secret, in base64 (venue's documents; NOTES.md). A time stamp is good for 30 seconds, so it is the venue's clock
that counts: `VenueTime` knows how far this machine is off.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Protocol

from ...clock import Clock
from ...secrets import Secret

__all__ = ["USER_AGENT", "Account", "VenueTime", "signed_headers", "socket_headers"]

USER_AGENT = "tapewire"
"""Required on every call, public ones too: without it the venue's firewall may answer 403."""


class Account(Protocol):
    """Whoever signs: `WeexConfig` is one."""

    @property
    def api_key(self) -> Secret | str: ...
    @property
    def secret_key(self) -> Secret | str: ...
    @property
    def passphrase(self) -> Secret | str: ...


class VenueTime:
    """The venue's time in milliseconds, by this machine's clock and what the venue said last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms: int = 0
        """The venue's clock less ours."""
        self.is_known: bool = False

    def now_ms(self) -> int:
        """What the venue's clock shows now."""
        return self._clock.time_ns() // 1_000_000 + self.offset_ms

    def learn(self, venue_ms: int, asked_ns: int, answered_ns: int) -> None:
        """The venue said `venue_ms` between those two readings of ours: half of the way there is assumed."""
        self.offset_ms = venue_ms - (asked_ns + answered_ns) // 2_000_000
        self.is_known = True

    def __repr__(self) -> str:
        return f"VenueTime(offset_ms={self.offset_ms})"


def signed_headers(
    account: Account, time_ms: int, method: str, target: str, body: bytes = b""
) -> dict[str, str]:
    """The headers of a signed HTTP call. `target` is path and query exactly as they are sent."""
    return _headers(account, time_ms, f"{method}{target}".encode() + body)


def socket_headers(account: Account, time_ms: int, path: str) -> dict[str, str]:
    """The headers of the private socket's upgrade. Sign anew for every connection."""
    return _headers(account, time_ms, path.encode())


def _headers(account: Account, time_ms: int, signed: bytes) -> dict[str, str]:
    secret = _plain(account.secret_key).encode()
    digest = hmac.new(secret, str(time_ms).encode() + signed, hashlib.sha256).digest()
    return {
        "ACCESS-KEY": _plain(account.api_key),
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-TIMESTAMP": str(time_ms),
        "ACCESS-PASSPHRASE": _plain(account.passphrase),
        "User-Agent": USER_AGENT,
    }


def _plain(value: Secret | str) -> str:
    return value.reveal() if isinstance(value, Secret) else value
