"""`tapewire record` and `tapewire replay`: markets onto a tape, and the same feeds from it."""

from __future__ import annotations

import asyncio
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .endings import end_with
from .logs import Verbose
from .tape import CORRUPT, Tapes, opened, paths_of, told
from .venue import FAILED, InSandbox, complete_target, examples, play

if TYPE_CHECKING:
    from ..app.taping import Heard, PlannedReplay, Recording, Tell
    from ..app.wanted import FeedKind, Target
    from ..market import Feed

__all__ = ["RECORD_EXAMPLES", "REPLAY_EXAMPLES", "conclude", "record", "replay"]

RECORD_EXAMPLES = examples(
    "tapewire record {3} -o tapes --for 10s --sandbox",
    "tapewire record {3}:MARKET {1}:MARKET -o tapes --for 1h",
)
REPLAY_EXAMPLES = examples(
    "tapewire replay tapes",
    "tapewire replay tapes --json --from 5m --to 6m",
    "tapewire replay tapes --speed 1",
    "tapewire replay tapes --from 5m --step",
    "tapewire replay tapes --serve --speed 10",
)

SHOWN_SECONDS = 0.25
SAID_SECONDS = 60.0
"""How often a terminal, and a log, is told how far it is."""


_SeedEvery = Annotated[
    str,
    typer.Option(
        help="How often the tape gets a point at which `tapewire replay --from` may begin, for which the books are "
        "asked for over HTTP; `0` for never. Of public feeds, where the venue has that."
    ),
]
_Brake = Annotated[
    bool,
    typer.Option(
        "--brake",
        help="Where the machine or its disk is too slow, read from the venue more slowly, rather than lose records. "
        "A venue that is not read from for long closes the line.",
    ),
]


def record(
    markets: Annotated[
        list[str],
        typer.Argument(
            metavar="VENUE:MARKET...",
            help="What to record: a venue and the id of an instrument. A venue alone is its first instrument.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder of the tapes, one for each venue.", show_default=False),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="What of it, with commas between: book, trades, ticker, orders, fills, positions, balance. "
            "Default: what is public, or what the venue has instead."
        ),
    ] = None,
    seconds: Annotated[
        str | None, typer.Option("--for", help="How long: `90`, `5m`, `1h`. Default: until Ctrl-C.")
    ] = None,
    seed_every: _SeedEvery = "1m",
    brake: _Brake = False,
    sandbox: InSandbox = False,
    verbose: Verbose = False,
) -> None:
    """Watch markets, and keep all that enters and leaves the lines on tapes, without credentials.

    What is watched, and what was heard in the end, stands there too, so that `tapewire replay` does the same again.
    Ctrl-C ends it, and closes the tapes whole. A machine or a disk that is too slow costs records and never the line,
    unless `--brake` asks for that; the tape says how many, and so does the last line here.

    Exit code 0 at Ctrl-C and behind `--for`; 1 where nothing was left to watch.
    """
    from ..app.wanted import parse_duration, parse_kinds, parse_target

    targets = [parse_target(text) for text in markets]
    kinds = parse_kinds(kind)
    limit = None if seconds is None else parse_duration(seconds)
    seeds = 0.0 if seed_every.strip() == "0" else parse_duration(seed_every, "seed_every")
    options = {"brake": brake, "seed_seconds": seeds}
    try:
        is_stopped = asyncio.run(_record(targets, kinds, out, limit, options, in_sandbox=sandbox))
    except OSError as error:
        end_with(f"{error.filename or out}: {error.strerror or error}")
    raise typer.Exit(0 if is_stopped else FAILED)


async def _record(
    targets: list[Target],
    kinds: tuple[FeedKind, ...] | None,
    folder: Path,
    limit: float | None,
    options: dict[str, Any],
    *,
    in_sandbox: bool,
) -> bool:
    from ..app.taping import Recording

    async with AsyncExitStack() as stack:
        if in_sandbox:
            _ = await stack.enter_async_context(play([target.venue for target in targets]))
        recording = Recording(targets, kinds, folder, **options)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
        if limit is not None:
            _ = loop.call_later(limit, stop.set)
        telling = loop.create_task(_tell_how_far(recording))
        try:
            await recording.run(stop)
        finally:
            _ = telling.cancel()
            _ = await asyncio.gather(telling, return_exceptions=True)
        for line in _summary(recording):
            typer.echo(line)
        return stop.is_set()


async def _tell_how_far(recording: Recording) -> None:
    """On a terminal a line that is replaced; elsewhere one a minute."""
    from rich.console import Console

    console = Console(stderr=True)
    began = monotonic()
    if not console.is_terminal:
        while True:
            await asyncio.sleep(SAID_SECONDS)
            typer.echo(_how_far(recording, began), err=True)
    with console.status("connecting") as status:
        while True:
            await asyncio.sleep(SHOWN_SECONDS)
            status.update(_how_far(recording, began))


def _how_far(recording: Recording, began: float) -> str:
    parts = []
    for venue, recorder in recording.recorders.items():
        figures = recorder.statistics()
        feeds = recording.heard[venue]
        live = sum(feed.state == "live" for feed in feeds)
        lost = f", {figures.lost} LOST" if figures.lost else ""
        parts.append(f"{venue}: {figures.records:,} records{lost}, {live} of {len(feeds)} feeds live")
    return f"{monotonic() - began:.0f} s; {'; '.join(parts)}"


def _summary(recording: Recording) -> Iterator[str]:
    for venue, recorder in recording.recorders.items():
        figures = recorder.statistics()
        lost = f", {figures.lost:,} LOST: the machine or its disk was too slow" if figures.lost else ""
        yield f"{', '.join(map(str, recorder.paths))}: {figures.records:,} records{lost}"
        for feed in recording.heard[venue]:
            yield f"  {_feed_line(feed)}"


def _feed_line(feed: Heard) -> str:
    ended = f"; ended: {feed.error}" if feed.error else ""
    return f"{feed.name}: {feed.items:,} items, {feed.marks} marks, {feed.state}{ended}"


# --- replay ---------------------------------------------------------------------------------------------------------


_Begin = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Print from when on: `2026-01-31T10:00:00` (UTC), or how long behind the beginning: `5m`. What stands "
        "before is replayed silently, from the last seed point on where the tape has one.",
    ),
]
_JsonLines = Annotated[
    bool,
    typer.Option("--json", help="A JSON line for each thing that is heard, as `tapewire watch` has them."),
]
_Step = Annotated[
    bool,
    typer.Option(
        "--step",
        help="Wait behind each thing that is printed for a key (a line where stdin is no terminal); `q` ends it.",
    ),
]
_Serve = Annotated[
    bool,
    typer.Option(
        "--serve",
        help="Be the venue instead, on a port of this machine, for any client: what was answered then is answered "
        "now. At `--speed 1` where none is given.",
    ),
]


def replay(
    tapes: Tapes,
    speed: Annotated[
        str, typer.Option(help="`1` as it was, `10` ten times as fast, `max` as fast as it can be read.")
    ] = "max",
    begin: _Begin = None,
    end: Annotated[str | None, typer.Option("--to", help="Until when, likewise.")] = None,
    as_json: _JsonLines = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print how it went alone, and not what is heard.")
    ] = False,
    step: _Step = False,
    serve: _Serve = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With `--serve`: the port. Default: a free one.")
    ] = 0,
    verbose: Verbose = False,
) -> None:
    """Run the feeds that were recorded again, on the tapes: no venue is asked, and nothing leaves this machine.

    Publications, marks and continuity states come as they came live; the last lines, on stderr, say feed by feed
    whether it was the same. What of a tape cannot be read is named and passed over.

    Exit code 0 where all was heard as live, or nothing says what that was; 1 where it was not, or where some could not
    be read.
    """
    paths = paths_of(tapes)
    if serve:
        raise typer.Exit(_serve(paths, _speed("1" if speed == "max" else speed), port))
    from ..app.taping import PlannedReplay, parse_moment

    with opened(paths[0]) as first:
        begun_ns = first.head.wall_ns
    from_ns, to_ns = (
        None if text is None else parse_moment(text, begun_ns, name)
        for name, text in (("from", begin), ("to", end))
    )
    lost: list[Any] = []
    try:
        planned = PlannedReplay(
            paths,
            speed=_speed(speed),
            from_ns=from_ns,
            to_ns=to_ns,
            on_corrupt=lost.append,
            seeks=from_ns is not None,
        )
    except OSError as error:
        end_with(f"{error.filename}: {error.strerror or error}")
    with planned.replay, _readers_may_leave(), _keys(wanted=step) as next_key:
        planned.run(_printer(planned, from_ns or 0, as_json=as_json, quiet=quiet, next_key=next_key))
        raise typer.Exit(conclude(planned, lost, is_whole=to_ns is None))


def _serve(paths: list[Path], speed: float, port: int) -> int:
    """Until the tape is over, or Ctrl-C. Says on stdout where it is, as lines for a shell."""
    from ..app.leading import exports_of
    from ..recording import Replay
    from ..recording.serving import TapeServer

    lost: list[Any] = []

    async def main(replay: Replay) -> int:
        async with TapeServer(replay, port) as server:
            typer.echo(f"# {replay.venue} from the tape at {server.url}; it begins with the first client")
            for name, value in exports_of(replay.venue, replay.settings, server.url).items():
                typer.echo(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            await server.wait()
            return server.refused

    try:
        with (
            Replay(*paths, speed=speed, on_corrupt=lost.append, waits_for_sent=True) as replay,
            suppress(KeyboardInterrupt),
        ):
            refused = replay.run(main)
            if refused:
                typer.echo(f"{refused} times something was asked for that stands on no tape", err=True)
    except OSError as error:
        end_with(f"{error.filename or f'port {port}'}: {error.strerror or error}")
    return CORRUPT if lost else 0


def _speed(text: str) -> float:
    from ..errors import ConfigurationError

    with suppress(ValueError):
        speed = math.inf if text == "max" else float(text)
        if speed > 0:
            return speed
    raise ConfigurationError("speed", text, "a number above 0, or max")


def _printer(
    planned: PlannedReplay, from_ns: int, *, as_json: bool, quiet: bool, next_key: Callable[[], str] | None
) -> Tell:
    """`next_key`: waited for behind each line."""
    from ..app.lines import line_of
    from ..app.taping import LEVELS, name_of

    def tell(feed: Feed[Any], item: Any, row: dict[str, Any]) -> None:
        at_ns = planned.replay.clock.time_ns()  # it may have begun anew
        if quiet or at_ns < from_ns:
            return
        if as_json:
            sys.stdout.write(line_of(feed, item, at_ns, LEVELS).decode())
        else:
            sys.stdout.write(f"{told(at_ns)} {name_of(feed)} {feed.continuity.state}: {_in_words(row)}\n")
        if next_key is not None:
            sys.stdout.flush()
            if next_key() in ("q", ""):  # it is read within the tape's time, which does not pass meanwhile
                raise SystemExit(0)

    return tell


@contextmanager
def _keys(*, wanted: bool) -> Iterator[Callable[[], str] | None]:
    """What waits for a key, or a line where stdin is no terminal, and returns it; nothing behind the end of stdin."""
    if not wanted:
        yield None
    elif not sys.stdin.isatty():
        yield lambda: line.strip() or "\n" if (line := sys.stdin.readline()) else ""
    else:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin)
            yield lambda: sys.stdin.read(1)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _in_words(row: dict[str, Any]) -> str:
    """A line of a thing that is heard: a book by its best levels, others by what they say."""
    if row["type"] == "BookSnapshot":
        bid, offer = (
            " x ".join(map(_short, side[0])) if side else "-" for side in (row["bids"], row["offers"])
        )
        return f"book {bid} | {offer}"
    hidden = {"type", "venue", "instrument_id", "snapshot", "received_at_ns", "at_ns", "raw"}
    facts = (
        f"{name}={value}" for name, value in row.items() if name not in hidden and value not in (None, "")
    )
    return f"{row['type']} {' '.join(facts)}"[:300]


def _short(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def conclude(planned: PlannedReplay, lost: list[Any], *, is_whole: bool) -> int:
    """Say on stderr feed by feed whether it was as live, and what could not be read; returns the exit code."""
    sys.stdout.flush()
    verdicts = {True: "as live", False: "NOT as live", None: "nothing says what was heard live"}
    for feed in planned.all_heard:
        verdict = f": {verdicts[feed.is_as_live]}" if is_whole else ""
        typer.echo(f"{_feed_line(feed)}{verdict}", err=True)
    for error in lost:
        typer.echo(
            f"{error.path}: lost from {told(error.since_ns)} to {told(error.until_ns)}: {error.why}", err=True
        )
    differs = is_whole and any(feed.is_as_live is False for feed in planned.all_heard)
    return max(FAILED if differs else 0, CORRUPT if lost else 0)


@contextmanager
def _readers_may_leave() -> Iterator[None]:
    """`tapewire replay tapes | head` ends when `head` has enough."""
    try:
        yield
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
