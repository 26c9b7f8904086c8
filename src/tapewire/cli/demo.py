"""`tapewire demo`: the main job with faults, live on a terminal, plain lines otherwise."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ..venues import VENUES
from .logs import Verbose
from .sandbox import OnlyVenues

if TYPE_CHECKING:
    from ..app.demo import DemoReport
    from .demo_screen import DemoScreen

__all__ = ["demo"]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


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
    nothing came twice. It is 1 too where the demo's own tapes, replayed in the end, say something else. Ctrl-C ends it
    early with exit code 130, after the result so far; a second one ends it at once.
    """
    from rich.console import Console

    from .demo_screen import DemoScreen, print_report

    console = Console(file=sys.stderr if as_json else sys.stdout)
    screen = DemoScreen(console, live=console.is_terminal and not as_json, silent=as_json)
    with screen.view:
        report = asyncio.run(
            _run(
                screen, venues=venue or list(VENUES), seconds=seconds, faults=faults, seed=seed, rate=rate
            )
        )  # fmt: skip
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print_report(console, report)
    raise typer.Exit(INTERRUPTED if report.interrupted else 0 if report.holds else 1)


async def _run(screen: DemoScreen, **arguments: Any) -> DemoReport:
    """Run it; the first Ctrl-C stops the streaming, the second interrupts whatever goes on."""
    from ..app.demo import run_demo

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        screen.say("interrupted: comparing what was streamed until now")
        stop.set()

    with suppress(NotImplementedError):  # no signal handlers on this platform: Ctrl-C interrupts at once
        loop.add_signal_handler(signal.SIGINT, interrupted)
    return await run_demo(**arguments, narrate=screen.say, progress=screen.show, stop=stop)
