"""What a feed is, whoever makes it: an async iterator of one noun and of marks, whose continuity can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypedDict, TypeVar

from ..marks import ContinuityChanged, Mark
from .capabilities import Verb
from .continuity import Continuity

__all__ = ["ContinuityHook", "Feed", "WatchOptions"]

T = TypeVar("T")

ContinuityHook: TypeAlias = Callable[[ContinuityChanged], Any]
"""Called with each change as soon as it is noticed: behind the read that showed it, ahead of what is buffered."""


class WatchOptions(TypedDict, total=False):
    """What every `watch_...` verb takes.

    `handler`: called with each item that is no mark, in order; plain or async. Without it, iterate the feed.
    `on_mark`: called with each mark in its place; only beside a handler (an iteration gets them as items).
    `on_continuity`: called with each `ContinuityChanged` at once. `on_error(error, item)`: what the handler raised and
    for which item; with None as the item what ended the feed. `capacity`: items that wait for a slow consumer.
    """

    handler: Callable[[Any], Any] | None
    on_mark: Callable[[Mark], Any] | None
    on_continuity: ContinuityHook | None
    on_error: Callable[[BaseException, Any], Any] | None
    capacity: int | None


class Feed(ABC, Generic[T]):
    """One thing that is watched. Iterate it, one task at a time; or it was given a handler.

    `verb`, `venue` and `instrument_id` (None: all of them) say what is watched. Items are of one noun, marks lie
    between them in their place: `Gap`, `Reconnected`, `Resynced`, `Lagged`, and `ContinuityChanged` behind whatever
    changed it. Leave it with `aclose()` or `async with`.
    """

    __slots__ = ()

    verb: Verb
    venue: str
    instrument_id: str | None
    continuity: Continuity
    """What the feed is worth now. It costs next to nothing: ask before every quote."""

    @property
    @abstractmethod
    def quiet(self) -> float | None:
        """Its class: seconds for which it may be silent and nobody wonders; longer, and the venue is asked whether
        that is right before it is called stale. A number that is older than this is old. None: no silence is too long.
        """

    @abstractmethod
    async def wait_live(self, timeout: float | None = None) -> None:
        """Wait until it is live. Nobody need iterate it meanwhile.

        `timeout`: seconds, then TimeoutError that says why it is not live. Raises what ended the feed;
        ConfigurationError for what is no time.
        """

    @abstractmethod
    def resync(self) -> None:
        """Ask the venue for the state anew; it is `resyncing` until that is there. Returns at once."""

    @abstractmethod
    def batches(self, limit: int = 1_000) -> AsyncIterator[list[T | Mark]]:
        """Iterate in lists of what is there, at most `limit` items each: one wakeup for many."""

    @abstractmethod
    def __aiter__(self) -> Self: ...

    @abstractmethod
    async def __anext__(self) -> T | Mark: ...

    @abstractmethod
    async def aclose(self) -> None:
        """Leave at once. Idempotent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
