"""Which subscriptions are asked for, and in what order."""

from __future__ import annotations

from tapewire.protocols.base import (
    Confirmed,
    StreamPosition,
)
from tapewire.protocols.centrifugo import (
    Pacing,
    SubscribeParams,
)
from tests.protocols.centrifugo.wires import (
    PING,
    RECOVERABLE,
    connected,
    error,
    live,
    pub,
    reply,
    sent,
)

E = StreamPosition(10, "e")


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


def test_a_queued_subscription_has_no_deadline() -> None:
    client = connected(pacing=Pacing(subscribe_window=1))
    client.subscribe("a")
    client.subscribe("b")
    client.data_to_send(0.0)
    client.receive([reply(2, "subscribe")], 1.0)
    assert client.queued("b")
    client.receive([PING], 30.0)
    assert client.next_deadline() == 65.0
