"""Markets of the sandbox onto a tape, and the same feeds from it: what tests of tapes share."""

from __future__ import annotations

import asyncio
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from tapewire.app.taping import PlannedReplay, Recording, name_of, timeless
from tapewire.app.wanted import Target
from tapewire.cli.venue import play
from tapewire.marks import ContinuityState
from tests.waiting import until

__all__ = ["first_difference", "recorded", "replayed"]


async def recorded(venue: str, folder: Path, seconds: float, fault: str = "") -> tuple[Recording, list[Any]]:
    """What was heard from when all feeds were live, `seconds` long; the fault is ordered after a third of that."""
    rows: list[Any] = []
    async with play([venue]) as sandbox:
        recording = Recording([Target(venue)], None, folder)
        stop = asyncio.Event()

        async def course() -> None:
            """A busy machine takes its time to open the feeds, and how long its own work takes stands on no tape."""
            heard = recording.heard[venue]
            await until(
                lambda: heard and all(each.state is ContinuityState.LIVE for each in heard), "live feeds"
            )
            await asyncio.sleep(seconds / 3)
            if fault:
                sandbox.inject(fault, venue=venue)
            await asyncio.sleep(seconds * 2 / 3)
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(course())
            await recording.run(stop, lambda feed, item, row: rows.append((name_of(feed), row)))
    return recording, rows


def replayed(paths: list[Path], **options: Any) -> tuple[PlannedReplay, list[Any]]:
    rows: list[Any] = []
    planned = PlannedReplay(paths, **options)
    with planned.replay:
        planned.run(lambda feed, item, row: rows.append((name_of(feed), row)))
    return planned, rows


def first_difference(live: list[Any], again: list[Any]) -> str:
    """Of the rows of each feed, as far as they were heard live: the feed, the place and both rows; empty for none.

    Only within one feed is there an order: which of several tasks took first is the machine's affair.
    """
    for name in dict.fromkeys(each for each, _ in live):
        rows = [json_of(row) for each, row in live if each == name]
        others = [json_of(row) for each, row in again if each == name][: len(rows)]
        for place, (row, other) in enumerate(zip_longest(rows, others, fillvalue="nothing")):
            if row != other:
                return f"{name}, row {place} of {len(rows)}\nlive:     {row}\nreplayed: {other}"
    return ""


def json_of(row: dict[str, Any]) -> str:
    return msgspec.json.encode(timeless(row), enc_hook=repr).decode()
