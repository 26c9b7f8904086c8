"""Who owns an import name is read from the lists of files that distributions leave when they are installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tapewire.ownership import check_sole_owner, complaint

OURS = "tapewire-stx"


def installed(folder: Path, name: str, *files: str, lacking: Sequence[str] = ()) -> list[Distribution]:
    """Those in `folder`, after a distribution called `name` has installed `files` there, of which some are lacking."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    for file in set(files) - set(lacking):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    return list(distributions(path=[str(folder)]))


def test_a_package_that_ours_alone_installs_is_no_matter(tmp_path: Path) -> None:
    installed(tmp_path, "other", "other/stx/__init__.py", "stx_tools/__init__.py", "stx.py")
    assert complaint("stx", OURS, installed(tmp_path, "Tapewire_STX", "stx/__init__.py")) is None


@pytest.mark.parametrize("file", ["stx/__init__.py", "stx/deep/er.py", '"stx/__init__.py"'])
def test_another_that_installs_into_it_is_named_with_the_command_that_heals(
    file: str, tmp_path: Path
) -> None:
    installed(tmp_path, OURS, "stx/__init__.py")
    told = complaint("stx", OURS, installed(tmp_path, "stx-python", file))
    assert told is not None
    assert told.startswith("stx-python and tapewire-stx both install the package 'stx'")
    assert told.endswith("heals it: pip uninstall -y stx-python tapewire-stx && pip install tapewire-stx")


def test_all_others_are_named(tmp_path: Path) -> None:
    installed(tmp_path, "stakeapi-codestats", "stakeapi/__init__.py")
    told = complaint("stakeapi", "tapewire-stakeapi", installed(tmp_path, "stakeapi", "stakeapi/api.py"))
    assert told is not None
    assert "pip uninstall -y stakeapi stakeapi-codestats tapewire-stakeapi &&" in told


def test_files_that_another_took_away_are_told_with_the_command_that_heals(tmp_path: Path) -> None:
    files = ("stx/__init__.py", "stx/_retry.py")
    told = complaint("stx", OURS, installed(tmp_path, OURS, *files, lacking=files[:1]))
    assert told is not None
    assert told.startswith("files of tapewire-stx are missing")
    assert told.endswith("heals it: pip install --force-reinstall --no-deps tapewire-stx")


def test_a_distribution_without_a_list_of_files_is_passed_over(tmp_path: Path) -> None:
    info = tmp_path / "old-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: old\nVersion: 1.0\n")
    assert complaint("stx", OURS, distributions(path=[str(tmp_path)])) is None


def test_the_development_environment_is_in_order() -> None:
    check_sole_owner("stx", OURS)


def test_a_complaint_is_an_import_error_each_time_it_is_asked() -> None:
    for _ in range(2):
        with pytest.raises(ImportError, match="pytest and nobody both install") as caught:
            check_sole_owner("_pytest", "nobody")
        assert caught.value.name == "_pytest"
