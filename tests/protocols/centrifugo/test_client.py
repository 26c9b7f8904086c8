"""The client side, rule by rule, against bytes as a Centrifugo server sends them."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.protocols.base import (
    CredentialsExpiring,
    Failed,
    Ready,
    Replied,
    StreamPosition,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    HistoryResult,
    Pacing,
    Presence,
    PresenceStats,
    Publish,
    Refresh,
    Rpc,
    Send,
    SubRefresh,
)
from tapewire.secrets import Secret
from tests.protocols.centrifugo.wires import (
    CONNECTED,
    PING,
    connected,
    error,
    line,
    live,
    pub,
    reply,
    sent,
)

E = StreamPosition(10, "e")


def replied(client: CentrifugoClient, command: Any, kind: str, **body: Any) -> Any:
    ref = client.send(command)
    assert not client.was_sent(ref)
    sent(client)
    assert client.was_sent(ref)
    first, *_ = client.receive([reply(int(ref), kind, **body)], 1.0)
    assert isinstance(first, Replied)
    assert (first.ref, first.ok) == (ref, True)
    return first.reply


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
        (109, False, Failed("token expired", 109, unauthorized=True, expired=True)),
        (100, True, Failed("internal server error", 100)),
        (4000, True, Failed("error 4000", 4000)),
        (101, False, Failed("unauthorized", 101, terminal=True)),
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


def test_a_disconnect_push_means_the_same_as_the_close_code() -> None:
    for code in (3000, 3005, 3008, 3012, 3500, 3999, 4000, 4500, 5000, 1000, 1009):
        (pushed,) = live().receive([line({"push": {"disconnect": {"code": code, "reason": "r"}}}), PING], 1.0)
        assert pushed == live().closed(code, "r")


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


def test_a_replay_that_came_whole_before_the_server_closed_for_it_is_asked_for_by_smaller_parts() -> None:
    pacing = Pacing()
    for _ in range(5):
        client = connected(pacing=pacing)
        ref = client.send(History("book", since=E))
        client.send(History("quiet", since=E))
        sent(client)
        rows = [{"data": {"x": n}, "offset": 11 + n} for n in range(3)]
        client.receive([reply(int(ref), "history", publications=rows, epoch="e", offset=99)], 1.0)
        client.closed(3008, "slow")
    assert pacing.replays.page("book") == 1
    assert not pacing.replays.is_given_up("quiet", None), (
        "it was under way alone, and is not what was too large"
    )


def test_what_came_long_before_the_server_closed_for_slowness_stays_as_it_is() -> None:
    client = connected(pacing=(pacing := Pacing()))
    ref = client.send(History("book", since=E))
    sent(client)
    rows = [{"data": {"x": 1}, "offset": 11}]
    client.receive([reply(int(ref), "history", publications=rows, epoch="e", offset=11), PING], 1.0)
    client.receive([PING], 62.0)
    client.closed(3008, "slow")
    assert pacing.replays.is_whole("book")


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
        assert [type(item) for item in items] == [Replied, Failed if ends else CredentialsExpiring]


def test_a_fresh_token_is_given_and_one_not_taken_this_time_is_asked_for_again() -> None:
    client = live()
    client.refresh(Secret("new"))
    (command,) = sent(client)
    assert command["refresh"] == {"token": "new"}
    *_, again = client.receive([error(command["id"], 111)], 1.0)
    assert again == CredentialsExpiring(10.0, None, "too many requests", 111)


def test_a_page_of_history_is_asked_for_by_the_thousand() -> None:
    assert connected().history("c", E) == History("c", limit=1000, since=E)


def test_an_answer_nobody_waits_for_is_passed_over() -> None:
    client = connected()
    assert client.receive([reply(77, "rpc"), error(78, 100), CONNECTED], 1.0) == []
    assert client.counts.unknown == 3
