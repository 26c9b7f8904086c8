import asyncio
import json
from itertools import pairwise

import pytest
import websockets
from websockets.asyncio.client import connect

from tapewire.protocols.phoenix import auth_subprotocols
from tapewire.sandbox import Sandbox, digest_of
from tapewire.sandbox.faces.stx.filters import MarketSelection, select
from tests.sandbox.sandbox_peers import Raw, graphql, login, played, socket_url
from tests.waiting import until


def content(text):
    return json.loads(text)[4]


async def test_the_markets_join_echoes_the_effective_filters():
    async with played() as (_, _, raw):
        params = {"fields": ["bids", "nonsense", "offers"], "rule_filters": ["spread", 7]}
        reply = await raw.ask(json.dumps(["1", "1", "markets", "phx_join", params]))
        assert content(reply) == {
            "status": "ok",
            "response": {
                "selected_fields": ["bids", "offers"],
                "mandatory_fields": ["market_id", "timestamp", "unix_timestamp"],
                "available_rules": ["draw_no_bet", "home_winner", "spread", "total_points"],
                "selected_rule_filters": ["spread"],
                "selected_message_types": ["market_updated", "market_created"],
            },
        }


async def test_filters_change_mid_stream_and_their_effect_is_that_of_the_pure_function():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        await raw.ask('["1","2","markets","select_fields",{"fields":["bids"]}]')
        reply = await raw.ask('["1","3","markets","select_rule_filters",{"rule_filters":["spread"]}]')
        echo = content(reply)["response"]
        assert (echo["selected_fields"], echo["selected_rule_filters"]) == (["bids"], ["spread"])
        selection = MarketSelection(fields=("bids",), rules=("spread",))
        before = sandbox.ledger.last_sequence("markets")
        sandbox.step(60)
        entries = sandbox.ledger.since("markets", before)
        chosen = [
            select(entry.event, entry.payload, selection, sandbox.faces["stx"].messages.rules)
            for entry in entries
        ]
        expected = [payload for payload in chosen if payload is not None]
        assert 0 < len(expected) < len(entries)
        assert [content(text) for text in await raw.take(len(expected))] == expected
        assert await raw.silent()


async def test_what_arrives_is_what_the_ledger_says():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        before = sandbox.ledger.last_sequence("markets")
        sandbox.step(200)
        entries = sandbox.ledger.since("markets", before)
        received = [json.loads(text) for text in await raw.take(len(entries))]
        assert [(frame[3], digest_of(frame[4])) for frame in received] == [
            (entry.event, entry.digest) for entry in entries
        ]
        assert len({entry.digest for entry in entries}) == len(entries)


async def test_an_update_carries_changed_fields_and_a_new_market_all():
    async with played(settings={"stx": {"churn_every": 5}}) as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        sandbox.step(5)
        entries = {entry.event: entry.payload for entry in sandbox.ledger.since("markets")}
        ((_, updated),) = entries["market_updated"].items()
        ((_, created),) = entries["market_created"].items()
        assert {"market_id", "timestamp", "unix_timestamp"} <= updated.keys()
        assert "title" not in updated
        assert {"title", "rules", "bids", "offers", "recent_trades", "price"} <= created.keys()


async def test_the_earlier_generation_hears_market_update():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","market_info","phx_join",{}]')
        sandbox.step()
        (text,) = await raw.take()
        assert json.loads(text)[:4] == [None, None, "market_info", "market_update"]


async def test_an_order_is_told_to_its_owner_on_every_topic():
    async with played() as (sandbox, uid, raw):
        topics = ["active_orders", "active_trades", "active_positions", "portfolio"]
        for number, topic in enumerate(topics, 1):
            await raw.send(json.dumps([str(number), str(number), f"{topic}:{uid}", "phx_join", {}]))
        joined = [json.loads(text) for text in await raw.take(8)]
        assert [frame[3] for frame in joined[1::2]] == [
            "all_orders",
            "all_trades",
            "all_positions",
            "summary",
        ]
        market_id = next(iter(sandbox.faces["stx"].exchange.markets))
        token = (await login(sandbox))["token"]
        query = (
            "mutation($o: UserOrder!) { confirmOrder(userOrder: $o) { errors order { id status filled } } }"
        )
        wanted = {"marketId": market_id, "orderType": "MARKET", "action": "BUY", "quantity": 2}
        order = (await graphql(sandbox, query, token, o=wanted)).json()["data"]["confirmOrder"]["order"]
        heard = {frame[3]: frame[4] for frame in map(json.loads, await raw.take(4))}
        assert heard["order_update"]["orderId"] == heard["order_update"]["id"] == order["id"]
        assert heard["order_update"]["status"] == order["status"] == "FILLED"
        assert heard["trade"]["orderId"] == order["id"]
        assert heard["updated_positions"]["positions"][0]["position"] == 2
        assert heard["update"]["position_premium_liability"] == heard["trade"]["price"] * 2


async def test_only_an_admin_hears_of_others():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        user, admin = await login(sandbox), await login(sandbox, "admin@example.com")
        topic = f"portfolio:{user['userUid']}"
        for who, status in (
            (user, "ok"),
            (admin, "ok"),
            (await login(sandbox, "other@example.com"), "error"),
        ):
            async with connect(socket_url(sandbox, who["token"]), proxy=None) as websocket:
                await websocket.send(json.dumps(["1", "1", topic, "phx_join", {}]))
                assert content(await websocket.recv())["status"] == status


async def test_whoever_only_listens_hears_something_within_two_seconds():
    async with played(activity=True, rate=20) as (_, uid, raw):
        await raw.send(json.dumps(["1", "1", f"active_orders:{uid}", "phx_join", {}]))
        async with asyncio.timeout(2):
            frames = [json.loads(text) for text in await raw.take(4)]
        assert [frame[3] for frame in frames] == ["phx_reply", "all_orders", "order_update", "order_update"]


@pytest.mark.parametrize(("asked", "granted"), [(10_000, 10_000), (1, 5_000), (60_000, 20_000)])
async def test_cancel_on_disconnect_grants_a_bounded_ping_timeout(asked, granted):
    async with played() as (_, uid, raw):
        params = {"cancel_on_disconnect": True, "ping_timeout": asked}
        await raw.send(json.dumps(["1", "1", f"active_orders:{uid}", "phx_join", params]))
        reply, _ = await raw.take(2)
        assert content(reply)["response"] == {"cancel_on_disconnect": True, "ping_timeout": granted}
        pong = await raw.ask(json.dumps(["1", "2", f"active_orders:{uid}", "ping", {}]))
        assert content(pong)["response"] == {"ttl": granted, "ping": "pong"}


async def test_a_ping_timeout_that_is_no_integer_refuses_the_join():
    async with played() as (_, uid, raw):
        params = {"cancel_on_disconnect": True, "ping_timeout": "soon"}
        reply = await raw.ask(json.dumps(["1", "1", f"active_orders:{uid}", "phx_join", params]))
        assert content(reply) == {"status": "error", "response": {"ping_timeout": "Must be an integer"}}


async def test_orders_are_cancelled_when_the_pings_stop_and_when_the_socket_goes():
    async with played() as (sandbox, uid, raw):
        face = sandbox.faces["stx"]
        exchange, topic = face.exchange, f"active_orders:{uid}"
        params = {"cancel_on_disconnect": True}
        await raw.send(json.dumps(["1", "1", topic, "phx_join", params]))
        await raw.take(2)
        market_id = next(iter(exchange.markets))
        exchange.place(uid, market_id, "buy", 1, 1, 0)
        face.tick(asyncio.get_running_loop().time() + 9, 0)
        assert exchange.accounts[uid].open_orders
        face.tick(asyncio.get_running_loop().time() + 11, 0)
        assert not exchange.accounts[uid].open_orders
        exchange.place(uid, market_id, "buy", 1, 1, 0)
        sandbox.inject("abort")
        await raw.end()
        assert not exchange.accounts[uid].open_orders


@pytest.mark.parametrize(
    "query", ["?vsn=2.0.0", "?token=x&vsn=2.0.0", "?token={token}&vsn=9.0.0", "?token={token}&vsn=2"]
)
async def test_a_bad_token_or_version_is_403_with_an_empty_body(query):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        token = (await login(sandbox))["token"]
        url = f"{sandbox.url.replace('http', 'ws', 1)}/socket/websocket{query.format(token=token)}"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(url, proxy=None)
        assert (refused.value.response.status_code, refused.value.response.body) == (403, b"")


async def test_a_token_may_come_as_a_subprotocol():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        offered = auth_subprotocols((await login(sandbox))["token"])
        url = f"{sandbox.url.replace('http', 'ws', 1)}/socket/websocket?vsn=2.0.0"
        async with connect(url, proxy=None, subprotocols=offered) as websocket:
            assert websocket.subprotocol == "phoenix"
            await websocket.send('[null,"1","phoenix","heartbeat",{}]')
            assert content(await websocket.recv())["status"] == "ok"


async def test_the_channel_limit_of_a_socket_can_be_ordered():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.inject("channel_limit", count=1)
        token = (await login(sandbox))["token"]
        async with connect(socket_url(sandbox, token), proxy=None) as websocket:
            for number, topic in enumerate(("markets", "market_info"), 1):
                await websocket.send(json.dumps([str(number), str(number), topic, "phx_join", {}]))
            await websocket.recv()
            assert content(await websocket.recv())["response"] == {"reason": "too many channels joined"}


async def test_a_slow_join_holds_up_everything_behind_it():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        sandbox.inject("slow_join", seconds=0.2, topic="market_info")
        await raw.send('["2","2","market_info","phx_join",{}]', '[null,"9","phoenix","heartbeat",{}]')
        await until(lambda: sandbox.faults.injected[-1].hits)
        sandbox.step()
        frames = [json.loads(text) for text in await raw.take(3)]
        assert [(frame[2], frame[3]) for frame in frames] == [
            ("market_info", "phx_reply"),
            ("markets", "market_updated"),
            ("phoenix", "phx_reply"),
        ]


async def test_a_join_can_be_ignored_and_refused():
    async with played() as (sandbox, _, raw):
        sandbox.inject("ignore_join", topic="markets")
        await raw.send('["1","1","markets","phx_join",{}]')
        assert await raw.silent()
        sandbox.inject("refuse_join", reason="not today")
        reply = await raw.ask('["2","2","markets","phx_join",{}]')
        assert content(reply) == {"status": "error", "response": {"reason": "not today"}}
        assert content(await raw.ask('["3","3","markets","phx_join",{}]'))["status"] == "ok"


async def test_the_place_of_a_left_channel_is_free_a_while_later_where_that_is_ordered():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        sandbox.inject("channel_limit", count=1)
        user = await login(sandbox)
        async with connect(socket_url(sandbox, user["token"]), proxy=None) as websocket:
            raw = Raw(websocket)
            order = sandbox.inject("late_places", seconds=0.05)
            await raw.ask('["1","1","markets","phx_join",{}]')
            await raw.send('["1","2","markets","phx_leave",{}]')
            await raw.take(2)
            refused = await raw.ask('["3","3","market_info","phx_join",{}]')
            assert '"too many channels joined"' in refused
            number = 3
            while '"status":"ok"' not in refused:
                number += 1
                refused = await raw.ask(f'["{number}","{number}","market_info","phx_join",{{}}]')
            assert number > 4
            assert order.hits == 1


async def test_a_topic_that_was_had_can_be_refused_where_others_are_not():
    async with played() as (sandbox, _, raw):
        await raw.ask('["1","1","markets","phx_join",{}]')
        order = sandbox.inject("refuse_rejoin", reason="not again")
        assert '"status":"ok"' in await raw.ask('["2","2","market_info","phx_join",{}]')
        assert order.hits == 0
        await raw.send('["1","3","markets","phx_leave",{}]')
        await raw.take(2)
        assert '"reason":"not again"' in await raw.ask('["4","4","markets","phx_join",{}]')
        assert '"status":"ok"' in await raw.ask('["5","5","markets","phx_join",{}]')


async def test_a_user_s_own_topic_begins_with_the_user_and_with_who_is_there():
    async with played() as (sandbox, uid, raw):
        topic = f"user_info:{uid}"
        await raw.send(f'["1","1","{topic}","phx_join",{{}}]')
        told = [json.loads(text) for text in await raw.take(4)]
        assert [frame[3] for frame in told] == [
            "phx_reply",
            "user_updated",
            "presence_state",
            "presence_diff",
        ]
        assert (told[1][4]["uid"], told[1][4]["email"]) == (uid, "you@example.com")
        assert told[2][4] == {}
        assert told[3][4]["leaves"] == {}
        mine = told[3][4]["joins"][uid]["metas"]
        assert list(mine[0]) == ["phx_ref"]
        token = (await login(sandbox))["token"]
        assert json.loads(await raw.websocket.recv())[3] == "user_updated"  # the second login
        async with connect(socket_url(sandbox, token), proxy=None) as websocket:
            other = Raw(websocket)
            await other.send(f'["1","1","{topic}","phx_join",{{}}]')
            _, _, state, diff = (json.loads(text) for text in await other.take(4))
            assert state[4] == {uid: {"metas": mine}}
            assert json.loads(await raw.websocket.recv())[4] == diff[4]
        left = json.loads(await raw.websocket.recv())
        assert (left[3], left[4]["joins"], left[4]["leaves"]) == ("presence_diff", {}, diff[4]["joins"])


async def test_the_profit_of_what_is_held_ticks_with_the_price():
    async with played() as (sandbox, uid, raw):
        face = sandbox.faces["stx"]
        market = next(iter(face.exchange.markets.values()))
        face.publish(face.exchange.place(uid, market.market_id, "buy", None, 10, 0)[1], 0)
        await raw.send(f'["1","1","portfolio:{uid}","phx_join",{{}}]')
        _, summary = await raw.take(2)
        profits = [content(summary)["unrealized_pnl"]]
        while len(profits) < 5:
            before = sandbox.ledger.last_sequence(f"portfolio:{uid}")
            sandbox.step()
            for _ in range(sandbox.ledger.last_sequence(f"portfolio:{uid}") - before):
                told = content(await raw.websocket.recv())
                middle = market.book.best_bid + market.book.best_offer
                cost = face.exchange.accounts[uid].positions[market.market_id].cost
                assert told["unrealized_pnl"] == (10 * middle - 2 * cost) // 2
                assert told["account_balance"] == summary_balance(summary)
                profits.append(told["unrealized_pnl"])
        assert all(one != other for one, other in pairwise(profits))
        [row] = (
            await graphql(
                sandbox,
                "{ accountMarketStats { marketId totalNetPnl } }",
                (await login(sandbox))["token"],
            )
        ).json()["data"]["accountMarketStats"]
        assert row == {"marketId": market.market_id, "totalNetPnl": profits[-1]}


def summary_balance(summary):
    return content(summary)["account_balance"]


async def test_what_closes_a_position_says_its_profit():
    async with played() as (sandbox, uid, _):
        exchange = sandbox.faces["stx"].exchange
        market = next(iter(exchange.markets.values()))
        account = exchange.accounts[uid]
        before = account.cash
        for side in ("buy", "sell"):
            exchange.place(uid, market.market_id, side, None, 10, 0)
        bought, sold = account.fills
        assert (bought.realized, sold.realized) == (0, account.cash - before)
        assert sold.realized == 10 * (sold.price - bought.price) < 0
        assert account.positions[market.market_id].realized == sold.realized
