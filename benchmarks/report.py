"""The tables at the end, and the same as JSON. Ratios; absolute figures only where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .contenders import GROUPS, NEVER, WIRE_GROUPS, Contender
from .goals import GOALS, Verdict, judge, settled
from .method import ENOUGH, Figures, figures, ratio
from .rounds import Bench, Column

__all__ = ["COLOURS", "as_json", "measured_in", "print_report", "print_verdicts", "references", "verdicts_of"]

COLOURS = {"goal": "green", "floor": "yellow", "missed": "red", "not measured": "dim"}

Reference = tuple[str, str, str]
"""A column's head, the figure in it, and the contender that reads 1.00 there."""


def references(contender: Contender) -> tuple[Reference, ...]:
    """With whom it is compared."""
    group, name = contender.group, contender.name.split("/")
    if group in WIRE_GROUPS:
        decoding = ("CPU, x decoding", "cpu", f"{group}/decode")
        return (decoding,) if group == "phoenix-v1" else (decoding, ("CPU, x naive", "cpu", f"{group}/naive"))
    if group == "paced":
        socket = f"paced/{'stake-page' if name[1] == 'stake-graphql' else name[1]}/socket"
        return ("p50", "p50", socket), ("p99", "p99", socket), ("CPU", "cpu", socket)
    if group == "channels":
        bare = f"channels/{name[1]}/bare"
        return ("CPU", "cpu", bare), ("time", "wall", bare)
    if group == "transport":
        return ("messages/s", "rate", "transport/websockets"), ("CPU", "cpu", "transport/websockets")
    if group == "awaited":
        return (("CPU/awaited", "awaited", f"awaited/{name[1]}/class"),)
    if group == "scale":
        return (("CPU", "cpu", f"scale/{name[1]}/1"),)
    return (("CPU/sent", "cpu", f"burst/{name[1]}/class"),)


def measured_in(bench: Bench) -> dict[str, Figures]:
    """The figures of each contender that has some."""
    if not bench.all_samples:
        return {}
    found = {name: figures(samples, bench.best) for name, samples in bench.samples.items() if samples}
    return {name: figure for name, figure in found.items() if figure is not None}


def print_report(
    console: Console,
    contenders: Sequence[Contender],
    bench: Bench,
    columns: Sequence[Column] = (),
    *,
    absolute: bool,
) -> None:
    """Tables by group, and what is in none."""
    measured = measured_in(bench)
    for group, title in GROUPS.items():
        members = [contender for contender in contenders if contender.group == group]
        if members:
            console.print(_table(title, members, bench, measured, columns, absolute))
    for name, reason in bench.skipped.items():
        console.print(f"not measured: {name}: {reason}", markup=False)
    for name, reason in NEVER.items():
        console.print(f"not measured: {name}: {reason}", markup=False)
    taken = len(bench.all_samples)
    counted = sum(figure.counted for figure in measured.values())
    console.print(f"{counted} of {taken} samples counted; the others were taken while the clock was slow.")


def verdicts_of(bench: Bench, contenders: Iterable[Contender]) -> list[Verdict]:
    """Each goal that is about contenders of this run."""
    measured, names = measured_in(bench), {contender.name for contender in contenders}
    return [judge(goal, measured) for goal in GOALS if names.issuperset(goal.names)]


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Each target's line."""
    table = Table(title="Targets", title_justify="left", title_style="bold")
    table.add_column("target", ratio=1)
    for head in ("measured", "goal", "floor"):
        table.add_column(head, justify="right")
    table.add_column("")
    for verdict in verdicts:
        goal = verdict.goal
        sign = "<=" if goal.at_most else ">="
        table.add_row(
            goal.text,
            "-" if verdict.measured is None else f"{verdict.measured:.2f} x",
            f"{sign} {goal.wanted:g} x",
            "" if goal.floor is None else f"{sign} {goal.floor:g} x",
            f"[{COLOURS[verdict.word]}]{verdict.word}[/]",
        )
    console.print(table)
    words = [verdict.word for verdict in verdicts]
    console.print(", ".join(f"{word} {words.count(word)}" for word in COLOURS if word in words))


def as_json(contenders: Sequence[Contender], bench: Bench, versions: Mapping[str, str]) -> dict[str, Any]:
    """Everything, absolute figures included: compare only what is of one run."""
    measured = measured_in(bench)
    by_name = {contender.name: contender for contender in contenders}

    def one(name: str) -> dict[str, Any]:
        contender = by_name[name.partition("+")[0]]
        figure = measured.get(name)
        return {
            "group": contender.group,
            "title": contender.title,
            "skipped": bench.skipped.get(name),
            "samples": len(bench.samples[name]),
            "counted": figure.counted if figure else 0,
            "ratios": {
                f"{field}, {other}": _ratio(measured, name, field, other)
                for _, field, other in references(contender)
            },
            "spread": figure.spread if figure else None,
            "lost": figure.lost if figure else None,
            "absolute": {
                "messages_per_second": figure.rate,
                "cpu_us_per_message": figure.cpu,
                "cpu_us_per_awaited": figure.awaited,
                "p50_us": figure.p50,
                "p99_us": figure.p99,
            }
            if figure
            else None,
        }

    return {
        "versions": dict(versions),
        "contenders": {name: one(name) for name in bench.samples},
        "goals": [
            {
                "text": verdict.goal.text,
                "ratio": verdict.measured,
                "wanted": verdict.goal.wanted,
                "floor": verdict.goal.floor,
                "at_most": verdict.goal.at_most,
                "verdict": verdict.word,
            }
            for verdict in verdicts_of(bench, contenders)
        ],
    }


def _ratio(measured: Mapping[str, Figures], name: str, field: str, other: str) -> float | None:
    figure, reference = settled(measured.get(name)), settled(measured.get(other))
    return ratio(getattr(figure, field, None), getattr(reference, field, None))


def _table(
    title: str,
    members: Sequence[Contender],
    bench: Bench,
    measured: Mapping[str, Figures],
    columns: Sequence[Column],
    absolute: bool,
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("contender", ratio=1)
    shown = references(members[0])
    added = [column for column in columns if any(member.columns for member in members)]
    for head, _, _ in shown:
        table.add_column(head, justify="right")
    for column in added:
        table.add_column(column.name, justify="right")
    if absolute:
        table.add_column("CPU (us)", justify="right")
    table.add_column("samples", justify="right")
    table.add_column("spread", justify="right")
    for member in members:
        table.add_row(*_row(member, bench, measured, added, absolute), style="bold" if member.ours else None)
    return table


def _row(
    member: Contender,
    bench: Bench,
    measured: Mapping[str, Figures],
    columns: Sequence[Column],
    absolute: bool,
) -> list[str]:
    figure = measured.get(member.name)
    shown = references(member)
    cells = [_cell(_ratio(measured, member.name, field, other)) for _, field, other in shown]
    if settled(figure) is None:
        cells = ["not measured", *([""] * (len(shown) - 1))]
    _, field, other = shown[-1]
    cells += [
        _cell(_ratio(measured, f"{member.name}+{column.name}", field, other)) if member.columns else ""
        for column in columns
    ]
    if absolute:
        cells.append(f"{figure.cpu:.2f}" if figure else "-")
    taken = len(bench.samples[member.name])
    cells.append(f"{figure.counted if figure else 0}/{taken}")
    cells.append(f"{figure.spread:.0%}" if figure and figure.counted >= ENOUGH else "-")
    lost = f" [red](lost {figure.lost})[/]" if figure and figure.lost > 0 else ""
    return [member.title + lost, *cells]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} x"
