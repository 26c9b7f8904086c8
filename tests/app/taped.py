"""Markets of the sandbox onto a tape, and the same feeds from it: what tests of tapes share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tapewire.app.taping import PlannedReplay, Recording, name_of
from tapewire.app.wanted import Target
from tapewire.cli.venue import play

__all__ = ["recorded", "replayed"]


async def recorded(venue: str, folder: Path, seconds: float, fault: str = "") -> tuple[Recording, list[Any]]:
    rows: list[Any] = []
    async with play([venue]) as sandbox:
        recording = Recording([Target(venue)], None, folder)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, stop.set)
        if fault:
            loop.call_later(seconds / 3, lambda: sandbox.inject(fault, venue=venue))
        await recording.run(stop, lambda feed, item, row: rows.append((name_of(feed), row)))
    return recording, rows


def replayed(paths: list[Path], **options: Any) -> tuple[PlannedReplay, list[Any]]:
    rows: list[Any] = []
    planned = PlannedReplay(paths, **options)
    with planned.replay:
        planned.run(lambda feed, item, row: rows.append((name_of(feed), row)))
    return planned, rows
