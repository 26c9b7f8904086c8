import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tapewire.cli.completion import VARIABLE
from tapewire.sandbox import FAULTS
from tapewire.venues import VENUES
from tests.cli.played_command import run
from tests.cli.terminal import Terminal

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
SHELLS = ("bash", "zsh", "fish")


def in_shell(shell, script):
    """What the script prints in that shell, with `tapewire` in its path and the completion evaluated."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on this machine")
    setup = {"fish": "tapewire completion fish | source"}.get(shell, f'eval "$(tapewire completion {shell})"')
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    given = [shutil.which(shell), *plain, "-c", f"{setup}\n{script}"]
    result = subprocess.run(
        given, capture_output=True, text=True, timeout=60, env={**os.environ, "PATH": PATH}
    )
    assert result.stderr == ""
    return result.stdout.split("\n")


def by_bash(*words):
    quoted = " ".join(f"'{word}'" for word in words)
    return in_shell(
        "bash",
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tapewire_words tapewire; "
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )[:-1]


def test_bash_completes_commands_options_venues_and_faults():
    assert by_bash("tapewire", "do") == ["doctor"]
    assert by_bash("tapewire", "doctor", "s") == [name for name in VENUES if name.startswith("s")]
    assert "--sandbox" in by_bash("tapewire", "doctor", "--s")
    assert by_bash("tapewire", "fault", "re") == [name for name in FAULTS if name.startswith("re")]


def test_fish_completes_with_what_each_word_does():
    found = in_shell("fish", 'complete -C "tapewire doc"; complete -C "tapewire doctor st"')
    assert found[0].startswith("doctor\tFind out what is wrong")
    assert found[1:-1] == sorted(name for name in VENUES if name.startswith("st"))


def test_zsh_completes_a_command():
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh on this machine")
    with Terminal([zsh, "-f", "-i"], env={**os.environ, "PATH": PATH}) as terminal:
        terminal.press(
            "PS1=; autoload -Uz compinit; compinit -D; eval \"$(tapewire completion zsh)\"; print rea''dy\n"
        )
        terminal.wait_for("ready")
        terminal.press("tapewire doct\t")
        terminal.wait_for("tapewire doctor")


def test_a_shell_that_we_have_no_script_for_is_refused():
    result = run("completion", "tcsh")
    assert result.returncode == 2
    assert "tcsh" in result.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_asks_by_the_variable_that_is_answered(shell):
    assert VARIABLE in run("completion", shell).stdout
