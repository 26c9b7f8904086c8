import pytest

from tapewire.clock import SystemClock
from tapewire.errors import ConfigurationError
from tapewire.retry import NEVER_GIVE_UP, RetryPolicy
from tapewire.session.options import SessionOptions
from tapewire.transport.memory import MemoryNetwork

SECONDS = (
    "stable_after", "greeting_timeout", "subscribe_timeout", "request_timeout", "close_timeout", "ping_interval",
    "ping_timeout", "pause_limit",
)  # fmt: skip


def make(**fields: object) -> SessionOptions:
    required = {"endpoint": lambda token: None, "protocol": lambda token: None, "connector": MemoryNetwork()}
    return SessionOptions(**(required | fields))


def test_endpoint_and_protocol_are_all_that_must_be_said():
    options = make()
    assert options.retry == NEVER_GIVE_UP
    assert isinstance(options.clock, SystemClock)
    with pytest.raises(TypeError, match="protocol"):
        SessionOptions(endpoint=lambda token: None)


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [0, -1.0, 86_401, float("nan"), float("inf"), "10", True])
def test_a_time_that_makes_no_sense_is_named_with_what_is_allowed(name, value):
    with pytest.raises(ConfigurationError, match="seconds, above 0 and at most 86400") as caught:
        make(**{name: value})
    assert caught.value.argument == name


@pytest.mark.parametrize("name", SECONDS)
def test_a_time_may_be_whole_or_not(name):
    assert getattr(make(**{"ping_interval": 5, "ping_timeout": 0.5} | {name: 3}), name) == 3
    assert getattr(make(**{"ping_interval": 5, "ping_timeout": 0.5} | {name: 2.5}), name) == 2.5


def test_pings_may_be_switched_off_and_nothing_else_may():
    assert make(ping_interval=None).ping_interval is None
    with pytest.raises(ConfigurationError):
        make(request_timeout=None)


def test_an_answer_must_be_due_before_the_next_ping():
    with pytest.raises(ConfigurationError, match="at most ping_interval"):
        make(ping_interval=4, ping_timeout=5)
    assert make(ping_interval=None, ping_timeout=5).ping_timeout == 5


def test_options_are_frozen_and_given_by_name():
    with pytest.raises(AttributeError):
        make().name = "another"
    with pytest.raises(TypeError):
        SessionOptions(lambda token: None, lambda token: None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry", None),
        ("retry", 5),
        ("retry", RetryPolicy),
        ("resubscribe", "often"),
        ("supervise", True),
        ("clock", None),
        ("clock", 5),
        ("clock", SystemClock),
        ("connector", None),
        ("connector", object()),
        ("connector", MemoryNetwork),
    ],
)
def test_what_is_no_policy_no_clock_or_no_connector_is_named(name, value):
    with pytest.raises(ConfigurationError) as caught:
        make(**{name: value})
    assert caught.value.argument == name
    assert caught.value.allowed
