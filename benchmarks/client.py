"""One sample: `python -m benchmarks.client` and JSON as its argument; a process with nothing else in it.

It waits up to `patience` seconds until the calibration loop takes `speed` milliseconds or less. Prints a line of JSON,
or several where it is to repeat itself.

Runs in the project's environment or in a peer's, so nothing is imported that a contender does not need.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

from .contenders import CONTENDERS, Contender
from .line import Line
from .meter import BurstMeter, Meter, PacedMeter, calibrate, wait_for_speed

__all__ = ["main"]


def main(order: dict[str, Any]) -> None:
    """Take one sample of a contender, or `repeat` of them one after the other."""
    contender = next(known for known in CONTENDERS if known.name == order["name"])
    run = getattr(importlib.import_module(f".{contender.module}", __package__), contender.call)
    line = Line(order["port"], order["certificate"], order["deflate"])
    for _ in range(order["repeat"]):
        print(json.dumps(_sample(contender, run, line, order)), flush=True)


def _sample(
    contender: Contender, run: Callable[..., Any], line: Line, order: dict[str, Any]
) -> dict[str, Any]:
    meter = _meter(contender, order["count"])
    before = wait_for_speed(order["speed"], order["patience"])
    result = run(line, meter, **contender.options)
    if inspect.iscoroutine(result):
        if order["loop"] == "uvloop":
            with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop) as runner:
                runner.run(result)
        else:
            asyncio.run(result)
    measured = {
        "contender": contender.name,
        "before": before,
        "after": calibrate(),
        "messages": meter.messages,
        "seconds": meter.seconds,
        "cpu": meter.cpu,
        "lost": meter.lost,
        "awaited": meter.awaited,
    }
    if isinstance(meter, PacedMeter):
        measured["stamps"] = meter.stamps
    return measured


def _meter(contender: Contender, count: int) -> Meter:
    if contender.is_paced:
        return PacedMeter(count, contender.beside)
    return BurstMeter(count) if contender.is_burst else Meter(count, contender.beside)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
