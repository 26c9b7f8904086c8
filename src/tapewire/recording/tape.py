"""A tape on a disk: written block by block, and read in any order. No thread, no clock.

Rules:

* A segment that is being written is named `....part`, and renamed when its footer stands. A `.part` that was left
  behind can be read: its index is made by one scan.
* Memory is bounded by one block, however long the tape is.
* What cannot be read is said where it was: `read()` raises TapeCorrupt, or gives it to `on_corrupt` and goes on.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Final, Literal, Self, TypeAlias

from ..errors import TapeCorrupt
from .format import (
    BLOCK_HEAD,
    MAX_BLOCK,
    MAX_FOOTER,
    MAX_HEAD,
    TAIL,
    BlockHead,
    Footer,
    Head,
    IndexEntry,
    Kind,
    Record,
    SeedEntry,
    find_block,
    footer_offset,
    index_of,
    pack_block,
    pack_footer,
    pack_head,
    read_block_head,
    read_footer,
    read_head,
    unpack_block,
)

__all__ = ["BLOCK_BYTES", "Fsync", "SegmentWriter", "Tape", "blocks_of"]

Fsync: TypeAlias = Literal["none", "interval", "block"]
"""When what was written is forced to the disk: by the system alone, every second, or with each block."""

BLOCK_BYTES: Final = 256 * 1024
BLOCK_RECORDS: Final = 2_000
"""Of a block: bytes of payloads, and of one that is copied, records."""

SCAN_WINDOW: Final = 1024 * 1024
"""Bytes that are looked through at a time for the next block behind a corrupt one."""


class SegmentWriter:
    """One file of a tape, being written. Give it records in the order of their times; `close` ends and renames it.

    Raises OSError where the disk refuses: what was written stays as it is, and the same block may be given again.
    """

    def __init__(self, path: Path, head: Head, *, fsync: Fsync = "none") -> None:
        self.path: Path = path
        self.part: Path = path.with_name(path.name + ".part")
        self._fsync = fsync
        self._counts: Counter[int] = Counter()
        self._index: list[tuple[int, BlockHead]] = []
        self._seeds: list[SeedEntry] = []
        self._lines = _LineEnds(head.monotonic_ns)
        self._file: FileIO = self.part.open("xb", buffering=0)
        self._end = 0
        self._append(pack_head(head))

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._end

    @property
    def first_ns(self) -> int | None:
        """The time of its first record."""
        return self._index[0][1].first_ns if self._index else None

    def write(self, records: Sequence[Record]) -> None:
        """One block."""
        block = pack_block(records)
        offset = self._end
        self._append(block)
        head = read_block_head(block)
        assert head is not None
        self._index.append((offset, head))
        others = [record for record in records if record.kind != Kind.READ]
        self._counts.update({Kind.READ: len(records) - len(others)} if len(others) < len(records) else {})
        for record in others:
            self._counts[record.kind] += 1
            self._lines.look_at(record)
            if record.kind == Kind.SEED:
                self._seeds.append(SeedEntry(record.at_ns, record.data["since_ns"]))
        if self._fsync == "block":
            self.sync()

    def sync(self) -> None:
        """Force to the disk what was written."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write the index, and give the file its name. Idempotent."""
        if self._file.closed:
            return
        footer = Footer(
            index=index_of(self._index),
            counts=dict(self._counts),
            connections=self._counts[Kind.DIAL],
            seeds=self._seeds,
            given_up=self._lines.given_up,
        )
        try:
            self._append(pack_footer(footer, self._end))
            if self._fsync != "none":
                self.sync()
        finally:
            self._file.close()
        self.part.rename(self.path)

    def abandon(self) -> None:
        """Leave it as it is, a `.part` without a footer."""
        self._file.close()

    def _append(self, data: bytes) -> None:
        """All of it or, where the disk is full, none of it."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += len(data)


class _LineEnds:
    """Which connections we left before they were lost."""

    def __init__(self, begun_ns: int) -> None:
        self.given_up: list[tuple[int, int, int]] = []
        self._begun_ns = begun_ns
        self._ponged_ns: dict[int, int] = {}
        self._lost: set[int] = set()

    def look_at(self, record: Record) -> None:
        number = record.connection
        if record.kind == Kind.PONG:
            self._ponged_ns[number] = record.at_ns
        elif record.kind == Kind.LOST:
            self._lost.add(number)
        elif record.kind == Kind.ABORTED and number not in self._lost:
            self.given_up.append((number, self._ponged_ns.get(number, self._begun_ns), record.at_ns))


class Tape:
    """A tape to be read. Raises ForeignTape, NewerTape, TapeCorrupt (its head), OSError.

    `head`, `footer`: what it says of itself, and its index, made by a scan where the file has none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._file: BinaryIO = self.path.open("rb")
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            head, self._start = read_head(self._file.read(MAX_HEAD), str(self.path))
            self.head: Head = head
            self.footer: Footer = self._footer() or self._scanned()
        except BaseException:
            self._file.close()
            raise

    def read(
        self,
        *,
        from_ns: int | None = None,
        to_ns: int | None = None,
        on_corrupt: Callable[[TapeCorrupt], None] | None = None,
    ) -> Iterator[Record]:
        """Its records, in order; of those between two monotonic times, both included.

        Raises TapeCorrupt at a block that cannot be read; with `on_corrupt` that is called and the rest follows.
        """
        say = on_corrupt or _raised
        for number, entry in enumerate(self.footer.index):
            if number in self._holes:
                say(self._holes[number])
            if (from_ns is not None and entry.last_ns < from_ns) or (
                to_ns is not None and entry.first_ns > to_ns
            ):
                continue
            try:
                records = self._block(number, entry)
            except TapeCorrupt as error:
                say(error)
                continue
            for record in records:
                if (from_ns is None or record.at_ns >= from_ns) and (to_ns is None or record.at_ns <= to_ns):
                    yield record
        lost = self._lost_behind()
        if lost is not None:
            say(lost)

    def verify(self) -> list[TapeCorrupt]:
        """Everything that is wrong with it: each block is read."""
        found: list[TapeCorrupt] = []
        for _ in self.read(on_corrupt=found.append):
            pass
        return found

    def wall_ns(self, at_ns: int) -> int:
        """The wall clock at a record's time, as that clock went when the tape was begun."""
        return self.head.wall_ns + at_ns - self.head.monotonic_ns

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        records = sum(self.footer.counts.values())
        return f"<Tape {self.path.name} of {self.head.venue}: {records} records>"

    # --- inside -----------------------------------------------------------------------------------------------------

    _holes: Mapping[int, TapeCorrupt] = MappingProxyType({})  # of a scan, by the block that follows
    _trailing: int | None = None  # where bytes begin that are no block, at the end of a tape without a footer

    def _block(self, number: int, entry: IndexEntry) -> list[Record]:
        self._file.seek(entry.offset)
        head = read_block_head(self._file.read(BLOCK_HEAD))
        if head is None or (head.packed, head.records) != (entry.packed, entry.records):
            raise self._named("a block's head is not as it was written", number, entry.offset)
        try:
            return unpack_block(
                head, self._file.read(min(head.packed, MAX_BLOCK)), str(self.path), entry.offset
            )
        except TapeCorrupt as error:
            raise self._named(error.why, number, entry.offset) from None

    def _named(self, why: str, number: int, offset: int) -> TapeCorrupt:
        """With the span between the blocks on both sides."""
        index = self.footer.index
        before = self.wall_ns(index[number - 1].last_ns) if number else None
        behind = self.wall_ns(index[number + 1].first_ns) if number + 1 < len(index) else None
        return TapeCorrupt(str(self.path), offset, why, since_ns=before, until_ns=behind)

    def _lost_behind(self) -> TapeCorrupt | None:
        if self._trailing is None or self._trailing >= self._size:
            return None
        index = self.footer.index
        before = self.wall_ns(index[-1].last_ns) if index else None
        return TapeCorrupt(str(self.path), self._trailing, "it ends within a block", since_ns=before)

    def _footer(self) -> Footer | None:
        if self._size < TAIL:
            return None
        self._file.seek(self._size - TAIL)
        tail = self._file.read(TAIL)
        offset = footer_offset(tail)
        if offset is None or not self._start <= offset < self._size or self._size - offset > MAX_FOOTER:
            return None
        self._file.seek(offset)
        footer = read_footer(self._file.read(self._size - offset), tail)
        if footer is None or any(not self._start <= entry.offset < offset for entry in footer.index):
            return None
        return footer

    def _scanned(self) -> Footer:
        """By the heads of the blocks alone: their bodies are passed over, unless a head is corrupt."""
        found: list[tuple[int, BlockHead]] = []
        holes: dict[int, TapeCorrupt] = {}
        offset = self._start
        while offset < self._size:
            self._file.seek(offset)
            head = read_block_head(self._file.read(BLOCK_HEAD))
            if head is not None and offset + BLOCK_HEAD + head.packed <= self._size:
                found.append((offset, head))
                offset += BLOCK_HEAD + head.packed
                continue
            following = self._search(offset + 1)
            if following is None:
                self._trailing = None if self._is_footer_at(offset) else offset
                break
            since = self.wall_ns(found[-1][1].last_ns) if found else None
            self._file.seek(following)
            until = read_block_head(self._file.read(BLOCK_HEAD))
            assert until is not None
            holes[len(found)] = TapeCorrupt(
                str(self.path),
                offset,
                "a block's head is not as it was written",
                since_ns=since,
                until_ns=self.wall_ns(until.first_ns),
            )
            offset = following
        self._holes = holes
        return Footer(index=index_of(found), counts={}, connections=0, is_complete=False)

    def _is_footer_at(self, offset: int) -> bool:
        """A footer that is not as it was written is no loss: the scan has made it anew."""
        self._file.seek(offset)
        return self._file.read(4) == b"TEND"

    def _search(self, start: int) -> int | None:
        """Where the next block begins that can be believed, looked for a window at a time."""
        while start < self._size:
            self._file.seek(start)
            window = self._file.read(SCAN_WINDOW + BLOCK_HEAD)
            found = find_block(window, 0)
            if found is not None:
                return start + found
            start += SCAN_WINDOW
        return None


def blocks_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records in blocks of a size to be written: each is in memory once."""
    block: list[Record] = []
    size = 0
    for record in records:
        block.append(record)
        size += sum(map(len, record.data)) if record.kind in (Kind.READ, Kind.SENT) else 100
        if len(block) >= BLOCK_RECORDS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _raised(error: TapeCorrupt) -> None:
    raise error
