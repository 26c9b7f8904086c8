"""The peers' own environment, `.venv-bench`: they are no dependencies of the project. Made once, from `peers.lock`.

The same websockets as the project's is in it, so that clients are compared and not libraries' versions.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HOME", "LOCK", "PeerEnvironment", "prepare", "versions_in"]

HOME = Path(__file__).parent.parent / ".venv-bench"
LOCK = Path(__file__).with_name("peers.lock")
SECONDS = 180


@dataclass(frozen=True)
class PeerEnvironment:
    """`python` is None where it could not be made; `reason` says why."""

    python: Path | None
    reason: str = ""


def prepare(home: Path = HOME, lock: Path = LOCK) -> PeerEnvironment:
    """The environment, made or brought up to the lock if need be. Never raises for what is missing on the machine."""
    python = home / "bin" / "python"
    stamp = home / ".made-of"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return PeerEnvironment(python)
    try:
        shutil.rmtree(home, ignore_errors=True)
        for command in _commands(home, python, lock):
            _run(command)
        (home / ".gitignore").write_text("*\n")
        stamp.write_text(wanted)
    except (OSError, subprocess.SubprocessError) as error:
        return PeerEnvironment(None, _reason(error))
    return PeerEnvironment(python)


def versions_in(lock_text: str) -> dict[str, str]:
    """Name and version of each package in a lock."""
    return dict(re.findall(r"^([\w.-]+)==([\w.!+-]+)", lock_text, re.MULTILINE))


def _commands(home: Path, python: Path, lock: Path) -> list[list[str]]:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    hashes = ["--require-hashes", "--requirement", str(lock)]
    if uv:
        return [
            [uv, "venv", "--quiet", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *hashes],
        ]
    return [
        [sys.executable, "-m", "venv", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", *hashes],
    ]


def _run(command: list[str]) -> None:
    environment = os.environ | {"UV_SYSTEM_CERTS": "1"}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS, env=environment)


def _reason(error: Exception) -> str:
    said = str(getattr(error, "stderr", "") or error).strip().splitlines()
    return f"the peers' environment could not be made: {said[-1][:160] if said else type(error).__name__}"
