import asyncio
import gc
import json
import logging
import weakref

import httpx2
import pytest
import websockets
from websockets.asyncio.client import connect

from tapewire.errors import ConfigurationError
from tapewire.sandbox import FAULTS, Sandbox, run_sandbox
from tests.sandbox.sandbox_peers import http, login, played, socket_url
from tests.waiting import until

JOIN = '["1","1","markets","phx_join",{}]'
HEARTBEAT = '[null,"9","phoenix","heartbeat",{}]'


def event_of(text):
    return json.loads(text)[3]


async def raw_connection(sandbox):
    host, port = sandbox.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def answer_to(sandbox, request):
    reader, writer = await raw_connection(sandbox)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"host": "0.0.0.0"}, "host"),
        ({"host": "example.com"}, "host"),
        ({"venues": ["nosuch"]}, "venues"),
        ({"venues": []}, "venues"),
        ({"venues": "stx"}, "venues"),
        ({"rate": -1}, "rate"),
        ({"port": 70000}, "port"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(arguments, named):
    with pytest.raises(ConfigurationError, match=f"^{named}"):
        Sandbox(**arguments)


async def test_its_environment_leads_the_sdk_here():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert sandbox.environment()["STX_HOST"] == sandbox.url
        assert sandbox.admin_token.reveal() not in f"{sandbox!r} {sandbox.state()}"


async def test_the_same_seed_publishes_the_same_on_every_run():
    def without_stamps(entry):
        ((market_id, fields),) = entry.payload.items()
        kept = {
            name: value
            for name, value in fields.items()
            if "timestamp" not in name and name != "recent_trades"
        }
        return entry.event, market_id, kept

    runs = []
    for seed in (5, 5, 6):
        async with Sandbox(rate=0, seed=seed, venues=["stx"]) as sandbox:
            sandbox.step(300)
            runs.append([without_stamps(entry) for entry in sandbox.ledger.since("markets")])
    assert runs[0] == runs[1] != runs[2]


async def test_it_publishes_at_its_rate_by_itself():
    async with Sandbox(rate=500, venues=["stx"]) as sandbox:
        await until(lambda: sandbox.ledger.last_sequence("markets") > 100)
        assert sandbox.state()["venues"]["stx"]["steps"] > 90


async def test_a_fault_may_happen_to_one_venue_only():
    async with Sandbox(rate=0, venues=["stx", "stake"]) as sandbox:
        token = (await login(sandbox))["token"]
        stake_url = f"{sandbox.url.replace('http', 'ws', 1)}/_api/websocket"
        account = {"x-access-token": "anybody"}
        async with (
            connect(socket_url(sandbox, token)) as stx,
            connect(stake_url, additional_headers=account) as stake,
        ):
            assert sandbox.inject("close", venue="stake", code=4000).hits == 1
            await stake.wait_closed()
            await stx.send(HEARTBEAT)
            assert json.loads(await stx.recv())[4]["status"] == "ok"
        with pytest.raises(ConfigurationError, match=r"abort\(venue\).*stake.*stx"):
            sandbox.inject("abort", venue="weex")


async def test_a_sandbox_that_has_stopped_is_let_go_whatever_was_ordered():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        token = (await login(sandbox))["token"]
        async with connect(socket_url(sandbox, token), close_timeout=0.1) as socket:
            await socket.send(JOIN)
            await socket.recv()
            sandbox.inject("drip", interval=50, seconds=60)
            sandbox.inject("half_open", seconds=60)
    assert repr(sandbox) == "<Sandbox not running venues=stx connections=0>"
    gone = weakref.ref(sandbox)
    del sandbox
    gc.collect()
    assert gone() is None


async def test_its_rate_may_be_changed_while_it_runs():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        before = sandbox.ledger.published
        sandbox.rate = 1000
        await until(lambda: sandbox.ledger.published > before)
        sandbox.rate = 0
        still = sandbox.ledger.published
        async with http(sandbox) as client:
            await client.get("/api_version")
        assert sandbox.ledger.published == still


async def test_run_sandbox_says_when_it_is_ready_and_ends_when_cancelled():
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_sandbox(rate=0, venues=["stx"], ready=ready.set_result))
    sandbox = await ready
    async with http(sandbox) as client:
        assert (await client.get("/api_version")).status_code == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_tells_of_sockets_and_faults_to_whom_it_was_given():
    lines = []
    async with played(narrate=lines.append) as (sandbox, _, raw):
        assert lines == ["stx: connection 2 opened"]  # 1 was the login
        await raw.ask(JOIN)
        sandbox.inject("drain", connection=2)
        await raw.end()
        await until(lambda: len(lines) > 2)
        sandbox.lift()
    assert lines[1:] == [
        "fault ordered: drain connection=2",
        "stx: connection 2 is over (sent 1 messages, received 1)",
        "faults lifted: all (0)",
    ]


# Who may come in


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:80"}, 403),
        ({"host": "localhost"}, 200),
    ],
)
async def test_pages_and_names_of_elsewhere_are_refused(headers, status):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, http(sandbox) as client:
        assert (await client.get("/api_version", headers=headers)).status_code == status


async def test_a_page_of_elsewhere_opens_no_socket():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        url = socket_url(sandbox, (await login(sandbox))["token"])
        with pytest.raises(websockets.InvalidStatus, match="403"):
            await connect(url, proxy=None, origin="https://evil.example")


async def test_a_wrong_path_or_method_is_told_apart():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, http(sandbox) as client:
        assert (await client.get("/nothing")).status_code == 404
        reply = await client.get("/api/graphql")
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
        with pytest.raises(websockets.InvalidStatus, match="404"):
            await connect(sandbox.url.replace("http", "ws") + "/socket?vsn=2.0.0", proxy=None)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999, b"413"),
        (b"GET /socket/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n", b"403"),
    ],
)
async def test_what_is_no_good_request_is_answered_and_hung_up(request_bytes, status):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        assert (await answer_to(sandbox, request_bytes)).split()[1] == status


async def test_requests_may_follow_each_other_on_one_connection():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        get = b"GET /api_version HTTP/1.1\r\nHost: localhost\r\n"
        answer = await answer_to(sandbox, get + b"\r\n" + get + b"Connection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200") == 2


async def test_too_many_connections_are_reset():
    async with Sandbox(rate=0, venues=["stx"], max_connections=2) as sandbox:
        kept = [await raw_connection(sandbox) for _ in range(2)]
        reader, writer = await raw_connection(sandbox)
        with pytest.raises(ConnectionResetError):
            assert await reader.read() != b""
        for stream in (*(writer for _, writer in kept), writer):
            stream.close()
        assert sandbox.refused == 1


async def test_a_message_that_is_too_large_ends_the_socket():
    async with played() as (_, _, raw):
        await raw.send("x" * (64 * 1024 + 1))
        assert await raw.end() == 1009


async def test_a_client_that_is_silent_for_too_long_is_closed_with_1000():
    async with played(settings={"stx": {"idle_timeout": 0.3}}) as (_, _, raw):
        assert await raw.end() == 1000


async def test_a_client_that_does_not_read_at_all_is_disconnected(caplog):
    async with played(max_outgoing=100_000, slow_timeout=0.2) as (sandbox, _, raw):
        await raw.ask(JOIN)
        raw.websocket.transport.pause_reading()
        with caplog.at_level(logging.WARNING):
            sandbox.inject("oversized", size=32_000_000)  # more than the kernel takes
            sandbox.step()
        assert sandbox.slow_consumers == 1
        assert "does not read fast enough" in caplog.text
        await until(lambda: not sandbox.state()["connections"])
        raw.websocket.transport.abort()


# Faults


@pytest.mark.parametrize(
    ("fault", "params", "code"),
    [
        ("close", {"code": 4321, "reason": "so"}, 4321),
        ("close", {}, 1000),
        ("drain", {}, 1012),
        ("idle_close", {}, 1000),
        ("abort", {}, 1006),
    ],
)
async def test_sockets_are_ended_by_order(fault, params, code):
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        injected = sandbox.inject(fault, **params)
        assert await raw.end() == code
        assert injected.hits == 1


async def test_an_abort_is_a_reset_and_a_partial_frame_stays_partial():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        token = (await login(sandbox))["token"]
        reader, writer = await raw_connection(sandbox)
        writer.write(
            f"GET /socket/websocket?token={token}&vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        sandbox.inject("abort")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_half_open_connection_says_nothing_and_stays():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        sandbox.inject("half_open")
        await raw.send(HEARTBEAT)
        sandbox.step(5)
        pong = await raw.websocket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.websocket.recv(), 0.1)
        assert not pong.done()
        assert sandbox.state()["connections"][-1]["half_open"]
        raw.websocket.transport.abort()


async def test_a_half_open_connection_is_reset_in_the_end():
    async with played() as (sandbox, _, raw):
        sandbox.inject("half_open", seconds=0.05)
        assert await raw.end() == 1006
        await until(lambda: not sandbox.state()["connections"])


async def test_a_half_open_connection_that_is_lifted_goes_on_where_it_stood():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        before = sandbox.ledger.last_sequence("markets")
        sandbox.inject("half_open")
        await raw.send(HEARTBEAT)
        sandbox.step(5)
        published = sandbox.ledger.last_sequence("markets") - before
        assert published > 0
        assert sandbox.suffering() == {"half_open": [sandbox.state()["connections"][-1]["connection"]]}
        assert sandbox.lift("half_open") == 1
        heard = await raw.take(published + 1)
        assert sum("phx_reply" in text for text in heard) == 1


async def test_with_a_dead_uplink_the_venue_hears_nothing_and_publishes_on():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        order = sandbox.inject("dead_uplink")
        assert order.reached == 1
        await raw.send(HEARTBEAT)
        pong = await raw.websocket.ping()
        for _ in range(3):
            sandbox.step()
            published = json.loads(await raw.websocket.recv())
            assert published[2] == "markets"
        assert not pong.done()
        assert sandbox.lift() == 1
        assert json.loads(await raw.websocket.recv())[3] == "phx_reply"
        await asyncio.wait_for(pong, 5)


async def test_with_a_dead_downlink_the_venue_hears_everything_and_is_not_heard():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        sandbox.inject("dead_downlink")
        received = sandbox.state()["connections"][-1]["received"]
        await raw.send(HEARTBEAT)
        await until(lambda: sandbox.state()["connections"][-1]["received"] == received + 1)
        sandbox.step()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.websocket.recv(), 0.05)
        sandbox.lift("dead_downlink")
        assert json.loads(await raw.websocket.recv())[3] == "phx_reply"


async def test_a_dead_uplink_does_not_keep_a_silent_client_from_being_closed():
    async with played(settings={"stx": {"idle_timeout": 0.3}}) as (sandbox, _, raw):
        sandbox.inject("dead_uplink")
        assert await raw.end() == 1000
        await until(lambda: not sandbox.state()["connections"])


async def test_muted_publications_are_lost_while_heartbeats_are_answered():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        injected = sandbox.inject("mute")
        sandbox.step(3)
        assert await raw.silent()
        assert injected.hits == 3
        sandbox.lift("mute")
        sandbox.step()
        assert event_of((await raw.take())[0]) == "market_updated"


async def test_what_is_lifted_is_counted_and_the_rest_stays():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        sandbox.inject("mute")
        sandbox.inject("mute_heartbeats")
        sandbox.inject("drip", interval=60)
        sandbox.inject("refuse_join")
        (number,) = sandbox.suffering()["drip"]
        assert sandbox.lift("mute") == 1
        assert sandbox.suffering() == {"drip": [number], "mute_heartbeats": [number]}
        assert sandbox.lift("mute") == 0
        assert sandbox.lift() == 3
        assert sandbox.suffering() == {}


async def test_an_order_notes_what_it_reached_and_the_state_what_is_joined():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        assert sandbox.state()["venues"]["stx"]["joined"] == ["markets"]
        with pytest.raises(ConfigurationError, match=r"crash_channel\(topic\).*allowed: markets"):
            sandbox.inject("crash_channel")
        assert sandbox.inject("crash_channel", topic="nonsense").reached == 0
        assert sandbox.inject("crash_channel", topic="markets").reached == 1
        assert sandbox.inject("mute", connection=99).reached == 0
        assert sandbox.inject("mute").reached == 1
        assert sandbox.inject("refuse_join").reached is None


async def test_muted_heartbeats_are_not_answered_while_publications_flow():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        sandbox.inject("mute_heartbeats")
        await raw.send(HEARTBEAT, '["1","2","markets","select_fields",{"fields":[]}]')
        assert event_of((await raw.take())[0]) == "phx_reply"
        sandbox.step()
        assert event_of((await raw.take())[0]) == "market_updated"


async def test_a_drip_gives_one_byte_at_a_time():
    async with played() as (sandbox, _, raw):
        sandbox.inject("drip", interval=0.001)
        sent = asyncio.get_running_loop().time()
        assert event_of(await raw.ask(HEARTBEAT)) == "phx_reply"
        assert asyncio.get_running_loop().time() - sent > 0.05


async def published_with(fault, **params):
    """What five publications look like on the wire, as their numbers; None for what is no JSON."""
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        before = sandbox.ledger.last_sequence("markets")
        sandbox.inject(fault, **params)
        sandbox.step(5)
        await raw.send(HEARTBEAT)
        numbers = {
            entry.payload.popitem()[1]["timestamp"]: entry.sequence
            for entry in sandbox.ledger.since("markets")
        }
        found = []
        while True:
            (text,) = await raw.take()
            try:
                frame = json.loads(text)
            except ValueError:
                found.append(None)
                continue
            if frame[2] == "phoenix":
                return found
            found.append(numbers[frame[4].popitem()[1]["timestamp"]] - before)


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        ("duplicate", [1, 1, 2, 3, 4, 5]),
        ("reorder", [2, 1, 3, 4, 5]),
        ("malformed", [None, 2, 3, 4, 5]),
    ],
)
async def test_publications_are_distorted_by_order(fault, numbers):
    assert await published_with(fault) == numbers


async def test_a_fault_can_be_for_one_connection_only():
    assert await published_with("duplicate", connection=999) == [1, 2, 3, 4, 5]


async def test_a_burst_publishes_at_once():
    async with played() as (sandbox, _, raw):
        await raw.ask(JOIN)
        before = sandbox.ledger.last_sequence("markets")
        sandbox.inject("burst", count=50)
        assert sandbox.ledger.last_sequence("markets") - before >= 50
        assert len(await raw.take(50)) == 50


async def test_oversized_and_binary_messages_are_sent():
    async with played() as (sandbox, _, raw):
        sandbox.inject("oversized", size=5_000_000)
        assert len((await raw.take())[0]) == 5_000_000
        sandbox.inject("binary")
        assert isinstance((await raw.take())[0], bytes)


async def test_http_is_limited_and_down_by_order():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, http(sandbox) as client:
        sandbox.inject("http_429", retry_after=2.5)
        reply = await client.get("/api_version")
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "2.5")
        sandbox.inject("unavailable", status=502, times=1)
        reply = await client.get("/api_version")
        assert (reply.status_code, reply.headers["content-type"]) == (502, "text/html")
        assert (await client.get("/api_version")).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"), [("socket_429", 429), ("unavailable", 503), ("refuse_tokens", 403)]
)
async def test_sockets_are_refused_by_order(fault, status):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        url = socket_url(sandbox, (await login(sandbox))["token"])
        sandbox.inject(fault)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(url, proxy=None)
        assert refused.value.response.status_code == status
        async with connect(url, proxy=None):
            pass


# The sandbox's own endpoints


def admin(sandbox):
    headers = {"x-sandbox-token": sandbox.admin_token.reveal()}
    return httpx2.AsyncClient(
        base_url=f"{sandbox.url}/_sandbox/", headers=headers, trust_env=False, verify=False
    )


@pytest.mark.parametrize("token", [None, "", "x"])
async def test_without_its_token_nothing_can_be_ordered_or_read(token):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, http(sandbox) as client:
        headers = {} if token is None else {"x-sandbox-token": token}
        for method, path in (("POST", "faults"), ("GET", "faults"), ("GET", "ledger"), ("GET", "state")):
            reply = await client.request(method, f"/_sandbox/{path}", headers=headers)
            assert reply.status_code == 403


async def test_faults_are_ordered_listed_and_lifted_over_http():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, admin(sandbox) as client:
        reply = await client.post("faults", json={"name": "http_429", "params": {"times": 5}})
        assert (reply.status_code, reply.json()["id"], reply.json()["params"]["times"]) == (201, 1, 5)
        listed = (await client.get("faults")).json()
        assert {fault["name"] for fault in listed["available"]} == set(FAULTS)
        assert [injected["name"] for injected in listed["injected"]] == ["http_429"]
        assert (await client.delete("faults?name=http_429")).json() == {"lifted": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"name": "nosuch"}',
        b'{"name": "close", "params": {"kode": 1}}',
        b'{"name": "drain", "x": 1}',
    ],
)
async def test_an_order_that_cannot_be_is_a_400_that_says_why(body):
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, admin(sandbox) as client:
        reply = await client.post("faults", content=body)
        assert reply.status_code == 400
        assert reply.json()["error"]


async def test_the_ledger_and_the_state_are_read_over_http():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox, admin(sandbox) as client:
        sandbox.step(3)
        topics = (await client.get("ledger")).json()["topics"]
        assert {topic["topic"] for topic in topics} == {"markets", "market_info"}
        page = (await client.get("ledger?topic=markets&since=7")).json()
        expected = sandbox.ledger.since("markets", 7)
        assert [(entry["sequence"], entry["digest"], entry["payload"]) for entry in page["entries"]] == [
            (entry.sequence, entry.digest, entry.payload) for entry in expected
        ]
        assert (page["more"], page["forgotten"]) == (False, 0)
        assert (await client.get("ledger?topic=markets&since=x")).status_code == 400
        beyond = await client.get("ledger?topic=markets&since=999999")
        assert (beyond.status_code, "0 to" in beyond.json()["error"]) == (400, True)
        assert (await client.get("state")).json()["published"] == sandbox.ledger.published
        assert (await client.get("nothing")).status_code == 404


async def test_what_ends_a_topic_says_that_none_is_joined_where_none_is():
    async with Sandbox(rate=0, venues=["stx"]) as sandbox:
        with pytest.raises(ConfigurationError, match="a topic that is joined; none is now"):
            sandbox.inject("close_channel")


async def test_unless_asked_nothing_but_its_owner_s_orders_lands_on_an_account_and_its_market_lives():
    async with Sandbox(rate=0, venues=["stx"], settings={"stx": {"churn_every": 10}}) as sandbox:
        face = sandbox.faces["stx"]
        user = face.add_user("you@example.com", "pw")
        market = next(iter(face.exchange.markets))
        face.publish(face.exchange.place(user.uid, market, "buy", None, 5, 0)[1], 0)
        topic = f"active_orders:{user.uid}"
        before = sandbox.ledger.last_sequence(topic, venue="stx")
        assert before > 0
        sandbox.step(500)
        assert market in face.exchange.markets
        assert sandbox.ledger.last_sequence(topic, venue="stx") == before


@pytest.mark.parametrize("life", [0, float("nan"), 10**9])
def test_a_market_s_life_is_bounded(life):
    with pytest.raises(ConfigurationError, match="market_life"):
        Sandbox(market_life=life)


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), 61])
def test_the_latency_of_orders_is_bounded(seconds):
    with pytest.raises(ConfigurationError, match="order_latency"):
        Sandbox(order_latency=seconds)


async def test_the_accounts_are_told_but_the_house_s():
    async with Sandbox(rate=0, venues=["stx", "weex"]) as sandbox:
        user = sandbox.faces["stx"].add_user("you@example.com", "pw")
        market = next(iter(sandbox.faces["stx"].exchange.markets))
        sandbox.faces["stx"].exchange.place(user.uid, market, "buy", 1, 7, 0)
        async with http(sandbox) as client:
            headers = {"x-sandbox-token": sandbox.admin_token.reveal()}
            told = (await client.get("/_sandbox/accounts", headers=headers)).json()
        assert told["weex"] == {}
        [(uid, account)] = told["stx"].items()
        assert (uid, account["cash"], account["escrow"]) == (user.uid, 1_000_000 - 7, 7)
        assert [order["quantity"] for order in account["open_orders"]] == [7]


@pytest.mark.parametrize(
    ("venue", "path"),
    [("sxbet", "/connection/websocket"), ("stake", "/_api/websockets"), ("weex", "/v3/ws/public")],
)
async def test_a_socket_whose_handshake_fails_is_forgotten_and_takes_no_place(venue, path):
    async with Sandbox(rate=0, venues=[venue]) as sandbox:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        assert b" 400 " in await answer_to(sandbox, head.encode())  # it names no key
        await until(lambda: not sandbox.state()["connections"])
        assert not sandbox.faces[venue].sockets
