import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tapewire.protocols.base import Binary, Confirmed, Ended, Failed, Ready, Refused
from tapewire.protocols.graphql_ws import (
    CompleteReceived,
    GraphQLClient,
    GraphQLServer,
    InitReceived,
    Operation,
    SubscribeReceived,
)
from tests.protocols.graphql_ws.wires import T0

INIT = '{"type":"connection_init","payload":{"accessToken":"x"}}'
SUBSCRIBE = '{"id":"u-1","type":"subscribe","payload":{"query":"subscription { s }"}}'


def opened(**options):
    server = GraphQLServer(T0, **options)
    assert server.receive(INIT) == [InitReceived({"accessToken": "x"})]
    server.accept()
    assert server.data_to_send() == [b'{"type":"connection_ack"}']
    return server


def test_an_operation_runs_until_it_is_completed():
    server = opened()
    assert server.receive(SUBSCRIBE) == [SubscribeReceived("u-1", Operation("subscription { s }"))]
    server.next("u-1", {"data": Raw(b'{"s":1.10}')})
    assert server.receive('{"id":"u-1","type":"complete"}') == [CompleteReceived("u-1")]
    server.next("u-1", {"data": {}})
    server.complete("u-1")
    server.error("u-1", [])
    assert server.data_to_send() == [b'{"id":"u-1","type":"next","payload":{"data":{"s":1.10}}}']


def test_it_can_fail_and_complete_an_operation():
    server = opened()
    for number, end in enumerate((lambda one: server.error(one, [{"message": "no"}]), server.complete)):
        server.receive(SUBSCRIBE.replace("u-1", str(number)))
        end(str(number))
    assert [json.loads(payload)["type"] for payload in server.data_to_send()] == ["error", "complete"]
    assert not server.running


def test_pings_are_answered_with_their_payload():
    server = opened()
    assert server.receive('{"type":"ping","payload":{"n":1}}') == []
    assert server.receive('{"type":"pong"}') == []
    server.ping()
    assert server.data_to_send() == [b'{"type":"pong","payload":{"n":1}}', b'{"type":"ping"}']


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([INIT, INIT], 4429, "Too many initialisation requests"),
        ([SUBSCRIBE], 4401, "Unauthorized"),
        ([INIT, "accept", SUBSCRIBE, SUBSCRIBE], 4409, "Subscriber for u-1 already exists"),
        (["nonsense"], 4400, "Invalid message"),
        (['{"type":"start"}'], 4400, "Invalid message"),
        ([Binary(b"x")], 4400, "Invalid message"),
    ],
)
def test_what_breaks_the_protocol_closes_with_the_codes_of_the_specification(messages, code, reason):
    server = GraphQLServer(T0)
    outcome = []
    for message in messages:
        if message == "accept":
            server.accept()
        else:
            outcome = server.receive(message)
    (failed,) = outcome
    assert (failed.code, failed.reason[: len(reason)]) == (code, reason)
    assert server.receive(INIT) == []


def test_who_does_not_initialise_in_time_is_closed():
    server = GraphQLServer(T0, init_timeout=3)
    assert server.next_deadline() == T0 + 3
    assert server.handle_timer(T0 + 2) == []
    assert server.handle_timer(T0 + 3) == [Failed("Connection initialisation timeout", 4408)]
    assert server.handle_timer(T0 + 4) == []
    assert opened().next_deadline() is None


def test_operations_are_bounded():
    server = opened(max_operations=1)
    server.receive(SUBSCRIBE)
    assert server.receive(SUBSCRIBE.replace("u-1", "u-2")) == []
    assert json.loads(server.data_to_send()[0])["type"] == "error"


def test_both_sides_understand_each_other():
    client, server = GraphQLClient(init_payload={"a": 1}), GraphQLServer(T0)
    client.hello(T0)

    def exchange():
        requests = [request for payload in client.data_to_send() for request in server.receive(payload)]
        for request in requests:
            if isinstance(request, InitReceived):
                server.accept()
        return requests, client.receive(server.data_to_send(), T0)

    assert exchange()[1] == [Ready()]
    client.subscribe("a", "subscription { a }")
    client.subscribe("b", "subscription { b }")
    requests, items = exchange()
    assert items == [Confirmed("a"), Confirmed("b")]
    server.next(requests[0].id, {"data": {"a": 1}})
    server.complete(requests[0].id)
    assert exchange()[1][1:] == [Ended("a", "completed by the server")]
    client.subscribe("c", "subscription { c }")
    (request,) = [found for payload in client.data_to_send()[:1] for found in server.receive(payload)]
    server.error(request.id, [{"message": "no"}])
    assert [type(item) for item in client.receive(server.data_to_send(), T0)] == [Refused]


@given(st.lists(st.binary(max_size=60) | st.text(max_size=60) | st.sampled_from([INIT, SUBSCRIBE])))
def test_whatever_the_bytes_it_answers_with_a_list(payloads):
    """Whatever a client sends, `receive` returns a list, and nothing behind the first `Failed`."""
    server = GraphQLServer(T0)
    requests = [request for payload in payloads for request in server.receive(payload)]
    assert [isinstance(request, Failed) for request in requests].count(True) <= 1
    assert not any(isinstance(request, Failed) for request in requests[:-1])
