"""Every venue's class is reached through a proxy, with a private authority: the same words for HTTP and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tapewire.errors import ConfigurationError, ConnectFailed, NeverConnected
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.testing import VirtualClock
from tapewire.transport.base import Connector, Endpoint, Receiver, Transport
from tapewire.venues.stx import STX, User
from tests.transport.proxy_servers import Authority, CompanyProxy
from tests.venues.kit.one_of_each import STX_, SXBET, VENUES, OneVenue
from tests.venues.kit.test_errors import close

each = pytest.mark.parametrize("venue", VENUES, ids=str)
both_kinds = pytest.mark.parametrize("kind", ["streaming", "calling"])
NAME = "venue.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.asynccontextmanager
async def behind_tls(url: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """A port that speaks TLS and hands on what is said to the plain server at `url`."""
    there, tasks = urlsplit(url), set[asyncio.Task[None]]()

    local = there.netloc.encode()  # a sandbox serves nobody who calls it by another name
    names = {b"Host: " + NAME.encode(): b"Host: " + local, b"https://" + NAME.encode(): b"http://" + local}

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                for name, other in names.items():
                    data = data.replace(name, other)
                sink.write(data)
        with contextlib.suppress(OSError, RuntimeError):
            sink.close()

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(there.hostname, there.port)
        try:
            await asyncio.gather(pump(reader, forth), pump(back, writer))
        finally:
            forth.transport.abort()
            writer.transport.abort()

    def started(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(joined(reader, writer)))

    server = await asyncio.start_server(started, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def company(venue: OneVenue, authority: Authority) -> AsyncIterator[CompanyProxy]:
    """The venue under a name that only the proxy knows, with a certificate that only the authority vouches for."""
    async with (
        Sandbox(rate=20, venues=[venue.name]) as sandbox,
        behind_tls(sandbox.url, authority.server(NAME)) as port,
        CompanyProxy(routes={f"{NAME}:443": port}) as proxy,
    ):
        yield proxy


def made_for(venue: OneVenue, kind: str, **given: Any) -> Any:
    where = {venue.host: f"https://{NAME}"} | dict(venue.of_the_sandbox)
    return getattr(venue, kind)(**(where | given))


@each
@both_kinds
async def test_a_venue_is_reached_through_a_proxy_with_a_companys_authority(
    venue: OneVenue, kind: str, authority: Authority
) -> None:
    async with company(venue, authority) as proxy:
        made = made_for(venue, kind, proxy=f"http://{proxy.where}", ssl=authority.client())
        await (getattr(made, venue.open)() if kind == "streaming" else venue.call(made))
        signs_in = kind == "streaming" and venue in (STX_, SXBET)
        assert set(proxy.asked) == {f"{NAME}:443"}
        assert len(proxy.asked) >= 1 + signs_in  # the sign-in goes the same way as the socket
        await close(made)


@each
@both_kinds
async def test_the_environments_proxy_is_the_default_and_none_goes_straight(
    venue: OneVenue, kind: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with company(venue, authority) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.where}")
        made = made_for(venue, kind, ssl=authority.client())
        await (getattr(made, venue.open)() if kind == "streaming" else venue.call(made))
        await close(made)
        asked = len(proxy.asked)
        assert asked
        straight = made_for(venue, kind, ssl=authority.client(), proxy=None)
        with pytest.raises(venue.root):
            await (getattr(straight, venue.open)() if kind == "streaming" else venue.call(straight))
        await close(straight)
        assert len(proxy.asked) == asked


@each
async def test_a_certificate_that_is_not_trusted_is_said_and_final(
    venue: OneVenue, authority: Authority
) -> None:
    async with company(venue, authority) as proxy:
        tries = {"retry": RetryPolicy(None)}
        made = made_for(venue, "streaming", proxy=f"http://{proxy.where}", **tries)
        with pytest.raises(venue.root, match="certificate"):
            await asyncio.wait_for(getattr(made, venue.open)(), 10)
        await close(made)


class Refusing(Connector):
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []

    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        self.endpoints.append(endpoint)
        raise ConnectFailed("nowhere", "as the test wants it", retryable=False)


class Answering(httpx2.AsyncBaseTransport):
    """Keeps what it was asked for, and lets everybody in."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        token: dict[str, Any] = {
            "userId": "1",
            "userUid": "u-1",
            "sessionId": None,
            "token": "a.b.c",
            "refreshToken": "r",
        }
        token["promptTwoFactorAuth"] = False
        return httpx2.Response(200, json={"token": "a-token", "data": {"login": token}})


@each
async def test_a_socket_takes_a_connector_and_a_transport_of_ones_own(venue: OneVenue) -> None:
    connector, transport, trust = Refusing(), Answering(), ssl.create_default_context()
    given: dict[str, Any] = {
        "connector": connector,
        "max_size": 12_345,
        "proxy": "socks5://p.test",
        "ssl": trust,
    }
    made = made_for(venue, "streaming", http_transport=transport, **given)
    with pytest.raises(venue.root, match="as the test wants it"):
        await getattr(made, venue.open)()
    await close(made)
    (endpoint,) = connector.endpoints
    assert (endpoint.max_size, endpoint.proxy, endpoint.ssl) == (12_345, "socks5://p.test", trust)
    assert bool(transport.asked) is (venue in (STX_, SXBET))  # whose sockets sign in over HTTP


class Unreachable(Refusing):
    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        self.endpoints.append(endpoint)
        raise ConnectFailed("nowhere", "no route")


@each
@pytest.mark.parametrize("seconds", [None, 5.0])
async def test_a_first_connection_that_does_not_come_is_raised_where_the_page_does_not_go_on_trying(
    venue: OneVenue, seconds: float | None, clock: VirtualClock
) -> None:
    """After thirty seconds, or those given; Stake's page tries for ever, and its log says each try."""
    connector = Unreachable()
    given: dict[str, Any] = {"retry": RetryPolicy(None)}
    if venue.name == "stake":
        given["session_options"] = {"clock": clock}
    else:
        given |= {"clock": clock} | ({} if seconds is None else {"connect_timeout": seconds})
    made = made_for(venue, "streaming", connector=connector, http_transport=Answering(), **given)
    began = clock.monotonic()
    opening = asyncio.ensure_future(getattr(made, venue.open)())
    done, _ = await asyncio.wait([opening], timeout=90)
    if venue.name == "stake":
        assert not done
        opening.cancel()
        await asyncio.wait([opening])
    else:
        with pytest.raises(NeverConnected, match="no route") as raised:
            await opening
        assert isinstance(raised.value, venue.root)
        assert clock.monotonic() - began <= (seconds or 30) + 1
    assert len(connector.endpoints) > 1
    await close(made)


MISTAKE = TypeError("takes no such argument")


class MistakenConnector(Refusing):
    async def connect(self, endpoint: Endpoint, receiver: Receiver) -> Transport:
        raise MISTAKE


class MistakenTransport(Answering):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise MISTAKE


def mistaken_provider() -> str:
    raise MISTAKE


@pytest.mark.parametrize(
    ("venue", "given"),
    [
        *((venue, {"connector": MistakenConnector(), "http_transport": Answering()}) for venue in VENUES),
        *((venue, {"http_transport": MistakenTransport()}) for venue in (STX_, SXBET)),  # they sign in
        (SXBET, {"get_token": mistaken_provider, "api_key": None}),
    ],
    ids=lambda each: each.name if isinstance(each, OneVenue) else next(iter(each)),
)
async def test_a_mistake_in_a_part_of_ones_own_ends_the_first_attempt_though_tries_have_no_end(
    venue: OneVenue, given: dict[str, Any]
) -> None:
    made = made_for(venue, "streaming", **({"retry": RetryPolicy(None)} | given))
    with pytest.raises(TypeError) as raised:
        await asyncio.wait_for(getattr(made, venue.open)(), 10)
    assert raised.value is MISTAKE
    await close(made)


@each
async def test_a_client_takes_a_transport_of_ones_own(venue: OneVenue) -> None:
    transport = Answering()
    made = made_for(venue, "calling", http_transport=transport)
    with contextlib.suppress(venue.root):
        await venue.call(made)
    await close(made)
    assert transport.asked
    assert all(url.startswith(f"https://{NAME}") for url in transport.asked)


def test_a_blocking_client_takes_a_blocking_transport() -> None:
    asked = []

    class Blocking(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            return httpx2.Response(200, json={"api_version": "7"})

    with STX(host=f"https://{NAME}", user=User.new(), http_transport=Blocking()) as client:
        assert client.api_version() == "7"
    assert asked == ["/api_version"]
    with pytest.raises(ConfigurationError, match=r"^http_transport="):
        STX(host=f"https://{NAME}", user=User.new(), http_transport=Answering())


@each
@both_kinds
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("proxy", "ftp://h:ush@proxy.test"),
        ("proxy", 8080),
        ("ssl", True),
        ("http_transport", "httpx"),
        ("max_size", 0),
        ("max_size", "1"),
        ("connector", "fast"),
        ("no_such_argument", 1),
    ],
)
async def test_a_wrong_one_is_named(venue: OneVenue, kind: str, argument: str, value: Any) -> None:
    if kind == "calling" and argument in ("max_size", "connector"):
        return
    with pytest.raises(venue.refusal) as refused:
        made_for(venue, kind, **{argument: value})
    assert refused.value.argument in (argument, "argument")
    assert "ush@" not in str(refused.value)
