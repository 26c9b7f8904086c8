"""The tape: what recording costs the loop, what a frame takes on the disk, how fast a tape is read and replayed.

`python -m benchmarks --only tape`, or alone: `python -m benchmarks.tape`. Each figure is the median over rounds that
are taken in turn. The cost of the tap is the difference between a read that passes it and one that does not, in
processor time of the loop's thread, a round's two loops behind each other. Frames are those of `frames.py`, 388 bytes
each, one or eight a read; a replay through the documented class is of trades, decoded, one or eight a read. Unlike
elsewhere these are this machine's own figures, and a busy machine's are worse.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from tapewire.recording import Recorder, RecordingConnector, Replay, Tape, recorded, replayed
from tapewire.recording.format import (
    Footer,
    Head,
    IndexEntry,
    Kind,
    Record,
    SeedEntry,
    pack_block,
    pack_footer,
    pack_head,
    read_block_head,
)
from tapewire.recording.seeds import Said, Standing
from tapewire.recording.tape import SegmentWriter
from tapewire.sandbox import Sandbox
from tapewire.transport.base import Endpoint
from tapewire.venues.weex import WeexConfig, WeexWebSocketClient

from .frames import make_messages

__all__ = ["FIGURES", "GROUP", "Figure", "measure", "print_tape", "tape_as_json"]

GROUP = "tape"
READS = 60_000
ROUNDS = 5
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Figure:
    """`is_least`: more is better, and `goal` is the least; else the most."""

    title: str
    unit: str
    goal: float | None
    is_least: bool = False

    def is_met(self, value: float) -> bool | None:
        return None if self.goal is None else value >= self.goal if self.is_least else value <= self.goal


FIGURES = {
    "tap": Figure("the tap, on the loop, a read of one frame", "us", 0.5),
    "tap-8": Figure("the tap, on the loop, a read of eight frames", "us", None),
    "cpu": Figure("all of recording 50,000 frames/s, of one processor, thread included", "%", 5.0),
    "bytes": Figure("a frame of 388 bytes on the disk, one a read", "B", 80.0),
    "raw": Figure("frames read from a tape", "frames/s", 300_000.0, is_least=True),
    "replay": Figure("frames replayed to a receiver, one a read", "frames/s", None, is_least=True),
    "seek": Figure("to a moment of a tape of 10 GB that has seed points, until its first frame", "s", 1.0),
    "decoded": Figure(
        "trades replayed through the documented class, one a read", "messages/s", 100_000.0, is_least=True
    ),
    "decoded-8": Figure(
        "trades replayed through the documented class, eight a read", "messages/s", 100_000.0, is_least=True
    ),
}


class Sink:
    """A receiver that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.is_lost = asyncio.Event()

    def received(self, payloads: list[Any]) -> None:
        self.count += len(payloads)

    def ponged(self) -> None: ...

    def lost(self, error: Any) -> None:
        self.is_lost.set()


class Line:
    """A connector whose transport is nobody's: the reads are made by the benchmark."""

    async def connect(self, endpoint: Endpoint, receiver: Any) -> Any:
        self.receiver = receiver
        return None


def measure(rounds: int = ROUNDS, scale: float = 1.0) -> dict[str, list[float]]:
    """Each figure, round by round."""
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    reads = max(2_000, int(READS * scale))
    with tempfile.TemporaryDirectory() as folder:
        trades = {size: asyncio.run(_trades(Path(folder) / f"of{size}", reads, size)) for size in (1, 8)}
        long = _long(Path(folder))
        for number in range(rounds):
            into = Path(folder) / str(number)
            cost, cpu, path = asyncio.run(_recorded(into, reads, 1))
            found["tap"].append(cost)
            found["cpu"].append(cpu)
            found["tap-8"].append(asyncio.run(_recorded(into, reads // 8, 8))[0])
            found["bytes"].append(path.stat().st_size / reads)
            found["raw"].append(_read(path, reads))
            found["replay"].append(_replayed(path, reads))
            found["seek"].append(_sought(long))
            found["decoded"].append(_decoded(trades[1], reads))
            found["decoded-8"].append(_decoded(trades[8], reads))
    return found


async def _recorded(folder: Path, reads: int, size: int) -> tuple[float, float, Path]:
    """Microseconds a read on the loop; percent of a processor at 50,000 frames/s; the tape."""
    messages = make_messages()
    made = [[messages[(read * size + each) % len(messages)] for each in range(size)] for read in range(reads)]
    bare, line, sink = Sink(), Line(), Sink()
    with Recorder(folder, f"bench{size}", capacity_bytes=1024**3) as recorder:
        await RecordingConnector(line, recorder).connect(Endpoint(url="ws://bench.test/"), sink)
        receiver = line.receiver
        whole = time.process_time()
        plain = _timed(bare.received, made)
        tapped = _timed(receiver.received, made)
    paths = recorder.paths
    whole = time.process_time() - whole - plain
    if sink.count != reads * size or recorder.statistics().lost:
        raise RuntimeError(f"{recorder!r}: {sink.count} frames of {reads * size} came")
    frame = whole / (reads * size)
    return (tapped - plain) / reads * 1e6, frame * 50_000 * 100, paths[0]


def _timed(received: Any, made: list[list[Any]]) -> float:
    begin = time.thread_time()
    for payloads in made:
        received(payloads)
    return time.thread_time() - begin


def _read(path: Path, frames: int) -> float:
    begin = time.process_time()
    with Tape(path) as tape:
        count = sum(len(record.data) for record in tape.read() if record.kind == Kind.READ)
    seconds = time.process_time() - begin
    if count != frames:
        raise RuntimeError(f"{count} frames of {frames} are on the tape")
    return frames / seconds


def _replayed(path: Path, frames: int) -> float:
    sink = Sink()

    async def main(replay: Replay) -> float:
        begin = time.process_time()
        asking = asyncio.ensure_future(replay.connector.connect(Endpoint(url="ws://bench.test/"), sink))
        await replay.ended.wait()
        asking.cancel()
        return time.process_time() - begin

    with Replay(path) as replay:
        seconds = replay.run(main)
    if sink.count != frames:
        raise RuntimeError(f"{sink.count} frames of {frames} were replayed")
    return frames / seconds


# --- to a moment of a long one ---------------------------------------------------------------------------------------


LONG_BLOCKS = 40_000
LONG_BLOCK = 256 * 1024


class _Words:
    """Of messages none of which is a publication, and no answer to a ping."""

    def split(self, message: bytes) -> tuple[bytes | None, Sequence[tuple[str, bytes]]]:
        return message, ()

    def is_beat(self, message: bytes) -> bool:
        return False

    def begun(self, said: Sequence[Said], last: Mapping[str, bytes]) -> list[Said]:
        return list(said)

    def is_state(self, url: str) -> bool:
        return False


def _long(folder: Path) -> Path:
    """Eleven hours, a seed point at their end, and a frame. What lies before is in the index, and a hole in the file:
    nobody has to read it.
    """
    second, head = 1_000_000_000, Head(venue="bench", wall_ns=0, monotonic_ns=0, software="t", recording="r")
    end = LONG_BLOCKS * second
    dial = Record(Kind.DIAL, end, 1, {"url": "ws://bench.test/", "headers": {}, "subprotocols": []})
    begun = [dial, Record(Kind.OPENED, end, 1), Record(Kind.SENT, end, 1, [b'"book"'])]
    asked = [
        Record(Kind.SEED, end + second, 0),
        Record(Kind.SEED, end + second, 0, ([("book", make_messages()[0])], [])),
    ]
    *_, seed = Standing(_Words()).passed([*begun, *asked])
    path, index = folder / "long.tape", list[IndexEntry]()
    with path.open("wb") as file:
        begin = file.write(pack_head(head))
        for number in range(LONG_BLOCKS):
            at_ns = number * second
            index.append(IndexEntry(begin + number * LONG_BLOCK, LONG_BLOCK - 44, 600, at_ns, at_ns))
        file.seek(begin + LONG_BLOCKS * LONG_BLOCK)
        for records in ([seed], [Record(Kind.READ, end + 10 * second, 1, [make_messages()[1]])]):
            block = pack_block(records)
            found = read_block_head(block)
            assert found is not None
            index.append(IndexEntry(file.tell(), found.packed, found.records, found.first_ns, found.last_ns))
            file.write(block)
        seeds = [SeedEntry(seed.at_ns, seed.data["since_ns"])]
        file.write(pack_footer(Footer(index=index, counts={}, connections=1, seeds=seeds), file.tell()))
    return path


def _sought(path: Path) -> float:
    sink = Sink()

    async def main(replay: Replay) -> None:
        transport = await replay.connector.connect(Endpoint(url="ws://bench.test/"), sink)
        transport.send([b'"book"'])
        await replay.ended.wait()

    begin = time.perf_counter()
    with Replay(path, from_ns=(LONG_BLOCKS + 9) * 1_000_000_000, seeks=True) as replay:
        replay.run(main)
    seconds = time.perf_counter() - begin
    if sink.count != 2:
        raise RuntimeError(f"{sink.count} frames of 2 came")
    return seconds


# --- through the documented class -----------------------------------------------------------------------------------


SYMBOL = "BTCUSDT"


async def _trades(folder: Path, count: int, size: int) -> Path:
    """A tape of the played venue that goes on with so many trades, so many a read."""
    async with Sandbox(port=0, rate=0, venues=["weex"]) as sandbox:
        with Recorder(folder, "weex", settings={"host": sandbox.url}) as recorder:
            async with WeexWebSocketClient(WeexConfig(host=sandbox.url), **recorded(recorder)) as client:
                task = asyncio.ensure_future(anext(aiter(client.stream_trades(SYMBOL))))
                while not task.done():
                    sandbox.step()
                    await asyncio.sleep(PAUSE_SECONDS)
    with Tape(recorder.paths[0]) as tape:
        head, records = tape.head, list(tape.read())
    number = next(n for n, record in enumerate(records) if record.kind == Kind.READ and _trades_of(record))
    first, data = records[number], _trades_of(records[number])
    writer = SegmentWriter(folder / "trades.tape", head)
    writer.write(records[:number])
    before, trade_id, behind = _cut_at_id(data[0])
    reads: list[Record] = []
    for begin in range(0, count, size):
        numbers = range(begin, min(begin + size, count))
        said = [before + b"%012d" % n + trade_id[12:] + behind for n in numbers]  # a trade is told once
        reads.append(Record(Kind.READ, first.at_ns + begin * 1_000, first.connection, said))
    for begin in range(0, len(reads), 1_000):
        writer.write(reads[begin : begin + 1_000])
    writer.close()
    return writer.path


def _cut_at_id(message: bytes) -> tuple[bytes, bytes, bytes]:
    before, name, rest = message.partition(b'"t":"')
    trade_id, quote, behind = rest.partition(b'"')
    return before + name, trade_id, quote + behind


def _trades_of(record: Record) -> list[Any]:
    """The messages of a read that are trades, each with the first of its trades alone."""
    found = [json.loads(each) for each in record.data if b'"e":"trade"' in _bytes_of(each)]
    return [json.dumps({**each, "d": each["d"][:1]}, separators=(",", ":")).encode() for each in found]


def _bytes_of(message: Any) -> bytes:
    return message.encode() if isinstance(message, str) else bytes(message)


def _decoded(path: Path, count: int) -> float:
    async def main(replay: Replay) -> tuple[int, float]:
        heard = 0

        async def listen(stream: Any) -> None:
            nonlocal heard
            async for message in stream:
                _ = message.data
                heard += 1

        config = WeexConfig(host=replay.settings["host"])
        async with WeexWebSocketClient(config, **replayed(replay)) as client:
            begin = time.process_time()
            listening = asyncio.ensure_future(listen(client.stream_trades(SYMBOL)))
            await replay.ended.wait()
            seconds = time.process_time() - begin
            listening.cancel()
        return heard, seconds

    with Replay(path) as replay:
        heard, seconds = replay.run(main)
    if heard != count:
        raise RuntimeError(f"{heard} trades of {count} were replayed")
    return count / seconds


# --- the table ------------------------------------------------------------------------------------------------------


def print_tape(console: Console, found: dict[str, list[float]]) -> None:
    """The table, and the goals. Absolute figures: what they are on this machine now."""
    grid = Grid(title="The tape, on this machine now", title_justify="left", title_style="bold")
    for heading in ("figure", "median", "lowest", "highest", "goal", ""):
        grid.add_column(heading, justify="left" if heading in ("figure", "") else "right")
    for name, figure in FIGURES.items():
        values = found[name]
        middle = statistics.median(values)
        met = figure.is_met(middle)
        judged = "" if met is None else "[green]goal[/]" if met else "[red]missed[/]"
        goal = "" if figure.goal is None else f"{'>=' if figure.is_least else '<='} {figure.goal:,g}"
        grid.add_row(
            figure.title,
            *(f"{value:,.2f} {figure.unit}" for value in (middle, min(values), max(values))),
            *(goal, judged),
        )
    console.print(grid)


def tape_as_json(found: dict[str, list[float]]) -> dict[str, Any]:
    """The same for a program."""
    return {
        name: {
            "median": statistics.median(found[name]),
            "unit": figure.unit,
            "goal": figure.goal,
            "is_met": figure.is_met(statistics.median(found[name])),
        }
        for name, figure in FIGURES.items()
    }


if __name__ == "__main__":
    print_tape(Console(highlight=False, width=160), measure())
