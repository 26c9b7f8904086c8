"""The faults of the sandbox met by the SDK whose wire numbers nothing, in detail; every pair of fault and venue is in
`test_every_fault_and_venue.py`.

Most tests end with `goes_on_behind_a_gap`: the stream says once where it broke, and what is published afterwards comes,
all of it, in order.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tapewire.errors import HandshakeRefused, SubscriptionEnded
from tapewire.marks import Gap, Lagged, is_mark
from tapewire.protocols.phoenix import PhoenixClient
from tapewire.retry import RetryPolicy
from tapewire.sandbox import Sandbox
from tapewire.transport.base import Endpoint
from tapewire.venues.stx import (
    Channels,
    STXAuthenticationFailedException,
    STXChannelException,
    STXRateLimitException,
)
from tapewire.venues.stx.url import socket_url
from tests.faults.played import TOPIC, Stream, make_client, make_socket, played
from tests.waiting import until


async def goes_on_behind_a_gap(stream: Stream, reason: str = "connection lost", connections: int = 2) -> None:
    await stream.joined_again(connections)
    before = len(stream.digests)
    published = len(stream.published)
    await stream.step(3)
    assert stream.digests[before:] == stream.published[published:]
    assert [type(mark) for mark in stream.marks] == [Gap]
    assert stream.gaps[0][0] == reason
    statistics = stream.ws.statistics()
    assert (statistics.connections, statistics.handler_errors) == (connections, 0)


# The line.


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_a_close_with_whatever_code_leads_to_a_new_connection(code: int) -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("close", code=code, reason="for a test")
        await goes_on_behind_a_gap(stream)
        assert stream.gaps == [("connection lost", "for a test")]
        assert f"code {code}" in ws.statistics().last_error


async def test_a_reset_connection_is_made_anew() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("abort")
        await goes_on_behind_a_gap(stream)
        assert "1006" in ws.statistics().last_error


async def test_a_half_open_line_is_found_by_the_ping_deadline() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("half_open")
        started = asyncio.get_running_loop().time()
        await goes_on_behind_a_gap(stream)
        assert asyncio.get_running_loop().time() - started < 3
        assert "ping" in ws.statistics().last_error


async def test_a_restarting_server_is_come_back_to() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("drain")
        await goes_on_behind_a_gap(stream)
        assert "1012" in ws.statistics().last_error


async def test_a_close_for_silence_leads_to_a_new_connection() -> None:
    async with played() as (sandbox, _, stream):
        sandbox.inject("idle_close")
        await goes_on_behind_a_gap(stream)


async def test_a_line_that_drips_is_left_and_not_waited_for() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("drip", interval=1)
        sandbox.step(5)
        started = asyncio.get_running_loop().time()
        await goes_on_behind_a_gap(stream)
        assert asyncio.get_running_loop().time() - started < 3
        assert "ping" in ws.statistics().last_error


async def test_a_quiet_market_is_no_fault() -> None:
    async with played(heartbeat_interval=0.1) as (sandbox, ws, stream):
        muted = sandbox.inject("mute")
        sandbox.step(3)
        reads = ws.statistics().reads
        await until(lambda: ws.statistics().reads >= reads + 3, "replies to heartbeats")
        assert muted.hits > 0
        sandbox.lift("mute")
        await stream.step()
        assert stream.marks == []  # nobody can know: this wire does not number its messages
        assert ws.statistics().reconnections == 0


async def test_unanswered_heartbeats_end_the_connection_though_publications_flow() -> None:
    protocol = {"protocol": lambda token: PhoenixClient(heartbeat_interval=0.2, heartbeat_timeout=0.2)}
    async with played(options=protocol) as (sandbox, ws, stream):
        sandbox.inject("mute_heartbeats")
        await stream.step()  # ... and its publications still come
        await goes_on_behind_a_gap(stream)
        assert "heartbeat" in ws.statistics().last_error


# Upgrades and tokens.


async def test_a_rate_limited_upgrade_waits_as_long_as_it_is_told() -> None:
    async with played() as (sandbox, ws, stream):
        limited = sandbox.inject("socket_429", retry_after=0.6)
        started = asyncio.get_running_loop().time()
        sandbox.inject("abort")
        await goes_on_behind_a_gap(stream)
        assert asyncio.get_running_loop().time() - started >= 0.6
        assert limited.hits == 1
        assert "429" in ws.statistics().last_error


async def test_a_server_error_in_place_of_the_upgrade_is_retried() -> None:
    async with played() as (sandbox, _, stream):
        down = sandbox.inject("unavailable", status=502, times=3)
        sandbox.inject("abort")
        await goes_on_behind_a_gap(stream)
        assert down.hits == 3


async def test_expired_tokens_break_no_line_and_are_renewed_for_the_next() -> None:
    async with played() as (sandbox, ws, stream):
        token = ws._http.user.token
        sandbox.inject("expire_tokens")
        await stream.step()
        assert ws.statistics().reconnections == 0
        sandbox.inject("close", code=1012)
        await goes_on_behind_a_gap(stream)
        assert ws._http.user.token != token


async def test_a_refused_token_is_renewed_once() -> None:
    async with played() as (sandbox, _, stream):
        refused = sandbox.inject("refuse_tokens")
        sandbox.inject("abort")
        await goes_on_behind_a_gap(stream)
        assert refused.hits == 1


async def test_a_token_refused_again_after_its_renewal_is_final_and_no_storm() -> None:
    async with played() as (sandbox, ws, _):
        refused = sandbox.inject("refuse_tokens", seconds=60)
        sandbox.inject("abort")
        with pytest.raises(HandshakeRefused, match="403"):
            await ws.run_forever()
        assert refused.hits == 2  # the token at hand and one fresh one
        assert ws.state == "failed"


async def test_a_wrong_password_stops_the_socket_with_the_documented_exception() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        ws = make_socket(sandbox, password="wrong")
        with pytest.raises(STXAuthenticationFailedException):
            await ws.connect()
        assert (ws.state, ws.statistics().connections) == ("failed", 0)
        await ws.close()


async def test_a_token_endpoint_that_is_away_or_busy_is_asked_again() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        down = sandbox.inject("unavailable", times=5)
        busy = sandbox.inject("http_429", retry_after=0.1, times=3)
        async with make_socket(sandbox) as ws:
            assert ws.is_connected
            assert (down.hits, busy.hits) == (5, 3)


async def test_a_rate_limited_call_waits_as_long_as_it_is_told() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        client = make_client(sandbox)
        await client.login()
        limited = sandbox.inject("http_429", retry_after=0.4)
        started = asyncio.get_running_loop().time()
        assert (await client.markets(limit=1)).count > 0
        assert asyncio.get_running_loop().time() - started >= 0.4
        assert limited.hits == 1
        sandbox.inject("http_429", retry_after=600)
        with pytest.raises(STXRateLimitException) as caught:
            await client.markets(limit=1)
        assert caught.value.retry_after == 600
        await client.aclose()


# Joins.


async def test_a_refused_join_is_raised_with_its_reason_and_a_refused_rejoin_is_repeated() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("refuse_join", topic="market_info", reason="busy")
        with pytest.raises(STXChannelException, match="busy") as caught:
            await ws.join(Channels.MARKET_INFO)
        assert caught.value.reply == {"reason": "busy"}
        await ws.join(Channels.MARKET_INFO)
        refused = sandbox.inject("refuse_join", topic=TOPIC, reason="busy", times=3)
        sandbox.inject("abort")
        await goes_on_behind_a_gap(stream)
        assert refused.hits == 3


async def test_a_join_without_an_answer_is_asked_for_again() -> None:
    async with played(options={"subscribe_timeout": 0.2}) as (sandbox, ws, stream):
        ignored = sandbox.inject("ignore_join", topic="market_info", times=2)
        await ws.join(Channels.MARKET_INFO)
        assert ignored.hits == 2
        await stream.step()
        assert stream.marks == []


async def test_a_slow_join_that_blocks_the_socket_breaks_nothing() -> None:
    async with played(heartbeat_interval=0.2) as (sandbox, ws, stream):
        sandbox.inject("slow_join", seconds=0.7, topic="market_info")
        started = asyncio.get_running_loop().time()
        joining = asyncio.ensure_future(ws.join(Channels.MARKET_INFO))
        await until(lambda: len(sandbox.faults.injected) and sandbox.faults.injected[-1].hits == 1)
        await stream.step()  # held back behind the join, and not lost
        await joining
        assert asyncio.get_running_loop().time() - started >= 0.7
        assert ws.statistics().reconnections == 0
        assert stream.digests == stream.published


async def test_too_many_channels_is_a_typed_refusal_that_may_pass() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.inject("channel_limit", count=1)
        async with make_socket(sandbox, {"subscribe_timeout": 0.2}) as ws:
            stream = Stream(sandbox, ws)
            await stream.join()
            with pytest.raises(STXChannelException, match="too many channels joined") as caught:
                await ws.join(Channels.MARKET_INFO)
            assert (caught.value.retryable, caught.value.topic) == (True, "market_info")
            sent = sandbox.state()["connections"][-1]["received"]
            await stream.step(3)
            assert stream.digests == stream.published
            assert (
                sandbox.state()["connections"][-1]["received"] == sent
            )  # now it is the caller's to ask again


async def test_a_place_that_becomes_free_late_is_waited_for() -> None:
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.inject("channel_limit", count=1)
        async with make_socket(sandbox) as ws:
            await ws.join(Channels.MARKETS)
            late = sandbox.inject("late_places", seconds=0.3)
            await ws.leave(Channels.MARKETS)
            await ws.join(Channels.MARKET_INFO)
            assert late.hits == 1
            assert sandbox.state()["venues"]["stx"]["joined"] == ["market_info"]
            assert ws.statistics().connections == 1


async def test_a_crashed_channel_is_joined_again_on_the_same_line() -> None:
    async with played() as (sandbox, _, stream):
        sandbox.inject("crash_channel", topic=TOPIC)
        await until(lambda: [message for message in stream.messages if message.is_error])
        await goes_on_behind_a_gap(stream, "interrupted", connections=1)


async def test_a_channel_closed_by_the_venue_ends_its_stream_only() -> None:
    async with played() as (sandbox, ws, stream):
        other = await ws.join(Channels.MARKET_INFO)
        sandbox.inject("close_channel", topic="market_info")
        events = []
        with pytest.raises(SubscriptionEnded):  # noqa: PT012 - it raises behind all that it brought
            async for item in other:
                events.append(item.event)  # noqa: PERF401 - they are looked at although it raises
        assert events[-1] == "phx_close"
        assert other.ended_reason is not None
        await stream.step()
        assert stream.marks == []


# Messages.


async def test_what_one_connection_carried_is_delivered_as_it_carried_it() -> None:
    async with played() as (sandbox, ws, stream):
        doubled = sandbox.inject("duplicate")
        await stream.step()
        assert doubled.hits == 1
        assert len(stream.digests) == len(stream.published) + 1
        assert list(dict.fromkeys(stream.digests)) == stream.published
        sandbox.inject("reorder")
        sandbox.step(4)
        await until(lambda: len(stream.digests) == len(stream.published) + 1)
        assert sorted(set(stream.digests)) == sorted(stream.published)
        assert list(dict.fromkeys(stream.digests)) != stream.published
        assert stream.marks == []
        assert ws.statistics().reconnections == 0


async def test_half_a_message_is_a_gap_in_its_place_and_the_line_stays() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("malformed")
        await stream.step(3)
        assert [type(mark) for mark in stream.marks] == [Gap]
        assert stream.gaps[0][0] == "undecodable"
        missing = [digest for digest in stream.published if digest not in stream.digests]
        assert len(missing) == 1
        before = stream.published.index(missing[0])
        items = [item for item in stream if is_mark(item) or not item.event.startswith("phx_")]
        assert is_mark(items[before])
        assert ws.statistics().reconnections == 0
        assert ws.statistics().undecodable == 1


async def test_a_binary_message_of_no_meaning_is_a_gap_and_the_line_stays() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("binary")
        await until(lambda: stream.marks)
        await goes_on_behind_a_gap(stream, "undecodable", connections=1)
        assert ws.statistics().undecodable == 1


async def test_a_message_that_is_too_large_costs_one_reconnection() -> None:
    async with played() as (sandbox, ws, stream):
        sandbox.inject("oversized")
        await goes_on_behind_a_gap(stream)
        assert "1009" in ws.statistics().last_error


async def test_the_largest_message_is_four_megabytes_and_can_be_set() -> None:
    async with played() as (sandbox, ws, _):
        sandbox.inject("oversized", size=4 * 1024 * 1024 - 100)
        await until(lambda: ws.statistics().undecodable == 1)  # it was read, though it says nothing
        assert ws.statistics().reconnections == 0

    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        endpoint = {"endpoint": lambda token: Endpoint(url=socket_url(sandbox.url, token), max_size=100_000)}
        async with make_socket(sandbox, endpoint) as ws:
            stream = Stream(sandbox, ws)
            await stream.join()
            sandbox.inject("oversized", size=100_001)
            await goes_on_behind_a_gap(stream)
            assert "1009" in ws.statistics().last_error


async def test_a_burst_is_read_to_its_end_and_what_a_slow_consumer_missed_is_said() -> None:
    async with played() as (sandbox, ws, stream):
        slow = await ws.join(Channels.MARKET_INFO, capacity=50)
        start = sandbox.ledger.last_sequence("market_info", venue="stx")
        sandbox.inject("burst", count=500)
        await until(lambda: stream.digests[-1:] == stream.published[-1:])
        assert stream.digests == stream.published
        published = sandbox.ledger.last_sequence("market_info", venue="stx") - start
        await until(
            lambda: slow.statistics().dropped + 50 == published + 1
        )  # its join's reply was there first
        taken: list[Any] = []
        async for item in slow:
            taken.append(item)
            if len(taken) == 51:
                break
        assert taken[0] == Lagged(dropped=published - 49)
        assert not any(map(is_mark, taken[1:]))
        assert ws.statistics().reconnections == 0


async def test_a_socket_that_gives_up_says_so_to_everybody() -> None:
    async with played(retry=RetryPolicy(2, 0.01, 0.02)) as (sandbox, ws, _):
        iterated = await ws.join(Channels.MARKET_INFO)
        sandbox.inject("unavailable", times=100)
        sandbox.inject("abort")
        with pytest.raises(Exception, match="gave up after 2 attempts"):
            await ws.run_forever()
        with pytest.raises(Exception, match="gave up after 2 attempts"):
            _ = [item async for item in iterated]
