"""The bytes of a `.tape`: a head, blocks of records, a footer with an index. Pure: bytes in, bytes out.

docs/tape.md draws it. All numbers are big-endian.

    head    89 54 41 50 45 0D 0A 1A 0A | version u16 | length u32 | crc u32 | msgpack `Head`
    block   "TBLK" | packed u32 | unpacked u32 | records u32 | first ns u64 | last ns u64 | crc of packed u32
            | crc of these fields u32 | zstd frame of msgpack records
    footer  "TEND" | length u32 | crc u32 | msgpack `Footer` | offset of "TEND" u64 | "TAPE"

Rules:

* What is read is checked before it is believed: checksums of heads and blocks, and no block that claims to be, or to
  unpack to, more than `MAX_BLOCK` is allocated for.
* The footer is a convenience: a tape whose writer was killed has none, and one scan of the block heads makes it anew.
* A block stands for itself. One that is corrupt loses its own records and no others.
* A `Record` is an array, so that later versions may add fields behind.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final
from zlib import crc32

import msgspec

from ..errors import ForeignTape, MissingExtra, NewerTape, TapeCorrupt
from ..payload import Binary, Payload

__all__ = [
    "BLOCK_HEAD",
    "MAX_BLOCK",
    "MAX_FOOTER",
    "MAX_HEAD",
    "TAIL",
    "VERSION",
    "BlockHead",
    "Footer",
    "Head",
    "IndexEntry",
    "Kind",
    "Record",
    "SeedEntry",
    "decoded",
    "encoded",
    "find_block",
    "footer_offset",
    "index_of",
    "pack_block",
    "pack_footer",
    "pack_head",
    "read_block_head",
    "read_footer",
    "read_head",
    "unpack_block",
    "zstd_module",
]

VERSION: Final = 1
MAX_BLOCK: Final = 64 * 1024 * 1024
"""Bytes of one block, packed or unpacked: what claims to be more is corrupt."""

MAX_HEAD: Final = 64 * 1024
MAX_FOOTER: Final = 256 * 1024 * 1024

_MAGIC: Final = b"\x89TAPE\r\n\x1a\n"
_HEAD: Final = struct.Struct(">9sHII")
_BLOCK: Final = struct.Struct(">4sIIIQQI")
_CRC: Final = struct.Struct(">I")
_FOOTER: Final = struct.Struct(">4sII")
_TAIL: Final = struct.Struct(">Q4s")
_BLOCK_MAGIC: Final = b"TBLK"
_LEVEL: Final = 1

BLOCK_HEAD: Final = _BLOCK.size + _CRC.size
TAIL: Final = _TAIL.size
"""Bytes at the very end that say where the footer is."""


class Kind:
    """What a record tells of. Numbers never change; a reader passes over those it does not know."""

    DIAL: Final = 1  # data: {url, headers, subprotocols}
    OPENED: Final = 2
    REFUSED: Final = 3  # the error of a dial
    READ: Final = 4  # data: the messages of one read
    SENT: Final = 5  # data: the messages of one send
    PING: Final = 6
    PONG: Final = 7
    LOST: Final = 8  # the error of a connection
    PAUSED: Final = 9
    RESUMED: Final = 10
    CLOSING: Final = 11  # we close: data [code, reason]
    ABORTED: Final = 12
    ASKED: Final = 20  # an HTTP request: [number, method, url, headers, body]
    ANSWERED: Final = 21  # its answer: [number, status, headers, body]
    UNANSWERED: Final = 22  # none came: [number, error]
    LAGGED: Final = 30  # the recorder was too slow: data says how many records are missing here
    NOTE: Final = 31  # what the owner says: any msgpack value
    SEED: Final = 32  # a replay may begin here: {since_ns, records}


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a tape says of itself. `wall_ns`, `monotonic_ns`: both clocks at one moment; records have the second.

    `recording`: a name that all segments of one recording share, for numbers of connections and calls go on from one to
    the next. `segment`: 0 for the first. `settings`: what a replay has to know of the recorded classes; no secret.
    """

    venue: str
    wall_ns: int
    monotonic_ns: int
    software: str
    recording: str = ""
    segment: int = 0
    settings: dict[str, Any] = {}


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing that happened. `at_ns`: monotonic. `connection`: which one, from 1; 0 where it is of none."""

    kind: int
    at_ns: int
    connection: int = 0
    data: Any = None


class BlockHead(msgspec.Struct, frozen=True, gc=False):
    """What stands before a block's packed bytes. Times are monotonic nanoseconds of its first and last record."""

    packed: int
    unpacked: int
    records: int
    first_ns: int
    last_ns: int
    crc: int


class IndexEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a block is, and of when."""

    offset: int
    packed: int
    records: int
    first_ns: int
    last_ns: int


class SeedEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A seed point: when its record was written, and from when on the records behind it count."""

    at_ns: int
    since_ns: int


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """The index, and how many records of each kind there are. `connections`: how many were dialled.

    `seeds`: where a replay may begin. `given_up`: connections that we left before they were lost, each with
    the time of its last pong (or of the file's beginning) and that at which we left it.
    """

    index: list[IndexEntry]
    counts: dict[int, int]
    connections: int
    is_complete: bool = True
    """False where it was made by a scan: nobody closed the tape."""

    seeds: list[SeedEntry] = []
    given_up: list[tuple[int, int, int]] = []


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_head: Final = msgspec.msgpack.Decoder(Head).decode
_decode_records: Final = msgspec.msgpack.Decoder(list[Record]).decode
_decode_footer: Final = msgspec.msgpack.Decoder(Footer).decode


def pack_head(head: Head) -> bytes:
    """The first bytes of a tape."""
    body = _encode(head)
    start = _HEAD.pack(_MAGIC, VERSION, len(body), 0)[:-4]
    return start + _CRC.pack(crc32(body, crc32(start))) + body


def read_head(data: bytes, path: str = "tape") -> tuple[Head, int]:
    """The head at the beginning of `data`, and where the first block begins.

    `data`: at least the first `MAX_HEAD` bytes, or all. Raises ForeignTape, NewerTape, TapeCorrupt.
    """
    if len(data) < _HEAD.size:
        if data[: len(_MAGIC)] == _MAGIC[: len(data)]:
            raise TapeCorrupt(path, len(data), "it ends within its head")
        raise ForeignTape(path)
    magic, version, length, crc = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    start = _MAGIC + data[len(_MAGIC) : _HEAD.size - 4]
    is_whole = length <= MAX_HEAD and len(data) >= end
    is_right = is_whole and crc32(data[_HEAD.size : end], crc32(start)) == crc
    if magic != _MAGIC and not is_right:
        raise ForeignTape(path)
    if not is_right:
        raise TapeCorrupt(path, 0, "its head is not as it was written")
    if version > VERSION:
        raise NewerTape(path, version, VERSION)
    try:
        return _decode_head(data[_HEAD.size : end]), end
    except msgspec.MsgspecError as error:
        raise TapeCorrupt(path, _HEAD.size, f"its head is none: {error}") from None


def pack_block(records: Sequence[Record]) -> bytes:
    """One block of records, which are in the order of their times. Raises ValueError where it would be too large."""
    body = _encode(records)
    packed: bytes = zstd_module().ZstdCompressor(level=_LEVEL, write_checksum=True).compress(body)
    if max(len(body), len(packed)) > MAX_BLOCK:
        raise ValueError(f"a block of {len(body)} bytes; the most is {MAX_BLOCK}")
    fields = _BLOCK.pack(
        *(_BLOCK_MAGIC, len(packed), len(body), len(records)),
        *(records[0].at_ns, records[-1].at_ns, crc32(packed)),
    )
    return fields + _CRC.pack(crc32(fields)) + packed


def read_block_head(data: bytes, offset: int = 0) -> BlockHead | None:
    """The head of a block that begins at `offset` of `data`; None where none does, or its checksum differs."""
    if len(data) < offset + BLOCK_HEAD:
        return None
    magic, packed, unpacked, records, first_ns, last_ns, crc = _BLOCK.unpack_from(data, offset)
    end = offset + _BLOCK.size
    if magic != _BLOCK_MAGIC or _CRC.unpack_from(data, end)[0] != crc32(data[offset:end]):
        return None
    return BlockHead(packed, unpacked, records, first_ns, last_ns, crc)


def find_block(data: bytes, start: int) -> int | None:
    """Where in `data`, from `start` on, a block begins whose head is as it was written; None where none does."""
    while (found := data.find(_BLOCK_MAGIC, start)) >= 0:
        if read_block_head(data, found) is not None:
            return found
        start = found + 1
    return None


def unpack_block(head: BlockHead, packed: bytes, path: str, offset: int) -> list[Record]:
    """The records of a block. Raises TapeCorrupt; nothing larger than `MAX_BLOCK` is ever allocated."""
    if max(head.packed, head.unpacked) > MAX_BLOCK:
        raise TapeCorrupt(path, offset, f"a block claims to unpack to {head.unpacked} bytes")
    if len(packed) != head.packed or crc32(packed) != head.crc:
        raise TapeCorrupt(path, offset, "a block is not as it was written")
    zstd = zstd_module()
    try:
        if zstd.frame_content_size(packed) != head.unpacked:
            raise TapeCorrupt(path, offset, "a block unpacks to another size than it claims")
        return _decode_records(zstd.ZstdDecompressor().decompress(packed, max_output_size=head.unpacked))
    except (zstd.ZstdError, msgspec.MsgspecError) as error:
        raise TapeCorrupt(path, offset, f"a block cannot be unpacked: {error}") from None


def pack_footer(footer: Footer, offset: int) -> bytes:
    """The last bytes of a tape, whose blocks end at `offset`."""
    body = _encode(footer)
    start = _FOOTER.pack(b"TEND", len(body), crc32(body))
    return start + body + _TAIL.pack(offset, b"TAPE")


def read_footer(data: bytes, tail: bytes) -> Footer | None:
    """The footer, of `data` from where it begins (see `footer_offset`); None where it is not as it was written."""
    if len(data) < _FOOTER.size:
        return None
    magic, length, crc = _FOOTER.unpack_from(data)
    body = data[_FOOTER.size : _FOOTER.size + length]
    if magic != b"TEND" or len(body) != length or crc32(body) != crc or data[_FOOTER.size + length :] != tail:
        return None
    try:
        return _decode_footer(body)
    except msgspec.MsgspecError:
        return None


def footer_offset(tail: bytes) -> int | None:
    """Where the footer begins, by the last `TAIL` bytes of a tape; None where it has none."""
    if len(tail) != TAIL:
        return None
    offset, magic = _TAIL.unpack(tail)
    return offset if magic == b"TAPE" else None


def index_of(entries: Iterable[tuple[int, BlockHead]]) -> list[IndexEntry]:
    """The index of blocks, each with where it begins."""
    return [
        IndexEntry(offset, head.packed, head.records, head.first_ns, head.last_ns) for offset, head in entries
    ]


def zstd_module() -> Any:
    """The library that packs blocks. Raises MissingExtra where it is not there."""
    try:
        return importlib.import_module("zstandard")
    except ModuleNotFoundError:
        raise MissingExtra("a tape", "tape", "zstandard") from None


def encoded(payloads: Sequence[Payload]) -> list[Any]:
    """Messages as a record has them: text as text or UTF-8, a binary message as a list of its bytes alone."""
    return [[bytes(each)] if isinstance(each, Binary) else each for each in payloads]


def decoded(payloads: Sequence[Any]) -> list[Payload]:
    """The other way of `encoded`."""
    return [Binary(each[0]) if isinstance(each, list) else each for each in payloads]
