"""The invariant: whoever comes is answered as the tape answered, in its order, whatever they are made of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tapewire.recording import Recorder, Replay
from tapewire.recording.format import Kind
from tapewire.recording.serving import TapeServer
from tests.app.taped import recorded
from tests.cli.played_command import COMMAND, plain_environment, run

LOST = {"error": "ConnectionLost", "facts": {"reason": "over", "code": 4321}}
QUERY = b'{"operationName":"other","query":"{ a }"}'


def tape(folder: Path) -> Path:
    """Two requests, a line on which an answer follows on what is said, and one that was refused."""
    with Recorder(folder, "v") as recorder:
        for number, (method, path, body, status, answer) in enumerate(
            [
                ("GET", "rows?page=1", b"", 200, b"first"),
                ("GET", "rows?page=2", b"", 200, b"second"),
                ("POST", "graphql", b'{"operationName":"one","query":"{ a }"}', 200, b"one"),
                ("POST", "graphql", QUERY, 418, b"other"),
                (
                    "POST",
                    "graphql",
                    b'{"operationName":"of","query":"query of { rows { x } }"}',
                    200,
                    b"rows",
                ),
            ]
        ):
            recorder.note(Kind.ASKED, 0, [number, method, f"https://api.v/{path}", [], body])
            headers = [["content-type", "text/x"], ["content-length", "999"]]
            recorder.note(Kind.ANSWERED, 0, [number, status, headers, answer])
        one, two = recorder.new_connection(), recorder.new_connection()
        recorder.note(
            Kind.DIAL, one, {"url": "wss://stream.v/socket?token=x", "headers": {}, "subprotocols": []}
        )
        recorder.note(Kind.OPENED, one)
        recorder.note(Kind.SENT, one, ["hello"])
        recorder.note(Kind.READ, one, [b'{"n":1}', [b"\0\1"]])
        recorder.note(Kind.SENT, one, ["more"])
        recorder.note(Kind.READ, one, ["2"])
        recorder.note(Kind.LOST, one, LOST)
        recorder.note(Kind.DIAL, two, {"url": "wss://stream.v/socket", "headers": {}, "subprotocols": []})
        recorder.note(Kind.REFUSED, two, {"error": "ConnectFailed", "facts": {"host": "v", "cause": "no"}})
    (path,) = recorder.paths
    return path


@contextmanager
def served(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A tape served by a thread of its own; where, and what became of it behind the end."""
    ready, found = threading.Event(), dict[str, Any]()

    async def main(replay: Replay) -> None:
        async with TapeServer(replay) as server:
            found["url"] = server.url
            ready.set()
            await server.wait()
            found["refused"] = server.refused

    def play() -> None:
        with Replay(path, speed=1000.0, waits_for_sent=True) as replay:
            replay.run(main)
            found["differences"] = replay.differences

    thread = threading.Thread(target=play)
    thread.start()
    assert ready.wait(10)
    try:
        yield found["url"], found
    finally:
        thread.join(20)
        assert not thread.is_alive()


async def test_requests_and_a_socket_are_answered_as_then_and_in_that_order(tmp_path):
    with served(tape(tmp_path)) as (url, found):
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
            second, first = await asyncio.gather(
                client.get(f"{url}/rows?page=2"), client.get(f"{url}/rows?page=1")
            )
            assert (first.text, second.text) == ("first", "second")
            assert first.headers["content-type"] == "text/x"
            in_other_words = b'{"variables":{},"operationName":"other","query":"query other { a b }"}'
            other = await client.post(f"{url}/graphql", content=in_other_words)
            assert (other.status_code, other.text) == (418, "other")
            called_otherwise = b'{"query":"query Mine($n: Int) {\\n  mine: rows(n: $n) { other fields } }"}'
            rows = await client.post(f"{url}/graphql", content=called_otherwise)
            assert (rows.status_code, rows.text) == (200, "rows")
            of_another_field = b'{"query":"{ nothing }"}'
            assert (await client.post(f"{url}/graphql", content=of_another_field)).status_code == 404
            assert (await client.get(f"{url}/nothing")).status_code == 404
        async with connect(f"{url.replace('http', 'ws')}/socket?token=mine", proxy=None) as socket:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.002)  # nothing comes before something is said
            await socket.send("hello")
            assert [await socket.recv(), await socket.recv()] == ['{"n":1}', b"\0\1"]
            await socket.send("less")
            assert await socket.recv() == "2"
            with pytest.raises(ConnectionClosed) as ended:
                await socket.recv()
            assert ended.value.rcvd is not None
            assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4321, "over")
        with pytest.raises(InvalidStatus, match="503"):
            await connect(f"{url.replace('http', 'ws')}/socket", proxy=None)
    assert found["refused"] == 2
    assert [each.replayed for each in found["differences"]] == ["less"]


@pytest.mark.taped
@pytest.mark.parametrize("venue", ["stx", "sxbet", "stake", "weex"])
async def test_our_own_classes_hear_of_a_served_tape_what_was_heard_then(venue, tmp_path):
    recording, _ = await recorded(venue, tmp_path / "then", 4.0)
    server = await asyncio.create_subprocess_exec(
        *(*COMMAND, "replay", str(tmp_path / "then"), "--serve", "--speed", "2"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=plain_environment(),
    )
    assert server.stdout is not None
    exports: dict[str, str] = {}
    assert (await server.stdout.readline()).startswith(b"# ")
    with suppress(TimeoutError):
        while line := await asyncio.wait_for(server.stdout.readline(), 1.0):
            name, _, value = line.decode().removeprefix("export ").partition("=")
            exports[name] = value.strip()
    command = ("record", venue, "-o", str(tmp_path / "now"), "--for", "5s")
    now = await asyncio.to_thread(run, *command, env=plain_environment() | exports)
    _, errors = await asyncio.wait_for(server.communicate(), 30)
    assert (server.returncode, errors.decode()) == (0, ""), now.stderr
    for heard in recording.heard[venue]:
        assert f"  {heard.name}: {heard.items} items, " in now.stdout, now.stdout
