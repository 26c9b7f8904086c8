"""What the engine is meant to reach, as ratios of contenders in one run, and whether it does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .method import Figures, ratio

__all__ = ["GOALS", "Goal", "Verdict", "judge"]


@dataclass(frozen=True)
class Goal:
    """`over` / `under` of `figure` must be at least (or at most) `wanted`; `floor` is what may never be missed.

    `figure` names a field of Figures: `cpu`, `rate`, `p50`, `p99`. Where a rate is missing, its CPU stands in.
    """

    text: str
    figure: str
    over: str
    under: str
    wanted: float
    floor: float | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured: `met`, `floor met`, `not met`, or `not measured`."""

    goal: Goal
    measured: float | None
    word: str


_HALF = "fast transport: at most half of websockets' cost a message, end to end"

GOALS = (
    Goal(f"{_HALF} (STXWebSocket on either)", "cpu", "stx-async", "stx-on-websockets", 0.5, at_most=True),
    Goal(f"{_HALF} (against websockets + json + await)", "cpu", "stx-async", "websockets-json", 0.5, at_most=True),
    Goal("transport only: messages/s against websockets", "rate", "fast", "websockets", 8, 6),
    Goal("Session inline: messages/s against websockets + json + await", "rate", "session-inline",
         "websockets-json", 3, 2.5),
    Goal("STXWebSocket async: messages/s against websockets + json + await", "rate", "stx-async",
         "websockets-json", 3, 2.5),
    Goal("Session inline: messages/s against phoenix-channels-python-client", "rate", "session-inline",
         "phoenix-channels", 7, 5),
    Goal("STXWebSocket async: messages/s against phoenix-channels-python-client", "rate", "stx-async",
         "phoenix-channels", 7, 5),
    Goal("STXWebSocket async: messages/s against stx-python async", "rate", "stx-async", "stx-python", 1),
    Goal("STXWebSocket async for: messages/s against stx-python async for", "rate", "stx-for", "stx-python-for", 1),
    Goal("Session inline: CPU against decoding alone", "cpu", "session-inline", "decode-one", 1.8, 2.2, at_most=True),
    Goal("STXWebSocket async: CPU against decoding alone", "cpu", "stx-async", "decode-one", 1.8, 2.2, at_most=True),
    Goal("async for on each subscription: CPU against an inline handler", "cpu", "session-for", "session-inline",
         1.5, 2, at_most=True),
    Goal("paced, Session inline: p50 against a blocking socket", "p50", "paced-session", "paced-socket", 2.2, 3,
         at_most=True),
    Goal("paced, Session inline: p99 against a blocking socket", "p99", "paced-session", "paced-socket", 3, 5,
         at_most=True),
    Goal("paced, STXWebSocket plain: p50 against a blocking socket", "p50", "paced-stx", "paced-socket", 2.2, 3,
         at_most=True),
    Goal("paced, STXWebSocket plain: p99 against a blocking socket", "p99", "paced-stx", "paced-socket", 3, 5,
         at_most=True),
)  # fmt: skip


def judge(goal: Goal, measured: Mapping[str, Figures]) -> Verdict:
    """What the figures say of the goal."""
    over, under = measured.get(goal.over), measured.get(goal.under)
    if over is None or under is None:
        return Verdict(goal, None, "not measured")
    value = ratio(getattr(over, goal.figure), getattr(under, goal.figure))
    if value is None and goal.figure == "rate":
        # Neighbours took the processor at times: messages for each second of CPU say the same.
        value = ratio(under.cpu, over.cpu)
    if value is None:
        return Verdict(goal, None, "not measured")
    if _reaches(value, goal.wanted, goal.at_most):
        return Verdict(goal, value, "met")
    if goal.floor is not None and _reaches(value, goal.floor, goal.at_most):
        return Verdict(goal, value, "floor met")
    return Verdict(goal, value, "not met")


def _reaches(value: float, wanted: float, at_most: bool) -> bool:
    return value <= wanted if at_most else value >= wanted
