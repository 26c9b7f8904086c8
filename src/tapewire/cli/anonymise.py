"""`tapewire tape anonymise`: a tape for somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .endings import end_with
from .logs import Verbose
from .tape import CORRUPT, Tapes, lost_in_words, opened, paths_of, progress, refuse_taken
from .venue import FAILED, examples

__all__ = ["EXAMPLES", "anonymise"]

EXAMPLES = examples(
    "tapewire tape anonymise FILE -o for-you.tape", "tapewire tape anonymise tapes -o for-you"
)


def anonymise(
    tapes: Tapes,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The new tape, which must not be there yet; of a folder or several tapes, a folder for the new ones.",
            show_default=False,
        ),
    ],
    verbose: Verbose = False,
) -> None:
    """Copy tapes without what is yours: account, addresses, emails, order ids, amounts of your own.

    Each is replaced by a placeholder of the same length, alike wherever it stands in the tapes that are given, which
    have to be of one venue; by a key that is drawn now and kept nowhere. What is public stays as it is. In the end the
    new tapes are replayed: public feeds have to say the same as live, those of the account as many things.

    Exit code 0 where they do; 1 where one does not, where messages are no text and so were left as they are, or where
    some of the tape could not be read.
    """
    from ..app.anonymising import anonymise as without_what_is_own
    from ..app.anonymising import compare

    paths = paths_of(tapes)
    is_one = len(paths) == 1 and not tapes[0].is_dir()
    outs = [out] if is_one else [out / path.name.removesuffix(".part") for path in paths]
    for new in outs:
        refuse_taken(new)
    lost: list[Any] = []
    try:
        if not is_one:
            out.mkdir(parents=True, exist_ok=True)
        with opened(paths[0]) as first, opened(paths[-1]) as last, progress(out.name, first, last) as advance:
            made = without_what_is_own(paths, outs, advance=advance, on_corrupt=lost.append)
    except OSError as error:
        end_with(f"{error.filename or out}: {error.strerror or error}")
    typer.echo(f"{out}: {made.records} records")
    for each in lost:
        typer.echo(f"  {lost_in_words(each)}")
    if made.opaque:
        typer.echo(f"  {made.opaque} messages are no text: they stand there AS THEY WERE")
    is_alike = True
    for verdict in compare(paths, outs):
        is_alike = is_alike and verdict.is_alike
        kind = "as many things" if verdict.is_own else "as live"
        typer.echo(f"  {verdict.feed}: {'' if verdict.is_alike else 'NOT '}{kind}")
    raise typer.Exit(max(CORRUPT if lost else 0, 0 if is_alike and not made.opaque else FAILED))
