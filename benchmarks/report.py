"""The tables at the end, and the same as JSON. Ratios; absolute figures only where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from .contenders import GROUPS, NEVER, WIRE_GROUPS, Contender, class_beside
from .goals import GOALS, Verdict, judge
from .method import Compared, Figures, compared, figures, state_of, steady
from .rounds import Bench, Column, Pair, column_of

__all__ = ["COLOURS", "as_json", "pairs_of", "print_report", "print_verdicts", "references", "verdicts_of"]

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
    if group == "market":
        beside = contender.name if name[2] == "class" else class_beside(name[1], name[3])
        return (("CPU/sent", "cpu", beside),)
    return (("CPU/sent", "cpu", f"burst/{name[1]}/class"),)


def pairs_of(contenders: Sequence[Contender], columns: Sequence[Column] = ()) -> list[Pair]:
    """Every ratio that the tables show."""
    names = {contender.name for contender in contenders}
    pairs = [(goal.over, goal.under, goal.figure) for goal in GOALS if names.issuperset(goal.names)]
    for contender in contenders:
        shown = references(contender)
        pairs += [(contender.name, other, field) for _, field, other in shown if other in names]
        _, field, other = shown[-1]
        if contender.columns and other in names:
            pairs += [(column_of(contender.name, column), other, field) for column in columns]
    return pairs


def print_report(
    console: Console,
    contenders: Sequence[Contender],
    bench: Bench,
    columns: Sequence[Column] = (),
    *,
    absolute: bool,
) -> None:
    """Tables by group, and what is in none."""
    for group, title in GROUPS.items():
        members = [contender for contender in contenders if contender.group == group]
        if members:
            console.print(_table(title, members, bench, columns, absolute))
    for name, reason in bench.skipped.items():
        console.print(f"not measured: {name}: {reason}", markup=False)
    for name, reason in NEVER.items():
        console.print(f"not measured: {name}: {reason}", markup=False)
    taken, still = len(bench.all_samples), len(steady(bench.all_samples))
    console.print(f"{still} of {taken} samples counted; during the others the clock changed its state.")


def verdicts_of(bench: Bench, contenders: Iterable[Contender]) -> list[Verdict]:
    """Each goal that is about contenders of this run."""
    names = {contender.name for contender in contenders}
    best = bench.best
    return [judge(goal, bench.samples, best) for goal in GOALS if names.issuperset(goal.names)]


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Each target's line."""
    table = Table(title="Targets", title_justify="left", title_style="bold")
    table.add_column("target", ratio=1)
    for head in ("measured", "goal", "floor", "samples", "clock"):
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
            *_counts(verdict.compared),
            f"[{COLOURS[verdict.word]}]{verdict.word}[/]",
        )
    console.print(table)
    words = [verdict.word for verdict in verdicts]
    console.print(", ".join(f"{word} {words.count(word)}" for word in COLOURS if word in words))


def as_json(contenders: Sequence[Contender], bench: Bench, versions: Mapping[str, str]) -> dict[str, Any]:
    """Everything, absolute figures included: compare only what is of one run."""
    by_name = {contender.name: contender for contender in contenders}

    def one(name: str) -> dict[str, Any]:
        contender = by_name[name.partition("+")[0]]
        figure = _alone(bench, name)
        return {
            "group": contender.group,
            "title": contender.title,
            "skipped": bench.skipped.get(name),
            "samples": len(bench.samples[name]),
            "counted": figure.counted if figure else 0,
            "ratios": {
                f"{field}, {other}": both.ratio(field)
                if (both := _compared(bench, name, field, other))
                else None
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
                "clock": verdict.compared.clock if verdict.compared else None,
                "samples": [verdict.compared.over.counted, verdict.compared.under.counted]
                if verdict.compared
                else None,
            }
            for verdict in verdicts_of(bench, contenders)
        ],
    }


def _alone(bench: Bench, name: str) -> Figures | None:
    """In the state in which it has the most samples."""
    samples = bench.samples[name]
    state = state_of(samples)
    return None if state is None else figures(samples, state, bench.best)


def _compared(bench: Bench, name: str, field: str, other: str) -> Compared | None:
    return compared(bench.samples.get(name, ()), bench.samples.get(other, ()), bench.best, field)


def _counts(both: Compared | None) -> tuple[str, str]:
    """How many samples of each side counted, and how slow the clock was."""
    if both is None:
        return "-", "-"
    return f"{both.over.counted}, {both.under.counted}", f"{both.clock:.2f}"


def _table(
    title: str, members: Sequence[Contender], bench: Bench, columns: Sequence[Column], absolute: bool
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("contender", ratio=1)
    added = [column for column in columns if any(member.columns for member in members)]
    heads = [head for head, _, _ in references(members[0])] + [column.name for column in added]
    for head in [*heads, *(["CPU (us)"] if absolute else []), "samples", "clock", "spread"]:
        table.add_column(head, justify="right")
    for member in members:
        table.add_row(*_row(member, bench, added, absolute), style="bold" if member.ours else None)
    return table


def _row(member: Contender, bench: Bench, columns: Sequence[Column], absolute: bool) -> list[str]:
    shown = references(member)
    found = [_compared(bench, member.name, field, other) for _, field, other in shown]
    cells = [_cell(both, field) for both, (_, field, _) in zip(found, shown, strict=True)]
    first = found[0]
    if all(both is None for both in found):
        cells = ["not measured", *([""] * (len(shown) - 1))]
    _, field, other = shown[-1]
    for column in columns:
        both = _compared(bench, column_of(member.name, column), field, other)
        cells.append(_cell(both, field) if member.columns else "")
    alone = _alone(bench, member.name)
    if absolute:
        cells.append(f"{alone.cpu:.2f}" if alone else "-")
    cells.append(f"{first.over.counted if first else 0}/{len(bench.samples[member.name])}")
    cells += [f"{first.clock:.2f}", f"{first.over.spread:.0%}"] if first else ["-", "-"]
    lost = f" [red](lost {alone.lost})[/]" if alone and alone.lost > 0 else ""
    return [member.title + lost, *cells]


def _cell(both: Compared | None, field: str) -> str:
    value = both.ratio(field) if both else None
    return "-" if value is None else f"{value:.2f} x"
