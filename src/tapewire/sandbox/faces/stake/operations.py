"""What the operations of the played Stake's GraphQL do: two of them move an account's money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from graphql import GraphQLError

from ...core.exchange import Exchange
from .messages import CURRENCY, TICKS

__all__ = ["StakeOperations"]

FAUCET_TICKS = 25
MAX_PAGE = 50


class Venue(Protocol):
    """What operations need of the face."""

    exchange: Exchange
    vaults: dict[str, int]

    def publish_balance(self, account: str, now_ns: int) -> None: ...
    def publish_vault(self, account: str, change: int, now_ns: int) -> None: ...


class StakeOperations:
    """The root of one request of `account`; None: of nobody."""

    def __init__(self, venue: Venue, account: str | None, now_ns: int) -> None:
        self._venue = venue
        self._account = account
        self._now_ns = now_ns

    def run(self, name: str, given: Mapping[str, Any]) -> Any:
        """The value of one field of the root."""
        if name == "currencyConfiguration":
            return {"currencies": [{"name": "btc", "precision": 8}, {"name": CURRENCY, "precision": 2}]}
        if name == "currencyConversionRate":
            return [{"currency": "btc", "rate": 64250.5}, {"currency": CURRENCY, "rate": 1}]
        if name == "bonusCodeInformation":
            return {"code": given["code"], "valid": False, "description": "no such code"}
        if self._account is None:
            raise GraphQLError("unauthorized: no access token", extensions={"code": "UNAUTHENTICATED"})
        if name == "claimFaucet":
            return self._claim(self._account)
        if name == "createVaultDeposit":
            return self._deposit(self._account, given)
        return self._user(self._account)

    def _claim(self, account: str) -> dict[str, Any]:
        self._move(account, FAUCET_TICKS)
        self._venue.publish_balance(account, self._now_ns)
        return _amount(FAUCET_TICKS)

    def _deposit(self, account: str, given: Mapping[str, Any]) -> dict[str, Any]:
        ticks = round(float(given["amount"]) * TICKS)
        if given["currency"] != CURRENCY or not 0 < ticks <= self._venue.exchange.accounts[account].cash:
            raise GraphQLError("insufficient balance", extensions={"code": "INSUFFICIENT_BALANCE"})
        self._move(account, -ticks)
        self._venue.vaults[account] = self._venue.vaults.get(account, 0) + ticks
        self._venue.publish_balance(account, self._now_ns)
        self._venue.publish_vault(account, ticks, self._now_ns)
        return _amount(self._venue.vaults[account])

    def _move(self, account: str, ticks: int) -> None:
        exchange = self._venue.exchange
        exchange.accounts[account].cash += ticks
        exchange.accounts[account].deposited += ticks
        exchange.deposits += ticks

    def _user(self, account: str) -> dict[str, Any]:
        cash, vault = self._venue.exchange.accounts[account].cash, self._venue.vaults.get(account, 0)
        coin = {"currency": "btc", "amount": 0.00125}
        return {
            "id": account, "name": f"player-{account[:6]}", "email": f"{account[:6]}@example.com",
            "createdAt": "2024-01-01T00:00:00.000000Z", "country": "CA",
            "hasEmailVerified": True, "isBanned": False, "isMuted": False,
            "balances": [
                {"available": _amount(cash), "vault": _amount(vault)},
                {"available": coin, "vault": {**coin, "amount": 0}},
            ],
            "statistic": [
                {"game": "dice", "bets": 3, "wins": 1, "losses": 2, "betAmount": 4.5, "currency": CURRENCY}
            ],
            "preferences": {"language": "en", "currency": CURRENCY, "emailNotifications": False},
            "flagProgress": {"flag": "bronze", "progress": 0.125},
            "rakeback": {"enabled": True, "rate": 0.05},
            "sessionList": [{"id": "1", "active": True, "country": "CA", "createdAt": "2024-01-01T00:00:00.000000Z"}],
            "apiKeys": [],
            "activeServerSeed": {"seedHash": "0" * 64, "nextSeedHash": "1" * 64, "nonce": 3},
            "activeClientSeed": {"seed": "sandbox"},
            "faucet": {**_amount(FAUCET_TICKS), "active": True},
            "kyc": {"status": "verified"},
            "transactionList": lambda **given: _page(["bet", "deposit", "bet"], given),
            "depositList": lambda **given: _page(["deposit"], given),
            "withdrawalList": lambda **given: _page([], given),
        }  # fmt: skip


def _amount(ticks: int) -> dict[str, Any]:
    return {"amount": ticks / TICKS, "currency": CURRENCY}


def _page(kinds: Sequence[str], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    offset, limit = given["offset"], given["limit"]
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise GraphQLError(f"offset from 0 on, limit 1 to {MAX_PAGE}", extensions={"code": "BAD_USER_INPUT"})
    made = "2024-01-01T00:00:00.000000Z"
    records = [
        {"id": str(number), "type": kind, "createdAt": made, **_amount(100 * number)}
        for number, kind in enumerate(kinds, 1)
    ]
    return records[offset : offset + limit]
