"""Policy `block`: the reading of a connection stops while a consumer is full, and never for longer than the limit.

Rules: our own liveness is not judged while nothing is read, and heartbeats still go out. Who has not made room within
the limit ends with `BufferOverflow`, and reading goes on: the connection is worth more than one slow consumer. A lost
connection gives nobody more time. A reply that somebody awaits is read (the handler that is too slow may be the one who
awaits it), until a consumer holds `buffers.AWAITING_ROOM` more than its capacity.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import BufferOverflow
from .connection import Connection
from .delivery import Subscription
from .loop import Loop

__all__ = ["Pausing"]


class Pausing:
    """Who of one session is full. `fail(subscription, error)` ends one; `awaited()`: replies are waited for."""

    def __init__(
        self,
        loop: Loop,
        limit: float,
        *,
        connection: Callable[[], Connection | None],
        awaited: Callable[[], bool],
        fail: Callable[[Subscription, BaseException], None],
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._connection = connection
        self._awaited = awaited
        self._fail = fail
        self._full: set[Subscription] = set()

    def __bool__(self) -> bool:
        """True while somebody is full."""
        return bool(self._full)

    def pause(self, subscription: Subscription) -> None:
        """It is full: stop reading until `resume`, or until the limit."""
        if subscription not in self._full:
            self._full.add(subscription)
            give_up = partial(self._give_up, subscription)
            self._loop.after(("unblock", subscription), self._limit, give_up)
        self.judge()

    def resume(self, subscription: Subscription) -> None:
        """It has room again; the last one that has lets the connection read."""
        self._full.discard(subscription)
        self._loop.timers.cancel(("unblock", subscription))
        self.judge()

    def judge(self) -> None:
        """Read, or do not: ask anew whenever somebody began or ceased to await a reply."""
        connection = self._connection()
        if connection is None:
            return
        if self._full and (not self._awaited() or any(each.buffer.is_brimful for each in self._full)):
            connection.pause()
        else:
            connection.resume()

    def _give_up(self, subscription: Subscription) -> None:
        """The limit is reached."""
        self.resume(subscription)
        self._fail(subscription, BufferOverflow(subscription.topic, subscription.delivery.capacity))
