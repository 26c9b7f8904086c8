"""What a log may say of what happens again and again, and of whose function it was."""

from __future__ import annotations

from typing import Any

__all__ = ["is_worth_a_line", "name_of"]


def is_worth_a_line(count: int, first: int = 1) -> bool:
    """True for the `first` ones of what happens again and again, and then at powers of two."""
    return count <= first or not count & (count - 1)


def name_of(function: Any) -> str:
    """The name under which its owner knows it."""
    return getattr(function, "__qualname__", None) or repr(function)
