import pytest

from tapewire.errors import ConfigurationError
from tapewire.sandbox.core.faults import FAULTS, Faults

EXAMPLES = {"crash_channel": {"topic": "t"}, "close_channel": {"topic": "t"}}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_can_be_ordered_by_name_and_has_a_help_text(name):
    faults = Faults()
    injected = faults.order(name, EXAMPLES.get(name, {}), 5)
    assert (injected.id, injected.name, injected.at_ns, injected.hits) == (1, name, 5, 0)
    assert FAULTS[name].help
    assert all(parameter.help for parameter in FAULTS[name].parameters.values())
    assert list(faults.injected) == [injected]


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("nosuch", {}, "abort"),
        ("close", {"cod": 1000}, "code, connection, reason"),
        ("close", {"code": 1006}, "1000 to 1014"),
        ("close", {"code": 99}, "from 1000 to 4999"),
        ("close", {"code": True}, "whole number"),
        ("close", {"reason": "x" * 124}, "123 bytes"),
        ("crash_channel", {}, "the topic on the wire"),
        ("http_429", {"retry_after": "soon"}, "a number from 0"),
        ("expire_tokens", {"times": 1}, "venue"),
        ("burst", {"times": 1}, "count"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_what_is_allowed(name, params, told):
    with pytest.raises(ConfigurationError, match=told):
        Faults().order(name, params, 0)


def test_a_standing_fault_is_met_as_often_as_ordered():
    faults = Faults()
    injected = faults.order("refuse_join", {"times": 2, "topic": "t"}, 0)
    assert faults.meet("refuse_join", 1, topic="other") is None
    assert faults.meet("refuse_join", 2, topic="t") is injected
    assert faults.meet("refuse_join", 3, topic="t") is injected
    assert faults.meet("refuse_join", 4, topic="t") is None
    assert (injected.hits, injected.last_hit_ns, faults.any_standing) == (2, 3, False)


def test_one_of_two_orders_that_agree_is_used_up_first():
    faults = Faults()
    first = faults.order("http_429", {"retry_after": 1}, 0)
    second = faults.order("http_429", {"retry_after": 9}, 0)
    assert [faults.meet("http_429", 1) for _ in range(3)] == [first, second, None]


def test_a_fault_with_seconds_ends_by_itself():
    faults = Faults()
    faults.order("refuse_tokens", {"seconds": 2}, 0)
    assert faults.meet("refuse_tokens", 1_000_000_000) is not None
    assert faults.meet("refuse_tokens", 1_999_999_999) is not None
    assert faults.meet("refuse_tokens", 2_000_000_000) is None


def test_lifting_ends_what_stands():
    faults = Faults()
    faults.order("channel_limit", {"count": 1}, 0)
    faults.order("duplicate", {"times": 100}, 0)
    assert faults.standing == ["channel_limit", "duplicate"]
    assert faults.lift("duplicate") == 1
    assert faults.lift() == 1
    assert not faults.any_standing
    with pytest.raises(ConfigurationError, match="fault"):
        faults.lift("nosuch")


def test_a_second_channel_limit_replaces_the_first():
    faults = Faults()
    faults.order("channel_limit", {"count": 1}, 0)
    latest = faults.order("channel_limit", {"count": 7}, 0)
    assert faults.meet("channel_limit", 1) is latest


def test_what_is_in_force_is_what_can_still_be_met():
    faults = Faults()
    limit = faults.order("channel_limit", {"count": 1}, 0)
    faults.order("refuse_tokens", {"seconds": 2}, 0)
    twice = faults.order("duplicate", {"times": 2}, 0)
    faults.order("abort", {}, 0)
    faults.meet("duplicate", 1)
    assert faults.in_force(2_000_000_000) == [limit, twice]
