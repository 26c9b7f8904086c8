"""Faults on the played realtime server, and those of HTTP that any venue has."""

import asyncio
import json

import pytest

from tests.sandbox.sxbet_peers import data, get, greeted, opened, sandbox_of, token, venue
from tests.sandbox.test_sxbet_socket import face_of, publish
from tests.waiting import until

TRADES = "recent_trades:global"
TOKEN_PATH = "/user/realtime-token/api-key"


async def test_pruned_history_cannot_be_recovered():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 5)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        assert sandbox.inject("prune_history", topic=TRADES, keep=2).hits == 1
        assert "recovered" not in await wire.recover(TRADES, 2, epoch)
        await wire.ask(f'{{"id":4,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        assert len((await wire.recover(TRADES, 3, epoch, 5))["publications"]) == 2
        assert sandbox.inject("prune_history").hits > 5


async def test_a_new_epoch_tells_who_listens_and_recovers_nobody():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 5)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        assert sandbox.inject("new_epoch", topic=TRADES).hits == 1
        assert await wire.line() == (
            f'{{"push":{{"channel":"{TRADES}","unsubscribe":{{"code":2500,"reason":"insufficient state"}}}}}}'
        )
        result = await wire.recover(TRADES, 5, epoch)
        assert result["epoch"] != epoch
        assert "recovered" not in result
        assert "offset" not in result
        publish(sandbox, TRADES, 1)
        [live] = await wire.publications(1)
        assert live["offset"] == 1


async def test_insufficient_state_of_a_channel_is_resubscribed_and_of_a_connection_ends_it():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 5)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        assert sandbox.inject("insufficient_state", topic=TRADES).hits == 1
        assert (await wire.told())["push"]["unsubscribe"] == {"code": 2500, "reason": "insufficient state"}
        assert (await wire.recover(TRADES, 4, epoch))["recovered"] is True
        assert sandbox.inject("insufficient_state").hits == 1
        assert await wire.end() == (3010, "insufficient state")


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [("crash_channel", 2500, "insufficient state"), ("close_channel", 2000, "server unsubscribe")],
)
async def test_a_channel_can_be_ended_with_either_kind_of_code(fault, code, reason):
    async with venue() as (sandbox, wire):
        await wire.subscribe(TRADES)
        assert sandbox.inject(fault, topic=TRADES).hits == 1
        assert (await wire.told())["push"] == {
            "channel": TRADES, "unsubscribe": {"code": code, "reason": reason},
        }  # fmt: skip
        sandbox.step(30)
        assert await wire.silent()


@pytest.mark.parametrize("code", [1000, 3000, 3001, 3004, 3005, 3008, 3011, 3014, 3500, 3503, 4500, 4999])
async def test_a_connection_can_be_ended_with_any_code(code):
    async with venue() as (sandbox, wire):
        sandbox.inject("close", code=code, reason="r")
        assert await wire.end() == (code, "r")


async def test_ignored_pongs_end_the_connection():
    async with venue() as (sandbox, wire):
        face, now = face_of(sandbox), asyncio.get_running_loop().time()
        injected = sandbox.inject("ignore_pongs", seconds=60)
        face.tick(now + 31, 0)
        assert await wire.line() == "{}"
        await wire.send("{}")
        assert await wire.silent()
        assert injected.hits == 1
        face.tick(now + 40, 0)
        assert await wire.end() == (3012, "no pong")


async def test_a_replayed_publication_can_come_twice():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 5)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        injected = sandbox.inject("duplicate_recovered", topic=TRADES)
        result = await wire.recover(TRADES, 5, epoch)
        assert ("publications" in result, injected.hits) == (False, 0)
        await wire.ask(f'{{"id":4,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        result = await wire.recover(TRADES, 3, epoch, 5)
        assert [pub["offset"] for pub in result["publications"]] == [4, 4, 5]
        assert (result["recovered"], result["offset"], injected.hits) == (True, 3, 1)
        publish(sandbox, TRADES, 1, 5)
        assert [pub["offset"] for pub in await wire.publications(1)] == [6]


async def test_a_refused_subscription_has_a_code_and_a_reason():
    async with venue() as (sandbox, wire):
        sandbox.inject("refuse_join", topic=TRADES)
        assert await wire.subscribe(TRADES) == {
            "id": 2, "error": {"code": 103, "message": "refused by the sandbox"},
        }  # fmt: skip
        sandbox.inject("refuse_join", topic=TRADES, code=100, reason="broken")
        assert (await wire.subscribe(TRADES))["error"] == {
            "code": 100, "message": "broken", "temporary": True,
        }  # fmt: skip
        assert "subscribe" in await wire.subscribe(TRADES)


async def test_a_subscription_can_be_left_without_an_answer():
    async with venue() as (sandbox, wire):
        sandbox.inject("ignore_join", topic=TRADES)
        await wire.send(f'{{"id":2,"subscribe":{{"channel":"{TRADES}"}}}}')
        assert await wire.silent()


async def test_a_slow_subscription_holds_back_what_comes_behind_it():
    async with venue() as (sandbox, wire):
        await wire.subscribe("best_odds:global")
        sandbox.inject("slow_join", topic=TRADES, seconds=0.05)
        await wire.send(
            f'{{"id":3,"subscribe":{{"channel":"{TRADES}"}}}}\n{{"id":4,"subscribe":{{"channel":"markets:global"}}}}'
        )
        await until(lambda: not sandbox.faults.any_standing)
        publish(sandbox, "best_odds:global", 1)
        lines = [json.loads(line) for line in await wire.take(3)]
        assert [line.get("id") for line in lines] == [3, None, 4]


async def test_a_channel_limit_can_be_lower():
    async with sandbox_of() as sandbox:
        sandbox.inject("channel_limit", count=1)
        async with greeted(sandbox) as wire:
            await wire.subscribe(TRADES)
            assert (await wire.subscribe("markets:global", number=3))["error"]["code"] == 106


async def test_refused_tokens_are_refused_at_both_doors():
    async with sandbox_of() as sandbox, opened(sandbox) as wire:
        good = await token(sandbox)
        sandbox.inject("refuse_tokens", times=2)
        assert (await get(sandbox, TOKEN_PATH, x_api_key="k")).status_code == 401
        await wire.send(f'{{"id":1,"connect":{{"token":"{good}"}}}}')
        assert await wire.end() == (3500, "invalid token")


async def test_muted_publications_leave_a_jump_in_the_numbers():
    async with venue() as (sandbox, wire):
        await wire.subscribe(TRADES)
        sandbox.inject("mute")
        publish(sandbox, TRADES, 2)
        assert await wire.silent()
        sandbox.lift()
        publish(sandbox, TRADES, 1, 2)
        assert [pub["offset"] for pub in await wire.publications(1)] == [3]


@pytest.mark.parametrize(
    ("fault", "params", "status"),
    [
        ("refuse_http", {"status": 403}, 403),
        ("refuse_http", {"status": 429, "path": TOKEN_PATH}, 429),
        ("refuse_http", {}, 401),
        ("http_429", {}, 429),
        ("unavailable", {"status": 502}, 502),
    ],
)
async def test_the_token_endpoint_can_fail_in_every_way(fault, params, status):
    async with sandbox_of() as sandbox:
        sandbox.inject(fault, **params)
        assert (await get(sandbox, TOKEN_PATH, x_api_key="k")).status_code == status
        assert (await get(sandbox, TOKEN_PATH, x_api_key="k")).status_code == 200


async def test_a_refusal_may_be_of_one_path_only():
    async with sandbox_of() as sandbox:
        injected = sandbox.inject("refuse_http", path=TOKEN_PATH, status=500, times=2)
        assert await data(sandbox, "/sports")
        answer = await get(sandbox, TOKEN_PATH, x_api_key="k")
        assert (answer.status_code, injected.hits) == (500, 1)


async def test_a_request_can_hang_and_is_answered_then():
    async with sandbox_of() as sandbox:
        injected = sandbox.inject("hang_http", path=TOKEN_PATH, seconds=0.05)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await get(sandbox, TOKEN_PATH, x_api_key="k")).status_code == 200
        assert loop.time() - began >= 0.05
        assert injected.hits == 1


async def test_a_hanging_request_does_not_keep_the_sandbox_open():
    async with sandbox_of() as sandbox:
        sandbox.inject("hang_http", seconds=600)
        request = asyncio.create_task(get(sandbox, "/sports"))
        await until(lambda: not sandbox.faults.any_standing)
        request.cancel()
        await asyncio.wait([request])


async def test_a_close_can_be_answered_late():
    async with venue() as (sandbox, wire):
        injected = sandbox.inject("slow_close", seconds=0.05)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await wire.websocket.close()
        assert loop.time() - began >= 0.05
        assert (injected.hits, wire.websocket.close_code) == (1, 1000)


async def test_a_page_larger_than_the_server_s_queue_ends_the_socket_as_too_slow():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 1000, wide=1200)
        await wire.subscribe(TRADES)
        await wire.send(f'{{"id":3,"history":{{"channel":"{TRADES}","limit":1000}}}}')
        assert await wire.end() == (3008, "slow")


async def test_a_smaller_queue_refuses_smaller_pages():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 40, wide=1000)
        await wire.subscribe(TRADES)
        order = sandbox.inject("small_queue", size=20_000, times=5)
        reply = await wire.ask(f'{{"id":3,"history":{{"channel":"{TRADES}","limit":10}}}}')
        assert len(json.loads(reply)["history"]["publications"]) == 10
        await wire.send(f'{{"id":4,"history":{{"channel":"{TRADES}","limit":40}}}}')
        assert await wire.end() == (3008, "slow")
        assert order.hits == 1
        assert [(each.topic, each.last) for each in order.touched] == [(TRADES, None)]


async def test_a_topic_that_was_had_can_be_refused_where_others_are_not():
    async with venue() as (sandbox, wire):
        await wire.subscribe(TRADES)
        order = sandbox.inject("refuse_rejoin", code=100, reason="not again")
        assert "error" not in await wire.subscribe("markets:global", number=3)
        await wire.ask(f'{{"id":4,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        refused = await wire.subscribe(TRADES, number=5)
        assert refused["error"] == {"code": 100, "message": "not again", "temporary": True}
        assert order.hits == 1
        assert "error" not in await wire.subscribe(TRADES, number=6)
