"""The invariant: what a user received live is what the same code receives from the tape, three times of three."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapewire.marks import is_mark
from tapewire.recording.format import Kind, Record
from tapewire.recording.http import RecordingHttp, ReplayHttp
from tapewire.recording.recorder import Recorder
from tapewire.recording.replay import Replay
from tapewire.recording.tap import RecordingConnector
from tapewire.recording.tape import SegmentWriter, Tape
from tapewire.sandbox import Sandbox
from tapewire.transport import default_connector
from tests.venues.under_test import EACH

FAULTS = ["abort", "close", "malformed", "socket_429"]
STEPS = 24
SEED = 7

venues = pytest.mark.parametrize("venue", EACH, ids=str)


class Heard:
    """What a user of a venue's class received, in short: messages as they are, marks without their times."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.left_at_ns = 0

    async def read(self, venue: Any, stream: Any) -> None:
        async for item in stream:
            if is_mark(item):
                facts = {n: v for n, v in msgspec.structs.asdict(item).items() if not n.endswith("_ns")}
                self.items.append([type(item).__name__, facts])
            else:
                self.items.append(venue.payload(item))

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.items, enc_hook=repr)).hexdigest()


async def listen(venue: Any, way: Mapping[str, Any], script: Any) -> Heard:
    """What the user does, live and from the tape alike: `script` alone knows which it is."""
    heard = Heard()
    # Heartbeats as documented: what a busy machine answers late must not be too late for whoever asks a little earlier.
    options = {name: value for name, value in venue.options.items() if name != "protocol"}
    options["fraction"] = random.Random(SEED).random
    client = venue.make(**{**way, "session_options": options})
    async with client:
        stream = await venue.subscribe(client, venue.topic)
        reading = asyncio.create_task(heard.read(venue, stream))
        try:
            await script(heard)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return heard


async def record(
    venue: Any, folder: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Heard, list[Path]]:
    async with venue.face() as played:
        for name, value in played.environment().items():
            monkeypatch.setenv(name, value)

        async def script(heard: Heard) -> None:
            for step in range(STEPS):
                if step == STEPS // 3:
                    order(played, venue, fault)
                played.step()
                await asyncio.sleep(0.01)
            recorder.write_note("leave")

        with Recorder(folder, venue.spec.name) as recorder:
            way = {
                "connector": RecordingConnector(default_connector(), recorder),
                "http_transport": RecordingHttp(None, recorder),
            }
            if venue.spec.name in ("template", "stake"):
                del way["http_transport"]
            heard = await listen(venue, way, script)
        assert recorder.statistics().lost == 0
        return heard, recorder.paths


def order(played: Sandbox, venue: Any, fault: str) -> None:
    params: dict[str, Any] = {}
    if fault == "crash_channel":
        params["topic"] = venue.topic
    if fault in ("abort", "close", "half_open"):
        params["venue"] = venue.spec.name
    if fault == "socket_429":
        played.inject("socket_429", retry_after=0.2)
        fault, params = "abort", {"venue": venue.spec.name}
    played.inject(fault, **params)


def replay(venue: Any, paths: list[Path]) -> tuple[Heard, Replay]:
    with Replay(*paths) as tape:

        async def main(tape: Replay) -> Heard:
            async def script(heard: Heard) -> None:
                await tape.noted("leave")
                heard.left_at_ns = tape.clock.time_ns()

            way: dict[str, Any] = {"connector": tape.connector, "clock": tape.clock}
            if venue.spec.name not in ("template", "stake"):
                way["http_transport"] = ReplayHttp(tape.answers)
            return await listen(venue, way, script)

        return tape.run(main), tape


@venues
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_heard_live_is_heard_from_the_tape(venue, fault, tmp_path, monkeypatch):
    if fault == "crash_channel" and venue.spec.name == "weex":
        pytest.skip("tickers are not ended by the venue")
    live, paths = await record(venue, tmp_path, fault, monkeypatch)
    assert live.items
    for _ in range(3):
        again, tape = await asyncio.to_thread(replay, venue, paths)
        assert again.items == live.items
        assert again.digest == live.digest
        # What came while the user left was answered before or behind that, as it happened.
        assert [each for each in tape.differences if each.at_ns < again.left_at_ns] == []


@venues
async def test_one_digit_of_one_recorded_frame_changes_what_is_heard(venue, tmp_path, monkeypatch):
    live, paths = await record(venue, tmp_path, "abort", monkeypatch)
    changed = with_one_digit_changed(paths[0], live.items)
    again, _ = await asyncio.to_thread(replay, venue, [changed])
    assert again.digest != live.digest


def with_one_digit_changed(path: Path, heard: list[Any]) -> Path:
    """The same tape, but for one digit of something that its user heard."""
    with Tape(path) as tape:
        head, records = tape.head, list(tape.read())
    number, place, text, words = next(
        (number, place, text, words)
        for number, record in enumerate(records)
        if record.kind == Kind.READ
        for place, text in enumerate(map(text_of, record.data))
        if len(text) > 80  # no ping of that moment
        for words in map(numbers_in, heard)
        if words and all(word in text for word in words)
    )
    word = max(words, key=len)
    said = list(records[number].data)
    said[place] = text.replace(word, f"{word[:-1]}{(int(word[-1]) + 1) % 10}", 1)
    records[number] = Record(Kind.READ, records[number].at_ns, records[number].connection, said)
    writer = SegmentWriter(path.with_name("changed.tape"), head)
    writer.write(records)
    writer.close()
    return writer.path


def text_of(payload: Any) -> str:
    return payload if isinstance(payload, str) else bytes(payload).decode()


def numbers_in(item: Any) -> list[str]:
    """Long numbers that stand in an item: no other message has the same."""
    return re.findall(r"\d{8,}", msgspec.json.encode(item, enc_hook=repr).decode())
