"""A stream that is taken inside the read: in order, without a buffer, and to the end."""

from __future__ import annotations

from typing import Any

import pytest

from tapewire.errors import SubscriptionEnded
from tapewire.marks import Gap
from tapewire.venues.kit.intake import Intake

HOLE = Gap(reason="sequence", since_ns=1, until_ns=2)


class Feed:
    def __init__(self, intake: Intake) -> None:
        self.intake, self.is_left = intake, False
        intake.add(self)

    async def confirmed(self) -> None: ...

    def unsubscribe(self) -> None:
        self.is_left = True
        self.intake.part(self)

    def awaited(self) -> None: ...
    def full(self) -> None: ...
    def relieved(self) -> None: ...
    async def tell_end(self) -> None: ...


class Taken(list[Any]):
    """What an intake was given, and told."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0
        self.intake = Intake("test", self._take, self._take, on_failed=self.append, on_ended=self._end)

    def _take(self, item: Any) -> None:
        if item == 13:
            raise ValueError("thirteen")
        self.append(item)

    def _end(self) -> None:
        self.ended += 1


def test_what_comes_is_taken_at_once_in_its_order_and_nothing_is_kept() -> None:
    taken = Taken()
    taken.intake.put(1)
    taken.intake.put_mark(HOLE)
    taken.intake.put(2)
    assert taken == [1, HOLE, 2]
    assert (len(taken.intake.buffer), taken.intake.delivered, taken.intake.marks) == (0, 2, 1)


def test_what_is_raised_is_told_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    taken = Taken()
    for number in (1, 13, 2):
        taken.intake.put(number)
    assert [taken[0], repr(taken[1]), taken[2]] == [1, "ValueError('thirteen')", 2]
    assert "could not be taken" in caplog.text


def test_its_end_is_told_once_and_nothing_comes_behind_it() -> None:
    taken = Taken()
    feed = Feed(taken.intake)
    taken.intake.part(feed, SubscriptionEnded("topic", "closed"))
    taken.intake.put(1)
    taken.intake.put_mark(HOLE)
    taken.intake.end()
    assert (taken, taken.ended) == ([], 1)
    assert isinstance(taken.intake.error, SubscriptionEnded)


def test_leaving_it_leaves_what_feeds_it() -> None:
    taken = Taken()
    feed = Feed(taken.intake)
    taken.intake.end()
    assert (feed.is_left, taken.ended, taken.intake.error) == (True, 1, None)
