"""`tapewire tape export`: what is on tapes as tables, for whoever asks with SQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .endings import end_with
from .logs import Verbose
from .record import conclude
from .tape import CORRUPT, Tapes, advancing, opened, paths_of, progress
from .venue import FAILED, examples

if TYPE_CHECKING:
    from ..app.exporting import Export

__all__ = ["EXAMPLES", "export"]

EXAMPLES = examples("tapewire tape export --parquet tapes -o exported")


def export(
    tapes: Tapes,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The folder of the files, none of which may be there yet.", show_default=False
        ),
    ],
    parquet: Annotated[
        bool, typer.Option("--parquet", help="As Parquet files, one for each table: the only kind there is.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Write what is on tapes as tables: frames, and the trades, books and marks of what `tapewire record` watched.

    The feeds are replayed for it; the last lines, on stderr, say whether they were as live. Numbers are
    `DECIMAL(38,12)`: one that does not fit is never rounded, its row stands in `refused.parquet`, with the reason.

    Exit code 0 where all of it was written; 1 where a row was refused, where some of a tape could not be read, or where
    a feed was not as live.
    """
    if not parquet:
        end_with("say --parquet: there is no other kind of export")
    from ..app.exporting import Export
    from ..recording.parquet import parquet_module

    parquet_module()
    paths = paths_of(tapes)
    try:
        made = Export(out)
        try:
            code = _fill(made, paths)
            made.close()
        except BaseException:
            made.abandon()
            raise
    except OSError as error:
        end_with(f"{error.filename or out}: {error.strerror or error}")
    for path, rows in made.counts.items():
        typer.echo(f"{path}: {rows:,} rows")
    if made.refused:
        typer.echo(f"{made.refused:,} rows were REFUSED, for a number in them does not fit", err=True)
    raise typer.Exit(max(code, FAILED if made.refused else 0))


def _fill(made: Export, paths: list[Path]) -> int:
    """Frames of each tape, then the feeds of those that have a plan. Returns the exit code."""
    from ..app.taping import PlannedReplay, has_plan

    lost: list[Any] = []
    spans: list[int] = []
    planned_paths: list[Path] = []
    for path in paths:
        with opened(path) as tape, progress(f"frames of {path.name}", tape) as advance:
            made.add_frames(tape, advance, lost.append)
            if has_plan(tape):
                planned_paths.append(path)
                spans += [
                    tape.wall_ns(at) for block in tape.footer.index for at in (block.first_ns, block.last_ns)
                ]
            else:
                typer.echo(f"{path}: its frames alone: `tapewire record` did not make it", err=True)
    if not planned_paths:
        return CORRUPT if lost else 0
    planned = PlannedReplay(planned_paths, on_corrupt=lambda error: None)  # it was told above
    with planned.replay, advancing("feeds", min(spans, default=0), max(spans, default=0)) as advance:
        made.add_feeds(planned, advance)
    return conclude(planned, lost, is_whole=True)
