"""A filter passes what is wanted and every mark."""

from __future__ import annotations

import pytest

from tapewire.errors import ConfigurationError
from tapewire.marks import Gap, Lagged
from tapewire.streams import batched, filtered
from tapewire.testing import VirtualClock
from tests.streams.streams import Fed

GAP = Gap(reason="connection lost", since_ns=1)


async def test_a_filter_never_swallows_a_mark(clock: VirtualClock) -> None:
    lag = Lagged(dropped=3)
    kept = filtered(Fed(1, GAP, 2, lag, 3).end(), lambda item: item == 2)
    assert [item async for item in kept] == [GAP, 2, lag]
    assert kept.passed_over == 2


async def test_the_predicate_is_asked_about_publications_only(clock: VirtualClock) -> None:
    asked = []
    assert [item async for item in filtered(Fed(1, GAP).end(), asked.append)] == [GAP]
    assert asked == [1]


async def test_what_the_predicate_raises_reaches_the_consumer_who_may_go_on(clock: VirtualClock) -> None:
    kept = filtered(Fed(0, 4).end(), lambda item: 8 / item)
    with pytest.raises(ZeroDivisionError):
        await anext(kept)
    assert await anext(kept) == 4


async def test_leaving_leaves_the_stream_also_through_others(clock: VirtualClock) -> None:
    stream = Fed(1, 2, 3)
    async with batched(filtered(stream, lambda item: item > 1), size=2, seconds=1) as batches:
        assert await anext(batches) == [2, 3]
    assert stream.closed == 1


def test_a_predicate_is_a_function() -> None:
    with pytest.raises(ConfigurationError, match="wanted"):
        filtered(None, "last > 3")  # type: ignore[arg-type]
