"""What an import costs: CPU of a process that imports something, less that of one that imports nothing, in turn.

The figures are milliseconds of this machine's fast state, for the bound is one: the method's calibration says which
samples count and takes out what is left of the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from .memory import Held
from .meter import calibrate
from .method import ENOUGH, TOLERANCE

__all__ = ["GROUP", "MODULES", "cost", "measure"]

GROUP = "imports"
ROOT = Path(__file__).parent.parent
ROUNDS = 15
MODULES: dict[str, float] = {
    "tapewire": 60.0,
    "tapewire.venues.stx": 100.0,
    "tapewire.venues.sxbet": 100.0,
    "tapewire.venues.stake": 100.0,
    "tapewire.venues.weex": 100.0,
}
"""Milliseconds that each may cost."""

Sample = tuple[float, float]
"""Milliseconds of CPU, and of the calibration around it."""


def measure(say: Callable[[str], None], enough: int = ENOUGH) -> list[Held]:
    """Each module's line."""
    taken: dict[str, list[Sample]] = {name: [] for name in ("", *MODULES)}
    best = calibrate(20)
    for number in range(ROUNDS):
        if all(len(_kept(samples, best)) >= enough for samples in taken.values()):
            break
        say(f"imports: round {number + 1}")
        for name, samples in taken.items():
            before = calibrate()
            used = _cpu(name)
            after = calibrate()
            best = min(best, before, after)
            samples.append((used, max(before, after)))
    nothing = _figure(taken[""], best, enough)
    return [cost(name, nothing, _figure(taken[name], best, enough), most) for name, most in MODULES.items()]


def cost(name: str, nothing: float | None, whole: float | None, most: float) -> Held:
    """What the import adds; pure."""
    value = None if nothing is None or whole is None else whole - nothing
    return Held(f"import {name}", value, most, "ms", "" if value is not None else "too few samples")


def _kept(samples: Sequence[Sample], best: float) -> list[float]:
    return [used * best / around for used, around in samples if around <= best * TOLERANCE]


def _figure(samples: Sequence[Sample], best: float, enough: int) -> float | None:
    good = _kept(samples, best)
    return median(good) if len(good) >= enough else None


def _cpu(name: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"import {name}" if name else "pass"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
