"""The peers' own environments, `.venv-bench`: they are no dependencies of the project. Made once, from the locks.

`peers.lock` has the same websockets as the project, so that clients are compared and not libraries' versions.
`realtime.lock` is for the one that does not allow it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LOCKS", "PEERS", "PeerEnvironment", "make", "prepare", "versions_in"]

ROOT = Path(__file__).parent.parent
LOCKS = {name: Path(__file__).with_name(f"{name}.lock") for name in ("peers", "realtime")}
PEERS = {
    "phoenix-channels-python-client": "peers",
    "stx-python": "peers",
    "centrifuge-python": "peers",
    "synpath": "peers",
    "ccxt": "peers",
    "gql": "peers",
    "realtime": "realtime",
}
"""In which lock each peer is."""

SECONDS = 300


@dataclass(frozen=True)
class PeerEnvironment:
    """Of each peer either its interpreter or the reason why there is none."""

    pythons: dict[str, Path] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def prepare(peers: Iterable[str]) -> PeerEnvironment:
    """The environments of those peers. Never raises for what is missing on the machine."""
    prepared = PeerEnvironment()
    made: dict[str, Path | str] = {}
    for peer in peers:
        lock = PEERS[peer]
        if lock not in made:
            made[lock] = make(ROOT / ".venv-bench" / lock, LOCKS[lock])
        found = made[lock]
        if isinstance(found, Path):
            prepared.pythons[peer] = found
        else:
            prepared.reasons[peer] = found
    return prepared


def make(home: Path, lock: Path) -> Path | str:
    """An environment's interpreter, made or brought up to the lock if need be; or why it could not be."""
    python = home / "bin" / "python"
    stamp = home / ".made-of"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    try:
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        (home.parent / ".gitignore").write_text("*\n")
        for command in _commands(home, python, lock):
            _run(command)
        stamp.write_text(wanted)
    except (OSError, subprocess.SubprocessError) as error:
        return _reason(error)
    return python


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
