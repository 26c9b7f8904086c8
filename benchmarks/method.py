"""The method's arithmetic: which samples count, and what is said of those that do. Pure.

A virtual machine's clock flips between states a factor of two apart, for seconds at a time. So a sample counts only
where the calibration loop ran in the fast state just before it and just after it, measured by the best that was seen in
the run; what is left of the difference is taken out by the sample's own calibration. Figures are medians, and mean
something only beside others of the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "BUSY",
    "ENOUGH",
    "TOLERANCE",
    "Figures",
    "Sample",
    "best_calibration",
    "figures",
    "is_fast",
    "kept",
    "percentile",
    "ratio",
]

TOLERANCE = 1.3
"""How much slower than the best the calibration may have run: the states are much further apart than that."""

ENOUGH = 5
"""Samples that count without which there is no figure: what fewer say is an accident."""

BUSY = 0.9
"""Where a blast did not keep its client this busy, neighbours had the processor: its messages a second do not count."""


@dataclass(frozen=True)
class Sample:
    """One process's measurement. `seconds` and `cpu` (in seconds) are of `messages`; calibrations in milliseconds."""

    contender: str
    before: float
    after: float
    messages: int
    seconds: float
    cpu: float
    lost: int = 0
    p50: float | None = None
    p99: float | None = None
    awaited: int = 0
    """Messages that came out of an awaited call, where that is not every one."""


@dataclass(frozen=True)
class Figures:
    """Medians of what counted: microseconds of CPU a message, messages a second, latencies in microseconds.

    `rate` is None where neighbours disturbed every sample, or where the pace was the server's.
    """

    contender: str
    taken: int
    counted: int
    cpu: float
    rate: float | None
    spread: float
    lost: int
    p50: float | None = None
    p99: float | None = None
    awaited: float | None = None
    """Microseconds of CPU a message that its user awaited: most often every one."""
    wall: float = 0.0
    """Microseconds of time a message."""


def best_calibration(samples: Sequence[Sample], known: float = float("inf")) -> float:
    """The fastest calibration of the run, `known` among them."""
    return min([known, *(min(sample.before, sample.after) for sample in samples)])


def is_fast(sample: Sample, best: float, tolerance: float = TOLERANCE) -> bool:
    """True where the clock was in its fast state before and after."""
    return max(sample.before, sample.after) <= best * tolerance


def kept(samples: Sequence[Sample], best: float, tolerance: float = TOLERANCE) -> list[Sample]:
    """The samples that count."""
    return [sample for sample in samples if is_fast(sample, best, tolerance)]


def figures(samples: Sequence[Sample], best: float) -> Figures | None:
    """What one contender's samples say; None where none of them counts."""
    good = kept(samples, best)
    if not good:
        return None
    costs = [sample.cpu / sample.messages * 1e6 * _speed(sample, best) for sample in good]
    rates = [
        sample.messages / sample.seconds / _speed(sample, best)
        for sample in good
        if sample.cpu >= sample.seconds * BUSY
    ]
    middle = statistics.median(costs)
    return Figures(
        contender=good[0].contender,
        taken=len(samples),
        counted=len(good),
        cpu=middle,
        rate=_median(rates),
        spread=(max(costs) - min(costs)) / middle,
        lost=max(sample.lost for sample in good),
        p50=_median([sample.p50 for sample in good]),
        p99=_median([sample.p99 for sample in good]),
        awaited=_median(
            [
                cost * sample.messages / sample.awaited if sample.awaited else cost
                for cost, sample in zip(costs, good, strict=True)
            ]
        ),
        wall=statistics.median(
            sample.seconds / sample.messages * 1e6 * _speed(sample, best) for sample in good
        ),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many of them are; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def ratio(over: float | None, under: float | None) -> float | None:
    """`over / under`, or None where one is missing."""
    return over / under if over is not None and under else None


def _speed(sample: Sample, best: float) -> float:
    return best / ((sample.before + sample.after) / 2)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
