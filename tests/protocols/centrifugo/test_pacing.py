"""Windows that shrink and widen."""

from __future__ import annotations

import pytest

from tapewire.errors import ConfigurationError
from tapewire.protocols.centrifugo import Pacing


def test_a_slow_close_halves_the_windows_down_to_one() -> None:
    pacing = Pacing(subscribe_window=5, recovering_window=2)
    assert pacing.shrink(3008)
    assert (pacing.subscribe_window, pacing.recovering_window) == (2, 1)
    assert pacing.shrink(3008)
    assert not pacing.shrink(3008)
    assert (pacing.subscribe_window, pacing.recovering_window) == (1, 1)


def test_a_message_too_big_halves_the_message_and_time_does_not_undo_it() -> None:
    pacing = Pacing(max_frame=3)
    assert pacing.shrink(1009)
    pacing.relax()
    assert pacing.max_frame == 1
    assert not pacing.shrink(1009)


def test_other_closes_shrink_nothing() -> None:
    assert not Pacing().shrink(1006)


def test_relaxing_goes_up_to_where_it_began() -> None:
    pacing = Pacing(subscribe_window=6, recovering_window=3)
    for _ in range(3):
        pacing.shrink(3008)
    for expected in (2, 4, 6, 6):
        pacing.relax()
        assert pacing.subscribe_window == expected
    assert pacing.recovering_window == 3


def test_pages_go_one_at_a_time_after_a_slow_close_and_more_again_with_time() -> None:
    pacing = Pacing(paging_window=3)
    assert pacing.shrink(3008)
    assert pacing.paging_window == 1
    pacing.relax()
    pacing.relax()
    assert pacing.paging_window == 3


@pytest.mark.parametrize("name", ["subscribe_window", "recovering_window", "max_frame"])
def test_a_window_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Pacing(**{name: 0})
