import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.retry import MAX_RETRY_AFTER, NEVER_GIVE_UP, NO_RETRY, RetryPolicy

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)
policies = st.builds(
    lambda first, more: RetryPolicy(None, first, first + more),
    st.just(0.0) | st.floats(min_value=0.001, max_value=60),
    st.floats(min_value=0, max_value=600),
)


@given(policies, st.integers(min_value=1, max_value=10_000), fractions)
def test_a_delay_lies_between_nothing_and_the_growing_ceiling(policy, attempts, fraction):
    """0 <= delay <= min(max_backoff, initial_backoff * 2**(n-1)), for any number of attempts, the first included."""
    delay = policy.delay(attempts, fraction=lambda: fraction)
    doublings = min(attempts - 1, 100)
    ceiling = min(policy.max_backoff, policy.initial_backoff * 2**doublings)
    assert 0 <= delay <= ceiling
    assert delay == pytest.approx(ceiling * fraction)


@given(policies, st.integers(min_value=1, max_value=100), st.floats(min_value=0, max_value=100), fractions)
def test_an_outage_is_not_waited_for_longer_than_it_has_lasted(policy, attempts, lasted, fraction):
    """delay <= max(initial_backoff, lasted), never above the delay without it, and exact where nobody wants jitter."""
    delay = policy.delay(attempts, lasted=lasted, fraction=lambda: fraction)
    assert delay <= max(policy.initial_backoff, lasted)
    assert delay <= policy.delay(attempts, fraction=lambda: fraction)
    plain = dataclasses.replace(policy, jitter=False)
    assert plain.delay(attempts, lasted=lasted) == plain.delay(attempts)


@given(
    policies,
    st.integers(min_value=1, max_value=100),
    st.floats(min_value=0, max_value=MAX_RETRY_AFTER),
    fractions,
)
def test_a_retry_after_is_never_shortened(policy, attempts, retry_after, fraction):
    """delay >= Retry-After up to its bound, whatever the jitter; and more than it by at most the jitter."""
    delay = policy.delay(attempts, retry_after=retry_after, fraction=lambda: fraction)
    assert delay >= retry_after
    assert delay == pytest.approx(retry_after + policy.delay(attempts, fraction=lambda: fraction))


def test_the_first_delay_is_jittered_too():
    policy = RetryPolicy(None, 1, 8)
    assert [policy.delay(1, fraction=lambda f=f: f) for f in (0, 0.25, 0.75)] == [0, 0.25, 0.75]
    assert len({policy.delay(1) for _ in range(20)}) > 1


def test_without_jitter_the_ceiling_doubles_up_to_its_bound():
    policy = RetryPolicy(None, 0.5, 3, jitter=False)
    assert [policy.delay(n) for n in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_a_retry_after_is_waited_for_a_quarter_of_an_hour_at_most():
    policy = RetryPolicy(None, 1, 1, jitter=False)
    assert policy.delay(1, retry_after=864_000) == MAX_RETRY_AFTER + 1 == 901
    assert policy.delay(1, retry_after=float("inf")) == 901


@pytest.mark.parametrize("retry_after", [-5, float("nan")])
def test_a_retry_after_that_makes_no_sense_is_none(retry_after):
    assert RetryPolicy(None, 1, 1, jitter=False).delay(1, retry_after=retry_after) == 1


def test_max_attempts_counts_every_try_the_first_included():
    assert [RetryPolicy(3).exhausted(n) for n in range(5)] == [False, False, False, True, True]
    assert [NO_RETRY.exhausted(n) for n in (0, 1)] == [False, True]
    assert not NEVER_GIVE_UP.exhausted(10**9)


@pytest.mark.parametrize(
    ("fields", "argument", "allowed"),
    [
        ({"max_attempts": 0}, "max_attempts", "a whole number from 1, or None for no limit"),
        ({"max_attempts": -1}, "max_attempts", "a whole number"),
        ({"max_attempts": True}, "max_attempts", "a whole number"),
        ({"max_attempts": 2.5}, "max_attempts", "a whole number"),
        ({"max_attempts": "3"}, "max_attempts", "a whole number"),
        ({"initial_backoff": -0.1}, "initial_backoff", "seconds from 0 to 86400"),
        ({"initial_backoff": float("nan")}, "initial_backoff", "seconds from 0"),
        ({"initial_backoff": "1"}, "initial_backoff", "seconds from 0"),
        (
            {"initial_backoff": 2.0, "max_backoff": 1.0},
            "max_backoff",
            "seconds from initial_backoff to 86400",
        ),
        ({"max_backoff": float("inf")}, "max_backoff", "seconds from initial_backoff"),
        ({"max_backoff": float("nan")}, "max_backoff", "seconds from initial_backoff"),
        ({"max_backoff": None}, "max_backoff", "seconds from initial_backoff"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(fields, argument, allowed):
    with pytest.raises(ConfigurationError, match=allowed) as caught:
        RetryPolicy(**fields)
    assert caught.value.argument == argument


def test_a_policy_is_a_value():
    assert RetryPolicy(3) == RetryPolicy(3)
    assert hash(RetryPolicy(3)) == hash(RetryPolicy(3))
    with pytest.raises(AttributeError):
        RetryPolicy(3).max_attempts = 4


def test_a_policy_is_a_dataclass_and_a_changed_copy_is_checked_as_the_first_was():
    policy = RetryPolicy(max_attempts=5)
    assert [field.name for field in dataclasses.fields(policy)] == [
        *("max_attempts", "initial_backoff", "max_backoff", "jitter"),
    ]
    assert dataclasses.replace(policy, max_backoff=5.0) == RetryPolicy(max_attempts=5, max_backoff=5.0)
    assert dataclasses.asdict(policy)["max_attempts"] == 5
    assert hash(policy) == hash(RetryPolicy(max_attempts=5))
    with pytest.raises(ConfigurationError, match="max_attempts=0"):
        dataclasses.replace(policy, max_attempts=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.jitter = False
