"""What a session fetches beside the stream, each in a task of the driver's: snapshots, history, fresh tokens.

Each belongs to the connection it was started on: what comes back on a later one is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..errors import TapewireError
from ..protocols.base import CredentialsExpiring
from ..secrets import shown

if TYPE_CHECKING:
    from .delivery import Subscription
    from .driver import Driver
    from .recovery import Bridge
    from .subscriptions import Wanted

__all__ = ["TokenRefresh", "fetch_history", "fetch_snapshot"]

logger = logging.getLogger("tapewire.session")

REFRESH_SHARE = 0.9
"""A fresh token is asked for after this share of the old one's life at the latest."""


async def fetch_snapshot(driver: Driver, subscription: Subscription, generation: int) -> None:
    """Ask the venue's snapshot function, within its deadline, and hand over what it gave."""
    seeding, delivery = subscription.seeding, subscription.delivery
    assert seeding is not None
    assert delivery.snapshot is not None
    try:
        async with asyncio.timeout(delivery.snapshot_timeout):
            snapshot = await delivery.snapshot()
        items = seeding.complete(generation, snapshot, driver.now_ns())
    except Exception as error:
        detail = shown(str(error) or type(error).__name__)
        logger.warning("%s: the snapshot could not be had: %s", subscription.topic, detail)
        items = seeding.fail(generation, driver.now_ns(), detail)
    driver.topics.continuity.seeded(subscription, items)
    driver.rearm()


async def fetch_history(driver: Driver, wanted: Wanted, bridge: Bridge) -> None:
    """Page the venue's history over the hole, as far as it goes; few topics at a time, for pages are large."""
    generation = driver.generation
    try:
        async with driver.calls.bridges:
            while (since := bridge.next_since) is not None and generation == driver.generation:
                assert driver.protocol is not None
                command = driver.protocol.history(wanted.topic, since)
                if command is None:
                    break
                page = await driver.calls.request(command, driver.options.request_timeout)
                bridge.take(page.publications, page.epoch)
    except Exception as error:  # whatever it is, what is held for the bridge must be delivered
        detail = shown(str(error) or type(error).__name__)
        logger.warning("%s: its history could not be had: %s", wanted.topic, detail)
    driver.topics.continuity.bridged(wanted, bridge)
    driver.flush()


class TokenRefresh:
    """Gives the peer a fresh token before the old one ends; a failure costs nothing until then."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._failures = 0

    def expect(self, event: CredentialsExpiring) -> None:
        """The token ends in so many seconds. Tokens of single topics are their owner's business."""
        driver = self._driver
        if driver.options.credentials is not None and event.topic is None:
            self._failures = 0
            share = REFRESH_SHARE * (
                1 - 0.2 * driver.options.fraction()
            )  # many lines share one token endpoint
            driver.timers.set("refresh", driver.now() + event.seconds * share)
            driver.rearm()

    async def run(self, generation: int) -> None:
        """Fetch one and hand it to the connection, if that still is the one it was asked for."""
        driver = self._driver
        assert driver.options.credentials is not None
        try:
            token = await driver.options.credentials.token(fresh=True)
        except Exception as error:
            if generation == driver.generation and driver.line_up:
                self._failed(error)
            return
        if generation == driver.generation and driver.protocol is not None:
            driver.token = token
            driver.protocol.refresh(token)
            driver.flush()

    def _failed(self, error: Exception) -> None:
        driver = self._driver
        logger.warning("%s: no fresh token yet: %s", driver.name, shown(str(error)))
        if isinstance(error, TapewireError) and not error.retryable:
            driver.broken(error)
            return
        self._failures += 1
        delay = driver.options.resubscribe.delay(self._failures, fraction=driver.options.fraction)
        driver.timers.set("refresh", driver.now() + delay)
        driver.rearm()
