"""The method's arithmetic: which samples may be compared, and what is said of them. Pure.

A virtual machine's clock has states: what its neighbours do makes the same loop up to twice as slow, for tenths of a
second at a time. No state is better than another, but two contenders can be compared only in one. So the calibration
loop runs before, between and after the parts of each run, and each part is taken as at its own calibration. A run is a
sample of the state in which it spent nearly all of its time, or of none. Each comparison is made in the state in which
both sides have the most samples. Figures are medians, and mean something only beside others of the same run.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from .meter import Part

__all__ = [
    "BUSY",
    "ENOUGH",
    "WIDTH",
    "Compared",
    "Figures",
    "Sample",
    "best_calibration",
    "compared",
    "figures",
    "percentile",
    "ratio",
    "sample_of",
    "state_of",
    "steady",
]

WIDTH = 1.2
"""How far apart calibrations of one state may be: states are further apart, and what is inside is taken out."""

ENOUGH = 5
"""Samples of one state without which there is no figure: what fewer say is an accident."""

MOSTLY = 0.75
"""The part of its CPU time that a run must have spent in one state, to be a sample of it."""

BUSY = 0.9
"""Where a blast did not keep its client this busy, neighbours had the processor: its messages a second do not count."""


@dataclass(frozen=True)
class Sample:
    """One run: `seconds` and `cpu` (in seconds) of `messages`, as at `calibration` (milliseconds).

    `calibration` is None where the clock was in no state for most of the time.
    """

    contender: str
    calibration: float | None
    messages: int
    seconds: float
    cpu: float
    lost: int = 0
    p50: float | None = None
    p99: float | None = None
    awaited: int = 0
    """Messages that came out of an awaited call, where that is not every one."""


def sample_of(
    contender: str,
    parts: Sequence[Part],
    *,
    lost: int = 0,
    p50: float | None = None,
    p99: float | None = None,
) -> Sample:
    """One run of its parts. They are summed, and not the cheapest looked at: some read ahead, and handle later."""
    still = sorted(
        (_middle(part), part.cpu)
        for part in parts
        if max(part.before, part.after) <= min(part.before, part.after) * WIDTH
    )

    def spent(begin: float) -> float:
        return sum(cpu for calibration, cpu in still if begin <= calibration <= begin * WIDTH)

    begin = max((calibration for calibration, _ in still), key=spent, default=0.0)
    held = [calibration for calibration, _ in still if begin <= calibration <= begin * WIDTH]
    is_one = spent(begin) >= MOSTLY * sum(part.cpu for part in parts) and held
    at = statistics.mean(held) if is_one else statistics.mean(map(_middle, parts))
    return Sample(
        contender,
        at if is_one else None,
        sum(part.messages for part in parts),
        sum(part.seconds * at / _middle(part) for part in parts),
        sum(part.cpu * at / _middle(part) for part in parts),
        lost,
        p50,
        p99,
        sum(part.awaited for part in parts),
    )


def _middle(part: Part) -> float:
    return (part.before + part.after) / 2


@dataclass(frozen=True)
class Figures:
    """Medians of what counted: microseconds of CPU a message, messages a second, latencies in microseconds.

    Times are as at the run's best calibration. `rate` is None where neighbours disturbed every sample, or where the
    pace was the server's. `spread`: what lies between the quarters, as a part of the median.
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


@dataclass(frozen=True)
class Compared:
    """Two contenders in one state of the clock: `clock` times slower than the run's best."""

    over: Figures
    under: Figures
    clock: float

    def ratio(self, field: str) -> float | None:
        """Of a field of the figures; None where one of them lacks it."""
        return ratio(getattr(self.over, field), getattr(self.under, field))


def best_calibration(samples: Sequence[Sample]) -> float:
    """The fastest of the run's samples."""
    return min((at for sample in samples if (at := sample.calibration) is not None), default=float("inf"))


def steady(samples: Sequence[Sample]) -> list[Sample]:
    """Those during which the clock stayed in one state."""
    return [sample for sample in samples if sample.calibration is not None]


def state_of(*taken: Sequence[Sample]) -> float | None:
    """The state in which the contender with the fewest samples has the most: its fastest calibration.

    A state reaches from there up to WIDTH times as much. Of two that are as good the one with more samples in all. None
    where no state has a sample of each.
    """
    sorted_ = [
        sorted(at for sample in samples if (at := sample.calibration) is not None) for samples in taken
    ]

    def held(begin: float) -> tuple[int, int]:
        counts = [bisect_right(each, begin * WIDTH) - bisect_left(each, begin) for each in sorted_]
        return min(counts), sum(counts)

    begins = sorted({calibration for each in sorted_ for calibration in each})
    best = max(begins, key=held, default=None)
    return best if best is not None and held(best)[0] else None


def figures(samples: Sequence[Sample], state: float, best: float) -> Figures | None:
    """What one contender's samples of a state say; None where it has none. Times as at the calibration `best`."""
    good = [
        (sample, best / at)
        for sample in samples
        if (at := sample.calibration) is not None and state <= at <= state * WIDTH
    ]
    if not good:
        return None
    costs = [sample.cpu / sample.messages * 1e6 * speed for sample, speed in good]
    rates = [
        sample.messages / (sample.seconds * speed)
        for sample, speed in good
        if sample.cpu >= sample.seconds * BUSY
    ]
    walls = [sample.seconds / sample.messages * 1e6 * speed for sample, speed in good]
    middle = statistics.median(costs)
    return Figures(
        contender=good[0][0].contender,
        taken=len(samples),
        counted=len(good),
        cpu=middle,
        rate=_median(rates),
        spread=(percentile(costs, 75) - percentile(costs, 25)) / middle,
        lost=max(sample.lost for sample, _ in good),
        p50=_median([sample.p50 for sample, _ in good]),
        p99=_median([sample.p99 for sample, _ in good]),
        awaited=_median(
            [
                cost * sample.messages / sample.awaited if sample.awaited else cost
                for cost, (sample, _) in zip(costs, good, strict=True)
            ]
        ),
        wall=statistics.median(walls),
    )


def compared(
    over: Sequence[Sample], under: Sequence[Sample], best: float, field: str = "cpu"
) -> Compared | None:
    """Both in the state in which they can be compared best by that field; None where one has too few samples there."""
    over, under = _with(field, over), _with(field, under)
    state = state_of(over, under)
    if state is None:
        return None
    these, those = figures(over, state, best), figures(under, state, best)
    if these is None or those is None or min(these.counted, those.counted) < ENOUGH:
        return None
    return Compared(these, those, state / best)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many of them are; 0 where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def ratio(over: float | None, under: float | None) -> float | None:
    """`over / under`, or None where one is missing."""
    return over / under if over is not None and under else None


def _with(field: str, samples: Sequence[Sample]) -> Sequence[Sample]:
    """Those that have a latency, where one is asked for: a run that lost a message has none."""
    if field not in ("p50", "p99"):
        return samples
    return [sample for sample in samples if getattr(sample, field) is not None]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
