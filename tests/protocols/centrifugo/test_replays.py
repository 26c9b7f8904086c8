"""What is learned of a channel from the ends of connections."""

from __future__ import annotations

from tapewire.protocols.base import StreamPosition
from tapewire.protocols.centrifugo.replays import MAX_FAILED, MAX_KNOWN, PAGE, Replays

HERE, THERE = StreamPosition(5, "e"), StreamPosition(9, "e")


def test_a_channel_nothing_is_known_of_is_replayed_whole() -> None:
    replays = Replays()
    assert replays.is_whole("a")
    assert replays.page("a") == PAGE
    assert replays.is_numbered("a")
    assert not replays.is_given_up("a", HERE)


def test_what_was_too_large_is_asked_for_by_an_eighth_down_to_one() -> None:
    replays = Replays()
    pages = []
    for _ in range(5):
        replays.too_large([("a", HERE)])
        pages.append(replays.page("a"))
    assert pages == [125, 15, 1, 1, 1]
    assert not replays.is_whole("a")
    assert replays.is_whole("b")


def test_a_position_that_failed_alone_too_often_is_given_up_and_no_other_one() -> None:
    replays = Replays()
    for _ in range(MAX_FAILED):
        assert not replays.is_given_up("a", HERE)
        replays.too_large([("a", HERE)])
    assert replays.is_given_up("a", HERE)
    assert not replays.is_given_up("a", THERE)
    replays.too_large([("a", THERE)])
    assert not replays.is_given_up("a", HERE)


def test_who_was_under_way_in_company_is_asked_for_less_and_blamed_for_nothing() -> None:
    replays = Replays()
    for _ in range(2 * MAX_FAILED):
        replays.too_large([("a", HERE), ("b", HERE)])
    assert not replays.is_given_up("a", HERE)
    assert replays.page("a") == replays.page("b") == 1


def test_a_channel_with_something_unnumbered_is_not_counted_by_its_numbers() -> None:
    replays = Replays()
    replays.saw_unnumbered("a")
    assert not replays.is_numbered("a")
    assert replays.is_whole("a")


def test_what_is_remembered_is_bounded() -> None:
    replays = Replays()
    for n in range(MAX_KNOWN + 1):
        replays.saw_unnumbered(str(n))
    assert replays.is_numbered("0")
    assert not replays.is_numbered("1")
