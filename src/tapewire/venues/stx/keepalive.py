"""Cancel on disconnect: the venue cancels your orders when this socket goes silent, so it must not go silent.

The join asks for it with a time-out in milliseconds (5000 to 20000); the reply says what was granted; a `ping` on the
orders channel at least that often keeps it (STX socket notes, 2026-09). A missed ping cancels orders on a live socket:
it is sent at 60 % of the grant, by a task of its own, and says loudly when it could not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ...errors import TapewireError
from ...secrets import sanitized
from ...session.subscription import Subscription
from .errors import STXInvalidParameterException

__all__ = ["Keepalive", "checked_cancel_on_disconnect", "granted_seconds"]

logger = logging.getLogger("tapewire.venues.stx")

SHARE = 0.6
"""A ping is due after this share of the granted time-out."""

_LEAST, _MOST = 5.0, 20.0

_SHORTEST = 1.0
"""Whatever is granted, we do not ping more often than this allows."""


def checked_cancel_on_disconnect(topic: str, seconds: float) -> dict[str, Any]:
    """The join's members that ask for it. Raises STXInvalidParameterException naming what is allowed."""
    if topic.partition(":")[0] not in ("active_orders", "orders"):
        raise STXInvalidParameterException("cancel_on_disconnect", topic, "only on Channels.ORDERS")
    if type(seconds) not in (int, float) or not _LEAST <= seconds <= _MOST:
        raise STXInvalidParameterException(
            "cancel_on_disconnect", seconds, f"seconds, {_LEAST:g} to {_MOST:g}"
        )
    return {"cancel_on_disconnect": True, "ping_timeout": int(seconds * 1000)}


def granted_seconds(reply: Any, asked: float = _LEAST) -> float:
    """The time-out that the join's reply grants, in seconds; `asked` where it grants none that makes sense."""
    try:
        response = msgspec.json.decode(reply) if isinstance(reply, msgspec.Raw) else reply
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return asked
    granted = response.get("ping_timeout") if isinstance(response, dict) else None
    if isinstance(granted, bool) or not isinstance(granted, int | float) or not 0 < granted < 86_400_000:
        return asked
    return max(_SHORTEST, granted / 1000)


class Keepalive:
    """Pings one orders channel for as long as it is joined. Must be made in a running event loop."""

    def __init__(self, subscription: Subscription, ping: Callable[[], Awaitable[Any]]) -> None:
        self._subscription = subscription
        self._ping = ping
        self.missed = 0
        """Pings that went unanswered or could not be sent."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tapewire stx keepalive")

    def stop(self) -> None:
        """Ping no more."""
        self._task.cancel()

    async def _run(self) -> None:
        subscription, time = self._subscription, asyncio.get_running_loop().time
        spent = 0.0  # seconds since the last ping went out: a reply that does not come delays no other ping
        try:
            while True:
                interval = granted_seconds(await subscription.confirmed()) * SHARE
                await asyncio.sleep(max(0.0, interval - spent))
                spent = 0.0
                if subscription.state == "subscribed":  # else the next join asks for it anew
                    started = time()
                    await self._ping_once(interval)
                    spent = time() - started
        except TapewireError:
            return  # left, ended or closed

    async def _ping_once(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ping()
        except (TapewireError, TimeoutError) as error:
            self.missed += 1
            text = str(error) or f"ping on {self._subscription.topic}: no reply within {seconds:g} s"
            logger.warning("%s; keepalive unanswered: the venue may cancel your orders", sanitized(text))
