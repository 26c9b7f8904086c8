import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.marks import Gap, Resynced
from tapewire.session.holds import CAUGHT_UP, Seeding


def held(seeding: Seeding, *items: object) -> Seeding:
    for item in items:
        seeding.keep(item)
    return seeding


def begun(*items: object, **fields: object) -> Seeding:
    seeding = Seeding(**fields)
    seeding.begin(1000)
    return held(seeding, *items)


def test_live_publications_follow_the_snapshot_in_their_order():
    seeding = begun("a", "b", "c")
    assert seeding.complete(seeding.hold, {"bids": []}, 2000) == [
        Resynced(at_ns=2000, snapshot={"bids": []}),
        "a",
        "b",
        "c",
    ]
    assert seeding.hold is None


@pytest.mark.parametrize(
    "end", [lambda s, h: s.complete(h, "old", 2000), lambda s, h: s.fail(h, 2000, "late")]
)
def test_what_an_older_attempts_snapshot_says_is_discarded_and_the_hold_goes_on(end):
    seeding = begun("old")
    older, newer = seeding.hold, seeding.begin(1500)
    held(seeding, "new")
    assert end(seeding, older) is None
    assert (seeding.hold, seeding.failures) == (newer, 0)
    assert seeding.complete(newer, "now", 3000) == [Resynced(at_ns=3000, snapshot="now"), "new"]


def test_a_snapshot_after_the_hold_is_over_is_discarded():
    seeding = begun("a")
    hold = seeding.hold
    seeding.fail(hold, 2000, "late")
    assert seeding.complete(hold, "s", 3000) is None
    assert seeding.fail(hold, 3000, "again") is None
    assert seeding.failures == 1


def test_a_failed_seed_is_a_gap_and_then_what_was_held_and_never_resynced():
    seeding = begun("a", "b")
    assert seeding.fail(seeding.hold, 2000, "HTTP 500") == [
        Gap(reason="reseed failed", since_ns=1000, until_ns=2000, detail="HTTP 500"),
        "a",
        "b",
    ]


def test_the_detail_of_a_failure_is_bounded():
    seeding = begun()
    items = seeding.fail(seeding.hold, 2000, "x" * 10_000)
    assert len(items[0].detail) <= 200


def test_failures_are_counted_until_one_succeeds():
    seeding = Seeding()
    for _ in range(2):
        seeding.fail(seeding.begin(0), 1, "no")
    assert seeding.failures == 2
    hold = seeding.begin(0)
    assert seeding.failures == 2
    seeding.complete(hold, "s", 1)
    assert seeding.failures == 0


def test_a_hold_that_overflows_fails_and_what_is_delivered_has_no_hole_in_it():
    seeding = begun(*range(5), capacity=3)
    items = seeding.complete(seeding.hold, "s", 2000)
    assert isinstance(items[0], Gap)
    assert items[0].reason == "reseed failed"
    assert "more than 3" in items[0].detail
    assert items[1:] == [3, 4]
    assert seeding.failures == 1


def test_exactly_as_many_as_it_holds_is_no_overflow():
    seeding = begun(1, 2, 3, capacity=3)
    assert seeding.complete(seeding.hold, "s", 2000)[1:] == [1, 2, 3]


def test_a_new_hold_forgets_that_the_last_one_overflowed():
    seeding = begun(*range(5), capacity=3)
    hold = seeding.begin(2000)
    assert held(seeding, "a").complete(hold, "s", 3000) == [Resynced(at_ns=3000, snapshot="s"), "a"]


def test_a_seed_that_is_not_needed_delivers_what_was_held_without_a_mark():
    seeding = begun("a", "b")
    assert seeding.skip() == ["a", "b"]
    assert seeding.hold is None
    assert seeding.skip() == []


def test_a_hold_that_overflowed_is_not_skipped_in_silence():
    items = begun(*range(5), capacity=3).skip()
    assert isinstance(items[0], Gap)
    assert (items[0].since_ns, items[0].until_ns) == (1000, 0)
    assert items[1:] == [3, 4]


def test_reconcile_picks_what_comes_after_the_snapshot():
    seeding = begun(
        4, 5, 6, 7, reconcile=lambda snapshot, items: [n for n in items if n > snapshot["version"]]
    )
    assert seeding.complete(seeding.hold, {"version": 5}, 2000)[1:] == [6, 7]


def test_a_snapshot_ahead_of_the_stream_hides_what_it_holds_until_the_stream_is_past_it():
    def reconcile(snapshot, items):
        return [n for n in items if n > snapshot]

    seeding = begun(4, reconcile=reconcile)
    assert len(seeding.complete(seeding.hold, 6, 2000)) == 1
    seeding.begin(3000)  # a recovery in between changes nothing about it
    assert seeding.skip() == []
    seeding.fail(seeding.begin(4000), 5000, "nor does a snapshot that does not come")
    assert seeding.is_ahead
    assert [seeding.follows(n) for n in (5, 99, 6, 7)] == [False, True, False, True]
    assert all(seeding.follows(n) for n in range(8, 7 + CAUGHT_UP))
    assert not seeding.is_ahead


def test_without_reconcile_no_snapshot_is_known_to_be_ahead():
    seeding = begun()
    seeding.complete(seeding.hold, 6, 2000)
    assert not seeding.is_ahead


def test_another_snapshot_asked_for_during_a_hold_leaves_the_first_one_stale_and_what_is_held_as_it_is():
    seeding = begun("a")
    first = seeding.hold
    seeding.begin_again()
    assert seeding.complete(first, "old", 2000) is None
    assert seeding.complete(seeding.hold, "new", 3000) == [Resynced(at_ns=3000, snapshot="new"), "a"]


def test_where_reconcile_raises_everything_is_still_held_for_the_failure():
    def reconcile(snapshot, items):
        raise KeyError("version")

    seeding = begun("a", "b", reconcile=reconcile)
    with pytest.raises(KeyError):
        seeding.complete(seeding.hold, {}, 2000)
    items = seeding.fail(seeding.hold, 3000, "KeyError")
    assert isinstance(items[0], Gap)
    assert items[1:] == ["a", "b"]


@given(st.integers(1, 6), st.lists(st.integers(), max_size=20), st.sampled_from(["complete", "fail", "skip"]))
def test_nothing_is_missing_from_a_hold_without_a_gap(capacity, items, end):
    """A hold delivers all it was given, in order, or a Gap and a tail of it; never more than it may hold."""
    seeding = begun(*items, capacity=capacity)
    arguments = {"complete": (seeding.hold, "s", 5), "fail": (seeding.hold, 5, "no"), "skip": ()}[end]
    delivered = getattr(seeding, end)(*arguments)
    publications = [item for item in delivered if not isinstance(item, Gap | Resynced)]
    assert len(publications) <= capacity
    assert publications == items[len(items) - len(publications) :]
    if len(publications) < len(items) or end == "fail":
        assert isinstance(delivered[0], Gap)
        assert not any(isinstance(item, Resynced) for item in delivered)


def test_the_stream_is_past_the_snapshot_only_where_what_follows_it_comes_in_a_row():
    seeding = begun(reconcile=lambda snapshot, items: [item for item in items if item > snapshot])
    seeding.complete(seeding.hold, 100, 2000)
    assert all(seeding.follows(101) for _ in range(CAUGHT_UP - 1))
    assert not seeding.follows(99)
    assert all(seeding.follows(101) for _ in range(CAUGHT_UP - 1))
    assert seeding.is_ahead
    assert seeding.follows(101)
    assert not seeding.is_ahead
