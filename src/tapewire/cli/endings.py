"""How a command ends where it cannot go on: one plain sentence on stderr, and the exit code."""

from __future__ import annotations

from typing import NoReturn

import typer

from ..secrets import redact

__all__ = ["WRONG_USE", "end_with"]

WRONG_USE = 2
"""The exit code of what cannot be done as it was asked."""


def end_with(sentence: str, code: int = WRONG_USE) -> NoReturn:
    """Say it on stderr as `tapewire: ...`, and end the command with that exit code."""
    typer.echo(f"tapewire: {redact(sentence)}", err=True)
    raise typer.Exit(code)
