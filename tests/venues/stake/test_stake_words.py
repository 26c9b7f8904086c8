"""The venue's pure words: addresses, cookies, channels, messages, the meaning of failures."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tapewire.errors import ConfigurationError, HandshakeRefused, HttpError, TapewireError
from tapewire.protocols.graphql_ws import Next, Result
from tapewire.secrets import Secret
from tapewire.venues.stake import (
    AccessDeniedError,
    ArgumentError,
    AuthenticationError,
    GameNotFoundError,
    InsufficientFundsError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPIError,
    ValidationError,
)
from tapewire.venues.stake.channels import operations_of, selector_of
from tapewire.venues.stake.errors import ERRORS
from tapewire.venues.stake.message import data_of, exact, message_of
from tapewire.venues.stake.operations import QUERIES
from tapewire.venues.stake.protocol import PageFrame
from tapewire.venues.stake.url import base_url_of as settled_base_url
from tapewire.venues.stake.url import origin_of
from tapewire.venues.stake.url import socket_url as settled_socket_url


def base_url_of(base_url=None):
    return settled_base_url(base_url)[0]


def socket_url(wire, base_url=None):
    return settled_socket_url(wire, base_url)[0]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("STAKE_BASE_URL", "STAKE_WS_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_addresses_are_those_of_the_page_and_of_the_live_site():
    assert socket_url("page") == "wss://stake.com/_api/websocket"
    assert socket_url("graphql") == "wss://stake.com/_api/websockets"
    assert socket_url("page", "https://stake.bet") == "wss://stake.bet/_api/websocket"
    assert base_url_of(None) == "https://stake.com"


def test_the_environment_leads_elsewhere(monkeypatch):
    monkeypatch.setenv("STAKE_BASE_URL", "http://127.0.0.1:4000/")
    assert base_url_of(None) == "http://127.0.0.1:4000"
    assert socket_url("page") == "ws://127.0.0.1:4000/_api/websocket"
    monkeypatch.setenv("STAKE_WS_URL", "ws://127.0.0.1:5000")
    assert socket_url("graphql") == "ws://127.0.0.1:5000/_api/websockets"
    monkeypatch.setenv("STAKE_WS_URL", "ws://127.0.0.1:5000/other")
    assert socket_url("page") == "ws://127.0.0.1:5000/other"


NO_ADDRESSES = [
    "stake.com", "ftp://stake.com", "https://", "https://user:secret@stake.com", "https://[::1", "https://h:99999",
    "http://stake.com",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_named_without_its_secrets(url):
    for make in (base_url_of, lambda given: socket_url("page", given)):
        with pytest.raises(ArgumentError, match="base_url") as raised:
            make(url)
        assert "secret" not in str(raised.value)


def test_a_token_never_goes_to_another_machine_in_plain_text():
    with pytest.raises(ArgumentError, match="to this machine only"):
        socket_url("page", "ws://stake.com")
    assert socket_url("page", "ws://localhost:1") == "ws://localhost:1/_api/websocket"


def test_the_origin_is_the_sites_own():
    assert origin_of("wss://stake.bet/_api/websocket") == "https://stake.bet"
    assert origin_of("ws://127.0.0.1:4000/_api/websocket") == "https://stake.com"


def test_channels_lead_to_the_subscriptions_of_the_live_site():
    assert ["availableBalances" in one.query for one in operations_of("user:balances")] == [True, False]
    assert "crash {" in operations_of("game:crash")[0].query
    assert "slide {" in operations_of("game:slide")[0].query
    assert operations_of("game:dice") == operations_of("bets")


def test_house_bets_are_told_apart_by_their_game():
    selector = selector_of("game:sweet-bonanza")
    assert selector is not None
    assert selector(b'{"houseBets":{"game":{"name":"Sweet Bonanza"}}}')
    assert not selector(b'{"houseBets":{"game":{"name":"Dice"}}}')
    assert selector_of("game:crash") is None
    assert selector_of("bets") is None


def test_a_message_is_exact_and_as_the_page_reads_it():
    frame = PageFrame(
        "a", msgspec.Raw(b'{"channel":"a","payload":{"x":0.10},"more":1}'), msgspec.Raw(b'{"x":0.10}')
    )
    message = message_of(frame)
    assert message.payload == {"x": Decimal("0.10")}
    assert message.data == {"channel": "a", "payload": {"x": Decimal("0.10")}}
    assert data_of(frame) == {"channel": "a", "payload": {"x": Decimal("0.10")}, "more": 1}


@pytest.mark.parametrize("written", ["3", "3.0", '"3"', "3e0"])
def test_an_amount_is_a_decimal_however_it_is_written_and_nothing_else_becomes_one(written):
    raw = f'{{"bet":{{"amount":{written},"nonce":3,"id":"3"}},"rates":[{{"rate":{written}}}],"amount":null}}'.encode()
    found = exact(raw)
    assert (found["bet"]["amount"], found["rates"][0]["rate"], found["amount"]) == (3, 3, None)
    assert type(found["bet"]["amount"]) is type(found["rates"][0]["rate"]) is Decimal
    assert (type(found["bet"]["nonce"]), found["bet"]["id"]) == (int, "3")


def test_a_graphql_result_has_the_same_shape_and_one_without_data_is_none():
    result = Next("1", Result(msgspec.Raw(b'{"crash":1}')), "game:crash")
    assert data_of(result) == {"channel": "game:crash", "payload": {"crash": 1}}
    with pytest.raises(msgspec.DecodeError, match="without data"):
        message_of(Next("1", Result(errors=msgspec.Raw(b"[1]")), "game:crash"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, NetworkError),
        (200, ServerError),
        (400, ValidationError),
        (401, AuthenticationError),
        (403, AccessDeniedError),
        (429, RateLimitError),
        (503, ServerError),
    ],
)
def test_an_http_failure_becomes_an_error_of_its_kind(status, kind):
    body = b'{"errors":[{"message":"told"}]}'
    error = ERRORS.of_http(
        HttpError(
            "POST", "https://stake.com/_api/graphql", status=status, detail="no", retry_after=7, body=body
        )
    )
    assert type(error) is kind
    assert isinstance(error, StakeAPIError)
    assert isinstance(error, TapewireError)
    if kind is RateLimitError:
        assert error.retry_after == 7
    assert error.retryable == (kind in (NetworkError, RateLimitError, ServerError))


@pytest.mark.parametrize(
    ("message", "code", "kind"),
    [
        ("You are not logged in", None, AuthenticationError),
        ("no", "UNAUTHENTICATED", AuthenticationError),
        ("Too many requests", None, RateLimitError),
        ("insufficient balance", None, InsufficientFundsError),
        ("game not found", None, GameNotFoundError),
        ("Internal server error", None, ServerError),
        ("Cannot query field", None, ValidationError),
    ],
)
def test_a_graphql_error_becomes_an_error_of_its_kind(message, code, kind):
    error = ERRORS.of_graphql([{"message": message, "extensions": {"code": code}}], status=200)
    assert type(error) is kind
    assert error.message == f"GraphQL errors: {message}"
    assert error.errors[0]["message"] == message


PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


@pytest.mark.parametrize(("status", "kind"), [(403, AccessDeniedError), (503, ServerError)])
def test_a_web_page_in_place_of_an_answer_is_said_to_be_one(status, kind):
    error = ERRORS.of_http(HttpError("POST", "https://h/_api/graphql", status=status, detail="no", body=PAGE))
    assert type(error) is kind
    assert "it answered with a web page, not with JSON" in error.message
    assert "Just a moment" not in error.message
    assert ("headers and cookies of your own browser session" in error.message) == (status == 403)


def test_a_token_that_the_venue_repeats_is_masked():
    token = Secret("0123456789abcdef-of-mine")
    error = ERRORS.of_graphql(
        [{"message": f"invalid session {token.reveal()}", "path": ["user"]}], status=200
    )
    assert "of-mine" not in f"{error!r} {vars(error)}"
    assert error.errors == [{"message": "invalid session ***", "path": ["user"]}]


def test_a_number_beyond_all_bounds_is_an_error_of_its_kind():
    with pytest.raises(ValueError, match="beyond all bounds"):
        exact(b'{"a":1e99999999999999999999}')


def test_odd_errors_are_taken_as_they_are():
    assert ERRORS.of_graphql("words", status=200).errors == [{"message": "words"}]


def test_an_argument_error_is_also_a_configuration_error():
    assert issubclass(ArgumentError, ConfigurationError)
    assert issubclass(ArgumentError, ValidationError)


def test_a_refused_line_with_another_status_stays_what_it_is():
    refused = HandshakeRefused("host", 404)
    mapped = ERRORS.mapped(refused)
    assert (str(mapped), mapped.status_code) == (str(refused), 404)
    assert isinstance(mapped, HandshakeRefused)
    assert not isinstance(mapped, AccessDeniedError | AuthenticationError)


def test_a_line_that_was_denied_says_what_the_site_may_want():
    error = ERRORS.mapped(HandshakeRefused("host", 403))
    assert isinstance(error, AccessDeniedError)
    assert "headers and cookies of your own browser session" in str(error)
    assert "browser" not in str(ERRORS.mapped(HandshakeRefused("host", 401)))


def test_no_query_changes_anything():
    assert all(query.text.startswith(f"query {name}") for name, query in QUERIES.items())
