"""Books are proven: a hole costs one book one rebuild, and nothing else is touched."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import SubscriptionEnded
from tapewire.marks import Gap, Resynced, is_mark
from tapewire.retry import RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tests.venues.in_memory import answered
from tests.venues.weex.weex_peer import Heard, WeexPeer, make_client, weex_line, without


def sides(message: Any) -> Any:
    return ([*message.data["bids"]], [*message.data["asks"]])


def truth(peer: WeexPeer, symbol: str, level: int, depth: int = 15) -> Any:
    return tuple(
        [(Decimal(price), Decimal(size)) for price, size in side]
        for side in peer.books[symbol, depth].top(level)
    )


def kinds(heard: Heard) -> list[str]:
    return [type(item).__name__ if is_mark(item) else "book" for item in heard]


async def test_a_book_follows_the_venue_and_is_cut_to_the_level_asked(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_order_book("BTCUSDT", level=5))
        await heard.until(1)
        for _ in range(10):
            peer.move("BTCUSDT")
        await heard.until(11)
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 5)
        assert heard[-1].sequence == peer.books["BTCUSDT", 15].u
        assert heard[-1].channel == "depth"
        assert abs(heard[-1].timestamp - clock.time_ns() / 1e9) < 1
        price, size = heard[-1].data["bids"][0]
        assert (str(price), str(size)) == peer.books["BTCUSDT", 15].top(1)[0][0]
        await heard.stop()
        await peer.left("BTCUSDT@depth15")
        assert client._feeds == {}


async def test_a_book_has_five_levels_where_none_are_named(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, _):
        heard = Heard(client.stream_order_book("BTCUSDT"))
        await heard.until(1)
        assert len(heard[0].data["bids"]) == len(heard[0].data["asks"]) == 5


@pytest.mark.parametrize(("level", "topic"), [(15, "depth15"), (16, "depth200"), (200, "depth200")])
async def test_the_wire_is_asked_for_the_depth_it_has(clock: VirtualClock, level: int, topic: str) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard(client.stream_order_book("BTCUSDT", level=level))
        await heard.until(1)
        assert peer.asked() == [[f"BTCUSDT@{topic}"]]
        depth = int(topic.removeprefix("depth"))
        assert sides(heard[0]) == truth(peer, "BTCUSDT", level, depth)
        assert len(heard[0].data["bids"]) >= min(level, 16)
        await heard.stop()


async def test_a_second_reader_shares_the_book_and_begins_with_its_state(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        first = Heard(client.stream_order_book("BTCUSDT", level=5))
        await first.until(1)
        peer.move("BTCUSDT")
        await first.until(2)
        second = Heard(client.stream_order_book("BTCUSDT", level=2))
        await second.until(1)
        assert sides(second[0]) == truth(peer, "BTCUSDT", 2)
        await first.stop()
        peer.move("BTCUSDT")
        await second.until(2)
        assert sides(second[1]) == truth(peer, "BTCUSDT", 2)
        assert (len(peer.asked()), peer.asked("UNSUBSCRIBE")) == (1, [])
        await second.stop()


async def test_each_reader_of_a_book_is_given_as_many_levels_as_it_asked_for(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        levels = (5, 15, 2)
        readers = [Heard(client.stream_order_book("BTCUSDT", level=level)) for level in levels]
        for heard in readers:
            await heard.until(1)
        peer.move("BTCUSDT")
        for heard, level in zip(readers, levels, strict=True):
            await heard.until(2)
            assert sides(heard[1]) == truth(peer, "BTCUSDT", level)
        readers[1][1].data["bids"].clear()  # what one does with its levels is nothing to the others
        assert sides(readers[0][1]) == truth(peer, "BTCUSDT", 5)
        await readers[1].stop()
        peer.move("BTCUSDT")
        await readers[0].until(3)
        assert sides(readers[0][2]) == truth(peer, "BTCUSDT", 5)
        for heard in readers:
            await heard.stop()
        assert client._feeds == {}


async def test_a_hole_is_a_gap_and_only_that_book_begins_anew(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        broken = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        whole = Heard.with_marks(client.stream_order_book, "ETHUSDT", level=15)
        trades = Heard.with_marks(client.stream_trades, "BTCUSDT")
        await broken.until(1)
        await whole.until(1)
        peer.lose("BTCUSDT")
        peer.move("BTCUSDT")
        await broken.until(4)
        assert kinds(broken) == ["book", "Gap", "Resynced", "book"]
        gap = broken[1]
        assert (gap.reason, "BTCUSDT@depth15: a hole in the numbers" in gap.detail) == ("sequence", True)
        assert sides(broken[-1]) == truth(peer, "BTCUSDT", 15)
        peer.move("ETHUSDT")
        peer.move("BTCUSDT")
        peer.trade("BTCUSDT")
        await whole.until(2)
        await broken.until(5)
        await trades.until(1)
        assert (kinds(whole), kinds(trades)) == (["book", "book"], ["book"])
        assert peer.asked()[1:] == [["BTCUSDT@depth15"]]
        assert peer.asked("UNSUBSCRIBE") == []
        assert len(peer.connections) == 1
        for heard in (broken, whole, trades):
            await heard.stop()


async def test_numbers_that_doubles_do_not_tell_apart_are_a_gap_once_and_exact_from_then_on(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        window, topic = peer.books["BTCUSDT", 15], "BTCUSDT@depth15"
        shared = {"e": "depth", "E": 1790134568308, "s": "BTCUSDT"}
        near = ["1.0000000000000001", "1.0000000000000002"]
        peer.send(topic, shared | window.delta([[price, "5"] for price in near]))
        await heard.until(4)
        assert kinds(heard) == ["book", "Gap", "Resynced", "book"]
        assert "a number of more than 15 digits" in heard[1].detail
        assert sides(heard[3]) == truth(peer, "BTCUSDT", 15)
        bids, _ = sides(heard[3])
        peer.send(
            topic,
            shared
            | window.delta([[str(price), "0"] for price, _ in bids] + [[price, "5"] for price in near]),
        )
        await heard.until(5)
        assert sides(heard[4])[0] == [(Decimal(price), Decimal(5)) for price in reversed(near)]
        await heard.stop()


async def test_a_book_waits_by_the_chance_that_its_sessions_were_given(clock: VirtualClock) -> None:
    """So that a recording, which keeps that one, replays each pause."""
    async with weex_line(clock, session_options={"fraction": lambda: 0.0}) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        for hole in (1, 2):
            lost_at = clock.monotonic()
            peer.lose("BTCUSDT")
            peer.move("BTCUSDT")
            await heard.until(1 + 3 * hole)
        assert kinds(heard)[-3:] == ["Gap", "Resynced", "book"]
        assert clock.monotonic() - lost_at < 0.05
        await heard.stop()


async def test_deltas_between_the_hole_and_the_snapshot_are_not_lost(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.network.to_client.delay = 0.2
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        peer.lose("BTCUSDT")
        for _ in range(10):
            peer.move("BTCUSDT")
            await asyncio.sleep(0.07)
        await asyncio.sleep(1)
        assert kinds(heard)[:3] == ["book", "Gap", "Resynced"]
        assert set(kinds(heard)[3:]) == {"book"}
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        await heard.stop()


async def test_a_snapshot_older_than_what_follows_is_asked_for_again(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        former = peer.books["BTCUSDT", 15].snapshot()
        peer.altered = lambda frame: frame | former if frame.get("e") == "depthSnapshot" else frame
        peer.lose("BTCUSDT")
        peer.move("BTCUSDT")
        await asyncio.sleep(0.1)
        peer.altered = lambda frame: frame
        peer.move("BTCUSDT")
        await heard.until(4)
        assert kinds(heard) == ["book", "Gap", "Resynced", "book"]
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        await heard.stop()


async def test_a_book_that_cannot_be_right_backs_off_and_burns_no_budget(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        # Crossed: no such book exists.
        peer.altered = lambda frame: frame | {"a": frame["b"]} if "b" in frame else frame
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await asyncio.sleep(600)
        assert set(kinds(heard)) == {"Gap"}
        assert len(peer.asked()) < 60
        peer.altered = lambda frame: frame
        await heard.until(len(heard) + 2)
        assert kinds(heard)[-2:] == ["Resynced", "book"]
        await heard.stop()


async def test_with_few_operations_left_the_book_is_fetched_over_http(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        operations = client._public.operations_of("BTCUSDT@depth15")
        while operations.left(clock.monotonic()) > 50:
            operations.take(clock.monotonic())
        peer.lose("BTCUSDT")
        peer.move("BTCUSDT")
        await heard.until(4)
        peer.move("BTCUSDT")
        await heard.until(5)
        assert kinds(heard) == ["book", "Gap", "Resynced", "book", "book"]
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        assert len(peer.asked()) == 1
        assert peer.http_paths() == ["market/depth"]
        await heard.stop()


async def test_a_line_lost_while_a_snapshot_is_fetched_is_told_in_its_turn(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        operations = client._public.operations_of("BTCUSDT@depth15")
        while operations.left(clock.monotonic()) > 50:
            operations.take(clock.monotonic())

        async def answer(request: Any) -> Any:
            state = peer.books["BTCUSDT", 15].snapshot()
            peer.drop()
            await asyncio.sleep(0.2)  # the line is down, and tries again after half a second
            return answered({"bids": state["b"], "asks": state["a"], "lastUpdateId": state["u"]})

        peer.answer("market/depth", answer)
        peer.lose("BTCUSDT")
        peer.move("BTCUSDT")
        await heard.until(4)
        peer.lose("BTCUSDT")
        await heard.until(7)
        assert kinds(heard) == ["book", "Gap", "Resynced", "book", "Gap", "Resynced", "book"]
        assert [heard[1].reason, heard[4].reason] == ["sequence", "connection lost"]
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        await heard.stop()


async def test_a_slow_reader_costs_no_rebuild(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        told: list[Any] = []
        slow = client.stream_order_book("BTCUSDT", level=15, capacity=3, on_mark=told.append)
        aiter(slow)
        quick = Heard(client.stream_order_book("BTCUSDT", level=15))
        await quick.until(1)
        for _ in range(20):
            peer.move("BTCUSDT")
        await quick.until(21)
        items = [await anext(slow) for _ in range(3)]
        assert [mark.dropped for mark in told] == [18]
        assert sides(items[-1]) == truth(peer, "BTCUSDT", 15)
        assert (len(peer.asked()), peer.http_paths()) == (1, [])
        await slow.aclose()
        await quick.stop()


async def test_a_book_without_a_snapshot_is_fetched_over_http(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        peer.altered = without("depthSnapshot")
        heard = Heard(client.stream_order_book("BTCUSDT", level=15))
        await heard.until(1)
        assert sides(heard[0]) == truth(peer, "BTCUSDT", 15)
        assert peer.http_paths() == ["market/depth"]
        await heard.stop()


async def test_a_contract_that_is_dead_ends_its_stream_with_that_word(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        living = Heard(client.stream_order_book("BTCUSDT", level=15))
        with pytest.raises(
            SubscriptionEnded, match=r"LUNAUSDT@depth15: .*the contract is not traded any more"
        ):
            await Heard(client.stream_order_book("LUNAUSDT", level=15)).until(1)
        await peer.left("LUNAUSDT@depth15")
        peer.move("BTCUSDT")
        await living.until(2)
        await living.stop()


async def test_a_lost_line_is_a_gap_and_the_next_snapshot_makes_it_right(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        heard = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await heard.until(1)
        peer.drop()
        peer.lose("BTCUSDT")
        await heard.until(4)
        assert kinds(heard) == ["book", "Gap", "Resynced", "book"]
        assert heard[1].reason == "connection lost"
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        peer.move("BTCUSDT")
        await heard.until(5)
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 15)
        await heard.stop()


async def test_a_lost_line_is_announced_at_once_and_nobody_begins_with_the_book_of_before(
    clock: VirtualClock,
) -> None:
    async with weex_line(clock, retry=RetryPolicy(None, 20.0, 20.0, jitter=False)) as (client, peer):
        first = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15, announce=True)
        plain = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        await first.until(3)
        lost_at = clock.monotonic()
        peer.drop()
        await first.until(4)
        assert clock.monotonic() - lost_at < 1
        assert kinds(first) == ["Subscribing", "Subscribed", "book", "Subscribing"]
        assert first[-1].reason.startswith("connection lost")
        second = Heard(client.stream_order_book("BTCUSDT", level=15))
        await asyncio.sleep(5)
        assert second == []
        await second.until(1)
        assert clock.monotonic() - lost_at > 15
        await first.until(8)
        assert kinds(first)[4:] == ["Subscribed", "Gap", "Resynced", "book"]
        assert kinds(plain)[:4] == ["book", "Gap", "Resynced", "book"]
        for heard in (first, second, plain):
            await heard.stop()


async def test_a_frame_that_cannot_be_read_costs_its_own_book_only(clock: VirtualClock) -> None:
    async with weex_line(clock) as (client, peer):
        hit = Heard.with_marks(client.stream_order_book, "BTCUSDT", level=15)
        other = Heard.with_marks(client.stream_order_book, "ETHUSDT", level=15)
        await hit.until(1)
        await other.until(1)
        peer.send("BTCUSDT@depth15", '{"e":"depth","E":1790134568001,"s":"BTCUSDT","l":15,"U":1,"u":')
        await hit.until(4)
        peer.send(
            "BTCUSDT@depth15",
            {"e": "depth", "s": "BTCUSDT", "l": 15, "U": 1, "u": 2, "b": [["x", "1"]], "a": []},
        )
        await hit.until(7)
        assert kinds(hit) == ["book", "Gap", "Resynced", "book", "Gap", "Resynced", "book"]
        assert sides(hit[-1]) == truth(peer, "BTCUSDT", 15)
        assert kinds(other) == ["book"]
        await hit.stop()
        await other.stop()


async def test_v2_books_are_proven_by_the_same_rules(clock: VirtualClock) -> None:
    network = MemoryNetwork()
    async with WeexPeer(network, clock) as peer:
        client = make_client(clock, network, peer, config={"version": "v2"})
        heard = Heard(client.stream_order_book("BTCUSDT", level=1))
        await heard.until(1)
        assert peer.frames == [(1, {"event": "subscribe", "channel": "depth.cmt_btcusdt.15"})]
        peer.move("BTCUSDT")
        peer.move("BTCUSDT")
        await asyncio.sleep(1)
        assert sides(heard[-1]) == truth(peer, "BTCUSDT", 1)
        before = len(heard)
        peer.lose("BTCUSDT")
        peer.move("BTCUSDT")
        await peer.until(lambda: len(peer.frames) > 1)
        assert peer.frames[-1][1]["event"] == "subscribe"
        assert len(heard) == before
        await heard.stop()
        await client.disconnect()


async def test_50_books_and_their_trades_stay_right_through_20_gaps_and_drops(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(50)]
    chance = random.Random(4)
    async with weex_line(clock, *symbols) as (client, peer):
        books = {s: Heard.with_marks(client.stream_order_book, s, level=10) for s in symbols}
        trades = {s: Heard.with_marks(client.stream_trades, s) for s in symbols}
        for symbol in symbols:
            await books[symbol].until(1)
            await peer.has(f"{symbol}@trade")
        assert [len(connection.topics) for connection in peer.connections] == [100]
        holes: dict[str, int] = dict.fromkeys(symbols, 0)
        faults = {(number + 1) * 2: chance.choice(symbols) for number in range(20)}
        before = len(peer.asked())
        for step in range(48):
            for symbol in symbols:
                if faults.get(step) == symbol:
                    peer.lose(symbol)
                    holes[symbol] += 1
                peer.move(symbol)
                peer.trade(symbol)
            await asyncio.sleep(0.5)
        await asyncio.sleep(40)
        for symbol in symbols:
            marks = [item for item in books[symbol] if is_mark(item)]
            assert [type(mark) for mark in marks] == [Gap, Resynced] * holes[symbol], symbol
            assert sides(books[symbol][-1]) == truth(peer, symbol, 10), symbol
            assert [message.data["id"] for message in trades[symbol]] == [
                f"{symbol}-{n}" for n in range(1, 49)
            ]
        assert sum(holes.values()) == 20
        assert sorted(topic for topics in peer.asked()[before:] for topic in topics) == sorted(
            f"{symbol}@depth15" for symbol in symbols for _ in range(holes[symbol])
        )
        assert peer.asked("UNSUBSCRIBE") == []
        assert len(peer.connections) == 1
        for heard in (*books.values(), *trades.values()):
            await heard.stop()


async def test_50_books_are_right_again_after_the_line_dropped_20_times(clock: VirtualClock) -> None:
    symbols = [f"S{number}USDT" for number in range(50)]
    async with weex_line(clock, *symbols) as (client, peer):
        books = {s: Heard.with_marks(client.stream_order_book, s, level=10) for s in symbols}
        for symbol in symbols:
            await books[symbol].until(1)
        for number in range(20):
            peer.drop()
            for symbol in symbols[number % 5 :: 5]:
                peer.lose(symbol)
            await asyncio.sleep(60)
            for symbol in symbols[number % 3 :: 5]:
                peer.move(symbol)
            await asyncio.sleep(1)
            assert all(sides(books[symbol][-1]) == truth(peer, symbol, 10) for symbol in symbols)
        assert len(peer.connections) == 21
        assert all(len(topics) == 50 for topics in peer.asked())
        assert len(peer.asked()) == 21
        for heard in books.values():
            await heard.stop()
