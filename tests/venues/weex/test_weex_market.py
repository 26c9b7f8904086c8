"""WEEX under the verbs of all venues: books that are the exchange's own while they are live, trades, tickers."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tapewire
from tapewire.errors import (
    ConfigurationError,
    SessionClosed,
    SubscriptionEnded,
    UnknownInstrument,
)
from tapewire.market import VERBS, BookView
from tapewire.marks import ContinuityState, Gap, is_mark
from tapewire.model import Ticker, Trade
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.testing import VirtualClock
from tapewire.venues.weex import WEEXAuthenticationError, WeexConfig, WEEXInvalidArgument
from tapewire.venues.weex.market import CAPABILITIES, QUIET_SECONDS
from tests.venues.in_memory import answered
from tests.venues.weex.weex_market_line import BTC, States, items_of, market_line, own_answer, taken, way
from tests.venues.weex.weex_peer import WeexPeer, without
from tests.venues.weex.weex_played import AT_ONCE, QUICK, book_of
from tests.waiting import until

# --- what there is ---


def test_it_has_every_verb() -> None:
    assert set(CAPABILITIES) == set(VERBS)
    assert all(capability.supported for capability in CAPABILITIES.values())
    book = CAPABILITIES["watch_order_book"]
    assert (book.proof, book.depth, book.conflated_ms) == ("chained", 200, 500)


async def test_every_contract_is_a_market_and_an_instrument_with_its_grid(clock: VirtualClock) -> None:
    async with market_line(clock, "BTCUSDT", "ETHUSDT", "ADAUSDT") as (market, _):
        assert [each.market_id async for each in market.markets()] == ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
        assert [each.market_id async for each in market.markets(search="eth")] == ["ETHUSDT"]
        (bitcoin,) = [each async for each in market.instruments(search="btc")]
        assert (bitcoin.price_tick, bitcoin.size_step, bitcoin.min_size) == (
            Decimal("0.1"),
            Decimal("0.0001"),
            Decimal("0.0001"),
        )
        assert (await market.instrument("ADAUSDT")).price_tick == Decimal("0.00001")
        with pytest.raises(UnknownInstrument) as raised:
            await market.instrument("BTCUSD")
        assert raised.value.near[0] == "BTCUSDT"


async def test_a_contract_that_cannot_be_read_hides_no_other(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        rows = await market.http.get_contracts()
        peer.answer(
            "market/exchangeInfo",
            lambda request: answered({"symbols": [rows[0] | {"pricePrecision": "-1"}, rows[1]]}),
        )
        assert [each.instrument_id async for each in market.instruments()] == ["ETHUSDT"]
        assert [each.market_id async for each in market.markets()] == ["ETHUSDT"]


def test_a_wrong_setting_is_named() -> None:
    for wrong, named in (
        ({"nonsense": 1}, "nonsense"),
        ({"host": "x y"}, "host"),
        ({"timeout": -1}, "timeout"),
    ):
        with pytest.raises(WEEXInvalidArgument, match=named):
            tapewire.connect("weex", **wrong)
    with pytest.raises(WEEXInvalidArgument, match="either config or its fields"):
        tapewire.connect("weex", config=WeexConfig(), api_key="k")
    assert tapewire.connect("weex", config=WeexConfig(timeout=7.0)).http.config.timeout == 7.0


async def test_what_is_ours_needs_a_key_and_says_so_at_the_call(clock: VirtualClock) -> None:
    async with market_line(clock, api_key="", secret_key="", passphrase="") as (market, _):
        for watch in (market.watch_orders, market.watch_fills, market.watch_positions, market.watch_balance):
            with pytest.raises(WEEXAuthenticationError, match="WEEX_API_KEY"):
                watch()
        with pytest.raises(WEEXAuthenticationError):
            await market.place_order(BTC, "buy", Decimal(1))


async def test_a_contract_that_there_is_not_lists_near_ones(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        with pytest.raises(UnknownInstrument, match="perhaps BTCUSDT"):
            market.watch_trades("btcusdt")
        with pytest.raises(ConfigurationError, match="instrument_id"):
            market.watch_trades("BTC/USDT")
        for watch in (market.watch_order_book, market.watch_trades, market.watch_ticker, market.watch_orders):
            feed = watch("BTCUSDC")
            with pytest.raises(UnknownInstrument, match="perhaps BTCUSDT"):
                await anext(feed)
            assert feed.continuity.state == "ended"
        assert peer.asked() == []
        for depth in (0, 201, 1.5):
            with pytest.raises(ConfigurationError, match="depth"):
                market.watch_order_book(BTC, depth=depth)


async def test_contracts_that_cannot_be_listed_hold_up_no_feed(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):

        async def never(request: Any) -> None:
            await asyncio.sleep(3600)

        peer.answer("market/exchangeInfo", never)
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=10)


# --- books ---


def levels_of(peer: WeexPeer, depth: int, symbol: str = BTC) -> dict[str, Any]:
    """The exchange's own book as it was published last."""
    state = peer.books[symbol, depth].snapshot()
    return {
        "last": state["u"],
        "bids": [(Decimal(price), Decimal(size)) for price, size in state["b"]],
        "offers": [(Decimal(price), Decimal(size)) for price, size in state["a"]],
    }


def shown(view: BookView, depth: int | None = None) -> dict[str, Any]:
    return {"last": view.last, "bids": list(view.bids(depth)), "offers": list(view.offers(depth))}


async def test_a_book_is_the_exchanges_own_level_by_level(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=5)
        for _ in range(10):
            peer.move(BTC)
            await asyncio.sleep(0.01)
        view = items_of(await taken(feed))[-1]
        assert view.is_live
        assert shown(view) == levels_of(peer, 200)
        truth = levels_of(peer, 200)
        assert (view.best_bid, view.best_offer) == (truth["bids"][0], truth["offers"][0])
        assert view.mid == (truth["bids"][0][0] + truth["offers"][0][0]) / 2
        assert view.spread == truth["offers"][0][0] - truth["bids"][0][0]
        assert (view.venue_time_ns, view.received_at_ns) == (
            clock.time_ns() // 10**6 * 10**6 - 10**9 - 10**7,
            clock.time_ns() - 10**9 - 10**7,
        )
        kept = view.snapshot(5)
        peer.move(BTC)
        await asyncio.sleep(0.01)
        assert (list(kept.bids), kept.last) == (truth["bids"][:5], truth["last"])
        assert view.last == levels_of(peer, 200)["last"]


async def test_few_levels_are_cut_from_the_smaller_window_and_many_from_the_larger(
    clock: VirtualClock,
) -> None:
    async with market_line(clock) as (market, peer):
        feeds = {depth: market.watch_order_book(BTC, depth=depth) for depth in (1, 15, 16, 200)}
        for depth, feed in feeds.items():
            await feed.wait_live(timeout=5)
            (view,) = {id(item): item for item in items_of(await taken(feed, 0.1))}.values()
            assert len(view.bids()) <= depth
            assert list(view.bids()) == levels_of(peer, 200)["bids"][:depth]
        assert {topic for topics in peer.asked() for topic in topics} == {f"{BTC}@depth15", f"{BTC}@depth200"}


async def test_a_second_feed_of_a_book_is_live_at_once_and_leaves_the_first_its_own(
    clock: VirtualClock,
) -> None:
    async with market_line(clock) as (market, peer):
        first = market.watch_order_book(BTC)
        await first.wait_live(timeout=5)
        asked = len(peer.asked())
        second = market.watch_order_book(BTC)
        await second.wait_live(timeout=5)
        assert len(peer.asked()) == asked
        await first.aclose()
        assert first.continuity.state == "ended"
        peer.move(BTC)
        await asyncio.sleep(0.01)
        view = items_of(await taken(second))[-1]
        assert shown(view) == levels_of(peer, 200)
        await second.aclose()
        await peer.left(f"{BTC}@depth200")
        assert market.socket._feeds == {}


async def test_a_hole_is_marked_before_the_next_book_and_the_book_is_rebuilt(clock: VirtualClock) -> None:
    """Kills the claim `chained` where it is none: one frame is lost on the wire."""
    async with market_line(clock) as (market, peer):
        states = States()
        feed = market.watch_order_book(BTC, on_continuity=states)
        await feed.wait_live(timeout=5)
        await taken(feed, 0.1)
        states.clear()
        peer.lose(BTC)
        await asyncio.sleep(1)
        assert feed.continuity.is_live  # nobody can know yet
        peer.move(BTC)
        heard = await taken(feed)
        # That it is being rebuilt is among them where they are taken so soon, which is the loop's to say.
        assert [each for each in way(heard) if each != "resyncing"] == [
            "Gap sequence",
            "Resynced",
            "live",
            ".",
        ]
        assert states == ["gap", "resyncing", "live"]
        assert shown(heard[-1]) == levels_of(peer, 200)


async def test_while_a_book_is_rebuilt_it_is_not_live(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=5)
        view = items_of(await taken(feed, 0.1))[-1]
        peer.altered = without("depthSnapshot")
        peer.lose(BTC)
        peer.move(BTC)
        await asyncio.sleep(1)
        assert (feed.continuity.state, view.is_live) == ("resyncing", False)
        assert "a hole in the numbers" in view.reason
        assert view.last is None
        await feed.wait_live(timeout=60)  # over HTTP
        assert shown(view) == levels_of(peer, 200)


async def test_a_line_that_is_cut_is_told_in_the_order_in_which_it_is_known(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        states = States()
        feed = market.watch_order_book(BTC, on_continuity=states)
        await feed.wait_live(timeout=5)
        first = await taken(feed, 0.1)
        peer.drop()
        peer.move(BTC)
        second = await taken(feed, 0.1)
        assert (feed.continuity.state, first[-1].is_live) == ("stale", False)
        assert "connection lost" in feed.continuity.reason
        third = await taken(feed, 5)
        assert way(first + second + third) == [
            *("live", "."),
            "stale",
            *("Gap connection lost", "Resynced", "live", "."),
        ]
        assert states == ["live", "stale", "gap", "resyncing", "live"]
        assert shown(third[-1]) == levels_of(peer, 200)


async def test_a_line_that_is_cut_while_a_book_is_rebuilt_leaves_the_gap_open(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        states = States()
        feed = market.watch_order_book(BTC, on_continuity=states)
        await feed.wait_live(timeout=5)
        peer.altered = without("depthSnapshot")
        peer.lose(BTC)
        peer.move(BTC)
        await asyncio.sleep(0.1)
        peer.drop()
        await asyncio.sleep(0.1)
        assert states == ["live", "gap", "resyncing", "gap"]
        await asyncio.sleep(2)
        assert states[4:] == ["resyncing"]
        peer.altered = lambda frame: frame
        await feed.wait_live(timeout=60)
        await asyncio.sleep(0)
        assert states[5:] == ["live"]


async def test_a_book_is_asked_for_anew_and_who_else_reads_it_is_told_of_a_gap(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        own, others = States(), States()
        feed = market.watch_order_book(BTC, on_continuity=own)
        other = market.watch_order_book(BTC, on_continuity=others)
        await feed.wait_live(timeout=5)
        await other.wait_live(timeout=5)
        await taken(other, 0.1)
        await asyncio.sleep(0.1)
        feed.resync()
        assert feed.continuity.state == "resyncing"
        await feed.wait_live(timeout=5)
        await other.wait_live(timeout=5)
        assert way(await taken(other)) == ["Gap interrupted", "Resynced", "live", "."]
        assert (own, others) == (["live", "resyncing", "live"], ["live", "gap", "resyncing", "live"])
        assert peer.asked().count([f"{BTC}@depth200"]) == 2


async def test_the_book_of_a_contract_that_is_traded_no_more_ends(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=5)
        view = items_of(await taken(feed, 0.1))[-1]
        peer.face.delist(BTC)
        with pytest.raises(SubscriptionEnded, match="not traded any more"):
            await _to_the_end(feed)
        assert (feed.continuity.state, view.is_live) == ("ended", False)


async def _to_the_end(feed: Any) -> None:
    async with asyncio.timeout(5):
        async for _ in feed:
            pass


@given(st.lists(st.sampled_from(["move", "lose", "drop", "wait", "snapshotless", "resync"]), max_size=25))
@settings(max_examples=40)
def test_whatever_happens_a_book_that_is_live_is_the_exchanges_own(steps: list[str]) -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with market_line(clock) as (market, peer):
            truths: dict[int, dict[str, Any]] = {}

            def note() -> None:
                truth = levels_of(peer, 200)
                truths[truth["last"]] = truth

            note()
            checked: list[int] = []
            wrong: list[int] = []  # what a handler or a hook raises is logged
            feed = market.watch_order_book(BTC, handler=lambda view: check(), on_continuity=lambda _: check())
            view = feed._port.view

            def check() -> None:
                if feed.continuity.is_live:
                    is_right = shown(view) == truths.get(view.last) and not view.is_crossed
                    (checked if is_right else wrong).append(view.last)

            for step in steps:
                if step == "move":
                    peer.move(BTC)
                elif step == "lose":
                    peer.lose(BTC)
                elif step == "drop":
                    peer.drop()
                elif step == "snapshotless":
                    peer.altered = without("depthSnapshot") if peer.altered({"e": "depthSnapshot"}) else dict
                elif step == "resync":
                    feed.resync()
                else:
                    await asyncio.sleep(0.7)
                note()
                check()
                await asyncio.sleep(0.001)
                check()
            peer.altered = dict
            peer.move(BTC)
            note()
            await asyncio.sleep(0.1)
            await feed.wait_live(timeout=200)
            await asyncio.sleep(0.1)
            check()
            assert wrong == []
            assert checked[-1] == levels_of(peer, 200)["last"]

    clock.run(main())


# --- trades and tickers ---


async def test_each_trade_comes_once_and_those_of_a_gap_behind_it(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        states = States()
        feed = market.watch_trades(BTC, on_continuity=states)
        await feed.wait_live(timeout=5)
        trade = peer.face.markets.open[BTC].trades
        low = peer.face.markets.open[BTC].book.best_offer
        contract = peer.face.markets.contracts[BTC]

        def print_one() -> None:
            peer.publish(
                peer.face.exchange.place(
                    "house-taker", peer.face.markets.open[BTC].market_id, "buy", low, 10, clock.time_ns()
                )[1]
            )

        print_one()
        first = await taken(feed)
        assert [type(item) for item in items_of(first)] == [Trade]
        told = items_of(first)[0]
        assert (told.price, told.size, told.taker_side) == (
            Decimal(contract.price(low)),
            Decimal("0.0010"),
            "buy",
        )
        assert told.received_at_ns == clock.time_ns() - 10**9
        peer.drop()
        await asyncio.sleep(0.01)
        print_one()
        second = await taken(feed, 5)
        assert way(second) == ["stale", "Gap connection lost", "live", "."]
        assert items_of(second)[0].trade_id == trade[0].trade_id
        print_one()
        third = items_of(await taken(feed))
        assert [each.trade_id for each in third] == [trade[0].trade_id]
        assert states == ["live", "stale", "gap", "live"]


async def test_a_row_that_cannot_be_read_is_a_gap_of_that_feed_alone(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        trades, ticker = market.watch_trades(BTC), market.watch_ticker(BTC)
        await trades.wait_live(timeout=5)
        await ticker.wait_live(timeout=5)
        await taken(trades, 0.1)
        await taken(ticker, 0.1)
        good = {"T": 1790134568001, "t": "one", "p": "10.5", "q": "2", "v": "21", "m": True}
        bad = good | {"t": "two", "p": "-1"}
        rows = [good, bad, good | {"t": "three"}]
        peer.send(f"{BTC}@trade", {"e": "trade", "E": 1790134568001, "s": BTC, "d": rows})
        heard = await taken(trades)
        assert sorted(way(heard)) == sorted(["Gap undecodable", "gap", "live", ".", "."])
        assert [each.trade_id for each in items_of(heard)] == ["one", "three"]
        assert "price" in next(item.detail for item in heard if isinstance(item, Gap))
        assert await taken(ticker) == []
        assert ticker.continuity.is_live


@pytest.mark.parametrize("price", ["abc", "-1"])  # no number, and no price
async def test_a_gap_stands_where_the_row_was_that_cannot_be_read(clock: VirtualClock, price: str) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_trades(BTC)
        await feed.wait_live(timeout=5)
        await taken(feed, 0.1)
        good = {"T": 1790134568001, "t": "one", "p": "10.5", "q": "2", "v": "21", "m": True}
        rows = [good | {"t": "two", "p": price}, good]
        peer.send(f"{BTC}@trade", {"e": "trade", "E": 1790134568001, "s": BTC, "d": rows})
        assert way(await taken(feed)) == ["Gap undecodable", "gap", "live", "."]


async def test_of_tickers_the_newest_waits(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_ticker(BTC)
        await feed.wait_live(timeout=5)
        for last in ("1.5", "2.5", "3.5"):
            peer.tick(BTC, last)
            await asyncio.sleep(0.01)
        (ticker,) = items_of(await taken(feed))
        assert isinstance(ticker, Ticker)
        assert (ticker.last, ticker.change, ticker.mark) == (
            Decimal("3.5"),
            Decimal("0.012475"),
            Decimal("86660.8"),
        )


@pytest.mark.parametrize("version", ["v3", "v2"])
async def test_both_wires_feed_the_same_verbs(clock: VirtualClock, version: str) -> None:
    async with market_line(clock, version=version) as (market, peer):
        feeds = [market.watch_order_book(BTC), market.watch_trades(BTC), market.watch_ticker(BTC)]
        for feed in feeds:
            await feed.wait_live(timeout=5)
        best = peer.face.markets.open[BTC].book.best_offer
        market_id = peer.face.markets.open[BTC].market_id
        peer.publish(peer.face.exchange.place("house-taker", market_id, "buy", best, 10, clock.time_ns())[1])
        peer.face._publish_tickers(clock.time_ns())
        book, trades, tickers = [items_of(await taken(feed)) for feed in feeds]
        assert shown(book[-1]) == levels_of(peer, 200)
        assert [(each.size, each.taker_side) for each in trades] == [(Decimal("0.001"), "buy")]
        assert tickers[-1].last == trades[-1].price


# --- silence ---


async def test_a_market_that_is_quiet_is_not_stale_and_is_asked_about_seldom(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feeds = [market.watch_order_book(BTC), market.watch_trades(BTC), market.watch_ticker(BTC)]
        for feed in feeds:
            await feed.wait_live(timeout=5)
        before = len(peer.http_calls)
        await asyncio.sleep(10 * QUIET_SECONDS)
        assert [feed.continuity.state for feed in feeds] == ["live"] * 3
        assert 25 <= len(peer.http_calls) - before <= 31


async def test_a_book_whose_newest_change_is_on_its_way_is_not_stale(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        states, probes = States(), []
        feed = market.watch_order_book(BTC, on_continuity=states)
        await feed.wait_live(timeout=5)

        async def ahead(request: Any) -> Any:
            probes.append(request)
            book = (await (await own_answer(peer, request)).aread()).decode()
            asyncio.get_running_loop().call_later(0.5, peer.move, BTC)
            return answered(
                book.replace(
                    str(levels_of(peer, 200)["last"]), str(levels_of(peer, 200)["last"] + 1)
                ).encode()
            )

        peer.answer("market/depth", ahead)
        await asyncio.sleep(1.5 * QUIET_SECONDS)
        assert len(probes) == 1
        assert states == ["live"]


async def test_a_topic_that_is_mute_while_its_market_moves_is_stale_until_it_is_heard(
    clock: VirtualClock,
) -> None:
    async with market_line(clock) as (market, peer):
        states = {verb: States() for verb in ("book", "trades", "ticker")}
        feeds = {
            "book": market.watch_order_book(BTC, on_continuity=states["book"]),
            "trades": market.watch_trades(BTC, on_continuity=states["trades"]),
            "ticker": market.watch_ticker(BTC, on_continuity=states["ticker"]),
        }
        for feed in feeds.values():
            await feed.wait_live(timeout=5)
        peer.altered = lambda frame: None if "e" in frame else frame
        best = peer.face.markets.open[BTC].book.best_offer
        market_id = peer.face.markets.open[BTC].market_id

        def print_one() -> None:
            peer.publish(
                peer.face.exchange.place("house-taker", market_id, "buy", best, 1, clock.time_ns())[1]
            )

        for _ in range(8):
            await asyncio.sleep(10)
            print_one()
        assert {name: feed.continuity.state for name, feed in feeds.items()} == dict.fromkeys(feeds, "stale")
        assert "silent for" in feeds["trades"].continuity.reason
        peer.altered = lambda frame: frame
        print_one()
        peer.tick(BTC)
        await asyncio.sleep(1)
        for feed in feeds.values():
            await feed.wait_live(timeout=60)
        assert states["trades"][-2:] == ["stale", "live"]
        assert states["ticker"][-2:] == ["stale", "live"]
        assert states["book"][1] == "stale"


# --- the line ---


async def test_a_reconnection_that_is_asked_for_costs_a_gap_and_nothing_else(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, _):
        assert market.is_connected
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=5)
        market.reconnect()
        await asyncio.sleep(0.1)
        await feed.wait_live(timeout=30)
        figures = market.statistics()
        assert (figures.name, figures.state) == ("weex", "up")
        heard = await taken(feed)
        assert [type(mark).__name__ for mark in heard if is_mark(mark)].count("Gap") == 1


async def test_a_market_that_is_closed_ends_its_feeds(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, _):
        feed = market.watch_order_book(BTC)
        await feed.wait_live(timeout=5)
        await market.close()
        await market.close()
        assert feed.continuity.state is ContinuityState.ENDED
        with pytest.raises(SessionClosed):
            market.watch_trades(BTC)


async def test_a_socket_shared_with_the_documented_stream_serves_both(clock: VirtualClock) -> None:
    async with market_line(clock) as (market, peer):
        feed = market.watch_order_book(BTC, depth=5)
        await feed.wait_live(timeout=5)
        stream = market.socket.stream_order_book(BTC, level=5)
        message = await anext(stream)
        view = items_of(await taken(feed, 0.1))[-1]
        assert message.data["bids"] == list(view.bids())
        assert [topics for topics in peer.asked() if f"{BTC}@depth15" in topics] == [[f"{BTC}@depth15"]]
        await feed.aclose()
        peer.move(BTC)
        assert (await anext(stream)).data["sequence"] == levels_of(peer, 15)["last"]
        await stream.aclose()


# --- over real sockets ---


@pytest.mark.parametrize("fault", ["abort", "close"])
async def test_the_played_venue_cuts_the_line_and_each_feed_says_so_in_order(fault: str) -> None:
    async with (
        Sandbox(rate=0, venues=["weex"], settings={"weex": AT_ONCE}) as sandbox,
        tapewire.connect(
            "weex",
            environ=sandbox.environment(),
            retry=RetryPolicy(max_attempts=None, initial_backoff=0.05, max_backoff=0.2),
            session_options=QUICK,
        ) as market,
    ):
        states = {verb: States() for verb in ("book", "trades", "orders")}
        book = market.watch_order_book(BTC, on_continuity=states["book"])
        trades = market.watch_trades(BTC, on_continuity=states["trades"])
        orders = market.watch_orders(on_continuity=states["orders"])
        for feed in (book, trades, orders):
            await feed.wait_live(timeout=5)
        low = (await market.http.get_order_book(BTC))["bids"][-1][0]
        await market.place_order(BTC, "buy", Decimal("0.01"), low, client_order_id="mine")
        sandbox.inject(fault)
        rebuilt = ["live", "stale", "gap", "resyncing", "live"]
        expected = {"book": rebuilt, "trades": ["live", "stale", "gap", "live"], "orders": rebuilt}
        await until(lambda: all(len(states[verb]) >= len(told) for verb, told in expected.items()))
        assert states == expected
        sandbox.step()
        view = items_of(await taken(book, 0.2))[-1]
        await until(lambda: (list(view.bids()), list(view.offers())) == book_of(sandbox, BTC, 200))
