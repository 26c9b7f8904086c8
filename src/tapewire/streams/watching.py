"""`StalenessWatch`: tells, while it is iterated, what falls silent and what comes back. The rules are in `staleness`.

One timer serves a watch, whatever it follows. Nothing is queued: a consumer that is slow is told later, and each
change once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable
from typing import Final, Self, TypeVar

from ..errors import ConfigurationError
from ..marks import is_mark
from .source import Derived
from .staleness import Live, Stale, Staleness

__all__ = ["LOOKS", "Heard", "StalenessWatch"]

T = TypeVar("T")

LOOKS: Final = 4
"""How often in its limit a connection is asked when it was heard last: nothing tells of a pong."""


class StalenessWatch:
    """`async for change in watch` yields `Stale` and `Live`, each change once. Make it inside the running loop.

    Limits in seconds: `lively` for topics, `quiet` for those followed with `quiet=True`, `connection` for connections.
    Follow what is to be watched, then feed it: iterate `watch.listening(stream, topic)` instead of the stream, or call
    `heard(topic)`. It ends by `close()`. Only one task may iterate. Raises ConfigurationError.
    """

    def __init__(self, *, lively: float, quiet: float | None = None, connection: float | None = None) -> None:
        self._staleness = Staleness(lively=lively, quiet=quiet, connection=connection)
        self._loop = asyncio.get_running_loop()
        self._probes: dict[str, Callable[[], float | None]] = {}
        self._changes: deque[Stale | Live] = deque()  # of one look
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def follow(
        self, topic: str, *, connection: str | None = None, quiet: bool = False, limit: float | None = None
    ) -> None:
        """Watch a topic from now on. See `Staleness.follow`."""
        self._staleness.follow(topic, self._loop.time(), connection=connection, quiet=quiet, limit=limit)
        self._wake()

    def follow_connection(
        self, name: str, since_heard: Callable[[], float | None] | None = None, *, limit: float | None = None
    ) -> None:
        """Watch a connection from now on.

        `since_heard` is asked four times in the limit: seconds since anything was read on it, pongs among it, or None
        where it is down, as `Statistics.since_heard` says. Without it a connection is heard by its topics and by
        `heard_connection`.
        """
        self._staleness.follow_connection(name, self._loop.time(), limit=limit)
        self._probes.pop(name, None)
        if since_heard is not None:
            self._probes[name] = since_heard
        self._wake()

    def forget(self, topic: str) -> None:
        """Watch a topic no longer."""
        self._staleness.forget(topic)

    def forget_connection(self, name: str) -> None:
        """Watch a connection no longer."""
        self._staleness.forget_connection(name)
        self._probes.pop(name, None)

    def heard(self, topic: str) -> None:
        """A publication of `topic` arrived. Raises ConfigurationError where it is not followed."""
        if self._staleness.heard(topic, self._loop.time()):
            self._wake()

    def heard_connection(self, name: str) -> None:
        """Anything arrived on the connection `name`. Raises ConfigurationError where it is not followed."""
        if self._staleness.heard_connection(name, self._loop.time()):
            self._wake()

    def listening(self, stream: AsyncIterable[T], topic: str | Callable[[T], str]) -> Heard[T]:
        """`stream` as it is, while every publication of it is heard as one of `topic` (or of `topic(publication)`)."""
        return Heard(stream, self, topic)

    @property
    def stale(self) -> frozenset[str]:
        """The topics that are stale now, as far as it was told."""
        return self._staleness.stale

    @property
    def stale_connections(self) -> frozenset[str]:
        """The connections that are stale now, as far as it was told."""
        return self._staleness.stale_connections

    def close(self) -> None:
        """End the iteration. Idempotent."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Stale | Live:
        while not self._closed:
            if not self._changes:
                self._look()
            if self._changes:
                return self._changes.popleft()
            await self._wait_until(self._next_look())
        raise StopAsyncIteration

    def __repr__(self) -> str:
        return f"<StalenessWatch {self._staleness!r}>"

    def _look(self) -> None:
        now = self._loop.time()
        for name, since_heard in self._probes.items():
            seconds = since_heard()
            if seconds is not None:
                self._staleness.heard_connection(name, now, ago=seconds)
        self._changes.extend(self._staleness.look(now))

    def _next_look(self) -> float | None:
        due = self._staleness.next_look
        if self._probes:
            soon = self._loop.time() + self._staleness.shortest_connection_limit / LOOKS
            return soon if due is None else min(due, soon)
        return due

    async def _wait_until(self, due: float | None) -> None:
        if self._waiter is not None:
            raise ConfigurationError("consumer", "a second task", "one task at a time for each watch")
        self._waiter = self._loop.create_future()
        timer = None if due is None else self._loop.call_at(due, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Heard(Derived[T]):
    """A stream that a `StalenessWatch` listens to. Made by `StalenessWatch.listening`; a mark is no sign of life."""

    def __init__(
        self, stream: AsyncIterable[T], watch: StalenessWatch, topic: str | Callable[[T], str]
    ) -> None:
        super().__init__(stream)
        self._watch = watch
        self._topic = topic

    async def __anext__(self) -> T:
        item = await anext(self._iterator or self._begin())
        if not is_mark(item):
            topic = self._topic
            self._watch.heard(topic if isinstance(topic, str) else topic(item))
        return item
