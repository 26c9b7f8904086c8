"""What a venue's calls make of answers and failures: both clients read, refuse and raise alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tapewire.retry import NO_RETRY
from tapewire.transport.http import HttpClient, Reply, SyncHttpClient
from tapewire.venues.kit.answers import Unreadable
from tapewire.venues.kit.errors import AnswerFault
from tapewire.venues.kit.http import Api, BlockingApi, Call, request_id_of
from tapewire.venues.kit.settings import Announcement
from tests.venues.kit.acme import ERRORS, URL, AcmeError, AcmeSignIn, AcmeUnanswered, AcmeUnreadable

TOKEN = "sesame-that-nobody-sees"  # no other test has a secret that is a part of it

Answer = Callable[[httpx2.Request], httpx2.Response]


def announcement() -> Announcement:
    return Announcement(logging.getLogger("tapewire.acme"), "acme", [URL], "by default")


def awaiting(answer: Answer, call: Call[Any], times: int = 1) -> Any:
    async def run() -> Any:
        http = HttpClient(URL, http_transport=httpx2.MockTransport(answer), policy=NO_RETRY)
        api = Api(http, ERRORS, announcement())
        try:
            return [await api.call(call) for _ in range(times)][-1]
        finally:
            await api.aclose()

    return asyncio.run(run())


def blocking(answer: Answer, call: Call[Any], times: int = 1) -> Any:
    http = SyncHttpClient(URL, http_transport=httpx2.MockTransport(answer), policy=NO_RETRY)
    api = BlockingApi(http, ERRORS, announcement())
    try:
        return [api.call(call) for _ in range(times)][-1]
    finally:
        api.close()


both = pytest.mark.parametrize("made", [awaiting, blocking])


def answered(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    return lambda request: httpx2.Response(status, content=body, headers=headers)


def unanswered(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadError(f"reset, of {request.headers}")


def a_call(read: Callable[[Reply], Any] = lambda reply: reply.body, **fields: Any) -> Call[Any]:
    return Call(**{"operation": "placeOrder", "method": "POST", "path": "/orders", "read": read, **fields})


def unreadable(reply: Reply) -> Any:
    raise Unreadable("id", "a text", f"the text {reply.body.decode()!r}")


@both
def test_an_answer_is_what_reading_makes_of_it(made: Any) -> None:
    assert made(answered(200, b"[1]"), a_call(lambda reply: reply.json())) == [1]


@both
def test_where_calls_go_is_said_before_the_first_one_and_once(made: Any, caplog: Any) -> None:
    said: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        said.append(len([each for each in caplog.records if each.name == "tapewire.acme"]))
        return httpx2.Response(200)

    with caplog.at_level(logging.INFO, "tapewire.acme"):
        made(answer, a_call(), times=2)
    assert said == [1, 1]


@both
@pytest.mark.parametrize("answer", [unanswered, answered(503), answered(400)], ids=["none", "503", "400"])
def test_an_error_carries_no_request_with_it(made: Any, answer: Answer) -> None:
    with pytest.raises(AcmeError) as caught:
        made(answer, a_call(options={"headers": {"x-token": TOKEN}}))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert TOKEN not in str(caught.value)


@both
def test_only_a_call_that_may_not_be_repeated_has_an_outcome_to_look_up(made: Any) -> None:
    for idempotent in (True, False):
        with pytest.raises(AcmeUnanswered) as caught:
            made(unanswered, a_call(lookup="get_order()", options={"idempotent": idempotent}))
        assert caught.value.outcome_unknown is not idempotent
        assert ("look it up with get_order()" in str(caught.value)) is not idempotent


@both
@pytest.mark.parametrize(
    ("fields", "is_unknown"),
    [({}, False), ({"changes": True}, True), ({"lookup": "get_order()"}, True)],
    ids=["reads", "changes", "can be looked up"],
)
def test_an_answer_that_cannot_be_read_says_where_and_what_became_of_the_call(
    made: Any, fields: dict[str, Any], is_unknown: bool
) -> None:
    answer = answered(201, b"nothing", **{"x-request-id": "r-7"})
    with pytest.raises(AcmeUnreadable) as caught:
        made(answer, a_call(unreadable, **fields))
    error = caught.value
    assert error.fault == AnswerFault("placeOrder", "id", "a text", "the text 'nothing'", "'nothing'")
    assert error.outcome_unknown is is_unknown
    assert ("get_order()" in str(error)) is ("lookup" in fields)
    assert (error.status_code, error.request_id) == (201, "r-7")


@both
def test_nothing_of_an_answer_that_may_hold_a_token_is_shown(made: Any) -> None:
    for signing_in in (True, False):
        with pytest.raises(AcmeUnreadable) as caught:
            made(answered(200, TOKEN.encode()), a_call(unreadable, signing_in=signing_in))
        assert (TOKEN in str(caught.value)) is not signing_in


@both
def test_a_sign_in_that_is_refused_is_told_as_one(made: Any) -> None:
    for signing_in, kind in ((True, AcmeSignIn), (False, AcmeError)):
        with pytest.raises(AcmeError) as caught:
            made(answered(403), a_call(signing_in=signing_in))
        assert type(caught.value) is kind


def test_a_call_does_not_show_what_it_sends() -> None:
    assert TOKEN not in repr(a_call(options={"headers": {"x-token": TOKEN}}))


@pytest.mark.parametrize(
    ("headers", "known"), [({}, None), ({"x-request-id": ""}, None), ({"x-request-id": "7" * 999}, "7" * 128)]
)
def test_a_request_id_is_bounded_and_none_where_there_is_none(
    headers: dict[str, str], known: str | None
) -> None:
    assert request_id_of(Reply(method="GET", url=URL, status=200, headers=headers, body=b"")) == known
