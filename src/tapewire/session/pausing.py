"""Policy `block`: the reading of a connection stops while a consumer is full, and never for longer than `pause_limit`.

Rules: our own liveness is not judged while nothing is read, and heartbeats still go out. Who has not made room within
the limit ends with `BufferOverflow`, and reading goes on: the line is worth more than one slow consumer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BufferOverflow

if TYPE_CHECKING:
    from .delivery import Subscription
    from .driver import Driver

__all__ = ["Pausing"]

_KEY = "unblock"


class Pausing:
    """Who of one session is full."""

    __slots__ = ("_driver", "_full")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._full: set[Subscription] = set()

    def __bool__(self) -> bool:
        """True while nothing is read."""
        return bool(self._full)

    def pause(self, subscription: Subscription) -> None:
        """It is full: stop reading until `resume`, or until the limit."""
        driver = self._driver
        self._full.add(subscription)
        if driver.connection is not None:
            driver.connection.pause()
        if _KEY not in driver.timers:
            driver.timers.set(_KEY, driver.now() + driver.options.pause_limit)
            driver.rearm()

    def resume(self, subscription: Subscription) -> None:
        """It has room again; the last one that has lets the connection read."""
        driver = self._driver
        self._full.discard(subscription)
        if not self._full:
            driver.timers.cancel(_KEY)
            if driver.connection is not None:
                driver.connection.resume(driver.now())

    def forget(self) -> None:
        """The connection is gone, and with it what it did not read."""
        self._driver.timers.cancel(_KEY)
        self._full.clear()

    def give_up(self) -> None:
        """The limit is reached."""
        for subscription in tuple(self._full):
            self.resume(subscription)
            overflow = BufferOverflow(subscription.topic, subscription.delivery.capacity)
            self._driver.topics.fail(subscription, overflow)
