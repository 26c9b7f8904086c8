"""A long tape takes no more memory than a short one, and a damaged one loses a block at most, ten thousand times."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import ForeignTape, TapeCorrupt
from tapewire.recording import Replay, Tape
from tapewire.recording.format import Head, Kind, Record
from tapewire.recording.http import ReplayHttp
from tapewire.recording.tape import SegmentWriter
from tapewire.transport.base import Endpoint
from tests.recording.test_tape import ALL, damage, read, written

HEAD = Head(venue="venue", wall_ns=1_700_000_000_000_000_000, monotonic_ns=0, software="tapewire 0")
BLOCK = 200
READ = '{"e":"trade","p":"87135.8","n":%d}'


def long_tape(path: Path, blocks: int) -> Path:
    """A connection that reads, and is asked over HTTP all the while; each block has a line lost and made anew."""
    writer = SegmentWriter(path, HEAD)
    at_ns = 0
    for block in range(blocks):
        records: list[Record] = [
            Record(
                Kind.DIAL,
                at_ns + 1,
                block + 1,
                {"url": "ws://venue.test/", "headers": {}, "subprotocols": []},
            ),
            Record(Kind.OPENED, at_ns + 2, block + 1),
            Record(
                Kind.ASKED, at_ns + 3, 0, [block, "GET", f"http://venue.test/rows?page={block % 5}", [], b""]
            ),
            Record(Kind.ANSWERED, at_ns + 4, 0, [block, 200, [], b"[" + b"1," * 2_000 + b"1]"]),
        ]
        for number in range(BLOCK):
            at_ns += 1_000_000
            records.append(Record(Kind.READ, at_ns, block + 1, [READ % number]))
        at_ns += 1_000_000
        lost = {"error": "ConnectionLost", "facts": {"reason": "reset", "code": 1006}}
        records.append(Record(Kind.LOST, at_ns, block + 1, lost))
        writer.write(records)
    writer.close()
    return writer.path


class Heard:
    def __init__(self) -> None:
        self.reads = 0
        self.lost_at = asyncio.Event()

    def received(self, payloads: list[Any]) -> None:
        self.reads += len(payloads)

    def ponged(self) -> None: ...

    def lost(self, error: Any) -> None:
        self.lost_at.set()


def played(path: Path) -> int:
    """Messages that are heard in a replay of all of it."""
    import httpx2

    async def main(replay: Replay) -> int:
        reads = block = 0
        async with httpx2.AsyncClient(transport=ReplayHttp(replay.answers)) as client:
            while not replay.ended.is_set():
                heard = Heard()
                try:
                    await replay.connector.connect(Endpoint(url="ws://venue.test/"), heard)
                except Exception:
                    break
                await client.get(f"http://venue.test/rows?page={block % 5}")
                await heard.lost_at.wait()
                reads, block = reads + heard.reads, block + 1
        return reads

    with Replay(path) as replay:
        return replay.run(main)


def peak(call: Any) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_a_long_tape_takes_no_more_memory_than_a_short_one(tmp_path):
    short, long = long_tape(tmp_path / "short.tape", 5), long_tape(tmp_path / "long.tape", 25)

    def whole(path: Path) -> None:
        with Tape(path) as tape:
            assert sum(1 for _ in tape.read()) > 1_000

    whole(short)
    assert peak(lambda: whole(long)) - peak(lambda: whole(short)) < 64 * 1024


def test_replaying_a_long_tape_takes_no_more_memory_than_a_short_one(tmp_path):
    short, long = long_tape(tmp_path / "short.tape", 5), long_tape(tmp_path / "long.tape", 25)
    assert played(short) == 5 * BLOCK
    assert played(long) == 25 * BLOCK
    # 4 kB of answers and 30 kB of reads a block would be 700 kB
    assert peak(lambda: played(long)) - peak(lambda: played(short)) < 64 * 1024


# --- ten thousand damages -------------------------------------------------------------------------------------------


def flipped(path: Path, dice: random.Random) -> None:
    damage(path, dice.randrange(path.stat().st_size), dice.randrange(8))
    try:
        records, lost = read(path)
    except (TapeCorrupt, ForeignTape):
        return  # its head: nothing else says what it is of
    missing = [record for record in ALL if record not in records]
    assert len({record.at_ns // 1_000 for record in missing}) <= 1
    assert [record for record in ALL if record in records] == records
    if missing:
        assert lost
        wall = [HEAD_WALL + record.at_ns - 1_000 for record in missing]
        assert any((each.since_ns or 0) < wall[0] and wall[-1] < (each.until_ns or 2**63) for each in lost)


HEAD_WALL = 1_700_000_000_000_000_000


def cut(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    with Tape(path) as tape:
        ends = [entry.offset for entry in tape.footer.index]
    at = dice.randrange(len(data))
    path.write_bytes(data[:at])
    try:
        records, _ = read(path)
    except (TapeCorrupt, ForeignTape):
        assert at < ends[0]
        return
    assert records == ALL[: len(records)]
    assert len(records) >= 5 * sum(end <= at for end in ends[1:])


def cases() -> Iterator[Any]:
    for seed in range(10):
        for name, damaged in (("flipped", flipped), ("cut", cut)):
            yield pytest.param(damaged, seed, id=f"{name}-{seed}")


@pytest.mark.taped
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("damaged", "seed"), list(cases()))
def test_whatever_is_done_to_a_byte_its_block_is_lost_at_most_and_the_span_is_named(damaged, seed, tmp_path):
    dice = random.Random(seed)
    is_closed = bool(seed % 2)
    original = written(tmp_path, is_closed=is_closed)
    content = original.read_bytes()
    for _ in range(500):
        path = tmp_path / "damaged.tape"
        path.write_bytes(content)
        damaged(path, dice)
