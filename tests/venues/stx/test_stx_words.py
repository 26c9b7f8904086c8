"""The venue's words: channels, selections, documents, addresses, settings. No network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.secrets import Secret
from tapewire.venues.stx import (
    Channels,
    Selection,
    STXChannelException,
    STXException,
    STXInvalidParameterException,
)
from tapewire.venues.stx import operations as ops
from tapewire.venues.stx.config import resolve
from tapewire.venues.stx.records import Page, Record, Variable, camel, document, records, snake
from tapewire.venues.stx.symbols import SCOPED_CHANNELS, name_of, topic_for
from tapewire.venues.stx.url import socket_url
from tapewire.venues.stx.user import lifetime_of
from tests.venues.stx.calling import SCHEMA

# Channels.


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("MARKETS", "markets"),
        ("TRADES", "active_trades:u-1"),
        ("ORDERS", "active_orders:u-1"),
        ("POSITIONS", "active_positions:u-1"),
        ("SETTLEMENTS", "active_settlements:u-1"),
        ("PORTFOLIO", "portfolio:u-1"),
        ("USER_INFO", "user_info:u-1"),
        ("MARKET_INFO", "market_info"),
        ("ACTIVE_TRADES", "active_trades:u-1"),
        ("ACTIVE_ORDERS", "active_orders:u-1"),
        ("ACTIVE_POSITIONS", "active_positions:u-1"),
        ("ACTIVE_SETTLEMENTS", "active_settlements:u-1"),
    ],
)
def test_each_documented_channel_has_its_topic(name: str, topic: str) -> None:
    channel = Channels.__members__[name]
    assert topic_for(channel, "u-1") == topic
    assert channel.scoped is (":" in topic) is (channel in SCOPED_CHANNELS)
    assert name_of(topic) == topic.partition(":")[0]


def test_a_string_is_sent_as_it_is_and_another_users_topic_stays_distinguishable() -> None:
    assert topic_for("portfolio:other-uid", "u-1") == "portfolio:other-uid"
    assert name_of("portfolio:other-uid", "u-1") == "portfolio:other-uid"
    assert name_of("portfolio:u-1", "u-1") == "portfolio"
    assert name_of("market:m-1") == "market:m-1"


@pytest.mark.parametrize("wrong", ["", "  ", None, 3])
def test_a_channel_that_is_none_is_refused_with_the_list_of_members(wrong: Any) -> None:
    with pytest.raises(STXInvalidParameterException, match=r"Channels\.MARKETS, TRADES.*ACTIVE_SETTLEMENTS"):
        topic_for(wrong, "u")


def test_a_scoped_channel_needs_the_users_id() -> None:
    with pytest.raises(STXInvalidParameterException, match="ORDERS is joined with"):
        topic_for(Channels.ORDERS)


# Selections and documents.


def test_a_selection_compiles_to_the_wires_names() -> None:
    selection = Selection("errors", order=Selection("id", "client_order_id"))
    assert selection.compile() == "{ errors order { id clientOrderId } }"
    assert (selection.values, list(selection.nested_values)) == (("errors",), ["order"])
    assert repr(selection) == "Selection('errors', order=Selection('id', 'client_order_id'))"


@pytest.mark.parametrize("wrong", ["", "a b", "a}", "1a", "a{", None, "ü"])
def test_a_selection_takes_nothing_but_names(wrong: Any) -> None:
    with pytest.raises(STXInvalidParameterException, match="Selection"):
        Selection(wrong)


def test_an_empty_selection_and_a_nested_string_are_refused() -> None:
    with pytest.raises(STXInvalidParameterException, match="at least one"):
        Selection()
    with pytest.raises(STXInvalidParameterException, match=r"Selection\(order=\.\.\.\)"):
        Selection(order="id")  # type: ignore[arg-type]


@given(st.from_regex(re.compile(r"[a-z][A-Za-z0-9]{0,20}", re.ASCII), fullmatch=True))
def test_every_wire_name_survives_the_way_to_python_and_back(name: str) -> None:
    """camel(snake(name)) is name, for every camelCase name."""
    assert camel(snake(name)) == name


def test_names_with_figures_are_those_of_the_schema() -> None:
    assert (camel("price_change_24h"), camel("client_order_id"), camel("marketId")) == (
        "priceChange24h",
        "clientOrderId",
        "marketId",
    )
    assert snake("clientOrderId") == "client_order_id"


@given(st.text(max_size=40))
def test_no_value_becomes_a_part_of_the_document(text: str) -> None:
    """The document's text is the same whatever the values are."""
    shaped = document("mutation", "cancelOrder", [Variable("orderId", "rID!", text)], "{ status }")
    assert shaped == "mutation cancelOrder($orderId: rID!) { cancelOrder(orderId: $orderId) { status } }"


ORDER = {"market_id": "m", "order_type": "LIMIT", "action": "BUY", "price": 5, "quantity": 1}
ALL = [
    ops.login("a@b.c", Secret("x"), "device"),
    ops.confirm_2fa("1", "s", "a@b.c"),
    ops.new_token(Secret("r")),
    ops.place_order({"user_order": ORDER}, geo_location="g", device_info={"device_id": "d"}),
    ops.place_orders(user_orders=[ORDER]),
    ops.cancel_order("o"),
    ops.cancel_orders(["o"]),
    ops.cancel_all_orders(),
    ops.markets(status="OPEN", trading=False, limit=1, market_ids=["m"]),
    ops.markets(),
    ops.orders(
        order_ids=["o"],
        client_order_ids=["c"],
        market_ids=["m"],
        status="OPEN",
        pagination={"page": 0, "limit": 1},
    ),
    ops.orders(),
    ops.trades(market_ids=["m"], pagination={"page": 0, "limit": 1}),
    ops.settlements(market_ids=["m"]),
    ops.positions(market_ids=["m"]),
    ops.account(),
    ops.user_profile(),
]


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.field)
def test_every_document_is_valid_against_the_schema(operation: ops.Operation[Any]) -> None:
    call = ops.to_call(operation, Secret("tok-en"))
    assert (call.method, call.path) == ("POST", "/api/graphql")
    assert call.options["headers"]["authorization"] == "Bearer tok-en"
    assert validate(SCHEMA, parse(json.loads(call.options["body"])["query"])) == []
    assert call.options["idempotent"] is (operation.kind == "query" or operation.field.startswith("cancel"))


def test_an_operation_shows_no_value() -> None:
    assert "hunter2" not in repr(ops.login("a@b.c", Secret("hunter2hunter2"))) + repr(ALL[0].variables)


def test_a_record_answers_to_both_spellings_and_says_what_it_has() -> None:
    record = records({"marketId": "m", "bids": [{"lastPrice": 3}]})
    assert record == {"market_id": "m", "bids": [{"last_price": 3}]}
    assert (record.market_id, record["marketId"], record.bids[0].last_price) == ("m", "m", 3)
    with pytest.raises(AttributeError, match="it has: market_id, bids"):
        _ = record.title
    with pytest.raises(KeyError):
        _ = record["titleText"]
    assert isinstance(record, Record)


def test_a_page_is_counted_indexed_and_iterated() -> None:
    page = Page(["a", "b"], 9)
    assert (page.count, len(page), page[1], list(page), page[:1], "b" in page) == (
        9,
        2,
        "b",
        ["a", "b"],
        ("a",),
        True,
    )
    assert repr(page) == "<Page: 2 of 9>"
    assert not Page([], 0)


# Addresses.


@pytest.mark.parametrize(
    ("arguments", "origin"),
    [
        ({}, "https://api-staging.on.sportsxapp.com"),
        ({"env": "production"}, "https://api.on.sportsxapp.com"),
        ({"env": "dev"}, "https://api-dev.on.sportsxapp.com"),
        ({"region": "us", "env": "demo"}, "https://demo.stxapp.io"),
        ({"host": "http://localhost:4000"}, "http://localhost:4000"),
        ({"host": "https://example.com/"}, "https://example.com"),
        ({"host": "example.com:8443", "env": "production"}, "https://example.com:8443"),
        ({"host": "ws://127.0.0.1:1"}, "http://127.0.0.1:1"),
    ],
)
def test_region_and_environment_name_the_host(arguments: dict[str, str], origin: str) -> None:
    assert resolve(**arguments, environ={}).origin == origin  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"env": "prod"}, "env='prod' is not valid; allowed: production, staging, dev, qa, demo"),
        ({"region": "quebec"}, "region='quebec' is not valid; allowed: ontario, us"),
        ({"region": "narnia", "host": "https://example.com"}, "region='narnia' is not valid"),
        ({"region": "us"}, "allowed: demo in region 'us', or host="),
        ({"host": "ftp://example.com"}, "host="),
        ({"host": "https://example.com/path"}, "host="),
        ({"host": "https://ann:hunter2@example.com"}, "host='https://example.com'"),
    ],
)
def test_a_wrong_address_is_both_documented_and_configuration_error(
    arguments: dict[str, str], text: str
) -> None:
    with pytest.raises(STXException, match=re.escape(text)) as refused:
        resolve(**arguments, environ={})  # type: ignore[arg-type]
    assert isinstance(refused.value, ConfigurationError)
    assert "hunter2" not in str(refused.value)


def test_the_sockets_address_follows_the_origin() -> None:
    assert socket_url("https://h", Secret("a b")) == "wss://h/socket/websocket?token=a+b&vsn=2.0.0"
    assert socket_url("http://h:1", None) == "ws://h:1/socket/websocket?vsn=2.0.0"


# Settings.


def profile(tmp_path: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = tmp_path / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return {"STX_CREDENTIALS_FILE": str(path)}


PROFILES = """
[default]
env = dev
email = file@example.com
password = 100%secret

[other]
env = qa
"""


def test_an_argument_beats_the_environment_beats_the_profile_beats_the_default(tmp_path: Path) -> None:
    environ = profile(tmp_path, PROFILES)
    assert resolve(environ=environ).env == "dev"
    assert resolve(environ={**environ, "STX_ENV": "qa"}).env == "qa"
    assert resolve(env="staging", environ={**environ, "STX_ENV": "qa"}).env == "staging"
    assert resolve(environ={}).env == "staging"
    assert resolve(profile="other", environ=environ).env == "qa"
    assert resolve(environ={**environ, "STX_PROFILE": "other"}).env == "qa"
    assert resolve(environ={"STX_HOST": "http://localhost:1"}).origin == "http://localhost:1"
    assert (
        resolve(host="http://localhost:2", environ={"STX_HOST": "http://localhost:1"}).origin
        == "http://localhost:2"
    )


def test_an_empty_string_is_not_given(tmp_path: Path) -> None:
    environ = {**profile(tmp_path, PROFILES), "STX_ENV": "", "STX_EMAIL": ""}
    settings = resolve(env="", email="", password="", environ=environ)
    assert (settings.env, settings.email, settings.given) == ("dev", "file@example.com", False)
    assert settings.password == Secret("100%secret")


def test_one_accounts_name_never_meets_anothers_password(tmp_path: Path) -> None:
    environ = profile(tmp_path, PROFILES)
    with pytest.raises(STXInvalidParameterException, match=r"the password of ann@example\.com"):
        resolve(email="ann@example.com", environ=environ)
    assert resolve(email="file@example.com", environ=environ).password == Secret("100%secret")
    assert resolve(email="a@b.c", environ={"STX_PASSWORD": "pw-of-env"}).password == Secret("pw-of-env")
    with pytest.raises(STXInvalidParameterException, match="email"):
        resolve(password="alone", environ={})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_credentials_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        resolve(environ=profile(tmp_path, PROFILES, mode))


def test_a_broken_credentials_file_is_refused_without_quoting_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="INI") as refused:
        resolve(environ=profile(tmp_path, "password hunter2\n[x"))
    assert "hunter2" not in f"{refused.value}{refused.value.__context__!r}"


def test_a_profile_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"profile='nobody'.*default, other"):
        resolve(profile="nobody", environ=profile(tmp_path, PROFILES))
    with pytest.raises(ConfigurationError, match="does not exist"):
        resolve(environ={"STX_CREDENTIALS_FILE": str(tmp_path / "nothing")})


# The rest.


@given(st.text(max_size=80))
def test_no_token_is_too_odd_to_have_a_lifetime(token: str) -> None:
    """lifetime_of never raises and is always above zero."""
    assert lifetime_of(token).total_seconds() > 0


def test_a_channel_exception_has_its_topic_and_reply() -> None:
    refused = STXChannelException("unauthorized", topic="active_orders:x", reply={"reason": "unauthorized"})
    assert (refused.message, refused.topic, refused.reply) == (
        "unauthorized",
        "active_orders:x",
        refused.reply,
    )
    assert str(refused) == "unauthorized"
