from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.clock import SystemClock
from tapewire.errors import ConfigurationError, ConnectionLost
from tapewire.payload import Binary
from tapewire.recording.brake import Brake
from tapewire.recording.format import Kind, Record, decoded, encoded
from tapewire.recording.placeholders import may_name_one, said_by_a_venue, said_by_us
from tapewire.recording.recorder import Recorder
from tapewire.recording.tap import RecordingConnector, _Tapped
from tapewire.recording.tape import Tape
from tapewire.secrets import Secret
from tapewire.testing import VirtualClock
from tapewire.transport.base import Endpoint
from tapewire.transport.memory import MemoryNetwork
from tests.waiting import until


def records_of(*paths: Path) -> list[Record]:
    found: list[Record] = []
    for path in paths:
        with Tape(path) as tape:
            found += tape.read()
    return found


class Listener:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def received(self, payloads: list[Any]) -> None:
        self.told.append(list(payloads))
        payloads.clear()  # the list is the receiver's

    def ponged(self) -> None:
        self.told.append("pong")

    def lost(self, error: ConnectionLost) -> None:
        self.told.append(error.code)


def test_what_enters_and_leaves_a_line_is_on_the_tape_and_reaches_the_receiver(tmp_path):
    clock = VirtualClock()

    async def main() -> tuple[Listener, Recorder]:
        network = MemoryNetwork()
        with Recorder(tmp_path, "stx", clock=clock) as recorder:
            listener = Listener()
            endpoint = Endpoint(
                url="ws://venue.test/socket?token=abc123", headers={"Authorization": "Bearer abc"}
            )
            transport = await RecordingConnector(network, recorder).connect(endpoint, listener)
            peer = await network.accept()
            transport.send(["hello", Binary(b"\0\1")])
            await peer.receive()
            peer.send("one", "two")
            while not listener.told:
                await clock_turn()
            transport.ping()
            while "pong" not in listener.told:
                await clock_turn()
            await transport.close(1000, "bye")
        return listener, recorder

    async def clock_turn() -> None:
        await asyncio.sleep(0.01)

    listener, recorder = clock.run(main())
    assert [item for item in listener.told if isinstance(item, list)] == [["one", "two"]]
    records = records_of(*recorder.paths)
    assert [record.kind for record in records] == [
        *(Kind.DIAL, Kind.OPENED, Kind.SENT, Kind.READ, Kind.PING, Kind.PONG, Kind.CLOSING, Kind.LOST)
    ]
    by_kind = {record.kind: record.data for record in records}
    assert by_kind[Kind.READ] == ["one", "two"]
    assert decoded(by_kind[Kind.SENT]) == ["hello", Binary(b"\0\1")]
    assert isinstance(decoded(by_kind[Kind.SENT])[1], Binary)
    assert by_kind[Kind.DIAL]["url"] == "ws://venue.test/socket?token=xxxxxx"
    assert by_kind[Kind.DIAL]["headers"] == {"Authorization": "xxxxxxxxxx"}
    assert by_kind[Kind.LOST]["error"] == "ConnectionLost"


def test_what_does_not_fit_the_queue_is_counted_and_said_on_the_tape(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), Recorder(tmp_path, "stx", capacity_bytes=5_000) as recorder:
        recorder.note(Kind.READ, 1, ["a"])
        for _ in range(10):
            recorder.note(Kind.READ, 1, ["b" * 6_000])
        time_out = time.monotonic() + 5
        while recorder.statistics().waiting_bytes and time.monotonic() < time_out:
            time.sleep(0.01)
        recorder.note(Kind.READ, 1, ["c"])
    assert recorder.statistics().lost == 10
    records = records_of(*recorder.paths)
    assert [record.data for record in records if record.kind == Kind.READ] == [["a"], ["c"]]
    assert sum(record.data for record in records if record.kind == Kind.LAGGED) == 10
    assert "not on it" in caplog.text


def test_a_new_file_is_begun_when_one_is_large_and_numbers_go_on(tmp_path):
    with Recorder(tmp_path, "weex", segment_bytes=2_000, block_seconds=0.01) as recorder:
        for number in range(30):
            recorder.note(Kind.READ, 1, [os.urandom(200).hex() + str(number)])
            time.sleep(0.02)
    assert len(recorder.paths) > 2
    assert all(path.exists() for path in recorder.paths)
    records = records_of(*recorder.paths)
    assert len(records) == 30
    assert [record.at_ns for record in records] == sorted(record.at_ns for record in records)
    heads = []
    for path in recorder.paths:
        with Tape(path) as tape:
            heads.append(tape.head)
    assert [head.segment for head in heads] == list(range(len(heads)))
    assert len({head.recording for head in heads}) == 1


FULL_DISK = """
import resource, signal, sys, time
from tapewire.recording.format import Kind
from tapewire.recording.recorder import Recorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Recorder(sys.argv[1], "stx", block_seconds=0.05) as recorder:
    recorder.note(Kind.READ, 1, ["before"])
    time.sleep(0.2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    recorder.note(Kind.READ, 1, ["meanwhile"])
    time.sleep(0.3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    recorder.note(Kind.READ, 1, ["behind"])
print(recorder.statistics().lost, recorder.statistics().disk_errors, recorder.paths[0])
"""


@pytest.mark.skipif(
    sys.platform == "win32", reason="there is no limit of file sizes to play a full disk with"
)
def test_a_full_disk_costs_what_came_meanwhile_and_says_so_when_there_is_room_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lost, errors, path = done.stdout.split()
    assert (lost, errors) == ("1", "1")
    assert "not on it" in done.stderr
    told = [record.data for record in records_of(Path(path)) if record.kind in (Kind.READ, Kind.LAGGED)]
    assert told == [["before"], 1, ["behind"]]


KILLED = """
import sys, time
from tapewire.recording.format import Kind
from tapewire.recording.recorder import Recorder
recorder = Recorder(sys.argv[1], "stx", block_seconds=0.2)
for number in range(100_000):
    recorder.note(Kind.READ, 1, [str(number)])
    print(number, flush=True)
    time.sleep(0.002)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize(
    "milliseconds",
    [350, 720, 1110, *(pytest.param(n, marks=pytest.mark.taped) for n in range(300, 1270, 20))],
)
def test_a_recorder_that_is_killed_loses_what_is_younger_than_a_block_alone(tmp_path, milliseconds):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    last, times = 0, {}
    while time.monotonic() - began < milliseconds / 1000:
        last = int(process.stdout.readline())
        times[last] = time.monotonic()
    killed_at = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    (path,) = tmp_path.glob("*.part")
    numbers = [int(record.data[0]) for record in records_of(path)]
    assert numbers == list(range(len(numbers)))
    younger = [number for number, at in times.items() if killed_at - at < 1.0]
    assert len(numbers) >= min(younger, default=last)


SECRETS = ["hunter2-hunter2", "sk/live+51abc==", "0xdeadbeefcafe"]


@given(
    value=st.sampled_from(SECRETS),
    form=st.sampled_from(
        [
            '{{"m":"{}"}}',
            '[1,"a","{}"]',
            "GET /x?y={} HTTP",
            'deep {{"a":"{{\\"b\\":\\"{}\\"}}"}}',
            "{}",
        ]
    ),
    author=st.sampled_from([said_by_us, said_by_a_venue]),
    is_bytes=st.booleans(),
)
def test_a_living_secret_is_nowhere_whoever_says_it_and_sizes_stay(value, form, author, is_bytes):
    secret = Secret(value)
    text = form.format(value)
    said = text.encode() if is_bytes else text
    made = author(said)
    plain = made.decode() if is_bytes else made
    assert secret.reveal() not in plain
    assert len(made) == len(said)
    assert type(made) is type(said)
    assert may_name_one(text.encode())


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('{"baseToken":"0xabc","price":"1.5"}', '{"baseToken":"0xabc","price":"1.5"}'),
        ('{"token":"abc","price":"1.5"}', '{"token":"xxx","price":"1.5"}'),
        ('{"refreshToken": "a\\"b"}', '{"refreshToken": "xxxx"}'),
        ('{"a":"eyJhbGciOi.eyJzdWIiOi.c2lnbg"}', '{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"}'),
        ('{"keyboard":"qwerty"}', '{"keyboard":"qwerty"}'),
    ],
)
def test_of_what_a_venue_says_credentials_go_and_data_stays(said, kept):
    assert said_by_a_venue(said) == kept
    assert may_name_one(said.encode()) is (said != kept)
    json.loads(kept)


@pytest.mark.parametrize("spelt", [str, str.upper, str.title])
@pytest.mark.parametrize(
    "name",
    [
        *(
            "token",
            "accessToken",
            "refresh_token",
            "jwt",
            "apiKey",
            "api-key",
            "password",
            "passwd",
            "passphrase",
        ),
        *(
            "secret",
            "apiSecret",
            "secret_key",
            "signature",
            "authorization",
            "cookie",
            "access-key",
            "access-sign",
        ),
    ],
)
def test_no_name_of_a_credential_is_overlooked_among_what_is_none(name, spelt):
    said = json.dumps({"price": "1.5", spelt(name): "abc"})
    among = b"\n".join([b'{"bids":[["0.57","235.00"]],"market_id":"373178950"}'] * 50 + [said.encode()])
    assert may_name_one(among)
    assert said_by_a_venue(said) == said.replace("abc", "xxx")


def test_headers_that_carry_credentials_are_masked_and_the_others_stay():
    said = [["Authorization", "Basic YTpi"], ["ACCESS-SIGN", "abc="], ["Content-Type", "application/json"]]
    assert said_by_us(said) == [
        ["Authorization", "x" * 10],
        ["ACCESS-SIGN", "xxxx"],
        ["Content-Type", "application/json"],
    ]


def test_a_binary_message_stays_one():
    assert decoded(encoded([Binary(b"a"), "b", b"c"])) == [Binary(b"a"), "b", b"c"]
    assert [type(each) for each in decoded(encoded([Binary(b"a"), b"c"]))] == [Binary, bytes]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("segment_bytes", 0),
        ("capacity_bytes", 1.5),
        ("segment_seconds", 0),
        ("block_seconds", -1),
        ("fsync", "often"),
    ],
)
def test_a_wrong_argument_is_named_and_makes_no_file(tmp_path, argument, value):
    with pytest.raises(ConfigurationError, match=f"^{argument}="):
        Recorder(tmp_path / "new", "stx", **{argument: value})
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_after_the_end(tmp_path):
    with Recorder(tmp_path, "stx") as recorder:
        recorder.write_note("hello")
    recorder.write_note("late")
    recorder.close()
    assert [record.data for record in records_of(*recorder.paths)] == ["hello"]
    assert textwrap.shorten(repr(recorder), 40).startswith("<Recorder of stx")


class SlowDisk(SystemClock):
    """A clock at which the thread that writes stands still until `goes_on` is set: so it is as slow as a test wants."""

    def __init__(self) -> None:
        self.stands = threading.Event()
        self.goes_on = threading.Event()

    def monotonic(self) -> float:  # type: ignore[override]
        if threading.current_thread().name.startswith("tapewire tape"):
            self.stands.set()
            self.goes_on.wait(20)
        return time.monotonic()


async def recorded_slowly(folder: Path, *, brake: bool) -> tuple[Recorder, Listener, int]:
    """A hundred messages of 1,000 bytes for a tape that has room for 40; and how many came while the disk stood."""
    disk, network, listener = SlowDisk(), MemoryNetwork(), Listener()
    with Recorder(
        folder, "stx", clock=disk, brake=brake, capacity_bytes=40_000, block_seconds=0.01
    ) as recorder:
        transport = await RecordingConnector(network, recorder).connect(
            Endpoint(url="ws://venue.test/"), listener
        )
        peer = await network.accept()
        try:
            for number in range(100):
                peer.send(f"{number:01000}")
                await asyncio.sleep(0)
                if not number:
                    await until(disk.stands.is_set, "a disk that stands")
            await asyncio.sleep(0.05)
            before = len(listener.told)
        finally:
            disk.goes_on.set()
        await until(lambda: len(listener.told) == 100, "all messages")
        await transport.close()
    return recorder, listener, before


async def test_a_brake_holds_the_line_until_the_tape_has_room_and_loses_nothing(tmp_path):
    recorder, listener, before = await recorded_slowly(tmp_path, brake=True)
    assert before < 40
    assert recorder.statistics().lost == 0
    assert recorder.statistics().brakes > 0
    records = records_of(*recorder.paths)
    said = [each for record in records if record.kind == Kind.READ for each in record.data]
    assert said == [each for told in listener.told[:100] for each in told]
    kinds = [record.kind for record in records]
    assert kinds.count(Kind.PAUSED) == kinds.count(Kind.RESUMED) == recorder.statistics().brakes


async def test_without_a_brake_the_line_is_never_held_and_the_tape_says_what_it_lost(tmp_path):
    recorder, _, before = await recorded_slowly(tmp_path, brake=False)
    assert before == 100
    assert recorder.statistics().brakes == 0
    assert recorder.statistics().lost > 50
    records = records_of(*recorder.paths)
    assert sum(record.data for record in records if record.kind == Kind.LAGGED) == recorder.statistics().lost
    assert Kind.PAUSED not in {record.kind for record in records}


async def test_a_brake_and_an_owner_that_pauses_reading_do_not_undo_each_other(tmp_path):
    network, listener = MemoryNetwork(), Listener()
    with Recorder(tmp_path, "stx", brake=True) as recorder:
        transport = await RecordingConnector(network, recorder).connect(
            Endpoint(url="ws://venue.test/"), listener
        )
        peer = await network.accept()
        assert isinstance(transport, _Tapped)
        transport.hold(held=True)
        transport.pause_reading()
        transport.hold(held=False)
        peer.send("while its owner pauses")
        await asyncio.sleep(0.02)
        assert listener.told == []
        transport.hold(held=True)
        transport.resume_reading()
        await asyncio.sleep(0.02)
        assert listener.told == []
        transport.hold(held=False)
        await until(lambda: listener.told, "what was held")
        await transport.close()


async def test_a_line_that_is_opened_while_the_others_are_held_is_held_as_well_until_they_are_let_go():
    class Line:
        held: list[bool]

        def __init__(self) -> None:
            self.held = []

        def hold(self, *, held: bool) -> None:
            self.held.append(held)

    brake, first, second, left = Brake(), Line(), Line(), Line()
    brake.hold()  # there is nothing to hold
    for line in (first, left):
        brake.enter(line)
    brake.hold()
    brake.enter(second)
    brake.leave(left)
    await asyncio.to_thread(brake.let_go)
    await until(lambda: second.held == [True, False], "a line that is let go")
    assert first.held == [True, False]
    assert left.held == [True]
    assert brake.count == 1
