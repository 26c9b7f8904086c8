"""The venue's limits are kept for the user: channels, operations, connections, refusals, sockets without topics."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tapewire.errors import HandshakeRefused, SubscriptionRefused
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.weex import WEEXInvalidArgument
from tapewire.venues.weex.limits import CHANNELS_PER_CONNECTION, OPERATIONS_PER_HOUR
from tests.venues.weex.weex_peer import Heard, WeexPeer, make_client, weex_line


def operations(peer: WeexPeer) -> Counter[int]:
    """Requests that count, by connection."""
    return Counter(
        number for number, frame in peer.frames if frame.get("method") in ("SUBSCRIBE", "UNSUBSCRIBE")
    )


async def test_streams_that_come_and_go_all_hour_stay_within_the_operations(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        steady = Heard.with_marks(client.stream_trades, "BTCUSDT")
        await peer.has("BTCUSDT@trade")
        for number in range(400):
            heard = Heard(client.stream_tickers(["BTCUSDT"]))
            await asyncio.sleep(2)
            peer.tick("BTCUSDT", str(number + 1))
            await heard.until(1)
            await heard.stop()
            await asyncio.sleep(3)
        assert max(operations(peer).values()) <= OPERATIONS_PER_HOUR
        peer.trade("BTCUSDT")
        await steady.until(1)
        assert steady.stream.marks == 0
        await steady.stop()


async def test_a_book_that_breaks_all_hour_stays_within_the_operations(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT")
        await heard.until(1)
        for _ in range(90):
            peer.lose("BTCUSDT")
            peer.move("BTCUSDT")
            await asyncio.sleep(39)
        assert operations(peer)[1] <= OPERATIONS_PER_HOUR
        peer.move("BTCUSDT")
        await asyncio.sleep(40)
        assert heard[-1].sequence == peer.books["BTCUSDT", 15].u
        await heard.stop()


async def test_a_venue_that_answers_no_subscription_is_not_asked_without_end(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(30)]
    async with weex_line(clock, *symbols) as (client, peer):
        peer.sandbox.inject("ignore_join", times=10_000)
        heard = [Heard(client.stream_tickers([symbol])) for symbol in symbols]
        await asyncio.sleep(3600)
        assert max(operations(peer).values()) < OPERATIONS_PER_HOUR
        peer.sandbox.lift("ignore_join")
        await asyncio.sleep(120)
        for symbol in symbols:
            peer.tick(symbol)
        await asyncio.sleep(1)
        assert [len(each) for each in heard] == [1] * 30
        for each in heard:
            await each.stop()


async def test_a_socket_that_answers_nothing_stops_no_stream_begun_later(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.sandbox.inject("ignore_join", times=10_000)
        for _ in range(8):
            heard = Heard(client.stream_tickers(["BTCUSDT"]))
            await asyncio.sleep(30)
            await heard.stop()
        peer.sandbox.lift("ignore_join")
        heard = Heard(client.stream_tickers(["ETHUSDT"]))
        await asyncio.sleep(30)
        peer.tick("ETHUSDT")
        await heard.until(1)
        await heard.stop()


async def test_a_socket_used_again_and_again_is_kept(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        for _ in range(60):
            heard = Heard(client.stream_tickers(["BTCUSDT"]))
            await peer.has("BTCUSDT@ticker")
            await heard.stop()
            await asyncio.sleep(5)
        assert len(peer.connections) == 1


async def test_a_line_that_is_cut_at_once_each_time_burns_no_budget_of_connections(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_tickers(["BTCUSDT"]))
        cut = 0
        started = clock.monotonic()
        while clock.monotonic() - started < 300:
            await peer.until(lambda: len(peer.open))
            peer.drop()
            cut += 1
            await asyncio.sleep(0)
        assert 10 < cut < 100  # back-off goes on, for no connection lasted
        await heard.stop()


async def test_each_socket_holds_a_hundred_channels_and_no_more(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(250)]
    async with weex_line(clock, *symbols) as (client, peer):
        heard = [Heard(client.stream_tickers([symbol])) for symbol in symbols]
        await peer.has("S249USDT@ticker")
        assert [len(connection.topics) for connection in peer.connections] == [100, 100, 50]
        assert max(operations(peer).values()) < 5  # many topics in one request
        for each in heard:
            await each.stop()


async def test_more_topics_than_all_sockets_hold_are_refused_whole(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(CHANNELS_PER_CONNECTION + 1)]
    async with weex_line(clock, *symbols, config={"max_connections": 2}) as (client, peer):
        stream = client.stream_tickers(symbols)
        with pytest.raises(WEEXInvalidArgument, match=r"^max_connections=1 .*S100USDT@ticker"):
            aiter(stream)
        await asyncio.sleep(1)
        assert client._streams == {}
        assert [list(connection.topics) for connection in peer.connections] == [[]]
        heard = Heard(client.stream_tickers(symbols[:100]))
        await peer.has("S99USDT@ticker")
        await heard.stop()


async def test_a_refused_topic_is_never_asked_again_not_even_on_a_new_connection(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        good = Heard(client.stream_tickers(["BTCUSDT"]))
        with pytest.raises(SubscriptionRefused):
            await Heard(client.stream_tickers(["NOPEUSDT"])).until(1)
        for _ in range(3):
            peer.drop()
            await peer.has("BTCUSDT@ticker")
            await asyncio.sleep(60)
        assert sum("NOPEUSDT@ticker" in topics for topics in peer.asked()) == 1
        assert sum(connection.refusals for connection in peer.connections) == 1
        await good.stop()


async def test_a_key_refused_again_and_again_needs_no_more_than_its_places(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer)
        for _ in range(30):
            network.refuse(401, times=2)
            with pytest.raises(HandshakeRefused):
                await Heard(client.stream_orders()).until(1)
            await asyncio.sleep(1)
        heard = Heard(client.stream_orders())
        await peer.has("orders")
        await heard.stop()
        await client.disconnect()


# --- nothing is left behind -------------------------------------------------------------------------------------------


async def test_a_task_cancelled_in_the_body_of_its_loop_leaves_nothing_behind(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        arrived = asyncio.Event()

        async def work() -> None:
            async for _ in client.stream_order_book("BTCUSDT"):
                arrived.set()
                await asyncio.sleep(3600)

        task = asyncio.create_task(work())
        await arrived.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        del task
        await peer.left("BTCUSDT@depth15")
        assert (client._streams, client._feeds) == ({}, {})


async def test_a_stream_cancelled_while_its_socket_is_opening_leaves_nothing_behind(
    clock: VirtualClock,
) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer)
        network.unreachable(times=3)
        heard = Heard(client.stream_orders())
        await asyncio.sleep(0.1)
        await heard.stop()
        await asyncio.sleep(60)
        assert peer.asked() == []
        assert peer.open == []
        assert client._streams == {}
        await client.disconnect()


async def test_a_stream_that_was_never_iterated_asks_for_nothing(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT"])
        await asyncio.sleep(1)
        assert peer.asked() == []
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.stream_trades("BTCUSDT", policy="conflate"),
        lambda client: client.stream_klines("BTCUSDT", policy="conflate"),
        lambda client: client.stream_orders(policy="conflate"),
        lambda client: client.stream_positions(policy="conflate"),
    ],
)
async def test_what_is_no_full_replacement_is_not_conflated(clock: VirtualClock, make: Any) -> None:
    async with weex_line(clock) as (client, _):
        with pytest.raises(WEEXInvalidArgument, match=r"^policy="):
            make(client)
