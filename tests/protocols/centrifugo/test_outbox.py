"""What goes out together, and how long its answer may take."""

from __future__ import annotations

import json
from collections.abc import Sized

import msgspec

from tapewire.protocols.base import (
    Failed,
)
from tapewire.protocols.centrifugo import (
    CentrifugoClient,
    History,
    Pacing,
    Publish,
)
from tapewire.protocols.centrifugo.commands import SubscribeRequest, frame_of
from tapewire.protocols.centrifugo.outbox import MAX_WITHDRAWN, Outbox
from tests.protocols.centrifugo.wires import (
    CONNECTED,
    PING,
    RECOVERABLE,
    connected,
    live,
    reply,
    sent,
)


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


def test_a_command_that_was_not_handed_out_can_be_withdrawn() -> None:
    client = connected()
    first, second = client.send(History("a")), client.send(History("b"))
    assert client.withdraw(first)
    assert [command["history"]["channel"] for command in sent(client)] == ["b"]
    assert not client.was_sent(first)
    assert not client.withdraw(second)
    assert client.was_sent(second)


def test_the_memory_of_withdrawn_commands_is_bounded() -> None:
    outbox = Outbox(Pacing(), 5.0)
    refs = [outbox.write(frame_of(History("a")), "history", "a") for _ in range(100)]
    for ref in refs:
        assert outbox.withdraw(ref)
    assert not any(outbox.was_sent(ref) for ref in refs)
    for _ in range(2 * MAX_WITHDRAWN):
        assert outbox.withdraw(outbox.write(frame_of(History("a")), "history", "a"))
    sizes = {name: len(value) for name, value in vars(outbox).items() if isinstance(value, Sized)}
    assert max(sizes.values()) <= MAX_WITHDRAWN, sizes


def test_pages_of_history_wait_for_their_window_and_a_withdrawn_one_holds_no_place() -> None:
    client = connected(pacing=Pacing(paging_window=1))
    first, second, third = (client.send(History(name, limit=10)) for name in "abc")
    assert [command["history"]["channel"] for command in sent(client)] == ["a"]
    assert [client.was_sent(ref) for ref in (first, second, third)] == [True, False, False]
    assert client.withdraw(second)
    assert sent(client) == []
    client.receive([reply(int(first), "history", publications=[], epoch="e", offset=0)], 1.0)
    assert [command["history"]["channel"] for command in sent(client)] == ["c"]
    assert not client.withdraw(third), "too late; but nobody waits for it any more"
    client.send(History("d", limit=10))
    assert [command["history"]["channel"] for command in sent(client)] == ["d"]


def test_a_command_that_was_taken_back_never_goes_out() -> None:
    client = connected()
    first, second = (client.send(Publish("c", data=n)) for n in (1, 2))
    assert client.withdraw(first)
    assert [command["id"] for command in sent(client)] == [int(second)]


def test_a_command_before_the_answer_to_connect_waits_for_it() -> None:
    client = CentrifugoClient()
    client.hello(0.0)
    client.send(Publish("c", data=1))
    assert [list(command) for command in sent(client)] == [["id", "connect"]]
    assert sent(client) == []
    client.receive([CONNECTED], 0.0)
    assert [list(command) for command in sent(client)] == [["id", "publish"]]


def test_the_deadline_of_a_subscription_does_not_run_before_it_is_handed_out() -> None:
    outbox = Outbox(Pacing(), 5.0)
    outbox.write_subscribe(SubscribeRequest("c"))
    outbox.tick(0.0)
    assert outbox.next_deadline is None
    outbox.take(True, 3.0)
    assert outbox.next_deadline == 8.0


def test_what_could_not_be_read_meanwhile_has_its_whole_time_anew() -> None:
    client = connected(command_timeout=5.0, max_ping_delay=10.0)  # pings every 25 s
    client.subscribe("c")
    client.data_to_send(0.0)
    client.excuse(4.0)
    assert client.next_deadline() == 9.0
    client.receive([reply(2, "subscribe")], 5.0)
    client.excuse(30.0)
    assert client.next_deadline() == 30.0 + 25.0 + 10.0
