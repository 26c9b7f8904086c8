"""What the engine is meant to reach, as ratios of contenders in one run, and whether it does. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .contenders import CLASSES, CONTENDERS, MARKET_FEEDS, SCALES, class_beside
from .method import Compared, Sample, compared, ratio

__all__ = ["GOALS", "Goal", "Verdict", "judge", "word_of"]


@dataclass(frozen=True)
class Goal:
    """`over` / `under` of `figure` must be at least (or at most) `wanted`; `floor` is what may never be missed.

    `figure` names a field of Figures: `cpu`, `rate`, `wall`, `p50`, `p99`. Where a rate is missing, CPU stands in.
    """

    text: str
    figure: str
    over: str
    under: str
    wanted: float
    floor: float | None = None
    at_most: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """Whom it compares."""
        return self.over, self.under


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured: `goal`, `floor`, `missed`, or `not measured`."""

    goal: Goal
    measured: float | None
    word: str
    compared: Compared | None = None


def _against_decoding() -> Iterator[Goal]:
    for wire, (verb, consumers) in CLASSES.items():
        for consumer in ("plain", "async"):
            if consumer in consumers:
                yield Goal(f"{verb} ({wire}), {consumer} handler: CPU against decoding alone", "cpu",
                           f"{wire}/class/{consumer}", f"{wire}/decode", 2.0, 2.6, at_most=True)  # fmt: skip
        if "override" in consumers:
            yield Goal(f"StakeWebSocket.on_message ({wire}): CPU against decoding alone", "cpu",
                       f"{wire}/class/override", f"{wire}/decode", 2.0, 2.6, at_most=True)  # fmt: skip
        yield Goal(f"{verb} ({wire}), async for: CPU against decoding alone", "cpu", f"{wire}/class/for",
                   f"{wire}/decode", 2.2, 3, at_most=True)  # fmt: skip


def _against_peers() -> Iterator[Goal]:
    def goal(ours: str, theirs: str, wanted: float, floor: float) -> Goal:
        return Goal(f"{ours}: CPU of {theirs} against it", "cpu", theirs, ours, wanted, floor)

    yield goal("sxbet/class/async", "sxbet/centrifuge", 5, 4)
    for wire in ("weex-ticker", "weex-trade"):
        yield goal(f"{wire}/class/for", f"{wire}/ccxt", 10, 7)
        yield goal(f"{wire}/class/for", f"{wire}/naive", 3, 2.2)
    yield goal("weex-depth/class/for", "weex-depth/ccxt", 5, 4)
    yield goal("weex-depth/class/for", "weex-depth/naive", 2, 1.5)
    yield goal("stx/class/async", "stx/phoenix-channels", 8, 6)
    yield goal("stx/class/async", "stx/stx-python/async", 6, 4.5)
    for contender in CONTENDERS:
        if contender.group == "burst" and not contender.ours:
            wire = contender.name.split("/")[1]
            yield goal(f"burst/{wire}/class", contender.name, 10, 7)


def _paced() -> Iterator[Goal]:
    for wire in CLASSES:
        if f"paced/{wire}/socket" in _NAMES:
            for figure, wanted, floor in (("p50", 2.0, 2.4), ("p99", 2.5, 3.0)):
                yield Goal(f"paced 5,000/s, {wire}: {figure} against a blocking socket", figure, f"paced/{wire}/class",
                           f"paced/{wire}/socket", wanted, floor, at_most=True)  # fmt: skip


def _scale() -> Iterator[Goal]:
    for who, title in (("class", "STXWebSocket.join, plain handler"), ("session", "Session, async for")):
        for topics in SCALES[1:]:
            yield Goal(f"{title}: CPU with {topics:,} subscriptions against one", "cpu", f"scale/{who}/{topics}",
                       f"scale/{who}/{SCALES[0]}", 1.15, 1.25, at_most=True)  # fmt: skip


def _channels() -> Iterator[Goal]:
    for phase, words in (("subscribe", "subscribed"), ("resume", "resumed after a cut")):
        for figure, what in (("cpu", "CPU"), ("wall", "time")):
            yield Goal(f"5,000 SX Bet channels {words}: {what} against the bare exchange", figure,
                       f"channels/{phase}/class", f"channels/{phase}/bare", 3, 4, at_most=True)  # fmt: skip


def _market() -> Iterator[Goal]:
    for feed, (_, verb) in MARKET_FEEDS.items():
        for consumer, words in (("plain", "handler"), ("for", "async for")):
            yield Goal(f"{verb} ({feed}), {words}: CPU against the documented class", "cpu",
                       f"market/{feed}/feed/{consumer}", class_beside(feed, consumer), 1.3, at_most=True)  # fmt: skip


_NAMES = {contender.name for contender in CONTENDERS}

GOALS: tuple[Goal, ...] = (
    *_against_decoding(),
    *_against_peers(),
    Goal(
        "transport only: messages/s against websockets",
        "rate",
        "transport/fast",
        "transport/websockets",
        8,
        6,
    ),
    *_paced(),
    *_scale(),
    *_channels(),
    *_market(),
)


def judge(goal: Goal, samples: Mapping[str, Sequence[Sample]], best: float) -> Verdict:
    """What the samples say of the goal."""
    both = compared(samples.get(goal.over, ()), samples.get(goal.under, ()), best, goal.figure)
    if both is None:
        return Verdict(goal, None, "not measured")
    value = both.ratio(goal.figure)
    if value is None and goal.figure == "rate":
        # Neighbours took the processor at times: messages for each second of CPU say the same.
        value = ratio(both.under.cpu, both.over.cpu)
    if value is None:
        return Verdict(goal, None, "not measured")
    return Verdict(goal, value, word_of(value, goal.wanted, goal.floor, at_most=goal.at_most), both)


def word_of(value: float, wanted: float, floor: float | None, *, at_most: bool) -> str:
    """`goal`, `floor` or `missed`."""
    if _reaches(value, wanted, at_most=at_most):
        return "goal"
    return "floor" if floor is not None and _reaches(value, floor, at_most=at_most) else "missed"


def _reaches(value: float, wanted: float, *, at_most: bool) -> bool:
    return value <= wanted if at_most else value >= wanted
