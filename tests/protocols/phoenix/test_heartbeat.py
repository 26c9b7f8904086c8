"""The heartbeat: one outstanding, its reply judged by its own deadline."""

from __future__ import annotations

import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.base import Failed
from tapewire.protocols.phoenix import PhoenixClient
from tests.protocols.phoenix.wires import T0, opened, reply, sent


def test_the_first_heartbeat_goes_out_one_interval_after_hello() -> None:
    client = opened(heartbeat_interval=30.0)
    assert client.next_deadline() == T0 + 30
    assert client.handle_timer(T0 + 29.9) == []
    assert client.data_to_send() == []
    assert client.handle_timer(T0 + 30) == []
    assert client.data_to_send() == [b'[null,"1","phoenix","heartbeat",{}]']


def test_the_round_trip_of_a_heartbeat_is_measured() -> None:
    client = opened()
    assert client.ping_rtt is None
    client.handle_timer(T0 + 30)
    assert client.receive([reply(None, "1", "phoenix")], T0 + 30.25) == []
    assert client.ping_rtt == 0.25
    assert client.next_deadline() == T0 + 60
    assert client.unrouted == 0


def test_only_one_heartbeat_is_outstanding() -> None:
    client = opened(heartbeat_interval=5.0, heartbeat_timeout=10.0)
    client.handle_timer(T0 + 5)
    client.handle_timer(T0 + 10)
    assert len(client.data_to_send()) == 1
    client.receive([reply(None, "1", "phoenix")], T0 + 12)
    assert client.next_deadline() == T0 + 10
    client.handle_timer(T0 + 12)
    assert sent(client) == [[None, "2", "phoenix", "heartbeat", {}]]


def test_an_unanswered_heartbeat_fails_the_connection_once() -> None:
    client = opened(heartbeat_interval=30.0, heartbeat_timeout=10.0)
    client.handle_timer(T0 + 30)
    assert client.next_deadline() == T0 + 40
    assert client.handle_timer(T0 + 39.9) == []
    assert client.handle_timer(T0 + 40) == [Failed("heartbeat unanswered")]
    assert client.handle_timer(T0 + 100) == []


def test_a_late_reply_restarts_nothing() -> None:
    client = opened()
    client.handle_timer(T0 + 30)
    client.data_to_send()
    client.handle_timer(T0 + 40)
    client.receive([reply(None, "1", "phoenix")], T0 + 41)
    assert client.next_deadline() is None
    assert client.ping_rtt is None
    assert client.handle_timer(T0 + 200) == []
    assert client.data_to_send() == []


def test_the_reply_to_another_heartbeat_proves_nothing() -> None:
    client = opened()
    client.handle_timer(T0 + 30)
    client.receive([reply(None, "99", "phoenix"), reply(None, None, "phoenix")], T0 + 31)
    assert client.handle_timer(T0 + 40) == [Failed("heartbeat unanswered")]


def test_nothing_is_due_before_hello_or_after_failure() -> None:
    client = PhoenixClient()
    assert client.next_deadline() is None
    assert client.handle_timer(T0) == []


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["heartbeat_interval", "heartbeat_timeout"])
def test_heartbeat_times_are_checked(name: str, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PhoenixClient(**{name: seconds})  # type: ignore[arg-type]


def test_a_reply_that_could_not_be_read_meanwhile_has_its_whole_time_anew() -> None:
    client = opened(heartbeat_interval=30.0, heartbeat_timeout=10.0)
    client.handle_timer(T0 + 30)
    client.excuse(T0 + 38)
    assert client.next_deadline() == T0 + 48
    assert client.handle_timer(T0 + 47) == []
    assert client.handle_timer(T0 + 48) == [Failed("heartbeat unanswered")]
