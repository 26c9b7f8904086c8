"""Recovery, history, pings and tokens of the played realtime server."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.sandbox.sxbet_peers import first_market, greeted, opened, sandbox_of, token, venue
from tests.waiting import until

TRADES = "recent_trades:global"


def face_of(sandbox):
    return sandbox.faces["sxbet"]


def publish(sandbox, channel, count, start=0, wide=0):
    """So many publications of a channel, `wide` bytes and more each, without an exchange behind them."""
    face = face_of(sandbox)
    for number in range(start, start + count):
        entry = sandbox.ledger.append("sxbet", channel, "publication", {"n": number, "x": "x" * wide}, 0)
        now = sandbox.clock.time_ns() / 1e9
        face.push(entry, f"m{number}", now)


class Wall:
    """A clock for people that the test moves; deadlines are the loop's."""

    def __init__(self):
        self.now_ns = 1_800_000_000 * 10**9

    def monotonic(self):
        return asyncio.get_running_loop().time()

    def time_ns(self):
        return self.now_ns


# Recovery


async def test_what_was_missed_is_replayed_in_order_from_the_position():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 3)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        publish(sandbox, TRADES, 4, 3)
        result = await wire.recover(TRADES, 3, epoch)
        assert (result["was_recovering"], result["recovered"], result["offset"]) == (True, True, 3)
        assert [(pub["offset"], pub["data"]["n"], pub["tags"]) for pub in result["publications"]] == [
            (n + 1, n, {"messageId": f"m{n}"}) for n in (3, 4, 5, 6)
        ]
        publish(sandbox, TRADES, 1, 7)
        [live] = await wire.publications(1)
        assert live["offset"] == 8


async def test_whoever_missed_nothing_is_recovered_without_publications():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 3)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        result = await wire.recover(TRADES, 3, epoch)
        assert result == {
            "recoverable": True, "positioned": True, "epoch": epoch, "offset": 3, "was_recovering": True,
            "recovered": True,
        }  # fmt: skip


@pytest.mark.parametrize(("missed", "recovered"), [(1000, True), (1001, False)])
async def test_a_thousand_are_recovered_and_no_more_though_history_has_them(missed, recovered):
    async with venue() as (sandbox, wire):
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        await wire.ask(f'{{"id":3,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        publish(sandbox, TRADES, missed)
        result = await wire.recover(TRADES, 0, epoch)
        assert result.get("recovered", False) is recovered
        assert len(result.get("publications", [])) == (missed if recovered else 0)
        assert result["offset"] == (0 if recovered else missed) if "offset" in result else recovered
        page = json.loads(await wire.ask(f'{{"id":9,"history":{{"channel":"{TRADES}","limit":-1}}}}'))
        assert (len(page["history"]["publications"]), page["history"]["offset"]) == (1000, missed)


async def test_another_epoch_is_not_recovered_but_an_empty_one_is_not_compared():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 3)
        assert "recovered" not in await wire.recover(TRADES, 2, "other")
        await wire.ask(f'{{"id":4,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        assert (await wire.recover(TRADES, 2, "", 5))["recovered"] is True


async def test_a_client_may_ask_to_be_refused_rather_than_unrecovered():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 3)
        assert await wire.recover(TRADES, 2, "other", more=',"flag":2') == {
            "id": 3,
            "error": {"code": 112, "message": "unrecoverable position"},
        }


@pytest.mark.parametrize(
    ("channel", "cap"),
    [
        ("order_book:market_0x1", 5000),
        ("recent_trades:global", 2000),
        ("recent_trades_consolidated:global", 1000),
        ("markets:global", 1000),
        ("main_line:global", 500),
        ("active_orders:0x1", 100),
        ("fixtures:live_scores", 100),
        ("ce_refunds:0x1", 100),
    ],
)
async def test_each_namespace_keeps_as_much_as_the_venue_says(channel, cap):
    async with venue(markets=1) as (sandbox, wire):
        face_of(sandbox).histories.prune(None, 0)
        publish(sandbox, channel, cap + 1)
        history = face_of(sandbox).histories.history_of(channel)
        assert len(history) == cap
        assert (await wire.subscribe(channel))["subscribe"]["recoverable"]


async def test_history_is_forgotten_after_five_minutes():
    wall = Wall()
    async with sandbox_of(clock=wall) as sandbox, greeted(sandbox) as wire:
        publish(sandbox, TRADES, 2)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]
        wall.now_ns += 299 * 10**9
        publish(sandbox, TRADES, 1, 2)
        await wire.publications(1)
        page = '{"id":%d,"history":{"channel":"' + TRADES + '","limit":-1}}'
        assert len(json.loads(await wire.ask(page % 3))["history"]["publications"]) == 3
        wall.now_ns += 1 * 10**9
        assert len(json.loads(await wire.ask(page % 4))["history"]["publications"]) == 1
        await wire.ask(f'{{"id":5,"unsubscribe":{{"channel":"{TRADES}"}}}}')
        assert "recovered" not in await wire.recover(TRADES, 1, epoch)


# History


async def test_pages_of_history():
    async with venue() as (sandbox, wire):
        publish(sandbox, TRADES, 1500)
        epoch = (await wire.subscribe(TRADES))["subscribe"]["epoch"]

        async def page(more):
            reply = json.loads(await wire.ask(f'{{"id":3,"history":{{"channel":"{TRADES}"{more}}}}}'))
            if "error" in reply:
                return reply["error"]["code"]
            assert (reply["history"]["epoch"], reply["history"]["offset"]) == (epoch, 1500)
            offsets = [pub["offset"] for pub in reply["history"]["publications"]]
            return offsets[:1] + offsets[-1:] + [len(offsets)]

        since = ',"since":{"offset":%d,"epoch":"%s"}'
        assert await page("") == [0]
        assert await page(',"limit":0') == [0]
        assert await page(',"limit":2') == [1, 2, 2]
        assert await page(',"limit":-1') == [1, 1000, 1000]
        assert await page(',"limit":5000') == [1, 1000, 1000]
        assert await page(',"limit":5000' + since % (1000, epoch)) == [1001, 1500, 500]
        assert await page(',"limit":2,"reverse":true') == [1500, 1499, 2]
        assert await page(',"limit":2,"reverse":true' + since % (3, epoch)) == [2, 1, 2]
        assert await page(',"limit":2,"reverse":true' + since % (0, epoch)) == 107
        assert await page(',"limit":2' + since % (3, "other")) == 112


async def test_a_channel_of_one_sandbox_is_not_that_of_the_next():
    epochs = []
    for _ in range(2):
        async with venue() as (_, wire):
            epochs.append((await wire.subscribe(TRADES))["subscribe"]["epoch"])
    assert epochs[0] != epochs[1]


# Pings and deadlines. The face is told what time it is: nobody waits.


async def test_a_ping_comes_and_its_pong_is_taken_once():
    async with venue() as (sandbox, wire):
        face, now = face_of(sandbox), asyncio.get_running_loop().time()
        face.tick(now + 14, 0)
        assert await wire.silent()
        face.tick(now + 31, 0)
        assert await wire.line() == "{}"
        await wire.send("{}")
        assert await wire.silent()
        await wire.send("{}")
        assert await wire.end() == (3501, "bad request")


async def test_without_a_pong_the_connection_ends():
    async with venue() as (sandbox, wire):
        face, now = face_of(sandbox), asyncio.get_running_loop().time()
        face.tick(now + 31, 0)
        face.tick(now + 38, 0)
        assert await wire.line() == "{}"
        assert await wire.silent()  # commands count for nothing, only a pong does
        face.tick(now + 39.1, 0)
        assert await wire.end() == (3012, "no pong")


async def test_whoever_never_connects_is_stale():
    async with sandbox_of() as sandbox, opened(sandbox) as wire:
        face_of(sandbox).tick(asyncio.get_running_loop().time() + 10.1, 0)
        assert await wire.end() == (3502, "stale")


async def test_pings_go_by_themselves():
    async with venue(ping_interval=1, pong_timeout=0.2) as (_, wire):
        assert await wire.line() == "{}"
        assert await wire.end() == (3012, "no pong")


async def test_a_token_that_ran_out_ends_the_connection_after_the_grace():
    async with venue(ping_interval=0, token_lifetime=600) as (sandbox, wire):
        face, now = face_of(sandbox), asyncio.get_running_loop().time()
        face.tick(now + 620, 0)
        assert await wire.silent()
        face.tick(now + 626, 0)
        assert await wire.end() == (3005, "connection expired")


async def test_a_refresh_puts_that_end_off():
    wall = Wall()
    async with (
        sandbox_of(clock=wall, settings={"sxbet": {"ping_interval": 0}}) as sandbox,
        greeted(sandbox) as wire,
    ):
        now = asyncio.get_running_loop().time()
        wall.now_ns += 300 * 10**9
        refreshed = json.loads(await wire.ask(f'{{"id":2,"refresh":{{"token":"{await token(sandbox)}"}}}}'))
        assert refreshed["refresh"]["ttl"] == 600
        face_of(sandbox).tick(now + 600 + 20, 0)
        assert await wire.silent()
        face_of(sandbox).tick(now + 600 + 27, 0)
        assert await wire.end() == (3005, "connection expired")


async def test_an_expired_token_does_not_refresh():
    async with venue() as (sandbox, wire):
        old = await token(sandbox)
        sandbox.inject("expire_tokens")
        assert await wire.silent()
        await wire.send(f'{{"id":2,"refresh":{{"token":"{old}"}}}}')
        assert await wire.end() == (3005, "connection expired")


# Sockets


async def test_a_client_that_does_not_read_is_slow_after_a_megabyte():
    async with venue() as (sandbox, wire):
        await wire.subscribe("best_odds:global", "")
        big = sandbox.ledger.append("sxbet", "best_odds:global", "publication", "x" * 65_536, 0)
        sent = 0
        while not sandbox.slow_consumers:  # nothing is read meanwhile: the client lives on this same loop
            face_of(sandbox).push(big, "m", 0)
            sent += len(big.body)
            assert sent < 2**26
        assert sent > 2**20
        assert await wire.end() == (3008, "slow")


async def test_a_slow_reader_comes_to_the_close_frame_that_says_so():
    """It reads ever on, more slowly than is sent: what it is told last is 3008, and no reset cuts it off."""
    async with sandbox_of() as sandbox:
        reader, writer = await slow_subscriber(sandbox, "best_odds:global")
        big = sandbox.ledger.append("sxbet", "best_odds:global", "publication", "x" * 65_536, 0)
        sent = 0
        while not sandbox.slow_consumers:
            face_of(sandbox).push(big, "m", 0)
            sent += len(big.body)
            assert sent < 2**26
        connection = ServerConnectionBytes()
        while connection.close is None:
            chunk = await asyncio.wait_for(reader.read(8192), 5)
            assert chunk, "cut off"
            connection.feed(chunk)
            await asyncio.sleep(0.01)
        assert connection.close == (3008, "slow")
        assert connection.read < sent - 2**20 + 2**17, "what waited in the server's queue is dropped"
        writer.close()


class ServerConnectionBytes:
    """Walks the frames that a server sends, payloads unread."""

    def __init__(self):
        self.buffer = bytearray()
        self.read = 0
        self.close = None

    def feed(self, data):
        self.buffer += data
        self.read += len(data)
        while len(self.buffer) >= 2:
            opcode, length, start = self.buffer[0] & 15, self.buffer[1] & 127, 2
            if length > 125:
                size = 2 if length == 126 else 8
                length, start = int.from_bytes(self.buffer[2 : 2 + size]), 2 + size
            if len(self.buffer) < start + length:
                return
            if opcode == 8:
                payload = bytes(self.buffer[start : start + length])
                self.close = (int.from_bytes(payload[:2]), payload[2:].decode())
            del self.buffer[: start + length]


async def slow_subscriber(sandbox, channel):
    """A socket of our own bytes, which reads only when the test does."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=8192)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(
        f"GET /connection/websocket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    for number, command in enumerate(
        (f'"connect":{{"token":"{await token(sandbox)}"}}', f'"subscribe":{{"channel":"{channel}"}}'), 1
    ):
        text = f'{{"id":{number},{command}}}'.encode()
        head = bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2) + bytes(4)  # masked with zeros
        writer.write(head + text)
    await until(lambda: channel in face_of(sandbox).joined_topics())
    return reader, writer


async def test_protobuf_is_not_spoken():
    async with sandbox_of() as sandbox:
        url = f"{sandbox.url.replace('http', 'ws', 1)}/connection/websocket?format=protobuf"
        with pytest.raises(InvalidStatus, match="400"):
            await connect(url, proxy=None)


async def test_whoever_is_gone_is_forgotten():
    async with sandbox_of() as sandbox:
        async with greeted(sandbox) as wire:
            await wire.subscribe(TRADES)
            assert face_of(sandbox).joined_topics() == [TRADES]
        await until(lambda: not face_of(sandbox).joined_topics())
        sandbox.step(30)


async def test_who_listens_to_a_wallet_s_orders_hears_of_house_orders_in_its_name():
    async with sandbox_of(activity=True) as sandbox, greeted(sandbox) as wire:
        maker = "0x" + "ab" * 20
        await wire.subscribe(f"active_orders:{maker}")
        [publication] = await wire.publications(1)
        [row] = publication["data"]
        assert (row["maker"], row["status"]) == (maker, "ACTIVE")
        assert first_market(sandbox)


async def test_whoever_answers_is_heard_before_it_is_judged_though_the_loop_was_held_up():
    async with venue(ping_interval=1, pong_timeout=0.1) as (sandbox, wire):
        assert await wire.line() == "{}"
        await wire.send("{}")
        await wire.subscribe("best_odds:global", "")
        face_of(sandbox).tick(asyncio.get_running_loop().time() + 1.01, 0)  # the next ping is on its way
        time.sleep(1.3)  # noqa: ASYNC251 - nobody gets a turn meanwhile: neither the client nor the sandbox
        assert await wire.line() == "{}"
        await wire.send("{}")
        await wire.subscribe("markets:global", "", number=3)
