"""Every test here has an environment without addresses and accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues.kit.one_of_each import VARIABLES


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
