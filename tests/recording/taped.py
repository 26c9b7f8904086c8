"""A user of a venue's documented class, live and from the tape: what the tests of replays share.

`python -m tests.recording.taped VENUE TOPIC TAPE...` replays in a process of its own, and prints the digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapewire.errors import TapewireError
from tapewire.marks import is_mark
from tapewire.recording.format import Kind, Record
from tapewire.recording.http import RecordingHttp, ReplayHttp
from tapewire.recording.placeholders import said_by_a_venue
from tapewire.recording.recorder import Recorder
from tapewire.recording.replay import Replay
from tapewire.recording.tap import RecordingConnector
from tapewire.recording.tape import SegmentWriter, Tape
from tapewire.sandbox import FAULTS, Injected, Sandbox
from tapewire.testing.venue_faults import PLAYS
from tapewire.transport import default_connector
from tests.venues.under_test import EACH

__all__ = ["digest_elsewhere", "other_python", "record", "replay", "with_one_digit_changed"]

ROOT = Path(__file__).parents[2]
STEPS = 24
SEED = 7


class Heard:
    """What a user of a venue's class received, in short: messages as they are, marks without their times."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.left_at_ns = 0
        self.has_met_it = False
        """Whether the fault took effect; known live alone."""

    async def read(self, venue: Any, stream: Any) -> None:
        try:
            async for item in stream:
                if is_mark(item):
                    facts = {n: v for n, v in msgspec.structs.asdict(item).items() if not n.endswith("_ns")}
                    self.items.append([type(item).__name__, facts])
                else:
                    self.items.append(with_placeholders(venue.payload(item)))
        except TapewireError as error:
            self.items.append(["ended", type(error).__name__])

    @property
    def marks(self) -> list[str]:
        """What kinds of marks came, in order."""
        return [
            item[0] for item in self.items if isinstance(item, list) and item and isinstance(item[0], str)
        ]

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.items, enc_hook=repr)).hexdigest()


def with_placeholders(payload: Any) -> Any:
    """As the tape has it: whoever replays is given no signature of an order."""
    return msgspec.json.decode(said_by_a_venue(msgspec.json.encode(payload, enc_hook=repr)))


async def listen(venue: Any, topic: str, way: Mapping[str, Any], script: Any) -> Heard:
    """What the user does, live and from the tape alike: `script` alone knows which it is."""
    heard = Heard()
    # Heartbeats as documented, and pings with time for a pong: what a busy machine answers late must not be too late
    # for whoever asks a little earlier.
    options = {name: value for name, value in venue.options.items() if name != "protocol"}
    if "ping_timeout" in options:
        options |= {"ping_interval": 1.0, "ping_timeout": 0.8}
    options["fraction"] = random.Random(SEED).random
    client = venue.make(**{**way, "session_options": options})
    async with client:
        stream = await venue.subscribe(client, topic)
        reading = asyncio.create_task(heard.read(venue, stream))
        try:
            await script(heard)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    return heard


async def record(
    venue: Any,
    folder: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    topic: str | None = None,
    steps: int = STEPS,
    pause: float = 0.01,
) -> tuple[Heard, list[Path]]:
    """What was heard of the topic, by default the public one, while the fault was met; and its tape."""
    topic = venue.topic if topic is None else topic
    async with venue.face() as played:
        for name, value in played.environment().items():
            monkeypatch.setenv(name, value)

        async def script(heard: Heard) -> None:
            face = played.faces[venue.spec.name]
            (key,) = face.joined_topics()  # of an account, by that account's name
            accounts = face.listening_accounts()
            ordered: Injected | None = None
            for step in range(steps):
                if step == STEPS // 3:
                    ordered = order(played, venue, fault, key)
                played.step()
                for account in accounts:
                    played.act(venue.spec.name, account)
                await asyncio.sleep(pause)
            # Nothing is under way when the user leaves: what is then heard a moment later need not be heard again.
            await asyncio.sleep(20 * pause)
            recorder.write_note("leave")
            assert ordered is not None
            heard.has_met_it = bool(ordered.hits or ordered.reached)

        with Recorder(folder, venue.spec.name) as recorder:
            way = {
                "connector": RecordingConnector(default_connector(), recorder),
                "http_transport": RecordingHttp(None, recorder),
            }
            if venue.spec.name in ("template", "stake"):
                del way["http_transport"]
            heard = await listen(venue, topic, way, script)
        assert recorder.statistics().lost == 0
        return heard, recorder.paths


def order(played: Sandbox, venue: Any, fault: str, topic: str) -> Injected:
    """Order it; what is met on the way back only is met there, of a line that is cut."""
    known = FAULTS[fault]
    params: dict[str, Any] = {}
    if "venue" in known.parameters:
        params["venue"] = venue.spec.name
    if fault in ("crash_channel", "close_channel"):
        params["topic"] = topic
    for name in ("retry_after", "seconds"):
        if known.standing and name in known.parameters:
            params[name] = 0.2
    if fault == "ignore_pongs":
        params["seconds"] = 2.0  # the venue has to ping meanwhile
    cut = PLAYS[fault].cut if fault in PLAYS else ""
    if cut == "before":
        played.inject("abort", venue=venue.spec.name)
        played.step()
    ordered = played.inject(fault, **params)
    if cut == "after":
        played.inject("abort", venue=venue.spec.name)
    return ordered


def replay(venue: Any, paths: list[Path], topic: str | None = None) -> tuple[Heard, Replay]:
    with Replay(*paths) as tape:

        async def main(tape: Replay) -> Heard:
            async def script(heard: Heard) -> None:
                await tape.noted("leave")
                heard.left_at_ns = tape.clock.time_ns()

            way: dict[str, Any] = {"connector": tape.connector, "clock": tape.clock}
            if venue.spec.name not in ("template", "stake"):
                way["http_transport"] = ReplayHttp(tape.answers)
            return await listen(venue, venue.topic if topic is None else topic, way, script)

        return tape.run(main), tape


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


def other_python() -> Path | None:
    """One of another version, with the project: of those that `make test-versions` and `make install` have made."""
    made = [*sorted(ROOT.glob(".cache/python3.*/bin/python"), reverse=True), ROOT / ".venv/bin/python"]
    code = "import sys, tapewire; print(sys.version_info[:2])"
    for python in made:
        if python.exists():
            said = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
            if not said.returncode and said.stdout.strip() != str(sys.version_info[:2]):
                return python
    return None


def digest_elsewhere(
    venue: Any, paths: list[Path], topic: str | None = None, python: str | Path = sys.executable
) -> str:
    """Of a replay in another process, with this one's environment."""
    said = [venue.spec.name, venue.topic if topic is None else topic, *map(str, paths)]
    command = [python, "-m", "tests.recording.taped", *said]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


if __name__ == "__main__":
    chosen = next(each for each in EACH if each.spec.name == sys.argv[1])
    heard_again, _ = replay(chosen, [Path(path) for path in sys.argv[3:]], sys.argv[2])
    print(heard_again.digest)
