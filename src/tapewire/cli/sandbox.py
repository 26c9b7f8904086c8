"""`tapewire sandbox` and `tapewire venues`: the venues there are, and how to play them on this machine."""

from __future__ import annotations

import asyncio
import errno
import shlex
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..sandbox.server import Sandbox
from ..venues import VENUES
from .endings import end_with
from .logs import Verbose

__all__ = ["TOKEN_VARIABLE", "URL_VARIABLE", "sandbox", "venues"]

URL_VARIABLE = "TAPEWIRE_SANDBOX_URL"
TOKEN_VARIABLE = "TAPEWIRE_SANDBOX_TOKEN"


def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any free one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the markets: the same seed, the same market.")] = 1,
    rate: Annotated[
        float, typer.Option(min=0, max=100_000, help="Market events per second and venue.")
    ] = 20.0,
    venue: Annotated[
        list[str] | None, typer.Option(help="Only this venue; may be given several times. Default: all.")
    ] = None,
    activity: Annotated[
        bool,
        typer.Option(
            "--activity",
            help="House orders in the name of every account that listens, and ends of markets that it holds. "
            "Without it only your own orders land on your account.",
        ),
    ] = False,
    market_life: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Seconds that a betting market lives, also where you hold something. "
            "Default: some end now and then, but none in which you have an order or a position.",
        ),
    ] = None,
    env: Annotated[
        bool, typer.Option("--env", help="Print only the exports that point every SDK here.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Tell of no client and no fault on stderr.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Play the venues on this machine until Ctrl-C. Any email and password are an account.

    In another shell, `eval` the printed exports: the SDKs, your bots and `tapewire fault` then find this sandbox.
    Clients that come and go, and faults, are told on stderr.
    """
    names = venue or list(VENUES)
    played = Sandbox(
        port=port, seed=seed, rate=rate, venues=names, activity=activity, market_life=market_life,
        narrate=_silent if quiet or env else _tell,
    )  # fmt: skip
    title = "" if env else f"playing {', '.join(names)}; Ctrl-C ends it"
    with suppress(KeyboardInterrupt):
        asyncio.run(_play(played, port, title))


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
    """List the venues."""
    table = Table("name", "venue", "protocol")
    for venue in VENUES.values():
        table.add_row(venue.name, venue.title, venue.wire)
    Console().print(table)
