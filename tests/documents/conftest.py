"""One sandbox for all samples of this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documents.running import played_venue


@pytest.fixture(scope="session")
def stx_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with played_venue(tmp_path_factory.mktemp("sandbox"), "stx", "--activity") as environment:
        yield environment
