"""What is our own at WEEX under the verbs of all venues: told once, also what a gap hid; orders are sent once."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import httpx2
import msgspec
import pytest

from tapewire.errors import ConfigurationError, UnknownInstrument
from tapewire.model import Balance, Fill, InvalidField, Order, Position
from tapewire.testing import VirtualClock
from tapewire.venues.kit.lookups import SURE_SECONDS
from tapewire.venues.weex import WEEXNotFoundError, WEEXRequestError
from tapewire.venues.weex.market import OWN_QUIET_SECONDS
from tapewire.venues.weex.own import MARGIN_MS
from tests.venues.in_memory import answered
from tests.venues.weex.weex_market_line import (
    BTC,
    House,
    States,
    cut_private,
    items_of,
    lose_answers,
    market_line,
    own_answer,
    taken,
    way,
)
from tests.venues.weex.weex_peer import REST, WeexPeer, without

SIZE = Decimal("0.01")


async def live(*feeds: Any) -> None:
    """Wait until each is live, and take what it begins with."""
    for feed in feeds:
        await feed.wait_live(timeout=5)
        await taken(feed, 0.1)


def stands(orders: list[Order]) -> list[tuple[str | None, str, Decimal, bool]]:
    return [(each.client_order_id, each.status, each.filled_size, each.is_reconciled) for each in orders]


# --- as it happens ---


async def test_an_orders_life_is_told_with_its_fills_the_position_and_the_money(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        house = House(peer)
        orders, fills = market.watch_orders(), market.watch_fills()
        positions, balances = market.watch_positions(), market.watch_balance()
        await live(orders, fills, positions, balances)
        price = house.inside
        placed = await market.place_order(BTC, "buy", 2 * SIZE, price, client_order_id="mine")
        assert (placed.status, placed.client_order_id, placed.price) == ("accepted", "mine", price)
        assert stands(items_of(await taken(orders))) == [("mine", "accepted", Decimal(0), False)]

        house.sell(price, "0.01")
        (half,) = items_of(await taken(orders))
        assert stands([half]) == [("mine", "partially_filled", SIZE, False)]
        assert (half.venue_order_id, half.average_price, half.remaining) == (
            placed.venue_order_id,
            price,
            SIZE,
        )
        (fill,) = items_of(await taken(fills))
        assert isinstance(fill, Fill)
        assert (fill.price, fill.size, fill.liquidity, fill.client_order_id) == (price, SIZE, "maker", "mine")
        assert (fill.fee, fill.fee_currency) == (price * SIZE * Decimal("0.0002"), "USDT")
        (position,) = items_of(await taken(positions))
        assert isinstance(position, Position)
        assert (position.side, position.size, position.average_price) == ("long", SIZE, price)
        assert position.mark is not None
        assert position.unrealized_pnl == position.mark * SIZE - price * SIZE
        money = items_of(await taken(balances))
        assert {type(each) for each in money} == {Balance}
        assert money[-1].total == 10_000 - fill.fee

        canceled = await market.cancel_order(placed)
        assert (canceled.status, canceled.filled_size, canceled.is_reconciled) == ("canceled", SIZE, False)
        assert stands(items_of(await taken(orders))) == [("mine", "canceled", SIZE, False)]


async def test_a_feed_of_orders_begins_with_those_that_are_open(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        low = House(peer).low
        await market.place_order(BTC, "buy", SIZE, low, client_order_id="open")
        gone = await market.place_order(BTC, "buy", SIZE, low, client_order_id="gone")
        await market.cancel_order(gone)
        await asyncio.sleep(1)
        feed = market.watch_orders()
        heard = await taken(feed)
        assert way(heard) == ["Resynced", ".", "live"]
        assert stands(items_of(heard)) == [("open", "accepted", Decimal(0), True)]


async def test_a_feed_of_one_contract_hears_of_no_other(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        bitcoin, ether = House(peer), House(peer, "ETHUSDT")
        orders, fills = market.watch_orders("ETHUSDT"), market.watch_fills("ETHUSDT")
        positions = market.watch_positions("ETHUSDT")
        await live(orders, fills, positions)
        await market.place_order(BTC, "buy", SIZE, bitcoin.low)
        await market.place_order(BTC, "buy", SIZE)
        await market.place_order("ETHUSDT", "buy", Decimal("0.1"), ether.low, client_order_id="ether")
        await market.place_order("ETHUSDT", "buy", Decimal("0.1"))
        assert {each.instrument_id for each in items_of(await taken(orders))} == {"ETHUSDT"}
        assert {each.instrument_id for each in items_of(await taken(fills))} == {"ETHUSDT"}
        assert {each.instrument_id for each in items_of(await taken(positions))} == {"ETHUSDT"}
        cut_private(peer)
        assert items_of(await taken(orders, 5)) == []  # nothing of BTCUSDT is looked up either
        assert items_of(await taken(fills, 5)) == []
        assert items_of(await taken(positions, 5)) == []
        lose_answers(peer, "order", "POST")
        assert (await market.place_order(BTC, "buy", SIZE)).status == "unknown"
        assert items_of(await taken(orders, 5)) == []
        await asyncio.sleep(2 * OWN_QUIET_SECONDS)
        assert [feed.continuity.state for feed in (orders, fills, positions)] == ["live"] * 3


async def test_a_feed_that_is_left_leaves_nothing_behind(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        orders, positions = market.watch_orders(), market.watch_positions()
        await live(orders, positions)
        await market.place_order(BTC, "buy", SIZE)
        assert items_of(await taken(positions)) != []
        await peer.has(f"{BTC}@ticker")  # of which the mark price is
        for feed in (orders, positions):
            await feed.aclose()
        await peer.left("orders")
        await peer.left("positions")
        await peer.left(f"{BTC}@ticker")
        assert market._order_rows == set()


async def test_what_happens_before_the_venue_serves_a_feed_is_told(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):

        async def late(request: httpx2.Request) -> httpx2.Response:
            await asyncio.sleep(3)
            return await own_answer(peer, request)

        peer.answer("market/exchangeInfo", late)
        orders, fills = market.watch_orders(BTC), market.watch_fills(BTC)
        await asyncio.sleep(1)
        await market.http.place_order(BTC, "buy", SIZE, client_order_id="early")
        assert stands(items_of(await taken(orders, 5))) == [("early", "filled", SIZE, True)]
        assert [each.is_reconciled for each in items_of(await taken(fills))] == [True]


async def test_what_was_filled_before_a_feed_was_asked_for_is_not_told(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        await market.place_order(BTC, "buy", SIZE)
        await asyncio.sleep(1)
        fills = market.watch_fills()
        await live(fills)
        cut_private(peer)
        assert items_of(await taken(fills, 5)) == []


async def test_long_and_short_are_positions_of_their_own(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, _):
        positions = market.watch_positions()
        await live(positions)
        await market.place_order(BTC, "buy", 2 * SIZE)
        await market.place_order(BTC, "sell", SIZE)
        await market.place_order(BTC, "sell", SIZE, reduce_only=True)
        await market.place_order(BTC, "buy", SIZE, reduce_only=True)
        heard = [(each.side, each.size) for each in items_of(await taken(positions))]
        assert heard == [("long", 2 * SIZE), ("short", -SIZE), ("long", SIZE), ("short", 0)]


# --- what a gap hid ---


async def test_an_order_that_filled_while_the_line_was_cut_is_told_once_and_so_is_all_that_it_changed(
    clock: VirtualClock,
) -> None:
    async with market_line(clock) as (market, peer):
        house, states = House(peer), States()
        orders = market.watch_orders(on_continuity=states)
        fills, positions, balances = market.watch_fills(), market.watch_positions(), market.watch_balance()
        await live(orders, fills, positions, balances)
        price = house.inside
        await market.place_order(BTC, "buy", SIZE, price, client_order_id="mine")
        for feed in (orders, fills, positions, balances):
            await taken(feed)
        states.clear()
        cut_private(peer)
        house.sell(price, "0.01")
        told = await taken(orders, 5)
        # That it is being rebuilt is among them where they are taken so soon, which is the loop's to say.
        way_back = [each for each in way(told) if each != "resyncing"]
        assert way_back == ["stale", "Gap connection lost", "Resynced", ".", "live"]
        assert stands(items_of(told)) == [("mine", "filled", SIZE, True)]
        assert states == ["stale", "gap", "resyncing", "live"]
        (fill,) = items_of(await taken(fills))
        assert (fill.price, fill.size, fill.is_reconciled) == (price, SIZE, True)
        (position,) = items_of(await taken(positions))
        assert (position.side, position.size, position.is_reconciled) == ("long", SIZE, True)
        (money,) = items_of(await taken(balances))
        assert (money.total, money.is_reconciled) == (10_000 - fill.fee, True)

        for feed in (orders, fills, positions, balances):  # none twice, whatever is cut again
            cut_private(peer)
            assert items_of(await taken(feed, 5)) == []


async def test_an_order_that_another_hand_placed_and_that_is_over_already_is_told(
    clock: VirtualClock,
) -> None:
    async with market_line(clock) as (market, peer):
        house, orders = House(peer), market.watch_orders()
        await live(orders)
        await asyncio.sleep(60)
        cut_private(peer)
        house.place_for_account(house.low, "0.01", "other")
        house.cancel("other")
        assert stands(items_of(await taken(orders, 5))) == [("other", "canceled", Decimal(0), True)]


async def test_an_order_that_is_listed_no_more_is_looked_up_by_its_id(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        house, orders = House(peer), market.watch_orders()
        await live(orders)
        await market.place_order(BTC, "buy", SIZE, house.low, client_order_id="old")
        await taken(orders)
        await asyncio.sleep(2 * MARGIN_MS / 1000)
        cut_private(peer)  # from now on it is too old for the list of those that are over
        assert items_of(await taken(orders, 5)) == []
        cut_private(peer)
        house.cancel("old")
        before = len(peer.http_calls)
        assert stands(items_of(await taken(orders, 5))) == [("old", "canceled", Decimal(0), True)]
        assert "order" in peer.http_paths()[before:]


async def test_an_order_that_cannot_be_looked_up_is_unknown_until_it_can(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        house, orders = House(peer), market.watch_orders()
        await live(orders)
        await market.place_order(BTC, "buy", SIZE, house.low, client_order_id="old")
        await taken(orders)
        await asyncio.sleep(2 * MARGIN_MS / 1000)
        cut_private(peer)
        await taken(orders, 5)
        peer.answer("order", lambda request: answered({"code": -1054, "msg": "system"}, 400))
        cut_private(peer)
        house.cancel("old")
        assert stands(items_of(await taken(orders, 60))) == [("old", "unknown", Decimal(0), True)]
        cut_private(peer)
        assert items_of(await taken(orders, 60)) == []  # it was told
        del peer.http_answers[REST + "order"]
        cut_private(peer)
        assert stands(items_of(await taken(orders, 60))) == [("old", "canceled", Decimal(0), True)]


async def test_an_order_that_was_not_listed_and_still_stands_is_no_news(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        orders = market.watch_orders()
        await live(orders)
        await market.place_order(BTC, "buy", SIZE, House(peer).low)
        await taken(orders)
        peer.answer("openOrders", lambda request: answered([]))  # a list that was cut off, say
        cut_private(peer)
        assert items_of(await taken(orders, 5)) == []


async def test_more_fills_than_one_answer_holds_are_told_oldest_first(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        house, fills = House(peer), market.watch_fills()
        await live(fills)
        price = house.inside
        await market.place_order(BTC, "buy", Decimal(1), price)
        await taken(fills)
        cut_private(peer)
        for _ in range(230):
            house.sell(price, "0.0001")
            clock.suspend(0.001)
        told = items_of(await taken(fills, 20))
        assert len({each.fill_id for each in told}) == len(told) == 230
        assert [each.venue_time_ns for each in told] == sorted(each.venue_time_ns for each in told)
        assert peer.http_paths().count("userTrades") == 1 + 3


async def test_a_position_that_was_closed_meanwhile_is_flat(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        positions = market.watch_positions()
        await live(positions)
        await market.place_order(BTC, "buy", SIZE)
        await taken(positions)
        peer.altered = without("positions")
        await market.place_order(BTC, "sell", SIZE, reduce_only=True)
        cut_private(peer)
        peer.altered = dict
        (position,) = items_of(await taken(positions, 5))
        assert (position.side, position.size, position.is_reconciled) == ("long", 0, True)


async def test_a_snapshot_that_cannot_be_had_leaves_a_gap_until_it_can(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        states = States()
        orders = market.watch_orders(on_continuity=states)
        await live(orders)
        states.clear()
        peer.answer("openOrders", lambda request: answered(b"", 503))
        cut_private(peer)
        heard = await taken(orders, 5)
        assert "Gap reseed failed" in way(heard)
        assert (orders.continuity.state, states[-1]) == ("gap", "gap")
        del peer.http_answers[REST + "openOrders"]
        await orders.wait_live(timeout=120)


async def test_a_row_of_ours_that_cannot_be_read_has_the_state_fetched_anew(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        orders = market.watch_orders()
        await live(orders)
        before = peer.http_paths().count("openOrders")
        spoiled: list[int] = []

        def alter(frame: dict[str, Any]) -> dict[str, Any]:
            if frame.get("e") == "orders":
                frame["d"][0]["status"] = "PERHAPS"
                spoiled.append(1)
            return frame

        peer.altered = alter
        await market.place_order(BTC, "buy", SIZE, House(peer).low, client_order_id="mine")
        heard = await taken(orders, 5)
        assert way(heard) == ["Gap undecodable", "gap", "resyncing", "Resynced", ".", "live"]
        assert stands(items_of(heard)) == [("mine", "accepted", Decimal(0), True)]
        assert spoiled
        assert peer.http_paths().count("openOrders") == before + 1


async def test_a_row_that_was_looked_up_and_cannot_be_read_hides_no_other(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        low = House(peer).low
        for name in ("one", "two"):
            await market.place_order(BTC, "buy", SIZE, low, client_order_id=name)

        async def spoilt(request: httpx2.Request) -> httpx2.Response:
            listed = json.loads(await (await own_answer(peer, request)).aread())
            listed[0]["type"] = "ICEBERG"
            return answered(listed)

        peer.answer("openOrders", spoilt)
        orders = market.watch_orders()
        heard = await taken(orders, 5)
        assert way(heard) == ["Resynced", "Gap undecodable", ".", "live"]
        assert peer.http_paths().count("openOrders") == 1


# --- silence ---


async def test_an_account_to_which_nothing_happens_is_not_stale(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feeds = [
            market.watch_orders(),
            market.watch_fills(),
            market.watch_positions(),
            market.watch_balance(),
        ]
        await live(*feeds)
        before = len(peer.http_calls)
        await asyncio.sleep(5.5 * OWN_QUIET_SECONDS)
        assert [feed.continuity.state for feed in feeds] == ["live"] * 4
        assert len(peer.http_calls) - before == 5 * 5  # of orders two lists


async def test_what_a_mute_topic_hid_is_found_by_asking_and_told_once(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        house, states = House(peer), {name: States() for name in ("orders", "fills", "positions", "balances")}
        feeds = {
            "orders": market.watch_orders(on_continuity=states["orders"]),
            "fills": market.watch_fills(on_continuity=states["fills"]),
            "positions": market.watch_positions(on_continuity=states["positions"]),
            "balances": market.watch_balance(on_continuity=states["balances"]),
        }
        await live(*feeds.values())
        await market.place_order(BTC, "buy", SIZE, house.low, client_order_id="rests")
        await market.place_order(BTC, "buy", SIZE, house.low, client_order_id="goes")
        for feed in feeds.values():
            await taken(feed)
        peer.altered = lambda frame: None if "e" in frame else frame
        house.cancel("goes")
        await market.place_order(BTC, "buy", SIZE, client_order_id="market")
        heard = {name: await taken(feed, 2 * OWN_QUIET_SECONDS) for name, feed in feeds.items()}
        for name, told in states.items():
            assert told == ["live", "stale", "resyncing", "live"], name
        assert {(each.client_order_id, each.status) for each in items_of(heard["orders"])} == {
            ("goes", "canceled"),
            ("market", "filled"),
        }
        assert [each.size for each in items_of(heard["fills"])] == [SIZE]
        assert [each.size for each in items_of(heard["positions"])] == [SIZE]
        assert len(items_of(heard["balances"])) == 1


# --- orders ---


def sent_orders(peer: WeexPeer) -> list[dict[str, Any]]:
    calls = [call for call in peer.http_calls if call.method == "POST" and call.url.path == REST + "order"]
    return [json.loads(call.content) for call in calls]


async def test_an_order_is_worded_as_the_venue_has_it(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        price = House(peer).low
        await market.place_order(BTC, "buy", SIZE, price, client_order_id="one")
        await market.place_order(BTC, "buy", SIZE, price, post_only=True)
        await market.place_order(BTC, "buy", SIZE, time_in_force="ioc")
        await market.place_order(BTC, "buy", SIZE, price, time_in_force="ioc")
        await market.place_order(BTC, "sell", SIZE, reduce_only=True)
        sent = sent_orders(peer)
        assert sent[0] == {
            "symbol": BTC,
            "side": "BUY",
            "positionSide": "LONG",
            "type": "LIMIT",
            "quantity": "0.01",
            "newClientOrderId": "one",
            "price": str(price),
            "timeInForce": "GTC",
        }
        assert [order.get("timeInForce") for order in sent] == ["GTC", "POST_ONLY", None, "IOC", None]
        assert [(order["side"], order["positionSide"]) for order in sent[3:]] == [
            ("BUY", "LONG"),
            ("SELL", "LONG"),
        ]
        assert len({order["newClientOrderId"] for order in sent}) == 5


@pytest.mark.parametrize(
    ("size", "price", "grid"),
    [
        ("0.01", "80000.05", "in steps of 0.1 USDT"),
        ("0.01", "-1", "above zero"),
        ("0.00005", "80000", "0.0001 at least"),
        ("0.00015", "80000", "in steps of 0.0001"),
    ],
)
async def test_an_order_off_the_grid_is_refused_with_the_grid_and_not_sent(
    clock: VirtualClock, size: str, price: str, grid: str
) -> None:
    async with market_line(clock) as (market, peer):
        with pytest.raises(InvalidField, match=grid):
            await market.place_order(BTC, "buy", Decimal(size), Decimal(price))
        assert sent_orders(peer) == []


async def test_what_is_no_order_is_refused_before_it_is_sent(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        with pytest.raises(UnknownInstrument, match="BTCUSDT"):
            await market.place_order("BTCUSDD", "buy", SIZE)
        with pytest.raises(ConfigurationError, match="client_order_id"):
            await market.place_order(BTC, "buy", SIZE, client_order_id="x" * 37)
        with pytest.raises(ConfigurationError, match="side"):
            await market.place_order(BTC, "hold", SIZE)
        with pytest.raises(InvalidField, match="time_in_force"):
            await market.place_order(BTC, "buy", SIZE, time_in_force="fok")
        assert sent_orders(peer) == []
        with pytest.raises(WEEXRequestError, match="insufficient funds"):
            await market.place_order(BTC, "buy", Decimal(100))


async def test_an_order_whose_answer_was_lost_is_unknown_until_it_is_found_by_our_id(
    clock: VirtualClock,
) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        orders = market.watch_orders()
        await live(orders)
        peer.altered = without("orders")
        lose_answers(peer, "order", "POST")
        placed = await market.place_order(BTC, "buy", SIZE, House(peer).low, client_order_id="mine")
        assert (placed.status, placed.venue_order_id, placed.client_order_id) == ("unknown", None, "mine")
        heard = items_of(await taken(orders, 30))
        assert stands(heard) == [
            ("mine", "unknown", Decimal(0), False),
            ("mine", "accepted", Decimal(0), True),
        ]
        assert heard[-1].venue_order_id is not None
        assert len(sent_orders(peer)) == 1
        peer.altered = dict
        House(peer).cancel("mine")
        assert stands(items_of(await taken(orders))) == [("mine", "canceled", Decimal(0), False)]


async def test_what_the_stream_tells_of_an_order_whose_answer_was_lost_is_told_once(
    clock: VirtualClock,
) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        orders = market.watch_orders()
        await live(orders)
        lose_answers(peer, "order", "POST")
        placed = await market.place_order(BTC, "buy", SIZE, client_order_id="mine")
        assert placed.status == "unknown"
        heard = [(each.status, each.is_reconciled) for each in items_of(await taken(orders, 30))]
        assert heard == [("unknown", False), ("filled", False)]


async def test_an_order_that_never_came_there_is_rejected_when_that_is_sure(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        orders = market.watch_orders()
        await live(orders)
        lose_answers(peer, "order", "POST", reaches=False)
        await market.place_order(BTC, "buy", SIZE, client_order_id="mine")
        assert [each.status for each in await market.open_orders()] == ["unknown"]
        heard = items_of(await taken(orders, SURE_SECONDS - 1))
        assert [each.status for each in heard] == ["unknown"]
        (never,) = items_of(await taken(orders, 60))
        assert (never.status, never.reason, never.is_final) == ("rejected", "the venue never had it", True)
        assert await market.open_orders() == []
        assert len(sent_orders(peer)) == 1


async def test_open_orders_look_up_what_is_unknown_first(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        lose_answers(peer, "order", "POST")
        low = House(peer).low
        await market.place_order(BTC, "buy", SIZE, low, client_order_id="rests")
        await market.place_order(BTC, "buy", SIZE, client_order_id="filled")
        assert [(each.client_order_id, each.status) for each in await market.open_orders()] == [
            ("rests", "accepted")
        ]
        assert await market.open_orders("ETHUSDT") == []


async def test_a_market_that_is_closed_asks_for_nothing_any_more(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        lose_answers(peer, "order", "POST", reaches=False)
        await market.place_order(BTC, "buy", SIZE)
        began = clock.monotonic()
        await market.close()
        assert clock.monotonic() - began < 2
        assert not [task for task in asyncio.all_tasks() if "look-up" in task.get_name()]
        calls = len(peer.http_calls)
        await asyncio.sleep(120)
        assert len(peer.http_calls) == calls


async def test_a_cancellation_whose_answer_was_lost_is_looked_up_at_once(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        placed = await market.place_order(BTC, "buy", SIZE, House(peer).low)
        lose_answers(peer, "order", "DELETE")
        assert (await market.cancel_order(placed)).status == "canceled"
        other = await market.place_order(BTC, "buy", SIZE, House(peer).low)
        peer.answer("order", lambda request: answered(b"", 502))
        lost = await market.cancel_order(other)
        assert (lost.status, lost.venue_order_id) == ("unknown", other.venue_order_id)


async def test_an_order_that_the_venue_has_yet_to_cancel_awaits_its_end(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        placed = await market.place_order(BTC, "buy", SIZE, House(peer).low)

        async def open_still(request: httpx2.Request) -> httpx2.Response:
            answer = await own_answer(peer, request)
            if request.method != "GET":
                return answer
            return answered(json.loads(await answer.aread()) | {"status": "NEW"})

        peer.answer("order", open_still)
        assert (await market.cancel_order(placed)).status == "pending_cancel"


@pytest.mark.parametrize("is_filled", [False, True])
async def test_an_order_that_has_ended_is_returned_as_it_stands_by_a_cancel(
    clock: VirtualClock, is_filled: bool
) -> None:
    async with market_line(clock) as (market, peer):
        placed = await market.place_order(BTC, "buy", SIZE, None if is_filled else House(peer).low)
        if not is_filled:
            await market.cancel_order(placed)
        ended = await market.cancel_order(placed)
        assert (ended.venue_order_id, ended.status) == (
            placed.venue_order_id,
            "filled" if is_filled else "canceled",
        )


async def test_what_cannot_be_canceled_says_so(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        placed = await market.place_order(BTC, "buy", SIZE, House(peer).low)
        with pytest.raises(WEEXNotFoundError):
            await market.cancel_order(msgspec.structs.replace(placed, venue_order_id="7"))
        for other in (None, "an id"):
            with pytest.raises(ConfigurationError, match="an Order of weex"):
                await market.cancel_order(other)


async def test_an_order_may_be_canceled_by_our_id_alone(clock: VirtualClock) -> None:
    async with market_line(clock, max_retries=0) as (market, peer):
        lose_answers(peer, "order", "POST")
        unknown = await market.place_order(BTC, "buy", SIZE, House(peer).low, client_order_id="mine")
        assert unknown.venue_order_id is None
        assert (await market.cancel_order(unknown)).status == "canceled"


async def test_all_orders_are_canceled_or_those_of_one_contract(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        for symbol, size in ((BTC, SIZE), ("ETHUSDT", Decimal("0.1"))):
            for number in range(2):
                low = House(peer, symbol).low
                await market.place_order(symbol, "buy", size, low, client_order_id=f"{symbol}-{number}")
        with pytest.raises(ConfigurationError, match="instrument_id=''"):
            await market.cancel_all("")  # an id that was left empty does not mean all
        with pytest.raises(UnknownInstrument, match=f"perhaps {BTC}"):
            await market.cancel_all(BTC[:-1])
        assert len(await market.open_orders()) == 4
        canceled = await market.cancel_all(BTC)
        assert {(each.client_order_id, each.status) for each in canceled} == {
            (f"{BTC}-0", "canceled"),
            (f"{BTC}-1", "canceled"),
        }
        left = await market.open_orders()
        assert {each.client_order_id for each in left} == {"ETHUSDT-0", "ETHUSDT-1"}
        assert await market.open_orders(BTC) == []
        assert len(await market.cancel_all()) == 2
        assert await market.open_orders() == []
        assert await market.cancel_all() == []


async def test_an_order_of_a_cancellation_that_is_not_listed_yet_awaits_its_end(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        await market.place_order(BTC, "buy", SIZE, House(peer).low, client_order_id="mine")
        peer.answer("order/history", lambda request: answered([]))
        (canceled,) = await market.cancel_all()
        assert (canceled.client_order_id, canceled.status) == ("mine", "pending_cancel")
