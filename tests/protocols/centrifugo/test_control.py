"""Answers and pushes: what a client makes of what the server says."""

from __future__ import annotations

import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import (
    CredentialsExpiring,
    Ended,
    Failed,
    Interrupted,
    Replied,
    Skipped,
    StreamPosition,
    Undecodable,
)
from tapewire.protocols.centrifugo import (
    SubscribeParams,
)
from tapewire.protocols.centrifugo.commands import INVALIDATED
from tapewire.secrets import Secret
from tests.protocols.centrifugo.wires import (
    RECOVERABLE,
    connected,
    error,
    live,
    numbers,
    pub,
    push,
    recovering,
    reply,
    sent,
)

E = StreamPosition(10, "e")


def test_a_subscription_is_confirmed_with_its_position() -> None:
    client = connected()
    client.subscribe("c", RECOVERABLE)
    assert sent(client) == [{"id": 2, "subscribe": {"channel": "c", "positioned": True, "recoverable": True}}]
    body = {"recoverable": True, "positioned": True, "epoch": "e", "offset": 10, "data": {"x": 1}}
    (confirmed,) = client.receive([reply(2, "subscribe", **body)], 1.0)
    assert (confirmed.topic, confirmed.position) == ("c", E)
    assert (confirmed.recovering, confirmed.recovered, confirmed.replayed) == (False, False, 0)
    assert bytes(confirmed.reply.data) == b'{"x":1}'


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


def test_a_subscription_the_server_still_holds_is_ended_before_it_is_asked_for_again() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    client.receive([error(2, 105, "already subscribed")], 1.0)
    client.subscribe("c")
    assert sent(client) == [{"id": 3, "unsubscribe": {"channel": "c"}}]
    client.receive([reply(3, "unsubscribe")], 1.0)
    assert sent(client) == [{"id": 4, "subscribe": {"channel": "c"}}]


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


def test_a_subscription_token_that_expires_is_announced() -> None:
    client = connected()
    client.subscribe("c", SubscribeParams(token=Secret("sub-token")))
    assert sent(client)[0]["subscribe"]["token"] == "sub-token"
    _, expiring = client.receive([reply(2, "subscribe", expires=True, ttl=60)], 1.0)
    assert expiring == CredentialsExpiring(60.0, "c")


def test_a_fresh_token_of_a_subscription_is_given_and_its_life_is_announced_again() -> None:
    client = live()
    client.refresh(Secret("fresh"), "c")
    (command,) = sent(client)
    assert command["sub_refresh"] == {"channel": "c", "token": "fresh"}
    *_, again = client.receive([reply(command["id"], "sub_refresh", expires=True, ttl=60)], 1.0)
    assert again == CredentialsExpiring(60.0, "c")


@pytest.mark.parametrize(("code", "temporary"), [(109, False), (111, False), (100, False), (400, True)])
def test_a_fresh_token_of_a_subscription_that_is_not_taken_this_time_is_asked_for_again(
    code: int, temporary: bool
) -> None:
    client = live()
    client.refresh(Secret("fresh"), "c")
    number = sent(client)[0]["id"]
    refused, again = client.receive([error(number, code, "why", temporary)], 1.0)
    assert isinstance(refused, Replied)
    assert again == CredentialsExpiring(10.0, "c", "why", code)
    assert client.subscribed == {"c"}


@pytest.mark.parametrize("code", [101, 103, 110])
def test_a_fresh_token_of_a_subscription_that_is_refused_for_good_ends_that_one(code: int) -> None:
    client = live()
    live("other", client=client)
    client.refresh(Secret("fresh"), "c")
    number = sent(client)[0]["id"]
    *_, ended = client.receive([error(number, code, "why")], 1.0)
    assert ended == Ended("c", "why", code)
    assert client.subscribed == {"other"}
    assert sent(client)[0]["unsubscribe"] == {"channel": "c"}
    assert client.next_deadline() is not None


def test_a_fresh_token_that_is_refused_after_its_subscription_was_left_is_no_matter() -> None:
    client = live()
    client.refresh(Secret("fresh"), "c")
    client.unsubscribe("c")
    number = sent(client)[0]["id"]
    (refused,) = client.receive([error(number, 101)], 1.0)
    assert isinstance(refused, Replied)


def test_a_subscription_takes_its_own_token_with_whatever_parameters_it_has() -> None:
    client, token = connected(), Secret("own")
    assert client.with_token(None, token) == SubscribeParams(token=token)
    assert client.with_token(RECOVERABLE, token) == SubscribeParams(
        token=token, positioned=True, recoverable=True
    )
    with pytest.raises(ConfigurationError, match="SubscribeParams"):
        client.with_token({"token": "own"}, token)


@pytest.mark.parametrize(
    ("code", "unauthorized"), [(100, False), (105, False), (109, True), (111, False), (112, False)]
)
def test_only_an_expired_token_asks_for_a_fresh_one(code: int, unauthorized: bool) -> None:
    client = connected()
    client.subscribe("c", RECOVERABLE)
    sent(client)
    (refused,) = client.receive([error(2, code)], 1.0)
    assert (refused.retryable, refused.unauthorized) == (True, unauthorized)


@pytest.mark.parametrize(
    ("code", "unauthorized", "position"),
    [(2500, False, E), (2501, True, E), (2502, True, INVALIDATED), (2503, False, E), (2999, False, E)],
)
def test_what_an_interruption_leaves_of_token_and_position(
    code: int, unauthorized: bool, position: StreamPosition
) -> None:
    client = live()
    (interrupted,) = client.receive([push("c", "unsubscribe", code=code)], 1.0)
    assert isinstance(interrupted, Interrupted)
    assert interrupted.unauthorized is unauthorized
    assert client.position("c") == position


def test_a_full_connection_says_so() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    (refused,) = client.receive([error(2, 106)], 1.0)
    assert refused.full


def test_a_confirmed_refusal_of_a_live_channel_cannot_happen_twice() -> None:
    client = connected()
    client.subscribe("c")
    sent(client)
    assert len(client.receive([error(2, 103), error(2, 103)], 1.0)) == 1
