"""A stream is left by its own word for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tapewire.streams.source import Derived, leave


class Left:
    def __init__(self) -> None:
        self.words: list[str] = []


class Closing(Left):
    async def aclose(self) -> None:
        self.words.append("aclose")


class Unsubscribing(Left):
    def unsubscribe(self) -> None:
        self.words.append("unsubscribe")


async def test_a_stream_is_left_by_its_own_word() -> None:
    closing, unsubscribing = Closing(), Unsubscribing()
    await leave(closing)
    await leave(unsubscribing)
    await leave(object())
    assert closing.words + unsubscribing.words == ["aclose", "unsubscribe"]


async def test_leaving_a_derived_stream_leaves_the_one_below_and_its_iterator() -> None:
    ends: list[str] = []

    class Both(Closing):
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for number in range(9):
                    yield number
            finally:
                ends.append("iterator")

    stream = Both()
    async with Derived(stream) as derived:
        assert await anext(derived) == 0
        assert await anext(derived) == 1
    assert ends == ["iterator"]
    assert stream.words == ["aclose"]
