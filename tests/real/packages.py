"""Packages of npm and PyPI that these tests run against, installed once into `.cache` of the project.

What cannot be had is not asked for again in the same run: every test that needs it is skipped, and says why.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

__all__ = ["node_modules", "node_with_websocket", "python_with"]

CACHE = Path(__file__).parents[2] / ".cache"
OLDEST_NODE = 18
"""The first with `fetch`, which the samples of the documents use."""

INSTALL_SECONDS = 150
LARGE_SECONDS = 400


def node_modules(*packages: str) -> Path:
    """The folder of modules with `packages` (`name@version`) in it; it is named after the first. Skips without it."""
    modules = CACHE / "npm" / packages[0].replace("@", "-") / "node_modules"
    if why_not := _npm_installed(modules, packages):
        pytest.skip(why_not)
    return modules


def node_with_websocket() -> list[str]:
    """How to run a node that has a WebSocket of its own. Skips where there is none."""
    command = _node_with_websocket()
    if command is None:
        pytest.skip("no node with a WebSocket: version 20.10 or newer is needed")
    return list(command)


def python_with(package: str, *, large: bool = False) -> Path:
    """An interpreter of an environment with `package` (`name==version`) in it. Skips without it."""
    folder = CACHE / "python" / package.replace("==", "-")
    if why_not := _pip_installed(folder, package, LARGE_SECONDS if large else INSTALL_SECONDS):
        pytest.skip(why_not)
    return folder / "bin" / "python"


@cache
def _npm_installed(modules: Path, packages: tuple[str, ...]) -> str:
    """Why it could not be done; empty where it is done."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return "node and npm are not installed"
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    if int(version.lstrip("v").partition(".")[0] or 0) < OLDEST_NODE:
        return f"node {version.strip()} is too old: {OLDEST_NODE} or newer is needed"
    if all((modules / package.rpartition("@")[0] / "package.json").exists() for package in packages):
        return ""
    modules.parent.mkdir(parents=True, exist_ok=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    return _why_not([npm, "install", "--prefix", str(modules.parent), *options, *packages], packages[0])


@cache
def _node_with_websocket() -> tuple[str, ...] | None:
    node = shutil.which("node")
    for flags in ((), ("--experimental-websocket",)):  # built in from node 22 on
        probe = [node, *flags, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]
        if (
            node is not None
            and not subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode
        ):
            return (node, "--no-warnings", *flags)
    return None


@cache
def _pip_installed(folder: Path, package: str, seconds: float) -> str:
    marker = folder / ".installed"
    if marker.exists():
        return ""
    why_not = _why_not([sys.executable, "-m", "venv", str(folder)], package)
    if not why_not:
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        why_not = _why_not([*pip, "--retries=1", package], package, seconds)
    if not why_not:
        marker.touch()
    return why_not


def _why_not(command: list[str], package: str, seconds: float = INSTALL_SECONDS) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"{package} was not installed within {seconds:g} s"
    return f"{package} could not be installed: {done.stderr.strip()[-200:]}" if done.returncode else ""
