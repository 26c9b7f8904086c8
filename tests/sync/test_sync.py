"""The market from blocking code, with real threads: the same verbs, marks and errors, and nothing left running."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import tapewire
from tapewire import market, sync
from tapewire.errors import ConfigurationError, HandshakeRefused, NotSupported, SessionClosed, WrongLoop
from tapewire.marks import ContinuityChanged, ContinuityState, Gap, Lagged, is_mark
from tapewire.model import Balance, Trade
from tapewire.venues.template import TemplateArgumentError
from tests.sync.played import Template, eventually, later, played_template, threads
from tests.venues.threaded import threaded

NAMES_HERE = {"aclose": "close"}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = threads()
    yield
    gc.collect()
    eventually(lambda: threads() == before)


@pytest.fixture
def template() -> Iterator[Template]:
    with played_template() as played:
        yield played


def sizes(items: Any) -> list[int]:
    return [int(item.size) for item in items if not is_mark(item)]


# --- the same verbs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(sync.Venue, market.Venue), (sync.Feed, market.Feed)])
def test_every_name_is_there_with_the_same_arguments(ours: Any, theirs: Any) -> None:
    for name, member in inspect.getmembers(theirs):
        if name.startswith("_"):
            continue
        here = getattr(ours, NAMES_HERE.get(name, name), None)
        assert here is not None, name
        if inspect.isfunction(member):
            assert list(inspect.signature(here).parameters) == list(inspect.signature(member).parameters), (
                name
            )
            assert [each.default for each in inspect.signature(here).parameters.values()] == [
                each.default for each in inspect.signature(member).parameters.values()
            ]


def test_it_is_reached_from_the_package_and_lists_near_names() -> None:
    assert tapewire.sync.connect is sync.connect
    with pytest.raises(ConfigurationError, match="perhaps stake"):
        sync.connect("stak")


def test_a_feed_is_a_plain_iterator_with_its_marks_in_their_place(template: Template) -> None:
    with template.venue() as venue, venue.watch_trades(template.market) as feed:
        assert (feed.verb, feed.venue, feed.instrument_id) == ("watch_trades", "template", template.market)
        feed.wait_live(timeout=5)
        assert feed.continuity.is_live
        assert feed.quiet is None
        assert venue.is_connected
        template.trade(1)
        template.lose()
        template.trade(2)
        items = []
        for item in feed:
            items.append(item)
            if sizes(items) == [1, 2]:
                break
        assert [type(item) for item in items if not isinstance(item, ContinuityChanged)] == [
            Trade,
            Gap,
            Trade,
        ]
        assert feed.continuity.missed == 1


def test_a_wait_for_what_never_comes_ends_with_the_reason(template: Template) -> None:
    template.sandbox.order("slow_join", seconds=30.0)
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        with pytest.raises(TimeoutError, match="is syncing: "):
            feed.wait_live(timeout=0.05)


def test_errors_are_of_the_same_classes_and_raised_at_the_call(template: Template) -> None:
    with template.venue() as venue:
        with pytest.raises(NotSupported) as raised:
            venue.watch_order_book(template.market)
        assert raised.value.nearest == "watch_trades"
        with pytest.raises(NotSupported):
            venue.markets()
        with pytest.raises(ConfigurationError, match="instrument_id"):
            venue.watch_trades("")
        with pytest.raises(NotSupported):
            venue.place_order("x", "buy", Decimal(1))
    with pytest.raises(TemplateArgumentError, match="token"):
        template.venue("")


def test_what_connecting_raises_leaves_nothing_running() -> None:
    with threaded("stake") as played:
        played.order("refuse_tokens", times=100)
        venue = sync.connect("stake", access_token="tok", base_url=played.url)
        with pytest.raises(HandshakeRefused):
            venue.connect()
        assert threads() == []


def test_before_and_behind_the_block_nothing_can_be_asked(template: Template) -> None:
    venue = template.venue()
    assert not venue.is_connected
    with pytest.raises(SessionClosed, match="use it inside `with`"):
        venue.watch_trades(template.market)
    with venue:
        feed = venue.watch_trades(template.market)
    with pytest.raises(SessionClosed):
        venue.open_orders()
    assert list(feed) == []
    assert feed.continuity.state is ContinuityState.ENDED
    feed.close()
    venue.close()


def test_reconnecting_and_statistics_are_calls_of_the_loop(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        venue.reconnect()
        eventually(lambda: venue.statistics().connections == 2)
        feed.wait_live(5)
        feed.resync()


# --- what waits here --------------------------------------------------------------------------------------------------


def test_leaving_a_loop_loses_nothing_of_what_was_read_at_once(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        template.trades(*range(1, 31))
        for item in feed:
            if not is_mark(item):
                break
        rest: list[Any] = []
        for batch in feed.batches(7):
            assert 1 <= len(batch) <= 7
            rest += batch
            if len(sizes(rest)) == 29:
                break
        assert sizes([item, *rest]) == list(range(1, 31))


def test_a_feed_is_bounded_and_says_what_it_dropped(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market, capacity=10)
        feed.wait_live(5)
        template.trades(*range(1, 101))
        eventually(lambda: feed._feed._port.consumer.buffer.dropped == 90)
        items: list[Any] = []
        while sizes(items)[-1:] != [100]:
            items.append(next(feed))
        assert [item.dropped for item in items if isinstance(item, Lagged)] == [90]
        assert sizes(items) == list(range(91, 101))


def test_no_more_is_taken_ahead_than_the_bound_says(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        template.trades(*range(1, 301))
        buffer = feed._feed._port.consumer.buffer
        eventually(lambda: len(buffer) >= 300)
        next(feed)
        assert len(feed._ahead) < sync.MOST_AHEAD
        assert len(buffer) >= 300 - sync.MOST_AHEAD


def test_two_threads_never_take_of_one_feed(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        while feed._ahead or len(feed._feed._port.consumer.buffer):
            next(feed)
        first: list[Any] = []
        waiting = threading.Thread(target=lambda: first.append(next(feed)))
        waiting.start()
        eventually(lambda: feed._feed._port.consumer.buffer.is_awaited)
        with pytest.raises(ConfigurationError, match="one task at a time"):
            next(feed)
        template.trade(3)
        waiting.join()
        assert sizes(first) == [3]


def test_closing_in_one_thread_ends_the_iteration_of_another(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        later(0.2, venue.close)
        assert all(is_mark(item) for item in feed)


# --- threads and loops ------------------------------------------------------------------------------------------------


def test_all_that_is_connected_shares_one_thread_that_ends_with_the_last(template: Template) -> None:
    with template.venue(), template.venue("bob") as second:
        assert threads() == ["tapewire"]
        second.close()
        assert threads() == ["tapewire"]
    assert threads() == []
    eventually(lambda: not template.clients)


def test_it_works_where_an_event_loop_runs_already(template: Template) -> None:
    async def cell() -> int:
        with template.venue() as venue:
            feed = venue.watch_trades(template.market)
            feed.wait_live(5)
            template.trade(7)
            return sizes([item for item in (next(feed) for _ in range(2)) if not is_mark(item)])[0]

    assert asyncio.run(cell()) == 7


def test_waiting_for_the_loop_inside_the_loop_is_an_error_and_no_standstill(template: Template) -> None:
    with template.venue() as venue:

        async def inside() -> Any:
            return venue.statistics()

        with pytest.raises(WrongLoop):
            venue._call(inside)


def test_what_nobody_holds_any_more_is_closed(template: Template) -> None:
    def forget() -> None:
        feed = template.venue()
        feed.connect()
        feed.watch_trades(template.market).wait_live(5)

    forget()
    gc.collect()
    eventually(lambda: threads() == [])
    eventually(lambda: not template.clients)


def test_a_feed_that_is_held_holds_its_venue(template: Template) -> None:
    def watched() -> Any:
        venue = template.venue()
        venue.connect()
        return venue.watch_trades(template.market)

    feed = watched()
    gc.collect()
    feed.wait_live(5)
    template.trade(4)
    assert sizes([next(feed), next(feed)]) == [4]


# --- handlers ---------------------------------------------------------------------------------------------------------


def test_a_handler_may_block_and_call_the_venue_while_others_go_on(template: Template) -> None:
    release, heard = threading.Event(), []

    with template.venue() as venue:

        def slow(trade: Trade) -> None:
            release.wait(5)
            heard.append((int(trade.size), venue.is_connected, venue.statistics().connections))

        venue.watch_trades(template.market, handler=slow).wait_live(5)
        other = venue.watch_trades(template.market)
        other.wait_live(5)
        template.trades(1, 2)
        assert sizes([next(other) for _ in range(3)]) == [1, 2]
        assert heard == []
        release.set()
        eventually(lambda: heard == [(1, True, 1), (2, True, 1)])


def test_a_handler_may_close_its_venue_and_waits_for_nothing(template: Template) -> None:
    heard: list[float] = []
    with template.venue() as venue:

        def handler(trade: Trade) -> None:
            began = time.monotonic()
            venue.close()
            heard.append(time.monotonic() - began)

        venue.watch_trades(template.market, handler=handler).wait_live(5)
        template.trades(1, 2)
        eventually(lambda: bool(heard))
        assert not venue.is_connected
    assert len(heard) == 1
    assert heard[0] < 3, "it was waited for"


def test_marks_errors_and_changes_reach_their_functions(template: Template) -> None:
    heard: list[Any] = []
    boom = RuntimeError("boom")

    def handler(trade: Trade) -> None:
        heard.append(int(trade.size))
        if trade.size == 1:
            raise boom
        if trade.size == 2:
            raise SystemExit

    with template.venue() as venue:
        feed = venue.watch_trades(
            template.market,
            handler=handler,
            on_mark=lambda mark: heard.append(type(mark)),
            on_error=lambda error, item: heard.append((type(error), int(item.size))),
            on_continuity=lambda change: heard.append(change.state),
        )
        feed.wait_live(5)
        template.trades(1, 2)
        template.lose()
        template.trade(3)
        eventually(lambda: 3 in heard)
    assert (RuntimeError, 1) in heard
    assert (tapewire.OwnerCancelled, 2) in heard
    assert heard.index(Gap) < heard.index(3)
    assert heard.index(ContinuityState.LIVE) < heard.index(ContinuityState.GAP)


def test_an_async_handler_has_no_loop_to_run_in(template: Template) -> None:
    async def handler(trade: Trade) -> None:
        raise AssertionError

    with template.venue() as venue, pytest.raises(ConfigurationError, match="not async"):
        venue.watch_trades(template.market, handler=handler)


# --- several at once --------------------------------------------------------------------------------------------------


def test_feeds_of_two_venues_merge_and_a_break_gives_back_what_was_read(template: Template) -> None:
    with threaded("stake") as stake:
        account = stake.face.account_of("tok")
        with template.venue() as one, sync.connect("stake", access_token="tok", base_url=stake.url) as other:
            trades, balance = one.watch_trades(template.market), other.watch_balance()
            trades.wait_live(5)
            balance.wait_live(5)
            template.trades(1, 2)
            assert sizes([next(trades), next(trades)]) == [1]
            got: dict[Any, list[Any]] = {trades: [], balance: []}
            for feed, item in sync.merge(trades, balance):
                if not is_mark(item):
                    got[feed].append(item)
                if sizes(got[trades]) == [2] and got[balance]:
                    break
            assert isinstance(got[balance][0], Balance)
            template.trade(3)
            assert sizes([next(trades)]) == [3]
            assert stake.face.exchange.accounts[account] is not None


def test_a_merge_that_is_interrupted_and_left_loses_nothing(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        feed.wait_live(5)
        with sync.merge(feed) as merged:
            assert is_mark(next(merged)[1])
            merged._thread.post(
                merged._take
            )  # as a wait that Ctrl-C ended, and that came through all the same
            template.trade(8)
            eventually(lambda: merged._ahead)
        assert sizes([next(feed)]) == [8]
        assert list(merged) == []


def test_merging_what_is_no_feed_here_is_refused(template: Template) -> None:
    with template.venue() as venue:
        feed = venue.watch_trades(template.market)
        with pytest.raises(ConfigurationError, match=r"feeds of tapewire\.sync"):
            sync.merge(feed._feed)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="each stream once"):
            sync.merge(feed, feed)
    with template.venue() as venue:
        with pytest.raises(ConfigurationError, match="that are connected"):
            sync.merge(feed, venue.watch_trades(template.market))
        assert list(sync.merge()) == []
