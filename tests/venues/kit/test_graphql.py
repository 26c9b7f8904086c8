"""A document as a call: what is sent, and what its answer's `data` and `errors` amount to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapewire.transport.http import Reply
from tapewire.venues.kit.answers import Maybe, Unreadable, anything
from tapewire.venues.kit.graphql import graphql_call, selection_of
from tests.venues.kit.acme import ERRORS, URL, AcmeArgument, AcmeError, AcmeSignIn, AcmeUnanswered

DOCUMENT = "mutation placeOrder($price: Int!) { placeOrder(price: $price) { id } }"
FAILED = {"errors": [{"message": "it failed"}]}


def a_call(read: Any = lambda data: data, variables: Any = (), **fields: Any) -> Any:
    fields = {"name": "placeOrder", **fields}
    return graphql_call(ERRORS, "/graphql", DOCUMENT, dict(variables), read, **fields)


def reply_of(answer: Any, **headers: str) -> Reply:
    return Reply(method="POST", url=URL, status=200, headers=headers, body=json.dumps(answer).encode())


def refusal(call: Any, answer: Any, **headers: str) -> Any:
    with pytest.raises(AcmeError) as caught:
        call.read(reply_of(answer, **headers))
    return caught.value


def test_values_travel_as_variables_and_the_document_as_it_is() -> None:
    call = a_call(variables={"price": '1) { id } } # "'}, headers={"x-key": "k"})
    assert (call.method, call.path, call.operation) == ("POST", "/graphql", "placeOrder")
    sent = json.loads(call.options["body"])
    assert sent == {
        "operationName": "placeOrder",
        "query": DOCUMENT,
        "variables": {"price": '1) { id } } # "'},
    }
    assert call.options["headers"] == {"content-type": "application/json", "x-key": "k"}


@pytest.mark.parametrize("idempotent", [True, False])
def test_whether_a_document_may_be_sent_again_is_its_own_word(idempotent: bool) -> None:
    assert a_call(idempotent=idempotent).options["idempotent"] is idempotent
    call = a_call(lookup="get_order()", changes=True, signing_in=True)
    assert (call.lookup, call.changes, call.signing_in) == ("get_order()", True, True)


def endless() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize("value", [object(), endless()], ids=["an object", "endless"])
def test_a_variable_that_json_cannot_say_is_a_wrong_argument(value: Any) -> None:
    with pytest.raises(AcmeArgument) as caught:
        a_call(variables={"price": value})
    assert caught.value.argument == "variables"
    assert caught.value.__cause__ is None


def test_data_is_read_and_what_is_none_is_not_read_as_nothing() -> None:
    assert (
        a_call(lambda data: data["placeOrder"]["id"]).read(reply_of({"data": {"placeOrder": {"id": "7"}}}))
        == "7"
    )
    for answer in ({"data": None}, {"data": []}, {}, [], {"errors": []}):
        with pytest.raises(Unreadable):
            a_call().read(reply_of(answer))


def test_a_result_that_is_nested_without_end_cannot_be_read() -> None:
    def read(data: Any) -> Any:
        raise RecursionError

    with pytest.raises(Unreadable, match="nested without end"):
        a_call(read).read(reply_of({"data": {}}))


def test_errors_are_the_venues_with_what_the_answer_says_beside_them() -> None:
    error = refusal(a_call(), FAILED, **{"x-request-id": "r-9"})
    assert type(error) is AcmeError
    assert "it failed" in str(error)
    assert (error.status_code, error.request_id) == (200, "r-9")


@pytest.mark.parametrize(
    ("data", "idempotent", "is_unknown"),
    [
        (None, False, False),
        ({"placeOrder": None}, False, False),
        ({"another": {"id": "7"}}, False, False),
        ({"placeOrder": {"id": "7"}}, False, True),
        ({"placeOrder": {"id": "7"}}, True, False),
    ],
    ids=["nothing", "null", "another field", "an answer beside", "may be repeated"],
)
def test_what_was_answered_beside_errors_may_have_been_carried_out(
    data: Any, idempotent: bool, is_unknown: bool
) -> None:
    call = a_call(lookup="get_order()", idempotent=idempotent)
    error = refusal(call, {**FAILED, "data": data})
    assert type(error) is (AcmeUnanswered if is_unknown else AcmeError)
    assert getattr(error, "outcome_unknown", False) is is_unknown
    assert ("get_order()" in str(error)) is is_unknown


def test_errors_of_a_sign_in_are_told_as_that() -> None:
    assert type(refusal(a_call(signing_in=True), FAILED)) is AcmeSignIn


def test_a_selection_asks_for_every_field_of_a_shape_with_its_arguments() -> None:
    shape = {"id": anything, "fills": [{"price": anything, "fees": Maybe({"cents": anything})}]}
    assert selection_of(shape) == " { id fills { price fees { cents } } }"
    arguments = {"fills": "(first: 2)", "fees": "(all: true)"}
    assert selection_of(Maybe(shape), arguments) == (
        " { id fills(first: 2) { price fees(all: true) { cents } } }"
    )
    assert selection_of(anything) == ""
