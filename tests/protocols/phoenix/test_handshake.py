"""What is agreed before the first frame."""

from __future__ import annotations

import pytest

from tapewire.protocols.phoenix import auth_subprotocols, negotiate, socket_url, token_from_subprotocols


def test_the_url_is_the_one_of_the_official_client() -> None:
    url = socket_url("wss://host/socket", {"token": "t k&1"})
    assert url == "wss://host/socket/websocket?token=t%20k%261&vsn=2.0.0"


def test_http_becomes_ws_and_a_query_of_the_url_is_kept() -> None:
    assert socket_url("http://h:1/s/") == "ws://h:1/s/websocket?vsn=2.0.0"
    assert socket_url("https://h/s?a=1", version="1.0.0") == "wss://h/s/websocket?a=1&vsn=1.0.0"


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ({}, "1.0.0"),
        ({"vsn": "1.0.0"}, "1.0.0"),
        ({"vsn": "2.0.0"}, "2.0.0"),
        ({"vsn": "2.0.7", "token": "x"}, "2.0.0"),
        ({"vsn": "2"}, None),
        ({"vsn": "9.0.0"}, None),
        ({"vsn": "2.1.0"}, None),
        ({"vsn": ""}, None),
        ({"vsn": "02.0.0"}, None),
        ({"vsn": "2.0.0\n"}, None),
    ],
)
def test_the_version_is_negotiated_or_the_upgrade_refused(query: dict[str, str], version: str | None) -> None:
    assert negotiate(query) == version


def test_the_token_travels_as_the_official_client_sends_it() -> None:
    offered = auth_subprotocols("abc?>d")
    assert offered == ("phoenix", "base64url.bearer.phx.YWJjPz5k")
    assert token_from_subprotocols(", ".join(offered)) == "abc?>d"
    assert token_from_subprotocols(offered) == "abc?>d"


@pytest.mark.parametrize("token", ["a", "ab", "abc", "é🚀", ""])
def test_any_token_survives_without_padding(token: str) -> None:
    offered = auth_subprotocols(token)
    assert "=" not in offered[1]
    assert token_from_subprotocols(offered) == token


@pytest.mark.parametrize(
    "header", ["", "phoenix", "base64url.bearer.phx.!", "base64url.bearer.phx._w", "base64url.bearer.phx./w"]
)
def test_a_header_without_a_valid_token_gives_none(header: str) -> None:
    assert token_from_subprotocols(header) is None
