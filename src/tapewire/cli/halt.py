"""`tapewire halt`: stop whatever trades behind a guard, from anywhere on its machine."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .endings import end_with
from .logs import Verbose
from .venue import FAILED, check_venue, failures

if TYPE_CHECKING:
    from ..risk import Status, Wishes

__all__ = ["EXAMPLES", "halt"]

EXAMPLES = (
    'For example: `tapewire halt desk --reason "prices look wrong"`, `tapewire halt desk --status`, '
    '`tapewire halt desk --resume "the feed is right again"`.'
)

_LOOK_SECONDS = 0.1


def halt(
    directory: Annotated[
        Path,
        typer.Argument(
            help="The directory that the program gave to `tapewire.guard`.",
            show_default=False,
            file_okay=False,
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why: it is kept, and shown.")] = "by hand",
    resume: Annotated[
        str | None, typer.Option(metavar="REASON", help="Let everything pass again instead, for this reason.")
    ] = None,
    show_status: Annotated[bool, typer.Option("--status", help="Only say how it stands.")] = False,
    cancel: Annotated[
        str | None,
        typer.Option(
            metavar="VENUE",
            help="Cancel all open orders there from here, too, with the credentials of the environment: for a program "
            "that has died.",
        ),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait until it is done.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it stands as JSON.")] = False,
    verbose: Verbose = False,
) -> None:
    """Halt what trades behind a guard: nothing more passes, and all its open orders are canceled.

    It works while the program's event loop is blocked, and holds over restarts until somebody resumes. Exit code 1
    where it is not known in time that all orders are canceled.
    """
    from ..risk import Wishes

    if not directory.is_dir():
        end_with(f"{directory} is no directory: name the one that the program gave to tapewire.guard")
    if resume is not None and (show_status or cancel is not None):
        end_with("--resume goes with neither --status nor --cancel")
    wishes = Wishes(directory)
    if show_status:
        _show(wishes, as_json=as_json)
        return
    began_ns = time.time_ns()
    with failures():
        if resume is not None:
            wishes.resume(resume, began_ns)
        else:
            wishes.halt(reason, began_ns)
    if cancel is not None:
        with failures():
            _say(f"{asyncio.run(_cancel_all(check_venue(cancel)))} orders were canceled from here", as_json)
    is_through = _waited(wishes, wait, resumes=resume is not None)
    _show(wishes, as_json=as_json)
    if not is_through and cancel is None:
        raise typer.Exit(FAILED)


def _waited(wishes: Wishes, seconds: float, *, resumes: bool) -> bool:
    """True once the guard has done what was wished. Nobody may be there to do it."""
    from ..risk import Directory

    if not Directory(wishes.directory).is_held:
        todo = "resumes" if resumes else "begins halted"
        typer.echo(f"no program holds {wishes.directory} now: the next one {todo}", err=True)
        if not resumes:
            typer.echo(
                "orders that it left open at the venue stay open: --cancel VENUE cancels them", err=True
            )
        return resumes
    ends = time.monotonic() + seconds
    while True:
        status = wishes.status
        is_seen = wishes.wants_resume is None if resumes else _is_halted(status)
        if is_seen or time.monotonic() > ends:
            return is_seen
        time.sleep(_LOOK_SECONDS)


def _is_halted(status: Status | None) -> bool:
    return status is not None and status.state == "halted" and status.is_done


def _show(wishes: Wishes, *, as_json: bool) -> None:
    import msgspec

    from ..risk import Directory

    status, wish = wishes.status, wishes.wants_halt
    if as_json:
        shown = {} if status is None else msgspec.to_builtins(status)
        typer.echo(json.dumps({**shown, "wants_halt": None if wish is None else wish.reason}))
        return
    if status is None:
        typer.echo("no program has used it yet" + (f"; halted: {wish.reason}" if wish is not None else ""))
        return
    line = status.state + (f": {status.reason}" if status.reason else "")
    if status.canceled:
        line += f"; {status.canceled} orders canceled"
    if status.trouble:
        line += f"; NOT DONE: {status.trouble}"
    if wish is not None and status.state != "halted":
        line += f"; a halt is wished, and not done yet: {wish.reason}"
    if not Directory(wishes.directory).is_held:
        line += "; no program holds it now"
    typer.echo(line)


def _say(line: str, as_json: bool) -> None:
    typer.echo(line, err=as_json)


async def _cancel_all(name: str) -> int:
    from ..venues import connect

    venue = connect(name)
    try:
        return len(await venue.cancel_all())
    finally:
        await venue.close()
