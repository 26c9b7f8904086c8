"""Wire to model, pure and exact: what an account has, told by either wire or over HTTP.

An account has two wallets of each currency: what is available to play with, and a vault that nothing is staked from.
A message tells of one wallet, as it is now; a balance is of both. Its `total` is both together, `available` the first;
`held` is nothing, for this venue says of no order. Whatever is not of these shapes raises InvalidField.

The page names the channel and shows no payload. A message is therefore read in the live site's shape (NOTES.md), which
is all that is known, with the wallet's name in it, or around it as the live site's own wire has it::

    {"wallet": "vault", "balance": {"amount": 2.5, "currency": "usdt"}, "createdAt": "2026-01-31T09:30:00.250Z"}
    {"vaultBalances": {"amount": 0.5, "identifier": "...", "balance": {"amount": 2.5, "currency": "usdt"}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from ...model import EXACT, Balance, InvalidField
from ..kit.fields import identifier, number, time_iso

__all__ = ["VENUE", "Wallet", "WalletAmount", "Wallets", "to_balance", "to_wallet_amount", "to_wallets"]

VENUE: Final = "stake"

Wallet: TypeAlias = Literal["available", "vault"]

Wallets: TypeAlias = Mapping[str, Mapping[Wallet, Decimal]]
"""What is in each wallet, by currency. One that is not told holds nothing."""

_WALLETS: Final[tuple[Wallet, ...]] = get_args(Wallet)
_FIELDS: Final[Mapping[str, Wallet]] = {f"{wallet}Balances": wallet for wallet in _WALLETS}
_NOTHING: Final = Decimal(0)


class WalletAmount(msgspec.Struct, frozen=True, kw_only=True):
    """What one wallet holds now."""

    wallet: Wallet
    currency: str
    amount: Decimal
    venue_time_ns: int | None = None


def to_wallet_amount(payload: Any) -> WalletAmount:
    """A message of the balances' channel, its payload decoded. Raises InvalidField."""
    told = _object(payload, "payload")
    wallet: Any = told.get("wallet")
    named = [name for name in _FIELDS if name in told]
    if wallet is None and len(named) == 1:
        wallet, told = _FIELDS[named[0]], _object(told[named[0]], named[0])
    if wallet not in _WALLETS:
        raise InvalidField("wallet", wallet, ", ".join(_WALLETS))
    balance = _object(told.get("balance"), "balance")
    created_at = told.get("createdAt")
    return WalletAmount(
        wallet=wallet,
        currency=identifier(balance.get("currency"), "currency"),
        amount=number(balance.get("amount"), "amount"),
        venue_time_ns=None if created_at is None else time_iso(created_at, "createdAt"),
    )


def to_wallets(balances: Mapping[str, Mapping[str, Any]]) -> Wallets:
    """The answer of `StakeAPI.get_user_balance` by currency. Raises InvalidField."""
    found: dict[str, dict[Wallet, Decimal]] = {}
    for wallet in _WALLETS:
        for currency, amount in _object(balances.get(wallet), wallet).items():
            wallets = found.setdefault(identifier(currency, "currency"), {})
            wallets[wallet] = number(amount, "amount")
    return found


def to_balance(
    currency: str,
    wallets: Mapping[Wallet, Decimal],
    received_at_ns: int,
    *,
    venue_time_ns: int | None = None,
    raw: Any = None,
) -> Balance:
    """One currency, of both of its wallets. Raises InvalidField."""
    available = wallets.get("available", _NOTHING)
    return Balance(
        venue=VENUE,
        currency=currency,
        total=EXACT.add(available, wallets.get("vault", _NOTHING)),
        available=available,
        venue_time_ns=venue_time_ns,
        received_at_ns=received_at_ns,
        raw=raw,
    )


def _object(value: Any, field: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise InvalidField(field, value, "an object")
