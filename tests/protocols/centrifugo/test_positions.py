"""Positions that outlive a subscription, and what invalidates them."""

from __future__ import annotations

from tapewire.protocols.base import (
    Failed,
    StreamPosition,
)
from tapewire.protocols.centrifugo import (
    SubscribeParams,
)
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


def test_an_unrecoverable_position_is_given_up_and_not_refused_for_ever() -> None:
    client, number = recovering(E)
    assert client.position("c") == E
    client.receive([error(number, 112)], 1.0)
    lost = client.position("c")
    assert lost == StreamPosition(0, "_")
    client.subscribe("c", RECOVERABLE, lost)
    assert sent(client)[-1]["subscribe"]["recover"], "so that the answer says that nothing was recovered"
    client = connected()
    client.subscribe("c", SubscribeParams(recoverable=True, reject_unrecovered=True), lost)
    assert "recover" not in sent(client)[-1]["subscribe"]


def test_a_subscription_that_the_server_made_by_itself_can_be_taken_over() -> None:
    subs = {"mine": {"recoverable": True, "positioned": True, "epoch": "e", "offset": 3}}
    client = connected(reply(1, "connect", client="c1", subs=subs))
    assert client.receive([pub("mine", 4)], 1.0) == []
    client.subscribe("mine", RECOVERABLE)
    sent(client)
    (confirmed,) = client.receive([error(2, 105)], 1.0)
    assert confirmed.position == StreamPosition(4, "e")
    assert numbers(client.receive([pub("mine", 5)], 1.0)) == [5]


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


def test_an_invalidated_connection_resets_every_position() -> None:
    client = live("a")
    live("b", client=client)
    live("plain", client=client, params=None, offset=0, epoch="", positioned=False, recoverable=False)
    client.unsubscribe("b")
    assert client.closed(3014) == Failed("state invalidated", 3014, unauthorized=True)
    assert [client.position(topic) for topic in ("a", "b", "plain")] == [StreamPosition(0, "_")] * 2 + [None]


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
