"""`tapewire demo`: the main job with faults, live on a terminal, plain lines otherwise."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..app.demo import DemoReport, run_demo
from ..venues import VENUES

__all__ = ["demo"]

_COLUMNS = (
    "venue",
    "stream",
    "published",
    "delivered",
    "duplicates",
    "marked gaps",
    "lost in gaps",
    "unexplained losses",
    "p50 ms",
    "p99 ms",
)
_LINES_SHOWN = 8


def demo(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long to stream.")] = 20.0,
    faults: Annotated[bool, typer.Option("--faults/--no-faults", help="Break the line on purpose.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the sandbox's markets.")] = 1,
    rate: Annotated[float, typer.Option(min=1, max=2000, help="Market events per second and venue.")] = 40.0,
    venue: Annotated[
        list[str] | None, typer.Option(help="Only this venue; may be given several times. Default: all.")
    ] = None,
) -> None:
    """Stream live markets from the sandbox, break the line on purpose, and prove that nothing was lost in silence.

    Exit code 1 unless every missing message lies inside a marked gap, every gap traces to a fault that was ordered, and
    nothing came twice.
    """
    console = Console(file=sys.stderr if as_json else sys.stdout)
    live = console.is_terminal and not as_json
    screen = _Screen(console, live)
    with screen.view:
        report = asyncio.run(
            run_demo(
                venue or list(VENUES),
                seconds=seconds,
                faults=faults,
                seed=seed,
                rate=rate,
                narrate=screen.say if not as_json else lambda line: None,
                progress=screen.show,
            )
        )
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print_report(console, report)
    raise typer.Exit(0 if report.honest else 1)


class _Screen:
    """Lines as they happen, and on a terminal a table that follows the streams."""

    def __init__(self, console: Console, live: bool) -> None:
        self._console = console
        self._lines: list[str] = []
        self._live = Live(console=console, refresh_per_second=8, transient=True) if live else None
        self.view: Any = self._live or nullcontext()

    def say(self, line: str) -> None:
        if self._live is None:
            typer.echo(line)
        else:
            self._lines = [*self._lines, line][-_LINES_SHOWN:]

    def show(self, demo: Any) -> None:
        if self._live is None:
            return
        table = Table(title="live", title_justify="left")
        for name in ("venue", "stream", "published", "delivered", "marks", "line"):
            table.add_column(name, justify="left" if name in ("venue", "stream", "line") else "right")
        for stream in demo.streams:
            published = demo.sandbox.ledger.last_sequence(stream.topic, venue=stream.venue) - stream.start
            state = demo.venues[stream.venue].statistics().state
            colour = "green" if state == "up" else "red"
            cells = (stream.venue, stream.label, published, stream.delivered, stream.marks)
            table.add_row(*(str(cell) for cell in cells), Text(state, style=colour))
        self._live.update(Group(*(Text(line) for line in self._lines), table))


def _print_report(console: Console, report: DemoReport) -> None:
    if not console.is_terminal:
        console.width = 150  # a pipe has no width: do not fold the table
    table = Table(
        title=f"{report.seconds:g} s, {len(report.faults)} faults, {report.reconnections} reconnections"
    )
    for number, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if number < 2 else "right")
    for stream in report.streams:
        row = (
            stream.venue,
            stream.stream,
            stream.published,
            stream.delivered,
            stream.duplicates,
            stream.gaps,
            stream.missing_in_gaps,
            stream.unexplained,
            f"{stream.p50_ms:.1f}",
            f"{stream.p99_ms:.1f}",
        )
        table.add_row(*(str(cell) for cell in row), style="" if not stream.findings else "red")
    console.print(table)
    for finding in (*report.problems, *(text for stream in report.streams for text in stream.findings)):
        console.print(Text(f"- {finding}", style="red"))
    verdict = "nothing was lost in silence" if report.honest else "the streams were not honest: see above"
    console.print(Text(verdict, style="bold green" if report.honest else "bold red"))
