"""The client side, rule by rule, against bytes as a Centrifugo server sends them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import (
    Binary,
    Confirmed,
    CredentialsExpiring,
    Ended,
    Failed,
    Interrupted,
    Ready,
    Refused,
    Replied,
    Skipped,
    StreamPosition,
    Undecodable,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    HistoryResult,
    Pacing,
    Presence,
    PresenceStats,
    Publication,
    Publish,
    Refresh,
    Rpc,
    Send,
    SubRefresh,
    SubscribeParams,
)
from tapewire.secrets import Secret
from tests.protocols.centrifugo.wires import (
    CONNECTED,
    PING,
    RECOVERABLE,
    connected,
    error,
    line,
    live,
    numbers,
    pub,
    push,
    recovering,
    reply,
    sent,
)

E = StreamPosition(10, "e")


# --- connect --------------------------------------------------------------------------------------------------------


def test_connect_goes_first_and_alone() -> None:
    client = CentrifugoClient(token="JWT", name="python", data={"a": 1})
    client.subscribe("early")
    assert client.data_to_send() == []
    assert client.hello(0.0) == []
    assert client.data_to_send() == [b'{"id":1,"connect":{"token":"JWT","data":{"a":1},"name":"python"}}']
    client.send(Rpc(method="m"))
    assert client.data_to_send() == []
    assert client.receive([CONNECTED], 0.1) == [Ready()]
    assert [message["id"] for message in sent(client)] == [2, 3]
    assert client.connected is not None
    assert client.connected.client == "c1"


def test_the_token_is_in_no_repr() -> None:
    client = CentrifugoClient(token="very-secret-jwt")
    client.hello(0.0)
    assert "very-secret" not in repr(client) + repr(vars(client)) + repr(Refresh(token=Secret("very-secret")))


def test_an_expiring_token_is_announced() -> None:
    client = CentrifugoClient(token="JWT")
    client.hello(0.0)
    items = client.receive([reply(1, "connect", client="c1", expires=True, ttl=600)], 0.0)
    assert items == [Ready(), CredentialsExpiring(600.0)]


@pytest.mark.parametrize(
    ("code", "temporary", "expected"),
    [
        (109, False, Failed("connect refused: token expired", 109, unauthorized=True)),
        (100, True, Failed("connect refused: internal server error", 100)),
        (4000, True, Failed("connect refused: error 4000", 4000)),
        (101, False, Failed("connect refused: unauthorized", 101, terminal=True)),
    ],
)
def test_after_a_refused_connect_nothing_is_ever_sent(code: int, temporary: bool, expected: Failed) -> None:
    client = CentrifugoClient()
    client.hello(0.0)
    client.data_to_send()
    client.subscribe("c")
    client.send(Rpc(method="m"))
    assert client.receive([error(1, code, temporary=temporary), PING], 0.1) == [expected]
    client.subscribe("d")
    assert client.data_to_send() == []
    assert client.next_deadline() is None
    assert client.receive([pub("c", 1)], 0.2) == []


def test_an_unanswered_connect_is_the_end() -> None:
    client = CentrifugoClient(command_timeout=5.0)
    client.hello(100.0)
    assert client.next_deadline() == 105.0
    assert client.handle_timer(104.9) == []
    assert client.handle_timer(105.0) == [Failed("connect timeout")]
    assert client.next_deadline() is None


# --- pings ----------------------------------------------------------------------------------------------------------


def test_one_pong_for_each_ping() -> None:
    client = connected()
    assert client.receive([PING], 1.0) == []
    assert client.data_to_send() == [b"{}"]
    assert client.data_to_send() == []
    client.receive([b"{}\n" + pub("x") + b"\n{}\n"], 2.0)
    assert client.data_to_send() == [b"{}\n{}"]


def test_no_pong_that_was_not_asked_for() -> None:
    without = connected(reply(1, "connect", client="c1", ping=25))
    without.receive([PING], 1.0)
    before = CentrifugoClient()
    before.hello(0.0)
    before.data_to_send()
    before.receive([PING], 1.0)
    unknown = connected()
    unknown.receive([b'{"news":{}}', b'{"push":{"channel":"c","flag":{}}}', b'{"push":{}}'], 1.0)
    for client in (without, before, unknown):
        assert client.data_to_send() == []
    assert unknown.counts.unknown == 3


def test_any_message_counts_as_life() -> None:
    client = live()
    assert client.next_deadline() == 35.0
    client.receive([pub("c", 11)], 20.0)
    assert client.next_deadline() == 55.0
    client.receive([b"garbage"], 30.0)
    assert client.handle_timer(64.9) == []
    assert client.handle_timer(65.0) == [Failed("no ping")]
    assert client.next_deadline() is None
    assert client.handle_timer(66.0) == []


def test_a_server_without_pings_is_not_judged() -> None:
    client = connected(reply(1, "connect", client="c1"))
    assert client.next_deadline() is None
    assert client.handle_timer(1e9) == []


# --- publications ---------------------------------------------------------------------------------------------------


def test_a_publication_is_the_decoded_envelope() -> None:
    client = live("order_book:x")
    (item,) = client.receive([pub("order_book:x", 11, [1], tags={"messageId": "m"}, time=5)], 1.0)
    assert type(item) is Publication
    assert (item.topic, item.offset, item.tags, bytes(item.data)) == (
        "order_book:x",
        11,
        {"messageId": "m"},
        b"[1]",
    )
    assert item.event == "publication"
    assert not item.replayed


def test_fields_the_wire_cannot_set_are_ours() -> None:
    client = live()
    (item,) = client.receive([pub("c", 11, topic="other", replayed=True, event="join")], 1.0)
    assert (item.topic, item.replayed, item.event) == ("c", False, "publication")


def test_what_comes_twice_is_dropped_and_counted() -> None:
    client = live()
    assert numbers(client.receive([pub("c", 11), pub("c", 11), pub("c", 9), pub("c", 12)], 1.0)) == [11, 12]
    assert client.counts.duplicates == 2


def test_a_jump_is_said_before_the_publication_that_jumped() -> None:
    client = live()
    skipped, item, after = client.receive([pub("c", 15), pub("c", 16)], 1.0)
    assert skipped == Skipped("c", 11, 15, 4)
    assert (item.offset, after.offset) == (15, 16)
    assert client.position("c") == StreamPosition(16, "e")


def test_holes_are_legal_with_a_tag_filter() -> None:
    params = SubscribeParams(
        positioned=True, recoverable=True, tag_filter={"key": "k", "cmp": "eq", "val": "v"}
    )
    client = live(params=params)
    assert numbers(client.receive([pub("c", 12), pub("c", 20), pub("c", 20)], 1.0)) == [12, 20]
    assert client.position("c") == StreamPosition(20, "e")
    assert (client.counts.skipped, client.counts.duplicates) == (0, 1)


def test_publications_without_a_number_are_not_judged() -> None:
    client = live("best_odds:global", params=None, offset=0, epoch="", positioned=False, recoverable=False)
    assert len(client.receive([pub("best_odds:global")] * 3, 1.0)) == 3
    assert client.position("best_odds:global") is None
    positioned = live()
    assert numbers(positioned.receive([pub("c", 11), pub("c"), pub("c", 12)], 1.0)) == [11, 0, 12]


def test_numbers_that_come_unannounced_are_watched_from_the_first_on() -> None:
    client = live(params=None, offset=0, epoch="", positioned=False, recoverable=False)
    items = client.receive([pub("c", 57), pub("c", 58), pub("c", 58), pub("c", 61)], 1.0)
    assert numbers(items) == [57, 58, 61]
    assert Skipped("c", 59, 61, 2) in items
    assert client.position("c") is None


def test_an_empty_epoch_is_replaced_together_with_the_first_offset() -> None:
    client = live(offset=0, epoch="")
    assert client.position("c") == StreamPosition(0, "")
    client.receive([pub("c", 1, epoch="E1")], 1.0)
    assert client.position("c") == StreamPosition(1, "E1")


def test_an_epoch_that_is_known_is_not_replaced_by_a_repeated_publication() -> None:
    client = live(offset=5, epoch="e")
    client.receive([pub("c", 1, epoch="e")], 1.0)
    assert client.position("c") == StreamPosition(5, "e")
    unborn = live(offset=3, epoch="")
    unborn.receive([pub("c", 2, epoch="late")], 1.0)
    assert unborn.position("c") == StreamPosition(3, "")


def test_another_epoch_in_a_publication_is_a_break() -> None:
    client = live(offset=5, epoch="e")
    skipped, item = client.receive([pub("c", 1, epoch="f")], 1.0)
    assert skipped == Skipped("c", 6, 1, None)
    assert item.offset == 1
    assert client.position("c") == StreamPosition(1, "f")


def test_publications_of_a_channel_that_is_being_left_are_stale() -> None:
    client = live()
    client.unsubscribe("c")
    assert client.receive([pub("c", 11), pub("nobody's", 1)], 1.0) == []
    assert (client.stale, client.counts.unrouted) == (1, 1)


def test_who_comes_and_goes_is_delivered_where_asked_for() -> None:
    client = live()
    info = {"user": "u", "client": "x"}
    joined, left = client.receive([push("c", "join", info=info), push("c", "leave", info=info)], 1.0)
    assert [(item.event, item.info.client) for item in (joined, left)] == [("join", "x"), ("leave", "x")]


# --- subscriptions --------------------------------------------------------------------------------------------------


def test_a_subscription_is_confirmed_with_its_position() -> None:
    client = connected()
    client.subscribe("c", RECOVERABLE)
    assert sent(client) == [{"id": 2, "subscribe": {"channel": "c", "positioned": True, "recoverable": True}}]
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 10, "data": {"x": 1}}
    (confirmed,) = client.receive([reply(2, "subscribe", **body)], 1.0)
    assert (confirmed.topic, confirmed.position) == ("c", E)
    assert (confirmed.recovering, confirmed.recovered, confirmed.replayed) == (False, False, 0)
    assert bytes(confirmed.reply.data) == b'{"x":1}'


def test_a_position_never_goes_without_recover() -> None:
    for params in (None, SubscribeParams(positioned=True)):
        client = connected()
        client.subscribe("c", params, E)
        assert not {"recover", "offset", "epoch"} & sent(client)[0]["subscribe"].keys()
    client, _ = recovering(E)
    client = connected()
    client.subscribe("c", RECOVERABLE, StreamPosition(0, ""))
    assert sent(client)[0]["subscribe"]["recover"] is True


def test_a_recovered_subscription_replays_at_once_what_was_missed() -> None:
    client, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 10, "was_recovering": True}
    missed = [{"data": n, "offset": n} for n in (11, 12)]
    read = [reply(number, "subscribe", **body, recovered=True, publications=missed), pub("c", 13)]
    confirmed, *rest = client.receive(read, 1.0)
    assert (confirmed.position, confirmed.recovering, confirmed.recovered) == (E, True, True)
    assert confirmed.replayed == 2
    assert [(item.offset, item.replayed, item.topic) for item in rest] == [
        (11, True, "c"),
        (12, True, "c"),
        (13, False, "c"),
    ]
    assert client.position("c") == StreamPosition(13, "e")


def test_recovery_with_nothing_missed_is_recovered() -> None:
    client, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 10}
    (confirmed,) = client.receive(
        [reply(number, "subscribe", **body, was_recovering=True, recovered=True)], 1.0
    )
    assert (confirmed.recovered, confirmed.replayed) == (True, 0)


def test_a_server_that_names_the_top_in_a_recovered_reply_is_understood() -> None:
    client, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 12, "recovered": True}
    missed = [{"data": n, "offset": n} for n in (10, 11, 12)]
    confirmed, *rest = client.receive([reply(number, "subscribe", **body, publications=missed)], 1.0)
    assert confirmed.position == E
    assert numbers(rest) == [11, 12]


def test_an_unrecovered_subscription_starts_at_the_top() -> None:
    client, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "f", "offset": 99, "was_recovering": True}
    (confirmed,) = client.receive([reply(number, "subscribe", **body)], 1.0)
    assert (confirmed.recovering, confirmed.recovered) == (True, False)
    assert confirmed.position == StreamPosition(99, "f")


def test_recovery_that_the_epoch_does_not_prove_is_not_believed() -> None:
    for since, epoch in ((StreamPosition(10, ""), "e"), (StreamPosition(10, "e"), "f")):
        client, number = recovering(since)
        body = {"recoverable": True, "positioned": True, "epoch": epoch, "offset": 10, "recovered": True}
        (confirmed,) = client.receive([reply(number, "subscribe", **body)], 1.0)
        assert not confirmed.recovered
    client, number = recovering(StreamPosition(0, ""))
    body = {"recoverable": True, "positioned": True, "epoch": "e", "recovered": True}
    missed = [{"data": 1, "offset": 1, "epoch": "e"}]
    confirmed, first = client.receive([reply(number, "subscribe", **body, publications=missed)], 1.0)
    assert confirmed.recovered
    assert first.offset == 1


def test_a_hole_in_what_is_replayed_is_said() -> None:
    client, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 10, "recovered": True}
    missed = [{"data": n, "offset": n} for n in (11, 14)]
    _, _, skipped, last = client.receive([reply(number, "subscribe", **body, publications=missed)], 1.0)
    assert skipped == Skipped("c", 12, 14, 2)
    assert last.offset == 14


@pytest.mark.parametrize(
    ("code", "temporary", "retryable"),
    [
        (100, True, True),
        (100, False, True),
        (103, False, False),
        (102, False, False),
        (105, False, True),
        (106, False, False),
        (109, False, True),
        (111, False, True),
        (112, False, True),
        (1, False, True),
        (1000, False, False),
        (1000, True, True),
    ],
)
def test_a_refusal_says_whether_asking_again_can_help(code: int, temporary: bool, retryable: bool) -> None:
    client = connected()
    client.subscribe("c", RECOVERABLE, E)
    sent(client)
    (refused,) = client.receive([error(2, code, temporary=temporary)], 1.0)
    assert (refused.topic, refused.code, refused.retryable) == ("c", code, retryable)
    assert refused.reason
    assert client.receive([pub("c", 11)], 1.0) == []


def test_an_error_without_a_message_is_no_fault() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    (refused,) = client.receive([b'{"id":2,"error":{"code":103}}'], 1.0)
    assert refused.reason == "permission denied"


def test_an_unrecoverable_position_is_forgotten() -> None:
    client, number = recovering(E)
    assert client.position("c") == E
    client.receive([error(number, 112)], 1.0)
    assert client.position("c") is None


def test_a_subscription_the_server_still_holds_is_ended_before_it_is_asked_for_again() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    client.receive([error(2, 105, "already subscribed")], 1.0)
    client.subscribe("c")
    assert sent(client) == [{"id": 3, "unsubscribe": {"channel": "c"}}]
    client.receive([reply(3, "unsubscribe")], 1.0)
    assert sent(client) == [{"id": 4, "subscribe": {"channel": "c"}}]


def test_a_subscription_that_the_server_made_by_itself_can_be_taken_over() -> None:
    subs = {"mine": {"recoverable": True, "positioned": True, "epoch": "e", "offset": 3}}
    client = connected(reply(1, "connect", client="c1", subs=subs))
    assert client.receive([pub("mine", 4)], 1.0) == []
    client.subscribe("mine", RECOVERABLE)
    sent(client)
    (confirmed,) = client.receive([error(2, 105)], 1.0)
    assert confirmed.position == StreamPosition(4, "e")
    assert numbers(client.receive([pub("mine", 5)], 1.0)) == [5]


def test_unsubscribing_while_the_answer_is_on_its_way_leaves_when_it_comes() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    client.unsubscribe("c")
    assert sent(client) == []
    assert client.receive([reply(2, "subscribe"), pub("c", 1)], 1.0) == []
    assert sent(client) == [{"id": 3, "unsubscribe": {"channel": "c"}}]


def test_one_command_per_channel_is_under_way() -> None:
    client = live()
    client.unsubscribe("c")
    client.subscribe("c", RECOVERABLE, client.position("c"))
    assert [message.keys() for message in sent(client)] == [{"id", "unsubscribe"}]
    assert client.queued("c")
    client.receive([reply(3, "unsubscribe")], 1.0)
    (message,) = sent(client)
    assert message["subscribe"]["offset"] == 10
    assert not client.queued("c")


def test_subscribing_anew_supersedes_what_is_under_way() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    client.subscribe("c", SubscribeParams(data="second"))
    assert sent(client) == []
    assert client.receive([reply(2, "subscribe")], 1.0) == []
    assert sent(client) == [{"id": 3, "unsubscribe": {"channel": "c"}}]
    client.receive([reply(3, "unsubscribe")], 1.0)
    assert sent(client) == [{"id": 4, "subscribe": {"channel": "c", "data": "second"}}]
    assert [type(item) for item in client.receive([reply(4, "subscribe")], 1.0)] == [Confirmed]


def test_subscribing_anew_to_what_was_refused_meanwhile_needs_no_leaving() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    client.subscribe("c")
    assert client.receive([error(2, 103)], 1.0) == []
    assert sent(client) == [{"id": 3, "subscribe": {"channel": "c"}}]


def test_subscribing_to_a_live_channel_leaves_it_first() -> None:
    client = live()
    client.subscribe("c", RECOVERABLE)
    assert [message.keys() for message in sent(client)] == [{"id", "unsubscribe"}]
    client.receive([pub("c", 11), reply(3, "unsubscribe")], 1.0)
    assert [message.keys() for message in sent(client)] == [{"id", "subscribe"}]


def test_giving_up_what_was_never_sent_sends_nothing() -> None:
    client = connected(pacing=Pacing(subscribe_window=1))
    client.subscribe("a")
    client.subscribe("b")
    sent(client)
    client.unsubscribe("b")
    client.unsubscribe("never")
    client.receive([reply(2, "subscribe")], 1.0)
    assert sent(client) == []


def test_a_refused_unsubscribe_is_the_end_of_the_connection() -> None:
    client = live()
    client.unsubscribe("c")
    sent(client)
    (failed,) = client.receive([error(3, 100)], 1.0)
    assert isinstance(failed, Failed)
    assert not failed.terminal


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, Ended), (2000, Ended), (2499, Ended), (2500, Interrupted), (2501, Interrupted), (2999, Interrupted)],
)
def test_an_unsubscribe_push_means_what_its_code_says(code: int, expected: type) -> None:
    client = live()
    body = {"code": code} if code else {}
    (event, other) = client.receive([push("c", "unsubscribe", **body), pub("c", 11), *[b"x"]], 1.0)
    assert isinstance(other, Undecodable)
    assert type(event) is expected
    assert event.reason
    assert client.position("c") == E
    assert sent(client) == []


def test_an_invalidated_state_keeps_asking_for_recovery() -> None:
    client = live()
    client.receive([push("c", "unsubscribe", code=2502, reason="state invalidated")], 1.0)
    position = client.position("c")
    assert position == StreamPosition(0, "_")
    client.subscribe("c", RECOVERABLE, position)
    (message,) = sent(client)
    assert message["subscribe"]["recover"] is True
    assert message["subscribe"]["epoch"] == "_"
    assert "offset" not in message["subscribe"]


def test_a_subscription_token_that_expires_is_announced() -> None:
    client = connected()
    client.subscribe("c", SubscribeParams(token=Secret("sub-token")))
    assert sent(client)[0]["subscribe"]["token"] == "sub-token"
    _, expiring = client.receive([reply(2, "subscribe", expires=True, ttl=60)], 1.0)
    assert expiring == CredentialsExpiring(60.0, "c")


@pytest.mark.parametrize("topic", ["", "x" * 256, "é" * 128])
def test_a_channel_that_no_server_takes_is_refused_here(topic: str) -> None:
    client = connected()
    with pytest.raises(ConfigurationError, match="255"):
        client.subscribe(topic)


def test_parameters_are_checked_when_they_are_given() -> None:
    client = connected()
    with pytest.raises(ConfigurationError, match="SubscribeParams"):
        client.subscribe("c", {"positioned": True})
    with pytest.raises(ConfigurationError, match="data"):
        client.subscribe("c", SubscribeParams(data=object()))
    with pytest.raises(ConfigurationError, match="delta"):
        SubscribeParams(delta="fossil", tag_filter={})
    with pytest.raises(ConfigurationError, match="name"):
        CentrifugoClient(name="x" * 17)
    with pytest.raises(ConfigurationError, match="max_ping_delay"):
        CentrifugoClient(max_ping_delay=0)
    assert sent(client) == []


# --- windows, batches, deadlines ------------------------------------------------------------------------------------


def test_at_most_a_window_of_subscriptions_is_under_way() -> None:
    client = connected(pacing=Pacing(subscribe_window=3))
    for n in range(7):
        client.subscribe(f"c{n}")
    assert [message["id"] for message in sent(client)] == [2, 3, 4]
    assert [client.queued(f"c{n}") for n in range(7)] == [False] * 3 + [True] * 4
    client.receive([reply(3, "subscribe"), error(2, 103)], 1.0)
    assert [message["subscribe"]["channel"] for message in sent(client)] == ["c3", "c4"]


def test_fewer_of_those_that_recover_and_they_hold_up_nobody() -> None:
    client = connected(pacing=Pacing(subscribe_window=4, recovering_window=1))
    for n in range(3):
        client.subscribe(f"r{n}", RECOVERABLE, E)
    client.subscribe("fresh")
    assert [message["subscribe"]["channel"] for message in sent(client)] == ["r0", "fresh"]
    client.receive([reply(2, "subscribe", recovered=True, epoch="e", offset=10)], 1.0)
    assert [message["subscribe"]["channel"] for message in sent(client)] == ["r1"]


def test_commands_share_messages_up_to_max_frame() -> None:
    client = connected(pacing=Pacing(subscribe_window=600, max_frame=48_000))
    for n in range(512):
        client.subscribe(f"order_book:market_{n:064x}", RECOVERABLE)
    frames = client.data_to_send()
    assert all(len(frame) <= 48_000 for frame in frames)
    assert len(frames) == 2
    assert all(b"\n\n" not in bytes(frame) and not bytes(frame).endswith(b"\n") for frame in frames)
    ids = [json.loads(text)["id"] for frame in frames for text in bytes(frame).split(b"\n")]
    assert ids == list(range(2, 514))


def test_a_payload_with_newlines_stays_one_message() -> None:
    client = connected()
    client.send(Publish("c", data=msgspec.Raw(b'{\n "a": 1\n}')))
    assert client.data_to_send() == [b'{"id":2,"publish":{"channel":"c","data":{"a":1}}}']


def test_a_deadline_runs_from_when_the_command_was_sent() -> None:
    client = connected(pacing=Pacing(subscribe_window=1), command_timeout=5.0)
    client.subscribe("a")
    client.subscribe("b")
    client.data_to_send(10.0)
    assert client.next_deadline() == 15.0
    client.receive([reply(2, "subscribe")], 14.0)
    client.data_to_send(14.0)
    assert client.next_deadline() == 19.0
    assert client.handle_timer(18.9) == []
    assert client.handle_timer(19.0) == [Failed("subscribe timeout")]
    assert client.handle_timer(19.1) == []


def test_without_a_time_a_deadline_runs_from_the_next_one_that_is_seen() -> None:
    client = live()
    client.unsubscribe("c")
    client.data_to_send()
    assert client.next_deadline() == 35.0
    client.receive([PING], 20.0)
    assert client.next_deadline() == 25.0
    assert client.handle_timer(25.0) == [Failed("unsubscribe timeout")]


def test_a_queued_subscription_has_no_deadline() -> None:
    client = connected(pacing=Pacing(subscribe_window=1))
    client.subscribe("a")
    client.subscribe("b")
    client.data_to_send(0.0)
    client.receive([reply(2, "subscribe")], 1.0)
    assert client.queued("b")
    client.receive([PING], 30.0)
    assert client.next_deadline() == 65.0


# --- the end of a connection ----------------------------------------------------------------------------------------


def test_a_disconnect_push_means_the_same_as_the_close_code() -> None:
    for code in (3000, 3005, 3008, 3012, 3500, 3999, 4000, 4500, 5000, 1000, 1009):
        (pushed,) = live().receive([line({"push": {"disconnect": {"code": code, "reason": "r"}}}), PING], 1.0)
        assert pushed == live().closed(code, "r")


def test_an_invalidated_connection_resets_every_position() -> None:
    client = live("a")
    live("b", client=client)
    live("plain", client=client, params=None, offset=0, epoch="", positioned=False, recoverable=False)
    client.unsubscribe("b")
    assert client.closed(3014) == Failed("state invalidated", 3014)
    assert [client.position(topic) for topic in ("a", "b", "plain")] == [StreamPosition(0, "_")] * 2 + [None]


def test_a_slow_connection_comes_back_with_smaller_windows() -> None:
    pacing = Pacing(subscribe_window=8, recovering_window=4)
    connected(pacing=pacing).closed(3008, "slow")
    assert (pacing.subscribe_window, pacing.recovering_window) == (4, 2)


def test_a_message_too_big_is_halved_until_it_is_one_command() -> None:
    pacing = Pacing(max_frame=400)
    client = connected(pacing=pacing)
    for n in range(20):
        client.subscribe(f"channel{n}")
    client.data_to_send()
    assert not client.closed(1009, "").terminal
    assert pacing.max_frame == 200
    alone = connected(pacing=Pacing(max_frame=1))
    alone.subscribe("a")
    alone.subscribe("b")
    assert len(alone.data_to_send()) == 2
    assert alone.closed(1009, "").terminal


def test_a_command_of_the_users_that_is_too_big_does_not_forbid_to_come_back() -> None:
    client = connected()
    client.send(Publish("c", data="x" * 70_000))
    client.data_to_send()
    assert not client.closed(1009, "").terminal


def test_a_long_connection_widens_the_windows_again() -> None:
    pacing = Pacing(subscribe_window=8, recovering_window=4)
    pacing.shrink(3008)
    client = connected(pacing=pacing)
    client.receive([PING], 1.0)
    client.receive([PING], 26.0)
    assert pacing.subscribe_window == 4
    client.receive([PING], 61.0)
    assert pacing.subscribe_window == 8


def test_positions_go_back_behind_what_was_delivered() -> None:
    client = live()
    items = client.receive([pub("c", 11), pub("c", 12), pub("c", 20)], 1.0)
    client.rewind(items[1:])
    assert client.position("c") == StreamPosition(11, "e")
    again = live()
    items = again.receive([pub("c", 11), pub("c", 20)], 1.0)
    again.rewind(items[1:])
    assert again.position("c") == StreamPosition(11 - 1 + 1, "e")
    fresh, number = recovering(E)
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 50}
    items = fresh.receive([reply(number, "subscribe", **body), pub("c", 51)], 1.0)
    fresh.rewind(items)
    assert fresh.position("c") is None


# --- commands -------------------------------------------------------------------------------------------------------


def replied(client: CentrifugoClient, command: Any, kind: str, **body: Any) -> Any:
    ref = client.send(command)
    assert not client.was_sent(ref)
    sent(client)
    assert client.was_sent(ref)
    first, *_ = client.receive([reply(int(ref), kind, **body)], 1.0)
    assert isinstance(first, Replied)
    assert (first.ref, first.ok) == (ref, True)
    return first.reply


def test_history_is_replied_with_publications_that_know_their_channel() -> None:
    rows = [{"data": {"x": 1}, "offset": 8, "tags": {"messageId": "m"}, "info": {"user": "u", "client": "c"}}]
    page = replied(connected(), History("c", limit=1), "history", publications=rows, epoch="e", offset=99)
    assert isinstance(page, HistoryResult)
    assert (page.offset, page.epoch) == (99, "e")
    assert page.publications is not None
    (first,) = page.publications
    assert (first.topic, first.offset, first.tags, bytes(first.data)) == (
        "c",
        8,
        {"messageId": "m"},
        b'{"x":1}',
    )
    assert (
        replied(connected(), History("c"), "history", publications=None, epoch="", offset=0).publications
        == []
    )


def test_the_other_commands_are_replied_too() -> None:
    client = connected()
    assert replied(client, Publish("c", data=1), "publish") is None
    assert bytes(replied(client, Rpc(method="m", data=[1]), "rpc", data={"r": 1})) == b'{"r":1}'
    assert replied(client, PresenceStats("c"), "presence_stats", num_clients=2, num_users=1).num_clients == 2
    presence = replied(client, Presence("c"), "presence", presence={"x": {"user": "u", "client": "x"}})
    assert presence.presence["x"].user == "u"


def test_an_error_is_replied_with_its_code() -> None:
    client = connected()
    ref = client.send(History("best_odds:global", limit=1))
    sent(client)
    (answer,) = client.receive([error(int(ref), 108, "not available")], 1.0)
    assert (answer.ok, answer.reply.code, answer.reply.message) == (False, 108, "not available")


def test_a_send_has_no_number_and_no_answer() -> None:
    client = connected()
    client.send(Send(data={"a": 1}))
    assert client.data_to_send() == [b'{"send":{"data":{"a":1}}}']


def test_a_refreshed_token_is_announced_again() -> None:
    client = live()
    ref = client.send(Refresh(token=Secret("new")))
    assert sent(client) == [{"id": int(ref), "refresh": {"token": "new"}}]
    items = client.receive([reply(int(ref), "refresh", expires=True, ttl=60)], 1.0)
    assert items[1:] == [CredentialsExpiring(60.0)]
    ref = client.send(SubRefresh(topic="c", token=Secret("new")))
    assert sent(client) == [{"id": int(ref), "sub_refresh": {"channel": "c", "token": "new"}}]
    items = client.receive([reply(int(ref), "sub_refresh", expires=True, ttl=30)], 1.0)
    assert items[1:] == [CredentialsExpiring(30.0, "c")]


def test_a_refresh_refused_for_good_ends_the_connection_and_another_does_not() -> None:
    for code, ends in ((100, False), (109, False), (101, True)):
        client = connected()
        ref = client.send(Refresh(token=Secret("new")))
        sent(client)
        items = client.receive([error(int(ref), code)], 1.0)
        assert [type(item) for item in items] == [Replied, Failed][: 1 + ends]


def test_an_answer_nobody_waits_for_is_passed_over() -> None:
    client = connected()
    assert client.receive([reply(77, "rpc"), error(78, 100), CONNECTED], 1.0) == []
    assert client.counts.unknown == 3


# --- what cannot be decoded -----------------------------------------------------------------------------------------


def test_one_bad_message_does_not_cost_the_others_of_its_frame() -> None:
    client = live()
    bad = b'{"push":{"channel":"c","pub":{"data":1,"offset":"x"}}}'
    items = client.receive([b"\n".join([pub("c", 11), bad, PING, pub("c", 12)])], 1.0)
    assert numbers(items) == [11, 12]
    assert [item.topic for item in items if isinstance(item, Undecodable)] == ["c"]
    assert client.data_to_send() == [b"{}"]
    assert client.counts.undecodable == 1


@pytest.mark.parametrize(
    "payload", [Binary(b"{}"), b"", b"\n", "", "{", b"\xff", "\ud800", b'{"id":"x"}', b"[1]"]
)
def test_what_is_no_message_is_said(payload: Any) -> None:
    client = live()
    (item,) = client.receive([payload], 1.0)
    assert isinstance(item, Undecodable)
    assert sent(client) == []
    assert numbers(client.receive([pub("c", 11)], 1.0)) == [11]


def test_a_confirmed_refusal_of_a_live_channel_cannot_happen_twice() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    assert len(client.receive([error(2, 103), error(2, 103)], 1.0)) == 1


def test_events_are_frozen_values() -> None:
    assert Refused("c", "r", 1) == Refused("c", "r", 1)
    assert Skipped("c", 1, 2) != Skipped("c", 1, 3)
