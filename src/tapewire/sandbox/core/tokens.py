"""JSON web tokens as the faces give them: HS256, signed with a key of this start. Pure but for that key.

A face decides what a token says and how long it is good for; here it is only signed and read back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["TokenMint"]

MAX_TOKEN = 4096
"""Characters of a token that is read."""

_HEAD: Mapping[str, str] = {"alg": "HS256", "typ": "JWT"}


class TokenMint:
    """Signs claims, and reads those that it has signed. Each token is another one: `jti` counts them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._issued = 0

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that says `claims`."""
        self._issued += 1
        signed = f"{_encoded(_HEAD)}.{_encoded({**claims, 'jti': str(self._issued)})}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> dict[str, Any] | None:
        """What a token says; None for one that was not signed here. Whether it is still good, ask yourself."""
        signed, _, signature = token.rpartition(".")
        if len(token) > MAX_TOKEN or not hmac.compare_digest(
            signature.encode(), self._signature(signed).encode()
        ):
            return None
        claims: dict[str, Any] = msgspec.json.decode(_decoded(signed.rpartition(".")[2]))
        return claims

    def _signature(self, signed: str) -> str:
        return _base64(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())

    def __repr__(self) -> str:
        return f"<TokenMint issued={self._issued}>"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(msgspec.json.encode(value))


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
