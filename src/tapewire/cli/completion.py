"""`tapewire completion`: what a shell needs to complete our words. Scripts and answers are those of Typer."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Any, Literal

import typer

__all__ = ["EXAMPLES", "VARIABLE", "Shell", "answer_shells", "completion"]

COMMAND = "tapewire"
VARIABLE = "_TAPEWIRE_COMPLETE"
"""What a shell's script sets when it asks for words: Typer's name for it."""

EXAMPLES = (
    'For example: `eval "$(tapewire completion bash)"` in ~/.bashrc, `eval "$(tapewire completion zsh)"` behind '
    "compinit in ~/.zshrc, `tapewire completion fish | source` in ~/.config/fish/config.fish."
)

Shell = Literal["bash", "zsh", "fish"]

_BASH = """
_tapewire_words() {
    _tapewire_completion "$@"
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
    return 0
}

complete -o default -F _tapewire_words tapewire
"""
"""A venue's name is half a word: its market follows behind the colon, and bash sets a space there if it is not told."""


def completion(
    shell: Annotated[
        Shell, typer.Argument(metavar="SHELL", help="Which shell: bash, zsh or fish.", show_default=False)
    ],
) -> None:
    """Print what your shell needs to complete commands, options and venues by Tab. Nothing is installed.

    Evaluate it where your shell starts; a new shell then completes `tapewire`.
    """
    script = _typer().get_completion_script(prog_name=COMMAND, complete_var=VARIABLE, shell=shell)
    typer.echo(script + (_BASH if shell == "bash" else ""))


def answer_shells() -> None:
    """Make ready to answer the shell's script, where it is the one that asks."""
    if VARIABLE in os.environ:
        _typer().completion_init()


def _typer() -> Any:
    """Typer's own part for it, which it has behind options of the root alone."""
    return import_module("typer.completion")
