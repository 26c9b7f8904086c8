"""`tapewire`: the commands, and what all of them share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from ..errors import TapewireError
from ..secrets import redact
from . import anonymise, completion, demo, doctor, export, fault, halt, markets, record, sandbox, tape, watch
from .endings import WRONG_USE
from .logs import Verbose

__all__ = ["app", "main"]

app = typer.Typer(
    name="tapewire",
    help="Streaming SDKs for betting and trading venues: a stream is continuous, or it says where it broke.",
    epilog="Begin with `tapewire demo`. Then play the venues with `tapewire sandbox`, run a program against them in "
    "another shell, and break its line with `tapewire fault abort`.",
    no_args_is_help=True,
    add_completion=False,  # `completion` gives the scripts, and touches no file of anybody's
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs of the docstrings flow
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("sandbox")(sandbox.sandbox)
app.command("fault")(fault.fault)
app.command("watch", epilog=watch.EXAMPLES)(watch.watch)
app.command("markets", epilog=markets.MARKETS_EXAMPLES)(markets.markets)
app.command("book", epilog=markets.BOOK_EXAMPLES)(markets.book)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("record", epilog=record.RECORD_EXAMPLES)(record.record)
app.command("replay", epilog=record.REPLAY_EXAMPLES)(record.replay)
tape.app.command("anonymise", epilog=anonymise.EXAMPLES)(anonymise.anonymise)
tape.app.command("export", epilog=export.EXAMPLES)(export.export)
app.command("halt", epilog=halt.EXAMPLES)(halt.halt)
app.add_typer(tape.app)
app.command("completion", epilog=completion.EXAMPLES)(completion.completion)
app.command("venues")(sandbox.venues)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tapewire {__version__}")
        raise typer.Exit


@app.callback()
def common(
    verbose: Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What every command takes."""


def main() -> None:
    """The entry point: clear errors on stderr with exit code 2, Ctrl-C ends with 130."""
    completion.answer_shells()
    try:
        app()
    except TapewireError as error:
        typer.echo(f"tapewire: {redact(str(error))}", err=True)
        sys.exit(WRONG_USE)
    except KeyboardInterrupt:
        typer.echo("", err=True)
        sys.exit(130)
