"""`tapewire markets` and `tapewire book`: what there is at a venue, and one book as it stands."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..secrets import sanitized
from .endings import end_with
from .logs import Verbose
from .venue import InSandbox, VenueName, complete_target, examples, failures, play

if TYPE_CHECKING:
    from ..app.watching import Listed
    from ..market import Venue
    from ..model import Instrument

__all__ = ["BOOK_EXAMPLES", "MARKETS_EXAMPLES", "book", "markets"]

MARKETS_EXAMPLES = examples("tapewire markets {1} --search united", "tapewire markets {3} --sandbox")
BOOK_EXAMPLES = examples("tapewire book {3}:MARKET", "tapewire book {1} --sandbox --depth 3")

NOT_LIVE = 1
"""The exit code where the book could not be proven in time."""

SHOWN = 100
"""Markets that are listed on a terminal, where nobody said how many."""


def markets(
    venue: VenueName,
    search: Annotated[str, typer.Option(help="Only those that have this in a name or an id.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also those that take no orders now: suspended, closed, settled.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=f"How many at most. Default: {SHOWN} on a terminal, all into a pipe."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object for each market, a line each.")
    ] = False,
    sandbox: InSandbox = False,
    verbose: Verbose = False,
) -> None:
    """List a venue's markets, and what to give to `tapewire watch` and `tapewire book`.

    Behind each market stand its outcomes, as VENUE:MARKET. Exit code 1 where there is none.
    """
    most = limit or (SHOWN if sys.stdout.isatty() and not as_json else None)
    with failures():
        found = asyncio.run(_list(venue, search, every=every, most=most, as_json=as_json, in_sandbox=sandbox))
    if not found:
        end_with(f"{venue} has no market {f'with {search!r} in it' if search else 'now'}", 1)


def book(
    target: Annotated[
        str,
        typer.Argument(
            metavar="VENUE:MARKET",
            help="A venue and the id of a market or an outcome, or a name that only one has. A venue alone is its "
            "first market.",
            autocompletion=complete_target,
            show_default=False,
        ),
    ],
    depth: Annotated[int, typer.Option(min=1, max=1000, help="Levels of each side.")] = 10,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="How many seconds the book may take to be proven.")
    ] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON, as a pipe is given it, on a terminal too.")
    ] = False,
    sandbox: InSandbox = False,
    verbose: Verbose = False,
) -> None:
    """Print an order book, once it is proven: best first, exactly.

    A book that is not live in time is not printed: exit code 1, and why on stderr.
    """
    as_lines = as_json or not sys.stdout.isatty()
    with failures():
        asyncio.run(_book(target, depth, timeout, as_lines=as_lines, in_sandbox=sandbox))


# --- markets --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _venue(name: str, *, in_sandbox: bool) -> AsyncIterator[Venue]:
    from ..venues import connect

    async with AsyncExitStack() as stack:
        if in_sandbox:
            _ = await stack.enter_async_context(play([name]))
        yield await stack.enter_async_context(connect(name))


async def _list(
    name: str, search: str, *, every: bool, most: int | None, as_json: bool, in_sandbox: bool
) -> int:
    from ..app.lines import listing_of
    from ..app.watching import listed

    count = 0
    async with _venue(name, in_sandbox=in_sandbox) as venue:
        async for each in listed(venue, is_open=not every, search=search):
            if count == most:
                typer.echo(f"more than {most}: --search narrows them down, --limit shows more", err=True)
                break
            count += 1
            with suppress(BrokenPipeError):
                typer.echo(listing_of(each) if as_json else _as_text(each), nl=not as_json)
    return count


def _as_text(listed: Listed) -> str:
    """A line for the market, and one for each of its outcomes; one line where only one of them is traded."""
    market, facts = listed.market, ""
    if market is not None:
        told = [market.status, "in play" if market.is_in_play else "", _time(market.starts_at_ns)]
        facts = f"  ({', '.join(filter(None, told))})"
    if market is not None and len(listed.instruments) != 1:
        head = sanitized(market.name or market.market_id) + facts
        return "\n".join([head, *(f"  {_line(each, listed.name_of(each))}" for each in listed.instruments)])
    (only,) = listed.instruments
    return _line(only, (market.name if market is not None else "") or only.name) + facts


def _line(instrument: Instrument, name: str) -> str:
    return f"{instrument.venue}:{instrument.instrument_id}{f'  {sanitized(name)}' if name else ''}"


def _time(at_ns: int | None) -> str:
    return "" if at_ns is None else f"{datetime.fromtimestamp(at_ns / 1e9).astimezone():%Y-%m-%d %H:%M}"


# --- one book -------------------------------------------------------------------------------------------------------


async def _book(text: str, depth: int, timeout: float, *, as_lines: bool, in_sandbox: bool) -> None:
    from ..app.view import Happenings, Track
    from ..app.wanted import parse_target
    from ..app.watching import chosen
    from ..clock import SystemClock

    target = parse_target(text)
    async with _venue(target.venue, in_sandbox=in_sandbox) as venue:
        for instrument in await chosen(venue, target.market):
            async with venue.watch_order_book(instrument.instrument_id, depth=depth) as feed:
                try:
                    await feed.wait_live(timeout)
                except TimeoutError as error:
                    end_with(f"{venue.name}:{instrument.instrument_id} is not live: {error}", NOT_LIVE)
                track = Track("book", feed, instrument, Happenings())
                async for items in feed.batches():
                    for item in items:
                        track.take(item, SystemClock.time_ns())
                    if track.book is not None:
                        break
                _print(track, depth, as_lines=as_lines)


def _print(track: Any, depth: int, *, as_lines: bool) -> None:
    from rich.console import Console

    from ..app.lines import line_of
    from ..app.view import picture
    from ..clock import SystemClock
    from .watch_screen import market_lines, shapes_of

    now_ns = SystemClock.time_ns()
    if as_lines:
        typer.echo(line_of(track.feed, track.book, now_ns, depth), nl=False)
        return
    console = Console(highlight=False, markup=False)
    (market,) = picture([track], [], [], now_ns, depth).markets
    for line in market_lines(market, now_ns, console.width, depth + 6, shapes_of(console.encoding)):
        console.print(line, no_wrap=True, overflow="crop")
