"""Stake: every query, with every wrong answer to it: an error that says where, no empty success. Exact numbers."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from graphql import (
    GraphQLResolveInfo,
    build_schema,
    get_named_type,
    graphql_sync,
    is_list_type,
    is_non_null_type,
)
from graphql import is_object_type as is_object

from tapewire.retry import NO_RETRY
from tapewire.sandbox import Sandbox
from tapewire.sandbox.faces.stake.schema import SCHEMA_TEXT
from tapewire.venues.stake import AnswerError, ServerError, StakeAPI, StakeWebSocket
from tapewire.venues.stake.operations import QUERIES
from tests.venues.kit.wrong_answers import Operation, answering, right_answer, tried

SCHEMA = build_schema(SCHEMA_TEXT)
SAMPLES = {"ID": "x-1", "String": "words", "Boolean": True, "Int": 5, "Number": 0.5}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "UserBalances": ("get_user_balance", {}),
    "UserProfile": ("get_user_profile", {}),
    "UserMeta": ("get_user_meta", {}),
    "UserAccountInfo": ("get_account_info", {}),
    "UserKycStatus": ("get_kyc_status", {}),
    "UserSessions": ("get_sessions", {}),
    "UserApiKeys": ("get_api_keys", {}),
    "UserStatistic": ("get_user_statistics", {}),
    "UserSeedPair": ("get_seed_pair", {}),
    "UserPreferences": ("get_user_preferences", {}),
    "VipMeta": ("get_vip_status", {}),
    "Faucet": ("get_faucet", {}),
    "CurrencyConfiguration": ("get_currency_configuration", {}),
    "CurrencyNewConversionRate": ("get_conversion_rates", {}),
    "BonusCodeInformation": ("get_bonus_code", {"code": "x"}),
    "TransactionList": ("get_transactions", {}),
    "DepositList": ("get_deposits", {}),
    "WithdrawalList": ("get_withdrawals", {}),
}
VARIABLES = {"isAcp": False, "code": "x", "offset": 0, "limit": 5}
NEVER_NULL = {
    "id",
    "currency",
    "amount",
    "rate",
    "name",
    "code",
    "valid",
    "user",
    "balances",
    "available",
    "vault",
    "kyc",
}
NEVER_NULL |= {
    "sessionList",
    "apiKeys",
    "statistic",
    "preferences",
    "faucet",
    "currencyConfiguration",
    "currencies",
}
NEVER_NULL |= {
    "currencyConversionRate",
    "bonusCodeInformation",
    "transactionList",
    "depositList",
    "withdrawalList",
}
NULLS = {  # the same names, where they are only words about the account
    "UserProfile": {"name"}, "UserMeta": {"name"}, "UserApiKeys": {"name"}, "UserStatistic": {"currency"},
    "UserPreferences": {"currency"}, "VipMeta": {"rate"},
}  # fmt: skip


def sampled(source: Any, info: GraphQLResolveInfo, **_: Any) -> Any:
    """A value for any field of the schema that the sandbox checks documents by."""
    kind = info.return_type.of_type if is_non_null_type(info.return_type) else info.return_type
    one = {} if is_object(get_named_type(kind)) else SAMPLES[str(get_named_type(kind))]
    return [one] if is_list_type(kind) else one


def operation(query: str) -> Operation:
    method, arguments = CALLS[query]
    result = graphql_sync(
        SCHEMA, QUERIES[query].text, variable_values=VARIABLES, operation_name=query, field_resolver=sampled
    )
    assert result.data is not None, result.errors
    return Operation(
        query,
        lambda client: getattr(client, method)(**arguments),
        result.data,
        wrap=lambda answer: {"data": answer},
        nullable=None,
        never_null=frozenset(NEVER_NULL - NULLS.get(query, set())),
    )


def client_of(url: str) -> StakeAPI:
    return StakeAPI("token-of-mine", base_url=url, retry=NO_RETRY, rate_limit=1e6)


def test_each_query_is_called_here() -> None:
    assert CALLS.keys() == QUERIES.keys()


@pytest.mark.parametrize("query", CALLS)
async def test_a_wrong_answer_is_an_error_and_never_an_empty_success(query: str) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        taken, errors = await tried(operation(query), venue.give, client, AnswerError)
    assert taken == []
    assert all(error.sent and not error.outcome_unknown for error in errors)


@pytest.mark.parametrize("query", CALLS)
async def test_a_right_answer_with_more_in_it_is_taken(query: str) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(right_answer(operation(query)))
        assert await operation(query).call(client)


async def test_a_document_that_changes_something_is_of_unknown_outcome_where_its_answer_cannot_be_read() -> (
    None
):
    async with answering() as venue, client_of(venue.url) as client:
        venue.give(b"<html>")
        with pytest.raises(AnswerError) as raised:
            await client.graphql("mutation { claimFaucet { amount } }", operation_name="claimFaucet")
        assert (raised.value.outcome_unknown, raised.value.sent, raised.value.retryable) == (
            True,
            True,
            False,
        )
        assert isinstance(raised.value, ServerError)
        with pytest.raises(AnswerError) as raised:
            await client.graphql("query { user { id } }")
        assert raised.value.outcome_unknown is False


async def test_a_result_that_is_nested_without_end_is_one_typed_error() -> None:
    async with answering() as venue, client_of(venue.url) as client:
        for depth in (300, 600, 900, 100_000):
            venue.give(b'{"data":{"a":' + b"[" * depth + b"]" * depth + b"}}")
            try:
                await client.graphql("query { a }")
            except AnswerError:
                continue


@pytest.mark.parametrize("wire", ["page", "graphql"])
async def test_the_numbers_of_the_socket_and_of_http_can_be_added(wire: Any) -> None:
    """As the page begins with a balance of the API and follows it on the socket, under one heading."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    class Tracker(StakeWebSocket):
        async def on_message(self, data: dict[str, Any]) -> None:
            heard.put_nowait(data)

    async with Sandbox(rate=0, venues=["stake"]) as sandbox, client_of(sandbox.url) as client:
        balance = (await client.get_user_balance())["available"]["usdt"]
        async with Tracker("token-of-mine", base_url=sandbox.url, wire=wire) as ws:
            await ws.subscribe("user:balances")
            await asyncio.sleep(0.4)  # the page's wire confirms by silence
            given = await client.graphql('mutation { claimFaucet(currency: "usdt") { amount } }')
            payload = (await asyncio.wait_for(heard.get(), 5))["payload"]
        change = payload.get("availableBalances", payload)
        assert type(change["amount"]) is type(change["balance"]["amount"]) is type(balance) is Decimal
        assert balance + change["amount"] == change["balance"]["amount"]
        assert change["amount"] == given["claimFaucet"]["amount"]
        assert type(given["claimFaucet"]["amount"]) is Decimal
