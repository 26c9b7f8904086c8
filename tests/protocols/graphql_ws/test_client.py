import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import (
    Binary,
    Command,
    Confirmed,
    Ended,
    Failed,
    Interrupted,
    Ready,
    Refused,
    Undecodable,
)
from tapewire.protocols.graphql_ws import CLOSE_CODES, GraphQLClient, Next, Operation
from tapewire.secrets import Secret
from tapewire.testing.protocol import check_protocol
from tests.protocols.graphql_ws.wires import ACK, PONG, T0, Script, opened, pong, result, sent


def test_it_keeps_every_duty_of_a_protocol():
    check_protocol(GraphQLClient, Script)


def test_the_handshake_is_init_and_acknowledgement_and_nothing_goes_out_between():
    client = GraphQLClient(init_payload={"accessToken": Secret("let-me-in-please"), "language": "en"})
    assert client.hello(T0) == []
    init = {"type": "connection_init", "payload": {"accessToken": "let-me-in-please", "language": "en"}}
    assert sent(client) == [init]
    assert client.receive(['{"type":"connection_ack","payload":{"any":1}}'], T0) == [Ready()]
    assert client.receive([ACK], T0) == []
    assert "let-me-in" not in repr(client)


def test_without_a_payload_the_initialisation_carries_none():
    client = GraphQLClient()
    client.hello(T0)
    assert client.data_to_send() == [b'{"type":"connection_init"}']


def test_an_operation_goes_out_with_all_its_parts_and_only_them():
    client = opened()
    client.subscribe("key", Operation("subscription S($a: Int) { s }", {"a": 1}, "S", {"trace": True}))
    assert sent(client) == [
        {
            "type": "subscribe",
            "id": "1",
            "payload": {
                "query": "subscription S($a: Int) { s }",
                "variables": {"a": 1},
                "operationName": "S",
                "extensions": {"trace": True},
            },
        },
        {"type": "ping", "payload": {"n": 1}},
    ]
    client.subscribe("other", "subscription { s }")
    assert sent(client)[0] == {"type": "subscribe", "id": "2", "payload": {"query": "subscription { s }"}}


def test_the_pong_behind_a_subscription_confirms_it_and_so_does_its_first_result():
    client = opened()
    client.subscribe("quiet", "subscription { q }")
    client.subscribe("busy", "subscription { b }")
    client.data_to_send()
    assert client.receive([result("2", {"b": 1})], T0)[0] == Confirmed("busy")
    assert client.receive([pong(1)], T0) == [Confirmed("quiet")]
    assert client.receive([pong(1), PONG], T0) == []


def test_a_pong_of_an_earlier_ping_confirms_nothing_that_came_later():
    client = opened()
    client.subscribe("a", "subscription { a }")
    client.data_to_send()
    client.subscribe("b", "subscription { b }")
    client.data_to_send()
    assert client.receive([pong(1)], T0) == [Confirmed("a")]
    assert client.receive([pong(2)], T0) == [Confirmed("b")]


def test_a_pong_that_nobody_asked_for_confirms_nothing():
    client = opened()
    client.subscribe("a", "subscription { a }")
    assert [message.get("payload") for message in sent(client)][-1] == {"n": 1}
    assert client.receive([PONG], T0) == [], "it says not what it answers: asked once more"
    assert sent(client) == [{"type": "ping", "payload": {"n": 2}}]
    assert client.receive([pong(1)], T0) == [], "this server echoes, so that the bare one was no answer"
    assert client.receive([PONG, pong(9), '{"type":"pong","payload":{"n":"2"}}'], T0) == []
    assert client.receive([pong(2)], T0) == [Confirmed("a")]
    client.subscribe("b", "subscription { b }")
    client.data_to_send()
    assert client.handle_timer(T0 + 30) == []
    client.subscribe("c", "subscription { c }")
    client.data_to_send()
    assert client.receive([PONG, pong(3)], T0 + 31) == [Confirmed("b")]
    assert client.receive([pong(5)], T0 + 32) == [Confirmed("c")], "and the ones before it were read too"
    assert client.ping_rtt == 2
    assert client.next_deadline() == T0 + 62


def test_a_server_that_echoes_nothing_answers_its_pings_in_order():
    client = opened()
    client.subscribe("a", "subscription { a }")
    client.data_to_send()
    client.subscribe("b", "subscription { b }")
    client.data_to_send()
    assert client.receive([PONG], T0) == []
    client.data_to_send()
    assert client.receive([PONG], T0) == [Confirmed("b")]
    assert client.receive([PONG], T0) == [Confirmed("a")]
    assert client.receive([PONG], T0) == []


def test_a_result_comes_out_under_the_callers_topic_with_its_data_raw():
    client = opened()
    client.subscribe("key", "subscription { n }")
    payload = '{"id":"1","type":"next","payload":{"data":{"n":1.10},"errors":[{"message":"part"}]}}'
    confirmed, message = client.receive([payload], T0)
    assert (confirmed, message.topic, bytes(message.data)) == (Confirmed("key"), "key", b'{"n":1.10}')
    assert bytes(message.payload.errors) == b'[{"message":"part"}]'


def test_data_of_the_older_protocol_means_next_and_its_keep_alive_nothing():
    client = opened()
    client.subscribe("key", "subscription { n }")
    items = client.receive(['{"type":"ka"}', result("1", {"n": 1}, "data")], T0)
    assert [type(item) for item in items] == [Confirmed, Next]


def test_a_ping_is_answered_by_a_pong():
    client = opened()
    assert client.receive(['{"type":"ping"}', '{"type":"ping","payload":{"a":1}}'], T0) == []
    assert client.data_to_send() == [b'{"type":"pong"}'] * 2


def test_an_error_before_the_confirmation_refuses_and_after_it_interrupts():
    client = opened()
    error = [{"message": "Cannot query field", "locations": []}, {"message": "and more"}]
    client.subscribe("a", "subscription { a }")
    wire = json.dumps({"id": "1", "type": "error", "payload": error})
    assert client.receive([wire], T0) == [Refused("a", "Cannot query field; and more", reply=error)]
    client.subscribe("a", "subscription { a }")
    client.data_to_send()
    client.receive([pong(1), pong(2)], T0)
    assert client.receive([wire.replace('"1"', '"2"')], T0) == [
        Interrupted("a", "Cannot query field; and more")
    ]
    assert client.receive([result("2", {})], T0) == []
    assert client.stale == 1


def test_who_knows_the_errors_says_which_may_be_granted_later():
    client = opened(retryable=lambda errors: errors[0]["message"] == "later")
    for number, message in enumerate(("later", "never"), 1):
        client.subscribe("a", "subscription { a }")
        wire = json.dumps({"id": str(number), "type": "error", "payload": [{"message": message}]})
        (refused,) = client.receive([wire], T0)
        assert refused.retryable == (message == "later")


def test_completion_by_the_server_ends_the_topic():
    client = opened()
    client.subscribe("a", "subscription { a }")
    client.data_to_send()
    assert client.receive([pong(1), '{"id":"1","type":"complete"}', result("1", {})], T0) == [
        Confirmed("a"),
        Ended("a", "completed by the server"),
    ]


def test_several_operations_are_one_subscription_and_end_together():
    client = opened()
    client.subscribe("a", [Operation("subscription { x }"), Operation("subscription { y }")])
    client.data_to_send()
    items = client.receive([pong(1), result("2", {"y": 1}), result("1", {"x": 1})], T0)
    assert [getattr(item, "topic", None) for item in items] == ["a"] * 3
    assert client.receive(['{"id":"2","type":"complete"}'], T0) == [Ended("a", "completed by the server")]
    assert sent(client) == [{"type": "complete", "id": "1"}]
    assert client.receive([result("1", {"x": 2})], T0) == []


def test_unsubscribing_completes_and_subscribing_again_takes_a_new_id():
    client = opened()
    client.subscribe("a", "subscription { a }")
    client.unsubscribe("a")
    client.subscribe("a", "subscription { a }")
    client.subscribe("a", "subscription { b }")
    messages = [(message["type"], message.get("id")) for message in sent(client)]
    assert messages == [
        ("subscribe", "1"),
        ("complete", "1"),
        ("subscribe", "2"),
        ("complete", "2"),
        ("subscribe", "3"),
        ("ping", None),
    ]


def test_a_ping_goes_out_each_interval_and_an_unanswered_one_fails_the_line():
    client = opened(ping_interval=30, ping_timeout=10)
    assert client.next_deadline() == T0 + 30
    assert client.handle_timer(T0 + 29) == []
    assert client.handle_timer(T0 + 30) == []
    assert client.data_to_send() == [b'{"type":"ping","payload":{"n":1}}']
    client.receive([pong(1)], T0 + 31)
    assert client.ping_rtt == 1
    assert client.next_deadline() == T0 + 61
    client.handle_timer(T0 + 61)
    assert client.handle_timer(T0 + 71) == [Failed("no pong in time")]
    assert client.next_deadline() is None


def test_no_acknowledgement_fails_the_line():
    client = GraphQLClient(ack_timeout=5)
    client.hello(T0)
    assert client.handle_timer(T0 + 5) == [Failed("no connection_ack in time")]


def test_without_an_interval_no_ping_goes_out_by_itself():
    client = opened(ping_interval=None)
    assert client.next_deadline() is None
    assert client.handle_timer(T0 + 1e6) == []


@pytest.mark.parametrize(
    ("code", "terminal", "unauthorized"),
    [
        (1000, False, False),
        (1001, False, False),
        (1006, False, False),
        (4400, True, False),
        (4401, False, True),
        (4403, False, True),
        (4406, True, False),
        (4408, False, False),
        (4409, False, False),
        (4429, False, False),
        (4500, False, False),
    ],
)
def test_a_close_code_says_whether_to_come_back_and_with_what(code, terminal, unauthorized):
    failed = opened().closed(code, "")
    assert (failed.code, failed.terminal, failed.unauthorized) == (code, terminal, unauthorized)
    assert failed.reason == CLOSE_CODES.get(code, "")
    assert opened().closed(code, "its own words").reason == "its own words"


def test_a_broken_frame_names_the_topic_where_its_head_still_says_it():
    client = opened()
    client.subscribe("a", "subscription { a }")
    (broken,) = client.receive(['{"id":"1","type":"next","payload":{"da'], T0)
    assert (type(broken), broken.topic) == (Undecodable, "a")
    (broken,) = client.receive([Binary(b"\x00")], T0)
    assert broken.topic is None
    assert client.undecodable == 2


def test_there_are_no_commands():
    client = opened()
    with pytest.raises(ConfigurationError, match="subscribe with an Operation"):
        client.send(Command("a", "b"))
    assert not client.was_sent("1")
    assert not client.withdraw("1")


@pytest.mark.parametrize("params", [1, [], [1], {"query": "q"}])
def test_what_is_no_operation_is_named(params):
    with pytest.raises(ConfigurationError, match="params"):
        opened().subscribe("a", params)


def test_what_json_cannot_say_is_named_and_changes_nothing():
    client = opened()
    with pytest.raises(ConfigurationError, match="params"):
        client.subscribe("a", Operation("q", {"a": object()}))
    assert client.data_to_send() == []
    with pytest.raises(ConfigurationError, match="init_payload"):
        GraphQLClient(init_payload={"a": object()})


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout", "ack_timeout"])
def test_times_are_above_zero(name):
    with pytest.raises(ConfigurationError, match=name):
        GraphQLClient(**{name: 0})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["next", "data", "error", "complete", "ping", "pong", "ka", "connection_ack", "x"])},
    optional={"id": st.sampled_from(["1", "2", "3", "9"]) | _json, "payload": _json},
).map(json.dumps)  # fmt: skip


@given(
    st.lists(_messages | st.binary(max_size=40) | st.binary(max_size=20).map(Binary) | st.text(max_size=40))
)
def test_whatever_the_bytes_it_answers_with_a_list(payloads):
    """Whatever the peer sends, `receive` returns a list, publishes only live topics, and confirms each once at most."""
    client = opened()
    for topic in ("a", "b", "c"):
        client.subscribe(topic)
    client.data_to_send()
    items = client.receive(payloads, T0)
    over = set()
    confirmed = [item.topic for item in items if isinstance(item, Confirmed)]
    assert len(set(confirmed)) == len(confirmed)
    for item in items:
        assert getattr(item, "topic", None) in ("a", "b", "c", None)
        if isinstance(item, Next):
            assert item.topic not in over
        elif isinstance(item, Ended | Refused | Interrupted):
            over.add(item.topic)


def test_what_could_not_be_read_meanwhile_has_its_whole_time_anew():
    client = GraphQLClient(ping_interval=30.0, ping_timeout=10.0, ack_timeout=5.0)
    client.hello(T0)
    client.excuse(T0 + 4)
    assert client.next_deadline() == T0 + 9
    client.receive([ACK], T0 + 5)
    client.excuse(T0 + 20)
    assert client.next_deadline() == T0 + 35, "a ping of ours is due all the same"
    client.handle_timer(T0 + 35)
    client.excuse(T0 + 43)
    assert client.handle_timer(T0 + 52) == []
    assert client.handle_timer(T0 + 53) == [Failed("no pong in time")]


def test_a_reason_shows_no_secret():
    client = opened()
    client.subscribe("orders")
    sent(client)
    said = '[{"message":"the token=abcdefghijklmnop is not known"}]'
    (refused,) = client.receive([f'{{"id":"1","type":"error","payload":{said}}}'], T0)
    assert "abcdefghijklmnop" not in refused.reason
