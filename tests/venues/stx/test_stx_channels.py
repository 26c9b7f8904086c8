"""The channels of the documented socket, in virtual time: joining, filters, pushes, messages, and what is refused."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tapewire.errors import ConfigurationError
from tapewire.marks import Gap, is_mark
from tapewire.retry import RetryPolicy
from tapewire.venues.stx import (
    ChannelMessage,
    Channels,
    STXChannelException,
    STXInvalidParameterException,
    STXTransportException,
    STXWebSocket,
)
from tests.venues.stx.stx_line import UID, Heard, stx_line

ORDERS = f"active_orders:{UID}"


def joins(peer, topic="markets"):
    return [frame.payload for frame in peer.frames if (frame.topic, frame.event) == (topic, "phx_join")]


# Topics.


@pytest.mark.parametrize(
    ("channel", "topic"),
    [
        ("MARKETS", "markets"),
        ("TRADES", "active_trades:uid-1"),
        ("ORDERS", "active_orders:uid-1"),
        ("POSITIONS", "active_positions:uid-1"),
        ("SETTLEMENTS", "active_settlements:uid-1"),
        ("PORTFOLIO", "portfolio:uid-1"),
        ("USER_INFO", "user_info:uid-1"),
        ("MARKET_INFO", "market_info"),
        ("ACTIVE_TRADES", "active_trades:uid-1"),
        ("ACTIVE_ORDERS", "active_orders:uid-1"),
        ("ACTIVE_POSITIONS", "active_positions:uid-1"),
        ("ACTIVE_SETTLEMENTS", "active_settlements:uid-1"),
    ],
)
async def test_a_channel_of_the_enum_is_scoped_to_the_user_where_it_is_theirs(clock, channel, topic):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels[channel], heard)
        peer.push(topic, "news", {"n": 1})
        await asyncio.sleep(1)
        assert {frame.topic for frame in peer.frames} == {topic}
    assert {message.channel for message in heard} == {topic.partition(":")[0]}
    assert heard.news == [("news", {"n": 1})]


async def test_a_text_is_the_topic_as_it_is(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join("portfolio:other-uid", heard)
        peer.push("portfolio:other-uid", "update", {})
        await asyncio.sleep(1)
        assert peer.events("portfolio:other-uid") == ["phx_join"]
    assert [message.channel for message in heard] == ["portfolio:other-uid"] * 2


async def test_a_cancelled_join_leaves_nothing_behind(clock):
    async with stx_line(clock) as (ws, peer):
        peer.ignore_join("markets")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.join(Channels.MARKETS, Heard()), 1)
        await peer.left("markets")
        assert ws.statistics().subscriptions == 0


async def test_leaving_ends_every_handler_of_the_channel(clock):
    first, second = Heard(), Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, first)
        await ws.join(Channels.MARKETS, second)
        peer.broadcast("markets", "market_updated", {})
        await asyncio.sleep(1)
        await ws.leave(Channels.MARKETS)
        await ws.leave(Channels.MARKETS)
        await peer.left("markets")
        peer.raw(b'[null,null,"markets","market_updated",{}]')
        await asyncio.sleep(1)
        assert peer.events("markets") == ["phx_join", "phx_leave"]
    assert (len(first.news), len(second.news)) == (1, 1)


async def test_nothing_more_is_delivered_to_a_handler_that_was_left(clock):
    seen = []

    async def slow(message):
        seen.append(message.payload.get("n"))
        await asyncio.sleep(0.3)

    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, slow)
        for n in range(10):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(0.5)
        await ws.leave(Channels.MARKETS)
        await ws.join(Channels.MARKETS, slow)
        peer.broadcast("markets", "tick", {"n": 10})
        await asyncio.sleep(20)
    assert [n for n in seen if n is not None] == [0, 10]


# Messages.


async def test_a_reply_says_its_status_and_has_the_frames_refs(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        peer.accept_join("markets", {"selected_fields": ["bids"]})
        await ws.join(Channels.MARKETS, heard)
        peer.reply_to("select_fields", {"reason": "no"}, status="error")
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["bids"]})
        await asyncio.sleep(1)
        sent = [frame for frame in peer.frames if frame.topic == "markets"]
    joined, answered = heard
    assert (joined.event, joined.is_reply, joined.is_error, joined.reply_status) == (
        "phx_reply",
        True,
        False,
        "ok",
    )
    assert joined.payload == {"status": "ok", "response": {"selected_fields": ["bids"]}}
    assert (joined.join_ref, joined.msg_ref) == (sent[0].join_ref, sent[0].ref)
    assert (answered.reply_status, answered.response) == ("error", {"reason": "no"})
    assert (answered.join_ref, answered.msg_ref) == (sent[0].ref, sent[1].ref)


async def test_a_crashed_channel_says_so_without_payload_and_is_joined_again(clock):
    heard, marks = Heard(), []
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, heard, on_mark=marks.append)
        peer.crash("markets")
        await peer.joined("markets", 2)
        await asyncio.sleep(1)
        assert len(peer.connections) == 1
    crash = heard[1]
    assert (crash.event, crash.is_error, crash.is_reply, crash.reply_status) == (
        "phx_error",
        True,
        False,
        None,
    )
    assert crash.payload is None
    assert [mark.reason for mark in marks] == ["interrupted"]


async def test_a_channel_that_the_venue_closed_is_not_joined_again(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join("market:1", heard)
        peer.close_topic("market:1")
        await asyncio.sleep(60)
        assert peer.events("market:1") == ["phx_join"]
    assert [(message.event, message.payload) for message in heard[1:]] == [("phx_close", None)]


async def test_a_publication_has_no_status(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, heard)
        peer.broadcast("markets", "market_updated", {"a": {"price": 1}})
        await asyncio.sleep(1)
    assert heard[1] == ChannelMessage("markets", "market_updated", {"a": {"price": 1}}, None, None)
    assert (heard[1].is_reply, heard[1].is_error, heard[1].reply_status) == (False, False, None)


async def test_without_a_handler_the_channel_is_iterated_marks_among_the_messages(clock):
    async with stx_line(clock) as (ws, peer):
        subscription = await ws.join(Channels.MARKETS)
        peer.broadcast("markets", "market_updated", {"n": 1})
        await asyncio.sleep(1)
        peer.abort()
        await peer.joined("markets", 2)
        peer.broadcast("markets", "market_updated", {"n": 2})
        await asyncio.sleep(1)
        await ws.leave(Channels.MARKETS)
        items = [item async for item in subscription]
    assert [item if is_mark(item) else item.event for item in items] == [
        "phx_reply",
        "market_updated",
        next(item for item in items if isinstance(item, Gap)),
        "phx_reply",
        "market_updated",
    ]


# Filters.

FILTERS = {
    "select_fields": {"fields": ["title", "price"]},
    "select_rule_filters": {"rule_filters": None},
    "select_message_types": {"message_types": ["market_updated"]},
}


async def test_filters_go_with_the_join_and_are_optional(clock):
    params = {"fields": ["bids", "offers"], "rule_filters": ["spread"]}
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), join_params=params)
        await ws.join(Channels.MARKET_INFO, Heard())
        assert joins(peer) == [params]
        assert joins(peer, "market_info") == [{}]


async def test_a_misspelt_filter_is_sent_as_it_is_and_said(clock, caplog):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), join_params={"field": ["bids"]})
        assert joins(peer) == [{"field": ["bids"]}]
        assert "field: no filters (fields, rule_filters, message_types)" in caplog.text


async def test_a_topic_that_the_venue_does_not_know_is_answered_with_those_it_does(clock):
    async with stx_line(clock) as (ws, peer):
        peer.refuse_join("market", {"reason": "unmatched topic"})
        with pytest.raises(STXChannelException, match=r"unmatched topic.*Channels\.MARKETS"):
            await ws.join("market", Heard())


@pytest.mark.parametrize("event", FILTERS)
async def test_a_filter_changed_by_a_push_is_the_one_joined_with_again(clock, event):
    params = {"fields": ["bids"], "rule_filters": ["spread"], "message_types": ["market_created"]}
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), params)
        await ws.push(Channels.MARKETS, event, FILTERS[event])
        assert (await peer.received("markets", event)).payload == FILTERS[event]
        peer.abort()
        await peer.joined("markets", 2)
        assert joins(peer) == [params, params | FILTERS[event]]


async def test_a_filter_changed_while_the_line_is_down_is_joined_with(clock):
    async with stx_line(clock, retry=RetryPolicy(None, 5.0, jitter=False)) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard())
        peer.abort()
        await asyncio.sleep(1)
        assert not ws.is_connected
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["bids"]})
        with pytest.raises(STXTransportException) as lost:
            await ws.push(Channels.MARKETS, "ping", {})
        assert lost.value.sent is False
        await peer.joined("markets", 2)
        assert joins(peer) == [{}, {"fields": ["bids"]}]
        assert "select_fields" not in peer.events("markets")


OFFERS = {"fields": ["offers"]}
BAD = {"reason": "no such field"}


@pytest.mark.parametrize("verb", ["push", "request"])
async def test_a_filter_that_the_venue_refuses_is_not_joined_with_again(clock, verb):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"]})
        peer.reply_to("select_fields", BAD, status="error")
        if verb == "push":
            await ws.push(Channels.MARKETS, "select_fields", OFFERS)
        else:
            with pytest.raises(STXChannelException) as refused:
                await ws.request(Channels.MARKETS, "select_fields", OFFERS)
            assert refused.value.reason == "no such field"
        await asyncio.sleep(1)
        peer.abort()
        await peer.joined("markets", 2)
        assert joins(peer) == [{"fields": ["bids"]}] * 2


@pytest.mark.parametrize("verb", ["push", "request"])
async def test_a_filter_that_the_venue_accepts_is_joined_with_again_whichever_way_it_was_asked(clock, verb):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"]})
        peer.reply_to("select_fields", {"selected_fields": ["offers"]})
        await getattr(ws, verb)(Channels.MARKETS, "select_fields", OFFERS)
        await asyncio.sleep(1)
        peer.reply_to("select_fields", BAD, status="error")
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["nonsense"]})
        await asyncio.sleep(1)
        peer.abort()
        await peer.joined("markets", 2)
        assert joins(peer)[1:] == [OFFERS]


@pytest.mark.parametrize("when", ["unanswered", "down"])
async def test_a_filter_that_makes_the_venue_refuse_a_rejoin_is_forgotten(clock, when, caplog):
    async with stx_line(clock, retry=RetryPolicy(None, 5.0, jitter=False)) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"]})
        if when == "down":
            peer.abort()
            await asyncio.sleep(1)
        await ws.push(Channels.MARKETS, "select_fields", OFFERS)
        peer.refuse_join("markets", BAD)
        if when == "unanswered":
            await peer.received("markets", "select_fields")
            peer.abort()
        await peer.joined("markets", 2)
        assert joins(peer) == [{"fields": ["bids"]}, OFFERS, {"fields": ["bids"]}]
        assert "markets: joined again without fields" in caplog.text


@pytest.mark.parametrize("when", ["unanswered", "down"])
async def test_a_filter_that_a_rejoin_had_is_accepted_by_it(clock, when):
    async with stx_line(clock, retry=RetryPolicy(None, 5.0, jitter=False)) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard(), {"fields": ["bids"]})
        if when == "down":
            peer.abort()
            await asyncio.sleep(1)
        await ws.push(Channels.MARKETS, "select_fields", OFFERS)
        if when == "unanswered":
            await peer.received("markets", "select_fields")
            peer.abort()
        await peer.joined("markets", 2)
        await asyncio.sleep(1)
        peer.refuse_join("markets", {"reason": "not now"})
        peer.abort()
        await peer.joined("markets", 3)
        assert joins(peer)[1:] == [OFFERS] * 3


async def test_filters_on_their_way_when_the_socket_closes_leave_no_task(clock):
    async with stx_line(clock, retry=RetryPolicy(None, 5.0, jitter=False)) as (ws, peer):
        await ws.join(Channels.MARKETS, Heard())
        await ws.push(Channels.MARKETS, "select_fields", OFFERS)
        await peer.received("markets", "select_fields")
        peer.abort()
        await asyncio.sleep(1)
        await ws.push(Channels.MARKETS, "select_message_types", {"message_types": []})
        await ws.close()
        await asyncio.sleep(0)
        assert [task for task in asyncio.all_tasks() if "filters" in task.get_name()] == []


# Pushes and requests.


async def test_the_reply_to_a_push_reaches_the_handler_like_any_other_frame(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        peer.reply_to("select_fields", {"selected_fields": ["title"]})
        await ws.join(Channels.MARKETS, heard)
        await ws.push(Channels.MARKETS, "select_fields", {"fields": ["title"]})
        await asyncio.sleep(1)
    assert heard[-1].payload == {"status": "ok", "response": {"selected_fields": ["title"]}}
    assert len(heard) == 2


async def test_a_request_returns_the_response_or_raises_what_the_venue_said(clock):
    async with stx_line(clock) as (ws, peer):
        peer.reply_to("ping", {"ttl": 10_000, "ping": "pong"})
        peer.reply_to("bad", {"reason": "unknown"}, status="error")
        await ws.join(Channels.ORDERS, Heard())
        assert await ws.request(Channels.ORDERS, "ping") == {"ttl": 10_000, "ping": "pong"}
        with pytest.raises(STXChannelException, match="unknown") as refused:
            await ws.request(Channels.ORDERS, "bad")
        assert (refused.value.topic, refused.value.reply) == (ORDERS, {"reason": "unknown"})


async def test_a_request_says_whether_the_venue_may_have_acted(clock):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.ORDERS, Heard())
        with pytest.raises(STXTransportException) as late:
            await ws.request(Channels.ORDERS, "ping", seconds=2)
        asking = asyncio.ensure_future(ws.request(Channels.ORDERS, "ping"))
        await peer.received(ORDERS, "ping", 2)
        peer.abort()
        with pytest.raises(STXTransportException) as lost:
            await asking
        await peer.joined(ORDERS, 2)
        assert peer.events(ORDERS) == ["phx_join", "ping", "ping", "phx_join"]
    assert (late.value.outcome_unknown, lost.value.outcome_unknown) == (True, True)


async def test_a_push_to_what_is_not_joined_is_refused_here(clock):
    async with stx_line(clock) as (ws, peer):
        for call in (ws.push, ws.request):
            with pytest.raises(STXChannelException, match="markets: not joined"):
                await call(Channels.MARKETS, "select_fields", {"fields": []})
        assert not peer.frames


# Refusals.


@pytest.mark.parametrize("reason", ["unauthorized", "not today"])
async def test_a_refused_join_names_the_venues_reason(clock, reason):
    async with stx_line(clock) as (ws, peer):
        peer.refuse_join(ORDERS, {"reason": reason})
        with pytest.raises(STXChannelException, match=reason) as refused:
            await ws.join(Channels.ORDERS, Heard())
        assert (refused.value.topic, refused.value.reply) == (ORDERS, {"reason": reason})
        assert ws.is_connected
        await ws.join(Channels.ORDERS, Heard())  # asking again is the caller's to do


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"region": "mars"}, r"region='mars'.*ontario, us"),
        ({"env": "prod"}, r"env='prod'.*production, staging"),
        ({"host": "not a host"}, "host="),
        ({"heartbeat_interval": 0}, "heartbeat_interval=0.*seconds"),
        ({"heartbeat_interval": "5"}, "heartbeat_interval='5'.*seconds"),
        ({"retry": 3}, "retry=3.*RetryPolicy"),
        ({"email": "ann@example.com"}, "password"),
        ({"hots": "x"}, "hots"),
        ({"hots": "x"}, r"^(?!.*email.*email)"),  # what is allowed is listed once
        ({"email": 5, "password": "x"}, "email=5.*a text"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(fields, named):
    with pytest.raises(ConfigurationError, match=named) as refused:
        STXWebSocket(**fields)
    assert isinstance(refused.value, STXInvalidParameterException)


@pytest.mark.parametrize(
    ("channel", "fields", "named"),
    [
        ("", {}, r"channel=''.*Channels\.MARKETS"),
        (7, {}, "channel=7"),
        (Channels.MARKETS, {"join_params": ["bids"]}, r"join_params=\['bids'\]"),
        (Channels.MARKETS, {"join_params": {"fields": "bids"}}, "fields='bids'.*list"),
        (Channels.MARKETS, {"policy": "drop"}, "policy='drop'.*drop_oldest"),
        (Channels.MARKETS, {"capacity": 0}, "capacity=0"),
        (Channels.MARKETS, {"buffer": 5}, "buffer"),
        (Channels.MARKETS, {"reconcile": True}, "reconcile.*ORDERS"),
        (Channels.MARKETS, {"cancel_on_disconnect": 10}, r"cancel_on_disconnect.*Channels\.ORDERS"),
        (Channels.ORDERS, {"cancel_on_disconnect": 60}, "cancel_on_disconnect=60.*5 to 20"),
    ],
)
async def test_a_wrong_argument_of_a_join_is_named_before_anything_is_sent(clock, channel, fields, named):
    async with stx_line(clock) as (ws, peer):
        with pytest.raises(STXInvalidParameterException, match=named):
            await ws.join(channel, Heard(), **fields)
        assert not peer.frames
        assert ws.statistics().subscriptions == 0


async def test_reasons_are_the_venues_own_words(clock):
    async with stx_line(clock) as (ws, peer):
        peer.refuse_join("nope", {"reason": "not today"})
        with pytest.raises(STXChannelException) as refused:
            await ws.join("nope", Heard())
    assert (refused.value.reason, str(refused.value)) == ("not today", "nope: refused: not today")


async def test_a_place_that_becomes_free_a_moment_late_is_waited_for(clock):
    """100 channels, and each is left for another: the venue counts it until its process is gone."""
    async with stx_line(clock, session_options={"fraction": lambda: 0.5}) as (ws, peer):
        held = {f"market:{n}" for n in range(100)}

        def limited(peer, connection, join):
            if len(held) >= 100:
                connection.server.refuse(join, {"reason": "too many channels joined"})
            else:
                held.add(join.topic)
                peer.accept(connection, join)

        for topic in sorted(held):
            await ws.join(topic)
        peer.on_join = limited
        for number in range(100):
            await ws.leave(f"market:{number}")
            asyncio.get_running_loop().call_later(0.05, held.discard, f"market:{number}")
            await ws.join(f"other:{number}")
        assert held == {f"other:{n}" for n in range(100)}


async def test_a_place_that_does_not_become_free_is_waited_for_in_bounds(clock):
    async with stx_line(clock, session_options={"fraction": lambda: 0.5}) as (ws, peer):
        peer.refuse_join("market:1", {"reason": "too many channels joined"}, times=99)
        began = clock.monotonic()
        with pytest.raises(STXChannelException, match="too many channels joined") as refused:
            await ws.join("market:1")
        assert 10 <= clock.monotonic() - began < 25
        assert refused.value.retryable
        assert ws.statistics().subscriptions == 0


# Cancel on disconnect.


async def test_the_orders_channel_is_pinged_well_within_what_was_granted(clock, caplog):
    async with stx_line(clock) as (ws, peer):
        peer.accept_join(ORDERS, {"cancel_on_disconnect": True, "ping_timeout": 5_000}, times=2)
        peer.reply_to("ping", {"ttl": 5_000, "ping": "pong"})
        await ws.join(Channels.ORDERS, Heard(), cancel_on_disconnect=10)
        assert joins(peer, ORDERS) == [{"cancel_on_disconnect": True, "ping_timeout": 10_000}]
        pings = [(await peer.received(ORDERS, "ping", n)).at for n in (1, 2, 3)]
        assert [round(after - before, 3) for before, after in pairwise(pings)] == [3, 3]
        peer.abort()
        await peer.received(ORDERS, "ping", 4)
        assert joins(peer, ORDERS)[1:] == joins(peer, ORDERS)[:1]
        assert "keepalive" not in caplog.text
        await ws.leave(Channels.ORDERS)
        await asyncio.sleep(30)
        assert peer.events(ORDERS)[-1] == "phx_leave"


async def test_a_ping_without_an_answer_is_said_loudly(clock, caplog):
    async with stx_line(clock) as (ws, peer):
        await ws.join(Channels.ORDERS, Heard(), cancel_on_disconnect=5)
        await peer.received(ORDERS, "ping", 2)
        [line] = [
            r.getMessage() for r in caplog.records if "the venue may cancel your orders" in r.getMessage()
        ]
        assert line.count(ORDERS) == 1
        assert not line.endswith(": ")


async def test_closing_the_socket_ends_the_pings(clock):
    async with stx_line(clock) as (ws, peer):
        before = asyncio.all_tasks()
        await ws.join(Channels.ORDERS, Heard(), cancel_on_disconnect=5)
        await ws.close()
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() - before if "keepalive" in task.get_name()]
        assert peer.events(ORDERS) == ["phx_join", "phx_leave"]


async def test_account_channels_fail_where_market_channels_drop_the_oldest(clock):
    async with stx_line(clock) as (ws, _):
        for channel in Channels:
            await ws.join(channel, Heard())
        policies = {detail.topic: detail.policy for detail in ws.statistics().details}
    assert policies.pop("markets") == policies.pop("market_info") == "drop_oldest"
    assert set(policies.values()) == {"fail"}
