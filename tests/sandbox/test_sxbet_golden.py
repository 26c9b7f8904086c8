"""The played realtime server, byte for byte as centrifugo.md has the frames of a real one."""

import json
import re

import pytest

from tests.sandbox.sxbet_peers import RECOVERABLE, first_market, greeted, opened, sandbox_of, token, venue

TRADES = "recent_trades:global"


async def test_a_connect_is_answered_with_the_time_to_live_and_the_pings():
    async with sandbox_of() as sandbox, opened(sandbox) as wire:
        reply = await wire.ask(f'{{"id":1,"connect":{{"token":"{await token(sandbox)}","name":"python"}}}}')
        assert re.fullmatch(
            r'\{"id":1,"connect":\{"client":"[0-9a-f-]{36}","version":"6\.8\.0",'
            r'"expires":true,"ttl":600,"ping":30,"pong":true\}\}',
            reply,
        )


async def test_a_subscription_with_history_names_its_position():
    async with venue() as (_, wire):
        reply = await wire.ask(f'{{"id":2,"subscribe":{{"channel":"{TRADES}",{RECOVERABLE}}}}}')
        # An offset of zero is absent, like every zero.
        assert re.fullmatch(
            r'\{"id":2,"subscribe":\{"recoverable":true,"positioned":true,"epoch":"[0-9a-f]{8}"\}\}', reply
        )


@pytest.mark.parametrize(
    "channel", ["best_odds:global", "parlay_markets:global", "orderbook_v3:0x1", "recent_trades_v3:global"]
)
async def test_a_channel_without_history_claims_at_offset_0_what_it_does_not_keep(channel):
    """As a real server answers whose clients may read history: error 108 on a page says that they may."""
    async with venue() as (_, wire):
        reply = await wire.ask(f'{{"id":2,"subscribe":{{"channel":"{channel}",{RECOVERABLE}}}}}')
        found = re.fullmatch(
            r'\{"id":2,"subscribe":\{"recoverable":true,"positioned":true,"epoch":"([0-9a-f]{8})"\}\}', reply
        )
        assert found, reply
        reply = await wire.ask(f'{{"id":3,"history":{{"channel":"{channel}","limit":1}}}}')
        assert reply == '{"id":3,"error":{"code":108,"message":"not available"}}'
        await wire.ask(f'{{"id":4,"unsubscribe":{{"channel":"{channel}"}}}}')
        again = f'{{"channel":"{channel}",{RECOVERABLE},"recover":true,"epoch":"{found[1]}","offset":0}}'
        reply = await wire.ask(f'{{"id":5,"subscribe":{again}}}')
        assert '"was_recovering":true' in reply
        assert '"recovered":true' in reply
        plain = f'{{"channel":"{channel}"}}'
        await wire.ask(f'{{"id":6,"unsubscribe":{plain}}}')
        assert await wire.ask(f'{{"id":7,"subscribe":{plain}}}') == '{"id":7,"subscribe":{}}'


async def test_a_publication_is_what_the_ledger_says_with_offset_and_message_id():
    async with venue() as (sandbox, wire):
        channel = f"order_book:market_{first_market(sandbox).market_id}"
        offset = (await wire.subscribe(channel))["subscribe"]["offset"]
        while sandbox.ledger.last_sequence(channel) == offset:
            sandbox.step()
        entry = sandbox.ledger.since(channel)[-1]
        assert re.fullmatch(
            rf'\{{"push":\{{"channel":"{channel}","pub":\{{"data":{re.escape(entry.body.decode())},'
            rf'"offset":{offset + 1},"tags":\{{"messageId":"[0-9a-f]{{32}}"\}}\}}\}}\}}',
            await wire.line(),
        )


async def test_a_publication_without_history_has_no_offset():
    async with venue() as (sandbox, wire):
        await wire.ask('{"id":2,"subscribe":{"channel":"best_odds:global"}}')
        before = sandbox.ledger.last_sequence("best_odds:global")
        while sandbox.ledger.last_sequence("best_odds:global") == before:
            sandbox.step()
        entry = sandbox.ledger.since("best_odds:global")[-1]
        assert re.fullmatch(
            rf'\{{"push":\{{"channel":"best_odds:global","pub":\{{"data":{re.escape(entry.body.decode())},'
            r'"tags":\{"messageId":"[0-9a-f]{32}"\}\}\}\}',
            await wire.line(),
        )


async def test_an_unsubscribe_is_answered_and_nothing_more_comes():
    async with venue() as (sandbox, wire):
        await wire.subscribe(TRADES)
        reply = await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        assert reply == '{"id":3,"unsubscribe":{}}'
        sandbox.step(30)
        assert await wire.silent()


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ('"subscribe":{"channel":"nosuch:global"}', 102, "unknown channel"),
        ('"subscribe":{"channel":"global"}', 102, "unknown channel"),
        ('"history":{"channel":"nosuch:global"}', 102, "unknown channel"),
        ('"history":{"channel":"markets:global"}', 103, "permission denied"),
        ('"publish":{"channel":"markets:global","data":1}', 103, "permission denied"),
        ('"presence":{"channel":"markets:global"}', 108, "not available"),
        ('"presence_stats":{"channel":"markets:global"}', 108, "not available"),
        ('"rpc":{"method":"m"}', 108, "not available"),
        ('"ping":{}', 108, "not available"),
    ],
)
async def test_what_cannot_be_had_is_refused_with_its_code(command, code, message):
    async with venue() as (_, wire):
        reply = await wire.ask(f'{{"id":2,{command}}}')
        assert reply == f'{{"id":2,"error":{{"code":{code},"message":"{message}"}}}}'


async def test_a_channel_that_is_held_already_is_refused():
    async with venue() as (_, wire):
        await wire.subscribe(TRADES)
        reply = await wire.ask(f'{{"id":3,"subscribe":{{"channel":"{TRADES}"}}}}')
        assert reply == '{"id":3,"error":{"code":105,"message":"already subscribed"}}'


async def test_the_513th_channel_is_refused():
    async with venue() as (_, wire):
        names = [f"order_book:market_0x{number}" for number in range(513)]
        for start in range(0, 513, 200):
            commands = [
                json.dumps({"id": 2 + start + at, "subscribe": {"channel": name}})
                for at, name in enumerate(names[start : start + 200])
            ]
            await wire.send("\n".join(commands))
        replies = await wire.take(513)
        assert all('"subscribe":{}' in reply for reply in replies[:512])
        assert replies[512] == '{"id":514,"error":{"code":106,"message":"limit exceeded"}}'


async def test_commands_and_replies_may_share_a_frame():
    async with venue() as (_, wire):
        await wire.send('{"id":2,"subscribe":{"channel":"best_odds:global"}}\n{"id":3,"ping":{}}\n')
        assert await wire.websocket.recv() == (
            '{"id":2,"subscribe":{}}\n{"id":3,"error":{"code":108,"message":"not available"}}'
        )


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ('{"id":1,"subscribe":{"channel":"markets:global"}}', (3501, "bad request")),
        ("{}", (3501, "bad request")),
        ("nonsense", (3501, "bad request")),
        ('{"id":1,"connect":{}}', (3501, "bad request")),
        ('{"id":1,"connect":{"token":"a.b.c"}}', (3500, "invalid token")),
        ("x" * 65_537, (1009, "frame with 65537 bytes exceeds limit of 65536 bytes")),
    ],
)
async def test_what_a_client_must_not_begin_with_ends_the_connection(first, end):
    async with sandbox_of() as sandbox, opened(sandbox) as wire:
        await wire.send(first)
        code, reason = await wire.end()
        assert code == end[0]
        assert code == 1009 or reason == end[1]


@pytest.mark.parametrize("frame", ["{}", '{"id":2,"connect":{"token":"t"}}', "{", '{"id":2,"subscribe":{}}'])
async def test_what_a_client_must_not_do_later_ends_the_connection(frame):
    async with venue() as (_, wire):
        await wire.send(frame)
        assert await wire.end() == (3501, "bad request")


async def test_an_expired_token_is_refused_with_109_and_the_connection_is_of_no_more_use():
    async with sandbox_of() as sandbox, opened(sandbox) as wire:
        old = await token(sandbox)
        assert sandbox.inject("expire_tokens").hits == 1
        reply = await wire.ask(f'{{"id":1,"connect":{{"token":"{old}"}}}}')
        assert reply == '{"id":1,"error":{"code":109,"message":"token expired"}}'
        await wire.send('{"id":2,"subscribe":{"channel":"markets:global"}}')
        assert await wire.end() == (3501, "bad request")


async def test_a_fresh_token_is_taken_on_the_open_connection():
    async with venue() as (sandbox, wire):
        reply = await wire.ask(f'{{"id":2,"refresh":{{"token":"{await token(sandbox)}"}}}}')
        assert re.fullmatch(
            r'\{"id":2,"refresh":\{"client":"[0-9a-f-]{36}","version":"6\.8\.0","expires":true,"ttl":600\}\}',
            reply,
        )


@pytest.mark.parametrize(
    ("key", "end"), [("other", (3500, "invalid token")), (None, (3500, "invalid token"))]
)
async def test_a_token_of_somebody_else_or_none_is_not(key, end):
    async with venue() as (sandbox, wire):
        fresh = "a.b.c" if key is None else await token(sandbox, key)
        await wire.send(f'{{"id":2,"refresh":{{"token":"{fresh}"}}}}')
        assert await wire.end() == end


async def test_two_sockets_hear_the_same():
    async with sandbox_of() as sandbox, greeted(sandbox) as one, greeted(sandbox, "other") as two:
        for wire in (one, two):
            await wire.subscribe(TRADES)
        before = sandbox.ledger.last_sequence(TRADES)
        sandbox.step(20)
        count = sandbox.ledger.last_sequence(TRADES) - before
        assert count > 4
        assert await one.take(count) == await two.take(count)
