"""The documents' import names: what they use is there, is ours, and does not live beside the originals."""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import distributions
from pathlib import Path

import pytest

import tapewire
from tapewire.venues import stake, stx, weex

ROOT = Path(__file__).parents[2]

DROP_INS = {
    "stakeapi": ("drop_in/stakeapi", "tapewire-stakeapi"),
    "stx": ("drop_in/stx", "tapewire-stx"),
    "weex_client": ("drop_in/weex", "tapewire-weex-client"),
}
MODULES = [
    *("stakeapi", "stakeapi.auth", "stakeapi.client", "stakeapi.exceptions"),
    *("stx", "stx.enums", "stx._retry", "stx.exceptions", "stx.user"),
    *(
        "weex_client",
        "weex_client.websocket",
        "weex_client.config",
        "weex_client.client",
        "weex_client.exceptions",
    ),
]


def test_what_the_documents_of_stx_import_is_tapewires() -> None:
    from stx import STX, AsyncSTX, Selection, STXWebSocket
    from stx._retry import RetryPolicy
    from stx.enums import Channels
    from stx.exceptions import STXException
    from stx.user import User

    names = (STX, AsyncSTX, Selection, STXWebSocket, RetryPolicy, Channels, STXException, User)
    assert all(getattr(stx, name.__name__) is name for name in names)


def test_what_the_document_of_stake_imports_is_tapewires() -> None:
    from stakeapi import StakeAPI, StakeWebSocket
    from stakeapi.exceptions import AuthenticationError, RateLimitError, StakeAPIError

    names = (StakeAPI, StakeWebSocket, AuthenticationError, RateLimitError, StakeAPIError)
    assert all(getattr(stake, name.__name__) is name for name in names)


def test_what_the_document_of_weex_imports_is_tapewires() -> None:
    from weex_client import WeexAsyncClient, WeexConfig, WeexWebSocketClient
    from weex_client.websocket import WeexWebSocketClient as Documented

    names = (WeexAsyncClient, WeexConfig, WeexWebSocketClient, Documented)
    assert all(getattr(weex, name.__name__) is name for name in names)


@pytest.mark.parametrize("package", DROP_INS)
def test_each_says_its_version(package: str) -> None:
    assert importlib.import_module(package).__version__ == tapewire.__version__


def test_the_configuration_of_weex_takes_the_keys_and_the_label_by_position() -> None:
    from weex_client.config import WeexConfig

    config = WeexConfig("key", "secret", "phrase", "sandbox")
    assert config.has_credentials
    assert config.environment == "sandbox"
    with pytest.raises(TypeError, match="positional"):
        WeexConfig("key", "secret", "phrase", "sandbox", "v3")  # type: ignore[misc]


@pytest.mark.parametrize("name", MODULES)
def test_every_listed_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)


@pytest.mark.parametrize("package", DROP_INS)
def test_the_development_environment_has_it(package: str) -> None:
    assert any(each.metadata["Name"] == DROP_INS[package][1] for each in distributions())
