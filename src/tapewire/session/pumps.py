"""How the calling of handlers ends: each of the driver's tasks that call one has the close's time for what is buffered.

Rules: what a handler had no time for is dropped, counted and said. Only a close cancels a call that still runs; leaving
a topic never does, for the call may be the one that leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .delivery import Subscription

__all__ = ["finish_pumps"]

logger = logging.getLogger("tapewire.session")


async def finish_pumps(name: str, pumps: Mapping[asyncio.Task[Any], Subscription], seconds: float) -> None:
    """Let the handlers come to the end of what is buffered; cancel those that are not there in time.

    The one that calls this is not waited for: it closes its own session, and is called no more.
    """
    current = asyncio.current_task()
    running = {pump: subscription for pump, subscription in pumps.items() if not pump.done()}
    if current is not None and (own := running.pop(current, None)) is not None:
        own.drop_backlog()
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=seconds)
    for pump in late:
        subscription = running[pump]
        logger.warning("%s: handler of %s did not return in time; cancelled", name, subscription.topic)
        subscription.drop_backlog()
        pump.cancel()
    await asyncio.gather(*late, return_exceptions=True)
