"""The queries of `StakeAPI`: their names are those that public clients of the site use, their texts are ours. Pure.

The shape of `user.balances` is known; the fields of the others are inferred, and may have to be corrected against the
live site (NOTES.md). Nothing here changes anything: there is no mutation.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["QUERIES", "Query"]


class Query(msgspec.Struct, frozen=True):
    """One query: its name on the wire, its text, and the path of what it answers inside `data`."""

    name: str
    text: str
    path: tuple[str, ...]


def _of_user(name: str, selection: str, *path: str, arguments: str = "") -> Query:
    return Query(name, f"query {name}{arguments} {{ user {{ {selection} }} }}", ("user", *path))


_PAGED = "($offset: Int!, $limit: Int!)"
_RECORD = "(offset: $offset, limit: $limit) { id type amount currency createdAt }"

QUERIES: Mapping[str, Query] = {
    query.name: query
    for query in (
        _of_user(
            "UserBalances",
            "id balances { available { amount currency } vault { amount currency } }",
            "balances",
        ),
        _of_user("UserProfile", "id name email country createdAt"),
        _of_user("UserMeta", "id name createdAt isBanned isMuted"),
        _of_user("UserAccountInfo", "id email hasEmailVerified country"),
        _of_user("UserKycStatus", "id kyc { status }", "kyc"),
        _of_user("UserSessions", "id sessionList { id active country createdAt }", "sessionList"),
        _of_user("UserApiKeys", "id apiKeys { id name createdAt }", "apiKeys"),
        _of_user("UserStatistic", "id statistic { game bets wins losses betAmount currency }", "statistic"),
        _of_user(
            "UserSeedPair",
            "id activeServerSeed { seedHash nextSeedHash nonce } activeClientSeed { seed }",
        ),
        _of_user("UserPreferences", "id preferences { language currency emailNotifications }", "preferences"),
        _of_user("VipMeta", "id flagProgress { flag progress } rakeback { enabled rate }"),
        _of_user("Faucet", "id faucet { amount currency active }", "faucet"),
        Query(
            "CurrencyConfiguration",
            "query CurrencyConfiguration($isAcp: Boolean!)"
            " { currencyConfiguration(isAcp: $isAcp) { currencies { name precision } } }",
            ("currencyConfiguration",),
        ),
        Query(
            "CurrencyNewConversionRate",
            "query CurrencyNewConversionRate { currencyConversionRate { currency rate } }",
            ("currencyConversionRate",),
        ),
        Query(
            "BonusCodeInformation",
            "query BonusCodeInformation($code: String!)"
            " { bonusCodeInformation(code: $code) { code valid description } }",
            ("bonusCodeInformation",),
        ),
        _of_user("TransactionList", f"id transactionList{_RECORD}", "transactionList", arguments=_PAGED),
        _of_user("DepositList", f"id depositList{_RECORD}", "depositList", arguments=_PAGED),
        _of_user("WithdrawalList", f"id withdrawalList{_RECORD}", "withdrawalList", arguments=_PAGED),
    )
}
"""Every query there is, by its name."""
