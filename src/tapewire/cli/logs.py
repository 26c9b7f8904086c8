"""`-v`: the engine's log on stderr, redacted. It may stand before the command or behind it."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from ..secrets import RedactingFilter

__all__ = ["Verbose", "log_on_stderr"]


def log_on_stderr(verbose: bool) -> bool:
    """Log errors only, or what the engine does, too; what was asked for once, stays."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(RedactingFilter())
        root.addHandler(handler)
        root.setLevel(logging.ERROR)
    if verbose:
        root.setLevel(logging.INFO)
    return verbose


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Log what the engine does, on stderr.", callback=log_on_stderr)
]
"""The option of every command."""
