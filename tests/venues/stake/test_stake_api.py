"""`StakeAPI` against the sandbox, and its settings."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from tapewire.retry import NO_RETRY
from tapewire.sandbox import Sandbox
from tapewire.transport.limiter import RateLimiter
from tapewire.venues.stake import (
    AccessDeniedError,
    AnswerError,
    ArgumentError,
    AuthenticationError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPI,
    ValidationError,
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in (
        "ACCESS_TOKEN",
        "SESSION_COOKIE",
        "CF_CLEARANCE",
        "USER_AGENT",
        "BASE_URL",
        "TIMEOUT",
        "RATE_LIMIT",
    ):
        monkeypatch.delenv(f"STAKE_{name}", raising=False)


@asynccontextmanager
async def answering(body, status="200 OK"):
    """A server that gives every request the same answer; yields its address."""

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        content = body.encode()
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode()
        )
        writer.write(content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


def played(**arguments):
    return Sandbox(rate=0, venues=["stake"], **arguments)


async def test_the_balance_is_exact_by_wallet_and_currency():
    async with played() as sandbox, StakeAPI(access_token="tok", base_url=sandbox.url) as client:
        balance = await client.get_user_balance()
    assert balance == {
        "available": {"usdt": Decimal(10_000), "btc": Decimal("0.00125")},
        "vault": {"usdt": Decimal(0), "btc": Decimal(0)},
    }
    assert all(type(amount) is Decimal for wallet in balance.values() for amount in wallet.values())


QUERIES = {
    "get_user_profile": "email", "get_user_meta": "isBanned", "get_account_info": "hasEmailVerified",
    "get_kyc_status": "status", "get_seed_pair": "activeServerSeed", "get_user_preferences": "language",
    "get_vip_status": "flagProgress", "get_faucet": "active", "get_currency_configuration": "currencies",
    "get_conversion_rates": "btc",
}  # fmt: skip
LISTS = {
    "get_sessions": "country", "get_api_keys": "", "get_user_statistics": "wins", "get_transactions": "type",
    "get_deposits": "amount", "get_withdrawals": "",
}  # fmt: skip


@pytest.mark.parametrize("name", [*QUERIES, *LISTS])
async def test_each_query_brings_what_it_is_named_after(name):
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        found = await getattr(client, name)()
    if name in QUERIES:
        assert QUERIES[name] in found
    else:
        assert all(LISTS[name] in record for record in found)


async def test_a_page_has_its_bounds():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        assert [one["id"] for one in await client.get_transactions(offset=1, limit=1)] == ["2"]
        assert (await client.get_bonus_code("x"))["valid"] is False
        for offset, limit in ((-1, 1), (0, 0), (0, 51), (0, 1.5)):
            with pytest.raises(ArgumentError, match=r"offset|limit"):
                await client.get_deposits(offset, limit)


@pytest.mark.parametrize(
    ("token", "error"), [("refused-token", AccessDeniedError), (None, AuthenticationError)]
)
async def test_without_a_good_token_there_is_nothing(token, error):
    async with played() as sandbox, StakeAPI(token, base_url=sandbox.url) as client:
        with pytest.raises(error) as raised:
            await client.get_user_balance()
    assert "refused-token" not in str(raised.value)


async def test_a_document_that_the_venue_does_not_understand_is_said():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        with pytest.raises(ValidationError, match="Cannot query field"):
            await client.graphql("query { nope }")


async def test_too_many_calls_are_said_with_the_time_to_wait():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url, retry=NO_RETRY) as client:
        sandbox.inject("http_429", retry_after=7)
        with pytest.raises(RateLimitError) as raised:
            await client.get_user_balance()
    assert raised.value.retry_after == 7


async def test_a_query_is_repeated_after_a_failure_and_a_mutation_never():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        sandbox.inject("unavailable", times=1)
        assert await client.get_user_balance()
        sandbox.inject("unavailable", times=1)
        with pytest.raises(ServerError):
            await client.graphql('mutation { claimFaucet(currency: "usdt") { amount } }')
        assert (await client.get_user_balance())["available"]["usdt"] == 10_000


async def test_errors_beside_status_200_are_raised_and_typed():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        with pytest.raises(InsufficientFundsError) as raised:
            await client.graphql('mutation { createVaultDeposit(currency: "usdt", amount: 1e9) { amount } }')
    assert raised.value.status_code == 200
    assert raised.value.errors[0]["extensions"] == {"code": "INSUFFICIENT_BALANCE"}


async def test_a_document_that_holds_a_mutation_anywhere_is_sent_once():
    document = 'query A { user { id } } mutation B { claimFaucet(currency: "usdt") { amount } }'
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        sandbox.inject("unavailable", times=1)
        with pytest.raises(ServerError, match="503"):
            await client.graphql(document, operation_name="B")


async def test_what_cannot_be_sent_is_named():
    async with StakeAPI("tok", base_url="http://127.0.0.1:1") as client:
        with pytest.raises(ArgumentError, match="query"):
            await client.graphql(None)
        with pytest.raises(ArgumentError, match="variables"):
            await client.graphql("query { user { id } }", {"a": object()})


async def test_nobody_there_is_said_with_whether_it_was_sent():
    async with played() as sandbox:
        pass
    async with StakeAPI("token-of-mine", base_url=sandbox.url, retry=NO_RETRY) as client:
        with pytest.raises(NetworkError) as raised:
            await client.get_user_balance()
    assert raised.value.sent is False
    assert "of-mine" not in f"{raised.value!r} {raised.value.__cause__} {raised.value.__context__}"


ODD = [
    ("get_user_balance", {"user": {"balances": {"available": {"usdt": 1}}}}),
    (
        "get_user_balance",
        {"user": {"balances": [{"available": {"amount": None, "currency": "usdt"}, "vault": {}}]}},
    ),
    ("get_user_balance", {"user": {"balances": [{"available": {"amount": "NaN", "currency": "usdt"}}]}}),
    ("get_user_balance", {"user": None}),
    ("get_user_profile", {"user": ["id"]}),
    ("get_sessions", {"user": {"sessionList": {"id": "1"}}}),
    ("get_conversion_rates", {"currencyConversionRate": [{"currency": "btc", "rate": "much"}]}),
]


@pytest.mark.parametrize(("method", "data"), ODD)
async def test_an_answer_of_another_shape_is_a_typed_error(method, data):
    async with answering(json.dumps({"data": data})) as url, StakeAPI("tok", base_url=url) as client:
        with pytest.raises(AnswerError, match="cannot be read: data") as raised:
            await getattr(client, method)()
    assert raised.value.status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html><body>Checking your browser</body></html>", "should be JSON, and is a web page"),
        ("nonsense", "should be JSON"),
        ('{"data":{"a":1e99999999999999999999}}', "should be JSON"),
        ("[" * 100_000, "should be JSON"),
        ("[]", "should be a GraphQL result"),
        ('{"data":null}', "data should be an object"),
    ],
)
async def test_an_answer_that_is_none_is_a_typed_error(body, said):
    async with answering(body) as url, StakeAPI("tok", base_url=url) as client:
        with pytest.raises(ServerError, match=said):
            await client.graphql("query { a }")


async def test_a_gatekeepers_page_is_a_clear_error():
    page = "<!DOCTYPE html><title>Attention Required!</title>"
    async with answering(page, "403 Forbidden") as url, StakeAPI("token-of-mine", base_url=url) as client:
        with pytest.raises(AccessDeniedError, match=r"web page.*browser session") as raised:
            await client.get_user_balance()
    assert "of-mine" not in f"{raised.value!r} {vars(raised.value)}"


async def test_the_rate_limit_is_kept_to_by_waiting_whoever_calls():
    async with played() as sandbox, StakeAPI("tok", base_url=sandbox.url, rate_limit=5) as client:
        loop = asyncio.get_running_loop()
        before = loop.time()
        ends = []

        async def call():
            await client.get_user_balance()
            ends.append(loop.time() - before)

        await asyncio.gather(*(call() for _ in range(8)))
    assert ends[7] > 0.55  # five at once, and then one each fifth of a second
    assert sum(end < 0.18 for end in ends) <= 5


async def test_clients_of_one_account_may_share_a_limiter():
    limiter = RateLimiter(5, per=3600)  # so that a busy machine gives none back meanwhile
    async with (
        played() as sandbox,
        StakeAPI("tok", base_url=sandbox.url, limiter=limiter) as one,
        StakeAPI("tok", base_url=sandbox.url, limiter=limiter) as other,
    ):
        await one.get_user_balance()
        await other.get_user_balance()
    now = time.monotonic()
    assert [limiter.reserve(now) > 0 for _ in range(4)].count(True) == 1


async def test_the_settings_may_come_from_the_environment(monkeypatch):
    async with played() as sandbox:
        monkeypatch.setenv("STAKE_BASE_URL", sandbox.url)
        monkeypatch.setenv("STAKE_ACCESS_TOKEN", "tok")
        monkeypatch.setenv("STAKE_SESSION_COOKIE", "cookie-of-the-session")
        monkeypatch.setenv("STAKE_USER_AGENT", "a browser")
        monkeypatch.setenv("STAKE_TIMEOUT", "3")
        monkeypatch.setenv("STAKE_RATE_LIMIT", "4")
        async with StakeAPI() as client:
            assert await client.get_user_balance()
            assert client._api._http._settings.timeout == 3
            assert client._api._http._settings.limiter.rate == 4
            sent = client._headers_for(None)
            assert sent["Cookie"] == "session=cookie-of-the-session"
            assert sent["User-Agent"] == "a browser"
            assert "cookie-of-the-session" not in f"{client!r} {vars(client)}"


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "http://stake.com"},
        {"timeout": 0},
        {"rate_limit": 0},
        {"rate_limit": "many"},
        {"rate_limit": float("inf")},
        {"timeout": float("nan")},
        {"base_url": "x"},
    ],
)
def test_wrong_settings_are_named(fields):
    with pytest.raises(ArgumentError, match=next(iter(fields))):
        StakeAPI("tok", **fields)
