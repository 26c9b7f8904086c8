"""The command line: a view. It parses, calls what lies below, prints, and sets the exit code."""

from .main import main

__all__ = ["main"]
