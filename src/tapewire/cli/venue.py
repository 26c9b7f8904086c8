"""What commands about one venue share: its name, and `--sandbox`, which plays it in this very process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..app.leading import led_by
from ..arguments import near_names
from ..errors import ConfigurationError, MissingExtra, NotSupported, TapewireError
from ..venues import VENUES
from .endings import end_with

if TYPE_CHECKING:
    from ..sandbox.net.server import Sandbox

__all__ = [
    "FAILED",
    "InSandbox",
    "VenueName",
    "check_venue",
    "complete_target",
    "examples",
    "failures",
    "play",
]

FAILED = 1
"""The exit code where the venue, or the line to it, does not do what was asked for."""


def check_venue(name: str) -> str:
    """The name, if it is a venue's. Ends the command with a sentence that lists near names if not."""
    if name not in VENUES:
        near = near_names(name, VENUES)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        end_with(f"{name!r} is no venue: there are {', '.join(VENUES)}{meant}")
    return name


def examples(*lines: str) -> str:
    """The end of a command's help: its examples, in which `{0}` is the first venue, `{1}` the next one."""
    shown = (f"`{line.format(*VENUES)}`" for line in lines)
    return f"For example: {', '.join(shown)}."


def _names(incomplete: str) -> list[str]:
    return [name for name in VENUES if name.startswith(incomplete)]


def complete_target(incomplete: str) -> list[str]:
    """The venues, with the colon behind which the market follows."""
    return [f"{name}:" for name in VENUES if f"{name}:".startswith(incomplete)]


VenueName = Annotated[
    str,
    typer.Argument(
        help=f"Which venue: {', '.join(VENUES)}.",
        metavar="VENUE",
        callback=check_venue,
        autocompletion=_names,
        show_default=False,
    ),
]
"""The argument of what is about one venue."""

InSandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Play the venue in this process and go there, with an account of its own: nothing leaves this machine.",
    ),
]
"""The option of what can be tried without a venue."""


MARKET_LIFE = 86_400.0
"""Seconds: no market ends while somebody looks at it."""


@asynccontextmanager
async def play(venues: Sequence[str], *, rate: float = 20.0, seed: int = 1) -> AsyncIterator[Sandbox]:
    """Play these venues in this process, and lead their classes there by the environment, until the block ends.

    What the environment said of them before is out of force meanwhile, so that nothing goes anywhere else.
    """
    from ..sandbox.net.server import Sandbox

    names = list(dict.fromkeys(venues))
    async with Sandbox(port=0, rate=rate, seed=seed, venues=names, market_life=MARKET_LIFE) as sandbox:
        with led_by(sandbox.environment(), venues):
            yield sandbox


@contextmanager
def failures() -> Iterator[None]:
    """Exit code 2 and a sentence for what was asked wrong, as everywhere; but 1 for what the line to the venue says."""
    try:
        yield
    except (ConfigurationError, NotSupported, MissingExtra):
        raise
    except TapewireError as error:
        end_with(str(error), FAILED)
