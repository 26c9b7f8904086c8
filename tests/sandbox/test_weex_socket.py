"""Sockets of the played WEEX: chains of books, limits, faults, and that all that is sent stands in the ledger."""

import asyncio
import contextlib
import json
from decimal import Decimal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tapewire.errors import ConfigurationError
from tapewire.sandbox import Sandbox, digest_of
from tests.sandbox.weex_peers import (
    ORDER,
    Chain,
    ask,
    call,
    levels_of,
    look,
    opened,
    played,
    signed,
    subscribed,
    weex,
)
from tests.waiting import until

DEPTH = "BTCUSDT@depth15"


async def frames(raw, count):
    return [json.loads(text) for text in await raw.take(count)]


async def waiting(raw):
    """All that has arrived."""
    found = []
    await raw.send('{"method":"PING","id":"last"}')
    while True:
        [frame] = await frames(raw, 1)
        if frame == {"result": True, "id": "last"}:
            return found
        found.append(frame)


# Books


@pytest.mark.parametrize("depth", [15, 200])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "ADAUSDT"])
async def test_the_chain_of_deltas_leads_to_the_exchanges_own_book(symbol, depth):
    async with played(symbols=[symbol]) as (sandbox, raw):
        [snapshot] = await subscribed(raw, f"{symbol}@depth{depth}")
        chain = Chain(snapshot)
        for _ in range(40):
            sandbox.step(3)
            for delta in await waiting(raw):
                chain.apply(delta)
            for side, levels in levels_of(sandbox, symbol, depth).items():
                assert chain.levels(side) == levels
        assert len(chain.sides["b"]) == min(depth, 25)


async def test_the_two_windows_of_a_book_have_chains_of_their_own():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        chains = {frame["l"]: Chain(frame) for frame in await subscribed(raw, DEPTH, "BTCUSDT@depth200")}
        for _ in range(30):
            sandbox.step()
            for delta in await waiting(raw):
                chains[delta["l"]].apply(delta)
        assert len(chains) == 2


async def test_books_are_conflated_and_a_quiet_one_says_nothing():
    async with played(symbols=["BTCUSDT"], depth_interval=0.5) as (sandbox, raw):
        [snapshot] = await subscribed(raw, DEPTH)
        sandbox.step(30)
        assert await waiting(raw) == []
        [delta] = await frames(raw, 1)
        Chain(snapshot).apply(delta)
        sandbox.faces["weex"]._publish_books(sandbox.clock.time_ns())
        assert await waiting(raw) == []


async def test_subscribing_again_gives_a_fresh_snapshot_and_the_chain_goes_on():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        await subscribed(raw, DEPTH)
        sandbox.step(10)
        await waiting(raw)
        [snapshot] = await subscribed(raw, DEPTH)
        chain = Chain(snapshot)
        sandbox.step(10)
        for delta in await waiting(raw):
            chain.apply(delta)
        assert chain.levels("b") == levels_of(sandbox, "BTCUSDT", 15)["b"]


async def test_rest_and_socket_number_a_book_alike():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        sandbox.step(7)
        [snapshot] = await subscribed(raw, DEPTH)
        found = (await look(sandbox, "depth?symbol=BTCUSDT&limit=15")).json()
        assert found == {"asks": snapshot["a"], "bids": snapshot["b"], "lastUpdateId": snapshot["u"]}


async def test_a_snapshot_may_come_before_the_acknowledgement():
    async with played(snapshot_first=True) as (_, raw):
        await ask(raw, "SUBSCRIBE", DEPTH, number=5)
        snapshot, acknowledgement = await frames(raw, 2)
        assert snapshot["e"] == "depthSnapshot"
        assert acknowledgement == {"result": True, "id": 5}


async def test_a_skipped_publication_is_a_hole_in_one_book_only():
    async with played(symbols=["BTCUSDT", "ETHUSDT"]) as (sandbox, raw):
        books = {frame["s"]: Chain(frame) for frame in await subscribed(raw, DEPTH, "ETHUSDT@depth15")}
        fault = sandbox.inject("skip", topic=DEPTH)
        holes = []
        for _ in range(20):
            sandbox.step()
            for delta in await waiting(raw):
                if delta["s"] == "BTCUSDT" and delta["U"] != books["BTCUSDT"].last:
                    holes.append(delta)
                    books["BTCUSDT"] = Chain((await subscribed(raw, DEPTH))[0])
                elif delta["u"] > books[delta["s"]].last:
                    books[delta["s"]].apply(delta)
        assert (fault.hits, len(holes)) == (1, 1)


async def test_a_stale_snapshot_does_not_meet_the_delta_that_follows():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        sandbox.step(20)
        fault = sandbox.inject("stale_snapshot", topic=DEPTH, times=2)
        [snapshot] = await subscribed(raw, DEPTH)
        rest = (await look(sandbox, "depth?symbol=BTCUSDT&limit=15")).json()
        sandbox.step(5)
        delta, *_ = await waiting(raw)
        assert delta["U"] > snapshot["u"] == rest["lastUpdateId"]
        assert fault.hits == 2


async def test_delisting_ends_the_books_with_an_empty_snapshot():
    async with played() as (sandbox, raw):
        await subscribed(raw, DEPTH, "BTCUSDT@ticker")
        assert sandbox.inject("close_channel", topic=DEPTH).hits == 2
        [last] = await waiting(raw)
        assert (last["U"], last["u"], last["b"], last["a"]) == (0, 0, [], [])
        sandbox.step(30)
        assert await waiting(raw) == []
        assert (await look(sandbox, "klines?symbol=BTCUSDT&interval=1m")).json()["code"] == -1142


# Topics and the ledger


async def test_all_that_is_sent_stands_in_the_ledger_once_and_in_order():
    topics = [DEPTH, "BTCUSDT@depth200", "ETHUSDT@trade", "ETHUSDT@ticker", "ADAUSDT@kline_5m_LAST_PRICE"]
    async with played() as (sandbox, raw):
        await subscribed(raw, *topics)
        before = {topic: sandbox.ledger.last_sequence(topic) for topic in topics}
        sandbox.step(60)
        received = {}
        for frame in await waiting(raw):
            name = {"depth": f"depth{frame.get('l')}", "kline": "kline_5m_LAST_PRICE"}.get(
                frame["e"], frame["e"]
            )
            received.setdefault(f"{frame['s']}@{name}", []).append(digest_of(frame))
        assert received.keys() == set(topics)
        for topic, digests in received.items():
            entered = [entry.digest for entry in sandbox.ledger.since(topic, before[topic])]
            assert digests == entered
            assert len(set(digests)) == len(digests)


async def test_private_topics_stand_in_the_ledger_with_their_account():
    async with played("/v3/ws/private") as (sandbox, raw):
        await subscribed(raw, "orders")
        await call(sandbox, "POST", "order", ORDER)
        [frame] = await frames(raw, 1)
        [entry] = sandbox.ledger.since("orders:trader")
        assert digest_of(frame) == entry.digest
        assert sandbox.faces["weex"].listening_accounts() == ["trader"]


async def test_an_account_hears_only_of_itself():
    async with weex() as sandbox:
        key = sandbox.faces["weex"].add_key("ann")
        ann = {
            "key": key.key, "secret": key.secret.reveal(), "passphrase": key.passphrase.reveal(),
        }  # fmt: skip
        async with (
            opened(sandbox, "/v3/ws/private") as mine,
            opened(sandbox, "/v3/ws/private", **ann) as hers,
        ):
            for raw in (mine, hers):
                await subscribed(raw, "orders")
            await call(sandbox, "POST", "order", {**ORDER, "newClientOrderId": "ann-1"}, **ann)
            assert [frame["d"][0]["clientOrderId"] for frame in await waiting(hers)] == ["ann-1"]
            assert await waiting(mine) == []


async def test_a_fill_says_its_fee_and_what_it_realised_and_the_position_its_margin():
    async with weex() as sandbox, opened(sandbox, "/v3/ws/private") as raw:
        await subscribed(raw, "fill", "positions", "account", "orders")
        told = {}
        for side in ("BUY", "SELL"):
            await call(sandbox, "POST", "order", {**ORDER, "side": side})
            for frame in await waiting(raw):
                told.setdefault(frame["e"], []).extend(frame["d"])
        bought, sold = told["fill"]
        rate = Decimal("0.0008")
        for fill in (bought, sold):
            assert Decimal(fill["fillFee"]) == Decimal(fill["fillValue"]) * rate
        profit = Decimal(sold["fillValue"]) - Decimal(bought["fillValue"])
        assert (Decimal(bought["realizePnl"]), Decimal(sold["realizePnl"])) == (0, profit)
        opened_, closed = told["positions"]
        assert Decimal(opened_["isolatedMargin"]) == Decimal(opened_["openValue"]) / 20
        assert Decimal(opened_["openFee"]) == Decimal(bought["fillFee"])
        assert (closed["size"], closed["side"], closed["cumCloseSize"]) == ("0", "LONG", "0.0100")
        fees = Decimal(bought["fillFee"]) + Decimal(sold["fillFee"])
        assert Decimal(told["account"][-1]["amount"]) == 10_000 + profit - fees
        assert Decimal(told["account"][-1]["cumPositionFillFeeAmount"]) == fees
        last = told["orders"][-1]
        assert (Decimal(last["cumFillFee"]), Decimal(last["cumRealizePnl"])) == (
            Decimal(sold["fillFee"]),
            profit,
        )


async def test_house_orders_in_a_users_name_never_end_a_contract():
    async with weex(activity=True) as sandbox, opened(sandbox, "/v3/ws/private") as raw:
        await subscribed(raw, "orders", "positions")
        for _ in range(60):
            for account in sandbox.faces["weex"].listening_accounts():
                sandbox.act("weex", account)
        states = {row["status"] for frame in await waiting(raw) for row in frame["d"] if "status" in row}
        assert states == {"NEW", "FILLED", "CANCELED"}
        assert len(sandbox.faces["weex"].exchange.markets) == 6


async def test_after_unsubscribing_nothing_more_comes():
    async with played() as (sandbox, raw):
        await subscribed(raw, DEPTH, "BTCUSDT@trade")
        await ask(raw, "UNSUBSCRIBE", DEPTH, "BTCUSDT@trade", "ETHUSDT@trade")
        assert await frames(raw, 1) == [{"result": True, "id": 1}]
        sandbox.step(30)
        assert await waiting(raw) == []


# Refusals and limits


async def test_one_bad_topic_refuses_the_whole_frame():
    async with played() as (sandbox, raw):
        await ask(raw, "SUBSCRIBE", "BTCUSDT@trade", "NOSUCHUSDT@trade")
        [refusal] = await frames(raw, 1)
        assert refusal["result"] is False
        sandbox.step(30)
        assert await waiting(raw) == []


@pytest.mark.parametrize(
    "bad",
    ["hello", '{"method":"SUBSCRIBE","params":["x"],"id":1}', '{"method":"SUBSCRIBE"}', '{"a":1}', "[1]"],
)
async def test_the_sixth_refusal_closes_the_socket(bad):
    async with played() as (_, raw):
        for _ in range(6):
            assert json.loads(await raw.ask(bad))["result"] is False
        assert await raw.end() == 1007
        assert raw.websocket.close_reason == "Unrecognized message sent multiple times"


async def test_ordered_refusals_close_the_socket_as_real_ones_do():
    async with played() as (sandbox, raw):
        fault = sandbox.inject("reject_subscriptions", times=6)
        for _ in range(6):
            await ask(raw, "SUBSCRIBE", DEPTH)
        assert await raw.end() == 1007
        assert fault.hits == 6


@pytest.mark.parametrize("fault", ["refuse_join", "ignore_join"])
async def test_a_subscription_can_be_refused_or_ignored_by_order(fault):
    async with played() as (sandbox, raw):
        sandbox.inject(fault, topic=DEPTH)
        await ask(raw, "SUBSCRIBE", DEPTH)
        told = [frame["msg"] for frame in await waiting(raw)]
        assert told == (["INVALID_ARGUMENT: refused by the sandbox"] if fault == "refuse_join" else [])
        sandbox.step(10)
        assert await waiting(raw) == []


async def test_a_slow_subscription_is_confirmed_late():
    async with played() as (sandbox, raw):
        sandbox.inject("slow_join", seconds=0.2)
        await ask(raw, "SUBSCRIBE", DEPTH)
        await raw.send('{"method":"PING","id":2}')
        assert [frame.get("id") for frame in await frames(raw, 3)] == [1, None, 2]


async def test_a_socket_holds_a_hundred_channels():
    async with played(symbols=60) as (sandbox, raw):
        symbols = list(sandbox.faces["weex"].markets.contracts)
        await subscribed(
            raw, *(f"{symbol}@ticker" for symbol in symbols), *(f"{each}@depth" for each in symbols[:40])
        )
        await ask(raw, "SUBSCRIBE", f"{symbols[0]}@depth200")
        [refusal] = await frames(raw, 1)
        assert (refusal["result"], "100 channels" in refusal["msg"]) == (False, True)
        await subscribed(raw, f"{symbols[0]}@ticker")


async def test_the_channels_of_new_sockets_can_be_limited_by_order():
    async with weex() as sandbox:
        sandbox.inject("channel_limit", count=1)
        async with opened(sandbox) as raw:
            await ask(raw, "SUBSCRIBE", DEPTH, "BTCUSDT@trade")
            assert (await frames(raw, 1))[0]["result"] is False


async def test_a_socket_may_do_so_many_operations_in_an_hour():
    async with played(max_operations=3) as (_, raw):
        for _ in range(3):
            await subscribed(raw, "BTCUSDT@ticker")
        await ask(raw, "UNSUBSCRIBE", "BTCUSDT@ticker")
        [refusal] = await frames(raw, 1)
        assert (refusal["result"], "3 operations" in refusal["msg"]) == (False, True)


async def test_too_many_sockets_are_refused_with_429():
    async with weex(max_sockets=1) as sandbox, opened(sandbox):
        with pytest.raises(InvalidStatus, match="429"):
            async with opened(sandbox):
                pass
    async with weex(max_opens=1) as sandbox:
        async with opened(sandbox):
            pass
        await until(lambda: not sandbox.faces["weex"].sockets)
        with pytest.raises(InvalidStatus, match="429"):
            async with opened(sandbox):
                pass


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_a_socket_without_subscriptions_is_cut_off_and_gets_no_ping(version):
    settings = {"unsubscribed_timeout": 0.6, "ping_interval": 0.1}
    async with weex(**settings) as sandbox, opened(sandbox, f"/{version}/ws/public") as raw:
        assert await raw.end() == 1006
        assert sandbox.state()["connections"] == []


async def test_pings_left_unanswered_end_a_socket_and_answers_keep_it():
    async with weex(ping_interval=0.01) as sandbox, opened(sandbox) as silent, opened(sandbox) as answering:
        for raw in (silent, answering):
            await subscribed(raw, "BTCUSDT@ticker")
        answered = 0
        while answered < 11:
            (text,) = await answering.take()
            if "ping" in text:
                await answering.send('{"method":"PONG","id":1}')
                answered += 1
        pings = []
        with contextlib.suppress(ConnectionClosedError):
            while True:
                pings += await silent.take()
        assert (len(pings), silent.websocket.close_code) == (10, 1006)


async def test_muted_heartbeats_are_neither_pings_nor_answers():
    async with played(ping_interval=0.1) as (sandbox, raw):
        await subscribed(raw, "BTCUSDT@ticker")
        sandbox.inject("mute_heartbeats", seconds=60)
        await raw.send('{"method":"PING","id":1}', '{"method":"PONG","id":1}')
        sandbox.step(30)
        assert {frame["e"] for frame in await frames(raw, 2)} == {"ticker"}


# Who may enter


@pytest.mark.parametrize("path", ["/v3/ws/private", "/v2/ws/private"])
@pytest.mark.parametrize(
    "signing",
    [{"secret": "wrong"}, {"key": "nobody"}, {"passphrase": "wrong"}, {"ahead": -31}, {"ahead": 31}],
)
async def test_a_private_socket_needs_a_good_signature_of_its_path(path, signing):
    async with weex() as sandbox:
        async with opened(sandbox, path):
            pass
        with pytest.raises(InvalidStatus, match="401"):
            async with opened(sandbox, path, **signing):
                pass


async def test_the_signature_of_another_path_is_not_taken():
    async with weex() as sandbox:
        headers = signed("GET/v3/ws/private")
        with pytest.raises(InvalidStatus, match="401"):
            await connect(
                f"{sandbox.url.replace('http', 'ws', 1)}/v3/ws/private",
                proxy=None,
                additional_headers=headers,
            )


async def test_a_skewed_clock_expires_good_signatures_until_it_is_lifted():
    async with weex() as sandbox:
        for seconds in (-60, 40):
            sandbox.inject("skew", seconds=seconds)
            with pytest.raises(InvalidStatus, match="401"):
                async with opened(sandbox, "/v3/ws/private"):
                    pass
            ahead = (await look(sandbox, "time")).json()["serverTime"] / 1000 - sandbox.clock.time_ns() / 1e9
            assert ahead == pytest.approx(seconds, abs=5)
        sandbox.lift("skew")
        async with opened(sandbox, "/v3/ws/private"):
            pass


@pytest.mark.parametrize("symbols", [0, 61, ["btcusdt"], ["BTCUSDT", "BTCUSDT"], []])
def test_the_contracts_must_be_some_and_different(symbols):
    with pytest.raises(ConfigurationError, match="symbols"):
        Sandbox(venues=["weex"], settings={"weex": {"symbols": symbols}})


async def test_a_slow_subscription_holds_up_what_else_the_socket_would_be_sent():
    async with played() as (sandbox, raw):
        await subscribed(raw, "BTCUSDT@ticker")
        sandbox.inject("slow_join", seconds=0.2, topic="ETHUSDT@ticker")
        await raw.send('{"method":"SUBSCRIBE","params":["ETHUSDT@ticker"],"id":9}')
        order = sandbox.faults.injected[-1]
        await until(lambda: order.hits)
        before = sandbox.ledger.last_sequence("BTCUSDT@ticker")
        while sandbox.ledger.last_sequence("BTCUSDT@ticker") == before:
            sandbox.step()
            await asyncio.sleep(0)
        first, second = await frames(raw, 2)
        assert (first["id"], second["s"]) == (9, "BTCUSDT")
