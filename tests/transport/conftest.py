"""What the tests of this room share: a company's authority, and an environment that names no proxy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .proxy_servers import Authority

NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "WSS_PROXY", "WS_PROXY")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The environment without any proxy, and a function that names some."""
    for name in (*NAMES, *map(str.lower, NAMES), "REQUEST_METHOD", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)

    def named(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return named
