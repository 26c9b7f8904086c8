"""Watching feeds of several venues: what is asked for, opened, noted, passed on, and how it ends."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from tapewire.app.lines import line_of
from tapewire.app.wanted import Target
from tapewire.app.watching import Watch, chosen, listed
from tapewire.errors import NotSupported, TapewireError, UnknownInstrument
from tapewire.market import Capability
from tapewire.marks import ContinuityState, Gap, Resynced
from tapewire.model import Market, Outcome
from tests.venues.kit.scripted_market import BTC, ETH, HandFed, trade

HOME = msgspec.structs.replace(
    BTC, instrument_id="m1:1", kind="outcome", market_id="m1", currency="USD", name="Home", min_size=None,
    price_tick=None, size_step=None,
)  # fmt: skip
AWAY = msgspec.structs.replace(HOME, instrument_id="m1:2", name="Away")


class Scripted(HandFed):
    """Fed by hand, with markets; `listing` is what it lists."""

    name = "weex"

    def __init__(self, clock=None, listing=(BTC, ETH), markets=()):
        super().__init__(clock)
        self.listing, self.all_markets = list(listing), list(markets)
        self.is_up = False
        self.refusal = None
        if markets:
            self.capabilities = {**HandFed.capabilities, "markets": Capability()}

    @property
    def is_connected(self):
        return self.is_up

    async def _open(self):
        if self.refusal is not None:
            raise self.refusal
        self.is_up = True

    async def list_instruments(self):
        return self.listing

    async def _list_markets(self, *, open):  # noqa: A002 - the contract's word
        for market in self.all_markets:
            yield market


def market(market_id="m1", status="open", outcomes=("m1:1", "m1:2"), name="Home v Away"):
    return Market(
        venue="weex", market_id=market_id, outcomes=tuple(Outcome(outcome_id=each) for each in outcomes),
        status=status, name=name, venue_time_ns=None, received_at_ns=0,
    )  # fmt: skip


async def watched(watch, venue, feeds):
    """A watch that runs, once so many feeds of the venue are asked for; and served."""
    task = asyncio.get_running_loop().create_task(watch.run())
    async with asyncio.timeout(10):
        while len(venue.hands) < feeds:
            await asyncio.sleep(0.001)
            if task.done():
                task.result()
    for hand in venue.hands:
        hand.is_confirmed.set()
    await asyncio.sleep(0.01)
    return task


async def ended(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- what is asked for ----------------------------------------------------------------------------------------------


async def test_the_markets_are_listed_with_what_is_traded_of_them(clock):
    venue = Scripted(clock, [HOME, AWAY], [market(), market("m2", outcomes=("m2:1", "m2:no"))])
    found = [each async for each in listed(venue)]
    assert [(each.market.market_id, [one.instrument_id for one in each.instruments]) for each in found] == [
        ("m1", ["m1:1", "m1:2"]),
        ("m2", []),
    ]


async def test_where_a_venue_lists_no_markets_its_instruments_are_listed(clock):
    found = [each async for each in listed(Scripted(clock), search="eth")]
    assert [(each.market, each.instruments) for each in found] == [(None, (ETH,))]


async def test_a_text_means_an_instrument_a_market_or_a_name_that_one_alone_has(clock):
    venue = Scripted(clock, [HOME, AWAY, ETH], [market()])
    assert await chosen(venue, "m1:2") == [AWAY]
    assert await chosen(venue, "m1") == [HOME, AWAY]
    assert await chosen(venue, "ether") == [ETH]
    assert await chosen(venue, None) == [HOME]
    with pytest.raises(UnknownInstrument, match=r"m1:1 \(Home\) or m1:2 \(Away\)"):
        await chosen(venue, "m1:")
    with pytest.raises(UnknownInstrument, match="perhaps ETHUSDT"):
        await chosen(venue, "ETHUSD_")


async def test_a_venue_alone_is_its_first_instrument_where_it_lists_no_markets(clock):
    assert await chosen(Scripted(clock), None) == [BTC]
    with pytest.raises(UnknownInstrument):
        await chosen(Scripted(clock, []), None)


# --- what is watched ------------------------------------------------------------------------------------------------


async def test_what_comes_is_noted_and_passed_on_in_order_marks_in_their_place(clock):
    venue, passed = Scripted(clock), []

    async def passing(track, item):
        passed.append((track.kind, item))

    watch = Watch(
        [Target("weex", "BTCUSDT")], ["trades"], passing=passing, make=lambda name: venue, clock=clock
    )
    task = await watched(watch, venue, 1)
    gap = Gap(reason="sequence", since_ns=0, missed=1)
    venue.hands[0].put(trade(1))
    venue.hands[0].mark(gap)
    venue.hands[0].put(trade(2))
    await asyncio.sleep(0.1)
    kept = [item for _, item in passed if item in (trade(1), gap, trade(2))]
    assert kept == [trade(1), gap, trade(2)]
    (shown,) = watch.picture().markets
    assert (shown.target, [feed.news for feed in shown.feeds]) == ("weex:BTCUSDT", [2])
    await ended(task)


async def test_without_kinds_book_and_trades_are_watched_of_each_target(clock):
    venue = Scripted(clock)
    targets = [Target("weex", "BTCUSDT"), Target("weex", "ETHUSDT"), Target("weex", "BTCUSDT")]
    watch = Watch(targets, make=lambda name: venue, clock=clock)
    task = await watched(watch, venue, 4)
    assert [(track.target, track.kind) for track in watch.tracks] == [
        ("weex:BTCUSDT", "book"),
        ("weex:BTCUSDT", "trades"),
        ("weex:ETHUSDT", "book"),
        ("weex:ETHUSDT", "trades"),
    ]
    await ended(task)
    assert venue.closed == 1


async def test_where_there_is_neither_book_nor_trades_what_is_our_own_is_watched(clock):
    venue = Scripted(clock)
    venue.capabilities = {"watch_orders": Capability(private=True)}
    watch = Watch([Target("weex")], make=lambda name: venue, clock=clock)
    task = await watched(watch, venue, 1)
    assert [(track.target, track.kind) for track in watch.tracks] == [("weex", "orders")]
    await ended(task)


@pytest.mark.parametrize(
    ("target", "kinds", "error"),
    [
        (Target("weex", "BTCUSDT"), ["ticker"], NotSupported),
        (Target("weex", "nothing"), ["book"], UnknownInstrument),
    ],
)
async def test_what_cannot_be_watched_is_raised_and_the_venue_closed(clock, target, kinds, error):
    venue = Scripted(clock)
    with pytest.raises(error):
        await Watch([target], kinds, make=lambda name: venue, clock=clock).run()
    assert venue.closed == 1


async def test_a_venue_that_cannot_be_reached_is_raised_as_what_it_said(clock):
    venue = Scripted(clock)
    venue.refusal = TapewireError("not today")
    with pytest.raises(TapewireError, match="not today"):
        await Watch([Target("weex")], make=lambda name: venue, clock=clock).run()


async def test_before_it_is_connected_the_picture_says_so(clock):
    venue = Scripted(clock)
    watch = Watch([Target("weex")], make=lambda name: venue, clock=clock)
    assert [(each.name, each.state) for each in watch.picture().venues] == [("weex", "connecting")]
    assert watch.picture().markets == ()


async def test_a_change_is_told_at_once_also_while_nobody_takes_what_is_buffered(clock):
    venue, stuck = Scripted(clock), asyncio.Event()

    async def passing(track, item):
        await stuck.wait()

    watch = Watch(
        [Target("weex", "BTCUSDT")], ["trades"], passing=passing, make=lambda name: venue, clock=clock
    )
    task = await watched(watch, venue, 1)
    venue.hands[0].put(trade(1))
    await asyncio.sleep(0.1)
    venue.hands[0].mark(Gap(reason="sequence", since_ns=0, missed=1))
    await asyncio.sleep(0.1)
    assert any("gap" in str(told) for told in watch.picture().happenings)
    await ended(task)


async def test_one_feed_that_ends_leaves_the_others_and_when_all_have_it_is_over(clock):
    venue = Scripted(clock)
    watch = Watch([Target("weex", "BTCUSDT")], ["book", "trades"], make=lambda name: venue, clock=clock)
    task = await watched(watch, venue, 2)
    venue.hands[0].consumer.end(TapewireError("the venue ended it"))
    await asyncio.sleep(0.1)
    assert not task.done()
    book, trades = watch.picture().markets[0].feeds
    assert book.health.state is ContinuityState.ENDED
    assert trades.health.state is ContinuityState.LIVE
    venue.hands[1].consumer.end(TapewireError("that one too"))
    await task
    assert [track.error for track in watch.tracks] == ["the venue ended it", "that one too"]


async def test_a_venue_that_closes_slowly_is_left_all_the_same(clock):
    venue = Scripted(clock)

    async def never():
        await asyncio.sleep(3600)

    venue._close = never
    watch = Watch([Target("weex", "BTCUSDT")], ["trades"], make=lambda name: venue, clock=clock)
    task = await watched(watch, venue, 1)
    began = clock.monotonic()
    await ended(task)
    assert clock.monotonic() - began < 1.5


# --- lines ----------------------------------------------------------------------------------------------------------


async def test_a_line_says_what_came_of_which_feed_and_what_that_is_worth(clock):
    venue, lines = Scripted(clock), []

    async def passing(track, item):
        lines.append(msgspec.json.decode(line_of(track.feed, item, 7, 1)))

    watch = Watch(
        [Target("weex", "BTCUSDT")], ["book", "trades"], passing=passing, make=lambda name: venue, clock=clock
    )
    task = await watched(watch, venue, 2)
    book, trades = venue.hands
    venue.book.quote("1.0", "1.20")
    book.port.changed(is_right=True)
    trades.put(msgspec.structs.replace(trade(1), price=Decimal("0.10"), raw={"secret": 1}))
    trades.mark(Gap(reason="sequence", since_ns=3, missed=1))
    book.mark(Resynced(at_ns=5, snapshot=[1, 2]))
    trades.put(trade(2))
    await asyncio.sleep(0.1)
    await ended(task)
    told = {(line["kind"], line["event"]): line for line in lines}
    outer = ["at_ns", "venue", "instrument_id", "kind", "event", "state", "data"]
    assert all(list(line) == outer for line in lines)
    assert told["book", "book"]["data"]["bids"] == [["1.0", "1"]]
    assert told["book", "book"]["data"]["spread"] == "0.20"
    assert told["book", "book"]["state"] == "live"
    first = next(line for line in lines if line["event"] == "trade")
    assert (first["at_ns"], first["venue"], first["instrument_id"]) == (7, "weex", "BTCUSDT")
    assert first["data"]["price"] == "0.10"
    assert "raw" not in first["data"]
    assert told["trades", "gap"]["data"]["missed"] == 1
    assert ("trades", "continuity") in told
