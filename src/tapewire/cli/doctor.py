"""`tapewire doctor`: what is wrong between this machine and a venue, a step at a time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from .logs import Verbose
from .venue import InSandbox, VenueName, examples, play

if TYPE_CHECKING:
    from rich.console import Console

    from ..app.doctor import Diagnosis, Outcome, Step

__all__ = ["EXAMPLES", "doctor"]

EXAMPLES = examples("tapewire doctor {0}", "tapewire doctor {1} --json", "tapewire doctor {2} --sandbox")

UNWELL = 1
"""The exit code where a step failed."""

NARROW = 70
"""Columns of a terminal below which what was found has lines of its own."""

_STYLES: dict[Outcome, str] = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def doctor(
    venue: VenueName,
    sandbox: InSandbox = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=120, help="How many seconds each step may take.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the steps as JSON and nothing else.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Find out what is wrong between this machine and a venue: settings, DNS, TLS, HTTP, clock, credentials, a stream.

    It goes where your programs go: the environment says where, and who you are. Each step is timed, and one that fails
    says what to do. Nothing secret is shown, and nothing is ordered: the credentials sign in, one public topic is
    subscribed to. Exit code 0 where no step failed, 1 where one did.
    """
    from rich.console import Console

    console = Console()
    diagnosis = asyncio.run(_examine(console, venue, sandbox, timeout, silent=as_json))
    if as_json:
        answer = {"venue": venue, "well": diagnosis.is_well, "steps": diagnosis.steps}
        typer.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        _conclude(console, diagnosis)
    raise typer.Exit(0 if diagnosis.is_well else UNWELL)


async def _examine(
    console: Console, venue: str, in_sandbox: bool, timeout: float, *, silent: bool
) -> Diagnosis:
    from ..app.doctor import examine

    async with AsyncExitStack() as stack:
        if in_sandbox:
            _ = await stack.enter_async_context(play([venue]))
        return await examine(
            venue, timeout=timeout, tell=lambda step: None if silent else _print(console, step)
        )


def _print(console: Console, step: Step) -> None:
    """The step, and where it failed what to do about it: plain lines in a pipe, folded on a terminal."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    outcome = "FAILED" if step.outcome == "failed" else step.outcome
    took = "" if step.seconds is None else f"{step.seconds:.2f} s"
    found = f"{step.target}: {step.found}" if step.target else step.found
    told = [found, f"-> {step.advice}"] if step.advice else [found]
    if not console.is_terminal:
        typer.echo(f"{outcome:7} {step.name:12} {took:>7} {told[0]}")
        for line in told[1:]:
            typer.echo(f"{'':7} {line}")
        return
    head = (
        Text(outcome, style=_STYLES[step.outcome]),
        Text(step.name, style="bold"),
        Text(took, style="dim"),
    )
    if console.width < NARROW:
        console.print(Text(" ").join(head))
        console.print(Padding(Text("\n".join(told)), (0, 0, 0, 2)))
        return
    row = Table.grid(padding=(0, 1))
    row.add_column(width=7)
    row.add_column(width=12)
    row.add_column(width=7, justify="right")
    row.add_column()
    row.add_row(*head, Text("\n".join(told)))
    console.print(row)


def _conclude(console: Console, diagnosis: Diagnosis) -> None:
    from rich.text import Text

    failed = [step.name for step in diagnosis.steps if step.outcome == "failed"]
    skipped = sum(step.outcome == "skipped" for step in diagnosis.steps)
    left = f"; {skipped} skipped" if skipped else ""
    if failed:
        console.print(
            Text(f"{diagnosis.venue} is not well: {', '.join(failed)} failed{left}", style="bold red")
        )
    else:
        console.print(Text(f"{diagnosis.venue} is well{left}", style="bold green"))
