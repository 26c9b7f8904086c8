"""`tapewire sandbox`, `tapewire fault`, `tapewire venues`: a venue on this machine, and how to break it."""

from __future__ import annotations

import asyncio
import json
import shlex
from contextlib import suppress
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from ..sandbox.admin import PREFIX, TOKEN_HEADER
from ..sandbox.faults import FAULTS
from ..sandbox.server import Sandbox
from ..venues import VENUES

__all__ = ["fault", "sandbox", "venues"]

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
    user_activity: Annotated[
        bool,
        typer.Option(
            "--user-activity/--no-user-activity", help="House orders for every account that listens."
        ),
    ] = True,
    env: Annotated[
        bool, typer.Option("--env", help="Print only the exports that point every SDK here.")
    ] = False,
) -> None:
    """Play the venues on this machine until Ctrl-C. Any email and password are an account.

    In another shell, `eval` the printed exports: the SDKs, your bots and `tapewire fault` then find this sandbox.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_play(venue or list(VENUES), port, seed, rate, user_activity, env))


async def _play(
    venues: list[str], port: int, seed: int, rate: float, user_activity: bool, only_env: bool
) -> None:
    async with Sandbox(port=port, seed=seed, rate=rate, venues=venues, user_activity=user_activity) as played:
        if not only_env:
            typer.echo(f"# sandbox at {played.url}, playing {', '.join(venues)}; Ctrl-C ends it")
        exports = played.environment() | {
            URL_VARIABLE: played.url,
            TOKEN_VARIABLE: played.admin_token.reveal(),
        }
        for name, value in exports.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        with suppress(asyncio.CancelledError):
            await played.wait()


def fault(
    name: Annotated[str | None, typer.Argument(help="Which fault; without it, list them.")] = None,
    parameters: Annotated[list[str] | None, typer.Argument(help="name=value, as the list shows.")] = None,
    url: Annotated[str | None, typer.Option(envvar=URL_VARIABLE, help="The sandbox's address.")] = None,
    token: Annotated[str | None, typer.Option(envvar=TOKEN_VARIABLE, help="The token it printed.")] = None,
) -> None:
    """Order a fault in a running sandbox, by name."""
    if name is None:
        _list_faults()
        return
    if not url or not token:
        raise typer.BadParameter(
            f"set {URL_VARIABLE} and {TOKEN_VARIABLE} to what `tapewire sandbox` printed"
        )
    params = dict(_parsed(parameter) for parameter in parameters or ())
    try:
        reply = httpx2.post(
            f"{url}{PREFIX}faults",
            json={"name": name, "params": params},
            headers={TOKEN_HEADER: token},
            timeout=10,
            trust_env=False,
        )
    except httpx2.HTTPError as error:
        raise typer.BadParameter(f"no sandbox at {url}: {error}") from None
    if reply.status_code != 201:
        raise typer.BadParameter(reply.text.strip() or f"HTTP {reply.status_code}")
    typer.echo(reply.text)


def venues() -> None:
    """List the venues."""
    table = Table("name", "venue", "protocol")
    for venue in VENUES.values():
        table.add_row(venue.name, venue.title, venue.wire)
    Console().print(table)


def _list_faults() -> None:
    table = Table("fault", "what it does", "parameters")
    for known in FAULTS.values():
        rows = [f"{key}: {value.help}" for key, value in known.parameters.items()]
        table.add_row(known.name, known.help, "\n".join(rows))
    console = Console()
    if not console.is_terminal:
        console.width = 150
    console.print(table)


def _parsed(parameter: str) -> tuple[str, Any]:
    key, separator, value = parameter.partition("=")
    if not separator or not key:
        raise typer.BadParameter(f"{parameter!r} is not name=value")
    with suppress(json.JSONDecodeError):
        return key, json.loads(value)
    return key, value
