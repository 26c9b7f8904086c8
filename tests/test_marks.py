import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire import marks
from tapewire.marks import (
    ContinuityChanged,
    ContinuityState,
    Errored,
    Gap,
    Lagged,
    Mark,
    Reconnected,
    Resynced,
    Subscribed,
    Subscribing,
    Unsubscribed,
    is_mark,
    merge,
)

A_GAP = Gap(reason="connection lost", since_ns=10, until_ns=20)
KINDS = [A_GAP, Reconnected(since_ns=1, until_ns=2), Resynced(at_ns=5, snapshot={}), Lagged(dropped=3)]
KINDS += [Subscribing(reason="connection lost"), Subscribed(recovered=True), Unsubscribed(code=0)]
KINDS += [Errored(code=100, reason="internal server error")]
KINDS += [ContinuityChanged(state=ContinuityState.GAP, before=ContinuityState.LIVE, at_ns=5, reason="cut")]

moments = st.integers(min_value=1, max_value=1000)
gaps = st.builds(
    lambda since, lasted, reason, missed: Gap(
        reason=reason, since_ns=since, until_ns=since + lasted if lasted else 0, missed=missed
    ),
    moments,
    st.integers(min_value=0, max_value=50),
    st.sampled_from(["connection lost", "sequence"]),
    st.none() | st.integers(min_value=0, max_value=9),
)


@pytest.mark.parametrize("mark", KINDS, ids=lambda mark: type(mark).__name__)
def test_a_mark_is_told_apart_from_what_a_venue_sends(mark):
    assert is_mark(mark)
    assert not any(map(is_mark, [{"type": "Gap"}, type(mark), None, "Gap", [mark]]))


@pytest.mark.parametrize("mark", KINDS, ids=lambda mark: type(mark).__name__)
def test_a_mark_is_frozen_and_survives_a_recording(mark):
    with pytest.raises(AttributeError):
        mark.since_ns = 0
    again = msgspec.json.decode(msgspec.json.encode(mark), type=Mark)
    assert again == mark
    assert type(again) is type(mark)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_marks_of_two_kinds_both_stand(first, second):
    assert merge(first, second) is None


@pytest.mark.parametrize("mark", KINDS, ids=lambda mark: type(mark).__name__)
def test_two_marks_of_one_kind_always_become_one(mark):
    assert type(merge(mark, mark)) is type(mark)


def test_every_kind_stands_in_the_table_of_these_tests():
    assert {type(mark) for mark in KINDS} == {kind for kind in vars(marks).values() if is_mark_class(kind)}


def is_mark_class(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, marks._Mark) and kind is not marks._Mark


def test_two_lags_add_up_whoever_dropped():
    assert merge(Lagged(dropped=2), Lagged(dropped=3)) == Lagged(dropped=5)
    assert merge(Lagged(dropped=2, policy="resync"), Lagged(dropped=3)).dropped == 5


def test_two_gaps_become_the_wider_gap_with_the_first_reason_and_the_second_in_its_detail():
    second = Gap(reason="sequence", since_ns=30, until_ns=40)
    assert merge(A_GAP, second) == Gap(
        reason="connection lost", since_ns=10, until_ns=40, detail="then sequence"
    )
    detailed = Gap(reason="connection lost", since_ns=10, until_ns=20, detail="code 1006")
    assert merge(detailed, second).detail == "code 1006; then sequence"
    assert merge(detailed, detailed).detail == "code 1006"
    other = msgspec.structs.replace(detailed, detail="b: code 1012")
    assert merge(detailed, other).detail == "code 1006; b: code 1012"


def test_what_was_missed_is_known_only_where_both_gaps_know_it():
    two, three, unknown = (Gap(reason="sequence", since_ns=1, until_ns=2, missed=n) for n in (2, 3, None))
    assert merge(two, three).missed == 5
    assert merge(two, unknown).missed is None
    assert merge(unknown, three).missed is None


@given(gaps, gaps)
def test_a_merged_gap_covers_both_and_never_claims_continuity_too_early(first, second):
    """Merging two gaps never narrows them: not in time, not in number, and an open end stays open."""
    merged = merge(first, second)
    assert merged.since_ns == min(first.since_ns, second.since_ns)
    assert merged.reason == first.reason
    if second.until_ns == 0:
        assert merged.until_ns == 0
    else:
        assert merged.until_ns >= max(first.until_ns, second.until_ns)


def test_a_flapping_line_does_not_grow_a_detail_without_bound():
    merged = A_GAP
    for _ in range(1000):
        merged = merge(merged, Gap(reason="sequence", since_ns=1))
    assert len(merged.detail) <= 200


def test_two_recoveries_become_one_that_counts_both():
    first, second = (
        Reconnected(since_ns=1, until_ns=2, recovered=3),
        Reconnected(since_ns=5, until_ns=9, recovered=4),
    )
    assert merge(first, second) == Reconnected(since_ns=1, until_ns=9, recovered=7)


def test_of_two_snapshots_or_states_the_later_stands():
    later = Resynced(at_ns=9, snapshot="new")
    assert merge(Resynced(at_ns=1, snapshot="old"), later) == later
    assert merge(Subscribing(reason="first"), Subscribing(reason="later")) == Subscribing(reason="later")


def test_two_changes_of_continuity_become_the_way_from_the_first_state_to_the_last():
    stale = ContinuityChanged(state=ContinuityState.STALE, before=ContinuityState.LIVE, at_ns=1, reason="cut")
    gap = ContinuityChanged(
        state=ContinuityState.GAP, before=ContinuityState.STALE, at_ns=2, reason="lost", missed=3
    )
    live = ContinuityChanged(state=ContinuityState.LIVE, before=ContinuityState.GAP, at_ns=2)

    assert merge(stale, gap) == msgspec.structs.replace(gap, before=ContinuityState.LIVE)
    assert merge(gap, live) == ContinuityChanged(
        state=ContinuityState.LIVE, before=ContinuityState.STALE, at_ns=2, reason="lost", missed=3
    )
