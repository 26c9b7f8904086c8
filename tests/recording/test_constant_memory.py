"""A long stream through all the parts takes no more memory than a short one."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tapewire.marks import Gap
from tapewire.recording import SqliteStore, Table
from tapewire.streams import StalenessWatch, batched, filtered
from tapewire.trading import Change, Crossing, ExponentialAverage, SimpleAverage

TICKS = Table("ticks", {"topic": str, "price": Decimal, "average": Decimal, "signal": str})
MESSAGES = 15_000
WARM = 3_000


class Ticks:
    """A stream that notes how much memory is held after each `WARM` messages."""

    def __init__(self) -> None:
        self.held: list[int] = []

    async def __aiter__(self) -> AsyncIterator[Any]:
        for number in range(MESSAGES):
            if number % WARM == 0:
                gc.collect()
                self.held.append(tracemalloc.get_traced_memory()[0])
            yield ("btc", Decimal(50_000 + number * 7_919 % 1_000))
            if number % 1_000 == 0:
                yield Gap(reason="connection lost", since_ns=number)


async def test_memory_stays_constant_over_a_long_stream(tmp_path: Path) -> None:
    simple: SimpleAverage[Decimal] = SimpleAverage(20)
    smooth: ExponentialAverage[Decimal] = ExponentialAverage(50)
    change: Change[Decimal] = Change(10)
    crossing: Crossing[Decimal] = Crossing(Decimal("0.001"))

    def row(item: tuple[str, Decimal]) -> tuple[str, Decimal, Decimal | None, str]:
        topic, price = item
        smooth.update(price)
        change.update(price)
        average = simple.update(price)
        return (topic, price, average, "hold" if average is None else crossing.update(price, average))

    ticks, watch = Ticks(), StalenessWatch(lively=5.0)
    watch.follow("btc")
    tracemalloc.start()
    try:
        async with SqliteStore(tmp_path / "ticks.db", TICKS, capacity=500, commit_rows=250) as store:
            heard = watch.listening(filtered(ticks, lambda item: item[1] % 10), "btc")
            async for batch in batched(heard, size=100, seconds=1.0):
                for item in batch:
                    await store.put(item if isinstance(item, Gap) else row(item))
    finally:
        tracemalloc.stop()
    assert store.statistics().committed == MESSAGES * 9 // 10 + MESSAGES // 1_000
    assert len(ticks.held) == 5
    assert max(ticks.held[2:]) - ticks.held[1] < 256 * 1024, ticks.held
