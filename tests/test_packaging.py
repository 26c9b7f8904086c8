"""The wheel: builds, installs without the tree beside it, and holds what it should and nothing else."""

from __future__ import annotations

import re
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.installing import Installed, build, install

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As `pip install "tapewire[sandbox]"` leaves it."""
    return install(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As `pip install tapewire` leaves it: without what only an extra brings."""
    return install(wheel, tmp_path_factory.mktemp("alone"), without="graphql|pyarrow")


def test_the_wheel_works_where_the_tree_is_not(installed: Installed) -> None:
    place = installed.python("import tapewire; print(tapewire.__file__)")
    assert Path(place).is_relative_to(installed.home)


def test_the_version_is_the_same_in_code_and_metadata(installed: Installed) -> None:
    assert installed.metadata()["Version"] == PROJECT["project"]["version"]
    assert installed.python("import tapewire; print(tapewire.__version__)") == PROJECT["project"]["version"]
    assert (
        installed.python("from importlib.metadata import version; print(version('tapewire'))")
        == PROJECT["project"]["version"]
    )


def test_the_wheel_holds_the_package_typed_and_nothing_beside_it(installed: Installed) -> None:
    names = installed.names()
    assert "tapewire/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "tapewire",
        f"tapewire-{PROJECT['project']['version']}.dist-info",
    }
    in_tree = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == in_tree


def test_the_page_at_the_index_is_the_readme_without_links_that_lead_nowhere_from_there(
    installed: Installed,
) -> None:
    page = installed.metadata().get_payload()
    assert isinstance(page, str)
    assert installed.metadata()["Description-Content-Type"] == "text/markdown"
    targets = re.findall(
        r"\]\(([^)]*)\)|^\[[^\]]+\]:\s*(\S+)|(?:href|src)=[\"']([^\"']*)", page, re.MULTILINE
    )
    assert [
        target for each in targets if (target := "".join(each)) and not target.startswith("https://")
    ] == []
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        line for line in readme.splitlines() if line.startswith("#")
    ]
    named = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert named
    assert all((ROOT / name).exists() and name.rstrip("/") in page for name in named)


def test_the_source_distribution_has_what_the_readme_names(tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, tmp_path, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    linked = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert {"README.md", "LICENSE", "pyproject.toml"} <= names
    assert [link for link in linked if not any(name == link or name.startswith(link) for name in names)] == []


def test_the_licence_is_in_the_wheel(installed: Installed) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in installed.names())
    assert installed.metadata()["License-Expression"] == "MIT"


def test_the_core_asks_for_five_packages_and_the_extras_for_a_few_more(installed: Installed) -> None:
    wanted = [Requirement(line) for line in installed.metadata().get_all("Requires-Dist", [])]
    core = {requirement.name for requirement in wanted if requirement.marker is None}
    assert core == {"httpx2", "msgspec", "rich", "typer", "websockets"}
    assert {requirement.name for requirement in wanted} - core == {
        "graphql-core",
        "h11",
        "pyarrow",
        "python-socks",
        "zstandard",
    }


def test_importing_tapewire_loads_no_command_line_and_no_sandbox(installed: Installed) -> None:
    loaded = installed.python("import sys, tapewire; print(*sys.modules)").split()
    assert {"typer", "rich", "graphql", "tapewire.cli", "tapewire.sandbox"}.isdisjoint(loaded)


def test_the_installed_command_answers(installed: Installed) -> None:
    assert "Usage" in installed.run("tapewire", "--help")


def test_the_lock_pins_every_dependency_in_range_with_hashes() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        declared += extra
    for requirement in map(Requirement, [*declared, *PROJECT["build-system"]["requires"]]):
        assert Version(pins[requirement.name]) in requirement.specifier
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_address_and_no_folder() -> None:
    assert re.findall(r"\S*(?:://|--index|--find-links|\s/)\S*", LOCK) == []


@pytest.mark.parametrize("command", ["sandbox", "demo", "demo --json", "sandbox --venue stx"])
def test_a_command_without_its_extra_says_in_one_line_what_installs_it(
    command: str, alone: Installed
) -> None:
    done = alone.start("tapewire", *command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'tapewire: the sandbox needs graphql, which is not installed: pip install "tapewire[sandbox]"\n'
    )


def test_an_export_without_its_extra_says_in_one_line_what_installs_it(alone: Installed) -> None:
    done = alone.start("tapewire", "tape", "export", "--parquet", "any.tape", "-o", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'tapewire: an export needs pyarrow, which is not installed: pip install "tapewire[export]"\n'
    )


@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "venues", "fault", "sandbox --help", "demo --help", "tape export --help"],
)
def test_what_needs_no_extra_answers_without_it(command: str, alone: Installed) -> None:
    assert alone.run("tapewire", *command.split())


def test_an_extra_that_is_missing_is_an_import_error_that_names_it(alone: Installed) -> None:
    found = alone.python(
        "import tapewire.sandbox\n"
        "try: tapewire.sandbox.Sandbox()\n"
        "except ImportError as error: print(type(error).__name__, error.extra, error.name, error)"
    )
    assert found.startswith("MissingExtra sandbox graphql ")
    assert found.endswith('pip install "tapewire[sandbox]"')
