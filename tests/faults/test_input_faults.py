"""What a peer's words, the machine's clocks and the consumer's own conduct can do: all in virtual time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tapewire.errors import RequestLost, SessionClosed, TapewireError
from tapewire.marks import Gap, is_mark
from tapewire.protocols.phoenix import Push
from tapewire.retry import RetryPolicy
from tests.session.line import line, take
from tests.venues.stx.stx_line import Heard, stx_line

HOSTILE = "\x1b[2J\x1b]0;title\x07line\r\nWARNING forged \u202e <script>alert(1)</script> ../../etc"


# Bytes.


async def test_text_that_is_not_utf8_costs_one_reconnection(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.raw(b'[null,null,"markets","tick",{"n":"\xff\xfe"}]')
        await peer.joined("markets", 2)
        peer.broadcast("markets", "tick", {"n": 1})
        items = await take(subscription, 2)
        assert isinstance(items[0], Gap)
        assert items[1] == ("tick", {"n": 1})
        assert "1007" in session.statistics().last_error


async def test_a_peer_that_sends_nothing_else_is_asked_less_and_less_often(clock):
    async with line(clock, retry=RetryPolicy(None, 1.0, 60.0, jitter=False)) as (session, peer):
        session.subscribe("markets")
        peer.on_join = lambda peer, connection, join: connection.link.send(b"\xff")
        peer.raw(b"\xff")
        await asyncio.sleep(600)
        assert len(peer.connections) < 20


@pytest.mark.parametrize(
    "payload",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999999999",
        '{"price":1e400}',
        '{"id":' + "9" * 100_000 + "}",
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        '{"n":1',
        "",
        '{"n":\x00}',
        '{"n":"\x01"}',
    ],
    ids=lambda payload: repr(payload[:12]),
)
async def test_a_bomb_in_a_payload_is_a_gap_in_its_place_and_takes_no_time(clock, payload):
    items = []
    async with stx_line(clock) as (ws, peer):
        await ws.join("markets", items.append, on_mark=items.append)
        peer.broadcast("markets", "tick", {"n": 1})
        started = time.perf_counter()
        peer.raw(f'[null,null,"markets","tick",{payload}]')
        peer.broadcast("markets", "tick", {"n": 2})
        await asyncio.sleep(1)
        assert time.perf_counter() - started < 0.5
        assert ws.statistics().reconnections == 0
    kinds = [item.reason if is_mark(item) else item.payload for item in items[1:]]
    assert kinds == [{"n": 1}, "undecodable", {"n": 2}]


async def test_a_value_of_an_odd_type_is_delivered_as_it_is(clock):
    heard = Heard()
    async with stx_line(clock) as (ws, peer):
        await ws.join("markets", heard)
        for payload in ("null", "[]", '"text"', "true", "-0.0"):
            peer.raw(f'[null,null,"markets","tick",{payload}]')
        await asyncio.sleep(1)
        assert ws.statistics().reconnections == 0
    assert [payload for _, payload in heard.news] == [None, [], "text", True, -0.0]


async def test_a_peers_words_cannot_forge_or_colour_a_log_line(clock, caplog):
    async with line(clock) as (session, peer):
        peer.refuse_join("refused", {"reason": HOSTILE})
        with pytest.raises(TapewireError):
            await session.subscribe("refused").confirmed()
        await session.subscribe("markets", handler=lambda item: None).confirmed()
        peer.crash("markets", {"reason": HOSTILE})
        await peer.joined("markets", 2)
        peer.raw(f'["1",null,"markets","{HOSTILE}')
        peer.close_topic("markets", {"reason": HOSTILE})
        await asyncio.sleep(1)
        peer.drop(4000, HOSTILE[:60])
        await peer.connected(2)
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert [line for line in lines if any(ord(letter) < 32 or letter == "\u202e" for letter in line)] == []


# Clocks.


async def test_a_line_that_died_in_a_suspend_is_replaced_soon_after_it(clock):
    async with line(clock, retry=RetryPolicy(None, 0.0, 0.0)) as (session, peer):
        subscription = session.subscribe("markets")
        await subscription.confirmed()
        peer.half_open()
        clock.suspend(3600)
        woken_at = clock.monotonic()
        await peer.joined("markets", 2)
        assert clock.monotonic() - woken_at <= 17
        (gap,) = await take(subscription, 1)
        assert gap.until_ns - gap.since_ns >= 3600 * 10**9


async def test_a_loop_blocked_for_half_a_minute_loses_no_line_and_is_reported_once(clock, caplog):
    def hog(item):
        if item.event == "tick":
            clock.suspend(30)

    async with line(clock) as (session, peer):
        await session.subscribe("markets", handler=hog).confirmed()
        peer.broadcast("markets", "tick", {})
        await asyncio.sleep(120)
        assert session.statistics().reconnections == 0
    assert len([record for record in caplog.records if "blocked the event loop" in record.message]) == 1


# Consumers.


async def test_an_iteration_that_was_given_up_stays_bounded_and_can_be_taken_up_again(clock):
    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", capacity=20)
        await take(subscription, 1, control=True)
        for n in range(100):
            peer.broadcast("markets", "tick", {"n": n})
        await asyncio.sleep(1)
        assert subscription.statistics().buffered == 20
        items = await take(subscription, 21)
        assert items[0].dropped == 80
        assert items[1:] == [("tick", {"n": n}) for n in range(80, 100)]


async def test_closing_while_a_snapshot_is_under_way_is_soon_over(clock):
    async def never():
        await asyncio.sleep(3600)

    tasks = asyncio.all_tasks()
    async with line(clock) as (session, _):
        await session.subscribe("orders", snapshot=never, snapshot_timeout=3600).confirmed()
        started = clock.monotonic()
        await asyncio.gather(session.close(), session.close())
        assert clock.monotonic() - started < 2
        assert session.state == "closed"
    assert asyncio.all_tasks() == tasks


async def test_a_handler_whose_await_was_cancelled_is_an_error_and_the_next_message_goes_on(clock, caplog):
    heard = []

    async def cancelled(item):
        if item.event == "bad":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        heard.append(item.event)

    async with line(clock) as (session, peer):
        subscription = session.subscribe("markets", handler=cancelled)
        await subscription.confirmed()
        for event in ("bad", "good"):
            peer.broadcast("markets", event, {})
        await asyncio.sleep(60)
        assert session.connected
        assert (heard, subscription.statistics().handler_errors) == (["phx_reply", "good"], 1)
    assert "CancelledError" in caplog.text


@pytest.mark.parametrize("steps", range(12))
async def test_a_request_cancelled_at_any_step_leaves_nothing_pending(clock, steps):
    async with line(clock) as (session, peer):
        peer.reply_to("ask", {})
        await session.subscribe("markets").confirmed()
        request = asyncio.ensure_future(session.request(Push("markets", "ask", {})))
        for _ in range(steps):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        assert session.statistics().pending_requests == 0
        assert await session.request(Push("markets", "ask", {})) == {}


async def test_what_is_asked_after_close_is_an_error_and_no_silence(clock):
    async with line(clock) as (session, _):
        await session.subscribe("markets").confirmed()
        await session.close()
        with pytest.raises((SessionClosed, RequestLost)):
            await session.request(Push("markets", "ask", {}))
