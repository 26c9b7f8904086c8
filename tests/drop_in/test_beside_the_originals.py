"""Both installed, in either order: the import refuses, and the command that the refusal names heals, run as it stands.

The originals are stand-ins: tiny wheels with their names, and files where theirs are.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.installing import DEADLINE, Installed, build, install, offline

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]  # many calls of pip

ORIGINALS = {
    "stx-python": ("stx", "STXWebSocket", ("enums", "exceptions", "user")),
    "stakeapi": ("stakeapi", "StakeAPI", ("auth", "client", "exceptions")),
    "weex-client": ("weex_client", "WeexConfig", ("client", "config", "exceptions", "websocket")),
}
"""Distribution: its package, a name that both export, its modules."""

OURS = {"stx-python": "tapewire-stx", "stakeapi": "tapewire-stakeapi", "weex-client": "tapewire-weex-client"}


def stand_in(folder: Path, distribution: str) -> Path:
    """A wheel called as the original."""
    package, name, modules = ORIGINALS[distribution]
    info = f"{distribution.replace('-', '_')}-9.9.dist-info"
    files = {f"{package}/{module}.py": "" for module in modules} | {
        f"{package}/__init__.py": f"{name} = 'the original'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 9.9\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    wheel = folder / f"{distribution.replace('-', '_')}-9.9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return wheel


@pytest.fixture(scope="module")
def shelf(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of tapewire, of its drop-ins and of the stand-ins."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / wheel.name).symlink_to(wheel)
    for project in sorted((ROOT / "drop_in").iterdir()):
        build(project, folder)
    for distribution in ORIGINALS:
        stand_in(folder, distribution)
    return folder


def told(environment: Installed) -> dict[str, str]:
    """How the import of each package ends there: where its name comes from, or what was raised."""
    code = "import importlib\n"
    for package, name, _ in ORIGINALS.values():
        code += (
            f"try: found = importlib.import_module({package!r}).{name}; print(getattr(found, '__module__', found))\n"
            "except ImportError as error: print(error)\n"
        )
    return dict(zip(ORIGINALS, environment.run("python", "-B", "-c", code).splitlines(), strict=True))


def heal(environment: Installed, refusal: str) -> None:
    """Run the command that the refusal ends with, in a shell, as whoever reads it would."""
    (command,) = re.findall(r"this heals it: (pip .*)$", refusal)
    called = environment.home / "called"
    called.mkdir(exist_ok=True)
    (called / "pip").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
    (called / "pip").chmod(0o755)
    variables = {
        "PATH": f"{called}:{os.environ['PATH']}",
        **offline(environment.home, environment.wheel.parent),
    }
    done = subprocess.run(
        command, shell=True, env=variables, check=False, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def environment(shelf: Path, tmp_path: Path) -> Installed:
    """As `pip install tapewire` leaves it."""
    (wheel,) = shelf.glob("tapewire-0*.whl")
    return install(wheel, tmp_path / "home")


@pytest.mark.parametrize(("last", "healed"), [("the originals", "stx-python"), ("ours", "weex-client")])
def test_beside_the_original_the_import_refuses_and_names_the_command_that_heals(
    last: str, healed: str, environment: Installed
) -> None:
    for distributions in (
        (OURS.values(), ORIGINALS) if last == "the originals" else (ORIGINALS, OURS.values())
    ):
        environment.pip("install", "--no-deps", *distributions)
    refusals = told(environment)
    for original, ours in OURS.items():
        assert refusals[original].startswith(f"{original} and {ours} both install the package")
        assert refusals[original].endswith(f"pip uninstall -y {original} {ours} && pip install {ours}")
    heal(environment, refusals[healed])
    assert told(environment)[healed].startswith("tapewire.venues.")


def test_an_original_that_was_uninstalled_leaves_a_refusal_and_the_command_that_heals(
    environment: Installed,
) -> None:
    environment.pip("install", "--no-deps", *OURS.values())
    environment.pip("install", "--no-deps", *ORIGINALS)
    environment.pip("uninstall", "--yes", *ORIGINALS)
    refusals = told(environment)
    for original, ours in OURS.items():
        assert refusals[original].startswith(f"files of {ours} are missing")
        assert refusals[original].endswith(f"pip install --force-reinstall --no-deps {ours}")
    heal(environment, refusals["stakeapi"])
    assert told(environment)["stakeapi"].startswith("tapewire.venues.")


def test_what_starts_with_python_imports_nothing_and_leaves_an_original_alone(environment: Installed) -> None:
    environment.pip("install", "--no-deps", *OURS.values())
    loaded = environment.python("import sys; print(*sys.modules)").split()
    assert "_tapewire_stx" in loaded
    assert {"tapewire", "importlib.metadata", "re"}.isdisjoint(loaded)
    environment.pip("uninstall", "--yes", *OURS.values())
    environment.pip("install", "--no-deps", *ORIGINALS)
    assert set(told(environment).values()) == {"the original"}


def test_ours_refuses_too_where_nothing_starts_with_python(environment: Installed, shelf: Path) -> None:
    """`pip install --target` and zipped applications: their .pth files are not read."""
    folder = environment.home / "folder"
    environment.pip("install", "--no-deps", "--target", folder, *ORIGINALS)
    for wheel in shelf.glob("tapewire_*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    for original in ORIGINALS:
        package = ORIGINALS[original][0]
        done = environment.start(
            "python", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); import {package}"
        )
        assert f"ImportError: {original} and {OURS[original]} both install" in done.stderr
