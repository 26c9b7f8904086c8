"""The streams of an account: signed for each connection, completed with what the wire leaves out, never dropped."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from typing import Any

import pytest

from tapewire.errors import BufferOverflow, HandshakeRefused
from tapewire.marks import is_mark
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.weex import WEEXAuthenticationError, WeexConfig, WeexWebSocketClient
from tests.venues.in_memory import answered
from tests.venues.weex.weex_peer import KEY, Heard, WeexPeer, make_client, weex_line


def test_private_streams_need_a_key() -> None:
    client = WeexWebSocketClient(WeexConfig())
    for stream in (client.stream_account, client.stream_orders, client.stream_positions, client.stream_fills):
        with pytest.raises(WEEXAuthenticationError, match="WEEX_API_KEY"):
            stream()


def private(peer: WeexPeer) -> list[Any]:
    return [connection for connection in peer.connections if connection.path.endswith("private")]


async def test_the_private_socket_is_signed_anew_for_every_connection(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        assert private(peer) == []
        heard = Heard(client.stream_orders())
        await peer.has("orders")
        await asyncio.sleep(20)
        private(peer)[0].link.abort()
        await peer.until(lambda: len(private(peer)) == 2)
        stamps = []
        for connection in private(peer):
            headers = connection.link.endpoint.headers
            stamps.append(int(headers["ACCESS-TIMESTAMP"]))
            signed = f"{headers['ACCESS-TIMESTAMP']}/v3/ws/private".encode()
            expected = base64.b64encode(
                hmac.digest(KEY.secret.reveal().encode(), signed, hashlib.sha256)
            ).decode()
            assert headers["ACCESS-SIGN"] == expected
            assert (headers["ACCESS-KEY"], headers["ACCESS-PASSPHRASE"]) == (KEY.key, KEY.passphrase.reveal())
            assert KEY.secret.reveal() not in repr(connection.link.endpoint)
        assert stamps[1] - stamps[0] > 19_000
        await heard.stop()


async def test_the_signature_is_made_by_the_venues_clock(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        ahead = 90_000
        peer.sandbox.inject("skew", seconds=ahead / 1000)
        heard = Heard(client.stream_orders())
        await peer.has("orders")
        stamp = int(private(peer)[0].link.endpoint.headers["ACCESS-TIMESTAMP"])
        assert abs(stamp - clock.time_ns() // 1_000_000 - ahead) < 50
        await heard.stop()


async def test_a_refused_signature_is_tried_once_more_by_a_fresh_clock(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer)
        network.refuse(401, times=2)
        heard = Heard(client.stream_orders())
        with pytest.raises(HandshakeRefused):
            await heard.until(1)
        assert network.attempts == 2
        assert peer.http_paths().count("market/time") == 2
        await client.disconnect()


async def test_an_order_that_is_partly_filled_says_so(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_orders())
        await peer.has("orders")
        row = {
            "id": "7",
            "symbol": "BTCUSDT",
            "size": "2",
            "cumFillSize": "0",
            "status": "PENDING",
            "updatedTime": "1790134568000",
        }
        rows = [
            row,
            row | {"cumFillSize": "0.5", "cumFillValue": "50", "status": "NEW"},
            row | {"cumFillSize": "2", "cumFillValue": "200", "status": "FILLED"},
        ]
        peer.send("orders", {"e": "orders", "E": 1790134568001, "v": 9, "msgEvent": "OrderUpdate", "d": rows})
        await heard.until(3)
        assert [message.data["status"] for message in heard] == ["new", "partially_filled", "filled"]
        assert heard[1].data["average_price"] == 100
        assert (heard[0].data["order_id"], heard[0].timestamp, heard[0].sequence) == ("7", 1790134568.0, 9)
        await heard.stop()


async def test_positions_begin_with_the_state_and_have_their_profit_from_the_mark(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock) as (client, peer):
        state = [{"symbol": "ETHUSDT", "side": "LONG", "size": "1", "openValue": "90", "unrealizePnl": "10"}]
        peer.answer("account/position/allPosition", lambda request: answered(state))
        price = {"symbol": "BTCUSDT", "price": "110", "time": 1790134568000}
        peer.answer("market/symbolPrice", lambda request: answered(price))
        heard = Heard(client.stream_positions())
        await heard.until(1)
        assert (heard[0].symbol, heard[0].data["unrealized_pnl"]) == ("ETHUSDT", 10)
        await peer.has("ETHUSDT@ticker")
        row = {"symbol": "BTCUSDT", "side": "SHORT", "size": "2", "openValue": "250"}
        push = {"e": "positions", "E": 1790134569000, "v": 1, "msgEvent": "OrderUpdate", "d": [row]}
        peer.send("positions", push)
        await heard.until(2)
        assert (heard[1].data["mark"], heard[1].data["unrealized_pnl"]) == (110, 30)  # over HTTP
        await peer.has("BTCUSDT@ticker")
        peer.tick("BTCUSDT", m="130")
        await asyncio.sleep(1)
        peer.send("positions", push)
        await heard.until(3)
        assert heard[2].data["unrealized_pnl"] == -10  # by the ticker
        assert heard[2].data["side"] == "short"
        peer.send("positions", push | {"d": [row | {"size": "0", "openValue": "0"}]})
        await heard.until(4)
        assert heard[3].data["unrealized_pnl"] == 0
        await peer.left("BTCUSDT@ticker")
        await heard.stop()
        await peer.left("ETHUSDT@ticker")


async def test_positions_are_told_again_after_a_lost_line(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        state = [{"symbol": "ETHUSDT", "side": "LONG", "size": "1", "openValue": "90", "unrealizePnl": "10"}]
        peer.answer("account/position/allPosition", lambda request: answered(state))
        heard = Heard.with_marks(client.stream_positions)
        await heard.until(2)
        state[0] |= {"size": "3"}
        private(peer)[0].link.abort()
        await heard.until(5)
        kinds = [type(item).__name__ if is_mark(item) else item.data["size"] for item in heard]
        assert kinds == ["Resynced", 1, "Gap", "Resynced", 3]
        await heard.stop()


async def test_balances_say_what_is_available(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        told = {
            "asset": "USDT",
            "balance": "100",
            "availableBalance": "60",
            "frozen": "40",
            "unrealizePnl": "0",
        }
        peer.answer("account/balance", lambda request: answered([told]))
        heard = Heard(client.stream_account())
        await heard.until(1)
        assert [heard[0].data[name] for name in ("balance", "available", "frozen")] == [100, 60, 40]
        told |= {"balance": "90", "availableBalance": "50"}
        push = {
            "e": "account",
            "E": 1790134568001,
            "v": 1,
            "msgEvent": "x",
            "d": [{"coin": "USDT", "amount": "90"}],
        }
        peer.send("account", push)
        await heard.until(2)
        assert [heard[1].data[name] for name in ("balance", "available", "frozen")] == [90, 50, 40]
        spot = {"coin": "USDT", "equity": "7", "available": "5", "frozen": "2"}
        peer.send("account", push | {"d": [spot]})
        await heard.until(3)
        assert [heard[2].data[name] for name in ("balance", "available", "frozen")] == [7, 5, 2]
        await heard.stop()


async def test_a_consumer_too_slow_for_its_own_orders_is_stopped_not_lied_to(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        stream = client.stream_orders(capacity=2)
        aiter(stream)
        await peer.has("orders")
        for number in range(4):
            peer.send(
                "orders",
                {"e": "orders", "E": 1790134568001, "v": number, "d": [{"id": str(number), "status": "NEW"}]},
            )
        await asyncio.sleep(1)
        assert [(await anext(stream)).data["order_id"] for _ in range(2)] == ["0", "1"]
        with pytest.raises(BufferOverflow):
            await anext(stream)
        await peer.left("orders")


async def test_no_secret_reaches_the_log(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_orders())
        await peer.has("orders")
        private(peer)[0].link.abort()
        await peer.until(lambda: len(private(peer)) == 2)
        await heard.stop()
        said = caplog.text + repr(client) + repr(client.config) + repr(client.statistics())
    assert not any(secret in said for secret in (KEY.key, KEY.secret.reveal(), KEY.passphrase.reveal()))
