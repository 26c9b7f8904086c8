"""A client belongs to the event loop of its first call; on another one every call says so, and none waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tapewire.clock import SystemClock
from tapewire.errors import WrongLoop
from tapewire.testing.peer import PhoenixPeer
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import StakeWebSocket
from tapewire.venues.stx import Channels, STXWebSocket
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient
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
    async with WeexPeer(network) as peer:
        config = WeexConfig(host=f"http://127.0.0.1:{next_port()}")
        client = WeexWebSocketClient(config, connector=network, clock=SystemClock(), http_transport=peer.http)
        await client.connect()
        client.kept = client.stream_tickers(["BTCUSDT"])  # type: ignore[attr-defined]
        await client.kept.confirmed()  # type: ignore[attr-defined]
        return client


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
    (stake, lambda ws: ws.reconnect()),
    (stake, lambda ws: ws.close()),
    (weex, lambda client: client.connect()),
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
