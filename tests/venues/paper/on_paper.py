"""A played venue on paper, and whatever its account was told: what the tests of paper share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import tapewire
from tapewire.market import Verb
from tapewire.marks import is_mark
from tapewire.model import Fill, Instrument, Order
from tapewire.trading import PaperConfig
from tests.market.played import OWN, played

NAMES = ("stx", "sxbet", "weex")
MONEY = {name: Decimal(1_000_000) for name in ("USD", "CAD", "USDC", "USDT")}
AT_ONCE = PaperConfig(balance=MONEY)


@asynccontextmanager
async def on_paper(
    clock: Any, name: str, config: PaperConfig = AT_ONCE, seed: int = 7, **options: Any
) -> AsyncIterator[Any]:
    """As `played`: `at.market` is the venue on paper."""
    async with played(
        clock, name, on=lambda inner: tapewire.paper(inner, config, seed=seed), **options
    ) as at:
        yield at


class Account:
    """What the feeds of an account were told, in order."""

    def __init__(self, market: Any) -> None:
        self.heard: dict[Verb, list[Any]] = {verb: [] for verb in sorted(OWN)}
        self.feeds = {verb: getattr(market, verb)() for verb in self.heard}
        self._tasks = [asyncio.create_task(self._read(verb)) for verb in self.heard]

    async def _read(self, verb: Verb) -> None:
        async for item in self.feeds[verb]:
            self.heard[verb].append(item)

    def of(self, verb: Verb) -> list[Any]:
        """Items alone."""
        return [item for item in self.heard[verb] if not is_mark(item)]

    @property
    def fills(self) -> list[Fill]:
        return self.of("watch_fills")

    def states_of(self, order: Order) -> list[str]:
        """What became of an order, as it was told."""
        told = self.of("watch_orders")
        return [each.status for each in told if each.client_order_id == order.client_order_id]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def instrument_of(at: Any) -> Instrument:
    """The first one."""
    found: Instrument = await at.market.instrument(at.instruments[0])
    return found


async def best_of(at: Any) -> tuple[Decimal, Decimal, Decimal]:
    """The exchange's own best bid and offer of the first instrument, and the step of its sizes."""
    instrument = await instrument_of(at)
    bids, offers = at.truth(instrument.instrument_id)
    return bids[0][0], offers[0][0], 10 * (instrument.min_size or instrument.size_step or Decimal(1))
