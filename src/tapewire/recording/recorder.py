"""`Recorder`: what happened on the wire, written to a tape by a thread of its own.

Rules:

* Whoever records only appends to a queue; credentials are masked, blocks packed and written in the thread.
* The queue is bounded in bytes. What does not fit is not written, counted, and said on the tape where it is missing
  (`Kind.LAGGED`). It never slows the venue's line, unless that was asked for (`brake`): then reading pauses, from half
  of what may wait down to a quarter of it.
* A disk that refuses loses the block that it refused, says so in the log and, when there is room again, on the tape.
* A block is written when it is full or `block_seconds` old, so that whoever kills the process loses no more than that.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from time import gmtime, monotonic, strftime
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from msgspec.structs import force_setattr

from ..clock import Clock, SystemClock, nanoseconds_of
from ..errors import ConfigurationError
from ..payload import Payload
from ..reporting import is_worth_a_line
from .brake import Brake
from .format import Head, Kind, Record, encoded, zstd_module
from .placeholders import joined, may_name_one, said_by_a_venue, said_by_us
from .seeds import Answer, Seeding, Snapshot, Standing
from .tape import BLOCK_BYTES, Fsync, SegmentWriter

__all__ = ["Recorder", "RecorderStatistics"]

logger = logging.getLogger("tapewire.recording")

CAPACITY_BYTES: Final = 64 * 1024 * 1024
RECORD_BYTES: Final = 40
"""What a record takes beside its payloads, about."""

_OURS: Final = frozenset({Kind.DIAL, Kind.REFUSED, Kind.SENT, Kind.ASKED, Kind.UNANSWERED, Kind.NOTE})
"""Kinds of which we are the author."""

_LOOKED_AT: Final = _OURS | {Kind.ANSWERED, Kind.SEED}
"""Kinds of which each record is looked at for credentials, whatever it looks like."""

_OF_CALLS: Final = frozenset({Kind.ASKED, Kind.ANSWERED})
_STREAMED: Final = frozenset({Kind.READ, Kind.SENT})
"""Kinds whose data are messages as the transport has them, until they are written."""


class RecorderStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen figures. `lost`: records that are not on the tape, each said there. `waiting_bytes`: not written yet.
    `brakes`: how often reading was paused for the tape.
    """

    records: int
    blocks: int
    bytes: int
    segments: int
    lost: int
    disk_errors: int
    waiting_bytes: int
    brakes: int = 0


class Recorder:
    """A tape in `folder`, for one venue. Use it with `with` or `async with`; give it to the taps of this room.

    Files are `<venue>-<UTC time>-<segment>.tape`; a new one is begun after `segment_bytes` or `segment_seconds`.
    `fsync`: see `tape.Fsync`. `capacity_bytes`: what may wait for the disk. `block_seconds`: what a kill may lose.
    `settings`: what a replay has to know, kept in the tape's head. `clock`: the one of the recorded classes. `brake`:
    hold the lines rather than lose what the disk is too slow for; one that is held longer than its peer bears is lost.
    `seeding`: what is known of the venue's messages, for seed points (`seed_begun`, `seed_made`).
    Raises ConfigurationError, MissingExtra, OSError where the first file cannot be made.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        venue: str,
        *,
        segment_bytes: int = 1024 * 1024 * 1024,
        segment_seconds: float = 3600.0,
        fsync: Fsync = "none",
        capacity_bytes: int = CAPACITY_BYTES,
        block_seconds: float = 1.0,
        settings: dict[str, Any] | None = None,
        clock: Clock | None = None,
        brake: bool = False,
        seeding: Seeding | None = None,
    ) -> None:
        _check_sizes(segment_bytes=segment_bytes, capacity_bytes=capacity_bytes)
        _check_times(segment_seconds=segment_seconds, block_seconds=block_seconds)
        if fsync not in ("none", "interval", "block"):
            raise ConfigurationError("fsync", fsync, ("none", "interval", "block"))
        zstd_module()  # here, and not with the first block
        self.folder: Path = Path(folder)
        self.venue: str = venue
        self._limits = (segment_bytes, int(segment_seconds * 1e9))
        self._fsync: Fsync = fsync
        self._capacity = capacity_bytes
        self._block_seconds = float(block_seconds)
        self._settings = dict(settings or {})
        self._name = secrets.token_hex(8)
        self._clock = clock or SystemClock()
        self._now_ns = nanoseconds_of(self._clock)
        self._queue: deque[Record] = deque()  # bounded by `capacity_bytes`
        self._put_bytes = self._taken_bytes = 0  # each is written by one thread alone
        self._alarm = capacity_bytes // 2 if brake else capacity_bytes
        self._full_at = self._alarm  # of `_put_bytes`: beyond it is looked closely
        self.brake: Brake | None = Brake() if brake else None
        self._standing = None if seeding is None else Standing(seeding)
        self._lost = self._lost_told = 0
        self._connections = self._calls = 0
        self._records = self._blocks = self._bytes = self._segments = self._disk_errors = 0
        self._disk_lost = self._disk_lost_told = 0
        self._is_closed = False
        self._event = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tapewire tape {venue}", daemon=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._writer: SegmentWriter | None = self._begin_segment()
        self._paths: list[Path] = [self._writer.path]
        self._thread.start()

    # --- whoever records --------------------------------------------------------------------------------------------

    def new_connection(self) -> int:
        """The number of the next connection, from 1."""
        self._connections += 1
        return self._connections

    def new_call(self) -> int:
        """The number of the next call over HTTP, from 1."""
        self._calls += 1
        return self._calls

    def note(self, kind: int, connection: int = 0, data: Any = None) -> None:
        """Something happened now. Never waits and never raises."""
        record = Record(kind, self._now_ns(), connection, data)
        size = _size_of(record)
        if self._put_bytes + size <= self._full_at or self._has_room(size):
            self._put_bytes += size
            self._queue.append(record)

    def tap(
        self, connection: int, deliver: Callable[[list[Payload]], Any]
    ) -> Callable[[list[Payload]], None]:
        """What notes each read of a connection, and delivers it: one function, for it is the price of each read."""
        now_ns, append, kind = self._now_ns, self._queue.append, Kind.READ

        def received(payloads: list[Payload]) -> None:
            # No list is kept, for it is the receiver's; of one message none is made, and a record is no affair of the
            # collector's: what it would count as new makes it look at all that the program holds.
            data: Any
            if len(payloads) == 1:
                data = payloads[0]
                size = RECORD_BYTES + len(data)
            else:
                data = tuple(payloads)
                size = RECORD_BYTES + sum(map(len, data))
            if self._put_bytes + size <= self._full_at or self._has_room(size):
                self._put_bytes += size
                append(Record(kind, now_ns(), connection, data))
            deliver(payloads)

        return received

    def _has_room(self, size: int) -> bool:
        """Whether so much may still be put there; what may not is counted. The brake may put something itself."""
        if self._put_bytes + size - self._taken_bytes <= self._capacity and not self._is_closed:
            if self.brake is not None:
                self.brake.hold()
            return True
        self._lost += 1
        if is_worth_a_line(self._lost, 10):
            logger.warning("the tape of %s is too slow: %d records are not on it", self.venue, self._lost)
        return False

    def write_note(self, value: Any) -> None:
        """Say something of your own at this place of the tape: text, numbers, lists and mappings of such."""
        self.note(Kind.NOTE, 0, value)

    def seed_begun(self) -> None:
        """Snapshots are asked for now: a replay may begin here, once they are there (`seed_made`)."""
        if self._standing is not None:
            self.note(Kind.SEED)

    def seed_made(self, snapshots: Sequence[Snapshot], answers: Sequence[Answer] = ()) -> None:
        """They are there, and what was asked for over HTTP meanwhile (`http.unnoted`).

        Nothing is written where what stood then was more than one can begin with.
        """
        if self._standing is not None:
            self.note(Kind.SEED, 0, (list(snapshots), list(answers)))

    @property
    def paths(self) -> list[Path]:
        """The files, in order. The last one is a `.part` until it is closed."""
        return list(self._paths)

    def statistics(self) -> RecorderStatistics:
        """Frozen figures."""
        return RecorderStatistics(
            records=self._records,
            blocks=self._blocks,
            bytes=self._bytes,
            segments=self._segments,
            lost=self._lost + self._disk_lost,
            disk_errors=self._disk_errors,
            waiting_bytes=self._put_bytes - self._taken_bytes,
            brakes=0 if self.brake is None else self.brake.count,
        )

    def close(self) -> None:
        """Write what waits, end the file, and wait for that. Idempotent. Raises what the disk refused at the end."""
        self._is_closed = True
        self._event.set()
        self._thread.join()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recorder of {self.venue}: {self._records} records in {self._segments} files, {self._lost} lost>"

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        block: list[Record] = []
        size, began = 0, monotonic()
        while True:
            is_last = self._is_closed
            size += self._take(block, BLOCK_BYTES - size)
            if block and (size >= BLOCK_BYTES or is_last or monotonic() - began >= self._block_seconds):
                self._write(block)
                block, size, began = [], 0, monotonic()
            elif is_last and not self._queue:
                self._full_at = -1
                return
            elif not self._queue:
                began = began if block else monotonic()
                self._event.wait(self._block_seconds / 10)

    def _take(self, block: list[Record], most: int) -> int:
        """Records from the queue into the block, of `most` bytes about; returns of how many."""
        taken, queue = 0, self._queue
        take, put = queue.popleft, block.append
        while queue and taken < most:
            record = take()
            kind, data = record.kind, record.data
            if kind == Kind.READ and type(data) is bytes:  # of one message, as most are
                taken += RECORD_BYTES + len(data)
                force_setattr(record, "data", [data])
            else:
                taken += _size_of(record)
                if kind in _STREAMED:
                    said = data if isinstance(data, (list, tuple)) else (data,)
                    force_setattr(record, "data", encoded(said))
            put(record)
        self._taken_bytes += taken
        self._full_at = self._taken_bytes + self._alarm
        if self.brake is not None and self._put_bytes - self._taken_bytes <= self._capacity // 4:
            self.brake.let_go()
        return taken

    def _write(self, block: list[Record]) -> None:
        try:
            block = _masked(self._with_losses(block))
            if self._standing is not None:
                block = self._standing.passed(block)
            writer = self._segment()
            if block:
                writer.write(block)
            if self._fsync == "interval":
                writer.sync()
        except Exception as error:
            self._disk_errors += 1
            self._disk_lost += len(block)
            if is_worth_a_line(self._disk_errors, 5):
                logger.error("the tape of %s: %d records are not on it: %s", self.venue, len(block), error)
            return
        self._disk_lost_told = self._disk_lost
        self._records += len(block)
        self._blocks += 1
        self._bytes = writer.size

    def _with_losses(self, block: list[Record]) -> list[Record]:
        lost, self._lost_told = self._lost - self._lost_told, self._lost
        lost += self._disk_lost - self._disk_lost_told
        return [Record(Kind.LAGGED, block[0].at_ns, 0, lost), *block] if lost else block

    def _segment(self) -> SegmentWriter:
        writer = self._writer
        assert writer is not None
        most_bytes, most_ns = self._limits
        age_ns = int(self._clock.monotonic() * 1e9) - (writer.first_ns or int(self._clock.monotonic() * 1e9))
        if writer.size >= most_bytes or age_ns >= most_ns:
            self._writer = self._begin_segment()
            self._paths.append(self._writer.path)
            writer.close()
            return self._writer
        return writer

    def _begin_segment(self) -> SegmentWriter:
        wall_ns = self._clock.time_ns()
        stamp = strftime("%Y%m%dT%H%M%S", gmtime(wall_ns // 1_000_000_000))
        head = Head(
            venue=self.venue,
            wall_ns=wall_ns,
            monotonic_ns=int(self._clock.monotonic() * 1e9),
            software=f"tapewire {version('tapewire')}",
            recording=self._name,
            segment=self._segments,
            settings=self._settings,
        )
        path = self.folder / f"{self.venue}-{stamp}-{self._segments:04d}.tape"
        self._segments += 1
        return SegmentWriter(path, head, fsync=self._fsync)


def _size_of(record: Record) -> int:
    """Bytes that it takes in the queue, about: its messages, or the body of what was asked or answered."""
    kind, data = record.kind, record.data
    if kind in _STREAMED:
        return RECORD_BYTES + (sum(map(len, data)) if isinstance(data, (list, tuple)) else len(data))
    if kind == Kind.SEED and data is not None:
        snapshots, answers = data
        return RECORD_BYTES + sum(len(each[-1]) for each in (*snapshots, *answers))
    return RECORD_BYTES + (len(data[-1]) if kind in _OF_CALLS else 0)


def _check_sizes(**sizes: Any) -> None:
    for name, value in sizes.items():
        if type(value) is not int or value < 1:
            raise ConfigurationError(name, value, "a number of bytes from 1")


def _check_times(**times: Any) -> None:
    for name, seconds in times.items():
        if type(seconds) not in (int, float) or not seconds > 0:
            raise ConfigurationError(name, seconds, "a number of seconds above 0")


def _masked(block: list[Record]) -> list[Record]:
    """The block without credentials. What was streamed is looked at closely only where something of it names one."""
    reads = [record.data for record in block if record.kind == Kind.READ]
    looked_at = _LOOKED_AT | {Kind.READ} if may_name_one(joined(chain.from_iterable(reads))) else _LOOKED_AT
    return [record if record.kind not in looked_at else _masked_record(record) for record in block]


def _masked_record(record: Record) -> Record:
    author = said_by_us if record.kind in _OURS else said_by_a_venue
    data = _masked_seed(*record.data) if record.kind == Kind.SEED and record.data else author(record.data)
    return Record(record.kind, record.at_ns, record.connection, data)


def _masked_seed(snapshots: Sequence[Snapshot], answers: Sequence[Answer]) -> tuple[Any, Any]:
    """Of a request what we said, and what the venue did."""
    masked = [
        [*map(said_by_us, (method, url, body)), status, *map(said_by_a_venue, (headers, content))]
        for method, url, body, status, headers, content in answers
    ]
    return [(topic, said_by_a_venue(message)) for topic, message in snapshots], masked
