"""`tapewire watch`: markets live on a terminal, as JSON lines in a pipe."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from .logs import Verbose
from .venue import FAILED, InSandbox, complete_target, examples, failures, play

if TYPE_CHECKING:
    from ..app.view import FeedPicture, Picture, Track
    from ..app.wanted import FeedKind, Target
    from ..app.watching import Watch
    from ..sandbox.net.server import Sandbox
    from .output import Output

__all__ = ["EXAMPLES", "Lines", "Terminal", "until_stopped", "watch"]

EXAMPLES = examples(
    "tapewire watch {3} --sandbox",
    "tapewire watch {3}:MARKET {1}:MARKET --kind book,trades,ticker",
    "tapewire watch {3}:MARKET --json | head",
)

FRAMES = 4
"""Pictures a second."""

LEAVE_SECONDS = 1.7
"""After Ctrl-C everything is closed politely within so long, or left as it is."""


def watch(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="VENUE:MARKET...",
            help="What to watch: a venue and the id of a market or an outcome, as `tapewire markets` lists them, or "
            "a name that only one has. A venue alone is its first market.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="What of it, with commas between: book, trades, ticker, orders, fills, positions, balance. "
            "Default: book and trades, or what the venue has instead."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines, as a pipe is given them, on a terminal too.")
    ] = False,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="Levels of each side of a book.")] = 20,
    seconds: Annotated[
        str | None, typer.Option("--for", help="How long: `90`, `5m`, `1h`. Default: until Ctrl-C.")
    ] = None,
    sandbox: InSandbox = False,
    verbose: Verbose = False,
) -> None:
    """Watch markets: ladder, tape, and what each of them is worth, why, and since when.

    A number that is not live, or older than it should be, is dim, and a line says as of when it is. Into a pipe go
    JSON lines: everything in order, and the marks that say where something is missing. Ctrl-C ends it.

    Exit code 0 at Ctrl-C and after `--for`, 1 where nothing is left to watch, 2 where it cannot be watched at all.
    """
    from ..app.wanted import parse_duration, parse_kinds, parse_target

    wanted = [parse_target(text) for text in targets]
    kinds = parse_kinds(kind)
    limit = None if seconds is None else parse_duration(seconds)
    is_screen = not as_json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    with failures():
        raise typer.Exit(
            asyncio.run(_watch(wanted, kinds, depth, limit, in_sandbox=sandbox, is_screen=is_screen))
        )


async def _watch(
    wanted: list[Target],
    kinds: tuple[FeedKind, ...] | None,
    depth: int,
    seconds: float | None,
    *,
    in_sandbox: bool,
    is_screen: bool,
) -> int:
    from ..app.watching import Watch
    from .output import Output

    async with AsyncExitStack() as stack:
        played = (
            await stack.enter_async_context(play([target.venue for target in wanted])) if in_sandbox else None
        )
        output = Output(sys.stdout.fileno())
        if is_screen:
            watching = Watch(wanted, kinds, depth=depth)
            with Terminal(output, _way_to_break(played)) as terminal:
                code = await until_stopped(
                    _with_screen(watching, terminal), seconds, output.gone, terminal.restore
                )
            typer.echo("\n".join(_summary(terminal.shown)))
        else:
            passing = Lines(output, depth)
            watching = Watch(wanted, kinds, depth=depth, passing=passing)
            code = await until_stopped(watching.run(), seconds, output.gone)
            output.close(LEAVE_SECONDS / 2)
        for track in watching.tracks if code == FAILED else ():
            typer.echo(f"tapewire: {track.target} {track.kind}: {track.error}", err=True)
        return code


class Lines:
    """Each item as a JSON line; waits while the pipe is full."""

    def __init__(self, output: Output, depth: int) -> None:
        from ..app.lines import line_of

        self._line_of = line_of
        self._output = output
        self._depth = depth

    async def __call__(self, track: Track, item: Any) -> None:
        from ..clock import SystemClock

        self._output.put(self._line_of(track.feed, item, SystemClock.time_ns(), self._depth))
        await self._output.room()


# --- the end --------------------------------------------------------------------------------------------------------


async def until_stopped(
    work: Coroutine[Any, Any, None],
    seconds: float | None = None,
    gone: asyncio.Event | None = None,
    restore: Callable[[], None] = lambda: None,
) -> int:
    """Do it until Ctrl-C, for so many seconds, or until nobody reads: 0; `FAILED` where it ends by itself.

    Whatever closes slowly after Ctrl-C, and though the loop is stuck, the process is over within two seconds, and at
    once at a second Ctrl-C; `restore` is called before that, from another thread. Call it in the main thread.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    warn = _watchdog(restore)

    def stop(*signal_and_frame: object) -> None:
        warn()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stopped.set)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # not by the loop, which may be what is stuck
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, stop)
    tasks = [loop.create_task(work), loop.create_task(_set(stopped))]
    if gone is not None:
        tasks.append(loop.create_task(_set(gone)))
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0] in done:
            tasks[0].result()
            return FAILED
        return 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _watchdog(restore: Callable[[], None]) -> Callable[[], None]:
    """Ends the process `LEAVE_SECONDS` after what it returns is called first, and at once when it is called again."""
    calls: SimpleQueue[None] = SimpleQueue()  # of all queues the one that a signal's handler may put into

    def wait() -> None:
        calls.get()
        with suppress(Empty):
            calls.get(timeout=LEAVE_SECONDS)
        _leave(restore)

    threading.Thread(target=wait, name="tapewire watchdog", daemon=True).start()
    return lambda: calls.put(None)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _leave(restore: Callable[[], None]) -> None:
    restore()
    os._exit(0)


# --- the screen -----------------------------------------------------------------------------------------------------

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = b"\x1b[?7h\x1b[?25h\x1b[?1049l"


class Terminal:
    """The terminal while it shows pictures: another screen than the shell's, without a cursor; log lines wait."""

    def __init__(self, output: Output, footer: list[str]) -> None:
        from rich.console import Console

        self._output = output
        self._footer = footer
        self._real = Console()
        self._held = _HeldLog()
        self._is_left = False
        self.shown: Picture | None = None
        """What was shown last."""

    def __enter__(self) -> Self:
        self._held.begin()
        self._output.put(ENTER)
        with suppress(NotImplementedError, AttributeError):  # not on every platform
            asyncio.get_running_loop().add_signal_handler(signal.SIGTSTP, self._suspend)
        return self

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its screen meanwhile."""
        self._output.put(LEAVE)
        self._output.flush(0.5)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._output.put(ENTER)

    def __exit__(self, *exc_info: object) -> None:
        self.restore()
        self._held.end()

    def restore(self) -> None:
        """Give the terminal back as it was. Idempotent; also called from a thread that ends the process."""
        if not self._is_left:
            self._is_left = True
            self._output.put(LEAVE)
            self._output.close(0.5)

    def show(self, picture: Picture) -> None:
        """Draw it in the size that the terminal has now."""
        from io import StringIO

        from rich.console import Console

        from .watch_screen import draw, shapes_of

        self.shown = picture
        with suppress(OSError):
            width, height = os.get_terminal_size(sys.stdout.fileno())
            shapes = shapes_of(sys.stdout.encoding)
            text = StringIO()
            real: Any = self._real
            console = Console(
                file=text, force_terminal=True, width=max(1, width), height=height, highlight=False,
                color_system=real.color_system, no_color=real.no_color, markup=False, emoji=False,
            )  # fmt: skip
            lines = draw(picture, width, height, shapes=shapes, footer=self._footer)
            for line in lines:
                console.print(line, no_wrap=True, overflow="crop")
            # What stands behind a line is erased; not behind the last column, which would be the line's own.
            erased = ["" if line.cell_len >= width else "\x1b[K" for line in lines]
            drawn = zip(text.getvalue().split("\n"), erased, strict=False)
            below = "\r\n\x1b[J" if len(lines) < height else ""
            frame = "\x1b[H" + "\r\n".join(f"{line}{erase}" for line, erase in drawn) + below
            self._output.show(frame.encode("utf-8", "replace"))


async def _with_screen(watching: Watch, terminal: Terminal) -> None:
    async def draw_on() -> None:
        while True:
            terminal.show(watching.picture())
            await asyncio.sleep(1 / FRAMES)

    drawing = asyncio.get_running_loop().create_task(draw_on())
    try:
        await watching.run()
        terminal.show(watching.picture())
    finally:
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)


def _summary(picture: Picture | None) -> list[str]:
    """What stays on the shell's screen: a line for each feed, as it stood last."""
    markets = () if picture is None else picture.markets
    return [f"{market.target} {_told(feed)}" for market in markets for feed in market.feeds]


def _told(feed: FeedPicture) -> str:
    why = f" ({feed.health.reason})" if feed.health.reason else ""
    gaps = f"{feed.gaps} gap{'' if feed.gaps == 1 else 's'}"
    dropped = f", {feed.lagged} dropped here" if feed.lagged else ""
    return f"{feed.kind}: {feed.health.state}{why}; {feed.news} news, {gaps}{dropped}"


def _way_to_break(played: Sandbox | None) -> list[str]:
    if played is None:
        return []
    token = played.admin_token.reveal()
    return ["break it, in another shell:", f"tapewire fault abort --url {played.url} --token {token}"]


class _HeldLog(logging.Handler):
    """What is logged while the screen is shown: it is said on stderr behind it."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[tuple[logging.Handler, logging.LogRecord]] = deque(maxlen=100)
        self._real: list[logging.Handler] = []

    def begin(self) -> None:
        """Hold what is logged from now on."""
        root = logging.getLogger()
        self._real, root.handlers = root.handlers, [self]

    def end(self) -> None:
        """Say what was held; from now on all is said at once again."""
        logging.getLogger().handlers = self._real
        for handler, record in self._records:
            handler.handle(record)

    def emit(self, record: logging.LogRecord) -> None:
        for handler in self._real:
            self._records.append((handler, record))
