"""The frames of the played WEEX, byte for byte as the live sockets were seen to send them."""

import json
import re

import pytest

from tests.sandbox.weex_peers import ORDER, ask, call, opened, played, subscribed, weex

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
PRICE, SIZE, LEVELS = r'"\d+\.\d"', r'"\d+\.\d{4}"', r'\[(\["\d+\.\d","(0|\d+\.\d{4})"\],?)*\]'


async def test_a_v3_socket_is_greeted_with_a_time_that_is_a_text():
    async with weex() as sandbox, opened(sandbox, greeted=False) as raw:
        (text,) = await raw.take()
        assert re.fullmatch(rf'{{"cid":"{UUID}","event":"connected","time":"\d{{13}}"}}', text)


@pytest.mark.parametrize("method", ["SUBSCRIBE", "UNSUBSCRIBE"])
async def test_an_acknowledgement_says_true_and_the_id(method):
    async with played() as (_, raw):
        await ask(raw, method, "BTCUSDT@ticker", number=1002)
        assert await raw.take() == ['{"result":true,"id":1002}']


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("cmt_nopeusdt@trade", "invalid symbol : cmt_nopeusdt"),
        ("BTCUSDT@depth50", "invalid depth level : 50"),
        ("totally_bogus_channel", "invalid event : totally_bogus_channel"),
        ("BTCUSDT@bookTicker", "invalid event : bookTicker"),
        ("BTCUSDT@kline_7m_LAST_PRICE", "invalid event : kline_7m_LAST_PRICE"),
        ("orders", "invalid event : orders"),
    ],
)
async def test_a_refusal_says_false_the_id_and_why(topic, told):
    async with played() as (_, raw):
        await ask(raw, "SUBSCRIBE", topic, number=101)
        assert await raw.take() == [f'{{"result":false,"id":101,"msg":"INVALID_ARGUMENT: {told}"}}']


async def test_what_is_no_json_is_refused_without_an_id_and_the_socket_stays():
    async with played() as (_, raw):
        reply = await raw.ask("hello")
        assert reply == '{"result":false,"msg":"INVALID_ARGUMENT: unrecognized message : hello"}'
        assert await raw.ask('{"method":"PING","id":7}') == '{"result":true,"id":7}'


async def test_a_depth_snapshot_and_a_delta():
    async with played() as (sandbox, raw):
        await ask(raw, "SUBSCRIBE", "btcusdt@depth")
        _, snapshot = await raw.take(2)
        head = r'\{"e":"depthSnapshot","E":\d{13},"s":"BTCUSDT","U":\d{11},"u":\d{11},"l":15,"d":"SNAPSHOT",'
        assert re.fullmatch(rf'{head}"b":{LEVELS},"a":{LEVELS}\}}', snapshot)
        sandbox.step(20)
        (delta,) = await raw.take()
        head = r'\{"e":"depth","E":\d{13},"s":"BTCUSDT","U":\d{11},"u":\d{11},"l":15,"d":"CHANGED",'
        assert re.fullmatch(rf'{head}"b":{LEVELS},"a":{LEVELS}\}}', delta)


async def test_a_trade_and_the_snapshot_of_trades():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        [snapshot] = await subscribed(raw, "BTCUSDT@trade")
        assert snapshot | {"E": 0} == {"e": "tradeSnapshot", "E": 0, "s": "BTCUSDT", "d": []}
        sandbox.step(20)
        (text,) = await raw.take()
        row = rf'{{"T":\d{{13}},"t":"{UUID}","p":{PRICE},"q":{SIZE},"v":"\d+\.\d{{5}}","m":(true|false)}}'
        assert re.fullmatch(rf'{{"e":"trade","E":\d{{13}},"s":"BTCUSDT","d":\[({row},?)+\]}}', text)


async def test_a_ticker_has_its_change_as_a_fraction_and_no_bid_or_ask():
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        await subscribed(raw, "BTCUSDT@ticker")
        sandbox.step()
        (text,) = await raw.take()
        row = (
            r'{"p":"-?\d+\.\d","P":"-?0\.\d{6}","w":"\d+\.\d{8}","c":PRICE,"o":PRICE,"h":PRICE,"l":PRICE,'
            r'"v":SIZE,"q":"\d+\.\d{5}","O":\d{13},"C":\d{13},"n":\d+,"m":"\d+\.\d\d","i":"\d+\.\d{7}"}'
        )
        row = row.replace("PRICE", PRICE).replace("SIZE", SIZE)
        assert re.fullmatch(rf'{{"e":"ticker","E":\d{{13}},"s":"BTCUSDT","d":\[{row}\]}}', text)
        fields = json.loads(text)["d"][0]
        last, opened_at = float(fields["c"]), float(fields["o"])
        assert float(fields["P"]) == pytest.approx((last - opened_at) / opened_at, abs=1e-6)
        assert float(fields["w"]) * float(fields["v"]) == pytest.approx(float(fields["q"]))


@pytest.mark.parametrize("price_type", ["LAST_PRICE", "MARK_PRICE"])
async def test_a_candle_and_its_snapshot(price_type):
    async with played(symbols=["BTCUSDT"]) as (sandbox, raw):
        await ask(raw, "SUBSCRIBE", f"BTCUSDT@kline_1m_{price_type}")
        _, snapshot = await raw.take(2)
        assert snapshot.startswith('{"e":"klineSnapshot","E":')
        sandbox.step(20)
        (text,) = await raw.take()
        row = (
            r'{"t":\d{13},"T":\d{13},"s":"BTCUSDT","i":"1m","o":PRICE,"c":PRICE,"h":PRICE,"l":PRICE,'
            r'"v":"\d+\.\d{4}","n":\d+,"q":"\d+\.\d{5}","V":"[\d.]+","Q":"\d+\.\d{5}"}'
        ).replace("PRICE", PRICE)
        assert re.fullmatch(
            rf'{{"e":"kline","E":\d{{13}},"s":"BTCUSDT","p":"{price_type}","d":\[{row}\]}}', text
        )


async def test_a_contract_that_is_not_traded_any_more_is_confirmed_and_has_one_empty_snapshot():
    async with played() as (sandbox, raw):
        await ask(raw, "SUBSCRIBE", "LUNAUSDT@depth200")
        acknowledgement, snapshot = await raw.take(2)
        assert acknowledgement == '{"result":true,"id":1}'
        assert re.sub(r'"E":\d+', '"E":0', snapshot) == (
            '{"e":"depthSnapshot","E":0,"s":"LUNAUSDT","U":0,"u":0,"l":200,"d":"SNAPSHOT","b":[],"a":[]}'
        )
        sandbox.step(20)
        assert await raw.ask('{"method":"PING","id":2}') == '{"result":true,"id":2}'


@pytest.mark.parametrize(("path", "key"), [("/v3/ws/public", "event"), ("/v3/ws/private", "type")])
async def test_pings_of_public_and_private_sockets_have_different_keys(path, key):
    async with played(path, ping_interval=0.1) as (_, raw):
        await ask(raw, "SUBSCRIBE", "orders" if key == "type" else "BTCUSDT@trade")
        await raw.take(1 if key == "type" else 2)
        (text,) = await raw.take()
        assert re.fullmatch(rf'{{"{key}":"ping","time":"\d{{13}}"}}', text)


async def test_a_pong_is_answered_on_public_sockets_only():
    async with played() as (sandbox, raw), opened(sandbox, "/v3/ws/private") as private:
        assert await raw.ask('{"method":"PONG","id":3}') == '{"result":true,"id":3}'
        await private.send('{"method":"PONG","id":3}')
        assert await private.ask('{"method":"PING","id":4}') == '{"result":true,"id":4}'


async def test_private_frames_have_an_envelope_with_version_and_event():
    async with played("/v3/ws/private") as (sandbox, raw):
        await subscribed(raw, "account", "orders", "fill", "positions")
        await call(sandbox, "POST", "order", ORDER)
        frames = await raw.take(4)
        for number, text in enumerate(frames, 1):
            head = rf'{{"e":"(\w+)","E":\d{{13}},"v":{number},"msgEvent":"OrderUpdate","d":\[{{.*}}\]}}'
            assert re.fullmatch(head, text)
        by_topic = {json.loads(text)["e"]: json.loads(text)["d"] for text in frames}
        assert by_topic.keys() == {"account", "orders", "fill", "positions"}
        [order], [position] = by_topic["orders"], by_topic["positions"]
        facts = (
            "symbol",
            "orderSide",
            "positionSide",
            "type",
            "status",
            "size",
            "cumFillSize",
            "timeInForce",
        )
        assert [order[name] for name in facts] == [
            "BTCUSDT", "BUY", "LONG", "MARKET", "FILLED", "0.0100", "0.0100", "IOC",
        ]  # fmt: skip
        assert (position["symbol"], position["side"], position["size"]) == ("BTCUSDT", "LONG", "0.0100")
        assert not {"markPrice", "unrealizePnl", "liquidatePrice"} & position.keys()
        value = sum(float(fill["fillValue"]) for fill in by_topic["fill"])
        assert value == pytest.approx(float(position["openValue"]))
        assert "available" not in by_topic["account"][0]


# V2


async def v2(raw, channel, event="subscribe"):
    await raw.send(json.dumps({"event": event, "channel": channel}))


async def test_v2_says_subscribed_and_unsubscribed():
    async with played("/v2/ws/public") as (_, raw):
        for event in ("subscribe", "unsubscribe"):
            await v2(raw, "ticker.cmt_btcusdt", event)
            assert await raw.take() == [f'{{"event":"{event}d","channel":"ticker.cmt_btcusdt"}}']


async def test_v2_ticker_trades_and_candles():
    async with played("/v2/ws/public", symbols=["BTCUSDT"]) as (sandbox, raw):
        channels = ("ticker.cmt_btcusdt", "trades.cmt_btcusdt", "kline.LAST_PRICE.cmt_btcusdt.MINUTE_1")
        for channel in channels:
            await v2(raw, channel)
        await raw.take(5)  # three acknowledgements, two snapshots
        sandbox.step(20)
        seen = {}
        while len(seen) < len(channels):
            (text,) = await raw.take()
            seen[json.loads(text)["channel"]] = text
        ticker, trades, candle = (seen[channel] for channel in channels)
        assert re.fullmatch(
            r'{"event":"payload","channel":"ticker.cmt_btcusdt","data":\[{"symbol":"cmt_btcusdt","priceChange":"[-\d.]+",'
            r'"priceChangePercent":"-?0\.\d{6}","trades":"\d+","size":"[\d.]+","value":"[\d.]+","high":"[\d.]+",'
            r'"low":"[\d.]+","lastPrice":"[\d.]+","markPrice":"[\d.]+"}\]}',
            ticker,
        )
        row = r'{"time":"\d{13}","price":"[\d.]+","size":"[\d.]+","value":"[\d.]+","buyerMaker":(true|false)}'
        assert re.fullmatch(
            rf'{{"event":"payload","channel":"trades.cmt_btcusdt","data":\[({row},?)+\]}}', trades
        )
        assert re.fullmatch(
            r'{"event":"payload","channel":"kline.LAST_PRICE.cmt_btcusdt.MINUTE_1","type":"change","data":\[{"symbol":'
            r'"cmt_btcusdt","klineTime":"\d{13}","size":"[\d.]+","value":"[\d.]+","high":"[\d.]+","low":"[\d.]+",'
            r'"open":"[\d.]+","close":"[\d.]+"}\]}',
            candle,
        )


async def test_v2_books_are_chained_by_start_and_end_version():
    async with played("/v2/ws/public", symbols=["BTCUSDT"]) as (sandbox, raw):
        await v2(raw, "depth.cmt_btcusdt.15")
        _, snapshot = await raw.take(2)
        levels = r'\[({"price":"[\d.]+","size":"[\d.]+"},?)*\]'
        frame = (
            r'{"event":"payload","channel":"depth.cmt_btcusdt.15","data":\[{"startVersion":"\d+","endVersion":"(\d+)",'
            rf'"level":15,"depthType":"(SNAPSHOT|CHANGED)","symbol":"cmt_btcusdt","asks":{levels},"bids":{levels}}}\]}}'
        )
        found = re.fullmatch(frame, snapshot)
        assert found is not None
        last, kinds = found[1], [found[2]]
        for _ in range(3):
            sandbox.step(5)
            (text,) = await raw.take()
            found = re.fullmatch(frame, text)
            assert found is not None
            assert json.loads(text)["data"][0]["startVersion"] == last
            last = found[1]
            kinds.append(found[2])
        assert kinds == ["SNAPSHOT", "CHANGED", "CHANGED", "CHANGED"]


async def test_v2_private_frames():
    async with played("/v2/ws/private") as (sandbox, raw):
        for channel in ("orders", "fill", "positions", "account"):
            await v2(raw, channel)
        await raw.take(4)
        await call(sandbox, "POST", "order", ORDER)
        lists = {}
        for text in await raw.take(4):
            found = re.fullmatch(
                r'{"type":"trade-event","channel":"(\w+)","event":"payload","msg":{"msgEvent":"OrderUpdate","version":\d+,'
                r'"data":{"(\w+)":\[{.*}\]},"time":\d{13}}}',
                text,
            )
            assert found is not None
            lists[found[1]] = found[2]
            [row] = json.loads(text)["msg"]["data"][found[2]]
            if found[1] == "orders":
                names = ("contractId", "coinId", "marginMode", "timeInForce")
                words = ["cmt_btcusdt", "USDT", "SHARED", "IMMEDIATE_OR_CANCEL"]
                assert [row[name] for name in names] == words
        assert lists == {
            "orders": "order", "fill": "orderFillTransaction", "positions": "position", "account": "collateral",
        }  # fmt: skip


async def test_v2_pings_and_pongs():
    async with played("/v2/ws/public", ping_interval=0.1) as (_, raw):
        await v2(raw, "ticker.cmt_btcusdt")
        _, ping = await raw.take(2)
        assert re.fullmatch(r'{"event":"ping","time":"\d{13}"}', ping)
        assert re.fullmatch(r'{"event":"pong","time":"\d{13}"}', await raw.ask('{"event":"ping"}'))
