"""The documented client: iterators that share sockets and subscriptions, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import (
    BufferOverflow,
    GaveUp,
    HandshakeRefused,
    NeverConnected,
    SessionClosed,
    SubscriptionRefused,
)
from tapewire.marks import Gap, Lagged, is_mark
from tapewire.retry import RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.weex import WeexConfig, WEEXError, WEEXInvalidArgument, WeexWebSocketClient
from tests.session.slow_consumers import HOPS, Stalls
from tests.venues.weex.weex_peer import Heard, WeexPeer, make_client, weex_line, without


async def test_a_ticker_has_the_names_that_the_document_reads(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_tickers(["BTCUSDT"]))
        await peer.has("BTCUSDT@ticker")
        peer.tick("BTCUSDT")
        await heard.until(1)
        (message,) = heard
        assert message.timestamp == 1790134568.308
        assert message.data["last"] == Decimal("86645.2")
        assert message.data["volume"] == Decimal("27024.8956")
        assert message.data["change"] == Decimal("1.2475")
        assert message.symbol == "BTCUSDT"
        assert b'"c": "86645.2"' in message.raw
        assert message.received_at_ns == clock.time_ns()
        await heard.stop()


async def test_is_connected_works_as_a_value_and_as_a_method(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer)
        assert not client.is_connected
        assert client.is_connected() is False
        async with client:
            assert client.is_connected
            assert client.is_connected() is True
            assert repr(client.is_connected) == "True"
        assert not client.is_connected()


async def test_many_symbols_come_in_one_stream_and_are_asked_for_in_one_request(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(40)]
    async with weex_line(clock, *symbols) as (client, peer):
        heard = Heard(client.stream_tickers(symbols))
        await peer.has("S39USDT@ticker")
        for symbol in symbols:
            peer.tick(symbol)
        await heard.until(40)
        assert [message.symbol for message in heard] == symbols
        assert len(peer.asked()) == 1
        await heard.stop()


async def test_streams_of_the_same_symbol_share_one_subscription(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        first, second = (
            Heard(client.stream_tickers(["BTCUSDT"])),
            Heard(client.stream_tickers(["BTCUSDT", "ETHUSDT"])),
        )
        await peer.has("BTCUSDT@ticker")
        await peer.has("ETHUSDT@ticker")
        assert sorted(topic for topics in peer.asked() for topic in topics) == [
            "BTCUSDT@ticker",
            "ETHUSDT@ticker",
        ]
        peer.tick("BTCUSDT")
        await first.until(1)
        await second.until(1)
        await first.stop()
        peer.tick("BTCUSDT")
        await second.until(2)
        assert peer.asked("UNSUBSCRIBE") == []
        await second.stop()
        await peer.left("BTCUSDT@ticker")
        assert len(peer.connections) == 1


async def test_a_topic_beyond_a_hundred_opens_another_connection(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(130)]
    async with weex_line(clock, *symbols) as (client, peer):
        heard = Heard(client.stream_tickers(symbols))
        await peer.has("S129USDT@ticker")
        assert [len(connection.topics) for connection in peer.connections] == [100, 30]
        await heard.stop()


async def test_a_plain_loop_body_slower_than_the_feed_never_keeps_the_loop_for_long(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock) as (client, peer), Stalls(clock) as stalls:
        stream = client.stream_trades("BTCUSDT")  # its first frame is a snapshot, of which nothing is new
        await stream.confirmed()
        for _ in range(40):
            peer.trade("BTCUSDT")
        taken = 0
        async for _ in stream:
            clock.suspend(0.06)
            taken += 1
            if taken == 30:
                break
        await asyncio.sleep(0.05)
        assert stalls.longest < 0.06 * HOPS + 0.01


async def test_leaving_the_loop_unsubscribes(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        asyncio.get_running_loop().call_later(1, peer.tick, "BTCUSDT")
        async for _ in client.stream_tickers(["BTCUSDT"]):
            break
        gc.collect()
        await peer.left("BTCUSDT@ticker")
        assert client._streams == {}


async def test_a_cancelled_iteration_leaves_nothing_behind(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT"])
        heard = Heard(stream)
        await peer.has("BTCUSDT@ticker")
        await heard.stop()
        await peer.left("BTCUSDT@ticker")
        assert client._streams == {}
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_stream_cancelled_before_the_answer_leaves_nothing_behind(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_tickers(["BTCUSDT"]))
        await asyncio.sleep(0)
        await heard.stop()
        await asyncio.sleep(1)
        assert peer.connections[0].topics == {}


async def test_a_refused_symbol_ends_its_stream_and_no_other(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        good = Heard(client.stream_tickers(["BTCUSDT"]))
        bad = Heard(client.stream_tickers(["ETHUSDT", "NOPEUSDT"]))
        with pytest.raises(SubscriptionRefused, match=r"NOPEUSDT@ticker: refused: .*invalid symbol"):
            await bad.until(1)
        peer.tick("BTCUSDT")
        await good.until(1)
        await asyncio.sleep(60)
        assert sum("NOPEUSDT@ticker" in topics for topics in peer.asked()) == 1
        assert list(peer.open[0].topics) == ["BTCUSDT@ticker"]
        await good.stop()


async def test_a_dozen_wrong_symbols_never_close_a_connection(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        good = Heard(client.stream_tickers(["BTCUSDT"]))
        await peer.has("BTCUSDT@ticker")
        for number in range(12):
            with pytest.raises(SubscriptionRefused):
                await Heard(client.stream_tickers([f"NOPE{number}USDT"])).until(1)
        assert max(connection.refusals for connection in peer.connections) == 5
        peer.tick("BTCUSDT")
        await good.until(1)
        assert len(peer.connections) == 3
        assert good.stream.marks == 0
        await good.stop()


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.stream_tickers(["BTCUSDT", "ETHUSDT"]),
        lambda client: client.stream_order_book("BTCUSDT"),
        lambda client: client.stream_orders(),
        lambda client: client.stream_positions(),
    ],
)
async def test_a_stream_can_be_waited_for_until_the_venue_serves_it(clock: VirtualClock, make: Any) -> None:
    async with weex_line(clock) as (client, peer):
        peer.network.to_client.delay = 0.2
        stream = make(client)
        await stream.confirmed()
        served = {topic for connection in peer.open for topic in connection.topics}
        assert served
        assert served == {topic for topics in peer.asked() for topic in topics}
        await stream.confirmed()
        await stream.aclose()
        with pytest.raises(SessionClosed, match="left"):
            await stream.confirmed()


async def test_waiting_for_a_stream_raises_what_refused_it(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, _):
        stream = client.stream_tickers(["BTCUSDT", "NOPEUSDT"])
        with pytest.raises(SubscriptionRefused, match="NOPEUSDT"):
            await stream.confirmed()
        with pytest.raises(SubscriptionRefused, match="NOPEUSDT"):
            await anext(stream)


async def test_a_frame_of_many_rows_gives_a_message_for_each(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_trades("BTCUSDT"))
        await peer.has("BTCUSDT@trade")
        peer.trade("BTCUSDT", 3)
        await heard.until(3)
        assert [message.data["side"] for message in heard] == ["buy", "sell", "buy"]
        assert [message.data["price"] for message in heard] == [Decimal("10.5")] * 3
        assert heard[1].timestamp == 1790134568.002
        await heard.stop()


async def test_trades_of_before_are_skipped_and_missed_ones_come_behind_the_gap(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.altered = without("tradeSnapshot")
        heard = Heard.with_marks(client.stream_trades, "BTCUSDT")
        await peer.has("BTCUSDT@trade")

        def snapshot(*numbers: int) -> dict[str, Any]:
            rows = [
                {"T": 1790134568000 + n, "t": f"id-{n}", "p": "1", "q": "1", "v": "1", "m": False}
                for n in numbers
            ]
            return {"e": "tradeSnapshot", "E": 1790134568009, "s": "BTCUSDT", "d": rows}

        peer.send("BTCUSDT@trade", snapshot(3, 2, 1))
        peer.send("BTCUSDT@trade", snapshot(4) | {"e": "trade"})
        await heard.until(1)
        peer.drop()
        await peer.until(lambda: len(peer.connections) == 2 and peer.connections[1].topics)
        peer.send("BTCUSDT@trade", snapshot(6, 5, 4, 3, 2, 1))
        await heard.until(4)
        ids = [type(item).__name__ if is_mark(item) else item.data["id"] for item in heard]
        assert ids == ["id-4", "Gap", "id-5", "id-6"]
        await heard.stop()


async def test_a_trade_that_comes_twice_is_delivered_once(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.altered = without("tradeSnapshot")
        heard = Heard(client.stream_trades("BTCUSDT"))
        await peer.has("BTCUSDT@trade")

        def frame(kind: str, *numbers: int) -> dict[str, Any]:
            rows = [
                {"T": 1790134568000, "t": f"id-{n}", "p": "1", "q": "1", "v": "1", "m": False}
                for n in numbers
            ]
            return {"e": kind, "E": 1790134568009, "s": "BTCUSDT", "d": rows}

        peer.send("BTCUSDT@trade", frame("tradeSnapshot", 2, 1))
        peer.send("BTCUSDT@trade", frame("trade", 2, 3))
        peer.send("BTCUSDT@trade", frame("tradeSnapshot", 6, 5, 4, 3, 2, 1))  # all of one millisecond
        peer.send("BTCUSDT@trade", frame("trade", 6, 7))
        await heard.until(5)
        await asyncio.sleep(1)
        assert [message.data["id"] for message in heard] == ["id-3", "id-4", "id-5", "id-6", "id-7"]
        await heard.stop()


async def test_a_corrupt_trade_is_a_gap_before_the_one_that_came_with_it(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.altered = without("tradeSnapshot")
        heard = Heard.with_marks(client.stream_trades, "BTCUSDT")
        await peer.has("BTCUSDT@trade")
        whole = {"T": 1790134568000, "t": "id-1", "p": "1", "q": "1", "v": "1", "m": False}
        corrupt = whole | {"t": "id-2", "p": "one"}
        for rows in ([whole, corrupt], [corrupt, whole | {"t": "id-3"}]):
            peer.send("BTCUSDT@trade", {"e": "trade", "E": 1790134568009, "s": "BTCUSDT", "d": rows})
        await heard.until(4)
        assert [item.reason if is_mark(item) else item.data["id"] for item in heard] == [
            *("undecodable", "id-1", "undecodable", "id-3"),
        ]
        await heard.stop()


async def test_a_lost_line_is_a_mark_or_a_line_in_the_log(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with weex_line(clock) as (client, peer):
        told = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        untold = Heard(client.stream_tickers(["BTCUSDT"]))
        await peer.has("BTCUSDT@ticker")
        peer.tick("BTCUSDT")
        await untold.until(1)
        peer.drop()
        await peer.has("BTCUSDT@ticker")
        peer.tick("BTCUSDT")
        await told.until(3)
        await untold.until(2)
        assert isinstance(told[1], Gap)
        assert "BTCUSDT@ticker" in told[1].detail
        assert untold.stream.unseen_marks == 1
        assert "gap (connection lost; BTCUSDT@ticker" in caplog.text
        await told.stop()
        await untold.stop()


async def test_a_slow_consumer_loses_the_oldest_and_is_told(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        told: list[Any] = []
        stream = client.stream_tickers(["BTCUSDT"], capacity=2, on_mark=told.append)
        aiter(stream)
        await peer.has("BTCUSDT@ticker")
        for number in range(5):
            peer.tick("BTCUSDT", str(number + 1))
        await asyncio.sleep(1)
        assert (await anext(stream)).data["last"] == 4
        assert told == [Lagged(dropped=3)]
        assert (await anext(stream)).data["last"] == 5
        await stream.aclose()


async def test_conflation_keeps_the_newest_of_each_symbol(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_tickers(["BTCUSDT", "ETHUSDT"], policy="conflate")
        aiter(stream)
        await peer.has("ETHUSDT@ticker")
        for number in range(5):
            peer.tick("BTCUSDT", str(number + 1))
            peer.tick("ETHUSDT", str(number + 11))
        await asyncio.sleep(1)
        assert [(await anext(stream)).data["last"] for _ in range(2)] == [5, 15]
        await stream.aclose()


async def test_a_corrupt_row_is_a_mark_in_its_place(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_tickers, ["BTCUSDT"])
        await peer.has("BTCUSDT@ticker")
        peer.tick("BTCUSDT", "NaN")
        peer.tick("BTCUSDT", "5")
        await heard.until(2)
        assert heard[0].reason == "undecodable"
        assert heard[1].data["last"] == 5
        await heard.stop()


async def test_a_socket_without_topics_is_closed_by_us_and_opened_when_needed(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        await asyncio.sleep(50)
        assert peer.open == []
        assert peer.connections[0].link.ended.code == 1000
        assert client.is_connected
        heard = Heard(client.stream_tickers(["BTCUSDT"]))
        await peer.has("BTCUSDT@ticker")
        await asyncio.sleep(600)
        assert len(peer.connections) == 2
        assert heard.stream.marks == 0
        await heard.stop()


async def test_run_forever_outlives_idle_sockets_and_hears_of_those_made_since(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        running = asyncio.ensure_future(client.run_forever())
        for _ in range(3):
            await asyncio.sleep(60)
            assert peer.open == []
            heard = Heard(client.stream_tickers(["BTCUSDT"]))
            await peer.has("BTCUSDT@ticker")
            await heard.stop()
        assert not running.done()
        orders = Heard(client.stream_orders())
        await orders.stream.confirmed()
        peer.network.refuse(403)
        peer.drop()
        with pytest.raises(HandshakeRefused) as caught:
            await asyncio.wait_for(running, 60)
        assert isinstance(caught.value, WEEXError)
        await orders.stop()


async def test_run_forever_raises_what_refused_or_overflowed_a_stream(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_tickers(["NOPEUSDT"]))
        with pytest.raises(SubscriptionRefused, match="NOPEUSDT"):
            await asyncio.wait_for(client.run_forever(), 60)
        await heard.stop()
    async with weex_line(clock) as (client, peer):
        slow = client.stream_tickers(["BTCUSDT"], policy="fail", capacity=1)
        await slow.confirmed()
        peer.tick("BTCUSDT", "1")
        peer.tick("BTCUSDT", "2")
        with pytest.raises(BufferOverflow):
            await asyncio.wait_for(client.run_forever(), 60)
        await slow.aclose()


async def test_sockets_opened_and_left_for_a_day_hold_no_place(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        for number in range(1, 30):
            heard = Heard(client.stream_tickers(["BTCUSDT"]))
            await peer.has("BTCUSDT@ticker")
            await heard.stop()
            await asyncio.sleep(100)
            assert peer.open == []
            assert len(peer.connections) == number if number == 1 else len(peer.connections) <= number + 1
        assert len(client.statistics().sessions) == 1


async def test_connections_stay_within_the_budget_of_the_address(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    network.unreachable(times=2_000)
    peer = WeexPeer(network, clock)
    address = {"host": "http://127.0.0.1:3999"}
    clients = [make_client(clock, network, peer, config=address, connect_timeout=None) for _ in range(20)]
    connecting = [asyncio.create_task(client.connect()) for client in clients]
    await asyncio.sleep(300)
    assert 200 < network.attempts <= 300
    for task in connecting:
        task.cancel()
    await asyncio.gather(*connecting, return_exceptions=True)
    for client in clients:
        await client.disconnect()


async def test_disconnecting_ends_every_stream_and_leaves_its_topics(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = [Heard(client.stream_tickers(["BTCUSDT"])), Heard(client.stream_order_book("BTCUSDT"))]
        await peer.has("BTCUSDT@ticker")
        await heard[1].until(1)
        await client.disconnect()
        await asyncio.gather(*(each.task for each in heard))
        assert sorted(topic for topics in peer.asked("UNSUBSCRIBE") for topic in topics) == [
            "BTCUSDT@depth15",
            "BTCUSDT@ticker",
        ]
        with pytest.raises(SessionClosed):
            client.stream_tickers(["BTCUSDT"])
        await client.disconnect()


async def test_a_line_that_is_refused_for_good_is_raised_by_connect(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    network.refuse(403)
    async with WeexPeer(network, clock) as peer:
        with pytest.raises(HandshakeRefused):
            async with make_client(clock, network, peer):
                raise AssertionError("connected")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda client: client.stream_tickers([]), "symbols"),
        (lambda client: client.stream_tickers("BTCUSDT"), "symbols"),
        (lambda client: client.stream_tickers(["BTC/USDT"]), "symbols"),
        (lambda client: client.stream_trades(""), "symbol"),
        (lambda client: client.stream_order_book("BTCUSDT", level=500), "level"),
        (lambda client: client.stream_order_book("BTCUSDT", level=0), "level"),
        (lambda client: client.stream_klines("BTCUSDT", "7m"), "interval"),
        (lambda client: client.stream_trades("BTCUSDT", policy="block"), "policy"),
        (lambda client: client.stream_trades("BTCUSDT", colour="red"), "delivery"),
        (lambda client: client.stream_trades("BTCUSDT", marks=True), "delivery"),
        (lambda client: client.stream_trades("BTCUSDT", announce=True), "announce"),
    ],
)
def test_wrong_arguments_are_named_at_once(call: Any, named: str) -> None:
    client = WeexWebSocketClient(WeexConfig())
    with pytest.raises(WEEXInvalidArgument, match=f"^{named}="):
        call(client)


@pytest.mark.parametrize("how", ["gave up", "idle"])
async def test_connecting_again_when_no_socket_is_left_opens_another(clock: VirtualClock, how: str) -> None:
    retry = RetryPolicy(2, 0.1, jitter=False)
    async with weex_line(clock, retry=retry) as (client, peer):
        await asyncio.sleep(15)
        if how == "gave up":
            peer.network.unreachable(times=2)
            peer.drop()
        await asyncio.sleep(1 if how == "gave up" else 60)
        assert peer.open == []
        assert bool(client.is_connected) is (how == "idle")  # then none is needed
        if how == "gave up":
            await asyncio.sleep(20)
            assert not client.is_connected
        await client.connect()
        assert len(peer.open) == 1
        assert client.is_connected


async def test_a_connect_that_gave_up_can_be_repeated_but_not_behind_the_end(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer, retry=RetryPolicy(2, 0.1, jitter=False))
        network.unreachable(times=2)
        with pytest.raises(GaveUp):
            await client.connect()
        await client.connect()
        assert client.is_connected
        await client.disconnect()
        with pytest.raises(SessionClosed, match="make a new one"):
            await client.connect()


async def test_the_pages_robust_client_sees_why_while_the_server_is_down(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    network.unreachable(times=100_000)
    peer = WeexPeer(network, clock)
    errors: list[Exception] = []
    started = clock.monotonic()
    for _ in range(2):
        try:
            async with make_client(clock, network, peer) as client:
                async for _ticker in client.stream_tickers(["BTCUSDT"]):
                    pass
        except Exception as error:
            errors.append(error)
    assert len(errors) == 2
    assert all(isinstance(error, NeverConnected) and isinstance(error, WEEXError) for error in errors)
    assert clock.monotonic() - started == pytest.approx(60, abs=2)
