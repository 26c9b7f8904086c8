"""What `tapewire demo` shows: lines as they happen with a table that follows the streams, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import typer
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..app.demo import DemoReport, StreamReport
from ..app.demo_tape import DemoReplay

__all__ = ["DemoScreen", "print_report"]

WIDE = 118
"""Columns of a terminal from which on headings are written out."""


_COLUMNS: Mapping[str, tuple[str, str]] = {
    "venue": ("venue", ""),
    "stream": ("stream", ""),
    "published": ("sent", "entered in the sandbox's ledger"),
    "delivered": ("got", "received by the handler"),
    "duplicates": ("twice", "received again or out of order"),
    "marked gaps": ("gaps", "marks that say that messages may be missing"),
    "lost in gaps": ("in gaps", "missing, and a mark says so"),
    "unexplained losses": ("silent", "missing, and no mark says so"),
    "p50 ms": ("p50 ms", ""),
    "p99 ms": ("p99 ms", ""),
}
"""Headings where there is room, where there is none, and what they mean."""

_LATENCIES = "p50, p99: half, and 99 of 100, took no longer from the exchange's publication to the handler"
_MARKS = "marks: what a stream said about itself (reconnected, gap, resynced)"


class DemoScreen:
    """Lines as they happen, and on a terminal a table below them that follows the streams."""

    def __init__(self, console: Console, *, live: bool, silent: bool) -> None:
        self._console = console
        self._silent = silent
        self._live = Live(console=console, refresh_per_second=8, transient=True) if live else None
        self.view: Any = self._live or nullcontext()

    def say(self, line: str) -> None:
        """A line that stays: on a terminal it is printed above the table."""
        if self._silent:
            return
        if self._live is not None:
            self._console.print(Text(line))
        else:
            typer.echo(line)

    def show(self, demo: Any) -> None:
        """The table as it is now."""
        if self._live is None:
            return
        table = _table()
        for name in ("venue", "stream", "published", "delivered", "marks", "line"):
            table.add_column(name, justify="left" if name in ("venue", "stream", "line") else "right")
        for stream in demo.streams:
            state = demo.venues[stream.venue].statistics().state
            colour = "green" if state == "up" else "red"
            cells = (stream.venue, stream.label, stream.published, stream.delivered, stream.marks)
            table.add_row(*(str(cell) for cell in cells), Text(state, style=colour))
        self._live.update(Group(table, Text(_MARKS, style="dim")))


def print_report(console: Console, report: DemoReport) -> None:
    """The result: a table of the streams, what was found wrong, and the verdict."""
    if not console.is_terminal:
        console.width = 150  # a pipe has no width: do not fold the table
    wide = console.width >= WIDE
    faults, again = len(report.faults), report.reconnections
    ended = "interrupted after " if report.interrupted else ""
    console.print(
        Text(f"\n{ended}{report.seconds:g} s, {faults} faults, {again} reconnections", style="bold")
    )
    headings = list(_COLUMNS) if wide else [short for short, _ in _COLUMNS.values()]
    table = _table()
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=True)
    for stream in report.streams:
        table.add_row(*_row(stream), style="red" if stream.findings else "")
    console.print(table)
    meanings = [
        f"{heading}: {meaning}"
        for heading, (_, meaning) in zip(headings, _COLUMNS.values(), strict=True)
        if meaning
    ]
    console.print(Text("; ".join((*meanings, _LATENCIES)), style="dim"))
    for finding in (*report.problems, *(text for stream in report.streams for text in stream.findings)):
        console.print(Text(f"- {finding}", style="red"))
    verdict = "nothing was lost in silence" if report.honest else "the streams were not honest: see above"
    console.print(Text(verdict, style="bold green" if report.honest else "bold red"))
    if report.replay is not None:
        _print_replay(console, report.replay)


def _print_replay(console: Console, replay: DemoReplay) -> None:
    """What came of the demo's own tapes."""
    if replay.is_alike:
        text = f"replayed from its own tapes ({replay.records:,} records): the same audit, the same table"
        console.print(Text(text, style="bold green"))
        return
    for finding in replay.findings:
        console.print(Text(f"- replayed: {finding}", style="yellow" if replay.holds else "red"))
    why = (
        f"lines of the replay said something else than live {replay.differences} times, as docs/tape.md says that they "
        "may (What it cannot do): that it differs proves nothing"
        if replay.holds
        else "the replay from its own tapes is NOT the same: see above"
    )
    console.print(Text(why, style="yellow" if replay.holds else "bold red"))


def _table() -> Table:
    """Two spaces between columns and no frame: ten columns fit on eighty characters."""
    return Table(box=SIMPLE, padding=(0, 1, 0, 0), show_edge=False)


def _row(stream: StreamReport) -> tuple[str, ...]:
    counts = (stream.published, stream.delivered, stream.duplicates, stream.gaps, stream.missing_in_gaps)
    numbers = (*counts, stream.unexplained)
    return (stream.venue, stream.stream, *map(str, numbers), f"{stream.p50_ms:.1f}", f"{stream.p99_ms:.1f}")
