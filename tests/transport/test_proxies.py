"""Which proxy a connection goes through."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tapewire.errors import ConfigurationError
from tapewire.testing.transport import RecordingReceiver
from tapewire.transport.base import Endpoint
from tapewire.transport.fast import FastConnector
from tapewire.transport.http import SyncHttpClient
from tapewire.transport.proxies import Proxy, proxy_for
from tapewire.transport.websockets import WebsocketsConnector

from .proxy_servers import (
    ESCAPED,
    PASSWORD,
    SHOWN_NOWHERE,
    USER,
    assert_nothing_secret,
    called,
)

pytestmark = pytest.mark.each_loop


@pytest.mark.parametrize(
    ("url", "values", "found"),
    [
        ("wss://venue.test/", {}, None),
        ("wss://venue.test/", {"HTTPS_PROXY": "http://p.test:3128"}, "http://p.test:3128"),
        ("wss://venue.test/", {"https_proxy": "https://p.test"}, "https://p.test:443"),
        ("https://venue.test/", {"HTTPS_PROXY": "http://p.test"}, "http://p.test:80"),
        ("https://venue.test/", {"HTTP_PROXY": "http://p.test"}, None),
        ("ws://venue.test/", {"HTTPS_PROXY": "http://p.test"}, None),
        ("ws://venue.test/", {"HTTP_PROXY": "http://p.test"}, "http://p.test:80"),
        ("wss://venue.test/", {"ALL_PROXY": "socks5://p.test"}, "socks5://p.test:1080"),
        (
            "wss://venue.test/",
            {"ALL_PROXY": "http://a.test", "HTTPS_PROXY": "http://p.test"},
            "http://p.test:80",
        ),
        (
            "wss://venue.test/",
            {"WSS_PROXY": "http://w.test", "HTTPS_PROXY": "http://p.test"},
            "http://w.test:80",
        ),
        ("https://venue.test/", {"WSS_PROXY": "http://w.test"}, None),
        ("wss://venue.test/", {"HTTPS_PROXY": "p.test:3128"}, "http://p.test:3128"),
        ("wss://venue.test/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "*"}, None),
        ("wss://api.venue.test/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "other, venue.test"}, None),
        ("wss://api.venue.test/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": ".venue.test"}, None),
        (
            "wss://myvenue.test/",
            {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "venue.test"},
            "http://p.test:80",
        ),
        ("wss://venue.test:444/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "venue.test:444"}, None),
        ("wss://venue.test/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "venue.test:443"}, None),
        (
            "wss://venue.test/",
            {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "venue.test:444"},
            "http://p.test:80",
        ),
        ("wss://10.1.2.3/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "10.0.0.0/8"}, None),
        ("wss://11.1.2.3/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "10.0.0.0/8"}, "http://p.test:80"),
        ("wss://[2001:db8::7]/", {"HTTPS_PROXY": "http://p.test", "NO_PROXY": "2001:db8::/32"}, None),
        ("wss://localhost:9/", {"HTTPS_PROXY": "http://p.test"}, None),
        ("ws://127.0.0.1:9/", {"ALL_PROXY": "http://p.test"}, None),
        ("http://[::1]:9/", {"HTTP_PROXY": "http://p.test"}, None),
    ],
)
def test_the_environment_names_the_proxy(
    environment: Callable[..., None], url: str, values: dict[str, str], found: str | None
) -> None:
    environment(**values)
    assert (None if (proxy := proxy_for(url, True)) is None else str(proxy)) == found


def test_a_url_is_obeyed_and_none_means_none(environment: Callable[..., None]) -> None:
    environment(HTTPS_PROXY="http://p.test", NO_PROXY="*")
    assert str(proxy_for("wss://venue.test/", "https://own.test")) == "https://own.test:443"
    assert proxy_for("wss://venue.test/", None) is None
    assert proxy_for("wss://venue.test/", False) is None


def test_user_and_password_are_read_and_never_shown() -> None:
    proxy = proxy_for("wss://venue.test/", f"http://{ESCAPED}@p.test:3128")
    assert proxy == Proxy("http", "p.test", 3128, USER, PASSWORD)
    assert proxy.url == f"http://{ESCAPED}@p.test:3128"
    assert (
        f"{proxy} {proxy!r} {[proxy]}"
        == "http://p.test:3128 Proxy('http://p.test:3128') [Proxy('http://p.test:3128')]"
    )


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://{ESCAPED}@p.test",
        f"socks4://{ESCAPED}@p.test",
        f"http://{ESCAPED}@p.test/path",
        f"http://{ESCAPED}@p.test?q=1",
        f"http://{ESCAPED}@p.test:99999",
        f"http://{ESCAPED}@",
        "http://[::1",
    ],
)
async def test_what_is_no_proxy_is_refused_at_once_everywhere(
    environment: Callable[..., None], address: str
) -> None:
    for connector in (FastConnector(), WebsocketsConnector()):
        with pytest.raises(ConfigurationError, match=r"^proxy=") as wrong:
            await connector.connect(Endpoint(url="wss://venue.test/", proxy=address), RecordingReceiver())
        assert_nothing_secret(wrong.value)
    for kind in ("async", "sync"):
        with pytest.raises(ConfigurationError, match=r"^proxy=") as wrong:
            await called(kind, "https://venue.test", proxy=address)
        assert_nothing_secret(wrong.value)
    environment(HTTPS_PROXY=address)
    with pytest.raises(ConfigurationError, match=r"^https_proxy of the environment=") as wrong:
        await FastConnector().connect(Endpoint(url="wss://venue.test/"), RecordingReceiver())
    assert_nothing_secret(wrong.value)


def test_nothing_of_a_proxy_is_in_a_repr() -> None:
    url = f"http://{ESCAPED}@p.test"
    client = SyncHttpClient("https://venue.test", proxy=url)
    told = f"{Endpoint(url='wss://venue.test/', proxy=url)!r} {client!r} {client._settings!r}"
    client.close()
    assert not [word for word in SHOWN_NOWHERE if word in told]
