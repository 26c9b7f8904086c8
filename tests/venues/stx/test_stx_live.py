"""The documented socket against the sandbox, over real sockets: what each channel brings, filters, accounts."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tapewire.clock import SystemClock
from tapewire.marks import Gap, Resynced
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.transport import default_connector
from tapewire.venues.stx import (
    STX,
    AsyncSTX,
    Channels,
    STXAuthenticationFailedException,
    STXChannelException,
    STXWebSocket,
    User,
)
from tests.venues.stx.stx_line import Heard
from tests.waiting import until

WHO = {"email": "you@example.com", "password": "pw"}
QUICK = RetryPolicy(max_attempts=None, initial_backoff=0.01, max_backoff=0.1)
MANDATORY = {"market_id", "timestamp", "unix_timestamp"}


@asynccontextmanager
async def venue(**fields) -> AsyncIterator[Sandbox]:
    """A sandbox in which nothing happens but by `step()`."""
    async with Sandbox(**({"seed": 1, "rate": 0} | fields)) as sandbox:
        yield sandbox


@asynccontextmanager
async def joined(sandbox, channel, handler, **fields) -> AsyncIterator[STXWebSocket]:
    async with STXWebSocket(host=sandbox.url, retry=QUICK, **WHO) as ws:
        await ws.join(channel, handler, **fields)
        yield ws


def told(heard, event):
    return [payload for name, payload in heard.news if name == event]


def rules(sandbox):
    return sandbox.faces["stx"].messages.rules


# Channels.


async def test_markets_brings_changes_and_new_markets():
    heard = Heard()
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard):
        sandbox.step(450)  # one market has ended by then, and another begun
        published = sandbox.ledger.since("markets", 6)
        await until(lambda: len(heard.news) == len(published))
        assert told(heard, "market_created")
        fields = {
            name
            for payload in told(heard, "market_updated")
            for market in payload.values()
            for name in market
        }
        assert {"price", "status", "bids", "offers"} <= fields


@pytest.mark.parametrize(
    ("channel", "snapshot", "event"),
    [
        (Channels.ORDERS, "all_orders", "order_update"),
        (Channels.TRADES, "all_trades", "trade"),
        (Channels.POSITIONS, "all_positions", "updated_positions"),
        (Channels.PORTFOLIO, "summary", "update"),
        (Channels.MARKET_INFO, None, "market_update"),
    ],
)
async def test_each_channel_brings_what_an_order_changes(channel, snapshot, event):
    heard = Heard()
    async with venue() as sandbox, joined(sandbox, channel, heard), AsyncSTX(host=sandbox.url) as client:
        market = (await client.markets(limit=1))[0]
        await client.place_order(market_id=market.market_id, order_type="MARKET", action="BUY", quantity=1)
        await until(lambda: told(heard, event))
        assert snapshot is None or heard.news[0][0] == snapshot


async def test_settlements_come_when_a_market_has_ended():
    heard = Heard()
    async with (
        venue() as sandbox,
        joined(sandbox, Channels.SETTLEMENTS, heard),
        AsyncSTX(host=sandbox.url) as client,
    ):
        market = (await client.markets(limit=1))[0]
        await client.place_order(market_id=market.market_id, order_type="MARKET", action="BUY", quantity=1)
        face, now_ns = sandbox.faces["stx"], sandbox.clock.time_ns()
        face.publish(face.flow.replace_market(market.market_id, now_ns), now_ns)
        await until(lambda: told(heard, "new_settlements"))
    [settlement, *_] = told(heard, "new_settlements")[0]["settlements"]
    assert {"marketId", "realizedPnl"} <= settlement.keys()


async def test_user_info_brings_what_changed_of_the_account():
    heard = Heard()
    async with venue() as sandbox, joined(sandbox, Channels.USER_INFO, heard):
        async with AsyncSTX(host=sandbox.url, user=User.new(), **WHO) as elsewhere:
            await elsewhere.login()
        await until(lambda: told(heard, "user_updated"))
    assert told(heard, "user_updated")[0]["email"] == WHO["email"]


async def test_an_orders_course_is_told_without_asking_for_it():
    heard = Heard()
    async with (
        venue() as sandbox,
        joined(sandbox, Channels.ORDERS, heard),
        AsyncSTX(host=sandbox.url) as client,
    ):
        market = (await client.markets(limit=1))[0]
        placed = await client.place_order(
            market_id=market.market_id, order_type="LIMIT", action="BUY", price=1, quantity=3
        )
        await client.cancel_order(placed.order.id)
        await until(lambda: len(told(heard, "order_update")) == 2)
    updates = told(heard, "order_update")
    assert [(update["orderId"], update["status"]) for update in updates] == [
        (placed.order.id, "OPEN"),
        (placed.order.id, "CANCELLED"),
    ]


# Filters.


async def test_only_chosen_fields_of_chosen_markets_come_and_the_reply_says_so():
    heard = Heard()
    params = {"fields": ["bids", "offers"], "rule_filters": ["spread"]}
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard, join_params=params):
        sandbox.step(200)
        await until(lambda: len(heard.news) > 10)
        for payload in told(heard, "market_updated"):
            for market_id, fields in payload.items():
                assert rules(sandbox)[market_id] == "spread"
                assert fields.keys() <= {"bids", "offers"} | MANDATORY
                assert fields.keys() >= MANDATORY
    echo = heard[0].payload["response"]
    assert (echo["selected_fields"], echo["selected_rule_filters"]) == (["bids", "offers"], ["spread"])


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"fields": [], "rule_filters": [], "message_types": []},
        {"rule_filters": None},
        {"fields": ["no_such_field"], "rule_filters": ["no_such_rule"], "message_types": ["no_such_event"]},
    ],
)
async def test_what_is_omitted_empty_or_unknown_is_no_filter(params):
    heard = Heard()
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard, join_params=params):
        sandbox.step(50)
        expected = sandbox.ledger.since("markets", 6)
        await until(lambda: len(heard.news) == len(expected))
        assert [payload for _, payload in heard.news] == [entry.payload for entry in expected]
    assert heard[0].reply_status == "ok"


async def test_invalid_names_are_dropped_and_the_valid_ones_kept():
    heard = Heard()
    params = {"fields": ["bids", "no_such_field"], "message_types": ["market_updated", "no_such_event"]}
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard, join_params=params):
        pass
    echo = heard[0].payload["response"]
    assert (echo["selected_fields"], echo["selected_message_types"]) == (["bids"], ["market_updated"])


@pytest.mark.parametrize("chosen", ["market_updated", "market_created"])
async def test_only_chosen_message_types_come(chosen):
    heard = Heard()
    params = {"message_types": [chosen]}
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard, join_params=params):
        sandbox.step(450)
        await until(lambda: heard.news)
    assert {event for event, _ in heard.news} == {chosen}


async def test_filters_are_swapped_on_a_joined_channel():
    heard = Heard()
    params = {"rule_filters": ["spread"]}
    async with venue() as sandbox, joined(sandbox, Channels.MARKETS, heard, join_params=params) as ws:
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["price"]})
        await ws.push(Channels.MARKETS, "select_rule_filters", {"rule_filters": None})
        await ws.push(Channels.MARKETS, "select_message_types", {"message_types": ["market_updated"]})
        await until(lambda: len(heard) == 4)
        sandbox.step(450)
        await until(lambda: len(heard.news) > 100)
        changed = [market for payload in told(heard, "market_updated") for market in payload.values()]
        assert {rules(sandbox)[market["market_id"]] for market in changed} > {"spread"}
    assert {event for event, _ in heard.news} == {"market_updated"}
    assert {name for market in changed for name in market} == {"price"} | MANDATORY
    echoes = [message.payload["response"] for message in heard[1:4]]
    assert all(message.is_reply for message in heard[:4])
    assert echoes[2]["selected_fields"] == ["price"]
    assert echoes[2]["selected_rule_filters"] is None
    assert echoes[2]["selected_message_types"] == ["market_updated"]


# Accounts.


async def test_the_socket_uses_the_login_of_a_client_made_before():
    heard = Heard()
    async with venue() as sandbox:
        async with AsyncSTX(host=sandbox.url, **WHO) as client:
            await client.markets(limit=1)
            token = User().token
        async with STXWebSocket(host=sandbox.url) as ws:
            await ws.join(Channels.PORTFOLIO, heard)
        assert User().token == token
    assert heard[0].reply_status == "ok"


async def test_credentials_left_by_the_blocking_client_are_enough():
    async with venue() as sandbox:
        with STX(host=sandbox.url, **WHO):
            async with STXWebSocket(host=sandbox.url) as ws:
                await ws.join(Channels.ORDERS, Heard())
        assert User().uid


async def test_a_blocking_call_made_before_is_enough():
    async with venue() as sandbox:

        def sign_in():
            with STX(host=sandbox.url, **WHO) as client:
                client.account()

        thread = threading.Thread(target=sign_in)
        thread.start()
        await until(lambda: not thread.is_alive())
        async with STXWebSocket(host=sandbox.url) as ws:
            await ws.join(Channels.ORDERS, Heard())


async def test_email_and_password_may_be_the_sockets_own():
    heard = Heard()
    user = User.new()
    async with venue() as sandbox, STXWebSocket(host=sandbox.url, user=user, **WHO) as ws:
        await ws.join(Channels.PORTFOLIO, heard)
    assert user.email == WHO["email"]
    assert User().token is None


async def test_without_any_credentials_or_with_wrong_ones_connecting_says_so():
    async with venue() as sandbox:
        with pytest.raises(STXAuthenticationFailedException, match="STX_EMAIL"):
            await STXWebSocket(host=sandbox.url).connect()
        with pytest.raises(STXAuthenticationFailedException, match="invalid email or password"):
            await STXWebSocket(host=sandbox.url, email="a@b.c", password="wrong").connect()


async def test_another_users_channel_is_the_admins_alone():
    heard = Heard()
    async with venue() as sandbox:
        face = sandbox.faces["stx"]
        other = face.add_user("other@example.com", "pw").uid
        async with joined(sandbox, Channels.MARKETS, Heard()) as ws:
            with pytest.raises(STXChannelException, match="unauthorized"):
                await ws.join(f"portfolio:{other}", Heard())
        async with STXWebSocket(host=sandbox.url, email="admin@example.com", password="pw") as ws:
            await ws.join(f"portfolio:{other}", heard)
        assert [message.channel for message in heard] == [f"portfolio:{other}"] * 2


# Reconnecting.


class WallClock(SystemClock):
    """A clock whose date can be moved."""

    moved_ns = 0

    def time_ns(self) -> int:
        return super().time_ns() + self.moved_ns


class Recording:
    """A connector that keeps where it was sent."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.connector = default_connector()

    async def connect(self, endpoint, receiver):
        self.urls.append(endpoint.url)
        return await self.connector.connect(endpoint, receiver)


@pytest.mark.parametrize("why", ["near its end", "expired at the venue"])
async def test_after_a_drop_the_same_host_is_met_with_a_fresh_token(why):
    clock, recording, heard = WallClock(), Recording(), Heard()
    fields = {"clock": clock, "connector": recording, "retry": QUICK}
    async with venue() as sandbox, STXWebSocket(host=sandbox.url, **fields, **WHO) as ws:
        await ws.join(Channels.ORDERS, heard)
        if why == "near its end":
            clock.moved_ns = int(59.5 * 60e9)
        else:
            sandbox.inject("expire_tokens")
        sandbox.inject("abort")
        await until(lambda: len([message for message in heard if message.is_reply]) == 2)
        assert ws.statistics().reconnections == 1
    hosts = {url.partition("?")[0] for url in recording.urls}
    assert len(hosts) == 1
    assert User().token in recording.urls[-1]
    assert User().token not in recording.urls[0]


async def test_a_server_drops_a_socket_that_says_nothing():
    fields = {"heartbeat_interval": 3600, "session_options": {"ping_interval": None}, "retry": QUICK}
    heard = Heard()
    async with (
        venue(settings={"stx": {"idle_timeout": 0.3}}) as sandbox,
        STXWebSocket(host=sandbox.url, **fields, **WHO) as ws,
    ):
        await ws.join(Channels.MARKETS, heard)
        await until(lambda: len(heard) == 2)
        assert ws.statistics().reconnections == 1
    assert len([message for message in heard if message.is_reply]) == 2


# Reconciling.


@pytest.mark.parametrize("how", ["messages", "marks"])
@pytest.mark.parametrize(
    ("channel", "part"), [(Channels.ORDERS, "orders"), (Channels.PORTFOLIO, "portfolio")]
)
async def test_after_each_join_the_state_comes_once_before_what_is_live(channel, part, how):
    heard, marks = Heard(), []
    fields = {"on_mark": lambda mark: (marks.append(mark), heard.append(mark))} if how == "marks" else {}
    async with venue() as sandbox, AsyncSTX(host=sandbox.url, **WHO) as client:
        market = (await client.markets(limit=1))[0]
        order = {"market_id": market.market_id, "order_type": "LIMIT", "action": "BUY", "price": 1}
        placed = await client.place_order(**order, quantity=1)
        async with joined(sandbox, channel, heard, reconcile=True, **fields):
            await until(lambda: len(heard) >= 3)
            sandbox.inject("abort")
            later = await client.place_order(**order, quantity=2)
            await until(lambda: len([item for item in heard if is_snapshot(item)]) == 2)
            await until(lambda: heard[-1] is not snapshots(heard)[-1])
    first, second = snapshots(heard)
    states = [item.snapshot if how == "marks" else item.payload for item in (first, second)]
    assert [list(state) for state in states] == [[part], [part]]
    if part == "orders":
        assert {placed.order.id} == {found["id"] for found in states[0]["orders"]}
        assert {placed.order.id, later.order.id} == {found["id"] for found in states[1]["orders"]}
    assert heard[0] is first
    replies = [index for index, item in enumerate(heard) if getattr(item, "is_reply", False)]
    assert heard.index(second) < replies[1]
    if how == "marks":
        assert [type(mark) for mark in marks] == [Resynced, Gap, Resynced]


def is_snapshot(item):
    return isinstance(item, Resynced) or getattr(item, "event", "") == "snapshot"


def snapshots(heard):
    return [item for item in heard if is_snapshot(item)]
