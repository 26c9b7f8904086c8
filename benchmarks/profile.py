"""Where a contender's time goes: `python -m benchmarks.profile NAME ...`, each run once under the profiler.

For each function: calls a message, and its own part of all that was profiled. The profiler makes calls dear and
built-in work cheap, so the counts are the truth, and the parts a hint.
"""

from __future__ import annotations

import asyncio
import cProfile
import importlib
import inspect
import pstats
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .contenders import CONTENDERS, Contender
from .line import Line
from .meter import BurstMeter, Meter
from .rounds import ServerProcess

__all__ = ["lines_of", "main", "profiled"]

SHOWN = 28
LEAST = 0.02
"""Calls a message below which a function is not shown."""


def profiled(server: ServerProcess, contender: Contender, count: int) -> tuple[pstats.Stats, int]:
    """The statistics of one run, and how many messages it was of."""
    meter = BurstMeter(count) if contender.is_burst else Meter(count, contender.beside)
    server.expect(contender, count)
    run = getattr(importlib.import_module(f".{contender.module}", __package__), contender.call)
    profile = cProfile.Profile()
    profile.enable()
    result = run(Line(server.port), meter, **contender.options)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    profile.disable()
    return pstats.Stats(profile), count


def lines_of(stats: pstats.Stats, count: int) -> Iterator[str]:
    """A table in Markdown: calls a message, own and cumulative share, where."""
    table: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    called = {where: of for where, of in table.items() if of[1] >= LEAST * count}
    whole = sum(of[2] for of in called.values())
    yield f"{sum(of[1] for of in called.values()) / count:.1f} calls a message"
    yield ""
    yield "| calls | own | with what it calls | function |"
    yield "| ---: | ---: | ---: | --- |"
    dearest = sorted(called.items(), key=lambda each: each[1][2], reverse=True)
    for (file, number, name), (_, calls, own, cumulative, _) in dearest[:SHOWN]:
        place = name if file == "~" else f"{_short(file)}:{number} {name}"
        yield f"| {calls / count:.2f} | {own / whole:.1%} | {min(1.0, cumulative / whole):.0%} | `{place}` |"


def _short(file: str) -> str:
    parts = Path(file).parts
    for root in ("tapewire", "benchmarks", "asyncio"):
        if root in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(root) :])
    return "/".join(parts[-2:])


def main(names: Sequence[str]) -> None:
    """Print each contender's table."""
    with ServerProcess() as server:
        for name in names:
            contender = next(known for known in CONTENDERS if known.name == name)
            count = min(contender.messages, 20_000)
            stats, taken = profiled(server, contender, count)
            print(f"## {name}: {contender.title}\n")
            print("\n".join(lines_of(stats, taken)), end="\n\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
