"""A client belongs to the event loop of its first call; on another one every call says so, and none waits for ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.clock import SystemClock
from tapewire.errors import WrongLoop
from tapewire.sandbox import Sandbox
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import StakeWebSocket
from tapewire.venues.stx import Channels, STXWebSocket
from tapewire.venues.sxbet import SXBetClient, SXBetError
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
from tests.venues.kit.one_of_each import VENUES, OneVenue
from tests.venues.stx.stx_line import HOST, signed_in
from tests.venues.weex.weex_peer import WeexPeer, next_port

Call = Callable[[Any], Any]


async def stx() -> Any:
    network = MemoryNetwork()
    async with PhoenixPeer(network):
        ws = STXWebSocket(host=HOST, connector=network, user=signed_in())
        await ws.connect()
        ws.kept = await ws.join(Channels.MARKETS)  # type: ignore[attr-defined]
        return ws


async def stake() -> Any:
    network = MemoryNetwork()
    ws = StakeWebSocket("a token", base_url="http://127.0.0.1:4000", connector=network)
    opening = asyncio.ensure_future(ws.open())
    await network.accept()
    await opening
    return ws


async def weex() -> Any:
    network = MemoryNetwork()
    async with WeexPeer(network, SystemClock()) as peer:
        config = WeexConfig(host=f"http://127.0.0.1:{next_port()}")
        client = WeexWebSocketClient(config, connector=network, clock=SystemClock(), http_transport=peer.http)
        await client.connect()
        client.kept = client.stream_tickers(["BTCUSDT"])  # type: ignore[attr-defined]
        await client.kept.confirmed()  # type: ignore[attr-defined]
        return client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One in a thread of its own, for clients of several event loops."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    played = Sandbox(rate=20)
    asyncio.run_coroutine_threadsafe(played.__aenter__(), loop).result()
    yield played
    asyncio.run_coroutine_threadsafe(played.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def each(stream: Any) -> None:
    async for _ in stream:
        raise AssertionError("nothing was sent")


CALLS: list[tuple[Callable[[], Awaitable[Any]], Call]] = [
    (stx, lambda ws: ws.connect()),
    (stx, lambda ws: ws.join(Channels.MARKETS)),
    (stx, lambda ws: ws.leave(Channels.MARKETS)),
    (stx, lambda ws: ws.push(Channels.MARKETS, "ping")),
    (stx, lambda ws: ws.request(Channels.MARKETS, "ping")),
    (stx, lambda ws: ws.run_forever()),
    (stx, lambda ws: ws.reconnect()),
    (stx, lambda ws: ws.close()),
    (stx, lambda ws: ws.__aenter__()),
    (stake, lambda ws: ws.connect()),
    (stake, lambda ws: ws.open()),
    (stake, lambda ws: ws.subscribe("bets")),
    (stake, lambda ws: ws.unsubscribe("bets")),
    (stake, lambda ws: ws.watch("bets")),
    (stake, lambda ws: ws.run_forever()),
    (stake, lambda ws: ws.reconnect()),
    (stake, lambda ws: ws.close()),
    (weex, lambda client: client.connect()),
    (weex, lambda client: client.run_forever()),
    (weex, lambda client: client.reconnect()),
    (weex, lambda client: each(client.stream_tickers(["BTCUSDT"]))),
    (weex, lambda client: client.stream_tickers(["BTCUSDT"]).confirmed()),
    (weex, lambda client: each(client.kept)),
    (weex, lambda client: anext(client.kept)),
    (weex, lambda client: client.kept.confirmed()),
    (weex, lambda client: client.kept.aclose()),
    (weex, lambda client: client.disconnect()),
]


async def called(call: Call, client: Any) -> None:
    result = call(client)
    if result is not None:
        await asyncio.wait_for(result, 5)


@pytest.mark.parametrize(("make", "call"), CALLS)
def test_a_client_used_in_a_second_run_says_so_at_its_first_call(
    make: Callable[[], Awaitable[Any]], call: Call
) -> None:
    client = asyncio.run(make())  # type: ignore[arg-type]
    with pytest.raises(WrongLoop, match="belongs to another event loop"):
        asyncio.run(called(call, client))


@pytest.mark.parametrize(("make", "call"), CALLS)
def test_a_client_used_in_another_thread_says_so(make: Callable[[], Awaitable[Any]], call: Call) -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        client = await make()

        def elsewhere() -> None:
            try:
                asyncio.run(called(call, client))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert client.is_connected or make is not weex  # and here it goes on

    asyncio.run(main())
    assert [isinstance(error, WrongLoop) for error in errors] == [True]


def test_a_stake_socket_that_was_closed_may_be_opened_on_another_loop() -> None:
    """Its line is made anew each time."""

    class Network:
        async def connect(self, endpoint: Any, receiver: Any) -> Any:
            return await networks[-1].connect(endpoint, receiver)

    networks: list[MemoryNetwork] = []
    ws = StakeWebSocket("a token", base_url="http://127.0.0.1:4000", connector=Network())

    async def once() -> None:
        networks.append(MemoryNetwork())
        opening = asyncio.ensure_future(ws.open())
        await networks[-1].accept()
        await opening
        assert ws.is_connected
        await ws.close()

    for _ in range(2):
        asyncio.run(once())


@pytest.mark.parametrize("venue", VENUES, ids=str)
def test_calls_over_http_belong_to_the_loop_of_the_first_one(venue: OneVenue, sandbox: Sandbox) -> None:
    client = venue.calling(**({venue.host: sandbox.url} | dict(venue.of_the_sandbox)))
    asyncio.run(called(venue.call, client))
    for _ in range(2):
        with pytest.raises(WrongLoop, match="belongs to another event loop") as wrong:
            asyncio.run(called(venue.call, client))
        assert isinstance(wrong.value, venue.root)


SXBET_CALLS: list[Call] = [
    lambda c: c.connect(),
    lambda c: c.run_forever(),
    lambda c: c.reconnect(),
    lambda c: c.new_subscription("recent_trades:other").subscribe(),
    lambda c: c.channel.ready(),
    lambda c: c.channel.history(1),
    lambda c: c.channel.unsubscribe(),
    lambda c: anext(aiter(c.channel)),
    lambda c: anext(c.watch_markets()),
    lambda c: anext(c.stream),
    lambda c: c.stream.aclose(),
    lambda c: c.http.realtime_token(),
    lambda c: c.disconnect(),
]


@pytest.mark.parametrize("call", SXBET_CALLS)
def test_so_does_the_realtime_client_with_what_it_gave(call: Call, sandbox: Sandbox) -> None:
    async def made() -> Any:
        client: Any = SXBetClient(host=sandbox.url, api_key="sandbox-sxbet-key")
        await client.connect()
        channel = client.new_subscription("recent_trades:global", positioned=True, recoverable=True)
        await channel.ready()
        client.channel, client.stream = channel, client.watch_trades()
        await anext(client.stream)
        return client

    client = asyncio.run(made())
    with pytest.raises(WrongLoop, match="belongs to another event loop") as wrong:
        asyncio.run(called(call, client))
    assert isinstance(wrong.value, SXBetError)


FORKED = """
import os, sys
from tapewire.venues.stx import STX

client = STX(host=sys.argv[1], email="ann@example.com", password="a-password")
warm = client.user_profile()
assert warm["id"] if "id" in warm else warm
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if all(client.user_profile() == warm for _ in range(3)) else 2
        finally:
            os._exit(code)
    children.append(child)
    assert client.user_profile() == warm
codes = [os.waitpid(child, 0)[1] for child in children]
assert not any(codes), codes
assert client.user_profile() == warm
"""


IN_FLIGHT = """
import os, sys, threading
from datetime import UTC, datetime
from tapewire.venues.stx import STX, User

user = User.new()
client = STX(host=sys.argv[1], email="ann@example.com", password="a-password", user=user)
thread = threading.Thread(target=user.board, args=(client.origin, datetime.now(UTC), None), kwargs={"blocking": True})
thread.start()
thread.join()  # somebody else is signing in here, while a child is made
child = os.fork()
if child == 0:
    code = 1
    try:
        code = 0 if client.user_profile() else 2
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("program", [FORKED, IN_FLIGHT], ids=["warm", "while signing in"])
def test_a_warm_blocking_client_is_the_same_in_forked_children(
    program: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, sandbox.url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
