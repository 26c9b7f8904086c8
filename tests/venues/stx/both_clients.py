"""The blocking and the awaited client, called alike: what the tests of both share."""

from __future__ import annotations

import asyncio
from typing import Any

from tapewire.retry import RetryPolicy
from tapewire.venues.stx import STX, AsyncSTX

QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.0, max_backoff=0.0)
ORDER = {"market_id": "m-1", "order_type": "LIMIT", "action": "BUY", "price": 50, "quantity": 10}


class Both:
    """One call through a blocking or an awaited client, by name."""

    def __init__(self, client: STX | AsyncSTX, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        outcome = getattr(self.client, name)(*args, **kwargs)
        if isinstance(self.client, STX):
            return outcome

        async def run() -> Any:
            return await outcome

        return self._runner.run(run())
