"""The queries of `StakeAPI`: their names are those that public clients of the site use, their texts are ours. Pure.

A query asks for the fields of its shape, and its answer has to have them. The shape of `user.balances` is known; the
fields of the others are inferred, and may have to be corrected against the live site (NOTES.md). Nothing here changes
anything: there is no mutation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..kit.answers import Maybe, Shape
from ..kit.fields import flag, identifier, number, sequence, text
from ..kit.graphql import selection_of

__all__ = ["QUERIES", "Query"]


class Query(msgspec.Struct, frozen=True):
    """One query: its name on the wire, its text, what it answers inside `data`, and the path of that."""

    name: str
    text: str
    shape: Shape
    path: tuple[str, ...]


def _query(
    name: str,
    shape: dict[str, Any],
    *path: str,
    variables: str = "",
    arguments: Mapping[str, str] | None = None,
) -> Query:
    return Query(name, f"query {name}{variables}{selection_of(shape, arguments)}", shape, path)


def _of_user(name: str, shape: dict[str, Any], *path: str) -> Query:
    return _query(name, {"user": {"id": identifier, **shape}}, "user", *path)


def _paged(name: str, field: str) -> Query:
    shape = {"user": {"id": identifier, field: [_RECORD]}}
    return _query(
        name,
        shape,
        "user",
        field,
        variables="($offset: Int!, $limit: Int!)",
        arguments={field: "(offset: $offset, limit: $limit)"},
    )


_WORD: Final = Maybe(text)
_COUNT: Final = Maybe(sequence)
_YES: Final = Maybe(flag)
_AMOUNT: Final = Maybe(number)
_MONEY: Final = {"amount": number, "currency": identifier}
_RECORD: Final = {"id": identifier, "type": _WORD, **_MONEY, "createdAt": _WORD}

QUERIES: Mapping[str, Query] = {
    query.name: query
    for query in (
        _of_user("UserBalances", {"balances": [{"available": _MONEY, "vault": _MONEY}]}, "balances"),
        _of_user("UserProfile", {"name": _WORD, "email": _WORD, "country": _WORD, "createdAt": _WORD}),
        _of_user("UserMeta", {"name": _WORD, "createdAt": _WORD, "isBanned": _YES, "isMuted": _YES}),
        _of_user("UserAccountInfo", {"email": _WORD, "hasEmailVerified": _YES, "country": _WORD}),
        _of_user("UserKycStatus", {"kyc": {"status": _WORD}}, "kyc"),
        _of_user(
            "UserSessions",
            {"sessionList": [{"id": identifier, "active": _YES, "country": _WORD, "createdAt": _WORD}]},
            "sessionList",
        ),
        _of_user(
            "UserApiKeys", {"apiKeys": [{"id": identifier, "name": _WORD, "createdAt": _WORD}]}, "apiKeys"
        ),
        _of_user(
            "UserStatistic",
            {
                "statistic": [
                    {
                        "game": _WORD,
                        "bets": _COUNT,
                        "wins": _COUNT,
                        "losses": _COUNT,
                        "betAmount": _AMOUNT,
                        "currency": _WORD,
                    }
                ]
            },
            "statistic",
        ),
        _of_user(
            "UserSeedPair",
            {
                "activeServerSeed": Maybe({"seedHash": _WORD, "nextSeedHash": _WORD, "nonce": _COUNT}),
                "activeClientSeed": Maybe({"seed": _WORD}),
            },
        ),
        _of_user(
            "UserPreferences",
            {"preferences": {"language": _WORD, "currency": _WORD, "emailNotifications": _YES}},
            "preferences",
        ),
        _of_user(
            "VipMeta",
            {
                "flagProgress": Maybe({"flag": _WORD, "progress": _AMOUNT}),
                "rakeback": Maybe({"enabled": _YES, "rate": _AMOUNT}),
            },
        ),
        _of_user("Faucet", {"faucet": {**_MONEY, "active": _YES}}, "faucet"),
        _query(
            "CurrencyConfiguration",
            {"currencyConfiguration": {"currencies": [{"name": identifier, "precision": _COUNT}]}},
            "currencyConfiguration",
            variables="($isAcp: Boolean!)",
            arguments={"currencyConfiguration": "(isAcp: $isAcp)"},
        ),
        _query(
            "CurrencyNewConversionRate",
            {"currencyConversionRate": [{"currency": identifier, "rate": number}]},
            "currencyConversionRate",
        ),
        _query(
            "BonusCodeInformation",
            {"bonusCodeInformation": {"code": identifier, "valid": flag, "description": _WORD}},
            "bonusCodeInformation",
            variables="($code: String!)",
            arguments={"bonusCodeInformation": "(code: $code)"},
        ),
        _paged("TransactionList", "transactionList"),
        _paged("DepositList", "depositList"),
        _paged("WithdrawalList", "withdrawalList"),
    )
}
"""Every query there is, by its name."""
