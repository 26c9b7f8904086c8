"""Orders whose answer was lost: `unknown`, and looked up until it is known how they stand.

Rules: an order is never sent again; it is asked for by an id, after growing pauses, for as long as the venue is open.
That the venue does not have it proves nothing at once, for it may still be on its way: only what it still does not have
after `SURE_SECONDS` it never had, and that order is `rejected`. One that the venue has named itself and does not find
any more stays `unknown`, and is asked for no longer.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from random import random
from typing import Any, Final

import msgspec

from ...clock import Clock
from ...errors import TapewireError
from ...model import Order
from ...retry import RandomFraction, RetryPolicy

__all__ = ["SURE_SECONDS", "LookUps"]

logger = logging.getLogger("tapewire.venues.kit")

SURE_SECONDS: Final = 10.0
"""What a venue does not have so long after it was sent it never had."""

_PAUSES: Final = RetryPolicy(max_attempts=None, initial_backoff=0.5, max_backoff=30.0)


class LookUps:
    """Follow each order whose answer was lost.

    `look_up(order)`: how it stands, `unknown` where that is still to be seen, None where the venue does not have it;
    raises TapewireError where that cannot be said now. `tell(order)`: called once for each, with what was learnt.
    """

    def __init__(
        self,
        look_up: Callable[[Order], Awaitable[Order | None]],
        tell: Callable[[Order], Any],
        clock: Clock,
        fraction: RandomFraction = random,
    ) -> None:
        self._look_up = look_up
        self._tell = tell
        self._clock = clock
        self._fraction = fraction
        self._pending: dict[str, tuple[Order, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> list[Order]:
        """Those that are still unknown."""
        return [order for order, _ in self._pending.values()]

    def follow(self, order: Order) -> None:
        """Ask for it until it is known."""
        key = _key(order)
        if key in self._pending:
            return
        self._pending[key] = order, self._clock.monotonic()
        task = asyncio.get_running_loop().create_task(self._ask_on(key), name=f"tapewire look-up {key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, order: Order) -> None:
        """Ask for it now, once."""
        await self._ask(_key(order))

    async def close(self) -> None:
        """Ask no more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_on(self, key: str) -> None:
        for attempt in itertools.count(1):
            await asyncio.sleep(_PAUSES.delay(attempt, fraction=self._fraction))
            if key not in self._pending:
                return
            await self._ask(key)

    async def _ask(self, key: str) -> None:
        if key not in self._pending:
            return
        order, began = self._pending[key]
        is_late = self._clock.monotonic() - began >= SURE_SECONDS
        try:
            found = await self._look_up(order)
        except TapewireError as error:
            logger.warning("order %s: it could not be looked up: %s", key, error)
            return
        if not is_late if found is None else found.status == "unknown":
            return
        if self._pending.pop(key, None) is None:  # it was learnt meanwhile
            return
        if found is not None:
            self._tell(found)
        elif order.venue_order_id is None:
            self._tell(
                msgspec.structs.replace(
                    order,
                    status="rejected",
                    reason="the venue never had it",
                    is_reconciled=True,
                    received_at_ns=self._clock.time_ns(),
                )
            )


def _key(order: Order) -> str:
    return order.client_order_id or str(order.venue_order_id)
