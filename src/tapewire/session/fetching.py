"""What a session fetches beside the stream, each in a task of the driver's: snapshots and history.

Each belongs to the connection it was started on: what comes back on a later one is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ..secrets import shown

if TYPE_CHECKING:
    from .delivery import Subscription
    from .driver import Driver
    from .recovery import Bridge
    from .subscriptions import Wanted

__all__ = ["fetch_history", "fetch_snapshot"]

logger = logging.getLogger("tapewire.session")


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
