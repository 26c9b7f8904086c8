"""The played Phoenix socket, byte for byte as a real server was seen to answer."""

import json

import pytest

from tests.sandbox.sandbox_peers import played

OK = '"phx_reply",{"response":{},"status":"ok"}]'


async def test_a_heartbeat_is_answered():
    async with played() as (_, _, raw):
        reply = await raw.ask('[null,"1","phoenix","heartbeat",{}]')
        assert reply == f'[null,"1","phoenix",{OK}'


async def test_a_join_is_confirmed():
    async with played() as (_, _, raw):
        assert await raw.ask('["2","2","market_info","phx_join",{}]') == f'["2","2","market_info",{OK}'


async def test_a_snapshot_is_a_push_with_join_ref_behind_the_reply():
    async with played() as (_, uid, raw):
        topic = f"active_orders:{uid}"
        await raw.send(f'["2","2","{topic}","phx_join",{{}}]')
        assert await raw.take(2) == [
            f'["2","2","{topic}",{OK}',
            f'["2",null,"{topic}","all_orders",{{"orders":[]}}]',
        ]


async def test_a_refused_join_keeps_its_join_ref():
    async with played() as (_, _, raw):
        reply = await raw.ask('["4","4","portfolio:u2","phx_join",{}]')
        assert (
            reply
            == '["4","4","portfolio:u2","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]'
        )


@pytest.mark.parametrize(
    "frame", ['["6","6","nosuch:topic","phx_join",{}]', '["6","6","nosuch:topic","echo",{"a":1}]']
)
async def test_an_unknown_topic_is_answered_without_join_ref(frame):
    async with played() as (_, _, raw):
        unmatched = '"phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]'
        assert await raw.ask(frame) == f'[null,"6","nosuch:topic",{unmatched}'


async def test_leaving_what_was_not_joined_is_ok_and_closes_nothing():
    async with played() as (_, _, raw):
        assert await raw.ask('["8","8","markets","phx_leave",{}]') == f'["8","8","markets",{OK}'
        assert await raw.silent()


async def test_a_leave_is_answered_first_and_closed_then():
    async with played() as (_, _, raw):
        await raw.ask('["31","31","market_info","phx_join",{}]')
        await raw.send('["31","32","market_info","phx_leave",{}]')
        assert await raw.take(2) == [
            f'["31","32","market_info",{OK}',
            '["31","31","market_info","phx_close",{}]',
        ]
        assert await raw.silent()


async def test_a_duplicate_join_is_confirmed_first_and_the_old_one_closed_then():
    async with played() as (_, _, raw):
        await raw.ask('["40","40","market_info","phx_join",{}]')
        await raw.send('["41","41","market_info","phx_join",{}]')
        assert await raw.take(2) == [
            f'["41","41","market_info",{OK}',
            '["40","40","market_info","phx_close",{}]',
        ]


async def test_a_duplicate_join_that_is_refused_still_closes_the_old_one():
    async with played() as (sandbox, _, raw):
        await raw.ask('["40","40","market_info","phx_join",{}]')
        sandbox.inject("refuse_join", topic="market_info", reason="no")
        await raw.send('["41","41","market_info","phx_join",{}]')
        assert await raw.take(2) == [
            '["41","41","market_info","phx_reply",{"response":{"reason":"no"},"status":"error"}]',
            '["40","40","market_info","phx_close",{}]',
        ]
        sandbox.step()
        assert await raw.silent()


async def test_a_push_that_the_topic_does_not_know_crashes_it():
    async with played() as (_, _, raw):
        await raw.ask('["3","3","market_info","phx_join",{}]')
        assert (
            await raw.ask('["3","19","market_info","crash",{}]') == '["3","3","market_info","phx_error",{}]'
        )


@pytest.mark.parametrize(("fault", "event"), [("crash_channel", "phx_error"), ("close_channel", "phx_close")])
async def test_a_topic_can_be_crashed_and_closed_by_order(fault, event):
    async with played() as (sandbox, _, raw):
        await raw.ask('["3","3","market_info","phx_join",{}]')
        injected = sandbox.inject(fault, topic="market_info")
        assert await raw.take() == [f'["3","3","market_info","{event}",{{}}]']
        assert injected.hits == 1
        sandbox.step()
        assert await raw.silent()


async def test_without_a_filter_publications_are_broadcasts_without_join_ref():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        sandbox.step()
        (text,) = await raw.take()
        entry = sandbox.ledger.since("markets")[-1]
        assert text == f'[null,null,"markets","market_updated",{entry.body.decode()}]'


async def test_with_a_filter_publications_are_pushes_with_join_ref():
    async with played() as (sandbox, _, raw):
        await raw.ask('["50","50","markets","phx_join",{"message_types":["market_updated"]}]')
        sandbox.step()
        (text,) = await raw.take()
        assert text.startswith('["50",null,"markets","market_updated",{')


async def test_v1_frames_have_no_join_ref_and_the_same_content():
    async with played(vsn="1.0.0") as (sandbox, _, raw):
        reply = await raw.ask('{"topic":"market_info","event":"phx_join","payload":{},"ref":"1"}')
        assert json.loads(reply) == {
            "topic": "market_info", "event": "phx_reply", "ref": "1", "payload": {"response": {}, "status": "ok"},
        }  # fmt: skip
        sandbox.step()
        (text,) = await raw.take()
        assert set(json.loads(text)) == {"topic", "event", "payload", "ref"}


@pytest.mark.parametrize("frame", ["", "nonsense", "[1]", '{"topic":"t"}', "[null,null,null,null,null]"])
async def test_a_malformed_frame_ends_the_socket(frame):
    async with played() as (_, _, raw):
        await raw.send(frame)
        assert await raw.end() == 1011
