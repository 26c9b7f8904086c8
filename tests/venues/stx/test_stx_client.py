"""`STX` and `AsyncSTX` against a venue of our own: the calls, the sign-in, the failures. Both must do the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, CredentialsRefused, TapewireError
from tapewire.retry import NO_RETRY
from tapewire.secrets import Secret
from tapewire.venues.stx import (
    Selection,
    STXAnswerException,
    STXAuthenticationFailedException,
    STXException,
    STXForbiddenException,
    STXInvalidParameterException,
    STXNotFoundException,
    STXRateLimitException,
    STXServerException,
    STXTokenExpiredException,
    STXTransportException,
    STXTwoFactorRequiredException,
    STXValidationException,
)
from tests.venues.stx.both_clients import ORDER
from tests.venues.stx.fake_venue import CODE, PASSWORD, FakeVenue


def test_making_a_client_sends_nothing_and_the_first_call_signs_in(make: Any, venue: FakeVenue) -> None:
    call = make()
    assert venue.headers == []
    assert call("account").account_balance == 100
    assert call("user_profile")["username"] == "ann"
    assert venue.calls == ["login", "account", "userProfile"]
    assert (call.client.user.uid, call.client.user.id) == ("uid-1", "id-1")


def test_an_order_goes_in_both_documented_shapes(make: Any, venue: FakeVenue) -> None:
    call = make()
    first = call(
        "place_order", params={"user_order": ORDER}, selections=Selection("errors", order=Selection("id"))
    )
    second = call("place_order", **ORDER, cancel_on_disconnect=True)
    assert first == {"errors": [], "order": {"id": "o-0"}}
    assert (second.order.status, second["order"]["marketId"], second.order.market_id) == (
        "OPEN",
        "m-1",
        "m-1",
    )
    sent = [arguments["userOrder"] for arguments in venue.arguments if "userOrder" in arguments]
    assert sent[0].pop("clientOrderId") != sent[1].pop("clientOrderId")
    assert sent[0] == {"marketId": "m-1", "orderType": "LIMIT", "action": "BUY", "price": 50, "quantity": 10}
    assert sent[1]["cancelOnDisconnect"] is True


def test_what_the_rules_refuse_is_listed_and_not_raised(make: Any) -> None:
    result = make()("place_order", **{**ORDER, "quantity": 5000})
    assert (result.order, result.errors) == (None, ["Insufficient funds"])


def test_a_market_order_has_no_price(make: Any, venue: FakeVenue) -> None:
    make()("place_order", **{**ORDER, "order_type": "MARKET"})
    assert "price" not in venue.orders[0]


def test_several_orders_and_cancels(make: Any, venue: FakeVenue) -> None:
    call = make()
    placed = call("place_orders", user_orders=[ORDER, {**ORDER, "client_order_id": "mine"}])
    assert [result.order.id for result in placed.results] == ["o-0", "o-1"]
    assert venue.orders[1]["clientOrderId"] == "mine"
    assert call("cancel_order", "o-0").status == "CANCELLED"
    assert call("cancel_order", order_id="o-0", geo_location="here", device_info={"device_id": "d"})
    assert venue.arguments[-1] == {"orderId": "o-0", "geoLocation": "here", "deviceInfo": {"deviceId": "d"}}
    assert call("cancel_orders", order_ids=["o-0", "o-1"])[1].order_id == "o-1"
    assert len(call("cancel_all_orders")) == 2


def test_markets_come_as_a_page(make: Any, venue: FakeVenue) -> None:
    call = make()
    page = call("markets", status="OPEN", trading=True, limit=3)
    assert (page.count, len(page), page[0].market_id, [market.title for market in page][2]) == (
        17,
        3,
        "m-0",
        "Market 2",
    )
    assert page[0].bids[0].price == 40
    assert venue.arguments[-1] == {"input": {"status": "OPEN", "trading": "TRUE", "limit": 3}}
    narrow = call("markets", selections=Selection("market_id"))
    assert (narrow[0], narrow.count) == ({"market_id": "m-0"}, 17)
    assert call("markets", params={"input": {"market_ids": ["m"]}}, selections=Selection("count")).count == 17


def test_the_rest_of_the_account_can_be_read(make: Any, venue: FakeVenue) -> None:
    call = make()
    call("place_order", **ORDER)
    orders = call("orders", client_order_ids=["x"], status="OPEN", pagination={"page": 0, "limit": 1})
    assert (orders.count, orders[0].price) == (1, 50)
    assert venue.arguments[-1]["pagination"] == {"page": 0, "limit": 1}
    assert call("trades", market_ids=["m-1"])[0].filled == 2
    assert call("settlements").count == 0
    assert call("positions")[0].position == -3
    assert call("api_version") == "1.2.3"


def test_the_earlier_generation_calls_the_same_by_other_names(make: Any, venue: FakeVenue) -> None:
    call = make()
    call(
        "confirmOrder",
        params={"userOrder": {"marketId": "m", "orderType": "MARKET", "action": "SELL", "quantity": 1}},
    )
    assert call("userOrders").count == 1
    assert call("marketInfos").count == 17
    assert venue.calls[1:] == ["confirmOrder", "myOrderHistory", "marketInfosWithCount"]


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("price", {"price": 0}),
        ("price", {"price": 100}),
        ("price", {"price": True}),
        ("price", {"price": 50.0}),
        ("price", {"price": None}),
        ("action", {"action": "HOLD"}),
        ("order_type", {"order_type": "limit"}),
        ("quantity", {"quantity": 0}),
        ("quantity", {"quantity": float("nan")}),
        ("quantity", {"quantity": float("inf")}),
        ("market_id", {"market_id": ""}),
        ("client_order_id", {"client_order_id": "x\n"}),
        ("user_order", {"prise": 3}),
    ],
)
def test_a_wrong_order_is_named_before_anything_is_sent(
    make: Any, venue: FakeVenue, argument: str, wrong: Any
) -> None:
    call = make()
    with pytest.raises(STXInvalidParameterException, match=f"^{argument}=.*allowed: ") as refused:
        call("place_order", params={"user_order": {**ORDER, **wrong}})
    assert isinstance(refused.value, ConfigurationError)
    assert isinstance(refused.value, ValueError)
    assert venue.headers == []


def test_other_wrong_arguments_are_named_too(make: Any) -> None:
    call = make()
    for name, arguments in {
        "markets": {"status": "open"},
        "orders": {"status": "DONE"},
        "cancel_order": {"order_id": ""},
        "cancel_orders": {"order_ids": []},
        "place_orders": {
            "user_orders": [{**ORDER, "client_order_id": "a"}, {**ORDER, "client_order_id": "a"}]
        },
        "trades": {"params": {"nonsense": 1}},
        "place_order": {"params": {"geo_location": "x"}, "geo_location": "y"},
    }.items():
        with pytest.raises(STXInvalidParameterException, match="allowed: "):
            call(name, **arguments)


def test_a_lost_order_is_never_resent_and_says_how_to_look_it_up(make: Any, venue: FakeVenue) -> None:
    call = make()
    venue.faults = ["hang up after executing"]
    with pytest.raises(
        STXTransportException, match=r"look it up with orders\(client_order_ids=\['mine'\]\)"
    ) as lost:
        call("place_order", **ORDER, client_order_id="mine")
    assert (lost.value.sent, lost.value.outcome_unknown, lost.value.retryable) == (True, True, False)
    assert len(venue.orders) == 1


def test_a_server_fault_leaves_an_order_in_doubt_but_a_query_is_repeated(make: Any, venue: FakeVenue) -> None:
    call = make()
    venue.faults = [(503, {}, b"busy")]
    with pytest.raises(STXServerException, match="may have been placed") as doubt:
        call("place_order", **ORDER)
    assert (doubt.value.outcome_unknown, doubt.value.status_code, venue.orders) == (True, 503, [])
    venue.faults = [(503, {}, b""), "hang up after executing"]
    assert call("account").escrow == 100


def test_an_order_that_never_left_is_certain(make: Any, venue: FakeVenue) -> None:
    call = make(timeout=2.0)
    call("account")
    call("close")
    venue.stop()
    other = make(timeout=2.0, user=call.client.user)
    with pytest.raises(STXTransportException) as failed:
        other("place_order", **ORDER)
    assert (failed.value.sent, failed.value.outcome_unknown, failed.value.retryable) == (False, False, True)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (400, {}, b'{"errors": [{"message": "bad query"}]}', STXValidationException),
        (403, {}, b"", STXForbiddenException),
        (404, {}, b"<html>", STXNotFoundException),
        (429, {"retry-after": "0"}, b"", STXRateLimitException),
        (500, {}, b"", STXServerException),
        (200, {}, b"<html>", STXAnswerException),
        (200, {}, b'{"data": null, "errors": [{"message": "Forbidden"}]}', STXForbiddenException),
        (
            200,
            {},
            b'{"errors": [{"message": "x", "extensions": {"code": "RATE_LIMITED"}}]}',
            STXRateLimitException,
        ),
        (200, {}, b'{"errors": [{"message": "Internal server error"}]}', STXServerException),
        (200, {}, b'{"errors": [{"message": "limit is too high"}]}', STXValidationException),
        (200, {}, b'{"errors": "odd"}', STXValidationException),
    ],
)
def test_each_failure_is_the_documented_exception(
    make: Any, venue: FakeVenue, status: int, headers: dict[str, str], body: bytes, kind: type[STXException]
) -> None:
    call = make(retry=NO_RETRY)
    venue.faults = [(status, headers, body)]
    with pytest.raises(STXException) as failed:
        call("account")
    assert type(failed.value) is kind
    assert isinstance(failed.value, TapewireError)
    assert failed.value.status_code == status
    assert all(isinstance(error, dict) for error in failed.value.errors)


def test_a_rate_limit_says_how_long(make: Any, venue: FakeVenue) -> None:
    call = make(retry=NO_RETRY)
    venue.faults = [(429, {"retry-after": "12"}, b"")]
    with pytest.raises(STXRateLimitException) as limited:
        call("account")
    assert (limited.value.retry_after, limited.value.retryable) == (12.0, True)


def test_an_order_answered_with_errors_beside_data_is_in_doubt(make: Any, venue: FakeVenue) -> None:
    call = make()
    venue.faults = [
        (200, {}, b'{"data": {"confirmOrder": {"order": null}}, "errors": [{"message": "field"}]}')
    ]
    with pytest.raises(STXServerException, match="may have been placed"):
        call("place_order", **ORDER)


def test_an_expired_token_is_renewed_once_and_the_call_goes_again(make: Any, venue: FakeVenue) -> None:
    call = make()
    call("account")
    venue.expire_all_tokens()
    assert call("account").escrow == 100
    assert venue.calls == ["login", "account", "newToken", "account"]
    venue.faults = [(401, {}, b"")]
    call("account")
    assert venue.calls[4:] == ["newToken", "account"]


def test_a_token_that_is_never_taken_is_an_error_and_no_loop(make: Any, venue: FakeVenue) -> None:
    call = make()
    venue.faults = [(401, {}, b"")] * 9
    with pytest.raises(STXTokenExpiredException):
        call("account")
    assert len(venue.faults) == 7


def test_a_refused_renewal_signs_in_again(make: Any, venue: FakeVenue) -> None:
    call = make()
    call("account")
    venue.expire_all_tokens()
    venue.refuses_refresh = True
    call("account")
    assert venue.calls == ["login", "account", "newToken", "login", "account"]


def test_a_token_is_renewed_before_it_ends(make: Any, venue: FakeVenue) -> None:
    call = make()
    call("account")
    user = call.client.user
    assert user.expiry is not None
    assert timedelta(minutes=58) < user.expiry - datetime.now(UTC) < timedelta(minutes=59, seconds=1)
    user.set_params({"expiry": datetime.now(UTC) - timedelta(seconds=1)})
    call("account")
    assert venue.calls == ["login", "account", "newToken", "account"]


def test_a_wrong_password_is_final_and_shown_nowhere(make: Any, venue: FakeVenue) -> None:
    call = make(password="hunter2hunter2")
    with pytest.raises(STXAuthenticationFailedException, match="Invalid email or password") as refused:
        call("account")
    assert isinstance(refused.value, CredentialsRefused)
    assert refused.value.terminal
    assert "hunter2" not in f"{refused.value!r}{vars(refused.value)}{call.client!r}"


def test_without_credentials_the_error_says_what_to_give(make: Any, venue: FakeVenue) -> None:
    with pytest.raises(STXAuthenticationFailedException, match="give email= and password="):
        make(email=None, password=None)("account")


def test_two_factor_asks_for_the_code_and_sends_no_second_one(make: Any, venue: FakeVenue) -> None:
    venue.two_factor = True
    call = make()
    for _ in range(2):
        with pytest.raises(STXTwoFactorRequiredException, match="confirm_2fa"):
            call("account")
    with pytest.raises(STXAuthenticationFailedException, match="wrong code"):
        call("confirm_2fa", code="000000")
    assert call("confirm_2fa", code=CODE).uid == "uid-1"
    assert call("account").escrow == 100
    assert venue.calls.count("login") == 1


def test_login_and_refresh_can_be_asked_for(make: Any, venue: FakeVenue) -> None:
    call = make(email=None, password=None)
    assert call("login", params={"email": "ann@example.com", "password": PASSWORD}).token in venue.tokens
    before = call.client.user.token
    assert call("refresh").token != before
    assert venue.calls == ["login", "newToken"]


def test_the_socket_gets_its_token_here(make: Any, venue: FakeVenue) -> None:
    call = make()
    first = call("token")
    assert isinstance(first, Secret)
    assert call("token") == first
    second = call("token", fresh=True)
    assert second != first
    assert call("token") == second
    assert venue.calls == ["login", "newToken"]
