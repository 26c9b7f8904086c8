"""The tests on every other Python from 3.11 on that this machine has; says which it lacks: `make test-versions`.

Each gets an environment of its own from the lock, in .cache. What reads files or wheels alike on every version is left
to `make test`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
"""Those that have passed here are the classifiers of the project."""

TESTS = (
    *(
        "tests/session",
        "tests/protocols",
        "tests/transport",
        "tests/streams",
        "tests/recording",
        "tests/testing",
    ),
    *(
        "tests/trading",
        "tests/book",
        "tests/model",
        "tests/cli",
        "tests/venues",
        "tests/drop_in/test_drop_ins.py",
    ),
    *("tests/test_clock.py", "tests/test_dev_mode.py", "tests/test_errors.py", "tests/test_marks.py"),
    *("tests/test_ownership.py", "tests/test_readme.py", "tests/test_retry.py", "tests/test_secrets.py"),
)


def candidates(version: str) -> Iterator[str]:
    """Where an interpreter may be: on the path, among pyenv's, among uv's."""
    if (found := shutil.which(f"python{version}")) is not None:
        yield found
    for folder in (os.environ.get("PYENV_ROOT", "~/.pyenv"), "~/.local/share/uv/python"):
        for place in sorted(Path(folder).expanduser().glob(f"**/bin/python{version}"), reverse=True):
            yield str(place)


def interpreter(version: str) -> str | None:
    """One that runs and is of this version."""
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.version_info.releaselevel)"
    for candidate in candidates(version):
        done = subprocess.run(
            [candidate, "-c", code], check=False, capture_output=True, text=True, timeout=30
        )
        if done.stdout.split() == [version, "final"]:
            return candidate
    return None


def run(version: str, python: str, arguments: list[str]) -> bool:
    """True if all tests pass there."""
    environment = f".cache/python{version}"
    install = ["make", "--no-print-directory", f"VENV={environment}", f"PYTHON={python}", "install"]
    pytest = [f"{environment}/bin/python", "-m", "pytest", "-p", "no:cacheprovider", "-n", "auto"]
    for command in (install, [*pytest, *(arguments or TESTS)]):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return False
    return True


def main() -> int:
    """Exit code 1 if any test failed on any of them."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said: list[str] = []
    failed = False
    for version in VERSIONS:
        if version == here:
            said.append(f"Python {version}: `make test` runs on it")
        elif (python := interpreter(version)) is None:
            said.append(f"Python {version}: skipped, for this machine has none")
        else:
            print(f"Python {version}: {python}", flush=True)
            passed = run(version, python, sys.argv[1:])
            failed = failed or not passed
            said.append(f"Python {version}: {'passed' if passed else 'FAILED'}")
    print("\n".join(said))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
