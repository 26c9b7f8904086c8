"""The venue's faults, each ordered by its name in the sandbox, met by the SDK over real sockets, on both wires."""

from __future__ import annotations

import asyncio

import pytest

from tapewire.errors import GaveUp
from tapewire.marks import Gap
from tapewire.retry import NO_RETRY
from tapewire.sandbox import Sandbox
from tapewire.venues.stake import (
    AccessDeniedError,
    AuthenticationError,
    NetworkError,
    RateLimitError,
    ServerError,
    StakeAPI,
    ValidationError,
)
from tests.venues.stake.stake_played import played, socket
from tests.waiting import until


@pytest.fixture(params=["page", "graphql"])
def wire(request):
    return request.param


# The line.


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4000, 4408, 4409, 4429, 4500])
async def test_a_close_with_whatever_code_leads_to_a_new_connection(wire, code):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("close", code=code, reason="for a test")
        await bets.goes_on_behind_a_gap()
        assert f"for a test (code {code})" in bets.ws.statistics().last_error


@pytest.mark.parametrize("code", [4400, 4406])
async def test_a_close_for_words_that_the_venue_does_not_know_is_final(code, caplog):
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        ws = socket(sandbox, "graphql")
        task = asyncio.create_task(ws.connect())
        await until(lambda: ws.is_connected)
        sandbox.inject("close", code=code)
        async with asyncio.timeout(5):
            with pytest.raises(GaveUp, match=f"code {code}"):
                await task


@pytest.mark.parametrize("fault", ["abort", "drain", "idle_close", "half_open"])
async def test_a_line_that_is_lost_in_whatever_way_is_made_anew(wire, fault):
    async with played(wire) as (sandbox, bets):
        sandbox.inject(fault)
        await bets.goes_on_behind_a_gap()


async def test_a_line_that_drips_is_left_and_not_waited_for(wire):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("drip", interval=1)
        await bets.goes_on_behind_a_gap()


async def test_what_is_lost_with_the_line_is_said_by_one_gap_and_the_rest_is_whole(wire):
    async with played(wire) as (sandbox, bets):
        for connections in (2, 3, 4):
            sandbox.inject("abort")
            sandbox.step(50)
            await bets.back(connections)
            await bets.step()
        assert bets.gaps == ["connection lost"] * 3
        assert [bet for bet in bets.published if bet in set(bets.ids)] == bets.ids


async def test_silence_is_no_fault(wire):
    async with played(wire) as (sandbox, bets):
        order = sandbox.inject("mute")
        while not order.hits:
            sandbox.step()
        pinged = bets.ws.statistics().since_heard
        await until(lambda: bets.ws.statistics().since_heard < pinged, "the answer to a ping")
        sandbox.lift("mute")
        await bets.step()
        assert (bets.marks, bets.ws.statistics().connections) == ([], 1)


async def test_unanswered_heartbeats_end_a_line_that_has_some(wire):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("mute_heartbeats")
        if wire == "graphql":
            await bets.goes_on_behind_a_gap()
            assert "no pong in time" in bets.ws.statistics().last_error
        else:  # the page's messages know none: WebSocket pings judge this line, and they are answered
            await bets.step()
            assert bets.marks == []


async def test_closing_is_bounded_whatever_the_venue_answers(wire):
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        ws = socket(sandbox, wire, {"close_timeout": 0.2})
        await ws.open()
        order = sandbox.inject("slow_close", seconds=60)
        async with asyncio.timeout(2):
            await ws.close()
        assert order.hits == 1


# Who may enter.


async def test_refused_tokens_are_asked_for_once_more_and_then_final(wire, caplog):
    refusal = AccessDeniedError if wire == "page" else AuthenticationError
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        order = sandbox.inject("refuse_tokens", times=100)
        with pytest.raises(refusal) as raised:
            await socket(sandbox, wire, access_token="token-of-mine").connect()
        assert order.hits == 2
        assert "of-mine" not in f"{raised.value!r} {vars(raised.value)} {caplog.text}"


async def test_a_token_refused_in_an_outage_ends_connect_and_one_refused_once_does_not(wire, caplog):
    refusal = AccessDeniedError if wire == "page" else AuthenticationError
    async with Sandbox(rate=0, venues=["stake"]) as sandbox:
        ws = socket(sandbox, wire)
        task = asyncio.create_task(ws.connect())
        await until(lambda: ws.is_connected)
        sandbox.inject("refuse_tokens", times=1)
        sandbox.inject("abort")
        await until(lambda: ws.statistics().connections >= 2 and ws.is_connected)
        sandbox.inject("refuse_tokens", times=100)
        sandbox.inject("abort")
        async with asyncio.timeout(5):
            with pytest.raises(refusal):
                await task
        assert ws.state == "closed"


async def test_expiry_is_nothing_that_this_venue_does(wire):
    async with played(wire) as (sandbox, bets):
        assert sandbox.inject("expire_tokens").hits == 0
        sandbox.inject("abort")
        await bets.goes_on_behind_a_gap()


@pytest.mark.parametrize("when", ["at first", "in an outage"])
async def test_a_rate_limited_upgrade_waits_as_long_as_it_is_told(wire, when):
    loop = asyncio.get_running_loop()
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, asyncio.timeout(10):
        ws = socket(sandbox, wire)
        if when == "in an outage":
            await ws.open()
        order = sandbox.inject("socket_429", retry_after=0.4, times=2)
        sandbox.inject("abort")
        before = loop.time()
        await ws.open()
        await until(lambda: ws.is_connected and order.hits == 2)
        assert loop.time() - before >= 0.8
        await ws.close()


async def test_a_web_page_in_place_of_the_upgrade_is_waited_out(wire, caplog):
    async with played(wire) as (sandbox, bets):
        order = sandbox.inject("unavailable", status=503, times=3)
        sandbox.inject("abort")
        await bets.goes_on_behind_a_gap()
        assert order.hits == 3
        assert "refused the connection with HTTP 503; trying again" in caplog.text
        assert "<html>" not in caplog.text


# Messages.


async def test_a_message_that_is_too_large_costs_one_reconnection(wire):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("oversized")
        await bets.goes_on_behind_a_gap()
        assert "code 1009" in bets.ws.statistics().last_error


@pytest.mark.parametrize("fault", ["binary", "malformed"])
async def test_a_message_of_no_meaning_is_a_gap_and_the_line_stays(wire, fault):
    async with played(wire) as (sandbox, bets):
        order = sandbox.inject(fault)
        while not order.hits:
            sandbox.step()
        await until(lambda: bets.marks)
        await bets.goes_on_behind_a_gap("undecodable", connections=1)
        assert bets.ws.statistics().undecodable == 1


async def test_what_one_connection_carried_is_delivered_as_it_carried_it(wire):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("duplicate")
        await bets.step(2)
        first, twice, again, after = bets.ids[1:5]
        assert twice == again
        sandbox.inject("reorder")
        wanted = len(bets.published) + 2
        while len(bets.published) < wanted:
            sandbox.step()
        await until(lambda: len(bets.ids) == wanted + 1)
        assert bets.ids[-2:] == bets.published[-1:-3:-1]
        assert len({first, twice, after}) == 3
        assert bets.marks == []


async def test_a_burst_is_read_to_its_end(wire):
    async with played(wire) as (sandbox, bets):
        sandbox.inject("burst", count=4_000)
        await until(lambda: len(bets.ids) == len(bets.published), "all of the burst")
        assert (bets.ids, bets.marks) == (bets.published, [])


# Channels.


async def test_a_subscription_passed_over_in_silence_is_made_up_for_by_the_next_connection(wire):
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, socket(sandbox, wire) as ws:
        order = sandbox.inject("ignore_join", topic="bets")
        items = []
        subscription = ws.watch("bets", items.append, on_mark=items.append)
        await subscription.confirmed()  # neither wire has a word that confirms one
        assert order.hits == 1
        ws.reconnect()
        await until(lambda: ws.statistics().connections == 2 and subscription.state == "subscribed")
        await until(lambda: len(items) > 1 or sandbox.step())
        assert isinstance(items[0], Gap)


# Calls.


async def test_a_rate_limited_call_waits_as_long_as_it_is_told():
    loop = asyncio.get_running_loop()
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        order = sandbox.inject("http_429", retry_after=0.3, times=2)
        before = loop.time()
        assert await client.get_user_balance()
        assert (loop.time() - before >= 0.6, order.hits) == (True, 2)
        sandbox.inject("http_429", retry_after=3600)
        with pytest.raises(RateLimitError) as raised:
            await client.get_user_balance()
        assert (raised.value.retry_after, raised.value.status_code) == (3600, 429)


async def test_a_web_page_in_place_of_an_answer_is_waited_out_and_then_said():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        sandbox.inject("unavailable", status=503, times=2)
        assert await client.get_user_balance()
        sandbox.inject("unavailable", status=503, times=3)
        with pytest.raises(ServerError, match=r"HTTP 503.*it answered with a web page"):
            await client.get_user_balance()


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (403, AccessDeniedError), (400, ValidationError)]
)
async def test_a_refused_call_is_refused_once_by_its_own_name(status, kind):
    async with (
        Sandbox(rate=0, venues=["stake"]) as sandbox,
        StakeAPI("of-mine", base_url=sandbox.url) as client,
    ):
        order = sandbox.inject("refuse_http", status=status, times=9)
        with pytest.raises(kind) as raised:
            await client.get_user_balance()
        assert (order.hits, raised.value.status_code) == (1, status)
        assert "of-mine" not in f"{raised.value!r} {vars(raised.value)}"


async def test_a_refused_token_is_refused_to_calls_too():
    async with Sandbox(rate=0, venues=["stake"]) as sandbox, StakeAPI("tok", base_url=sandbox.url) as client:
        sandbox.inject("refuse_tokens")
        with pytest.raises(AccessDeniedError):
            await client.get_user_balance()
        assert await client.get_user_balance()


async def test_an_answer_that_does_not_come_is_no_answer_and_may_have_been_sent():
    async with (
        Sandbox(rate=0, venues=["stake"]) as sandbox,
        StakeAPI("tok", base_url=sandbox.url, timeout=0.2, retry=NO_RETRY) as client,
    ):
        sandbox.inject("hang_http", seconds=5)
        with pytest.raises(NetworkError, match="no whole answer within") as raised:
            await client.get_user_balance()
        assert raised.value.sent
