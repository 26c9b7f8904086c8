"""Every test here has a fresh process-wide user and an environment without accounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewire.venues.stx import User


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("REGION", "ENV", "HOST", "EMAIL", "PASSWORD", "PROFILE", "CREDENTIALS_FILE"):
        monkeypatch.delenv(f"STX_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    User().clear()
    yield
    User().clear()
