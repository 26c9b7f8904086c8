"""The bytes and the server that sends them, and one contender through it all."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.__main__ import main
from benchmarks.channels import bare, class_
from benchmarks.frames import SIZE, TOPICS, frame_of, make_messages, with_join_ref
from benchmarks.line import Line
from benchmarks.market import Costs, costs, judged_costs
from benchmarks.memory import measure
from benchmarks.meter import Meter
from benchmarks.server import BEGIN, BlastServer, Plan, accept_key
from tapewire.protocols.phoenix import PhoenixClient


@pytest.fixture
def server() -> Iterator[BlastServer]:
    with BlastServer() as made:
        yield made


def open_line(server: BlastServer) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/socket/websocket?vsn=2.0.0", compression=None)


def test_messages_are_varied_phoenix_frames_of_one_size() -> None:
    messages = make_messages()
    decoded = [json.loads(message) for message in messages]
    assert len(messages) == len(set(messages)) == 2_000
    assert {len(message) for message in messages} == {SIZE}
    assert {frame[2] for frame in decoded} == set(TOPICS)
    assert all(frame[0] is None and frame[1] is None and frame[3] == "market_updated" for frame in decoded)


def test_messages_are_the_same_in_every_run() -> None:
    assert make_messages(50) == make_messages(50)


def test_our_own_client_takes_every_message() -> None:
    client = PhoenixClient()
    client.hello(0.0)
    for topic in TOPICS:
        client.subscribe(topic)
    items = client.receive(make_messages(200), 0.0)
    assert [type(item) for item in items] == [client.publication] * 200


def test_a_push_carries_the_join_ref_and_keeps_the_size() -> None:
    for message in make_messages(20):
        made = with_join_ref(message, dict.fromkeys(TOPICS, "7"))
        assert len(made) == SIZE
        assert json.loads(made) == ["7", *json.loads(message)[1:]]


def test_a_frame_is_one_unmasked_text_frame() -> None:
    assert frame_of(b"x" * 388) == b"\x81\x7e\x01\x84" + b"x" * 388


def test_the_accept_key_is_that_of_the_specification() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_blast_begins_at_the_first_word_where_nothing_is_to_be_joined(server: BlastServer) -> None:
    server.prepare(Plan(count=2_070))
    with open_line(server) as line:
        line.send("begin")
        received = [line.recv(timeout=5) for _ in range(2_070)]
    messages = [message.decode() for message in make_messages()]
    assert received == messages + messages[:70]


def test_joins_and_pushes_are_answered_and_the_blast_waits_for_the_last_join(server: BlastServer) -> None:
    server.prepare(Plan(joins=2, count=3))
    with open_line(server) as line:
        line.send(json.dumps(["1", "1", TOPICS[0], "phx_join", {}]))
        line.send(json.dumps([None, "2", "phoenix", "heartbeat", {}]))
        line.send(json.dumps(["3", "3", TOPICS[1], "phx_join", {"long": "x" * 300}]))
        answers = [json.loads(line.recv(timeout=5)) for _ in range(6)]
    ok = {"response": {}, "status": "ok"}
    assert answers[:3] == [
        ["1", "1", TOPICS[0], "phx_reply", ok],
        [None, "2", "phoenix", "phx_reply", ok],
        ["3", "3", TOPICS[1], "phx_reply", ok],
    ]
    assert [answer[3] for answer in answers[3:]] == ["market_updated"] * 3


def test_the_server_knows_when_each_paced_message_went_out(server: BlastServer) -> None:
    server.prepare(Plan(count=3, rate=2_000))
    with open_line(server) as line:
        line.send("begin")
        received = [line.recv(timeout=5) for _ in range(3)]
        assert line.ping().wait(5)  # answered behind the last of them
    (sent,) = server.sent
    assert len(received) == len(sent) == 3
    assert 0 < sent[0] < sent[1] < sent[2]


def test_a_plan_without_messages_only_answers(server: BlastServer) -> None:
    server.prepare(Plan(wire="sxbet", count=0))
    with open_line(server) as line:
        line.send('{"id":1,"connect":{"token":"x"}}\n{"id":2,"subscribe":{"channel":"a"}}')
        replies = [json.loads(text) for text in str(line.recv(timeout=5)).split("\n")]
        assert [reply["id"] for reply in replies] == [1, 2]
        assert line.ping().wait(5)


def test_a_greeting_comes_first_and_a_sub_protocol_is_agreed_on(server: BlastServer) -> None:
    server.prepare(Plan(wire="weex-ticker", count=1))
    with connect(f"ws://127.0.0.1:{server.port}/", compression=None) as line:
        assert json.loads(line.recv(timeout=5))["event"] == "connected"
    server.prepare(Plan(wire="stake-graphql", count=1))
    with connect(
        f"ws://127.0.0.1:{server.port}/", subprotocols=[Subprotocol("graphql-transport-ws")]
    ) as line:
        assert line.subprotocol == "graphql-transport-ws"


def test_messages_are_deflated_for_a_client_that_offers_it(server: BlastServer) -> None:
    server.prepare(Plan(count=50, deflate=True))
    with connect(f"ws://127.0.0.1:{server.port}/") as line:
        line.send("begin")
        received = [line.recv(timeout=5) for _ in range(50)]
    assert received == [message.decode() for message in make_messages(50)]


def test_pings_and_a_close_are_answered(server: BlastServer) -> None:
    with open_line(server) as line:
        assert line.ping().wait(5)
    assert line.close_code == 1000


def test_a_client_that_goes_in_the_middle_of_its_handshake_harms_nobody(server: BlastServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as half:
        half.sendall(b"GET / HTTP/1.1\r\n")
    with open_line(server) as line:
        assert line.ping().wait(5)


@pytest.mark.parametrize(
    "name",
    [
        "sxbet/class/for",
        "stake-page/class/override",
        "stake-graphql/class/plain",
        "weex-ticker/class/for",
        "weex-trade/class/for",
        "weex-depth/class/conflate",
        "sxbet/session/batches",
        "market/stx-book/feed/plain",
        "market/sxbet-book/feed/for",
        "market/weex-trades/feed/for",
    ],
)
def test_one_contender_runs_from_end_to_end(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK_SCALE", 0.01)
    assert main(["--quick", "--only", name, "--rounds", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    measured = printed["contenders"][name]
    assert measured["samples"] >= 1
    assert measured["skipped"] is None


def test_a_documented_class_runs_under_uvloop_with_tls_and_compressed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK_SCALE", 0.01)
    flags = ["--loop", "uvloop", "--tls", "--deflate"]
    assert main(["--only", "stx/class/async", "--quick", "--rounds", "1", "--json", *flags]) == 0
    measured = json.loads(capsys.readouterr().out)["contenders"]
    for column in ("uvloop", "TLS", "deflate"):
        assert measured[f"stx/class/async+{column}"]["skipped"] is None
        assert measured[f"stx/class/async+{column}"]["samples"] >= 1


def test_a_group_that_fails_is_named_and_takes_no_other_figures_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(rounds: int) -> None:
        raise RuntimeError("no disk today")

    monkeypatch.setattr("benchmarks.__main__.measure", failing)
    monkeypatch.setattr("benchmarks.__main__.FULL_SCALE", 0.01)
    arguments = ["--only", "storage", "--only", "stx/decode-json", "--rounds", "1", "--json"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["contenders"]["stx/decode-json"]["samples"] >= 1
    assert "no disk today" in printed.err


def test_what_is_looked_up_is_answered_over_http_and_the_messages_wait_until_they_are_asked_for(
    server: BlastServer,
) -> None:
    server.prepare(Plan(wire="weex-trade", count=10, asked=True))
    looked_up = urlopen(f"http://127.0.0.1:{server.port}/capi/v3/market/exchangeInfo", timeout=5)
    assert len(json.load(looked_up)["symbols"]) == 50
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://127.0.0.1:{server.port}/nothing", timeout=5)
    with open_line(server) as line:
        line.recv()
        line.send("begin")
        with pytest.raises(TimeoutError):
            line.recv(0.1)
        urlopen(f"http://127.0.0.1:{server.port}{BEGIN}", timeout=5).close()
        assert json.loads(line.recv(5))["e"] == "trade"


def test_one_market_without_a_line_is_judged_by_what_it_may_cost_and_a_stalled_feed_holds_up_nobody() -> None:
    found = asyncio.run(costs(rounds=2))
    assert found.others == found.sent > 0
    assert found.continuity_ns > 0
    assert [held.unit for held in judged_costs(found)] == ["ns", "ns", "%"]
    assert judged_costs(found)[-1].word == "goal"
    words = [held.word for held in judged_costs(Costs(101.0, 1_001.0, found.sent - 1, found.sent))]
    assert words == ["missed", "missed", "missed"]


@pytest.mark.parametrize("phase", ["subscribe", "resume"])
def test_channels_are_exchanged_by_the_class_and_barely(server: BlastServer, phase: str) -> None:
    server.prepare(Plan(wire="sxbet", count=0))
    for who in ("class", "bare"):
        meter = Meter(30)
        if who == "class":
            asyncio.run(class_(Line(server.port), meter, phase=phase))
        else:
            bare(Line(server.port), meter, phase=phase)
        assert meter.received == 30
        (part,) = meter.parts
        assert part.cpu > 0
        assert part.seconds > 0


def test_memory_is_measured_in_processes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.memory.FEW", 5)
    monkeypatch.setattr("benchmarks.memory.MANY", 25)
    held = measure(quick=True, say=lambda line: None, holders=["idle-session"])
    assert [each.reason for each in held] == [""]
    assert held[0].value is not None
    assert 100 < held[0].value < 100_000
