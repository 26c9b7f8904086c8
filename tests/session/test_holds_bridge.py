from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.protocols.base import StreamPosition
from tapewire.session.holds import MAX_BRIDGED, Bridge


def position(offset, epoch="e"):
    return StreamPosition(offset, epoch)


def page(*offsets):
    return [SimpleNamespace(offset=offset) for offset in offsets]


def offsets(bridge):
    return [publication.offset for publication in bridge.publications]


def test_a_hole_is_bridged_page_by_page_up_to_where_the_live_stream_goes_on():
    bridge = Bridge(position(10), position(15))
    assert bridge.next_since == position(10)
    bridge.take(page(11, 12, 13), "e")
    assert not bridge.complete
    assert bridge.next_since == position(13)
    bridge.take(page(14, 15, 16, 17), "e")
    assert bridge.complete
    assert bridge.next_since is None
    assert offsets(bridge) == [11, 12, 13, 14, 15], "what lies beyond came live as well"


def test_a_history_that_was_trimmed_at_its_start_bridges_nothing():
    bridge = Bridge(position(10), position(15))
    bridge.take(page(13, 14, 15), "e")
    assert not bridge.complete
    assert bridge.next_since is None


def test_a_hole_within_a_page_bridges_nothing():
    bridge = Bridge(position(10), position(15))
    bridge.take(page(11, 12, 14, 15), "e")
    assert not bridge.complete
    assert bridge.next_since is None


def test_a_page_without_progress_ends_the_asking():
    bridge = Bridge(position(10), position(15))
    bridge.take(page(), "e")
    assert bridge.next_since is None


@pytest.mark.parametrize(
    "until", [position(15, "other"), position(10), position(9), position(11 + MAX_BRIDGED)]
)
def test_another_epoch_or_a_hole_too_wide_is_not_asked_for_at_all(until):
    bridge = Bridge(position(10), until)
    assert bridge.next_since is None
    assert not bridge.complete


def test_an_epoch_that_changes_between_two_pages_bridges_nothing():
    bridge = Bridge(position(10), position(15))
    bridge.take(page(11, 12), "e")
    bridge.take(page(13, 14, 15), "new")
    assert not bridge.complete


@given(st.integers(1, 60), st.integers(1, 7), st.sets(st.integers(1, 60)), st.booleans())
def test_a_bridge_is_complete_only_if_every_offset_came_once_and_in_order(width, size, lost, overlap):
    """Invariant: complete if and only if nothing of the hole is missing; then exactly its offsets are collected."""
    log = [offset for offset in range(1, width + 10) if offset not in lost]
    bridge = Bridge(position(0), position(width))
    pages = 0
    while (since := bridge.next_since) is not None:
        start = max(0, since.offset - (1 if overlap else 0))
        bridge.take(page(*[offset for offset in log if offset > start][: size + overlap]), "e")
        pages += 1
        assert pages <= width + 1, "it must make progress or stop"
    whole = all(offset not in lost for offset in range(1, width + 1))
    assert bridge.complete is whole
    if whole:
        assert offsets(bridge) == list(range(1, width + 1))
