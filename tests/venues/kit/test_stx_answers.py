"""STX: every documented operation, with every wrong answer to it: an error that says where, never an empty success."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLType

from tapewire.retry import NO_RETRY
from tapewire.venues.stx import AsyncSTX, Record, Selection, STXAnswerException, STXServerException, User
from tapewire.venues.stx.reconcile import MOST_PAGES, PAGE, orders_of
from tests.venues.kit.wrong_answers import Operation, answering, right_answer, tried
from tests.venues.stx.calling import ORDER, SCHEMA
from tests.venues.stx.stx_line import signed_in

SAMPLES = {
    "rID": "x-1", "String": "words", "Boolean": True, "Int": 5, "NonNegInt": 6, "Price": 40,
    "Quantity": 7, "Float": 0.5, "Timestamp": 5,
}  # fmt: skip


NOT_ASKED = {("Settlement", "time")}
"""A field of the schema that no call selects."""


def sample(kind: GraphQLType) -> Any:
    """A value of a type of the schema that the sandbox checks documents by."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type)]
    if isinstance(kind, GraphQLObjectType):
        return {
            name: sample(field.type)
            for name, field in kind.fields.items()
            if name != "nextGeolocationAt" and (kind.name, name) not in NOT_ASKED
        }
    return SAMPLES[str(kind)]


def operation(name: str, field: str, *never_null: str, changes: bool = False, **arguments: Any) -> Operation:
    root = SCHEMA.mutation_type if changes else SCHEMA.query_type
    assert root is not None
    right = sample(root.fields[field].type)
    return Operation(
        name,
        lambda client: getattr(client, name)(**arguments),
        right,
        wrap=lambda answer: {"data": {field: answer}},
        nullable=None,
        never_null=frozenset(never_null),
        changes=changes,
        is_list=isinstance(right, list) and name != "cancel_orders",
    )


PLACED = ("id", "status", "results")
OPERATIONS = [
    operation("place_order", "confirmOrder", *PLACED, changes=True, **ORDER),
    operation("place_orders", "confirmOrders", *PLACED, changes=True, user_orders=[ORDER]),
    operation("cancel_order", "cancelOrder", "status", changes=True, order_id="x-1"),
    operation("cancel_orders", "cancelOrders", "orderId", "status", changes=True, order_ids=["x-1"]),
    operation("cancel_all_orders", "cancelAllOrders", "orderId", "status", changes=True),
    operation("markets", "marketInfosWithCount", "marketId", "count", "marketInfos"),
    operation("orders", "myOrderHistory", "id", "status", "totalCount", "orders"),
    operation("trades", "myTradesHistory", "id", "price", "filled", "totalCount", "trades"),
    operation("settlements", "mySettlementsHistory", "id", "marketId", "totalCount", "settlements"),
    operation("positions", "accountMarketStats", "marketId", "position"),
    operation("account", "account", *sample(SCHEMA.query_type.fields["account"].type)),  # type: ignore[union-attr]
    operation("user_profile", "userProfile", "id", "username"),
    Operation("api_version", lambda client: client.api_version(), {"api_version": "v1"}),
]


def client_of(url: str) -> AsyncSTX:
    return AsyncSTX(host=url, user=signed_in(), retry=NO_RETRY)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_wrong_answer_is_an_error_and_never_an_empty_success(operation: Operation) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        taken, errors = await tried(operation, venue.give, client, STXAnswerException)
    assert taken == []
    assert {(error.outcome_unknown, error.sent) for error in errors} == {(operation.changes, True)}
    if operation.changes:
        assert all("look it up with orders(" in str(error) and not error.retryable for error in errors)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_right_answer_with_more_in_it_is_taken(operation: Operation) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.body = right_answer(operation)
        found = await operation.call(client)
    assert found
    if operation.name == "orders":
        assert (found.count, found[0].id, found[0].price, found[0].new_field) == (5, "x-1", 40, {"a": [1]})


async def test_the_error_names_operation_place_and_what_came_and_shows_no_secret() -> None:
    async with answering() as venue, client_of(venue.url) as client:
        token = client.user.token
        venue.body = b'{"data": {"account": {"accountBalance": 5, "token": "%b"}}}' % str(token).encode()
        with pytest.raises(STXAnswerException) as raised:
            await client.account()
    fault = raised.value.fault
    assert (fault.operation, fault.path) == ("account", "data.account.availableBalance")
    assert fault.found == "missing; beside it: accountBalance, token"
    assert str(token) not in f"{raised.value} {raised.value!r} {vars(raised.value)}"
    assert raised.value.__suppress_context__
    assert isinstance(raised.value, STXServerException)
    assert pickle.loads(pickle.dumps(fault)) == fault


@pytest.mark.parametrize(
    "wrong", [{}, None, [], {"token": ""}, {"token": None}, {"tokn": "a-token-that-leaks"}]
)
async def test_a_sign_in_whose_answer_cannot_be_read_is_no_refusal_and_shows_nothing(wrong: Any) -> None:
    async with (
        answering() as venue,
        AsyncSTX(
            host=venue.url, user=User.new(), email="a@b.c", password="pw-pw-pw", retry=NO_RETRY
        ) as client,
    ):
        venue.body = b'{"data": {"login": %b}}' % json.dumps(wrong).encode()
        with pytest.raises(STXAnswerException) as raised:
            await client.account()
    assert "leaks" not in f"{raised.value} {vars(raised.value)}"
    assert raised.value.retryable


@pytest.mark.parametrize(
    "chosen", [Selection("errors", order=Selection("id")), Selection(order=Selection("id"))]
)
async def test_an_order_that_is_neither_placed_nor_refused_is_unknown(chosen: Selection) -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.body = b'{"data": {"confirmOrder": {"order": null, "errors": []}}}'
        with pytest.raises(
            STXAnswerException,
            match=r"order, or an error.*look it up with orders\(client_order_ids=\['mine'\]",
        ):
            await client.place_order(**ORDER, client_order_id="mine", selections=chosen)


async def test_as_many_results_as_orders_or_their_outcome_is_unknown() -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.body = b'{"data": {"confirmOrders": {"results": [{"order": {"id": "1"}, "errors": []}]}}}'
        chosen = Selection(results=Selection("errors", order=Selection("id")))
        with pytest.raises(STXAnswerException, match="a list of 2"):
            await client.place_orders(user_orders=[ORDER, ORDER], selections=chosen)


@pytest.mark.parametrize("goes_round", [True, False])
async def test_a_state_whose_pages_do_not_end_is_no_state(goes_round: bool) -> None:
    class Venue:
        asked = 0

        async def orders(self, pagination: dict[str, int]) -> Any:
            self.asked += 1
            first = 0 if goes_round else pagination["page"] * PAGE
            return [Record(id=str(number)) for number in range(first, first + PAGE)]

    venue = Venue()
    with pytest.raises(
        STXAnswerException, match="same page again" if goes_round else f"after {MOST_PAGES} pages"
    ):
        await orders_of(venue)  # type: ignore[arg-type]
    assert venue.asked == (2 if goes_round else MOST_PAGES + 1)


async def test_the_quantity_of_an_answer_is_exact() -> None:
    async with answering() as venue, client_of(venue.url) as client:
        venue.body = b"""{"data": {"accountMarketStats": [
            {"marketId": "m", "position": 0.1}, {"marketId": 7, "position": "3"}]}}"""
        one, other = await client.positions(selections=Selection("market_id", "position"))
    assert str(one.position * 3) == "0.3"
    assert (other.position, other.market_id, type(other.position)) == (3, "7", int)
