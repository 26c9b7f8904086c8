"""One sample: `python -m benchmarks.client NAME PORT COUNT SPEED PATIENCE`, a process with nothing else in it.

It waits up to PATIENCE seconds until the calibration loop takes SPEED milliseconds or less. Prints a line of JSON.

Runs in the project's environment or in the peers', so nothing is imported that a contender does not need.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys

from .contenders import CONTENDERS
from .meter import Latencies, Meter, calibrate, wait_for_speed

__all__ = ["main"]


def main(name: str, port: int, count: int, speed: float, patience: float) -> None:
    """Take one sample of the contender called `name`."""
    contender = next(known for known in CONTENDERS if known.name == name)
    run = getattr(importlib.import_module(f".{contender.module}", __package__), contender.call)
    meter = Meter(count, contender.replies)
    latencies = Latencies(meter)
    arguments = (port, meter, latencies) if contender.paced else (port, meter)
    before = wait_for_speed(speed, patience)
    result = run(*arguments, **contender.options)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    after = calibrate()
    measured = {
        "contender": name,
        "before": before,
        "after": after,
        "messages": max(1, meter.received - meter.warm),
        "seconds": meter.seconds,
        "cpu": meter.cpu,
        "lost": count - meter.received,
    }
    if contender.paced:
        measured |= {"p50": latencies.percentile(50), "p99": latencies.percentile(99)}
    print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
