"""What an import costs: CPU of a process that imports something, less that of one that imports nothing, in turn.

The figures are milliseconds as at the clock's best, for the bound is one: the method says which samples may be
compared, and takes out what is left of the clock.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from .memory import Held
from .meter import Part, calibrate
from .method import Sample, best_calibration, compared, sample_of
from .processes import ROOT, environment

__all__ = ["GROUP", "MODULES", "QUICK_ROUNDS", "ROUNDS", "cost", "measure"]

GROUP = "imports"
ROUNDS, QUICK_ROUNDS, LEAST = 20, 8, 5
MODULES: dict[str, float] = {
    "tapewire": 60.0,
    "tapewire.venues.stx": 100.0,
    "tapewire.venues.sxbet": 100.0,
    "tapewire.venues.stake": 100.0,
    "tapewire.venues.weex": 100.0,
}
"""Milliseconds that each may cost."""


def measure(say: Callable[[str], None], rounds: int = ROUNDS) -> list[Held]:
    """Each module's line."""
    taken: dict[str, list[Sample]] = {name: [] for name in ("", *MODULES)}
    lines: list[Held] = []
    for name in taken:
        _cpu(name)  # from now on its bytecode is kept
    for number in range(rounds):
        if number >= LEAST and lines and all(line.value is not None for line in lines):
            break
        say(f"imports: round {number + 1}")
        for name, samples in taken.items():
            before = calibrate()
            used = _cpu(name)
            samples.append(sample_of(name, [Part(before, calibrate(), 1, used, used)]))
        best = best_calibration([sample for samples in taken.values() for sample in samples])
        lines = [_line(name, taken, best) for name in MODULES]
    return lines


def _line(name: str, taken: Mapping[str, Sequence[Sample]], best: float) -> Held:
    both = compared(taken[name], taken[""], best)
    if both is None:
        return cost(name, None, None, MODULES[name])
    return cost(name, both.under.cpu / 1000, both.over.cpu / 1000, MODULES[name])


def cost(name: str, nothing: float | None, whole: float | None, most: float) -> Held:
    """What the import adds; pure."""
    value = None if nothing is None or whole is None else whole - nothing
    return Held(f"import {name}", value, most, "ms", "" if value is not None else "too few samples")


def _cpu(name: str) -> float:
    """Seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"import {name}" if name else "pass"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=True, timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
