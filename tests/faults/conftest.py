"""Every test here has a fresh process-wide user, an environment without accounts, and a tape, kept if it fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tapewire.venues.stx import User
from tests.faults.failures import FailureTape


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails says which command plays its tape."""
    report = yield
    tape = FailureTape.current
    if call.when == "call" and report.failed and tape is not None and (command := tape.keep()) is not None:
        report.sections.append(("what its line brought, again", command))
    return report


@pytest.fixture(autouse=True)
def tape_of_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """The lines of a test are on a tape."""
    tape = FailureTape.current = FailureTape(request.node.nodeid)
    yield
    FailureTape.current = None
    tape.close()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("REGION", "ENV", "HOST", "EMAIL", "PASSWORD", "PROFILE", "CREDENTIALS_FILE"):
        monkeypatch.delenv(f"STX_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    User().clear()
    yield
    User().clear()
