"""`STX` and `AsyncSTX` against the played venue: the calls, the sign-in, the failures. Both must do the same."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, CredentialsRefused, TapewireError
from tapewire.retry import NO_RETRY
from tapewire.secrets import Secret
from tapewire.venues.stx import (
    STX,
    AsyncSTX,
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
from tests.venues.stx.calling import CODE, DEPOSIT, ORDER, PASSWORD, Venue
from tests.venues.threaded import HANG_UP


def test_making_a_client_sends_nothing_and_the_first_call_signs_in(make: Any, venue: Venue) -> None:
    call = make()
    assert venue.bodies == []
    assert call("account").account_balance == DEPOSIT
    assert call("user_profile")["username"] == "ann"
    assert venue.calls == ["login", "account", "userProfile"]
    assert (call.client.user.uid, call.client.user.id) == (venue.ann.uid, venue.ann.user_id)


def test_an_order_goes_in_both_documented_shapes(make: Any, venue: Venue) -> None:
    call = make()
    first = call(
        "place_order",
        params={"user_order": venue.order},
        selections=Selection("errors", order=Selection("id")),
    )
    second = call("place_order", **venue.order, cancel_on_disconnect=True)
    market = venue.order["market_id"]
    assert first == {"errors": [], "order": {"id": venue.orders[0].order_id}}
    assert (second.order.status, second["order"]["marketId"], second.order.market_id) == (
        "OPEN",
        market,
        market,
    )
    sent = [
        body["variables"]["userOrder"] for body in venue.bodies if body["operationName"] == "confirmOrder"
    ]
    assert sent[0].pop("clientOrderId") != sent[1].pop("clientOrderId")
    assert sent[0] == {"marketId": market, "orderType": "LIMIT", "action": "BUY", "price": 1, "quantity": 10}
    assert sent[1]["cancelOnDisconnect"] is True


def test_what_the_rules_refuse_is_listed_and_not_raised(make: Any, venue: Venue) -> None:
    result = make()("place_order", **{**venue.order, "quantity": DEPOSIT + 1})
    assert (result.order.status, result.errors) == ("REJECTED", ["insufficient funds"])
    result = make()("place_order", **{**venue.order, "quantity": 1.5})
    assert (result.order, result.errors) == (None, ["quantity must be a whole number"])


def test_a_market_order_has_no_price(make: Any, venue: Venue) -> None:
    make()("place_order", **{**venue.order, "order_type": "MARKET"})
    assert "price" not in venue.bodies[-1]["variables"]["userOrder"]


def test_several_orders_and_cancels(make: Any, venue: Venue) -> None:
    call = make()
    placed = call("place_orders", user_orders=[venue.order, {**venue.order, "client_order_id": "mine"}])
    one, two = (result.order.id for result in placed.results)
    assert {order.order_id: order.client_order_id for order in venue.orders}[two] == "mine"
    assert call("cancel_order", one).status == "CANCELLED"
    assert call("cancel_order", order_id=two, geo_location="here", device_info={"device_id": "d"})
    assert venue.bodies[-1]["variables"] == {
        "orderId": two,
        "geoLocation": "here",
        "deviceInfo": {"deviceId": "d"},
    }
    assert call("cancel_orders", order_ids=[one, two])[1].order_id == two
    call("place_orders", user_orders=[venue.order, venue.order])
    assert len(call("cancel_all_orders")) == 2


def test_markets_come_as_a_page(make: Any, venue: Venue) -> None:
    call = make()
    markets = list(venue.sandbox.face.exchange.markets.values())
    page = call("markets", status="OPEN", trading=True, limit=3)
    assert (page.count, len(page)) == (len(markets), 3)
    assert [market.market_id for market in page] == [market.market_id for market in markets[:3]]
    assert page[0].bids[0].price == markets[0].book.levels("buy", 1)[0][0]
    assert venue.bodies[-1]["variables"] == {"input": {"status": "OPEN", "trading": "TRUE", "limit": 3}}
    narrow = call("markets", selections=Selection("market_id"))
    assert (narrow[0], narrow.count) == ({"market_id": markets[0].market_id}, len(markets))
    one = call(
        "markets", params={"input": {"market_ids": [markets[0].market_id]}}, selections=Selection("count")
    )
    assert one.count == 1


def test_the_rest_of_the_account_can_be_read(make: Any, venue: Venue) -> None:
    call = make()
    call("place_order", **venue.order)
    taken = call("place_order", **{**venue.order, "order_type": "MARKET", "quantity": 2}).order
    orders = call("orders", status="OPEN", pagination={"page": 0, "limit": 1})
    assert (orders.count, orders[0].price) == (1, 1)
    assert venue.bodies[-1]["variables"]["pagination"] == {"page": 0, "limit": 1}
    assert call("orders", client_order_ids=["x"]).count == 0
    (trade,) = call("trades", market_ids=[venue.order["market_id"]])
    assert (trade.order_id, trade.filled) == (taken.id, 2)
    assert call("settlements").count == 0
    assert call("positions")[0].position == 2
    assert call("api_version") == "sandbox-1"


def test_the_earlier_generation_calls_the_same_by_other_names(make: Any, venue: Venue) -> None:
    call = make()
    call(
        "confirmOrder",
        params={
            "userOrder": {
                "marketId": venue.order["market_id"],
                "orderType": "MARKET",
                "action": "SELL",
                "quantity": 1,
            }
        },
    )
    assert call("userOrders").count == 1
    assert call("marketInfos").count == len(venue.sandbox.face.exchange.markets)
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
    make: Any, venue: Venue, argument: str, wrong: Any
) -> None:
    call = make()
    with pytest.raises(STXInvalidParameterException, match=f"^{argument}=.*allowed: ") as refused:
        call("place_order", params={"user_order": {**ORDER, **wrong}})
    assert isinstance(refused.value, ConfigurationError)
    assert isinstance(refused.value, ValueError)
    assert venue.bodies == []


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


def test_a_lost_order_is_never_resent_and_says_how_to_look_it_up(make: Any, venue: Venue) -> None:
    call = make()
    venue.sandbox.answers = [HANG_UP]
    with pytest.raises(
        STXTransportException, match=r"look it up with orders\(client_order_ids=\['mine'\]\)"
    ) as lost:
        call("place_order", **venue.order, client_order_id="mine")
    assert (lost.value.sent, lost.value.outcome_unknown, lost.value.retryable) == (True, True, False)
    assert len(venue.orders) == 1


def test_a_server_fault_leaves_an_order_in_doubt_but_a_query_is_repeated(make: Any, venue: Venue) -> None:
    call = make()
    venue.sandbox.answers = [(503, {}, b"busy")]
    with pytest.raises(STXServerException, match="may have been carried out") as doubt:
        call("place_order", **venue.order)
    assert (doubt.value.outcome_unknown, doubt.value.status_code, venue.orders) == (True, 503, [])
    venue.sandbox.answers = [(503, {}, b""), HANG_UP]
    assert call("account").account_balance == DEPOSIT


def test_an_order_that_never_left_is_certain(make: Any, venue: Venue) -> None:
    call = make(timeout=2.0)
    call("account")
    call("close")
    venue.sandbox.stop()
    other = make(timeout=2.0, user=call.client.user)
    with pytest.raises(STXTransportException) as failed:
        other("place_order", **venue.order)
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
    make: Any, venue: Venue, status: int, headers: dict[str, str], body: bytes, kind: type[STXException]
) -> None:
    call = make(retry=NO_RETRY)
    venue.sandbox.answers = [(status, headers, body)]
    with pytest.raises(STXException) as failed:
        call("account")
    assert type(failed.value) is kind
    assert isinstance(failed.value, TapewireError)
    assert failed.value.status_code == status
    assert all(isinstance(error, dict) for error in failed.value.errors)


def test_a_rate_limit_says_how_long(make: Any, venue: Venue) -> None:
    call = make(retry=NO_RETRY)
    venue.sandbox.answers = [(429, {"retry-after": "12"}, b"")]
    with pytest.raises(STXRateLimitException) as limited:
        call("account")
    assert (limited.value.retry_after, limited.value.retryable) == (12.0, True)


def test_an_order_answered_with_errors_beside_data_is_in_doubt(make: Any, venue: Venue) -> None:
    call = make()
    venue.sandbox.answers = [
        (200, {}, b'{"data": {"confirmOrder": {"order": null}}, "errors": [{"message": "field"}]}')
    ]
    with pytest.raises(STXServerException, match="may have been carried out"):
        call("place_order", **venue.order)


def test_an_expired_token_is_renewed_once_and_the_call_goes_again(make: Any, venue: Venue) -> None:
    call = make()
    call("account")
    venue.sandbox.order("expire_tokens")
    assert call("account").account_balance == DEPOSIT
    assert venue.calls == ["login", "account", "account", "newToken", "account"]
    venue.sandbox.answers = [(401, {}, b"")]
    call("account")
    assert venue.calls[5:] == ["account", "newToken", "account"]


def test_a_token_that_is_never_taken_is_an_error_and_no_loop(make: Any, venue: Venue) -> None:
    call = make()
    venue.sandbox.order("refuse_tokens", times=9)
    with pytest.raises(STXTokenExpiredException):
        call("account")
    assert venue.calls.count("account") == 2


def test_a_refused_renewal_signs_in_again(make: Any, venue: Venue) -> None:
    call = make()
    call("account")
    venue.sandbox.order("expire_tokens")
    call.client.user.set_params({"refresh_token": "of-yesterday"})
    call("account")
    assert venue.calls == ["login", "account", "account", "newToken", "login", "account"]


def test_a_token_is_renewed_before_it_ends(make: Any, venue: Venue) -> None:
    call = make()
    call("account")
    user = call.client.user
    assert user.expiry is not None
    assert timedelta(minutes=58) < user.expiry - datetime.now(UTC) < timedelta(minutes=59, seconds=1)
    user.set_params({"expiry": datetime.now(UTC) - timedelta(seconds=1)})
    call("account")
    assert venue.calls == ["login", "account", "newToken", "account"]


def test_a_wrong_password_is_final_and_shown_nowhere(make: Any, venue: Venue) -> None:
    call = make(password="hunter2hunter2")
    with pytest.raises(STXAuthenticationFailedException, match="invalid email or password") as refused:
        call("account")
    assert isinstance(refused.value, CredentialsRefused)
    assert refused.value.terminal
    assert "hunter2" not in f"{refused.value!r}{vars(refused.value)}{call.client!r}"


def test_without_credentials_the_error_says_what_to_give(make: Any, venue: Venue) -> None:
    with pytest.raises(STXAuthenticationFailedException, match="give email= and password="):
        make(email=None, password=None)("account")


def test_two_factor_asks_for_the_code_and_sends_no_second_one(make: Any, venue: Venue) -> None:
    venue.sandbox.face.add_user("ann@example.com", PASSWORD, two_factor=CODE)
    call = make()
    for _ in range(2):
        with pytest.raises(STXTwoFactorRequiredException, match="confirm_2fa"):
            call("account")
    with pytest.raises(STXAuthenticationFailedException, match="invalid code"):
        call("confirm_2fa", code="000000")
    assert call("confirm_2fa", code=CODE).uid == venue.ann.uid
    assert call("account").account_balance == DEPOSIT
    assert venue.calls.count("login") == 1


def test_login_and_refresh_can_be_asked_for(make: Any, venue: Venue) -> None:
    call = make(email=None, password=None)
    token = call("login", params={"email": "ann@example.com", "password": PASSWORD}).token
    assert venue.sandbox.face.user_of(token) == venue.ann
    before = call.client.user.token
    assert call("refresh").token != before
    assert venue.calls == ["login", "newToken"]


def test_the_socket_gets_its_token_here(make: Any, venue: Venue) -> None:
    call = make()
    first = call("token")
    assert isinstance(first, Secret)
    assert call("token") == first
    second = call("token", fresh=True)
    assert second != first
    assert call("token") == second
    assert venue.calls == ["login", "newToken"]


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, str]:
        own = {"close", "aclose"}
        return {
            name: str(inspect.signature(inspect.unwrap(value._course)))
            for name in dir(kind)
            if not name.startswith("_")
            and name not in own
            and hasattr(value := getattr(kind, name), "_course")
        }

    assert methods(STX) == methods(AsyncSTX)
    assert {"place_order", "markets", "orders", "confirm_2fa", "login", "cancel_all_orders"} <= methods(
        STX
    ).keys()
    assert STX.place_order.__doc__


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(STXInvalidParameterException, match="emial"):
        STX(emial="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [STX, AsyncSTX])
def test_an_unknown_environment_is_refused_at_construction(kind: Any) -> None:
    with pytest.raises(STXException, match="env='prod' is not valid; allowed: production, staging"):
        kind(region="ontario", env="prod")
