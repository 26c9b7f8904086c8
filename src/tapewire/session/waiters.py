"""Who waits for the venue's word on a subscription. Each is told exactly once, whatever ends the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import NotSubscribed

if TYPE_CHECKING:
    from .delivery import Subscription

__all__ = ["Waiters"]


class Waiters:
    """Futures by subscription."""

    def __init__(self, make: Callable[[], asyncio.Future[Any]]) -> None:
        self._make = make
        self._waiting: dict[Subscription, list[asyncio.Future[Any]]] = {}

    async def wait(self, subscription: Subscription) -> Any:
        """Until it is settled or refused."""
        waiter = self._make()
        self._waiting.setdefault(subscription, []).append(waiter)
        try:
            return await waiter
        finally:
            self._forget(subscription, waiter)  # who polls with a time-out leaves nothing behind

    def any_for(self, subscription: Subscription) -> bool:
        """True if somebody waits."""
        return any(not waiter.done() for waiter in self._waiting.get(subscription, ()))

    def settle(self, subscription: Subscription, reply: Any) -> None:
        """Confirmed, with this reply."""
        for waiter in self.take(subscription):
            if not waiter.done():
                waiter.set_result(reply)

    def refuse(self, subscription: Subscription, error: BaseException | None = None) -> None:
        """Not confirmed, for `error`; where there is none, because it was left."""
        for waiter in self.take(subscription):
            if not waiter.done():
                waiter.set_exception(error or NotSubscribed(subscription.topic))

    def refuse_all(self, error: BaseException) -> None:
        """Nobody is told anything any more."""
        for subscription in tuple(self._waiting):
            self.refuse(subscription, error)

    def take(self, subscription: Subscription) -> list[asyncio.Future[Any]]:
        """Those who wait, to be moved elsewhere with `put`."""
        return self._waiting.pop(subscription, [])

    def put(self, subscription: Subscription, waiters: list[asyncio.Future[Any]]) -> None:
        """Those who waited elsewhere wait here now."""
        if waiters:
            self._waiting.setdefault(subscription, []).extend(waiters)

    def _forget(self, subscription: Subscription, waiter: asyncio.Future[Any]) -> None:
        waiting = self._waiting.get(subscription, [])
        if waiter in waiting:
            waiting.remove(waiter)
            if not waiting:
                del self._waiting[subscription]
