"""`tapewire sandbox` and `tapewire venues`: the venues there are, and how to play them on this machine."""

from __future__ import annotations

import asyncio
import errno
import shlex
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..venues import VENUES
from .endings import end_with
from .logs import Verbose

if TYPE_CHECKING:
    from ..sandbox.net.server import Sandbox

__all__ = ["TOKEN_VARIABLE", "URL_VARIABLE", "OnlyVenues", "sandbox", "venues"]

URL_VARIABLE = "TAPEWIRE_SANDBOX_URL"
TOKEN_VARIABLE = "TAPEWIRE_SANDBOX_TOKEN"


OnlyVenues = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help=f"Only this venue: {', '.join(VENUES)}. May be given several times. Default: all.",
        autocompletion=lambda incomplete: [name for name in VENUES if name.startswith(incomplete)],
    ),
]
"""The option of what plays venues."""


_MarketLife = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="Seconds that a betting market lives, also where you hold something. "
        "Default: some end now and then, but none in which you have an order or a position.",
    ),
]
_OrderLatency = Annotated[
    float,
    typer.Option(
        min=0,
        max=60,
        help="Seconds that an order or a cancellation takes to its venue, at most; half of that at least.",
    ),
]


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Any number: the markets of one seed move alike each time.")] = 1,
    rate: Annotated[
        float, typer.Option(min=0, max=100_000, help="Market events per second at each venue.")
    ] = 20.0,
    venue: OnlyVenues = None,
    activity: Annotated[
        bool,
        typer.Option(
            "--activity",
            help="Let things happen to your account without you: orders in its name, and markets that end while it "
            "holds something in them. Without it only your own orders land on it.",
        ),
    ] = False,
    market_life: _MarketLife = None,
    order_latency: _OrderLatency = 0.0,
    env: Annotated[
        bool, typer.Option("--env", help="Print the export lines and nothing else, on stdout or stderr.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print nothing on stderr when clients come and go, or of faults."),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Play the venues on this machine until Ctrl-C. Any email and password are an account.

    Paste the `export` lines that it prints into each other shell: the SDKs, your programs and `tapewire fault` then
    find this sandbox. It listens on this machine only. Clients that come and go, and faults, are told on stderr.
    """
    from ..sandbox.net.server import Sandbox

    names = venue or list(VENUES)
    played = Sandbox(
        port=port, seed=seed, rate=rate, venues=names, activity=activity, market_life=market_life,
        order_latency=order_latency, narrate=_silent if quiet or env else _tell,
    )  # fmt: skip
    title = "" if env else f"playing {', '.join(names)}; Ctrl-C ends it"
    with suppress(KeyboardInterrupt):
        asyncio.run(_play(played, port, title))
    if sys.stderr.isatty():
        typer.echo("", err=True)  # end the line of the terminal's ^C


async def _play(played: Sandbox, port: int, title: str) -> None:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(played)
        except OSError as error:
            end_with(_no_port(port, error))
        if title:
            typer.echo(f"# sandbox at {played.url}, {title}")
        exports = played.environment() | {
            URL_VARIABLE: played.url,
            TOKEN_VARIABLE: played.admin_token.reveal(),
        }
        for name, value in exports.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        with suppress(asyncio.CancelledError):
            await played.wait()


def _no_port(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than you have; choose one from 1024 on with --port"
    return f"port {port} cannot be taken ({error.strerror or error}); choose another with --port"


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)


_silent: Callable[[str], None] = lambda line: None  # noqa: E731 - the same shape as `_tell`


def venues(verbose: Verbose = False) -> None:
    """List the venues that there are SDKs for, and that the sandbox plays."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "venue", "protocol")
    for venue in VENUES.values():
        table.add_row(venue.name, venue.title, venue.wire)
    Console().print(table)
