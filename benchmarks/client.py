"""One run of a contender: `python -m benchmarks.client` and JSON as its argument; a process with nothing else in it.

Prints a line of JSON, or several where it is to repeat itself.

Runs in the project's environment or in a peer's, so nothing is imported that a contender does not need.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from .contenders import CONTENDERS, Contender
from .line import Line
from .meter import BurstMeter, Meter, PacedMeter

__all__ = ["main"]


def main(order: dict[str, Any]) -> None:
    """Run a contender once, or `repeat` times one after the other."""
    contender = next(known for known in CONTENDERS if known.name == order["name"])
    call = getattr(importlib.import_module(f".{contender.module}", __package__), contender.call)
    line = Line(order["port"], order["certificate"], order["deflate"])
    for _ in range(order["repeat"]):
        print(json.dumps(_run(contender, call, line, order)), flush=True)


def _run(contender: Contender, call: Callable[..., Any], line: Line, order: dict[str, Any]) -> dict[str, Any]:
    meter = _meter(contender, order["count"])
    result = call(line, meter, **contender.options)
    if inspect.iscoroutine(result):
        if order["loop"] == "uvloop":
            with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop) as runner:
                runner.run(result)
        else:
            asyncio.run(result)
    measured: dict[str, Any] = {"parts": [asdict(part) for part in meter.parts], "lost": meter.lost}
    if isinstance(meter, PacedMeter):
        measured["stamps"] = meter.stamps
    return measured


def _meter(contender: Contender, count: int) -> Meter:
    if contender.is_paced:
        return PacedMeter(count, contender.beside)
    return BurstMeter(count) if contender.is_burst else Meter(count, contender.beside)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
