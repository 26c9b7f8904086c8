"""The watch tells each change once, at its time, with one timer, and whatever feeds it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tapewire.errors import ConfigurationError
from tapewire.marks import Reconnected
from tapewire.streams import Live, Stale, StalenessWatch
from tapewire.testing import VirtualClock
from tests.streams.streams import Fed


async def told(watch: StalenessWatch, seconds: float) -> list[tuple[float, str, str]]:
    """What the watch tells within these seconds: when, what, of whom."""
    loop, found = asyncio.get_running_loop(), []
    begin = loop.time()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for change in watch:
                when = round(loop.time() - begin, 3)
                found.append((when, type(change).__name__, change.name))
    return found


async def test_silence_and_its_end_are_told_when_they_happen_and_once(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=2.0)
    watch.follow("btc")
    loop = asyncio.get_running_loop()
    for after in (1.0, 1.5, 10.0, 10.1):
        loop.call_later(after, watch.heard, "btc")
    assert await told(watch, 60) == [(3.5, "Stale", "btc"), (10.0, "Live", "btc"), (12.1, "Stale", "btc")]


async def test_a_stream_that_is_listened_to_feeds_it_and_marks_do_not(clock: VirtualClock) -> None:
    stream = Fed()
    loop = asyncio.get_running_loop()
    loop.call_later(1.0, stream.put, "btc")
    loop.call_later(2.5, stream.put, Reconnected(since_ns=0, until_ns=0))
    loop.call_later(9.0, stream.put, "eth")
    watch = StalenessWatch(lively=2.0)
    watch.follow("btc")
    watch.follow("eth", quiet=False, limit=20.0)
    got = []

    async def follow() -> None:
        async with watch.listening(stream, topic=str) as items:
            while True:
                got.append(await anext(items))

    following = asyncio.create_task(follow())
    assert await told(watch, 25.0) == [(3.0, "Stale", "btc")]
    assert [item for item in got if isinstance(item, str)] == ["btc", "eth"]
    assert len(got) == 3
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert stream.closed == 1


async def test_a_connection_is_asked_when_it_was_heard(clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()

    def since_heard() -> float | None:
        now = loop.time() - begin
        return None if 8 <= now < 20 else now % 1.0  # a pong each second, but for an outage

    watch = StalenessWatch(lively=5.0, connection=4.0)
    watch.follow_connection("line", since_heard)
    watch.follow("btc", connection="line")
    changes = await told(watch, 40)
    assert [(kind, name) for _, kind, name in changes] == [
        ("Stale", "btc"),
        ("Stale", "line"),
        ("Live", "line"),
    ]
    btc, down, up = (when for when, _, _ in changes)
    assert btc == 5.0
    assert 8 + 3 <= down <= 8 + 4
    assert 20 <= up <= 21


async def test_a_connection_that_was_heard_before_the_last_look_is_not_stale(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=1.0, connection=1.0)
    watch.follow_connection("line", lambda: 0.2)
    assert await told(watch, 100) == []


async def test_what_is_followed_later_is_watched_too(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=2.0, quiet=30.0)
    loop = asyncio.get_running_loop()
    loop.call_later(5, watch.follow, "btc")
    loop.call_later(6, lambda: watch.follow("funding", quiet=True))
    loop.call_later(50, watch.forget, "btc")
    assert await told(watch, 60) == [(7.0, "Stale", "btc"), (36.0, "Stale", "funding")]
    assert watch.stale == {"funding"}


async def test_closing_ends_the_iteration(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=2.0)
    asyncio.get_running_loop().call_later(5, watch.close)
    assert [change async for change in watch] == []
    assert clock.monotonic() == 1005.0


async def test_two_changes_at_once_are_told_one_after_the_other(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=2.0, connection=2.0)
    watch.follow_connection("line")
    watch.follow("btc", connection="line")
    first, second = await anext(watch), await anext(watch)
    assert isinstance(first, Stale)
    assert isinstance(second, Stale)
    assert (first.kind, second.kind, second.connection_stale) == ("connection", "topic", True)
    watch.heard("btc")
    assert isinstance(await anext(watch), Live)
    watch.forget_connection("line")


async def test_a_second_consumer_is_refused(clock: VirtualClock) -> None:
    watch = StalenessWatch(lively=2.0)
    first = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError, match="one task at a time"):
        await anext(watch)
    watch.close()
    await asyncio.gather(first, return_exceptions=True)
