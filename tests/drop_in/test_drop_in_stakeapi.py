"""The import name `stakeapi`: what the documents use is there, is ours, and does not live beside the originals."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import ModuleType

import pytest

from tapewire.venues import stake as ours

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "drop_in" / "stakeapi" / "src" / "stakeapi" / "_alone.py"


def alone() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stakeapi_alone_for_tests", ALONE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed(folder: Path, name: str) -> Iterator[Distribution]:
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("stakeapi/__init__.py,sha256=x,1\nother/__init__.py,,\n")
    return iter(distributions(path=[str(folder)]))


def test_what_the_documents_use_is_tapewires() -> None:
    from stakeapi import StakeAPI, StakeWebSocket
    from stakeapi.exceptions import AuthenticationError, RateLimitError, StakeAPIError

    assert (StakeAPI, StakeWebSocket) == (ours.StakeAPI, ours.StakeWebSocket)
    assert (AuthenticationError, RateLimitError, StakeAPIError) == (
        ours.AuthenticationError,
        ours.RateLimitError,
        ours.StakeAPIError,
    )


@pytest.mark.parametrize("name", ["stakeapi", "stakeapi.auth", "stakeapi.client", "stakeapi.exceptions"])
def test_every_listed_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)


@pytest.mark.parametrize("name", ["stakeapi", "stakeapi-codestats"])
def test_it_refuses_beside_another_distribution_of_the_same_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImportError, match=f"{name} and tapewire-stakeapi both install.*uninstall {name} or"):
        alone().check(installed(tmp_path, name))


def test_it_does_not_refuse_itself(tmp_path: Path) -> None:
    alone().check(installed(tmp_path, "tapewire-stakeapi"))


def test_the_development_environment_has_it() -> None:
    assert any(distribution.metadata["Name"] == "tapewire-stakeapi" for distribution in distributions())
