"""`tapewire tape`: what is on a tape, whether every byte of it is as it was written, and a part of it as a new one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .endings import end_with
from .logs import Verbose
from .venue import examples

if TYPE_CHECKING:
    from ..errors import TapeCorrupt
    from ..recording import Tape

__all__ = [
    "CORRUPT",
    "AsJson",
    "Tapes",
    "advancing",
    "app",
    "lost_in_words",
    "opened",
    "paths_of",
    "progress",
    "refuse_taken",
    "told",
]

CORRUPT = 1
"""The exit code where some of a tape cannot be read."""

app = typer.Typer(
    name="tape",
    help="Look at tapes, verify them, cut a part out of one, anonymise and export them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Tapes = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Tapes, also `.part` ones that nobody closed; a folder stands for those in it.",
        show_default=False,
    ),
]
"""The argument of what reads tapes."""

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON lines, for programs.")]


@app.command("info", epilog=examples("tapewire tape info tapes", "tapewire tape info FILE --json"))
def info(tapes: Tapes, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Say what is on tapes: of which venue, from when to when, how many records of which kind, connections, gaps.

    A tape that was closed is not read for that; one that was not is read whole.
    """
    for path in paths_of(tapes):
        with opened(path) as tape:
            facts = _facts(tape)
        typer.echo(json.dumps(facts) if as_json else "\n".join(_in_words(facts)))


@app.command("verify", epilog=examples("tapewire tape verify tapes"))
def verify(tapes: Tapes, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Read every block of tapes. What cannot be read is named, with the time between which something is lost.

    Exit code 0 where all of it is as it was written, 1 where something is not, 2 where a file cannot be read at all.
    """
    is_whole = True
    for path in paths_of(tapes):
        records, lost = 0, list[Any]()
        with opened(path) as tape, progress(path.name, tape) as advance:
            for record in tape.read(on_corrupt=lost.append):
                records += 1
                if not records % 10_000:
                    advance(record.at_ns)
            is_closed = tape.footer.is_complete
        is_whole = is_whole and not lost
        if as_json:
            spans = [_span(error) for error in lost]
            told = {"path": str(path), "records": records, "closed": is_closed, "lost": spans}
            typer.echo(json.dumps(told))
            continue
        left = "" if is_closed else "; nobody closed it"
        typer.echo(f"{path}: {records} records, {f'{len(lost)} spans lost' if lost else 'whole'}{left}")
        for error in lost:
            typer.echo(f"  {lost_in_words(error)}")
    raise typer.Exit(0 if is_whole else CORRUPT)


@app.command("cut", epilog=examples("tapewire tape cut FILE --from 5m --to 10m -o part.tape"))
def cut(
    tape: Annotated[Path, typer.Argument(metavar="FILE", help="A tape.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The new tape, which must not be there yet.", show_default=False),
    ],
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="From when on: `2026-01-31T10:00:00` (UTC), or how long behind the beginning: `5m`.",
        ),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Until when, likewise.")] = None,
    verbose: Verbose = False,
) -> None:
    """Copy what lies between two moments of a tape to a new one. It is replayed from the first dial that is in it."""
    from ..app.taping import parse_moment
    from ..recording.tape import SegmentWriter, blocks_of

    refuse_taken(out)
    lost: list[TapeCorrupt] = []
    with opened(tape) as source, progress(tape.name, source) as advance:
        head, offset = source.head, source.head.monotonic_ns - source.head.wall_ns
        span = {
            name: None if text is None else parse_moment(text, head.wall_ns, word) + offset
            for name, text, word in (("from_ns", begin, "from"), ("to_ns", end, "to"))
        }
        try:
            writer = SegmentWriter(out, head)
            try:
                count = 0
                for block in blocks_of(source.read(**span, on_corrupt=lost.append)):
                    writer.write(block)
                    count += len(block)
                    advance(block[-1].at_ns)
                writer.close()
            except BaseException:
                writer.abandon()
                writer.part.unlink(missing_ok=True)
                raise
        except OSError as error:
            end_with(f"{out}: {error.strerror or error}")
    typer.echo(f"{out}: {count} records")
    for each in lost:
        typer.echo(f"  {lost_in_words(each)}")
    raise typer.Exit(CORRUPT if lost else 0)


# --- what the commands share ----------------------------------------------------------------------------------------


def paths_of(given: Sequence[Path]) -> list[Path]:
    """The files, a folder standing for the tapes in it. Ends the command where there is none."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted([*path.glob("*.tape"), *path.glob("*.tape.part")])
            if not inside:
                end_with(f"{path}: there are no tapes in it")
            found += inside
        else:
            found.append(path)
    return found


@contextmanager
def opened(path: Path) -> Iterator[Tape]:
    """A tape; its errors have one line. Ends the command where the file cannot be read."""
    from ..recording import Tape

    try:
        tape = Tape(path)
    except OSError as error:
        end_with(f"{path}: {error.strerror or error}")
    with tape:
        yield tape


def refuse_taken(out: Path) -> None:
    """End the command where a tape of that name, or its `.part`, is there already."""
    for taken in (out, out.with_name(out.name + ".part")):
        if taken.exists():
            end_with(f"{taken} is there already")


@contextmanager
def progress(what: str, tape: Tape, last: Tape | None = None) -> Iterator[Callable[[int], None]]:
    """How far it is in a tape, or in those from it to the last, by the time of a record; see `advancing`."""
    index, end = tape.footer.index, (last or tape).footer.index
    with advancing(what, index[0].first_ns if index else 0, end[-1].last_ns if end else 0) as advance:
        yield advance


@contextmanager
def advancing(what: str, first_ns: int, last_ns: int) -> Iterator[Callable[[int], None]]:
    """How far it is between two times, on a terminal's stderr; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal or last_ns <= first_ns:
        yield lambda at_ns: None
        return
    with Progress(console=console, transient=True) as shown:
        task = shown.add_task(what, total=last_ns - first_ns)
        yield lambda at_ns: shown.update(task, completed=at_ns - first_ns)


def told(wall_ns: int | None) -> str:
    """A moment for people, UTC; `?` for None."""
    if wall_ns is None:
        return "?"
    moment = datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns // 1_000_000 % 1_000:03d}Z"


def _facts(tape: Tape) -> dict[str, Any]:
    from ..recording.format import Kind

    names = {value: name.lower() for name, value in vars(Kind).items() if name.isupper()}
    counts: Counter[int] = Counter(tape.footer.counts)
    missing, lost = 0, list[Any]()
    if not tape.footer.is_complete or counts[Kind.LAGGED]:
        counts = Counter()
        for record in tape.read(on_corrupt=lost.append):
            counts[record.kind] += 1
            missing += record.data if record.kind == Kind.LAGGED else 0
    index = tape.footer.index
    return {
        "path": str(tape.path),
        "venue": tape.head.venue,
        "software": tape.head.software,
        "recording": tape.head.recording,
        "segment": tape.head.segment,
        "begun": told(tape.head.wall_ns),
        "first": told(tape.wall_ns(index[0].first_ns)) if index else None,
        "last": told(tape.wall_ns(index[-1].last_ns)) if index else None,
        "bytes": tape.path.stat().st_size,
        "blocks": len(index),
        "closed": tape.footer.is_complete,
        "connections": counts[Kind.DIAL],
        "missing_records": missing,
        "lost": [_span(error) for error in lost],
        "records": {names.get(kind, str(kind)): count for kind, count in sorted(counts.items())},
        "watched": tape.head.settings.get("plan", {}).get("instruments"),
    }


def _in_words(facts: dict[str, Any]) -> Iterator[str]:
    records = sum(facts["records"].values())
    part = f"file {facts['segment'] + 1} of recording {facts['recording']}"
    yield f"{facts['path']}: {facts['venue']}, by {facts['software']}, {part}"
    size = f"{facts['bytes']:,} bytes in {facts['blocks']} blocks"
    yield f"  from {facts['first'] or facts['begun']} to {facts['last'] or '?'}, {size}"
    yield f"  {records:,} records of {facts['connections']} connections: " + ", ".join(
        f"{count:,} {kind}" for kind, count in facts["records"].items()
    )
    if facts["missing_records"]:
        yield f"  {facts['missing_records']:,} records are missing: the recorder or its disk was too slow"
    if not facts["closed"]:
        yield "  nobody closed it"
    for span in facts["lost"]:
        yield f"  lost from {span['since'] or '?'} to {span['until'] or '?'}: {span['why']}"


def _span(error: TapeCorrupt) -> dict[str, Any]:
    since, until = (None if at is None else told(at) for at in (error.since_ns, error.until_ns))
    return {"offset": error.offset, "why": error.why, "since": since, "until": until}


def lost_in_words(error: TapeCorrupt) -> str:
    """A line of what could not be read."""
    return f"lost from {told(error.since_ns)} to {told(error.until_ns)}: at byte {error.offset} {error.why}"
