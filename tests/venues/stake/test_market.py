"""The market of Stake against the played venue, on virtual time: the balance is proven, or says that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import tapewire
from tapewire.errors import NotSupported
from tapewire.market import VERBS
from tapewire.marks import ContinuityChanged, is_mark
from tapewire.model import Balance
from tapewire.retry import RetryPolicy
from tapewire.testing import VirtualClock
from tapewire.transport.memory import MemoryNetwork
from tapewire.venues.stake import ArgumentError, AuthenticationError
from tapewire.venues.stake.market import QUIET_SECONDS
from tests.venues.in_memory import InMemory, answered

URL = "http://127.0.0.1:4000"
OTHERS = [verb for verb in VERBS if verb != "watch_balance"]


class Account:
    """The account of the tests at the played venue."""

    def __init__(self, venue: InMemory) -> None:
        self.venue, self.face = venue, venue.face
        self.name = venue.face.account_of("tok")

    def move(self, change: int) -> None:
        """So many hundredths more, published."""
        self.face.exchange.accounts[self.name].cash += change
        self.face.publish_balance(self.name, self.venue.sandbox.clock.time_ns())

    def move_vault(self, change: int) -> None:
        self.face.vaults[self.name] = self.face.vaults.get(self.name, 0) + change
        self.face.publish_vault(self.name, change, self.venue.sandbox.clock.time_ns())

    @property
    def has(self) -> tuple[Decimal, Decimal]:
        """Available, and all of it."""
        cash, vault = self.face.exchange.accounts[self.name].cash, self.face.vaults.get(self.name, 0)
        return Decimal(cash) / 100, Decimal(cash + vault) / 100


@asynccontextmanager
async def played(clock: VirtualClock, wire: str = "page", **settings: Any) -> AsyncIterator[tuple[Any, ...]]:
    """The market, the account, the venue and the network between them."""
    network = MemoryNetwork()
    async with InMemory(network, clock, "stake") as venue:
        defaults: dict[str, Any] = {
            "access_token": "tok", "base_url": URL, "wire": wire, "connector": network, "http_transport": venue.http,
            "clock": clock, "retry": RetryPolicy(None, 2.0, 2.0), "session_options": {"fraction": lambda: 1.0},
        }  # fmt: skip
        async with asyncio.timeout(7200), tapewire.connect("stake", **(defaults | settings)) as market:
            yield market, Account(venue), venue, network


async def usdt(feed: Any, seconds: float = 1.0) -> list[Any]:
    return [item for item in await heard(feed, seconds) if is_mark(item) or item.currency == "usdt"]


async def heard(feed: Any, seconds: float = 1.0) -> list[Any]:
    items = []
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        try:
            items.append(await asyncio.wait_for(anext(feed), left))
        except (TimeoutError, StopAsyncIteration):
            break
    return items


def way(items: list[Any]) -> list[Any]:
    """Marks by their kind, changes by their states, balances by what is available and all there is."""
    return [
        f"{item.before} > {item.state}"
        if isinstance(item, ContinuityChanged)
        else type(item).__name__
        if is_mark(item)
        else (item.available, item.total)
        for item in items
    ]


async def _asked(verb: Any, *arguments: Any, is_awaited: bool) -> None:
    answer = verb(*arguments)
    if is_awaited:
        await answer


@pytest.mark.parametrize("verb", OTHERS)
async def test_what_it_has_not_is_refused_at_the_call_with_what_comes_nearest(clock, verb):
    async with played(clock) as (market, *_):
        capability = market.capabilities[verb]
        arguments = {
            "place_order": ("x", "buy", Decimal(1)),
            "cancel_order": (None,),
            "watch_order_book": ("x",),
            "watch_trades": ("x",),
            "watch_ticker": ("x",),
        }
        is_awaited = verb in ("place_order", "cancel_order", "cancel_all", "open_orders")
        with pytest.raises(NotSupported) as caught:
            await _asked(getattr(market, verb), *arguments.get(verb, ()), is_awaited=is_awaited)
        assert (caught.value.verb, caught.value.venue) == (verb, "stake")
        assert caught.value.nearest == capability.instead
        assert caught.value.why
        assert capability.instead in (None, "watch_balance")


@pytest.mark.parametrize("wire", ["page", "graphql"])
async def test_a_balance_is_told_as_it_stands_and_then_as_it_changes(clock, wire):
    async with played(clock, wire) as (market, account, _, _):
        account.move_vault(250)
        feed = market.watch_balance()
        assert feed.continuity.state == "syncing"
        await feed.wait_live(5)
        first = await heard(feed)
        stands = {item.currency: item for item in first if not is_mark(item)}
        assert {currency: (each.available, each.total) for currency, each in stands.items()} == {
            "usdt": account.has, "btc": (Decimal("0.00125"), Decimal("0.00125"))
        }  # fmt: skip
        assert all(each.is_reconciled for each in stands.values())
        account.move(-5)
        account.move_vault(75)
        now_ns = clock.time_ns()
        await asyncio.sleep(30)  # nobody takes them meanwhile
        items = await heard(feed)
        assert way(items) == [
            (Decimal("9999.95"), Decimal("10002.45")),
            (Decimal("9999.95"), Decimal("10003.20")),
        ]
        assert items[-1].total == account.has[1]
        assert all(isinstance(item, Balance) and not item.is_reconciled and item.raw for item in items)
        assert [item.received_at_ns for item in items] == [now_ns, now_ns], "when they came"
        assert feed.continuity.is_live


@pytest.mark.parametrize("wire", ["page", "graphql"])
async def test_what_a_broken_line_swallowed_is_behind_marks_and_told_once(clock, wire):
    """The claim "snapshot": a message is lost with its connection, and the mark comes before the next item."""
    async with played(clock, wire) as (market, account, venue, network):
        told: list[ContinuityChanged] = []
        feed = market.watch_balance(on_continuity=told.append)
        await heard(feed)
        network.unreachable(times=2)
        venue.drop()
        account.move(-500)  # nobody hears it
        await asyncio.sleep(0.1)
        assert feed.continuity.state == "stale"
        items = await usdt(feed, 60)
        changes = [item.state for item in items if isinstance(item, ContinuityChanged)]
        rest = [item for item in items if not isinstance(item, ContinuityChanged)]
        assert way(rest) == ["Gap", "Resynced", account.has]
        assert rest[-1].is_reconciled
        assert (changes[0], changes[-1]) == ("stale", "live")
        assert [change.state for change in told] == ["live", "stale", "gap", "resyncing", "live"]
        assert feed.continuity.is_live
        account.move(-1)
        assert way(await usdt(feed)) == [account.has]


async def test_a_broken_line_that_swallowed_nothing_tells_no_balance_again(clock):
    async with played(clock) as (market, _, venue, _):
        feed = market.watch_balance()
        await heard(feed)
        venue.drop()
        items = await heard(feed, 60)
        assert all(is_mark(item) for item in items)
        assert "Gap" in way(items)
        assert feed.continuity.is_live


async def test_a_message_that_cannot_be_read_is_a_gap_and_the_balance_is_looked_up(clock):
    async with played(clock) as (market, account, venue, _):
        feed = market.watch_balance()
        await heard(feed)

        def corrupt(frame: dict[str, Any]) -> dict[str, Any]:
            if "payload" in frame:
                frame["payload"]["balance"]["amount"] = "a lot"
            return frame

        venue.altered = corrupt
        account.move(-300)
        items = await usdt(feed)
        assert way(items) == [
            "Gap", "live > gap", "gap > resyncing", "Resynced", account.has, "resyncing > live"
        ]  # fmt: skip
        assert items[0].reason == "undecodable"
        assert feed.continuity.is_live


async def test_a_balance_that_is_said_again_is_no_news(clock):
    async with played(clock) as (market, account, *_):
        feed = market.watch_balance()
        await heard(feed)
        account.move_vault(50)
        account.move_vault(0)
        assert way(await usdt(feed)) == [account.has]


async def test_of_what_nobody_has_taken_yet_nobody_is_asked(clock):
    async with played(clock) as (market, account, *_):
        feed = market.watch_balance()
        await heard(feed)
        account.move(50)
        await asyncio.sleep(2 * QUIET_SECONDS)
        assert feed.continuity.is_live
        assert way(await usdt(feed)) == [account.has]


async def test_silence_is_asked_about_over_http_before_it_is_called_stale(clock):
    async with played(clock) as (market, account, venue, _):
        feed = market.watch_balance()
        await heard(feed)
        asked = len(venue.http_calls)
        await asyncio.sleep(2 * QUIET_SECONDS + 10)
        assert feed.continuity.is_live, "nothing happened, and the venue said so"
        assert asked < len(venue.http_calls) <= asked + 2
        venue.altered = lambda frame: None if "payload" in frame else frame
        account.move(-100)
        await asyncio.sleep(2 * QUIET_SECONDS)
        assert feed.continuity.state == "stale"
        feed.resync()
        venue.altered = lambda frame: frame
        assert account.has in way(await usdt(feed))
        assert feed.continuity.is_live


async def test_a_snapshot_that_cannot_be_had_is_said_and_asked_for_again(clock):
    async with played(clock) as (market, account, venue, _):
        venue.http_answers["/_api/graphql"] = lambda request: answered({"data": {"user": None}})
        feed = market.watch_balance()
        items = await heard(feed, 3)
        assert way(items)[0] == "Gap"
        assert feed.continuity.state == "gap"
        with pytest.raises(TimeoutError, match="reseed failed"):
            await feed.wait_live(0.1)
        venue.http_answers.clear()
        await feed.wait_live(120)
        assert [item for item in way(await usdt(feed)) if isinstance(item, tuple)] == [account.has]


async def test_a_token_that_is_refused_is_raised_by_connect(clock):
    with pytest.raises(AuthenticationError):
        async with played(clock, "graphql", access_token="refused-token"):
            raise AssertionError


async def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(ArgumentError, match="settings='tokn'"):
        tapewire.connect("stake", tokn="x")


async def test_closing_ends_the_feed(clock):
    async with played(clock) as (market, *_):
        feed = market.watch_balance()
        await heard(feed)
        await market.close()
        assert [item async for item in feed] == []
        assert feed.continuity.state == "ended"
