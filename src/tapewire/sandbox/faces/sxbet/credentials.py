"""Who may enter the played SX Bet: any API key is an account, and gets tokens for the realtime server.

Keys that begin with `refused` are refused. A key's wallet follows from it. Tokens are good for ten minutes unless the
sandbox is told otherwise; the two generations of the API give the same kind.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, TypeAlias

import msgspec

from ....errors import ConfigurationError
from ...core.tokens import TokenMint
from .units import derived_hash

__all__ = ["TOKEN_LIFETIME", "Pass", "SxBetKeys", "Verdict", "wallet_of"]

TOKEN_LIFETIME = 600.0
"""Seconds a token is good for."""

MAX_WALLETS = 1000
"""Accounts remembered; the one longest unused is forgotten."""


class Pass(msgspec.Struct, frozen=True):
    """A token that is good: whose, and until when in seconds since the epoch."""

    wallet: str
    until: float


Verdict: TypeAlias = Pass | Literal["invalid", "expired"]


def wallet_of(api_key: str) -> str:
    """The address of whoever holds the key."""
    return derived_hash("key", api_key)[:42]


class SxBetKeys:
    """Keys and tokens. `now` is in seconds since the epoch."""

    def __init__(self, lifetime: float = TOKEN_LIFETIME) -> None:
        if lifetime < 1:
            raise ConfigurationError("token_lifetime", lifetime, "1 second or more")
        self._lifetime = lifetime
        self._mint = TokenMint()
        self._generation = 0
        self._wallets: OrderedDict[str, None] = OrderedDict()

    @staticmethod
    def is_good(api_key: str) -> bool:
        """True for a key that opens an account."""
        return bool(api_key.strip()) and not api_key.startswith("refused")

    def token_for(self, api_key: str, now: float) -> str:
        """A token for the realtime server."""
        wallet = wallet_of(api_key)
        self._wallets[wallet] = None
        self._wallets.move_to_end(wallet)
        if len(self._wallets) > MAX_WALLETS:
            self._wallets.popitem(last=False)
        return self._mint.sign(
            {"sub": wallet, "iat": int(now), "exp": now + self._lifetime, "gen": self._generation}
        )

    def judge(self, token: str, now: float) -> Verdict:
        """Whether a token is good."""
        claims = self._mint.read(token)
        if claims is None:
            return "invalid"
        if now >= claims["exp"] or claims["gen"] < self._generation:
            return "expired"
        return Pass(claims["sub"], claims["exp"])

    def expire_all(self) -> int:
        """Every token given so far has expired; returns how many accounts had one."""
        self._generation += 1
        return len(self._wallets)
