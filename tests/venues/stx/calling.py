"""The played venue as its callers see it, and the blocking and the awaited client, called alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphql import build_schema

from tapewire.retry import RetryPolicy
from tapewire.sandbox.core.matching import Order
from tapewire.sandbox.faces.stx.schema import SCHEMA_TEXT
from tapewire.venues.stx import STX, AsyncSTX
from tests.venues.threaded import Threaded, threaded

SCHEMA = build_schema(SCHEMA_TEXT)
PASSWORD = "correct horse"
CODE = "123456"
DEPOSIT = 10_000
QUICK = RetryPolicy(max_attempts=3, initial_backoff=0.0, max_backoff=0.0)
ORDER = {"market_id": "m-1", "order_type": "LIMIT", "action": "BUY", "price": 1, "quantity": 10}
SIGNING_IN = ("login", "newToken", "confirm2Fa")


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


class Venue:
    """The played STX, in which ann has an account. Answers that are scripted are for no sign-in."""

    def __init__(self, sandbox: Threaded) -> None:
        self.sandbox = sandbox
        self.url = sandbox.url
        self.order = {**ORDER, "market_id": next(iter(sandbox.face.exchange.markets))}
        self.ann = sandbox.face.add_user("ann@example.com", PASSWORD)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted."""
        return [json.loads(request.body) for request in self.sandbox.requests if request.body]

    @property
    def calls(self) -> list[str]:
        """The operations that were asked for."""
        return [body["operationName"] for body in self.bodies]

    @property
    def orders(self) -> list[Order]:
        """Ann's, the oldest first."""
        return list(self.sandbox.face.exchange.accounts[self.ann.uid].orders())[::-1]


@contextmanager
def called_venue() -> Iterator[Venue]:
    with threaded("stx", SIGNING_IN, deposit=DEPOSIT) as sandbox:
        yield Venue(sandbox)
