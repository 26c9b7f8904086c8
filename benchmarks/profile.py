"""Where a contender's time goes: `python -m benchmarks.profile NAME ...`, each run once under the profiler.

For each stage of a message's way, and for each function: calls a message, and its own part of all that was profiled.
The profiler makes calls dear and built-in work cheap, so the counts are the truth, and the parts a hint.
"""

from __future__ import annotations

import asyncio
import cProfile
import importlib
import inspect
import pstats
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .contenders import CONTENDERS, Contender
from .line import Line
from .meter import BurstMeter, Meter
from .rounds import ServerProcess

__all__ = ["STAGES", "lines_of", "main", "profiled", "stages_of"]

SHOWN = 28
WARMING = 500
"""Messages before, so that what is done once is not in it: imports above all."""

LEAST = 0.02
"""Calls a message below which a function is not shown."""


STAGES = {
    "read": ("transport/fast.py", "asyncio/", "selectors.py"),
    "cut": ("transport/",),
    "envelope": ("protocols/", "wire_v3.py", "wire.py", "/protocol.py"),
    "take": ("session/buffers.py take", "session/buffers.py wait", "session/buffers.py tell", "session/consumer.py",
             "weex/streams.py"),
    "buffer": ("session/buffers.py",),
    "handler": ("session/handler", "benchmarks/"),
    "route": ("session/",),
    "decode": ("venues/", "book/", "model/", "payload.py"),
}  # fmt: skip
"""What of a message's way is in which files, or functions of them: the first that a place has in it. In no order."""

SHOWN_STAGES = ("read", "cut", "envelope", "route", "buffer", "take", "decode", "handler", "else")


def profiled(server: ServerProcess, contender: Contender, count: int) -> tuple[pstats.Stats, int]:
    """The statistics of one run, and how many messages it was of."""
    profile = cProfile.Profile()
    _run(server, contender, WARMING, None)
    _run(server, contender, count, profile)
    return pstats.Stats(profile), count


def _run(server: ServerProcess, contender: Contender, count: int, profile: cProfile.Profile | None) -> None:
    def look() -> float:
        return 1.0  # the clock is of no interest here

    kind = BurstMeter if contender.is_burst else Meter
    meter = kind(count, contender.beside, look)
    if contender.networked:
        server.expect(contender, count)
    run = getattr(importlib.import_module(f".{contender.module}", __package__), contender.call)
    if profile is not None:
        profile.enable()
    result = run(Line(server.port), meter, **contender.options)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    if profile is not None:
        profile.disable()


def stages_of(stats: pstats.Stats, count: int) -> Iterator[str]:
    """A table in Markdown: calls a message and own share of each stage; what is built in is its caller's."""
    table: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    calls: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for (file, _, name), (_, called, spent, _, callers) in table.items():
        if file != "~":
            callers = {(file, 0, name): (0, called, spent)}
        for (caller, _, function), of in callers.items():
            stage = _stage_of(f"{_short(caller)} {function}")
            calls[stage] += of[1]
            own[stage] += of[2]
    whole = sum(own.values())
    yield "| stage | calls | own |"
    yield "| --- | ---: | ---: |"
    for stage in SHOWN_STAGES:
        yield f"| {stage} | {calls[stage] / count:.1f} | {own[stage] / whole:.0%} |"


def _stage_of(place: str) -> str:
    return next((stage for stage, parts in STAGES.items() if any(part in place for part in parts)), "else")


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
            print("\n".join(stages_of(stats, taken)), end="\n\n")
            print("\n".join(lines_of(stats, taken)), end="\n\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
