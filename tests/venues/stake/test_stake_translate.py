"""What an account has: both wallets of a currency, exact, of either wire and of HTTP; and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.model import InvalidField
from tapewire.sandbox import Sandbox
from tapewire.venues.stake.message import exact
from tapewire.venues.stake.translate import WalletAmount, to_balance, to_wallet_amount, to_wallets

NOW = 1_773_000_000_000_000_000
AT = "2026-01-31T09:30:00.250125Z"
AT_NS = 1_769_851_800_250_125_000


def payload(**changes: Any) -> dict[str, Any]:
    plain = {
        "wallet": "available", "amount": -0.25, "identifier": "5f1c", "createdAt": AT,
        "balance": {"amount": 10000.75, "currency": "usdt"},
    }  # fmt: skip
    return exact(json.dumps(plain | changes).encode())


def test_a_message_tells_what_one_wallet_holds_now() -> None:
    assert to_wallet_amount(payload()) == WalletAmount(
        wallet="available", currency="usdt", amount=Decimal("10000.75"), venue_time_ns=AT_NS
    )
    assert to_wallet_amount(payload(wallet="vault")).wallet == "vault"


@pytest.mark.parametrize(
    ("field", "wallet"), [("availableBalances", "available"), ("vaultBalances", "vault")]
)
def test_the_live_sites_wire_names_the_wallet_by_its_field_and_tells_no_time(field: str, wallet: str) -> None:
    inner = {"amount": 0.5, "identifier": "x", "balance": {"amount": 1e-8, "currency": "btc"}}
    assert to_wallet_amount(exact(json.dumps({field: inner}).encode())) == WalletAmount(
        wallet=wallet, currency="btc", amount=Decimal("1e-8")
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ([], "payload"),
        (None, "payload"),
        ("10", "payload"),
        ({}, "wallet"),
        (payload(wallet="bonus"), "wallet"),
        (payload(wallet=["vault"]), "wallet"),
        ({"availableBalances": {}, "vaultBalances": {}}, "wallet"),
        ({"vaultBalances": None}, "vaultBalances"),
        (payload(balance=None), "balance"),
        (payload(balance={"amount": 1}), "currency"),
        (payload(balance={"amount": 1, "currency": "a\nb"}), "currency"),
        (payload(balance={"amount": "NaN", "currency": "usdt"}), "amount"),
        (payload(balance={"amount": None, "currency": "usdt"}), "amount"),
        (payload(balance={"amount": 10**30, "currency": "usdt"}), "amount"),
        ({**payload(), "balance": {"amount": 0.5, "currency": "usdt"}}, "amount"),  # a float was rounded
        (payload(createdAt="yesterday"), "createdAt"),
        (payload(createdAt=1769851800), "createdAt"),
    ],
)
def test_what_is_no_balance_is_refused_by_name(told: Any, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        to_wallet_amount(told)
    assert caught.value.argument == field


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["wallet", "balance", "amount", "currency", "createdAt", "vaultBalances"]), inner
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_comes_is_a_balance_or_an_invalid_field(told: Any) -> None:
    """Nothing but InvalidField is raised, and what passes makes a balance or is refused as one."""
    with suppress(InvalidField):
        amount = to_wallet_amount(told)
        assert to_balance(amount.currency, {amount.wallet: amount.amount}, NOW).total == amount.amount


amounts = st.decimals(-(10**12), 10**12, places=8)


@given(amounts, amounts)
def test_a_balance_is_both_wallets_exactly(available: Decimal, vault: Decimal) -> None:
    """The total is the sum to the last digit, and nothing of it is held."""
    balance = to_balance("btc", {"available": available, "vault": vault}, NOW)
    assert balance.total - balance.available == vault
    assert (balance.available, balance.held) == (available, 0)


def test_a_balance_says_where_it_is_from() -> None:
    told = payload()
    balance = to_balance("usdt", {"available": Decimal(5)}, NOW, venue_time_ns=AT_NS, raw=told)
    assert (balance.venue, balance.currency, balance.total) == ("stake", "usdt", 5)
    assert (balance.venue_time_ns, balance.received_at_ns) == (AT_NS, NOW)
    assert balance.raw == told


def test_the_answer_over_http_is_read_by_currency() -> None:
    answer = {"available": {"usdt": Decimal("1.5"), "btc": Decimal(0)}, "vault": {"usdt": Decimal(2)}}
    assert to_wallets(answer) == {"usdt": {"available": Decimal("1.5"), "vault": 2}, "btc": {"available": 0}}
    for wrong in (
        {"available": {}},
        {"available": {"": 1}, "vault": {}},
        {"available": {"x": None}, "vault": {}},
    ):
        with pytest.raises(InvalidField):
            to_wallets(wrong)


def test_what_the_played_venue_publishes_is_read_and_is_what_the_account_has() -> None:
    face: Any = Sandbox(rate=0, venues=["stake"]).faces["stake"]
    account = face.account_of("tok")
    told = []
    for number in range(1, 4):
        face.exchange.accounts[account].cash -= 100 * number
        face.vaults[account] = 50 * number
        messages = [
            *face._messages.balance(account, NOW),
            face._messages.vault(account, 50, 50 * number, NOW),
        ]
        told += [to_wallet_amount(exact(json.dumps(message.payload).encode())) for message in messages]
    assert [(each.wallet, each.amount) for each in told] == [
        ("available", 9999), ("vault", Decimal("0.5")), ("available", 9997), ("vault", 1), ("available", 9994),
        ("vault", Decimal("1.5")),
    ]  # fmt: skip
    assert {each.currency for each in told} == {"usdt"}
