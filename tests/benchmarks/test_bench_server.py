"""The bytes and the server that sends them, and one contender through it all."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from benchmarks.__main__ import main
from benchmarks.frames import SIZE, TOPICS, frame_of, make_messages, stamped, with_join_ref
from benchmarks.server import BlastServer, Plan, accept_key
from tapewire.protocols.phoenix import PhoenixClient


@pytest.fixture
def server() -> Iterator[BlastServer]:
    with BlastServer(make_messages(60)) as made:
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


def test_the_stamp_stands_where_a_reader_of_bytes_looks_for_it() -> None:
    made = stamped(make_messages(1)[0], 1234)
    assert len(made) == SIZE
    assert int(json.loads(made)[4]["sent_at"]) == 1234


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
    server.plan = Plan(count=70)
    with open_line(server) as line:
        line.send("begin")
        received = [line.recv(timeout=5) for _ in range(70)]
    messages = [message.decode() for message in make_messages(60)]
    assert received == messages + messages[:10]


def test_joins_and_pushes_are_answered_and_the_blast_waits_for_the_last_join(server: BlastServer) -> None:
    server.plan = Plan(joins=2, count=3)
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


def test_paced_messages_carry_the_time_they_were_sent_at(server: BlastServer) -> None:
    server.plan = Plan(count=3, rate=2_000)
    with open_line(server) as line:
        line.send("begin")
        stamps = [int(json.loads(line.recv(timeout=5))[4]["sent_at"]) for _ in range(3)]
    assert 0 < stamps[0] < stamps[1] < stamps[2]


def test_pings_and_a_close_are_answered(server: BlastServer) -> None:
    with open_line(server) as line:
        assert line.ping().wait(5)
    assert line.close_code == 1000


def test_a_client_that_goes_in_the_middle_of_its_handshake_harms_nobody(server: BlastServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as half:
        half.sendall(b"GET / HTTP/1.1\r\n")
    with open_line(server) as line:
        assert line.ping().wait(5)


def test_one_contender_runs_from_end_to_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__.QUICK_SCALE", 0.01)
    assert main(["--quick", "--only", "session-inline", "--rounds", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    measured = printed["contenders"]["session-inline"]
    assert measured["samples"] >= 1
    assert measured["skipped"] is None
