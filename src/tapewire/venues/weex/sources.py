"""Where streams get their frames: topics of the wire, and what is made of the frames of each channel.

`TopicSource` wants one or many topics on the shared sockets and puts their frames, and their marks, into the stream's
one buffer. The conversions are called when a consumer takes a frame.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from ...session.subscription import Delivery, Subscription
from .lines import Lines
from .message import WeexMessage, messages_of
from .profile import Profile
from .streams import Source, StreamCore
from .wire import Frame

__all__ = ["SEEN_TRADES", "Rows", "TopicSource", "Trades"]

SEEN_TRADES: Final = 2_000
"""Trades remembered by their id, so that a snapshot after a reconnection repeats none."""


class TopicSource(Source):
    """`topics` of `lines`. `snapshot`: fetches the state of a private channel after each (re)subscription."""

    def __init__(
        self,
        lines: Callable[[], Lines],
        topics: Sequence[str],
        snapshot: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self._lines = lines
        self._topics = topics
        self._snapshot = snapshot
        self._subscriptions: list[Subscription] = []

    def start(self, core: StreamCore) -> None:
        """Want every topic: all of them are asked for together."""
        lines = self._lines()
        for topic in self._topics:
            delivery = Delivery(
                handler=core.put,
                inline=True,
                on_mark=partial(core.put_mark, topic=topic),
                on_error=core.fail,
                snapshot=self._snapshot,
                announce=core.announces,
            )
            self._subscriptions.append(lines.subscribe(topic, delivery))

    async def confirmed(self) -> None:
        """Wait for each of them."""
        for subscription in tuple(self._subscriptions):
            await subscription.confirmed()

    def stop(self, core: StreamCore) -> None:
        """Leave every topic."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.unsubscribe()


class Rows:
    """One message for each row of a frame."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __call__(self, item: Any, core: StreamCore) -> Iterable[WeexMessage]:
        if not isinstance(item, Frame):
            return ()
        return list(messages_of(item, self._profile, core.spoiled))


class Trades:
    """One message for each trade, each once.

    A subscription begins with trades of before it: those are not delivered. After a reconnection the same snapshot
    holds some that were missed: those are, oldest first, behind the gap. Trades without ids (V2) cannot be told apart,
    so there no snapshot is delivered.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._seen: dict[str, None] = {}
        self._since: float | None = None

    def __call__(self, item: Any, core: StreamCore) -> Iterable[WeexMessage]:
        if not isinstance(item, Frame):
            return ()
        messages = list(messages_of(item, self._profile, core.spoiled))
        since, self._since = self._since, max([self._since or 0.0, *(m.timestamp for m in messages)])
        if item.is_snapshot:
            messages = _oldest_first(messages)
        fresh = [m for m in messages if m.data.get("id") not in self._seen]
        self._remember(messages)
        if not item.is_snapshot:
            return fresh
        return [m for m in fresh if since is not None and m.timestamp >= since and "id" in m.data]

    def _remember(self, messages: Iterable[WeexMessage]) -> None:
        seen = self._seen
        for message in messages:
            if "id" in message.data:
                seen[message.data["id"]] = None
        while len(seen) > SEEN_TRADES:
            del seen[next(iter(seen))]


def _oldest_first(messages: list[WeexMessage]) -> list[WeexMessage]:
    """By time; trades of one millisecond keep the order of the snapshot, whichever end it begins at.

    Where it shows no order at all, it is taken to begin with the newest.
    """
    if messages and messages[0].timestamp >= messages[-1].timestamp:
        messages.reverse()
    return sorted(messages, key=lambda message: message.timestamp)
