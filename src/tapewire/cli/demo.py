"""`tapewire demo`: the main job with faults, live on a terminal, plain lines otherwise."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..app.demo import DemoReport, StreamReport, run_demo
from ..venues import VENUES
from .logs import Verbose
from .sandbox import OnlyVenues

__all__ = ["demo"]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

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


def demo(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How many seconds to stream.")] = 20.0,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Break the lines on purpose, or leave them alone.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON and nothing else.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Any number: the sandbox's markets of one seed move alike each time.")
    ] = 1,
    rate: Annotated[
        float, typer.Option(min=1, max=2000, help="Market events per second at each venue.")
    ] = 40.0,
    venue: OnlyVenues = None,
    verbose: Verbose = False,
) -> None:
    """Stream live markets from the sandbox, break the line on purpose, and prove that nothing was lost in silence.

    Exit code 1 unless every missing message lies inside a marked gap, every gap traces to a fault that was ordered, and
    nothing came twice. Ctrl-C ends it early with exit code 130, after the result so far; a second one ends it at once.
    """
    console = Console(file=sys.stderr if as_json else sys.stdout)
    screen = _Screen(console, live=console.is_terminal and not as_json, silent=as_json)
    with screen.view:
        report = asyncio.run(
            _run(
                screen, venues=venue or list(VENUES), seconds=seconds, faults=faults, seed=seed, rate=rate
            )
        )  # fmt: skip
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print_report(console, report)
    raise typer.Exit(INTERRUPTED if report.interrupted else 0 if report.honest else 1)


async def _run(screen: _Screen, **arguments: Any) -> DemoReport:
    """Run it; the first Ctrl-C stops the streaming, the second interrupts whatever goes on."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        screen.say("interrupted: comparing what was streamed until now")
        stop.set()

    with suppress(NotImplementedError):  # no signal handlers on this platform: Ctrl-C interrupts at once
        loop.add_signal_handler(signal.SIGINT, interrupted)
    return await run_demo(**arguments, narrate=screen.say, progress=screen.show, stop=stop)


class _Screen:
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


def _print_report(console: Console, report: DemoReport) -> None:
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


def _table() -> Table:
    """Two spaces between columns and no frame: ten columns fit on eighty characters."""
    return Table(box=SIMPLE, padding=(0, 1, 0, 0), show_edge=False)


def _row(stream: StreamReport) -> tuple[str, ...]:
    counts = (stream.published, stream.delivered, stream.duplicates, stream.gaps, stream.missing_in_gaps)
    numbers = (*counts, stream.unexplained)
    return (stream.venue, stream.stream, *map(str, numbers), f"{stream.p50_ms:.1f}", f"{stream.p99_ms:.1f}")
