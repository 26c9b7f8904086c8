"""Numbers in, verdicts out: what follows, what waits, what is a duplicate, what is a hole."""

from __future__ import annotations

import pytest

from tapewire.book import (
    CHAINED,
    CONSECUTIVE,
    UNNUMBERED,
    VERSIONED,
    Applied,
    Held,
    Ignored,
    Numbering,
    Resync,
    Sequencer,
    Verdict,
)
from tapewire.errors import ConfigurationError

OVERLAPPING = Numbering(kind="linked", step=1, overlap=True)


def seeded(numbering: Numbering, last: int | None = 10) -> Sequencer[str]:
    made: Sequencer[str] = Sequencer(numbering)
    assert isinstance(made.snapshot(last), Applied)
    return made


def is_a_resync(verdict: Verdict, text: str, *, retry: bool = False) -> bool:
    return isinstance(verdict, Resync) and text in verdict.reason and verdict.retry is retry


def test_a_chained_delta_repeats_the_number_it_follows() -> None:
    numbers = seeded(CHAINED)
    assert numbers.delta(10, 15, "a") == Applied()
    assert numbers.delta(15, 20, "b") == Applied()
    assert numbers.last == 20
    assert is_a_resync(numbers.delta(21, 25, "c"), "hole")


def test_a_consecutive_delta_begins_one_behind() -> None:
    numbers = seeded(CONSECUTIVE)
    assert numbers.delta(11, 11, "a") == Applied()
    assert numbers.delta(12, 14, "b") == Applied()
    assert is_a_resync(numbers.delta(16, 16, "c"), "hole")
    assert numbers.last is None
    assert not numbers.is_seeded


def test_a_chained_delta_without_an_advance_is_applied() -> None:
    numbers = seeded(CHAINED)
    assert numbers.delta(10, 10, "a") == Applied()
    assert numbers.last == 10


@pytest.mark.parametrize("numbering", [CHAINED, CONSECUTIVE, OVERLAPPING])
def test_a_duplicate_is_dropped(numbering: Numbering) -> None:
    numbers = seeded(numbering)
    first = 10 + numbering.step
    assert numbers.delta(first, 15, "a") == Applied()
    assert numbers.delta(first, 15, "a") == Ignored("a duplicate")
    assert numbers.delta(3, 4, "old") == Ignored("a duplicate")
    assert numbers.last == 15


def test_an_overlap_follows_only_where_the_venue_means_it() -> None:
    assert is_a_resync(seeded(CHAINED).delta(8, 12, "a"), "overlap")
    assert is_a_resync(seeded(CONSECUTIVE).delta(8, 12, "a"), "overlap")
    numbers = seeded(OVERLAPPING)
    assert numbers.delta(8, 12, "a") == Applied()
    assert numbers.last == 12


def test_deltas_wait_for_the_snapshot_and_then_follow_it() -> None:
    numbers: Sequencer[str] = Sequencer(CHAINED)
    assert [numbers.delta(n, n + 5, f"{n}") for n in (0, 5, 10, 15)] == [Held(1), Held(2), Held(3), Held(4)]
    assert numbers.snapshot(10) == Applied(("10", "15"))
    assert numbers.last == 20
    assert numbers.delta(20, 25, "20") == Applied()


def test_a_snapshot_newer_than_everything_held_needs_none_of_it() -> None:
    numbers: Sequencer[str] = Sequencer(CONSECUTIVE)
    numbers.delta(1, 5, "a")
    assert numbers.snapshot(9) == Applied()
    assert numbers.delta(10, 10, "b") == Applied()


def test_held_duplicates_follow_once() -> None:
    numbers: Sequencer[str] = Sequencer(CONSECUTIVE)
    for delta in ("a", "again"):
        numbers.delta(1, 5, delta)
    assert numbers.snapshot(0) == Applied(("a",))


def test_a_snapshot_too_old_for_what_is_held_asks_for_a_newer_one_and_keeps_it() -> None:
    numbers: Sequencer[str] = Sequencer(CHAINED)
    numbers.delta(10, 15, "a")
    numbers.delta(15, 20, "b")
    assert is_a_resync(numbers.snapshot(5), "does not reach the held deltas", retry=True)
    assert not numbers.is_seeded
    assert numbers.delta(20, 25, "c") == Held(3)
    assert numbers.snapshot(10) == Applied(("a", "b", "c"))


def test_a_hole_among_the_held_needs_a_snapshot_from_behind_it() -> None:
    numbers: Sequencer[str] = Sequencer(CHAINED)
    numbers.delta(0, 5, "a")
    numbers.delta(10, 15, "c")
    assert is_a_resync(numbers.snapshot(0), "hole", retry=True)
    assert numbers.snapshot(10) == Applied(("c",))


def test_the_delta_that_showed_a_hole_is_held_for_the_snapshot() -> None:
    numbers = seeded(CHAINED)
    assert is_a_resync(numbers.delta(15, 20, "late"), "hole")
    assert numbers.snapshot(15) == Applied(("late",))


def test_the_hold_is_bounded_and_an_overflow_cannot_pass_for_continuity() -> None:
    numbers: Sequencer[str] = Sequencer(CONSECUTIVE, capacity=2)
    assert [numbers.delta(n, n, str(n)) for n in (1, 2, 3)] == [Held(1), Held(2), Held(2)]
    assert is_a_resync(numbers.snapshot(0), "hole", retry=True)
    assert numbers.snapshot(1) == Applied(("2", "3"))


def test_a_snapshot_older_than_the_book_is_ignored_until_a_reset() -> None:
    numbers = seeded(CHAINED)
    assert numbers.snapshot(9) == Ignored("the snapshot is older than the book")
    assert numbers.snapshot(10) == Applied()
    numbers.reset()
    assert numbers.snapshot(9) == Applied()
    assert numbers.last == 9


def test_a_version_counts_only_if_it_is_greater() -> None:
    numbers: Sequencer[str] = Sequencer(VERSIONED)
    assert [type(numbers.snapshot(version)) for version in (5, 5, 4, 7, 6)] == [
        Applied, Ignored, Ignored, Applied, Ignored,
    ]  # fmt: skip
    assert numbers.last == 7
    numbers.reset()
    assert numbers.snapshot(7) == Applied()


def test_whole_books_have_no_deltas() -> None:
    for numbers in (Sequencer[str](VERSIONED), seeded(VERSIONED)):
        with pytest.raises(ConfigurationError, match="numbering="):
            numbers.delta(1, 2, "a")


def test_an_unnumbered_stream_needs_a_snapshot_first_and_then_nothing() -> None:
    numbers: Sequencer[str] = Sequencer(UNNUMBERED)
    assert numbers.delta(None, None, "a") == Ignored("no snapshot yet")
    assert numbers.snapshot(None) == Applied()
    assert numbers.delta(None, None, "a") == Applied()
    numbers.reset()
    assert numbers.delta(None, None, "a") == Ignored("no snapshot yet")


@pytest.mark.parametrize("number", [None, -1, True, 1.0, "12"])
def test_a_number_that_is_none_ends_the_sequence(number: object) -> None:
    numbers = seeded(CHAINED)
    assert is_a_resync(numbers.delta(10, number, "a"), "without its numbers")  # type: ignore[arg-type]
    assert is_a_resync(numbers.snapshot(number), "without its number")  # type: ignore[arg-type]
    assert numbers.delta(number, 11, "a") == Ignored(  # type: ignore[arg-type]
        "no snapshot yet, and no numbers to hold it by"
    )


def test_numbers_that_run_backwards_end_the_sequence_and_are_not_held() -> None:
    numbers = seeded(CHAINED)
    assert is_a_resync(numbers.delta(10, 9, "a"), "backwards")
    assert numbers.delta(12, 11, "a") == Ignored("no snapshot yet, and numbers that run backwards")
    assert numbers.delta(12, 13, "b") == Held(1)


def test_the_hold_has_room_for_one_at_least() -> None:
    with pytest.raises(ConfigurationError, match="capacity="):
        Sequencer(CHAINED, capacity=0)


def test_nothing_that_was_held_outlives_a_reset() -> None:
    numbers: Sequencer[str] = Sequencer(CONSECUTIVE)
    assert numbers.delta(11, 11, "of the line before") == Held(1)
    numbers.reset()
    assert numbers.snapshot(10) == Applied()
