"""The journal: what was decided and heard, on the disk before the wire, and read again after a crash.

Rules:

* One line an entry: the checksum of the rest, then JSON. Lines are only added; amounts are written exactly.
* What is sent was written and synced before; what was heard is written at once and synced with the next order, for
  the venue can be asked for it again.
* A last line that is not whole was never acted upon: it is cut off. Any other line that is damaged is a `JournalError`:
  nobody trades on half a memory.
* One process at a time holds a directory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import msgspec

from ..errors import ConfigurationError, TapewireError
from ..model import Fill, Instrument, Order, OrderRequest
from ..trading import Gate, GateState, Limits

try:
    import fcntl
except (
    ImportError
):  # pragma: no cover - Windows has none: there, one process at a time is the user's to see to
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "Added",
    "Directory",
    "Entry",
    "Filled",
    "Heard",
    "Journal",
    "JournalError",
    "Kept",
    "Sent",
    "restored",
]

logger = logging.getLogger("tapewire.risk")

_DIGITS: Final = 8  # of the checksum


class JournalError(TapewireError):
    """The journal cannot be read or written; the text says which file, and where. No order is sent without it."""


class Added(msgspec.Struct, frozen=True, tag="added"):
    """Orders for it may pass from now on."""

    instrument: Instrument


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """It was approved, and goes to the venue next: from here on it may have arrived."""

    request: OrderRequest
    at_ns: int


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """How an order of ours ended."""

    order: Order


class Filled(msgspec.Struct, frozen=True, tag="filled"):
    """A fill of ours; or what was held when the journal began, or was filled while nobody listened."""

    fill: Fill


class Kept(msgspec.Struct, frozen=True, tag="kept"):
    """The gate's state has changed."""

    state: GateState


Entry: TypeAlias = Added | Sent | Heard | Filled | Kept

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Entry]] = msgspec.json.Decoder(Entry)


class Directory:
    """Where an account's guard keeps what outlives it. Held by one process at a time, until `release`."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._lock: int | None = None

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    def hold(self) -> None:
        """Raises ConfigurationError where another process has it, or no file can be made in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError("directory", str(self.path), f"one to write in: {error}") from error
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ConfigurationError(
                "directory", str(self.path), "one that no other process has: two would not count together"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def is_held(self) -> bool:
        """True while a process has it, this one or another."""
        if self._lock is not None:
            return True
        try:
            self.hold()
        except ConfigurationError:
            return True
        self.release()
        return False


class Journal:
    """The file, open for adding. `entries`: what it held; give them to `restored`. Usable from any thread.

    `in_thread`: the disk is waited for in a thread, so that the event loop goes on; False where its time is not that of
    the program's clock. `sync(descriptor)`: returns when the disk has it.
    """

    def __init__(
        self, path: Path, *, in_thread: bool = True, sync: Callable[[int], object] = os.fsync
    ) -> None:
        self._path = path
        self._sync = sync
        self._in_thread = in_thread
        self._lock = threading.Lock()
        try:
            entries, whole = _read(path)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self._file, whole)
            os.lseek(self._file, whole, os.SEEK_SET)
        except OSError as error:
            raise JournalError(f"{path}: {error}") from error
        self.entries: list[Entry] = entries
        self._written: int = whole

    def write(self, entry: Entry) -> None:
        """Raises JournalError where it cannot be written; then nothing of it is there."""
        line = _line(entry)
        with self._lock:
            try:
                done = 0
                while done < len(line):
                    done += os.write(self._file, line[done:])
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._file, self._written)  # the next must not begin in the middle of a line
                    os.lseek(self._file, self._written, os.SEEK_SET)
                raise JournalError(f"{self._path}: {error}") from error
            self._written += len(line)

    async def keep(self, entry: Entry) -> None:
        """`write`, and wait until the disk has it. Raises JournalError."""
        self.write(entry)
        try:
            if self._in_thread:
                await asyncio.to_thread(self._sync, self._file)
            else:
                self._sync(self._file)
        except OSError as error:
            raise JournalError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Idempotent; what was written stays."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def restored(limits: Limits, entries: Iterable[Entry]) -> Gate:
    """The gate as it was when the last entry was written. Its `open_orders` have to be looked up."""
    known = tuple(entries)
    kept = next((each.state for each in reversed(known) if isinstance(each, Kept)), None)
    gate = Gate(limits, kept)
    for entry in known:
        match entry:
            case Added():
                gate.add(entry.instrument)
            case Sent():
                gate.recall(entry.request)
            case Heard():
                gate.heard(entry.order)
            case Filled():
                gate.filled(entry.fill)
    return gate


def _line(entry: Entry) -> bytes:
    written = _encoder.encode(_bare(entry))
    return b"%08x %s\n" % (zlib.crc32(written), written)


def _bare(entry: Entry) -> Entry:
    """Without what the wire said: it may be anything, and is not asked for again."""
    if isinstance(entry, Heard):
        return Heard(msgspec.structs.replace(entry.order, raw=None))
    if isinstance(entry, Filled):
        return Filled(msgspec.structs.replace(entry.fill, raw=None))
    return entry


def _read(path: Path) -> tuple[list[Entry], int]:
    """The entries, and how many bytes they take."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    entries: list[Entry] = []
    whole = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is None or number == len(lines):  # behind the last newline is nothing, or a part of a line
            if number < len(lines) and any(lines[number:]):
                raise JournalError(f"{path}: line {number} is damaged")
            break
        entries.append(entry)
        whole += len(line) + 1
    if whole < len(content):
        logger.warning("%s: its last line was not whole, and is left out", path)
    return entries, whole


def _entry(line: bytes) -> Entry | None:
    checksum, written = line[:_DIGITS], line[_DIGITS + 1 :]
    if checksum != b"%08x" % zlib.crc32(written):
        return None
    try:
        return _decoder.decode(written)
    except msgspec.MsgspecError:
        return None


def replaced(path: Path, content: Any) -> None:
    """Write a small file whole, or not at all."""
    made = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.new")
    made.write_bytes(_encoder.encode(content))
    made.replace(path)
