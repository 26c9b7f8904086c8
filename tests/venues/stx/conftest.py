"""Every test here has a fresh process-wide user and an environment without accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.venues.stx import STX, AsyncSTX, User
from tests.venues.stx.calling import PASSWORD, QUICK, Both, Venue, called_venue


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("REGION", "ENV", "HOST", "EMAIL", "PASSWORD", "PROFILE", "CREDENTIALS_FILE"):
        monkeypatch.delenv(f"STX_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    User().clear()
    yield
    User().clear()


@pytest.fixture
def venue() -> Iterator[Venue]:
    with called_venue() as venue:
        yield venue


@pytest.fixture(params=[STX, AsyncSTX])
def make(request: pytest.FixtureRequest, venue: Venue) -> Iterator[Callable[..., Both]]:
    made: list[Both] = []
    with asyncio.Runner() as runner:

        def make(**settings: Any) -> Both:
            usual = {"host": venue.url, "email": "ann@example.com", "password": PASSWORD, "retry": QUICK}
            made.append(Both(request.param(**{**usual, **settings}), runner))
            return made[-1]

        yield make
        for both in made:
            both("close")
