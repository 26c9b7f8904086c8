"""What is silent is told once, what comes back is told once, by each one's own limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigurationError
from tapewire.streams import Live, Stale, Staleness
from tapewire.streams.staleness import GRACE


def names(changes: list[Stale | Live]) -> list[str]:
    return [f"{type(change).__name__} {change.kind} {change.name}" for change in changes]


def test_a_topic_is_stale_at_its_limit_and_told_once() -> None:
    staleness = Staleness(lively=5.0)
    staleness.follow("btc", 100.0)
    assert staleness.next_look == 105.0
    assert staleness.look(104.9) == []
    assert staleness.look(105.0) == [Stale(kind="topic", name="btc", silent=5.0, limit=5.0)]
    assert staleness.look(1000.0) == []
    assert staleness.next_look is None
    assert staleness.stale == {"btc"}


def test_what_comes_back_is_told_once_with_how_long_it_was_silent() -> None:
    staleness = Staleness(lively=5.0)
    staleness.follow("btc", 100.0)
    assert not staleness.heard("btc", 101.0)
    staleness.look(106.0)
    assert staleness.heard("btc", 131.0)
    assert staleness.heard("btc", 131.5), "still to be told"
    assert staleness.next_look == float("-inf")
    assert staleness.look(132.0) == [Live(kind="topic", name="btc", silent=30.0)]
    assert staleness.look(132.0) == []
    assert not staleness.heard("btc", 132.0)
    assert staleness.stale == frozenset()


def test_quiet_topics_and_single_ones_have_their_own_limits() -> None:
    staleness = Staleness(lively=5.0, quiet=300.0)
    staleness.follow("ticker", 0.0)
    staleness.follow("funding", 0.0, quiet=True)
    staleness.follow("candles", 0.0, limit=60.0)
    told = [(now, change.name) for now in (5.0, 60.0, 299.0, 300.0) for change in staleness.look(now)]
    assert told == [(5.0, "ticker"), (60.0, "candles"), (300.0, "funding")]


def test_a_silent_topic_says_whether_its_connection_is_silent_too() -> None:
    staleness = Staleness(lively=5.0, connection=5.0)
    staleness.follow_connection("line", 0.0)
    staleness.follow("btc", 0.0, connection="line")
    staleness.heard_connection("line", 4.0)
    (quiet_market,) = staleness.look(5.0)
    assert names([quiet_market]) == ["Stale topic btc"]
    assert isinstance(quiet_market, Stale)
    assert not quiet_market.connection_stale
    staleness.follow("eth", 4.0, connection="line")
    changes = staleness.look(9.0)
    assert names(changes) == ["Stale connection line", "Stale topic eth"]
    assert isinstance(changes[1], Stale)
    assert changes[1].connection_stale


def test_a_topic_that_is_heard_proves_its_connection() -> None:
    staleness = Staleness(lively=50.0, connection=5.0)
    staleness.follow_connection("line", 0.0)
    staleness.follow("btc", 0.0, connection="line")
    staleness.heard("btc", 4.0)
    assert staleness.look(8.0) == []
    assert names(staleness.look(9.0)) == ["Stale connection line"]
    staleness.heard("btc", 10.0)
    assert names(staleness.look(10.0)) == ["Live connection line"]


def test_what_is_said_of_the_time_before_it_fell_silent_revives_nothing() -> None:
    staleness = Staleness(lively=5.0, connection=5.0)
    staleness.follow_connection("line", 0.0)
    staleness.look(5.0)
    assert not staleness.heard_connection("line", 7.0, ago=6.9999)
    assert staleness.heard_connection("line", 7.0, ago=0.5)


def test_a_late_look_judges_nothing_before_the_sockets_are_read() -> None:
    staleness = Staleness(lively=5.0)
    staleness.follow("btc", 0.0)
    assert staleness.next_look == 5.0
    assert staleness.look(3600.0) == []  # the machine slept
    assert staleness.next_look == 3600.0 + GRACE
    staleness.heard("btc", 3600.1)
    assert staleness.look(3600.0 + GRACE) == []
    assert staleness.next_look == pytest.approx(3605.1)


def test_who_always_looks_late_is_told_all_the_same() -> None:
    staleness = Staleness(lively=5.0)
    staleness.follow("btc", 0.0)
    told = []
    for now in (10.0, 20.0):
        assert staleness.next_look is not None
        told += staleness.look(now)
    assert names(told) == ["Stale topic btc"]


def test_what_is_forgotten_is_not_told_of() -> None:
    staleness = Staleness(lively=5.0, connection=5.0)
    staleness.follow_connection("line", 0.0)
    staleness.follow("btc", 0.0, connection="line")
    staleness.follow("eth", 0.0, connection="line")
    staleness.forget("btc")
    staleness.forget_connection("line")
    staleness.forget("never followed")
    assert names(staleness.look(5.0)) == ["Stale topic eth"]
    staleness.heard("eth", 6.0)
    staleness.forget("eth")
    assert staleness.look(7.0) == []
    assert staleness.next_look is None


def test_following_anew_begins_anew() -> None:
    staleness = Staleness(lively=5.0, connection=5.0)
    staleness.follow_connection("line", 0.0)
    staleness.follow("btc", 0.0, connection="line")
    staleness.follow_connection("line", 4.0)
    staleness.follow("btc", 4.0, connection="line")
    assert staleness.look(8.9) == []
    staleness.heard("btc", 8.9)
    assert staleness.look(13.8) == []


def test_following_and_forgetting_for_long_takes_no_memory() -> None:
    staleness = Staleness(lively=1e6)
    for number in range(10_000):
        staleness.follow(f"topic {number}", 0.0)
        staleness.forget(f"topic {number}")
    assert len(staleness._due) < 200


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), True, "5"])
def test_a_limit_is_a_number_above_zero(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="lively"):
        Staleness(lively=seconds)
    with pytest.raises(ConfigurationError, match="limit"):
        Staleness(lively=1.0).follow("btc", 0.0, limit=seconds)


def test_what_is_not_followed_cannot_be_heard() -> None:
    staleness = Staleness(lively=1.0)
    with pytest.raises(ConfigurationError, match="topic='btc'"):
        staleness.heard("btc", 0.0)
    with pytest.raises(ConfigurationError, match="connection='line'"):
        staleness.follow("btc", 0.0, connection="line")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0.01, 3.0), st.booleans()),
        max_size=60,
    )
)
def test_it_tells_what_a_naive_look_at_everything_would_tell(steps: list[tuple[str, float, bool]]) -> None:
    """Invariant: looked at as often as it asks to be, it says of each topic what comparing all ages says."""
    limits = {"a": 1.0, "b": 2.5, "c": 7.0}
    staleness = Staleness(lively=1.0)
    heard = dict.fromkeys(limits, 0.0)
    for name, limit in limits.items():
        staleness.follow(name, 0.0, limit=limit)
    now, stale = 0.0, set[str]()
    for name, pause, hear in steps:
        until = now + pause
        while (due := staleness.next_look) is not None and due <= until:
            now = max(now, due)
            for change in staleness.look(now):
                assert isinstance(change, Stale) is (change.name not in stale)
                stale ^= {change.name}
        now = until
        assert stale == {each for each in limits if now - heard[each] >= limits[each] - 1e-9}
        if hear:
            heard[name] = now
            staleness.heard(name, now)
            for change in staleness.look(now):
                assert change == Live(kind="topic", name=name, silent=change.silent)
                stale.remove(name)
