"""The import name `weex_client`: what the documents import is there, is ours, and does not live beside the original."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tapewire.venues import weex as ours

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "drop_in" / "weex" / "src" / "weex_client" / "_alone.py"


def alone() -> object:
    spec = importlib.util.spec_from_file_location("alone_for_tests", ALONE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed(folder: Path, name: str) -> Iterator[Distribution]:
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("weex_client/__init__.py,sha256=x,1\nother/__init__.py,,\n")
    return iter(distributions(path=[str(folder)]))


def test_what_the_document_imports_is_tapewires() -> None:
    from weex_client import WeexAsyncClient, WeexConfig, WeexWebSocketClient
    from weex_client.websocket import WeexWebSocketClient as Documented

    assert (WeexAsyncClient, WeexConfig, WeexWebSocketClient) == (
        ours.WeexAsyncClient,
        ours.WeexConfig,
        ours.WeexWebSocketClient,
    )
    assert Documented is ours.WeexWebSocketClient


MODULES = ("", ".websocket", ".config", ".client", ".exceptions")


@pytest.mark.parametrize("name", [f"weex_client{module}" for module in MODULES])
def test_every_listed_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)


def test_it_refuses_beside_another_distribution_of_the_same_name(tmp_path: Path) -> None:
    with pytest.raises(
        ImportError, match=r"weex-client and tapewire-weex-client both install.*uninstall weex-client or"
    ):
        alone().check(installed(tmp_path, "weex-client"))  # type: ignore[attr-defined]


def test_it_does_not_refuse_itself(tmp_path: Path) -> None:
    alone().check(installed(tmp_path, "tapewire-weex-client"))  # type: ignore[attr-defined]


def test_the_development_environment_has_it() -> None:
    assert any(distribution.metadata["Name"] == "tapewire-weex-client" for distribution in distributions())
