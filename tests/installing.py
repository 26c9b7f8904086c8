"""Wheels, and environments that have nothing but what was installed into them: as users get it, without the tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

DEADLINE = 120.0  # seconds of one command; far beyond what is needed on an idle machine


@dataclass(frozen=True)
class Installed:
    """A wheel, and an environment with it."""

    wheel: Path
    home: Path

    def start(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the new environment, away from the tree and its environment variables."""
        program, *arguments = command
        return subprocess.run(
            [str(self.home / "bin" / program), *arguments],
            capture_output=True,
            check=False,
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.home)},
            text=True,
            timeout=DEADLINE,
        )

    def run(self, *command: str) -> str:
        """What a program that ends well has printed."""
        done = self.start(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def python(self, code: str) -> str:
        return self.run("python", "-c", code)

    def pip(self, *arguments: str | Path) -> None:
        """Install or uninstall there; nothing is fetched, wheels beside the first one are found."""
        pip(self.home, *arguments, found_in=self.wheel.parent)

    def names(self) -> list[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()

    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as archive:
            (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return Parser().parsestr(archive.read(path).decode())


def pip(home: Path, *arguments: str | Path, found_in: Path) -> None:
    """pip of this environment, working on the one in `home`, offline; it finds the wheels of one folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)],
        env={**os.environ, **offline(home, found_in)},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr


def offline(home: Path, found_in: Path) -> dict[str, str]:
    """What makes pip work on the environment in `home`, offline, with the wheels of a folder."""
    return {
        "PIP_PYTHON": str(home / "bin" / "python"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(found_in),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def build(project: Path, folder: Path, target: str = "wheel") -> Path:
    """Build the wheel of a project, or its `sdist`, into `folder`."""
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=DEADLINE)
    (built,) = set(folder.iterdir()) - before
    return built


def install(wheel: Path, home: Path, *, without: str = "tapewire") -> Installed:
    """A fresh environment in `home` with the wheel in it.

    The locked dependencies are borrowed from this environment, but for those whose name begins with `without`, and for
    what is ours and editable here.
    """
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    for borrowed in Path(sysconfig.get_path("purelib")).iterdir():
        if borrowed.suffix != ".pth" and not re.match(rf"_?tapewire|{without}", borrowed.name):
            (site / borrowed.name).symlink_to(borrowed)
    pip(home, "install", "--quiet", "--no-deps", wheel, found_in=wheel.parent)
    return Installed(wheel, home)
