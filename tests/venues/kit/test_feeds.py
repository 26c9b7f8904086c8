from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tapewire.errors import ConfigurationError, NotSupported, OwnerCancelled, SessionClosed, UnknownInstrument
from tapewire.market import BookView
from tapewire.market.continuity import ContinuityInput
from tapewire.marks import (
    ContinuityChanged,
    Gap,
    Lagged,
    Reconnected,
    Resynced,
    Subscribed,
    Subscribing,
    is_mark,
)
from tapewire.model import InvalidField
from tapewire.session.consumer import Items
from tapewire.testing import VirtualClock

from .scripted_market import ETH, HandFed, trade

LOST = Subscribing(reason="connection lost")
HOLE = Gap(reason="connection lost", since_ns=1, until_ns=2)
BACK = Reconnected(since_ns=1, until_ns=2, recovered=3)

Scene = Callable[[HandFed], Awaitable[None]]


def play(scene: Scene, **settings: Any) -> None:
    """Run a scene with a connected market on virtual time."""
    clock = VirtualClock()

    async def main() -> None:
        market = HandFed(clock)
        for name, value in settings.items():
            setattr(market, name, value)
        async with market:
            await scene(market)

    clock.run(main())


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def served(market: HandFed, feed: Any) -> Any:
    """The hand that feeds it, once the venue serves it."""
    await turn()
    hand = market.hands[-1]
    hand.is_confirmed.set()
    await turn()
    return hand


async def taken(feed: Any) -> list[Any]:
    """What can be taken of it now."""
    items = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                items.append(await anext(feed))
        except (TimeoutError, StopAsyncIteration):
            return items


def way(items: list[Any]) -> list[str]:
    """Items in short: states by name, marks by kind, others as they are."""
    return [
        f"{item.before} > {item.state}"
        if isinstance(item, ContinuityChanged)
        else type(item).__name__
        if is_mark(item)
        else item
        for item in items
    ]


# --- events -----------------------------------------------------------------------------------------------------------


def test_a_feed_of_events_is_live_as_soon_as_the_venue_serves_it_though_nobody_iterates():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        assert feed.continuity.state == "syncing"
        await turn()
        assert feed.continuity.state == "syncing"
        await served(market, feed)
        await feed.wait_live(timeout=1)
        assert (feed.continuity.state, feed.continuity.reason) == ("live", "")

    play(scene)


def test_what_comes_before_the_venue_confirms_it_does_not_hold_up_that_it_is_live():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        await turn()
        [hand] = market.hands
        hand.put(1)
        hand.mark(Subscribed())
        assert feed.continuity.is_live
        hand.mark(LOST, Subscribed())
        assert feed.continuity.state == "stale"  # what that cost has yet to be told

    play(scene)


def test_a_line_that_is_lost_makes_it_stale_at_once_and_a_replay_makes_good_for_it():
    async def scene(market: HandFed) -> None:
        told: list[ContinuityChanged] = []
        feed = market.watch_trades("BTCUSDT", on_continuity=told.append)
        hand = await served(market, feed)
        hand.put(1)
        hand.mark(LOST)
        assert (feed.continuity.state, feed.continuity.reason) == ("stale", "connection lost")
        hand.mark(Subscribed(was_recovering=True, recovered=True), BACK)
        hand.put(2)
        await turn()
        assert [change.state for change in told] == ["live", "stale", "live"]
        assert way(await taken(feed)) == ["syncing > live", 1, "Reconnected", "live > live", 2]

    play(scene)


def test_events_that_were_asked_for_anew_are_live_again_when_what_was_missed_is_replayed():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        feed.resync()
        hand.mark(Subscribing(reason="asked for anew"))
        assert feed.continuity.state == "gap"
        hand.mark(Subscribed(was_recovering=True, recovered=True), BACK)
        assert feed.continuity.is_live

    play(scene)


def test_events_that_begin_themselves_are_live_behind_a_gap_only_once_they_do():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        hand.mark(LOST, Subscribed(), HOLE)
        assert feed.continuity.state == "gap"
        hand.mark(Gap(reason="reseed failed", since_ns=1, until_ns=2))
        assert feed.continuity.state == "gap"
        hand.port.handle(ContinuityInput.PROVEN)
        assert feed.continuity.is_live

    play(scene, begins_itself=True)


def test_a_mute_book_whose_line_is_lost_is_no_more_than_that():
    """What it says while it is rebuilt is no voice of a line that was silent, which would break it."""

    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1", "2")
        hand.port.changed(is_right=True)
        hand.port.fall_mute("silent")
        hand.mark(LOST)
        hand.port.changed(is_right=False, reason="what was missed is still to come")
        assert feed.continuity.state == "stale"
        hand.port.changed(is_right=True)
        assert feed.continuity.is_live

    play(scene)


def test_what_is_decoded_late_still_says_when_it_arrived():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        began = market.clock.time_ns()
        hand.put(1)
        await asyncio.sleep(2)
        hand.port.fall_mute("silent")
        hand.put(2)
        await asyncio.sleep(3)
        [_, first, change, second] = await taken(feed)
        assert way([change]) == ["live > live"]
        assert (first, second) == ((1, began), (2, began + 2 * 10**9))

    play(scene, decode_at=lambda item, at_ns: (item, at_ns))


def test_a_hole_that_shows_when_something_is_taken_is_told_ahead_of_it():
    async def scene(market: HandFed) -> None:
        told: list[ContinuityChanged] = []
        feed = market.watch_trades("BTCUSDT", on_continuity=told.append)
        hand = await served(market, feed)
        market.hands[0].put(3)
        items = await taken(feed)
        assert way(items) == ["syncing > live", "Gap", "live > gap", "gap > live", 3]
        assert [change.state for change in told] == ["live", "gap", "live"]
        assert (feed.continuity.missed, hand.resyncs) == (None, 0)

    def decode(item: Any, market: list[HandFed]) -> Any:
        return Items([*market[0].hands[0].port.hole(HOLE, "more than it holds"), item])

    markets: list[HandFed] = []

    async def begin(market: HandFed) -> None:
        markets.append(market)
        await scene(market)

    play(begin, decode=lambda item: decode(item, markets))


def test_what_nobody_replayed_is_a_gap_at_its_place_and_what_follows_is_whole():
    async def scene(market: HandFed) -> None:
        told: list[ContinuityChanged] = []
        feed = market.watch_trades("BTCUSDT", on_continuity=told.append)
        hand = await served(market, feed)
        hand.put(1)
        first = await taken(feed)
        hand.mark(LOST)
        second = await taken(feed)
        hand.mark(Subscribed(), HOLE)
        hand.put(2)
        third = await taken(feed)
        assert way(first + second + third) == [
            *("syncing > live", 1, "live > stale"),
            *("Gap", "stale > live", 2),
        ]
        assert [change.state for change in told] == ["live", "stale", "gap", "live"]
        assert feed.continuity.missed is None

    play(scene)


def test_a_row_that_cannot_be_read_is_a_gap_of_that_feed_alone():
    def decode(item: int) -> int:
        if item == 13:
            raise InvalidField("price", item, "above zero")
        return item

    async def scene(market: HandFed) -> None:
        feed, other = market.watch_trades("BTCUSDT"), market.watch_trades("ETHUSDT")
        await turn()
        for hand in market.hands:
            hand.is_confirmed.set()
        await turn()
        market.hands[0].put(12, 13, 14)
        market.hands[1].put(12, 14)
        assert way(await taken(feed)) == [
            *("syncing > live", 12, "Gap", "live > gap", "gap > live", 14),
        ]
        assert way(await taken(other)) == ["syncing > live", 12, 14]
        assert (feed.continuity.missed, other.continuity.missed) == (1, 0)

    play(scene, decode=decode)


def test_a_consumer_that_is_too_slow_is_told_what_it_lost():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        assert way(await taken(feed)) == ["syncing > live"]
        hand.put(1, 2, 3, 4, 5)
        items = await taken(feed)
        assert Lagged(dropped=2) in items
        assert way(items) == ["Lagged", "live > gap", "gap > live", 3, 4, 5]
        assert feed.continuity.missed == 2

    play(scene)


def test_a_hole_in_events_that_is_found_while_the_line_is_lost_does_not_make_them_live():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        hand.mark(LOST)
        assert hand.port.hole(HOLE, "a row cannot be read") == [HOLE]
        assert feed.continuity.state == "stale"
        hand.mark(BACK)
        assert feed.continuity.is_live

    play(scene)


# --- states -----------------------------------------------------------------------------------------------------------


def test_what_is_our_own_is_live_only_when_its_state_was_rebuilt_and_brings_the_news_behind_that():
    async def scene(market: HandFed) -> None:
        feed = market.watch_orders()
        hand = await served(market, feed)
        assert feed.continuity.state == "syncing"
        hand.mark(Resynced(at_ns=1, snapshot=["open one"]))
        assert feed.continuity.is_live
        hand.mark(LOST)
        hand.mark(Subscribed(), HOLE)
        assert (feed.continuity.state, feed.continuity.reason) == ("resyncing", "connection lost")
        first = await taken(feed)
        hand.mark(Resynced(at_ns=2, snapshot=["filled meanwhile"]))
        second = await taken(feed)
        assert way(first) == ["Resynced", "open one", "Gap", "syncing > resyncing"]
        assert way(second) == ["Resynced", "filled meanwhile", "resyncing > live"]

    play(scene)


@pytest.mark.parametrize(
    ("put", "told"),
    [((1, 13, 2), [1, "Gap", 2, "live > gap"]), ((1, 2, 3, 4), ["Lagged", 2, 3, 4, "live > gap"])],
)
def test_a_hole_in_what_is_our_own_that_is_found_while_the_line_is_lost_is_rebuilt_when_it_is_back(put, told):
    def decode(item: int) -> int:
        if item == 13:
            raise InvalidField("price", item, "above zero")
        return item

    async def scene(market: HandFed) -> None:
        feed = market.watch_orders()
        hand = await served(market, feed)
        hand.mark(Resynced(at_ns=1, snapshot=[]))
        await taken(feed)
        hand.put(*put)
        hand.mark(LOST)
        assert feed.continuity.state == "stale"
        assert way(await taken(feed)) == told
        before = hand.resyncs
        hand.mark(Subscribed(), BACK)
        assert not feed.continuity.is_live
        assert hand.resyncs == before + 1
        hand.mark(Resynced(at_ns=2, snapshot=[]))
        assert feed.continuity.is_live

    play(scene, decode=decode)


def test_a_state_of_which_the_newest_waits_is_not_asked_for_anew_because_older_ones_gave_way():
    async def scene(market: HandFed) -> None:
        feed = market.watch_orders()
        hand = await served(market, feed)
        hand.mark(Resynced(at_ns=1, snapshot=[]))
        await taken(feed)
        hand.mark(Lagged(dropped=1, policy="conflate"))
        assert way(await taken(feed)) == ["Lagged"]
        assert feed.continuity.is_live
        assert hand.resyncs == 0

    play(scene)


def test_what_is_news_of_a_snapshot_may_have_to_be_asked_for():
    async def news(snapshot: list[str]) -> list[str]:
        await asyncio.sleep(0.001)
        return [f"{each}, looked up" for each in snapshot]

    async def scene(market: HandFed) -> None:
        market.decode_snapshot = news
        feed = market.watch_orders()
        hand = await served(market, feed)
        hand.mark(Resynced(at_ns=1, snapshot=["one", "two"]))
        hand.put("three")
        assert way(await taken(feed)) == [
            *("Resynced", "one, looked up", "two, looked up"),
            *("syncing > live", "three"),
        ]

    play(scene)


def test_a_source_is_told_once_that_nothing_more_comes():
    async def scene(market: HandFed) -> None:
        told: list[Any] = []
        market.on_ended = lambda: told.append("ended")
        feed = market.watch_trades("BTCUSDT")
        await served(market, feed)
        assert told == []
        await feed.aclose()
        await feed.aclose()
        assert told == ["ended"]

    play(scene)


def test_a_snapshot_that_cannot_be_had_leaves_the_gap():
    async def scene(market: HandFed) -> None:
        feed = market.watch_orders()
        hand = await served(market, feed)
        hand.mark(Resynced(at_ns=1, snapshot=[]), LOST, HOLE)
        hand.mark(Gap(reason="reseed failed", since_ns=1, until_ns=2, detail="503"))
        assert (feed.continuity.state, feed.continuity.reason) == ("gap", "reseed failed: 503")

    play(scene)


def test_a_resync_that_is_asked_for_is_passed_on_and_told():
    async def scene(market: HandFed) -> None:
        feed = market.watch_orders()
        hand = await served(market, feed)
        hand.mark(Resynced(at_ns=1, snapshot=[]))
        feed.resync()
        assert (hand.resyncs, feed.continuity.state) == (1, "resyncing")

    play(scene)


# --- books ------------------------------------------------------------------------------------------------------------


def test_a_book_is_live_while_it_is_right_and_its_view_is_always_the_newest():
    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT", depth=5)
        hand = await served(market, feed)
        assert feed.continuity.state == "syncing"
        for offer in ("1.2", "1.3", "1.4"):
            market.book.quote("1.1", offer)
            hand.port.changed(is_right=True)
        assert feed.continuity.is_live
        items = await taken(feed)
        assert way(items)[0] == "syncing > live"
        views = [item for item in items if isinstance(item, BookView)]
        assert [view.best_offer for view in views] == [(Decimal("1.4"), Decimal(1))]
        assert views[0].depth == 5

    play(scene)


def test_a_book_that_nobody_takes_never_lags_and_every_mark_keeps_its_place():
    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1.1", "1.2")
        for _ in range(5):
            hand.port.changed(is_right=True)
            hand.mark(HOLE)
        hand.port.changed(is_right=True)
        items = way(await taken(feed))
        assert "Lagged" not in items
        assert [type(item).__name__ for item in items if not isinstance(item, str)] == ["BookView"]
        assert items[0] == "Gap"
        assert feed.continuity.is_live
        assert hand.resyncs == 0

    play(scene)


@pytest.mark.parametrize(
    ("bid", "offer", "is_right"), [("1.3", "1.2", True), ("1.2", "1.2", True), ("1", "2", False)]
)
def test_a_book_that_is_crossed_or_not_proven_is_never_live(bid, offer, is_right):
    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1.1", "1.2")
        hand.port.changed(is_right=True)
        market.book.quote(bid, offer)
        hand.port.changed(is_right=is_right, reason="a hole")
        assert feed.continuity.state == "gap"
        assert feed.continuity.reason == ("the book is crossed" if is_right else "a hole")
        market.book.quote("1.1", "1.2")
        hand.port.changed(is_right=True)
        assert feed.continuity.is_live

    play(scene)


def test_a_book_whose_missed_changes_are_replayed_is_live_when_they_are_in_it_and_not_before():
    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1.1", "1.2")
        hand.port.changed(is_right=True)
        await taken(feed)
        hand.mark(LOST, Subscribed(was_recovering=True, recovered=True), BACK)
        hand.port.changed(is_right=False, reason="2 missed updates are still to come")
        assert feed.continuity.state == "stale"
        hand.port.changed(is_right=True)
        assert feed.continuity.is_live
        marks = [item for item in await taken(feed) if is_mark(item)]
        assert way(marks) == ["live > stale", "Reconnected", "stale > live"]

    play(scene)


def test_a_book_of_a_lost_line_is_stale_and_not_a_gap_before_that_is_known():
    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1.1", "1.2")
        hand.port.changed(is_right=True)
        hand.mark(LOST)
        hand.port.changed(is_right=False, reason="connection lost")
        assert feed.continuity.state == "stale"
        hand.mark(HOLE)
        assert feed.continuity.state == "resyncing"

    play(scene)


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_feed_that_is_silent_while_its_line_speaks_is_stale_until_it_is_heard():
    async def scene(market: HandFed) -> None:
        feed, other = market.watch_trades("BTCUSDT"), market.watch_trades("ETHUSDT", capacity=1_000)
        await turn()
        for hand in market.hands:
            hand.is_confirmed.set()
        for number in range(15):
            await asyncio.sleep(1)
            market.hands[1].put(number)
        assert feed.continuity.state == "stale"
        assert "silent for" in feed.continuity.reason
        assert other.continuity.is_live
        await taken(feed)
        market.hands[0].put(1)
        assert feed.continuity.is_live
        assert way(await taken(feed)) == ["stale > live", 1]

    play(scene, quiet=10.0)


@pytest.mark.parametrize("quiet", [12.5, None])
def test_a_feed_says_for_how_long_it_may_be_silent_and_nobody_may_change_it(quiet):
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        assert feed.quiet == quiet
        with pytest.raises(AttributeError):
            feed.quiet = 1.0  # type: ignore[misc]

    play(scene, quiet=quiet)


def test_what_is_passed_over_of_its_own_line_says_that_it_is_not_mute():
    async def scene(market: HandFed) -> None:
        feed, other = market.watch_trades("BTCUSDT"), market.watch_trades("ETHUSDT", capacity=1_000)
        await turn()
        for hand in market.hands:
            hand.is_confirmed.set()
        for number in range(15):
            await asyncio.sleep(1)
            market.hands[1].put(number)
            market.hands[0].port.heard()
        assert feed.continuity.is_live
        for number in range(15):
            await asyncio.sleep(1)
            market.hands[1].put(number)
        assert feed.continuity.state == "stale"
        market.hands[0].port.heard()
        assert feed.continuity.is_live
        assert way(await taken(feed)) == ["syncing > live"]
        assert other.continuity.is_live

    play(scene, quiet=10.0)


def test_a_line_that_is_silent_as_a_whole_is_judged_by_its_own_liveness():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        await served(market, feed)
        await asyncio.sleep(60)
        assert feed.continuity.is_live

    play(scene, quiet=10.0)


def test_silence_that_a_probe_explains_is_not_stale_and_probes_are_rare():
    asked = []

    async def probe() -> bool:
        asked.append(asyncio.get_running_loop().time())
        return len(asked) < 4

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        await served(market, feed)
        await asyncio.sleep(35)
        assert feed.continuity.is_live
        await asyncio.sleep(20)
        assert feed.continuity.state == "stale"
        assert len(asked) <= 5

    play(scene, quiet=10.0, probe=probe)


@pytest.mark.parametrize("is_right", [True, False])
def test_a_mute_book_is_judged_anew_by_its_next_change(is_right):
    async def probe() -> bool:
        return False

    async def scene(market: HandFed) -> None:
        feed = market.watch_order_book("BTCUSDT")
        hand = await served(market, feed)
        market.book.quote("1.1", "1.2")
        hand.port.changed(is_right=True)
        await asyncio.sleep(15)
        assert feed.continuity.state == "stale"
        hand.port.changed(is_right=is_right, reason="a hole")
        assert feed.continuity.state == ("live" if is_right else "gap")

    play(scene, quiet=10.0, probe=probe)


def test_what_is_learnt_on_another_way_is_no_voice_of_what_fell_mute():
    async def probe() -> bool:
        return False

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        await asyncio.sleep(15)
        assert feed.continuity.state == "stale"
        hand.port.learn(1)
        assert feed.continuity.state == "stale"
        hand.put(2)
        assert way(await taken(feed)) == ["syncing > stale", 1, "stale > live", 2]

    play(scene, quiet=10.0, probe=probe)


def test_a_probe_that_ends_when_the_line_is_lost_says_nothing_of_the_next_line():
    """Else the first word on that line would be taken for the end of a silence, whatever is missing before it."""
    may_end = asyncio.Event()

    async def probe() -> bool:
        await may_end.wait()
        return False

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        await asyncio.sleep(5)
        await taken(feed)
        await asyncio.sleep(10)
        hand.mark(LOST)
        assert way(await taken(feed)) == ["live > stale"]
        may_end.set()
        await asyncio.sleep(1)
        hand.put(1)
        assert feed.continuity.state == "stale"

    play(scene, quiet=10.0, probe=probe)


def test_probes_that_get_no_answer_hold_up_no_other_and_are_no_crowd():
    asked: list[float] = []
    under_way, most = 0, 0

    async def probe() -> bool:
        nonlocal under_way, most
        asked.append(asyncio.get_running_loop().time())
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(1_000)
        finally:
            under_way -= 1
        return True

    async def scene(market: HandFed) -> None:
        feeds = []
        for _ in range(40):
            feeds.append(market.watch_trades("BTCUSDT"))
            await served(market, feeds[-1])
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(60)
        assert [feed.continuity.state for feed in feeds] == ["stale"] * 40
        assert len([at for at in asked if at - began < 60]) >= 40
        assert 1 < most <= 8

    play(scene, quiet=5.0, probe=probe)


# --- handlers and hooks -----------------------------------------------------------------------------------------------


def test_a_handler_gets_the_items_and_on_mark_the_marks_and_what_it_raises_stops_nothing():
    got: list[Any] = []
    marks: list[Any] = []
    errors: list[Any] = []

    async def handler(item: int) -> None:
        await asyncio.sleep(1)
        got.append(item)
        if item == 1:
            raise ValueError("mine")

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades(
            "BTCUSDT",
            handler=handler,
            on_mark=marks.append,
            on_error=lambda error, item: errors.append((error, item)),
        )
        hand = await served(market, feed)
        hand.put(1, 2)
        hand.mark(HOLE)
        await asyncio.sleep(3)
        assert got == [1, 2]
        assert way(marks) == ["syncing > live", "Gap", "live > live"]
        assert [(str(error), item) for error, item in errors] == [("mine", 1)]

    play(scene)


def test_a_handler_that_awaits_what_was_cancelled_is_told_so_and_goes_on():
    got: list[Any] = []
    errors: list[Any] = []

    async def handler(item: int) -> None:
        got.append(item)
        if item == 1:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT", handler=handler, on_error=lambda *told: errors.append(told))
        hand = await served(market, feed)
        hand.put(1)
        await asyncio.sleep(1)
        hand.put(2)
        await asyncio.sleep(1)
        assert got == [1, 2]
        assert [(type(error), item) for error, item in errors] == [(OwnerCancelled, 1)]
        assert feed.continuity.is_live

    play(scene)


def test_a_handler_that_raises_with_each_item_is_logged_with_its_count_and_not_each_time(caplog):
    def handler(item: int) -> None:
        raise ValueError("mine")

    async def scene(market: HandFed) -> None:
        hand = await served(market, market.watch_trades("BTCUSDT", handler=handler))
        hand.put(*range(1_000))
        await asyncio.sleep(1)

    with caplog.at_level(logging.WARNING):
        play(scene, capacity=1_000)
    lines = [record.getMessage() for record in caplog.records]
    assert 1 < len(lines) < 20
    assert "512 times" in lines[-1]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("is_in_a_task", [False, True])
def test_a_handler_that_closes_its_venue_is_not_waited_for_and_called_no_more(is_in_a_task):
    got: list[Any] = []

    async def scene(market: HandFed) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def handler(item: int) -> None:
            await asyncio.sleep(1)  # all come to close it at once
            got.append(item)
            await (asyncio.create_task(market.close()) if is_in_a_task else market.close())
            got.append("closed")

        for _ in range(2):
            hand = await served(market, market.watch_trades("BTCUSDT", handler=handler))
            hand.put(1, 2, 3)
        await asyncio.sleep(1.5)
        assert got == [1, 1, "closed", "closed"]
        assert market.closed
        await market.close()
        assert loop.time() - began < 2

    play(scene)


def test_a_handler_that_never_ends_holds_up_the_close_for_a_while_and_no_more(caplog):
    async def handler(item: int) -> None:
        while True:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                if loops[0].time() > 100:
                    raise

    loops: list[Any] = []

    async def scene(market: HandFed) -> None:
        loops.append(asyncio.get_running_loop())
        hand = await served(market, market.watch_trades("BTCUSDT", handler=handler))
        hand.put(1)
        await turn()
        await asyncio.wait_for(market.close(), 10)
        assert market.closed
        await asyncio.sleep(100)

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert "did not return in time" in caplog.text


def test_a_handler_is_called_though_nobody_holds_its_feed():
    got: list[Any] = []

    async def scene(market: HandFed) -> None:
        market.watch_trades("BTCUSDT", handler=got.append)
        gc.collect()
        hand = await served(market, None)
        hand.put(1)
        await turn()
        assert got == [1]

    play(scene)


def test_a_hook_that_raises_is_logged_and_changes_nothing(caplog):
    def hook(change: ContinuityChanged) -> None:
        raise ValueError("mine")

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT", on_continuity=hook)
        await served(market, feed)
        assert feed.continuity.is_live

    with caplog.at_level(logging.ERROR):
        play(scene)
    assert "on_continuity raised" in caplog.text


def test_a_hook_is_never_called_inside_the_read():
    told: list[Any] = []

    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT", on_continuity=told.append)
        hand = await served(market, feed)
        told.clear()
        hand.mark(LOST)
        assert told == []
        await turn()
        assert len(told) == 1

    play(scene)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_asked_for_ends_the_feed_with_its_error():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSD")
        with pytest.raises(UnknownInstrument, match="perhaps BTCUSDT"):
            await feed.wait_live(timeout=1)
        assert feed.continuity.state == "ended"
        with pytest.raises(UnknownInstrument):
            await anext(feed)

    play(scene)


def test_a_feed_is_left_when_it_is_closed_when_nobody_holds_it_and_when_the_venue_is_closed():
    async def scene(market: HandFed) -> None:
        first, second = market.watch_trades("BTCUSDT"), market.watch_trades("BTCUSDT")
        third = market.watch_trades("BTCUSDT")
        await turn()
        await first.aclose()
        assert [hand.is_left for hand in market.hands] == [True, False, False]
        assert first.continuity.state == "ended"
        del second
        gc.collect()
        await turn()
        assert [hand.is_left for hand in market.hands] == [True, True, False]
        await market.close()
        assert [hand.is_left for hand in market.hands] == [True, True, True]
        with pytest.raises(SessionClosed):
            await third.wait_live()
        assert market.closed == 1

    play(scene)


def test_what_was_not_served_yet_is_left_at_once():
    async def scene(market: HandFed) -> None:
        began = asyncio.get_running_loop().time()
        feed = market.watch_trades("BTCUSDT")
        await turn()
        await feed.aclose()
        market.watch_trades("BTCUSDT", handler=print)
        await market.close()
        await turn()
        assert asyncio.get_running_loop().time() == began
        assert len(asyncio.all_tasks()) == 1

    play(scene)


def test_a_wait_for_it_to_be_live_says_after_its_time_why_it_is_not():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        with pytest.raises(TimeoutError, match="syncing: not served yet"):
            await feed.wait_live(timeout=2)

    play(scene)


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), -1, "5", True])
def test_a_wait_for_no_time_that_there_is_is_refused_by_name(timeout):
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        with pytest.raises(ConfigurationError, match=r"timeout.*seconds, from 0.* or None"):
            await asyncio.wait_for(feed.wait_live(timeout), 60)
        with pytest.raises(TimeoutError, match="not served yet"):
            await feed.wait_live(0)

    play(scene)


# --- what is asked wrongly --------------------------------------------------------------------------------------------


def test_what_a_venue_has_not_is_refused_at_the_call_with_what_comes_nearest():
    async def scene(market: HandFed) -> None:
        with pytest.raises(
            NotSupported, match="it has none; the nearest there is: watch_order_book"
        ) as caught:
            market.watch_ticker("BTCUSDT")
        assert (caught.value.verb, caught.value.nearest) == ("watch_ticker", "watch_order_book")
        with pytest.raises(NotSupported):
            market.watch_balance()
        with pytest.raises(NotSupported):
            market.markets()
        with pytest.raises(NotSupported):
            await market.cancel_all()

    play(scene)


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("instrument_id", lambda market: market.watch_trades("")),
        ("instrument_id", lambda market: market.watch_trades(7)),
        ("instrument_id", lambda market: market.watch_trades(None)),
        ("instrument_id", lambda market: market.watch_order_book(None)),
        ("search", lambda market: market.instruments(search=None)),
        ("depth", lambda market: market.watch_order_book("BTCUSDT", depth=0)),
        ("handler", lambda market: market.watch_trades("BTCUSDT", handler=7)),
        ("on_mark", lambda market: market.watch_trades("BTCUSDT", on_mark=print)),
        ("capacity", lambda market: market.watch_trades("BTCUSDT", capacity=0)),
        ("options", lambda market: market.watch_trades("BTCUSDT", handlr=print)),
    ],
)
def test_a_wrong_argument_is_refused_at_the_call_by_its_name(argument, call):
    async def scene(market: HandFed) -> None:
        with pytest.raises(ConfigurationError, match=f"^{argument}="):
            call(market)
        assert market.hands == []

    play(scene)


def test_a_market_that_is_not_connected_says_so():
    async def scene(market: HandFed) -> None:
        await market.close()
        with pytest.raises(SessionClosed, match="async with"):
            market.watch_trades("BTCUSDT")

    play(scene)


@pytest.mark.parametrize("given", ["", 7])
def test_what_is_no_id_never_stands_for_all_and_a_mistyped_one_is_not_said_to_have_no_orders(given):
    async def scene(market: HandFed) -> None:
        for verb in (market.open_orders, market.instrument):
            with pytest.raises(ConfigurationError, match="the id of an instrument"):
                await verb(given)
        assert await market.open_orders() == await market.open_orders("BTCUSDT") == []
        with pytest.raises(UnknownInstrument) as caught:
            await market.open_orders("BTCUSD")
        assert "BTCUSDT" in caught.value.near

    play(scene)


@pytest.mark.parametrize(
    ("size", "price", "grid"),
    [
        ("1", "10.05", r"price=.*steps of 0.1 USDT"),
        ("1.001", "10.1", r"size=.*0.02 at least in steps of 0.01"),
        ("0.01", "10.1", r"size=.*0.02 at least"),
    ],
)
def test_an_order_off_the_grid_is_refused_with_the_grid_before_it_is_sent(size, price, grid):
    async def scene(market: HandFed) -> None:
        with pytest.raises(InvalidField, match=grid):
            await market.place_order("BTCUSDT", "buy", Decimal(size), Decimal(price))

    play(scene)


def test_a_list_of_instruments_is_kept_for_a_while_and_a_name_that_is_not_in_it_looked_for_anew():
    async def scene(market: HandFed) -> None:
        assert await market.instrument("ETHUSDT") == ETH
        assert await market.instrument("BTCUSDT")
        assert market.listed == 1
        with pytest.raises(UnknownInstrument, match="perhaps ETHUSDT"):
            await market.instrument("ETHUSD")
        assert market.listed == 2
        await asyncio.sleep(301)
        await market.instrument("BTCUSDT")
        assert market.listed == 3
        assert [each async for each in market.instruments(search="ether")] == [ETH]

    play(scene)


def test_a_trade_is_what_a_feed_of_trades_gives():
    async def scene(market: HandFed) -> None:
        feed = market.watch_trades("BTCUSDT")
        hand = await served(market, feed)
        hand.put(trade(1), trade(2))
        async for batch in feed.batches():
            assert [item for item in batch if not is_mark(item)] == [trade(1), trade(2)]
            break

    play(scene)
