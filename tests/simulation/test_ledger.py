"""A reading complains of each broken promise, and of nothing else."""

import pytest

from tapewire.marks import Gap, Lagged, Reconnected, Resynced
from tests.simulation.ledger import Reading, Snapshot

GAP, LAGGED = Gap(reason="connection lost", since_ns=1), Lagged(dropped=1)
RECONNECTED = Reconnected(since_ns=1, until_ns=2)
UNDECODABLE = Gap(reason="undecodable", since_ns=1, missed=1)


def resynced(number):
    return Resynced(at_ns=1, snapshot=Snapshot(number))


def complaints(items, **fields):
    reading = Reading(**fields)
    found = [reading.publication(item) if type(item) is int else reading.mark(item) for item in items]
    return [wrong[0] for wrong in (*found, reading.end()) if wrong is not None]


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ([1, 3], "loss"),
        ([1, RECONNECTED, 3], "loss"),
        ([resynced(3), 5], "loss"),
        ([1, GAP, resynced(3), RECONNECTED, 5], "loss"),
        ([1, 1], "twice"),
        ([1, 2, GAP, 2], "twice"),
        ([resynced(3), 3], "behind snapshot"),
        ([resynced(3), RECONNECTED, 2], "recovered behind snapshot"),
        ([4, resynced(3)], "back"),
    ],
)
def test_a_broken_promise_is_complained_of(items, kind):
    assert complaints(items)[:1] == [kind]


@pytest.mark.parametrize(
    "items",
    [
        [5, 6, 7],
        [1, GAP, 4, LAGGED, 6],
        [1, RECONNECTED, 2],
        [1, resynced(4), 5],
        [1, GAP, resynced(1), 2],
        [resynced(1), GAP, 3],
        [1, UNDECODABLE, 3],
    ],
)
def test_a_stream_that_says_where_it_broke_is_left_alone(items):
    assert complaints(items) == []


def test_a_stream_goes_on_behind_the_position_that_it_was_resumed_from():
    assert complaints([4], after=3) == []
    assert complaints([5], after=3) == ["loss"]
    assert complaints([3], after=3) == ["behind snapshot"]


@pytest.mark.parametrize(
    ("items", "kinds"),
    [
        ([1, 3, 2], []),
        ([3, 4, 5], []),
        ([1, 5, 6], ["loss"]),
        ([1, 5, 6, 4], []),
        ([4, 1], ["twice"]),
        ([1, GAP, 5, 6, 7], []),
        ([1, 2, UNDECODABLE, 3], []),
        ([4, resynced(3)], ["back"]),
    ],
)
def test_what_is_conflated_grows_by_key_and_misses_nothing_that_was_not_replaced(items, kinds):
    assert complaints(items, conflates=True)[:1] == kinds


def test_what_is_conflated_may_be_replaced_by_one_that_cannot_be_decoded():
    assert complaints([1, UNDECODABLE, 5], conflates=True, poisoned={4}) == ["loss"]
    assert complaints([1, UNDECODABLE, 7], conflates=True, poisoned={4, 5, 6}) == []


def test_who_sees_no_marks_is_asked_for_the_order_only():
    assert complaints([1, 3], sees_marks=False) == []
    assert complaints([3, 1], sees_marks=False) == ["twice"]
