"""The import name `stx`: what the documents import is there, is ours, and does not live beside the original."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tapewire.venues import stx as ours

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "drop_in" / "stx" / "src" / "stx" / "_alone.py"

needs_socket = pytest.mark.skipif(
    importlib.util.find_spec("tapewire.venues.stx.socket") is None, reason="the socket is not written yet"
)


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
    (info / "RECORD").write_text("stx/__init__.py,sha256=x,1\nother/__init__.py,,\n")
    return iter(distributions(path=[str(folder)]))


@needs_socket
def test_what_the_documents_import_is_tapewires() -> None:
    from stx import STX, AsyncSTX, Selection, STXWebSocket
    from stx._retry import RetryPolicy
    from stx.enums import Channels
    from stx.exceptions import STXException
    from stx.user import User

    from tapewire.venues.stx.socket import STXWebSocket as Socket

    assert (STX, AsyncSTX, Selection, Channels, User) == (
        ours.STX,
        ours.AsyncSTX,
        ours.Selection,
        ours.Channels,
        ours.User,
    )
    assert (STXWebSocket, RetryPolicy, STXException) == (Socket, ours.RetryPolicy, ours.STXException)


@needs_socket
@pytest.mark.parametrize("name", ["stx", "stx.enums", "stx._retry", "stx.exceptions", "stx.user"])
def test_every_listed_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)


def test_it_refuses_beside_another_distribution_of_the_same_name(tmp_path: Path) -> None:
    with pytest.raises(
        ImportError, match=r"stx-python and tapewire-stx both install.*uninstall stx-python or"
    ):
        alone().check(installed(tmp_path, "stx-python"))  # type: ignore[attr-defined]


def test_it_does_not_refuse_itself(tmp_path: Path) -> None:
    alone().check(installed(tmp_path, "tapewire-stx"))  # type: ignore[attr-defined]


def test_the_development_environment_has_it() -> None:
    assert any(distribution.metadata["Name"] == "tapewire-stx" for distribution in distributions())
