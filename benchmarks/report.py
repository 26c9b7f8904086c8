"""The tables at the end, and the same as JSON. Ratios; absolute figures only where they were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .contenders import GROUPS, Contender
from .goals import GOALS, Verdict, judge
from .method import Figures, figures, ratio
from .rounds import Bench

__all__ = ["REFERENCES", "as_json", "measured_in", "print_report"]

REFERENCES = {
    "transport": "websockets",
    "end to end": "websockets-json",
    "floor": "decode-one",
    "paced": "paced-socket",
}
"""With whom each group is compared: the line that reads 1.00."""

_COLOURS = {"met": "green", "floor met": "yellow", "not met": "red", "not measured": "dim"}


def measured_in(bench: Bench) -> dict[str, Figures]:
    """The figures of each contender that has some."""
    if not bench.all_samples:
        return {}
    found = {name: figures(samples, bench.best) for name, samples in bench.samples.items() if samples}
    return {name: figure for name, figure in found.items() if figure is not None}


def print_report(console: Console, contenders: Sequence[Contender], bench: Bench, *, absolute: bool) -> None:
    """Tables by group, what was skipped, and the goals."""
    measured = measured_in(bench)
    for group, title in GROUPS.items():
        members = [contender for contender in contenders if contender.group == group]
        if members:
            console.print(_table(title, group, members, bench, measured, absolute))
    for name, reason in bench.skipped.items():
        console.print(f"[yellow]skipped[/] {name}: {reason}")
    verdicts = [judge(goal, measured) for goal in GOALS]
    shown = [verdict for verdict in verdicts if verdict.measured is not None]
    if shown:
        console.print(_goal_table(shown))
    taken = len(bench.all_samples)
    counted = sum(figure.counted for figure in measured.values())
    console.print(f"{counted} of {taken} samples counted; the others were taken while the clock was slow.")


def as_json(contenders: Sequence[Contender], bench: Bench, versions: Mapping[str, str]) -> dict[str, Any]:
    """Everything, absolute figures included: compare only what is of one run."""
    measured = measured_in(bench)

    def one(contender: Contender) -> dict[str, Any]:
        figure = measured.get(contender.name)
        reference = measured.get(REFERENCES[contender.group])
        return {
            "group": contender.group,
            "title": contender.title,
            "skipped": bench.skipped.get(contender.name),
            "samples": len(bench.samples[contender.name]),
            "counted": figure.counted if figure else 0,
            "reference": REFERENCES[contender.group],
            "ratios": {
                name: ratio(getattr(figure, name, None), getattr(reference, name, None))
                for name in ("rate", "cpu", "p50", "p99")
            },
            "spread": figure.spread if figure else None,
            "lost": figure.lost if figure else None,
            "absolute": {
                "messages_per_second": figure.rate,
                "cpu_us_per_message": figure.cpu,
                "p50_us": figure.p50,
                "p99_us": figure.p99,
            }
            if figure
            else None,
        }

    return {
        "versions": dict(versions),
        "contenders": {contender.name: one(contender) for contender in contenders},
        "goals": [
            {
                "text": verdict.goal.text,
                "ratio": verdict.measured,
                "wanted": verdict.goal.wanted,
                "floor": verdict.goal.floor,
                "at_most": verdict.goal.at_most,
                "verdict": verdict.word,
            }
            for verdict in (judge(goal, measured) for goal in GOALS)
        ],
    }


def _table(
    title: str,
    group: str,
    members: Sequence[Contender],
    bench: Bench,
    measured: Mapping[str, Figures],
    absolute: bool,
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("contender")
    columns = ("p50", "p99", "cpu") if group == "paced" else ("rate", "cpu")
    heads = {"rate": "messages/s", "cpu": "CPU/message", "p50": "p50", "p99": "p99"}
    for column in columns:
        table.add_column(heads[column], justify="right")
    for column in columns if absolute else ():
        table.add_column(heads[column] + (" (1/s)" if column == "rate" else " (µs)"), justify="right")
    table.add_column("samples", justify="right")
    table.add_column("spread", justify="right")
    reference = measured.get(REFERENCES[group])
    for contender in members:
        figure = measured.get(contender.name)
        cells = [_times(figure, reference, column) for column in columns]
        cells += [_plain(figure, column) for column in columns] if absolute else []
        taken = len(bench.samples[contender.name])
        cells.append(f"{figure.counted if figure else 0}/{taken}")
        cells.append(f"{figure.spread:.0%}" if figure and figure.counted > 1 else "-")
        lost = f" [red](lost {figure.lost})[/]" if figure and figure.lost > 0 else ""
        table.add_row(contender.title + lost, *cells, style="bold" if contender.ours else None)
    return table


def _times(figure: Figures | None, reference: Figures | None, column: str) -> str:
    value = ratio(getattr(figure, column, None), getattr(reference, column, None))
    return "-" if value is None else f"{value:.2f} x"


def _plain(figure: Figures | None, column: str) -> str:
    value = getattr(figure, column, None)
    if value is None:
        return "-"
    return f"{value:,.0f}" if column == "rate" else f"{value:.2f}"


def _goal_table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Goals", title_justify="left", title_style="bold")
    for head, justify in (
        ("goal", "left"),
        ("measured", "right"),
        ("wanted", "right"),
        ("floor", "right"),
        ("", "left"),
    ):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]
    for verdict in verdicts:
        goal = verdict.goal
        sign = "≤" if goal.at_most else "≥"
        floor = "" if goal.floor is None else f"{sign} {goal.floor:g} x"
        table.add_row(
            goal.text,
            f"{verdict.measured:.2f} x",
            f"{sign} {goal.wanted:g} x",
            floor,
            f"[{_COLOURS[verdict.word]}]{verdict.word}[/]",
        )
    return table
