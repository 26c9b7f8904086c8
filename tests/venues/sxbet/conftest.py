"""Every test here has an environment without addresses and keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.venues.threaded import Threaded, threaded


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "API_URL", "REALTIME_URL", "API_KEY", "MAKER"):
        monkeypatch.delenv(f"SXBET_{name}", raising=False)


@pytest.fixture
def venue() -> Iterator[Threaded]:
    """It has six markets, and counts no calls."""
    with threaded("sxbet", call_limits=False) as venue:
        yield venue
